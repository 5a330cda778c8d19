// Alibaba's GPU cluster trace v2023 ("openb"), as the FGD paper (ATC'23) replays it.
//
// A folder holds openb_node_list_gpu_node.csv (sn, cpu_milli, memory_mib, gpu, model) and one
// openb_pod_list_<variant>.csv a variant (name, cpu_milli, memory_mib, num_gpu, gpu_milli, and
// gpu_spec: accepted GPU models separated by '|', none: any). A pod asks num_gpu GPUs of gpu_milli
// each; a share of a GPU only with num_gpu = 1. gpu_milli and gpu_spec of a pod without GPUs mean
// nothing. Times in the files are not used. Values; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/workload.h"

namespace plimsoll::traces {

struct OpenbTrace {
  model::Cluster cluster;                            // in the file's order
  std::vector<model::PodSpec> specs;                 // no two equal
  std::vector<std::pair<std::string, SpecId>> pods;  // sorted by name
};

// `data` is the folder, or one that has it as `openb`.
Result<OpenbTrace> read_openb(const std::string& data, const std::string& variant);

// The same from buffers; the names are what errors call them.
struct OpenbFile {
  std::string_view text;
  std::string name;
};
Result<OpenbTrace> parse_openb(const OpenbFile& nodes, const OpenbFile& pods);

// The most arrivals that openb_arrivals makes.
inline constexpr std::size_t openb_arrivals_max = 4'000'000;

// The paper's arrivals at `arrival_ratio` x the cluster's GPUs: the pods shuffled, then, while
// they ask for less than that, pods drawn from the whole trace with replacement until the next
// would pass it (this check adds the milli of one of its GPUs, the sum those of all), or, while
// they ask for more, one of them dropped. Plain pods that never end, one a second from 0.
// Requires: arrival_ratio >= 0.
model::Workload openb_arrivals(const OpenbTrace& trace, double arrival_ratio, std::uint64_t seed);

// FGD's typical pods: the most frequent (CPU, GPUs, milli, accepted models), pods without GPUs
// among them, that make up `coverage_percent` of all pods, with how often each was seen. Memory
// does not count and is 0 here. Ties: more CPU first, then more milli, more GPUs, later models.
std::vector<std::pair<model::PodSpec, std::int64_t>> typical_pods(const OpenbTrace& trace,
                                                                  double coverage_percent = 95);

}  // namespace plimsoll::traces
