// Runs every file in examples/, and the demo, as a user would.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cli/command.h"
#include "cli/metrics.h"
#include "cli/output.h"
#include "cli/scenario/run.h"

namespace plimsoll::cli {
namespace {

using testing::HasSubstr;

class Examples : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("plimsoll_run." + std::to_string(getpid()));
    std::filesystem::create_directory(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return folder_ / name; }

  static std::string text_of(const std::string& file) {
    std::ostringstream text;
    text << std::ifstream(file).rdbuf();
    return text.str();
  }

  // Runs the command line with --out; the result without what was measured.
  nlohmann::json result_of(std::vector<std::string> arguments) const {
    arguments.insert(arguments.end(), {"-o", "json", "--out", path("result.json")});
    EXPECT_EQ(run_command_line(arguments), 0);
    nlohmann::json result = nlohmann::json::parse(text_of(path("result.json")));
    for (auto& policy : result["policies"]) {
      for (auto& run : policy["runs"]) {
        run.erase("wall_seconds");
      }
    }
    return result;
  }

  std::filesystem::path folder_;
};

TEST_F(Examples, EachRunsAndIsTheSameAtAnyThreadCount) {
  int ran = 0;
  for (const auto& entry : std::filesystem::directory_iterator("examples")) {
    if (entry.path().extension() != ".yaml") {
      continue;
    }
    const std::string file = entry.path();
    const auto scenario = load_scenario(file);
    ASSERT_TRUE(scenario) << scenario.error().message;
    if (scenario->cluster_trace.kind != TraceKind::none &&
        !std::filesystem::exists("../shared/data")) {
      continue;  // OpenbExample says so
    }
    const auto one = result_of({"simulate", file, "--seeds", "3-4", "--threads", "1"});
    const auto many = result_of({"simulate", file, "--seeds", "3-4", "--threads", "8"});
    EXPECT_EQ(one, many) << file;
    for (const auto& policy : one["policies"]) {
      EXPECT_GT(policy["mean"]["placed"].get<double>(), 0) << file;
    }
    ++ran;
  }
  EXPECT_GE(ran, 3);
}

TEST_F(Examples, OpenbExampleReadsThePublicTrace) {
  if (!std::filesystem::exists("../shared/data/openb")) {
    GTEST_SKIP() << "../shared/data/openb is absent: examples/openb.yaml was not run";
  }
  const auto result = result_of({"simulate", "examples/openb.yaml", "--policy", "fgd"});
  EXPECT_EQ(result["policies"][0]["mean"]["arrived"], 7882);
}

TEST_F(Examples, ReportAndPlacementsComeWithTheResult) {
  result_of({"simulate", "examples/node-failure.yaml", "--report", path("r.html"), "--placements",
             path("p.csv")});
  EXPECT_THAT(text_of(path("r.html")), HasSubstr("plimsoll simulate examples/node-failure.yaml"));
  const std::string rows = text_of(path("p.csv"));
  EXPECT_THAT(rows, HasSubstr("policy,seed,order,pod,node,gpus\nvanilla,7,0,train-0-0,h100-"));
  // 24 gangs of two under two policies, and the header.
  EXPECT_EQ(std::count(rows.begin(), rows.end(), '\n'), 97);
}

TEST_F(Examples, ABrokenObjectiveExitsWith3) {
  const std::string file = path("hard.yaml");
  std::string text = text_of("examples/node-failure.yaml");
  text.replace(text.find("min: 24"), 7, "min: 25");
  ASSERT_TRUE(write_file(file, text));
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  EXPECT_EQ(run_command_line({"simulate", file}), 3);
  testing::internal::GetCapturedStdout();
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "plimsoll: objective broken: vanilla: completed is 24, expected at least 25\n"
            "plimsoll: objective broken: plimsoll: completed is 24, expected at least 25\n");
}

TEST_F(Examples, StoppingLeavesAnErrorAndNoResult) {
  const auto scenario = load_scenario("examples/two-teams.yaml");
  ASSERT_TRUE(scenario);
  StudyOptions options;
  options.policies = {"plimsoll"};
  options.seeds = {1, 2};
  StopFlag stop;
  stop.request();
  Progress progress = Progress::silent();
  const auto result =
      run_scenario(*scenario, {.options = options, .stop = stop, .progress = progress});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message, "stopped before the end");
}

TEST_F(Examples, TheDemoComparesItsOwnRuns) {
  testing::internal::CaptureStdout();
  ASSERT_EQ(run_command_line({"demo", "--seeds", "1", "--report", path("demo.html")}), 0);
  const std::string table = testing::internal::GetCapturedStdout();
  testing::internal::CaptureStdout();
  ASSERT_EQ(run_command_line({"demo", "--seeds", "1", "-o", "json", "--report", path("b.html")}),
            0);
  const auto result = nlohmann::json::parse(testing::internal::GetCapturedStdout());
  const std::string page = text_of(path("demo.html"));
  ASSERT_EQ(result["policies"].size(), 2U);
  for (const char* name : {"gpu_allocation_percent", "gpu_utilization_percent", "idle_cost_usd"}) {
    for (const auto& policy : result["policies"]) {
      const std::string shown = metric_text(find_metric(name), policy["mean"][name].get<double>());
      EXPECT_THAT(table, HasSubstr(shown)) << name;
      EXPECT_THAT(page, HasSubstr(shown)) << name;
    }
  }
  EXPECT_GT(result["policies"][1]["mean"]["gpu_allocation_percent"].get<double>(),
            result["policies"][0]["mean"]["gpu_allocation_percent"].get<double>());
}

}  // namespace
}  // namespace plimsoll::cli
