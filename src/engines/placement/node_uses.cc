#include "engines/placement/node_uses.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/result.h"

namespace plimsoll::placement {
namespace {

template <typename Use>
auto find_use(auto& counted, const Use& use) {
  return std::ranges::lower_bound(counted, use, {}, [](const auto& held) { return held.first; });
}

template <typename Use>
void add(std::vector<std::pair<Use, std::int32_t>>& counted, const Use& use, std::int32_t by) {
  const auto at = find_use(counted, use);
  const bool there = at != counted.end() && at->first == use;
  check(there || by > 0, "a use that is given back was taken");
  if (!there) {
    counted.insert(at, {use, by});
  } else if ((at->second += by) == 0) {
    counted.erase(at);
  }
}

template <typename T>
void sort_once(std::vector<T>& items) {
  std::ranges::sort(items);
  const auto twins = std::ranges::unique(items);
  items.erase(twins.begin(), twins.end());
}

}  // namespace

NodeUses::NodeUses() { check(ips_.intern("0.0.0.0") == every_address, "the first name is 0"); }

NodeUses::Wants NodeUses::wants_of(const model::PodSpec& spec) {
  Wants wants;
  for (const model::HostPort& port : spec.host_ports) {
    if (port.port > 0) {
      const std::string protocol = port.protocol.empty() ? "TCP" : port.protocol;
      wants.ports.push_back({ports_.intern(fmt::format("{}/{}", protocol, port.port)),
                             ips_.intern(port.ip.empty() ? "0.0.0.0" : port.ip)});
    }
  }
  for (const model::AttachedVolume& volume : spec.volumes) {
    wants.volumes.push_back({drivers_.intern(volume.driver), handles_.intern(volume.handle)});
  }
  for (const std::string& claim : spec.exclusive_claims) {
    wants.claims.push_back(claims_.intern(claim));
  }
  claimed_.resize(static_cast<std::size_t>(claims_.size()), 0);
  sort_once(wants.ports);
  sort_once(wants.volumes);
  sort_once(wants.claims);
  return wants;
}

void NodeUses::set_node(std::size_t node, const model::Node& facts) {
  if (node >= nodes_.size()) {
    nodes_.resize(node + 1);
  }
  auto& limits = nodes_[node].limits;
  limits.clear();
  for (const auto& [driver, limit] : facts.attach_limits) {
    limits.emplace_back(drivers_.intern(driver), limit);
  }
  std::ranges::sort(limits);
}

void NodeUses::erase_node(std::size_t node) {
  if (node < nodes_.size()) {
    nodes_[node].limits.clear();
  }
}

bool NodeUses::ports_free(std::size_t node, const Wants& wants) const {
  if (wants.ports.empty() || node >= nodes_.size()) {
    return true;
  }
  const auto& held = nodes_[node].ports;
  return std::ranges::none_of(wants.ports, [&](const Port& want) {
    for (auto at = find_use(held, Port{want.port, 0});
         at != held.end() && at->first.port == want.port; ++at) {
      if (want.ip == every_address || at->first.ip == every_address || at->first.ip == want.ip) {
        return true;
      }
    }
    return false;
  });
}

bool NodeUses::volumes_fit(std::size_t node, const Wants& wants) const {
  if (wants.volumes.empty() || node >= nodes_.size()) {
    return true;
  }
  const Node& at = nodes_[node];
  for (std::size_t first = 0; first < wants.volumes.size();) {
    const std::int32_t driver = wants.volumes[first].driver;
    std::int64_t brings = 0;
    for (; first < wants.volumes.size() && wants.volumes[first].driver == driver; ++first) {
      const auto held = find_use(at.volumes, wants.volumes[first]);
      brings += held == at.volumes.end() || held->first != wants.volumes[first] ? 1 : 0;
    }
    const auto limit = std::ranges::lower_bound(at.limits, driver, {},
                                                [](const auto& entry) { return entry.first; });
    if (brings == 0 || limit == at.limits.end() || limit->first != driver) {
      continue;
    }
    const auto attached = std::ranges::count_if(
        at.volumes, [&](const auto& volume) { return volume.first.driver == driver; });
    if (attached + brings > limit->second) {
      return false;
    }
  }
  return true;
}

bool NodeUses::claims_free(const Wants& wants) const {
  return std::ranges::none_of(wants.claims, [&](std::int32_t claim) {
    return claimed_[static_cast<std::size_t>(claim)] > 0;
  });
}

void NodeUses::count(std::size_t node, const Wants& wants, std::int32_t by) {
  if (node >= nodes_.size()) {
    nodes_.resize(node + 1);
  }
  for (const Port& port : wants.ports) {
    add(nodes_[node].ports, port, by);
  }
  for (const Volume& volume : wants.volumes) {
    add(nodes_[node].volumes, volume, by);
  }
  for (const std::int32_t claim : wants.claims) {
    std::int32_t& pods = claimed_[static_cast<std::size_t>(claim)];
    pods += by;
    check(pods >= 0, "a claim that is given back was taken");
  }
}

std::string NodeUses::digest_text() const {
  std::vector<std::string> lines;
  for (std::size_t n = 0; n < nodes_.size(); ++n) {
    for (const auto& [port, pods] : nodes_[n].ports) {
      lines.push_back(
          fmt::format("port {} {} {} {}", n, ports_.name(port.port), ips_.name(port.ip), pods));
    }
    for (const auto& [volume, pods] : nodes_[n].volumes) {
      lines.push_back(fmt::format("volume {} {} {} {}", n, drivers_.name(volume.driver),
                                  handles_.name(volume.handle), pods));
    }
  }
  for (std::size_t c = 0; c < claimed_.size(); ++c) {
    if (claimed_[c] > 0) {
      lines.push_back(fmt::format("claim {} {}", claims_.name(static_cast<int>(c)), claimed_[c]));
    }
  }
  std::ranges::sort(lines);
  return lines.empty() ? std::string() : fmt::format("{}\n", fmt::join(lines, "\n"));
}

}  // namespace plimsoll::placement
