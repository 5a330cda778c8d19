// Work that arrives over time: what a trace holds and a simulation replays. Values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/units.h"
#include "model/gang.h"
#include "model/node.h"
#include "model/pod.h"

namespace plimsoll::model {

// `members` pods of one spec that start together, run and end together. One member: a plain pod.
struct Job {
  std::string name;
  std::string tenant;
  Time submitted;
  SpecId spec;  // into Workload::specs
  std::int32_t members = 1;
  TopologyLevel required_level = TopologyLevel::none;
  TopologyLevel preferred_level = TopologyLevel::none;
  // How long it runs. With a profile this is its time on its best placement, and the real time
  // follows from where it sits; 0: it never ends (a service).
  Duration duration;
  std::string profile;          // kind of job in the step-time tables; empty: speed is constant
  std::int64_t batch_size = 0;  // of the whole job, for the profile
  double iterations = 0;        // of work, for the profile
  // Without a profile, of a job on several GPUs: what it sums over them in every step, and how long
  // a step computes; then a ring all-reduce (perf/ring.h) makes it slower where it is spread out.
  Bytes gradients;  // 0: speed is constant
  Duration step;
  // How busy each of its GPUs is while it runs, in thousandths.
  std::int32_t gpu_utilization_milli = 1000;

  friend bool operator==(const Job&, const Job&) = default;
};

// Sorted by `submitted`, then in the trace's order.
struct Workload {
  std::vector<PodSpec> specs;
  std::vector<Job> jobs;
};

struct Cluster {
  std::vector<Node> nodes;  // ids 0, 1, …
};

}  // namespace plimsoll::model
