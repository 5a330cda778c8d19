#include "base/cmaes.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/result.h"

namespace plimsoll {
namespace {

// Into [low, high] by reflecting at both ends.
double mirrored(double x, double low, double high) {
  const double width = high - low;
  double offset = std::fmod(x - low, 2 * width);
  offset = offset < 0 ? offset + 2 * width : offset;
  return low + (offset > width ? 2 * width - offset : offset);
}

}  // namespace

Cmaes::Cmaes(std::vector<Parameter> parameters, std::uint64_t seed, std::size_t population)
    : parameters_(std::move(parameters)), random_(seed), population_(population) {
  check(!parameters_.empty(), "there is something to tune");
  for (Parameter& p : parameters_) {
    p.spread = std::min(p.spread, (p.high - p.low) / 3);
    check(p.spread > 0 && p.low < p.high && p.low <= p.start && p.start <= p.high,
          "a parameter starts within its bounds");
  }
  const auto n = static_cast<double>(parameters_.size());
  if (population_ == 0) {
    population_ = 4 + static_cast<std::size_t>(3 * std::log(n));
  }
  population_ = std::max<std::size_t>(population_, 2);

  // Default settings: Hansen, "The CMA Evolution Strategy: A Tutorial" (2016), table 1.
  const std::size_t parents = population_ / 2;
  for (std::size_t i = 0; i < parents; ++i) {
    weights_.push_back(std::log((static_cast<double>(population_) + 1) / 2) -
                       std::log(static_cast<double>(i) + 1));
  }
  const double sum = std::accumulate(weights_.begin(), weights_.end(), 0.0);
  double squares = 0;
  for (double& w : weights_) {
    w /= sum;
    squares += w * w;
  }
  selected_ = 1 / squares;
  path_rate_ = (4 + selected_ / n) / (n + 4 + 2 * selected_ / n);
  step_rate_ = (selected_ + 2) / (n + selected_ + 5);
  step_damping_ = 1 + 2 * std::max(0.0, std::sqrt((selected_ - 1) / (n + 1)) - 1) + step_rate_;
  const double separable = (n + 2) / 3;  // Ros and Hansen
  const double rank_one = 2 / ((n + 1.3) * (n + 1.3) + selected_);
  const double rank_many = 2 * (selected_ - 2 + 1 / selected_) / ((n + 2) * (n + 2) + selected_);
  rank_one_rate_ = std::min(0.5, rank_one * separable);
  rank_many_rate_ = std::min(1 - rank_one_rate_, std::max(0.0, rank_many * separable));
  normal_length_ = std::sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n));

  mean_.assign(parameters_.size(), 0);
  variance_.assign(parameters_.size(), 1);
  path_.assign(parameters_.size(), 0);
  step_path_.assign(parameters_.size(), 0);
}

std::vector<double> Cmaes::within_bounds(const std::vector<double>& point) const {
  std::vector<double> result(point.size());
  for (std::size_t i = 0; i < point.size(); ++i) {
    const Parameter& p = parameters_[i];
    result[i] = mirrored(p.start + p.spread * point[i], p.low, p.high);
  }
  return result;
}

const std::vector<std::vector<double>>& Cmaes::ask() {
  normals_.assign(population_, std::vector<double>(mean_.size()));
  candidates_.clear();
  std::vector<double> point(mean_.size());
  for (std::vector<double>& z : normals_) {
    for (std::size_t i = 0; i < z.size(); ++i) {
      z[i] = random_.normal();
      point[i] = mean_[i] + sigma_ * std::sqrt(variance_[i]) * z[i];
    }
    candidates_.push_back(within_bounds(point));
  }
  return candidates_;
}

void Cmaes::tell(std::span<const double> costs) {
  check(costs.size() == normals_.size() && !costs.empty(), "each candidate has its cost");
  const auto cost = [&](std::size_t i) { return std::isfinite(costs[i]) ? costs[i] : HUGE_VAL; };
  std::vector<std::size_t> order(costs.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&](auto a, auto b) { return cost(a) < cost(b); });

  ++generation_;
  const std::size_t n = mean_.size();
  std::vector<double> drift(n, 0);  // the parents' weighted mean draw
  for (std::size_t k = 0; k < weights_.size(); ++k) {
    for (std::size_t i = 0; i < n; ++i) {
      drift[i] += weights_[k] * normals_[order[k]][i];
    }
  }
  double length = 0;
  for (std::size_t i = 0; i < n; ++i) {
    mean_[i] += sigma_ * std::sqrt(variance_[i]) * drift[i];
    step_path_[i] = (1 - step_rate_) * step_path_[i] +
                    std::sqrt(step_rate_ * (2 - step_rate_) * selected_) * drift[i];
    length += step_path_[i] * step_path_[i];
  }
  length = std::sqrt(length);
  const double decay = 1 - std::pow(1 - step_rate_, 2 * static_cast<double>(generation_));
  const bool moving =
      length / std::sqrt(decay) < (1.4 + 2 / (static_cast<double>(n) + 1)) * normal_length_;
  const double stalled = moving ? 0 : path_rate_ * (2 - path_rate_);
  for (std::size_t i = 0; i < n; ++i) {
    const double deviation = std::sqrt(variance_[i]);
    path_[i] = (1 - path_rate_) * path_[i];
    if (moving) {
      path_[i] += std::sqrt(path_rate_ * (2 - path_rate_) * selected_) * deviation * drift[i];
    }
    double spread = 0;
    for (std::size_t k = 0; k < weights_.size(); ++k) {
      const double z = normals_[order[k]][i];
      spread += weights_[k] * z * z;
    }
    variance_[i] =
        (1 - rank_one_rate_ - rank_many_rate_ + rank_one_rate_ * stalled) * variance_[i] +
        rank_one_rate_ * path_[i] * path_[i] + rank_many_rate_ * variance_[i] * spread;
  }
  sigma_ *= std::exp(std::min(1.0, step_rate_ / step_damping_ * (length / normal_length_ - 1)));
  normals_.clear();
}

std::vector<double> Cmaes::mean() const { return within_bounds(mean_); }

}  // namespace plimsoll
