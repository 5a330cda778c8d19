// Placing a gang whose step time the ring model predicts (model/perf/ring.h). Pure.
//
// The model sees of a placement how many units it takes, hosts or NVLink domains of hosts, and the
// widest level that these cross, and a step grows with both. So the least step of a scope is found
// exactly: in each domain of each level the roomiest units are the fewest. Where several
// placements are as fast, the one in the fewest domains is taken.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engines/placement/gang.h"
#include "engines/placement/gang_hosts.h"
#include "model/perf/ring.h"

namespace plimsoll::placement {

// A placement counts as fast as the fastest if its step takes no longer than so much of that more:
// the model is coarser, and fewer domains leave more of the fabric to others.
inline constexpr double ring_tolerance = 1e-3;

// What the model needs to know of one gang.
struct RingGang {
  model::perf::RingLinks links;
  model::perf::RingJob job;
  std::int32_t gpus_per_member = 1;
  double best_seconds = 0;  // of a step at its best; more than 0

  // A step of that many seconds over the best one.
  [[nodiscard]] double slowdown(double seconds) const {
    return seconds > best_seconds ? seconds / best_seconds : 1;
  }
};

// Of `members` placed on `shares`; Requires: each stands in `hosts`. O(hosts log shares).
double ring_seconds(const RingGang& gang, HostRange hosts, std::span<const HostShare> shares);

// The least seconds of a step of `members` on `hosts`, at most `hosts_max` of them (0: any number);
// none if they do not fit. Exact, but where `hosts_max` binds and NVLink domains span hosts.
// O(hosts log hosts).
std::optional<double> least_ring_seconds(const RingGang& gang, HostRange hosts,
                                         std::int32_t members, std::int32_t hosts_max);

struct RingChoice {
  std::vector<HostShare> hosts;
  double seconds = 0;  // at most (1 + ring_tolerance) of the least
};
// The fewest domains of all placements that fewest_domains() names, for the whole of `hosts` and
// for the domain of the fastest, that are as fast as the fastest. `work_max` is fewest_domains()'s;
// beyond it the choice is as fast and may take more domains.
std::optional<RingChoice> place_by_ring(const RingGang& gang, HostRange hosts, std::int32_t members,
                                        std::int32_t hosts_max, std::int64_t work_max);

}  // namespace plimsoll::placement
