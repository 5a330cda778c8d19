#include "kube/objects/node.h"

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <utility>

#include "kube/objects/selectors.h"

namespace plimsoll::kube {
namespace {

constexpr std::string_view gpu_resource = "nvidia.com/gpu";
constexpr std::int64_t gpus_max = 16;

using Keys = std::initializer_list<std::string_view>;

// The first of these labels that the node has.
std::string first_of(const model::Labels& labels, Keys keys) {
  for (const std::string_view key : keys) {
    if (const std::string* value = model::find_label(labels, key); value && !value->empty()) {
      return *value;
    }
  }
  return {};
}

model::TopologyPath read_topology(const model::Labels& labels) {
  return {.zone = first_of(
              labels, {"topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"}),
          .block = first_of(
              labels, {"cloud.provider.com/topology-block", "network.topology.nvidia.com/spine",
                       "fabric.topograph.run/tier-2"}),
          .rack = first_of(labels,
                           {"cloud.provider.com/topology-rack", "network.topology.nvidia.com/leaf",
                            "network.topology.nvidia.com/block", "fabric.topograph.run/tier-1"}),
          .nvlink_domain =
              first_of(labels, {"nvidia.com/gpu.clique", "network.topology.nvidia.com/accelerator",
                                "accelerator.topograph.run/tier-1"})};
}

// GPU feature discovery writes "NVIDIA-A100-SXM4-80GB"; the model names "A100-80GB".
std::string gpu_model(std::string_view product, std::int64_t memory_mib) {
  static constexpr std::string_view families[] = {"GB200", "B200", "H200", "H100", "A100", "A30"};
  for (const std::string_view family : families) {
    if (product.find(family) == std::string_view::npos) {
      continue;
    }
    for (const std::string_view size : {"40GB", "80GB", "94GB", "96GB", "24GB", "141GB"}) {
      if (product.find(size) != std::string_view::npos) {
        return std::string(family) + "-" + std::string(size);
      }
    }
    if (memory_mib > 0) {
      return std::string(family) + "-" + std::to_string((memory_mib + 512) / 1024) + "GB";
    }
  }
  return std::string(product.starts_with("NVIDIA-") ? product.substr(7) : product);
}

std::vector<model::Gpu> read_gpus(const model::Labels& labels, std::int64_t count) {
  std::int64_t memory_mib = 0;
  const std::string memory = first_of(labels, {"nvidia.com/gpu.memory"});
  std::from_chars(memory.data(), memory.data() + memory.size(), memory_mib);
  memory_mib = std::clamp<std::int64_t>(memory_mib, 0, std::int64_t{1} << 30);
  const model::Gpu gpu{.model = gpu_model(first_of(labels, {"nvidia.com/gpu.product"}), memory_mib),
                       .memory = Bytes(memory_mib * mebibyte.value()),
                       .sharing = model::GpuSharing::whole};
  return std::vector<model::Gpu>(static_cast<std::size_t>(std::min(count, gpus_max)), gpu);
}

model::CapacityType read_capacity_type(const model::Labels& labels) {
  const std::string type =
      first_of(labels, {"karpenter.sh/capacity-type", "eks.amazonaws.com/capacityType",
                        "cloud.google.com/gke-spot", "kubernetes.azure.com/scalesetpriority"});
  if (type == "spot" || type == "SPOT" || type == "true") return model::CapacityType::spot;
  return type == "reserved" ? model::CapacityType::reserved : model::CapacityType::on_demand;
}

}  // namespace

Result<model::Node> read_node(Json node) {
  Meta meta = read_meta(node);
  if (meta.name.empty()) {
    return failed("node: metadata: found no name");
  }
  model::Node read{.name = std::move(meta.name),
                   .labels = labels(member(node, {"metadata", "labels"})),
                   .taints = read_taints(member(node, {"spec", "taints"})),
                   .capacity = read_resources(member(node, {"status", "capacity"})),
                   .allocatable = read_resources(member(node, {"status", "allocatable"}))};
  take_extended(read.capacity, gpu_resource);
  read.gpus = read_gpus(read.labels, take_extended(read.allocatable, gpu_resource));
  read.topology = read_topology(read.labels);
  read.pool = first_of(read.labels,
                       {"plimsoll.dev/pool", "karpenter.sh/nodepool", "eks.amazonaws.com/nodegroup",
                        "cloud.google.com/gke-nodepool", "kubernetes.azure.com/agentpool"});
  read.capacity_type = read_capacity_type(read.labels);
  read.unschedulable = truth(member(node, {"spec", "unschedulable"}));
  return read;
}

}  // namespace plimsoll::kube
