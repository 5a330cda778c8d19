// `plimsoll simulate`: a scenario file or a named study.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <fstream>
#include <optional>

#include "cli/command.h"
#include "cli/live/replay.h"
#include "cli/live/snapshot_read.h"
#include "cli/live/snapshot_study.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/scenario/run.h"
#include "cli/scenario/scenario.h"
#include "cli/seeds.h"
#include "cli/study.h"
#include "cli/suggest.h"
#include "engines/placement/engine.h"
#include "model/file.h"

namespace plimsoll::cli {
namespace {

constexpr const char* scenario_example = "plimsoll simulate examples/two-teams.yaml";

void print_help() {
  fmt::print(
      "usage: plimsoll simulate SCENARIO.yaml [OPTIONS]\n"
      "       plimsoll simulate FILE.snapshot [OPTIONS]\n"
      "       plimsoll simulate FILE.journal [OPTIONS]\n"
      "       plimsoll simulate STUDY [OPTIONS]\n\n"
      "Replays work on a cluster in virtual time, once for every policy and seed, and compares "
      "them. A\nfile of plimsoll snapshot is where they start from: what would each make of what "
      "waits there? One of plimsoll run\n--record is replayed: are the plans the same?\n\n"
      "Studies:\n");
  for (const Study& study : studies()) {
    fmt::print("  {:<12}{}\n", study.name, study.help);
  }
  fmt::print(
      "\nplimsoll simulate STUDY --help lists a study's options, plimsoll simulate SCENARIO.yaml "
      "--help\nthose of a scenario, and plimsoll simulate --fields what may stand in a scenario."
      "\n\nExamples:\n  {}\n",
      scenario_example);
  for (const Study& study : studies()) {
    fmt::print("  {}\n", study.example);
  }
}

// Declares, parses, runs and prints: what a study and a scenario share. `run` gets the context.
Result<int> run_and_finish(Options& options, StudyOptions& study_options,
                           const std::vector<std::string>& arguments, const StudyFunction& run) {
  study_options.command = "plimsoll simulate " + command_text(arguments);
  if (TRY(options.parse({arguments.begin() + 1, arguments.end()}))) {
    fmt::print("{}", options.help());
    return exit_done;
  }
  const std::pair<const char*, const std::string*> outputs[] = {
      {"--out", &study_options.out},
      {"--report", &study_options.report},
      {"--placements", &study_options.placements}};
  for (const auto& [option, path] : outputs) {
    TRY_VOID(check_writable(*path));
    for (const auto& [other, other_path] : outputs) {
      if (other_path != path && !path->empty() && *other_path == *path) {
        return bad_input(fmt::format("{}, {}: found '{}' for both, expected different files",
                                     option, other, *path));
      }
    }
  }
  Progress progress = Progress::on_terminal();
  const StudyResult result =
      TRY(run({.options = study_options, .stop = process_stop_flag(), .progress = progress}));
  return finish_study(result, study_options);
}

Result<int> run_study(const Study& study, const std::vector<std::string>& arguments) {
  Options options(fmt::format("plimsoll simulate {}", study.name), study.help, study.example);
  StudyOptions study_options;
  const StudyFunction run = study.declare(options);
  declare_study_options(options, study_options, study.policies(), study.default_policies,
                        study.default_seeds);
  return run_and_finish(options, study_options, arguments, run);
}

std::vector<std::string> placement_policies() {
  std::vector<std::string> names;
  for (const placement::PolicyInfo& policy : placement::policies()) {
    names.emplace_back(policy.name);
  }
  return names;
}

Result<int> simulate_file(const std::vector<std::string>& arguments) {
  const Scenario scenario = TRY(load_scenario(arguments.front()));
  Options options(fmt::format("plimsoll simulate {}", arguments.front()),
                  "Runs the scenario; --policy and --seeds replace its own", scenario_example);
  StudyOptions study_options;
  declare_study_options(options, study_options, placement_policies(),
                        fmt::format("{}", fmt::join(scenario.policies, ",")),
                        seeds_text(scenario.seeds));
  return run_and_finish(options, study_options, arguments, [&](const StudyContext& context) {
    return run_scenario(scenario, context);
  });
}

Result<int> simulate_snapshot(const std::vector<std::string>& arguments) {
  const std::string& path = arguments.front();
  const model::Snapshot snapshot = TRY(load_snapshot(path));
  Options options(fmt::format("plimsoll simulate {}", path),
                  "What each policy would make of what waits in the snapshot, if what runs goes on "
                  "and nothing comes",
                  "plimsoll simulate today.snapshot --policy plimsoll,vanilla");
  StudyOptions study_options;
  declare_study_options(options, study_options, placement_policies(), "plimsoll,vanilla", "1");
  return run_and_finish(options, study_options, arguments, [&](const StudyContext& context) {
    return run_snapshot(snapshot, path, context);
  });
}

Result<int> simulate_ours(model::FileKind kind, const std::vector<std::string>& arguments) {
  if (kind == model::FileKind::snapshot) {
    return simulate_snapshot(arguments);
  }
  if (kind == model::FileKind::journal) {
    return simulate_journal(arguments);
  }
  return bad_input(
      fmt::format("{}: found a plan, expected a snapshot or a journal", arguments.front()));
}

// What the file says that it is; none: no such file, or not one of ours.
std::optional<model::FileKind> kind_of(const std::string& path) {
  std::string beginning(model::file_kind_bytes, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(beginning.data(), static_cast<std::streamsize>(beginning.size()));
  beginning.resize(static_cast<std::size_t>(file.gcount()));
  return model::file_kind(beginning);
}

bool looks_like_a_file(const std::string& name) {
  return name.ends_with(".yaml") || name.ends_with(".yml") || name.find('/') != std::string::npos;
}

}  // namespace

Result<int> simulate(const std::vector<std::string>& arguments) {
  if (arguments.empty() || arguments.front() == "--help" || arguments.front() == "-h") {
    print_help();
    return arguments.empty() ? exit_bad_input : exit_done;
  }
  const std::string& name = arguments.front();
  if (name == "--fields") {
    fmt::print("{}", scenario_reference());
    return exit_done;
  }
  if (const auto kind = kind_of(name)) {
    return simulate_ours(*kind, arguments);
  }
  if (looks_like_a_file(name)) {
    return simulate_file(arguments);
  }
  std::vector<std::string> names = {"--help", "--fields"};
  for (const Study& study : studies()) {
    if (study.name == name) {
      return run_study(study, arguments);
    }
    names.emplace_back(study.name);
  }
  return bad_input(fmt::format("unknown {} '{}'{} (see plimsoll simulate --help)",
                               name.starts_with('-') ? "option" : "study", name,
                               suggestion(name, names)));
}

}  // namespace plimsoll::cli
