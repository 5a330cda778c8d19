// The engine against the oracle, choice by choice, over random clusters with arrivals and
// departures.
#include <gtest/gtest.h>

#include <map>
#include <numeric>

#include "base/random.h"
#include "engines/placement/engine.h"
#include "engines/placement/policy.h"
#include "tests/oracle/plain_placement.h"

namespace plimsoll {
namespace {

struct World {
  model::Snapshot snapshot;
  std::vector<placement::TypicalPod> typical;
  std::vector<oracle::PlainTypical> plain_typical;
};

World random_world(std::uint64_t seed) {
  Random random(seed);
  World world;
  const char* models[] = {"T4", "V100", "G2"};
  const int counts[] = {1, 2, 4, 8};
  for (std::uint32_t i = 0; i < 40; ++i) {
    model::Node node;
    node.id = NodeId(i);
    node.name = "node-" + std::to_string(i);
    node.allocatable.cpu = Millicores(static_cast<std::int64_t>(8 + random.below(90)) * 1000);
    node.allocatable.memory = gibibyte * static_cast<std::int64_t>(32 + random.below(300));
    node.allocatable.pods = 110;
    const auto* model = models[random.below(3)];
    for (int g = counts[random.below(4)]; g > 0; --g) {
      node.gpus.push_back({.model = model});
    }
    world.snapshot.nodes.push_back(node);
  }
  for (int i = 0; i < 25; ++i) {
    model::PodSpec spec;
    spec.requests.cpu = Millicores(static_cast<std::int64_t>(1 + random.below(12)) * 1000);
    spec.requests.memory = gibibyte * static_cast<std::int64_t>(1 + random.below(24));
    const auto kind = random.below(10);
    if (kind > 1) {
      spec.gpu.count = kind > 6 ? counts[random.below(4)] : 1;
      if (kind < 7)
        spec.gpu.milli = GpuMilli(static_cast<std::int64_t>(1 + random.below(100)) * 10);
      if (random.below(4) == 0) spec.gpu.models = {models[random.below(3)]};
    }
    world.snapshot.specs.push_back(spec);
    const auto count = static_cast<std::int64_t>(1 + random.below(50));
    world.typical.push_back({spec, count});
    world.plain_typical.push_back({spec, count});
  }
  return world;
}

// Runs both through the same arrivals and departures and expects every choice to be the same.
void expect_same_choices(std::uint64_t seed, const std::string& policy,
                         const placement::ValueTable& table = placement::shipped_table()) {
  World world = random_world(seed);
  placement::Config config;
  config.policy = policy;
  config.seed = seed;
  config.typical = world.typical;
  config.table = std::make_shared<const placement::ValueTable>(table);
  auto engine = placement::Engine::make(world.snapshot, config);
  ASSERT_TRUE(engine.has_value()) << engine.error().message;

  // The engine's tie rule: one seeded permutation of the nodes, or their ids for its own policy.
  std::vector<std::uint32_t> rank(world.snapshot.nodes.size());
  std::iota(rank.begin(), rank.end(), 0U);
  const bool fgd = policy == "fgd";
  if (fgd) {
    for (std::uint32_t& r : rank) r = placement::tie_rank(seed, r);
  }
  oracle::PlainPlacement plain(world.snapshot.nodes,
                               fgd ? oracle::PlainPolicy::fgd : oracle::PlainPolicy::value,
                               world.plain_typical, rank, table);
  Random random(seed + 1);
  std::map<std::uint32_t, std::pair<SpecId, oracle::PlainChoice>> running;
  int refused = 0;
  for (std::uint32_t step = 0; step < 600; ++step) {
    if (!running.empty() && random.below(4) == 0) {
      auto it = running.begin();
      std::advance(it, static_cast<std::ptrdiff_t>(random.below(running.size())));
      engine->forget(PodId(it->first));
      plain.remove(world.snapshot.specs[it->second.first.index()], it->second.second);
      running.erase(it);
      continue;
    }
    const SpecId spec(static_cast<std::uint32_t>(random.below(world.snapshot.specs.size())));
    const auto mine = engine->find(spec);
    const auto expected = plain.place(world.snapshot.specs[spec.index()]);
    ASSERT_EQ(mine.has_value(), expected.has_value()) << "step " << step;
    if (!mine) {
      ++refused;
      continue;
    }
    ASSERT_EQ(mine->binding.node.index(), expected->node) << "step " << step;
    std::vector<int> gpus;
    for (const auto& share : mine->binding.gpus) gpus.push_back(share.index);
    ASSERT_EQ(gpus, expected->gpus) << "step " << step;
    engine->assume(PodId(step), spec, mine->binding);
    running.emplace(step, std::pair(spec, *expected));
  }
  EXPECT_GT(running.size(), 50U);
  EXPECT_GT(refused, 0) << "the cluster never filled up";
}

TEST(EngineAgainstOracle, FgdChoosesTheSame) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(seed);
    expect_same_choices(seed, "fgd");
  }
}

TEST(EngineAgainstOracle, TheLearnedValueChoosesTheSame) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(seed);
    expect_same_choices(seed, "plimsoll");
  }
}

// A table whose every term is at work, and whose points lie at odd places.
placement::ValueTable random_table(std::uint64_t seed) {
  Random random(seed);
  placement::ValueTable table = placement::shipped_table();
  for (double& h : table.h) h += random.normal() * 0.1;
  for (placement::Curve* curve : {&table.cpu, &table.memory}) {
    *curve = {};
    for (std::int32_t at = static_cast<std::int32_t>(random.below(500)); at < 90'000;
         at += 1 + static_cast<std::int32_t>(random.below(9'000))) {
      curve->at.push_back(at);
      curve->value.push_back(random.uniform());
    }
  }
  for (int w = 0; w < 7; ++w) table.whole.push_back(random.normal() * 0.2);
  table.models = {{"G2", random.uniform()}, {"T4", random.normal()}, {"X9", 1}};
  table.exhausted = random.uniform();
  table.open = random.normal() * 0.1;
  table.beta = random.uniform();
  return table;
}

TEST(EngineAgainstOracle, AnyTableChoosesTheSame) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(seed);
    expect_same_choices(seed, "plimsoll", random_table(seed));
  }
}

}  // namespace
}  // namespace plimsoll
