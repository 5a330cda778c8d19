// Microsoft's Philly trace, as the Sia artifact filtered it: timestamp, duration (s), num_gpus,
// gpu_time, cluster.
//
// Timestamps are taken as the time of submission (nobody could confirm that they are). Up to 8
// GPUs are one pod. More are a gang of equal pods, of the largest size <= 8 that divides the job's
// GPUs: 12 = 2 x 6, 24 = 3 x 8. `cluster` (a virtual cluster) is the tenant. CPU and memory come
// with the GPUs (gpu_job.h). Values; thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "model/workload.h"

namespace plimsoll::traces {

// Sorted by timestamp, then in the file's order; the first job arrives at 0. Jobs are named
// philly-<line>.
Result<model::Workload> parse_philly(std::string_view text, const std::string& name);
// `data` holds jobs/philly.csv.gz or philly.csv.gz, or is a file itself.
Result<model::Workload> read_philly(const std::string& data);

}  // namespace plimsoll::traces
