// Placements a second against the size of the cluster.
//
// A cluster of 20 node shapes, filled to 90 % of its GPUs by pods of 200 shapes, one in ten of them
// with a topology spread or an anti-affinity; then as many departures as arrivals. One iteration
// is one arrival: find and assume, and before it one departure of a random pod.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/random.h"
#include "bench/tiny.h"
#include "engines/placement/engine.h"

namespace plimsoll {
namespace {

constexpr int node_shapes = 20;
constexpr int pod_shapes = 200;
constexpr double full = 0.9;

model::Snapshot cluster_of(std::size_t nodes, Random& random) {
  model::Snapshot snapshot;
  struct Shape {
    std::int64_t cores;
    std::int64_t memory_gib;
    int gpus;
    std::string model;
  };
  std::vector<Shape> shapes;
  const char* models[] = {"T4", "V100", "A10", "A100-80GB", "H100-80GB"};
  const int gpus[] = {1, 2, 4, 8};
  for (int i = 0; i < node_shapes; ++i) {
    const int n = gpus[i % 4];
    shapes.push_back({n * static_cast<std::int64_t>(8 + random.below(9)),
                      n * static_cast<std::int64_t>(48 + random.below(81)), n, models[i / 4]});
  }
  for (std::uint32_t i = 0; i < nodes; ++i) {
    const Shape& shape = shapes[random.below(shapes.size())];
    model::Node node;
    node.id = NodeId(i);
    node.name = "node-" + std::to_string(i);
    node.allocatable.cpu = Millicores(shape.cores * 1000);
    node.allocatable.memory = gibibyte * shape.memory_gib;
    node.allocatable.pods = 110;
    node.topology.zone = "zone-" + std::to_string(i % 3);
    node.topology.rack = "rack-" + std::to_string(i / 48);
    for (int g = 0; g < shape.gpus; ++g) node.gpus.push_back({.model = shape.model});
    snapshot.nodes.push_back(std::move(node));
  }
  for (int i = 0; i < pod_shapes; ++i) {
    model::PodSpec spec;
    const auto kind = random.below(10);
    spec.gpu.count = kind < 2 ? 0 : kind < 8 ? 1 : gpus[random.below(4)];
    if (kind >= 2 && kind < 6) {
      spec.gpu.milli = GpuMilli(static_cast<std::int64_t>(1 + random.below(19)) * 50);
    }
    const std::int64_t scale = std::max(1, spec.gpu.count);
    spec.requests.cpu = Millicores(scale * static_cast<std::int64_t>(1 + random.below(8)) * 1000);
    spec.requests.memory = gibibyte * (scale * static_cast<std::int64_t>(2 + random.below(30)));
    spec.labels = {{"app", "app-" + std::to_string(i)}};
    const model::LabelSelector own = {
        {"app", model::SelectorOperator::in, {spec.labels.front().second}}};
    if (i % 20 == 0) {
      spec.spread = {
          {.max_skew = 5, .topology_key = "topology.kubernetes.io/zone", .selector = own}};
    } else if (i % 20 == 10) {
      spec.anti_affinity = {{.selector = own, .topology_key = "kubernetes.io/hostname"}};
    }
    snapshot.specs.push_back(std::move(spec));
  }
  return snapshot;
}

void placements(benchmark::State& state, const std::string& policy) {
  Random random(7);
  const auto nodes = static_cast<std::size_t>(state.range(0));
  const model::Snapshot snapshot = cluster_of(nodes, random);
  auto made = placement::Engine::make(
      snapshot, {.policy = policy, .typical = {{snapshot.specs[5], 10}, {snapshot.specs[9], 5}}});
  if (!made) {
    state.SkipWithError(made.error().message.c_str());
    return;
  }
  placement::Engine engine = *std::move(made);
  std::int64_t capacity = 0;
  for (const model::Node& node : snapshot.nodes) {
    capacity += static_cast<std::int64_t>(node.gpus.size()) * 1000;
  }
  std::vector<std::pair<PodId, std::int64_t>> running;
  std::int64_t held = 0;
  std::uint32_t next = 0;
  std::vector<PodId> free_ids;
  std::size_t refused = 0;
  const auto arrive = [&] {
    const SpecId spec(static_cast<std::uint32_t>(random.below(pod_shapes)));
    const auto choice = engine.find(spec);
    if (!choice) {
      ++refused;
      return;
    }
    PodId id(next);
    if (free_ids.empty()) {
      ++next;
    } else {
      id = free_ids.back();
      free_ids.pop_back();
    }
    engine.assume(id, spec, choice->binding);
    const model::GpuRequest& gpu = snapshot.specs[spec.index()].gpu;
    running.emplace_back(id, gpu.count * gpu.milli.value());
    held += running.back().second;
  };
  const auto depart = [&] {
    const std::size_t i = random.below(running.size());
    engine.forget(running[i].first);
    free_ids.push_back(running[i].first);
    held -= running[i].second;
    running[i] = running.back();
    running.pop_back();
  };
  while (static_cast<double>(held) < full * static_cast<double>(capacity) && refused < 20 * nodes) {
    arrive();
  }
  for (std::size_t i = 0; i < 2000; ++i) {  // settle
    depart();
    arrive();
  }
  refused = 0;
  for (auto _ : state) {
    depart();
    arrive();
    if (static_cast<double>(held) < full * static_cast<double>(capacity)) {
      arrive();
      state.SetItemsProcessed(state.items_processed() + 1);
    }
  }
  // Iterations place one pod each; items are the few that topped the cluster up.
  const auto iterations = static_cast<double>(state.iterations());
  const double placed =
      iterations + static_cast<double>(state.items_processed()) - static_cast<double>(refused);
  state.counters["placements/s"] = benchmark::Counter(placed, benchmark::Counter::kIsRate);
  state.counters["full_percent"] = 100 * static_cast<double>(held) / static_cast<double>(capacity);
  state.counters["refused_percent"] = 100 * static_cast<double>(refused) / iterations;
  state.SetItemsProcessed(0);
}

void sizes(benchmark::internal::Benchmark* b) {
  b->Unit(benchmark::kMicrosecond);
  if (bench::tiny()) {
    b->Arg(100);
    return;
  }
  b->Arg(1000)->Arg(10'000)->Arg(100'000);
}

BENCHMARK_CAPTURE(placements, plimsoll, std::string("plimsoll"))->Apply(sizes);
BENCHMARK_CAPTURE(placements, best_fit, std::string("best_fit"))->Apply(sizes);

}  // namespace
}  // namespace plimsoll
