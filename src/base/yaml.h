// A strict subset of YAML as a tree of text with line numbers; what a scalar means is decided by
// who reads it.
//
// Refused, each with one line: what is not UTF-8 or has control characters, long lines, large
// files, deep nesting, duplicate keys, keys that are not plain text, tags, several documents, and
// aliases that expand to too much or lie inside what they name. A value; thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace plimsoll {

inline constexpr std::size_t yaml_bytes_max = std::size_t{1} << 20;
inline constexpr std::size_t yaml_line_bytes_max = std::size_t{1} << 14;
inline constexpr std::size_t yaml_depth_max = 24;
inline constexpr std::size_t yaml_nodes_max = 100'000;                  // after aliases
inline constexpr std::size_t yaml_text_bytes_max = 4 * yaml_bytes_max;  // of scalars, likewise

struct YamlNode {
  enum class Kind : std::uint8_t { null, scalar, list, mapping };
  Kind kind = Kind::null;
  bool quoted = false;  // scalar: written in quotes or as a block, so it is text
  std::string text;     // scalar
  std::string key;      // of this node in its mapping
  std::int64_t key_line = 0;
  std::int64_t line = 0;
  std::vector<YamlNode> items;  // of a list or a mapping, in order

  // The value under `key` in a mapping, or null.
  [[nodiscard]] const YamlNode* find(std::string_view name) const;
};

// `name` is what errors call the text: `name:line: found …, expected …`.
Result<YamlNode> parse_yaml(std::string_view text, const std::string& name,
                            std::size_t line_bytes_max = yaml_line_bytes_max);

}  // namespace plimsoll
