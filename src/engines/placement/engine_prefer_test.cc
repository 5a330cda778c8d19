// What a pod merely prefers, against where the policy would put it.
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "engines/placement/engine.h"

namespace plimsoll::placement {
namespace {

using model::Node;
using model::PodSpec;
using model::SelectorOperator;
using model::Snapshot;

// Node 0 is the fullest, so that best_fit likes it best.
Snapshot cluster(std::uint32_t nodes) {
  Snapshot snapshot;
  for (std::uint32_t i = 0; i < nodes; ++i) {
    Node node;
    node.id = NodeId(i);
    node.name = "node-" + std::to_string(i);
    node.labels = {{"kubernetes.io/hostname", node.name},
                   {"topology.kubernetes.io/zone", "zone-" + std::to_string(i % 3)}};
    node.allocatable.cpu = Millicores(16000 * (1 + std::int64_t{i}));
    node.allocatable.memory = gibibyte * 64;
    node.allocatable.pods = 110;
    snapshot.nodes.push_back(node);
  }
  snapshot.specs.resize(1);
  snapshot.specs[0].requests.cpu = Millicores(1000);
  snapshot.specs[0].labels = {{"app", "web"}};
  return snapshot;
}

PodSpec& spec_of(Snapshot& snapshot) { return snapshot.specs[0]; }

Engine make_engine(const Snapshot& snapshot, Weights weights = {}) {
  auto engine = Engine::make(snapshot, {.policy = "best_fit", .weights = weights});
  EXPECT_TRUE(engine.has_value()) << engine.error().message;
  return *std::move(engine);
}

std::uint32_t best(Engine& engine) { return engine.find(SpecId(0))->binding.node.value(); }

// Places `count` pods; pods by node.
std::map<std::uint32_t, int> place(Engine& engine, std::uint32_t count) {
  std::map<std::uint32_t, int> placed;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto choice = engine.find(SpecId(0));
    engine.assume(PodId(i), SpecId(0), choice->binding);
    ++placed[choice->binding.node.value()];
  }
  return placed;
}

const model::LabelSelector web = {{"app", SelectorOperator::in, {"web"}}};

TEST(Preferences, AreWeighedAgainstThePolicy) {
  Snapshot snapshot = cluster(3);
  Engine plain = make_engine(snapshot);
  EXPECT_EQ(best(plain), 0U);
  spec_of(snapshot).node_affinity_preferred = {
      {10, {{{"kubernetes.io/hostname", SelectorOperator::in, {"node-2"}}}, {}}}};
  Engine engine = make_engine(snapshot);
  const auto choice = engine.find(SpecId(0));
  EXPECT_EQ(choice->binding.node, NodeId(2));
  EXPECT_EQ(choice->score, 200);
  const auto others = engine.runners_up(SpecId(0), NodeId(2), 5);
  ASSERT_EQ(others.size(), 2U);
  EXPECT_EQ(others[0].node, NodeId(0));
  EXPECT_EQ(others[0].reason.score, 100);
  Engine indifferent = make_engine(snapshot, {.node_affinity = 0});
  EXPECT_EQ(best(indifferent), 0U);
}

TEST(Preferences, APartOfAPreferenceGivesWayToMuchRoom) {
  Snapshot snapshot = cluster(3);
  const auto on = [](std::int32_t weight, const char* node) {
    return model::WeightedNodeTerm{
        weight, {{{"kubernetes.io/hostname", SelectorOperator::in, {node}}}, {}}};
  };
  spec_of(snapshot).node_affinity_preferred = {on(100, "node-2"), on(60, "node-0")};
  Engine engine = make_engine(snapshot);
  EXPECT_EQ(best(engine), 0U) << "2 x 60 and the best place beat 2 x 100 and the worst";
}

TEST(Preferences, ATaintThatIsOnlyDislikedIsAvoidedUntilNothingElseIsLeft) {
  Snapshot snapshot = cluster(2);
  snapshot.nodes[0].taints = {{"old", "", model::TaintEffect::prefer_no_schedule}};
  Engine engine = make_engine(snapshot);
  EXPECT_EQ(place(engine, 33), (std::map<std::uint32_t, int>{{0, 1}, {1, 32}}));
  snapshot.nodes[0].taints.clear();
  ASSERT_TRUE(engine.apply(model::NodeUpserted{snapshot.nodes[0]}));
  engine.forget(PodId(0));
  EXPECT_EQ(best(engine), 1U) << "the fuller one again";
}

TEST(Preferences, SoftSpreadGoesRoundTheZones) {
  Snapshot snapshot = cluster(6);
  spec_of(snapshot).spread = {
      {.topology_key = "topology.kubernetes.io/zone", .hard = false, .selector = web}};
  Engine engine = make_engine(snapshot);
  std::map<std::uint32_t, int> zones;
  for (const auto& [node, pods] : place(engine, 6)) zones[node % 3] += pods;
  EXPECT_EQ(zones, (std::map<std::uint32_t, int>{{0, 2}, {1, 2}, {2, 2}}));
}

TEST(Preferences, ANodeOutsideASoftSpreadIsTheLastToBeTaken) {
  Snapshot snapshot = cluster(2);
  std::erase_if(snapshot.nodes[0].labels,
                [](const auto& label) { return label.first == "topology.kubernetes.io/zone"; });
  spec_of(snapshot).spread = {
      {.topology_key = "topology.kubernetes.io/zone", .hard = false, .selector = web}};
  Engine engine = make_engine(snapshot);
  EXPECT_EQ(place(engine, 33), (std::map<std::uint32_t, int>{{0, 1}, {1, 32}}));
}

TEST(Preferences, PodsKeepApartAndTogetherWhereTheyPreferTo) {
  Snapshot snapshot = cluster(4);
  spec_of(snapshot).anti_affinity = {
      {.selector = web, .topology_key = "kubernetes.io/hostname", .weight = 1}};
  Engine apart = make_engine(snapshot);
  EXPECT_EQ(place(apart, 4), (std::map<std::uint32_t, int>{{0, 1}, {1, 1}, {2, 1}, {3, 1}}));
  std::swap(spec_of(snapshot).affinity, spec_of(snapshot).anti_affinity);
  Engine together = make_engine(snapshot);
  together.assume(PodId(9), SpecId(0), {NodeId(3), {}});
  EXPECT_EQ(place(together, 4), (std::map<std::uint32_t, int>{{3, 4}}));
}

TEST(Preferences, DecideOnlyAmongNodesThatAreLetIn) {
  Snapshot snapshot = cluster(3);
  spec_of(snapshot).node_affinity_preferred = {
      {10, {{{"kubernetes.io/hostname", SelectorOperator::in, {"node-2"}}}, {}}}};
  Engine engine = make_engine(snapshot);
  EXPECT_EQ(engine.find_within(SpecId(0), {true, true, false})->binding.node, NodeId(0));
  EXPECT_FALSE(engine.find_within(SpecId(0), {false, false, false}).has_value());
}

}  // namespace
}  // namespace plimsoll::placement
