#include "cli/studies/sia_speeds.h"

#include <cmath>
#include <utility>
#include <vector>

namespace plimsoll::cli {

model::perf::MeasuredSteps sia_speeds(const traces::SiaTables& tables) {
  constexpr std::pair<std::string_view, const char*> kinds[] = {
      {traces::sia_default_hardware, t4_model}, {"dgx-ext", a100_model}};
  std::vector<model::perf::StepSample> samples;
  for (const traces::SiaApplication& application : tables.applications) {
    for (const auto& [file_name, gpu_model] : kinds) {
      const traces::SiaHardware* hardware = application.find_hardware(file_name);
      if (hardware == nullptr) {
        continue;
      }
      for (const traces::SiaPlacementRow& row : hardware->placements) {
        model::perf::StepSample sample{.profile = application.name,
                                       .hardware = gpu_model,
                                       .local_batch = std::llround(row.local_bsz),
                                       .step_seconds = row.step_time,
                                       .sync_seconds = row.sync_time};
        for (const char digit : row.placement) {
          sample.gpus_per_host.push_back(digit - '0');
        }
        samples.push_back(std::move(sample));
      }
    }
  }
  return model::perf::MeasuredSteps(samples);
}

}  // namespace plimsoll::cli
