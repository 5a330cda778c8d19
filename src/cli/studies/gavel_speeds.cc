#include "cli/studies/gavel_speeds.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <numeric>
#include <string_view>
#include <utility>

namespace plimsoll::cli {
namespace {

// The two placements that were measured, as far as `speeds` knows them.
std::vector<model::perf::RankedPlacement> packed_and_spread(const model::perf::SpeedModel& speeds,
                                                            const model::perf::JobKind& job,
                                                            std::vector<std::int32_t> packed) {
  const auto gpus = std::accumulate(packed.begin(), packed.end(), std::size_t{0});
  std::vector<model::perf::RankedPlacement> placements;
  for (std::vector<std::int32_t> hosts : {std::move(packed), std::vector<std::int32_t>(gpus, 1)}) {
    const auto step = speeds.step_seconds({.job = job, .gpus_per_host = hosts});
    if (step && (placements.empty() || placements.front().gpus_per_host != hosts)) {
      placements.push_back({.gpus_per_host = std::move(hosts), .step_seconds = *step});
    }
  }
  return placements;
}

}  // namespace

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
  return packed_and_spread(*this, job, fewest_hosts(gpus));
}

namespace {

// "ResNet-18 (batch size 64)" taken apart; batch 0: there is none.
struct NetworkAndBatch {
  std::string_view network;
  std::int64_t batch = 0;
};
NetworkAndBatch taken_apart(std::string_view type) {
  constexpr std::string_view before = " (batch size ";
  const std::size_t at = type.find(before);
  NetworkAndBatch parts{.network = type.substr(0, at)};
  if (at != std::string_view::npos) {
    const std::string_view digits = type.substr(at + before.size());
    std::from_chars(digits.data(), digits.data() + digits.size(), parts.batch);
  }
  return parts;
}

struct Neighbour {
  std::int64_t batch = 0;
  double packed_seconds = 0;
  double slowdown = 1;  // where it is spread
  double factor = 1;    // between the two batch sizes, at least 1
};

// Packed, at `batch`, on the line through the two nearest of `neighbours`, sorted by factor.
double on_line(const std::vector<Neighbour>& neighbours, std::int64_t batch) {
  const Neighbour& nearest = neighbours[0];
  if (neighbours.size() < 2) {
    return nearest.packed_seconds;
  }
  const Neighbour& other = neighbours[1];
  const double slope = (other.packed_seconds - nearest.packed_seconds) /
                       static_cast<double>(other.batch - nearest.batch);
  const double there = nearest.packed_seconds + slope * static_cast<double>(batch - nearest.batch);
  return std::max(there, nearest.packed_seconds / nearest.factor);  // batches do not pay twice
}

}  // namespace

std::optional<double> GavelNeighbours::step_seconds(const model::perf::StepQuery& query) const {
  const auto gpus =
      std::accumulate(query.gpus_per_host.begin(), query.gpus_per_host.end(), std::int32_t{0});
  const NetworkAndBatch asked = taken_apart(query.job.profile);
  const std::vector<std::int32_t> packed = measured_->fewest_hosts(gpus);
  const std::vector<std::int32_t> spread(static_cast<std::size_t>(gpus), 1);
  std::vector<Neighbour> neighbours;
  for (const traces::GavelJob& job : measured_->packed().jobs) {
    const NetworkAndBatch parts = taken_apart(job.type);
    if (job.gpus != gpus || parts.network != asked.network || parts.batch == asked.batch ||
        parts.batch == 0 || asked.batch == 0) {
      continue;
    }
    const auto together =
        measured_->step_seconds({.job = {.profile = job.type}, .gpus_per_host = packed});
    const auto apart =
        measured_->step_seconds({.job = {.profile = job.type}, .gpus_per_host = spread});
    if (together && apart) {
      const double ratio = static_cast<double>(parts.batch) / static_cast<double>(asked.batch);
      neighbours.push_back({.batch = parts.batch,
                            .packed_seconds = *together,
                            .slowdown = *apart / *together,
                            .factor = std::max(ratio, 1 / ratio)});
    }
  }
  if (neighbours.empty()) {
    return std::nullopt;
  }
  std::ranges::stable_sort(neighbours, {}, &Neighbour::factor);
  const double together = on_line(neighbours, asked.batch);
  if (query.gpus_per_host.size() <= packed.size()) {
    return together;
  }
  double slowdowns = neighbours.front().slowdown;
  double count = 1;
  for (std::size_t i = 1; i < neighbours.size() && neighbours[i].factor <= 2; ++i) {
    slowdowns += neighbours[i].slowdown;
    count += 1;
  }
  return together * slowdowns / count;
}

std::vector<model::perf::RankedPlacement> GavelNeighbours::ranked(const model::perf::JobKind& job,
                                                                  std::int32_t gpus) const {
  return packed_and_spread(*this, job, measured_->fewest_hosts(gpus));
}

}  // namespace plimsoll::cli
