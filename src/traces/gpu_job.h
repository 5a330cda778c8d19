// The pod of a job whose trace knows its GPUs and nothing else. Thread-safe: pure functions.
#pragma once

#include <cstdint>

#include "model/pod.h"

namespace plimsoll::traces {

// What each GPU brings along where a trace does not say: schedulers of such traces (Philly's among
// them: Jeon et al., ATC'19) give CPU and memory in proportion to GPUs, so that they never bind.
inline constexpr Millicores cpu_per_gpu{4000};
inline constexpr Bytes memory_per_gpu = gibibyte * 16;

inline model::PodSpec gpu_pod(std::int32_t gpus) {
  model::PodSpec spec;
  spec.requests.cpu = cpu_per_gpu * gpus;
  spec.requests.memory = memory_per_gpu * gpus;
  spec.gpu.count = gpus;
  return spec;
}

}  // namespace plimsoll::traces
