#include "base/quantity.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>
#include <vector>

namespace plimsoll {
namespace {

using Nano = __int128;
using Format = QuantityFormat;

constexpr std::int64_t nano_per_unit = 1'000'000'000;
constexpr Nano nano_max = static_cast<Nano>(INT64_MAX) * nano_per_unit;
constexpr std::size_t length_max = 1000;  // characters of one quantity
constexpr std::int64_t places_nano = 9;   // decimal places of a nano
constexpr std::int64_t digits_max = 19;   // decimal digits of 2^63-1

struct Suffix {
  std::string_view text;
  std::int32_t exponent = 0;  // of 10, or of 2 in a binary one
};
constexpr std::array<Suffix, 10> decimal_suffixes{{{"n", -9},
                                                   {"u", -6},
                                                   {"m", -3},
                                                   {"", 0},
                                                   {"k", 3},
                                                   {"M", 6},
                                                   {"G", 9},
                                                   {"T", 12},
                                                   {"P", 15},
                                                   {"E", 18}}};
constexpr std::array<Suffix, 6> binary_suffixes{
    {{"Ki", 10}, {"Mi", 20}, {"Gi", 30}, {"Ti", 40}, {"Pi", 50}, {"Ei", 60}}};

// The pieces of a quantity as it is written.
struct Parts {
  bool negative = false;
  std::string_view whole;     // digits before the point, without leading zeros
  std::string_view fraction;  // digits after it
  bool has_digits = false;
  std::string_view suffix;
};

struct Scale {
  Format format = Format::decimal_si;
  std::int64_t exponent = 0;
};

std::unexpected<Error> refuse(std::string_view text, std::string_view why) {
  return bad_input(fmt::format("quantity \"{}\": {}", text.substr(0, 60), why));
}

constexpr std::string_view expected_form =
    "expected a number and one of the suffixes n u m k M G T P E Ki Mi Gi Ti Pi Ei e<exponent>";
constexpr std::string_view expected_range = "expected a magnitude of at most 9223372036854775807";

std::string_view take_digits(std::string_view& rest) {
  const auto end = std::min(rest.find_first_not_of("0123456789"), rest.size());
  const auto digits = rest.substr(0, end);
  rest.remove_prefix(end);
  return digits;
}

Parts split(std::string_view text) {
  Parts parts;
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
    parts.negative = text.front() == '-';
    text.remove_prefix(1);
  }
  parts.whole = take_digits(text);
  parts.has_digits = !parts.whole.empty();
  parts.whole.remove_prefix(std::min(parts.whole.find_first_not_of('0'), parts.whole.size()));
  if (!text.empty() && text.front() == '.') {
    text.remove_prefix(1);
    parts.fraction = take_digits(text);
    parts.has_digits = parts.has_digits || !parts.fraction.empty();
  }
  parts.suffix = text;
  return parts;
}

std::optional<Scale> interpret(std::string_view suffix) {
  for (const Suffix& known : decimal_suffixes) {
    if (known.text == suffix) {
      return Scale{Format::decimal_si, known.exponent};
    }
  }
  for (const Suffix& known : binary_suffixes) {
    if (known.text == suffix) {
      return Scale{Format::binary_si, known.exponent};
    }
  }
  if (suffix.size() < 2 || (suffix.front() != 'e' && suffix.front() != 'E')) {
    return std::nullopt;
  }
  std::string_view digits = suffix.substr(1);
  const bool negative = digits.front() == '-';
  if (negative || digits.front() == '+') {
    digits.remove_prefix(1);
  }
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos) {
    return std::nullopt;
  }
  std::int32_t exponent = 0;
  if (std::from_chars(digits.data(), digits.data() + digits.size(), exponent).ec != std::errc()) {
    exponent = INT32_MAX;  // beyond any value: the range check says so
  }
  return Scale{Format::decimal_exponent, negative ? -std::int64_t{exponent} : exponent};
}

// Doubles a decimal number, most significant digit first. A carry out lengthens it.
void double_digits(std::vector<std::uint8_t>& digits) {
  std::uint8_t carry = 0;
  for (std::size_t i = digits.size(); i-- > 0;) {
    const auto twice = static_cast<std::uint8_t>(digits[i] * 2 + carry);
    digits[i] = twice % 10;
    carry = twice / 10;
  }
  if (carry > 0) {
    digits.insert(digits.begin(), carry);
  }
}

// The magnitude in nano, rounded up; none where it passes 2^63-1 units.
std::optional<Nano> magnitude(const Parts& parts, const Scale& scale) {
  std::vector<std::uint8_t> digits;
  for (const auto piece : {parts.whole, parts.fraction}) {
    for (const char c : piece) {
      digits.push_back(static_cast<std::uint8_t>(c - '0'));
    }
  }
  const auto fraction = static_cast<std::int64_t>(parts.fraction.size());
  std::int64_t shift = places_nano - fraction;  // value in nano = digits x 10^shift
  if (scale.format == Format::binary_si) {
    for (std::int64_t i = 0; i < scale.exponent; ++i) {
      double_digits(digits);
    }
  } else {
    shift += scale.exponent;
  }
  digits.erase(digits.begin(), std::ranges::find_if(digits, [](auto digit) { return digit != 0; }));
  if (digits.empty()) {
    return Nano{0};
  }
  const std::int64_t length = static_cast<std::int64_t>(digits.size()) + shift;
  if (length > digits_max + places_nano) {
    return std::nullopt;
  }
  Nano nano = 0;
  for (std::int64_t i = 0; i < length; ++i) {
    nano = nano * 10 + (i < std::ssize(digits) ? digits[static_cast<std::size_t>(i)] : 0);
  }
  const auto cut = digits.begin() + std::clamp<std::int64_t>(length, 0, std::ssize(digits));
  if (std::any_of(cut, digits.end(), [](auto digit) { return digit != 0; })) {
    ++nano;
  }
  return nano <= nano_max ? std::optional(nano) : std::nullopt;
}

// Kubernetes' fast path: few enough digits for an int64 at a scale of nano or coarser.
bool is_short(const Parts& parts, const Scale& scale) {
  const auto whole = std::max<std::int64_t>(1, std::ssize(parts.whole));
  const auto fraction = std::ssize(parts.fraction);
  if (scale.format == Format::binary_si) {
    return fraction == 0 && 15 - whole - scale.exponent * 3 / 10 - 1 >= 0;
  }
  return 18 - whole - fraction >= 0 && scale.exponent - fraction >= -places_nano;
}

// Whether Kubernetes, on its fast path, takes what was written for canonical.
bool kept_as_written(const Parts& parts, const Scale& scale) {
  if (!is_short(parts, scale) || parts.whole.empty()) {
    return false;
  }
  if (scale.format == Format::binary_si) {
    const std::string_view last = parts.whole.substr(
        std::max<std::int64_t>(0, std::ssize(parts.whole) - 3));  // 1000 is a multiple of 8
    return std::stoi(std::string(last)) % 8 != 0;
  }
  const std::string digits = std::string(parts.whole) + std::string(parts.fraction);
  return (scale.exponent - std::ssize(parts.fraction)) % 3 == 0 && !digits.ends_with("000");
}

// Towards zero, and then one further if anything was cut off.
Nano divide_away(Nano nano, std::int64_t by) {
  const Nano quotient = nano / by;
  const Nano rest = nano % by;
  return quotient + (rest > 0 ? 1 : rest < 0 ? -1 : 0);
}

std::string integer_text(Nano value) { return fmt::format("{}", value); }

std::string suffix_text(const auto& table, std::int32_t exponent) {
  const auto it = std::ranges::find(table, exponent, &Suffix::exponent);
  check(it != table.end(), "a quantity's exponent has a suffix");
  return std::string(it->text);
}

std::string binary_text(Nano units) {
  std::int32_t exponent = 0;
  while (units % 1024 == 0) {
    units /= 1024;
    exponent += 10;
  }
  return integer_text(units) + (exponent == 0 ? "" : suffix_text(binary_suffixes, exponent));
}

std::string decimal_text(Nano nano, Format format) {
  std::int32_t exponent = -9;
  while (nano % 1000 == 0) {
    nano /= 1000;
    exponent += 3;
  }
  if (format == Format::decimal_si) {
    return integer_text(nano) + suffix_text(decimal_suffixes, exponent);
  }
  return integer_text(nano) + (exponent == 0 ? "" : fmt::format("e{}", exponent));
}

}  // namespace

Result<Quantity> Quantity::parse(std::string_view text) {
  if (text.empty()) {
    return bad_input(fmt::format("quantity: found nothing, {}", expected_form));
  }
  if (text.size() > length_max) {
    return bad_input(
        fmt::format("quantity: found {} characters, expected {} at most", text.size(), length_max));
  }
  const Parts parts = split(text);
  const auto scale = interpret(parts.suffix);
  if (!scale) {
    return refuse(text, expected_form);
  }
  if (!parts.has_digits && !is_short(parts, *scale)) {
    return refuse(text, "found no digit, expected a number before the suffix");
  }
  const auto nano = magnitude(parts, *scale);
  if (!nano) {
    return refuse(text, expected_range);
  }
  const bool below_one = *nano > 0 && *nano < nano_per_unit;
  Quantity quantity(parts.negative ? -*nano : *nano, scale->format == Format::binary_si && below_one
                                                         ? Format::decimal_si
                                                         : scale->format);
  if (kept_as_written(parts, *scale) && quantity.canonical() != text) {
    quantity.kept_ = text;
  }
  return quantity;
}

Quantity Quantity::from_value(std::int64_t value, QuantityFormat format) {
  return {static_cast<Nano>(std::max(value, -INT64_MAX)) * nano_per_unit, format};
}

Quantity Quantity::from_milli(std::int64_t value, QuantityFormat format) {
  return {static_cast<Nano>(value) * 1'000'000, format};
}

std::int64_t Quantity::value() const {
  return static_cast<std::int64_t>(divide_away(nano_, nano_per_unit));
}

Result<std::int64_t> Quantity::milli_value() const {
  const Nano milli = divide_away(nano_, 1'000'000);
  if (milli > INT64_MAX || milli < -INT64_MAX) {
    return refuse(to_string(), "expected a magnitude of at most 9223372036854775807 thousandths");
  }
  return static_cast<std::int64_t>(milli);
}

Quantity Quantity::operator-() const { return {-nano_, format_}; }

std::string Quantity::canonical() const {
  if (nano_ == 0) {
    return "0";
  }
  constexpr Nano kibi = static_cast<Nano>(1024) * nano_per_unit;
  const bool binary = format_ == Format::binary_si && nano_ % nano_per_unit == 0 &&
                      (nano_ <= -kibi || nano_ >= kibi);
  if (binary) {
    return binary_text(nano_ / nano_per_unit);
  }
  return decimal_text(nano_, format_ == Format::binary_si ? Format::decimal_si : format_);
}

}  // namespace plimsoll
