// A gang of 64 members with 8 GPUs each, on real and generated fabrics that are partly taken.
//
// One iteration is everything that a start needs: the engine's capacities, the placement and its
// assumption on the engine; it is rolled back afterwards. `domains` counts what the placement
// touches: zones, blocks, racks, hosts.
#include <benchmark/benchmark.h>

#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "engines/placement/engine.h"
#include "engines/placement/gang.h"
#include "tiny.h"
#include "traces/topology.h"

namespace plimsoll::bench {
namespace {

constexpr std::int32_t members = 64;

// A third of the hosts is full and a third half full, at random.
model::Snapshot partly_taken(const model::Cluster& cluster) {
  model::Snapshot snapshot;
  snapshot.nodes = cluster.nodes;
  model::PodSpec whole_host;
  whole_host.gpu.count = 8;
  model::PodSpec half_host;
  half_host.gpu.count = 4;
  snapshot.specs = {whole_host, half_host};
  Random random(1);
  for (const model::Node& node : snapshot.nodes) {
    const std::uint64_t third = random.below(3);
    if (third == 2) {
      continue;
    }
    model::Pod pod{.id = PodId(static_cast<std::uint32_t>(snapshot.pods.size())),
                   .name = "taken-" + node.name,
                   .spec = SpecId(static_cast<std::uint32_t>(third))};
    pod.binding = model::Binding{.node = node.id};
    for (std::int32_t gpu = 0; gpu < snapshot.specs[third].gpu.count; ++gpu) {
      pod.binding->gpus.push_back({.index = gpu});
    }
    snapshot.pods.push_back(std::move(pod));
  }
  return snapshot;
}

// With gradients the ring model predicts its step.
void place_gang(benchmark::State& state, const Result<model::Cluster>& cluster,
                const std::string& rule, Bytes gradients = {}) {
  if (!cluster.has_value()) {
    state.SkipWithError(cluster.error().message.c_str());
    return;
  }
  const model::Snapshot snapshot = partly_taken(*cluster);
  auto engine = placement::Engine::make(snapshot, {.policy = "best_fit"});
  auto gangs = placement::GangPlacer::make(snapshot, {.rule = rule});
  if (!engine.has_value() || !gangs.has_value()) {
    state.SkipWithError("the snapshot does not hold together");
    return;
  }
  std::vector<PodId> pods;
  for (std::int32_t i = 0; i < members; ++i) {
    pods.emplace_back(static_cast<std::uint32_t>(snapshot.pods.size()) +
                      static_cast<std::uint32_t>(i));
  }
  const placement::GangRequest gang{.members_min = members,
                                    .members_max = members,
                                    .gpus_per_member = 8,
                                    .gradients = gradients,
                                    .step = seconds(0.5)};
  std::vector<placement::HostShare> hosts;
  for (auto _ : state) {
    const placement::Mark mark = engine->checkpoint();
    const auto placement = gangs->place(gang, engine->capacities(SpecId(0), members));
    if (!placement.has_value() ||
        !placement::assume_gang(*engine, SpecId(0), pods, *placement).has_value()) {
      state.SkipWithError("the gang does not fit");
      return;
    }
    hosts = placement->hosts;
    engine->roll_back(mark);
  }
  std::set<std::string> zones, blocks, racks;
  for (const placement::HostShare& share : hosts) {
    const model::TopologyPath& path = snapshot.nodes[share.node.index()].topology;
    zones.insert(path.zone);
    blocks.insert(path.zone + "/" + path.block);
    racks.insert(path.zone + "/" + path.block + "/" + path.rack);
  }
  state.counters["zones"] = static_cast<double>(zones.size());
  state.counters["blocks"] = static_cast<double>(blocks.size());
  state.counters["racks"] = static_cast<double>(racks.size());
  state.counters["hosts"] = static_cast<double>(hosts.size());
}

void gang_on_640_hosts(benchmark::State& state, const std::string& rule) {
  place_gang(state, traces::fabric({.blocks = 10, .racks = 4, .hosts_per_rack = 16}), rule);
}
void gang_on_10240_hosts(benchmark::State& state, const std::string& rule, Bytes gradients) {
  const std::int32_t blocks = tiny() ? 10 : 160;
  place_gang(state, traces::fabric({.blocks = blocks, .racks = 4, .hosts_per_rack = 16}), rule,
             gradients);
}
void gang_on_lingjun(benchmark::State& state, const std::string& rule) {
  place_gang(state, traces::read_lingjun("../shared/data"), rule);
}

BENCHMARK_CAPTURE(gang_on_640_hosts, plimsoll, "plimsoll")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(gang_on_640_hosts, kueue, "kueue")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(gang_on_lingjun, plimsoll, "plimsoll")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(gang_on_lingjun, kueue, "kueue")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(gang_on_10240_hosts, plimsoll, "plimsoll", {})->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(gang_on_10240_hosts, ring_model, "plimsoll", gibibyte)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace plimsoll::bench
