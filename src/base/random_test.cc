#include "base/random.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace plimsoll {
namespace {

TEST(Random, SameSeedSameStream) {
  Random a(42);
  Random b(42);
  Random c(43);
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const auto x = a.next();
    EXPECT_EQ(x, b.next());
    differs = differs || x != c.next();
  }
  EXPECT_TRUE(differs);
}

TEST(Random, BelowStaysBelowAndCoversEverything) {
  Random random(7);
  std::vector<int> seen(10);
  for (int i = 0; i < 10'000; ++i) {
    const auto x = random.below(10);
    ASSERT_LT(x, 10U);
    ++seen[x];
  }
  for (const int count : seen) {
    EXPECT_NEAR(count, 1000, 150);
  }
}

TEST(Random, MomentsOfTheDistributions) {
  Random random(1);
  double exponential = 0;
  double normal = 0;
  double squares = 0;
  constexpr int n = 100'000;
  for (int i = 0; i < n; ++i) {
    exponential += random.exponential(3);
    const double x = random.normal();
    normal += x;
    squares += x * x;
  }
  EXPECT_NEAR(exponential / n, 3, 0.05);
  EXPECT_NEAR(normal / n, 0, 0.02);
  EXPECT_NEAR(squares / n, 1, 0.03);
}

TEST(Random, ShuffleKeepsEveryItem) {
  std::vector<int> items(100);
  std::iota(items.begin(), items.end(), 0);
  Random random(3);
  random.shuffle(std::span(items));
  EXPECT_NE(items.front(), 0);
  EXPECT_EQ(std::accumulate(items.begin(), items.end(), 0), 4950);
}

}  // namespace
}  // namespace plimsoll
