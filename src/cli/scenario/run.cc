#include "cli/scenario/run.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/output.h"
#include "cli/sim_run.h"
#include "control/queue_policy.h"
#include "sim/simulator.h"

namespace plimsoll::cli {

Result<StudyResult> run_scenario(const Scenario& scenario, const StudyContext& context) {
  const std::string& data = context.options.data;
  const model::Cluster cluster = TRY(make_cluster(scenario, data));
  const std::vector<sim::NodeEvent> events = TRY(make_events(scenario, cluster));
  const WorkloadMaker make = TRY(make_workload(scenario, cluster, data));
  const auto run = [&](const RunRequest& request) -> Result<Run> {
    const model::Workload workload = make(request.seed);
    sim::SimConfig config;
    prepare(config, request);
    config.scheduler.queue = scenario.queue;
    config.scheduler.placement.typical = typical_of(workload);
    config.node_events = events;
    config.checkpoint_interval = scenario.checkpoint_every;
    if (scenario.until > Duration(0)) {
      config.until = Time() + scenario.until;
    }
    const auto simulated = sim::simulate(cluster, workload, config);
    if (!simulated) {
      Error error = simulated.error();
      if (error.code == ErrorCode::bad_input) {
        error.message = fmt::format("{}: {}", scenario.file, error.message);
      }
      return std::unexpected(std::move(error));
    }
    return run_of(*simulated, cluster, workload, request);
  };
  StudyResult result = TRY(run_policies(context, scenario.name, scenario.queue, run));
  result.broken_objectives = broken_objectives(scenario.objectives, result);
  return result;
}

std::vector<std::string> broken_objectives(const std::vector<Objective>& objectives,
                                           const StudyResult& result) {
  std::vector<std::string> lines;
  for (const Objective& objective : objectives) {
    for (const PolicyResult& policy : result.policies) {
      if (!objective.policy.empty() && objective.policy != policy.policy) {
        continue;
      }
      const auto& names = policy.runs.front().metrics;
      const auto found = std::find_if(names.begin(), names.end(), [&](const auto& one) {
        return one.first == objective.metric;
      });
      check(found != names.end(), "an objective's metric is one of the result");
      const double mean = statistics(policy, static_cast<std::size_t>(found - names.begin())).mean;
      if (!(mean >= objective.min)) {
        lines.push_back(fmt::format("{}: {} is {:.6g}, expected at least {:.6g}", policy.policy,
                                    objective.metric, mean, objective.min));
      } else if (!(mean <= objective.max)) {
        lines.push_back(fmt::format("{}: {} is {:.6g}, expected at most {:.6g}", policy.policy,
                                    objective.metric, mean, objective.max));
      }
    }
  }
  return lines;
}

}  // namespace plimsoll::cli
