#include "traces/fuzz_check.h"
#include "traces/load.h"

using namespace plimsoll;
using namespace plimsoll::traces;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t bytes_max = std::size_t{1} << 20;
  const auto bytes = gunzip(fuzz_text(data, size), "f.gz", bytes_max);
  check_error(bytes);
  check(!bytes || bytes->size() <= bytes_max, "the limit holds");
  return 0;
}
