// The learned value of what a node could still hold: Plimsoll's own placement score.
//
// W(node) = sum over GPUs of [h(k) + (rho - k) / 1000] + F cpu(c) + F memory(m)
//         + exhausted F [cpu < c0 or memory < m0] + open [some pod sits on its GPUs]
//         + beta n sqrt(F / n) + whole(w) - F price(GPU model),
// where rho is a GPU's free thousandths, k the largest knot <= rho, F the node's free GPUs, n all
// its GPUs, w those that are wholly free, c free millicores per F and m free MiB per F; the terms
// in F are 0 where F is. A pod goes where W(after) - W(before) is least. h is what will be wasted
// of a GPU that has rho left, cpu and memory what is wasted for want of cores and memory; open and
// whole are the price of opening a node and of breaking up GPUs that a large pod could take, and
// price is what a free GPU is worth to pods that accept no other model.
// Values; thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace plimsoll::placement {

// Straight lines between points; constant before the first and after the last.
struct Curve {
  std::vector<std::int32_t> at;  // ascending
  std::vector<double> value;     // one for each

  friend bool operator==(const Curve&, const Curve&) = default;
};

struct ValueTable {
  std::vector<std::int32_t> knots;  // thousandths, ascending, the first 0, the last 1000
  std::vector<double> h;            // GPUs wasted, by knot
  Curve cpu;                        // wasted of each free GPU, by free millicores for it
  Curve memory;                     // the same, by free MiB for it
  double exhausted = 0;
  std::int64_t exhausted_cpu = 0;  // millicores
  std::int64_t exhausted_memory_mib = 0;
  double open = 0;
  double beta = 0;
  std::vector<double> whole;  // by GPUs wholly free, from 0 on; the last holds for more
  std::vector<std::pair<std::string, double>> models;  // price by GPU model, sorted; else 0

  friend bool operator==(const ValueTable&, const ValueTable&) = default;
};

// The table that serves until a user trains one on their own history.
const ValueTable& shipped_table();

// No number of a table may pass this, so that scores keep within their keys.
inline constexpr double value_limit = 1000;
inline constexpr std::size_t value_points_max = 1001;  // of one list

// JSON text of a table, and back: the same table. Errors are one line that starts with `name` and
// names the field, what was found and what was expected.
std::string to_json(const ValueTable& table);
Result<ValueTable> value_table_from_json(std::string_view text, std::string_view name);

// What W takes of a node besides its GPUs' own terms.
struct NodeAmounts {
  std::int64_t cpu_free = 0;     // millicores
  std::int64_t memory_free = 0;  // bytes
  std::int32_t gpu_free = 0;     // thousandths, over all GPUs
  std::int32_t gpus = 0;

  friend bool operator==(const NodeAmounts&, const NodeAmounts&) = default;
};

// A table made ready for the hot path: W = sum of gpu() + node() + whole(), each rounded by itself,
// in units of 2^-20 GPUs; prices are apart, at fixed_price() a thousandth of a GPU. Immutable.
class NodeValue {
 public:
  explicit NodeValue(const ValueTable& table);

  // Of one GPU with `rho` thousandths free.
  [[nodiscard]] std::int64_t gpu(std::size_t rho) const { return gpu_[rho]; }
  [[nodiscard]] std::int64_t node(const NodeAmounts& amounts) const;
  [[nodiscard]] std::int64_t whole(std::size_t gpus_whole_free) const {
    return whole_[gpus_whole_free];
  }

  // The price of a thousandth of a GPU, in the same units.
  static std::int64_t fixed_price(double price_per_gpu);

 private:
  // A curve with the way to a point's segment: buckets of equal width name the first it may be.
  struct Segments {
    struct Segment {
      double start = 0;
      double value = 0;
      double slope = 0;
    };
    std::vector<Segment> segments;  // the last has no end
    std::vector<std::uint16_t> first;
    double buckets_per_unit = 0;

    explicit Segments(const Curve& curve);
    [[nodiscard]] double operator()(double x) const;
  };

  std::array<std::int32_t, 1001> gpu_{};
  std::array<std::int64_t, 17> whole_{};
  Segments cpu_;
  Segments memory_;
  double exhausted_;
  std::int64_t exhausted_cpu_;
  std::int64_t exhausted_memory_;  // bytes
  double open_;
  double beta_;
};

}  // namespace plimsoll::placement
