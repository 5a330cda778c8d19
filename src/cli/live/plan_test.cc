// What `plan`, `snapshot` files and `simulate` on them say, without a cluster.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/live/plan_view.h"
#include "cli/live/snapshot_read.h"
#include "cli/live/snapshot_sample.h"
#include "cli/output.h"
#include "model/file.h"

namespace plimsoll::cli {
namespace {

using testing::HasSubstr;

// Three nodes, two with six of eight GPUs taken; pods that fit, that do not, a gang, two held.
SampleCluster sample() {
  SampleCluster cluster;
  cluster.node("a");
  cluster.node("b");
  cluster.node("c", 8, R"("taints":[{"key":"down","value":"","effect":"NoSchedule"}])");
  cluster.pod({.name = "on-a", .gpus = 6, .node = "a", .scheduler = "another"});
  cluster.pod({.name = "on-b", .gpus = 6, .node = "b"});
  cluster.pod({.name = "small", .gpus = 1});
  cluster.pod({.name = "big", .gpus = 4});
  cluster.member("g-0", "g", 3, 1);
  cluster.member("g-1", "g", 3, 1);
  cluster.pod(
      {.name = "claims",
       .extra = R"(,"volumes":[{"name":"v","persistentVolumeClaim":{"claimName":"gone"}}])"});
  return cluster;
}

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

class SnapshotFile : public testing::Test {
 protected:
  SnapshotFile() {
    std::string pattern = std::filesystem::temp_directory_path() / "plimsoll_plan.XXXXXX";
    check(mkdtemp(pattern.data()) != nullptr, "a temporary folder");
    folder_ = pattern;
  }
  ~SnapshotFile() override { std::filesystem::remove_all(folder_); }
  std::string write(const model::Snapshot& snapshot) const {
    const std::string path = folder_ / "today.snapshot";
    const Result<std::string> bytes = snapshot_bytes(snapshot);
    check(bytes && write_file(path, *bytes), "a snapshot is written");
    return path;
  }

  std::filesystem::path folder_;
};

TEST(Plan, SaysWhatItWouldDoAndWhy) {
  SampleCluster cluster = sample();
  const model::Snapshot snapshot = cluster.snapshot();
  const Result<model::Plan> plan = plan_for(snapshot, control::SchedulerConfig::live());
  ASSERT_TRUE(plan) << plan.error().message;
  const PlanView view{.source = "https://a-server",
                      .policy = "plimsoll",
                      .before = &snapshot,
                      .plan = &*plan,
                      .held = cluster.held()};
  EXPECT_EQ(plan_table(view),
            "https://a-server at 2026-01-31T10:00:00Z, policy plimsoll: 3 nodes, 24 GPUs, 4 "
            "pods pending\n"
            "\n"
            "action  pod or gang  node  GPUs  why\n"
            "bind    ml/small     a     +1    best score 763600 under policy plimsoll; next "
            "b (763600)\n"
            "refuse  ml/big       -     -     0/3 nodes are available: 2 Insufficient GPU, 1 "
            "node(s) had untolerated taint {down: }.\n"
            "refuse  ml/g-0       -     -     waits for 1 more member of its gang to exist\n"
            "refuse  ml/g-1       -     -     waits for 1 more member of its gang to exist\n"
            "hold    ml/claims    -     -     persistentvolumeclaim \"gone\" not found\n"
            "\n"
            "1 of 4 pending pods would be bound; GPUs allocated 12 -> 13 of 24\n");
  const nlohmann::json json = nlohmann::json::parse(plan_text(view, "json"));
  EXPECT_EQ(json["totals"]["bind"], 1);
  EXPECT_EQ(json["totals"]["gpus_allocated"], 12);
  EXPECT_EQ(json["totals"]["gpus_allocated_after"], 13);
  EXPECT_EQ(json["held"][0]["pod"], "ml/claims");
  EXPECT_THAT(plan_text(view, "yaml"),
              HasSubstr("\n  - action: \"bind\"\n    pod: \"ml/small\"\n"));
}

TEST(Plan, SaysThatPartsOfGpusCannotBeHandedOut) {
  SampleCluster cluster = sample();
  model::Snapshot snapshot = cluster.snapshot();
  for (model::Pod& pod : snapshot.pods) {
    if (pod.name == "small") {
      snapshot.specs[pod.spec.index()].gpu.milli = GpuMilli(500);
    }
  }
  for (model::Node& node : snapshot.nodes) {
    for (model::Gpu& gpu : node.gpus) {
      gpu.sharing = model::GpuSharing::shared;
    }
  }
  const Result<model::Plan> plan = plan_for(snapshot, control::SchedulerConfig::live());
  ASSERT_TRUE(plan) << plan.error().message;
  const PlanView view{.before = &snapshot, .plan = &*plan};
  EXPECT_THAT(plan_table(view),
              HasSubstr("note: 1 pod would get a part of a GPU: nothing on a live "
                        "cluster hands out parts of GPUs yet"));
  EXPECT_THAT(plan_table(view), HasSubstr("+0.5"));
}

TEST(Plan, NothingToDo) {
  SampleCluster cluster;
  const model::Snapshot snapshot = cluster.snapshot();
  const Result<model::Plan> plan = plan_for(snapshot, control::SchedulerConfig::live());
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(plan_table({.source = "f", .policy = "fgd", .before = &snapshot, .plan = &*plan}),
            "f at 2026-01-31T10:00:00Z, policy fgd: 0 nodes, 0 GPUs, 0 pods pending\n"
            "nothing to do\n"
            "0 of 0 pending pods would be bound; GPUs allocated 0 -> 0 of 0\n");
}

TEST_F(SnapshotFile, IsPlannedForAndSimulated) {
  SampleCluster cluster = sample();
  const std::string path = write(cluster.snapshot());
  const Outcome planned = call({"plan", "--from", path});
  EXPECT_EQ(planned.code, 0) << planned.err;
  EXPECT_THAT(planned.out, HasSubstr("1 of 4 pending pods would be bound"));

  const Outcome simulated = call({"simulate", path, "--policy", "plimsoll,vanilla", "-o", "json"});
  EXPECT_EQ(simulated.code, 0) << simulated.err;
  const nlohmann::json json = nlohmann::json::parse(simulated.out);
  ASSERT_EQ(json["policies"].size(), 2U);
  for (const auto& policy : json["policies"]) {
    EXPECT_EQ(policy["mean"]["pending_pods_before"], 4);
    EXPECT_EQ(policy["mean"]["pending_pods"], 3);
    EXPECT_EQ(policy["mean"]["placed_pods"], 1);
    EXPECT_EQ(policy["mean"]["pending_gangs_before"], 1);
    EXPECT_EQ(policy["mean"]["pending_gangs"], 1);
    EXPECT_EQ(policy["mean"]["gpu_allocation_before_percent"], 50);
    EXPECT_NEAR(policy["mean"]["gpu_allocation_percent"], 100 * 13.0 / 24, 1e-9);
  }
  const Outcome placed =
      call({"simulate", path, "--policy", "fgd", "--placements", folder_ / "p.csv"});
  EXPECT_EQ(placed.code, 0) << placed.err;
  EXPECT_TRUE(std::filesystem::exists(folder_ / "p.csv"));
}

TEST_F(SnapshotFile, AGangGoesWholeOrNotAtAll) {
  SampleCluster cluster;
  cluster.node("a");
  cluster.node("b");
  for (int i = 0; i < 3; ++i) {
    cluster.member("fits-" + std::to_string(i), "fits", 3, 4);
    cluster.member("big-" + std::to_string(i), "big", 3, 8);
  }
  const Outcome simulated =
      call({"simulate", write(cluster.snapshot()), "--policy", "plimsoll", "-o", "json"});
  EXPECT_EQ(simulated.code, 0) << simulated.err;
  const nlohmann::json mean = nlohmann::json::parse(simulated.out)["policies"][0]["mean"];
  EXPECT_EQ(mean["pending_gangs_before"], 2);
  EXPECT_EQ(mean["pending_gangs"], 1);
  EXPECT_EQ(mean["placed_pods"], 3);
  EXPECT_EQ(mean["gpu_allocation_percent"], 75);
}

TEST_F(SnapshotFile, MistakesAreOneLine) {
  const std::string path = folder_ / "a.plan";
  std::string bytes;
  ASSERT_TRUE(model::encode_plan({}, [&](std::string_view more) -> Result<void> {
    bytes += more;
    return {};
  }));
  ASSERT_TRUE(write_file(path, bytes));
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"plan", "--from", path}, path + ": found a plan, expected a snapshot"},
      {{"simulate", path}, path + ": found a plan, expected a snapshot or a journal"},
      {{"plan", "--from", "/no/such"}, "/no/such: found 'No such file or directory'"},
      {{"plan", "--kubeconfig", "/no/such"}, "/no/such: No such file or directory"},
      {{"plan", "--policy", "best"}, "--policy: found 'best', expected "},
      {{"snapshot"}, "--out"},
      {{"snapshot", "--out", "/no/such/file"}, "/no/such/file: cannot write"},
  };
  for (const auto& [arguments, line] : cases) {
    const Outcome outcome = call(arguments);
    EXPECT_NE(outcome.code, 0) << line;
    EXPECT_THAT(outcome.err, HasSubstr(line));
    EXPECT_EQ(std::ranges::count(outcome.err, '\n'), 1) << outcome.err;
    EXPECT_EQ(outcome.out, "");
  }
}

}  // namespace
}  // namespace plimsoll::cli
