// Clusters whose network is known: Alibaba's Lingjun fabric, and regular ones. Values; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/workload.h"

namespace plimsoll::traces {

// One kind of host.
struct HostShape {
  std::int32_t gpus = 8;
  std::string gpu_model = "A100-80GB";
  Bytes gpu_memory = gibibyte * 80;
  Millicores cpu{96'000};
  Bytes memory = gibibyte * 1024;
  std::int64_t pods = 110;  // kubelet's default
  MicroUsdPerHour price;
};

// A node of this shape, with the labels that Kubernetes and the GPU operator would set.
model::Node make_node(NodeId id, std::string name, const HostShape& shape,
                      model::TopologyPath topology);

struct FabricSize {
  std::int32_t zones = 1;
  std::int32_t blocks = 1;  // in each zone
  std::int32_t racks = 1;   // in each block
  std::int32_t hosts_per_rack = 1;
};

// A regular tree of hosts, named node-0, node-1, …, rack by rack. A domain's name holds its
// parents' ("z0-b1-r2"), so that its label is unique in the cluster.
// Requires: every size >= 1, and at most fabric_hosts_max hosts.
model::Cluster fabric(const FabricSize& size, const HostShape& shape = {});
inline constexpr std::int64_t fabric_hosts_max = 1'000'000;

// Lingjun's topo.csv (ip, DSW, PSW, ASW): zone = core switch, block = aggregation switch, rack =
// top-of-rack switch. ASW names repeat under different PSWs: a rack here is the pair.
// Hosts have `shape`, the paper's 8 GPUs by default (Crux, SIGCOMM'24).
Result<model::Cluster> parse_lingjun(std::string_view text, const std::string& name,
                                     const HostShape& shape = {});
// `data` holds topology/lingjun, or is that folder.
Result<model::Cluster> read_lingjun(const std::string& data, const HostShape& shape = {});

}  // namespace plimsoll::traces
