// What apply() and validate() both ask of a pod and of its binding. Private to snapshot.h's .cc
// files. Pure functions; thread-safe.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "model/snapshot.h"

namespace plimsoll::model {

// Writes the name of the object that an error is about; called only when there is one.
using Where = std::function<std::string()>;

// The node exists, the spec's GPUs are all there, and each share is of a GPU that the node has.
Result<void> check_binding(const Snapshot& snapshot, SpecId spec, const Binding& binding,
                           const Where& where);

// The pod's references lead somewhere, and check_binding() holds if it is bound.
Result<void> check_pod(const Snapshot& snapshot, const Pod& pod, const Where& where);

}  // namespace plimsoll::model
