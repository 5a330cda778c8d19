// The jobs of one simulation: which pods they have, how far they are, how fast they go.
//
// Owned by one simulation; not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/perf/ring.h"
#include "model/workload.h"
#include "sim/simulator.h"
#include "sim/world.h"

namespace plimsoll::sim {

struct JobRun {
  enum class Phase : std::uint8_t { ahead, pending, running, completed, failed };
  Phase phase = Phase::ahead;
  bool placed = false;           // started at least once
  std::uint32_t generation = 0;  // counts starts and losses; a completion of an older one is void
  std::int32_t bound = 0;        // members, while pending
  GangId gang;
  std::vector<PodId> pods;
  Duration work_left;   // in time at its best placement, or at constant speed
  double slowdown = 1;  // real time over that, where it runs
  Time started;
};

// How a job's real run time follows from where it sits.
class JobSpeed {
 public:
  JobSpeed(const model::Cluster& cluster, const model::Workload& workload, const SimConfig& config);

  // What the job is expected to take, on its best placement; 0: it never ends. Errors: a job
  // whose duration neither the workload nor a model knows.
  [[nodiscard]] Result<Duration> expected(const model::Job& job) const;
  // Real time over expected time on these hosts, and the job's share of their interfaces is taken
  // until leave(). Errors: a placement that no model knows.
  Result<double> slowdown(const model::Job& job, const JobRun& run, const model::Snapshot& truth);
  void leave(const model::Job& job, const JobRun& run, const model::Snapshot& truth);

 private:
  struct HostShare {
    NodeId node;
    std::int32_t gpus = 0;
  };
  std::vector<HostShare> hosts_of(const JobRun& run, const model::Snapshot& truth) const;
  [[nodiscard]] double ring_slowdown(const model::Job& job, const JobRun& run,
                                     const model::Snapshot& truth);
  [[nodiscard]] std::optional<double> best_step(const model::Job& job) const;

  const model::Workload& workload_;
  const SimConfig& config_;
  std::size_t nodes_ = 0;
  std::int32_t gpus_per_node_ = 1;  // the most
  std::string hardware_;            // of the first such node
  std::vector<model::perf::RingHost> all_hosts_;
  std::map<SpecId, std::vector<model::perf::RingKind>> ring_kinds_;
  std::vector<std::int32_t> crossing_;  // by node: jobs on several hosts
};

}  // namespace plimsoll::sim
