// Why a pod is where it is, or waits, and what would have to change: what `plimsoll explain` says.
//
// Pure functions of a snapshot; values.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "control/scheduler.h"
#include "model/snapshot.h"

namespace plimsoll::cli {

struct Explanation {
  struct GangState {
    std::string name;
    std::int32_t needs = 0;  // members; 0: nobody has said
    std::int32_t bound = 0;
    std::int32_t pending = 0;
  };
  // Nodes that refuse the pod for one reason.
  struct Group {
    std::string why;
    std::vector<std::string> nodes;
  };
  // What a node lacks, and whether it would take the pod if it had that.
  struct Nearest {
    std::string node;
    std::vector<std::string> lacks;
    std::string besides;  // why it would still not take it; empty: it would
  };
  std::string pod;    // "NAMESPACE/NAME"
  std::string state;  // "bound", "pending", "left alone"
  std::string node;   // empty: none
  std::optional<GangState> gang;
  std::string reason;  // a code of plan_view.h; empty where it is left alone
  std::string why;
  std::vector<Group> groups;
  std::vector<Nearest> nearest;
  std::vector<std::string> changes;  // each would help, or is needed
  std::vector<model::Alternative> alternatives;
};

// Of a pod of the snapshot: bound, or pending and one of those that the scheduler places.
Result<Explanation> explain_pod(const model::Snapshot& snapshot, PodId pod,
                                control::SchedulerConfig config);
// Of a pod that the scheduler leaves alone.
Explanation left_alone(std::string pod, std::string why);

nlohmann::ordered_json explanation_json(const model::Snapshot& snapshot,
                                        const Explanation& explanation);
std::string explanation_table(const model::Snapshot& snapshot, const Explanation& explanation);

}  // namespace plimsoll::cli
