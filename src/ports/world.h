// The narrow doors to a world: what the control loop sees and does. Implemented by sim and kube.
#pragma once

#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "model/plan.h"
#include "model/snapshot.h"

namespace plimsoll::ports {

// Not thread-safe: one control loop owns it.
class World {
 public:
  virtual ~World() = default;
  // Everything known now. Deltas observed later are relative to it.
  virtual model::Snapshot snapshot() = 0;
  // Appends what changed since the last call, in the order in which it happened.
  virtual Result<void> observe(std::vector<model::Delta>& changes) = 0;
  // Carries one action out, or returns why not; nothing is half-applied. What it changed comes
  // back through observe().
  virtual Result<void> apply(const model::Action& action) = 0;
};

class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual Time now() const = 0;
};

}  // namespace plimsoll::ports
