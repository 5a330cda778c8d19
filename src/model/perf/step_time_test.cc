#include "model/perf/step_time.h"

#include <gtest/gtest.h>

namespace plimsoll::model::perf {
namespace {

constexpr std::string_view kind = "net";
constexpr std::string_view gpu = "T4";

StepSample sample(std::vector<std::int32_t> placement, std::int64_t batch, double step,
                  double sync = 0) {
  return {.profile = std::string(kind),
          .hardware = std::string(gpu),
          .gpus_per_host = std::move(placement),
          .local_batch = batch,
          .step_seconds = step,
          .sync_seconds = sync};
}

StepQuery query(std::int64_t batch, const std::vector<std::int32_t>& placement,
                std::int32_t sharers = 1) {
  return {.job = {.profile = kind, .hardware = gpu, .batch_size = batch},
          .gpus_per_host = placement,
          .interface_sharers = sharers};
}

TEST(MeasuredSteps, ReadsInterpolatesAndAccumulates) {
  const MeasuredSteps table({sample({2}, 8, 1.0, 0.25), sample({2}, 16, 2.0, 0.5)});
  const std::vector<std::int32_t> two{2};
  const struct {
    std::int64_t batch;
    std::int32_t sharers;
    double seconds;
  } cases[] = {
      {16, 1, 1.0},    // as measured
      {24, 1, 1.5},    // half-way
      {4, 1, 1.0},     // below the smallest
      {32, 1, 2.0},    // the largest
      {48, 1, 2.625},  // two micro-steps of 12: 1.125 + 1.5
      {16, 3, 1.5},    // synchronises at a third of the pace
  };
  for (const auto& c : cases) {
    EXPECT_DOUBLE_EQ(*table.step_seconds(query(c.batch, two, c.sharers)), c.seconds) << c.batch;
  }
}

TEST(MeasuredSteps, AveragesTheOrdersOfHosts) {
  const MeasuredSteps table({sample({1, 2}, 8, 1.0), sample({2, 1}, 8, 3.0)});
  EXPECT_DOUBLE_EQ(*table.step_seconds(query(24, {2, 1})), 2.0);
}

TEST(MeasuredSteps, KnowsWhatItDoesNotKnow) {
  const MeasuredSteps table({sample({2}, 8, 1.0)});
  EXPECT_FALSE(table.step_seconds(query(16, {1, 1})).has_value());
  EXPECT_FALSE(table.step_seconds(query(16, {3})).has_value());
  EXPECT_TRUE(table.ranked({.profile = "other", .hardware = gpu, .batch_size = 8}, 2).empty());
}

TEST(MeasuredSteps, RanksTheFastestFirstThenFewerHosts) {
  const MeasuredSteps table({sample({4}, 8, 3.0), sample({2, 2}, 8, 1.0), sample({3, 1}, 8, 1.0),
                             sample({2, 1, 1}, 8, 1.0)});
  const auto ranked = table.ranked({.profile = kind, .hardware = gpu, .batch_size = 32}, 4);
  ASSERT_EQ(ranked.size(), 4U);
  EXPECT_EQ(ranked[0].gpus_per_host, (std::vector<std::int32_t>{3, 1}));
  EXPECT_EQ(ranked[1].gpus_per_host, (std::vector<std::int32_t>{2, 2}));
  EXPECT_EQ(ranked[2].gpus_per_host, (std::vector<std::int32_t>{2, 1, 1}));
  EXPECT_EQ(ranked[3].gpus_per_host, (std::vector<std::int32_t>{4}));
}

// Whatever was measured at the asked batch size, the predictor's answer does not change.
TEST(NeighbourSteps, NeverReadsTheMeasurementsOfTheAnswer) {
  const auto predict = [](double exact_packed, double exact_spread) {
    const MeasuredSteps table({sample({2}, 6, 1.0), sample({2}, 8, exact_packed),
                               sample({2}, 12, 2.0), sample({1, 1}, 6, 2.0),
                               sample({1, 1}, 8, exact_spread), sample({1, 1}, 12, 4.0)});
    return NeighbourSteps(table).ranked({.profile = kind, .hardware = gpu, .batch_size = 16}, 2);
  };
  const auto a = predict(1.5, 3.0);
  const auto b = predict(100.0, 0.1);
  ASSERT_EQ(a.size(), 2U);
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].gpus_per_host, b[i].gpus_per_host);
    EXPECT_EQ(a[i].step_seconds, b[i].step_seconds);
  }
  EXPECT_EQ(a[0].gpus_per_host, (std::vector<std::int32_t>{2}));
  EXPECT_DOUBLE_EQ(a[1].step_seconds, 2 * a[0].step_seconds);
}

// Between two measured batches, both that the truth is interpolated from are left out.
TEST(NeighbourSteps, LeavesOutBothSidesOfAnInterpolation) {
  const MeasuredSteps table(
      {sample({2}, 6, 1.0), sample({2}, 8, 50.0), sample({2}, 10, 70.0), sample({2}, 12, 1.0)});
  const NeighbourSteps predictor(table);
  EXPECT_DOUBLE_EQ(*predictor.step_seconds(query(18, {2})), 1.0);
  EXPECT_DOUBLE_EQ(*table.step_seconds(query(18, {2})), 60.0);
}

TEST(NeighbourSteps, SaysNothingWithoutNeighbours) {
  const MeasuredSteps table({sample({2}, 8, 1.0)});
  EXPECT_FALSE(NeighbourSteps(table).step_seconds(query(16, {2})).has_value());
}

}  // namespace
}  // namespace plimsoll::model::perf
