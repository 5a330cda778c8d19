#include "base/stats.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

namespace plimsoll {
namespace {

double mean_of(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// With n - 1 in the denominator, in two passes.
double sd_of(std::span<const double> values, double mean) {
  if (values.size() < 2) {
    return 0;
  }
  double squares = 0;
  for (const double value : values) {
    squares += (value - mean) * (value - mean);
  }
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

// P(|T| <= t) for integer degrees of freedom: Abramowitz and Stegun 26.7.3 (odd) and 26.7.4 (even).
double within_t(double t, std::size_t degrees) {
  const double theta = std::atan(t / std::sqrt(static_cast<double>(degrees)));
  const double cosine = std::cos(theta);
  const bool odd = degrees % 2 == 1;
  double term = odd ? cosine : 1;
  double sum = degrees == 1 ? 0 : term;
  for (std::size_t k = odd ? 3 : 2; k + 2 <= degrees; k += 2) {
    term *= cosine * cosine * static_cast<double>(k - 1) / static_cast<double>(k);
    sum += term;
  }
  const double product = std::sin(theta) * sum;
  return odd ? 2 / std::numbers::pi * (theta + product) : product;
}

// The expansion around the normal quantile, Abramowitz and Stegun 26.7.5.
double far_t_95(double degrees) {
  constexpr double x = 1.959963984540054;
  constexpr double x2 = x * x;
  const double g1 = x * (x2 + 1) / 4;
  const double g2 = x * ((5 * x2 + 16) * x2 + 3) / 96;
  const double g3 = x * (((3 * x2 + 19) * x2 + 17) * x2 - 15) / 384;
  const double g4 = x * ((((79 * x2 + 776) * x2 + 1482) * x2 - 1920) * x2 - 945) / 92160;
  return x + (g1 + (g2 + (g3 + g4 / degrees) / degrees) / degrees) / degrees;
}

}  // namespace

Summary summarize(std::vector<double> values) {
  if (values.empty()) {
    return {};
  }
  const double mean = mean_of(values);
  const double sd = sd_of(values, mean);
  std::ranges::sort(values);
  return {.count = values.size(),
          .mean = mean,
          .sd = sd,
          .min = values.front(),
          .max = values.back(),
          .p50 = quantile_of_sorted(values, 0.50),
          .p90 = quantile_of_sorted(values, 0.90),
          .p95 = quantile_of_sorted(values, 0.95),
          .p99 = quantile_of_sorted(values, 0.99)};
}

double quantile_of_sorted(std::span<const double> sorted, double q) {
  check(q >= 0 && q <= 1, "a quantile lies between 0 and 1");
  if (sorted.empty()) {
    return 0;
  }
  const double position = q * static_cast<double>(sorted.size() - 1);
  const auto below = std::min(static_cast<std::size_t>(position), sorted.size() - 1);
  const auto above = std::min(below + 1, sorted.size() - 1);
  const double weight = position - static_cast<double>(below);
  return sorted[below] + weight * (sorted[above] - sorted[below]);
}

Result<PairedDifference> paired_difference(std::span<const double> before,
                                           std::span<const double> after) {
  if (before.size() != after.size()) {
    return failed(
        fmt::format("paired difference: found {} values before and {} after, expected as many",
                    before.size(), after.size()));
  }
  if (before.size() < 2) {
    return failed(
        fmt::format("paired difference: found {} pairs, expected two or more", before.size()));
  }
  std::vector<double> differences(before.size());
  std::ranges::transform(after, before, differences.begin(), std::minus<>());
  const double mean = mean_of(differences);
  const double half = student_t_95(before.size() - 1) * sd_of(differences, mean) /
                      std::sqrt(static_cast<double>(before.size()));
  return PairedDifference{
      .pairs = before.size(), .mean = mean, .low = mean - half, .high = mean + half};
}

double student_t_95(std::size_t degrees) {
  check(degrees >= 1, "Student's t has at least one degree of freedom");
  constexpr std::size_t exact_degrees_max = 200;
  if (degrees > exact_degrees_max) {
    return far_t_95(static_cast<double>(degrees));
  }
  double low = 1.9;
  double high = 12.8;  // degrees 1: 12.706…
  for (int step = 0; step < 60; ++step) {
    const double middle = (low + high) / 2;
    (within_t(middle, degrees) < 0.95 ? low : high) = middle;
  }
  return (low + high) / 2;
}

QuantileSketch::QuantileSketch(double accuracy, std::size_t buckets_max)
    : accuracy_(accuracy), buckets_max_(buckets_max) {
  check(accuracy >= 0.0001 && accuracy < 1 && buckets_max >= 1,
        "a sketch has an accuracy between 0.0001 and 1, and a bucket");
}

// The logarithm's stand-in is f(s 2^e) = e + s - 1 for s in [1, 2). Since x f'(x) = s >= 1, two
// values whose f differ by at most w differ by a factor of at most exp(w), and with w = 2 accuracy
// <= ln((1 + accuracy) / (1 - accuracy)) the middle of a bucket is within `accuracy` of both its
// ends.
std::int32_t QuantileSketch::bucket_of(double value) const {
  int exponent = 0;
  const double half = std::frexp(value, &exponent);  // in [0.5, 1)
  return static_cast<std::int32_t>(std::floor((exponent - 1 + (2 * half - 1)) / (2 * accuracy_)));
}

double QuantileSketch::value_of(std::int32_t bucket) const {
  const auto bound = [&](std::int32_t at) {
    const double f = at * 2 * accuracy_;
    const double exponent = std::floor(f);
    return std::ldexp(f - exponent + 1, static_cast<int>(exponent));
  };
  const double low = bound(bucket);
  const double high = bound(bucket + 1);
  return high > low && std::isfinite(high) ? low * (2 * (high / (low + high))) : low;
}

void QuantileSketch::add_to(std::int32_t bucket, std::uint64_t times) {
  const auto size = static_cast<std::int64_t>(counts_.size());
  const auto limit = static_cast<std::int64_t>(buckets_max_);
  if (size == 0) {
    first_ = bucket;
    counts_.push_back(times);
    return;
  }
  const std::int64_t top = std::max<std::int64_t>(bucket, first_ + size - 1);
  const std::int64_t bottom = std::max<std::int64_t>(std::min(bucket, first_), top - limit + 1);
  if (bottom < first_) {
    counts_.insert(counts_.begin(), static_cast<std::size_t>(first_ - bottom), 0);
  } else if (bottom > first_) {
    const auto merged = std::min(bottom - first_, size);
    const auto end = counts_.begin() + merged;
    const auto low = std::accumulate(counts_.begin(), end, std::uint64_t{0});
    counts_.erase(counts_.begin(), end);
    if (counts_.empty()) {
      counts_.push_back(0);
    }
    counts_.front() += low;
  }
  first_ = static_cast<std::int32_t>(bottom);
  counts_.resize(std::max(counts_.size(), static_cast<std::size_t>(top - bottom + 1)));
  counts_[static_cast<std::size_t>(std::max<std::int64_t>(bucket, bottom) - bottom)] += times;
}

void QuantileSketch::add(double value, std::uint64_t times) {
  check(std::isfinite(value) && value >= 0, "a sketch takes finite values that are not negative");
  if (times == 0) {
    return;
  }
  min_ = count_ == 0 ? value : std::min(min_, value);
  max_ = count_ == 0 ? value : std::max(max_, value);
  count_ += times;
  if (value == 0) {
    zeros_ += times;
  } else {
    add_to(bucket_of(value), times);
  }
}

void QuantileSketch::merge(const QuantileSketch& other) {
  check(accuracy_ == other.accuracy_ && buckets_max_ == other.buckets_max_,
        "sketches that are merged have the same parameters");
  if (other.count_ == 0) {
    return;
  }
  min_ = count_ == 0 ? other.min_ : std::min(min_, other.min_);
  max_ = count_ == 0 ? other.max_ : std::max(max_, other.max_);
  count_ += other.count_;
  zeros_ += other.zeros_;
  const std::vector<std::uint64_t> counts = other.counts_;  // `other` may be this very sketch
  const std::int32_t first = other.first_;
  for (std::size_t i = counts.size(); i-- > 0;) {
    if (counts[i] > 0) {
      add_to(first + static_cast<std::int32_t>(i), counts[i]);
    }
  }
}

double QuantileSketch::quantile(double q) const {
  check(q >= 0 && q <= 1, "a quantile lies between 0 and 1");
  if (count_ == 0) {
    return 0;
  }
  const auto rank = static_cast<std::uint64_t>(q * static_cast<double>(count_ - 1));
  std::uint64_t seen = zeros_;
  if (rank < seen) {
    return 0;
  }
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (rank < seen) {
      return std::clamp(value_of(first_ + static_cast<std::int32_t>(i)), min_, max_);
    }
  }
  return max_;
}

}  // namespace plimsoll
