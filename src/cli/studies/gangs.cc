// `plimsoll simulate gangs`: training gangs whose speed depends on where they sit.
//
// Jobs are drawn from Sia's newtrace (SOSP'23) and arrive at random at a given load. The simulator
// moves them by Sia's measured step times. The engine sees profiles of other batch sizes only, and
// expects durations from those too. Every rule has the same queue and keeps to the hosts on which
// there are measurements.
#include <algorithm>
#include <cmath>
#include <map>
#include <memory>

#include <fmt/format.h>

#include "cli/sim_run.h"
#include "cli/studies/all.h"
#include "cli/studies/sia_speeds.h"
#include "control/queue_policy.h"
#include "engines/placement/gang.h"
#include "model/perf/step_time.h"
#include "sim/simulator.h"
#include "traces/sia.h"
#include "traces/topology.h"

namespace plimsoll::cli {
namespace {

using model::perf::JobKind;
using model::perf::MeasuredSteps;
using model::perf::NeighbourSteps;
using model::perf::SpeedModel;

struct GangsOptions {
  std::string cluster = "t4";
  double load = 0.9;
  std::int64_t jobs = 4000;
  std::string queue = "shortest_first";
  bool contention = false;
  std::int64_t assumed_sharers = 1;
  bool full_knowledge = false;
};

struct ClusterKind {
  const char* name;
  const char* gpu_model;
  std::int32_t hosts;
  std::int32_t gpus;
  std::int32_t hosts_max;  // that one measured placement spans
};
constexpr ClusterKind cluster_kinds[] = {
    {.name = "t4", .gpu_model = t4_model, .hosts = 64, .gpus = 4, .hosts_max = 4},
    {.name = "a100", .gpu_model = a100_model, .hosts = 32, .gpus = 8, .hosts_max = 2},
};

struct Shared {
  ClusterKind kind{};
  model::Cluster cluster;
  model::Workload pool;
  std::unique_ptr<MeasuredSteps> truth;
  std::unique_ptr<NeighbourSteps> neighbours;
  const SpeedModel* predictor = nullptr;
};

// Seconds a step at the best placement that `speed` knows within `hosts_max` hosts.
Result<double> best_step(const SpeedModel& speed, const model::Job& job, const ClusterKind& kind) {
  const JobKind asked{
      .profile = job.profile, .hardware = kind.gpu_model, .batch_size = job.batch_size};
  for (const auto& placement : speed.ranked(asked, job.members)) {
    if (std::cmp_less_equal(placement.gpus_per_host.size(), kind.hosts_max)) {
      return placement.step_seconds;
    }
  }
  return bad_input(
      fmt::format("job '{}': found no step time of {} at batch size {} on {} GPUs, expected one in "
                  "throughput/sia for {}",
                  job.name, job.profile, job.batch_size, job.members, kind.gpu_model));
}

Result<Shared> load(const StudyContext& context, const GangsOptions& options) {
  if (context.options.data.empty()) {
    return bad_input("--data: found none, expected the folder that holds jobs/ and throughput/");
  }
  Shared shared;
  shared.kind = *std::ranges::find_if(
      cluster_kinds, [&](const ClusterKind& kind) { return options.cluster == kind.name; });
  const traces::SiaTables tables = TRY(traces::read_sia_throughput(context.options.data));
  shared.pool = TRY(traces::read_sia_pool(context.options.data, "newtrace", &tables));
  shared.truth = std::make_unique<MeasuredSteps>(sia_speeds(tables));
  shared.neighbours = std::make_unique<NeighbourSteps>(*shared.truth);
  shared.predictor = options.full_knowledge ? static_cast<const SpeedModel*>(shared.truth.get())
                                            : shared.neighbours.get();
  shared.cluster = traces::fabric({.hosts_per_rack = shared.kind.hosts},
                                  {.gpus = shared.kind.gpus, .gpu_model = shared.kind.gpu_model});
  std::map<std::tuple<std::string, std::int64_t, std::int32_t>, Duration> expected;
  for (model::Job& job : shared.pool.jobs) {
    const auto [at, fresh] = expected.try_emplace({job.profile, job.batch_size, job.members});
    if (fresh) {
      TRY(best_step(*shared.truth, job, shared.kind));
      at->second = seconds(job.iterations * TRY(best_step(*shared.predictor, job, shared.kind)));
    }
    job.duration = at->second;
  }
  return shared;
}

// The seed's jobs, at intervals that make the work at its best placements `load` of the capacity.
Result<model::Workload> draw(const Shared& shared, const GangsOptions& options,
                             std::uint64_t seed) {
  const auto count = static_cast<std::size_t>(options.jobs);
  model::Workload drawn = traces::draw_poisson(shared.pool, count, seconds(std::int64_t{1}), seed);
  double gpu_seconds = 0;
  for (const model::Job& job : drawn.jobs) {
    gpu_seconds += job.members * job.iterations * TRY(best_step(*shared.truth, job, shared.kind));
  }
  const double capacity = shared.kind.hosts * shared.kind.gpus * options.load;
  const double interval = gpu_seconds / static_cast<double>(count) / capacity;
  return traces::draw_poisson(shared.pool, count, seconds(interval), seed);
}

Result<Run> run_once(const Shared& shared, const GangsOptions& options, const RunRequest& request) {
  const model::Workload workload = TRY(draw(shared, options, request.seed));
  sim::SimConfig config;
  prepare(config, request);
  config.speed = shared.truth.get();
  config.interface_contention = options.contention;
  config.scheduler.queue = options.queue;
  config.scheduler.explain = false;
  config.scheduler.placement.policy = "best_fit";  // which GPUs of a host: they are alike
  config.scheduler.gangs.rule = request.policy;
  config.scheduler.gangs.predictor = shared.predictor;
  config.scheduler.gangs.hosts_max = shared.kind.hosts_max;
  config.scheduler.gangs.interface_sharers = static_cast<std::int32_t>(options.assumed_sharers);
  const sim::SimResult result = TRY(sim::simulate(shared.cluster, workload, config));
  Run run = run_of(result, shared.cluster, workload, request);
  run.metrics = {
      {"mean_jct_seconds", result.jct_seconds.mean},
      {"p50_jct_seconds", result.jct_seconds.p50},
      {"p95_jct_seconds", result.jct_seconds.p95},
      {"p99_jct_seconds", result.jct_seconds.p99},
      {"mean_wait_seconds", result.wait_seconds.mean},
      {"max_wait_seconds", result.wait_seconds.max},
      {"gpu_allocation_percent", result.gpu_allocation_percent},
      {"declines", static_cast<double>(result.declines)},
      {"completed", static_cast<double>(result.completed)},
  };
  return run;
}

std::vector<std::string> rule_names() {
  std::vector<std::string> names;
  for (const placement::GangRuleInfo& rule : placement::gang_rules()) {
    names.emplace_back(rule.name);
  }
  return names;
}

StudyFunction declare(Options& options) {
  auto chosen = std::make_shared<GangsOptions>();
  options.choice("--cluster", chosen->cluster, {"t4", "a100"},
                 "64 hosts of 4 T4 GPUs, or 32 of 8 A100");
  options.number("--load", chosen->load, {.min = 0.01, .max = 10},
                 "Work that arrives, at its best placement, over capacity");
  options.integer("--jobs", chosen->jobs, {.min = 1, .max = 1'000'000}, "Jobs in a run");
  std::vector<std::string> queues;
  for (const control::QueuePolicy& queue : control::queue_policies()) {
    queues.emplace_back(queue.name);
  }
  options.choice("--queue", chosen->queue, std::move(queues), "Order of the queue, for every rule");
  options.flag("--contention", chosen->contention,
               "Model jobs on several hosts as sharing their network interfaces");
  options.integer("--assume-sharers", chosen->assumed_sharers, {.min = 1, .max = 16},
                  "Jobs that the engine takes to share the interfaces of a gang on several hosts");
  options.flag("--full-knowledge", chosen->full_knowledge,
               "Let the engine see the measurements that the simulator moves jobs by");
  options.footer(
      "The engine predicts step times from profiles of other batch sizes; whatever the policy, no\n"
      "gang spans more hosts than were measured (4 of T4, 2 of A100).");
  return [chosen](const StudyContext& context) -> Result<StudyResult> {
    const Shared shared = TRY(load(context, *chosen));
    std::string variant = chosen->cluster;
    variant += chosen->contention ? " contention" : "";
    variant += chosen->assumed_sharers > 1
                   ? fmt::format(" assumed-sharers-{}", chosen->assumed_sharers)
                   : "";
    variant += chosen->full_knowledge ? " full-knowledge" : "";
    StudyResult result =
        TRY(run_policies(context, "gangs", variant, [&](const RunRequest& request) {
          return run_once(shared, *chosen, request);
        }));
    for (const char* metric : {"mean_jct_seconds", "p95_jct_seconds", "p99_jct_seconds"}) {
      if (auto comparison = compare_to_best(result, "plimsoll", metric)) {
        result.comparisons.push_back(*std::move(comparison));
      }
    }
    return result;
  };
}

}  // namespace

const Study gangs_study = {
    .name = "gangs",
    .help = "Training gangs that run as fast as their placement lets them (Sia's measurements)",
    .example = "plimsoll simulate gangs --data ../shared/data --cluster a100 --seeds 1-10",
    .default_policies = "spread,best_fit,kueue,plimsoll",
    .default_seeds = "1-10",
    .policies = rule_names,
    .declare = declare,
};

}  // namespace plimsoll::cli
