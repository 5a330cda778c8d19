// A GPU as a node offers it, what a pod asks of GPUs, and what it holds of them. Values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/units.h"

namespace plimsoll::model {

// How a GPU may be handed out.
enum class GpuSharing : std::uint8_t {
  shared,  // whole, or by thousandths among several pods
  whole,   // to one pod at a time
  mig,     // in MIG instances
};

enum class GpuCondition : std::uint8_t { stable, draining, reconfiguring, failed };

// An instance that a GPU is cut into: a profile at a start on the memory-slice axis (mig.h).
struct MigInstance {
  std::string profile;  // for instance "1g.10gb"
  std::int32_t start = 0;

  friend bool operator==(const MigInstance&, const MigInstance&) = default;
};

struct Gpu {
  std::string model;  // for instance "A100-80GB"; MIG geometry is looked up by it
  Bytes memory;
  GpuSharing sharing = GpuSharing::shared;
  GpuCondition condition = GpuCondition::stable;
  Time until;  // when a draining or reconfiguring GPU is expected back
  // sharing == mig: the instances that exist. Empty: it is cut on demand, at legal starts only.
  std::vector<MigInstance> instances;

  friend bool operator==(const Gpu&, const Gpu&) = default;
};

// What a pod asks. count == 0: no GPU.
struct GpuRequest {
  std::int32_t count = 0;           // GPUs, or MIG instances when mig_profile is set
  GpuMilli milli = whole_gpu;       // of each GPU; below 1000 only with count == 1
  std::string mig_profile;          // empty: no MIG
  std::vector<std::string> models;  // accepted models, sorted; empty: any
  Bytes memory_min;                 // of each GPU's memory; 0: any

  friend bool operator==(const GpuRequest&, const GpuRequest&) = default;
};

// A part of one GPU that a pod holds.
struct GpuShare {
  std::int32_t index = 0;       // on its node; -1: the device plugin chose, and it is unknown
  GpuMilli milli = whole_gpu;   // 0 for a MIG instance
  std::int32_t mig_start = -1;  // start of the instance; -1: not a MIG instance

  friend bool operator==(const GpuShare&, const GpuShare&) = default;
};

}  // namespace plimsoll::model
