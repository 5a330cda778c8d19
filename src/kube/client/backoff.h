// Exponential back-off: how long to wait after so many failures. Pure; thread-safe.
#pragma once

#include <algorithm>
#include <chrono>

namespace plimsoll::kube {

// first x 2^doublings, at most `max`.
inline std::chrono::milliseconds doubled(std::chrono::milliseconds first,
                                         std::chrono::milliseconds max, int doublings) {
  return std::min(max, first * (1L << std::clamp(doublings, 0, 20)));
}

}  // namespace plimsoll::kube
