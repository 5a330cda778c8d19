#include "traces/topology.h"

#include <fmt/format.h>

#include <array>
#include <map>

#include "traces/csv.h"
#include "traces/load.h"

namespace plimsoll::traces {

model::Node make_node(NodeId id, std::string name, const HostShape& shape,
                      model::TopologyPath topology) {
  model::Node node;
  node.id = id;
  node.capacity.cpu = shape.cpu;
  node.capacity.memory = shape.memory;
  node.capacity.pods = shape.pods;
  node.allocatable = node.capacity;
  node.price = shape.price;
  if (shape.gpus > 0) {
    model::Gpu gpu;
    gpu.model = shape.gpu_model;
    gpu.memory = shape.gpu_memory;
    node.gpus.assign(static_cast<std::size_t>(shape.gpus), gpu);
    model::set_label(node.labels, "nvidia.com/gpu.product", shape.gpu_model);
  }
  model::set_label(node.labels, "kubernetes.io/hostname", name);
  const std::array<std::pair<const char*, const std::string*>, 3> levels = {
      {{"topology.kubernetes.io/zone", &topology.zone},
       {"topology.kubernetes.io/block", &topology.block},
       {"topology.kubernetes.io/rack", &topology.rack}}};
  for (const auto& [key, value] : levels) {
    if (!value->empty()) {
      model::set_label(node.labels, key, *value);
    }
  }
  node.name = std::move(name);
  node.topology = std::move(topology);
  return node;
}

model::Cluster fabric(const FabricSize& size, const HostShape& shape) {
  check(size.zones >= 1 && size.blocks >= 1 && size.racks >= 1 && size.hosts_per_rack >= 1,
        "a fabric has at least one of each");
  // Each factor is below 2^31 and the product so far below 2^20: no overflow.
  std::int64_t hosts = size.zones;
  for (const std::int32_t factor : {size.blocks, size.racks, size.hosts_per_rack}) {
    check(hosts <= fabric_hosts_max, "a fabric of at most a million hosts");
    hosts *= factor;
  }
  check(hosts <= fabric_hosts_max, "a fabric of at most a million hosts");
  model::Cluster cluster;
  cluster.nodes.reserve(static_cast<std::size_t>(hosts));
  for (std::int64_t i = 0; i < hosts; ++i) {
    const std::int64_t rack = i / size.hosts_per_rack;
    const std::int64_t block = rack / size.racks;
    const std::int64_t zone = block / size.blocks;
    model::TopologyPath path;
    path.zone = fmt::format("z{}", zone);
    path.block = fmt::format("{}-b{}", path.zone, block % size.blocks);
    path.rack = fmt::format("{}-r{}", path.block, rack % size.racks);
    cluster.nodes.push_back(make_node(NodeId(static_cast<std::uint32_t>(i)),
                                      fmt::format("node-{}", i), shape, std::move(path)));
  }
  return cluster;
}

Result<model::Cluster> parse_lingjun(std::string_view text, const std::string& name,
                                     const HostShape& shape) {
  enum Column : std::size_t { ip, core, aggregation, top_of_rack };
  constexpr std::array<CsvColumn, 4> columns = {{{"ip"}, {"DSW"}, {"PSW"}, {"ASW"}}};
  CsvReader reader = TRY(CsvReader::make(text, name, columns));
  model::Cluster cluster;
  std::map<std::string, std::int64_t, std::less<>> lines;
  while (TRY(reader.next())) {
    if (static_cast<std::int64_t>(cluster.nodes.size()) == fabric_hosts_max) {
      return reader.error("row", fmt::format("more than {} hosts", fabric_hosts_max),
                          "at most that");
    }
    std::string host(TRY(reader.name(ip)));
    const auto [slot, added] = lines.try_emplace(host, reader.line());
    if (!added) {
      return reader.error("ip", fmt::format("{} of line {} again", quoted(host), slot->second),
                          "a new name");
    }
    model::TopologyPath path;
    path.zone = TRY(reader.name(core));
    path.block = fmt::format("{}-{}", path.zone, TRY(reader.name(aggregation)));
    path.rack = fmt::format("{}-{}", path.block, TRY(reader.name(top_of_rack)));
    const NodeId id(static_cast<std::uint32_t>(cluster.nodes.size()));
    cluster.nodes.push_back(make_node(id, std::move(host), shape, std::move(path)));
  }
  return cluster;
}

Result<model::Cluster> read_lingjun(const std::string& data, const HostShape& shape) {
  const std::string path = data_folder(data, "topology/lingjun") + "/topo.csv";
  const std::string text = TRY(load(path));
  return parse_lingjun(text, path, shape);
}

}  // namespace plimsoll::traces
