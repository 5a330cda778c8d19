// What is free on each node: the dense arrays that placement works on.
//
// A NodeRow is one cache line and holds all that changes when a pod comes or goes; a NodeFacts is
// what only a change of the node itself changes. Where others have bound more than there is, what
// is free of cores and memory is negative, and GPUs have nothing free; all of it is a function of
// what the node offers and the pods hold, so that whatever is taken is given back exactly.
// Owned by the engine; not thread-safe.
#pragma once

#include <algorithm>
#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "engines/placement/names.h"
#include "model/mig.h"
#include "model/node.h"
#include "model/pod.h"

namespace plimsoll::placement {

inline constexpr int gpus_per_node_max = 16;
inline constexpr int whole = 1000;  // thousandths of one GPU

struct alignas(64) NodeRow {
  std::int64_t cpu_free = 0;     // millicores; negative where more is held than there is
  std::int64_t memory_free = 0;  // bytes; likewise
  std::int32_t pods_free = 0;
  std::int32_t gpu_free_total = 0;       // thousandths, over all GPUs that may be used
  std::uint16_t shareable_free_max = 0;  // the most that one shareable GPU has free
  std::uint8_t gpus_whole_free = 0;      // GPUs with all of it free
  std::uint8_t gpus = 0;                 // GPUs that are handed out whole or by thousandths
  std::uint16_t whole_only = 0;          // bit i: GPU i is never shared
  std::uint16_t blocked = 0;             // bit i: GPU i is draining, reconfiguring, failed or MIG
  std::array<std::uint16_t, gpus_per_node_max> gpu_free{};  // 0 where blocked

  friend bool operator==(const NodeRow&, const NodeRow&) = default;
};
static_assert(sizeof(NodeRow) == 64);

// One MIG GPU: the instances that stand on it, and which of them pods hold.
struct MigGpu {
  struct Instance {
    const model::MigProfile* profile = nullptr;  // of `geometry`
    std::int32_t start = 0;
    bool held = false;

    friend bool operator==(const Instance&, const Instance&) = default;
  };
  std::int32_t index = 0;
  const model::MigGeometry* geometry = nullptr;
  bool on_demand = false;  // instances are cut when a pod asks and go when it leaves
  bool usable = true;
  std::vector<Instance> instances;  // by start

  // Memory slices (and media engines) under instances.
  [[nodiscard]] model::SliceMask occupied() const;
};

struct NodeFacts {
  bool present = false;
  bool ready = false;
  std::int32_t gpu_model = -1;  // in Names; -1: no GPUs
  std::int64_t gpu_memory = 0;  // bytes of each GPU
  std::int64_t cpu = 0;
  std::int64_t memory = 0;
  std::vector<MigGpu> mig;              // by index
  std::vector<std::int64_t> extra;      // free ephemeral storage and extended resources, by number
  std::array<std::int32_t, 10> held{};  // pods on it by what they hold: affinity_class()
};

// A pod spec reduced to what the hot path compares.
struct Shape {
  std::int64_t cpu = 0;
  std::int64_t memory = 0;
  std::int32_t gpus = 0;   // whole or shared GPUs; 0 for CPU-only pods and for MIG
  std::int32_t milli = 0;  // of each
  std::int32_t mig_count = 0;
  std::string mig_profile;
  std::vector<std::pair<std::int32_t, std::int64_t>> extra;  // resource number, amount
  std::vector<std::int32_t> models;  // accepted GPU models, sorted; empty: any
  std::int64_t gpu_memory_min = 0;

  [[nodiscard]] bool shares() const { return gpus > 0 && milli < whole; }
  [[nodiscard]] bool asks_gpus() const { return gpus > 0 || mig_count > 0; }
};

// 0: none, 1: a share, 2..9: that many whole GPUs less one, as the clustering policy groups pods.
inline int affinity_class(const Shape& shape) {
  if (shape.gpus == 0) return 0;
  if (shape.shares()) return 1;
  return shape.gpus >= 8 ? 9 : shape.gpus + 1;
}

// Whether the row has room, GPUs included; MIG and extra resources apart. As kube-scheduler has it,
// a pod that asks nothing of a resource fits however much of it is held.
inline bool row_fits(const NodeRow& row, const Shape& shape) {
  if (shape.cpu > std::max<std::int64_t>(row.cpu_free, 0) ||
      shape.memory > std::max<std::int64_t>(row.memory_free, 0) || row.pods_free <= 0) {
    return false;
  }
  if (shape.gpus == 0) {
    return true;
  }
  return shape.milli < whole ? row.shareable_free_max >= shape.milli
                             : row.gpus_whole_free >= shape.gpus;
}

// Whether GPU `g` may be shared and has `milli` free.
inline bool shareable(const NodeRow& row, std::int32_t g, std::int32_t milli) {
  return row.gpu_free[static_cast<std::size_t>(g)] >= milli && ((row.whole_only >> g) & 1U) == 0;
}

class NodeTable {
 public:
  // Reduces a spec. New names are interned, in order.
  Shape shape_of(const model::PodSpec& spec);
  Names& models() { return models_; }
  [[nodiscard]] const Names& resources() const { return resources_; }

  // Sets the node's offer; what `held` pods hold is taken by the caller afterwards.
  // Errors: more than 16 GPUs, GPUs of different models, an unknown MIG model or illegal layout.
  Result<void> set(const model::Node& node);
  void erase(NodeId node);

  [[nodiscard]] std::size_t size() const { return rows_.size(); }
  [[nodiscard]] const NodeRow& row(std::size_t node) const { return rows_[node]; }
  [[nodiscard]] const NodeFacts& facts(std::size_t node) const { return facts_[node]; }
  [[nodiscard]] std::span<const NodeRow> rows() const { return rows_; }

  // Room for one more pod of `shape`: cores, memory, GPUs, MIG and every extra resource. O(shape).
  [[nodiscard]] bool fits(std::size_t node, const Shape& shape) const;
  // MIG instances for one more pod, and what they cost: the legal places that they take from
  // instances to come, in thousandths of a GPU's. Existing instances cost nothing.
  struct MigChoice {
    std::vector<model::GpuShare> shares;
    std::int64_t cost_milli = 0;
  };
  // Takes the cheapest instance first, then the lowest GPU and start. Requires: shape.mig_count >
  // 0.
  [[nodiscard]] std::optional<MigChoice> choose_mig(std::size_t node, const Shape& shape) const;

  // Takes or gives back what one pod holds. A share whose GPU is unknown (the device plugin chose)
  // or gone counts against the node's other GPUs: the last of those that are free, so that ours,
  // which go to the first ones, stay where they are. O(GPUs and unknown shares of the node).
  void take(std::size_t node, const Shape& shape, std::span<const model::GpuShare> shares);
  void give(std::size_t node, const Shape& shape, std::span<const model::GpuShare> shares);

 private:
  void move(std::size_t node, const Shape& shape, std::span<const model::GpuShare> shares,
            int sign);
  void refresh(std::size_t node);
  void refresh_mig(std::size_t node);

  // What pods hold of a node's GPUs.
  struct MigHold {
    std::int32_t gpu = -1;    // -1: unknown
    std::int32_t start = -1;  // -1: unknown
    std::string profile;
    friend auto operator<=>(const MigHold&, const MigHold&) = default;
  };
  struct Odd {
    std::vector<std::int32_t> unknown;  // thousandths of shares of unknown GPUs, ascending
    std::vector<MigHold> mig;           // sorted
  };
  struct Held {
    std::array<std::uint16_t, gpus_per_node_max> milli{};  // thousandths, by GPU
    std::unique_ptr<Odd> odd;                              // nearly no node has any
  };

  std::vector<NodeRow> rows_;
  std::vector<NodeFacts> facts_;
  std::vector<Held> held_;
  Names models_;
  Names resources_;
};

}  // namespace plimsoll::placement
