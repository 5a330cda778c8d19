// What keeps a pod off a node by itself: ports, names, volumes, cordons, what others overbooked.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engines/placement/engine.h"

namespace plimsoll::placement {
namespace {

using model::Node;
using model::PodSpec;
using model::RefusalCode;
using model::SelectorOperator;
using model::Snapshot;

Node make_node(std::uint32_t id, int gpus = 0) {
  Node node;
  node.id = NodeId(id);
  node.name = "node-" + std::to_string(id);
  node.allocatable.cpu = Millicores(8000);
  node.allocatable.memory = gibibyte * 64;
  node.allocatable.pods = 10;
  for (int g = 0; g < gpus; ++g) {
    node.gpus.push_back({.model = "T4", .memory = gibibyte * 16});
  }
  return node;
}

Engine make_engine(const Snapshot& snapshot) {
  auto engine = Engine::make(snapshot, {.policy = "best_fit"});
  EXPECT_TRUE(engine.has_value()) << engine.error().message;
  return *std::move(engine);
}

// The node that takes `spec`, or -1; and then every node says why.
int place(Engine& engine, std::uint32_t spec) {
  const auto choice = engine.find(SpecId(spec));
  const auto refusals = engine.explain(SpecId(spec));
  std::int32_t refused = 0;
  for (const model::Refusal& r : refusals) refused += r.nodes;
  EXPECT_EQ(choice.has_value(), refused < engine.node_count());
  return choice ? static_cast<int>(choice->binding.node.value()) : -1;
}

PodSpec with_port(const char* ip, const char* protocol, std::int32_t port) {
  PodSpec spec;
  spec.host_ports = {{ip, protocol, port}};
  return spec;
}

TEST(NodeFilters, HostPortsConflictByProtocolNumberAndAddress) {
  Snapshot snapshot;
  snapshot.nodes = {make_node(0)};
  snapshot.specs = {with_port("10.0.0.1", "TCP", 80), with_port("10.0.0.2", "TCP", 80),
                    with_port("0.0.0.0", "TCP", 80),  with_port("", "", 80),
                    with_port("0.0.0.0", "UDP", 80),  with_port("0.0.0.0", "TCP", 81)};
  const std::vector<std::vector<int>> goes_beside = {
      {0, 1, 0, 0, 1, 1}, {1, 0, 0, 0, 1, 1}, {0, 0, 0, 0, 1, 1},
      {0, 0, 0, 0, 1, 1}, {1, 1, 1, 1, 0, 1}, {1, 1, 1, 1, 1, 0},
  };
  for (std::uint32_t held = 0; held < 6; ++held) {
    Engine engine = make_engine(snapshot);
    engine.assume(PodId(0), SpecId(held), {NodeId(0), {}});
    for (std::uint32_t asks = 0; asks < 6; ++asks) {
      EXPECT_EQ(place(engine, asks), goes_beside[held][asks] - 1) << held << " " << asks;
    }
    engine.forget(PodId(0));
    EXPECT_EQ(place(engine, held), 0);
  }
}

TEST(NodeFilters, TwoPodsOfOnePortThatOthersBoundBothHaveToGo) {
  Snapshot snapshot;
  snapshot.nodes = {make_node(0)};
  snapshot.specs = {with_port("0.0.0.0", "TCP", 80)};
  for (std::uint32_t i = 0; i < 2; ++i) {
    snapshot.pods.push_back(
        {.id = PodId(i), .spec = SpecId(0), .binding = model::Binding{NodeId(0), {}}});
  }
  Engine engine = make_engine(snapshot);
  ASSERT_TRUE(engine.apply(model::PodRemoved{PodId(0)}));
  EXPECT_EQ(place(engine, 0), -1);
  EXPECT_EQ(engine.explain(SpecId(0)).front().code, RefusalCode::host_port);
  ASSERT_TRUE(engine.apply(model::PodRemoved{PodId(1)}));
  EXPECT_EQ(place(engine, 0), 0);
}

TEST(NodeFilters, ATermNamesNodes) {
  Snapshot snapshot;
  snapshot.nodes = {make_node(0), make_node(1)};
  PodSpec spec;
  spec.node_affinity = {{{}, {{"metadata.name", SelectorOperator::in, {"node-1"}}}}};
  PodSpec other;
  other.node_affinity = {{{}, {{"metadata.name", SelectorOperator::not_in, {"node-1"}}}}};
  snapshot.specs = {spec, other};
  Engine engine = make_engine(snapshot);
  EXPECT_EQ(place(engine, 0), 1);
  EXPECT_EQ(place(engine, 1), 0);
}

TEST(NodeFilters, VolumesKeepAPodWhereTheyCanBeReached) {
  Snapshot snapshot;
  snapshot.nodes = {make_node(0), make_node(1)};
  snapshot.nodes[1].labels = {{"zone", "b"}};
  PodSpec spec;
  spec.volume_topology = {{{{{"zone", SelectorOperator::in, {"b"}}}, {}}}};
  snapshot.specs = {spec};
  Engine engine = make_engine(snapshot);
  EXPECT_EQ(place(engine, 0), 1);
  snapshot.nodes[1].labels.clear();
  ASSERT_TRUE(engine.apply(model::NodeUpserted{snapshot.nodes[1]}));
  EXPECT_EQ(place(engine, 0), -1);
  EXPECT_EQ(engine.explain(SpecId(0)).front().code, RefusalCode::volume_topology);
}

TEST(NodeFilters, ADriverAttachesDistinctVolumesUpToItsLimit) {
  Snapshot snapshot;
  snapshot.nodes = {make_node(0)};
  snapshot.nodes[0].attach_limits = {{"ebs", 2}};
  const auto with = [](std::vector<model::AttachedVolume> volumes) {
    PodSpec spec;
    spec.volumes = std::move(volumes);
    return spec;
  };
  snapshot.specs = {with({{"ebs", "a"}, {"ebs", "b"}}), with({{"ebs", "a"}}), with({{"ebs", "c"}}),
                    with({{"nfs", "c"}}), with({{"ebs", "a"}, {"ebs", "b"}, {"ebs", "c"}})};
  Engine engine = make_engine(snapshot);
  EXPECT_EQ(place(engine, 4), -1) << "three at once";
  engine.assume(PodId(0), SpecId(0), {NodeId(0), {}});
  EXPECT_EQ(place(engine, 1), 0) << "shares a volume that is there";
  EXPECT_EQ(place(engine, 2), -1);
  EXPECT_EQ(engine.explain(SpecId(2)).front().code, RefusalCode::volume_limit);
  EXPECT_EQ(place(engine, 3), 0) << "a driver without a limit";
  snapshot.nodes[0].attach_limits = {{"ebs", 1}};
  ASSERT_TRUE(engine.apply(model::NodeUpserted{snapshot.nodes[0]}));
  EXPECT_EQ(place(engine, 1), 0) << "over the limit, but brings nothing new";
  engine.assume(PodId(1), SpecId(1), {NodeId(0), {}});
  engine.forget(PodId(0));
  EXPECT_EQ(place(engine, 2), -1) << "the shared one is still there";
  engine.forget(PodId(1));
  EXPECT_EQ(place(engine, 2), 0);
}

TEST(NodeFilters, AClaimThatTakesOnePodKeepsTheNextOffEveryNode) {
  Snapshot snapshot;
  snapshot.nodes = {make_node(0), make_node(1)};
  PodSpec spec;
  spec.exclusive_claims = {"default/data"};
  snapshot.specs = {spec};
  Engine engine = make_engine(snapshot);
  EXPECT_EQ(engine.capacities(SpecId(0), 5), (std::vector<std::int32_t>{1, 1}));
  engine.assume(PodId(0), SpecId(0), {NodeId(0), {}});
  EXPECT_EQ(place(engine, 0), -1);
  EXPECT_FALSE(engine.find_on(SpecId(0), NodeId(1)).has_value());
  EXPECT_EQ(engine.capacities(SpecId(0), 5), (std::vector<std::int32_t>{0, 0}));
  EXPECT_EQ(engine.explain(SpecId(0)),
            (std::vector<model::Refusal>{{RefusalCode::claim_in_use, "", 2}}));
  engine.forget(PodId(0));
  EXPECT_NE(place(engine, 0), -1);
}

TEST(NodeFilters, ACordonedNodeTakesWhoToleratesIt) {
  Snapshot snapshot;
  snapshot.nodes = {make_node(0)};
  snapshot.nodes[0].unschedulable = true;
  PodSpec tolerant;
  tolerant.tolerations = {
      {"node.kubernetes.io/unschedulable", model::TolerationOperator::exists, "", {}}};
  snapshot.specs = {PodSpec{}, tolerant};
  Engine engine = make_engine(snapshot);
  EXPECT_EQ(place(engine, 0), -1);
  EXPECT_EQ(place(engine, 1), 0);
}

TEST(NodeFilters, APodThatAsksNothingOfAResourceFitsHoweverMuchIsHeld) {
  Snapshot snapshot;
  snapshot.nodes = {make_node(0)};
  snapshot.nodes[0].allocatable.extended = {{"rdma/hca", 1}};
  PodSpec big;
  big.requests.cpu = Millicores(6000);
  big.requests.extended = {{"rdma/hca", 1}};
  PodSpec nothing;
  nothing.requests.extended = {{"rdma/hca", 0}};
  PodSpec little;
  little.requests.cpu = Millicores(1);
  snapshot.specs = {big, nothing, little};
  Engine engine = make_engine(snapshot);
  const std::string empty = engine.digest();
  for (std::uint32_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(engine.apply(model::PodAdded{
        {.id = PodId(i), .spec = SpecId(0), .binding = model::Binding{NodeId(0), {}}}}));
  }
  EXPECT_EQ(place(engine, 1), 0);
  EXPECT_EQ(place(engine, 2), -1);
  EXPECT_EQ(engine.explain(SpecId(2)).front().code, RefusalCode::cpu);
  for (std::uint32_t i = 3; i < 10; ++i) engine.assume(PodId(i), SpecId(1), {NodeId(0), {}});
  EXPECT_EQ(place(engine, 1), -1) << "a pod needs a slot";
  EXPECT_EQ(engine.explain(SpecId(1)).front().code, RefusalCode::too_many_pods);
  for (std::uint32_t i = 0; i < 10; ++i) {
    ASSERT_TRUE(engine.apply(model::PodRemoved{PodId(i)}));
  }
  EXPECT_EQ(engine.digest(), empty);
}

model::Binding unknown(std::size_t gpus) {
  return {NodeId(0), std::vector<model::GpuShare>(gpus, {.index = -1})};
}

TEST(NodeFilters, UnknownGpusCountAgainstTheLastFreeOnes) {
  Snapshot snapshot;
  snapshot.nodes = {make_node(0, 4)};
  PodSpec one;
  one.gpu.count = 1;
  PodSpec two;
  two.gpu.count = 2;
  snapshot.specs = {one, two};
  Engine engine = make_engine(snapshot);
  ASSERT_TRUE(
      engine.apply(model::PodAdded{{.id = PodId(0), .spec = SpecId(1), .binding = unknown(2)}}));
  const auto choice = engine.find(SpecId(1));
  ASSERT_TRUE(choice.has_value());
  EXPECT_EQ(choice->binding.gpus[0].index, 0);
  EXPECT_EQ(choice->binding.gpus[1].index, 1);
  engine.assume(PodId(1), SpecId(1), choice->binding);
  EXPECT_EQ(place(engine, 0), -1);
  // Others bind two more than there are: nothing is lost, and nothing is handed out twice.
  ASSERT_TRUE(
      engine.apply(model::PodAdded{{.id = PodId(2), .spec = SpecId(1), .binding = unknown(2)}}));
  engine.forget(PodId(1));
  EXPECT_EQ(place(engine, 0), -1);
  ASSERT_TRUE(engine.apply(model::PodRemoved{PodId(0)}));
  EXPECT_EQ(engine.capacities(SpecId(0), 4).front(), 2);
}

TEST(NodeFilters, ANodeMayLoseAndRegainGpusUnderItsPods) {
  Snapshot snapshot;
  snapshot.nodes = {make_node(0, 4)};
  PodSpec one;
  one.gpu.count = 1;
  snapshot.specs = {one};
  Engine engine = make_engine(snapshot);
  const std::string empty = engine.digest();
  const auto set_gpus = [&](int gpus) {
    return engine.apply(model::NodeUpserted{make_node(0, gpus)}).has_value();
  };
  engine.assume(PodId(0), SpecId(0), {NodeId(0), {{.index = 3}}});
  ASSERT_TRUE(set_gpus(2));
  EXPECT_EQ(engine.capacities(SpecId(0), 4).front(), 1);
  ASSERT_TRUE(set_gpus(0));
  EXPECT_EQ(place(engine, 0), -1);
  ASSERT_TRUE(set_gpus(4));
  EXPECT_EQ(engine.capacities(SpecId(0), 4).front(), 3);
  ASSERT_TRUE(engine.apply(model::PodRemoved{PodId(0)}));
  EXPECT_EQ(engine.digest(), empty);
}

TEST(NodeFilters, UnknownMigInstancesTakeAnyOfTheirProfile) {
  Snapshot snapshot;
  Node node = make_node(0);
  node.gpus = {{.model = "A100-80GB", .memory = gibibyte * 80, .sharing = model::GpuSharing::mig}};
  node.gpus[0].instances = {{"3g.40gb", 0}, {"3g.40gb", 4}};
  snapshot.nodes = {node};
  PodSpec spec;
  spec.gpu.count = 1;
  spec.gpu.mig_profile = "3g.40gb";
  snapshot.specs = {spec};
  Engine engine = make_engine(snapshot);
  const std::string empty = engine.digest();
  for (std::uint32_t i = 0; i < 3; ++i) {
    EXPECT_EQ(place(engine, 0), i < 2 ? 0 : -1);
    ASSERT_TRUE(
        engine.apply(model::PodAdded{{.id = PodId(i), .spec = SpecId(0), .binding = unknown(1)}}));
  }
  ASSERT_TRUE(engine.apply(model::PodRemoved{PodId(1)}));
  EXPECT_EQ(place(engine, 0), -1) << "the third pod has its place now";
  ASSERT_TRUE(engine.apply(model::PodRemoved{PodId(0)}));
  EXPECT_EQ(place(engine, 0), 0);
  ASSERT_TRUE(engine.apply(model::PodRemoved{PodId(2)}));
  EXPECT_EQ(engine.digest(), empty);
}

TEST(Deltas, SurprisingOrdersLeaveTheBooksStraight) {
  Snapshot snapshot;
  snapshot.nodes = {make_node(0), make_node(1)};
  PodSpec spec = with_port("0.0.0.0", "TCP", 80);
  spec.requests.cpu = Millicores(5000);
  spec.labels = {{"app", "web"}};
  spec.anti_affinity = {{.selector = {{"app", SelectorOperator::in, {"web"}}},
                         .topology_key = "kubernetes.io/hostname"}};
  snapshot.specs = {spec};
  Engine engine = make_engine(snapshot);
  const std::string empty = engine.digest();
  // Removed while it is only assumed.
  engine.assume(PodId(0), SpecId(0), {NodeId(0), {}});
  ASSERT_TRUE(engine.apply(model::PodRemoved{PodId(0)}));
  EXPECT_EQ(engine.digest(), empty);
  // Bound elsewhere than assumed; a failure that is told late changes nothing.
  engine.assume(PodId(0), SpecId(0), {NodeId(0), {}});
  ASSERT_TRUE(engine.apply(model::PodBound{PodId(0), {NodeId(1), {}}}));
  ASSERT_TRUE(engine.apply(model::BindFailed{PodId(0), "late"}));
  EXPECT_EQ(place(engine, 0), 0);
  EXPECT_FALSE(engine.find_on(SpecId(0), NodeId(1)).has_value());
  // Its node goes before it does, and comes back.
  ASSERT_TRUE(engine.apply(model::NodeRemoved{NodeId(1)}));
  EXPECT_EQ(engine.node_count(), 1);
  ASSERT_TRUE(engine.apply(model::NodeUpserted{make_node(1)}));
  EXPECT_FALSE(engine.find_on(SpecId(0), NodeId(1)).has_value());
  ASSERT_TRUE(engine.apply(model::NodeRemoved{NodeId(1)}));
  ASSERT_TRUE(engine.apply(model::PodRemoved{PodId(0)}));
  ASSERT_TRUE(engine.apply(model::NodeUpserted{make_node(1)}));
  EXPECT_EQ(engine.digest(), empty);
  // A pod that is there before its node.
  ASSERT_TRUE(engine.apply(model::PodAdded{
      {.id = PodId(0), .spec = SpecId(0), .binding = model::Binding{NodeId(2), {}}}}));
  ASSERT_TRUE(engine.apply(model::NodeUpserted{make_node(2)}));
  EXPECT_FALSE(engine.find_on(SpecId(0), NodeId(2)).has_value());
  ASSERT_TRUE(engine.apply(model::PodRemoved{PodId(0)}));
  EXPECT_TRUE(engine.find_on(SpecId(0), NodeId(2)).has_value());
}

TEST(Deltas, AnIdThatTheWorldGivesToAnotherSpecKeepsWhatItsPodsHold) {
  Snapshot snapshot;
  snapshot.nodes = {make_node(0)};
  PodSpec five;
  five.requests.cpu = Millicores(5000);
  PodSpec three = with_port("0.0.0.0", "TCP", 80);
  three.requests.cpu = Millicores(3000);
  snapshot.specs = {five};
  Engine engine = make_engine(snapshot);
  engine.assume(PodId(0), SpecId(0), {NodeId(0), {}});
  EXPECT_EQ(place(engine, 0), -1);
  ASSERT_TRUE(engine.apply(model::SpecAdded{SpecId(0), three}));
  EXPECT_EQ(engine.explain(SpecId(0)).front().code, RefusalCode::host_port);
  ASSERT_TRUE(engine.apply(model::PodRemoved{PodId(0)}));
  EXPECT_EQ(place(engine, 0), 0);
  snapshot.specs = {three};
  EXPECT_EQ(make_engine(snapshot).capacities(SpecId(0), 9), engine.capacities(SpecId(0), 9));
}

}  // namespace
}  // namespace plimsoll::placement
