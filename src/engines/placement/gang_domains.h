// Placing members within the fewest topology domains: exactly, and greedily as Kueue does. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engines/placement/gang.h"
#include "engines/placement/gang_hosts.h"

namespace plimsoll::placement {

// A cost to be minimised: counts of domains, widest level first, then the room left in them.
using DomainCost = unsigned __int128;

struct DomainChoice {
  std::vector<HostShare> hosts;  // in the order of the tree
  DomainCost cost = 0;
};

// What is counted first.
enum class DomainOrder : std::uint8_t {
  widest_first,  // zones, blocks, racks, NVLink domains, hosts
  hosts_first,   // hosts, then zones, …
  units_first,   // NVLink domains, then zones, …
};

// The placement of `members` with the least cost, by a knapsack over the tree of domains; ties go
// to the domains that come first. None: too little room.
// O(members x (hosts + sum over domains of min(room, members))); above `work_max` of that it falls
// back to greedy_domains() within the tightest domain of the narrowest level that holds them all:
// the widest level that is crossed is as narrow as can be, below it more domains than needed may
// be used.
std::optional<DomainChoice> fewest_domains(HostRange hosts, std::int32_t members,
                                           DomainOrder order = DomainOrder::widest_first,
                                           std::int64_t work_max = fewest_domains_work_max);

// Level by level, from the widest: the tightest domain that holds what is left, else the roomiest
// one and on. It is what Kueue's topology-aware scheduling does. O(hosts x domains picked).
std::optional<DomainChoice> greedy_domains(HostRange hosts, std::int32_t members);

}  // namespace plimsoll::placement
