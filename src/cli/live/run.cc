// `plimsoll run`: the scheduler on a live cluster.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "cli/command.h"
#include "cli/live/connect.h"
#include "cli/live/log.h"
#include "cli/options.h"
#include "cli/parallel.h"
#include "control/scheduler.h"
#include "kube/world/world.h"

namespace plimsoll::cli {
namespace {

// How soon the loop notices Ctrl-C and SIGTERM.
constexpr Duration stop_poll = microseconds(200'000);
constexpr std::chrono::seconds sync_deadline{60};

struct RunFlags {
  ConnectFlags connect;
  std::string scheduler_name = "plimsoll";
  std::string policy = "plimsoll";
  std::string log_format = "text";
  bool verbose = false;
};

std::string seconds_of(Duration duration) { return fmt::format("{:.3f}", to_seconds(duration)); }

Result<void> loop(kube::KubeWorld& world, control::Scheduler& scheduler, Logger& log) {
  const StopFlag& stop = process_stop_flag();
  model::Plan plan;
  while (!stop.requested()) {
    const Time now = world.now();
    world.wait(std::min(scheduler.next_wake(), now + stop_poll));
    if (stop.requested()) {
      break;
    }
    plan.actions.clear();
    const Time began = world.now();
    TRY_VOID(scheduler.turn(plan));
    for (const model::Action& action : plan.actions) {
      if (std::holds_alternative<model::Refuse>(action.kind)) {
        // Not taken: it leads no more, and who does tells the pods anew.
        [[maybe_unused]] const Result<void> told = world.apply(action);
      }
    }
    if (!plan.actions.empty()) {
      const auto binds = std::ranges::count_if(plan.actions, [](const model::Action& action) {
        return std::holds_alternative<model::Bind>(action.kind);
      });
      log.write(kube::LogLevel::debug, "decided",
                {{"binds", std::to_string(binds)},
                 {"actions", std::to_string(plan.actions.size())},
                 {"pending", std::to_string(scheduler.length().pending)},
                 {"seconds", seconds_of(world.now() - began)}});
    }
  }
  return {};
}

}  // namespace

Result<int> run(const std::vector<std::string>& arguments) {
  RunFlags flags;
  Options options("plimsoll run",
                  "Schedule the pods of a live cluster that name this scheduler, until it is told "
                  "to stop",
                  "plimsoll run --kubeconfig ~/.kube/config");
  flags.connect.declare(options);
  options.text("--scheduler-name", flags.scheduler_name,
               "Schedule pods whose spec.schedulerName is this", "NAME");
  std::vector<std::string> policies;
  for (const placement::PolicyInfo& policy : placement::policies()) {
    policies.emplace_back(policy.name);
  }
  options.choice("--policy", flags.policy, policies, "How nodes are scored");
  options.choice("--log-format", flags.log_format, {"text", "json"}, "How log lines look");
  options.flag("-v,--verbose", flags.verbose, "Log every decision");
  if (TRY(options.parse(arguments))) {
    fmt::print("{}", options.help());
    return exit_done;
  }
  Logger log(flags.log_format == "json" ? LogFormat::json : LogFormat::text,
             flags.verbose ? kube::LogLevel::debug : kube::LogLevel::info);
  const std::unique_ptr<kube::Client> client = TRY(connect(flags.connect, log, "scheduler"));
  const std::unique_ptr<kube::KubeWorld> world =
      TRY(kube::KubeWorld::make(*client, {.store = {.scheduler_names = {flags.scheduler_name}}}));
  TRY_VOID(world->wait_synced(sync_deadline));
  control::SchedulerConfig config{.queue = "skip", .placement = {.policy = flags.policy}};
  control::Scheduler scheduler = TRY(control::Scheduler::make(*world, *world, std::move(config)));
  const auto counts = world->counts();
  log.write(kube::LogLevel::info, "scheduling",
            {{"server", client->config().server},
             {"scheduler_name", flags.scheduler_name},
             {"nodes", std::to_string(counts.nodes)},
             {"pods", std::to_string(counts.pods)}});
  TRY_VOID(loop(*world, scheduler, log));
  log.write(kube::LogLevel::info, "stopped");
  return exit_done;
}

}  // namespace plimsoll::cli
