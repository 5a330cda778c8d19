#include "base/cmaes.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

namespace plimsoll {
namespace {

using Function = std::function<double(const std::vector<double>&)>;

double sphere(const std::vector<double>& x) {
  double sum = 0;
  for (const double v : x) sum += (v - 1) * (v - 1);
  return sum;
}

double stretched(const std::vector<double>& x) {  // axes' curvatures differ by 10^6
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    sum += std::pow(1e6, static_cast<double>(i) / static_cast<double>(x.size() - 1)) * x[i] * x[i];
  }
  return sum;
}

double rosenbrock(const std::vector<double>& x) {
  double sum = 0;
  for (std::size_t i = 0; i + 1 < x.size(); ++i) {
    sum += 100 * std::pow(x[i + 1] - x[i] * x[i], 2) + std::pow(1 - x[i], 2);
  }
  return sum;
}

double minimum(const Function& function, std::size_t n, std::size_t evaluations_max) {
  Cmaes search(std::vector<Parameter>(n, {.start = 3, .spread = 1, .low = -10, .high = 10}), 1);
  for (std::size_t done = 0; done < evaluations_max; done += search.population()) {
    std::vector<double> costs;
    for (const auto& candidate : search.ask()) costs.push_back(function(candidate));
    search.tell(costs);
  }
  return function(search.mean());
}

TEST(Cmaes, FindsTheMinimumOfASphere) { EXPECT_LT(minimum(sphere, 20, 8'000), 1e-10); }

TEST(Cmaes, LearnsTheScaleOfEachAxis) { EXPECT_LT(minimum(stretched, 20, 15'000), 1e-10); }

TEST(Cmaes, FollowsRosenbrocksValley) { EXPECT_LT(minimum(rosenbrock, 3, 100'000), 1e-8); }

TEST(Cmaes, CandidatesStayWithinTheirBounds) {
  Cmaes search({{.start = 0, .spread = 5, .low = 0, .high = 1},
                {.start = -2, .spread = 100, .low = -3, .high = -1}},
               7, 9);
  for (int generation = 0; generation < 100; ++generation) {
    std::vector<double> costs;
    for (const auto& x : search.ask()) {
      ASSERT_GE(x[0], 0);
      ASSERT_LE(x[0], 1);
      ASSERT_GE(x[1], -3);
      ASSERT_LE(x[1], -1);
      costs.push_back(-x[0] - x[1]);  // the minimum is in a corner
    }
    ASSERT_EQ(costs.size(), 9U);
    search.tell(costs);
  }
  EXPECT_NEAR(search.mean()[0], 1, 0.05);
  EXPECT_NEAR(search.mean()[1], -1, 0.1);
}

TEST(Cmaes, TheSameSeedAndCostsGiveTheSameCandidates) {
  const std::vector<Parameter> parameters(6, {.start = 0, .spread = 1, .low = -5, .high = 5});
  Cmaes one(parameters, 3);
  Cmaes two(parameters, 3);
  Cmaes other(parameters, 4);
  for (int generation = 0; generation < 5; ++generation) {
    const auto candidates = one.ask();
    ASSERT_EQ(candidates, two.ask());
    EXPECT_NE(candidates, other.ask());
    std::vector<double> costs;
    for (const auto& x : candidates) costs.push_back(sphere(x));
    one.tell(costs);
    two.tell(costs);
    other.tell(costs);
  }
  EXPECT_EQ(one.generation(), 5U);
}

TEST(Cmaes, ACostThatIsNotANumberIsTheWorst) {
  Cmaes search(std::vector<Parameter>(3, {.start = 3, .spread = 1, .low = -10, .high = 10}), 1);
  for (int generation = 0; generation < 200; ++generation) {
    std::vector<double> costs;
    for (const auto& x : search.ask()) costs.push_back(x[0] < 1 ? std::nan("") : sphere(x));
    search.tell(costs);
  }
  EXPECT_LT(sphere(search.mean()), 1e-3);
}

}  // namespace
}  // namespace plimsoll
