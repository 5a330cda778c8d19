// Random clusters, workloads and faults, small and from a seed. Pure.
#pragma once

#include <cstdint>

#include "model/workload.h"
#include "sim/simulator.h"

namespace plimsoll::campaigns {

struct Chaos {
  model::Cluster cluster;
  model::Workload workload;
  sim::SimConfig config;  // queue, policies, node events, binding faults, checkpoints
};

struct ChaosOptions {
  bool faults = true;  // node events and bindings that fail
  bool mig = true;     // some GPUs in MIG mode, some pods that ask instances
  bool exact = false;  // one kind of node, whole GPUs, every job ends: for exact claims
};

Chaos make_chaos(std::uint64_t seed, const ChaosOptions& options);

}  // namespace plimsoll::campaigns
