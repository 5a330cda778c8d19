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
      std::ranges::count_if(node.free(), [&](int free) { return free >= milli; }));
}

// The GPUs that a pod of whole GPUs takes: the lowest free indices.
std::vector<int> whole_gpus(const PlainNode& node, int count) {
  std::vector<int> taken;
  for (int g = 0; g < static_cast<int>(node.gpu_count) && count > 0; ++g) {
    if (node.gpus[static_cast<std::size_t>(g)] == 1000) {
      taken.push_back(g);
      --count;
    }
  }
  return taken;
}

void take(PlainNode& node, const model::PodSpec& spec, std::span<const int> gpus) {
  node.cpu -= spec.requests.cpu.value();
  node.memory -= spec.requests.memory.value();
  for (const int g : gpus) {
    node.gpus[static_cast<std::size_t>(g)] -= static_cast<int>(spec.gpu.milli.value());
  }
}

}  // namespace

PlainPlacement::PlainPlacement(const std::vector<model::Node>& nodes, PlainPolicy policy,
                               std::vector<PlainTypical> typical, std::vector<std::uint32_t> rank,
                               placement::ValueTable table)
    : policy_(policy),
      typical_(std::move(typical)),
      rank_(std::move(rank)),
      table_(std::move(table)) {
  for (const model::Node& node : nodes) {
    PlainNode plain{.cpu = node.allocatable.cpu.value(),
                    .memory = node.allocatable.memory.value(),
                    .gpu_count = node.gpus.size(),
                    .model = node.gpus.empty() ? "" : node.gpus.front().model};
    std::fill_n(plain.gpus.begin(), plain.gpu_count, 1000);
    nodes_.push_back(std::move(plain));
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
  for (const int g : node.free()) free += g;
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
    for (const int g : node.free()) sum += g < milli ? pod.count * g : 0;
  }
  return static_cast<double>(sum) / static_cast<double>(pods);
}

namespace {

double interpolate(const placement::Curve& curve, double x) {
  if (x <= curve.at.front()) return curve.value.front();
  for (std::size_t i = 1; i < curve.at.size(); ++i) {
    if (x < curve.at[i]) {
      const double share = (x - curve.at[i - 1]) / (curve.at[i] - curve.at[i - 1]);
      return curve.value[i - 1] + share * (curve.value[i] - curve.value[i - 1]);
    }
  }
  return curve.value.back();
}

double rounded(double gpus) { return std::round(gpus * 0x1p20); }

}  // namespace

// The learned value, by its formula in value.h, in units of 2^-20 GPUs.
double PlainPlacement::value(const PlainNode& node) const {
  double sum = 0;
  double total = 0;
  for (const int rho : node.free()) {
    std::size_t k = 0;
    while (k + 1 < table_.knots.size() && table_.knots[k + 1] <= rho) ++k;
    sum += rounded(table_.h[k] + (rho - table_.knots[k]) / 1000.0);
    total += rho;
  }
  const double f = total / 1000;
  const double n = static_cast<double>(node.gpu_count);
  const double mib = static_cast<double>(node.memory) / (1 << 20);
  double rest = f < n ? table_.open : 0;
  if (f > 0) {
    rest += f * interpolate(table_.cpu, static_cast<double>(node.cpu) / f);
    rest += f * interpolate(table_.memory, mib / f);
    if (node.cpu < table_.exhausted_cpu || mib < static_cast<double>(table_.exhausted_memory_mib)) {
      rest += f * table_.exhausted;
    }
    rest += table_.beta * n * std::sqrt(f / n);
  }
  if (!table_.whole.empty()) {
    const auto w = static_cast<std::size_t>(gpus_with(node, 1000));
    sum += rounded(table_.whole[std::min(w, table_.whole.size() - 1)]);
  }
  for (const auto& [model, price] : table_.models) {
    if (model == node.model) sum -= total * rounded(price / 1000);
  }
  return sum + rounded(rest);
}

PlainPlacement::Best PlainPlacement::score(const PlainNode& node,
                                           const model::PodSpec& spec) const {
  const bool fgd = policy_ == PlainPolicy::fgd;
  const double before = fgd ? fragmented(node) : value(node);
  const auto measure = [&](const PlainNode& next) {
    if (!fgd) return before - value(next);
    return std::trunc(100 / (1 + std::exp(-(before - fragmented(next)) / 1000)));
  };
  const int milli = static_cast<int>(spec.gpu.milli.value());
  PlainNode next = node;
  if (spec.gpu.count != 1 || milli == 1000) {
    take(next, spec, whole_gpus(node, spec.gpu.count));
    return {measure(next), -1};
  }
  take(next, spec, {});
  Best best{-1e300, -1};
  for (std::size_t g = 0; g < node.gpu_count; ++g) {
    if (node.gpus[g] < milli) continue;
    next.gpus[g] -= milli;
    const double s = measure(next);
    next.gpus[g] += milli;
    if (s > best.score) best = {s, static_cast<int>(g)};
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
  take(nodes_[*winner], spec, choice.gpus);
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
