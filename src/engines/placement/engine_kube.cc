// kube-scheduler's default profile, as a policy: "vanilla", and "most_allocated" with its other
// scoring strategy.
//
// From kubernetes/pkg/scheduler: schedule_one.go (numFeasibleNodesToFind, selectHost) and the
// plugins noderesources (LeastAllocated, MostAllocated, BalancedAllocation; cores and memory, as by
// default), tainttoleration, nodeaffinity, podtopologyspread, interpodaffinity, with the weights of
// apis/config/v1/default_plugins.go. ImageLocality scores nothing here: images are not modelled.
// It knows no GPU but as a count; a share goes to the first GPU that has it.
#include <algorithm>
#include <cmath>
#include <map>

#include "engines/placement/engine_state.h"

namespace plimsoll::placement {
namespace {

constexpr std::int64_t score_max = 100;
constexpr std::int64_t weight_resources = 1;
constexpr std::int64_t weight_balance = 1;
// What a pod without a request is taken to ask (util/pod_resources.go).
constexpr std::int64_t cpu_unasked = 100;
constexpr std::int64_t memory_unasked = 200LL << 20;

// How many feasible nodes are scored.
std::size_t sample_size(std::size_t nodes) {
  constexpr std::size_t least = 100;
  if (nodes < least) {
    return nodes;
  }
  const std::size_t percent = std::max<std::size_t>(5, 50 - std::min<std::size_t>(50, nodes / 125));
  return std::max(least, nodes * percent / 100);
}

std::int64_t least_allocated(std::int64_t used, std::int64_t capacity) {
  return capacity == 0 || used > capacity ? 0 : (capacity - used) * score_max / capacity;
}

std::int64_t most_allocated(std::int64_t used, std::int64_t capacity) {
  return capacity == 0 ? 0 : std::min(used, capacity) * score_max / capacity;
}

}  // namespace

void Engine::State::order_for_kube() {
  // As kube-scheduler's node tree: one node of each zone in turn.
  std::map<std::string, std::vector<std::uint32_t>> zones;
  for (const model::Node& node : nodes) {
    if (node.id.valid()) {
      zones[node.topology.zone].push_back(node.id.value());
    }
  }
  kube_order.clear();
  for (std::size_t i = 0; kube_order.size() < static_cast<std::size_t>(present_count); ++i) {
    for (const auto& [zone, members] : zones) {
      if (i < members.size()) {
        kube_order.push_back(members[i]);
      }
    }
  }
  kube_start = 0;
  kube_order_stale = false;
}

std::optional<std::size_t> Engine::State::scan_kube(SpecId id, const std::vector<bool>* allowed) {
  if (kube_order_stale) {
    order_for_kube();
  }
  const SpecEntry& spec = specs[id.index()];
  const PairConstraints::Check check = pairs.check(id);
  const std::size_t wanted = sample_size(kube_order.size());
  std::vector<std::size_t> feasible;
  std::size_t looked_at = 0;
  for (; looked_at < kube_order.size() && feasible.size() < wanted; ++looked_at) {
    const std::size_t node = kube_order[(kube_start + looked_at) % kube_order.size()];
    if ((allowed == nullptr || (*allowed)[node]) && fits(spec, node) && check.allows(node)) {
      feasible.push_back(node);
    }
  }
  kube_start = kube_order.empty() ? 0 : (kube_start + looked_at) % kube_order.size();
  if (feasible.empty()) {
    return std::nullopt;
  }
  const bool most = config.policy == "most_allocated";
  const std::int64_t cpu = spec.shape.cpu == 0 ? cpu_unasked : spec.shape.cpu;
  const std::int64_t memory = spec.shape.memory == 0 ? memory_unasked : spec.shape.memory;
  std::vector<std::int64_t> total = liking(id, feasible);
  for (std::size_t i = 0; i < feasible.size(); ++i) {
    const std::size_t node = feasible[i];
    const NodeFacts& facts = table.facts(node);
    const NodeRow& row = table.row(node);
    const std::int64_t cpu_used = facts.cpu - row.cpu_free + cpu;
    const std::int64_t memory_used = facts.memory - row.memory_free + memory;
    const auto strategy = most ? most_allocated : least_allocated;
    const std::int64_t fit =
        (strategy(cpu_used, facts.cpu) + strategy(memory_used, facts.memory)) / 2;
    const auto fraction = [](std::int64_t used, std::int64_t capacity) {
      return capacity == 0
                 ? 1.0
                 : std::min(1.0, static_cast<double>(used) / static_cast<double>(capacity));
    };
    const double deviation =
        std::abs(fraction(facts.cpu - row.cpu_free + spec.shape.cpu, facts.cpu) -
                 fraction(facts.memory - row.memory_free + spec.shape.memory, facts.memory)) /
        2;
    total[i] += weight_resources * fit +
                weight_balance * static_cast<std::int64_t>((1 - deviation) * score_max);
  }
  // selectHost: one of the best, each as likely.
  std::size_t best = 0;
  std::uint64_t ties = 0;
  for (std::size_t i = 0; i < total.size(); ++i) {
    if (total[i] > total[best]) {
      best = i;
      ties = 1;
    } else if (total[i] == total[best] && random.below(++ties) == 0) {
      best = i;
    }
  }
  return feasible[best];
}

}  // namespace plimsoll::placement
