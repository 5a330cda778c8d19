#include "engines/placement/value.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "engines/placement/policy.h"

namespace plimsoll::placement {
namespace {

constexpr double fixed_point = 1 << 20;

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

NodeValue::Segments::Segments(const Curve& curve) {
  segments.push_back({0, curve.value.empty() ? 0 : curve.value.front(), 0});
  for (std::size_t i = 0; i < curve.at.size(); ++i) {
    const bool last = i + 1 == curve.at.size();
    const double width = last ? 1 : curve.at[i + 1] - curve.at[i];
    const double rise = last ? 0 : curve.value[i + 1] - curve.value[i];
    segments.push_back({static_cast<double>(curve.at[i]), curve.value[i], rise / width});
  }
  constexpr std::size_t buckets = 256;
  buckets_per_unit = buckets / std::max(1.0, segments.back().start);
  std::uint16_t s = 0;
  for (std::size_t b = 0; b <= buckets; ++b) {  // points below the end: rounding may reach the last
    while (s + 2U < segments.size() &&
           segments[s + 1U].start * buckets_per_unit <= static_cast<double>(b)) {
      ++s;
    }
    first.push_back(s);
  }
}

double NodeValue::Segments::operator()(double x) const {
  if (!(x < segments.back().start)) {
    return segments.back().value;
  }
  if (x < 0) {
    return segments.front().value;
  }
  std::size_t s = first[static_cast<std::size_t>(x * buckets_per_unit)];
  while (x >= segments[s + 1].start) {
    ++s;
  }
  return segments[s].value + (x - segments[s].start) * segments[s].slope;
}

NodeValue::NodeValue(const ValueTable& table)
    : cpu_(table.cpu),
      memory_(table.memory),
      exhausted_(table.exhausted),
      exhausted_cpu_(table.exhausted_cpu),
      exhausted_memory_(table.exhausted_memory_mib << 20),
      open_(table.open),
      beta_(table.beta) {
  for (std::size_t rho = 0; rho < gpu_.size(); ++rho) {
    const auto above = std::upper_bound(table.knots.begin(), table.knots.end(), rho);
    const auto k = static_cast<std::size_t>(above - table.knots.begin() - 1);
    const double waste = table.h[k] + (static_cast<double>(rho) - table.knots[k]) / 1000;
    gpu_[rho] = static_cast<std::int32_t>(std::llround(waste * fixed_point));
  }
  for (std::size_t w = 0; w < whole_.size() && !table.whole.empty(); ++w) {
    whole_[w] = std::llround(table.whole[std::min(w, table.whole.size() - 1)] * fixed_point);
  }
}

std::int64_t NodeValue::node(const NodeAmounts& amounts) const {
  double value = amounts.gpu_free < amounts.gpus * placement::whole ? open_ : 0;
  if (amounts.gpu_free > 0) {
    const double f = amounts.gpu_free * 0.001;
    const double per_gpu = 1 / f;
    const auto cpu = static_cast<double>(amounts.cpu_free);
    const double mib = static_cast<double>(amounts.memory_free) * 0x1p-20;
    const bool exhausted =
        amounts.cpu_free < exhausted_cpu_ || amounts.memory_free < exhausted_memory_;
    value += f * (cpu_(cpu * per_gpu) + memory_(mib * per_gpu) + (exhausted ? exhausted_ : 0));
    value += beta_ * std::sqrt(f * amounts.gpus);
  }
  return std::llround(value * fixed_point);
}

std::int64_t NodeValue::fixed_price(double price_per_gpu) {
  return std::llround(price_per_gpu * fixed_point / placement::whole);
}

const ValueTable& shipped_table() {
  // Trained on seeds 1-10 of Alibaba openb's default trace, and on draws from its pods in which
  // those of several GPUs come 4 and 8 times as often; docs/benchmarks.md has what it reaches.
  static const ValueTable table{
      .knots = {0,   50,  110, 160, 190, 220, 270, 320, 350, 370, 440,
                460, 470, 530, 550, 590, 650, 680, 810, 840, 1000},
      .h = {-0.3992, -0.0719, 0.1453, 0.2016, 0.2859, -0.0296, 0.2348,
            0.1031,  -0.0949, 0.0118, 0.2463, 0.028,  0.4215,  0.1317,
            0.249,   0.1476,  0.1612, 0.054,  0.0118, 0.0039,  0.152},
      .cpu = {{0, 250, 500, 1000, 1500, 2000, 3000, 4000, 5000, 6000, 8000, 10000, 12000, 16000,
               20000, 28000},
              {1.0993, 1.9525, 1.3557, 1.2561, 0.9647, 1.1323, 0.7338, 0.5121, 0.4875, 0.3595,
               0.1719, 0.1636, 0.1003, 0.0318, 0.0594, -0.0198}},
      .memory = {{0, 2000, 4000, 8000, 12000, 16000, 20000, 30000, 40000, 50000, 70000, 100000},
                 {0.2644, 0.4476, 0.2756, 0.3026, 0.0949, 0.1536, 0.0444, 0.0514, 0.0553, 0.0185,
                  0.0001, -0.0119}},
      .exhausted = 0.6551,
      .exhausted_cpu = 3152,
      .exhausted_memory_mib = 5600,
      .open = -0.0428,
      .beta = 0.0934,
      .whole = {0, 0, 0.0993, 0.0198, 0.081, -0.0398, 0.0376, 0.1851, -0.0585},
      .models = {},
  };
  return table;
}

}  // namespace plimsoll::placement
