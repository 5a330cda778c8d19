#include "traces/fuzz_check.h"
#include "traces/shockwave.h"

using namespace plimsoll;
using namespace plimsoll::traces;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto jobs = parse_shockwave_jobs(fuzz_text(data, size), "f");
  check_error(jobs);
  if (jobs) {
    GavelHardware hardware{.name = "v100"};
    hardware.jobs.push_back({.type = "A (batch size 4)", .gpus = 1, .rate = 1e-5});
    const auto trace = join_shockwave(*std::move(jobs), {{std::move(hardware)}}, "rates");
    check_error(trace);
    if (trace) {
      check_workload(shockwave_workload(*trace));
    }
  }
  return 0;
}
