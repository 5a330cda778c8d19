// Numbers as text, within bounds: what flags and scenario fields share. Pure functions.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "base/result.h"

namespace plimsoll::cli {

struct IntegerBounds {
  std::int64_t min = std::numeric_limits<std::int64_t>::min();
  std::int64_t max = std::numeric_limits<std::int64_t>::max();
};
struct NumberBounds {
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
};

// "an integer from 0 to 64", "a number of at least 0.01".
std::string expected_text(IntegerBounds bounds);
std::string expected_text(NumberBounds bounds);

// Errors: "found 'x', expected …". Neither takes a leading '+' or spaces; an integer takes no
// leading zero, which some readers take for octal; a number is never nan or infinite.
Result<std::int64_t> parse_integer(std::string_view text, IntegerBounds bounds);
Result<double> parse_number(std::string_view text, NumberBounds bounds);

}  // namespace plimsoll::cli
