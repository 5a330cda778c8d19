// Which domain of each topology key a node stands in.
//
// A node that bears labels of Kubernetes' own is read by its labels alone, as kube-scheduler reads
// it. Any other (of a trace, or written by hand) stands, without a label for the key, where its
// name and topology path say. Owned by the engine; not thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engines/placement/names.h"
#include "model/node.h"

namespace plimsoll::placement {

class TopologyKeys {
 public:
  static constexpr std::int32_t no_domain = -1;

  // The number of a key, learned now if it is new. O(nodes) for a new one.
  std::int32_t number(const std::string& key, std::span<const model::Node> nodes);
  [[nodiscard]] std::int32_t count() const { return static_cast<std::int32_t>(keys_.size()); }
  [[nodiscard]] const std::string& name(std::int32_t key) const { return names_.name(key); }

  // What set_node() did under one key.
  struct Move {
    std::int32_t before = no_domain;
    std::int32_t now = no_domain;
  };
  // The node as it is now; null: it is gone. Moves by key, valid until the next call. O(keys).
  std::span<const Move> set_node(std::size_t node, const model::Node* facts);

  [[nodiscard]] std::int32_t domain(std::int32_t key, std::size_t node) const {
    const auto& domains = at(key).domain_of;
    return node < domains.size() ? domains[node] : no_domain;
  }
  // Nodes that stand in a domain.
  [[nodiscard]] std::int32_t nodes_in(std::int32_t key, std::int32_t domain) const {
    return at(key).nodes_in[static_cast<std::size_t>(domain)];
  }
  // Domains ever seen; their numbers run below this.
  [[nodiscard]] std::int32_t domains(std::int32_t key) const { return at(key).names.size(); }
  [[nodiscard]] const std::string& domain_name(std::int32_t key, std::int32_t domain) const {
    return at(key).names.name(domain);
  }

 private:
  struct Key {
    Names names;                          // of domains
    std::vector<std::int32_t> domain_of;  // by node
    std::vector<std::int32_t> nodes_in;   // by domain
  };
  [[nodiscard]] const Key& at(std::int32_t key) const {
    return keys_[static_cast<std::size_t>(key)];
  }
  static Move move(Key& key, const std::string& name, std::size_t node, const model::Node* facts);

  Names names_;
  std::vector<Key> keys_;
  std::vector<Move> moves_;
};

}  // namespace plimsoll::placement
