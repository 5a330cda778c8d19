// `plimsoll simulate openb`: the arrivals of the FGD paper (ATC'23) on Alibaba's GPU cluster.
//
// Pods arrive and never leave; each is placed when it arrives or refused for good. What counts is
// how much of the GPU capacity is allocated once more has been asked for than there is.
#include <algorithm>
#include <memory>

#include "cli/sim_run.h"
#include "cli/studies/all.h"
#include "engines/placement/engine.h"
#include "engines/placement/learn.h"
#include "sim/simulator.h"
#include "traces/load.h"
#include "traces/openb.h"

namespace plimsoll::cli {
namespace {

struct OpenbOptions {
  std::string variant = "default";
  double arrival = 1.3;
  std::string table;  // empty: the shipped one
};

struct Shared {
  traces::OpenbTrace trace;
  std::vector<placement::TypicalPod> typical;
  std::shared_ptr<const placement::ValueTable> table;  // read by all runs
};

// How many pods of each run's largest GPU request found a place, which fragmentation hurts first.
double largest_placed(const sim::SimResult& result, const model::Workload& workload) {
  std::int32_t largest = 0;
  for (const model::PodSpec& spec : workload.specs) {
    largest = std::max(largest, spec.gpu.count);
  }
  return static_cast<double>(std::ranges::count_if(result.placements, [&](const auto& placement) {
    const SpecId spec = workload.jobs[placement.job].spec;
    return placement.node.valid() && workload.specs[spec.index()].gpu.count == largest;
  }));
}

Result<Run> run_once(const Shared& shared, const OpenbOptions& options, const RunRequest& request) {
  const model::Workload workload =
      traces::openb_arrivals(shared.trace, options.arrival, request.seed);
  sim::SimConfig config;
  prepare(config, request);
  config.scheduler.queue = "arrival";
  config.scheduler.placement.typical = shared.typical;
  config.scheduler.placement.table = shared.table;
  config.placements = true;
  if (!request.want_picture) {
    config.timeline_points_max = 1;  // fragmentation costs O(nodes x typical pods) a point
  }
  const sim::SimResult result = TRY(sim::simulate(shared.trace.cluster, workload, config));
  Run run = run_of(result, shared.trace.cluster, workload, request);
  const auto count = [](std::size_t n) { return static_cast<double>(n); };
  run.metrics = {
      {"gpu_allocation_percent", result.final_gpu_allocation_percent},
      {"fragmentation_percent",
       result.free_gpu_milli > 0 ? 100 * result.fragmented_gpu_milli / result.free_gpu_milli : 0},
      {"arrived", count(result.arrived)},
      {"placed", count(result.placed)},
      {"failed", count(result.failed)},
      {"largest_placed", largest_placed(result, workload)},
  };
  return run;
}

Result<placement::ValueTable> read_table(const std::string& path) {
  const std::string text = TRY(traces::load(path));
  return placement::value_table_from_json(text, path);
}

std::vector<std::string> policy_names() {
  std::vector<std::string> names;
  for (const placement::PolicyInfo& policy : placement::policies()) {
    names.emplace_back(policy.name);
  }
  return names;
}

StudyFunction declare(Options& options) {
  auto chosen = std::make_shared<OpenbOptions>();
  options.text("--variant", chosen->variant,
               "Pod list of the trace: default, cpu100, gpushare40, gpuspec20, multigpu20, …",
               "NAME");
  options.number("--arrival", chosen->arrival, {.min = 0, .max = 100},
                 "GPU capacity asked for, over what there is");
  options.text("--table", chosen->table,
               "What policy plimsoll places by, as train placement wrote it; else the shipped one",
               "FILE");
  options.footer(
      "gpu_allocation_percent is of the whole cluster's GPUs, at the end; fragmentation_percent "
      "is\n"
      "FGD's: the share of what is free that a typical pod cannot use; largest_placed counts the\n"
      "pods that ask for the most GPUs.");
  return [chosen](const StudyContext& context) -> Result<StudyResult> {
    if (context.options.data.empty()) {
      return bad_input("--data: found none, expected the folder that holds openb/");
    }
    Shared shared;
    shared.trace = TRY(traces::read_openb(context.options.data, chosen->variant));
    for (auto& [spec, count] : traces::typical_pods(shared.trace)) {
      shared.typical.push_back({.spec = std::move(spec), .count = count});
    }
    placement::ValueTable table =
        chosen->table.empty() ? placement::shipped_table() : TRY(read_table(chosen->table));
    // As FGD is told its typical pods: how much of them asks for which GPU models.
    table.models = placement::model_prices(shared.trace.cluster.nodes, shared.typical);
    shared.table = std::make_shared<const placement::ValueTable>(std::move(table));
    return run_policies(context, "openb", chosen->variant, [&](const RunRequest& request) {
      return run_once(shared, *chosen, request);
    });
  };
}

}  // namespace

const Study openb_study = {
    .name = "openb",
    .help = "Alibaba's GPU cluster trace, filled past its capacity (FGD, ATC'23)",
    .example = "plimsoll simulate openb --data ../shared/data --policy fgd,plimsoll --seeds 42-51",
    .default_policies = "vanilla,best_fit,fgd,plimsoll",
    .default_seeds = "42-44",
    .policies = policy_names,
    .declare = declare,
};

}  // namespace plimsoll::cli
