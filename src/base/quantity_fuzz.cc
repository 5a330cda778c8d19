// libFuzzer: whatever parses as a quantity prints as something that parses to the same value.
#include <cstdint>
#include <string_view>

#include "base/quantity.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using plimsoll::Quantity;
  const auto quantity = Quantity::parse({reinterpret_cast<const char*>(data), size});
  if (!quantity) {
    return 0;
  }
  for (const auto& text : {quantity->to_string(), quantity->canonical()}) {
    const auto again = Quantity::parse(text);
    plimsoll::check(again.has_value() && *again == *quantity, "a printed quantity parses back");
    plimsoll::check((-*again).value() == -quantity->value(), "rounding is the same on both sides");
  }
  const auto twice = (-(-*quantity)).milli_value();  // its error would print another spelling
  plimsoll::check(quantity->milli_value().value_or(0) == twice.value_or(0),
                  "negating twice is nothing");
  return 0;
}
