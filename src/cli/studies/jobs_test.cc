#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/command.h"

namespace plimsoll::cli {
namespace {

using testing::HasSubstr;

std::string error_of(std::vector<std::string> options) {
  options.insert(options.begin(), {"simulate", "jobs"});
  testing::internal::CaptureStderr();
  const int code = run_command_line(options);
  const std::string line = testing::internal::GetCapturedStderr();
  EXPECT_EQ(code, 2) << line;
  EXPECT_EQ(std::ranges::count(line, '\n'), 1) << line;
  return line;
}

TEST(JobsStudy, WrongOptionsAreOneClearLine) {
  EXPECT_THAT(error_of({"--cluster", "5y8"}),
              HasSubstr("--cluster: found '5y8', expected philly, shockwave, t4, a100, or nodes x "
                        "GPUs of each, for instance 52x8"));
  EXPECT_THAT(error_of({"--cluster", "52x17"}), HasSubstr("--cluster: found '52x17'"));
  EXPECT_THAT(error_of({"--cluster", "0x8"}), HasSubstr("--cluster: found '0x8'"));
  EXPECT_THAT(error_of({"--queue", "fifi"}), HasSubstr("did you mean 'fifo'?"));
  EXPECT_THAT(error_of({"--trace", "philly"}), HasSubstr("--data: found none"));
  EXPECT_THAT(error_of({"--out", "/tmp/x", "--report", "/tmp/x"}),
              HasSubstr("--out, --report: found '/tmp/x' for both, expected different files"));
  EXPECT_THAT(error_of({"--load", "0"}), HasSubstr("--load: found '0'"));
}

// Shockwave's 120 jobs: no placement effect, so every policy gives the same completion times, and
// no schedule can be shorter than the published bounds.
TEST(JobsStudy, ReplaysShockwave) {
  if (!std::filesystem::exists("../shared/data/jobs/shockwave-tacc")) {
    GTEST_SKIP() << "no ../shared/data/jobs/shockwave-tacc";
  }
  const std::filesystem::path out =
      std::filesystem::temp_directory_path() / ("plimsoll_jobs." + std::to_string(getpid()));
  ASSERT_EQ(run_command_line({"simulate", "jobs", "--trace", "shockwave", "--data",
                              "../shared/data", "--queue", "shortest_first", "--policy",
                              "best_fit,plimsoll", "-o", "json", "--out", out}),
            0);
  const nlohmann::json result = nlohmann::json::parse(std::ifstream(out));
  std::filesystem::remove(out);
  for (const auto& policy : result["policies"]) {
    const auto& mean = policy["mean"];
    EXPECT_EQ(mean["completed"], 120);
    EXPECT_GE(mean["makespan_seconds"], 20'506);
    EXPECT_GE(mean["mean_jct_seconds"], 6'133);
    EXPECT_LE(mean["mean_jct_seconds"], 9'000);  // the published policies start at 9,655
  }
}

}  // namespace
}  // namespace plimsoll::cli
