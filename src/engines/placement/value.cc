#include "engines/placement/value.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "engines/placement/policy.h"

namespace plimsoll::placement {
namespace {

constexpr double fixed_point = 1 << 20;
constexpr double bytes_per_gb = 1000.0 * (1 << 20);

}  // namespace

double exp_negative(double x) {
  // exp(-x) = table[16 x] * exp(-r), r < 1/16, by a Taylor polynomial of degree 6 (error < 1e-11).
  constexpr int steps = 16;
  constexpr int limit = 40 * steps;
  static constexpr auto table = [] {
    std::array<double, limit + 1> values{};
    values[0] = 1;
    constexpr double step = 0.93941306281347578611971082;  // exp(-1/16)
    for (int i = 1; i <= limit; ++i) {
      values[static_cast<std::size_t>(i)] = values[static_cast<std::size_t>(i - 1)] * step;
    }
    return values;
  }();
  const double scaled = x * steps;
  if (!(scaled < limit)) {
    return 0;
  }
  const int whole_steps = static_cast<int>(scaled);
  const double r = (scaled - whole_steps) / steps;
  const double tail = 1 - r * (1 - r / 2 * (1 - r / 3 * (1 - r / 4 * (1 - r / 5 * (1 - r / 6)))));
  return table[static_cast<std::size_t>(whole_steps)] * tail;
}

std::int64_t node_value(const ValueTable& table, std::span<const std::uint16_t> gpu_free,
                        std::int64_t cpu_free, std::int64_t memory_free) {
  double value = 0;
  std::int32_t free_total = 0;
  for (const std::uint16_t rho : gpu_free) {
    const auto above = std::upper_bound(table.knots.begin(), table.knots.end(), rho);
    const auto k = static_cast<std::size_t>(above - table.knots.begin() - 1);
    value += table.h[k] + (rho - table.knots[k]) * 0.001;
    free_total += rho;
  }
  const double f = free_total * 0.001;
  if (free_total > 0) {
    const double c = static_cast<double>(cpu_free) * 0.001 / f;
    const double m = static_cast<double>(memory_free) / bytes_per_gb / f;
    value += table.cpu_weight * f * exp_negative(c / table.cpu_scale);
    value += table.memory_weight * f * exp_negative(m / table.memory_scale);
    if (cpu_free < table.exhausted_cpu || memory_free < (table.exhausted_memory_mib << 20)) {
      value += table.exhausted * f;
    }
  }
  const auto n = static_cast<double>(gpu_free.size());
  if (free_total < static_cast<std::int32_t>(gpu_free.size()) * whole) {
    value += table.open;
  }
  if (!gpu_free.empty()) {
    value += table.beta * n * std::sqrt(f / n);
  }
  return std::llround(value * fixed_point);
}

const ValueTable& shipped_table() {
  // Tuned on seeds 1-6 of Alibaba openb's default trace; docs/benchmarks.md has what it reaches.
  static const ValueTable table{
      .knots = {0,   50,  110, 160, 190, 220, 270, 320, 350, 370, 440,
                460, 470, 530, 550, 590, 650, 680, 810, 840, 1000},
      .h = {-.270, -.053, .207, .160, .197, .053, .159, .133, -.102, -.024, .131,
            -.050, .140,  .121, .238, .061, .085, .018, .083, .106,  .119},
      .cpu_weight = 1.596,
      .cpu_scale = 3.27,
      .memory_weight = 0.379,
      .memory_scale = 14.16,
      .exhausted = 0.5,
      .exhausted_cpu = 3152,
      .exhausted_memory_mib = 5600,
      .open = 0.0917,
      .beta = 0.4,
  };
  return table;
}

}  // namespace plimsoll::placement
