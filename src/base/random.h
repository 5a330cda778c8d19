// Seeded random numbers that are the same on every platform.
//
// SplitMix64 seeds xoshiro256** (Blackman and Vigna, "Scrambled linear pseudorandom number
// generators", 2018). The standard library's distributions differ between implementations, so the
// few that are needed live here. A value: copy it to fork a stream. Not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <utility>

namespace plimsoll {

class Random {
 public:
  explicit Random(std::uint64_t seed);

  // 64 uniform bits.
  std::uint64_t next();
  // Uniform in [0, bound), without modulo bias. Requires: bound > 0.
  std::uint64_t below(std::uint64_t bound);
  // Uniform in [0, 1), 53 bits.
  double uniform();
  // Exponential with the given mean (> 0), by inversion.
  double exponential(double mean);
  // Standard normal, by Marsaglia's polar method.
  double normal();

  // Fisher-Yates.
  template <typename T>
  void shuffle(std::span<T> items) {
    for (std::size_t i = items.size(); i > 1; --i) {
      std::swap(items[i - 1], items[below(i)]);
    }
  }

 private:
  std::array<std::uint64_t, 4> state_{};
};

}  // namespace plimsoll
