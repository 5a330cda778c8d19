#include "base/stats.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "base/random.h"

namespace plimsoll {
namespace {

TEST(Summarize, SmallSamples) {
  EXPECT_EQ(summarize({}), Summary{});
  EXPECT_EQ(summarize({3}), (Summary{1, 3, 0, 3, 3, 3, 3, 3, 3}));
  const Summary s = summarize({4, 1, 3, 2});
  EXPECT_EQ(s.count, 4U);
  EXPECT_DOUBLE_EQ(s.mean, 2.5);
  EXPECT_DOUBLE_EQ(s.sd, std::sqrt(5.0 / 3.0));
  EXPECT_EQ(s.min, 1);
  EXPECT_EQ(s.max, 4);
  EXPECT_DOUBLE_EQ(s.p50, 2.5);
  EXPECT_DOUBLE_EQ(s.p90, 3.7);
  EXPECT_DOUBLE_EQ(s.p95, 3.85);
  EXPECT_DOUBLE_EQ(s.p99, 3.97);
}

TEST(Summarize, QuantilesOfANumberedSampleAreTheNumbers) {
  std::vector<double> values(101);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<double>(i);
  }
  for (int percent = 0; percent <= 100; ++percent) {
    EXPECT_NEAR(quantile_of_sorted(values, percent / 100.0), percent, 1e-12);
  }
}

TEST(StudentT, KnownQuantiles) {  // to 16 digits, by mpmath
  const struct {
    std::size_t degrees;
    double t;
  } cases[] = {
      {1, 12.7062047361747},    {2, 4.302652729749464},    {3, 3.18244630528371},
      {4, 2.776445105197794},   {5, 2.570581835636316},    {9, 2.262157162798206},
      {10, 2.228138851986275},  {19, 2.09302405440831},    {30, 2.042272456301238},
      {100, 1.983971518523552}, {200, 1.971896223633909},  {201, 1.971836506779859},
      {400, 1.965912343229463}, {1000, 1.962339080826408}, {100000, 1.95998770753461},
  };
  for (const auto& c : cases) {
    EXPECT_NEAR(student_t_95(c.degrees), c.t, 1e-11 * c.t) << c.degrees;
  }
}

TEST(PairedDifference, KnownAnswerAndErrors) {
  // Gosset's sleep data (Student 1908), which R documents: mean 1.58, 0.7001142 to 2.4598858.
  const std::vector<double> one{0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0};
  const std::vector<double> two{1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4};
  const auto difference = paired_difference(one, two);
  ASSERT_TRUE(difference);
  EXPECT_EQ(difference->pairs, 10U);
  EXPECT_NEAR(difference->mean, 1.58, 1e-12);
  EXPECT_NEAR(difference->low, 0.7001142, 1e-7);
  EXPECT_NEAR(difference->high, 2.4598858, 1e-7);
  EXPECT_TRUE(difference->clear_of_zero());
  EXPECT_TRUE(paired_difference(two, one)->clear_of_zero());
  EXPECT_FALSE((PairedDifference{2, 0, -1, 1}.clear_of_zero()));

  EXPECT_EQ(paired_difference(one, std::vector<double>{1}).error().message,
            "paired difference: found 10 values before and 1 after, expected as many");
  EXPECT_EQ(paired_difference(std::vector<double>{1}, std::vector<double>{1}).error().message,
            "paired difference: found 1 pairs, expected two or more");
}

TEST(PairedDifference, TheIntervalCoversTheTruthNineteenTimesInTwenty) {
  Random random(17);
  int covered = 0;
  constexpr int trials = 4000;
  for (int i = 0; i < trials; ++i) {
    std::vector<double> before(6);
    std::vector<double> after(6);
    for (std::size_t k = 0; k < before.size(); ++k) {
      before[k] = 10 * random.normal();
      after[k] = before[k] + 2 + random.normal();
    }
    const auto difference = paired_difference(before, after);
    covered += difference->low <= 2 && 2 <= difference->high ? 1 : 0;
  }
  EXPECT_NEAR(covered, trials * 0.95, 60);  // four standard deviations
}

using Draw = std::function<double(Random&)>;
const Draw draws[] = {
    [](Random& r) { return r.exponential(250); },
    [](Random& r) { return std::exp(4 * r.normal()); },
    [](Random& r) { return r.uniform() < 0.3 ? 0 : r.uniform() * 1e-9; },
    [](Random& r) { return static_cast<double>(r.below(50)); },
    [](Random& r) { return std::ldexp(1.0, static_cast<int>(r.below(40)) - 20); },
};

TEST(QuantileSketch, StaysWithinItsRelativeError) {
  Random random(23);
  for (const double accuracy : {0.001, 0.01, 0.05, 0.3}) {
    for (const Draw& draw : draws) {
      QuantileSketch sketch(accuracy, 1U << 20);
      std::vector<double> values;
      for (int i = 0; i < 3000; ++i) {
        values.push_back(draw(random));
        sketch.add(values.back());
      }
      std::ranges::sort(values);
      EXPECT_EQ(sketch.min(), values.front());
      EXPECT_EQ(sketch.max(), values.back());
      for (int percent = 0; percent <= 100; ++percent) {
        const double q = percent / 100.0;
        const double exact = values[static_cast<std::size_t>(q * 2999)];
        ASSERT_NEAR(sketch.quantile(q), exact, accuracy * exact * (1 + 1e-12))
            << accuracy << " at " << percent;
      }
    }
  }
}

TEST(QuantileSketch, MergingPartsInAnyOrderIsAddingEverything) {
  Random random(29);
  for (const std::size_t buckets_max : {8U, 100U, 4096U}) {
    for (const Draw& draw : draws) {
      QuantileSketch whole(0.01, buckets_max);
      std::vector<QuantileSketch> parts(5, QuantileSketch(0.01, buckets_max));
      for (int i = 0; i < 500; ++i) {
        const double value = draw(random);
        whole.add(value);
        parts[random.below(4)].add(value);  // the last one stays empty
      }
      for (int order = 0; order < 4; ++order) {
        random.shuffle(std::span(parts));
        QuantileSketch merged(0.01, buckets_max);
        for (const QuantileSketch& part : parts) {
          merged.merge(part);
        }
        ASSERT_EQ(merged, whole);
        ASSERT_LE(merged.buckets(), buckets_max);
      }
    }
  }
}

TEST(QuantileSketch, FewBucketsKeepTheHighQuantiles) {
  QuantileSketch sketch(0.01, 64);
  for (int i = 1; i <= 100'000; ++i) {
    sketch.add(i);
  }
  EXPECT_LE(sketch.buckets(), 64U);
  EXPECT_NEAR(sketch.quantile(0.99), 99'000, 990);
  EXPECT_NEAR(sketch.quantile(0.6), 60'000, 600);
  EXPECT_GT(sketch.quantile(0.01), 1000 * 1.01) << "merged away, and too high";
}

TEST(QuantileSketch, EdgesOfDoubles) {
  QuantileSketch sketch(0.01, 1U << 20);
  EXPECT_EQ(sketch.quantile(0.5), 0);
  EXPECT_EQ(sketch.max(), 0);
  const double smallest = 4.9406564584124654e-324;
  sketch.add(smallest);
  EXPECT_EQ(sketch.quantile(1), smallest);
  sketch.add(1.7976931348623157e308, 3);
  EXPECT_EQ(sketch.quantile(0), smallest);
  EXPECT_NEAR(sketch.quantile(1) / 1.7976931348623157e308, 1, 0.01);
  sketch.add(5, 0);
  EXPECT_EQ(sketch.count(), 4U);
  QuantileSketch twice = sketch;
  twice.merge(twice);
  EXPECT_EQ(twice.count(), 8U);
  EXPECT_EQ(twice.buckets(), sketch.buckets());
}

}  // namespace
}  // namespace plimsoll
