// Waits for what a live cluster does in its own time. Stateless; thread-safe.
#pragma once

#include <chrono>
#include <thread>

namespace plimsoll::cluster {

inline constexpr auto eventually_wait_max = std::chrono::seconds(60);
inline constexpr auto eventually_poll_wait = std::chrono::milliseconds(50);

// Whether the condition comes true within a minute. The limit only ends a test that has failed.
template <typename Condition>
[[nodiscard]] bool eventually(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + eventually_wait_max;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) {
      return false;
    }
    std::this_thread::sleep_for(eventually_poll_wait);
  }
  return true;
}

}  // namespace plimsoll::cluster
