// Gangs whose step time the ring model predicts: held against every placement there is.
#include "engines/placement/gang_ring.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <numeric>
#include <set>

#include "base/random.h"
#include "engines/placement/gang.h"

namespace plimsoll::placement {
namespace {

using model::TopologyLevel;
using model::TopologyPath;
using model::perf::RingHost;
using testing::ElementsAre;

constexpr std::int32_t gpus_per_host = 8;
constexpr std::int32_t gpus_per_member = 2;

model::Node node(std::uint32_t id, TopologyPath path, const char* gpu_model) {
  model::Node made;
  made.id = NodeId(id);
  made.topology = std::move(path);
  made.gpus.assign(gpus_per_host, {.model = gpu_model});
  return made;
}

model::Snapshot random_fabric(Random& random, std::size_t hosts) {
  const auto name = [&](std::uint64_t kinds) {
    const std::uint64_t drawn = random.below(kinds + 1);
    return drawn == 0 ? std::string() : std::to_string(drawn);
  };
  const std::uint64_t hardware = random.below(3);  // all with NVLink, none, or some
  model::Snapshot snapshot;
  for (std::uint32_t i = 0; i < hosts; ++i) {
    const bool nvlink = hardware == 0 || (hardware == 2 && random.below(2) == 0);
    snapshot.nodes.push_back(node(i,
                                  {.zone = name(1),
                                   .block = name(2),
                                   .rack = name(2),
                                   .nvlink_domain = random.below(2) == 0 ? "" : name(2)},
                                  nvlink ? "A100-80GB" : "L4-24GB"));
  }
  return snapshot;
}

std::vector<std::int32_t> random_room(Random& random, std::size_t hosts) {
  std::vector<std::int32_t> room(hosts);
  for (std::int32_t& members : room) {
    members = static_cast<std::int32_t>(random.below(5));
  }
  return room;
}

GangRequest random_gang(Random& random, std::int32_t members) {
  constexpr std::array<std::int64_t, 4> bytes{1'000, 1'000'000, 100'000'000, 4'000'000'000};
  constexpr std::array<std::int64_t, 3> steps{10, 10'000, 1'000'000};
  return {.members_min = members,
          .members_max = members,
          .gpus_per_member = gpus_per_member,
          .gradients = Bytes(bytes[random.below(bytes.size())]),
          .step = microseconds(steps[random.below(steps.size())]),
          .expected = seconds(std::int64_t{1000})};
}

double step_on(const model::Snapshot& snapshot, const GangRequest& gang,
               std::span<const HostShare> shares) {
  std::vector<RingHost> hosts;
  for (const HostShare& share : shares) {
    const model::Node& at = snapshot.nodes[share.node.index()];
    hosts.push_back({at.topology, share.members * gpus_per_member, at.gpus.front().model});
  }
  return model::perf::ring_step_seconds(
      {}, {.compute_seconds = to_seconds(gang.step), .gradients = gang.gradients}, hosts);
}

bool inside_one(const model::Snapshot& snapshot, TopologyLevel level,
                std::span<const HostShare> shares) {
  std::set<std::array<std::string, 4>> domains;
  for (const HostShare& share : shares) {
    const TopologyPath& path = snapshot.nodes[share.node.index()].topology;
    std::array<std::string, 4> names{path.zone, path.block, path.rack, path.nvlink_domain};
    if (level == TopologyLevel::host) {
      names[3] = std::to_string(share.node.value());
    } else if (level != TopologyLevel::none && names[level_index(level)].empty()) {
      return false;
    }
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (level == TopologyLevel::none ||
          (level != TopologyLevel::host && i > level_index(level))) {
        names[i].clear();
      }
    }
    domains.insert(names);
  }
  return domains.size() == 1;
}

// The least step over every set of hosts that holds the gang; how a set divides it does not count.
std::optional<double> brute_force(const model::Snapshot& snapshot, const GangRequest& gang,
                                  std::span<const std::int32_t> room) {
  std::optional<double> least;
  for (std::uint32_t subset = 1; subset < (1U << room.size()); ++subset) {
    std::vector<HostShare> shares;
    std::int32_t held = 0;
    for (std::uint32_t i = 0; i < room.size(); ++i) {
      if ((subset >> i & 1U) != 0 && room[i] > 0) {
        shares.push_back({NodeId(i), 1});
        held += room[i];
      }
    }
    const auto hosts = static_cast<std::int32_t>(shares.size());
    if (shares.empty() || held < gang.members_min || hosts > gang.members_min ||
        (gang.required != TopologyLevel::none && !inside_one(snapshot, gang.required, shares))) {
      continue;
    }
    shares.front().members += gang.members_min - hosts;
    const double step = step_on(snapshot, gang, shares);
    least = least.has_value() ? std::min(*least, step) : step;
  }
  return least;
}

// Any fabric, hardware and required level, with the exact search and with the greedy one forced.
TEST(GangRing, IsAsFastAsAnyPlacement) {
  std::int32_t placed = 0;
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
    Random random(seed);
    const std::size_t hosts = 2 + random.below(8);
    const model::Snapshot snapshot = random_fabric(random, hosts);
    const std::vector<std::int32_t> room = random_room(random, hosts);
    GangRequest gang = random_gang(random, static_cast<std::int32_t>(2 + random.below(14)));
    gang.required = static_cast<TopologyLevel>(random.below(6));
    const auto least = brute_force(snapshot, gang, room);
    for (const std::int64_t work_max : {std::int64_t{0}, fewest_domains_work_max}) {
      GangPlacer gangs = *GangPlacer::make(snapshot, {.domains_work_max = work_max});
      const auto placement = gangs.place(gang, room);
      ASSERT_EQ(placement.has_value(), least.has_value()) << seed;
      if (!placement.has_value()) {
        continue;
      }
      ++placed;
      std::int32_t members = 0;
      for (const HostShare& share : placement->hosts) {
        ASSERT_GE(share.members, 1) << seed;
        ASSERT_LE(share.members, room[share.node.index()]) << seed;
        members += share.members;
      }
      ASSERT_EQ(members, gang.members_min) << seed;
      ASSERT_TRUE(inside_one(snapshot, gang.required, placement->hosts)) << seed;
      const double step = step_on(snapshot, gang, placement->hosts);
      EXPECT_LE(step, *least * (1 + ring_tolerance)) << seed << " work_max " << work_max;
      ASSERT_TRUE(placement->slowdown.has_value());
      EXPECT_GE(*placement->slowdown, 1);
    }
  }
  EXPECT_GT(placed, 1000);
}

TEST(GangRing, KeepsToTheMostHostsThatAreAllowed) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Random random(seed);
    const std::size_t hosts = 2 + random.below(8);
    const model::Snapshot snapshot = random_fabric(random, hosts);
    const std::vector<std::int32_t> room = random_room(random, hosts);
    const GangRequest gang = random_gang(random, static_cast<std::int32_t>(2 + random.below(14)));
    GangPlacer gangs = *GangPlacer::make(snapshot, {.hosts_max = 3});
    const auto placement = gangs.place(gang, room);
    std::vector<std::int32_t> roomiest = room;
    std::ranges::sort(roomiest, std::greater{});
    const std::int32_t most = std::accumulate(
        roomiest.begin(), roomiest.begin() + std::min<std::ptrdiff_t>(3, std::ssize(roomiest)), 0);
    ASSERT_EQ(placement.has_value(), most >= gang.members_min) << seed;
    if (placement.has_value()) {
      EXPECT_LE(placement->hosts.size(), 3U) << seed;
    }
  }
}

// Without gradients a huge gang crosses no wider level than any placement must.
TEST(GangRing, TheGreedySearchCrossesNoWiderLevelThanItMust) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Random random(seed);
    const std::size_t hosts = 2 + random.below(8);
    const model::Snapshot snapshot = random_fabric(random, hosts);
    const std::vector<std::int32_t> room = random_room(random, hosts);
    GangRequest gang;
    gang.members_min = gang.members_max = static_cast<std::int32_t>(2 + random.below(14));
    GangPlacer exact = *GangPlacer::make(snapshot, {});
    GangPlacer greedy = *GangPlacer::make(snapshot, {.domains_work_max = 0});
    const auto best = exact.place(gang, room);
    const auto found = greedy.place(gang, room);
    ASSERT_EQ(best.has_value(), found.has_value()) << seed;
    if (best.has_value()) {
      std::vector<RingHost> a, b;
      for (const HostShare& share : best->hosts) {
        a.push_back({snapshot.nodes[share.node.index()].topology, 1, ""});
      }
      for (const HostShare& share : found->hosts) {
        b.push_back({snapshot.nodes[share.node.index()].topology, 1, ""});
      }
      EXPECT_EQ(model::perf::ring_shape(a).crosses, model::perf::ring_shape(b).crosses) << seed;
    }
  }
}

// Two blocks of two hosts. Four members fill two hosts of one block, or cross.
struct RingWait : testing::Test {
  model::Snapshot snapshot;
  WaitState state;
  GangRequest gang{.members_min = 8,
                   .members_max = 8,
                   .gpus_per_member = gpus_per_member,
                   .gradients = Bytes(1'200'000'000),
                   .step = seconds(0.1),
                   .expected = seconds(std::int64_t{100})};
  const std::vector<std::int32_t> room{4, 0, 4, 0};
  const std::vector<Release> soon{{Time(0) + seconds(std::int64_t{5}), {{NodeId(1), 8}}}};
  RingWait() {
    for (std::uint32_t i = 0; i < 4; ++i) {
      snapshot.nodes.push_back(node(i, {.block = i < 2 ? "a" : "b", .rack = "r"}, "A100-80GB"));
    }
  }
};

TEST_F(RingWait, WaitsForABlockThatWillBeFree) {
  GangPlacer gangs = *GangPlacer::make(snapshot, {});
  const auto decision = gangs.decide(gang, room, Time(0), soon, state);
  EXPECT_FALSE(decision.start.has_value());
  EXPECT_EQ(decision.wait_until, soon.front().at);
  // 0.1 s of computation, 1.2 GB x 2 x 15/16 at 12 GB/s or at half of it: 1.65 times as long.
  EXPECT_NEAR(to_seconds(decision.sooner), 65.2 - 5, 0.2);
  EXPECT_EQ(state.first_declined, Time(0));
  EXPECT_TRUE(gangs.may_wait());
}

TEST_F(RingWait, StartsWhereWaitingTakesLongerOrNothingIsKnown) {
  GangPlacer gangs = *GangPlacer::make(snapshot, {});
  std::vector<Release> late = soon;
  late.front().at = Time(0) + seconds(std::int64_t{90});
  const auto starts = gangs.decide(gang, room, Time(0), late, state);
  ASSERT_TRUE(starts.start.has_value());
  EXPECT_NEAR(starts.start->slowdown.value(), 1.652, 1e-3);
  EXPECT_NEAR(to_seconds(gangs.finish_earlier(gang, *starts.start, room)), 0, 1e-9);
  for (const auto& forget : {+[](GangRequest& asked) { asked.gradients = {}; },
                             +[](GangRequest& asked) { asked.step = {}; },
                             +[](GangRequest& asked) { asked.gpus_per_member = 0; }}) {
    GangRequest unknown = gang;
    forget(unknown);
    const auto decision = gangs.decide(unknown, room, Time(0), soon, state);
    ASSERT_TRUE(decision.start.has_value());
    EXPECT_FALSE(decision.start->slowdown.has_value());
    EXPECT_EQ(gangs.finish_earlier(unknown, *decision.start, room), Duration());
  }
}

TEST_F(RingWait, OtherRulesPredictAndNeverWait) {
  GangPlacer gangs = *GangPlacer::make(snapshot, {.rule = "spread"});
  const auto decision = gangs.decide(gang, room, Time(0), soon, state);
  ASSERT_TRUE(decision.start.has_value());
  EXPECT_NEAR(decision.start->slowdown.value(), 1.652, 1e-3);
  EXPECT_FALSE(gangs.may_wait());
}

TEST_F(RingWait, FinishesEarlierThanSpreadOverWhatIsFree) {
  GangPlacer gangs = *GangPlacer::make(snapshot, {});
  const std::vector<std::int32_t> all{4, 4, 4, 4};
  const auto placement = gangs.place(gang, all);
  ASSERT_TRUE(placement.has_value());
  EXPECT_THAT(placement->hosts, ElementsAre(HostShare{NodeId(0), 4}, HostShare{NodeId(1), 4}));
  EXPECT_EQ(placement->slowdown, 1.0);
  EXPECT_NEAR(to_seconds(gangs.finish_earlier(gang, *placement, all)), 65.2, 0.2);
}

// Against asking at every release: nothing better is missed, nothing worse is waited for.
TEST(GangRing, FindsTheReleaseThatIsWorthWaitingFor) {
  std::int32_t waits = 0;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    Random random(seed);
    const std::size_t hosts = 3 + random.below(8);
    const model::Snapshot snapshot = random_fabric(random, hosts);
    std::vector<std::int32_t> room = random_room(random, hosts);
    GangRequest gang = random_gang(random, static_cast<std::int32_t>(2 + random.below(10)));
    std::vector<Release> releases;
    std::int64_t at = 0;
    for (std::uint64_t i = 0; i < random.below(12); ++i) {
      at += static_cast<std::int64_t>(1 + random.below(60));
      const auto host = static_cast<std::uint32_t>(random.below(hosts));
      releases.push_back({Time(0) + seconds(at), {{NodeId(host), 2}}});
    }
    GangPlacer gangs = *GangPlacer::make(snapshot, {});
    const auto now = gangs.place(gang, room);
    if (!now.has_value()) {
      continue;
    }
    const Time start_now = Time(0) + expected_on(gang, *now);
    Time best = start_now;
    std::vector<std::int32_t> later = room;
    for (const Release& release : releases) {
      later[release.shares.front().node.index()] += 1;
      best = std::min(best, release.at + expected_on(gang, *gangs.place(gang, later)));
    }
    WaitState state;
    const auto decision = gangs.decide(gang, room, Time(0), releases, state);
    const Duration slack = seconds(to_seconds(gang.expected) * *now->slowdown * 2 * ring_tolerance);
    if (decision.start.has_value()) {
      EXPECT_LE(start_now - best, slack) << seed;
    } else {
      ++waits;
      EXPECT_LE(start_now - best, decision.sooner + slack) << seed;
      EXPECT_GT(decision.sooner, Duration()) << seed;
    }
  }
  EXPECT_GT(waits, 10);
}

}  // namespace
}  // namespace plimsoll::placement
