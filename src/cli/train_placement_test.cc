#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "cli/command.h"
#include "engines/placement/value.h"
#include "model/file.h"

namespace plimsoll::cli {
namespace {

namespace fs = std::filesystem;

class TrainPlacement : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / ("train_placement." + std::to_string(getpid()));
    fs::create_directories(folder_);
    for (std::uint32_t i = 0; i < 4; ++i) {
      model::Node node;
      node.id = NodeId(i);
      node.name = "n" + std::to_string(i);
      node.allocatable = {.cpu = Millicores(32'000), .memory = gibibyte * 128, .pods = 110};
      node.gpus.assign(4, {.model = "T4"});
      snapshot_.nodes.push_back(node);
    }
    for (const int milli : {300, 450, 1000}) {
      model::PodSpec spec;
      spec.requests.cpu = Millicores(4000);
      spec.gpu = {.count = 1, .milli = GpuMilli(milli)};
      snapshot_.specs.push_back(spec);
    }
    for (std::uint32_t i = 0; i < 20; ++i) {
      snapshot_.pods.push_back(
          {.id = PodId(i), .name = "p" + std::to_string(i), .spec = SpecId(i % 3)});
    }
  }

  [[nodiscard]] std::string path(const char* name) const { return (folder_ / name).string(); }

  [[nodiscard]] static model::Sink to(std::ofstream& file) {
    return [&file](std::string_view bytes) -> Result<void> {
      file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
      return {};
    };
  }

  void expect_learns_from(const std::string& history) const {
    const std::string out = path("table.json");
    fs::remove(out);
    const auto code = train({"placement", "--history", history, "--out", out, "--minutes", "0.005",
                             "--seeds", "1-2", "--holdout", "3", "--threads", "1"});
    ASSERT_TRUE(code.has_value()) << code.error().message;
    EXPECT_TRUE(*code == exit_done || *code == exit_objective_broken);
    std::stringstream text;
    text << std::ifstream(out).rdbuf();
    EXPECT_TRUE(placement::value_table_from_json(text.str(), out).has_value());
  }

  fs::path folder_;
  model::Snapshot snapshot_;
};

TEST_F(TrainPlacement, LearnsFromASnapshot) {
  {
    std::ofstream file(path("a.snapshot"), std::ios::binary);
    ASSERT_TRUE(model::encode_snapshot(snapshot_, to(file)).has_value());
  }
  expect_learns_from(path("a.snapshot"));
}

TEST_F(TrainPlacement, LearnsFromAJournalsArrivals) {
  {
    std::ofstream file(path("a.journal"), std::ios::binary);
    model::JournalStart start;
    start.snapshot = snapshot_;
    start.snapshot.pods.clear();
    auto journal = model::JournalEncoder::make(start, to(file));
    ASSERT_TRUE(journal.has_value());
    for (const model::Pod& pod : snapshot_.pods) {
      ASSERT_TRUE(journal->add({Time(1), model::PodAdded{pod}}).has_value());
    }
    ASSERT_TRUE(journal->finish().has_value());
  }
  expect_learns_from(path("a.journal"));
}

TEST_F(TrainPlacement, BadArgumentsGetOneLine) {
  const struct {
    std::vector<std::string> arguments;
    const char* message;
  } cases[] = {
      {{"placment"}, "train: found 'placment', expected placement"},
      {{"placement", "--out", "t"}, "--trace, --history: found neither, expected one of them"},
      {{"placement", "--out", "t", "--trace", "openb", "--history", "h"},
       "--trace, --history: found both, expected one of them"},
      {{"placement", "--out", "t", "--trace", "openb", "--holdout", "6-8"},
       "--holdout: found seed 6, expected none of those of --seeds"},
      {{"placement", "--out", "t", "--trace", "openb"},
       "--data: found none, expected the folder that holds openb/"},
  };
  for (const auto& c : cases) {
    const auto code = train(c.arguments);
    ASSERT_FALSE(code.has_value());
    EXPECT_EQ(code.error().code, ErrorCode::bad_input);
    EXPECT_EQ(code.error().message, c.message);
  }
}

}  // namespace
}  // namespace plimsoll::cli
