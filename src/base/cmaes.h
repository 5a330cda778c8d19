// Separable CMA-ES: minimises a function of many real numbers without its derivatives.
//
// The evolution strategy of Hansen and Ostermeier ("Completely derandomized self-adaptation in
// evolution strategies", 2001) with a diagonal covariance, whose learning rate Ros and Hansen ("A
// simple modification in CMA-ES achieving linear time and space complexity", 2008) raise by
// (n + 2) / 3: O(n) a candidate, and well suited to parameters that hardly depend on one another.
// Ask for candidates, evaluate them anywhere, in any order, and tell their costs. A value: the same
// seed and costs give the same candidates. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/random.h"

namespace plimsoll {

// One number to tune.
struct Parameter {
  double start = 0;
  double spread = 1;  // standard deviation of the first candidates; > 0, at most (high - low) / 3
  double low = 0;     // candidates stay within [low, high], mirrored at the ends; low < high
  double high = 0;
};

class Cmaes {
 public:
  // `population` 0: the usual 4 + 3 ln n. Requires: parameters, each with low <= start <= high.
  Cmaes(std::vector<Parameter> parameters, std::uint64_t seed, std::size_t population = 0);

  [[nodiscard]] std::size_t population() const { return population_; }
  // The next generation, `population` points within the bounds.
  const std::vector<std::vector<double>>& ask();
  // Their costs, in the same order. A cost that is not finite counts as worst of all.
  // Requires: ask() came before.
  void tell(std::span<const double> costs);

  // The centre of the search, within the bounds.
  [[nodiscard]] std::vector<double> mean() const;
  // The global step, as a multiple of the spreads given.
  [[nodiscard]] double step() const { return sigma_; }
  [[nodiscard]] std::size_t generation() const { return generation_; }

 private:
  [[nodiscard]] std::vector<double> within_bounds(const std::vector<double>& point) const;

  std::vector<Parameter> parameters_;  // the search is in units of their spreads, from their starts
  Random random_;
  std::size_t population_;
  std::vector<double> weights_;  // of the better half, best first; they add up to 1
  double selected_ = 0;          // the effective number of parents
  double path_rate_ = 0;
  double step_rate_ = 0;
  double step_damping_ = 0;
  double rank_one_rate_ = 0;
  double rank_many_rate_ = 0;
  double normal_length_ = 0;  // expected length of a standard normal vector

  std::size_t generation_ = 0;
  double sigma_ = 1;
  std::vector<double> mean_;
  std::vector<double> variance_;
  std::vector<double> path_;
  std::vector<double> step_path_;
  std::vector<std::vector<double>> normals_;     // this generation's draws
  std::vector<std::vector<double>> candidates_;  // and its points
};

}  // namespace plimsoll
