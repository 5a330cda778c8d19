// Everything known about a cluster at one instant, and what changed since. Values.
//
// Ids are indices into these vectors (`nodes[id.index()].id == id`); a slot whose id is none() is
// free. Engines build their working state from a Snapshot and keep it by Deltas; the state always
// equals one rebuilt from the Snapshot that the same Deltas lead to.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "model/budget.h"
#include "model/gang.h"
#include "model/node.h"
#include "model/pod.h"
#include "model/tenant.h"

namespace plimsoll::model {

struct Snapshot {
  Time now;
  std::vector<Node> nodes;
  std::vector<PodSpec> specs;
  std::vector<Pod> pods;
  std::vector<Gang> gangs;
  std::vector<Tenant> tenants;
  std::vector<DisruptionBudget> budgets;

  friend bool operator==(const Snapshot&, const Snapshot&) = default;
};

// Added, or replaced in place. Pods that are bound to it stay; those that held a GPU that is gone
// hold an unknown one.
struct NodeUpserted {
  Node node;
  friend bool operator==(const NodeUpserted&, const NodeUpserted&) = default;
};
// Its pods are gone with it; a PodRemoved for each comes first.
struct NodeRemoved {
  NodeId node;
  friend bool operator==(const NodeRemoved&, const NodeRemoved&) = default;
};
// A new spec, or another one in the place of a spec that no pod has any more.
struct SpecAdded {
  SpecId id;
  PodSpec spec;
  friend bool operator==(const SpecAdded&, const SpecAdded&) = default;
};
// A new pod, pending or already bound.
struct PodAdded {
  Pod pod;
  friend bool operator==(const PodAdded&, const PodAdded&) = default;
};
struct PodBound {
  PodId pod;
  Binding binding;
  friend bool operator==(const PodBound&, const PodBound&) = default;
};
struct PodRemoved {
  PodId pod;
  friend bool operator==(const PodRemoved&, const PodRemoved&) = default;
};
// Replaced in place: its spec, gang, times or state. Its binding is as it was.
struct PodChanged {
  Pod pod;
  friend bool operator==(const PodChanged&, const PodChanged&) = default;
};
// A Bind that the world had taken on did not happen; the pod is pending, as it was before.
struct BindFailed {
  PodId pod;
  std::string why;
  friend bool operator==(const BindFailed&, const BindFailed&) = default;
};
struct GangUpserted {
  Gang gang;
  friend bool operator==(const GangUpserted&, const GangUpserted&) = default;
};
struct GangRemoved {
  GangId gang;
  friend bool operator==(const GangRemoved&, const GangRemoved&) = default;
};
struct BudgetUpserted {
  DisruptionBudget budget;
  friend bool operator==(const BudgetUpserted&, const BudgetUpserted&) = default;
};
struct BudgetRemoved {
  BudgetId budget;
  friend bool operator==(const BudgetRemoved&, const BudgetRemoved&) = default;
};
using Delta =
    std::variant<NodeUpserted, NodeRemoved, SpecAdded, PodAdded, PodBound, PodRemoved, GangUpserted,
                 GangRemoved, PodChanged, BindFailed, BudgetUpserted, BudgetRemoved>;

// Carries `delta` out on `snapshot`. Errors, and then nothing changed: an id that is unknown, taken
// or past the next free one; a pod that is already bound; what others still refer to. O(what
// changes), and O(pods) where something that pods may refer to is removed.
Result<void> apply(Snapshot& snapshot, const Delta& delta);

// Whether ids, references and amounts hold together; the error names the object and the field.
Result<void> validate(const Snapshot& snapshot);

}  // namespace plimsoll::model
