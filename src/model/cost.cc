#include "model/cost.h"

#include <algorithm>
#include <cmath>

namespace plimsoll::model {
namespace {

double over(std::int64_t part, std::int64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0;
}

}  // namespace

NodePrice::NodePrice(const Node& node)
    : price_(node.price),
      cpu_(node.allocatable.cpu),
      memory_(node.allocatable.memory),
      gpus_(static_cast<std::int64_t>(node.gpus.size())),
      geometry_(node.gpus.empty() ? nullptr : find_geometry(node.gpus.front().model)) {}

MicroUsdPerHour NodePrice::share(const Resources& requests, const GpuRequest& gpu) const {
  double share = 0;
  if (gpu.count == 0) {
    share = std::max(over(requests.cpu.value(), cpu_.value()),
                     over(requests.memory.value(), memory_.value()));
  } else if (gpu.mig_profile.empty()) {
    share = over(gpu.count * gpu.milli.value(), gpus_ * whole_gpu.value());
  } else if (geometry_ != nullptr) {
    const MigProfile* profile = geometry_->find(gpu.mig_profile);
    share = profile == nullptr
                ? 0
                : over(gpu.count * profile->memory_slices, gpus_ * geometry_->memory_slices);
  }
  return MicroUsdPerHour(
      std::llround(static_cast<double>(price_.value()) * std::clamp(share, 0.0, 1.0)));
}

}  // namespace plimsoll::model
