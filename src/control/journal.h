// What a scheduler saw, so that its plans can be made again: the first snapshot, then for each turn
// the time, the deltas, and which of its actions the world refused.
//
// Values; RecordingWorld has one owner.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/result.h"
#include "control/scheduler.h"
#include "model/snapshot.h"
#include "ports/world.h"

namespace plimsoll::control {

struct Journal {
  struct Turn {
    Time at;
    bool followed = false;  // it only observed: somebody else decides
    std::vector<model::Delta> changes;
    std::vector<std::size_t> refused;  // of the actions it tried, counted from 0
  };
  model::Snapshot initial;
  std::vector<Turn> turns;
};

// Passes everything through to a world and its clock, and notes it. All three must outlive it.
class RecordingWorld final : public ports::World {
 public:
  RecordingWorld(ports::World& world, const ports::Clock& clock, Journal& journal)
      : world_(&world), clock_(&clock), journal_(&journal) {}

  model::Snapshot snapshot() override;
  Result<void> observe(std::vector<model::Delta>& changes) override;
  Result<void> apply(const model::Action& action) override;

 private:
  ports::World* world_;
  const ports::Clock* clock_;
  Journal* journal_;
  std::size_t tried_ = 0;  // in this turn
};

// Makes the plans again, and returns their hash (plan_hash.h). Errors: the scheduler's.
Result<std::string> replay(const Journal& journal, SchedulerConfig config);

}  // namespace plimsoll::control
