// The scheduler's insides: what it follows, and how it decides. Included by scheduler*.cc only.
//
// scheduler.cc follows the world's deltas, scheduler_decide.cc places and binds,
// scheduler_gang.cc finds places for gangs, scheduler_live.cc deals with bindings that fail, pods
// that change and gangs that are half there, scheduler_preempt.cc evicts for others, and
// scheduler_backfill.cc keeps the reservation of a blocked head.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "control/queue_policy.h"
#include "control/scheduler.h"
#include "control/work_queue.h"
#include "engines/placement/budgets.h"
#include "engines/placement/preempt.h"
#include "model/cost.h"
#include "model/snapshot.h"

namespace plimsoll::control {

// The slot of a dense id, made if it is new.
template <typename T, typename IdType>
T& slot(std::vector<T>& slots, IdType id) {
  if (slots.size() <= id.index()) {
    slots.resize(id.index() + 1);
  }
  return slots[id.index()];
}

// A pod on its own, or the members of a gang that start together.
struct Work {
  enum class Phase : std::uint8_t {
    free,       // the slot
    forming,    // a gang that lacks members
    waiting,    // in the queue
    put_off,    // declined, or its binding failed; back in the queue at `retry_at`, or when room is
                // made unless it `backs_off`
    nominated,  // waits for pods to leave the nodes that are kept for it
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
  bool backs_off = false;
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
    std::int32_t whole_gpus = 0;  // 0 where it asks for parts
    model::Resources requests;
    model::GpuRequest gpu;
    bool helped_by_binds = false;
    bool looks_at_pods = false;  // affinity, anti-affinity or spread
    bool preempts = true;
  };
  struct PodTrack {
    bool present = false;
    bool bound = false;        // holds room, assumed or confirmed
    bool confirmed = false;    // the world said so
    bool terminating = false;  // it goes, and holds its room until it is gone
    bool evicting = false;     // we asked the world to take it away
    std::uint8_t failed_binds = 0;
    SpecId spec;
    GangId gang;
    Time created;
    WorkId work;
    std::int64_t gpu_milli = 0;  // held
    MicroUsdPerHour cost;        // where it is bound
    NodeId node;                 // where it is bound
    NodeId again_on;             // where its binding failed, and should be tried again
    std::uint64_t told = 0;      // as Work::told, where each member is told
    // What preemption asks.
    model::Binding binding;
    Time started;
    bool do_not_disrupt = false;

    [[nodiscard]] bool stays() const { return !terminating && !evicting; }
  };
  struct GangTrack {
    model::Gang gang;            // its id is none() while it is not known
    std::vector<PodId> members;  // all that are there
    WorkId gathering;            // the work that its next pending member joins
    // Members that stay: bound, of them confirmed, and pending.
    std::int32_t bound = 0;
    std::int32_t confirmed = 0;
    std::int32_t pending = 0;
    bool was_whole = false;   // all that it needs were bound at one time
    Time half_since = never;  // since when only a part of it is bound
    bool touched = false;     // in this turn, by what changed its members

    [[nodiscard]] bool known() const {
      return gang.id.valid() && gang.min_members != model::members_unknown;
    }
    [[nodiscard]] bool has_domain() const {
      return gang.required_level != model::TopologyLevel::none || !gang.required_key.empty();
    }
    [[nodiscard]] bool half_bound() const {
      return known() && bound > 0 && bound < gang.min_members && (pending > 0 || !was_whole);
    }
  };
  // A pod that we asked the world to take away, and that is still there.
  struct Eviction {
    Time ask_again;
    model::Reason reason;
  };
  // Pods that are kept a place, by pod, until what leaves it is gone.
  struct Nomination {
    std::vector<std::pair<PodId, NodeId>> places;
    std::set<PodId> awaited;
    Time until;  // it waits no longer for them
  };
  // A node label that names gangs' domains.
  struct DomainKey {
    std::string label;
    std::vector<std::uint32_t> numbers;  // by node; empty: nodes changed since
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
  void forget_domains();
  void upsert_gang(const model::Gang& gang);
  void remove_gang(GangId id);
  void add_pod(const model::Pod& pod);
  void hold(PodId pod, const model::Binding& binding, bool confirmed);
  void unhold(PodId pod);
  void pod_bound(const model::PodBound& delta);
  void remove_pod(PodId pod);
  void tally(const PodTrack& pod, std::int32_t by);
  void touch(GangId gang);
  void touch_members(const GangTrack& gang);
  void enlist(PodId pod);  // in its gang
  void quit(PodId pod);
  [[nodiscard]] model::Effect effect_of_evicting(PodId pod) const;
  WorkId new_work(GangId gang);
  void join(PodId pod);
  void leave(PodId pod);
  void enter_queue(WorkId id);
  void leave_queue(WorkId id);
  void end(WorkId id);
  Work& work(WorkId id) { return works[id.index()]; }

  // scheduler_live.cc
  void change_pod(const model::Pod& pod);
  void bind_failed(PodId pod);
  [[nodiscard]] Duration back_off_of(const Work& work) const;
  void evict(PodId pod, model::Reason reason, model::Plan& plan);
  void evict_again(model::Plan& plan);
  void settle_gangs();
  void review_gangs(model::Plan& plan);
  void undo_half_bound(model::Plan& plan);
  [[nodiscard]] model::Reason incomplete(const GangTrack& gang) const;
  void tell_of_failed_binds(model::Plan& plan);

  // scheduler_decide.cc
  Result<void> decide(model::Plan& plan);
  Result<void> decide_by_policy(model::Plan& plan);
  Result<void> decide_each_once(model::Plan& plan);
  Result<void> decide_in_order(model::Plan& plan);
  Result<void> decide_skipping(model::Plan& plan);
  Result<Outcome> attempt(WorkId id, const std::vector<bool>* allowed, model::Plan& plan);
  bool place_each(const Work& placed, const std::vector<bool>* allowed);
  std::optional<placement::Choice> find_for(PodId pod, const std::vector<bool>* allowed);
  Result<bool> bind(WorkId id, model::Plan& plan);
  void no_room(WorkId id, model::Plan& plan);
  void put_off(WorkId id, Time until);
  void decline(WorkId id, Duration sooner, model::Plan& plan);
  void refuse(WorkId id, model::ReasonCode code, model::Plan& plan);
  void tell(WorkId id, const model::Reason& reason, model::Plan& plan);
  void tell_the_untried(model::Plan& plan);

  // scheduler_gang.cc. Each fills `chosen`, and assumes it on the engine.
  bool place(const Work& placed, const std::vector<bool>* allowed);
  bool place_within_domains(const Work& placed, const std::vector<bool>* allowed);
  const std::vector<std::uint32_t>& domains_at(model::TopologyLevel level);
  const std::vector<std::uint32_t>& domains_under(std::int32_t key);
  std::int32_t key_number(const std::string& label);
  // The required domain of each node, for one that has such a requirement.
  const std::vector<std::uint32_t>& domains_of(const ShapeKey& key);
  // Whether others of its gang are bound already.
  [[nodiscard]] bool stands_in_part(const Work& placed) const;
  // Where members of a gang that is bound in part may go; none: anywhere.
  std::optional<std::vector<bool>> beside_the_bound(const Work& placed,
                                                    const std::vector<bool>* allowed);
  [[nodiscard]] std::vector<bool> domains_with_room(const Work& placed,
                                                    const std::vector<bool>* allowed,
                                                    std::span<const std::uint32_t> domain,
                                                    std::uint32_t domains) const;
  // `sooner`: of a gang that declines, by how much it is then predicted to finish.
  Outcome decide_gang(WorkId id, const std::vector<bool>* allowed, Duration& sooner);
  bool assume_gang(const Work& placed, const placement::GangPlacement& placement);
  [[nodiscard]] bool goes_by_pod(const Work& placed) const;
  [[nodiscard]] placement::GangRequest request_of(const Work& asking);
  std::vector<std::int32_t> room_for(const Work& asking, const std::vector<bool>* allowed);
  std::span<const placement::Release> releases();
  std::vector<model::Refusal> explain(const Work& refused);

  // scheduler_preempt.cc
  void touch_node(NodeId node);
  void imagine(NodeId node, WorkId id);
  placement::Mark imagine_all(WorkId id);
  [[nodiscard]] bool leaves_soon(PodId pod) const;
  bool yields_to(WorkId nominated, WorkId id);
  std::optional<std::vector<bool>> unreserved(WorkId id, const std::vector<bool>* allowed);
  bool place_beside_nominated(WorkId id, const std::vector<bool>* allowed);
  bool all_fit_later(NodeId node, WorkId id);
  std::int32_t kept_from(const Work& refused);
  void occupants(NodeId node, WorkId id, std::vector<placement::Occupant>& result);
  std::function<void(NodeId, std::vector<placement::Occupant>&)> occupants_for(WorkId id);
  bool preempt(WorkId id, model::Plan& plan);
  bool plan_preemption(WorkId id, Nomination& nomination, std::vector<PodId>& victims);
  bool plan_in_imagined(WorkId id, const std::vector<bool>* allowed, bool single,
                        Nomination& nomination, std::vector<PodId>& victims);
  void await_leaving(Nomination& nomination) const;
  void carry_out(WorkId id, Nomination nomination, const std::vector<PodId>& victims,
                 model::Plan& plan);
  void drop_nomination(WorkId id);
  void look_at_nominated(bool all);
  void tell_of_withdrawn(model::Plan& plan);

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
  std::vector<model::NodePrice> prices;       // by node
  std::vector<model::TopologyPath> topology;  // by node
  // By level, then node; empty where `topology` changed since.
  std::array<std::vector<std::uint32_t>, 6> domain_numbers;
  std::vector<DomainKey> domain_keys;
  std::int64_t free_gpu_milli = 0;  // of all nodes; an upper bound on what fits

  std::vector<Work> works;
  std::vector<WorkId> free_works;
  WorkQueue queue;
  std::vector<WorkId> fresh;                  // entered the queue since the last turn
  std::vector<WorkId> postponed;              // phase put_off
  std::set<std::pair<Time, WorkId>> running;  // by expected end
  std::set<std::pair<Time, WorkId>> due;      // what waits, by when it is due
  std::uint64_t next_sequence = 1;
  std::vector<GangId> touched;                   // gangs, in this turn
  std::set<std::pair<Time, GangId>> half_bound;  // by when they are undone
  std::map<PodId, Eviction> evictions;
  std::map<PodId, Time> leaving;                           // bound, and go; since when
  std::map<std::int32_t, std::int32_t> bound_by_priority;  // pods that stay
  placement::Budgets budgets;
  // Where preemption is on.
  std::vector<std::vector<PodId>> pods_on;   // by node: what holds room there
  std::vector<std::uint64_t> node_versions;  // by node: of what preemption looks at
  std::map<SpecId, placement::PreemptMemo> memos;
  std::map<NodeId, std::vector<std::pair<WorkId, PodId>>> kept_on;  // nominations, by node
  Time patience_seen;  // leaving pods that were waited for in vain until then are known
  std::map<WorkId, Nomination> nominations;
  std::vector<PodId> withdrawn;     // lost a nomination, in this turn
  std::vector<PodId> failed_binds;  // in this turn
  Time blocked_since = never;       // the first of what is blocked now
  // Why the last work that was explained has no room; until something is bound or given back.
  std::optional<std::pair<ShapeId, std::vector<model::Refusal>>> explained;

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
  // By the gang rule: the placement behind `chosen`, and the room that it was chosen on.
  std::optional<placement::GangPlacement> chosen_placement;
  std::vector<std::int32_t> chosen_room;
};

}  // namespace plimsoll::control
