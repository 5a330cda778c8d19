// A Plan for a person or a script: the table, JSON and YAML that `plimsoll plan` prints. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "control/scheduler.h"
#include "kube/store/cluster_store.h"
#include "model/plan.h"
#include "model/snapshot.h"

namespace plimsoll::cli {

struct PlanView {
  std::string source;  // the server, or the file
  std::string policy;
  const model::Snapshot* before = nullptr;  // what the plan was made for
  const model::Plan* plan = nullptr;
  std::vector<kube::Held> held;  // pods that the scheduler leaves alone
};

nlohmann::ordered_json plan_json(const PlanView& view);
std::string plan_table(const PlanView& view);
// By --output's name.
std::string plan_text(const PlanView& view, std::string_view format);

// "node-2 (11), node-3 (10)"; empty: there are none.
std::string alternatives_text(const model::Snapshot& snapshot,
                              const std::vector<model::Alternative>& alternatives);
nlohmann::ordered_json alternatives_json(const model::Snapshot& snapshot,
                                         const std::vector<model::Alternative>& alternatives);
// "no_room", "best_score", …
std::string_view code_text(model::ReasonCode code);

// One turn of the scheduler, as `plimsoll run` would take it now. Errors: an unknown policy.
Result<model::Plan> plan_for(const model::Snapshot& snapshot, control::SchedulerConfig config);

}  // namespace plimsoll::cli
