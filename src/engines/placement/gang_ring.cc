#include "engines/placement/gang_ring.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "base/result.h"
#include "engines/placement/gang_domains.h"

namespace plimsoll::placement {
namespace {

using model::TopologyLevel;
using model::perf::RingShape;

constexpr std::size_t unit_level = level_index(TopologyLevel::nvlink_domain);

// Domains as the model sees them: the narrowest level is that of units.
std::vector<GangHost> with_units(HostRange hosts, bool nvlink_only) {
  std::vector<GangHost> units;
  units.reserve(hosts.size());
  for (GangHost host : hosts) {
    if (!nvlink_only || host.nvlink > 0) {
      host.domain[unit_level] = host.unit;
      units.push_back(host);
    }
  }
  return units;
}

double least_nvlink(HostRange hosts) {
  return std::ranges::min_element(hosts, std::ranges::less{}, &GangHost::nvlink)->nvlink;
}

// How many of the roomiest units in `hosts` hold all members; Requires: they hold them.
std::int32_t fewest_units(HostRange hosts, std::int32_t members, std::int32_t hosts_max) {
  std::vector<std::int64_t> rooms;
  if (hosts_max > 0) {
    std::vector<const GangHost*> roomiest;
    for (const GangHost& host : hosts) {
      roomiest.push_back(&host);
    }
    std::ranges::stable_sort(roomiest, std::ranges::greater{}, &GangHost::room);
    std::vector<std::int32_t> units;
    for (const GangHost* host : roomiest) {
      if (members <= 0) {
        break;
      }
      members -= host->room;
      units.push_back(host->unit);
    }
    std::ranges::sort(units);
    return static_cast<std::int32_t>(
        std::distance(units.begin(), std::ranges::unique(units).begin()));
  }
  for (const HostRange unit : split_by_domain(hosts, unit_level)) {
    rooms.push_back(room_of(unit));
  }
  std::ranges::sort(rooms, std::greater{});
  std::int32_t units = 0;
  for (std::int64_t left = members; left > 0; ++units) {
    left -= rooms[static_cast<std::size_t>(units)];
  }
  return units;
}

// The tightest of the domains with the least step.
struct Fit {
  HostRange within;
  double seconds = 0;
  std::int64_t room = 0;
};

// `hosts`: with_units().
std::optional<Fit> fastest(const RingGang& gang, HostRange hosts, std::int32_t members,
                           std::int32_t hosts_max) {
  std::optional<Fit> best;
  const auto consider = [&](HostRange domain, bool one_unit, TopologyLevel crosses) {
    if (room_of(domain, hosts_max) < members) {
      return;
    }
    const RingShape shape{.gpus = members * gang.gpus_per_member,
                          .units = one_unit ? 1 : fewest_units(domain, members, hosts_max),
                          .crosses = crosses,
                          .nvlink = least_nvlink(domain)};
    const Fit fit{.within = domain,
                  .seconds = model::perf::ring_step_seconds(gang.links, gang.job, shape),
                  .room = room_of(domain)};
    if (!best.has_value() ||
        std::pair(fit.seconds, fit.room) < std::pair(best->seconds, best->room)) {
      best = fit;
    }
  };
  for (const HostRange unit : split_by_domain(hosts, unit_level)) {
    consider(unit, true, TopologyLevel::none);
  }
  // Inside a rack nothing is crossed, inside a block racks are, and so on.
  constexpr std::pair<TopologyLevel, TopologyLevel> levels[] = {
      {TopologyLevel::rack, TopologyLevel::none},
      {TopologyLevel::block, TopologyLevel::rack},
      {TopologyLevel::zone, TopologyLevel::block}};
  for (const auto& [level, crosses] : levels) {
    for (const HostRange domain : split_by_domain(hosts, level_index(level))) {
      consider(domain, false, crosses);
    }
  }
  consider(hosts, false, TopologyLevel::zone);
  return best;
}

// On the roomiest units, the last of them the tightest that holds the rest, and so within a unit.
std::vector<HostShare> on_roomiest(HostRange hosts, std::int64_t members) {
  struct Part {
    HostRange hosts;
    std::int64_t room = 0;
  };
  std::vector<Part> parts;
  const std::vector<HostRange> units = split_by_domain(hosts, unit_level);
  const bool one_unit = units.size() == 1;
  if (one_unit) {
    for (const GangHost& host : hosts) {
      parts.push_back({.hosts = HostRange(&host, 1), .room = host.room});
    }
  } else {
    for (const HostRange unit : units) {
      parts.push_back({.hosts = unit, .room = room_of(unit)});
    }
  }
  std::ranges::stable_sort(parts, std::ranges::greater{}, &Part::room);
  std::vector<HostShare> shares;
  const auto take = [&](HostRange part, std::int64_t taken) {
    if (part.size() == 1) {
      shares.push_back({.node = part.front().node, .members = static_cast<std::int32_t>(taken)});
    } else {
      const std::vector<HostShare> inside = on_roomiest(part, taken);
      shares.insert(shares.end(), inside.begin(), inside.end());
    }
  };
  std::size_t next = 0;
  for (; members > parts[next].room; ++next) {
    take(parts[next].hosts, parts[next].room);
    members -= parts[next].room;
  }
  while (next + 1 < parts.size() && parts[next + 1].room >= members) {
    ++next;
  }
  take(parts[next].hosts, members);
  return shares;
}

std::optional<Fit> fastest_of(const RingGang& gang, HostRange all, HostRange nvlink_only,
                              std::int32_t members, std::int32_t hosts_max) {
  std::optional<Fit> fit = fastest(gang, all, members, hosts_max);
  // Hosts without NVLink slow the hops of all; where there are both, those with it may do alone.
  if (!nvlink_only.empty() && nvlink_only.size() < all.size()) {
    const auto faster = fastest(gang, nvlink_only, members, hosts_max);
    if (faster.has_value() && fit.has_value() && faster->seconds < fit->seconds) {
      fit = faster;
    }
  }
  return fit;
}

}  // namespace

double ring_seconds(const RingGang& gang, HostRange hosts, std::span<const HostShare> shares) {
  std::vector<HostShare> by_node(shares.begin(), shares.end());
  std::ranges::sort(by_node, std::ranges::less{}, &HostShare::node);
  std::vector<std::int32_t> units;
  const GangHost* first = nullptr;
  RingShape shape{.gpus = 0};
  for (const GangHost& host : hosts) {
    const auto share =
        std::ranges::lower_bound(by_node, host.node, std::ranges::less{}, &HostShare::node);
    if (share == by_node.end() || share->node != host.node) {
      continue;
    }
    shape.gpus += share->members * gang.gpus_per_member;
    units.push_back(host.unit);
    shape.nvlink = first == nullptr ? host.nvlink : std::min(shape.nvlink, host.nvlink);
    first = first == nullptr ? &host : first;
    for (const TopologyLevel level :
         {TopologyLevel::rack, TopologyLevel::block, TopologyLevel::zone}) {
      const std::size_t at = level_index(level);
      if (host.domain[at] != first->domain[at] &&
          (shape.crosses == TopologyLevel::none || level < shape.crosses)) {
        shape.crosses = level;
      }
    }
  }
  std::ranges::sort(units);
  shape.units =
      static_cast<std::int32_t>(std::distance(units.begin(), std::ranges::unique(units).begin()));
  return model::perf::ring_step_seconds(gang.links, gang.job, shape);
}

std::optional<double> least_ring_seconds(const RingGang& gang, HostRange hosts,
                                         std::int32_t members, std::int32_t hosts_max) {
  const std::vector<GangHost> all = with_units(hosts, false);
  const std::vector<GangHost> nvlink_only = with_units(hosts, true);
  const auto fit = fastest_of(gang, all, nvlink_only, members, hosts_max);
  return fit.has_value() ? std::optional(fit->seconds) : std::nullopt;
}

std::optional<RingChoice> place_by_ring(const RingGang& gang, HostRange hosts, std::int32_t members,
                                        std::int32_t hosts_max, std::int64_t work_max) {
  const std::vector<GangHost> all = with_units(hosts, false);
  const std::vector<GangHost> nvlink_only = with_units(hosts, true);
  const auto fit = fastest_of(gang, all, nvlink_only, members, hosts_max);
  if (!fit.has_value()) {
    return std::nullopt;
  }
  std::optional<RingChoice> best;
  const auto try_hosts = [&](std::vector<HostShare> shares) {
    if (hosts_max > 0 && std::cmp_greater(shares.size(), hosts_max)) {
      return false;
    }
    const double seconds = ring_seconds(gang, hosts, shares);
    if (!best.has_value() || seconds < best->seconds) {
      best = RingChoice{.hosts = std::move(shares), .seconds = seconds};
    }
    return best->seconds <= fit->seconds * (1 + ring_tolerance);
  };
  const auto fewest = [&](HostRange range, DomainOrder order) {
    auto choice = fewest_domains(range, members, order, work_max);
    return choice.has_value() && try_hosts(std::move(choice->hosts));
  };
  // One after the other, until one is fast enough.
  (void)(fewest(hosts, DomainOrder::widest_first) ||
         fewest(fit->within, DomainOrder::widest_first) ||
         fewest(fit->within, DomainOrder::units_first) ||
         fewest(fit->within, DomainOrder::hosts_first) ||
         try_hosts(on_roomiest(fit->within, members)));
  return best;
}

}  // namespace plimsoll::placement
