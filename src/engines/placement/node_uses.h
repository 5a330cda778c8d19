// What pods use of a node besides amounts: host ports and attached volumes; and claims that one pod
// of the whole cluster may use at a time.
//
// Uses are counted, so that whatever is taken is given back exactly, also where others have bound
// pods that conflict. Nearly no pod uses any of this: `Wants::any()` is all that such a pod costs.
// Owned by the engine; not thread-safe.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engines/placement/names.h"
#include "model/node.h"
#include "model/pod.h"

namespace plimsoll::placement {

class NodeUses {
 public:
  struct Port {
    std::int32_t port = 0;  // number of "protocol/port"
    std::int32_t ip = 0;    // number of the address; every_address: all of them
    friend auto operator<=>(const Port&, const Port&) = default;
  };
  struct Volume {
    std::int32_t driver = 0;
    std::int32_t handle = 0;
    friend auto operator<=>(const Volume&, const Volume&) = default;
  };
  // What one pod of a spec uses; each list sorted, unique.
  struct Wants {
    std::vector<Port> ports;
    std::vector<Volume> volumes;
    std::vector<std::int32_t> claims;
    [[nodiscard]] bool any() const { return !ports.empty() || !volumes.empty() || !claims.empty(); }
  };

  NodeUses();

  // Reduces a spec. New names are interned, in order.
  Wants wants_of(const model::PodSpec& spec);
  // How many volumes each driver attaches there. Uses stay as they are.
  void set_node(std::size_t node, const model::Node& facts);
  void erase_node(std::size_t node);

  // Two ports conflict where protocol and number are equal, and the addresses are or one is all.
  [[nodiscard]] bool ports_free(std::size_t node, const Wants& wants) const;
  // Whether no driver would pass its limit by volumes that are not on the node yet.
  [[nodiscard]] bool volumes_fit(std::size_t node, const Wants& wants) const;
  [[nodiscard]] bool fits(std::size_t node, const Wants& wants) const {
    return ports_free(node, wants) && volumes_fit(node, wants);
  }
  // Whether no pod anywhere uses one of the claims. O(claims).
  [[nodiscard]] bool claims_free(const Wants& wants) const;

  // A pod comes to (by = 1) or leaves (by = -1) `node`. O(wants + uses there).
  void count(std::size_t node, const Wants& wants, std::int32_t by);

  // One line for each use, in an order that is the same however the uses came about.
  [[nodiscard]] std::string digest_text() const;

 private:
  template <typename Use>
  using Counted = std::vector<std::pair<Use, std::int32_t>>;  // sorted by use
  struct Node {
    Counted<Port> ports;
    Counted<Volume> volumes;
    std::vector<std::pair<std::int32_t, std::int64_t>> limits;  // by driver, sorted
  };
  static constexpr std::int32_t every_address = 0;

  Names ports_;
  Names ips_;
  Names drivers_;
  Names handles_;
  Names claims_;
  std::vector<std::int32_t> claimed_;  // pods, by claim
  std::vector<Node> nodes_;
};

}  // namespace plimsoll::placement
