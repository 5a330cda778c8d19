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
};

// The less, the better; compared from the top.
struct PreemptCost {
  std::int32_t violations = 0;       // pods whose going breaks a budget
  std::int64_t highest = INT64_MIN;  // priority of a victim
  std::int64_t sum = 0;              // of the victims' priorities, each counted from the least
  std::int32_t victims = 0;
  // When the first of the victims with the highest priority started, negated: the later, the
  // better.
  std::int64_t started_negated = INT64_MIN;

  friend auto operator<=>(const PreemptCost&, const PreemptCost&) = default;
};

struct Preemption {
  std::vector<PodId> victims;  // in ids' order; none: it fits as it is
  NodeId node;                 // of a single pod
  std::uint32_t domain = 0;    // of a gang
  PreemptCost cost;
};

struct PreemptInput {
  Engine* engine = nullptr;  // as it will be once what is leaving is gone; never null
  // All that may go, in any order. Each gang that goes as a whole is all there.
  std::span<const Occupant> occupants;
  Budgets* budgets = nullptr;  // never null; nothing is spent
};

// The cheapest node for one pod of `spec`, of those `allowed` (null: all).
// O(occupants x rules), less what is given up early because a better node is known.
std::optional<Preemption> preempt_for_pod(const PreemptInput& input, SpecId spec,
                                          const std::vector<bool>* allowed);

// A pending member of a gang.
struct Preemptor {
  PodId pod;
  SpecId spec;
};

// For a gang: every domain in which it would fit, cheapest first.
// `domain`: by node, or no_domain. Whether it fits is exact for pods apart from each other; where
// members look at pods, or differ, they are placed one after the other.
// O(domains x (nodes + occupants)); in the second case each step costs members x O(nodes).
std::vector<Preemption> preempt_for_gang(const PreemptInput& input,
                                         std::span<const Preemptor> members,
                                         std::span<const std::uint32_t> domain,
                                         const std::vector<bool>* allowed);

}  // namespace plimsoll::placement
