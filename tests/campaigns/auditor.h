// Checks the true state of a simulated cluster from first principles, after every turn.
//
// It reads the Snapshot alone: no ledger, no engine. O(nodes + pods). Pure.
#pragma once

#include "base/result.h"
#include "model/snapshot.h"

namespace plimsoll::campaigns {

// Errors: a node whose requests pass its offer, a GPU handed out twice, MIG instances that overlap
// or may not exist, a pod on a node that it may not use.
Result<void> audit_rooms(const model::Snapshot& truth);
// And a gang of which some members are bound.
Result<void> audit(const model::Snapshot& truth);

}  // namespace plimsoll::campaigns
