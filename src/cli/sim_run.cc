#include "cli/sim_run.h"

#include <fmt/format.h>

#include <cmath>

namespace plimsoll::cli {
namespace {

std::string pod_name(const model::Job& job, std::int32_t member) {
  return job.members == 1 ? job.name : fmt::format("{}-{}", job.name, member);
}

std::string node_name(const model::Cluster& cluster, NodeId node) {
  if (!node.valid()) {
    return "";
  }
  // A node that an event added is not in the cluster that the run began with.
  return node.index() < cluster.nodes.size() ? cluster.nodes[node.index()].name
                                             : fmt::format("added-{}", node.value());
}

Picture picture_of(const sim::SimResult& result, const model::Cluster& cluster) {
  Picture picture;
  const std::pair<const char*, double sim::TimelinePoint::*> kinds[] = {
      {"gpu_allocation_percent", &sim::TimelinePoint::gpu_allocation_percent},
      {"gpu_utilization_percent", &sim::TimelinePoint::gpu_utilization_percent},
      {"pending_jobs", &sim::TimelinePoint::pending_jobs},
      {"fragmentation_percent", &sim::TimelinePoint::fragmentation_percent}};
  for (const auto& [name, member] : kinds) {
    Series series = {.name = name};
    for (const sim::TimelinePoint& point : result.timeline) {
      series.x.push_back(point.start_seconds);
      series.y.push_back(point.*member);
    }
    picture.timelines.push_back(std::move(series));
  }
  HeatFrame end = {.label = "at the end"};
  HeatFrame mean = {.label = "mean over the run"};
  NodeId last;
  for (const sim::GpuOccupancy& gpu : result.gpus) {
    if (gpu.node != last || picture.nodes.empty()) {
      last = gpu.node;
      const bool known = gpu.node.index() < cluster.nodes.size();
      picture.nodes.push_back({.name = node_name(cluster, gpu.node),
                               .gpu_model = known && !cluster.nodes[gpu.node.index()].gpus.empty()
                                                ? cluster.nodes[gpu.node.index()].gpus.front().model
                                                : ""});
    }
    ++picture.nodes.back().gpus;
    end.used_milli.push_back(static_cast<std::uint16_t>(gpu.final_milli));
    mean.used_milli.push_back(static_cast<std::uint16_t>(std::lround(gpu.mean_milli)));
  }
  picture.frames = {std::move(end), std::move(mean)};
  picture.completion_seconds = result.completion_seconds;
  return picture;
}

}  // namespace

std::vector<std::pair<std::string, double>> sim_metrics(const sim::SimResult& result) {
  const auto count = [](std::size_t value) { return static_cast<double>(value); };
  const double fragmentation =
      result.free_gpu_milli > 0 ? 100 * result.fragmented_gpu_milli / result.free_gpu_milli : 0;
  return {
      {"gpu_allocation_percent", result.gpu_allocation_percent},
      {"gpu_utilization_percent", result.gpu_utilization_percent},
      {"final_gpu_allocation_percent", result.final_gpu_allocation_percent},
      {"fragmentation_percent", fragmentation},
      {"arrived", count(result.arrived)},
      {"placed", count(result.placed)},
      {"completed", count(result.completed)},
      {"running", count(result.running)},
      {"pending", count(result.pending)},
      {"failed", count(result.failed)},
      {"restarts", count(result.restarts)},
      {"mean_wait_seconds", result.wait_seconds.mean},
      {"p50_wait_seconds", result.wait_seconds.p50},
      {"p99_wait_seconds", result.wait_seconds.p99},
      {"mean_jct_seconds", result.jct_seconds.mean},
      {"p50_jct_seconds", result.jct_seconds.p50},
      {"p90_jct_seconds", result.jct_seconds.p90},
      {"p99_jct_seconds", result.jct_seconds.p99},
      {"makespan_seconds", result.makespan_seconds},
      {"cost_usd", result.cost_usd},
      {"idle_cost_usd", result.idle_cost_usd},
  };
}

std::vector<std::string> sim_metric_names() {
  std::vector<std::string> names;
  for (const auto& [name, value] : sim_metrics({})) {
    names.push_back(name);
  }
  return names;
}

std::vector<placement::TypicalPod> typical_of(const model::Workload& workload) {
  std::vector<std::int64_t> counts(workload.specs.size());
  for (const model::Job& job : workload.jobs) {
    counts[job.spec.index()] += job.members;
  }
  std::vector<placement::TypicalPod> typical;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] > 0) {
      typical.push_back({.spec = workload.specs[i], .count = counts[i]});
    }
  }
  return typical;
}

void prepare(sim::SimConfig& config, const RunRequest& request) {
  config.scheduler.placement.policy = request.policy;
  config.scheduler.placement.seed = request.seed;
  // Other schedulers place a gang's pods one after the other, by the policy for pods.
  config.scheduler.gangs.rule = request.policy == "plimsoll" ? "plimsoll" : "by_pod";
  config.scheduler.explain = false;
  config.stop = request.stop.raw();
  config.progress = request.progress;
  config.placements = request.want_placements;
  config.fragmentation = true;
}

Run run_of(const sim::SimResult& result, const model::Cluster& cluster,
           const model::Workload& workload, const RunRequest& request) {
  Run run = {.metrics = sim_metrics(result), .plan_sha256 = result.plan_sha256};
  if (request.want_placements) {
    for (const sim::Placement& placement : result.placements) {
      PlacementRow row = {.pod = pod_name(workload.jobs[placement.job], placement.member),
                          .node = node_name(cluster, placement.node)};
      for (const model::GpuShare& share : placement.gpus) {
        row.gpus.push_back(share.index);
      }
      run.placements.push_back(std::move(row));
    }
  }
  if (request.want_picture) {
    run.picture = picture_of(result, cluster);
  }
  return run;
}

}  // namespace plimsoll::cli
