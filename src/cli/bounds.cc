#include "cli/bounds.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "traces/csv.h"

namespace plimsoll::cli {
namespace {

template <typename T>
bool read_wholly(std::string_view text, T& value) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stop == end;
}

std::string range_text(const char* kind, const std::string& min, const std::string& max) {
  if (!min.empty() && !max.empty()) {
    return fmt::format("{} from {} to {}", kind, min, max);
  }
  if (!min.empty()) {
    return fmt::format("{} of at least {}", kind, min);
  }
  return max.empty() ? kind : fmt::format("{} of at most {}", kind, max);
}

bool has_leading_zero(std::string_view text) {
  if (text.starts_with('-')) {
    text.remove_prefix(1);
  }
  return text.size() > 1 && text[0] == '0';
}

}  // namespace

std::string expected_text(IntegerBounds bounds) {
  const IntegerBounds open;
  return range_text("an integer", bounds.min == open.min ? "" : fmt::format("{}", bounds.min),
                    bounds.max == open.max ? "" : fmt::format("{}", bounds.max));
}

std::string expected_text(NumberBounds bounds) {
  return range_text("a number", std::isfinite(bounds.min) ? fmt::format("{}", bounds.min) : "",
                    std::isfinite(bounds.max) ? fmt::format("{}", bounds.max) : "");
}

Result<std::int64_t> parse_integer(std::string_view text, IntegerBounds bounds) {
  std::int64_t value = 0;
  const bool whole = read_wholly(text, value);
  if (!whole || has_leading_zero(text) || value < bounds.min || value > bounds.max) {
    return bad_input(fmt::format("found {}, expected {}{}", traces::quoted(text),
                                 expected_text(bounds),
                                 whole && has_leading_zero(text) ? " without leading zeros" : ""));
  }
  return value;
}

Result<double> parse_number(std::string_view text, NumberBounds bounds) {
  double value = 0;
  if (!read_wholly(text, value) || !std::isfinite(value) || value < bounds.min ||
      value > bounds.max) {
    return bad_input(
        fmt::format("found {}, expected {}", traces::quoted(text), expected_text(bounds)));
  }
  return value;
}

}  // namespace plimsoll::cli
