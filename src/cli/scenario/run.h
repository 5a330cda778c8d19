// Runs a scenario: every policy with every seed, in the simulator.
#pragma once

#include "base/result.h"
#include "cli/scenario/scenario.h"
#include "cli/study.h"

namespace plimsoll::cli {

// Policies and seeds are the options', not the scenario's. Errors: a trace that cannot be read, a
// cluster or work that does not hold together; nothing has run then.
Result<StudyResult> run_scenario(const Scenario& scenario, const StudyContext& context);

// One line for each objective that the result breaks.
std::vector<std::string> broken_objectives(const std::vector<Objective>& objectives,
                                           const StudyResult& result);

}  // namespace plimsoll::cli
