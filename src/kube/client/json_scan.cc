#include "kube/client/json_scan.h"

#include <algorithm>
#include <cstring>

#include "kube/client/transport.h"

namespace plimsoll::kube {
namespace {

constexpr std::string_view white = " \t\r\n";

// Where the string that opens at `at` ends, past its quote; npos: it does not.
std::size_t string_end(std::string_view text, std::size_t at) {
  for (std::size_t i = at + 1; i < text.size(); ++i) {
    const void* found = std::memchr(text.data() + i, '"', text.size() - i);
    if (found == nullptr) {
      return std::string_view::npos;
    }
    i = static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
    std::size_t slashes = 0;
    while (i - 1 - slashes > at && text[i - 1 - slashes] == '\\') {
      ++slashes;
    }
    if (slashes % 2 == 0) {
      return i + 1;
    }
  }
  return std::string_view::npos;
}

// Where the value that starts at `at` ends; npos: it does not.
std::size_t value_end(std::string_view text, std::size_t at) {
  if (at >= text.size()) {
    return std::string_view::npos;
  }
  if (text[at] == '"') {
    return string_end(text, at);
  }
  if (text[at] != '{' && text[at] != '[') {
    return std::min(text.find_first_of(",}] \t\r\n", at), text.size());
  }
  std::size_t depth = 0;
  for (std::size_t i = at; i < text.size();) {
    switch (text[i]) {
      case '"':
        i = string_end(text, i);
        if (i == std::string_view::npos) {
          return i;
        }
        continue;
      case '{':
      case '[':
        ++depth;
        break;
      case '}':
      case ']':
        if (--depth == 0) {
          return i + 1;
        }
        break;
      default:
        break;
    }
    ++i;
  }
  return std::string_view::npos;
}

std::size_t skip_white(std::string_view text, std::size_t at) {
  return std::min(text.find_first_not_of(white, at), text.size());
}

}  // namespace

std::optional<std::string_view> json_member(std::string_view object, std::string_view key) {
  std::size_t at = skip_white(object, 0);
  if (at >= object.size() || object[at] != '{') {
    return std::nullopt;
  }
  at = skip_white(object, at + 1);
  while (at < object.size() && object[at] == '"') {
    const std::size_t key_end = string_end(object, at);
    if (key_end == std::string_view::npos) {
      return std::nullopt;
    }
    const bool wanted = object.substr(at + 1, key_end - at - 2) == key;
    at = skip_white(object, key_end);
    if (at >= object.size() || object[at] != ':') {
      return std::nullopt;
    }
    at = skip_white(object, at + 1);
    const std::size_t end = value_end(object, at);
    if (end == std::string_view::npos) {
      return std::nullopt;
    }
    if (wanted) {
      return object.substr(at, end - at);
    }
    at = skip_white(object, end);
    if (at >= object.size() || object[at] != ',') {
      return std::nullopt;
    }
    at = skip_white(object, at + 1);
  }
  return std::nullopt;
}

std::optional<std::string_view> json_text(std::string_view object, std::string_view key) {
  const auto raw = json_member(object, key);
  if (!raw || raw->size() < 2 || raw->front() != '"' || raw->find('\\') != std::string_view::npos) {
    return std::nullopt;
  }
  return raw->substr(1, raw->size() - 2);
}

std::optional<std::string_view> resource_version_of(std::string_view object) {
  // The end of the metadata need not be found: its beginning is enough.
  const std::size_t start = [&] {
    std::size_t at = skip_white(object, 0);
    at = at < object.size() && object[at] == '{' ? skip_white(object, at + 1) : object.size();
    while (at < object.size() && object[at] == '"') {
      const std::size_t key_end = string_end(object, at);
      if (key_end == std::string_view::npos) {
        break;
      }
      const bool wanted = object.substr(at + 1, key_end - at - 2) == "metadata";
      at = skip_white(object, key_end);
      if (at >= object.size() || object[at] != ':') {
        break;
      }
      at = skip_white(object, at + 1);
      if (wanted) {
        return at;
      }
      const std::size_t end = value_end(object, at);
      if (end == std::string_view::npos) {
        break;
      }
      at = skip_white(object, end);
      if (at >= object.size() || object[at] != ',') {
        break;
      }
      at = skip_white(object, at + 1);
    }
    return std::string_view::npos;
  }();
  if (start == std::string_view::npos) {
    return std::nullopt;
  }
  const auto version = json_text(object.substr(start), "resourceVersion");
  return version && !version->empty() ? version : std::nullopt;
}

void ListSplitter::reset() { *this = ListSplitter(); }

Result<void> ListSplitter::feed(std::string_view bytes,
                                const std::function<void(std::string_view)>& on_item) {
  buffer_.append(bytes);
  buffer_.reserve(buffer_.size() + json_padding_bytes);
  const std::size_t size = buffer_.size();
  for (; at_ < size && !broken_; ++at_) {
    const char c = buffer_[at_];
    if (in_string_) {
      if (escaped_) {
        escaped_ = false;
      } else if (c == '\\') {
        escaped_ = true;
      } else if (c == '"') {
        in_string_ = false;
        if (depth_ == 1 && wants_key_) {
          key_ = buffer_.substr(string_at_ + 1, at_ - string_at_ - 1);
          wants_key_ = false;
        }
      }
      continue;
    }
    structural(c, on_item);
  }
  if (broken_) {
    return failed("found a list that is not a JSON object, expected one");
  }
  const bool inside = in_items_ ? depth_ > 2 : depth_ > 1;
  const std::size_t keep = in_string_ && depth_ == 1 ? string_at_ : inside ? kept_ : at_;
  buffer_.erase(0, keep);
  at_ -= keep;
  kept_ -= std::min(kept_, keep);
  string_at_ -= std::min(string_at_, keep);
  if (buffer_.size() > list_item_bytes_max) {
    return failed("found an item of more than 16 MiB in a list, expected less");
  }
  return {};
}

void ListSplitter::structural(char c, const std::function<void(std::string_view)>& on_item) {
  switch (c) {
    case '"':
      in_string_ = true;
      string_at_ = at_;
      broken_ = depth_ == 0;
      break;
    case '{':
    case '[':
      broken_ = depth_ == 0 && (c != '{' || !metadata_.empty() || !key_.empty());
      if (depth_ == 1 && c == '[' && key_ == "items") {
        in_items_ = true;
      }
      if (in_items_ ? depth_ == 2 : depth_ == 1) {
        kept_ = at_;
      }
      wants_key_ = depth_ == 0;
      ++depth_;
      break;
    case '}':
    case ']':
      broken_ = depth_ == 0;
      if (!broken_) {
        close(on_item);
      }
      break;
    case ',':
      wants_key_ = depth_ == 1;
      break;
    default:
      broken_ = depth_ == 0 && white.find(c) == std::string_view::npos;
      break;
  }
}

void ListSplitter::close(const std::function<void(std::string_view)>& on_item) {
  --depth_;
  const std::string_view value(buffer_.data() + kept_, at_ + 1 - kept_);
  if (in_items_ && depth_ == 2) {
    on_item(value);
  } else if (in_items_ && depth_ == 1) {
    in_items_ = false;
  } else if (depth_ == 1 && key_ == "metadata") {
    metadata_ = value;
  }
}

Result<ListMeta> ListSplitter::finish() const {
  if (depth_ != 0 || broken_ || key_.empty()) {
    return failed("found a list that ends early, expected a complete one");
  }
  const auto version = json_text(metadata_, "resourceVersion");
  if (!version || version->empty()) {
    return failed("found a list without metadata.resourceVersion, expected one");
  }
  return ListMeta{.resource_version = std::string(*version),
                  .continue_token = std::string(json_text(metadata_, "continue").value_or(""))};
}

}  // namespace plimsoll::kube
