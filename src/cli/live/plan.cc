// `plimsoll plan`: what the scheduler would do now, and writes nothing.
#include <fmt/format.h>

#include <utility>

#include "cli/command.h"
#include "cli/live/plan_view.h"
#include "cli/live/snapshot_read.h"
#include "cli/output.h"

namespace plimsoll::cli {

Result<int> plan(const std::vector<std::string>& arguments) {
  ClusterFlags flags;
  std::string from;
  std::string policy = "plimsoll";
  std::string format = "table";
  std::string out;
  Options options("plimsoll plan",
                  "Show what plimsoll run would do on a live cluster now, and do nothing of it",
                  "plimsoll plan --kubeconfig ~/.kube/config");
  flags.declare(options);
  options.text("--from", from, "Plan for this file of plimsoll snapshot instead", "FILE");
  std::vector<std::string> policies;
  for (const placement::PolicyInfo& known : placement::policies()) {
    policies.emplace_back(known.name);
  }
  options.choice("--policy", policy, policies, "How nodes are scored");
  options.choice("-o,--output", format, {"table", "json", "yaml"}, "Format");
  options.text("--out", out, "Write the result to this file", "FILE");
  if (TRY(options.parse(arguments))) {
    fmt::print("{}", options.help());
    return exit_done;
  }
  TRY_VOID(check_writable(out));
  LiveCluster cluster;
  PlanView view{.source = from, .policy = policy, .before = &cluster.snapshot};
  if (from.empty()) {
    cluster = TRY(read_cluster(flags, "plan"));
    view.source = cluster.client->config().server;
    view.held = cluster.world->held();
  } else {
    cluster.snapshot = TRY(load_snapshot(from));
  }
  control::SchedulerConfig config = control::SchedulerConfig::live();
  config.placement.policy = policy;
  const model::Plan plan = TRY(plan_for(cluster.snapshot, std::move(config)));
  view.plan = &plan;
  const std::string text = plan_text(view, format);
  if (out.empty()) {
    fmt::print("{}", text);
  } else {
    TRY_VOID(write_file(out, text));
  }
  return exit_done;
}

}  // namespace plimsoll::cli
