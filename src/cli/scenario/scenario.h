// A scenario file: a cluster, work that arrives on it, and the policies to compare. Read strictly;
// every mistake is one line `file:line: field: found …, expected …`, and nothing runs.
//
// parse_scenario() is pure; the make_ functions read the traces that a scenario names. Values.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/scenario/fields.h"
#include "model/workload.h"
#include "sim/simulator.h"

namespace plimsoll::cli {

inline constexpr std::int64_t scenario_nodes_max = 200'000;
inline constexpr std::int64_t scenario_pods_max = 5'000'000;

// Equal nodes. Those in one rack, block or NVLink domain follow each other.
struct NodeGroup {
  std::int64_t line = 0;
  std::int32_t count = 0;  // 0: one node, named without a number
  std::int32_t gpus = 0;
  model::Gpu gpu;
  model::Node node;                  // the rest, with its name's beginning
  std::int32_t nodes_per_block = 0;  // 0: all in the topology's block
  std::int32_t nodes_per_rack = 0;
  std::int32_t nodes_per_nvlink_domain = 0;
};

enum class Spacing : std::uint8_t { even, poisson };

// Equal jobs that arrive one after the other.
struct JobGroup {
  std::int32_t count = 0;  // 0: one job, named without a number
  Duration start;
  Duration every;  // between arrivals; with Spacing::poisson the mean
  Spacing spacing = Spacing::even;
  model::Job job;  // the rest, with its name's beginning
  model::PodSpec spec;
};

enum class TraceKind : std::uint8_t { none, openb, lingjun, philly };

struct TraceSource {
  TraceKind kind = TraceKind::none;
  std::string data;                 // a folder, seen from the scenario's
  std::string variant = "default";  // of openb
  double arrival = 1.0;             // of openb: GPUs asked over GPUs there
  std::int32_t jobs_max = 0;        // 0: all
};

// The embedded mixed cluster and its work (traces/generator.h).
struct GeneratorSource {
  bool used = false;
  std::int32_t scale = 1;  // of a cluster
  std::int32_t days = 7;   // of a workload
  double load = 1.0;
};

enum class EventKind : std::uint8_t { fail, recover, remove, add };

struct ScenarioEvent {
  std::int64_t line = 0;
  std::string path;  // of the event, for errors
  EventKind kind = EventKind::fail;
  Duration at;
  Duration lasts;      // of a failure; 0: for good
  std::string target;  // a node's name
  NodeGroup added;
};

// A bound that the mean over the seeds must keep, or the exit code is 3.
struct Objective {
  std::string metric;
  std::string policy;  // empty: every one
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
};

struct Scenario {
  std::string file;
  std::string name;
  std::vector<NodeGroup> node_groups;
  TraceSource cluster_trace;  // instead of node_groups
  GeneratorSource cluster_generator;
  std::vector<JobGroup> job_groups;
  TraceSource workload_trace;  // instead of job_groups
  GeneratorSource workload_generator;
  std::vector<std::string> policies = {"vanilla", "plimsoll"};
  std::string queue = "backfill";
  std::vector<std::uint64_t> seeds = {42};
  std::vector<ScenarioEvent> events;
  Duration until;  // 0: when the work ends
  Duration checkpoint_every;
  std::vector<Objective> objectives;
};

Result<Scenario> parse_scenario(std::string_view text, const std::string& file);
Result<Scenario> load_scenario(const std::string& file);

// `data` replaces the scenario's own folder of traces, unless it is empty.
Result<model::Cluster> make_cluster(const Scenario& scenario, const std::string& data);
// The node events, sorted by time. Errors: a node that is not in `cluster`.
Result<std::vector<sim::NodeEvent>> make_events(const Scenario& scenario,
                                                const model::Cluster& cluster);
// The work of one seed is a function of the seed. Reads traces once, when it is made;
// `cluster` must outlive it.
using WorkloadMaker = std::function<model::Workload(std::uint64_t seed)>;
Result<WorkloadMaker> make_workload(const Scenario& scenario, const model::Cluster& cluster,
                                    const std::string& data);

// What every field means, as text.
std::string scenario_reference();

}  // namespace plimsoll::cli
