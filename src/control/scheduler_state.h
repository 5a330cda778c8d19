// The scheduler's insides: what it follows, and how it decides. Included by scheduler*.cc only.
//
// scheduler.cc follows the world's deltas, scheduler_decide.cc places and binds, and
// scheduler_backfill.cc keeps the reservation of a blocked head.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "control/queue_policy.h"
#include "control/scheduler.h"
#include "control/work_queue.h"
#include "model/snapshot.h"

namespace plimsoll::control {

// A pod on its own, or the members of a gang that start together.
struct Work {
  enum class Phase : std::uint8_t {
    free,     // the slot
    forming,  // a gang that lacks members
    waiting,  // in the queue
    put_off,  // declined, or its binding failed; back in the queue at `retry_at` or when room is
              // made
    running,
    refused,  // for good
  };
  Phase phase = Phase::free;
  std::vector<PodId> pods;
  GangId gang;
  ShapeId shape;
  QueueKey key;
  Duration expected;  // 0: unknown
  Time retry_at;
  Time ends = never;  // when it is expected to, while it runs
  Time due = never;   // when others may overtake it no longer
  placement::WaitState wait;
  std::vector<placement::Release::Share> held;  // while it runs, if anything asks for it
  std::uint64_t told = 0;  // a fingerprint of the reason that was last recorded
};

struct Scheduler::State {
  struct SpecFacts {
    std::int32_t priority = 0;
    std::int64_t gpu_milli = 0;
    std::int32_t gpus = 0;
    bool helped_by_binds = false;
    bool looks_at_pods = false;  // affinity, anti-affinity or spread
  };
  struct PodTrack {
    bool present = false;
    bool bound = false;
    SpecId spec;
    GangId gang;
    Time created;
    WorkId work;
    std::int64_t gpu_milli = 0;  // held
  };
  struct GangTrack {
    model::Gang gang;
    WorkId gathering;  // the work that its next pending member joins
    std::int32_t bound = 0;
  };
  // The promise to a blocked head, or to a gang that is due.
  struct Reservation {
    WorkId head;
    Time at = never;
    std::vector<bool> off;  // by node: not reserved
  };
  enum class Outcome : std::uint8_t { started, no_room, put_off };

  State(ports::World& its_world, const ports::Clock& its_clock, placement::Engine its_engine)
      : world(its_world), clock(its_clock), engine(std::move(its_engine)) {}

  // scheduler.cc
  void load(const model::Snapshot& snapshot);
  void follow(const model::Delta& delta);
  void follow(const model::Node& node);
  void remove_node(NodeId node);
  void add_spec(SpecId id, const model::PodSpec& spec);
  void upsert_gang(const model::Gang& gang);
  void add_pod(const model::Pod& pod);
  void hold(PodId pod, const model::Binding& binding);
  void remove_pod(PodId pod);
  WorkId new_work(GangId gang);
  void join(PodId pod);
  void leave(PodId pod);
  void enter_queue(WorkId id);
  void leave_queue(WorkId id);
  void end(WorkId id);
  Work& work(WorkId id) { return works[id.index()]; }

  // scheduler_decide.cc
  Result<void> decide(model::Plan& plan);
  Result<void> decide_each_once(model::Plan& plan);
  Result<void> decide_in_order(model::Plan& plan);
  Result<void> decide_skipping(model::Plan& plan);
  Result<Outcome> attempt(WorkId id, const std::vector<bool>* allowed, model::Plan& plan);
  bool place_each(const Work& placed, const std::vector<bool>* allowed);
  Result<bool> bind(WorkId id, model::Plan& plan);
  void put_off(WorkId id, Time until);
  void decline(WorkId id, model::Plan& plan);
  void refuse(WorkId id, model::ReasonCode code, model::Plan& plan);
  void tell_the_untried(model::Plan& plan);

  // scheduler_gang.cc. Each fills `chosen`, and assumes it on the engine.
  bool place(const Work& placed, const std::vector<bool>* allowed);
  bool place_within_domains(const Work& placed, const std::vector<bool>* allowed);
  const std::vector<std::uint32_t>& domains_at(model::TopologyLevel level);
  [[nodiscard]] std::vector<bool> domains_with_room(const Work& placed,
                                                    const std::vector<bool>* allowed,
                                                    std::span<const std::uint32_t> domain,
                                                    std::uint32_t domains) const;
  Outcome decide_gang(WorkId id, const std::vector<bool>* allowed);
  bool assume_gang(const Work& placed, const placement::GangPlacement& placement);
  [[nodiscard]] bool goes_by_pod(const Work& placed) const;
  [[nodiscard]] placement::GangRequest request_of(const Work& asking) const;
  std::vector<std::int32_t> room_for(const Work& asking, const std::vector<bool>* allowed) const;
  std::span<const placement::Release> releases();
  std::vector<model::Refusal> explain(const Work& refused);

  // scheduler_backfill.cc
  Result<void> decide_reserving(model::Plan& plan);
  Result<void> decide_with_due(WorkId due, model::Plan& plan);
  Result<void> keep_promise(WorkId head, model::Plan& plan);
  void reserve(WorkId head);
  Result<void> backfill(WorkId candidate, model::Plan& plan);
  [[nodiscard]] bool ends_in_time(const Work& work) const;

  ports::World& world;
  const ports::Clock& clock;
  placement::Engine engine;
  SchedulerConfig config;
  QueuePolicy policy;

  Time now;
  std::vector<model::Delta> changes;
  std::vector<SpecFacts> specs;
  std::vector<PodTrack> pods;
  std::vector<GangTrack> gangs;
  std::vector<std::int64_t> node_gpu_milli;   // by node: what it offers
  std::vector<model::TopologyPath> topology;  // by node
  // By level, then node; empty where `topology` changed since.
  std::array<std::vector<std::uint32_t>, 6> domain_numbers;
  std::int64_t free_gpu_milli = 0;  // of all nodes; an upper bound on what fits

  std::vector<Work> works;
  std::vector<WorkId> free_works;
  WorkQueue queue;
  std::vector<WorkId> fresh;                  // entered the queue since the last turn
  std::vector<WorkId> postponed;              // phase put_off
  std::set<std::pair<Time, WorkId>> running;  // by expected end
  std::set<std::pair<Time, WorkId>> due;      // what waits, by when it is due
  std::uint64_t next_sequence = 1;

  bool room_made = false;        // since the last turn something was freed or added
  bool pods_bound = false;       // since the last turn a pod was bound
  std::uint64_t generation = 1;  // of what shapes remember as off_blocked
  std::optional<Reservation> reservation;
  bool reservation_stale = true;

  std::optional<placement::GangPlacer> placer;  // none: every gang goes by pod
  bool gangs_may_wait = false;                  // the placer asks what will be released when
  std::vector<placement::Release> released_later;
  bool released_later_stale = true;
  Time released_as_of;

  std::vector<placement::Choice> chosen;
  std::optional<Duration> chosen_run;  // how long the gang is expected to run there
};

}  // namespace plimsoll::control
