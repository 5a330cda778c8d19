#include "traces/fuzz_check.h"
#include "traces/philly.h"

using namespace plimsoll;
using namespace plimsoll::traces;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto workload = parse_philly(fuzz_text(data, size), "f");
  check_error(workload);
  if (workload) {
    check_workload(*workload);
  }
  return 0;
}
