// Where the members of a gang go: all of them at once, or not at all.
//
// A GangPlacer follows the cluster's nodes and decides for one gang at a time, on the room that the
// engine reports (Engine::capacities). It takes nothing: its caller assumes the members on the
// engine, inside a checkpoint. Pure and deterministic; owned by one control loop, not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "engines/placement/engine.h"
#include "engines/placement/gang_wait.h"
#include "model/gang.h"
#include "model/perf/ring.h"
#include "model/perf/speed_model.h"
#include "model/plan.h"
#include "model/snapshot.h"

namespace plimsoll::placement {

// Steps of the exact search for the fewest domains (gang_domains.h).
inline constexpr std::int64_t fewest_domains_work_max = std::int64_t{1} << 24;

struct GangConfig {
  std::string rule = "plimsoll";  // a name in gang_rules()
  // What is known of step times; borrowed. Null: nothing, and topology decides.
  const model::perf::SpeedModel* predictor = nullptr;
  std::int32_t hosts_max = 0;  // no gang spans more; 0: any number
  // Measured placements on several hosts are weighed as if so many jobs shared their network
  // interfaces; 1: as measured.
  std::int32_t interface_sharers = 1;
  WaitBounds wait;
  model::perf::RingLinks links;
  // Above so many steps the fewest domains are searched for greedily.
  std::int64_t domains_work_max = fewest_domains_work_max;
};

// The domain of a node that stands in none.
inline constexpr std::uint32_t no_domain = UINT32_MAX;

struct GangRequest {
  std::int32_t members_min = 1;
  std::int32_t members_max = 1;  // as many of them as fit are taken
  std::int32_t gpus_per_member = 1;
  model::TopologyLevel required = model::TopologyLevel::none;
  model::TopologyLevel preferred = model::TopologyLevel::none;
  // Where a node label stands for the required domain: the domain of each node, or no_domain, which
  // is never taken; and the label. Borrowed. Empty: `required` says it.
  std::span<const std::uint32_t> domain;
  std::string_view domain_key;
  std::string_view profile;
  std::int64_t batch_size = 0;
  Bytes gradients;
  Duration step;
  std::span<const std::string> gpu_models;  // that its members accept; empty: any
  Duration expected;                        // on its best placement; 0: unknown
};
GangRequest request_of(const model::Gang& gang, const model::PodSpec& member);

// Whether a step time may be predicted for so many members of the gang: from measured profiles, or
// by the ring model for several members that say what they sum. Only such gangs ever wait.
bool predictable(const model::Gang& gang, std::size_t members);

struct HostShare {
  NodeId node;
  std::int32_t members = 0;

  friend bool operator==(const HostShare&, const HostShare&) = default;
};

struct GangPlacement {
  std::vector<HostShare> hosts;  // by node
  std::int32_t members = 0;
  // Predicted step time over that of the gang's best placement on an empty cluster, by profiles or
  // by the ring model; none: unknown.
  std::optional<double> slowdown;

  friend bool operator==(const GangPlacement&, const GangPlacement&) = default;
};
// How long the gang is expected to run there.
Duration expected_on(const GangRequest& gang, const GangPlacement& placement);

struct GangDecision {
  std::optional<GangPlacement> start;  // now
  // It could start, and is predicted to finish sooner if it asks again then, or when something
  // ends before. Always later than now: work that is overdue may end at any moment.
  std::optional<Time> wait_until;
  Duration sooner;                       // with wait_until: how much
  std::vector<model::Refusal> refusals;  // neither: gang_topology, or empty (too little room)
};

class GangPlacer {
 public:
  // Errors: an unknown rule (the message lists those that exist).
  static Result<GangPlacer> make(const model::Snapshot& snapshot, GangConfig config);
  GangPlacer(GangPlacer&&) noexcept;
  GangPlacer& operator=(GangPlacer&&) noexcept;
  ~GangPlacer();

  // Follows nodes; ignores every other delta. O(1), and O(nodes log nodes) before the next place().
  void apply(const model::Delta& delta);

  // The rule's choice for `gang`, where `room[node.index()]` more members fit on each node; none if
  // there is none. The fewest domains are exact up to GangConfig::domains_work_max; a placement by
  // the ring model is within ring_tolerance (gang_ring.h) of the fastest whatever the size.
  std::optional<GangPlacement> place(const GangRequest& gang, std::span<const std::int32_t> room);

  // As place(), and whether to start there now. `state` is the gang's own memory, kept by the
  // caller from its first decision to its start. Only rule "plimsoll" ever waits.
  // `releases`: by time, what running work holds and when it is predicted to give it back; at most
  // 1000 are looked at. By the ring model each step time that they make possible costs
  // O(log releases) searches of O(nodes log nodes).
  GangDecision decide(const GangRequest& gang, std::span<const std::int32_t> room, Time now,
                      std::span<const Release> releases, WaitState& state);

  // The first of `releases` after which the rule finds a place, and that place; for reservations.
  struct Reservation {
    Time at;
    GangPlacement placement;
  };
  std::optional<Reservation> reserve(const GangRequest& gang, std::span<const std::int32_t> room,
                                     Time now, std::span<const Release> releases);

  // Whether the rule ever waits.
  [[nodiscard]] bool may_wait() const;
  // How much earlier the gang is predicted to finish on `placement` than if kube-scheduler's
  // default profile spread the same members on the same room; 0 where one of the two is unknown.
  [[nodiscard]] Duration finish_earlier(const GangRequest& gang, const GangPlacement& placement,
                                        std::span<const std::int32_t> room);

  // Whether a gang that has waited since `submitted` is due: others may overtake it no longer.
  // Never under the rules that only compare.
  [[nodiscard]] bool due(const GangRequest& gang, Time submitted, Time now) const;
  // From when on.
  [[nodiscard]] Time due_at(const GangRequest& gang, Time submitted) const;

 private:
  struct State;
  explicit GangPlacer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Takes `placement` on the engine, a binding for each of `members` in its order; or nothing, if a
// member does not fit after all (affinity between pods): then every byte is as before.
// Requires: as many members as are placed.
std::optional<std::vector<Choice>> assume_gang(Engine& engine, SpecId spec,
                                               std::span<const PodId> members,
                                               const GangPlacement& placement);

struct GangRuleInfo {
  const char* name;
  const char* help;
};
std::vector<GangRuleInfo> gang_rules();

}  // namespace plimsoll::placement
