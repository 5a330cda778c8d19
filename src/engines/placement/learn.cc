#include "engines/placement/learn.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <tuple>

#include "base/random.h"

namespace plimsoll::placement {
namespace {

std::int64_t milli_of(const model::PodSpec& spec) {
  return spec.gpu.count * spec.gpu.milli.value();
}

std::int64_t capacity_milli(const std::vector<model::Node>& nodes) {
  std::int64_t gpus = 0;
  for (const model::Node& node : nodes) {
    gpus += static_cast<std::int64_t>(node.gpus.size());
  }
  return gpus * whole_gpu.value();
}

// The table with `whole` filled and a knot at each share of a GPU that pods ask for, at the same
// values as before.
ValueTable refined(ValueTable table, const History& history) {
  constexpr std::size_t knots_max = 64;
  std::map<std::int32_t, std::int64_t> shares;
  for (const SpecId pod : history.pods) {
    const model::GpuRequest& gpu = history.specs[pod.index()].gpu;
    if (gpu.count == 1 && gpu.milli < whole_gpu) {
      ++shares[static_cast<std::int32_t>(gpu.milli.value())];
    }
  }
  std::vector<std::pair<std::int64_t, std::int32_t>> frequent;
  for (const auto& [milli, count] : shares) {
    if (count * 200 >= static_cast<std::int64_t>(history.pods.size())) {
      frequent.emplace_back(-count, milli);
    }
  }
  std::ranges::sort(frequent);
  for (const auto& [count, milli] : frequent) {
    const auto above = std::ranges::upper_bound(table.knots, milli);
    const auto at = above - table.knots.begin();
    const std::int32_t below = *(above - 1);
    if (below != milli && table.knots.size() < knots_max) {
      const double value = table.h[static_cast<std::size_t>(at - 1)] + (milli - below) / 1000.0;
      table.knots.insert(above, milli);
      table.h.insert(table.h.begin() + at, value);
    }
  }
  if (table.whole.empty()) {
    table.whole.assign(9, 0);
  }
  return table;
}

// Every number that is tuned, with how far to look at first and its bounds. Prices of GPU models
// come from the demand for them and are not tuned.
template <typename Visit>
void visit_parameters(ValueTable& table, const Visit& visit) {
  for (double& h : table.h) {
    visit(h, 0.02, -1.0, 1.0);
  }
  for (double& share : table.cpu.value) {
    visit(share, 0.015 + 0.07 * std::abs(share), -0.5, 3.0);
  }
  for (double& share : table.memory.value) {
    visit(share, 0.007 + 0.07 * std::abs(share), -0.5, 2.0);
  }
  visit(table.exhausted, 0.035, 0.0, 2.0);
  visit(table.open, 0.015, -1.0, 1.0);
  visit(table.beta, 0.035, 0.0, 2.0);
  for (std::size_t w = 2; w < table.whole.size(); ++w) {  // below, the GPUs' own terms do it
    visit(table.whole[w], 0.035, -2.0, 4.0);
  }
}

std::vector<Parameter> parameters_of(ValueTable table) {
  std::vector<Parameter> parameters;
  visit_parameters(table, [&](double value, double spread, double low, double high) {
    parameters.push_back({std::clamp(value, low, high), spread, low, high});
  });
  return parameters;
}

}  // namespace

Result<History> history_of(const model::Snapshot& snapshot) {
  History history;
  for (const model::Node& node : snapshot.nodes) {
    if (node.id.valid()) {
      history.nodes.push_back(node);
      history.nodes.back().id = NodeId(static_cast<std::uint32_t>(history.nodes.size() - 1));
      history.nodes.back().ready = true;
      history.nodes.back().unschedulable = false;
    }
  }
  history.specs = snapshot.specs;
  bool any = false;
  for (const model::Pod& pod : snapshot.pods) {
    if (pod.id.valid()) {
      history.pods.push_back(pod.spec);
      any = any || milli_of(snapshot.specs[pod.spec.index()]) > 0;
    }
  }
  if (capacity_milli(history.nodes) == 0) {
    return bad_input("history: found no GPUs, expected nodes that have some");
  }
  if (!any) {
    return bad_input("history: found no pods that ask for GPUs, expected some");
  }
  return history;
}

std::vector<TypicalPod> typical_of(const History& history) {
  using Kind = std::tuple<std::int64_t, std::int32_t, std::int64_t, std::vector<std::string>>;
  std::map<Kind, TypicalPod> kinds;
  for (const SpecId pod : history.pods) {
    const model::PodSpec& spec = history.specs[pod.index()];
    const auto [at, fresh] = kinds.try_emplace(
        Kind{spec.requests.cpu.value(), spec.gpu.count, spec.gpu.milli.value(), spec.gpu.models});
    if (fresh) {
      at->second.spec.requests.cpu = spec.requests.cpu;
      at->second.spec.gpu = spec.gpu;
      at->second.count = 0;
    }
    ++at->second.count;
  }
  std::vector<TypicalPod> typical;
  for (auto& [kind, pod] : kinds) {
    typical.push_back(std::move(pod));
  }
  std::ranges::stable_sort(typical, std::greater{}, &TypicalPod::count);
  std::int64_t covered = 0;
  std::size_t kept = 0;
  while (kept < typical.size() &&
         covered * 100 < 95 * static_cast<std::int64_t>(history.pods.size())) {
    covered += typical[kept++].count;
  }
  typical.resize(kept);
  return typical;
}

std::vector<std::pair<std::string, double>> model_prices(const std::vector<model::Node>& nodes,
                                                         const std::vector<TypicalPod>& typical) {
  constexpr double price_of_full_demand = 0.7;  // of a GPU
  std::map<std::string, double> supply;
  double supply_total = 0;
  for (const model::Node& node : nodes) {
    for (const model::Gpu& gpu : node.gpus) {
      supply[gpu.model] += 1;
      supply_total += 1;
    }
  }
  double demand_total = 0;
  std::map<std::vector<std::string>, double> demand;  // by accepted models
  for (const TypicalPod& pod : typical) {
    const auto asked = static_cast<double>(pod.count * milli_of(pod.spec));
    demand_total += asked;
    if (!pod.spec.gpu.models.empty()) {
      demand[pod.spec.gpu.models] += asked;
    }
  }
  std::map<std::string, double> prices;
  for (const auto& [models, asked] : demand) {
    double accepted = 0;
    for (const std::string& model : models) {
      accepted += supply.contains(model) ? supply[model] : 0;
    }
    for (const std::string& model : models) {
      if (supply.contains(model)) {
        prices[model] += asked / demand_total * supply_total / accepted;
      }
    }
  }
  std::vector<std::pair<std::string, double>> result;
  for (const auto& [model, price] : prices) {
    result.emplace_back(model, price_of_full_demand * std::min(price, 1.0));
  }
  return result;
}

std::vector<SpecId> draw_arrivals(const History& history, const DrawOptions& options) {
  constexpr std::size_t arrivals_max = 4'000'000;
  Random random(options.seed);
  std::vector<SpecId> order = history.pods;
  if (options.large_pods > 1) {
    order.clear();
  } else {
    random.shuffle(std::span(order));
  }
  const double most = options.load * static_cast<double>(capacity_milli(history.nodes));
  double asked = 0;
  std::vector<SpecId> arrivals;
  while (arrivals.size() < arrivals_max) {
    const SpecId pod = arrivals.size() < order.size()
                           ? order[arrivals.size()]
                           : history.pods[random.below(history.pods.size())];
    const model::PodSpec& spec = history.specs[pod.index()];
    if (options.large_pods > 1 && spec.gpu.count <= 1 &&
        random.uniform() * options.large_pods > 1) {
      continue;
    }
    asked += static_cast<double>(milli_of(spec));
    if (asked > most) {
      break;
    }
    arrivals.push_back(pod);
  }
  return arrivals;
}

Result<ReplayOutcome> replay(const History& history, std::span<const SpecId> arrivals,
                             const Config& config) {
  model::Snapshot snapshot;
  snapshot.nodes = history.nodes;
  snapshot.specs = history.specs;
  Engine engine = TRY(Engine::make(snapshot, config));
  std::int32_t largest = 0;
  for (const SpecId pod : arrivals) {
    largest = std::max(largest, history.specs[pod.index()].gpu.count);
  }
  ReplayOutcome outcome;
  std::int64_t allocated = 0;
  for (const SpecId pod : arrivals) {
    const auto choice = engine.find(pod);
    if (!choice) {
      ++outcome.refused;
      continue;
    }
    const auto id = PodId(static_cast<std::uint32_t>(outcome.placed++));
    engine.assume(id, pod, choice->binding);
    const model::PodSpec& spec = history.specs[pod.index()];
    allocated += milli_of(spec);
    outcome.largest_placed += largest > 0 && spec.gpu.count == largest ? 1 : 0;
  }
  outcome.allocation_percent =
      100 * static_cast<double>(allocated) / static_cast<double>(capacity_milli(history.nodes));
  return outcome;
}

double cost_of(std::span<const Judged> judged) {
  // A hundredth fewer large pods than the rival weighs as much as 0.09 points of allocation. Aiming
  // 2 % past the rival leaves a margin for arrivals that were not seen.
  constexpr double largest_weight = 8.6;
  constexpr double largest_margin = 1.02;
  constexpr double refusal_weight = 0.01;  // points a pod
  double cost = 0;
  for (const Judged& run : judged) {
    double allocation = 0;
    double largest = 0;
    double rival_largest = 0;
    double more_refused = 0;
    for (std::size_t i = 0; i < run.ours.size(); ++i) {
      allocation += run.ours[i].allocation_percent;
      largest += static_cast<double>(run.ours[i].largest_placed);
      rival_largest += static_cast<double>(run.rival[i].largest_placed);
      more_refused += static_cast<double>(
          std::max<std::int64_t>(0, run.ours[i].refused - run.rival[i].refused));
    }
    const auto n = static_cast<double>(run.ours.size());
    cost += 100 - allocation / n + refusal_weight * more_refused / n;
    if (rival_largest > 0) {
      cost += largest_weight * std::max(0.0, largest_margin - largest / rival_largest);
    }
  }
  return cost / static_cast<double>(judged.size());
}

Trainer::Trainer(const ValueTable& start, const History& history, std::uint64_t seed)
    : start_(refined(start, history)), search_(parameters_of(start_), seed) {}

ValueTable Trainer::with(const std::vector<double>& values) const {
  ValueTable table = start_;
  std::size_t i = 0;
  visit_parameters(table, [&](double& value, double, double, double) { value = values[i++]; });
  return table;
}

const std::vector<ValueTable>& Trainer::ask() {
  tables_.clear();
  for (const std::vector<double>& candidate : search_.ask()) {
    tables_.push_back(with(candidate));
  }
  return tables_;
}

void Trainer::tell(std::span<const double> costs) { search_.tell(costs); }

ValueTable Trainer::centre() const { return with(search_.mean()); }

}  // namespace plimsoll::placement
