// Preemption: which pods of lower priority should go, so that a pod or a whole gang finds room.
//
// The order in which candidates are weighed is kube-scheduler's (framework/preemption and the
// plugin defaultpreemption): on a node, or in a gang's domain, all that may go is taken away; if
// the preemptor fits then, as much as possible is put back, the pods whose going breaks a budget
// first, the most important first. Of all candidates the cheapest is taken (PreemptCost). Unlike
// kube-scheduler, which looks at a tenth of the nodes, every node and every domain is looked at.
//
// Pure and deterministic. It tries things out on the engine inside checkpoints, and leaves it as it
// was. Not thread-safe.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "engines/placement/budgets.h"
#include "engines/placement/engine.h"

namespace plimsoll::placement {

// A pod that holds room and may be taken away for a pod of higher priority.
struct Occupant {
  PodId pod;
  SpecId spec;
  const model::Binding* binding = nullptr;  // never null; borrowed
  std::int32_t priority = 0;
  Time started;
  GangId whole;                 // all members of this gang go, or none; none: it goes alone
  bool do_not_disrupt = false;  // counts as breaking a budget
  // How many pods are lost with it: a gang that goes one by one is of no use below its least size.
  std::int32_t counts_as = 1;
};

// The less, the better; compared from the top.
struct PreemptCost {
  std::int32_t violations = 0;       // pods whose going breaks a budget
  std::int64_t highest = INT64_MIN;  // priority of a victim
  std::int64_t sum = 0;      // of the victims' priorities, each counted from the least, and as many
                             // times as pods are lost with it
  std::int64_t victims = 0;  // those pods
  // When the first of the victims with the highest priority started, negated: the later, the
  // better.
  std::int64_t started_negated = INT64_MIN;

  friend auto operator<=>(const PreemptCost&, const PreemptCost&) = default;
};

// A pending member of a gang.
struct Preemptor {
  PodId pod;
  SpecId spec;
};

struct Preemption {
  std::vector<PodId> victims;  // in ids' order; none: it fits as it is
  NodeId node;                 // of a single pod
  std::uint32_t domain = 0;    // of a gang
  PreemptCost cost;
};

struct PreemptInput {
  Engine* engine = nullptr;    // never null
  Budgets* budgets = nullptr;  // never null; nothing is spent
  // Appends what may go from a node: the pods on it, and with one of a gang that goes as a whole
  // all its other members that may go.
  std::function<void(NodeId, std::vector<Occupant>&)> occupants;
  // Makes the node, inside a transaction, what it will be once what leaves it is gone. Empty: the
  // engine is like that already, all of it.
  std::function<void(NodeId)> imagine;
};

// What preemption for pods of one spec costs on each node, remembered while the node is the same.
// For specs that heed no other pods (Engine::heeds_pods), at one priority.
class PreemptMemo {
 private:
  friend std::optional<Preemption> preempt_for_pod(const PreemptInput&, SpecId,
                                                   const std::vector<bool>*,
                                                   std::span<const std::uint64_t>, PreemptMemo&);
  struct Entry {
    std::uint64_t version = 0;
    std::optional<PreemptCost> cost;
  };
  std::vector<Entry> entries_;  // by node
};

// The cheapest node for one pod of `spec`, of those `allowed` (null: all); ties go to the lowest
// id. `versions`: by node, more than 0, and another whenever something of the node changed.
// O(nodes + pods of the nodes that changed x rules).
std::optional<Preemption> preempt_for_pod(const PreemptInput& input, SpecId spec,
                                          const std::vector<bool>* allowed,
                                          std::span<const std::uint64_t> versions,
                                          PreemptMemo& memo);

// For a gang: every domain in which it would fit, cheapest first. `domain`: by node, or no_domain.
// Whether it fits is exact for pods apart from each other; where members heed pods, or differ, they
// are placed one after the other.
// O(domains x (nodes + occupants)); in the second case each step costs members x O(nodes).
std::vector<Preemption> preempt_for_gang(const PreemptInput& input,
                                         std::span<const Preemptor> members,
                                         std::span<const std::uint32_t> domain,
                                         const std::vector<bool>* allowed);

}  // namespace plimsoll::placement
