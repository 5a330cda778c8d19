// Counts of placed pods by domain: what affinity, anti-affinity and topology spread are made of.
//
// A group counts, by domain of one topology key, the placed pods that its selectors match, or those
// that hold an anti-affinity term; for a spread, only on nodes that count for it. Equal definitions
// share one group. Owned by PairConstraints; not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engines/placement/topology_keys.h"
#include "model/node.h"
#include "model/pod.h"

namespace plimsoll::placement {

class PairGroups {
 public:
  struct Match {
    bool every_namespace = false;
    std::vector<std::string> namespaces;  // sorted
    model::LabelSelector selector;

    [[nodiscard]] bool operator()(const model::PodSpec& spec) const;
  };
  enum class Kind : std::uint8_t {
    pods,     // that all of `matches` hold for
    living,   // the same, those that are going left out
    holders,  // that hold the term whose match is `matches`
  };
  struct Definition {
    std::int32_t key = 0;
    Kind kind = Kind::pods;
    std::vector<Match> matches;
    // Which nodes count: those that this selects, that stand in a domain of every one of `keys`,
    // and whose taints it tolerates, if they are to be honoured.
    model::PodSpec only;  // node_selector, node_affinity and tolerations
    bool honor_taints = false;
    std::vector<std::int32_t> keys;  // besides `key`

    [[nodiscard]] bool every_node() const;
    // Whether all selectors match, so that a pod of `spec` is counted (or, by holders, heeded).
    [[nodiscard]] bool operator()(const model::PodSpec& spec) const;
  };
  struct Group {
    bool alive = false;
    Definition is;
    std::vector<std::int32_t> counts;  // by domain; past the end: 0
    std::int32_t domains = 0;          // that have nodes that count
    std::int32_t least = 0;            // over those domains; 0 where there are none
    std::int64_t total = 0;            // over all domains

    [[nodiscard]] std::int32_t count(std::int32_t domain) const {
      const auto d = static_cast<std::size_t>(domain);
      return d < counts.size() ? counts[d] : 0;
    }

   private:
    friend class PairGroups;
    std::int32_t users = 0;
    bool every_node = true;
    std::map<std::string, std::int32_t>::iterator identity;
    std::vector<std::int32_t> domains_with;  // by count: domains that have nodes that count
    // Where not every node counts: which do, and how many of them stand in each domain.
    std::vector<std::uint8_t> eligible;
    std::vector<std::int32_t> nodes_in;
  };

  // The group of a definition, for one more user. O(nodes) for a new one, which counts nobody yet.
  struct Made {
    std::int32_t group = 0;
    bool fresh = false;
  };
  Made make(Definition definition, std::span<const model::Node> nodes);
  // One user less; true: nobody is left, and the group is gone.
  bool release(std::int32_t group);

  [[nodiscard]] const Group& operator[](std::int32_t group) const {
    return groups_[static_cast<std::size_t>(group)];
  }
  [[nodiscard]] std::int32_t size() const { return static_cast<std::int32_t>(groups_.size()); }
  TopologyKeys& keys() { return keys_; }
  [[nodiscard]] const TopologyKeys& keys() const { return keys_; }

  // The node as it is now, or null: it is gone. Its pods are uncounted before, and counted again
  // after. True: it moved under some key. O(groups).
  bool set_node(std::size_t node, const model::Node* facts);

  // A pod that the group counts comes to, or (by = -1) leaves `node`. O(1) amortised.
  void count(std::int32_t group, std::size_t node, std::int32_t by);

  // One line for each group, in an order that is the same however the groups came about.
  [[nodiscard]] std::string digest_text() const;

 private:
  [[nodiscard]] bool eligible(const Group& group, std::size_t node, const model::Node& facts) const;
  void enter(Group& group, std::int32_t domain);
  void leave(Group& group, std::int32_t domain);
  static void appear(Group& group, std::int32_t domain);
  static void vanish(Group& group, std::int32_t domain);
  static void settle_least(Group& group, std::int32_t from);

  TopologyKeys keys_;
  std::vector<Group> groups_;
  std::vector<std::int32_t> free_;
  std::map<std::string, std::int32_t> by_identity_;
};

}  // namespace plimsoll::placement
