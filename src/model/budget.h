// A disruption budget: how many of the pods that it selects may be taken down now. A value.
#pragma once

#include <cstdint>
#include <string>

#include "model/ids.h"
#include "model/labels.h"

namespace plimsoll::model {

// A PodDisruptionBudget. It covers pods of its own namespace that `selector` matches.
struct DisruptionBudget {
  BudgetId id;
  std::string name;
  std::string name_space = "default";
  LabelSelector selector;
  std::int32_t allowed = 0;  // further disruptions that it allows now

  friend bool operator==(const DisruptionBudget&, const DisruptionBudget&) = default;
};

}  // namespace plimsoll::model
