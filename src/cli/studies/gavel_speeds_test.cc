#include "cli/studies/gavel_speeds.h"

#include <gtest/gtest.h>

namespace plimsoll::cli {
namespace {

GavelSpeeds speeds() {
  traces::GavelTable table;
  table.hardware = {
      {.name = "v100", .packed = true, .jobs = {{"LM", 4, 10, {}}, {"noisy", 4, 2, {}}}},
      {.name = "v100", .packed = false, .jobs = {{"LM", 4, 4, {}}, {"noisy", 4, 3, {}}}}};
  return *GavelSpeeds::make(table, "v100", 4);
}

std::optional<double> step(const char* profile, std::vector<std::int32_t> hosts) {
  return speeds().step_seconds({.job = {.profile = profile}, .gpus_per_host = hosts});
}

TEST(GavelSpeeds, FewestHostsArePackedAndAllElseIsSpread) {
  EXPECT_DOUBLE_EQ(step("LM", {4}).value(), 0.1);
  EXPECT_DOUBLE_EQ(step("LM", {2, 2}).value(), 0.25);
  EXPECT_DOUBLE_EQ(step("LM", {1, 1, 1, 1}).value(), 0.25);
  EXPECT_DOUBLE_EQ(step("noisy", {1, 1, 1, 1}).value(), 0.5) << "spread never beats packed";
  EXPECT_FALSE(step("LM", {3}).has_value());
  EXPECT_FALSE(step("unknown", {4}).has_value());
}

TEST(GavelSpeeds, RanksThePackedPlacementFirst) {
  const auto ranked = speeds().ranked({.profile = "LM"}, 4);
  ASSERT_EQ(ranked.size(), 2U);
  EXPECT_EQ(ranked[0].gpus_per_host, (std::vector<std::int32_t>{4}));
  EXPECT_LT(ranked[0].step_seconds, ranked[1].step_seconds);
}

TEST(GavelSpeeds, BothTablesMustBeThere) {
  const auto none = GavelSpeeds::make({}, "v100", 4);
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(none.error().message,
            "throughput/gavel: found no v100 packed and spread, expected both");
}

// Three batch sizes of one network, one of another. Steps of 0.1, 0.2 and 0.6 s, packed.
GavelSpeeds batches(double truth_rate = 5, double truth_spread = 2.5) {
  traces::GavelTable table;
  table.hardware = {{.name = "v100",
                     .packed = true,
                     .jobs = {{"LM (batch size 10)", 4, 10, {}},
                              {"LM (batch size 20)", 4, truth_rate, {}},
                              {"LM (batch size 60)", 4, 1 / 0.6, {}},
                              {"LM (batch size 20)", 8, 7, {}},
                              {"A3C", 4, 3, {}}}},
                    {.name = "v100",
                     .packed = false,
                     .jobs = {{"LM (batch size 10)", 4, 2.5, {}},
                              {"LM (batch size 20)", 4, truth_spread, {}},
                              {"LM (batch size 60)", 4, 1 / 1.2, {}},
                              {"A3C", 4, 2, {}}}}};
  return *GavelSpeeds::make(table, "v100", 4);
}

TEST(GavelNeighbours, PredictFromOtherBatchSizes) {
  const GavelSpeeds measured = batches();
  const GavelNeighbours neighbours(measured);
  const std::vector<std::int32_t> packed{4}, spread{2, 1, 1};
  const auto predicted = [&](const char* type, const std::vector<std::int32_t>& hosts) {
    return neighbours.step_seconds({.job = {.profile = type}, .gpus_per_host = hosts});
  };
  // On the line from 0.1 at 10 to 0.6 at 60; spread, as 10 is: 60 is not within a factor of two.
  EXPECT_DOUBLE_EQ(predicted("LM (batch size 20)", packed).value(), 0.2);
  EXPECT_DOUBLE_EQ(predicted("LM (batch size 20)", spread).value(), 0.8);
  // Beyond the largest: on through 10 and 20.
  EXPECT_DOUBLE_EQ(predicted("LM (batch size 60)", packed).value(), 0.6);
  // A batch size that nobody measured: both within a factor of two count.
  EXPECT_DOUBLE_EQ(predicted("LM (batch size 15)", spread).value(), 0.15 * 3);
  EXPECT_FALSE(predicted("A3C", packed).has_value());
  EXPECT_FALSE(predicted("LM (batch size 20)", {4, 4}).has_value());
  EXPECT_FALSE(predicted("other (batch size 20)", packed).has_value());
  EXPECT_EQ(neighbours.ranked({.profile = "LM (batch size 20)"}, 4).size(), 2U);
}

TEST(GavelNeighbours, NeverSeeTheTruth) {
  const GavelSpeeds one = batches(5, 2.5);
  const GavelSpeeds other = batches(50, 1);
  for (const std::vector<std::int32_t>& hosts :
       {std::vector<std::int32_t>{4}, std::vector<std::int32_t>{1, 1, 1, 1}}) {
    const model::perf::StepQuery query{.job = {.profile = "LM (batch size 20)"},
                                       .gpus_per_host = hosts};
    EXPECT_EQ(GavelNeighbours(one).step_seconds(query), GavelNeighbours(other).step_seconds(query));
    EXPECT_NE(one.step_seconds(query), other.step_seconds(query));
  }
}

}  // namespace
}  // namespace plimsoll::cli
