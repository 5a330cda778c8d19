// One run of Alibaba openb's default trace at 1.3 x its capacity, reading included: the simulator
// with the engine, and the oracle that rescans every node for each pod.
//
// The data is found in $PLIMSOLL_DATA or ../shared/data; without it nothing is measured.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <numeric>
#include <string>
#include <vector>

#include "bench/tiny.h"
#include "engines/placement/policy.h"
#include "sim/simulator.h"
#include "tests/oracle/plain_placement.h"
#include "traces/openb.h"

namespace plimsoll {
namespace {

constexpr std::uint64_t seed = 42;

double arrival_ratio() { return bench::tiny() ? 0.02 : 1.3; }

std::string data_folder() {
  const char* folder = std::getenv("PLIMSOLL_DATA");
  return folder != nullptr ? folder : "../shared/data";
}

void report(benchmark::State& state, double held_milli, const model::Cluster& cluster) {
  double capacity = 0;
  for (const model::Node& node : cluster.nodes) {
    capacity += 1000.0 * static_cast<double>(node.gpus.size());
  }
  state.counters["gpu_allocation_percent"] = 100 * held_milli / capacity;
}

void engine(benchmark::State& state, const std::string& policy) {
  for (auto _ : state) {
    const auto trace = traces::read_openb(data_folder(), "default");
    if (!trace) {
      state.SkipWithError(trace.error().message.c_str());
      return;
    }
    sim::SimConfig config;
    config.scheduler.queue = "arrival";
    config.scheduler.explain = false;
    config.scheduler.placement.policy = policy;
    config.scheduler.placement.seed = seed;
    for (const auto& [spec, count] : traces::typical_pods(*trace)) {
      config.scheduler.placement.typical.push_back({spec, count});
    }
    const auto result = sim::simulate(
        trace->cluster, traces::openb_arrivals(*trace, arrival_ratio(), seed), config);
    if (!result) {
      state.SkipWithError(result.error().message.c_str());
      return;
    }
    state.counters["gpu_allocation_percent"] = result->final_gpu_allocation_percent;
  }
}

void oracle(benchmark::State& state, oracle::PlainPolicy policy) {
  for (auto _ : state) {
    const auto trace = traces::read_openb(data_folder(), "default");
    if (!trace) {
      state.SkipWithError(trace.error().message.c_str());
      return;
    }
    std::vector<oracle::PlainTypical> typical;
    for (const auto& [spec, count] : traces::typical_pods(*trace)) {
      typical.push_back({spec, count});
    }
    std::vector<std::uint32_t> rank(trace->cluster.nodes.size());
    std::iota(rank.begin(), rank.end(), 0U);
    if (policy == oracle::PlainPolicy::fgd) {
      for (std::uint32_t& r : rank) r = placement::tie_rank(seed, r);
    }
    oracle::PlainPlacement plain(trace->cluster.nodes, policy, typical, rank);
    const model::Workload workload = traces::openb_arrivals(*trace, arrival_ratio(), seed);
    double held = 0;
    for (const model::Job& job : workload.jobs) {
      const model::PodSpec& spec = workload.specs[job.spec.index()];
      if (plain.place(spec)) {
        held += static_cast<double>(spec.gpu.count * spec.gpu.milli.value());
      }
    }
    report(state, held, trace->cluster);
  }
}

BENCHMARK_CAPTURE(engine, fgd, std::string("fgd"))->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(oracle, fgd, oracle::PlainPolicy::fgd)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(engine, plimsoll, std::string("plimsoll"))->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(oracle, plimsoll, oracle::PlainPolicy::value)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace plimsoll
