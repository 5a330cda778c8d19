#include "cli/parallel.h"

#include <algorithm>
#include <csignal>
#include <limits>
#include <mutex>
#include <thread>

#include <unistd.h>

namespace plimsoll::cli {
namespace {

StopFlag stop_flag;  // lock-free, so a signal handler may set it

void on_signal(int number) {
  if (stop_flag.requested()) {
    ::_exit(128 + number);
  }
  stop_flag.request();
}

}  // namespace

StopFlag& process_stop_flag() { return stop_flag; }

void handle_interrupts() {
  struct sigaction action = {};
  action.sa_handler = on_signal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

std::size_t thread_count(std::size_t threads) {
  return threads != 0 ? threads : std::max<std::size_t>(1, std::thread::hardware_concurrency());
}

std::unexpected<Error> stopped_early() { return failed("stopped before the end"); }

Result<void> run_tasks(std::size_t count, std::size_t threads, const StopFlag& stop,
                       const std::function<Result<void>(std::size_t)>& task) {
  std::atomic<std::size_t> next = 0;
  std::atomic<std::size_t> first_failed = std::numeric_limits<std::size_t>::max();
  std::mutex mutex;
  Error error;
  const auto work = [&] {
    while (!stop.requested()) {
      const std::size_t index = next.fetch_add(1);
      if (index >= count || index > first_failed.load()) {
        return;
      }
      if (Result<void> done = task(index); !done) {
        const std::lock_guard lock(mutex);
        if (index < first_failed.load()) {
          first_failed.store(index);
          error = std::move(done).error();
        }
      }
    }
  };
  {
    std::vector<std::jthread> pool;
    const std::size_t size = std::min(thread_count(threads), count);
    for (std::size_t i = 1; i < size; ++i) {
      pool.emplace_back(work);
    }
    work();
  }
  if (stop.requested()) {
    return stopped_early();
  }
  if (first_failed.load() < count) {
    return std::unexpected(std::move(error));
  }
  return {};
}

}  // namespace plimsoll::cli
