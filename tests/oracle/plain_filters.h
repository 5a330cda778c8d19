// The oracle of feasibility: kube-scheduler's filters as their definitions read, recounting every
// pod for each node. Written apart from the engine, whose counters are held against it.
#pragma once

#include <optional>
#include <string>

#include "model/plan.h"
#include "model/snapshot.h"

namespace plimsoll::oracle {

struct Refused {
  model::RefusalCode code = model::RefusalCode::cpu;
  std::string detail;
};

// Why `node` cannot take one more pod of `spec`, or none: it can. GPUs of one node are alike, and
// none is cut into instances. O(pods x nodes).
std::optional<Refused> refuse(const model::Snapshot& snapshot, const model::PodSpec& spec,
                              const model::Node& node);

}  // namespace plimsoll::oracle
