// How long a training step takes where nobody measured it: compute, then a ring all-reduce.
//
//   t = compute + base + hops + (S / B) 2 (n - 1) / n
// for n GPUs and S bytes of gradients. The ring visits hosts in the order of their topology paths,
// which crosses the fewest links; B is the slowest of its links. Hosts that name one NVLink domain
// are joined by NVLink, as in a GB200 NVL72. Latencies and bandwidths are NCCL's
// (src/graph/tuning.cc, ring with the simple protocol; src/graph/topo.h).
//
// Trust it to tell one host from several and one rack from several, and no further: held against
// Sia's measured step times it ranks placements badly (Spearman -1.0 to .43), so measured profiles
// come first wherever there are any (step_time.h). Pure values; thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.h"
#include "model/node.h"

namespace plimsoll::model::perf {

// Bandwidths in bytes a second, latencies in seconds.
struct RingLinks {
  double pcie = 12e9;       // PCIe 3 x16: GPUs of a host without NVLink
  double interface = 12e9;  // one 100 Gb network interface
  std::int32_t interfaces_per_host = 1;
  double base_latency = 8.4e-6;
  double nvlink_latency = 3.4e-6;  // a hop
  double pcie_latency = 5.7e-6;
  double network_latency = 14e-6;
  // The share of an interface's bandwidth that is left when the ring leaves the rack, the block,
  // the zone. Assumed, not measured: a Clos fabric that is non-blocking inside a block.
  double across_racks = 1;
  double across_blocks = 0.5;
  double across_zones = 0.25;
};

// The NVLink bandwidth of one GPU of that model, or 0 where it has none that is known here.
double nvlink_bandwidth(std::string_view gpu_model);

struct RingHost {
  TopologyPath topology;
  std::int32_t gpus = 1;
  std::string_view gpu_model;
};

struct RingJob {
  double compute_seconds = 0;  // of a step, without communication
  Bytes gradients;             // summed over all GPUs in every step
};

// All that the model sees of a placement. A unit is a host, or the hosts of one NVLink domain.
struct RingShape {
  std::int32_t gpus = 1;
  std::int32_t units = 1;
  // The widest level, zone to rack, at which two of its units differ; none: they share a rack.
  TopologyLevel crosses = TopologyLevel::none;
  double nvlink = 0;  // of the GPU with the slowest; 0: some have none

  friend bool operator==(const RingShape&, const RingShape&) = default;
};
RingShape ring_shape(std::span<const RingHost> hosts);  // in any order; O(hosts log hosts)

// Seconds of one step. One GPU: compute_seconds. With the links as they are above it grows with
// the units and with the level that they cross, and several units do as well on any NVLink. O(1).
double ring_step_seconds(const RingLinks& links, const RingJob& job, const RingShape& shape);
double ring_step_seconds(const RingLinks& links, const RingJob& job,
                         std::span<const RingHost> hosts);

// A kind of unit that a cluster has, and the GPUs in the largest of them.
struct RingKind {
  double nvlink = 0;
  std::int32_t gpus = 0;

  friend auto operator<=>(const RingKind&, const RingKind&) = default;
};
// The kinds among `hosts`, each with all its GPUs, that have one of `gpu_models` (empty: any).
// O(hosts log hosts).
std::vector<RingKind> ring_kinds(std::span<const RingHost> hosts,
                                 std::span<const std::string> gpu_models);
// A step at its best: as few units of one kind as there could be, in one rack. That is what a job's
// duration is measured at, whoever predicts it. Without kinds: compute_seconds.
double best_ring_seconds(const RingLinks& links, const RingJob& job, std::int32_t gpus,
                         std::span<const RingKind> kinds);

}  // namespace plimsoll::model::perf
