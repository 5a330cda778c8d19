#include "kube/client/watch_decoder.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <array>
#include <utility>

#include "base/text.h"
#include "kube/client/json_scan.h"
#include "kube/client/transport.h"

namespace plimsoll::kube {
namespace {

static_assert(json_padding_bytes >= simdjson::SIMDJSON_PADDING);

std::optional<WatchEventType> type_of(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, WatchEventType>, 5> names = {
      {{"ADDED", WatchEventType::added},
       {"MODIFIED", WatchEventType::modified},
       {"DELETED", WatchEventType::deleted},
       {"BOOKMARK", WatchEventType::bookmark},
       {"ERROR", WatchEventType::error}}};
  for (const auto& [known, type] : names) {
    if (known == name) {
      return type;
    }
  }
  return std::nullopt;
}

// `{"type":"T","object":{…}}`, as API servers write it.
std::optional<WatchEvent> split_usual(std::string_view line) {
  constexpr std::string_view before = R"({"type":")";
  constexpr std::string_view between = R"(","object":)";
  if (!line.starts_with(before) || !line.ends_with("}}")) {
    return std::nullopt;
  }
  const std::size_t end = line.find('"', before.size());
  if (end == std::string_view::npos || !line.substr(end).starts_with(between)) {
    return std::nullopt;
  }
  const auto type = type_of(line.substr(before.size(), end - before.size()));
  const std::size_t object = end + between.size();
  if (!type || line[object] != '{') {
    return std::nullopt;
  }
  return WatchEvent{.type = *type, .object = line.substr(object, line.size() - 1 - object)};
}

}  // namespace

std::optional<WatchEvent> split_watch_event(std::string_view line) {
  if (const auto usual = split_usual(line)) {
    return usual;
  }
  const auto type = type_of(json_text(line, "type").value_or(""));
  const auto object = json_member(line, "object");
  if (!type || !object || !object->starts_with('{')) {
    return std::nullopt;
  }
  return WatchEvent{.type = *type, .object = *object};
}

void WatchDecoder::reset() {
  buffer_.clear();
  searched_ = 0;
}

Result<void> WatchDecoder::feed(std::string_view bytes,
                                const std::function<bool(const WatchEvent&)>& on_event) {
  buffer_.append(bytes);
  buffer_.reserve(buffer_.size() + json_padding_bytes);
  std::size_t start = 0;
  while (true) {
    const std::size_t end = buffer_.find('\n', searched_);
    if (end == std::string::npos) {
      break;
    }
    std::string_view line(buffer_.data() + start, end - start);
    searched_ = start = end + 1;
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) {
      line.remove_suffix(1);
    }
    if (line.empty()) {
      continue;
    }
    const auto event = split_watch_event(line);
    if (!event) {
      return failed(fmt::format("found {} in a watch, expected an event", quoted(line)));
    }
    if (!on_event(*event)) {
      reset();
      return {};
    }
  }
  buffer_.erase(0, start);
  searched_ = buffer_.size();
  if (buffer_.size() > watch_event_bytes_max) {
    return failed(fmt::format("found an event of more than {} bytes in a watch, expected less",
                              watch_event_bytes_max));
  }
  return {};
}

}  // namespace plimsoll::kube
