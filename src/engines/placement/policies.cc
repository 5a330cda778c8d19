#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "engines/placement/fragmentation.h"
#include "engines/placement/policy.h"
#include "engines/placement/value.h"

namespace plimsoll::placement {
namespace {

// Figures of the Alibaba openb study that its scores are normalised with
// (kubernetes-scheduler-simulator, pkg/type/open-gpu-share/utils/const.go).
constexpr double openb_cpu_max = 128000;  // millicores
constexpr double openb_gpu_max = 8000;    // thousandths

std::int32_t gpu_for(const NodeRow& row, const Shape& shape) {
  return shape.shares() ? best_fit_gpu(row, shape.milli) : -1;
}

// What a pod of whole GPUs takes: the lowest free indices.
void take_whole(NodeRow& row, std::int32_t gpus) {
  for (std::size_t g = 0; g < row.gpus && gpus > 0; ++g) {
    if (row.gpu_free[g] == whole) {
      row.gpu_free[g] = 0;
      --gpus;
    }
  }
}

std::int64_t asked(const Shape& shape) { return std::int64_t{shape.gpus} * shape.milli; }

// What is left of the node, least first: half cores, half GPUs.
class BestFit final : public LocalPolicy {
 public:
  Scored score(const NodeTable& nodes, std::size_t node, const Shape& shape) const override {
    const NodeRow& row = nodes.row(node);
    const double left =
        static_cast<double>(row.cpu_free - shape.cpu) / openb_cpu_max * 0.5 +
        static_cast<double>(row.gpu_free_total - asked(shape)) / openb_gpu_max * 0.5;
    return {static_cast<std::int64_t>((1.0 - left) * 100), gpu_for(row, shape)};
  }
};

// Shared GPUs before idle ones, idle ones of used nodes before those of idle nodes.
class Packing final : public LocalPolicy {
 public:
  Scored score(const NodeTable& nodes, std::size_t node, const Shape& shape) const override {
    const NodeRow& row = nodes.row(node);
    if (shape.gpus == 0) {
      return {0, -1};
    }
    const std::int32_t gpu = gpu_for(row, shape);
    if (row.gpus_whole_free == row.gpus) {
      return {std::max<std::int64_t>(33 - row.gpus_whole_free, row.gpus_whole_free), gpu};
    }
    // The least free GPUs that suffice, as many as are asked.
    const bool opens = !shape.shares() || row.gpu_free[static_cast<std::size_t>(gpu)] == whole;
    if (opens) {
      return {std::max<std::int64_t>(50 - shape.gpus, 33), gpu};
    }
    const std::int64_t left = row.gpu_free[static_cast<std::size_t>(gpu)] * 100 / whole;
    return {std::max<std::int64_t>(100 - left / 10, 50), gpu};
  }
};

// Pods of one kind together: nodes that hold only that kind, then mixed, then idle, then others.
class Clustering final : public LocalPolicy {
 public:
  Scored score(const NodeTable& nodes, std::size_t node, const Shape& shape) const override {
    const NodeRow& row = nodes.row(node);
    if (shape.gpus == 0) {
      return {0, -1};
    }
    const auto& held = nodes.facts(node).held;
    const auto kinds = std::count_if(held.begin() + 1, held.end(), [](auto n) { return n > 0; });
    const bool same = held[static_cast<std::size_t>(affinity_class(shape))] > 0;
    const std::int64_t base = same ? (kinds == 1 ? 75 : 50) : (kinds == 0 ? 25 : 0);
    return {25 * (8000 - row.gpu_free_total) / 8000 + base, gpu_for(row, shape)};
  }
};

// The smallest inner product of what is free and what is asked, over cores and GPUs.
class DotProduct final : public LocalPolicy {
 public:
  Scored score(const NodeTable& nodes, std::size_t node, const Shape& shape) const override {
    const NodeRow& row = nodes.row(node);
    const double product =
        static_cast<double>(row.cpu_free) / openb_cpu_max *
            (static_cast<double>(shape.cpu) / openb_cpu_max) +
        row.gpu_free_total / openb_gpu_max * (static_cast<double>(asked(shape)) / openb_gpu_max);
    return {static_cast<std::int64_t>(100 * (1 - product / 2)), gpu_for(row, shape)};
  }
};

// Fragmentation gradient descent (Weng et al., ATC'23): least growth of what typical pods cannot
// use.
class Fgd final : public LocalPolicy {
 public:
  Fgd(const std::vector<TypicalPod>& typical, NodeTable& nodes) : model_(typical, nodes) {}

  Scored score(const NodeTable& nodes, std::size_t node, const Shape& shape) const override {
    NodeRow row = nodes.row(node);
    const std::int32_t gpu_model = nodes.facts(node).gpu_model;
    const std::int64_t before = model_.fragmented(row, row.cpu_free, gpu_model);
    const std::int64_t cpu = row.cpu_free - shape.cpu;
    if (!shape.shares()) {
      take_whole(row, shape.gpus);
      return {gain(before - model_.fragmented(row, cpu, gpu_model)), -1};
    }
    Scored best{-1, -1};
    std::array<std::uint32_t, 32> tried{};  // free thousandths seen, as a bit set: equal GPUs tie
    for (std::int32_t g = 0; g < row.gpus; ++g) {
      std::uint16_t& free = row.gpu_free[static_cast<std::size_t>(g)];
      std::uint32_t& word = tried[free / 32];
      const std::uint32_t bit = 1U << (free % 32);
      if (!shareable(row, g, shape.milli) || (word & bit) != 0) {
        continue;
      }
      word |= bit;
      free = static_cast<std::uint16_t>(free - shape.milli);
      const std::int64_t value = gain(before - model_.fragmented(row, cpu, gpu_model));
      free = static_cast<std::uint16_t>(free + shape.milli);
      if (value > best.score) {
        best = {value, g};
      }
    }
    return best;
  }

 private:
  // The paper's score: 100 sigmoid(x / 1000), truncated.
  [[nodiscard]] std::int64_t gain(std::int64_t difference) const {
    const double x = static_cast<double>(difference) / static_cast<double>(model_.total()) / 1000;
    const double e = exp_negative(std::abs(x));
    return static_cast<std::int64_t>(100 * (x >= 0 ? 1 / (1 + e) : e / (1 + e)));
  }

  FragmentationModel model_;
};

class Value final : public LocalPolicy {
 public:
  Value(const ValueTable& table, NodeTable& nodes) : value_(table) {
    for (const auto& [model, price] : table.models) {
      const auto number = static_cast<std::size_t>(nodes.models().intern(model));
      prices_.resize(std::max(prices_.size(), number + 1));
      prices_[number] = NodeValue::fixed_price(price);
    }
  }

  bool ties_by_id() const override { return true; }
  std::int64_t whole_gpu_score() const override { return 1 << 20; }

  Scored score(const NodeTable& nodes, std::size_t node, const Shape& shape) const override {
    const NodeRow& row = nodes.row(node);
    const std::int64_t asks = asked(shape);
    const std::int64_t change =
        now(row, node) - asks * price(nodes.facts(node).gpu_model) -
        value_.node({row.cpu_free - shape.cpu, row.memory_free - shape.memory,
                     row.gpu_free_total - static_cast<std::int32_t>(asks), row.gpus});
    const std::size_t free = row.gpus_whole_free;
    if (shape.gpus == 0) {
      return {change, -1};
    }
    if (!shape.shares()) {
      const auto gpus = static_cast<std::size_t>(shape.gpus);
      return {change + shape.gpus * (value_.gpu(whole) - value_.gpu(0)) + value_.whole(free) -
                  value_.whole(free - gpus),
              -1};
    }
    const std::int64_t breaks = free > 0 ? value_.whole(free) - value_.whole(free - 1) : 0;
    Scored best{INT64_MIN, -1};
    for (std::int32_t g = 0; g < row.gpus; ++g) {
      if (!shareable(row, g, shape.milli)) {
        continue;
      }
      const std::size_t rho = row.gpu_free[static_cast<std::size_t>(g)];
      const std::int64_t gain = value_.gpu(rho) -
                                value_.gpu(rho - static_cast<std::size_t>(shape.milli)) +
                                (rho == whole ? breaks : 0);
      if (gain > best.score) {
        best = {gain, g};
      }
    }
    return {best.score + change, best.gpu};
  }

 private:
  // A node's term as it stands, remembered until the node changes: an engine has one thread.
  std::int64_t now(const NodeRow& row, std::size_t node) const {
    if (node >= memo_.size()) {
      memo_.resize(node + 1);
    }
    Memo& memo = memo_[node];
    const NodeAmounts amounts{row.cpu_free, row.memory_free, row.gpu_free_total, row.gpus};
    if (memo.amounts != amounts) {
      memo = {amounts, value_.node(amounts)};
    }
    return memo.value;
  }

  struct Memo {
    NodeAmounts amounts{-1, -1, -1, -1};
    std::int64_t value = 0;
  };

  [[nodiscard]] std::int64_t price(std::int32_t gpu_model) const {
    const auto number = static_cast<std::size_t>(gpu_model);
    return gpu_model >= 0 && number < prices_.size() ? prices_[number] : 0;
  }

  NodeValue value_;
  std::vector<std::int64_t> prices_;  // of a thousandth of a GPU, by model
  mutable std::vector<Memo> memo_;
};

using Maker = std::unique_ptr<LocalPolicy> (*)(const Config&, NodeTable&);

template <typename Policy>
std::unique_ptr<LocalPolicy> plain(const Config&, NodeTable&) {
  return std::make_unique<Policy>();
}

std::unique_ptr<LocalPolicy> make_fgd(const Config& config, NodeTable& nodes) {
  return std::make_unique<Fgd>(config.typical, nodes);
}

std::unique_ptr<LocalPolicy> make_value(const Config& config, NodeTable& nodes) {
  return std::make_unique<Value>(config.table ? *config.table : shipped_table(), nodes);
}

std::unique_ptr<LocalPolicy> not_local(const Config&, NodeTable&) { return nullptr; }

struct Entry {
  PolicyInfo info;
  Maker make;
};

constexpr std::array registry{
    Entry{{"plimsoll", "a learned value of what each node could still hold"}, make_value},
    Entry{{"vanilla", "kube-scheduler's default profile"}, not_local},
    Entry{{"most_allocated", "kube-scheduler with MostAllocated"}, not_local},
    Entry{{"fgd", "fragmentation gradient descent (Weng et al., ATC'23)"}, make_fgd},
    Entry{{"best_fit", "least left of cores and GPUs"}, plain<BestFit>},
    Entry{{"packing", "shared GPUs first, then idle ones of used nodes"}, plain<Packing>},
    Entry{{"clustering", "pods of one kind together"}, plain<Clustering>},
    Entry{{"dot_product", "smallest product of free and asked"}, plain<DotProduct>},
    Entry{{"random", "any node on which the pod fits"}, not_local},
};

}  // namespace

std::vector<PolicyInfo> policies() {
  std::vector<PolicyInfo> infos;
  for (const Entry& entry : registry) {
    infos.push_back(entry.info);
  }
  return infos;
}

Result<std::unique_ptr<LocalPolicy>> make_local_policy(const Config& config, NodeTable& nodes) {
  for (const Entry& entry : registry) {
    if (config.policy == entry.info.name) {
      if (config.policy == "fgd" && config.typical.empty()) {
        return bad_input("policy fgd: found no typical pods, expected those of a workload");
      }
      return entry.make(config, nodes);
    }
  }
  std::string known;
  for (const Entry& entry : registry) {
    known += fmt::format("{}{}", known.empty() ? "" : ", ", entry.info.name);
  }
  return bad_input(fmt::format("policy: found \"{}\", expected one of: {}", config.policy, known));
}

std::uint32_t tie_rank(std::uint64_t seed, std::uint32_t node) {
  // A Feistel network over two halves of 12 bits: a bijection whatever the round function is.
  std::uint32_t left = (node >> 12) & 0xfff;
  std::uint32_t right = node & 0xfff;
  for (std::uint64_t round = 0; round < 4; ++round) {
    std::uint64_t z = seed + (round + 1) * 0x9e3779b97f4a7c15ULL + right * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    const auto mixed = static_cast<std::uint32_t>((z ^ (z >> 31)) & 0xfff);
    left = std::exchange(right, left ^ mixed);
  }
  return (left << 12) | right;
}

std::int32_t best_fit_gpu(const NodeRow& row, std::int32_t milli) {
  std::int32_t best = -1;
  for (std::int32_t g = 0; g < row.gpus; ++g) {
    const std::uint16_t free = row.gpu_free[static_cast<std::size_t>(g)];
    if (shareable(row, g, milli) &&
        (best < 0 || free < row.gpu_free[static_cast<std::size_t>(best)])) {
      best = g;
    }
  }
  return best;
}

}  // namespace plimsoll::placement
