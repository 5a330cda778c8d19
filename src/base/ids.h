// Strong dense ids: an Id<Tag> is an index that cannot be confused with another kind's.
//
// A world hands ids out from 0 upwards, densely; an id may be reused once its owner was removed.
// Engines index arrays with them (`index()`). Values; thread-safe.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace plimsoll {

template <typename Tag>
class Id {
 public:
  constexpr Id() = default;
  constexpr explicit Id(std::uint32_t value) : value_(value) {}

  // No thing at all: the default.
  static constexpr Id none() { return Id(); }

  [[nodiscard]] constexpr bool valid() const { return value_ != none_value; }
  [[nodiscard]] constexpr std::uint32_t value() const { return value_; }
  [[nodiscard]] constexpr std::size_t index() const { return value_; }

  friend constexpr auto operator<=>(Id, Id) = default;

 private:
  static constexpr std::uint32_t none_value = 0xffffffffU;
  std::uint32_t value_ = none_value;
};

}  // namespace plimsoll

template <typename Tag>
struct std::hash<plimsoll::Id<Tag>> {
  std::size_t operator()(plimsoll::Id<Tag> id) const noexcept {
    return std::hash<std::uint32_t>{}(id.value());
  }
};
