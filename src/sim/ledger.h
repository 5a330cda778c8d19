// What is taken on each node of the virtual cluster, and whether a binding still fits.
//
// It re-checks every binding from first principles and shares no code with the engines, so that
// a wrong decision is refused here instead of double-booking a GPU. Owned by a SimWorld; not
// thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/mig.h"
#include "model/node.h"
#include "model/pod.h"

namespace plimsoll::sim {

// An instance of a MIG-cut GPU that a pod holds.
struct HeldInstance {
  std::string profile;
  std::int32_t start = 0;
  model::SliceMask slices = 0;
};

struct GpuUse {
  GpuMilli milli;         // handed out by thousandths
  std::int32_t pods = 0;  // that hold a part of it, instances included
  std::vector<HeldInstance> instances;
};

struct NodeUse {
  std::int64_t cpu = 0;
  std::int64_t memory = 0;
  std::int64_t ephemeral_storage = 0;
  std::int64_t pods = 0;
  std::vector<std::pair<std::string, std::int64_t>> extended;  // sorted by name
  std::vector<GpuUse> gpus;
};

// What a pod of `spec` holds of `gpu` by `share`, in thousandths; of a MIG-cut GPU the part of its
// memory slices.
std::int64_t held_milli(const model::Gpu& gpu, const model::PodSpec& spec,
                        const model::GpuShare& share);

class Ledger {
 public:
  // Sets what the node offers. What is taken on it stays.
  void set(const model::Node& node);
  void erase(NodeId node);

  // Whether `node` has room for `spec` at exactly `binding`; the error says what is missing.
  // O(GPUs asked x pods on them).
  [[nodiscard]] Result<void> fits(const model::Node& node, const model::PodSpec& spec,
                                  const model::Binding& binding) const;
  // Requires: fits().
  void take(const model::Node& node, const model::PodSpec& spec, const model::Binding& binding);
  // Requires: taken before.
  void give(const model::Node& node, const model::PodSpec& spec, const model::Binding& binding);

  [[nodiscard]] const NodeUse& use(NodeId node) const { return nodes_[node.index()]; }

 private:
  std::vector<NodeUse> nodes_;
};

}  // namespace plimsoll::sim
