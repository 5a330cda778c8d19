// `plimsoll run`: the scheduler on a live cluster.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "cli/command.h"
#include "cli/live/connect.h"
#include "cli/live/log.h"
#include "cli/live/record.h"
#include "cli/live/telemetry.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/parallel.h"
#include "control/recorder.h"
#include "control/scheduler.h"
#include "kube/client/events.h"
#include "kube/client/leader.h"
#include "kube/world/world.h"

namespace plimsoll::cli {
namespace {

// How soon the loop notices Ctrl-C and SIGTERM.
constexpr Duration stop_poll = microseconds(200'000);
constexpr std::chrono::seconds sync_deadline{60};
constexpr std::size_t index_bytes_max = std::size_t{64} << 20;

struct RunFlags {
  ConnectFlags connect;
  std::string scheduler_name = "plimsoll";
  std::string listen;
  model::LabelSelector owned_nodes;
  bool leader_elect = false;
  std::string lease_namespace = "plimsoll-system";
  std::string lease_name = "plimsoll";
  std::int64_t lease_duration_s = 15;
  std::int64_t renew_deadline_s = 10;
  std::int64_t retry_period_s = 2;
  std::int64_t gang_timeout_s = 300;
  std::string policy = "plimsoll";
  std::string record;
  std::string log_format = "text";
  bool verbose = false;
};

std::string seconds_of(Duration duration) { return fmt::format("{:.3f}", to_seconds(duration)); }

Result<void> read_owned(model::LabelSelector& owned, std::string_view text) {
  while (!text.empty()) {
    const auto end = std::min(text.find(','), text.size());
    const std::string_view label = text.substr(0, end);
    const auto equals = label.find('=');
    if (equals == 0 || equals == std::string_view::npos) {
      return bad_input(fmt::format("found '{}', expected LABEL=VALUE", label));
    }
    owned.push_back({.key = std::string(label.substr(0, equals)),
                     .values = {std::string(label.substr(equals + 1))}});
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return {};
}

std::string host_name() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 ? name : "unknown";
}

// Who decides. Without an election, this process does, from the start.
class Leadership {
 public:
  static Result<std::unique_ptr<Leadership>> make(const RunFlags& flags, kube::Client& client,
                                                  const std::string& identity, Logger& log) {
    auto made = std::make_unique<Leadership>();
    if (flags.leader_elect) {
      kube::ElectionOptions options{.name_space = flags.lease_namespace,
                                    .name = flags.lease_name,
                                    .identity = identity,
                                    .lease_duration = std::chrono::seconds(flags.lease_duration_s),
                                    .renew_deadline = std::chrono::seconds(flags.renew_deadline_s),
                                    .retry_period = std::chrono::seconds(flags.retry_period_s)};
      kube::LeaderCallbacks callbacks{
          .on_started_leading = [&log] { log.write(kube::LogLevel::info, "leading"); },
          .on_stopped_leading = [&log] { log.write(kube::LogLevel::info, "no longer leading"); },
          .on_new_leader =
              [&log](std::string_view holder) {
                log.write(kube::LogLevel::info, "leader", {{"holder", std::string(holder)}});
              }};
      made->elector_ =
          TRY(kube::LeaderElector::make(client, std::move(options), std::move(callbacks)));
    }
    return made;
  }
  // None: nothing is fenced.
  [[nodiscard]] std::shared_ptr<const kube::Fence> fence() const {
    return elector_ ? elector_->shared_fence() : nullptr;
  }
  [[nodiscard]] bool leading() const { return !elector_ || elector_->leading(); }

 private:
  std::unique_ptr<kube::LeaderElector> elector_;
};

// Keeps what a turn saw, if it is recorded. A file that cannot be written any more ends the
// recording, not the scheduling.
class Tape {
 public:
  Tape(kube::KubeWorld& world, Logger& log) : recorder_(world, world), log_(log) {}

  [[nodiscard]] control::Recorder& recorder() { return recorder_; }
  Result<void> start(const std::string& path, const control::SchedulerConfig& config) {
    recording_ = TRY(Recording::open(path, recorder_.take_initial(), config));
    return {};
  }
  void add(const model::Plan& plan, bool followed) {
    if (!recording_) {
      return;
    }
    if (const Result<void> added = recording_->add(recorder_.take_turn(followed), plan); !added) {
      log_.write(kube::LogLevel::error, added.error().message);
      recording_.reset();
    }
  }
  Result<void> finish() {
    if (recording_) {
      TRY_VOID(recording_->finish());
      log_.write(kube::LogLevel::info, "recorded",
                 {{"file", recording_->path()},
                  {"turns", std::to_string(recording_->turns())},
                  {"plans", recording_->plans()}});
    }
    return {};
  }

 private:
  control::Recorder recorder_;
  std::optional<Recording> recording_;
  Logger& log_;
};

// Stands by until it leads, then decides until it is told to stop. Errors: the scheduler's; the
// lead was lost, and somebody else decides now.
Result<void> loop(kube::KubeWorld& world, control::Scheduler& scheduler,
                  const Leadership& leadership, Telemetry& telemetry, Tape& tape, Logger& log) {
  const StopFlag& stop = process_stop_flag();
  model::Plan plan;
  bool led = false;
  while (!stop.requested()) {
    const Time look_again = world.now() + stop_poll;
    world.wait(leadership.leading() ? std::min(scheduler.next_wake(), look_again) : look_again);
    if (stop.requested()) {
      break;
    }
    if (!leadership.leading()) {
      if (led) {
        return failed("lost the lead: another replica schedules now; exiting, to start afresh");
      }
      TRY_VOID(scheduler.follow());
      tape.add(plan, true);
      telemetry.turned(Duration(), scheduler.length(), false);
      continue;
    }
    if (!led) {
      led = true;
      world.tell_all_held();
    }
    plan.actions.clear();
    const Time began = world.now();
    TRY_VOID(scheduler.turn(plan));
    tape.add(plan, false);
    for (const model::Action& action : plan.actions) {
      if (std::holds_alternative<model::Refuse>(action.kind)) {
        // Not taken: it leads no more, and who does tells the pods anew.
        [[maybe_unused]] const Result<void> told = world.apply(action);
      }
    }
    telemetry.turned(world.now() - began, scheduler.length(), true);
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
  options.text("--listen", flags.listen, "Serve /metrics, /healthz and /readyz there",
               "ADDRESS:PORT");
  options.parsed("--nodes", "", "LABEL=VALUE,…",
                 "Bind only to nodes that have all these labels; else to any",
                 [&flags](const std::string& text) { return read_owned(flags.owned_nodes, text); });
  options.flag("--leader-elect", flags.leader_elect,
               "Decide only while holding a Lease: one of several replicas at a time");
  options.text("--leader-elect-namespace", flags.lease_namespace, "Where that Lease is", "NAME");
  options.text("--leader-elect-name", flags.lease_name, "What it is called", "NAME");
  options.integer("--leader-elect-lease-duration", flags.lease_duration_s, {.min = 1, .max = 3600},
                  "Seconds that others wait before they take a Lease that is not renewed");
  options.integer("--leader-elect-renew-deadline", flags.renew_deadline_s, {.min = 1, .max = 3600},
                  "Seconds after which a leader that cannot renew stops leading");
  options.integer("--leader-elect-retry-period", flags.retry_period_s, {.min = 1, .max = 3600},
                  "Seconds between two tries");
  options.integer("--gang-timeout", flags.gang_timeout_s, {.min = 1, .max = 86'400},
                  "Seconds after which a gang that could be bound in part only is undone");
  options.choice("--policy", flags.policy, policies, "How nodes are scored");
  options.text("--record", flags.record,
               "Keep a journal of what it sees and decides, for plimsoll simulate to replay",
               "FILE");
  options.choice("--log-format", flags.log_format, {"text", "json"}, "How log lines look");
  options.flag("-v,--verbose", flags.verbose, "Log every decision");
  if (TRY(options.parse(arguments))) {
    fmt::print("{}", options.help());
    return exit_done;
  }
  TRY_VOID(check_writable(flags.record));
  Logger log(flags.log_format == "json" ? LogFormat::json : LogFormat::text,
             flags.verbose ? kube::LogLevel::debug : kube::LogLevel::info);
  std::shared_ptr<const kube::Fence> fence;  // outlives the client, whose requests carry it
  const std::unique_ptr<kube::Client> client = TRY(connect(flags.connect, log, "scheduler"));
  const std::string identity =
      fmt::format("{}_{}", host_name(), kube::boot_time_us() ^ (std::int64_t{getpid()} << 40));
  kube::EventRecorder events(*client, {.controller = flags.scheduler_name,
                                       .instance = fmt::format("plimsoll-{}", host_name())});
  const std::unique_ptr<Leadership> leadership =
      TRY(Leadership::make(flags, *client, identity, log));
  fence = leadership->fence();
  const std::unique_ptr<kube::KubeWorld> world = TRY(kube::KubeWorld::make(
      *client,
      {.store = {.scheduler_names = {flags.scheduler_name}, .owned_nodes = flags.owned_nodes},
       .fence = fence.get(),
       .event = [&events](kube::Event event) { events.record(std::move(event)); }}));
  Telemetry telemetry(*client, *world, events);
  std::unique_ptr<server::HttpServer> http;
  if (!flags.listen.empty()) {
    http = TRY(server::HttpServer::make(
        flags.listen, [&telemetry](std::string_view path) { return telemetry.answer(path); }));
  }
  TRY_VOID(world->wait_synced(sync_deadline));
  control::SchedulerConfig config = control::SchedulerConfig::live();
  config.placement.policy = flags.policy;
  config.placement.index_bytes_max = index_bytes_max;
  config.gang_timeout = seconds(flags.gang_timeout_s);
  Tape tape(*world, log);
  const bool recorded = !flags.record.empty();
  ports::World& seen = recorded ? static_cast<ports::World&>(tape.recorder()) : *world;
  const ports::Clock& clock = recorded ? static_cast<ports::Clock&>(tape.recorder()) : *world;
  control::Scheduler scheduler = TRY(control::Scheduler::make(seen, clock, config));
  if (recorded) {
    TRY_VOID(tape.start(flags.record, config));
  }
  const auto counts = world->counts();
  log.write(kube::LogLevel::info, "scheduling",
            {{"server", client->config().server},
             {"scheduler_name", flags.scheduler_name},
             {"identity", identity},
             {"nodes", std::to_string(counts.nodes)},
             {"pods", std::to_string(counts.pods)}});
  telemetry.turned(Duration(), scheduler.length(), false);
  telemetry.synced();
  const Result<void> ended = loop(*world, scheduler, *leadership, telemetry, tape, log);
  TRY_VOID(tape.finish());
  TRY_VOID(ended);
  log.write(kube::LogLevel::info, "stopped");
  return exit_done;
}

}  // namespace plimsoll::cli
