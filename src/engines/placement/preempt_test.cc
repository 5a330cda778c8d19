#include "engines/placement/preempt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <tuple>

#include "base/random.h"
#include "engines/placement/gang.h"

namespace plimsoll::placement {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct Held {
  std::uint32_t node = 0;
  std::int64_t cores = 1;
  std::int32_t priority = 0;
  std::int64_t started = 1;
  bool guarded = false;  // covered by the budget
  bool do_not_disrupt = false;
  std::uint32_t whole = UINT32_MAX;
};

// A cluster of equal nodes, full of pods that may go.
struct Cluster {
  model::Snapshot snapshot;
  std::vector<Occupant> occupants;
  Budgets budgets;
  SpecId asked;

  Cluster(std::size_t nodes, std::int64_t node_cores, const std::vector<Held>& held,
          std::int64_t asked_cores, std::int32_t allowed) {
    for (std::uint32_t i = 0; i < nodes; ++i) {
      model::Node node;
      node.id = NodeId(i);
      node.name = "n" + std::to_string(i);
      node.allocatable = {.cpu = Millicores(1000 * node_cores), .pods = 110};
      snapshot.nodes.push_back(node);
    }
    for (std::uint32_t i = 0; i < held.size(); ++i) {
      model::PodSpec spec;
      spec.requests = {.cpu = Millicores(1000 * held[i].cores), .pods = 1};
      spec.priority = held[i].priority;
      if (held[i].guarded) {
        spec.labels = {{"app", "db"}};
      }
      snapshot.specs.push_back(spec);
      model::Pod pod;
      pod.id = PodId(i);
      pod.name = "p" + std::to_string(i);
      pod.spec = SpecId(i);
      pod.binding = {.node = NodeId(held[i].node), .gpus = {}};
      snapshot.pods.push_back(pod);
    }
    for (std::uint32_t i = 0; i < held.size(); ++i) {
      occupants.push_back({.pod = PodId(i),
                           .spec = SpecId(i),
                           .binding = &*snapshot.pods[i].binding,
                           .priority = held[i].priority,
                           .started = Time(held[i].started),
                           .whole = held[i].whole == UINT32_MAX ? GangId() : GangId(held[i].whole),
                           .do_not_disrupt = held[i].do_not_disrupt});
    }
    model::PodSpec spec;
    spec.requests = {.cpu = Millicores(1000 * asked_cores), .pods = 1};
    spec.priority = 100;
    asked = SpecId(static_cast<std::uint32_t>(snapshot.specs.size()));
    snapshot.specs.push_back(spec);
    budgets.upsert(
        {.id = BudgetId(0), .selector = {{.key = "app", .values = {"db"}}}, .allowed = allowed});
  }
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  PreemptInput input(Engine& engine) {
    return {.engine = &engine,
            .budgets = &budgets,
            .occupants =
                [this](NodeId node, std::vector<Occupant>& result) {
                  for (const Occupant& there : occupants) {
                    for (const Occupant& other : occupants) {
                      const bool goes_too = there.whole.valid() && other.whole == there.whole;
                      if (there.binding->node == node && (other.pod == there.pod || goes_too)) {
                        result.push_back(other);
                      }
                    }
                  }
                },
            .imagine = {}};
  }
  // With what was remembered of it, and without.
  std::optional<Preemption> for_pod(Engine& engine) {
    const std::vector<std::uint64_t> versions(snapshot.nodes.size(), 1);
    PreemptMemo memo;
    auto found = preempt_for_pod(input(engine), asked, nullptr, versions, memo);
    auto again = preempt_for_pod(input(engine), asked, nullptr, versions, memo);
    EXPECT_EQ(found.has_value(), again.has_value());
    if (found && again) {
      EXPECT_EQ(found->node, again->node);
      EXPECT_EQ(found->victims, again->victims);
    }
    return found;
  }

  Engine engine() const {
    auto made = Engine::make(snapshot, {});
    EXPECT_TRUE(made.has_value());
    return std::move(*made);
  }
};

TEST(Preempt, TheOrderIsThatOfKubeScheduler) {
  struct Case {
    const char* why;
    std::vector<Held> held;
    std::uint32_t node;
    std::vector<std::uint32_t> victims;
  };
  const std::vector<Case> cases = {
      {"no budget broken before all else",
       {{.node = 0, .cores = 4, .guarded = true}, {.node = 1, .cores = 4, .priority = 50}},
       1,
       {1}},
      {"an owner's wish counts as a budget",
       {{.node = 0, .cores = 4, .do_not_disrupt = true}, {.node = 1, .cores = 4, .priority = 50}},
       1,
       {1}},
      {"the lowest of the highest priorities",
       {{.node = 0, .cores = 4, .priority = 5},
        {.node = 1, .cores = 2, .priority = 4},
        {.node = 1, .cores = 2, .priority = 4}},
       1,
       {1, 2}},
      {"then the least sum",
       {{.node = 0, .cores = 2, .priority = 5},
        {.node = 0, .cores = 2, .priority = 4},
        {.node = 1, .cores = 2, .priority = 5},
        {.node = 1, .cores = 2, .priority = 3}},
       1,
       {2, 3}},
      {"the sum counts each pod from the least priority: fewer are better",
       {{.node = 0, .cores = 2, .priority = 5},
        {.node = 0, .cores = 1, .priority = -9},
        {.node = 0, .cores = 1, .priority = -9},
        {.node = 1, .cores = 2, .priority = 5},
        {.node = 1, .cores = 2, .priority = 5}},
       1,
       {3, 4}},
      {"then the latest start",
       {{.node = 0, .cores = 4, .started = 10}, {.node = 1, .cores = 4, .started = 20}},
       1,
       {1}},
      {"on a node, the important are put back first",
       {{.node = 0, .cores = 1, .priority = 1}, {.node = 0, .cores = 3, .priority = 2}},
       0,
       {0, 1}},
      {"a gang that goes as a whole costs all of its members",
       {{.node = 0, .cores = 4, .whole = 0},
        {.node = 1, .cores = 4, .whole = 0},
        {.node = 2, .cores = 2, .started = 2},
        {.node = 2, .cores = 2, .started = 2}},
       2,
       {2, 3}},
  };
  for (const Case& c : cases) {
    Cluster cluster(3, 4, c.held, 4, 0);
    for (std::uint32_t node = 0; node < 3; ++node) {  // nodes without pods to evict are no place
      if (std::ranges::none_of(c.held, [&](const Held& h) { return h.node == node; })) {
        cluster.snapshot.nodes[node].unschedulable = true;
      }
    }
    Engine engine = cluster.engine();
    const std::string before = engine.digest();
    const auto found = cluster.for_pod(engine);
    ASSERT_TRUE(found.has_value()) << c.why;
    EXPECT_EQ(found->node, NodeId(c.node)) << c.why;
    std::vector<std::uint32_t> victims;
    for (const PodId pod : found->victims) {
      victims.push_back(pod.value());
    }
    EXPECT_EQ(victims, c.victims) << c.why;
    EXPECT_EQ(engine.digest(), before) << c.why;
  }
}

// The definition, on one node's cores alone, with nothing given up early.
struct Plain {
  std::tuple<int, std::int64_t, std::int64_t, int, std::int64_t> cost;
  std::vector<PodId> victims;
};
std::optional<Plain> plain_on(const std::vector<Held>& held, std::uint32_t node,
                              std::int64_t node_cores, std::int64_t asked, std::int32_t allowed) {
  std::vector<std::uint32_t> here;
  for (std::uint32_t i = 0; i < held.size(); ++i) {
    if (held[i].node == node) {
      here.push_back(i);
    }
  }
  if (asked > node_cores) {
    return std::nullopt;
  }
  std::ranges::sort(
      here, {}, [&](std::uint32_t i) { return std::tuple(-held[i].priority, held[i].started, i); });
  std::vector<std::uint32_t> breaking;
  std::vector<std::uint32_t> others;
  for (const std::uint32_t i : here) {
    const bool breaks = held[i].guarded && --allowed < 0;
    (breaks || held[i].do_not_disrupt ? breaking : others).push_back(i);
  }
  std::int64_t left = node_cores - asked;
  Plain plain{.cost = {0, INT64_MIN, 0, 0, INT64_MIN}, .victims = {}};
  auto& [violations, highest, sum, count, started] = plain.cost;
  std::map<std::int64_t, std::int64_t> earliest;  // by priority
  for (const auto* part : {&breaking, &others}) {
    for (const std::uint32_t i : *part) {
      if (held[i].cores <= left) {
        left -= held[i].cores;
        continue;
      }
      plain.victims.emplace_back(i);
      violations += part == &breaking ? 1 : 0;
      highest = std::max<std::int64_t>(highest, held[i].priority);
      sum += std::int64_t{held[i].priority} + (std::int64_t{1} << 31) + 1;
      ++count;
      const auto known = earliest.try_emplace(held[i].priority, held[i].started).first;
      known->second = std::min(known->second, held[i].started);
    }
  }
  if (count > 0) {
    started = -earliest.at(highest);
  }
  std::ranges::sort(plain.victims);
  return plain;
}

TEST(Preempt, EqualsTheDefinitionOnRandomNodes) {
  std::size_t found_some = 0;
  std::size_t broken = 0;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    Random random(seed);
    const std::size_t nodes = 1 + random.below(6);
    const std::int64_t node_cores = 8;
    std::vector<Held> held;
    for (std::uint32_t node = 0; node < nodes; ++node) {
      std::int64_t left = node_cores;
      while (left > 0 && random.below(8) != 0) {
        const auto cores = 1 + static_cast<std::int64_t>(random.below(4));
        if (cores > left) {
          break;
        }
        left -= cores;
        held.push_back({.node = node,
                        .cores = cores,
                        .priority = static_cast<std::int32_t>(random.below(4)) - 1,
                        .started = static_cast<std::int64_t>(random.below(5)),
                        .guarded = random.below(3) == 0,
                        .do_not_disrupt = random.below(10) == 0});
      }
    }
    const auto asked = 1 + static_cast<std::int64_t>(random.below(9));
    const auto allowed = static_cast<std::int32_t>(random.below(3));
    Cluster cluster(nodes, node_cores, held, asked, allowed);
    Engine engine = cluster.engine();
    const std::string before = engine.digest();
    const auto found = cluster.for_pod(engine);
    EXPECT_EQ(engine.digest(), before);
    std::optional<Plain> best;
    std::uint32_t best_node = 0;
    for (std::uint32_t node = 0; node < nodes; ++node) {
      auto plain = plain_on(held, node, node_cores, asked, allowed);
      if (plain && (!best || plain->cost < best->cost)) {
        best = std::move(plain);
        best_node = node;
      }
    }
    ASSERT_EQ(found.has_value(), best.has_value()) << "seed " << seed;
    if (best) {
      EXPECT_EQ(found->node, NodeId(best_node)) << "seed " << seed;
      EXPECT_EQ(found->victims, best->victims) << "seed " << seed;
      found_some += best->victims.empty() ? 0 : 1;
      broken += std::get<0>(best->cost) > 0 ? 1 : 0;
    }
  }
  EXPECT_GT(found_some, 100U);
  EXPECT_GT(broken, 5U);
}

TEST(Preempt, WhatIsRememberedIsForgottenWhereANodeChanges) {
  std::vector<Held> held;
  for (std::uint32_t i = 0; i < 40; ++i) {
    held.push_back({.node = i % 10,
                    .cores = 2,
                    .priority = static_cast<std::int32_t>(i * 7 % 13),
                    .started = static_cast<std::int64_t>(i)});
  }
  Cluster cluster(10, 8, held, 5, 0);
  Engine engine = cluster.engine();
  std::vector<std::uint64_t> versions(10, 1);
  PreemptMemo memo;
  std::size_t other_victims = 0;
  std::vector<PodId> before;
  while (!cluster.occupants.empty()) {
    const auto found =
        preempt_for_pod(cluster.input(engine), cluster.asked, nullptr, versions, memo);
    PreemptMemo nothing;
    const auto anew =
        preempt_for_pod(cluster.input(engine), cluster.asked, nullptr, versions, nothing);
    ASSERT_TRUE(found.has_value() && anew.has_value());
    EXPECT_EQ(found->node, anew->node);
    EXPECT_EQ(found->victims, anew->victims);
    other_victims += found->victims == before ? 0 : 1;
    before = found->victims;
    if (found->victims.empty()) {
      break;
    }
    // One of them gets a priority that none may pass: it stays for ever.
    const PodId stays = found->victims.front();
    std::erase_if(cluster.occupants, [&](const Occupant& o) { return o.pod == stays; });
    ++versions[found->node.index()];
    if (cluster.occupants.size() <= 20) {  // nodes run out of what may go
      break;
    }
  }
  EXPECT_GT(other_victims, 5U);
}

TEST(Preempt, AGangLooksAtEveryDomainAndTakesTheCheapest) {
  const std::vector<Held> held = {
      {.node = 0, .cores = 4, .priority = 9}, {.node = 1, .cores = 4, .priority = 1},
      {.node = 2, .cores = 2, .priority = 2}, {.node = 2, .cores = 2, .priority = 2},
      {.node = 3, .cores = 3, .priority = 2}, {.node = 4, .cores = 4, .priority = 0}};
  Cluster cluster(6, 4, held, 2, 0);
  // Nodes 0 and 1, 2 and 3, 4 alone; node 5 is in no domain.
  const std::vector<std::uint32_t> domain = {0, 0, 1, 1, 2, no_domain};
  for (const bool alike : {true, false}) {
    if (!alike) {  // one that is placed by itself
      cluster.snapshot.specs.push_back(cluster.snapshot.specs[cluster.asked.index()]);
      cluster.snapshot.specs.back().labels = {{"role", "leader"}};
    }
    Engine engine = cluster.engine();
    std::vector<Preemptor> members(4, {.pod = PodId(100), .spec = cluster.asked});
    for (std::uint32_t i = 0; i < 4; ++i) {
      members[i].pod = PodId(100 + i);
    }
    if (!alike) {
      members[0].spec = SpecId(cluster.asked.value() + 1);
    }
    const std::string before = engine.digest();
    const std::vector<Preemption> found =
        preempt_for_gang(cluster.input(engine), members, domain, nullptr);
    EXPECT_EQ(engine.digest(), before);
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(found[0].domain, 1U);
    EXPECT_THAT(found[0].victims, ElementsAre(PodId(2), PodId(3), PodId(4)));
    EXPECT_EQ(found[1].domain, 0U);
    EXPECT_THAT(found[1].victims, ElementsAre(PodId(0), PodId(1)));
    members.resize(1);
    EXPECT_THAT(preempt_for_gang(cluster.input(engine), members, domain, nullptr).front().victims,
                ElementsAre(PodId(5)));
  }
}

TEST(Budgets, CoverPodsOfTheirNamespaceAndAreSpent) {
  Budgets budgets;
  model::PodSpec spec;
  spec.labels = {{"app", "db"}};
  EXPECT_THAT(budgets.covering(SpecId(0), spec), IsEmpty());
  EXPECT_TRUE(budgets.upsert(
      {.id = BudgetId(1), .selector = {{.key = "app", .values = {"db"}}}, .allowed = 1}));
  EXPECT_TRUE(budgets.upsert({.id = BudgetId(0), .name_space = "other", .allowed = 5}));
  EXPECT_THAT(budgets.covering(SpecId(0), spec), ElementsAre(1U));
  budgets.spend(SpecId(0), spec);
  EXPECT_EQ(budgets.allowed()[1], 0);
  EXPECT_FALSE(budgets.upsert(
      {.id = BudgetId(1), .selector = {{.key = "app", .values = {"db"}}}, .allowed = 0}));
  budgets.forget(SpecId(0));
  EXPECT_THAT(budgets.covering(SpecId(0), model::PodSpec()), IsEmpty());
  budgets.forget(SpecId(0));
  budgets.remove(BudgetId(1));
  EXPECT_THAT(budgets.covering(SpecId(0), spec), IsEmpty());
}

}  // namespace
}  // namespace plimsoll::placement
