#include "sim/simulator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <variant>
#include <vector>

#include "model/perf/speed_model.h"

namespace plimsoll::sim {
namespace {

using testing::HasSubstr;

constexpr Time at(std::int64_t s) { return Time() + seconds(s); }

model::Cluster nodes_of(std::uint32_t nodes, std::size_t gpus) {
  model::Cluster cluster;
  for (std::uint32_t i = 0; i < nodes; ++i) {
    model::Node node;
    node.id = NodeId(i);
    node.name = "n" + std::to_string(i);
    node.allocatable = {.cpu = Millicores(64'000), .memory = gibibyte * 256, .pods = 110};
    node.capacity = node.allocatable;
    node.gpus.resize(gpus, {.model = "T4", .memory = gibibyte * 16});
    node.price = MicroUsdPerHour(3'600'000'000);  // a dollar a second
    cluster.nodes.push_back(node);
  }
  return cluster;
}

struct JobRow {
  std::int64_t submitted;
  std::int64_t duration;
  std::int32_t gpus = 1;
  std::int32_t members = 1;
};

model::Workload workload_of(const std::vector<JobRow>& rows) {
  model::Workload workload;
  for (const JobRow& row : rows) {
    model::PodSpec spec;
    spec.requests = {.cpu = Millicores(1000), .memory = gibibyte};
    spec.gpu.count = row.gpus;
    workload.jobs.push_back({.name = "j" + std::to_string(workload.jobs.size()),
                             .submitted = at(row.submitted),
                             .spec = SpecId(static_cast<std::uint32_t>(workload.specs.size())),
                             .members = row.members,
                             .duration = seconds(row.duration)});
    workload.specs.push_back(spec);
  }
  return workload;
}

SimConfig config_of(const std::string& queue) {
  SimConfig config;
  config.scheduler.queue = queue;
  config.scheduler.placement.policy = "best_fit";
  config.placements = true;
  return config;
}

// One node of 4 GPUs. j0 holds 3 of them for 100 s; j1 wants all 4; j2 and j3 want one, for 50 s
// and for 500 s.
const std::vector<JobRow> contended = {
    {.submitted = 0, .duration = 100, .gpus = 3},
    {.submitted = 1, .duration = 10, .gpus = 4},
    {.submitted = 2, .duration = 50, .gpus = 1},
    {.submitted = 3, .duration = 500, .gpus = 1},
};

TEST(Simulator, EachQueuePolicyStartsJobsWhereItSays) {
  struct Case {
    const char* queue;
    std::vector<double> waits;
    std::size_t failed = 0;
  };
  const std::vector<Case> cases = {
      {"fifo", {0, 99, 108, 107}},   {"skip", {0, 551, 0, 49}}, {"shortest_first", {0, 551, 0, 49}},
      {"backfill", {0, 99, 0, 107}}, {"arrival", {0, 0}, 2},  // j1 and j3 are refused
  };
  for (const Case& c : cases) {
    const auto result = simulate(nodes_of(1, 4), workload_of(contended), config_of(c.queue));
    ASSERT_TRUE(result.has_value()) << result.error().message;
    EXPECT_EQ(result->waiting_seconds, c.waits) << c.queue;
    EXPECT_EQ(result->failed, c.failed) << c.queue;
    EXPECT_EQ(result->completed, 4 - c.failed) << c.queue;
  }
}

TEST(Simulator, ShortestFirstPrefersTheShortest) {
  const std::vector<JobRow> rows = {{0, 100, 4}, {1, 30, 4}, {2, 10, 4}, {3, 20, 4}};
  const auto result = simulate(nodes_of(1, 4), workload_of(rows), config_of("shortest_first"));
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->waiting_seconds, (std::vector<double>{0, 129, 98, 107}));
}

TEST(Simulator, MeasuresWhatItSays) {
  // 2 nodes x 2 GPUs; 3 GPUs held for the first 10 s, 1 for the next 10 s.
  model::Workload workload = workload_of({{0, 10, 2}, {0, 20, 1}});
  workload.jobs[1].gpu_utilization_milli = 500;
  const auto result = simulate(nodes_of(2, 2), workload, config_of("fifo"));
  ASSERT_TRUE(result.has_value());
  EXPECT_DOUBLE_EQ(result->gpu_allocation_percent, 50);
  EXPECT_DOUBLE_EQ(result->gpu_utilization_percent, 37.5);
  EXPECT_DOUBLE_EQ(result->final_gpu_allocation_percent, 0);
  EXPECT_DOUBLE_EQ(result->makespan_seconds, 20);
  EXPECT_DOUBLE_EQ(result->jct_seconds.mean, 15);
  EXPECT_DOUBLE_EQ(result->cost_usd, 40);       // two nodes, 20 s, a dollar a second
  EXPECT_DOUBLE_EQ(result->idle_cost_usd, 20);  // half of the GPU time
  double held = 0;
  for (const GpuOccupancy& gpu : result->gpus) {
    held += gpu.mean_milli;
  }
  EXPECT_DOUBLE_EQ(held, 2000);
  double seconds_of_timeline = 0;
  for (std::size_t i = 0; i + 1 < result->timeline.size(); ++i) {
    seconds_of_timeline +=
        result->timeline[i + 1].start_seconds - result->timeline[i].start_seconds;
  }
  EXPECT_GT(result->timeline.size(), 100U);
  EXPECT_LE(result->timeline.size(), 400U);
  EXPECT_NEAR(seconds_of_timeline, 20, 0.2);
}

TEST(Simulator, TheTimelineKeepsTheMeanHoweverCoarse) {
  for (const std::int32_t points : {1, 2, 3, 7, 50, 400}) {
    SimConfig config = config_of("backfill");
    config.timeline_points_max = points;
    const auto result = simulate(nodes_of(1, 4), workload_of(contended), config);
    ASSERT_TRUE(result.has_value());
    ASSERT_LE(result->timeline.size(), static_cast<std::size_t>(std::max(points, 2)));
    double sum = 0;
    for (std::size_t i = 0; i < result->timeline.size(); ++i) {
      const double end = i + 1 < result->timeline.size() ? result->timeline[i + 1].start_seconds
                                                         : result->end_seconds;
      sum += result->timeline[i].gpu_allocation_percent * (end - result->timeline[i].start_seconds);
    }
    EXPECT_NEAR(sum / result->end_seconds, result->gpu_allocation_percent, 1e-9) << points;
  }
}

TEST(Simulator, AFailedNodeCostsTheWorkSinceTheLastCheckpoint) {
  struct Case {
    std::int64_t checkpoint;
    double completion;
  };
  // 2 members on 2 nodes, 100 s of work; node 0 fails at 70 s and is back at 80 s.
  for (const Case c : {Case{0, 180}, Case{30, 120}, Case{100, 180}, Case{1, 110}}) {
    SimConfig config = config_of("fifo");
    config.checkpoint_interval = seconds(c.checkpoint);
    config.node_events = {{.at = at(70), .kind = NodeEvent::Kind::fail, .target = NodeId(0)},
                          {.at = at(80), .kind = NodeEvent::Kind::recover, .target = NodeId(0)}};
    const auto result = simulate(nodes_of(2, 1), workload_of({{0, 100, 1, 2}}), config);
    ASSERT_TRUE(result.has_value()) << result.error().message;
    EXPECT_EQ(result->restarts, 1U);
    EXPECT_DOUBLE_EQ(result->completion_seconds.at(0), c.completion) << c.checkpoint;
  }
}

TEST(Simulator, AFailureHitsTheJobsOfItsNodeOnly) {
  SimConfig config = config_of("fifo");
  config.node_events = {{.at = at(50), .kind = NodeEvent::Kind::remove, .target = NodeId(1)}};
  std::vector<JobRow> rows(4, {.submitted = 0, .duration = 100, .gpus = 1});
  const auto result = simulate(nodes_of(4, 1), workload_of(rows), config);
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->restarts, 1U);
  EXPECT_EQ(std::ranges::count(result->completion_seconds, 100.0), 3);
  EXPECT_EQ(result->completed, 4U);  // the lost one follows on one of the three others
  EXPECT_DOUBLE_EQ(result->jct_seconds.max, 200);
}

TEST(Simulator, NodesThatAreAddedTakeWork) {
  SimConfig config = config_of("fifo");
  config.node_events = {
      {.at = at(10), .kind = NodeEvent::Kind::add, .node = nodes_of(1, 4).nodes[0]}};
  const auto result = simulate(nodes_of(1, 1), workload_of({{0, 5, 4}}), config);
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->waiting_seconds, std::vector<double>{10});
  EXPECT_EQ(result->placements.at(0).node, NodeId(1));
}

// A job takes 1 s an iteration on one host and 3 s across hosts; sharing an interface doubles it.
class TwoSpeeds final : public model::perf::SpeedModel {
 public:
  [[nodiscard]] std::optional<double> step_seconds(
      const model::perf::StepQuery& query) const override {
    return (query.gpus_per_host.size() == 1 ? 1 : 3) * query.interface_sharers;
  }
  [[nodiscard]] std::vector<model::perf::RankedPlacement> ranked(
      const model::perf::JobKind& /*job*/, std::int32_t gpus) const override {
    return {{.gpus_per_host = {gpus}, .step_seconds = 1}};
  }
};

TEST(Simulator, AJobsSpeedFollowsFromWhereItSits) {
  const TwoSpeeds speeds;
  struct Case {
    std::uint32_t nodes;
    std::size_t gpus;
    bool contention;
    std::vector<double> completions;
  };
  // Two gangs of three: side by side on hosts of their own, or both in part on the middle one.
  for (const Case& c :
       {Case{2, 3, true, {10, 10}}, Case{3, 2, false, {30, 30}}, Case{3, 2, true, {30, 60}}}) {
    model::Workload workload = workload_of({{0, 10, 1, 3}, {0, 10, 1, 3}});
    for (model::Job& job : workload.jobs) {
      job.profile = "bert";
      job.iterations = 10;
    }
    SimConfig config = config_of("fifo");
    config.speed = &speeds;
    config.interface_contention = c.contention;
    const auto result = simulate(nodes_of(c.nodes, c.gpus), workload, config);
    ASSERT_TRUE(result.has_value()) << result.error().message;
    EXPECT_EQ(result->completion_seconds, c.completions) << c.nodes << c.contention;
  }
}

TEST(Simulator, AJobWithoutAProfileGivesNoInterfaceShareBack) {
  // It ends before the measured ones start: what it never took must not make room for them.
  const TwoSpeeds speeds;
  model::Workload workload = workload_of({{0, 5, 1, 3}, {6, 10, 1, 3}, {6, 10, 1, 3}});
  for (model::Job& job : workload.jobs) {
    if (job.submitted == at(0)) continue;
    job.profile = "bert";
    job.iterations = 10;
  }
  SimConfig config = config_of("fifo");
  config.speed = &speeds;
  config.interface_contention = true;
  const auto result = simulate(nodes_of(3, 2), workload, config);
  ASSERT_TRUE(result.has_value()) << result.error().message;
  EXPECT_EQ(result->completion_seconds, (std::vector<double>{5, 30, 60}));
}

TEST(Simulator, AJobWithoutAProfileSlowsDownByTheRingModel) {
  // Four T4s on one host, or two and two on hosts of one block, or of two blocks. A step computes
  // for 0.1 s and sums 1 GB: 12 GB/s inside a host and between hosts, half of it between blocks.
  const double beside = 0.1 + 8.4e-6 + 4 * 5.7e-6 + 2 * 14e-6 + 1.5e9 / 12e9;
  const double apart = 0.1 + 8.4e-6 + 4 * 5.7e-6 + 2 * 14e-6 + 1.5e9 / 6e9;
  struct Case {
    std::uint32_t nodes;
    std::size_t gpus;
    const char* second_block;
    double seconds;
  };
  for (const Case& c :
       {Case{1, 4, "a", 100}, Case{2, 2, "a", 100}, Case{2, 2, "b", 100 * apart / beside}}) {
    model::Cluster cluster = nodes_of(c.nodes, c.gpus);
    cluster.nodes.front().topology.block = "a";
    cluster.nodes.back().topology.block = c.second_block;
    model::Workload workload = workload_of({{0, 100, 1, 4}});
    workload.jobs[0].gradients = Bytes(1'000'000'000);
    workload.jobs[0].step = seconds(0.1);
    const auto result = simulate(cluster, workload, config_of("fifo"));
    ASSERT_TRUE(result.has_value()) << result.error().message;
    // The best placement has as many GPUs a host as the cluster's hosts have.
    EXPECT_NEAR(result->completion_seconds.at(0), c.seconds, 1e-5) << c.nodes << c.second_block;
  }
}

TEST(Simulator, BindingsSayWhatTheyCostAndWhatThePlacementGains) {
  // Four members, one T4 each, on hosts of two in two blocks. Spread they cross blocks.
  model::Cluster cluster = nodes_of(4, 2);
  for (std::size_t i = 0; i < 4; ++i) {
    cluster.nodes[i].topology.block = i < 2 ? "a" : "b";
  }
  model::Workload workload = workload_of({{0, 100, 1, 4}});
  workload.jobs[0].gradients = Bytes(1'000'000'000);
  workload.jobs[0].step = seconds(0.1);
  const double beside = 0.1 + 8.4e-6 + 4 * 5.7e-6 + 2 * 14e-6 + 1.5e9 / 12e9;
  const double apart = 0.1 + 8.4e-6 + 6 * 14e-6 + 1.5e9 / 6e9;
  std::vector<model::Action> actions;
  SimConfig config = config_of("fifo");
  config.audit = [&](const SimWorld&, const control::Scheduler&, const model::Plan& plan) {
    actions.insert(actions.end(), plan.actions.begin(), plan.actions.end());
    return Result<void>();
  };
  ASSERT_TRUE(simulate(cluster, workload, config).has_value());
  ASSERT_EQ(actions.size(), 4U);
  for (const model::Action& action : actions) {
    EXPECT_EQ(action.effect.cost, MicroUsdPerHour(1'800'000'000));  // one of two GPUs
    EXPECT_EQ(action.effect.gpu_milli_allocated, 1000);
    EXPECT_NEAR(to_seconds(action.effect.finish_earlier), 100 * (apart / beside - 1), 1e-5);
    EXPECT_EQ(action.reason.code, model::ReasonCode::gang_step_time);
  }
}

TEST(Simulator, AnEvictionGivesBackWhatTheBindingCost) {
  SimConfig config = config_of("fifo");
  config.bind_failures_per_million = 400'000;
  std::int64_t cost = 0;
  std::int64_t gpu_milli = 0;
  std::int32_t evictions = 0;
  config.audit = [&](const SimWorld&, const control::Scheduler&, const model::Plan& plan) {
    for (const model::Action& action : plan.actions) {
      cost += action.effect.cost.value();
      gpu_milli += action.effect.gpu_milli_allocated;
      evictions += std::holds_alternative<model::Evict>(action.kind) ? 1 : 0;
    }
    return Result<void>();
  };
  ASSERT_TRUE(simulate(nodes_of(2, 4), workload_of({{0, 0, 1, 8}}), config).has_value());
  EXPECT_GT(evictions, 0);
  EXPECT_EQ(cost, 2 * 3'600'000'000);  // both nodes, whole
  EXPECT_EQ(gpu_milli, 8000);
}

TEST(Simulator, ServicesRunOnAndUntilEndsTheSimulation) {
  model::Workload workload = workload_of({{0, 0, 1}, {5, 1000, 1}});
  SimConfig config = config_of("fifo");
  config.until = at(100);
  const auto result = simulate(nodes_of(1, 2), workload, config);
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->running, 2U);
  EXPECT_EQ(result->completed, 0U);
  EXPECT_DOUBLE_EQ(result->end_seconds, 100);
  EXPECT_DOUBLE_EQ(result->gpu_allocation_percent, 97.5);
  EXPECT_DOUBLE_EQ(result->final_gpu_allocation_percent, 100);
}

TEST(Simulator, StopsWhenAsked) {
  const std::atomic<bool> stop = true;
  SimConfig config = config_of("fifo");
  config.stop = &stop;
  std::vector<JobRow> rows(1000, {.submitted = 0, .duration = 1});
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i].submitted = static_cast<std::int64_t>(i);
  }
  const auto result = simulate(nodes_of(1, 1), workload_of(rows), config);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().message, "stopped before the end");
}

TEST(Simulator, RefusesInputThatDoesNotHoldTogether) {
  struct Case {
    const char* error;
    void (*spoil)(model::Cluster&, model::Workload&, SimConfig&);
  };
  const std::vector<Case> cases = {
      {"cluster: nodes: found none", [](auto& c, auto&, auto&) { c.nodes.clear(); }},
      {"node 'n0': id: found 7, expected 0",
       [](auto& c, auto&, auto&) { c.nodes[0].id = NodeId(7); }},
      {"job 1 'j1': spec: found 9", [](auto&, auto& w, auto&) { w.jobs[1].spec = SpecId(9); }},
      {"members: found 0", [](auto&, auto& w, auto&) { w.jobs[0].members = 0; }},
      {"found a negative one", [](auto&, auto& w, auto&) { w.jobs[0].duration = Duration(-1); }},
      {"job 1 'j1': submitted: found a time before",
       [](auto&, auto& w, auto&) { w.jobs[1].submitted = Time(-1); }},
      {"queue: found 'lifo'", [](auto&, auto&, auto& s) { s.scheduler.queue = "lifo"; }},
      {"gang rule: found 'none'", [](auto&, auto&, auto& s) { s.scheduler.gangs.rule = "none"; }},
      {"node events: at: found them out of order",
       [](auto&, auto&, auto& s) { s.node_events = {{.at = at(2)}, {.at = at(1)}}; }},
      {"found no step time",
       [](auto&, auto& w, auto&) {
         w.jobs[0].duration = {};
         w.jobs[0].profile = "bert";
         w.jobs[0].iterations = 5;
       }},
  };
  for (const Case& c : cases) {
    model::Cluster cluster = nodes_of(1, 1);
    model::Workload workload = workload_of({{0, 1}, {1, 1}});
    SimConfig config = config_of("fifo");
    c.spoil(cluster, workload, config);
    const auto result = simulate(cluster, workload, config);
    ASSERT_FALSE(result.has_value()) << c.error;
    EXPECT_THAT(result.error().message, HasSubstr(c.error));
    EXPECT_EQ(result.error().code, ErrorCode::bad_input);
  }
}

}  // namespace
}  // namespace plimsoll::sim
