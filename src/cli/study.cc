#include "cli/study.h"

#include <algorithm>
#include <chrono>
#include <memory>

#include <fmt/format.h>

#include "cli/command.h"
#include "cli/output.h"
#include "cli/report/report.h"
#include "cli/seeds.h"

namespace plimsoll::cli {

namespace {
constexpr std::int64_t threads_max = 1024;
}

Result<StudyResult> run_policies(const StudyContext& context, std::string study,
                                 std::string variant,
                                 const std::function<Result<Run>(const RunRequest&)>& run) {
  const StudyOptions& options = context.options;
  const std::size_t seed_count = options.seeds.size();
  const std::size_t count = options.policies.size() * seed_count;
  std::vector<Run> runs(count);
  context.progress.start(study, count);
  const Result<void> done =
      run_tasks(count, options.threads, context.stop, [&](std::size_t index) -> Result<void> {
        const auto started = std::chrono::steady_clock::now();
        const std::size_t seed_index = index % seed_count;
        const RunRequest request = {
            .policy = options.policies[index / seed_count],
            .seed = options.seeds[seed_index],
            .want_placements = !options.placements.empty(),
            .want_picture = !options.report.empty() && seed_index == 0,
            .stop = context.stop,
            .progress = [&, index](double fraction) { context.progress.update(index, fraction); },
        };
        runs[index] = TRY(run(request));
        runs[index].seed = request.seed;
        runs[index].wall_seconds =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
        context.progress.update(index, 1);
        return {};
      });
  context.progress.finish();
  TRY_VOID(done);
  for (const Run& one : runs) {
    check(std::equal(one.metrics.begin(), one.metrics.end(), runs.front().metrics.begin(),
                     runs.front().metrics.end(),
                     [](const auto& a, const auto& b) { return a.first == b.first; }),
          "every run of a study has the same metrics in the same order");
  }
  StudyResult result = {.study = std::move(study), .variant = std::move(variant)};
  for (std::size_t i = 0; i < count; ++i) {
    if (i % seed_count == 0) {
      result.policies.push_back({.policy = options.policies[i / seed_count]});
    }
    result.policies.back().runs.push_back(std::move(runs[i]));
  }
  return result;
}

std::optional<Comparison> compare_to_best(const StudyResult& result, const std::string& policy,
                                          const std::string& metric) {
  const auto values = [&](const PolicyResult& of) {
    std::vector<double> found;
    for (const Run& run : of.runs) {
      for (const auto& [name, value] : run.metrics) {
        if (name == metric) {
          found.push_back(value);
        }
      }
    }
    return found;
  };
  std::vector<double> ours;
  std::vector<double> theirs;
  std::string against;
  double least = 0;
  for (const PolicyResult& candidate : result.policies) {
    std::vector<double> found = values(candidate);
    if (candidate.policy == policy) {
      ours = std::move(found);
      continue;
    }
    const double mean = summarize(found).mean;
    if (!found.empty() && (against.empty() || mean < least)) {
      against = candidate.policy;
      least = mean;
      theirs = std::move(found);
    }
  }
  std::vector<double> percent;
  for (std::size_t i = 0; i < std::min(ours.size(), theirs.size()); ++i) {
    if (theirs[i] == 0) {
      return std::nullopt;
    }
    percent.push_back(100 * (ours[i] / theirs[i] - 1));
  }
  const auto difference = paired_difference(std::vector<double>(percent.size()), percent);
  if (!difference.has_value()) {
    return std::nullopt;
  }
  return Comparison{.policy = policy, .against = against, .metric = metric, .percent = *difference};
}

void declare_study_options(Options& options, StudyOptions& study_options,
                           std::vector<std::string> known_policies,
                           const std::string& default_policies, const std::string& default_seeds) {
  const Result<std::vector<std::string>> policies =
      parse_names(default_policies, "policy", known_policies);
  const Result<std::vector<std::uint64_t>> seeds = parse_seeds(default_seeds);
  check(policies.has_value() && seeds.has_value(), "a study's defaults are valid");
  study_options.policies = *policies;
  study_options.seeds = *seeds;

  options.text("--data", study_options.data, "Folder of public data, for instance ../shared/data",
               "DIR");
  options.parsed(
      "--policy", default_policies, "NAMES", "Policies to compare, by comma",
      [&study_options, known = std::move(known_policies)](const std::string& text) -> Result<void> {
        study_options.policies = TRY(parse_names(text, "policy", known));
        return {};
      });
  options.parsed("--seeds", default_seeds, "LIST", "Seeds: 7, 42-51 or 1,5,9",
                 [&study_options](const std::string& text) -> Result<void> {
                   study_options.seeds = TRY(parse_seeds(text));
                   return {};
                 });
  auto threads = std::make_shared<std::int64_t>(0);
  options.integer("--threads", *threads, {.min = 0, .max = threads_max},
                  "Runs at a time; 0: as many as there are cores");
  options.on_parsed(
      [threads, &study_options] { study_options.threads = static_cast<std::size_t>(*threads); });
  options.choice("-o,--output", study_options.format, {"table", "json", "yaml"}, "Format");
  options.text("--out", study_options.out, "Write the result to this file", "FILE");
  options.text("--report", study_options.report, "Write a picture of the result to this page",
               "FILE.html");
  options.text("--placements", study_options.placements,
               "Write where every arrival went to this file", "FILE.csv");
}

std::string command_text(const std::vector<std::string>& arguments) {
  std::string text;
  for (const std::string& argument : arguments) {
    const bool plain = !argument.empty() && argument.find_first_not_of(
                                                "abcdefghijklmnopqrstuvwxyz"
                                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                                "0123456789_-+=.,:/@%") == std::string::npos;
    text += text.empty() ? "" : " ";
    if (plain) {
      text += argument;
      continue;
    }
    text += '\'';
    for (const char c : argument) {
      text += c == '\'' ? std::string("'\\''") : std::string(1, c);
    }
    text += '\'';
  }
  return text;
}

Result<int> finish_study(const StudyResult& result, const StudyOptions& options) {
  if (!options.placements.empty()) {
    TRY_VOID(write_file(options.placements, placements_csv(result)));
  }
  if (!options.report.empty()) {
    std::string names;
    for (const PolicyResult& policy : result.policies) {
      names += (names.empty() ? "" : ", ") + policy.policy;
    }
    TRY_VOID(write_file(
        options.report,
        report_html(
            result,
            {.title = result.variant.empty() ? result.study
                                             : fmt::format("{}: {}", result.study, result.variant),
             .subtitle = fmt::format("{} on the same work, in virtual time. Seeds: {}.", names,
                                     seeds_text(options.seeds)),
             .command = options.command})));
  }
  const std::string text = to_format(result, options.format);
  if (options.out.empty()) {
    fmt::print("{}", text);
  } else {
    TRY_VOID(write_file(options.out, text));
  }
  for (const std::string& line : result.broken_objectives) {
    fmt::print(stderr, "plimsoll: objective broken: {}\n", line);
  }
  return result.broken_objectives.empty() ? exit_done : exit_objective_broken;
}

}  // namespace plimsoll::cli
