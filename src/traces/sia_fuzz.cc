#include "traces/fuzz_check.h"
#include "traces/sia.h"

using namespace plimsoll;
using namespace plimsoll::traces;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz_text(data, size);
  check_error(parse_sia_placements(text, "f"));
  check_error(parse_sia_scalability(text, "f"));
  check_error(parse_sia_validation(text, "f", 8));
  const auto workload = parse_sia_workload(text, "f", nullptr);
  check_error(workload);
  if (workload) {
    check_workload(*workload);
  }
  SiaTables tables;
  tables.applications.push_back({"a", {}, {{8, 100, 100}}});
  check_error(parse_sia_workload(text, "f", &tables));
  return 0;
}
