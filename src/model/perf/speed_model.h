// How long one iteration of a job takes, given where its members sit: the question that the
// simulator asks (to move a job) and the placement engine asks (to choose where it goes).
//
// The two hold different answers on purpose: the simulator the measured tables, the engine a
// predictor that has not seen the exact measurement. Implementations: step_time.h.
// Const after construction; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace plimsoll::model::perf {

// A kind of job, named by what its measurements are filed under.
struct JobKind {
  std::string_view profile;     // for instance "bert"
  std::string_view hardware;    // model of its GPUs, for instance "T4"
  std::int64_t batch_size = 0;  // of the whole job
};

struct StepQuery {
  JobKind job;
  std::span<const std::int32_t> gpus_per_host;  // each > 0, in descending order
  // Jobs on several hosts that share the busiest of its hosts' network interfaces, itself
  // included; 1: it has them to itself.
  std::int32_t interface_sharers = 1;
};

struct RankedPlacement {
  std::vector<std::int32_t> gpus_per_host;  // in descending order
  double step_seconds = 0;
};

class SpeedModel {
 public:
  virtual ~SpeedModel() = default;
  // Seconds for one iteration of the whole job; none: unknown for such a job or such a placement.
  [[nodiscard]] virtual std::optional<double> step_seconds(const StepQuery& query) const = 0;
  // Every placement of `gpus` GPUs that it knows for such a job, the fastest first, ties by fewer
  // hosts, then by larger shares first. Empty: nothing is known.
  [[nodiscard]] virtual std::vector<RankedPlacement> ranked(const JobKind& job,
                                                            std::int32_t gpus) const = 0;
};

}  // namespace plimsoll::model::perf
