// Simulations of random clusters, workloads and faults: what must never happen, does not.
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <thread>
#include <utility>
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

TEST(Campaign, StrictFifoNeverOvertakes) {
  for (std::uint64_t seed = 2000; seed < 2040; ++seed) {
    Chaos chaos = make_chaos(seed, {.faults = false});
    chaos.config.scheduler.queue = "fifo";
    std::uint32_t last = 0;
    chaos.config.audit = [&](const sim::SimWorld& world, const control::Scheduler&,
                             const model::Plan& plan) -> Result<void> {
      for (const model::Action& action : plan.actions) {
        if (const auto* bind = std::get_if<model::Bind>(&action.kind)) {
          const std::string& name = world.truth().pods[bind->pod.index()].name;
          const auto job = static_cast<std::uint32_t>(std::stoul(name.substr(name.find('-') + 1)));
          if (job < last) {
            return plimsoll::failed(name + " starts after a later one");
          }
          last = job;
        }
      }
      return {};
    };
    const auto result = sim::simulate(chaos.cluster, chaos.workload, chaos.config);
    ASSERT_TRUE(result.has_value()) << "seed " << seed << ": " << result.error().message;
  }
}

// With exact durations, whoever is promised a start has it by then.
TEST(Campaign, BackfillKeepsItsPromises) {
  std::size_t promises = 0;
  std::size_t overtakers = 0;
  for (std::uint64_t seed = 3000; seed < 3060; ++seed) {
    Chaos chaos = make_chaos(seed, {.faults = false, .mig = false, .exact = true});
    chaos.config.scheduler.queue = "backfill";
    for (model::Job& job : chaos.workload.jobs) {
      job.members = std::min(job.members, static_cast<std::int32_t>(chaos.cluster.nodes.size()));
    }
    std::optional<std::pair<std::string, Time>> promised;
    chaos.config.audit = [&](const sim::SimWorld& world, const control::Scheduler& scheduler,
                             const model::Plan& plan) -> Result<void> {
      const auto name_of = [&](PodId pod) { return world.truth().pods[pod.index()].name; };
      for (const model::Action& action : plan.actions) {
        if (const auto* bind = std::get_if<model::Bind>(&action.kind); bind && promised) {
          if (name_of(bind->pod) == promised->first) {
            promised.reset();
          } else {
            ++overtakers;
          }
        }
      }
      if (promised && plan.made > promised->second) {
        return plimsoll::failed(promised->first + " was promised an earlier start");
      }
      if (const auto promise = scheduler.promise()) {
        const std::string name = name_of(promise->first);
        if (promised && (promised->first != name || promise->at > promised->second)) {
          return plimsoll::failed(promised->first + ": its promise was put off");
        }
        promises += promised ? 0 : 1;
        promised = {name, promise->at};
      }
      return {};
    };
    const auto result = sim::simulate(chaos.cluster, chaos.workload, chaos.config);
    ASSERT_TRUE(result.has_value()) << "seed " << seed << ": " << result.error().message;
    ASSERT_EQ(result->completed, chaos.workload.jobs.size());
  }
  EXPECT_GT(promises, 200U);
  EXPECT_GT(overtakers, 200U);
}

// A gang that may wait for a better place does so within bounds: everything ends, and nothing that
// is due is overtaken by what delays it.
TEST(Campaign, GangsThatWaitAllStart) {
  class ByHosts final : public model::perf::SpeedModel {
   public:
    [[nodiscard]] std::optional<double> step_seconds(
        const model::perf::StepQuery& query) const override {
      return 0.5 + 0.5 * static_cast<double>(query.gpus_per_host.size());
    }
    [[nodiscard]] std::vector<model::perf::RankedPlacement> ranked(
        const model::perf::JobKind& /*job*/, std::int32_t gpus) const override {
      std::vector<model::perf::RankedPlacement> all;
      for (std::int32_t first = std::min(gpus, 4); 2 * first >= gpus; --first) {
        model::perf::RankedPlacement placement{.gpus_per_host = {first}};
        if (gpus > first) {
          placement.gpus_per_host.push_back(gpus - first);
        }
        placement.step_seconds = 0.5 + 0.5 * static_cast<double>(placement.gpus_per_host.size());
        all.push_back(std::move(placement));
      }
      return all;
    }
  };
  const ByHosts speeds;
  std::size_t declines = 0;
  for (std::uint64_t seed = 4000; seed < 4040; ++seed) {
    Chaos chaos = make_chaos(seed, {.faults = false, .mig = false, .exact = true});
    for (model::PodSpec& spec : chaos.workload.specs) {
      spec.gpu.count = 1;
    }
    for (model::Job& job : chaos.workload.jobs) {
      job.profile = "any";
    }
    chaos.config.scheduler.queue = seed % 2 == 0 ? "shortest_first" : "backfill";
    chaos.config.scheduler.gangs.rule = "plimsoll";
    chaos.config.scheduler.gangs.predictor = &speeds;
    chaos.config.speed = &speeds;
    chaos.config.audit = [&](const sim::SimWorld& world, const control::Scheduler&,
                             const model::Plan&) { return audit(world.truth()); };
    const auto result = sim::simulate(chaos.cluster, chaos.workload, chaos.config);
    ASSERT_TRUE(result.has_value()) << "seed " << seed << ": " << result.error().message;
    ASSERT_EQ(result->completed, chaos.workload.jobs.size()) << "seed " << seed;
    declines += result->declines;
  }
  EXPECT_GT(declines, 20U);
}

}  // namespace
}  // namespace plimsoll::campaigns
