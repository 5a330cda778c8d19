// Recorded runs come back as the same plans; and what is not one is refused or told apart.
#include "cli/live/record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/command.h"
#include "cli/live/replay.h"
#include "control/recorder.h"
#include "control/scripted_world.h"

namespace plimsoll::cli {
namespace {

using testing::HasSubstr;

struct Outcome {
  int code = 0;
  std::string out;
  std::string err;
};

Outcome call(const std::vector<std::string>& arguments) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Outcome outcome = {.code = run_command_line(arguments)};
  outcome.out = testing::internal::GetCapturedStdout();
  outcome.err = testing::internal::GetCapturedStderr();
  return outcome;
}

model::Node node_of(const std::string& name) {
  model::Node node{.name = name,
                   .capacity = {.cpu = Millicores(64'000), .memory = gibibyte * 256, .pods = 110},
                   .gpus = std::vector<model::Gpu>(8, {.model = "H100"})};
  node.allocatable = node.capacity;
  return node;
}

// A live-like run: nodes and pods come, a gang, bindings refused at once or failing later, a pod
// that goes, and a while of standing by first. What is recorded as its configuration may lie.
class RecordedRun {
 public:
  RecordedRun(const std::string& path, const control::SchedulerConfig& config,
              const control::SchedulerConfig& stated) {
    world_.at = Time(1'769'853'600'000'000);
    int tried = 0;
    world_.refuses = [&tried](const model::Action& action) {
      return std::holds_alternative<model::Bind>(action.kind) && ++tried % 4 == 0;
    };
    control::Recorder recorder(world_, world_);
    auto scheduler = control::Scheduler::make(recorder, recorder, config);
    check(scheduler.has_value(), "an empty world is sound");
    auto recording = Recording::open(path, recorder.take_initial(), stated);
    check(recording.has_value(), recording ? "" : recording.error().message);
    model::Plan plan;
    for (int turn = 0; turn < 40; ++turn) {
      world_.at = world_.at + microseconds(700'000);
      happen(turn);
      plan.actions.clear();
      const bool follows = turn < 3;
      check((follows ? scheduler->follow() : scheduler->turn(plan)).has_value(), "it goes on");
      check(recording->add(recorder.take_turn(follows), plan).has_value(), "it is recorded");
      binds += std::ranges::count_if(plan.actions, [](const model::Action& action) {
        return std::holds_alternative<model::Bind>(action.kind);
      });
      refused += static_cast<int>(!plan.actions.empty());
    }
    plans = recording->plans();
    check(recording->finish().has_value(), "the file ends");
  }

  std::string plans;
  std::int64_t binds = 0;
  int refused = 0;

 private:
  void happen(int turn) {
    if (turn == 0) {
      for (const std::int32_t gpus : {1, 2, 4, 8}) {
        specs_.push_back(
            world_.add_spec({.requests = {.cpu = Millicores(1000)}, .gpu = {.count = gpus}}));
      }
    }
    if (turn % 9 == 0) {
      world_.add_node(node_of("n" + std::to_string(turn)));
    }
    if (turn % 2 == 0 || turn < 4) {
      pods_.push_back(world_.add_pod(specs_[static_cast<std::size_t>(turn * 7 % 4)]));
    }
    if (turn == 6) {
      const GangId gang = world_.add_gang({.name = "g", .min_members = 3, .max_members = 3});
      for (int member = 0; member < 3; ++member) {
        pods_.push_back(world_.add_pod(specs_[2], gang));
      }
    }
    // What was asked for comes true, or fails for every fifth.
    for (; answered_ < world_.asked.size(); ++answered_) {
      const auto* bind = std::get_if<model::Bind>(&world_.asked[answered_].kind);
      if (bind != nullptr && !world_.truth.pods[bind->pod.index()].binding) {
        answered_ % 5 == 4 ? world_.fail(bind->pod) : world_.confirm(bind->pod);
      }
    }
    if (turn == 30) {
      world_.remove_pod(pods_.front());
    }
  }

  control::ScriptedWorld world_;
  std::vector<SpecId> specs_;
  std::vector<PodId> pods_;
  std::size_t answered_ = 0;
};

class RecordFile : public testing::Test {
 protected:
  RecordFile() {
    std::string pattern = std::filesystem::temp_directory_path() / "plimsoll_record.XXXXXX";
    check(mkdtemp(pattern.data()) != nullptr, "a temporary folder");
    folder_ = pattern;
    path_ = folder_ / "a.journal";
  }
  ~RecordFile() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_;
  std::string path_;
};

TEST_F(RecordFile, ReplaysToTheSamePlans) {
  for (const char* policy : {"plimsoll", "vanilla", "random"}) {
    control::SchedulerConfig config = control::SchedulerConfig::live();
    config.placement.policy = policy;
    config.placement.seed = 7;
    const RecordedRun run(path_, config, config);
    ASSERT_GT(run.binds, 10) << policy;
    const Outcome replayed = call({"simulate", path_});
    EXPECT_EQ(replayed.code, 0) << replayed.err;
    EXPECT_THAT(replayed.out, HasSubstr("the same plans, hash for hash: " + run.plans + "\n"));
    const Outcome json = call({"simulate", path_, "-o", "json"});
    const auto value = nlohmann::json::parse(json.out);
    EXPECT_EQ(value["plan_sha256"], run.plans);
    EXPECT_EQ(value["same"], true);
    EXPECT_EQ(value["turns"], 40);
    EXPECT_EQ(value["binds"], run.binds);
    EXPECT_EQ(value["policy"], policy);
  }
}

TEST_F(RecordFile, OtherPlansAreToldWithTheFirstTurnThatDiffers) {
  control::SchedulerConfig stated = control::SchedulerConfig::live();
  control::SchedulerConfig config = stated;
  config.tell_members = false;  // of the gang of turn 7, one member is told, not three
  config.bind_backoff_first = seconds(std::int64_t{5});
  const RecordedRun run(path_, config, stated);
  const auto outcome = replay_file(path_);
  ASSERT_TRUE(outcome) << outcome.error().message;
  ASSERT_TRUE(outcome->difference);
  const Outcome replayed = call({"simulate", path_});
  EXPECT_EQ(replayed.code, 3);
  EXPECT_THAT(replayed.err, HasSubstr(": turn " + std::to_string(outcome->difference->turn) +
                                      " (2026-01-31T10:00:"));
  EXPECT_EQ(std::ranges::count(replayed.err, '\n'), 1);
  EXPECT_THAT(replayed.out, HasSubstr("replayed up to turn "));
}

TEST_F(RecordFile, WhatIsCutOffIsRefused) {
  const control::SchedulerConfig config = control::SchedulerConfig::live();
  const RecordedRun run(path_, config, config);
  std::filesystem::resize_file(path_, std::filesystem::file_size(path_) - 10);
  const Outcome replayed = call({"simulate", path_});
  EXPECT_EQ(replayed.code, 2);
  EXPECT_THAT(replayed.err, HasSubstr("a.journal: the file is cut off after "));
}

// What is on disk while the run goes on lacks a second at most.
TEST_F(RecordFile, IsWrittenWhileItRuns) {
  control::ScriptedWorld world;
  const control::SchedulerConfig config = control::SchedulerConfig::live();
  auto recording = Recording::open(path_, {}, config);
  ASSERT_TRUE(recording) << recording.error().message;
  control::Journal::Turn turn{.changes = {model::NodeUpserted{node_of("a")}}};
  std::get<model::NodeUpserted>(turn.changes[0]).node.id = NodeId(0);
  turn.at = Time(10);
  ASSERT_TRUE(recording->add(turn, {}));
  const auto before = std::filesystem::file_size(path_);
  ASSERT_TRUE(recording->add({.at = Time(1'000'001)}, {}));
  EXPECT_GT(std::filesystem::file_size(path_), before);
  std::size_t deltas = 0;
  model::JournalDecoder decoder(
      "f", [](const model::JournalStart&) { return Result<void>(); },
      [&](const model::TimedDelta&) -> Result<void> {
        ++deltas;
        return {};
      });
  std::ifstream file(path_, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  ASSERT_TRUE(decoder.feed(bytes));
  EXPECT_EQ(deltas, 1U);
  EXPECT_FALSE(decoder.finish());
}

TEST_F(RecordFile, EndsWithItsOwner) {
  const control::SchedulerConfig config = control::SchedulerConfig::live();
  {
    auto recording = Recording::open(path_, {}, config);
    ASSERT_TRUE(recording) << recording.error().message;
    ASSERT_TRUE(recording->add({.at = Time(5)}, {}));
  }
  EXPECT_EQ(call({"simulate", path_}).code, 0);
}

TEST_F(RecordFile, MistakesAreOneLine) {
  const auto journal = [&](const std::string& configuration) {
    std::ofstream file(path_, std::ios::binary);
    auto encoder = model::JournalEncoder::make({.configuration = configuration},
                                               [&](std::string_view bytes) -> Result<void> {
                                                 file << bytes;
                                                 return {};
                                               });
    check(encoder && encoder->add(model::TimedDelta{Time(1), model::PodRemoved{PodId(3)}}) &&
              encoder->finish(),
          "a journal is written");
  };
  const std::string sound = configuration_text(control::SchedulerConfig::live());
  const std::pair<std::string, std::string> cases[] = {
      {"", "configuration: found no object"},
      {"{}", "expected a value"},
      {sound.substr(0, sound.size() - 1) + R"(,"more":1})", "more: found an unknown member"},
      {nlohmann::json::parse(sound)
           .patch(nlohmann::json::parse(R"([{"op":"replace","path":"/seed","value":"x"}])"))
           .dump(),
       "seed: found \"x\", expected another type"},
      {nlohmann::json::parse(sound)
           .patch(nlohmann::json::parse(R"([{"op":"replace","path":"/policy","value":"best"}])"))
           .dump(),
       "best"},
      {nlohmann::json::parse(sound)
           .patch(
               nlohmann::json::parse(R"([{"op":"replace","path":"/gang_timeout_us","value":-1}])"))
           .dump(),
       "gang_timeout_us: found -1, expected microseconds of 0 to 1e15"},
      {sound, "found no turns, expected what plimsoll run --record writes"},
  };
  for (const auto& [configuration, message] : cases) {
    journal(configuration);
    const Outcome refused = call({"simulate", path_});
    EXPECT_EQ(refused.code, 2) << message;
    EXPECT_THAT(refused.err, HasSubstr(message));
    EXPECT_EQ(std::ranges::count(refused.err, '\n'), 1) << refused.err;
  }
  EXPECT_FALSE(Recording::open("/no/such/folder/file", {}, {}));
}

TEST(Configuration, ComesBack) {
  control::SchedulerConfig config = control::SchedulerConfig::live();
  config.placement.policy = "fgd";
  config.placement.seed = 99;
  config.gang_timeout = seconds(std::int64_t{17});
  config.gangs.rule = "by_pod";
  const std::string text = configuration_text(config);
  const auto again = read_configuration(text);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(configuration_text(*again), text);
  EXPECT_EQ(again->gang_timeout, config.gang_timeout);
  EXPECT_NE(text, configuration_text(control::SchedulerConfig::live()));
}

}  // namespace
}  // namespace plimsoll::cli
