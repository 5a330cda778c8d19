#include <array>

#include "traces/csv.h"
#include "traces/fuzz_check.h"

using namespace plimsoll;
using namespace plimsoll::traces;

// Whatever is read is text, and views of one row do not overlap the end of the buffer.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static constexpr std::array<CsvColumn, 3> columns = {{{"a"}, {"b"}, {"c", false}}};
  const auto read = [](CsvReader reader) {
    std::size_t total = 0;
    while (true) {
      const Result<bool> more = reader.next();
      check_error(more);
      if (!more.has_value() || !*more) {
        return total;
      }
      check_error(reader.name(0));
      check_error(reader.integer(1, -100, 100));
      check_error(reader.number(2, -1e9, 1e9));
      for (std::size_t column = 0; column < 3; ++column) {
        for (const char byte : reader.text(column)) {
          total += static_cast<unsigned char>(byte);
        }
      }
    }
  };
  const std::string_view text = fuzz_text(data, size);
  auto reader = CsvReader::make(text, "f", columns);
  check_error(reader);
  const std::size_t with_header = reader ? read(*std::move(reader)) : 0;
  const std::size_t without = read(CsvReader::headerless(text, "f", columns, '\t'));
  return with_header == SIZE_MAX && without == SIZE_MAX ? 1 : 0;
}
