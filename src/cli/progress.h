// A progress bar with the time left, on a terminal; nothing in a pipe.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace plimsoll::cli {

// The line that shows `fraction` (0 to 1) done after `elapsed` seconds, at most `columns` wide.
std::string progress_line(std::string_view label, double fraction, double elapsed_seconds,
                          int columns);

// Follows a number of equal tasks. Thread-safe.
class Progress {
 public:
  using Sink = std::function<void(std::string_view)>;

  // Writes to stderr, if that is a terminal.
  static Progress on_terminal();
  // Shows nothing.
  static Progress silent() { return Progress(nullptr, 0); }
  // Sends what a terminal `columns` wide would get to `sink`; null: shows nothing.
  Progress(Sink sink, int columns);
  ~Progress();
  Progress(Progress&& other) noexcept;

  void start(std::string label, std::size_t tasks);
  // Task number `task` is `fraction` done.
  void update(std::size_t task, double fraction);
  // Wipes the bar.
  void finish();

 private:
  std::mutex mutex_;
  Sink sink_;
  int columns_ = 0;
  std::string label_;
  std::vector<double> fractions_;
  double sum_ = 0;
  bool shown_ = false;
  std::chrono::steady_clock::time_point started_;
  std::chrono::steady_clock::time_point next_draw_;
};

}  // namespace plimsoll::cli
