// Gavel's measured rates as a speed model: packed on as few hosts as possible, or spread.
// Pure; const after construction, then thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/perf/speed_model.h"
#include "traces/gavel.h"

namespace plimsoll::cli {

class GavelSpeeds final : public model::perf::SpeedModel {
 public:
  // `hardware` is Gavel's name ("v100"); hosts have `gpus_per_host` GPUs. Errors: no such table.
  static Result<GavelSpeeds> make(traces::GavelTable table, const std::string& hardware,
                                  std::int32_t gpus_per_host);

  // A profile is Gavel's type of job. On more hosts than needed it goes at the spread rate, which
  // was measured with a GPU a host; where that beats the packed rate, which is noise, at the
  // packed.
  [[nodiscard]] std::optional<double> step_seconds(
      const model::perf::StepQuery& query) const override;
  [[nodiscard]] std::vector<model::perf::RankedPlacement> ranked(const model::perf::JobKind& job,
                                                                 std::int32_t gpus) const override;
  [[nodiscard]] const traces::GavelHardware& packed() const { return packed_; }
  [[nodiscard]] std::vector<std::int32_t> fewest_hosts(std::int32_t gpus) const;

 private:
  GavelSpeeds() = default;

  traces::GavelHardware packed_;
  traces::GavelHardware spread_;
  std::int32_t gpus_per_host_ = 1;
};

// What an engine may know of a type that was never measured at its batch size: the same network on
// as many GPUs at other batch sizes. Packed it takes what a line through the two nearest ones says;
// spread, that times the mean slowdown of those within a factor of two (the nearest, if none is).
// Knows nothing of a network that was measured at one batch size only.
class GavelNeighbours final : public model::perf::SpeedModel {
 public:
  // Borrows `measured`, which must outlive it.
  explicit GavelNeighbours(const GavelSpeeds& measured) : measured_(&measured) {}

  [[nodiscard]] std::optional<double> step_seconds(
      const model::perf::StepQuery& query) const override;
  [[nodiscard]] std::vector<model::perf::RankedPlacement> ranked(const model::perf::JobKind& job,
                                                                 std::int32_t gpus) const override;

 private:
  const GavelSpeeds* measured_;
};

}  // namespace plimsoll::cli
