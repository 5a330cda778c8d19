#include "sim/world.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "base/random.h"

namespace plimsoll::sim {
namespace {

using testing::HasSubstr;

model::Node node_of(std::uint32_t id, int gpus) {
  model::Node node;
  node.id = NodeId(id);
  node.name = "n" + std::to_string(id);
  node.allocatable = {.cpu = Millicores(16'000),
                      .memory = gibibyte * 64,
                      .ephemeral_storage = gibibyte * 100,
                      .pods = 4,
                      .extended = {{"rdma/hca", 2}}};
  node.capacity = node.allocatable;
  node.gpus.resize(static_cast<std::size_t>(gpus),
                   {.model = "T4", .memory = gibibyte * 16, .sharing = model::GpuSharing::shared});
  return node;
}

model::PodSpec spec_of(int gpus, int milli) {
  model::PodSpec spec;
  spec.requests = {.cpu = Millicores(1000), .memory = gibibyte};
  spec.gpu = {.count = gpus, .milli = GpuMilli(milli)};
  return spec;
}

model::Action bind_of(PodId pod, NodeId node, std::vector<model::GpuShare> gpus) {
  return {.kind = model::Bind{pod, {node, std::move(gpus)}}};
}

SimWorld two_nodes() {
  auto world = SimWorld::make({.nodes = {node_of(0, 2), node_of(1, 2)}});
  EXPECT_TRUE(world.has_value());
  return *std::move(world);
}

TEST(SimWorld, RefusesWhatDoesNotFit) {
  struct Case {
    const char* error;
    std::function<void(model::PodSpec&, model::Binding&)> spoil;
  };
  const std::vector<Case> cases = {
      {"cpu: asked 17000, 15500 left", [](auto& s, auto&) { s.requests.cpu = Millicores(17'000); }},
      {"memory: asked", [](auto& s, auto&) { s.requests.memory = gibibyte * 64; }},
      {"ephemeral-storage: asked",
       [](auto& s, auto&) { s.requests.ephemeral_storage = gibibyte * 101; }},
      {"rdma/hca: asked 3, 2 left",
       [](auto& s, auto&) { s.requests.extended = {{"rdma/hca", 3}}; }},
      {"fpga: asked 1, 0 left", [](auto& s, auto&) { s.requests.extended = {{"fpga", 1}}; }},
      {"1 GPUs given, 2 asked", [](auto& s, auto&) { s.gpu.count = 2; }},
      {"GPU 2: the node has 2", [](auto&, auto& b) { b.gpus[0].index = 2; }},
      {"GPU -1: the node has 2", [](auto&, auto& b) { b.gpus[0].index = -1; }},
      {"GPU 1: not the share that the pod asks",
       [](auto&, auto& b) { b.gpus[0].milli = whole_gpu; }},
      {"GPU 0: asked 600 thousandths, 500 left", [](auto&, auto& b) { b.gpus[0].index = 0; }},
      {"its model is not accepted", [](auto& s, auto&) { s.gpu.models = {"A100"}; }},
      {"its memory is too small", [](auto& s, auto&) { s.gpu.memory_min = gibibyte * 17; }},
      {"GPU in MIG mode", [](auto&, auto& b) { b.gpus[0].mig_start = 0; }},
      {"node 7 is gone", [](auto&, auto& b) { b.node = NodeId(7); }},
      {"GPU 1 given twice",
       [](auto& s, auto& b) {
         s.gpu = {.count = 2, .milli = whole_gpu};
         b.gpus = {{.index = 1}, {.index = 1}};
       }},
  };
  for (const Case& c : cases) {
    SimWorld world = two_nodes();
    const SpecId half = world.add_spec([] {
      model::PodSpec spec = spec_of(1, 500);
      spec.requests.cpu = Millicores(500);
      return spec;
    }());
    const PodId holder = world.add_pod("holder", half, GangId::none(), TenantId::none());
    ASSERT_TRUE(world.apply(bind_of(holder, NodeId(0), {{.index = 0, .milli = GpuMilli(500)}})));

    model::PodSpec spec = spec_of(1, 600);
    model::Binding binding{NodeId(0), {{.index = 1, .milli = GpuMilli(600)}}};
    c.spoil(spec, binding);
    const SpecId id = world.add_spec(spec);
    const PodId pod = world.add_pod("p", id, GangId::none(), TenantId::none());
    const model::Snapshot before = world.truth();
    const auto done = world.apply({.kind = model::Bind{pod, binding}});
    ASSERT_FALSE(done.has_value()) << c.error;
    EXPECT_THAT(done.error().message, HasSubstr(c.error));
    EXPECT_EQ(world.truth(), before) << c.error;
  }
}

TEST(SimWorld, MigInstancesStartWhereTheyMayAndNeverOverlap) {
  struct Case {
    const char* error;  // null: it fits
    std::string profile;
    std::vector<std::int32_t> starts;
  };
  // GPU 0 is cut on demand and holds 3g.40gb at 4; GPU 1 is cut into 1g.10gb at 0 and 2g.20gb at 2.
  const std::vector<Case> cases = {
      {nullptr, "1g.10gb", {0}},
      {nullptr, "1g.10gb", {0, 1}},
      {nullptr, "3g.40gb", {0}},
      {"3g.40gb at 4 is held", "1g.10gb", {5}},
      {"3g.40gb at 4 is held", "7g.80gb", {0}},
      {"it cannot start there", "3g.40gb", {2}},
      {"it cannot start there", "1g.10gb", {9}},
      {"GPU 0 given twice", "1g.10gb", {0, 0}},
      {"GPU 0 given twice", "2g.20gb", {0, 0}},
      {"a A100-80GB has no such profile", "1g.5gb", {0}},
  };
  for (const Case& c : cases) {
    model::Node node = node_of(0, 2);
    for (model::Gpu& gpu : node.gpus) {
      gpu.model = "A100-80GB";
      gpu.sharing = model::GpuSharing::mig;
    }
    node.gpus[1].instances = {{"1g.10gb", 0}, {"2g.20gb", 2}};
    auto world = SimWorld::make({.nodes = {node}});
    ASSERT_TRUE(world.has_value());
    const auto mig_pod = [&](const std::string& profile, std::int32_t count) {
      model::PodSpec spec = spec_of(count, 1000);
      spec.gpu.mig_profile = profile;
      return world->add_pod("p", world->add_spec(spec), GangId::none(), TenantId::none());
    };
    const auto part = [](std::int32_t gpu, std::int32_t start) {
      return model::GpuShare{.index = gpu, .milli = GpuMilli(0), .mig_start = start};
    };
    const PodId holder = mig_pod("3g.40gb", 1);
    ASSERT_TRUE(world->apply(bind_of(holder, NodeId(0), {part(0, 4)})));
    std::vector<model::GpuShare> parts;
    for (const std::int32_t start : c.starts) {
      parts.push_back(part(0, start));
    }
    const PodId pod = mig_pod(c.profile, static_cast<std::int32_t>(parts.size()));
    const auto done = world->apply(bind_of(pod, NodeId(0), parts));
    if (c.error == nullptr) {
      EXPECT_TRUE(done.has_value()) << done.error().message;
      world->remove_pod(pod);
      EXPECT_EQ(world->ledger().use(NodeId(0)).gpus[0].instances.size(), 1U);
    } else {
      ASSERT_FALSE(done.has_value()) << c.error;
      EXPECT_THAT(done.error().message, HasSubstr(c.error));
    }
    // On the GPU that is cut already, only what it is cut into.
    EXPECT_TRUE(world->apply(bind_of(mig_pod("2g.20gb", 1), NodeId(0), {part(1, 2)})));
    EXPECT_THAT(
        world->apply(bind_of(mig_pod("1g.10gb", 1), NodeId(0), {part(1, 1)})).error().message,
        HasSubstr("not cut like that"));
  }
}

TEST(SimWorld, RefusesSlotsReadinessAndSecondBindings) {
  SimWorld world = two_nodes();
  const SpecId spec = world.add_spec(spec_of(0, 1000));
  std::vector<PodId> pods;
  for (int i = 0; i < 6; ++i) {
    pods.push_back(world.add_pod("p", spec, GangId::none(), TenantId::none()));
  }
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(world.apply(bind_of(pods[static_cast<std::size_t>(i)], NodeId(0), {})));
  }
  EXPECT_THAT(world.apply(bind_of(pods[4], NodeId(0), {})).error().message,
              HasSubstr("pods: asked 1, 0 left"));
  EXPECT_THAT(world.apply(bind_of(pods[0], NodeId(1), {})).error().message,
              HasSubstr("bound already"));
  world.fail_node(NodeId(1));
  EXPECT_THAT(world.apply(bind_of(pods[4], NodeId(1), {})).error().message, HasSubstr("not ready"));
  world.remove_pod(pods[4]);
  EXPECT_THAT(world.apply(bind_of(pods[4], NodeId(1), {})).error().message, HasSubstr("gone"));
  EXPECT_THAT(world.apply({.kind = model::Evict{pods[4]}}).error().message, HasSubstr("gone"));
}

TEST(SimWorld, AFailedNodeLosesExactlyItsPods) {
  SimWorld world = two_nodes();
  const SpecId spec = world.add_spec(spec_of(1, 500));
  std::vector<PodId> pods;
  for (std::uint32_t i = 0; i < 5; ++i) {
    pods.push_back(world.add_pod("p", spec, GangId::none(), TenantId::none()));
    if (i < 4) {
      ASSERT_TRUE(
          world.apply(bind_of(pods[i], NodeId(i % 2), {{.index = 0, .milli = GpuMilli(500)}})));
    }
  }
  EXPECT_THAT(world.fail_node(NodeId(1)), testing::ElementsAre(pods[1], pods[3]));
  EXPECT_TRUE(world.truth().pods[pods[0].index()].binding.has_value());
  EXPECT_TRUE(world.truth().pods[pods[2].index()].binding.has_value());
  EXPECT_TRUE(world.truth().pods[pods[4].index()].id.valid());
  EXPECT_EQ(world.ledger().use(NodeId(1)).gpus[0].milli.value(), 0);
}

// The deltas, carried out on the first snapshot, always lead to the true state.
TEST(SimWorld, DeltasLeadToTheTruth) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Random random(seed);
    SimWorld world = two_nodes();
    model::Snapshot followed = world.snapshot();
    const TenantId tenant = TenantId::none();
    const std::vector<SpecId> specs = {world.add_spec(spec_of(1, 500)),
                                       world.add_spec(spec_of(2, 1000)),
                                       world.add_spec(spec_of(0, 1000))};
    const GangId gang = world.add_gang({.name = "g", .max_members = 9});
    std::vector<PodId> pods;
    for (int step = 0; step < 200; ++step) {
      const std::size_t nodes = world.truth().nodes.size();
      const NodeId node(static_cast<std::uint32_t>(random.below(nodes)));
      const bool there = world.truth().nodes[node.index()].id.valid();
      switch (random.below(8)) {
        case 0:
        case 1:
          pods.push_back(world.add_pod("p" + std::to_string(step), specs[random.below(3)],
                                       random.below(2) == 0 ? gang : GangId::none(), tenant));
          break;
        case 2:
          if (!pods.empty()) {
            const std::size_t which = random.below(pods.size());
            world.remove_pod(pods[which]);
            pods.erase(pods.begin() + static_cast<std::ptrdiff_t>(which));
          }
          break;
        case 3:
          if (there && random.below(4) == 0) {
            for (const PodId lost :
                 random.below(2) == 0 ? world.fail_node(node) : world.remove_node(node)) {
              std::erase(pods, lost);
            }
          }
          break;
        case 4:
          if (there) {
            world.recover_node(node);
          } else {
            world.add_node(node_of(0, 2));
          }
          break;
        default:
          if (!pods.empty()) {
            const PodId pod = pods[random.below(pods.size())];
            const model::PodSpec& spec =
                world.truth().specs[world.truth().pods[pod.index()].spec.index()];
            std::vector<model::GpuShare> gpus;
            for (std::int32_t i = 0; i < spec.gpu.count; ++i) {
              gpus.push_back({.index = i, .milli = spec.gpu.milli});
            }
            (void)world.apply(bind_of(pod, node, gpus));  // refused or not: deltas follow
          }
      }
      std::vector<model::Delta> changes;
      ASSERT_TRUE(world.observe(changes));
      for (const model::Delta& change : changes) {
        const auto done = model::apply(followed, change);
        ASSERT_TRUE(done.has_value()) << done.error().message;
      }
      ASSERT_EQ(followed, world.truth()) << "seed " << seed << ", step " << step;
    }
    EXPECT_TRUE(model::validate(followed));
  }
}

}  // namespace
}  // namespace plimsoll::sim
