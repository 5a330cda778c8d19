// Records what a live scheduler sees and hands it on turn by turn; and makes the plans again from
// turns, one at a time: a journal of any length needs memory for one turn.
//
// Each has one owner; not thread-safe.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "base/result.h"
#include "control/journal.h"
#include "control/scheduler.h"
#include "model/plan.h"
#include "model/snapshot.h"
#include "ports/world.h"

namespace plimsoll::control {

// Between a scheduler, which has it as its world and its clock, and those that it passes everything
// through to, which outlive it.
class Recorder final : public ports::World, public ports::Clock {
 public:
  Recorder(ports::World& world, const ports::Clock& clock) : world_(&world), clock_(&clock) {}

  model::Snapshot snapshot() override { return initial_ = world_->snapshot(); }
  Result<void> observe(std::vector<model::Delta>& changes) override;
  Result<void> apply(const model::Action& action) override;
  // What the scheduler read last is the turn's time.
  [[nodiscard]] Time now() const override { return at_ = clock_->now(); }

  // What the scheduler started from; once.
  model::Snapshot take_initial() { return std::exchange(initial_, {}); }
  // What has just ended: a turn, or (`followed`) a Scheduler::follow().
  Journal::Turn take_turn(bool followed = false);

 private:
  ports::World* world_;
  const ports::Clock* clock_;
  mutable Time at_;
  model::Snapshot initial_;
  Journal::Turn turn_;
  std::size_t tried_ = 0;
};

class Replay {
 public:
  // Errors: the scheduler's.
  static Result<Replay> make(model::Snapshot initial, SchedulerConfig config);
  Replay(Replay&&) noexcept;
  Replay& operator=(Replay&&) noexcept;
  ~Replay();

  // Takes the recorded turn again, and appends what was decided. Errors: the scheduler's.
  Result<void> turn(Journal::Turn turn, model::Plan& plan);

 private:
  struct State;
  explicit Replay(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace plimsoll::control
