#include "engines/placement/learn.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "engines/placement/learn_online.h"

namespace plimsoll::placement {
namespace {

// A small cluster and pods that leave awkward shares of GPUs.
model::Snapshot small_world() {
  model::Snapshot snapshot;
  for (std::uint32_t i = 0; i < 12; ++i) {
    model::Node node;
    node.id = NodeId(i);
    node.name = "n" + std::to_string(i);
    node.allocatable = {.cpu = Millicores(32'000), .memory = gibibyte * 128, .pods = 110};
    for (int g = 0; g < 4; ++g) node.gpus.push_back({.model = i < 8 ? "T4" : "A100"});
    snapshot.nodes.push_back(node);
  }
  const struct {
    int gpus, milli, cores, count;
  } kinds[] = {
      {1, 300, 4, 20}, {1, 450, 3, 20}, {1, 1000, 8, 20}, {4, 1000, 16, 3}, {0, 1000, 2, 9}};
  for (const auto& kind : kinds) {
    const SpecId id(static_cast<std::uint32_t>(snapshot.specs.size()));
    model::PodSpec spec;
    spec.requests = {.cpu = Millicores(kind.cores * 1000), .memory = gibibyte * 8};
    spec.gpu = {.count = kind.gpus, .milli = GpuMilli(kind.milli)};
    snapshot.specs.push_back(spec);
    for (int i = 0; i < kind.count; ++i) {
      const PodId pod(static_cast<std::uint32_t>(snapshot.pods.size()));
      snapshot.pods.push_back({.id = pod, .name = "p" + std::to_string(pod.value()), .spec = id});
    }
  }
  return snapshot;
}

TEST(History, IsTheMultisetOfASnapshotsPodsOnItsEmptyNodes) {
  model::Snapshot snapshot = small_world();
  snapshot.pods[3].binding = model::Binding{NodeId(2), {{0, GpuMilli(300), -1}}};
  snapshot.nodes[5] = {};
  snapshot.pods[7] = {};
  const auto history = history_of(snapshot);
  ASSERT_TRUE(history.has_value());
  EXPECT_EQ(history->nodes.size(), 11U);
  EXPECT_EQ(history->pods.size(), snapshot.pods.size() - 1);
  EXPECT_EQ(history->nodes[10].id, NodeId(10));
}

TEST(History, NeedsGpusAndPodsThatAskForThem) {
  model::Snapshot snapshot = small_world();
  snapshot.pods.erase(snapshot.pods.begin(), snapshot.pods.begin() + 63);
  EXPECT_EQ(history_of(snapshot).error().message,
            "history: found no pods that ask for GPUs, expected some");
  for (model::Node& node : snapshot.nodes) node.gpus.clear();
  EXPECT_EQ(history_of(snapshot).error().message,
            "history: found no GPUs, expected nodes that have some");
}

TEST(DrawArrivals, AskForTheLoadAndNoMore) {
  const History history = *history_of(small_world());
  const auto asked = [&](const DrawOptions& options) {
    std::int64_t sum = 0;
    for (const SpecId pod : draw_arrivals(history, options)) {
      sum += history.specs[pod.index()].gpu.count * history.specs[pod.index()].gpu.milli.value();
    }
    return sum;
  };
  for (const double load : {0.5, 0.9, 1.3, 3.0}) {
    EXPECT_LE(asked({.load = load}), load * 48'000);
    EXPECT_GT(asked({.load = load}), load * 48'000 - 4'000);
  }
  const auto large = [&](double times) {
    const auto arrivals = draw_arrivals(history, {.load = 20, .large_pods = times});
    return static_cast<double>(std::ranges::count(arrivals, SpecId(3))) /
           static_cast<double>(arrivals.size());
  };
  EXPECT_GT(large(8), 3 * large(1.001));
}

TEST(ModelPrices, AreTheShareOfAPoolThatItsOwnPodsTake) {
  model::PodSpec any;
  any.gpu = {.count = 1};
  model::PodSpec a100 = any;
  a100.gpu.models = {"A100"};
  model::PodSpec unknown = any;
  unknown.gpu.models = {"B300"};
  const auto nodes = small_world().nodes;  // 32 T4, 16 A100
  using Prices = std::vector<std::pair<std::string, double>>;
  EXPECT_EQ(model_prices(nodes, {{any, 5}}), Prices{});
  EXPECT_EQ(model_prices(nodes, {{any, 9}, {a100, 1}, {unknown, 2}}),
            (Prices{{"A100", 0.7 * 0.25}}));
  EXPECT_EQ(model_prices(nodes, {{any, 1}, {a100, 1}}), (Prices{{"A100", 0.7}}));
}

TEST(CostOf, PrefersAllocationButNotAtTheLargestPodsExpense) {
  const ReplayOutcome rival{.allocation_percent = 95, .refused = 5, .largest_placed = 100};
  const auto cost = [&](double allocation, std::int64_t largest, std::int64_t refused) {
    return cost_of(std::vector<Judged>{{{{allocation, 0, refused, largest}}, {rival}}});
  };
  EXPECT_LT(cost(96, 102, 5), cost(95, 102, 5));
  EXPECT_LT(cost(96, 102, 5), cost(96.3, 95, 5));
  EXPECT_LT(cost(96, 102, 5), cost(96, 102, 30));
  EXPECT_EQ(cost(96, 110, 2), cost(96, 102, 5));
}

TEST(Trainer, FindsATableThatAllocatesMoreAndRepeatsItself) {
  const History history = *history_of(small_world());
  const auto cost = [&](const ValueTable& table) {
    Judged judged;
    for (const std::uint64_t seed : {1U, 2U, 3U}) {
      const auto arrivals = draw_arrivals(history, {.load = 1.3, .seed = seed});
      const Config ours{.table = std::make_shared<const ValueTable>(table)};
      judged.ours.push_back(*replay(history, arrivals, ours));
      judged.rival.push_back(*replay(history, arrivals, {.policy = "best_fit"}));
    }
    return cost_of(std::vector{judged});
  };
  ValueTable flat = shipped_table();
  flat.h.assign(flat.h.size(), 0);
  flat.cpu.value.assign(flat.cpu.value.size(), 0);
  const auto train = [&] {
    Trainer trainer(flat, history, 7);
    double best = cost(flat);
    for (int generation = 0; generation < 15; ++generation) {
      std::vector<double> costs;
      for (const ValueTable& table : trainer.ask()) costs.push_back(cost(table));
      trainer.tell(costs);
      best = std::min(best, *std::ranges::min_element(costs));
    }
    EXPECT_EQ(trainer.generation(), 15U);
    return std::pair(best, to_json(trainer.centre()));
  };
  const auto result = train();
  EXPECT_LT(result.first, cost(flat) - 0.3);
  EXPECT_EQ(train(), result);
}

TEST(EstimateShapes, SeesEveryStateThatAGpuWasIn) {
  model::Snapshot snapshot = small_world();
  snapshot.nodes.resize(1);
  snapshot.nodes[0].gpus.resize(1);
  snapshot.pods.resize(1);  // 300 thousandths: four fit nowhere, three leave 100
  const auto table = estimate_shapes(*history_of(snapshot), shipped_table(), 1);
  ASSERT_TRUE(table.has_value());
  EXPECT_EQ(table->knots, (std::vector<std::int32_t>{0, 100, 400, 700, 1000}));
  EXPECT_EQ(table->h, (std::vector<double>{0, 0.1, 0.1, 0.1, 0.1}));
}

TEST(ReplayOnline, DependsOnWhatHasArrivedAndNotOnTheHistorysPods) {
  History history = *history_of(small_world());
  const auto arrivals = draw_arrivals(history, {.load = 1.3});
  const auto outcome = replay_online(history, arrivals, shipped_table(), 20);
  ASSERT_TRUE(outcome.has_value());
  EXPECT_EQ(outcome->placed + outcome->refused, static_cast<std::int64_t>(arrivals.size()));
  EXPECT_GT(outcome->allocation_percent, 80);
  history.pods.clear();
  EXPECT_EQ(*replay_online(history, arrivals, shipped_table(), 20), *outcome);
}

TEST(Replay, AnUnknownPolicyIsAnError) {
  EXPECT_FALSE(replay(*history_of(small_world()), {}, {.policy = "bestest"}).has_value());
}

}  // namespace
}  // namespace plimsoll::placement
