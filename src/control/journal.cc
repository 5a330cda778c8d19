#include "control/journal.h"

#include <utility>

#include "control/plan_hash.h"
#include "control/recorder.h"

namespace plimsoll::control {
model::Snapshot RecordingWorld::snapshot() {
  journal_->initial = world_->snapshot();
  return journal_->initial;
}

Result<void> RecordingWorld::observe(std::vector<model::Delta>& changes) {
  TRY_VOID(world_->observe(changes));
  journal_->turns.push_back({.at = clock_->now(), .changes = changes});
  tried_ = 0;
  return {};
}

Result<void> RecordingWorld::apply(const model::Action& action) {
  Result<void> done = world_->apply(action);
  if (!done) {
    journal_->turns.back().refused.push_back(tried_);
  }
  ++tried_;
  return done;
}

Result<std::string> replay(const Journal& journal, SchedulerConfig config) {
  Replay replayed = TRY(Replay::make(journal.initial, std::move(config)));
  PlanHash hash;
  model::Plan plan;
  for (const Journal::Turn& turn : journal.turns) {
    plan.actions.clear();
    TRY_VOID(replayed.turn(turn, plan));
    hash.add(plan);
  }
  return hash.hex();
}

}  // namespace plimsoll::control
