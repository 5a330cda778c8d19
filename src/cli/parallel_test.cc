#include "cli/parallel.h"

#include <csignal>
#include <filesystem>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "cli/study.h"

namespace plimsoll::cli {
namespace {

TEST(Parallel, EveryTaskOnceAtAnyThreadCount) {
  for (const std::size_t threads : {0, 1, 2, 7, 100}) {
    std::vector<std::atomic<int>> calls(50);
    const StopFlag stop;
    ASSERT_TRUE(run_tasks(calls.size(), threads, stop, [&](std::size_t i) -> Result<void> {
      ++calls[i];
      return {};
    }));
    for (const auto& count : calls) {
      EXPECT_EQ(count.load(), 1);
    }
  }
}

TEST(Parallel, TheFirstFailingIndexDecides) {
  for (const std::size_t threads : {1, 4}) {
    const StopFlag stop;
    const auto done = run_tasks(40, threads, stop, [&](std::size_t i) -> Result<void> {
      if (i % 10 == 7) {
        return bad_input(fmt::format("task {}", i));
      }
      return {};
    });
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().message, "task 7");
    EXPECT_EQ(done.error().code, ErrorCode::bad_input);
  }
}

TEST(Parallel, NothingStartsAfterStop) {
  StopFlag stop;
  std::atomic<int> calls = 0;
  const auto done = run_tasks(1000, 1, stop, [&](std::size_t i) -> Result<void> {
    ++calls;
    if (i == 3) {
      stop.request();
    }
    return {};
  });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().message, "stopped before the end");
  EXPECT_EQ(calls.load(), 4);
}

TEST(Parallel, CtrlCSetsTheFlagAndASecondEndsTheProcess) {
  EXPECT_EXIT(
      {
        handle_interrupts();
        std::raise(SIGINT);
        std::_Exit(process_stop_flag().requested() ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
  EXPECT_EXIT(
      {
        handle_interrupts();
        std::raise(SIGINT);
        std::raise(SIGINT);
        std::_Exit(0);
      },
      testing::ExitedWithCode(130), "");
}

TEST(RunPolicies, SameResultAtAnyThreadCount) {
  const auto result_with = [](std::size_t threads) {
    StudyOptions options;
    options.policies = {"b", "a"};
    options.seeds = {3, 1, 2};
    options.threads = threads;
    options.placements = "x.csv";
    const StopFlag stop;
    Progress progress = Progress::silent();
    return run_policies({.options = options, .stop = stop, .progress = progress}, "s", "v",
                        [](const RunRequest& request) -> Result<cli::Run> {
                          request.progress(0.5);
                          EXPECT_TRUE(request.want_placements);
                          EXPECT_FALSE(request.want_picture);
                          return cli::Run{.metrics = {{"m", static_cast<double>(request.seed)}},
                                          .plan_sha256 = request.policy};
                        });
  };
  for (const std::size_t threads : {1, 5}) {
    const auto result = result_with(threads);
    ASSERT_TRUE(result);
    ASSERT_EQ(result->policies.size(), 2U);
    for (const PolicyResult& policy : result->policies) {
      ASSERT_EQ(policy.runs.size(), 3U);
      EXPECT_EQ(policy.runs[0].seed, 3U);
      EXPECT_EQ(policy.runs[1].metrics[0].second, 1);
      EXPECT_EQ(policy.runs[2].plan_sha256, policy.policy);
    }
    EXPECT_EQ(result->policies[0].policy, "b");
  }
}

TEST(Study, TheCommandCanBePastedIntoAShell) {
  EXPECT_EQ(command_text({"simulate", "openb", "--seeds", "42-51"}),
            "simulate openb --seeds 42-51");
  EXPECT_EQ(command_text({"a b", "", "it's", "$x"}), "'a b' '' 'it'\\''s' '$x'");
}

TEST(Study, WritesWhatTheOptionsAskFor) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("plimsoll_study." + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  StudyOptions options;
  options.seeds = {7};
  options.format = "json";
  options.out = folder / "out.json";
  options.report = folder / "report.html";
  options.placements = folder / "placements.csv";
  StudyResult result = {.study = "s", .variant = "v"};
  result.policies = {{"fgd", {{.seed = 7, .metrics = {{"placed", 1}}}}}};
  EXPECT_EQ(finish_study(result, options).value(), 0);
  for (const std::string& path : {options.out, options.report, options.placements}) {
    EXPECT_GT(std::filesystem::file_size(path), 20U) << path;
  }
  result.broken_objectives = {"placed is 1"};
  testing::internal::CaptureStderr();
  EXPECT_EQ(finish_study(result, options).value(), 3);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "plimsoll: objective broken: placed is 1\n");
  options.report = folder / "absent" / "report.html";
  EXPECT_FALSE(finish_study(result, options).has_value());
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace plimsoll::cli
