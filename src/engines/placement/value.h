// The learned value of what a node could still hold: Plimsoll's own placement score.
//
// W(node) = sum over GPUs of [h(k) + (rho - k) / 1000] + cpu_weight F exp(-c / cpu_scale)
//         + memory_weight F exp(-m / memory_scale) + exhausted F [cpu < c0 or memory < m0]
//         + open [some pod sits on its GPUs] + beta n sqrt(F / n),
// where rho is a GPU's free thousandths, k the largest knot <= rho, F the node's free GPUs, n all
// its GPUs, c free cores per F and m free GB per F. A pod goes where W(after) - W(before) is least.
// h is what will be wasted of a GPU that has rho left; the other terms are what is wasted for want
// of cores and memory, and the price of opening a node. Values; thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace plimsoll::placement {

struct ValueTable {
  std::vector<std::int32_t> knots;  // thousandths, ascending, the first 0, the last 1000
  std::vector<double> h;            // GPUs wasted, by knot
  double cpu_weight = 0;
  double cpu_scale = 1;  // cores per free GPU
  double memory_weight = 0;
  double memory_scale = 1;  // GB (1000 MiB) per free GPU
  double exhausted = 0;
  std::int64_t exhausted_cpu = 0;  // millicores
  std::int64_t exhausted_memory_mib = 0;
  double open = 0;
  double beta = 0;
};

// The table that serves until a user trains one on their own history.
const ValueTable& shipped_table();

// JSON text of a table, and back. Errors name the field, what was found and what was expected.
std::string to_json(const ValueTable& table);
Result<ValueTable> value_table_from_json(std::string_view text, std::string_view name);

// W in units of 2^-20 GPUs, of a node with these free amounts. `gpu_free` holds thousandths.
std::int64_t node_value(const ValueTable& table, std::span<const std::uint16_t> gpu_free,
                        std::int64_t cpu_free, std::int64_t memory_free);

}  // namespace plimsoll::placement
