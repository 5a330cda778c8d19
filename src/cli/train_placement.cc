// `plimsoll train placement`: learns a table for policy "plimsoll" from a history, by replay.
#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "cli/command.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/parallel.h"
#include "cli/progress.h"
#include "cli/seeds.h"
#include "engines/placement/learn_online.h"
#include "model/file.h"
#include "traces/load.h"
#include "traces/openb.h"

namespace plimsoll::cli {
namespace {

using placement::History;
using placement::ReplayOutcome;
using placement::ValueTable;

constexpr double full_load = 1.3;  // asks for more than there is: what counts is what fits
constexpr double calm_load = 0.9;  // leaves room for all: what counts is who is refused

struct TrainOptions {
  std::string trace;
  std::string data;
  std::string variant = "default";
  std::string history;
  std::string out;
  std::vector<std::uint64_t> seeds{1, 2, 3, 4, 5, 6};
  std::vector<std::uint64_t> holdout{7, 8, 9};
  double minutes = 10;
  std::int64_t threads = 0;
};

void declare(Options& options, TrainOptions& to) {
  options.choice("--trace", to.trace, {"openb"}, "Learn from a public trace");
  options.text("--data", to.data, "Folder that holds the trace", "DIR");
  options.text("--variant", to.variant, "Pod list of the trace", "NAME");
  options.text("--history", to.history, "Learn from a snapshot or journal of your own cluster",
               "FILE");
  options.text("--out", to.out, "Where the table goes", "TABLE.json");
  options.required("--out");
  const auto list = [&](const std::string& name, std::vector<std::uint64_t>& seeds,
                        const std::string& help) {
    options.parsed(name, seeds_text(seeds), "LIST", help,
                   [&seeds](const std::string& text) -> Result<void> {
                     seeds = TRY(parse_seeds(text));
                     return {};
                   });
  };
  list("--seeds", to.seeds, "Draws from the history to learn from");
  list("--holdout", to.holdout, "Draws that are only used to judge what was learned");
  options.number("--minutes", to.minutes, {.min = 0, .max = 1440}, "How long to learn");
  options.integer("--threads", to.threads, {.min = 0, .max = 1024}, "0: all cores");
  options.footer(
      "Ctrl-C ends the learning early and keeps the best table so far. Use the table with\n"
      "`plimsoll simulate openb --table TABLE.json`. Exits with 3 if it does not beat the table\n"
      "that Plimsoll ships with on the held-out draws.");
}

Result<History> read_openb_history(const TrainOptions& options) {
  if (options.data.empty()) {
    return bad_input("--data: found none, expected the folder that holds openb/");
  }
  traces::OpenbTrace trace = TRY(traces::read_openb(options.data, options.variant));
  History history{std::move(trace.cluster.nodes), std::move(trace.specs), {}};
  for (const auto& [name, spec] : trace.pods) {
    history.pods.push_back(spec);
  }
  return history;
}

// Every pod that a journal knew: those it started with and those that came.
Result<model::Snapshot> read_journal(const std::string& path, std::string_view bytes) {
  model::Snapshot all;
  model::JournalDecoder decoder(
      path,
      [&](model::JournalStart start) -> Result<void> {
        all = std::move(start.snapshot);
        return {};
      },
      [&](model::TimedDelta timed) -> Result<void> {
        if (const auto* spec = std::get_if<model::SpecAdded>(&timed.delta)) {
          all.specs.resize(std::max(all.specs.size(), spec->id.index() + 1));
          all.specs[spec->id.index()] = spec->spec;
        } else if (const auto* node = std::get_if<model::NodeUpserted>(&timed.delta)) {
          all.nodes.resize(std::max(all.nodes.size(), node->node.id.index() + 1));
          all.nodes[node->node.id.index()] = node->node;
        } else if (const auto* pod = std::get_if<model::PodAdded>(&timed.delta)) {
          if (pod->pod.spec.index() >= all.specs.size()) {
            return bad_input(fmt::format("{}: pod {}: found spec {}, expected one that is known",
                                         path, pod->pod.name, pod->pod.spec.value()));
          }
          all.pods.push_back(pod->pod);
        }
        return {};
      });
  TRY_VOID(decoder.feed(bytes));
  TRY_VOID(decoder.finish());
  return all;
}

Result<History> read_file_history(const std::string& path) {
  const std::string bytes = TRY(traces::load(path));
  const bool journal = bytes.substr(0, 64).find("plimsoll journal") != std::string::npos;
  if (journal) {
    return placement::history_of(TRY(read_journal(path, bytes)));
  }
  model::SnapshotDecoder decoder(path);
  TRY_VOID(decoder.feed(bytes));
  return placement::history_of(TRY(decoder.finish()));
}

// Draws that differ in their seeds only.
struct Draws {
  placement::DrawOptions options;
  std::vector<std::vector<SpecId>> arrivals;
  std::vector<std::uint64_t> seeds;
};

Draws draw(const History& history, placement::DrawOptions options,
           const std::vector<std::uint64_t>& seeds) {
  Draws draws{options, {}, seeds};
  for (const std::uint64_t seed : seeds) {
    options.seed = seed;
    draws.arrivals.push_back(placement::draw_arrivals(history, options));
  }
  return draws;
}

// Every draw under every configuration, on all cores: outcomes[configuration][set][seed].
using Outcomes = std::vector<std::vector<std::vector<ReplayOutcome>>>;
Result<Outcomes> replay_all(const History& history, const std::vector<Draws>& sets,
                            const std::vector<placement::Config>& configs, std::size_t threads,
                            const StopFlag& stop) {
  struct Task {
    std::size_t config, set, seed;
  };
  std::vector<Task> tasks;
  Outcomes outcomes(configs.size());
  for (std::size_t c = 0; c < configs.size(); ++c) {
    for (std::size_t s = 0; s < sets.size(); ++s) {
      outcomes[c].emplace_back(sets[s].arrivals.size());
      for (std::size_t i = 0; i < sets[s].arrivals.size(); ++i) {
        tasks.push_back({c, s, i});
      }
    }
  }
  TRY_VOID(run_tasks(tasks.size(), threads, stop, [&](std::size_t t) -> Result<void> {
    const auto [c, s, i] = tasks[t];
    placement::Config config = configs[c];
    config.seed = sets[s].seeds[i];
    const auto outcome = placement::replay(history, sets[s].arrivals[i], config);
    if (!outcome) {
      return std::unexpected(outcome.error());
    }
    outcomes[c][s][i] = *outcome;
    return {};
  }));
  return outcomes;
}

// The same with pod shapes learned from what has arrived: outcomes[set][seed].
Result<std::vector<std::vector<ReplayOutcome>>> replay_online_all(const History& history,
                                                                  const std::vector<Draws>& sets,
                                                                  const ValueTable& start,
                                                                  std::size_t threads,
                                                                  const StopFlag& stop) {
  constexpr std::size_t estimate_every = 1000;  // arrivals
  std::vector<std::vector<ReplayOutcome>> outcomes;
  for (const Draws& set : sets) {
    outcomes.emplace_back(set.arrivals.size());
    TRY_VOID(run_tasks(set.arrivals.size(), threads, stop, [&](std::size_t i) -> Result<void> {
      const auto outcome =
          placement::replay_online(history, set.arrivals[i], start, estimate_every);
      if (!outcome) {
        return std::unexpected(outcome.error());
      }
      outcomes.back()[i] = *outcome;
      return {};
    }));
  }
  return outcomes;
}

placement::Config with_table(const ValueTable& table) {
  return {.table = std::make_shared<const ValueTable>(table)};  // shared by the replays' threads
}

double cost(const std::vector<std::vector<ReplayOutcome>>& ours,
            const std::vector<std::vector<ReplayOutcome>>& rival) {
  std::vector<placement::Judged> judged;
  for (std::size_t s = 0; s < ours.size(); ++s) {
    judged.push_back({ours[s], rival[s]});
  }
  return placement::cost_of(judged);
}

struct Trained {
  ValueTable table;
  std::size_t generations = 0;
  bool interrupted = false;
};

Result<Trained> train_table(const History& history, const placement::Config& fgd,
                            const ValueTable& start, const TrainOptions& options) {
  std::vector<std::uint64_t> some = options.seeds;
  some.resize((some.size() + 1) / 2);
  const std::vector<Draws> sets{
      draw(history, {.load = full_load}, options.seeds),
      draw(history, {.load = calm_load}, some),
      draw(history, {.load = full_load, .large_pods = 4}, some),
      draw(history, {.load = full_load, .large_pods = 8}, options.seeds),
  };
  const StopFlag& stop = process_stop_flag();
  const auto threads = static_cast<std::size_t>(options.threads);
  const Outcomes first = TRY(replay_all(history, sets, {fgd, with_table(start)}, threads, stop));
  const auto& rival = first[0];

  Trained best{start, 0, false};
  double best_cost = cost(first[1], rival);
  placement::Trainer trainer(start, history, options.seeds.front());
  Progress progress = Progress::on_terminal();
  progress.start("training", 1);
  const auto began = std::chrono::steady_clock::now();
  const double seconds = options.minutes * 60;
  while (true) {
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - began;
    if (elapsed.count() >= seconds) {
      break;
    }
    progress.update(0, elapsed.count() / seconds);
    std::vector<placement::Config> configs{with_table(trainer.centre())};
    for (const ValueTable& table : trainer.ask()) {
      configs.push_back(with_table(table));
    }
    const auto outcomes = replay_all(history, sets, configs, threads, stop);
    if (!outcomes) {
      if (!stop.requested()) {
        return std::unexpected(outcomes.error());
      }
      best.interrupted = true;
      break;
    }
    std::vector<double> costs;
    for (const auto& ours : *outcomes) {
      costs.push_back(cost(ours, rival));
    }
    if (costs.front() < best_cost) {
      best_cost = costs.front();
      best.table = trainer.centre();
    }
    trainer.tell(std::span(costs).subspan(1));
  }
  progress.finish();
  best.generations = trainer.generation();
  return best;
}

// Held-out draws under each policy, as a table; whether the trained one costs less than shipped.
Result<bool> report(const History& history, const placement::Config& fgd, const ValueTable& shipped,
                    const Trained& trained, const TrainOptions& options) {
  const std::vector<Draws> sets{draw(history, {.load = full_load}, options.holdout),
                                draw(history, {.load = calm_load}, options.holdout)};
  const std::vector<placement::Config> configs{
      fgd, {.policy = "best_fit"}, with_table(shipped), with_table(trained.table)};
  constexpr std::array names{"fgd", "best_fit", "plimsoll, shipped", "plimsoll, trained",
                             "plimsoll, online"};
  const StopFlag never;  // an interrupted training is reported too
  const auto threads = static_cast<std::size_t>(options.threads);
  Outcomes outcomes = TRY(replay_all(history, sets, configs, threads, never));
  outcomes.push_back(TRY(replay_online_all(history, sets, shipped, threads, never)));
  std::vector<std::vector<std::string>> rows{
      {"held-out draws", "GPU allocation %", "largest pods placed", "refused at 0.9 x load"}};
  for (std::size_t c = 0; c < outcomes.size(); ++c) {
    double allocation = 0;
    double largest = 0;
    double refused = 0;
    const auto n = static_cast<double>(options.holdout.size());
    for (std::size_t i = 0; i < options.holdout.size(); ++i) {
      allocation += outcomes[c][0][i].allocation_percent / n;
      largest += static_cast<double>(outcomes[c][0][i].largest_placed) / n;
      refused += static_cast<double>(outcomes[c][1][i].refused) / n;
    }
    rows.push_back({names[c], fmt::format("{:.3f}", allocation), fmt::format("{:.1f}", largest),
                    fmt::format("{:.1f}", refused)});
  }
  fmt::print("{}{} after {} generations: {}\n", aligned(rows),
             trained.interrupted ? "Interrupted" : "Done", trained.generations, options.out);
  const bool gained = cost(outcomes[3], outcomes[0]) < cost(outcomes[2], outcomes[0]);
  if (!gained) {
    fmt::print("It does not beat the shipped table on the held-out draws.\n");
  }
  return gained;
}

Result<int> train_placement(const std::vector<std::string>& arguments) {
  Options options("plimsoll train placement",
                  "Learn, from a history of pods, what a node could still hold: the table that\n"
                  "policy plimsoll places by.",
                  "plimsoll train placement --history cluster.snapshot --out table.json");
  TrainOptions chosen;
  declare(options, chosen);
  if (TRY(options.parse(arguments))) {
    fmt::print("{}", options.help());
    return exit_done;
  }
  if (chosen.trace.empty() == chosen.history.empty()) {
    return bad_input(fmt::format("--trace, --history: found {}, expected one of them",
                                 chosen.trace.empty() ? "neither" : "both"));
  }
  for (const std::uint64_t seed : chosen.holdout) {
    if (std::ranges::count(chosen.seeds, seed) != 0) {
      return bad_input(
          fmt::format("--holdout: found seed {}, expected none of those of --seeds", seed));
    }
  }
  TRY_VOID(check_writable(chosen.out));
  const History history = chosen.trace.empty() ? TRY(read_file_history(chosen.history))
                                               : TRY(read_openb_history(chosen));
  const placement::Config fgd{.policy = "fgd", .typical = placement::typical_of(history)};
  ValueTable shipped = placement::shipped_table();
  shipped.models = placement::model_prices(history.nodes, fgd.typical);

  const Trained trained = TRY(train_table(history, fgd, shipped, chosen));
  TRY_VOID(write_file(chosen.out, placement::to_json(trained.table)));
  const bool gained = TRY(report(history, fgd, shipped, trained, chosen));
  if (trained.interrupted) {
    return exit_interrupted;
  }
  return gained ? exit_done : exit_objective_broken;
}

}  // namespace

Result<int> train(const std::vector<std::string>& arguments) {
  if (arguments.empty() || arguments.front() == "--help" || arguments.front() == "-h") {
    fmt::print(
        "usage: plimsoll train placement [OPTIONS]\n\n"
        "plimsoll train placement --help lists the options.\n");
    return arguments.empty() ? exit_bad_input : exit_done;
  }
  if (arguments.front() != "placement") {
    return bad_input(fmt::format("train: found '{}', expected placement", arguments.front()));
  }
  return train_placement({arguments.begin() + 1, arguments.end()});
}

}  // namespace plimsoll::cli
