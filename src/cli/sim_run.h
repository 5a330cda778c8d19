// From a simulation's result to a study's run: its metrics, placements and picture.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "cli/study.h"
#include "engines/placement/engine.h"
#include "model/workload.h"
#include "sim/simulator.h"

namespace plimsoll::cli {

// The metrics of every simulation, in the order in which they are shown.
std::vector<std::pair<std::string, double>> sim_metrics(const sim::SimResult& result);
std::vector<std::string> sim_metric_names();

// How often each kind of pod comes in `workload`: what FGD expects, and what fragmentation is
// measured against.
std::vector<placement::TypicalPod> typical_of(const model::Workload& workload);

// Sets what a run needs: the placement policy and its seed, the stop flag, progress, and what
// --placements and --report ask for.
void prepare(sim::SimConfig& config, const RunRequest& request);

// The run of `result`. Placements and picture only where `request` wants them.
Run run_of(const sim::SimResult& result, const model::Cluster& cluster,
           const model::Workload& workload, const RunRequest& request);

}  // namespace plimsoll::cli
