// A Snapshot behind the ports: what would happen from here, if nothing came and nothing ended.
//
// Bindings happen at once, evicted pods are gone, everything else stays as it is. Time moves only
// when it is set. Deterministic; one owner, not thread-safe.
#pragma once

#include <utility>
#include <vector>

#include "base/result.h"
#include "model/snapshot.h"
#include "ports/world.h"

namespace plimsoll::cli {

class SnapshotWorld final : public ports::World, public ports::Clock {
 public:
  explicit SnapshotWorld(model::Snapshot snapshot) : truth_(std::move(snapshot)) {}

  model::Snapshot snapshot() override;
  Result<void> observe(std::vector<model::Delta>& changes) override;
  Result<void> apply(const model::Action& action) override;
  [[nodiscard]] Time now() const override { return truth_.now; }

  void set_now(Time now) { truth_.now = now; }  // Requires: not before now()
  [[nodiscard]] const model::Snapshot& truth() const { return truth_; }

 private:
  model::Snapshot truth_;
  std::vector<model::Delta> changes_;
};

}  // namespace plimsoll::cli
