#include "engines/placement/gang_hosts.h"

#include <algorithm>
#include <functional>
#include <tuple>

namespace plimsoll::placement {

void GangHosts::upsert(const model::Node& node) {
  entries_.insert_or_assign(
      node.id, Entry{.node = node.id,
                     .path = node.topology,
                     .hardware = node.gpus.empty() ? std::string() : node.gpus.front().model,
                     .gpus = static_cast<std::int32_t>(node.gpus.size())});
  stale_ = true;
  ++version_;
}

void GangHosts::remove(NodeId node) {
  entries_.erase(node);
  stale_ = true;
  ++version_;
}

void GangHosts::rebuild() {
  std::vector<const Entry*> order;
  order.reserve(entries_.size());
  hardware_.clear();
  for (const auto& [node, entry] : entries_) {
    order.push_back(&entry);
    hardware_.push_back(entry.hardware);
  }
  std::ranges::sort(hardware_);
  const auto repeats = std::ranges::unique(hardware_);
  hardware_.erase(repeats.begin(), repeats.end());
  // Hosts that NVLink joins follow each other.
  const auto nvlink = [](const Entry& e) { return model::perf::nvlink_bandwidth(e.hardware); };
  const auto joins = [&](const Entry& e) { return !e.path.nvlink_domain.empty() && nvlink(e) > 0; };
  std::ranges::stable_sort(order, [&](const Entry* a, const Entry* b) {
    return a->path != b->path ? a->path < b->path : joins(*a) && !joins(*b);
  });

  const auto names = [](const Entry& e) {
    return std::array<const std::string*, domain_levels>{&e.path.zone, &e.path.block, &e.path.rack,
                                                         &e.path.nvlink_domain};
  };
  ordered_.clear();
  ordered_.reserve(order.size());
  std::array<std::int32_t, domain_levels> next{};
  for (std::size_t i = 0; i < order.size(); ++i) {
    const Entry& entry = *order[i];
    GangHost host{.node = entry.node, .total = entry.gpus, .nvlink = nvlink(entry)};
    const bool beside =
        i > 0 && joins(entry) && joins(*order[i - 1]) && entry.path == order[i - 1]->path;
    host.unit = i == 0 ? 0 : ordered_.back().unit + (beside ? 0 : 1);
    host.hardware = static_cast<std::int32_t>(
        std::distance(hardware_.begin(), std::ranges::lower_bound(hardware_, entry.hardware)));
    bool fresh = i == 0;
    for (std::size_t level = 0; level < domain_levels; ++level) {
      const std::string& name = *names(entry)[level];
      fresh = fresh || name != *names(*order[i - 1])[level];
      next[level] += fresh ? 1 : 0;
      host.domain[level] = name.empty() ? -next[level] - 1 : next[level];
    }
    ordered_.push_back(host);
  }
  stale_ = false;
}

std::vector<GangHost> GangHosts::with_room(std::span<const std::int32_t> room,
                                           std::int32_t gpus_per_member) {
  if (stale_) {
    rebuild();
  }
  std::vector<GangHost> hosts;
  for (GangHost host : ordered_) {
    host.room = host.node.index() < room.size() ? room[host.node.index()] : 0;
    if (host.room > 0) {
      host.total = std::max(host.room, host.total / std::max(1, gpus_per_member));
      hosts.push_back(host);
    }
  }
  return hosts;
}

std::vector<model::perf::RingHost> GangHosts::ring_hosts() const {
  std::vector<model::perf::RingHost> hosts;
  hosts.reserve(entries_.size());
  for (const auto& [node, entry] : entries_) {
    hosts.push_back({.topology = entry.path, .gpus = entry.gpus, .gpu_model = entry.hardware});
  }
  return hosts;
}

std::vector<HostRange> split_by_domain(HostRange hosts, std::size_t level) {
  std::vector<HostRange> ranges;
  for (std::size_t begin = 0; begin < hosts.size();) {
    std::size_t end = begin + 1;
    while (end < hosts.size() && hosts[end].domain[level] == hosts[begin].domain[level]) {
      ++end;
    }
    ranges.push_back(hosts.subspan(begin, end - begin));
    begin = end;
  }
  return ranges;
}

std::int64_t room_of(HostRange hosts) {
  std::int64_t room = 0;
  for (const GangHost& host : hosts) {
    room += host.room;
  }
  return room;
}

std::int64_t room_of(HostRange hosts, std::int32_t hosts_max) {
  const auto most = static_cast<std::size_t>(hosts_max);
  if (hosts_max == 0 || hosts.size() <= most) {
    return room_of(hosts);
  }
  std::vector<std::int32_t> rooms;
  rooms.reserve(hosts.size());
  for (const GangHost& host : hosts) {
    rooms.push_back(host.room);
  }
  std::ranges::nth_element(rooms, rooms.begin() + hosts_max, std::greater{});
  std::int64_t room = 0;
  for (std::size_t i = 0; i < most; ++i) {
    room += rooms[i];
  }
  return room;
}

}  // namespace plimsoll::placement
