// Disruption budgets: which of them cover a pod, and how many disruptions each allows still.
//
// Follows BudgetUpserted and BudgetRemoved. What is spent here counts until the budget is told
// anew: the world's own count follows late. Pure; owned by one control loop, not thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "model/budget.h"
#include "model/pod.h"

namespace plimsoll::placement {

class Budgets {
 public:
  // Added, or replaced, and nothing of it spent. Returns whether it allows more than it did, or
  // covers other pods.
  bool upsert(const model::DisruptionBudget& budget);
  void remove(BudgetId budget);
  // The id stands for another spec now.
  void forget(SpecId id);

  // The indices of the budgets that cover pods of `spec`. O(1), and O(budgets) the first time.
  const std::vector<std::uint32_t>& covering(SpecId id, const model::PodSpec& spec);
  // How many further disruptions each allows, by index.
  [[nodiscard]] const std::vector<std::int32_t>& allowed() const { return allowed_; }
  // A pod of `spec` is taken down. Returns whether a budget covers it.
  bool spend(SpecId id, const model::PodSpec& spec);

 private:
  struct Covering {
    bool known = false;
    std::vector<std::uint32_t> budgets;
  };
  std::vector<model::DisruptionBudget> budgets_;  // an id of none(): a free slot
  std::vector<std::int32_t> allowed_;
  std::vector<Covering> covering_;  // by spec
};

}  // namespace plimsoll::placement
