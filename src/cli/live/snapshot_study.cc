#include "cli/live/snapshot_study.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "cli/live/snapshot_read.h"
#include "cli/live/snapshot_world.h"
#include "control/plan_hash.h"
#include "control/scheduler.h"

namespace plimsoll::cli {
namespace {

// Gangs that are half there, and bindings, are looked at again in this time.
constexpr Duration horizon = seconds(std::int64_t{600});

std::vector<placement::TypicalPod> typical_of(const model::Snapshot& snapshot) {
  std::vector<std::int64_t> counts(snapshot.specs.size());
  for (const model::Pod& pod : snapshot.pods) {
    if (pod.id.valid()) {
      ++counts[pod.spec.index()];
    }
  }
  std::vector<placement::TypicalPod> typical;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] > 0) {
      typical.push_back({.spec = snapshot.specs[i], .count = counts[i]});
    }
  }
  return typical;
}

control::SchedulerConfig config_for(const model::Snapshot& snapshot, const RunRequest& request) {
  control::SchedulerConfig config = control::SchedulerConfig::live();
  config.placement.policy = request.policy;
  config.placement.seed = request.seed;
  config.placement.typical = typical_of(snapshot);
  // Other schedulers place a gang's pods one after the other, by the policy for pods.
  config.gangs.rule = request.policy == "plimsoll" ? "plimsoll" : "by_pod";
  config.explain = false;
  config.retry_blocked = {};  // nothing changes that could help
  return config;
}

double fragmentation_percent(const placement::Engine& engine) {
  const auto [free, fragmented] = engine.fragmentation();
  return free > 0 ? 100 * fragmented / free : 0;
}

double allocation_percent(const SnapshotCounts& counts) {
  return counts.gpu_milli > 0 ? 100 * static_cast<double>(counts.gpu_milli_allocated) /
                                    static_cast<double>(counts.gpu_milli)
                              : 0;
}

PlacementRow row_of(const model::Snapshot& snapshot, const model::Bind& bind) {
  PlacementRow row = {.pod = pod_key(snapshot, bind.pod),
                      .node = snapshot.nodes[bind.binding.node.index()].name};
  for (const model::GpuShare& share : bind.binding.gpus) {
    row.gpus.push_back(share.index);
  }
  return row;
}

Result<Run> run_one(const model::Snapshot& snapshot, const RunRequest& request) {
  SnapshotWorld world(snapshot);
  control::Scheduler scheduler =
      TRY(control::Scheduler::make(world, world, config_for(snapshot, request)));
  const double fragmentation_before = fragmentation_percent(scheduler.engine());
  const Time end = snapshot.now + horizon;
  Run run;
  control::PlanHash hash;
  model::Plan plan;
  std::size_t evicted = 0;
  while (!request.stop.requested()) {
    plan.actions.clear();
    TRY_VOID(scheduler.turn(plan));
    hash.add(plan);
    bool acted = false;
    for (const model::Action& action : plan.actions) {
      const auto* bind = std::get_if<model::Bind>(&action.kind);
      const bool evict = std::holds_alternative<model::Evict>(action.kind);
      evicted += evict ? 1 : 0;
      acted = acted || bind != nullptr || evict;
      if (bind != nullptr && request.want_placements) {
        run.placements.push_back(row_of(snapshot, *bind));
      }
    }
    if (!acted) {
      const Time wake = scheduler.next_wake();
      if (wake > end) {
        break;
      }
      world.set_now(std::max(wake, world.now() + microseconds(1)));
    }
  }
  if (request.stop.requested()) {
    return stopped_early();
  }
  const SnapshotCounts before = count(snapshot);
  const SnapshotCounts after = count(world.truth());
  const auto number = [](std::size_t value) { return static_cast<double>(value); };
  run.metrics = {
      {"pending_pods_before", number(before.pods_pending)},
      {"pending_pods", number(after.pods_pending)},
      {"placed_pods", number(after.pods_bound + evicted) - number(before.pods_bound)},
      {"evicted_pods", number(evicted)},
      {"pending_gangs_before", number(before.gangs_pending)},
      {"pending_gangs", number(after.gangs_pending)},
      {"gpu_allocation_before_percent", allocation_percent(before)},
      {"gpu_allocation_percent", allocation_percent(after)},
      {"fragmentation_before_percent", fragmentation_before},
      {"fragmentation_percent", fragmentation_percent(scheduler.engine())},
  };
  run.plan_sha256 = hash.hex();
  return run;
}

}  // namespace

Result<StudyResult> run_snapshot(const model::Snapshot& snapshot, const std::string& name,
                                 const StudyContext& context) {
  return run_policies(context, "snapshot", name,
                      [&](const RunRequest& request) { return run_one(snapshot, request); });
}

}  // namespace plimsoll::cli
