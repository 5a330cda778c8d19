// The order in which pending work is tried, and what a blocked head means: one registry.
//
// Values; thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"

namespace plimsoll::control {

// What comes first within one priority (higher priorities always come first).
enum class QueueOrder : std::uint8_t {
  submitted,  // the oldest
  shortest,   // the least expected duration, then the oldest; an unknown duration comes last
};

// What happens to the others when the first does not fit.
enum class WhenBlocked : std::uint8_t {
  wait,     // nothing overtakes it
  skip,     // whatever fits starts
  reserve,  // EASY (Lifka, 1995): it gets the earliest time at which it fits as a reservation, and
            // others start if they end by then or stay off its nodes
  give_up,  // each is tried once, when it arrives, and is refused for good
};

struct QueuePolicy {
  std::string_view name;
  QueueOrder order = QueueOrder::submitted;
  WhenBlocked blocked = WhenBlocked::wait;
  std::string_view help;
};

std::span<const QueuePolicy> queue_policies();

// Errors: an unknown name; the message lists those that exist.
Result<QueuePolicy> find_queue_policy(std::string_view name);

}  // namespace plimsoll::control
