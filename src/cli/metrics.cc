#include "cli/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace plimsoll::cli {
namespace {

constexpr std::array all_metrics = {
    Metric{"gpu_allocation_percent", "GPUs allocated", MetricUnit::percent, Better::higher,
           "Share of the cluster's GPU capacity that pods hold.",
           "The mean over the time; for arrivals without departures, the end."},
    Metric{"gpu_utilization_percent", "GPUs busy", MetricUnit::percent, Better::higher,
           "Share of the GPU capacity that works: what is held, times how busy its holder is.",
           "The mean over the time."},
    Metric{"mean_wait_seconds", "Mean wait", MetricUnit::seconds, Better::lower,
           "From a job's submission to its first start, mean over the jobs that started."},
    Metric{"mean_jct_seconds", "Mean completion time", MetricUnit::seconds, Better::lower,
           "From a job's submission to its end, mean over the jobs that ended."},
    Metric{"p99_jct_seconds", "99th percentile completion time", MetricUnit::seconds, Better::lower,
           "99 of 100 jobs that ended took no longer than this."},
    Metric{"failed", "Refused", MetricUnit::count, Better::lower,
           "Jobs or pods that fitted nowhere when they arrived and were given up."},
    Metric{"idle_cost_usd", "Paid for idle GPUs", MetricUnit::usd, Better::lower,
           "What GPUs cost, at list price, while nobody held them."},
    Metric{"fragmentation_percent", "Fragmentation", MetricUnit::percent, Better::lower,
           "Share of the free GPU capacity that a typical pod cannot use where it lies (FGD, "
           "ATC'23).",
           "The end."},
    Metric{"p99_wait_seconds", "99th percentile wait", MetricUnit::seconds, Better::lower,
           "99 of 100 jobs that started waited no longer than this."},
    Metric{"p50_wait_seconds", "Median wait", MetricUnit::seconds, Better::lower,
           "Half of the jobs that started waited no longer than this."},
    Metric{"p50_jct_seconds", "Median completion time", MetricUnit::seconds, Better::lower,
           "Half of the jobs that ended took no longer than this."},
    Metric{"p90_jct_seconds", "90th percentile completion time", MetricUnit::seconds, Better::lower,
           "90 of 100 jobs that ended took no longer than this."},
    Metric{"p95_jct_seconds", "95th percentile completion time", MetricUnit::seconds, Better::lower,
           "95 of 100 jobs that ended took no longer than this."},
    Metric{"makespan_seconds", "Makespan", MetricUnit::seconds, Better::lower,
           "From the first submission to the last completion."},
    Metric{"final_gpu_allocation_percent", "GPUs allocated at the end", MetricUnit::percent,
           Better::higher, "Share of the GPU capacity that pods hold when the run ends."},
    Metric{"arrived", "Arrived", MetricUnit::count, Better::neither, "Jobs or pods submitted."},
    Metric{"placed", "Placed", MetricUnit::count, Better::higher,
           "Jobs or pods that started at least once."},
    Metric{"completed", "Completed", MetricUnit::count, Better::higher, "Jobs that ended."},
    Metric{"running", "Still running", MetricUnit::count, Better::neither,
           "Jobs that run at the end; services never end."},
    Metric{"pending", "Still waiting", MetricUnit::count, Better::lower,
           "Jobs that wait at the end."},
    Metric{"pending_jobs", "Queue length", MetricUnit::count, Better::lower,
           "Jobs that are submitted and have not started."},
    Metric{"restarts", "Restarts", MetricUnit::count, Better::lower,
           "Times that a job lost its place and started again."},
    Metric{"declines", "Starts declined", MetricUnit::count, Better::neither,
           "Times that a gang could start and waited, because it would end sooner that way."},
    Metric{"cost_usd", "Cost of the nodes", MetricUnit::usd, Better::lower,
           "Node price times time, at list price."},
};

std::string grouped(double value) {
  const std::string digits = fmt::format("{:.0f}", std::abs(value));
  std::string text = value < 0 && digits != "0" ? "-" : "";
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) {
      text += ',';
    }
    text += digits[i];
  }
  return text;
}

std::string seconds_text(double seconds) {
  if (seconds < 0) {
    return fmt::format("-{}", seconds_text(-seconds));
  }
  if (seconds < 99.95) {
    return fmt::format("{:.1f} s", seconds);
  }
  if (seconds < 599.5) {
    const auto whole = static_cast<long long>(std::llround(seconds));
    return fmt::format("{} min {} s", whole / 60, whole % 60);
  }
  const auto minutes = static_cast<long long>(std::llround(seconds / 60));
  if (minutes < 60) {
    return fmt::format("{} min", minutes);
  }
  if (minutes < 48 * 60) {
    return fmt::format("{} h {} min", minutes / 60, minutes % 60);
  }
  const auto hours = static_cast<long long>(std::llround(seconds / 3600));
  return fmt::format("{} d {} h", hours / 24, hours % 24);
}

}  // namespace

std::span<const Metric> metrics() { return all_metrics; }

Metric find_metric(std::string_view name) {
  const auto* found = std::find_if(all_metrics.begin(), all_metrics.end(),
                                   [&](const Metric& metric) { return metric.name == name; });
  return found != all_metrics.end() ? *found : Metric{.name = name, .title = name};
}

std::string metric_text(const Metric& metric, double value) {
  if (!std::isfinite(value)) {
    return "none";
  }
  switch (metric.unit) {
    case MetricUnit::percent:
      return fmt::format("{:.1f} %", value);
    case MetricUnit::seconds:
      return seconds_text(value);
    case MetricUnit::count:
      return value == std::trunc(value) ? grouped(value) : fmt::format("{:.1f}", value);
    case MetricUnit::usd:
      return fmt::format("{}${}", value < 0 ? "-" : "", grouped(std::abs(value)));
    case MetricUnit::plain:
      return std::abs(value) >= 10'000 ? grouped(value) : fmt::format("{:.4g}", value);
  }
  broken_invariant("a metric of no unit");
}

std::string change_text(const Metric& metric, double before, double after) {
  if (metric_text(metric, before) == metric_text(metric, after)) {
    return "no change";
  }
  if (metric.unit == MetricUnit::percent) {
    return fmt::format("{:+.1f} points", after - before);
  }
  if (before == 0 || !std::isfinite(before) || !std::isfinite(after)) {
    return fmt::format("{}{}", after > before ? "+" : "", metric_text(metric, after - before));
  }
  const double percent = 100 * (after - before) / std::abs(before);
  return std::abs(percent) >= 1000 ? fmt::format("{:.0f} times", after / before)
                                   : fmt::format("{:+.1f} %", percent);
}

int verdict(const Metric& metric, double before, double after) {
  if (metric.better == Better::neither ||
      metric_text(metric, before) == metric_text(metric, after)) {
    return 0;
  }
  return (after > before) == (metric.better == Better::higher) ? 1 : -1;
}

}  // namespace plimsoll::cli
