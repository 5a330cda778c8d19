// Strong integer units. Arithmetic stays inside one unit; leave it with value().
//
// Every quantity that an engine keeps incrementally is an integer, so that the same history gives
// the same bits on every machine. Values; thread-safe.
#pragma once

#include <compare>
#include <cstdint>

namespace plimsoll {

template <typename Tag>
class Unit {
 public:
  constexpr Unit() = default;
  constexpr explicit Unit(std::int64_t value) : value_(value) {}

  [[nodiscard]] constexpr std::int64_t value() const { return value_; }

  friend constexpr auto operator<=>(Unit, Unit) = default;
  friend constexpr Unit operator+(Unit a, Unit b) { return Unit(a.value_ + b.value_); }
  friend constexpr Unit operator-(Unit a, Unit b) { return Unit(a.value_ - b.value_); }
  friend constexpr Unit operator*(Unit a, std::int64_t k) { return Unit(a.value_ * k); }
  constexpr Unit& operator+=(Unit b) { return *this = *this + b; }
  constexpr Unit& operator-=(Unit b) { return *this = *this - b; }

 private:
  std::int64_t value_ = 0;
};

using Millicores = Unit<struct MillicoresTag>;            // 1000 = one CPU core
using Bytes = Unit<struct BytesTag>;                      // bytes of memory or storage
using GpuMilli = Unit<struct GpuMilliTag>;                // 1000 = one whole GPU
using MicroUsdPerHour = Unit<struct MicroUsdPerHourTag>;  // 1'000'000 = one dollar an hour
using Duration = Unit<struct DurationTag>;                // microseconds

// One whole GPU in GpuMilli.
inline constexpr GpuMilli whole_gpu{1000};
inline constexpr Bytes mebibyte{1LL << 20};
inline constexpr Bytes gibibyte{1LL << 30};

constexpr Duration microseconds(std::int64_t n) { return Duration(n); }
constexpr Duration seconds(std::int64_t n) { return Duration(n * 1'000'000); }
// Rounds to the nearest microsecond.
constexpr Duration seconds(double s) {
  return Duration(static_cast<std::int64_t>(s * 1e6 + (s < 0 ? -0.5 : 0.5)));
}
constexpr double to_seconds(Duration d) { return static_cast<double>(d.value()) * 1e-6; }

// An instant: microseconds since the epoch of its world (Unix time live, 0 in a simulation).
class Time {
 public:
  constexpr Time() = default;
  constexpr explicit Time(std::int64_t microseconds) : value_(microseconds) {}
  [[nodiscard]] constexpr std::int64_t value() const { return value_; }

  friend constexpr auto operator<=>(Time, Time) = default;
  friend constexpr Time operator+(Time t, Duration d) { return Time(t.value_ + d.value()); }
  friend constexpr Duration operator-(Time a, Time b) { return Duration(a.value_ - b.value_); }

 private:
  std::int64_t value_ = 0;
};

// After every instant that a world can reach.
inline constexpr Time never{INT64_MAX};

}  // namespace plimsoll
