#include "cli/live/snapshot_world.h"

#include <fmt/format.h>

#include <optional>

namespace plimsoll::cli {

model::Snapshot SnapshotWorld::snapshot() {
  changes_.clear();  // they are in it
  return truth_;
}

Result<void> SnapshotWorld::observe(std::vector<model::Delta>& changes) {
  changes.insert(changes.end(), changes_.begin(), changes_.end());
  changes_.clear();
  return {};
}

Result<void> SnapshotWorld::apply(const model::Action& action) {
  std::optional<model::Delta> change;
  if (const auto* bind = std::get_if<model::Bind>(&action.kind)) {
    change = model::PodBound{bind->pod, bind->binding};
  } else if (const auto* evict = std::get_if<model::Evict>(&action.kind)) {
    change = model::PodRemoved{evict->pod};
  }
  if (change) {
    TRY_VOID(model::apply(truth_, *change));
    changes_.push_back(*std::move(change));
  }
  return {};
}

}  // namespace plimsoll::cli
