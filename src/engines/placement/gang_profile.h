// Placing a gang whose step times are known: which shares on which kinds of hosts. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "engines/placement/gang.h"
#include "engines/placement/gang_hosts.h"

namespace plimsoll::placement {

// GPUs that a placement strands, that is leaves free on hosts which it is the first to break into,
// weigh as much as this part of its step time for each whole host of them. Chosen on seeds 101-130
// of `simulate gangs`, which are not reported: 0.05 to 0.2 do as well there, and 0 loses 7 points
// of mean completion time on T4.
inline constexpr double stranding_weight = 0.05;

// A placement known for one kind of hardware, in members instead of GPUs.
struct KnownShares {
  std::vector<std::int32_t> members;  // on each host, in descending order
  std::int32_t hardware = 0;
  double slowdown = 1;  // its step time over the best placement's on any hardware
};

// What a predictor knows of one gang size, the fastest first.
class KnownPlacements {
 public:
  KnownPlacements(const model::perf::SpeedModel* predictor, std::int32_t hosts_max,
                  std::int32_t interface_sharers)
      : predictor_(predictor), hosts_max_(hosts_max), interface_sharers_(interface_sharers) {}

  // Asked once of the predictor, then remembered, for `hardware` as it is now.
  const std::vector<KnownShares>& of(const GangRequest& gang, std::int32_t members,
                                     const std::vector<std::string>& hardware);

 private:
  using Key = std::tuple<std::string, std::int64_t, std::int32_t, std::int32_t>;
  const model::perf::SpeedModel* predictor_;
  std::int32_t hosts_max_;
  std::int32_t interface_sharers_;
  std::vector<std::string> hardware_;
  std::map<Key, std::vector<KnownShares>> known_;
  std::vector<KnownShares> nothing_;  // stays empty
};

// How many hosts have how much room, whichever they are. Small: one entry a kind of host.
class RoomCounts {
 public:
  explicit RoomCounts(HostRange hosts);
  // One host's room changes, from nothing or to nothing included.
  void change(const GangHost& host, std::int32_t room_before, std::int32_t room_after);

  struct Score {
    double slowdown = 0;
    double weighed = 0;  // with what it strands
  };
  // Of `shares` on the tightest hosts that hold each of them; none if they do not fit.
  [[nodiscard]] std::optional<Score> score(const KnownShares& shares) const;

 private:
  struct Kind {
    std::int32_t hardware = 0;
    std::int32_t room = 0;
    std::int32_t total = 0;
    friend auto operator<=>(const Kind&, const Kind&) = default;
  };
  std::map<Kind, std::int32_t> counts_;
};

struct ProfileChoice {
  const KnownShares* shares = nullptr;
  RoomCounts::Score score;
};
// The fitting placement with the least weighed step time; none fits: none. O(known x kinds).
std::optional<ProfileChoice> best_known(const std::vector<KnownShares>& known,
                                        const RoomCounts& rooms);

// Hosts for `shares`: the tightest that hold each, within the narrowest domain in which they strand
// no more than anywhere. Requires: they fit.
std::vector<HostShare> hosts_for(const KnownShares& shares, HostRange hosts);

}  // namespace plimsoll::placement
