// Pod shapes learned while pods arrive, without a search and without a history in advance.
//
// What a GPU with rho thousandths left will waste is estimated as the mean of what GPUs that were
// ever left with rho ended up wasting, in a replay of the pods seen so far, drawn again, on the
// empty cluster. The other terms of the table stay as they are. Pure; not thread-safe.
#pragma once

#include <cstdint>
#include <span>

#include "engines/placement/learn.h"

namespace plimsoll::placement {

// `table` with its knots and h estimated from the history, over `rounds` replays each under the
// last one's estimate, and with the prices of GPU models. O(rounds x replay).
Result<ValueTable> estimate_shapes(const History& history, ValueTable table, std::int32_t rounds);

// As replay() under policy "plimsoll", but the table's shapes are those of the pods that arrived
// before: none at first, then estimated again after every `every` arrivals. `history` gives the
// nodes and specs; its pods are not looked at. Requires: every > 0.
Result<ReplayOutcome> replay_online(const History& history, std::span<const SpecId> arrivals,
                                    const ValueTable& start, std::size_t every);

}  // namespace plimsoll::placement
