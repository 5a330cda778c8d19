#include "model/snapshot.h"

#include <gtest/gtest.h>

#include <functional>

namespace plimsoll::model {
namespace {

// Two nodes of two GPUs, three specs, a gang of pod 1, a bound pod 0, two tenants.
Snapshot small() {
  Snapshot s;
  s.tenants = {{.id = TenantId(0), .name = "root"},
               {.id = TenantId(1), .name = "team", .parent = TenantId(0)}};
  for (std::uint32_t i = 0; i < 2; ++i) {
    Node node{.id = NodeId(i), .name = "n" + std::to_string(i)};
    node.gpus.resize(2);
    s.nodes.push_back(node);
  }
  s.specs.resize(3);
  s.specs[1].gpu = {.count = 1, .milli = GpuMilli(600)};
  s.specs[2].gpu = {.count = 2};
  s.gangs = {{.id = GangId(0), .name = "train", .tenant = TenantId(1)}};
  s.pods = {{.id = PodId(0),
             .name = "a",
             .spec = SpecId(1),
             .binding = Binding{NodeId(1), {{.index = 1, .milli = GpuMilli(600)}}}},
            {.id = PodId(1), .name = "b", .spec = SpecId(2), .gang = GangId(0)}};
  return s;
}

std::string refusal(const Result<void>& result) {
  if (result) {
    return "accepted";
  }
  EXPECT_EQ(result.error().code, ErrorCode::bad_input);
  return result.error().message;
}

TEST(Apply, EveryDeltaDoesWhatItSays) {
  Snapshot s = small();
  Node node{.id = NodeId(2), .name = "n2"};
  ASSERT_TRUE(apply(s, NodeUpserted{node}));
  EXPECT_EQ(s.nodes.at(2), node);
  node.unschedulable = true;
  ASSERT_TRUE(apply(s, NodeUpserted{node}));
  EXPECT_EQ(s.nodes.size(), 3U);
  EXPECT_TRUE(s.nodes.at(2).unschedulable);
  ASSERT_TRUE(apply(s, NodeRemoved{NodeId(2)}));
  EXPECT_EQ(s.nodes.at(2), Node{});
  ASSERT_TRUE(apply(s, NodeUpserted{node})) << "an id may be used again";

  ASSERT_TRUE(apply(s, SpecAdded{SpecId(3), PodSpec{.name_space = "x"}}));
  EXPECT_EQ(s.specs.at(3).name_space, "x");

  ASSERT_TRUE(apply(s, PodAdded{{.id = PodId(2), .spec = SpecId(3), .tenant = TenantId(1)}}));
  EXPECT_EQ(s.pods.at(2).spec, SpecId(3));
  ASSERT_TRUE(apply(s, PodBound{PodId(2), {.node = NodeId(0)}}));
  EXPECT_EQ(s.pods.at(2).binding, Binding{.node = NodeId(0)});
  ASSERT_TRUE(apply(s, PodRemoved{PodId(2)}));
  EXPECT_EQ(s.pods.at(2), Pod{});

  ASSERT_TRUE(apply(s, GangUpserted{{.id = GangId(1), .name = "g"}}));
  EXPECT_EQ(s.gangs.at(1).name, "g");
  ASSERT_TRUE(apply(s, GangRemoved{GangId(1)}));
  EXPECT_EQ(s.gangs.at(1), Gang{});
  EXPECT_EQ(refusal(validate(s)), "accepted");
}

TEST(Apply, APodWhoseGpuIsGoneHoldsAnUnknownOne) {
  Snapshot s = small();
  ASSERT_TRUE(apply(s, NodeUpserted{{.id = NodeId(1), .name = "n1", .gpus = {Gpu{}}}}));
  const GpuShare unknown{.index = -1, .milli = GpuMilli(600)};
  EXPECT_EQ(s.pods[0].binding, (Binding{NodeId(1), {unknown}}));
  EXPECT_EQ(refusal(validate(s)), "accepted");
}

TEST(Apply, RefusesWhatCannotBeAndChangesNothing) {
  const Binding two{NodeId(0), {{.index = 0}, {.index = 1}}};
  const struct {
    Delta delta;
    const char* message;
  } cases[] = {
      {NodeUpserted{{.id = NodeId(3)}},
       "NodeUpserted: node: found 3, expected an id up to 2 (ids are dense)"},
      {NodeUpserted{Node{}},
       "NodeUpserted: node: found none, expected an id up to 2 (ids are dense)"},
      {NodeRemoved{NodeId(9)}, "NodeRemoved: node: found 9, expected the id of one that exists"},
      {NodeRemoved{NodeId(1)},
       "NodeRemoved: node 1: found pod 0 bound to it, expected its PodRemoved to come first"},
      {SpecAdded{SpecId(1), {}},
       "SpecAdded: spec 1: found pod 0 of it, expected a spec that no pod has"},
      {SpecAdded{SpecId(4), {}},
       "SpecAdded: spec: found 4, expected an id up to 3 (ids are dense)"},
      {PodAdded{{.id = PodId(0), .spec = SpecId(0)}},
       "PodAdded: pod 0: found an id that is taken, expected a free one"},
      {PodAdded{{.id = PodId(3), .spec = SpecId(0)}},
       "PodAdded: pod: found 3, expected an id up to 2 (ids are dense)"},
      {PodAdded{{.id = PodId(2), .spec = SpecId(7)}},
       "PodAdded: pod 2: spec: found 7, expected the id of one that exists"},
      {PodAdded{{.id = PodId(2), .spec = SpecId(0), .gang = GangId(4)}},
       "PodAdded: pod 2: gang: found 4, expected the id of one that exists"},
      {PodAdded{{.id = PodId(2), .spec = SpecId(0), .tenant = TenantId(2)}},
       "PodAdded: pod 2: tenant: found 2, expected the id of one that exists"},
      {PodBound{PodId(5), two}, "PodBound: pod: found 5, expected the id of one that exists"},
      {PodBound{PodId(0), two},
       "PodBound: pod 0: found it bound to node 1, expected a pending pod"},
      {PodBound{PodId(1), {.node = NodeId(2), .gpus = two.gpus}},
       "PodBound: pod 1: binding: node: found 2, expected the id of one that exists"},
      {PodBound{PodId(1), {.node = NodeId(0), .gpus = {{.index = 0}}}},
       "PodBound: pod 1: binding: gpus: found 1 of them, expected the 2 that its spec asks"},
      {PodBound{PodId(1), {.node = NodeId(0), .gpus = {{.index = 0}, {.index = 2}}}},
       "PodBound: pod 1: binding: gpus: index: found 2, expected -1 to 1"},
      {PodRemoved{PodId()}, "PodRemoved: pod: found none, expected the id of one that exists"},
      {GangUpserted{{.id = GangId(2)}},
       "GangUpserted: gang: found 2, expected an id up to 1 (ids are dense)"},
      {GangUpserted{{.id = GangId(1), .tenant = TenantId(8)}},
       "GangUpserted: gang 1: tenant: found 8, expected the id of one that exists"},
      {GangRemoved{GangId(1)}, "GangRemoved: gang: found 1, expected the id of one that exists"},
      {GangRemoved{GangId(0)},
       "GangRemoved: gang 0: found pod 1 in it, expected its PodRemoved to come first"},
  };
  for (const auto& c : cases) {
    Snapshot s = small();
    EXPECT_EQ(refusal(apply(s, c.delta)), c.message);
    EXPECT_EQ(s, small()) << c.message;
  }
}

TEST(Validate, AcceptsTheSmallOneFreeSlotsAndTheEmptyOne) {
  EXPECT_EQ(refusal(validate(Snapshot{})), "accepted");
  Snapshot s = small();
  s.nodes[0] = Node{};
  s.pods[1] = Pod{};
  EXPECT_EQ(refusal(validate(s)), "accepted");
}

TEST(Validate, NamesTheObjectAndTheField) {
  const struct {
    std::function<void(Snapshot&)> spoil;
    const char* message;
  } cases[] = {
      {[](auto& s) { s.nodes[0].id = NodeId(1); }, "nodes[0]: id: found 1, expected 0 or none"},
      {[](auto& s) { s.tenants[0].parent = TenantId(1); },
       "tenants[0]: parent: found a circle, expected a tree"},
      {[](auto& s) { s.tenants[1].parent = TenantId(7); },
       "tenants[1]: parent: found 7, expected the id of one that exists"},
      {[](auto& s) { s.nodes[1].allocatable.cpu = Millicores(-1); },
       "nodes[1]: allocatable: cpu: found -1, expected 0 to 1125899906842624"},
      {[](auto& s) { s.nodes[1].allocatable.cpu = Millicores(INT64_MAX); },
       "nodes[1]: allocatable: cpu: found 9223372036854775807, expected 0 to 1125899906842624"},
      {[](auto& s) { s.nodes[1].capacity.extended = {{"rdma/hca", -2}}; },
       "nodes[1]: capacity: rdma/hca: found -2, expected 0 to 1125899906842624"},
      {[](auto& s) { s.nodes[1].labels = {{"b", ""}, {"a", ""}}; },
       "nodes[1]: labels: found \"a\" after \"b\", expected names in order, once"},
      {[](auto& s) { s.nodes[0].price = MicroUsdPerHour(-3); },
       "nodes[0]: price: found -3, expected at least 0"},
      {[](auto& s) { s.nodes[0].gpus[1].memory = Bytes(-3); },
       "nodes[0]: gpus: memory: found -3, expected at least 0"},
      {[](auto& s) { s.nodes[0].gpus[1].instances = {{"1g.10gb", -1}}; },
       "nodes[0]: gpus: instances: start: found -1, expected at least 0"},
      {[](auto& s) { s.specs[0].requests.memory = Bytes(-1); },
       "specs[0]: requests: memory: found -1, expected 0 to 1125899906842624"},
      {[](auto& s) { s.specs[2].gpu.milli = GpuMilli(500); },
       "specs[2]: gpu: milli: found 500, expected 1000 to 1000"},
      {[](auto& s) { s.specs[1].gpu.milli = GpuMilli(0); },
       "specs[1]: gpu: milli: found 0, expected 1 to 1000"},
      {[](auto& s) { s.specs[0].gpu.models = {"H100", "A100"}; },
       "specs[0]: gpu: models: found them out of order, expected them sorted"},
      {[](auto& s) { s.specs[0].node_affinity_preferred = {{.weight = 101}}; },
       "specs[0]: node_affinity_preferred: weight: found 101, expected 1 to 100"},
      {[](auto& s) { s.specs[0].anti_affinity = {{.weight = -1}}; },
       "specs[0]: anti_affinity: weight: found -1, expected 0 to 100"},
      {[](auto& s) { s.specs[0].spread = {{.max_skew = 0}}; },
       "specs[0]: spread: max_skew: found 0, expected at least 1"},
      {[](auto& s) { s.gangs[0].max_members = 0; },
       "gangs[0]: max_members: found 0, expected at least 1"},
      {[](auto& s) { s.gangs[0].tenant = TenantId(5); },
       "gangs[0]: tenant: found 5, expected the id of one that exists"},
      {[](auto& s) { s.pods[1].gang = GangId(1); },
       "pods[1]: gang: found 1, expected the id of one that exists"},
      {[](auto& s) { s.pods[1].spec = SpecId(); },
       "pods[1]: spec: found none, expected the id of one that exists"},
      {[](auto& s) { s.nodes[1] = Node{}; },
       "pods[0]: binding: node: found 1, expected the id of one that exists"},
      {[](auto& s) { s.pods[0].binding->gpus[0].milli = GpuMilli(1001); },
       "pods[0]: binding: gpus: milli: found 1001, expected 0 to 1000"},
      {[](auto& s) {
         s.pods[1] = s.pods[0];
         s.pods[1].id = PodId(1);
       },
       "pods[1]: binding: GPU 1 of node 1: found 1200 thousandths, expected 1000 at most"},
      {[](auto& s) {
         s.nodes[0].gpus[1].model = "A100-80GB";
         s.nodes[0].gpus[1].instances = {{"3g.40gb", 0}, {"1g.10gb", 3}};
       },
       "nodes[0]: gpus: MIG instance 1g.10gb@3: found memory slices taken, expected them free on "
       "A100-80GB"},
      {[](auto& s) {
         s.nodes[1].gpus[1].model = "A100-80GB";
         s.specs[1].gpu = {.count = 1, .mig_profile = "2g.20gb"};
         s.pods[0].binding->gpus[0] = {.index = 1, .milli = GpuMilli(0), .mig_start = 2};
         s.pods[1] = s.pods[0];
         s.pods[1].id = PodId(1);
       },
       "pods[1]: binding: GPU 1 of node 1: found a 2g.20gb at 2, expected a free place that "
       "exists"},
  };
  for (const auto& c : cases) {
    Snapshot s = small();
    c.spoil(s);
    EXPECT_EQ(refusal(validate(s)), c.message);
  }
}

}  // namespace
}  // namespace plimsoll::model
