// Gavel's measured rates as a speed model: packed on as few hosts as possible, or spread.
// Pure; const after construction.
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

 private:
  GavelSpeeds() = default;
  [[nodiscard]] std::vector<std::int32_t> fewest_hosts(std::int32_t gpus) const;

  traces::GavelHardware packed_;
  traces::GavelHardware spread_;
  std::int32_t gpus_per_host_ = 1;
};

}  // namespace plimsoll::cli
