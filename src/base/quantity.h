// A Kubernetes resource.Quantity: parsed and printed exactly as Kubernetes does.
//
//   quantity := [+-] digits [. digits] suffix
//   suffix   := n u m "" k M G T P E | Ki Mi Gi Ti Pi Ei | e<exponent> E<exponent>
//
// The value is kept to the nano, exactly. What is finer is rounded away from zero, so that nobody
// who asks for something gets nothing. A quantity remembers which of the three formats it was
// written in and prints in it, in canonical form: no fraction, the largest suffix that loses
// nothing
// ("1.5Gi" prints "1536Mi", "0.5" prints "500m"). A binary quantity that is not a whole number, or
// lies between -1024 and 1024, prints in the decimal format.
//
// Three habits of Kubernetes (apimachinery, pkg/api/resource) are kept, because objects that come
// from an API server show them:
//   - a number of up to 18 digits whose suffix already is the canonical one prints as it was
//   written,
//     so "1.500" stays "1.500" and "1E3" stays "1E3"; canonical() gives "1500m" and "1e3";
//   - a number without any digit is 0 up to Ti ("", "." and "-" before a suffix), an error above;
//   - a binary quantity below 1 becomes a decimal one when it is parsed.
// One is not kept: a magnitude above 2^63-1 is refused with a clear error. Kubernetes caps a binary
// one at 2^63-1 without a word, keeps a decimal one, and truncates exponents to 32 bits.
//
// A value; thread-safe.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace plimsoll {

enum class QuantityFormat : std::uint8_t {
  decimal_si,        // 12M  (12 x 10^6)
  binary_si,         // 12Mi (12 x 2^20)
  decimal_exponent,  // 12e6
};

class Quantity {
 public:
  constexpr Quantity() = default;  // 0, decimal_si

  // Errors (bad_input): not of the form above; above 2^63-1; longer than 1000 characters. The
  // message quotes `text` and does not say where it came from: the caller puts the file and line
  // before it.
  static Result<Quantity> parse(std::string_view text);
  // `value` whole units; -2^63 counts as -(2^63-1).
  static Quantity from_value(std::int64_t value,
                             QuantityFormat format = QuantityFormat::decimal_si);
  // `value` thousandths of a unit.
  static Quantity from_milli(std::int64_t value,
                             QuantityFormat format = QuantityFormat::decimal_si);

  // Whole units, rounded away from zero. (Kubernetes' Value() documents the same, and returns wrong
  // numbers for some negative quantities that do not fit its int64 path.)
  [[nodiscard]] std::int64_t value() const;
  // Thousandths, rounded away from zero. Error: above 2^63-1 of them.
  [[nodiscard]] Result<std::int64_t> milli_value() const;

  [[nodiscard]] QuantityFormat format() const { return format_; }
  [[nodiscard]] bool is_zero() const { return nano_ == 0; }
  [[nodiscard]] Quantity operator-() const;

  // What Kubernetes prints for it.
  [[nodiscard]] std::string to_string() const { return kept_.empty() ? canonical() : kept_; }
  // The canonical form, however it was written.
  [[nodiscard]] std::string canonical() const;

  // By value, whatever the formats, as Kubernetes compares them.
  friend bool operator==(const Quantity& a, const Quantity& b) { return a.nano_ == b.nano_; }
  friend std::strong_ordering operator<=>(const Quantity& a, const Quantity& b) {
    return a.nano_ <=> b.nano_;
  }

 private:
  using Nano = __int128;  // billionths of a unit: below 2^63 x 10^9 < 2^93 in magnitude
  Quantity(Nano nano, QuantityFormat format) : nano_(nano), format_(format) {}

  Nano nano_ = 0;
  QuantityFormat format_ = QuantityFormat::decimal_si;
  std::string kept_;  // as written, where Kubernetes keeps that and it is not canonical
};

}  // namespace plimsoll
