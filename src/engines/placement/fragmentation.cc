#include "engines/placement/fragmentation.h"

#include <algorithm>

namespace plimsoll::placement {

FragmentationModel::FragmentationModel(const std::vector<TypicalPod>& typical, NodeTable& nodes) {
  for (const TypicalPod& pod : typical) {
    const Shape shape = nodes.shape_of(pod.spec);
    total_ += pod.count;
    if (shape.gpus == 0) {
      continue;  // a CPU-only pod can use no GPU: all that is free is fragmented for it
    }
    const auto same = std::ranges::find_if(groups_, [&](const Group& g) {
      return g.gpus == shape.gpus && g.milli == shape.milli && g.models == shape.models;
    });
    Group& group = same != groups_.end()
                       ? *same
                       : groups_.emplace_back(Group{shape.gpus, shape.milli, shape.models, {}});
    group.by_cpu.emplace_back(shape.cpu, pod.count);
  }
  for (Group& group : groups_) {
    std::ranges::sort(group.by_cpu);
    std::int64_t sum = 0;
    for (auto& [cpu, count] : group.by_cpu) {
      sum += count;
      count = sum;
    }
  }
}

std::int64_t FragmentationModel::fragmented(const NodeRow& row, std::int64_t cpu,
                                            std::int32_t gpu_model) const {
  std::int64_t free = 0;
  for (std::size_t g = 0; g < row.gpus; ++g) {
    free += row.gpu_free[g];
  }
  std::int64_t sum = free * total_;
  for (const Group& group : groups_) {
    std::int64_t usable = 0;
    std::int32_t fitting = 0;
    for (std::size_t g = 0; g < row.gpus; ++g) {
      const bool fits = row.gpu_free[g] >= group.milli;
      usable += fits ? row.gpu_free[g] : 0;
      fitting += fits ? 1 : 0;
    }
    const bool accessible =
        group.models.empty() || std::ranges::binary_search(group.models, gpu_model);
    if (fitting >= group.gpus && accessible) {
      sum -= group.count_within(cpu) * usable;
    }
  }
  return sum;
}

std::int64_t FragmentationModel::Group::count_within(std::int64_t cpu) const {
  std::int64_t count = 0;
  for (const auto& [need, sum] : by_cpu) {
    if (need > cpu) {
      break;
    }
    count = sum;
  }
  return count;
}

}  // namespace plimsoll::placement
