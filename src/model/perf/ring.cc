#include "model/perf/ring.h"

#include <algorithm>
#include <vector>

namespace plimsoll::model::perf {
namespace {

// NVLink of one GPU: its links times NCCL's bandwidth of a link.
struct NvLink {
  std::string_view prefix;
  double links = 0;
  double bytes_per_second = 0;
};
constexpr NvLink nvlinks[] = {
    {"V100", 6, 20e9}, {"A100", 12, 20e9}, {"H100", 18, 20.6e9}, {"H200", 18, 20.6e9}};

// The bandwidth of an interface that is left between two neighbours of the ring.
double share_between(const RingLinks& links, const TopologyPath& a, const TopologyPath& b) {
  if (a.zone != b.zone) return links.across_zones;
  if (a.block != b.block) return links.across_blocks;
  if (a.rack != b.rack) return links.across_racks;
  return 1;
}

}  // namespace

double nvlink_bandwidth(std::string_view gpu_model) {
  for (const NvLink& nvlink : nvlinks) {
    if (gpu_model.starts_with(nvlink.prefix)) {
      return nvlink.links * nvlink.bytes_per_second;
    }
  }
  return 0;
}

double ring_step_seconds(const RingLinks& links, const RingJob& job,
                         std::span<const RingHost> hosts) {
  std::vector<const RingHost*> ring;
  std::int64_t gpus = 0;
  for (const RingHost& host : hosts) {
    ring.push_back(&host);
    gpus += host.gpus;
  }
  if (gpus <= 1) {
    return job.compute_seconds;
  }
  std::ranges::sort(ring, {}, &RingHost::topology);
  const double nvlink = nvlink_bandwidth(job.gpu_model);
  const bool inside =
      std::ranges::any_of(hosts, [](const RingHost& host) { return host.gpus > 1; });
  const double local = nvlink > 0 ? nvlink : links.pcie;
  const double interfaces = links.interface * links.interfaces_per_host;
  double slowest = inside ? local : interfaces;
  if (ring.size() > 1) {
    for (std::size_t i = 0; i < ring.size(); ++i) {
      const RingHost& next = *ring[(i + 1) % ring.size()];
      slowest =
          std::min(slowest, interfaces * share_between(links, ring[i]->topology, next.topology));
    }
  }
  // A ring all-reduce takes 2 (n - 1) steps, of which 2 (hosts - 1) go between hosts.
  const auto steps = static_cast<double>(2 * (gpus - 1));
  const auto between = static_cast<double>(2 * (ring.size() - 1));
  const double hop = nvlink > 0 ? links.nvlink_latency : links.pcie_latency;
  const double latency =
      links.base_latency + (steps - between) * hop + between * links.network_latency;
  const double volume =
      static_cast<double>(job.gradients.value()) * steps / static_cast<double>(gpus);
  return job.compute_seconds + latency + volume / slowest;
}

}  // namespace plimsoll::model::perf
