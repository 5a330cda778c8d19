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

}  // namespace
}  // namespace plimsoll::cli
