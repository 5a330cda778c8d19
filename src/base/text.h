// Text from outside as an error message shows it. Thread-safe: pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace plimsoll {

// `text` with unprintable bytes as \xNN, cut after `bytes_max`.
std::string printable(std::string_view text, std::size_t bytes_max);
// The same within quotes, cut after 40 bytes.
std::string quoted(std::string_view text);

}  // namespace plimsoll
