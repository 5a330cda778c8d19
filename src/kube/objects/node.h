// A node as the API server has it, read into the model. Pure; thread-safe.
#pragma once

#include <string>

#include "kube/objects/meta.h"
#include "model/node.h"

namespace plimsoll::kube {

// GPUs are the whole ones of `nvidia.com/gpu` (at most 16, what the engine tells apart), with model
// and memory from the labels of GPU feature discovery; `nvidia.com/mig-*` and every other resource
// stay extended resources, counted as the device plugin counts them. The topology path is read
// from the labels that docs/guides/operate.md lists. Readiness is left to the taints that the node
// lifecycle controller sets, as kube-scheduler leaves it. The id is none, the price 0.
// Errors: no name.
Result<model::Node> read_node(Json node);

}  // namespace plimsoll::kube
