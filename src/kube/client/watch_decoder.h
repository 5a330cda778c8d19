// Cuts a watch stream, one JSON event a line, into type and object without parsing the object.
//
// The object is handed out as it was sent; whether it is valid JSON is for its reader to say.
// Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace plimsoll::kube {

enum class WatchEventType : std::uint8_t { added, modified, deleted, bookmark, error };

struct WatchEvent {
  WatchEventType type = WatchEventType::added;
  std::string_view object;
};

// An event longer than this is refused; etcd keeps objects of 1.5 MiB at most.
inline constexpr std::size_t watch_event_bytes_max = std::size_t{16} << 20;

// One event without its line break, in any order of members. Nothing: it is none.
std::optional<WatchEvent> split_watch_event(std::string_view line);

class WatchDecoder {
 public:
  // Calls `on_event` with each complete event, in order, json_padding_bytes readable behind its
  // object, until it returns false: the rest is dropped then. Errors (failed): what is no event,
  // after the events before it were handed out; nothing may be fed after that.
  Result<void> feed(std::string_view bytes, const std::function<bool(const WatchEvent&)>& on_event);
  // Whether the stream would end inside an event now.
  [[nodiscard]] bool mid_event() const { return !buffer_.empty(); }
  void reset();

 private:
  std::string buffer_;        // the line that is not complete yet
  std::size_t searched_ = 0;  // of buffer_, for the line's end
};

}  // namespace plimsoll::kube
