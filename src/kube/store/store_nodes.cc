// Nodes, how many volumes they attach, and disruption budgets.
#include <algorithm>
#include <utility>

#include "kube/store/cluster_store.h"

namespace plimsoll::kube {

void ClusterStore::upsert(model::Node node) {
  if (!options_.owned_nodes.empty() && !model::matches(options_.owned_nodes, node.labels)) {
    node.ready = false;
  }
  if (const auto limits = attach_limits_.find(node.name); limits != attach_limits_.end()) {
    node.attach_limits = limits->second.limits;
  }
  const auto known = node_by_name_.find(node.name);
  if (known != node_by_name_.end()) {
    NodeEntry& entry = nodes_[known->second.index()];
    node.id = known->second;
    if (entry.node != node) {
      entry.node = node;
      deltas_.emplace_back(model::NodeUpserted{std::move(node)});
    }
    return;
  }
  node.id = NodeId(node_ids_.take());
  if (nodes_.size() <= node.id.index()) {
    nodes_.resize(node.id.index() + 1);
  }
  nodes_[node.id.index()].node = node;
  const std::string name = node.name;
  node_by_name_.emplace(name, node.id);
  deltas_.emplace_back(model::NodeUpserted{std::move(node)});
  if (const auto orphaned = orphans_.find(name); orphaned != orphans_.end()) {
    const std::set<std::uint32_t> found = std::move(orphaned->second);
    orphans_.erase(orphaned);
    retell(found);
  }
}

// Pods on it are no longer told of. What was sent there and not confirmed has failed, as far as
// anybody can tell; if it did happen, the pod comes back as bound to a node that is not known.
void ClusterStore::remove_node(std::string_view name) {
  const auto known = node_by_name_.find(name);
  if (known == node_by_name_.end()) {
    return;
  }
  const NodeId id = known->second;
  node_by_name_.erase(known);
  const std::set<std::uint32_t> pods = nodes_[id.index()].pods;
  for (const std::uint32_t index : pods) {
    if (pods_[index].binding) {
      tell(index);
    } else {
      fail(pods_[index].id, "its node was deleted");
    }
  }
  nodes_[id.index()] = {};
  node_ids_.give_back(id.value());
  deltas_.emplace_back(model::NodeRemoved{id});
}

void ClusterStore::upsert(AttachLimits limits) {
  const std::string name = limits.meta.name;
  attach_limits_.insert_or_assign(name, std::move(limits));
  if (const auto known = node_by_name_.find(name); known != node_by_name_.end()) {
    upsert(model::Node(nodes_[known->second.index()].node));
  }
}

void ClusterStore::remove_attach_limits(std::string_view node) {
  const auto limits = attach_limits_.find(node);
  if (limits == attach_limits_.end()) {
    return;
  }
  attach_limits_.erase(limits);
  if (const auto known = node_by_name_.find(node); known != node_by_name_.end()) {
    model::Node without = nodes_[known->second.index()].node;
    without.attach_limits.clear();
    upsert(std::move(without));
  }
}

void ClusterStore::upsert(BudgetObject budget) {
  const std::string key = key_of(budget.meta);
  for (const model::Requirement& requirement : budget.budget.selector) {
    learn_key(requirement.key);
  }
  const auto [at, fresh] = budgets_.try_emplace(key);
  budget.budget.id = fresh ? BudgetId(budget_ids_.take()) : at->second.id;
  if (fresh || at->second != budget.budget) {
    at->second = budget.budget;
    deltas_.emplace_back(model::BudgetUpserted{std::move(budget.budget)});
  }
}

void ClusterStore::remove_budget(std::string_view key) {
  if (const auto known = budgets_.find(key); known != budgets_.end()) {
    deltas_.emplace_back(model::BudgetRemoved{known->second.id});
    budget_ids_.give_back(known->second.id.value());
    budgets_.erase(known);
  }
}

const std::string* ClusterStore::node(NodeId id) const {
  if (id.index() >= nodes_.size() || nodes_[id.index()].node.id != id) {
    return nullptr;
  }
  return &nodes_[id.index()].node.name;
}

std::vector<std::string> ClusterStore::node_names() const { return sorted_keys(node_by_name_); }
std::vector<std::string> ClusterStore::budget_keys() const { return sorted_keys(budgets_); }
std::vector<std::string> ClusterStore::attach_limit_nodes() const {
  return sorted_keys(attach_limits_);
}

}  // namespace plimsoll::kube
