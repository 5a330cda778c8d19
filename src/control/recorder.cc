#include "control/recorder.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace plimsoll::control {
namespace {

// Tells what a turn observed, and refuses what was refused in it.
class ReplayedWorld final : public ports::World, public ports::Clock {
 public:
  explicit ReplayedWorld(model::Snapshot initial) : initial_(std::move(initial)) {}

  void begin(Journal::Turn turn) {
    turn_ = std::move(turn);
    tried_ = 0;
  }
  model::Snapshot snapshot() override { return std::move(initial_); }  // asked for once
  Result<void> observe(std::vector<model::Delta>& changes) override {
    changes = std::move(turn_.changes);
    return {};
  }
  Result<void> apply(const model::Action& /*action*/) override {
    if (std::ranges::binary_search(turn_.refused, tried_++)) {
      return failed("the recorded world refused it");
    }
    return {};
  }
  [[nodiscard]] Time now() const override { return turn_.at; }

 private:
  model::Snapshot initial_;
  Journal::Turn turn_;
  std::size_t tried_ = 0;
};

}  // namespace

Result<void> Recorder::observe(std::vector<model::Delta>& changes) {
  const std::size_t before = changes.size();
  TRY_VOID(world_->observe(changes));
  turn_.changes.assign(changes.begin() + static_cast<std::ptrdiff_t>(before), changes.end());
  return {};
}

Result<void> Recorder::apply(const model::Action& action) {
  Result<void> done = world_->apply(action);
  if (!done) {
    turn_.refused.push_back(tried_);
  }
  ++tried_;
  return done;
}

Journal::Turn Recorder::take_turn(bool followed) {
  turn_.at = at_;
  turn_.followed = followed;
  tried_ = 0;
  return std::exchange(turn_, {});
}

struct Replay::State {
  explicit State(model::Snapshot initial) : world(std::move(initial)) {}
  ReplayedWorld world;
  std::optional<Scheduler> scheduler;
};

Replay::Replay(std::unique_ptr<State> state) : state_(std::move(state)) {}
Replay::Replay(Replay&&) noexcept = default;
Replay& Replay::operator=(Replay&&) noexcept = default;
Replay::~Replay() = default;

Result<Replay> Replay::make(model::Snapshot initial, SchedulerConfig config) {
  auto state = std::make_unique<State>(std::move(initial));
  state->scheduler = TRY(Scheduler::make(state->world, state->world, std::move(config)));
  return Replay(std::move(state));
}

Result<void> Replay::turn(Journal::Turn turn, model::Plan& plan) {
  const bool followed = turn.followed;
  state_->world.begin(std::move(turn));
  return followed ? state_->scheduler->follow() : state_->scheduler->turn(plan);
}

}  // namespace plimsoll::control
