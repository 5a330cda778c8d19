// Step times measured by placement, and what can be predicted from them.
//
// A placement is the GPUs on each host in descending order; which hosts does not matter. Values;
// const after construction, then thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/perf/speed_model.h"

namespace plimsoll::model::perf {

// One measurement: a step of a job that takes `local_batch` samples on each GPU.
struct StepSample {
  std::string profile;
  std::string hardware;
  std::vector<std::int32_t> gpus_per_host;  // any order
  std::int64_t local_batch = 0;
  double step_seconds = 0;
  double sync_seconds = 0;  // the part of it that gradients take over the wire
};

// The measured tables. Between two local batches it interpolates linearly; below the smallest it
// takes the smallest's time; above the largest it accumulates gradients over equal micro-steps, of
// which only the last synchronises (as Sia's simulator does, SOSP'23). A job that shares network
// interfaces pays its synchronisation once for each sharer.
class MeasuredSteps : public SpeedModel {
 public:
  // Samples of one placement and local batch, in whatever order its hosts came, are averaged.
  explicit MeasuredSteps(const std::vector<StepSample>& samples);

  [[nodiscard]] std::optional<double> step_seconds(const StepQuery& query) const override;
  [[nodiscard]] std::vector<RankedPlacement> ranked(const JobKind& job,
                                                    std::int32_t gpus) const override;

  struct Point {
    std::int64_t local_batch = 0;
    double step_seconds = 0;
    double sync_seconds = 0;
    std::int32_t samples = 0;  // averaged into it
  };
  using Points = std::vector<Point>;                               // ascending local batches
  using Placements = std::map<std::vector<std::int32_t>, Points>;  // of one number of GPUs
  // What was measured of such a job on `gpus` GPUs; null: nothing.
  [[nodiscard]] const Placements* placements(const JobKind& job, std::int32_t gpus) const;

 private:
  struct Key {
    std::string profile;
    std::string hardware;
    std::int32_t gpus = 0;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  std::map<Key, Placements> tables_;
};

// What an engine may know of a job that was never profiled at its batch size: it leaves out the
// measurements that the true answer would be read from, and takes the mean over the other local
// batches within a factor of two (the nearest one, if none is) of a placement's time relative to
// the mean placement on as many GPUs. Ratios are averaged because single ones are noise, and the
// least of many would select it.
class NeighbourSteps : public SpeedModel {
 public:
  // Borrows `measured`, which must outlive it.
  explicit NeighbourSteps(const MeasuredSteps& measured) : measured_(&measured) {}

  [[nodiscard]] std::optional<double> step_seconds(const StepQuery& query) const override;
  [[nodiscard]] std::vector<RankedPlacement> ranked(const JobKind& job,
                                                    std::int32_t gpus) const override;

 private:
  const MeasuredSteps* measured_;
};

}  // namespace plimsoll::model::perf
