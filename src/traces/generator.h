// A realistic mixed cluster and a week of work on it, from a seed: what `plimsoll demo` runs.
//
// Cluster (82 nodes, 432 GPUs at scale 1): H100 x 8 under a taint that only training tolerates,
// A100 x 8 (two hosts of them cut by MIG), L4 x 4, T4 x 4, and CPU nodes, in two zones with blocks
// and racks; sizes, allocatable amounts and prices are AWS's p5.48xlarge, p4de.24xlarge,
// g6.12xlarge, g4dn.12xlarge and m6i.16xlarge, on demand in us-east-1.
//
// Work, as shares of the GPU capacity over the whole time (together `load`):
//   training   what the others leave; gangs of 1 to 64 GPUs, log-normal durations with medians that
//              grow with the size, as in Philly (Jeon et al., ATC'19), shortened to fit a week;
//              those of several hosts sum the gradients of ResNet-50 to Llama 2 13B in each step
//   inference  16.5 %: services of 1 to 12 replicas that never end and hold 0.1 to 1 GPU each (in
//              openb 44 % of the GPU pods ask for a part of one), with more replicas on
//              weekdays from about 8:30 to 20:00; and 2.3 % as MIG instances
//   notebooks  3.5 %: 0.2 to 1 GPU, for hours, in business hours, 5 to 25 % busy
//   batch      14 %: evaluation and fine-tuning on half a GPU to two
//   CPU batch  85 % of the CPU nodes' cores
// Arrivals follow the hour of the day and the day of the week (Philly and Helios both peak in the
// afternoon); utilisation of held GPUs is well below 1 (52 % on average in Philly). Where no source
// is named the numbers are ours, chosen to be plausible. Values; thread-safe; the same seed gives
// the same bytes.
#pragma once

#include <cstdint>

#include "model/workload.h"

namespace plimsoll::traces {

struct GeneratorConfig {
  std::uint64_t seed = 1;
  std::int32_t scale = 1;  // multiplies the nodes, and the work with them; 1 to 100
  std::int32_t days = 7;   // from Monday 0:00; 1 to 60
  double load = 1.0;       // offered GPU time / GPU capacity; 0.05 to 3
};

struct GeneratedTrace {
  model::Cluster cluster;
  model::Workload workload;
};

// Requires: the bounds above.
GeneratedTrace generate(const GeneratorConfig& config);

// Its halves. The workload's budgets follow from the cluster's GPUs and cores.
model::Cluster generate_cluster(std::int32_t scale);
model::Workload generate_workload(const model::Cluster& cluster, const GeneratorConfig& config);

}  // namespace plimsoll::traces
