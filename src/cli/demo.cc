// `plimsoll demo`: the embedded cluster, vanilla Kubernetes against Plimsoll.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "cli/command.h"
#include "cli/metrics.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/report/report.h"
#include "cli/scenario/run.h"
#include "cli/scenario/scenario.h"
#include "cli/seeds.h"
#include "cli/study.h"

namespace plimsoll::cli {
namespace {

constexpr const char* demo_queue = "skip";

std::string comparison(const StudyResult& result) {
  const auto [before, after] = headline_policies(result);
  std::vector<std::vector<std::string>> rows = {{"", "vanilla Kubernetes", "Plimsoll", "change"}};
  const auto& names = result.policies[before].runs.front().metrics;
  for (std::size_t m = 0; m < names.size(); ++m) {
    const Metric metric = find_metric(names[m].first);
    const double old_value = statistics(result.policies[before], m).mean;
    const double new_value = statistics(result.policies[after], m).mean;
    if (metric.better == Better::neither ||
        metric_text(metric, old_value) == metric_text(metric, new_value)) {
      continue;
    }
    const int good = verdict(metric, old_value, new_value);
    rows.push_back({std::string(metric.title), metric_text(metric, old_value),
                    metric_text(metric, new_value),
                    fmt::format("{}{}", change_text(metric, old_value, new_value),
                                good > 0   ? ", better"
                                : good < 0 ? ", worse"
                                           : "")});
  }
  return aligned(rows);
}

}  // namespace

Result<int> demo(const std::vector<std::string>& arguments) {
  Options options("plimsoll demo",
                  "Replays a week of work on an embedded cluster of 82 nodes and 432 GPUs in "
                  "virtual time, placed by vanilla Kubernetes and by Plimsoll, for each seed",
                  "plimsoll demo");
  StudyOptions study_options = {.policies = {"vanilla", "plimsoll"},
                                .seeds = {1, 2, 3, 4, 5},
                                .report = "plimsoll-demo.html"};
  Scenario scenario = {.file = "demo", .name = "demo", .queue = demo_queue};
  scenario.cluster_generator.used = true;
  scenario.workload_generator.used = true;
  options.parsed("--seeds", seeds_text(study_options.seeds), "LIST",
                 "Seeds of the work: 7, 42-51 or 1,5,9",
                 [&](const std::string& text) -> Result<void> {
                   study_options.seeds = TRY(parse_seeds(text));
                   return {};
                 });
  options.number("--load", scenario.workload_generator.load, {.min = 0.05, .max = 3},
                 "GPU time asked over GPU time there");
  options.text("--report", study_options.report, "Write the picture to this page", "FILE.html");
  options.choice("-o,--output", study_options.format, {"table", "json", "yaml"}, "Format");
  if (TRY(options.parse(arguments))) {
    fmt::print("{}", options.help());
    return exit_done;
  }
  TRY_VOID(check_writable(study_options.report));
  scenario.until = Duration(scenario.workload_generator.days * seconds(86'400.0).value());

  Progress progress = Progress::on_terminal();
  const StudyResult result = TRY(run_scenario(
      scenario, {.options = study_options, .stop = process_stop_flag(), .progress = progress}));
  const std::string what =
      "A week on 82 nodes and 432 GPUs (H100, A100, L4, T4): training gangs, inference services, "
      "notebooks and batch jobs.\nBoth sides get the same work, seeds and queue, and start a gang "
      "as a whole or not at all;\nonly the choice of nodes and GPUs differs.";
  TRY_VOID(write_file(
      study_options.report,
      report_html(result,
                  {.title = "Vanilla Kubernetes against Plimsoll",
                   .subtitle = what,
                   .command = arguments.empty() ? "plimsoll demo"
                                                : "plimsoll demo " + command_text(arguments)})));
  if (study_options.format != "table") {
    fmt::print("{}", to_format(result, study_options.format));
    return exit_done;
  }
  fmt::print("{}\n\n{}\nMean of {} seed{}. Report: {}\n", what, comparison(result),
             study_options.seeds.size(), study_options.seeds.size() == 1 ? "" : "s",
             study_options.report);
  return exit_done;
}

}  // namespace plimsoll::cli
