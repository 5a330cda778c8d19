// A study: an experiment that `plimsoll simulate NAME` runs for every policy and seed asked for.
//
// A new study is one file in studies/ with a Study in it, and one line in studies.cc. It declares
// its own options; those that all studies share are in StudyOptions, checked already. Its function
// calls run_policies(), which runs on all cores, shows progress, stops on Ctrl-C and measures the
// wall time; the caller prints the StudyResult. Values, but for StudyContext.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/stats.h"
#include "cli/options.h"
#include "cli/parallel.h"
#include "cli/picture.h"
#include "cli/progress.h"

namespace plimsoll::cli {

// One row of --placements: where an arrival went. `node` empty: it was refused.
struct PlacementRow {
  std::string pod;
  std::string node;
  std::vector<std::int32_t> gpus;
};

struct Run {
  std::uint64_t seed = 0;
  std::vector<std::pair<std::string, double>> metrics;  // in a fixed order, the same in every run
  double wall_seconds = 0;                              // filled by run_policies()
  std::string plan_sha256;
  std::vector<PlacementRow> placements;  // in order of arrival; only if asked for
  std::optional<Picture> picture;        // only if asked for
};

struct PolicyResult {
  std::string policy;
  std::vector<Run> runs;  // in the order of the seeds
};

// One policy against another on the same seeds: the relative difference of a metric, run by run,
// in percent of the other's, with its 95 % interval.
struct Comparison {
  std::string policy;
  std::string against;
  std::string metric;
  PairedDifference percent;
};

struct StudyResult {
  std::string study;
  std::string variant;
  std::vector<PolicyResult> policies;          // in the order asked for
  std::vector<Comparison> comparisons;         // where the study makes any
  std::vector<std::string> broken_objectives;  // one line each; any: exit 3
};

// What every study takes from the command line.
struct StudyOptions {
  std::string data;  // --data
  std::vector<std::string> policies;
  std::vector<std::uint64_t> seeds;
  std::size_t threads = 0;
  std::string format = "table";
  std::string out;         // empty: standard output
  std::string report;      // empty: none
  std::string placements;  // empty: none
  std::string command;     // as it was typed, for the report
};

struct StudyContext {
  const StudyOptions& options;
  const StopFlag& stop;
  Progress& progress;
};

// One run that a study is asked to do. Lives as long as the call.
struct RunRequest {
  std::string policy;
  std::uint64_t seed = 0;
  bool want_placements = false;
  bool want_picture = false;
  const StopFlag& stop;                  // poll it; on true return stopped_early()
  std::function<void(double)> progress;  // how much of this run is done, 0 to 1
};

// Every policy with every seed, in parallel; the result is the same at any thread count.
// Requires: `run` may be called from several threads at once.
Result<StudyResult> run_policies(const StudyContext& context, std::string study,
                                 std::string variant,
                                 const std::function<Result<Run>(const RunRequest&)>& run);

// `policy` against the best of the other policies, the one with the least mean of `metric`. Nothing
// if there is no other, if it was not asked for, or with fewer than two seeds.
std::optional<Comparison> compare_to_best(const StudyResult& result, const std::string& policy,
                                          const std::string& metric);

using StudyFunction = std::function<Result<StudyResult>(const StudyContext&)>;

struct Study {
  const char* name;
  const char* help;  // one line
  const char* example;
  const char* default_policies;
  const char* default_seeds;
  std::vector<std::string> (*policies)();  // every name that --policy takes
  // Declares the study's own options and returns what runs it. What the options write to is kept
  // alive by the returned function.
  StudyFunction (*declare)(Options& options);
};

// The registry (studies.cc).
std::span<const Study> studies();

// Declares what every study takes. `options` and `study_options` must outlive the parse.
void declare_study_options(Options& options, StudyOptions& study_options,
                           std::vector<std::string> known_policies,
                           const std::string& default_policies, const std::string& default_seeds);

// `arguments` as a shell would take them.
std::string command_text(const std::vector<std::string>& arguments);

// Prints or writes what the options ask for, files whole or not at all. Returns the exit code.
Result<int> finish_study(const StudyResult& result, const StudyOptions& options);

}  // namespace plimsoll::cli
