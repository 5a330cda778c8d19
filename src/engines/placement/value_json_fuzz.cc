// Any bytes are refused with one line, or read as a table that writes and reads back the same.
#include "base/result.h"
#include "engines/placement/value.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace plimsoll;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto table = placement::value_table_from_json(text, "table");
  if (!table) {
    check(table.error().message.starts_with("table:"), "an error names its file");
    return 0;
  }
  const auto again = placement::value_table_from_json(placement::to_json(*table), "again");
  check(again.has_value() && *again == *table, "a table reads back as it was");
  const placement::NodeValue value(*table);
  (void)value.node({.cpu_free = 1000, .memory_free = 1 << 30, .gpu_free = 1, .gpus = 16});
  return 0;
}
