#include "traces/fuzz_check.h"
#include "traces/gavel.h"

using namespace plimsoll;
using namespace plimsoll::traces;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto table = parse_gavel(fuzz_text(data, size), "f");
  check_error(table);
  if (table) {
    for (const GavelHardware& hardware : table->hardware) {
      check(table->find(hardware.name, hardware.packed) == &hardware, "hardware is found");
      for (const GavelJob& job : hardware.jobs) {
        check(hardware.find(job.type, job.gpus) == &job, "a job is found");
        for (const GavelPair& pair : job.pairs) {
          check(pair.other < hardware.jobs.size(), "a partner exists");
        }
      }
    }
  }
  return 0;
}
