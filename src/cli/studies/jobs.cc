// `plimsoll simulate jobs`: jobs that arrive, wait, run and end, on a cluster of equal nodes.
//
// What counts is when jobs end. Philly's and Shockwave's jobs take what their traces say; Sia's are
// drawn from a pool, arrive at random at a given load, and run as fast as was measured where they
// sit.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>

#include "cli/bounds.h"
#include "cli/sim_run.h"
#include "cli/studies/all.h"
#include "cli/studies/gavel_speeds.h"
#include "cli/studies/sia_speeds.h"
#include "control/queue_policy.h"
#include "sim/simulator.h"
#include "traces/philly.h"
#include "traces/shockwave.h"
#include "traces/sia.h"
#include "traces/topology.h"

namespace plimsoll::cli {
namespace {

// Where pods go, and where gangs go.
struct JobsPolicy {
  const char* name;
  const char* pods;
  const char* gangs;
};
constexpr std::array jobs_policies{
    JobsPolicy{"vanilla", "vanilla", "spread"}, JobsPolicy{"best_fit", "best_fit", "best_fit"},
    JobsPolicy{"kueue", "best_fit", "kueue"},   JobsPolicy{"plimsoll", "plimsoll", "plimsoll"},
    JobsPolicy{"fgd", "fgd", "best_fit"},       JobsPolicy{"random", "random", "by_pod"},
};

// A cluster of equal nodes. Prices: AWS, on demand, us-east-1 (g4dn.12xlarge, p4d.24xlarge,
// p3.16xlarge), for each GPU.
struct ClusterKind {
  const char* name;
  std::int32_t nodes;
  std::int32_t gpus;
  const char* gpu_model;
  std::int64_t gigabytes;
  double usd_per_gpu_hour;
  std::int32_t hosts_max;  // the most hosts of one job that were measured
};
constexpr std::array cluster_kinds{
    ClusterKind{"philly", 52, 8, "V100", 16, 3.06, 0},
    ClusterKind{"shockwave", 8, 4, "V100", 16, 3.06, 0},
    ClusterKind{"t4", 64, 4, t4_model, 16, 0.978, 4},
    ClusterKind{"a100", 32, 8, a100_model, 40, 4.097, 2},
};
constexpr IntegerBounds nodes_bounds{.min = 1, .max = 100'000};
constexpr IntegerBounds gpus_bounds{.min = 1, .max = 16};

struct JobsOptions {
  std::string trace = "philly";
  std::string set = "newtrace";
  std::optional<ClusterKind> cluster;
  std::string queue = "backfill";
  std::int64_t count = 4000;
  double load = 0.9;
  bool contention = false;
  bool gavel = false;
};

Result<ClusterKind> parse_cluster(const std::string& text) {
  std::string known;
  for (const ClusterKind& kind : cluster_kinds) {
    if (text == kind.name) {
      return kind;
    }
    known += fmt::format("{}, ", kind.name);
  }
  const auto wrong = [&] {
    return bad_input(fmt::format(
        "found '{}', expected {}or nodes x GPUs of each, for instance 52x8", text, known));
  };
  const std::size_t x = text.find('x');
  if (x == std::string::npos) {
    return wrong();
  }
  const auto nodes = parse_integer(text.substr(0, x), nodes_bounds);
  const auto gpus = parse_integer(text.substr(x + 1), gpus_bounds);
  if (!nodes || !gpus) {
    return wrong();
  }
  ClusterKind kind = cluster_kinds.front();
  kind.nodes = static_cast<std::int32_t>(*nodes);
  kind.gpus = static_cast<std::int32_t>(*gpus);
  return kind;
}

model::Cluster make_cluster(const ClusterKind& kind) {
  model::Cluster cluster;
  const traces::HostShape shape{
      .gpus = kind.gpus,
      .gpu_model = kind.gpu_model,
      .gpu_memory = gibibyte * kind.gigabytes,
      .price = MicroUsdPerHour(static_cast<std::int64_t>(kind.usd_per_gpu_hour * 1e6) * kind.gpus)};
  for (std::int32_t i = 0; i < kind.nodes; ++i) {
    cluster.nodes.push_back(traces::make_node(NodeId(static_cast<std::uint32_t>(i)),
                                              fmt::format("node-{}", i), shape, {}));
  }
  return cluster;
}

// What all runs share.
struct Shared {
  model::Cluster cluster;
  ClusterKind kind;
  model::Workload workload;  // of sia: the pool
  std::optional<model::perf::MeasuredSteps> measured;
  std::optional<model::perf::NeighbourSteps> predictor;
  std::optional<GavelSpeeds> gavel;  // of shockwave, where asked for
  std::optional<GavelNeighbours> gavel_predictor;
  Duration mean_interval;  // between arrivals drawn from the pool
};

// Seconds of a job on its best placement here; none: `speed` knows of none.
std::optional<double> best_seconds(const Shared& shared, const model::perf::SpeedModel& speed,
                                   const model::Job& job) {
  const std::int32_t gpus = job.members * shared.workload.specs[job.spec.index()].gpu.count;
  const model::perf::JobKind kind{
      .profile = job.profile, .hardware = shared.kind.gpu_model, .batch_size = job.batch_size};
  for (const auto& placement : speed.ranked(kind, gpus)) {
    if (placement.gpus_per_host.front() <= shared.kind.gpus &&
        static_cast<std::int32_t>(placement.gpus_per_host.size()) <= shared.kind.hosts_max) {
      return job.iterations * placement.step_seconds;
    }
  }
  return std::nullopt;
}

// The pool without what was not measured here, and the mean time between arrivals that keeps the
// GPUs busy for `load` of the time if each job had its best placement. What the queue and the
// engine expect of a job comes from other batch sizes where there are any.
Result<void> prepare_pool(Shared& shared, const JobsOptions& options, const std::string& data) {
  const traces::SiaTables tables = TRY(traces::read_sia_throughput(data));
  shared.measured.emplace(sia_speeds(tables));
  shared.predictor.emplace(*shared.measured);
  shared.workload = TRY(traces::read_sia_pool(data, options.set, &tables));
  double gpu_seconds = 0;
  std::vector<model::Job> kept;
  for (const model::Job& job : shared.workload.jobs) {
    if (const auto run = best_seconds(shared, *shared.measured, job)) {
      kept.push_back(job);
      kept.back().duration = seconds(best_seconds(shared, *shared.predictor, job).value_or(*run));
      gpu_seconds += *run * job.members * shared.workload.specs[job.spec.index()].gpu.count;
    }
  }
  if (kept.empty()) {
    return bad_input(fmt::format("--cluster: none of {}'s jobs was measured on {} x {} {}",
                                 options.set, shared.kind.nodes, shared.kind.gpus,
                                 shared.kind.gpu_model));
  }
  shared.workload.jobs = std::move(kept);
  const double gpus = static_cast<double>(shared.kind.nodes) * shared.kind.gpus;
  const auto jobs = static_cast<double>(shared.workload.jobs.size());
  shared.mean_interval = seconds(gpu_seconds / jobs / (gpus * options.load));
  return {};
}

// Shockwave's jobs do their steps at the rates that Gavel measured where they sit. What the queue
// and the engine expect of them comes from other batch sizes of the same network.
Result<void> move_by_gavel(Shared& shared, const std::string& data) {
  const traces::ShockwaveTrace trace = TRY(traces::read_shockwave(data));
  traces::GavelTable table = TRY(traces::read_gavel(data, "simulation"));
  shared.gavel.emplace(TRY(GavelSpeeds::make(std::move(table), "v100", shared.kind.gpus)));
  shared.gavel_predictor.emplace(*shared.gavel);
  for (std::size_t i = 0; i < trace.jobs.size(); ++i) {
    model::Job& job = shared.workload.jobs[i];
    job.profile = trace.jobs[i].type;
    job.iterations = static_cast<double>(trace.jobs[i].steps);
    const auto best = shared.gavel->ranked({.profile = job.profile}, job.members);
    const auto predicted = shared.gavel_predictor->ranked({.profile = job.profile}, job.members);
    if (best.empty()) {
      return bad_input(fmt::format("throughput/gavel: found no rate of {} on {} V100, expected one",
                                   job.profile, job.members));
    }
    job.duration =
        seconds(job.iterations * (predicted.empty() ? best : predicted).front().step_seconds);
  }
  return {};
}

Result<Run> run_once(const Shared& shared, const JobsOptions& options, const RunRequest& request) {
  const auto policy = std::ranges::find(jobs_policies, request.policy, &JobsPolicy::name);
  check(policy != jobs_policies.end(), "the policy was checked with the options");
  sim::SimConfig config;
  prepare(config, request);
  config.fragmentation = false;
  config.scheduler.queue = options.queue;
  config.scheduler.placement.policy = policy->pods;
  config.scheduler.gangs.rule = policy->gangs;
  model::Workload drawn;
  const model::Workload* workload = &shared.workload;
  if (shared.measured) {
    drawn = traces::draw_poisson(shared.workload, static_cast<std::size_t>(options.count),
                                 shared.mean_interval, request.seed);
    workload = &drawn;
    config.speed = &*shared.measured;
    config.interface_contention = options.contention;
    config.scheduler.gangs.hosts_max = shared.kind.hosts_max;
    if (request.policy == "plimsoll") {
      config.scheduler.gangs.predictor = &*shared.predictor;
    }
  }
  if (shared.gavel) {
    config.speed = &*shared.gavel;
    if (request.policy == "plimsoll") {
      config.scheduler.gangs.predictor = &*shared.gavel_predictor;
    }
  }
  if (std::string_view(policy->pods) == "fgd") {
    config.scheduler.placement.typical = typical_of(*workload);
  }
  const sim::SimResult result = TRY(sim::simulate(shared.cluster, *workload, config));
  Run run = run_of(result, shared.cluster, *workload, request);
  std::erase_if(run.metrics, [](const auto& metric) {
    return metric.first == "fragmentation_percent" || metric.first == "restarts" ||
           metric.first == "failed";
  });
  const auto before =
      std::ranges::find(run.metrics, "p99_jct_seconds", &std::pair<std::string, double>::first);
  run.metrics.insert(before, {"p95_jct_seconds", result.jct_seconds.p95});
  run.metrics.emplace_back("declines", static_cast<double>(result.declines));
  return run;
}

Result<StudyResult> run_study(const StudyContext& context, const JobsOptions& options) {
  const std::string& data = context.options.data;
  if (data.empty()) {
    return bad_input("--data: found none, expected the folder that holds jobs/");
  }
  Shared shared;
  const bool sia = options.trace == "sia";
  const char* usual = sia ? "t4" : options.trace.c_str();
  shared.kind = options.cluster ? *options.cluster : TRY(parse_cluster(usual));
  shared.cluster = make_cluster(shared.kind);
  if (sia) {
    TRY_VOID(prepare_pool(shared, options, data));
  } else if (options.trace == "philly") {
    shared.workload = TRY(traces::read_philly(data));
  } else {
    shared.workload = traces::shockwave_workload(TRY(traces::read_shockwave(data)));
    if (options.gavel) {
      TRY_VOID(move_by_gavel(shared, data));
    }
  }
  return run_policies(context, "jobs", options.trace, [&](const RunRequest& request) {
    return run_once(shared, options, request);
  });
}

std::vector<std::string> policy_names() {
  std::vector<std::string> names;
  for (const JobsPolicy& policy : jobs_policies) {
    names.emplace_back(policy.name);
  }
  return names;
}

StudyFunction declare(Options& options) {
  auto chosen = std::make_shared<JobsOptions>();
  std::vector<std::string> queues;
  std::string queue_help;
  for (const control::QueuePolicy& queue : control::queue_policies()) {
    queues.emplace_back(queue.name);
    queue_help += fmt::format("  {:15} {}\n", queue.name, queue.help);
  }
  options.choice("--trace", chosen->trace, {"philly", "sia", "shockwave"}, "Jobs to replay");
  options.parsed("--cluster", "the trace's own", "CLUSTER",
                 "philly, shockwave, t4, a100, or nodes x GPUs: 52x8",
                 [chosen](const std::string& text) -> Result<void> {
                   chosen->cluster = TRY(parse_cluster(text));
                   return {};
                 });
  options.choice("--queue", chosen->queue, queues, "Who goes first");
  options.text("--set", chosen->set, "sia: the pool of jobs to draw from", "NAME");
  options.integer("--jobs", chosen->count, {.min = 1, .max = 1'000'000}, "sia: jobs to draw");
  options.number("--load", chosen->load, {.min = 0.01, .max = 10},
                 "sia: GPU time asked for, over what there is");
  options.flag("--gavel", chosen->gavel,
               "shockwave: as fast as Gavel measured where they sit, packed or spread; expected "
               "from other batch sizes");
  options.flag("--contention", chosen->contention,
               "sia: jobs on several hosts share their network interfaces (modelled)");
  options.footer("Queues:\n" + queue_help +
                 "Policies place pods and gangs: vanilla spreads, kueue takes the fewest domains,\n"
                 "plimsoll the least predicted step time, and may wait for it.");
  return [chosen](const StudyContext& context) { return run_study(context, *chosen); };
}

}  // namespace

const Study jobs_study = {
    .name = "jobs",
    .help = "Jobs of the Philly, Sia or Shockwave traces: when they start and end",
    .example = "plimsoll simulate jobs --trace philly --data ../shared/data --queue backfill",
    .default_policies = "vanilla,plimsoll",
    .default_seeds = "1",
    .policies = policy_names,
    .declare = declare,
};

}  // namespace plimsoll::cli
