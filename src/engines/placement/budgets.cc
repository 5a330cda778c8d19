#include "engines/placement/budgets.h"

namespace plimsoll::placement {

bool Budgets::upsert(const model::DisruptionBudget& budget) {
  const std::size_t i = budget.id.index();
  if (budgets_.size() <= i) {
    budgets_.resize(i + 1);
    allowed_.resize(i + 1);
  }
  const bool same_pods = budgets_[i].id == budget.id &&
                         budgets_[i].name_space == budget.name_space &&
                         budgets_[i].selector == budget.selector;
  const bool eased = !same_pods || budget.allowed > allowed_[i];
  budgets_[i] = budget;
  allowed_[i] = budget.allowed;
  if (!same_pods) {
    covering_.clear();
  }
  return eased;
}

void Budgets::remove(BudgetId budget) {
  budgets_[budget.index()] = {};
  allowed_[budget.index()] = 0;
  covering_.clear();
}

void Budgets::forget(SpecId id) {
  if (id.index() < covering_.size()) {
    covering_[id.index()] = {};
  }
}

const std::vector<std::uint32_t>& Budgets::covering(SpecId id, const model::PodSpec& spec) {
  if (covering_.size() <= id.index()) {
    covering_.resize(id.index() + 1);
  }
  auto& [known, covers] = covering_[id.index()];
  if (!known) {
    known = true;
    for (std::uint32_t i = 0; i < budgets_.size(); ++i) {
      const model::DisruptionBudget& budget = budgets_[i];
      // As in policy/v1, an empty selector covers all pods of its namespace.
      if (budget.id.valid() && budget.name_space == spec.name_space &&
          model::matches(budget.selector, spec.labels)) {
        covers.push_back(i);
      }
    }
  }
  return covers;
}

bool Budgets::spend(SpecId id, const model::PodSpec& spec) {
  for (const std::uint32_t budget : covering(id, spec)) {
    --allowed_[budget];
  }
  return !covering(id, spec).empty();
}

}  // namespace plimsoll::placement
