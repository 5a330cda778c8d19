// Finds the few places in a JSON text that the client needs, without parsing the rest.
//
// For texts that an API server wrote: where they are not valid JSON, answers are empty or wrong,
// never out of bounds. Strings are compared as written, escapes and all. Pure; thread-safe.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace plimsoll::kube {

// The raw value of a member of `object` ("{…}"): `"text"` with its quotes, `{…}`, `[…]` or a
// literal. O(bytes before the member's end).
std::optional<std::string_view> json_member(std::string_view object, std::string_view key);
// The same for a text, without its quotes; nothing, if it is no text or has escapes.
std::optional<std::string_view> json_text(std::string_view object, std::string_view key);

// metadata.resourceVersion of an object.
std::optional<std::string_view> resource_version_of(std::string_view object);

// What a list says beside its items.
struct ListMeta {
  std::string resource_version;
  std::string continue_token;  // empty: the last page
};

// One item of a list longer than this is refused.
inline constexpr std::size_t list_item_bytes_max = std::size_t{16} << 20;

// Cuts a Kubernetes list into its items while it comes in. Not thread-safe.
class ListSplitter {
 public:
  // Calls `on_item` with each item that is complete, json_padding_bytes readable behind it. Errors
  // (failed): not a JSON object; an item that is too long.
  Result<void> feed(std::string_view bytes, const std::function<void(std::string_view)>& on_item);
  // After the last byte. Errors (failed): the list is not complete, or has no resourceVersion.
  Result<ListMeta> finish() const;
  void reset();

 private:
  void structural(char c, const std::function<void(std::string_view)>& on_item);
  void close(const std::function<void(std::string_view)>& on_item);

  std::string buffer_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;
  bool in_string_ = false;
  bool escaped_ = false;
  bool wants_key_ = false;  // at depth 1: the next string is a key
  bool in_items_ = false;   // inside the array of "items"
  bool broken_ = false;
  std::size_t kept_ = 0;  // where what is still needed starts: a key, an item, the metadata
  std::size_t string_at_ = 0;
  std::string key_;  // the last one at depth 1
  std::string metadata_;
};

}  // namespace plimsoll::kube
