#include "control/journal.h"

#include <algorithm>
#include <utility>

#include "control/plan_hash.h"

namespace plimsoll::control {
namespace {

class ReplayedWorld final : public ports::World, public ports::Clock {
 public:
  explicit ReplayedWorld(const Journal& journal) : journal_(&journal) {}

  void begin(std::size_t turn) {
    turn_ = turn;
    tried_ = 0;
  }
  model::Snapshot snapshot() override { return journal_->initial; }
  Result<void> observe(std::vector<model::Delta>& changes) override {
    changes = journal_->turns[turn_].changes;
    return {};
  }
  Result<void> apply(const model::Action& /*action*/) override {
    if (std::ranges::binary_search(journal_->turns[turn_].refused, tried_++)) {
      return failed("the recorded world refused it");
    }
    return {};
  }
  [[nodiscard]] Time now() const override { return journal_->turns[turn_].at; }

 private:
  const Journal* journal_;
  std::size_t turn_ = 0;
  std::size_t tried_ = 0;
};

}  // namespace

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
  ReplayedWorld world(journal);
  Scheduler scheduler = TRY(Scheduler::make(world, world, std::move(config)));
  PlanHash hash;
  model::Plan plan;
  for (std::size_t turn = 0; turn < journal.turns.size(); ++turn) {
    world.begin(turn);
    plan.actions.clear();
    TRY_VOID(scheduler.turn(plan));
    hash.add(plan);
  }
  return hash.hex();
}

}  // namespace plimsoll::control
