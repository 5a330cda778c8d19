#include "cli/progress.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include <sys/ioctl.h>
#include <unistd.h>

#include <fmt/format.h>

namespace plimsoll::cli {
namespace {

constexpr auto draw_interval = std::chrono::milliseconds(100);
constexpr int bar_columns_max = 30;

std::string clock_text(double seconds) {
  const auto whole = static_cast<long long>(std::llround(seconds));
  return whole < 3600 ? fmt::format("{}:{:02}", whole / 60, whole % 60)
                      : fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

}  // namespace

std::string progress_line(std::string_view label, double fraction, double elapsed_seconds,
                          int columns) {
  fraction = std::clamp(fraction, 0.0, 1.0);
  const std::string left =
      fraction > 0 ? clock_text(elapsed_seconds * (1 - fraction) / fraction) + " left" : "";
  const std::string text = fmt::format(" {:3.0f}%  {}", std::floor(fraction * 100), left);
  const int room = columns - 1 - static_cast<int>(text.size()) - 3;
  std::string line(label.substr(0, static_cast<std::size_t>(std::max(0, room))));
  const int bar = std::min(bar_columns_max, room - static_cast<int>(line.size()));
  if (bar >= 5) {
    const int full = static_cast<int>(fraction * bar);
    line += fmt::format(" [{}{}]", std::string(static_cast<std::size_t>(full), '='),
                        std::string(static_cast<std::size_t>(bar - full), ' '));
  }
  line += text;
  return line.substr(0, static_cast<std::size_t>(std::max(0, columns - 1)));
}

Progress Progress::on_terminal() {
  if (::isatty(STDERR_FILENO) == 0) {
    return silent();
  }
  winsize size = {};
  const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return Progress(
      [](std::string_view text) {
        std::fwrite(text.data(), 1, text.size(), stderr);
        std::fflush(stderr);
      },
      known ? size.ws_col : 80);
}

Progress::Progress(Sink sink, int columns) : sink_(std::move(sink)), columns_(columns) {}

Progress::Progress(Progress&& other) noexcept
    : sink_(std::exchange(other.sink_, nullptr)), columns_(other.columns_) {}

Progress::~Progress() { finish(); }

void Progress::start(std::string label, std::size_t tasks) {
  finish();
  const std::lock_guard lock(mutex_);
  label_ = std::move(label);
  fractions_.assign(tasks, 0.0);
  sum_ = 0;
  started_ = std::chrono::steady_clock::now();
  next_draw_ = started_;
}

void Progress::update(std::size_t task, double fraction) {
  if (!sink_) {
    return;
  }
  const std::lock_guard lock(mutex_);
  if (task >= fractions_.size() || fraction <= fractions_[task]) {
    return;
  }
  sum_ += fraction - fractions_[task];
  fractions_[task] = fraction;
  const auto now = std::chrono::steady_clock::now();
  if (now < next_draw_) {
    return;
  }
  next_draw_ = now + draw_interval;
  const double elapsed = std::chrono::duration<double>(now - started_).count();
  const double done = sum_ / static_cast<double>(fractions_.size());
  sink_("\r\x1b[K" + progress_line(label_, done, elapsed, columns_));
  shown_ = true;
}

void Progress::finish() {
  const std::lock_guard lock(mutex_);
  if (sink_ && shown_) {
    sink_("\r\x1b[K");
    shown_ = false;
  }
}

}  // namespace plimsoll::cli
