#include "tests/oracle/plain_placement.h"

#include <algorithm>
#include <cmath>

namespace plimsoll::oracle {
namespace {

bool accepts(const model::PodSpec& spec, const PlainNode& node) {
  return spec.gpu.count == 0 || spec.gpu.models.empty() ||
         std::ranges::count(spec.gpu.models, node.model) > 0;
}

int gpus_with(const PlainNode& node, int milli) {
  return static_cast<int>(
      std::ranges::count_if(node.gpus, [&](int free) { return free >= milli; }));
}

// The GPUs that a pod of whole GPUs takes: the lowest free indices.
std::vector<int> whole_gpus(const PlainNode& node, int count) {
  std::vector<int> taken;
  for (int g = 0; g < static_cast<int>(node.gpus.size()) && count > 0; ++g) {
    if (node.gpus[static_cast<std::size_t>(g)] == 1000) {
      taken.push_back(g);
      --count;
    }
  }
  return taken;
}

PlainNode after(PlainNode node, const model::PodSpec& spec, const std::vector<int>& gpus) {
  node.cpu -= spec.requests.cpu.value();
  node.memory -= spec.requests.memory.value();
  for (const int g : gpus) {
    node.gpus[static_cast<std::size_t>(g)] -= static_cast<int>(spec.gpu.milli.value());
  }
  return node;
}

}  // namespace

PlainPlacement::PlainPlacement(const std::vector<model::Node>& nodes, PlainPolicy policy,
                               std::vector<PlainTypical> typical, std::vector<std::uint32_t> rank)
    : policy_(policy), typical_(std::move(typical)), rank_(std::move(rank)) {
  for (const model::Node& node : nodes) {
    nodes_.push_back({node.allocatable.cpu.value(), node.allocatable.memory.value(),
                      std::vector<int>(node.gpus.size(), 1000),
                      node.gpus.empty() ? "" : node.gpus.front().model});
  }
}

bool PlainPlacement::fits(const PlainNode& node, const model::PodSpec& spec) const {
  return accepts(spec, node) && node.cpu >= spec.requests.cpu.value() &&
         node.memory >= spec.requests.memory.value() &&
         gpus_with(node, static_cast<int>(spec.gpu.milli.value())) >= spec.gpu.count;
}

// FGD's F (ATC'23, section 3): over the typical pods, the share of pods like it times what it
// cannot use here.
double PlainPlacement::fragmented(const PlainNode& node) const {
  std::int64_t free = 0;
  for (const int g : node.gpus) free += g;
  std::int64_t sum = 0;
  std::int64_t pods = 0;
  for (const PlainTypical& pod : typical_) {
    pods += pod.count;
    const int milli = static_cast<int>(pod.spec.gpu.milli.value());
    const bool satisfied = pod.spec.gpu.count > 0 && accepts(pod.spec, node) &&
                           node.cpu >= pod.spec.requests.cpu.value() &&
                           gpus_with(node, milli) >= pod.spec.gpu.count;
    if (!satisfied) {
      sum += pod.count * free;
      continue;
    }
    for (const int g : node.gpus) sum += g < milli ? pod.count * g : 0;
  }
  return static_cast<double>(sum) / static_cast<double>(pods);
}

// The published figures of the learned value, by its formula.
double PlainPlacement::value(const PlainNode& node) {
  static constexpr int knots[] = {0,   50,  110, 160, 190, 220, 270, 320, 350, 370, 440,
                                  460, 470, 530, 550, 590, 650, 680, 810, 840, 1000};
  static constexpr double h[] = {-.270, -.053, .207,  .160, .197,  .053, .159,
                                 .133,  -.102, -.024, .131, -.050, .140, .121,
                                 .238,  .061,  .085,  .018, .083,  .106, .119};
  double sum = 0;
  double total = 0;
  for (const int rho : node.gpus) {
    std::size_t k = 0;
    while (k + 1 < std::size(knots) && knots[k + 1] <= rho) ++k;
    sum += h[k] + (rho - knots[k]) / 1000.0;
    total += rho;
  }
  const double f = total / 1000;
  const double n = static_cast<double>(node.gpus.size());
  const double mib = static_cast<double>(node.memory) / (1 << 20);
  if (f > 0) {
    sum += 1.596 * f * std::exp(-(static_cast<double>(node.cpu) / 1000 / f) / 3.27);
    sum += 0.379 * f * std::exp(-(mib / 1000 / f) / 14.16);
    if (node.cpu < 3152 || mib < 5600) sum += 0.5 * f;
  }
  if (f < n) sum += 0.0917;
  return sum + (n > 0 ? 0.4 * n * std::sqrt(f / n) : 0);
}

PlainPlacement::Best PlainPlacement::score(const PlainNode& node,
                                           const model::PodSpec& spec) const {
  const auto measure = [&](const PlainNode& next) {
    if (policy_ == PlainPolicy::value) {
      return std::round(value(node) * 0x1p20) - std::round(value(next) * 0x1p20);
    }
    const double x = (fragmented(node) - fragmented(next)) / 1000;
    return std::trunc(100 / (1 + std::exp(-x)));
  };
  const int milli = static_cast<int>(spec.gpu.milli.value());
  if (spec.gpu.count != 1 || milli == 1000) {
    return {measure(after(node, spec, whole_gpus(node, spec.gpu.count))), -1};
  }
  Best best{-1e300, -1};
  for (int g = 0; g < static_cast<int>(node.gpus.size()); ++g) {
    if (node.gpus[static_cast<std::size_t>(g)] < milli) continue;
    const double s = measure(after(node, spec, {g}));
    if (s > best.score) best = {s, g};
  }
  return best;
}

std::optional<PlainChoice> PlainPlacement::place(const model::PodSpec& spec) {
  std::optional<std::size_t> winner;
  Best winning;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (!fits(nodes_[i], spec)) continue;
    const Best best = score(nodes_[i], spec);
    if (!winner || best.score > winning.score ||
        (best.score == winning.score && rank_[i] < rank_[*winner])) {
      winner = i;
      winning = best;
    }
  }
  if (!winner) return std::nullopt;
  PlainChoice choice{*winner, winning.gpu >= 0 ? std::vector<int>{winning.gpu}
                                               : whole_gpus(nodes_[*winner], spec.gpu.count)};
  nodes_[*winner] = after(nodes_[*winner], spec, choice.gpus);
  return choice;
}

void PlainPlacement::remove(const model::PodSpec& spec, const PlainChoice& choice) {
  PlainNode& node = nodes_[choice.node];
  node.cpu += spec.requests.cpu.value();
  node.memory += spec.requests.memory.value();
  for (const int g : choice.gpus) {
    node.gpus[static_cast<std::size_t>(g)] += static_cast<int>(spec.gpu.milli.value());
  }
}

}  // namespace plimsoll::oracle
