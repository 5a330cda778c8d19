#include "kube/client/timestamp.h"

#include <fmt/format.h>

#include <chrono>

namespace plimsoll::kube {
namespace {

constexpr std::int64_t us_per_second = 1'000'000;

// Reads from the front of a text; `ok` turns false for good at the first surprise.
struct Reader {
  std::string_view text;
  bool ok = true;

  int digits(std::size_t count) {
    int value = 0;
    if (text.size() < count) {
      ok = false;
      return 0;
    }
    for (std::size_t i = 0; i < count; ++i) {
      if (text[i] < '0' || text[i] > '9') {
        ok = false;
        return 0;
      }
      value = value * 10 + (text[i] - '0');
    }
    text.remove_prefix(count);
    return value;
  }
  void expect(char c) {
    ok = ok && text.starts_with(c);
    if (ok) {
      text.remove_prefix(1);
    }
  }
  std::int64_t fraction_us() {
    std::int64_t us = 0;
    std::int64_t unit = us_per_second / 10;
    const std::size_t before = text.size();
    while (!text.empty() && text[0] >= '0' && text[0] <= '9') {
      us += (text[0] - '0') * unit;
      unit /= 10;
      text.remove_prefix(1);
    }
    ok = ok && text.size() < before;
    return us;
  }
};

}  // namespace

std::optional<std::int64_t> parse_timestamp(std::string_view text) {
  using namespace std::chrono;
  Reader read{text};
  const int y = read.digits(4);
  read.expect('-');
  const int mo = read.digits(2);
  read.expect('-');
  const int d = read.digits(2);
  read.expect('T');
  const int h = read.digits(2);
  read.expect(':');
  const int mi = read.digits(2);
  read.expect(':');
  const int s = read.digits(2);
  std::int64_t us = 0;
  if (read.ok && read.text.starts_with('.')) {
    read.expect('.');
    us = read.fraction_us();
  }
  std::int64_t offset_s = 0;
  if (read.ok && (read.text.starts_with('+') || read.text.starts_with('-'))) {
    const int sign = read.text[0] == '+' ? 1 : -1;
    read.text.remove_prefix(1);
    const int hours = read.digits(2);
    read.expect(':');
    offset_s = sign * (hours * 3600 + read.digits(2) * 60);
  } else {
    read.expect('Z');
  }
  const year_month_day date{year(y), month(static_cast<unsigned>(mo)),
                            day(static_cast<unsigned>(d))};
  if (!read.ok || !read.text.empty() || !date.ok() || h > 23 || mi > 59 || s > 60) {
    return std::nullopt;
  }
  const std::int64_t days = sys_days(date).time_since_epoch().count();
  return (days * 86'400 + h * 3600 + mi * 60 + s - offset_s) * us_per_second + us;
}

std::string format_time(std::int64_t unix_us) {
  std::string text = format_micro_time(unix_us);
  return text.replace(19, 7, "");
}

std::string format_micro_time(std::int64_t unix_us) {
  using namespace std::chrono;
  const sys_time<microseconds> time{microseconds(unix_us)};
  const auto date = floor<days>(time);
  const year_month_day ymd{date};
  const hh_mm_ss<microseconds> clock{time - date};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", static_cast<int>(ymd.year()),
                     static_cast<unsigned>(ymd.month()), static_cast<unsigned>(ymd.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     clock.subseconds().count());
}

}  // namespace plimsoll::kube
