#include "cli/live/replay.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "cli/command.h"
#include "cli/live/record.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/parallel.h"
#include "control/plan_hash.h"
#include "control/recorder.h"
#include "kube/client/timestamp.h"
#include "model/file.h"
#include "traces/load.h"

namespace plimsoll::cli {
namespace {

using Json = nlohmann::ordered_json;

class Replayer {
 public:
  Result<void> start(model::JournalStart start) {
    outcome_.config = TRY(read_configuration(start.configuration));
    outcome_.began = outcome_.ended = start.snapshot.now;
    replay_ = TRY(control::Replay::make(std::move(start.snapshot), outcome_.config));
    recorded_ = hash_.hex();
    return {};
  }
  void delta(model::TimedDelta delta) {
    ++outcome_.deltas;
    turn_.changes.push_back(std::move(delta.delta));
  }
  Result<void> turn(const model::JournalTurn& recorded) {
    if (process_stop_flag().requested()) {
      return stopped_early();
    }
    ++outcome_.turns;
    outcome_.ended = recorded.at;
    turn_.at = recorded.at;
    turn_.followed = recorded.followed;
    turn_.refused.assign(recorded.refused.begin(), recorded.refused.end());
    control::Journal::Turn turn = std::exchange(turn_, {});
    if (outcome_.difference) {
      return {};
    }
    plan_.actions.clear();
    TRY_VOID(replay_->turn(std::move(turn), plan_));
    hash_.add(plan_);
    count();
    recorded_ = recorded.plans.empty() ? recorded_ : recorded.plans;
    const bool news = !plan_.actions.empty() || !recorded.plans.empty();
    if (news && hash_.hex() != recorded_) {
      outcome_.difference = {.turn = outcome_.turns,
                             .at = recorded.at,
                             .recorded = recorded_,
                             .replayed = hash_.hex()};
    }
    return {};
  }
  ReplayOutcome finish() {
    outcome_.plans = hash_.hex();
    return std::move(outcome_);
  }

 private:
  void count() {
    for (const model::Action& action : plan_.actions) {
      outcome_.binds += std::holds_alternative<model::Bind>(action.kind) ? 1 : 0;
      outcome_.refusals += std::holds_alternative<model::Refuse>(action.kind) ? 1 : 0;
      outcome_.evictions += std::holds_alternative<model::Evict>(action.kind) ? 1 : 0;
    }
  }

  ReplayOutcome outcome_;
  std::optional<control::Replay> replay_;
  control::Journal::Turn turn_;
  control::PlanHash hash_;
  std::string recorded_;
  model::Plan plan_;
};

Json to_json(const std::string& path, const ReplayOutcome& outcome) {
  Json json = {{"study", "journal"},
               {"variant", path},
               {"policy", outcome.config.placement.policy},
               {"queue", outcome.config.queue},
               {"began", kube::format_time(outcome.began.value())},
               {"seconds", to_seconds(outcome.ended - outcome.began)},
               {"turns", outcome.turns},
               {"deltas", outcome.deltas},
               {"binds", outcome.binds},
               {"refusals", outcome.refusals},
               {"evictions", outcome.evictions},
               {"plan_sha256", outcome.plans},
               {"same", !outcome.difference}};
  if (const auto& difference = outcome.difference) {
    json["difference"] = {{"turn", difference->turn},
                          {"time", kube::format_micro_time(difference->at.value())},
                          {"recorded", difference->recorded},
                          {"replayed", difference->replayed}};
  }
  return json;
}

std::string to_table(const std::string& path, const ReplayOutcome& outcome) {
  std::string text = fmt::format(
      "journal {}: {} turns in {:.1f} s from {}, {} deltas; policy {}, queue {}\n{} binds, {} "
      "refusals, {} evictions\n",
      path, outcome.turns, to_seconds(outcome.ended - outcome.began),
      kube::format_time(outcome.began.value()), outcome.deltas, outcome.config.placement.policy,
      outcome.config.queue, outcome.binds, outcome.refusals, outcome.evictions);
  text += outcome.difference
              ? fmt::format("replayed up to turn {}: {}\n", outcome.difference->turn, outcome.plans)
              : fmt::format("the same plans, hash for hash: {}\n", outcome.plans);
  return text;
}

}  // namespace

Result<ReplayOutcome> replay_file(const std::string& path) {
  const std::string bytes = TRY(traces::load(path));
  Replayer replayer;
  model::JournalDecoder decoder(
      path, [&](model::JournalStart start) { return replayer.start(std::move(start)); },
      [&](model::TimedDelta delta) -> Result<void> {
        replayer.delta(std::move(delta));
        return {};
      },
      [&](const model::JournalTurn& turn) { return replayer.turn(turn); });
  TRY_VOID(decoder.feed(bytes));
  TRY_VOID(decoder.finish());
  ReplayOutcome outcome = replayer.finish();
  if (outcome.turns == 0 && outcome.deltas > 0) {
    return bad_input(
        fmt::format("{}: found no turns, expected what plimsoll run --record writes", path));
  }
  return outcome;
}

Result<int> simulate_journal(const std::vector<std::string>& arguments) {
  const std::string& path = arguments.front();
  std::string format = "table";
  std::string out;
  Options options(fmt::format("plimsoll simulate {}", path),
                  "Make the plans of a recorded run again, and compare them with those it made",
                  "plimsoll simulate today.journal");
  options.choice("-o,--output", format, {"table", "json", "yaml"}, "Format");
  options.text("--out", out, "Write the result to this file", "FILE");
  if (TRY(options.parse({arguments.begin() + 1, arguments.end()}))) {
    fmt::print("{}", options.help());
    return exit_done;
  }
  TRY_VOID(check_writable(out));
  const ReplayOutcome outcome = TRY(replay_file(path));
  const std::string text = format == "json"   ? json_text(to_json(path, outcome))
                           : format == "yaml" ? yaml_text(to_json(path, outcome))
                                              : to_table(path, outcome);
  if (out.empty()) {
    fmt::print("{}", text);
  } else {
    TRY_VOID(write_file(out, text));
  }
  if (const auto& difference = outcome.difference) {
    fmt::print(stderr,
               "plimsoll: {}: turn {} ({}): found other plans than were recorded: {}, "
               "expected {}\n",
               path, difference->turn, kube::format_micro_time(difference->at.value()),
               difference->replayed, difference->recorded);
    return exit_objective_broken;
  }
  return exit_done;
}

}  // namespace plimsoll::cli
