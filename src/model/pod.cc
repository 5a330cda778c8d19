#include "model/pod.h"

#include <algorithm>

namespace plimsoll::model {
namespace {

bool holds(const NodeSelectorTerm& term, const Node& node) {
  return !term.expressions.empty() && matches(term.expressions, node.labels);
}

}  // namespace

bool tolerates(const Toleration& toleration, const Taint& taint) {
  if (toleration.effect && *toleration.effect != taint.effect) {
    return false;
  }
  if (!toleration.key.empty() && toleration.key != taint.key) {
    return false;
  }
  if (toleration.op == TolerationOperator::exists) {
    return true;
  }
  return !toleration.key.empty() && toleration.value == taint.value;
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

const Taint* untolerated_taint(const PodSpec& spec, const Node& node) {
  for (const Taint& taint : node.taints) {
    const bool hard = taint.effect != TaintEffect::prefer_no_schedule;
    if (hard && std::ranges::none_of(spec.tolerations,
                                     [&](const auto& t) { return tolerates(t, taint); })) {
      return &taint;
    }
  }
  return nullptr;
}

}  // namespace plimsoll::model
