#include "engines/placement/gang_rules.h"

#include <algorithm>
#include <array>
#include <bit>
#include <functional>

namespace plimsoll::placement {
namespace {

std::optional<RuleChoice> within(std::optional<DomainChoice> choice, std::int32_t hosts_max) {
  if (!choice.has_value() || (hosts_max > 0 && std::cmp_greater(choice->hosts.size(), hosts_max))) {
    return std::nullopt;
  }
  return RuleChoice{.hosts = std::move(choice->hosts), .cost = choice->cost};
}

// What kube-scheduler's default profile does with one pod after the other: the host with the
// largest part of its GPUs free.
std::optional<RuleChoice> spread(const RuleInput& in) {
  if (room_of(in.hosts, in.hosts_max) < in.members) {
    return std::nullopt;
  }
  std::vector<std::int32_t> taken(in.hosts.size());
  std::int32_t hosts_used = 0;
  const auto emptier = [&](std::size_t a, std::size_t b) {
    const auto left = [&](std::size_t i) {
      return static_cast<std::int64_t>(in.hosts[i].room - taken[i]);
    };
    return left(a) * in.hosts[b].total > left(b) * in.hosts[a].total;
  };
  for (std::int32_t member = 0; member < in.members; ++member) {
    const bool full = in.hosts_max > 0 && hosts_used == in.hosts_max;
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i < in.hosts.size(); ++i) {
      if (taken[i] < in.hosts[i].room && (!full || taken[i] > 0) &&
          (!best.has_value() || emptier(i, *best))) {
        best = i;
      }
    }
    if (!best.has_value()) {
      return std::nullopt;  // hosts of unlike sizes: the emptiest were too small
    }
    hosts_used += taken[*best] == 0 ? 1 : 0;
    taken[*best] += 1;
  }
  RuleChoice choice{.cost = ~static_cast<DomainCost>(room_of(in.hosts))};
  for (std::size_t i = 0; i < in.hosts.size(); ++i) {
    if (taken[i] > 0) {
      choice.hosts.push_back({.node = in.hosts[i].node, .members = taken[i]});
    }
  }
  return choice;
}

// The fullest host that still takes a member, as long as the rest can go elsewhere.
std::optional<RuleChoice> best_fit(const RuleInput& in) {
  std::vector<const GangHost*> left;
  for (const GangHost& host : in.hosts) {
    left.push_back(&host);
  }
  std::ranges::stable_sort(left, std::ranges::less{}, &GangHost::room);
  // The room on the last `count` hosts, the roomiest, without the one at `skipped`.
  const auto top = [&](std::size_t count, std::size_t skipped) {
    std::int64_t room = 0;
    for (std::size_t i = left.size(); i-- > 0 && count > 0;) {
      if (i != skipped) {
        room += left[i]->room;
        --count;
      }
    }
    return room;
  };
  std::size_t hosts_left = in.hosts_max > 0 ? static_cast<std::size_t>(in.hosts_max) : left.size();
  RuleChoice choice{.cost = static_cast<DomainCost>(room_of(in.hosts))};
  for (std::int32_t members = in.members; members > 0;) {
    if (hosts_left == 0) {
      return std::nullopt;
    }
    const bool unbounded = in.hosts_max == 0;
    std::size_t i = 0;
    while (i < left.size() && !unbounded && left[i]->room < members &&
           top(hosts_left - 1, i) < members - left[i]->room) {
      ++i;
    }
    if (i == left.size()) {
      return std::nullopt;
    }
    const std::int32_t taken = std::min(members, left[i]->room);
    choice.hosts.push_back({.node = left[i]->node, .members = taken});
    members -= taken;
    --hosts_left;
    left.erase(left.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return choice;
}

std::optional<RuleChoice> kueue(const RuleInput& in) {
  return within(greedy_domains(in.hosts, in.members), in.hosts_max);
}

// A positive double's bits are in its order.
std::uint64_t in_order(double positive) { return std::bit_cast<std::uint64_t>(positive); }

// The least predicted step time, by measured profiles, else by the ring model; else the fewest
// domains.
std::optional<RuleChoice> plimsoll(const RuleInput& in) {
  if (const auto best = best_known(*in.known, RoomCounts(in.hosts))) {
    // Known placements come before unknown ones.
    return RuleChoice{.hosts = hosts_for(*best->shares, in.hosts),
                      .cost = in_order(best->score.weighed)};
  }
  if (in.ring != nullptr) {
    auto choice = place_by_ring(*in.ring, in.hosts, in.members, in.hosts_max, in.work_max);
    if (!choice.has_value()) {
      return std::nullopt;
    }
    const auto room = static_cast<std::uint64_t>(room_of(in.hosts));
    return RuleChoice{.hosts = std::move(choice->hosts),
                      .cost = DomainCost{in_order(choice->seconds)} << 64 | room};
  }
  const auto fewest = [&](DomainOrder order) {
    return within(fewest_domains(in.hosts, in.members, order, in.work_max), in.hosts_max);
  };
  auto choice = fewest(DomainOrder::widest_first);
  if (!choice.has_value() && in.hosts_max > 0) {
    choice = fewest(DomainOrder::hosts_first);
  }
  return choice;
}

constexpr std::array rules{
    GangRule{"spread", "each member where the most GPUs are free, as kube-scheduler does", spread,
             false},
    GangRule{"best_fit", "each member on the fullest host that takes it", best_fit, false},
    GangRule{"kueue", "the fewest domains, greedily, the last one by best fit", kueue, false},
    GangRule{"plimsoll",
             "the least predicted step time, measured or by the ring model, else the fewest "
             "domains; may wait for better",
             plimsoll, true},
};

}  // namespace

std::span<const GangRule> gang_rule_table() { return rules; }
const GangRule& spread_rule() { return rules.front(); }

}  // namespace plimsoll::placement
