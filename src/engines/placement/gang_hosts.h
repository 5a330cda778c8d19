// Hosts as a gang sees them: how many of its members fit, and which domains they stand in.
//
// GangHosts keeps every node in the order of the topology tree, so that each domain is one
// contiguous range. Values; owned by a GangPlacer.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "model/node.h"
#include "model/perf/ring.h"

namespace plimsoll::placement {

// zone, block, rack, nvlink_domain: the levels above a host, widest first.
inline constexpr std::size_t domain_levels = 4;
// The place of `level` among them. Requires: zone to nvlink_domain.
constexpr std::size_t level_index(model::TopologyLevel level) {
  return static_cast<std::size_t>(level) - static_cast<std::size_t>(model::TopologyLevel::zone);
}

struct GangHost {
  NodeId node;
  std::int32_t room = 0;      // members that fit now
  std::int32_t total = 0;     // members that would fit if it were empty
  std::int32_t hardware = 0;  // index into GangHosts::hardware()
  double nvlink = 0;          // bandwidth of a GPU's NVLink; 0: none
  // Equal for hosts that NVLink joins (those of one named domain that have it), else its own.
  std::int32_t unit = 0;
  // By level: numbers that differ between domains; negative where the node does not say.
  std::array<std::int32_t, domain_levels> domain{};
};

class GangHosts {
 public:
  void upsert(const model::Node& node);
  void remove(NodeId node);

  // Hosts with room for at least one member, in the tree's order.
  std::vector<GangHost> with_room(std::span<const std::int32_t> room, std::int32_t gpus_per_member);
  // GPU models, sorted.
  [[nodiscard]] const std::vector<std::string>& hardware() const { return hardware_; }
  // Every node, empty, as the ring model sees it; borrowed until the next change.
  [[nodiscard]] std::vector<model::perf::RingHost> ring_hosts() const;
  // Counts changes.
  [[nodiscard]] std::uint64_t version() const { return version_; }

 private:
  struct Entry {
    NodeId node;
    model::TopologyPath path;
    std::string hardware;
    std::int32_t gpus = 0;
  };
  void rebuild();

  std::map<NodeId, Entry> entries_;
  bool stale_ = false;
  std::uint64_t version_ = 0;
  std::vector<GangHost> ordered_;  // `total` in GPUs, `room` unused
  std::vector<std::string> hardware_;
};

// A domain's hosts: a contiguous part of with_room().
using HostRange = std::span<const GangHost>;

// The ranges of equal domains at `level` within `hosts`.
std::vector<HostRange> split_by_domain(HostRange hosts, std::size_t level);

std::int64_t room_of(HostRange hosts);
// The members that fit on the `hosts_max` roomiest hosts (0: on all).
std::int64_t room_of(HostRange hosts, std::int32_t hosts_max);

}  // namespace plimsoll::placement
