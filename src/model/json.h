// The model's objects as JSON, for the lines of a file. Private to file.cc.
//
// Pure functions; thread-safe, but for a JsonLine, which has one owner.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/file.h"

namespace plimsoll::model {

// The first line of each kind of file.
struct SnapshotHead {
  Time now;
  friend bool operator==(const SnapshotHead&, const SnapshotHead&) = default;
};
struct PlanHead {
  Time made;
  friend bool operator==(const PlanHead&, const PlanHead&) = default;
};
struct JournalHead {
  std::uint64_t seed = 0;
  std::string configuration;
  friend bool operator==(const JournalHead&, const JournalHead&) = default;
};

// {"kind":value}, members at their defaults left out. For the types that json_write.cc lists.
template <typename T>
std::string to_line(std::string_view kind, const T& value);

// One line, taken apart: {"kind":value}. Reuses its memory from line to line.
class JsonLine {
 public:
  JsonLine();
  JsonLine(JsonLine&&) noexcept;
  JsonLine& operator=(JsonLine&&) noexcept;
  ~JsonLine();

  // Errors: not JSON; not an object of one member. What was parsed before is gone.
  Result<void> parse(std::string_view line);
  [[nodiscard]] std::string_view kind() const;
  // The value is null: a free slot.
  [[nodiscard]] bool is_null() const;
  // The value as a T; members that are absent get their defaults. For the types that json_read.cc
  // lists. Errors name the member: "pod.binding.gpus[1].index: found "x", expected an integer …".
  template <typename T>
  [[nodiscard]] Result<T> read() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace plimsoll::model
