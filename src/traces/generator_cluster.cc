#include <fmt/format.h>

#include <array>

#include "traces/generator.h"
#include "traces/topology.h"

namespace plimsoll::traces {
namespace {

// Some racks of equal hosts in one block. Amounts and prices: AWS's, as generator.h says.
struct Pool {
  const char* name;
  const char* zone;
  const char* block;
  std::int32_t racks;
  std::int32_t hosts_per_rack;
  HostShape shape;
  Millicores allocatable_cpu;
  Bytes allocatable_memory;
  bool tainted;
  bool mig;
};

const HostShape h100{.gpus = 8,
                     .gpu_model = "H100-80GB",
                     .gpu_memory = gibibyte * 80,
                     .cpu = Millicores(192'000),
                     .memory = gibibyte * 2048,
                     .pods = 100,
                     .price = MicroUsdPerHour(55'040'000)};
const HostShape a100{.gpus = 8,
                     .gpu_model = "A100-80GB",
                     .gpu_memory = gibibyte * 80,
                     .cpu = Millicores(96'000),
                     .memory = gibibyte * 1152,
                     .pods = 250,
                     .price = MicroUsdPerHour(27'447'050)};
const HostShape l4{.gpus = 4,
                   .gpu_model = "L4-24GB",
                   .gpu_memory = mebibyte * 22'888,
                   .cpu = Millicores(48'000),
                   .memory = gibibyte * 192,
                   .pods = 234,
                   .price = MicroUsdPerHour(4'601'600)};
const HostShape t4{.gpus = 4,
                   .gpu_model = "T4-16GB",
                   .gpu_memory = gibibyte * 16,
                   .cpu = Millicores(48'000),
                   .memory = gibibyte * 192,
                   .pods = 234,
                   .price = MicroUsdPerHour(3'912'000)};
const HostShape cpu_host{.gpus = 0,
                         .gpu_model = "",
                         .gpu_memory = Bytes{},
                         .cpu = Millicores(64'000),
                         .memory = gibibyte * 256,
                         .pods = 250,
                         .price = MicroUsdPerHour(3'072'000)};

const std::array<Pool, 9> pools = {{
    {"h100", "a", "b0", 3, 4, h100, Millicores(191'450), mebibyte * 1'938'410, true, false},
    {"a100", "a", "b1", 3, 4, a100, Millicores(95'690), mebibyte * 1'082'712, false, false},
    {"a100", "b", "b0", 2, 5, a100, Millicores(95'690), mebibyte * 1'082'712, false, false},
    {"a100-mig", "b", "b0", 1, 2, a100, Millicores(95'690), mebibyte * 1'082'712, false, true},
    {"l4", "a", "b2", 2, 5, l4, Millicores(47'810), mebibyte * 178'933, false, false},
    {"l4", "b", "b1", 2, 5, l4, Millicores(47'810), mebibyte * 178'933, false, false},
    {"t4", "b", "b2", 2, 8, t4, Millicores(47'810), mebibyte * 178'933, false, false},
    {"cpu", "a", "b3", 1, 5, cpu_host, Millicores(63'770), mebibyte * 234'021, false, false},
    {"cpu", "b", "b3", 1, 5, cpu_host, Millicores(63'770), mebibyte * 234'021, false, false},
}};

}  // namespace

model::Cluster generate_cluster(std::int32_t scale) {
  model::Cluster cluster;
  for (std::int32_t copy = 0; copy < scale; ++copy) {
    for (const Pool& pool : pools) {
      for (std::int32_t i = 0; i < pool.racks * pool.hosts_per_rack; ++i) {
        model::TopologyPath path;
        path.zone = fmt::format("zone-{}", pool.zone);
        path.block = fmt::format("{}-{}{}", pool.zone, pool.block,
                                 copy == 0 ? "" : fmt::format("-{}", copy));
        path.rack = fmt::format("{}-{}-r{}", path.block, pool.name, i / pool.hosts_per_rack);
        const std::size_t id = cluster.nodes.size();
        model::Node node =
            make_node(NodeId(static_cast<std::uint32_t>(id)),
                      fmt::format("{}-{}-{:02}", pool.name, path.block, i), pool.shape, path);
        node.allocatable.cpu = pool.allocatable_cpu;
        node.allocatable.memory = pool.allocatable_memory;
        node.pool = pool.name;
        model::set_label(node.labels, "plimsoll.dev/pool", pool.name);
        if (pool.tainted) {
          node.taints.push_back({.key = "plimsoll.dev/dedicated", .value = "training"});
        }
        if (pool.mig) {
          for (model::Gpu& gpu : node.gpus) {
            gpu.sharing = model::GpuSharing::mig;
          }
        }
        cluster.nodes.push_back(std::move(node));
      }
    }
  }
  return cluster;
}

}  // namespace plimsoll::traces
