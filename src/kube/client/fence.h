// Whether this process may still write as the leader.
//
// Opened until an instant by who renews the lease, asked by who writes. It counts on
// CLOCK_BOOTTIME, which goes on while the process is stopped and while the machine sleeps.
// Thread-safe.
#pragma once

#include <time.h>

#include <atomic>
#include <cstdint>

namespace plimsoll::kube {

inline std::int64_t boot_time_us() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000;
}

class Fence {
 public:
  [[nodiscard]] bool open() const {
    return boot_time_us() < until_us_.load(std::memory_order_relaxed);
  }
  void open_until(std::int64_t boot_us) { until_us_.store(boot_us, std::memory_order_relaxed); }
  void close() { open_until(0); }

 private:
  std::atomic<std::int64_t> until_us_{0};
};

}  // namespace plimsoll::kube
