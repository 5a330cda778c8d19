// Gangs with measured step times: which placement, and when to wait for a better one.
#include "engines/placement/gang_wait.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "engines/placement/gang.h"

namespace plimsoll::placement {
namespace {

using model::perf::JobKind;
using model::perf::RankedPlacement;
using model::perf::StepQuery;
using testing::ElementsAre;

// Four GPUs together take 1 s a step, two and two 2 s, all apart 3 s.
class ThreePlacements : public model::perf::SpeedModel {
 public:
  [[nodiscard]] std::optional<double> step_seconds(const StepQuery& query) const override {
    return static_cast<double>(query.gpus_per_host.size());
  }
  [[nodiscard]] std::vector<RankedPlacement> ranked(const JobKind& job,
                                                    std::int32_t gpus) const override {
    if (job.profile != "net" || gpus != 4) {
      return {};
    }
    return {{{4}, 1}, {{2, 2}, 2}, {{1, 1, 1, 1}, 3}};
  }
};

model::Snapshot hosts(std::int32_t count, std::int32_t gpus) {
  model::Snapshot snapshot;
  for (std::int32_t i = 0; i < count; ++i) {
    model::Node node;
    node.id = NodeId(static_cast<std::uint32_t>(i));
    node.gpus.assign(static_cast<std::size_t>(gpus), {.model = "T4"});
    snapshot.nodes.push_back(std::move(node));
  }
  return snapshot;
}

GangRequest four(std::int64_t expected_seconds) {
  return {.members_min = 4,
          .members_max = 4,
          .profile = "net",
          .batch_size = 64,
          .expected = seconds(expected_seconds)};
}

Time at(std::int64_t second) { return Time(0) + seconds(second); }

struct WaitTest : testing::Test {
  ThreePlacements predictor;
  GangPlacer gangs = *GangPlacer::make(
      hosts(4, 4), {.predictor = &predictor, .wait = {.declines_max = seconds(std::int64_t{500})}});
  WaitState state;
};

TEST_F(WaitTest, TakesTheFastestPlacementThatFits) {
  const auto together = gangs.place(four(100), std::vector<std::int32_t>{2, 4, 2, 2});
  EXPECT_THAT(together->hosts, ElementsAre(HostShare{NodeId(1), 4}));
  EXPECT_EQ(together->slowdown, 1.0);
  const auto halves = gangs.place(four(100), std::vector<std::int32_t>{3, 1, 2, 2});
  EXPECT_THAT(halves->hosts, ElementsAre(HostShare{NodeId(2), 2}, HostShare{NodeId(3), 2}));
  EXPECT_EQ(halves->slowdown, 2.0);
  EXPECT_EQ(expected_on(four(100), *halves), seconds(std::int64_t{200}));
}

// Two and two take 1 s a step, and as many times that as jobs share the interfaces; together 1.5 s.
class SharedInterfaces : public model::perf::SpeedModel {
 public:
  [[nodiscard]] std::optional<double> step_seconds(const StepQuery& query) const override {
    return query.gpus_per_host.size() == 1 ? 1.5 : query.interface_sharers;
  }
  [[nodiscard]] std::vector<RankedPlacement> ranked(const JobKind& /*job*/,
                                                    std::int32_t /*gpus*/) const override {
    return {{{2, 2}, 1}, {{4}, 1.5}};
  }
};

TEST(Wait, WeighsPlacementsOnSeveralHostsAsIfTheirInterfacesWereShared) {
  const SharedInterfaces shared;
  for (const std::int32_t sharers : {1, 2}) {
    GangPlacer gangs =
        *GangPlacer::make(hosts(2, 4), {.predictor = &shared, .interface_sharers = sharers});
    const auto placement = gangs.place(four(100), std::vector<std::int32_t>{4, 4});
    EXPECT_EQ(placement->hosts.size(), sharers == 1 ? 2U : 1U);
    EXPECT_EQ(placement->slowdown, 1.0);
  }
}

TEST_F(WaitTest, WaitsOnlyIfItFinishesSooner) {
  const std::vector<std::int32_t> room{2, 2, 0, 0};
  const Release soon{.at = at(50), .shares = {{NodeId(2), 4}}};
  const Release late{.at = at(150), .shares = {{NodeId(2), 4}}};
  const auto waits = gangs.decide(four(100), room, at(0), std::vector{soon}, state);
  EXPECT_FALSE(waits.start.has_value());
  EXPECT_EQ(waits.wait_until, at(50));
  EXPECT_EQ(state.first_declined, at(0));

  WaitState fresh;
  const auto starts = gangs.decide(four(100), room, at(0), std::vector{late}, fresh);
  EXPECT_TRUE(starts.start.has_value());
  EXPECT_FALSE(fresh.first_declined.has_value());
}

TEST_F(WaitTest, AddsUpWhatSeveralGiveBack) {
  const std::vector<std::int32_t> room{2, 2, 0, 0};
  const std::vector<Release> releases{{at(10), {{NodeId(2), 1}}}, {at(20), {{NodeId(2), 3}}}};
  EXPECT_EQ(gangs.decide(four(100), room, at(0), releases, state).wait_until, at(20));
}

// It may end at any moment, which wakes the gang; else the gang asks again when it may decline no
// more.
TEST_F(WaitTest, OverdueWorkCountsAsEndingNow) {
  const std::vector<Release> overdue{{at(10), {{NodeId(2), 4}}}};
  const auto decision =
      gangs.decide(four(100), std::vector<std::int32_t>{2, 2, 0, 0}, at(30), overdue, state);
  EXPECT_EQ(decision.wait_until, at(130));
}

TEST_F(WaitTest, WithoutAProfileOrADurationItNeverWaits) {
  const std::vector<std::int32_t> room{2, 2, 0, 0};
  const std::vector<Release> soon{{at(1), {{NodeId(2), 4}}}};
  GangRequest unknown_job = four(100);
  unknown_job.profile = "other";
  EXPECT_TRUE(gangs.decide(unknown_job, room, at(0), soon, state).start.has_value());
  EXPECT_TRUE(gangs.decide(four(0), room, at(0), soon, state).start.has_value());
}

// Whatever releases are promised and broken, a gang declines within its bounds and not after.
TEST_F(WaitTest, NoGangDeclinesPastItsBounds) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    Random random(seed);
    const auto expected = static_cast<std::int64_t>(1 + random.below(2000));
    const std::int64_t bound = std::min<std::int64_t>(expected, 500);
    WaitState own;
    std::int64_t now = static_cast<std::int64_t>(random.below(1000));
    const std::int64_t first = now;
    std::int32_t declines = 0;
    while (now < first + 3 * bound + 10) {
      const std::vector<Release> promised{
          {at(now + static_cast<std::int64_t>(random.below(5))), {{NodeId(2), 4}}}};
      const auto decision = gangs.decide(four(expected), std::vector<std::int32_t>{2, 2, 0, 0},
                                         at(now), promised, own);
      if (decision.start.has_value()) {
        break;
      }
      ASSERT_LT(now - own.first_declined.value().value() / 1'000'000, bound) << seed;
      ++declines;
      now += 1 + static_cast<std::int64_t>(random.below(20));
    }
    ASSERT_LE(now, first + bound + 20) << seed;
    EXPECT_GT(declines, expected > 10 ? 0 : -1) << seed;
  }
}

TEST_F(WaitTest, AGangBecomesDueOnlyUnderRulesThatWait) {
  const GangRequest gang = four(600);
  EXPECT_FALSE(gangs.due(gang, at(0), at(3599)));
  EXPECT_TRUE(gangs.due(gang, at(0), at(3600)));
  GangPlacer spread = *GangPlacer::make(hosts(1, 4), {.rule = "spread"});
  EXPECT_FALSE(spread.due(gang, at(0), at(1'000'000)));
}

TEST_F(WaitTest, ReservesTheFirstMomentAtWhichItFits) {
  const std::vector<Release> releases{{at(10), {{NodeId(0), 1}}}, {at(20), {{NodeId(3), 1}}}};
  const auto reservation =
      gangs.reserve(four(100), std::vector<std::int32_t>{1, 1, 0, 0}, at(0), releases);
  ASSERT_TRUE(reservation.has_value());
  EXPECT_EQ(reservation->at, at(20));
  EXPECT_EQ(reservation->placement.members, 4);
  EXPECT_FALSE(reservation->placement.slowdown.has_value());  // 2 + 1 + 1 was never measured
}

}  // namespace
}  // namespace plimsoll::placement
