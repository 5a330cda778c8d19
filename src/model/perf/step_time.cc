#include "model/perf/step_time.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "base/result.h"

namespace plimsoll::model::perf {
namespace {

using Point = MeasuredSteps::Point;
using Points = MeasuredSteps::Points;
using Placements = MeasuredSteps::Placements;

// How a job's share of the batch on one GPU is worked off.
struct LocalWork {
  double local_batch = 0;  // of one micro-step
  double micro_steps = 1;
};

LocalWork split(std::int64_t batch_size, std::int32_t gpus, std::int64_t local_batch_max) {
  const double share = static_cast<double>(batch_size) / gpus;
  const auto largest = static_cast<double>(local_batch_max);
  LocalWork work{.local_batch = share};
  while (share > work.micro_steps * largest) {
    work.micro_steps += 1;
  }
  work.local_batch = share / work.micro_steps;
  return work;
}

// All micro-steps compute; the last one synchronises, at the pace of the shared interface.
double whole_step(const Point& point, double micro_steps, std::int32_t sharers) {
  const double compute = point.step_seconds - point.sync_seconds;
  return micro_steps * compute + point.sync_seconds * sharers;
}

// The first point at or above `local_batch`; the last one if there is none.
std::size_t upper_index(const Points& points, double local_batch) {
  const auto at =
      std::ranges::lower_bound(points, local_batch, std::ranges::less{},
                               [](const Point& p) { return static_cast<double>(p.local_batch); });
  return at == points.end() ? points.size() - 1
                            : static_cast<std::size_t>(std::distance(points.begin(), at));
}

Point interpolate(const Points& points, double local_batch) {
  const std::size_t upper = upper_index(points, local_batch);
  const Point& b = points[upper];
  if (upper == 0 || static_cast<double>(b.local_batch) <= local_batch) {
    return b;
  }
  const Point& a = points[upper - 1];
  const double t = (local_batch - static_cast<double>(a.local_batch)) /
                   static_cast<double>(b.local_batch - a.local_batch);
  return {.local_batch = b.local_batch,
          .step_seconds = a.step_seconds + t * (b.step_seconds - a.step_seconds),
          .sync_seconds = a.sync_seconds + t * (b.sync_seconds - a.sync_seconds)};
}

// The points that interpolate() does not read for `local_batch`.
Points unseen(const Points& points, double local_batch) {
  Points rest = points;
  const std::size_t upper = upper_index(points, local_batch);
  rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(upper));
  if (upper > 0 && static_cast<double>(points[upper].local_batch) > local_batch) {
    rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(upper - 1));
  }
  return rest;
}

// Those of `points` within a factor of two of `local_batch`; the nearest if there is none.
Points near(const Points& points, double local_batch) {
  const auto ratio = [&](const Point& p) {
    const auto b = static_cast<double>(p.local_batch);
    return std::max(b / local_batch, local_batch / b);
  };
  Points within;
  std::ranges::copy_if(points, std::back_inserter(within),
                       [&](const Point& p) { return ratio(p) <= 2; });
  if (within.empty() && !points.empty()) {
    within.push_back(*std::ranges::min_element(points, std::ranges::less{}, ratio));
  }
  return within;
}

const Point* at_batch(const Points& points, std::int64_t local_batch) {
  const auto at =
      std::ranges::lower_bound(points, local_batch, std::ranges::less{}, &Point::local_batch);
  return at != points.end() && at->local_batch == local_batch ? &*at : nullptr;
}

std::vector<RankedPlacement> sorted(std::vector<RankedPlacement> placements) {
  std::ranges::sort(placements, [](const RankedPlacement& a, const RankedPlacement& b) {
    if (a.step_seconds != b.step_seconds) {
      return a.step_seconds < b.step_seconds;
    }
    if (a.gpus_per_host.size() != b.gpus_per_host.size()) {
      return a.gpus_per_host.size() < b.gpus_per_host.size();
    }
    return a.gpus_per_host > b.gpus_per_host;
  });
  return placements;
}

// Predicted times of every placement in `table`, in the map's order.
std::vector<RankedPlacement> predict(const Placements& table, std::int64_t batch_size,
                                     std::int32_t gpus, std::int32_t sharers) {
  struct Known {
    const std::vector<std::int32_t>* placement = nullptr;
    Points points;
  };
  std::vector<Known> known;
  double micro_steps = 1;
  double local_batch = 0;
  for (const auto& [placement, points] : table) {
    const LocalWork work = split(batch_size, gpus, points.back().local_batch);
    Points rest = unseen(points, work.local_batch);
    if (!rest.empty()) {
      known.push_back({&placement, std::move(rest)});
      micro_steps = work.micro_steps;
      local_batch = work.local_batch;
    }
  }
  if (known.empty()) {
    return {};
  }
  // Local batches that every placement has, and the mean placement's time at each.
  Points mean;
  for (const Point& candidate : known.front().points) {
    double total = 0;
    const bool everywhere = std::ranges::all_of(known, [&](const Known& k) {
      const Point* point = at_batch(k.points, candidate.local_batch);
      total += point != nullptr ? whole_step(*point, micro_steps, sharers) : 0;
      return point != nullptr;
    });
    if (everywhere) {
      mean.push_back({.local_batch = candidate.local_batch,
                      .step_seconds = total / static_cast<double>(known.size())});
    }
  }
  if (mean.empty()) {
    return {};
  }
  const Points neighbours = near(mean, local_batch);
  const double scale = interpolate(mean, local_batch).step_seconds;
  std::vector<RankedPlacement> predicted;
  for (const Known& k : known) {
    double ratio = 0;
    for (const Point& neighbour : neighbours) {
      ratio += whole_step(*at_batch(k.points, neighbour.local_batch), micro_steps, sharers) /
               neighbour.step_seconds;
    }
    predicted.push_back({*k.placement, scale * ratio / static_cast<double>(neighbours.size())});
  }
  return predicted;
}

std::int32_t total(std::span<const std::int32_t> gpus_per_host) {
  return std::accumulate(gpus_per_host.begin(), gpus_per_host.end(), 0);
}

}  // namespace

MeasuredSteps::MeasuredSteps(const std::vector<StepSample>& samples) {
  for (const StepSample& sample : samples) {
    std::vector<std::int32_t> placement = sample.gpus_per_host;
    std::ranges::sort(placement, std::greater{});
    Points& points =
        tables_[{sample.profile, sample.hardware, total(placement)}][std::move(placement)];
    auto at = std::ranges::lower_bound(points, sample.local_batch, std::ranges::less{},
                                       &Point::local_batch);
    if (at == points.end() || at->local_batch != sample.local_batch) {
      at = points.insert(at, {.local_batch = sample.local_batch});
    }
    at->samples += 1;
    at->step_seconds += (sample.step_seconds - at->step_seconds) / at->samples;
    at->sync_seconds += (sample.sync_seconds - at->sync_seconds) / at->samples;
  }
}

const Placements* MeasuredSteps::placements(const JobKind& job, std::int32_t gpus) const {
  const auto at = tables_.find(Key{std::string(job.profile), std::string(job.hardware), gpus});
  return at == tables_.end() ? nullptr : &at->second;
}

std::optional<double> MeasuredSteps::step_seconds(const StepQuery& query) const {
  const std::int32_t gpus = total(query.gpus_per_host);
  const Placements* table = placements(query.job, gpus);
  if (table == nullptr) {
    return std::nullopt;
  }
  const auto at = table->find({query.gpus_per_host.begin(), query.gpus_per_host.end()});
  if (at == table->end()) {
    return std::nullopt;
  }
  const LocalWork work = split(query.job.batch_size, gpus, at->second.back().local_batch);
  return whole_step(interpolate(at->second, work.local_batch), work.micro_steps,
                    query.interface_sharers);
}

std::vector<RankedPlacement> MeasuredSteps::ranked(const JobKind& job, std::int32_t gpus) const {
  std::vector<RankedPlacement> all;
  if (const Placements* table = placements(job, gpus)) {
    for (const auto& [placement, points] : *table) {
      all.push_back({placement, *step_seconds({.job = job, .gpus_per_host = placement})});
    }
  }
  return sorted(std::move(all));
}

std::optional<double> NeighbourSteps::step_seconds(const StepQuery& query) const {
  const std::int32_t gpus = total(query.gpus_per_host);
  const Placements* table = measured_->placements(query.job, gpus);
  if (table == nullptr) {
    return std::nullopt;
  }
  const auto all = predict(*table, query.job.batch_size, gpus, query.interface_sharers);
  const auto at = std::ranges::find_if(all, [&](const RankedPlacement& p) {
    return std::ranges::equal(p.gpus_per_host, query.gpus_per_host);
  });
  return at == all.end() ? std::nullopt : std::optional(at->step_seconds);
}

std::vector<RankedPlacement> NeighbourSteps::ranked(const JobKind& job, std::int32_t gpus) const {
  const Placements* table = measured_->placements(job, gpus);
  return table == nullptr ? std::vector<RankedPlacement>{}
                          : sorted(predict(*table, job.batch_size, gpus, 1));
}

}  // namespace plimsoll::model::perf
