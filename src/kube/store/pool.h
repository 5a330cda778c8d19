// Values that many owners share: equal ones get one id, counted by its owners. One owner of the
// pool; not thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace plimsoll::kube {

// Looks up by string_view without making a string of it.
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>()(text);
  }
};
// What a relist is compared with: the keys of a map, in order.
template <typename Map>
std::vector<std::string> sorted_keys(const Map& map) {
  std::vector<std::string> keys;
  keys.reserve(map.size());
  for (const auto& [key, value] : map) {
    keys.push_back(key);
  }
  std::ranges::sort(keys);
  return keys;
}

template <typename T>
using ByText = std::unordered_map<std::string, T, TextHash, std::equal_to<>>;

template <typename T>
class Pool {
 public:
  struct Added {
    std::uint32_t id = 0;
    bool fresh = false;  // the value is new under this id
  };

  // One more owner of the value that `key` stands for; `make` makes it if there is none yet.
  template <typename Make>
  Added add(std::string_view key, Make&& make) {
    if (const auto known = ids_.find(key); known != ids_.end()) {
      ++entries_[known->second].owners;
      return {known->second, false};
    }
    std::uint32_t id = 0;
    if (free_.empty()) {
      id = static_cast<std::uint32_t>(entries_.size());
      entries_.emplace_back();
    } else {
      id = free_.back();
      free_.pop_back();
    }
    const auto at = ids_.emplace(std::string(key), id).first;
    entries_[id] = {.value = make(), .key = &at->first, .owners = 1};
    return {id, true};
  }
  // One owner less; without any, the id is free for another value.
  void drop(std::uint32_t id) {
    Entry& entry = entries_[id];
    if (--entry.owners == 0) {
      ids_.erase(ids_.find(*entry.key));
      entry = {};
      free_.push_back(id);
    }
  }
  [[nodiscard]] const T& operator[](std::uint32_t id) const { return entries_[id].value; }

 private:
  struct Entry {
    T value{};
    const std::string* key = nullptr;
    std::uint32_t owners = 0;
  };
  ByText<std::uint32_t> ids_;
  std::vector<Entry> entries_;
  std::vector<std::uint32_t> free_;
};

// Ids from 0 upwards, used again once given back.
class IdList {
 public:
  std::uint32_t take() {
    if (free_.empty()) {
      return next_++;
    }
    const std::uint32_t id = free_.back();
    free_.pop_back();
    return id;
  }
  void give_back(std::uint32_t id) { free_.push_back(id); }

 private:
  std::vector<std::uint32_t> free_;
  std::uint32_t next_ = 0;
};

}  // namespace plimsoll::kube
