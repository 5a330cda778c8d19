// Independent runs on all cores, and the stop flag that Ctrl-C sets.
//
// Results come in the order of the inputs, whatever the thread count. Thread-safe where it says so.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <optional>
#include <vector>

#include "base/result.h"

namespace plimsoll::cli {

// Set once, by a signal handler or a test; polled by everything that runs long. Thread-safe.
class StopFlag {
 public:
  void request() { stop_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] bool requested() const { return stop_.load(std::memory_order_relaxed); }
  // For who polls an atomic and knows nothing of this class.
  [[nodiscard]] const std::atomic<bool>* raw() const { return &stop_; }

 private:
  std::atomic<bool> stop_ = false;
};

// The process's flag; handle_interrupts() makes SIGINT and SIGTERM set it, and a second one end
// the process at once.
StopFlag& process_stop_flag();
void handle_interrupts();

// `threads`, or the machine's number of cores where it is 0.
std::size_t thread_count(std::size_t threads);

// The error of work that ended because the flag was set.
std::unexpected<Error> stopped_early();

// Calls task(0) … task(count - 1) on `threads` threads (0: all cores) and waits for all. The first
// failing index decides the error, and no index after a failed one is started. After `stop`
// is set nothing more starts.
Result<void> run_tasks(std::size_t count, std::size_t threads, const StopFlag& stop,
                       const std::function<Result<void>(std::size_t)>& task);

}  // namespace plimsoll::cli
