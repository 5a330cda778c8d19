#include "sim/job_speed.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "model/perf/ring.h"

namespace plimsoll::sim {
namespace {

// Borrows the node.
model::perf::RingHost ring_host(const model::Node& node) {
  return {.topology = node.topology,
          .gpus = static_cast<std::int32_t>(node.gpus.size()),
          .gpu_model = node.gpus.empty() ? std::string_view() : node.gpus.front().model};
}

}  // namespace

JobSpeed::JobSpeed(const model::Cluster& cluster, const model::Workload& workload,
                   const SimConfig& config)
    : workload_(workload), config_(config), nodes_(cluster.nodes.size()) {
  for (const model::Node& node : cluster.nodes) {
    all_hosts_.push_back(ring_host(node));
    if (static_cast<std::int32_t>(node.gpus.size()) > gpus_per_node_ || hardware_.empty()) {
      gpus_per_node_ = std::max(gpus_per_node_, static_cast<std::int32_t>(node.gpus.size()));
      hardware_ = node.gpus.empty() ? "" : node.gpus.front().model;
    }
  }
}

// A step on the fastest placement that the cluster could offer, were it empty.
std::optional<double> JobSpeed::best_step(const model::Job& job) const {
  if (config_.speed == nullptr || job.profile.empty()) {
    return std::nullopt;
  }
  const model::perf::JobKind kind{
      .profile = job.profile, .hardware = hardware_, .batch_size = job.batch_size};
  const std::int32_t gpus = job.members * workload_.specs[job.spec.index()].gpu.count;
  for (const model::perf::RankedPlacement& placement : config_.speed->ranked(kind, gpus)) {
    if (placement.gpus_per_host.size() <= nodes_ &&
        placement.gpus_per_host.front() <= gpus_per_node_) {
      return placement.step_seconds;
    }
  }
  return std::nullopt;
}

Result<Duration> JobSpeed::expected(const model::Job& job) const {
  if (job.duration > Duration() || job.iterations == 0) {
    return job.duration;
  }
  const auto step = best_step(job);
  if (!step) {
    return bad_input(fmt::format(
        "job '{}': profile '{}', batch size {}: found no step time, expected one in the tables, or "
        "a duration",
        job.name, job.profile, job.batch_size));
  }
  return std::max(seconds(job.iterations * *step), microseconds(1));
}

std::vector<JobSpeed::HostShare> JobSpeed::hosts_of(const JobRun& run,
                                                    const model::Snapshot& truth) const {
  std::vector<HostShare> hosts;
  for (const PodId id : run.pods) {
    const model::Pod& pod = truth.pods[id.index()];
    const NodeId node = pod.binding->node;
    auto it = std::ranges::find(hosts, node, &HostShare::node);
    if (it == hosts.end()) {
      it = hosts.insert(hosts.end(), {.node = node});
    }
    it->gpus += static_cast<std::int32_t>(pod.binding->gpus.size());
  }
  return hosts;
}

// A step where the job sits over one at its best.
double JobSpeed::ring_slowdown(const model::Job& job, const JobRun& run,
                               const model::Snapshot& truth) {
  std::vector<model::perf::RingHost> hosts;
  std::int32_t gpus = 0;
  for (const HostShare& share : hosts_of(run, truth)) {
    hosts.push_back(ring_host(truth.nodes[share.node.index()]));
    hosts.back().gpus = share.gpus;
    gpus += share.gpus;
  }
  const auto [kinds, fresh] = ring_kinds_.try_emplace(job.spec);
  if (fresh) {
    kinds->second =
        model::perf::ring_kinds(all_hosts_, workload_.specs[job.spec.index()].gpu.models);
  }
  const model::perf::RingJob asked{.compute_seconds = to_seconds(job.step),
                                   .gradients = job.gradients};
  const double best = model::perf::best_ring_seconds({}, asked, gpus, kinds->second);
  return std::max(1.0, model::perf::ring_step_seconds({}, asked, hosts) / best);
}

Result<double> JobSpeed::slowdown(const model::Job& job, const JobRun& run,
                                  const model::Snapshot& truth) {
  if (job.profile.empty() && job.gradients > Bytes() && job.duration > Duration()) {
    return ring_slowdown(job, run, truth);
  }
  if (config_.speed == nullptr || job.profile.empty()) {
    return 1;
  }
  const std::vector<HostShare> hosts = hosts_of(run, truth);
  std::int32_t sharers = 1;
  if (config_.interface_contention && hosts.size() > 1) {
    crossing_.resize(truth.nodes.size());
    for (const HostShare& host : hosts) {
      sharers = std::max(sharers, ++crossing_[host.node.index()]);
    }
  }
  std::vector<std::int32_t> gpus;
  for (const HostShare& host : hosts) {
    gpus.push_back(host.gpus);
  }
  std::ranges::sort(gpus, std::greater<>());
  const model::Node& first = truth.nodes[hosts.front().node.index()];
  const auto step = config_.speed->step_seconds(
      {.job = {.profile = job.profile,
               .hardware = first.gpus.empty() ? std::string_view() : first.gpus.front().model,
               .batch_size = job.batch_size},
       .gpus_per_host = gpus,
       .interface_sharers = sharers});
  if (!step) {
    if (job.duration > Duration()) {
      return 1;
    }
    return failed(fmt::format("job '{}': profile '{}' on hosts with {} GPUs: no step time is known",
                              job.name, job.profile, fmt::join(gpus, "+")));
  }
  const double real = job.iterations > 0
                          ? job.iterations * *step
                          : to_seconds(job.duration) * *step / best_step(job).value_or(*step);
  return real / to_seconds(TRY(expected(job)));
}

void JobSpeed::leave(const model::Job& job, const JobRun& run, const model::Snapshot& truth) {
  if (!config_.interface_contention || config_.speed == nullptr || job.profile.empty()) {
    return;
  }
  const std::vector<HostShare> hosts = hosts_of(run, truth);
  if (hosts.size() > 1) {
    for (const HostShare& host : hosts) {
      --crossing_[host.node.index()];
    }
  }
}

}  // namespace plimsoll::sim
