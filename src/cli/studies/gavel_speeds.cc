#include "cli/studies/gavel_speeds.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace plimsoll::cli {

Result<GavelSpeeds> GavelSpeeds::make(traces::GavelTable table, const std::string& hardware,
                                      std::int32_t gpus_per_host) {
  GavelSpeeds speeds;
  speeds.gpus_per_host_ = gpus_per_host;
  const traces::GavelHardware* packed = table.find(hardware, true);
  const traces::GavelHardware* spread = table.find(hardware, false);
  if (packed == nullptr || spread == nullptr) {
    return bad_input(
        fmt::format("throughput/gavel: found no {} packed and spread, expected both", hardware));
  }
  speeds.packed_ = *packed;
  speeds.spread_ = *spread;
  return speeds;
}

std::vector<std::int32_t> GavelSpeeds::fewest_hosts(std::int32_t gpus) const {
  std::vector<std::int32_t> hosts;
  for (; gpus > 0; gpus -= gpus_per_host_) {
    hosts.push_back(std::min(gpus, gpus_per_host_));
  }
  return hosts;
}

std::optional<double> GavelSpeeds::step_seconds(const model::perf::StepQuery& query) const {
  const auto gpus =
      std::accumulate(query.gpus_per_host.begin(), query.gpus_per_host.end(), std::int32_t{0});
  const traces::GavelJob* packed = packed_.find(query.job.profile, gpus);
  if (packed == nullptr || packed->rate <= 0) {
    return std::nullopt;
  }
  if (query.gpus_per_host.size() <= fewest_hosts(gpus).size()) {
    return 1 / packed->rate;
  }
  const traces::GavelJob* spread = spread_.find(query.job.profile, gpus);
  if (spread == nullptr || spread->rate <= 0) {
    return std::nullopt;
  }
  return 1 / std::min(packed->rate, spread->rate);
}

std::vector<model::perf::RankedPlacement> GavelSpeeds::ranked(const model::perf::JobKind& job,
                                                              std::int32_t gpus) const {
  std::vector<model::perf::RankedPlacement> placements;
  for (std::vector<std::int32_t> hosts :
       {fewest_hosts(gpus), std::vector<std::int32_t>(static_cast<std::size_t>(gpus), 1)}) {
    const auto step = step_seconds({.job = job, .gpus_per_host = hosts});
    if (step && (placements.empty() || placements.front().gpus_per_host != hosts)) {
      placements.push_back({.gpus_per_host = std::move(hosts), .step_seconds = *step});
    }
  }
  return placements;
}

}  // namespace plimsoll::cli
