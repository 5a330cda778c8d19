#include "model/pod.h"

#include <algorithm>

namespace plimsoll::model {
namespace {

bool names(const Requirement& requirement, const std::string& name) {
  const bool listed = std::ranges::count(requirement.values, name) > 0;
  switch (requirement.op) {
    case SelectorOperator::in:
      return listed;
    case SelectorOperator::not_in:
      return !listed;
    case SelectorOperator::exists:
      return true;
    case SelectorOperator::does_not_exist:
    case SelectorOperator::gt:
    case SelectorOperator::lt:
      return false;
  }
  return false;
}

// The term but for its names.
bool holds_nameless(const NodeSelectorTerm& term, const Node& node) {
  return !(term.expressions.empty() && term.names.empty()) &&
         matches(term.expressions, node.labels);
}

bool tolerated(const PodSpec& spec, const Taint& taint) {
  return std::ranges::any_of(spec.tolerations, [&](const auto& t) { return tolerates(t, taint); });
}

}  // namespace

bool holds(const NodeSelectorTerm& term, const Node& node) {
  return holds_nameless(term, node) &&
         std::ranges::all_of(term.names, [&](const auto& r) { return names(r, node.name); });
}

bool tolerates(const Toleration& toleration, const Taint& taint) {
  if (toleration.effect && *toleration.effect != taint.effect) {
    return false;
  }
  if (!toleration.key.empty() && toleration.key != taint.key) {
    return false;
  }
  return toleration.op == TolerationOperator::exists || toleration.value == taint.value;
}

bool selects(const PodSpec& spec, const Node& node) {
  const bool selector = std::ranges::all_of(spec.node_selector, [&](const auto& label) {
    const std::string* value = find_label(node.labels, label.first);
    return value != nullptr && *value == label.second;
  });
  return selector && (spec.node_affinity.empty() ||
                      std::ranges::any_of(spec.node_affinity,
                                          [&](const auto& term) { return holds(term, node); }));
}

bool volumes_reach(const PodSpec& spec, const Node& node) {
  return std::ranges::all_of(spec.volume_topology, [&](const auto& terms) {
    return std::ranges::any_of(terms, [&](const auto& t) { return holds_nameless(t, node); });
  });
}

bool tolerates_cordon(const PodSpec& spec) {
  return tolerated(spec, {.key = "node.kubernetes.io/unschedulable"});
}

const Taint* untolerated_taint(const PodSpec& spec, const Node& node) {
  for (const Taint& taint : node.taints) {
    if (taint.effect != TaintEffect::prefer_no_schedule && !tolerated(spec, taint)) {
      return &taint;
    }
  }
  return nullptr;
}

}  // namespace plimsoll::model
