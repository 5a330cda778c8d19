// The scheduler's control loop: observe, follow, queue, decide, re-validate, apply, record.
//
// The same loop runs in `simulate` (on sim::SimWorld, in virtual time) and live. It is driven by
// calls to turn() and keeps no time of its own. Deterministic: the same snapshot, deltas, times,
// outcomes and configuration give the same plans. Not thread-safe; independent schedulers may run
// in parallel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "engines/placement/engine.h"
#include "engines/placement/gang.h"
#include "model/plan.h"
#include "ports/world.h"

namespace plimsoll::control {

struct SchedulerConfig {
  std::string queue = "fifo";  // a name in queue_policies()
  placement::Config placement;
  // Where gangs go. Its rule is a name in gang_rules(), or "by_pod": one member after the other,
  // each where the pods' policy puts it. Gangs of one member without a profile, and pods with
  // affinity or spread among them, always go by pod.
  placement::GangConfig gangs;
  // Refusals say why, node by node, and bindings name the runners-up. O(nodes) each.
  bool explain = true;
  // Pending jobs that one turn of the backfill policy looks at.
  std::size_t backfill_depth = 1000;

  // What only a live world needs. A binding that failed is tried again after the first of these,
  // then twice as long each time, up to the second (podInitialBackoffSeconds, podMaxBackoffSeconds
  // of kube-scheduler).
  Duration bind_backoff_first = seconds(std::int64_t{1});
  Duration bind_backoff_most = seconds(std::int64_t{10});
  // Work that found no room is tried again after this time, though nothing happened that could help
  // it (podMaxInUnschedulablePodsDuration); 0: never.
  Duration retry_blocked;
  // A gang of which fewer members are bound than it needs is completed by then, or undone.
  Duration gang_timeout = seconds(std::int64_t{300});
  // Every pending member of a gang gets a Refuse, also while others are missing; else the first.
  bool tell_members = false;
  // Work without room evicts pods of lower priority, and waits for them to go (Nominate), for so
  // long at most; by default the longest that kube-scheduler lets anything wait.
  bool preemption = false;
  Duration victims_patience = seconds(std::int64_t{300});

  // As `plimsoll run` starts from.
  static SchedulerConfig live();
};

// How much work a scheduler has in hand.
struct QueueLength {
  std::size_t pending = 0;  // pods and complete gangs that wait
  std::size_t running = 0;
};

// What a blocked head, or a gang that is due, was promised: that it starts by then.
struct Promise {
  PodId first;  // of its pods
  Time at;      // `never`: nothing that is known would make room for it
};

class Scheduler {
 public:
  // Reads the world's snapshot once. Errors: an unknown queue or placement policy, an inconsistent
  // snapshot. `world` and `clock` must outlive it.
  static Result<Scheduler> make(ports::World& world, const ports::Clock& clock,
                                SchedulerConfig config);
  Scheduler(Scheduler&&) noexcept;
  Scheduler& operator=(Scheduler&&) noexcept;
  ~Scheduler();

  // One turn. Appends to `plan` what the world carried out or took on (Bind; Evict where a gang
  // could not be completed or others need the room; Nominate), and, for the reader only, Refuse and
  // Decline where a pod's or gang's reason is not the one it had. A gang is bound as a whole or not
  // at all: if a binding that the world took on fails, the member is tried again on its node, or
  // elsewhere in the gang's domain, and after `gang_timeout` the gang is undone. A pod that is to
  // be evicted while its binding is under way must go all the same; Evict is asked for again while
  // nothing comes of it. Work that nothing could help since it was last tried is not tried again.
  // Where the rule lets gangs wait for better places, one that is due (GangPlacer::due), and that
  // has a profile or has declined, is overtaken no more, but by what ends before it can start or
  // stays off its nodes.
  // Errors: the world's, or a delta that does not fit what is known.
  Result<void> turn(model::Plan& plan);

  // The first part of a turn: learns what changed and decides nothing, as who stands by does. What
  // arrived is decided about by the next turn.
  Result<void> follow();

  // When a turn may decide something though nothing changes (a decline runs out); `never` if not.
  [[nodiscard]] Time next_wake() const;

  // Under the backfill policy, and to gangs that are due.
  [[nodiscard]] std::optional<Promise> promise() const;

  [[nodiscard]] QueueLength length() const;
  [[nodiscard]] const placement::Engine& engine() const;
  [[nodiscard]] placement::Engine& engine();

 private:
  struct State;
  explicit Scheduler(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace plimsoll::control
