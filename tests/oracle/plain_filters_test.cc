// The engine decides what the plain filters decide, node by node, whatever happens to the cluster.
#include "tests/oracle/plain_filters.h"

#include <gtest/gtest.h>

#include <map>
#include <utility>

#include "engines/placement/engine.h"
#include "engines/placement/random_history.h"

namespace plimsoll {
namespace {

using model::RefusalCode;
using Counts = std::map<std::pair<RefusalCode, std::string>, std::int32_t>;

class PlainFilters : public ::testing::TestWithParam<const char*> {
 protected:
  // Every node, and what is said of them, for one spec; the refusals seen are added to `seen_`.
  void compare(placement::Engine& engine, const model::Snapshot& snapshot, SpecId id) {
    const model::PodSpec& spec = snapshot.specs[id.index()];
    Counts expected;
    bool exists = false;
    const auto choice = engine.find(id);
    for (const model::Node& node : snapshot.nodes) {
      if (!node.id.valid()) continue;
      const auto refused = oracle::refuse(snapshot, spec, node);
      exists = exists || !refused;
      if (refused) {
        ++expected[{refused->code, refused->detail}];
        ++seen_[refused->code];
      }
      ASSERT_EQ(engine.find_on(id, node.id).has_value(), !refused)
          << "spec " << id.value() << " on " << node.name << ": "
          << (refused ? static_cast<int>(refused->code) : -1);
      ASSERT_FALSE(refused && choice && choice->binding.node == node.id);
    }
    ASSERT_EQ(choice.has_value(), exists) << "spec " << id.value();
    Counts told;
    for (const model::Refusal& refusal : engine.explain(id)) {
      told[{refusal.code, refusal.detail}] += refusal.nodes;
    }
    ASSERT_EQ(told, expected) << "spec " << id.value();
    ++(exists ? found_ : pending_);
  }

  // `steps` random changes, and three specs compared after each.
  void follow(placement::RandomHistory::Options options, int steps) {
    placement::RandomHistory history(options);
    auto engine =
        placement::Engine::make(history.snapshot(), {.policy = GetParam(), .seed = options.seed});
    ASSERT_TRUE(engine.has_value()) << engine.error().message;
    for (int step = 0; step < steps; ++step) {
      SCOPED_TRACE("seed " + std::to_string(options.seed) + " step " + std::to_string(step));
      history.step(*engine);
      const auto specs = history.snapshot().specs.size();
      for (int i = 0; i < 3; ++i) {
        const SpecId id(static_cast<std::uint32_t>(history.random().below(specs)));
        compare(*engine, history.snapshot(), id);
        if (HasFatalFailure()) return;
      }
    }
  }

  std::map<RefusalCode, int> seen_;
  int found_ = 0;
  int pending_ = 0;
};

TEST_P(PlainFilters, TheEngineAgreesOnEveryNodeAndReason) {
  for (std::uint64_t seed = 1; seed <= 12 && !HasFatalFailure(); ++seed) {
    follow({.seed = seed, .nodes = 14, .mig = false}, 200);
  }
  EXPECT_GT(found_, 1000);
  EXPECT_GT(pending_, 200);
  for (const RefusalCode code :
       {RefusalCode::node_not_ready, RefusalCode::node_cordoned, RefusalCode::node_selector,
        RefusalCode::taint, RefusalCode::gpu_model, RefusalCode::too_many_pods, RefusalCode::cpu,
        RefusalCode::ephemeral_storage, RefusalCode::extended_resource, RefusalCode::gpu,
        RefusalCode::gpu_share, RefusalCode::pod_affinity, RefusalCode::pod_anti_affinity,
        RefusalCode::topology_spread, RefusalCode::host_port, RefusalCode::volume_topology,
        RefusalCode::volume_limit, RefusalCode::claim_in_use}) {
    EXPECT_GT(seen_[code], 20) << "refusal " << static_cast<int>(code) << " never bit";
  }
}

TEST_P(PlainFilters, TheEngineAgreesWhereOnlyOtherPodsKeepAPodOff) {
  for (std::uint64_t seed = 1; seed <= 12 && !HasFatalFailure(); ++seed) {
    follow({.seed = seed, .nodes = 14, .mig = false, .pairs_only = true}, 300);
  }
  EXPECT_GT(found_, 1000);
  EXPECT_GT(seen_[RefusalCode::topology_spread], 10000);
  EXPECT_GT(seen_[RefusalCode::pod_affinity], 1000);
  EXPECT_GT(seen_[RefusalCode::pod_anti_affinity], 1000);
}

INSTANTIATE_TEST_SUITE_P(Policies, PlainFilters,
                         ::testing::Values("plimsoll", "vanilla", "random"));

}  // namespace
}  // namespace plimsoll
