// When a gang that could start had better not: the one home of that rule and of its bounds.
//
// A gang waits if some placement that running work will free makes it finish sooner than the best
// one now. Others may overtake it meanwhile. Values; pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/units.h"
#include "model/ids.h"

namespace plimsoll::placement {

// Two bounds, both on one gang: how long it may decline, and how long it may be overtaken.
struct WaitBounds {
  // From its first decline on, a gang declines for at most this many times its expected run time,
  double declines_per_expected = 1;
  // and never for longer than this.
  Duration declines_max = seconds(std::int64_t{24 * 3600});
  // A gang that has waited for so long, and for so many times its expected run time, is due.
  Duration due_after = seconds(std::int64_t{1800});
  double due_per_expected = 3;
};

// What one gang remembers of its waiting.
struct WaitState {
  std::optional<Time> first_declined;
};

// Running work that is predicted to end `at`, and the GPUs that it then gives back.
struct Release {
  struct Share {
    NodeId node;
    std::int32_t gpus = 0;
  };
  Time at;
  std::vector<Share> shares;
};

// From when on a gang that runs for `expected` at its best may decline no more, having declined
// first at `first_declined`.
Time decline_ends(const WaitBounds& bounds, Duration expected, Time first_declined);
// Whether it may decline at `now`.
bool may_decline(const WaitBounds& bounds, const WaitState& state, Duration expected, Time now);

// From when on it has been overtaken for long enough; and whether that is so.
Time due_at(const WaitBounds& bounds, Duration expected, Time submitted);
bool is_due(const WaitBounds& bounds, Duration expected, Time submitted, Time now);

// A start that is possible at `at` and would then take `run`.
struct Start {
  Time at;
  Duration run;
};
// Whether `later` ends before `now_start`, by more than a microsecond's rounding.
bool finishes_sooner(const Start& later, const Start& now_start);

}  // namespace plimsoll::placement
