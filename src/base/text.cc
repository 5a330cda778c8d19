#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>

namespace plimsoll {
namespace {

constexpr std::size_t shown_bytes_max = 40;

}  // namespace

std::string printable(std::string_view text, std::size_t bytes_max) {
  std::string shown;
  for (std::size_t i = 0; i < std::min(text.size(), bytes_max); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte >= 0x20 && byte < 0x7f) {
      shown += text[i];
    } else {
      shown += fmt::format("\\x{:02x}", byte);
    }
  }
  return shown + (text.size() > bytes_max ? "…" : "");
}

std::string quoted(std::string_view text) { return "'" + printable(text, shown_bytes_max) + "'"; }

}  // namespace plimsoll
