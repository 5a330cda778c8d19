#include "engines/placement/gang_wait.h"

#include <algorithm>

namespace plimsoll::placement {
namespace {

Duration times(double factor, Duration duration) { return seconds(factor * to_seconds(duration)); }

}  // namespace

Time decline_ends(const WaitBounds& bounds, Duration expected, Time first_declined) {
  return first_declined +
         std::min(bounds.declines_max, times(bounds.declines_per_expected, expected));
}

bool may_decline(const WaitBounds& bounds, const WaitState& state, Duration expected, Time now) {
  return !state.first_declined.has_value() ||
         now < decline_ends(bounds, expected, *state.first_declined);
}

Time due_at(const WaitBounds& bounds, Duration expected, Time submitted) {
  return submitted + bounds.due_after + times(bounds.due_per_expected, expected);
}

bool is_due(const WaitBounds& bounds, Duration expected, Time submitted, Time now) {
  return now >= due_at(bounds, expected, submitted);
}

bool finishes_sooner(const Start& later, const Start& now_start) {
  return later.at + later.run + microseconds(1) < now_start.at + now_start.run;
}

}  // namespace plimsoll::placement
