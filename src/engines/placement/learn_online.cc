#include "engines/placement/learn_online.h"

#include <algorithm>

#include <array>
#include <memory>

#include "engines/placement/node_state.h"

namespace plimsoll::placement {
namespace {

constexpr std::size_t states = static_cast<std::size_t>(whole) + 1;

// The mean final waste of GPUs by what they were once left with.
class Waste {
 public:
  explicit Waste(const std::vector<model::Node>& nodes) {
    for (const model::Node& node : nodes) {
      gpus_.emplace_back(node.gpus.size(), std::vector<std::uint16_t>{whole});
    }
  }

  void take(const model::Binding& binding) {
    for (const model::GpuShare& share : binding.gpus) {
      auto& seen = gpus_[binding.node.index()][static_cast<std::size_t>(share.index)];
      seen.push_back(static_cast<std::uint16_t>(seen.back() - share.milli.value()));
    }
  }

  // Sets the table's knots to what was seen, and h to its mean waste.
  void estimate(ValueTable& table) const {
    std::array<std::int64_t, states> sum{};
    std::array<std::int64_t, states> count{};
    for (const auto& node : gpus_) {
      for (const auto& seen : node) {
        for (const std::uint16_t rho : seen) {
          sum[rho] += seen.back();
          ++count[rho];
        }
      }
    }
    table.knots.clear();
    table.h.clear();
    for (std::size_t rho = 0; rho < states; ++rho) {
      if (count[rho] > 0 || rho == 0) {
        table.knots.push_back(static_cast<std::int32_t>(rho));
        table.h.push_back(count[rho] == 0 ? 0
                                          : static_cast<double>(sum[rho]) / 1000 /
                                                static_cast<double>(count[rho]));
      }
    }
  }

 private:
  std::vector<std::vector<std::vector<std::uint16_t>>> gpus_;  // by node and GPU: every rho it had
};

Result<Engine> engine_with(const model::Snapshot& snapshot, const ValueTable& table) {
  return Engine::make(snapshot, {.table = std::make_shared<const ValueTable>(table)});
}

}  // namespace

Result<ValueTable> estimate_shapes(const History& history, ValueTable table, std::int32_t rounds) {
  table.models = model_prices(history.nodes, typical_of(history));
  model::Snapshot snapshot;
  snapshot.nodes = history.nodes;
  snapshot.specs = history.specs;
  for (std::int32_t round = 0; round < rounds; ++round) {
    const auto seed = static_cast<std::uint64_t>(round + 1);
    Engine engine = TRY(engine_with(snapshot, table));
    Waste waste(history.nodes);
    std::uint32_t pods = 0;
    for (const SpecId spec : draw_arrivals(history, {.load = 1.3, .seed = seed})) {
      if (const auto choice = engine.find(spec)) {
        engine.assume(PodId(pods++), spec, choice->binding);
        waste.take(choice->binding);
      }
    }
    waste.estimate(table);
  }
  return table;
}

Result<ReplayOutcome> replay_online(const History& history, std::span<const SpecId> arrivals,
                                    const ValueTable& start, std::size_t every) {
  constexpr std::int32_t rounds = 3;
  ValueTable table = start;
  table.knots = {0, whole};
  table.h = {0, 0};
  table.models.clear();
  History seen{history.nodes, history.specs, {}};
  model::Snapshot snapshot;
  snapshot.nodes = history.nodes;
  snapshot.specs = history.specs;
  Engine engine = TRY(engine_with(snapshot, table));
  std::int32_t largest = 0;
  for (const SpecId spec : arrivals) {
    largest = std::max(largest, history.specs[spec.index()].gpu.count);
  }
  ReplayOutcome outcome;
  std::int64_t allocated = 0;
  std::int64_t capacity = 0;
  for (const model::Node& node : history.nodes) {
    capacity += static_cast<std::int64_t>(node.gpus.size()) * whole;
  }
  for (const SpecId spec : arrivals) {
    if (!seen.pods.empty() && seen.pods.size() % every == 0) {
      table = TRY(estimate_shapes(seen, std::move(table), rounds));
      engine = TRY(engine_with(snapshot, table));
    }
    seen.pods.push_back(spec);
    const auto choice = engine.find(spec);
    if (!choice) {
      ++outcome.refused;
      continue;
    }
    const auto id = PodId(static_cast<std::uint32_t>(outcome.placed++));
    engine.assume(id, spec, choice->binding);
    snapshot.pods.push_back({.id = id, .spec = spec, .binding = choice->binding});
    const model::GpuRequest& gpu = history.specs[spec.index()].gpu;
    allocated += gpu.count * gpu.milli.value();
    outcome.largest_placed += largest > 0 && gpu.count == largest ? 1 : 0;
  }
  outcome.allocation_percent = 100 * static_cast<double>(allocated) / static_cast<double>(capacity);
  return outcome;
}

}  // namespace plimsoll::placement
