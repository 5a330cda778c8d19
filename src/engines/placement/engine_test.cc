#include "engines/placement/engine.h"

#include <gtest/gtest.h>

#include <map>

#include "engines/placement/random_history.h"

namespace plimsoll::placement {
namespace {

using model::Node;
using model::PodSpec;
using model::Snapshot;

Node make_node(std::uint32_t id, int gpus, std::int64_t cores = 64, const char* gpu = "T4") {
  Node node;
  node.id = NodeId(id);
  node.name = "node-" + std::to_string(id);
  node.allocatable.cpu = Millicores(cores * 1000);
  node.allocatable.memory = gibibyte * 256;
  node.allocatable.pods = 110;
  for (int g = 0; g < gpus; ++g) {
    node.gpus.push_back({.model = gpu, .memory = gibibyte * 16});
  }
  return node;
}

PodSpec make_spec(int gpus, int milli = 1000, std::int64_t cores = 4) {
  PodSpec spec;
  spec.requests.cpu = Millicores(cores * 1000);
  spec.requests.memory = gibibyte * 8;
  spec.gpu.count = gpus;
  spec.gpu.milli = GpuMilli(milli);
  return spec;
}

Engine make_engine(const Snapshot& snapshot, const std::string& policy = "plimsoll") {
  auto engine = Engine::make(snapshot, {.policy = policy});
  EXPECT_TRUE(engine.has_value()) << engine.error().message;
  return *std::move(engine);
}

TEST(Engine, UnknownPolicyNamesTheKnownOnes) {
  const auto engine = Engine::make({}, {.policy = "bestest"});
  ASSERT_FALSE(engine.has_value());
  EXPECT_EQ(engine.error().message,
            "policy: found \"bestest\", expected one of: plimsoll, vanilla, most_allocated, fgd, "
            "best_fit, packing, clustering, dot_product, random");
}

TEST(Engine, ASharePrefersTheFullestGpuThatFits) {
  Snapshot snapshot;
  snapshot.nodes = {make_node(0, 2)};
  snapshot.specs = {make_spec(1, 600), make_spec(1, 400)};
  Engine engine = make_engine(snapshot, "best_fit");
  engine.assume(PodId(0), SpecId(0), {NodeId(0), {{1, GpuMilli(600), -1}}});
  const auto choice = engine.find(SpecId(1));
  ASSERT_TRUE(choice.has_value());
  ASSERT_EQ(choice->binding.gpus.size(), 1U);
  EXPECT_EQ(choice->binding.gpus[0].index, 1);
}

TEST(Engine, ExplainNamesTheFirstReasonOfEachNode) {
  Snapshot snapshot;
  Node tainted = make_node(0, 8);
  tainted.taints.push_back({.key = "gpu", .value = "reserved"});
  Node cordoned = make_node(1, 8);
  cordoned.unschedulable = true;
  snapshot.nodes = {tainted, cordoned, make_node(2, 2), make_node(3, 8, 2), make_node(4, 0)};
  snapshot.specs = {make_spec(4)};
  Engine engine = make_engine(snapshot);
  EXPECT_FALSE(engine.find(SpecId(0)).has_value());
  EXPECT_EQ(
      model::to_string(engine.explain(SpecId(0)), engine.node_count()),
      "0/5 nodes are available: 2 Insufficient GPU, 1 node(s) were unschedulable, 1 node(s) had "
      "untolerated taint {gpu: reserved}, 1 Insufficient cpu.");
}

TEST(Engine, RunnersUpAreTheNextBestWithTheirScores) {
  Snapshot snapshot;
  snapshot.nodes = {make_node(0, 8), make_node(1, 4), make_node(2, 2), make_node(3, 0)};
  snapshot.specs = {make_spec(1)};
  Engine engine = make_engine(snapshot, "best_fit");
  const auto choice = engine.find(SpecId(0));
  ASSERT_TRUE(choice.has_value());
  EXPECT_EQ(choice->binding.node, NodeId(2));
  const auto others = engine.runners_up(SpecId(0), choice->binding.node, 5);
  ASSERT_EQ(others.size(), 2U);
  EXPECT_EQ(others[0].node, NodeId(1));
  EXPECT_EQ(others[1].node, NodeId(0));
  EXPECT_GT(choice->score, others[0].reason.score);
  EXPECT_GT(others[0].reason.score, others[1].reason.score);
  EXPECT_EQ(engine.runners_up(SpecId(0), choice->binding.node, 1).size(), 1U);
}

TEST(Engine, HugeAmountsAreRefusedOrPlacedOnButNeverOverflow) {
  Snapshot snapshot;
  snapshot.nodes = {make_node(0, 2), make_node(1, 2)};
  snapshot.nodes[1].allocatable.cpu = Millicores(std::int64_t{1} << 50);
  snapshot.nodes[1].allocatable.memory = Bytes(std::int64_t{1} << 50);
  snapshot.specs = {make_spec(1)};
  for (const char* policy : {"plimsoll", "vanilla", "most_allocated", "best_fit", "packing",
                             "clustering", "dot_product", "random"}) {
    Engine engine = make_engine(snapshot, policy);
    for (std::uint32_t i = 0; i < 4; ++i) {
      const auto choice = engine.find(SpecId(0));
      ASSERT_TRUE(choice.has_value()) << policy;
      engine.assume(PodId(i), SpecId(0), choice->binding);
    }
    Node larger = snapshot.nodes[1];
    larger.allocatable.cpu = Millicores(INT64_MAX);
    const auto refused = engine.apply(model::NodeUpserted{larger});
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().message,
              "node node-1: allocatable: found 9223372036854775807, expected 0 to "
              "1125899906842624");
  }
}

TEST(Engine, WholeOnlyAndDrainingGpusAreNeverShared) {
  Snapshot snapshot;
  Node node = make_node(0, 2);
  node.gpus[0].sharing = model::GpuSharing::whole;
  node.gpus[1].condition = model::GpuCondition::draining;
  snapshot.nodes = {node};
  snapshot.specs = {make_spec(1, 100), make_spec(1), make_spec(2)};
  Engine engine = make_engine(snapshot);
  EXPECT_FALSE(engine.find(SpecId(0)).has_value());
  ASSERT_TRUE(engine.find(SpecId(1)).has_value());
  EXPECT_EQ(engine.find(SpecId(1))->binding.gpus[0].index, 0);
  EXPECT_FALSE(engine.find(SpecId(2)).has_value());
}

TEST(Engine, GpuModelAndMemoryAreHard) {
  Snapshot snapshot;
  snapshot.nodes = {make_node(0, 8, 64, "T4"), make_node(1, 8, 64, "V100")};
  PodSpec wants_v100 = make_spec(1);
  wants_v100.gpu.models = {"V100"};
  PodSpec wants_memory = make_spec(1);
  wants_memory.gpu.memory_min = gibibyte * 80;
  snapshot.specs = {wants_v100, wants_memory};
  Engine engine = make_engine(snapshot);
  EXPECT_EQ(engine.find(SpecId(0))->binding.node, NodeId(1));
  EXPECT_FALSE(engine.find(SpecId(1)).has_value());
  EXPECT_EQ(engine.explain(SpecId(1))[0].code, model::RefusalCode::gpu_memory);
}

TEST(EngineProperty, IncrementalEqualsRebuilt) {
  for (const char* policy : {"plimsoll", "best_fit", "packing", "clustering", "dot_product"}) {
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
      SCOPED_TRACE(std::string(policy) + " seed " + std::to_string(seed));
      RandomHistory history({.seed = seed});
      Engine engine = make_engine(history.snapshot(), policy);
      for (int i = 0; i < 250; ++i) {
        history.step(engine);
        if (::testing::Test::HasFatalFailure()) return;
        if (i % 10 != 0) continue;
        Engine rebuilt = make_engine(history.snapshot(), policy);
        ASSERT_EQ(engine.digest(), rebuilt.digest()) << "step " << i;
        for (std::uint32_t s = 0; s < history.snapshot().specs.size(); ++s) {
          const auto a = engine.find(SpecId(s));
          const auto b = rebuilt.find(SpecId(s));
          ASSERT_EQ(a.has_value(), b.has_value()) << "spec " << s;
          if (a) {
            ASSERT_EQ(a->binding, b->binding) << "spec " << s;
          }
        }
      }
    }
  }
}

TEST(KubeScheduler, PrefersTheEmptierNodeAndMostAllocatedTheFuller) {
  Snapshot snapshot;
  snapshot.nodes = {make_node(0, 0), make_node(1, 0)};
  snapshot.specs = {make_spec(0, 1000, 8), make_spec(0, 1000, 4)};
  for (const auto& [policy, expected] :
       {std::pair("vanilla", 1U), std::pair("most_allocated", 0U)}) {
    Engine engine = make_engine(snapshot, policy);
    engine.assume(PodId(0), SpecId(0), {NodeId(0), {}});
    const auto choice = engine.find(SpecId(1));
    ASSERT_TRUE(choice.has_value());
    EXPECT_EQ(choice->binding.node, NodeId(expected)) << policy;
  }
}

TEST(KubeScheduler, AvoidsATaintThatIsOnlyDislikedUntilNothingElseIsLeft) {
  Snapshot snapshot;
  Node disliked = make_node(0, 0);
  disliked.taints.push_back({"old", "", model::TaintEffect::prefer_no_schedule});
  snapshot.nodes = {disliked, make_node(1, 0, 8)};
  snapshot.specs = {make_spec(0, 1000, 8)};
  Engine engine = make_engine(snapshot, "vanilla");
  EXPECT_EQ(engine.find(SpecId(0))->binding.node, NodeId(1));
  engine.assume(PodId(0), SpecId(0), {NodeId(1), {}});
  EXPECT_EQ(engine.find(SpecId(0))->binding.node, NodeId(0));
}

TEST(KubeScheduler, LooksAtASampleInTurn) {
  // 1,000 nodes: 42 % of them are enough. Every node is equally empty but for the first ten.
  Snapshot snapshot;
  for (std::uint32_t i = 0; i < 1000; ++i)
    snapshot.nodes.push_back(make_node(i, 0, i < 10 ? 640 : 64));
  snapshot.specs = {make_spec(0)};
  Engine engine = make_engine(snapshot, "vanilla");
  EXPECT_LT(engine.find(SpecId(0))->binding.node.value(), 10U);
  EXPECT_GE(engine.find(SpecId(0))->binding.node.value(), 420U);
}

TEST(KubeScheduler, AShareGoesToTheFirstGpuThatHasIt) {
  Snapshot snapshot;
  snapshot.nodes = {make_node(0, 3)};
  snapshot.specs = {make_spec(1, 700), make_spec(1, 300)};
  Engine engine = make_engine(snapshot, "vanilla");
  engine.assume(PodId(0), SpecId(0), {NodeId(0), {{1, GpuMilli(700), -1}}});
  EXPECT_EQ(engine.find(SpecId(1))->binding.gpus[0].index, 0);
}

TEST(Engine, MigInstancesTakeTheFewestPlacesFromOthers) {
  Snapshot snapshot;
  Node node = make_node(0, 2, 64, "A100-80GB");
  for (auto& gpu : node.gpus) gpu.sharing = model::GpuSharing::mig;
  snapshot.nodes = {node};
  PodSpec small = make_spec(1);
  small.gpu.mig_profile = "1g.10gb";
  PodSpec big = make_spec(1);
  big.gpu.mig_profile = "7g.80gb";
  snapshot.specs = {small, big};
  Engine engine = make_engine(snapshot);
  // Seven small ones share a GPU, and leave the other to the big one.
  for (std::uint32_t i = 0; i < 7; ++i) {
    const auto choice = engine.find(SpecId(0));
    ASSERT_TRUE(choice.has_value());
    EXPECT_EQ(choice->binding.gpus[0].index, 0) << i;
    engine.assume(PodId(i), SpecId(0), choice->binding);
  }
  const auto whole_one = engine.find(SpecId(1));
  ASSERT_TRUE(whole_one.has_value());
  EXPECT_EQ(whole_one->binding.gpus[0].index, 1);
  engine.assume(PodId(7), SpecId(1), whole_one->binding);
  EXPECT_FALSE(engine.find(SpecId(0)).has_value());
  EXPECT_EQ(engine.explain(SpecId(0))[0].code, model::RefusalCode::mig_profile);
  engine.forget(PodId(3));
  EXPECT_TRUE(engine.find(SpecId(0)).has_value());
}

TEST(Engine, FixedMigInstancesAreTheOnlyOnes) {
  Snapshot snapshot;
  Node node = make_node(0, 1, 64, "A100-80GB");
  node.gpus[0].sharing = model::GpuSharing::mig;
  node.gpus[0].instances = {{"3g.40gb", 4}, {"1g.10gb", 0}};
  snapshot.nodes = {node};
  PodSpec spec = make_spec(1);
  spec.gpu.mig_profile = "1g.10gb";
  snapshot.specs = {spec};
  Engine engine = make_engine(snapshot);
  const auto choice = engine.find(SpecId(0));
  ASSERT_TRUE(choice.has_value());
  EXPECT_EQ(choice->binding.gpus[0].mig_start, 0);
  engine.assume(PodId(0), SpecId(0), choice->binding);
  EXPECT_FALSE(engine.find(SpecId(0)).has_value());
}

TEST(Engine, IllegalMigLayoutIsRefusedByName) {
  Snapshot snapshot;
  Node node = make_node(0, 1, 64, "A100-80GB");
  node.gpus[0].sharing = model::GpuSharing::mig;
  node.gpus[0].instances = {{"3g.40gb", 1}};
  snapshot.nodes = {node};
  const auto engine = Engine::make(snapshot, {});
  ASSERT_FALSE(engine.has_value());
  EXPECT_EQ(engine.error().message,
            "nodes[0]: gpus: MIG instance 3g.40gb@1: found start 1, expected one of 0 4 on "
            "A100-80GB");
}

TEST(EngineProperty, DroppingIndexesChangesNoChoice) {
  RandomHistory with({.seed = 3});
  RandomHistory without({.seed = 3});
  auto roomy = Engine::make(with.snapshot(), {});
  auto tight = Engine::make(without.snapshot(), {.index_bytes_max = 1});
  ASSERT_TRUE(roomy.has_value() && tight.has_value());
  for (int i = 0; i < 300; ++i) {
    with.step(*roomy);
    without.step(*tight);
  }
  EXPECT_EQ(roomy->digest(), tight->digest());
}

TEST(EngineProperty, CapacityIsWhatPlacingOneByOneReaches) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    RandomHistory history(
        {.seed = seed, .pairwise = false});  // capacities do not look at other pods
    Engine engine = make_engine(history.snapshot());
    for (int i = 0; i < 60; ++i) history.step(engine);
    for (std::uint32_t s = 0; s < history.snapshot().specs.size(); ++s) {
      const auto room = engine.capacities(SpecId(s), 6);
      for (std::uint32_t n = 0; n < room.size(); ++n) {
        const Mark mark = engine.checkpoint();
        std::int32_t placed = 0;
        while (placed < 6) {
          const auto choice = engine.find_on(SpecId(s), NodeId(n));
          if (!choice) break;
          engine.assume(PodId(9000 + static_cast<std::uint32_t>(placed++)), SpecId(s),
                        choice->binding);
        }
        engine.roll_back(mark);
        // Shares pack onto GPUs one by one, so best fit reaches the sum of what each GPU holds.
        ASSERT_EQ(room[n], placed) << "seed " << seed << " spec " << s << " node " << n;
      }
    }
  }
}

}  // namespace
}  // namespace plimsoll::placement
