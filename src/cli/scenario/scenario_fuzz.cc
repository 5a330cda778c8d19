#include <cstddef>
#include <cstdint>
#include <string_view>

#include "cli/scenario/scenario.h"

namespace {
constexpr std::int64_t expanded_max = 10'000;  // larger ones only cost time
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace plimsoll::cli;
  const auto scenario = parse_scenario({reinterpret_cast<const char*>(data), size}, "fuzz.yaml");
  if (!scenario || scenario->cluster_trace.kind != TraceKind::none ||
      scenario->workload_trace.kind != TraceKind::none || scenario->cluster_generator.used ||
      scenario->workload_generator.used) {
    return 0;
  }
  std::int64_t total = 0;
  for (const NodeGroup& group : scenario->node_groups) {
    total += group.count;
  }
  for (const JobGroup& group : scenario->job_groups) {
    total += group.count;
  }
  for (const ScenarioEvent& event : scenario->events) {
    total += event.added.count;
  }
  if (total > expanded_max) {
    return 0;
  }
  if (const auto cluster = make_cluster(*scenario, ""); cluster) {
    (void)make_events(*scenario, *cluster);
    if (const auto maker = make_workload(*scenario, *cluster, ""); maker) {
      (void)(*maker)(1);
    }
  }
  return 0;
}
