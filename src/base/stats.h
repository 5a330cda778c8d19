// Statistics of samples: summaries, paired confidence intervals, and a quantile sketch for streams.
//
// Everything is a deterministic function of the numbers in the order given; the sketch does not
// even depend on the order. Free functions are thread-safe; a sketch has one owner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"

namespace plimsoll {

// Of a whole sample. An empty one is all zeros.
struct Summary {
  std::size_t count = 0;
  double mean = 0;
  double sd = 0;  // with count - 1 in the denominator; 0 for fewer than two
  double min = 0;
  double max = 0;
  double p50 = 0;
  double p90 = 0;
  double p95 = 0;
  double p99 = 0;

  friend bool operator==(const Summary&, const Summary&) = default;
};

// Requires: every value is finite. O(n log n).
Summary summarize(std::vector<double> values);

// The exact quantile by linear interpolation between the two nearest order statistics, at position
// q (n - 1): type 7 of Hyndman and Fan, "Sample quantiles in statistical packages" (1996), which is
// what R and NumPy do by default. 0 for an empty sample. Requires: sorted, 0 <= q <= 1.
double quantile_of_sorted(std::span<const double> sorted, double q);

// A mean difference with its two-sided 95 % confidence interval.
struct PairedDifference {
  std::size_t pairs = 0;
  double mean = 0;
  double low = 0;
  double high = 0;

  // The interval does not contain 0.
  [[nodiscard]] bool clear_of_zero() const { return low > 0 || high < 0; }
  friend bool operator==(const PairedDifference&, const PairedDifference&) = default;
};

// Of `after[i] - before[i]`, by Student's t with n - 1 degrees of freedom.
// Errors: different lengths; fewer than two pairs. Requires: every value is finite.
Result<PairedDifference> paired_difference(std::span<const double> before,
                                           std::span<const double> after);

// The point that |t| passes with probability 5 %, for Student's t. Relative error below 1e-11.
// Requires: degrees >= 1.
double student_t_95(std::size_t degrees);

// A quantile sketch with a relative error bound: DDSketch (Masson, Rim and Lee, "DDSketch: a fast
// and fully-mergeable quantile sketch with relative-error guarantees", PVLDB 12(12), 2019).
//
// quantile(q) is within `accuracy` (relative) of the value of rank floor(q (n - 1)), whatever the
// stream. Buckets are spaced by a piecewise linear stand-in for the logarithm that needs only exact
// arithmetic, so that the same values give the same sketch on every machine. Memory: one count for
// each bucket between the smallest and the largest value, `buckets_max` at most; past that the
// lowest buckets are merged, and quantiles that fall into them lose the bound (they come out too
// high).
class QuantileSketch {
 public:
  // Requires: 0.0001 <= accuracy < 1, buckets_max >= 1.
  explicit QuantileSketch(double accuracy = 0.01, std::size_t buckets_max = 4096);

  // Amortised O(1). Requires: value is finite and not negative; `times` of it.
  void add(double value, std::uint64_t times = 1);
  // As if everything added to `other` had been added here. Requires: made with the same parameters.
  void merge(const QuantileSketch& other);

  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] double min() const { return count_ == 0 ? 0 : min_; }  // exact
  [[nodiscard]] double max() const { return count_ == 0 ? 0 : max_; }  // exact
  // 0 when nothing was added. Requires: 0 <= q <= 1. O(buckets).
  [[nodiscard]] double quantile(double q) const;
  [[nodiscard]] std::size_t buckets() const { return counts_.size(); }

  friend bool operator==(const QuantileSketch&, const QuantileSketch&) = default;

 private:
  [[nodiscard]] std::int32_t bucket_of(double value) const;
  [[nodiscard]] double value_of(std::int32_t bucket) const;
  void add_to(std::int32_t bucket, std::uint64_t times);

  double accuracy_;
  std::size_t buckets_max_;
  std::uint64_t count_ = 0;
  std::uint64_t zeros_ = 0;
  double min_ = 0;
  double max_ = 0;
  std::int32_t first_ = 0;             // bucket of counts_[0]
  std::vector<std::uint64_t> counts_;  // by bucket, upwards; neither end is 0 but for merged ones
};

}  // namespace plimsoll
