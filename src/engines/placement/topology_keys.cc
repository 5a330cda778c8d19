#include "engines/placement/topology_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "model/labels.h"

namespace plimsoll::placement {
namespace {

bool of_kubernetes(std::string_view label) {
  const std::string_view prefix = label.substr(0, label.find('/'));
  return prefix.size() < label.size() &&
         (prefix == "kubernetes.io" || prefix.ends_with(".kubernetes.io"));
}

std::optional<std::string> domain_of(const model::Node& node, const std::string& key) {
  if (const std::string* label = model::find_label(node.labels, key)) {
    return *label;
  }
  if (std::ranges::any_of(node.labels, [](const auto& l) { return of_kubernetes(l.first); })) {
    return std::nullopt;
  }
  const model::TopologyPath& path = node.topology;
  if (key == "kubernetes.io/hostname") {
    return node.name;
  }
  if (key == "topology.kubernetes.io/zone" && !path.zone.empty()) {
    return path.zone;
  }
  if (key == "cloud.provider.com/topology-block" && !path.block.empty()) {
    return fmt::format("{}/{}", path.zone, path.block);
  }
  if (key == "cloud.provider.com/topology-rack" && !path.rack.empty()) {
    return fmt::format("{}/{}/{}", path.zone, path.block, path.rack);
  }
  return std::nullopt;
}

}  // namespace

TopologyKeys::Move TopologyKeys::move(Key& key, const std::string& name, std::size_t node,
                                      const model::Node* facts) {
  if (node >= key.domain_of.size()) {
    key.domain_of.resize(node + 1, no_domain);
  }
  const auto domain = facts != nullptr ? domain_of(*facts, name) : std::nullopt;
  const std::int32_t now = domain ? key.names.intern(*domain) : no_domain;
  key.nodes_in.resize(static_cast<std::size_t>(key.names.size()), 0);
  const std::int32_t before = std::exchange(key.domain_of[node], now);
  if (now != no_domain) {
    ++key.nodes_in[static_cast<std::size_t>(now)];
  }
  if (before != no_domain) {
    --key.nodes_in[static_cast<std::size_t>(before)];
  }
  return {before, now};
}

std::int32_t TopologyKeys::number(const std::string& key, std::span<const model::Node> nodes) {
  const std::int32_t number = names_.intern(key);
  if (number == count()) {
    keys_.emplace_back();
    for (std::size_t n = 0; n < nodes.size(); ++n) {
      if (nodes[n].id.valid()) {
        move(keys_.back(), key, n, &nodes[n]);
      }
    }
  }
  return number;
}

std::span<const TopologyKeys::Move> TopologyKeys::set_node(std::size_t node,
                                                           const model::Node* facts) {
  moves_.clear();
  for (std::int32_t k = 0; k < count(); ++k) {
    moves_.push_back(move(keys_[static_cast<std::size_t>(k)], name(k), node, facts));
  }
  return moves_;
}

}  // namespace plimsoll::placement
