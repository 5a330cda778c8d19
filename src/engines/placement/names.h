// Interned names: a small dense number for each distinct string, in order of first sight.
//
// Deterministic: numbers depend only on the order of calls. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace plimsoll::placement {

class Names {
 public:
  // The number of `name`, given out now if it is new. O(log names).
  std::int32_t intern(std::string_view name) {
    const auto it = numbers_.find(name);
    if (it != numbers_.end()) {
      return it->second;
    }
    const auto number = static_cast<std::int32_t>(names_.size());
    names_.emplace_back(name);
    numbers_.emplace(names_.back(), number);
    return number;
  }

  // The number of `name`, or -1 where it was never interned.
  [[nodiscard]] std::int32_t find(std::string_view name) const {
    const auto it = numbers_.find(name);
    return it == numbers_.end() ? -1 : it->second;
  }

  [[nodiscard]] const std::string& name(std::int32_t number) const {
    return names_[static_cast<std::size_t>(number)];
  }
  [[nodiscard]] std::int32_t size() const { return static_cast<std::int32_t>(names_.size()); }

 private:
  std::vector<std::string> names_;
  std::map<std::string, std::int32_t, std::less<>> numbers_;
};

}  // namespace plimsoll::placement
