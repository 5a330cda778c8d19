// Selectors, taints, tolerations and amounts, as the model has them. Pure functions; thread-safe.
#pragma once

#include <string_view>
#include <vector>

#include "kube/objects/json.h"
#include "model/pod.h"
#include "model/resources.h"

namespace plimsoll::kube {

// A metav1.LabelSelector. Absent: one that matches nothing, as Kubernetes has it.
model::LabelSelector read_label_selector(Json value);
// A list of expressions in either form: matchExpressions of labels or of nodes.
std::vector<model::Requirement> read_requirements(Json list);
// nodeSelectorTerms, less those without any expression, which match nothing anyway. Unless there
// are terms, none holds: the result has one term that no node matches.
std::vector<model::NodeSelectorTerm> read_node_terms(Json list);
model::NodeSelectorTerm read_node_term(Json term);

std::vector<model::Toleration> read_tolerations(Json list);
std::vector<model::Taint> read_taints(Json list);

// Amounts by name. What cannot be read counts as none of it; amounts are cut to 2^50.
model::Resources read_resources(Json map);
model::Resources operator+(model::Resources a, const model::Resources& b);
model::Resources most_of(model::Resources a, const model::Resources& b);  // of each name
// Takes the extended resource `name` out; 0: there was none.
std::int64_t take_extended(model::Resources& resources, std::string_view name);

}  // namespace plimsoll::kube
