// Sia's measured step times as a speed model. Pure.
#pragma once

#include "model/perf/step_time.h"
#include "traces/sia.h"

namespace plimsoll::cli {

// GPU models as the clusters here call them, for Sia's names of hardware.
inline constexpr const char* t4_model = "T4";
inline constexpr const char* a100_model = "A100-40GB";

// The measured placements of every application on T4 and on A100 ("dgx-ext").
model::perf::MeasuredSteps sia_speeds(const traces::SiaTables& tables);

}  // namespace plimsoll::cli
