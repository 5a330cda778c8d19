#include "cli/metrics.h"

#include <gtest/gtest.h>

#include <limits>

#include "cli/sim_run.h"

namespace plimsoll::cli {
namespace {

TEST(Metrics, EveryMetricOfASimulationIsExplained) {
  for (const std::string& name : sim_metric_names()) {
    EXPECT_FALSE(find_metric(name).meaning.empty()) << name;
  }
}

TEST(Metrics, UnknownOnesKeepTheirName) {
  EXPECT_EQ(find_metric("x_y").title, "x_y");
  EXPECT_EQ(metric_text(find_metric("x_y"), 1.23456), "1.235");
}

TEST(Metrics, TextForAPerson) {
  const Metric percent = find_metric("gpu_allocation_percent");
  const Metric wait = find_metric("mean_wait_seconds");
  const Metric count = find_metric("placed");
  const Metric usd = find_metric("cost_usd");
  EXPECT_EQ(metric_text(percent, 71.96), "72.0 %");
  EXPECT_EQ(metric_text(wait, 4.25), "4.2 s");
  EXPECT_EQ(metric_text(wait, 150), "2 min 30 s");
  EXPECT_EQ(metric_text(wait, 8040), "2 h 14 min");
  EXPECT_EQ(metric_text(wait, 100 * 3600), "4 d 4 h");
  EXPECT_EQ(metric_text(wait, 3599), "1 h 0 min");
  EXPECT_EQ(metric_text(count, 8152), "8,152");
  EXPECT_EQ(metric_text(count, 1234567), "1,234,567");
  EXPECT_EQ(metric_text(count, 8151.5), "8151.5");
  EXPECT_EQ(metric_text(usd, -1204), "-$1,204");
  EXPECT_EQ(metric_text(usd, std::numeric_limits<double>::quiet_NaN()), "none");
}

TEST(Metrics, ChangeAndVerdict) {
  const Metric percent = find_metric("gpu_allocation_percent");
  const Metric wait = find_metric("mean_wait_seconds");
  const Metric arrived = find_metric("arrived");
  EXPECT_EQ(change_text(percent, 63.1, 71.9), "+8.8 points");
  EXPECT_EQ(change_text(percent, 63.11, 63.12), "no change");
  EXPECT_EQ(change_text(wait, 200, 150), "-25.0 %");
  EXPECT_EQ(change_text(wait, 0, 150), "+2 min 30 s");
  EXPECT_EQ(change_text(wait, 10, 1000), "100 times");
  EXPECT_EQ(verdict(percent, 63, 71), 1);
  EXPECT_EQ(verdict(percent, 71, 63), -1);
  EXPECT_EQ(verdict(percent, 63.11, 63.12), 0);
  EXPECT_EQ(verdict(wait, 200, 150), 1);
  EXPECT_EQ(verdict(wait, 150, 200), -1);
  EXPECT_EQ(verdict(arrived, 1, 2), 0);
}

}  // namespace
}  // namespace plimsoll::cli
