// `plimsoll simulate`: a named study.
#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include "cli/command.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/study.h"
#include "cli/suggest.h"

namespace plimsoll::cli {
namespace {

void print_help() {
  fmt::print("usage: plimsoll simulate STUDY [OPTIONS]\n\nStudies:\n");
  for (const Study& study : studies()) {
    fmt::print("  {:<12}{}\n", study.name, study.help);
  }
  fmt::print("\nplimsoll simulate STUDY --help lists a study's options.\n");
  if (!studies().empty()) {
    fmt::print("\nExample:\n  {}\n", studies().front().example);
  }
}

Result<int> run_study(const Study& study, const std::vector<std::string>& arguments) {
  Options options(fmt::format("plimsoll simulate {}", study.name), study.help, study.example);
  StudyOptions study_options;
  study_options.command = "plimsoll simulate " + command_text(arguments);
  const StudyFunction run = study.declare(options);
  declare_study_options(options, study_options, study.policies(), study.default_policies,
                        study.default_seeds);
  if (TRY(options.parse({arguments.begin() + 1, arguments.end()}))) {
    fmt::print("{}", options.help());
    return exit_done;
  }
  Progress progress = Progress::on_terminal();
  const StudyResult result =
      TRY(run({.options = study_options, .stop = process_stop_flag(), .progress = progress}));
  return finish_study(result, study_options);
}

}  // namespace

Result<int> simulate(const std::vector<std::string>& arguments) {
  if (arguments.empty() || arguments.front() == "--help" || arguments.front() == "-h") {
    print_help();
    return arguments.empty() ? exit_bad_input : exit_done;
  }
  const std::string& name = arguments.front();
  std::vector<std::string> names;
  for (const Study& study : studies()) {
    if (study.name == name) {
      return run_study(study, arguments);
    }
    names.emplace_back(study.name);
  }
  return bad_input(
      fmt::format("unknown study '{}'{} (see plimsoll simulate "
                  "--help)",
                  name, suggestion(name, names)));
}

}  // namespace plimsoll::cli
