#include "engines/placement/gang_profile.h"

#include <algorithm>
#include <functional>
#include <limits>

#include "base/result.h"

namespace plimsoll::placement {
namespace {

// Members of room on a host that is broken into and not full, as a part of the whole host.
double stranded(std::int32_t room, std::int32_t total) {
  return room < total ? static_cast<double>(room) / total : 0;
}

// The shares of one known placement in members; none where a host would hold part of a member.
std::optional<std::vector<std::int32_t>> in_members(const std::vector<std::int32_t>& gpus_per_host,
                                                    std::int32_t gpus_per_member) {
  std::vector<std::int32_t> members;
  for (const std::int32_t gpus : gpus_per_host) {
    if (gpus % gpus_per_member != 0) {
      return std::nullopt;
    }
    members.push_back(gpus / gpus_per_member);
  }
  return members;
}

}  // namespace

const std::vector<KnownShares>& KnownPlacements::of(const GangRequest& gang, std::int32_t members,
                                                    const std::vector<std::string>& hardware) {
  if (predictor_ == nullptr || gang.profile.empty() || gang.gpus_per_member < 1) {
    return nothing_;
  }
  if (hardware != hardware_) {
    hardware_ = hardware;
    known_.clear();
  }
  const auto [at, fresh] = known_.try_emplace(
      Key{std::string(gang.profile), gang.batch_size, gang.gpus_per_member, members});
  std::vector<KnownShares>& known = at->second;
  if (!fresh) {
    return known;
  }
  double fastest = std::numeric_limits<double>::infinity();
  for (std::size_t h = 0; h < hardware.size(); ++h) {
    const model::perf::JobKind kind{
        .profile = gang.profile, .hardware = hardware[h], .batch_size = gang.batch_size};
    for (const auto& ranked : predictor_->ranked(kind, members * gang.gpus_per_member)) {
      const auto shares = in_members(ranked.gpus_per_host, gang.gpus_per_member);
      if (!shares.has_value() || (hosts_max_ > 0 && std::cmp_greater(shares->size(), hosts_max_))) {
        continue;
      }
      double step = ranked.step_seconds;
      if (interface_sharers_ > 1 && shares->size() > 1) {
        step = predictor_
                   ->step_seconds({.job = kind,
                                   .gpus_per_host = ranked.gpus_per_host,
                                   .interface_sharers = interface_sharers_})
                   .value_or(step);
      }
      known.push_back(
          {.members = *shares, .hardware = static_cast<std::int32_t>(h), .slowdown = step});
      fastest = std::min(fastest, step);
    }
  }
  for (KnownShares& shares : known) {
    shares.slowdown /= fastest;
  }
  std::ranges::stable_sort(known, std::ranges::less{}, &KnownShares::slowdown);
  return known;
}

RoomCounts::RoomCounts(HostRange hosts) {
  for (const GangHost& host : hosts) {
    change(host, 0, host.room);
  }
}

void RoomCounts::change(const GangHost& host, std::int32_t room_before, std::int32_t room_after) {
  const auto kind = [&](std::int32_t room) {
    return Kind{.hardware = host.hardware, .room = room, .total = host.total};
  };
  if (room_before > 0) {
    const auto at = counts_.find(kind(room_before));
    check(at != counts_.end(), "a host's room changes from what it was not");
    if (--at->second == 0) {
      counts_.erase(at);
    }
  }
  if (room_after > 0) {
    counts_[kind(room_after)] += 1;
  }
}

std::optional<RoomCounts::Score> RoomCounts::score(const KnownShares& shares) const {
  struct Taken {
    Kind kind;
    std::int32_t count = 0;
  };
  std::vector<Taken> taken;
  double strands = 0;
  for (const std::int32_t members : shares.members) {
    auto at = counts_.lower_bound({.hardware = shares.hardware, .room = members, .total = 0});
    for (; at != counts_.end() && at->first.hardware == shares.hardware; ++at) {
      auto used = std::ranges::find(taken, at->first, &Taken::kind);
      if (used == taken.end()) {
        used = taken.insert(taken.end(), {.kind = at->first});
      }
      if (used->count < at->second) {
        used->count += 1;
        break;
      }
    }
    if (at == counts_.end() || at->first.hardware != shares.hardware) {
      return std::nullopt;
    }
    const Kind& kind = at->first;
    strands += stranded(kind.room - members, kind.total) - stranded(kind.room, kind.total);
  }
  return Score{.slowdown = shares.slowdown,
               .weighed = shares.slowdown * (1 + stranding_weight * strands)};
}

std::optional<ProfileChoice> best_known(const std::vector<KnownShares>& known,
                                        const RoomCounts& rooms) {
  std::optional<ProfileChoice> best;
  for (const KnownShares& shares : known) {
    // Each host that it fills up was stranded by less than one host's worth.
    const double least =
        shares.slowdown * (1 - stranding_weight * static_cast<double>(shares.members.size()));
    if (best.has_value() && least >= best->score.weighed) {
      continue;
    }
    const auto score = rooms.score(shares);
    if (score.has_value() && (!best.has_value() || score->weighed < best->score.weighed)) {
      best = ProfileChoice{.shares = &shares, .score = *score};
    }
  }
  return best;
}

std::vector<HostShare> hosts_for(const KnownShares& shares, HostRange hosts) {
  const auto everywhere = RoomCounts(hosts).score(shares);
  check(everywhere.has_value(), "a gang is placed where it does not fit");
  HostRange within = hosts;
  for (std::size_t level = domain_levels; level-- > 0;) {
    std::optional<HostRange> tightest;
    for (const HostRange domain : split_by_domain(hosts, level)) {
      if (tightest.has_value() && room_of(domain) >= room_of(*tightest)) {
        continue;
      }
      const auto score = RoomCounts(domain).score(shares);
      if (score.has_value() && score->weighed <= everywhere->weighed) {
        tightest = domain;
      }
    }
    if (tightest.has_value()) {
      within = *tightest;
      break;
    }
  }
  std::vector<const GangHost*> free;
  for (const GangHost& host : within) {
    if (host.hardware == shares.hardware) {
      free.push_back(&host);
    }
  }
  std::ranges::stable_sort(free, std::ranges::less{},
                           [](const GangHost* host) { return std::pair(host->room, host->total); });
  std::vector<HostShare> chosen;
  for (const std::int32_t members : shares.members) {
    const auto at =
        std::ranges::find_if(free, [&](const GangHost* host) { return host->room >= members; });
    chosen.push_back({.node = (*at)->node, .members = members});
    free.erase(at);
  }
  return chosen;
}

}  // namespace plimsoll::placement
