// The openb and gangs studies, small: what they print, that threads change nothing, and openb's
// placements re-checked by the trace's own figures.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "cli/command.h"
#include "traces/openb.h"

namespace plimsoll::cli {
namespace {

namespace fs = std::filesystem;

class Studies : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists("../shared/data/openb")) {
      GTEST_SKIP() << "no ../shared/data/openb";
    }
  }

  // Runs `plimsoll simulate …` and returns its JSON, the measured times taken out.
  static nlohmann::json run(std::vector<std::string> options) {
    const fs::path out = temporary("json");
    options.insert(options.begin(), "simulate");
    options.insert(options.end(), {"--data", "../shared/data", "-o", "json", "--out", out});
    EXPECT_EQ(run_command_line(options), 0);
    nlohmann::json result = nlohmann::json::parse(std::ifstream(out));
    fs::remove(out);
    for (auto& policy : result["policies"]) {
      for (auto& one : policy["runs"]) one.erase("wall_seconds");
      for (const char* key : {"mean", "sd"}) policy[key].erase("wall_seconds");
    }
    return result;
  }

  static fs::path temporary(const std::string& extension) {
    return fs::temp_directory_path() /
           ("plimsoll_studies." + std::to_string(getpid()) + "." + extension);
  }
};

TEST_F(Studies, OpenbIsTheSameAtAnyThreadCount) {
  std::vector<nlohmann::json> results;
  for (const char* threads : {"1", "2", "8"}) {
    results.push_back(run({"openb", "--policy", "random,fgd,plimsoll", "--seeds", "1-3",
                           "--arrival", "0.3", "--threads", threads}));
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
  EXPECT_EQ(results[0]["study"], "openb");
  EXPECT_EQ(results[0]["variant"], "default");
  const auto& one = results[0]["policies"][1]["runs"][0];
  EXPECT_EQ(one["plan_sha256"].get<std::string>().size(), 64U);
  EXPECT_EQ(one["arrived"], one["placed"].get<int>() + one["failed"].get<int>());
  EXPECT_NE(one["plan_sha256"], results[0]["policies"][1]["runs"][1]["plan_sha256"]);
}

// Adds up what --placements says was given out, from the trace alone.
TEST_F(Studies, OpenbPlacementsFitTheirNodesAndAddUp) {
  const fs::path file = temporary("csv");
  const nlohmann::json result =
      run({"openb", "--policy", "plimsoll", "--seeds", "5", "--placements", file});
  const auto trace = traces::read_openb("../shared/data", "default");
  ASSERT_TRUE(trace.has_value());
  std::map<std::string, const model::PodSpec*> specs;
  for (const auto& [name, spec] : trace->pods) specs[name] = &trace->specs[spec.index()];
  struct Left {
    std::int64_t cpu;
    std::int64_t memory;
    std::vector<std::int64_t> gpus;
  };
  std::map<std::string, Left> left;
  double capacity = 0;
  for (const model::Node& node : trace->cluster.nodes) {
    left[node.name] = {node.allocatable.cpu.value(), node.allocatable.memory.value(),
                       std::vector<std::int64_t>(node.gpus.size(), 1000)};
    capacity += 1000.0 * static_cast<double>(node.gpus.size());
  }
  std::ifstream rows(file);
  std::string line;
  ASSERT_TRUE(std::getline(rows, line));
  EXPECT_EQ(line, "policy,seed,order,pod,node,gpus");
  double held = 0;
  int refused = 0;
  while (std::getline(rows, line)) {
    std::vector<std::string> fields;
    std::stringstream split(line + ",");
    for (std::string field; std::getline(split, field, ',');) fields.push_back(field);
    ASSERT_EQ(fields.size(), 6U) << line;
    if (fields[4].empty()) {
      ++refused;
      continue;
    }
    // A pod drawn again has its order appended to its name: the trace's are "openb-pod-NNNN".
    const model::PodSpec* spec = specs.at(fields[3].substr(0, 14));
    Left& node = left.at(fields[4]);
    node.cpu -= spec->requests.cpu.value();
    node.memory -= spec->requests.memory.value();
    ASSERT_GE(node.cpu, 0) << line;
    ASSERT_GE(node.memory, 0) << line;
    std::stringstream gpus(fields[5]);
    int count = 0;
    for (std::string index; std::getline(gpus, index, '|'); ++count) {
      std::int64_t& free = node.gpus.at(static_cast<std::size_t>(std::stoi(index)));
      free -= spec->gpu.milli.value();
      ASSERT_GE(free, 0) << line;
      held += static_cast<double>(spec->gpu.milli.value());
    }
    ASSERT_EQ(count, spec->gpu.count) << line;
  }
  fs::remove(file);
  const auto& run_row = result["policies"][0]["runs"][0];
  EXPECT_EQ(run_row["failed"], refused);
  EXPECT_NEAR(run_row["gpu_allocation_percent"].get<double>(), 100 * held / capacity, 1e-4);
  EXPECT_GT(held / capacity, 0.955) << "better than FGD's published mean";
}

TEST_F(Studies, GangsAllEndWhateverTheRuleAndTheThreads) {
  const std::vector<std::string> options = {"gangs", "--cluster", "a100", "--jobs",
                                            "200",   "--seeds",   "1-2",  "--threads"};
  std::vector<nlohmann::json> results;
  for (const char* threads : {"1", "4"}) {
    std::vector<std::string> with = options;
    with.emplace_back(threads);
    results.push_back(run(with));
  }
  EXPECT_EQ(results[0], results[1]);
  ASSERT_EQ(results[0]["policies"].size(), 4U);
  for (const auto& policy : results[0]["policies"]) {
    EXPECT_EQ(policy["mean"]["completed"], 200) << policy["policy"];
  }
}

}  // namespace
}  // namespace plimsoll::cli
