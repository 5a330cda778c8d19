// FGD's measure of fragmentation: how much of what is free a typical pod cannot use.
//
// Kept in integers: expectations are multiplied by the count of all typical pods. (Weng et al.,
// "Beware of Fragmentation", ATC'23, section 3; cores and GPUs count, memory does not.) A value.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "engines/placement/engine.h"
#include "engines/placement/node_state.h"

namespace plimsoll::placement {

class FragmentationModel {
 public:
  // May intern GPU models in `nodes`.
  FragmentationModel(const std::vector<TypicalPod>& typical, NodeTable& nodes);

  // Free thousandths of `row` that a typical pod cannot use, times total(), were `cpu` millicores
  // free. `gpu_model` is the node's. O(groups of typical pods x GPUs).
  [[nodiscard]] std::int64_t fragmented(const NodeRow& row, std::int64_t cpu,
                                        std::int32_t gpu_model) const;

  // How many typical pods there are.
  [[nodiscard]] std::int64_t total() const { return total_; }

 private:
  // Typical pods that ask the same of GPUs.
  struct Group {
    std::int32_t gpus = 0;
    std::int32_t milli = 0;
    std::vector<std::int32_t> models;
    // Cores asked, and how many pods of the group ask no more; ascending.
    std::vector<std::pair<std::int64_t, std::int64_t>> by_cpu;

    [[nodiscard]] std::int64_t count_within(std::int64_t cpu) const;
  };

  std::vector<Group> groups_;
  std::int64_t total_ = 0;
};

}  // namespace plimsoll::placement
