// Simulations of random clusters, workloads and faults: what must never happen, does not.
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "control/journal.h"
#include "sim/simulator.h"
#include "tests/campaigns/auditor.h"
#include "tests/campaigns/chaos.h"

namespace plimsoll::campaigns {
namespace {

constexpr std::uint64_t seeds = 150;

std::string run_hash(std::uint64_t seed) {
  const Chaos chaos = make_chaos(seed, {});
  const auto result = sim::simulate(chaos.cluster, chaos.workload, chaos.config);
  return result ? result->plan_sha256 : result.error().message;
}

TEST(Campaign, NothingIsDoubleBookedAndNoGangHalfPlaced) {
  std::size_t completed = 0;
  std::size_t restarts = 0;
  std::size_t failed = 0;
  std::size_t evictions = 0;
  std::size_t quiet_turns = 0;
  std::size_t compared = 0;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    Chaos chaos = make_chaos(seed, {});
    chaos.config.audit = [&](const sim::SimWorld& world, const control::Scheduler& scheduler,
                             const model::Plan& plan) -> Result<void> {
      for (const model::Action& action : plan.actions) {
        evictions += std::holds_alternative<model::Evict>(action.kind) ? 1 : 0;
      }
      TRY_VOID(audit(world.truth()));
      if (plan.actions.empty() && ++quiet_turns % 5 == 0) {  // the engine has heard of everything
        const auto rebuilt =
            TRY(placement::Engine::make(world.truth(), chaos.config.scheduler.placement));
        if (scheduler.engine().digest() != rebuilt.digest()) {
          return plimsoll::failed("the engine's state is not the cluster's");
        }
        ++compared;
      }
      return {};
    };
    const auto result = sim::simulate(chaos.cluster, chaos.workload, chaos.config);
    ASSERT_TRUE(result.has_value()) << "seed " << seed << ": " << result.error().message;
    ASSERT_EQ(result->arrived, chaos.workload.jobs.size()) << "seed " << seed;
    ASSERT_EQ(result->arrived,
              result->completed + result->running + result->pending + result->failed)
        << "seed " << seed;
    ASSERT_LE(result->placed, result->arrived);
    ASSERT_GE(result->placed, result->completed + result->running);
    ASSERT_LE(result->gpu_allocation_percent, 100.0 + 1e-9) << "seed " << seed;
    ASSERT_LE(result->gpu_utilization_percent, result->gpu_allocation_percent + 1e-9);
    ASSERT_LE(result->timeline.size(), 400U);
    completed += result->completed;
    restarts += result->restarts;
    failed += result->failed;
  }
  // The campaign reaches the states that it is about.
  EXPECT_GT(completed, 1000U);
  EXPECT_GT(restarts, 100U);
  EXPECT_GT(failed, 100U);
  EXPECT_GT(evictions, 20U);
  EXPECT_GT(compared, 100U);
}

TEST(Campaign, TheSameSeedGivesTheSamePlanAtAnyThreadCount) {
  constexpr std::size_t runs = 24;
  std::vector<std::string> expected(runs);
  for (std::size_t seed = 0; seed < runs; ++seed) {
    expected[seed] = run_hash(seed);
    ASSERT_EQ(expected[seed].size(), 64U) << expected[seed];
  }
  for (const std::size_t threads : {1U, 2U, 8U}) {
    std::vector<std::string> hashes(runs);
    {
      std::vector<std::jthread> pool;
      for (std::size_t t = 0; t < threads; ++t) {
        pool.emplace_back([&, t] {
          for (std::size_t seed = t; seed < runs; seed += threads) {
            hashes[seed] = run_hash(seed);
          }
        });
      }
    }
    EXPECT_EQ(hashes, expected) << threads << " threads";
  }
}

TEST(Campaign, AJournalReplaysToTheSamePlans) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    Chaos chaos = make_chaos(seed, {});
    control::Journal journal;
    chaos.config.journal = &journal;
    const auto result = sim::simulate(chaos.cluster, chaos.workload, chaos.config);
    ASSERT_TRUE(result.has_value()) << result.error().message;
    const auto hash = control::replay(journal, chaos.config.scheduler);
    ASSERT_TRUE(hash.has_value()) << hash.error().message;
    ASSERT_EQ(*hash, result->plan_sha256) << "seed " << seed;
  }
}

// Work that fits an empty node is never left behind while the cluster is idle.
TEST(Campaign, WhatCanRunDoesRun) {
  for (std::uint64_t seed = 1000; seed < 1060; ++seed) {
    Chaos chaos = make_chaos(seed, {.faults = false, .mig = false, .exact = true});
    if (chaos.config.scheduler.queue == "arrival") {
      continue;
    }
    for (model::Job& job : chaos.workload.jobs) {
      job.members = std::min(job.members, static_cast<std::int32_t>(chaos.cluster.nodes.size()));
    }
    const auto result = sim::simulate(chaos.cluster, chaos.workload, chaos.config);
    ASSERT_TRUE(result.has_value()) << result.error().message;
    ASSERT_EQ(result->completed, chaos.workload.jobs.size())
        << "seed " << seed << ", queue " << chaos.config.scheduler.queue;
    ASSERT_EQ(result->final_gpu_allocation_percent, 0);
  }
}

}  // namespace
}  // namespace plimsoll::campaigns
