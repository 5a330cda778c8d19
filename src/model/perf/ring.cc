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
constexpr NvLink nvlinks[] = {{"V100", 6, 20e9},    {"A100", 12, 20e9},   {"H100", 18, 20.6e9},
                              {"H200", 18, 20.6e9}, {"B200", 18, 40.1e9}, {"GB200", 18, 40.1e9}};

// The bandwidth of an interface that is left where the ring crosses `level`.
double share_across(const RingLinks& links, TopologyLevel level) {
  switch (level) {
    case TopologyLevel::zone:
      return links.across_zones;
    case TopologyLevel::block:
      return links.across_blocks;
    case TopologyLevel::rack:
      return links.across_racks;
    case TopologyLevel::none:
    case TopologyLevel::nvlink_domain:
    case TopologyLevel::host:
      break;
  }
  return 1;
}

// Whether NVLink joins the two hosts.
bool joined(const RingHost& a, const RingHost& b) {
  return !a.topology.nvlink_domain.empty() && a.topology == b.topology &&
         nvlink_bandwidth(a.gpu_model) > 0 && nvlink_bandwidth(b.gpu_model) > 0;
}

// By path, and within one path those with NVLink first: the hosts of a unit follow each other.
std::vector<const RingHost*> in_order(std::span<const RingHost> hosts) {
  std::vector<const RingHost*> ring;
  ring.reserve(hosts.size());
  for (const RingHost& host : hosts) {
    ring.push_back(&host);
  }
  std::ranges::sort(ring, [](const RingHost* a, const RingHost* b) {
    if (a->topology != b->topology) {
      return a->topology < b->topology;
    }
    return nvlink_bandwidth(a->gpu_model) > nvlink_bandwidth(b->gpu_model);
  });
  return ring;
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

RingShape ring_shape(std::span<const RingHost> hosts) {
  const std::vector<const RingHost*> ring = in_order(hosts);
  RingShape shape{.gpus = 0, .units = 0};
  for (std::size_t i = 0; i < ring.size(); ++i) {
    const RingHost& host = *ring[i];
    const double nvlink = nvlink_bandwidth(host.gpu_model);
    shape.gpus += host.gpus;
    shape.units += i > 0 && joined(*ring[i - 1], host) ? 0 : 1;
    shape.nvlink = i == 0 ? nvlink : std::min(shape.nvlink, nvlink);
  }
  if (ring.empty()) {
    return shape;
  }
  // In the paths' order the first and the last differ at the widest level.
  const TopologyPath& first = ring.front()->topology;
  const TopologyPath& last = ring.back()->topology;
  shape.crosses = first.zone != last.zone     ? TopologyLevel::zone
                  : first.block != last.block ? TopologyLevel::block
                  : first.rack != last.rack   ? TopologyLevel::rack
                                              : TopologyLevel::none;
  return shape;
}

double ring_step_seconds(const RingLinks& links, const RingJob& job, const RingShape& shape) {
  if (shape.gpus <= 1) {
    return job.compute_seconds;
  }
  const double local = shape.nvlink > 0 ? shape.nvlink : links.pcie;
  const double interfaces =
      links.interface * links.interfaces_per_host * share_across(links, shape.crosses);
  const bool inside = shape.gpus > shape.units;
  const double slowest = shape.units == 1 ? local
                         : inside         ? std::min(local, interfaces)
                                          : interfaces;
  // A ring all-reduce takes 2 (n - 1) steps, of which 2 (units - 1) go between units.
  const auto steps = static_cast<double>(2 * (shape.gpus - 1));
  const auto between = static_cast<double>(2 * (shape.units - 1));
  const double hop = shape.nvlink > 0 ? links.nvlink_latency : links.pcie_latency;
  const double latency =
      links.base_latency + (steps - between) * hop + between * links.network_latency;
  const double volume =
      static_cast<double>(job.gradients.value()) * steps / static_cast<double>(shape.gpus);
  return job.compute_seconds + latency + volume / slowest;
}

double ring_step_seconds(const RingLinks& links, const RingJob& job,
                         std::span<const RingHost> hosts) {
  return ring_step_seconds(links, job, ring_shape(hosts));
}

std::vector<RingKind> ring_kinds(std::span<const RingHost> hosts,
                                 std::span<const std::string> gpu_models) {
  std::vector<RingKind> kinds;
  const RingHost* before = nullptr;
  std::int32_t in_unit = 0;
  for (const RingHost* host : in_order(hosts)) {
    if (host->gpus == 0 || (!gpu_models.empty() &&
                            std::ranges::find(gpu_models, host->gpu_model) == gpu_models.end())) {
      continue;
    }
    in_unit = before != nullptr && joined(*before, *host) ? in_unit + host->gpus : host->gpus;
    before = host;
    const double nvlink = nvlink_bandwidth(host->gpu_model);
    auto kind = std::ranges::find(kinds, nvlink, &RingKind::nvlink);
    if (kind == kinds.end()) {
      kind = kinds.insert(kinds.end(), {.nvlink = nvlink});
    }
    kind->gpus = std::max(kind->gpus, in_unit);
  }
  return kinds;
}

double best_ring_seconds(const RingLinks& links, const RingJob& job, std::int32_t gpus,
                         std::span<const RingKind> kinds) {
  double best = 0;
  for (const RingKind& kind : kinds) {
    const double step = ring_step_seconds(
        links, job,
        RingShape{
            .gpus = gpus, .units = (gpus + kind.gpus - 1) / kind.gpus, .nvlink = kind.nvlink});
    best = best == 0 ? step : std::min(best, step);
  }
  return best > 0 ? best : job.compute_seconds;
}

}  // namespace plimsoll::model::perf
