// Shockwave's (NSDI'23) TACC trace: 120 jobs for 32 GPUs, with Gavel's throughput tables.
//
// A trace has no header and twelve columns apart by tabs: type (with the batch size at the start),
// command, folder, steps flag, needs data, steps, GPUs (a gang), mode, priority weight, objective,
// duration (unused), arrival (s). Speeds are those of a V100 alone, packed; where a job sits has
// no effect. Values; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/workload.h"
#include "traces/gavel.h"

namespace plimsoll::traces {

// How a job changes its batch size while it runs: not at all, by Accordion's or by GNS's rule.
enum class BatchMode : std::uint8_t { fixed, accordion, gns };

struct ShockwaveJob {
  std::string type;             // for instance "LM (batch size 10)"
  std::int64_t batch_size = 0;  // at the start, from the type
  std::int64_t steps = 0;       // at the first batch size
  std::int32_t gpus = 1;
  BatchMode mode = BatchMode::fixed;
  Time arrival;
};

struct ShockwaveTrace {
  std::vector<ShockwaveJob> jobs;  // by arrival, then in the file's order
  GavelTable rates;
};

Result<std::vector<ShockwaveJob>> parse_shockwave_jobs(std::string_view text,
                                                       const std::string& name);
// Puts the two together. Errors: a job that has no V100 rate above 0, or that would run for more
// than 1e9 s. `rates_name` is what errors call the rates' file.
Result<ShockwaveTrace> join_shockwave(std::vector<ShockwaveJob> jobs, GavelTable rates,
                                      const std::string& rates_name);
// tacc_120jobs.trace and tacc_throughputs.json; `data` holds jobs/shockwave-tacc, or is it.
Result<ShockwaveTrace> read_shockwave(const std::string& data);

// The jobs as gangs of one-GPU pods that keep their first batch size: steps / rate is their
// duration. Named job-<n> in order of arrival. Requires: join_shockwave accepts it.
model::Workload shockwave_workload(const ShockwaveTrace& trace);

}  // namespace plimsoll::traces
