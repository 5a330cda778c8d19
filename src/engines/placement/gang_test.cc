#include "engines/placement/gang.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "base/random.h"
#include "model/perf/step_time.h"

namespace plimsoll::placement {
namespace {

using model::TopologyLevel;
using model::TopologyPath;
using testing::ElementsAre;

struct TestHost {
  TopologyPath path;
  std::int32_t gpus = 8;
  std::string hardware = "A100";
};

model::Snapshot cluster(const std::vector<TestHost>& hosts) {
  model::Snapshot snapshot;
  for (const TestHost& host : hosts) {
    model::Node node;
    node.id = NodeId(static_cast<std::uint32_t>(snapshot.nodes.size()));
    node.name = "n" + std::to_string(snapshot.nodes.size());
    node.topology = host.path;
    node.gpus.assign(static_cast<std::size_t>(host.gpus), {.model = host.hardware});
    snapshot.nodes.push_back(std::move(node));
  }
  return snapshot;
}

GangPlacer placer(const model::Snapshot& snapshot, GangConfig config) {
  auto made = GangPlacer::make(snapshot, std::move(config));
  EXPECT_TRUE(made.has_value());
  return std::move(*made);
}

// Zones, blocks, racks, NVLink domains and hosts that a placement touches.
using Touched = std::array<std::size_t, 5>;
Touched touched(const model::Snapshot& snapshot, const std::vector<HostShare>& shares) {
  std::set<std::string> zones, blocks, racks, domains;
  for (const HostShare& share : shares) {
    const TopologyPath& path = snapshot.nodes[share.node.index()].topology;
    std::string key = path.zone;
    zones.insert(key);
    blocks.insert(key += "/" + path.block);
    racks.insert(key += "/" + path.rack);
    domains.insert(key += "/" + path.nvlink_domain);
  }
  return {zones.size(), blocks.size(), racks.size(), domains.size(), shares.size()};
}

// Every subset of hosts that holds the gang, and the least that one of them touches.
std::optional<Touched> brute_force(const model::Snapshot& snapshot,
                                   const std::vector<std::int32_t>& room, std::int32_t members) {
  std::optional<Touched> best;
  for (std::uint32_t subset = 1; subset < (1U << room.size()); ++subset) {
    std::vector<HostShare> shares;
    std::int32_t held = 0;
    for (std::uint32_t i = 0; i < room.size(); ++i) {
      if ((subset >> i & 1U) != 0 && room[i] > 0) {
        shares.push_back({NodeId(i), room[i]});
        held += room[i];
      }
    }
    if (held >= members) {
      const Touched candidate = touched(snapshot, shares);
      best = best.has_value() ? std::min(*best, candidate) : candidate;
    }
  }
  return best;
}

std::vector<TestHost> random_fabric(Random& random, std::size_t hosts) {
  std::vector<TestHost> fabric(hosts);
  for (TestHost& host : fabric) {
    const auto name = [&](std::uint64_t kinds) { return std::to_string(random.below(kinds)); };
    host.path = {.zone = name(2), .block = name(2), .rack = name(2), .nvlink_domain = name(2)};
  }
  return fabric;
}

void expect_sound(const GangPlacement& placement, const std::vector<std::int32_t>& room,
                  std::int32_t members) {
  std::int32_t placed = 0;
  std::set<NodeId> hosts;
  for (const HostShare& share : placement.hosts) {
    EXPECT_GE(share.members, 1);
    EXPECT_LE(share.members, room[share.node.index()]);
    EXPECT_TRUE(hosts.insert(share.node).second);
    placed += share.members;
  }
  EXPECT_EQ(placed, members);
  EXPECT_EQ(placement.members, members);
}

TEST(Gang, TouchesAsFewDomainsAsAnyPlacementCould) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Random random(seed);
    const std::size_t count = 1 + random.below(11);
    const model::Snapshot snapshot = cluster(random_fabric(random, count));
    std::vector<std::int32_t> room(count);
    for (std::int32_t& members : room) {
      members = static_cast<std::int32_t>(random.below(5));
    }
    const auto members = static_cast<std::int32_t>(1 + random.below(14));
    GangPlacer gangs = placer(snapshot, {});
    const GangRequest gang{.members_min = members, .members_max = members};
    const auto placement = gangs.place(gang, room);
    const auto best = brute_force(snapshot, room, members);
    ASSERT_EQ(placement.has_value(), best.has_value()) << seed;
    if (placement.has_value()) {
      expect_sound(*placement, room, members);
      EXPECT_EQ(touched(snapshot, placement->hosts), *best) << seed;
    }
  }
}

// Every rule, level and elastic size: whole, within room, inside one required domain.
TEST(Gang, IsPlacedAsAWholeInsideItsRequiredDomain) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    for (const GangRuleInfo& rule : gang_rules()) {
      Random random(seed);
      const std::size_t count = 1 + random.below(12);
      const model::Snapshot snapshot = cluster(random_fabric(random, count));
      std::vector<std::int32_t> room(count);
      for (std::int32_t& members : room) {
        members = static_cast<std::int32_t>(random.below(9));
      }
      GangRequest gang;
      gang.members_min = static_cast<std::int32_t>(1 + random.below(10));
      gang.members_max = gang.members_min + static_cast<std::int32_t>(random.below(10));
      gang.required = static_cast<TopologyLevel>(random.below(6));
      const auto hosts_max = static_cast<std::int32_t>(random.below(4));
      GangPlacer gangs = placer(snapshot, {.rule = rule.name, .hosts_max = hosts_max});
      WaitState state;
      const auto decision = gangs.decide(gang, room, Time(0), {}, state);
      if (!decision.start.has_value()) {
        continue;
      }
      expect_sound(*decision.start, room, decision.start->members);
      EXPECT_GE(decision.start->members, gang.members_min);
      EXPECT_LE(decision.start->members, gang.members_max);
      const Touched t = touched(snapshot, decision.start->hosts);
      if (gang.required != TopologyLevel::none) {
        EXPECT_EQ(t[static_cast<std::size_t>(gang.required) - 1], 1U) << rule.name << seed;
      }
      if (hosts_max > 0) {
        EXPECT_LE(t[4], static_cast<std::size_t>(hosts_max)) << rule.name << seed;
      }
    }
  }
}

TEST(Gang, TakesTheTightestOfEquallyFewDomains) {
  // Kueue's greedy descent would take 19 + 1; 10 + 10 leaves the large rack whole.
  const model::Snapshot snapshot = cluster({{{.rack = "a"}}, {{.rack = "b"}}, {{.rack = "c"}}});
  const std::vector<std::int32_t> room{19, 10, 10};
  const GangRequest gang{.members_min = 20, .members_max = 20};
  GangPlacer ours = placer(snapshot, {});
  EXPECT_THAT(ours.place(gang, room)->hosts,
              ElementsAre(HostShare{NodeId(1), 10}, HostShare{NodeId(2), 10}));
  GangPlacer kueue = placer(snapshot, {.rule = "kueue"});
  EXPECT_THAT(kueue.place(gang, room)->hosts,
              ElementsAre(HostShare{NodeId(0), 19}, HostShare{NodeId(1), 1}));
}

TEST(Gang, RulesDivideMembersAsTheirNamesSay) {
  const model::Snapshot snapshot = cluster({{}, {}, {}, {}});
  const std::vector<std::int32_t> room{8, 3, 5, 0};
  const struct {
    const char* rule;
    std::int32_t members;
    std::int32_t hosts_max;
    std::vector<HostShare> hosts;
  } cases[] = {
      {"spread", 4, 0, {{NodeId(0), 4}}},
      {"spread", 6, 0, {{NodeId(0), 5}, {NodeId(2), 1}}},
      {"best_fit", 4, 0, {{NodeId(1), 3}, {NodeId(2), 1}}},
      {"best_fit", 12, 2, {{NodeId(0), 7}, {NodeId(2), 5}}},
      {"kueue", 4, 0, {{NodeId(2), 4}}},
      {"kueue", 10, 0, {{NodeId(0), 8}, {NodeId(1), 2}}},
      {"plimsoll", 10, 0, {{NodeId(0), 7}, {NodeId(1), 3}}},
  };
  for (const auto& c : cases) {
    GangPlacer gangs = placer(snapshot, {.rule = c.rule, .hosts_max = c.hosts_max});
    const auto placement = gangs.place({.members_min = c.members, .members_max = c.members}, room);
    ASSERT_TRUE(placement.has_value()) << c.rule;
    EXPECT_EQ(placement->hosts, c.hosts) << c.rule << c.members;
  }
}

TEST(Gang, RefusesWithTheRequiredLevelWhenOnlyThatStandsInTheWay) {
  const model::Snapshot snapshot = cluster({{{.rack = "a"}}, {{.rack = "b"}}, {{.rack = ""}}});
  GangPlacer gangs = placer(snapshot, {});
  const GangRequest gang{.members_min = 9, .members_max = 9, .required = TopologyLevel::rack};
  WaitState state;
  // The unnamed rack holds nine, but nobody knows that it is one rack.
  const auto refused = gangs.decide(gang, std::vector<std::int32_t>{4, 5, 9}, Time(0), {}, state);
  EXPECT_THAT(refused.refusals,
              ElementsAre(model::Refusal{model::RefusalCode::gang_topology, "rack", 3}));
  const auto no_room = gangs.decide(gang, std::vector<std::int32_t>{4, 4, 0}, Time(0), {}, state);
  EXPECT_TRUE(no_room.refusals.empty());
  EXPECT_FALSE(no_room.start.has_value());
}

TEST(Gang, PrefersADomainButDoesNotInsist) {
  const std::vector<TestHost> hosts{{{.rack = "a"}}, {{.rack = "b"}}, {{.rack = "b"}}};
  GangPlacer gangs = placer(cluster(hosts), {});
  const GangRequest gang{.members_min = 6, .members_max = 6, .preferred = TopologyLevel::rack};
  EXPECT_THAT(gangs.place(gang, std::vector<std::int32_t>{5, 3, 3})->hosts,
              ElementsAre(HostShare{NodeId(1), 3}, HostShare{NodeId(2), 3}));
  EXPECT_EQ(gangs.place(gang, std::vector<std::int32_t>{5, 3, 1})->members, 6);
}

TEST(Gang, AnElasticGangTakesWhatItGetsDownToItsMinimum) {
  GangPlacer gangs = placer(cluster({{}, {}}), {});
  const GangRequest gang{.members_min = 4, .members_max = 10};
  EXPECT_EQ(gangs.place(gang, std::vector<std::int32_t>{8, 8})->members, 10);
  EXPECT_EQ(gangs.place(gang, std::vector<std::int32_t>{3, 2})->members, 5);
  EXPECT_FALSE(gangs.place(gang, std::vector<std::int32_t>{3, 0}).has_value());
}

TEST(Gang, FollowsNodesThatComeAndGo) {
  model::Snapshot snapshot = cluster({{{.rack = "a"}}, {{.rack = "b"}}});
  GangPlacer gangs = placer(snapshot, {});
  const GangRequest gang{.members_min = 12, .members_max = 12, .required = TopologyLevel::rack};
  const std::vector<std::int32_t> room{8, 8};
  EXPECT_FALSE(gangs.place(gang, room).has_value());
  snapshot.nodes[1].topology.rack = "a";
  gangs.apply(model::NodeUpserted{snapshot.nodes[1]});
  EXPECT_TRUE(gangs.place(gang, room).has_value());
  gangs.apply(model::NodeRemoved{NodeId(1)});
  EXPECT_FALSE(gangs.place(gang, room).has_value());
}

TEST(Gang, UnknownRulesAreNamed) {
  const auto made = GangPlacer::make(cluster({{}}), {.rule = "tetris"});
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().message,
            "gang rule: found 'tetris', expected one of spread, best_fit, kueue, plimsoll");
}

// A cluster with an engine: hosts of 8 GPUs, one spec of `gpus` GPUs a member.
model::Snapshot cluster_for_engine(const std::vector<TestHost>& hosts, std::int32_t gpus) {
  model::Snapshot snapshot = cluster(hosts);
  for (model::Node& node : snapshot.nodes) {
    node.allocatable = {.cpu = Millicores(64'000), .memory = gibibyte * 512, .pods = 110};
    model::set_label(node.labels, "rack", node.topology.rack);
  }
  model::PodSpec member;
  member.labels = {{"job", "a"}};
  member.gpu.count = gpus;
  snapshot.specs = {member};
  return snapshot;
}

std::vector<PodId> members(std::int32_t first, std::int32_t count) {
  std::vector<PodId> pods;
  for (std::int32_t i = 0; i < count; ++i) {
    pods.emplace_back(static_cast<std::uint32_t>(first + i));
  }
  return pods;
}

// Gangs come and go at random; no GPU is ever held twice, no gang is half there.
TEST(Gang, NeverDoubleBooksAGpu) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    const model::Snapshot snapshot = cluster_for_engine(random_fabric(random, 10), 2);
    Engine engine = *Engine::make(snapshot, {.policy = "best_fit"});
    const std::string empty = engine.digest();
    const Mark start = engine.checkpoint();
    GangPlacer gangs = placer(snapshot, {.rule = gang_rules()[random.below(4)].name});
    std::map<std::int32_t, std::vector<Choice>> held;  // by first member
    std::int32_t next = 0;
    for (std::int32_t step = 0; step < 60; ++step) {
      if (!held.empty() && random.below(3) == 0) {
        auto gone = std::next(held.begin(), static_cast<std::ptrdiff_t>(random.below(held.size())));
        for (const PodId pod :
             members(gone->first, static_cast<std::int32_t>(gone->second.size()))) {
          engine.forget(pod);
        }
        held.erase(gone);
      }
      const auto size = static_cast<std::int32_t>(1 + random.below(12));
      const auto placement =
          gangs.place({.members_min = size, .members_max = size, .gpus_per_member = 2},
                      engine.capacities(SpecId(0), size));
      if (placement.has_value()) {
        auto choices = assume_gang(engine, SpecId(0), members(next, size), *placement);
        ASSERT_TRUE(choices.has_value());
        ASSERT_EQ(choices->size(), static_cast<std::size_t>(size));
        held.emplace(next, std::move(*choices));
        next += size;
      }
      std::set<std::pair<NodeId, std::int32_t>> taken;
      for (const auto& [first, choices] : held) {
        for (const Choice& choice : choices) {
          ASSERT_EQ(choice.binding.gpus.size(), 2U);
          for (const model::GpuShare& share : choice.binding.gpus) {
            ASSERT_TRUE(taken.emplace(choice.binding.node, share.index).second) << seed;
          }
        }
      }
    }
    engine.roll_back(start);
    EXPECT_EQ(engine.digest(), empty);
  }
}

// Members that may not share a rack: the capacities do not show it, the engine refuses the second.
TEST(Gang, IsTakenBackWholeIfOneMemberDoesNotFit) {
  model::Snapshot snapshot =
      cluster_for_engine({{{.rack = "a"}}, {{.rack = "a"}}, {{.rack = "a"}}}, 8);
  snapshot.specs[0].anti_affinity = {
      {.selector = {{"job", model::SelectorOperator::in, {"a"}}}, .topology_key = "rack"}};
  Engine engine = *Engine::make(snapshot, {.policy = "best_fit"});
  const std::string before = engine.digest();
  GangPlacer gangs = placer(snapshot, {});
  const auto placement = gangs.place({.members_min = 2, .members_max = 2, .gpus_per_member = 8},
                                     engine.capacities(SpecId(0), 2));
  ASSERT_TRUE(placement.has_value());
  EXPECT_FALSE(assume_gang(engine, SpecId(0), members(0, 2), *placement).has_value());
  EXPECT_EQ(engine.digest(), before);
}

TEST(Gang, PlacesOneHundredThousandMembersGreedilyWithinItsBound) {
  std::vector<TestHost> hosts(2000);
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    hosts[i].path.rack = std::to_string(i / 20);
  }
  GangPlacer gangs = placer(cluster(hosts), {});
  const std::vector<std::int32_t> room(hosts.size(), 60);
  const auto placement = gangs.place({.members_min = 100'000, .members_max = 100'000}, room);
  ASSERT_TRUE(placement.has_value());
  expect_sound(*placement, room, 100'000);
}

TEST(GangPlacer, ALabelsDomainsNeedNotStandTogetherInTheTree) {
  const model::Snapshot snapshot = cluster(
      {{{.zone = "a"}}, {{.zone = "b"}}, {{.zone = "a"}}, {{.zone = "b"}}, {{.zone = "c"}}});
  const std::vector<std::uint32_t> domain = {0, 1, 1, 0, no_domain};
  for (const char* rule : {"plimsoll", "kueue"}) {
    GangPlacer placing = placer(snapshot, {.rule = rule});
    const auto place = [&](std::int32_t members, std::vector<std::int32_t> room) {
      return placing.place({.members_min = members, .members_max = members, .domain = domain},
                           room);
    };
    const auto wide = place(6, {3, 4, 2, 2, 8});
    ASSERT_TRUE(wide.has_value()) << rule;
    EXPECT_THAT(wide->hosts, ElementsAre(HostShare{NodeId(1), 4}, HostShare{NodeId(2), 2}));
    EXPECT_FALSE(place(7, {3, 4, 2, 2, 8}).has_value()) << rule;
    EXPECT_TRUE(place(5, {3, 4, 2, 2, 8}).has_value()) << rule;
    WaitState wait;
    const GangDecision refused =
        placing.decide({.members_min = 7, .members_max = 7, .domain = domain, .domain_key = "k"},
                       std::vector<std::int32_t>{3, 4, 2, 2, 8}, Time(), {}, wait);
    ASSERT_EQ(refused.refusals.size(), 1U);
    EXPECT_EQ(refused.refusals[0].detail, "k");
  }
}

}  // namespace
}  // namespace plimsoll::placement
