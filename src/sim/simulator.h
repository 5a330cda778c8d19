// Discrete-event simulation of a workload on a cluster, under the live control loop.
//
// At one instant completions come first, then node events, then arrivals, each in input order;
// then the scheduler takes a turn. Same input and seed: the same result, byte for byte. Pure but
// for the calls that SimConfig asks for; independent simulations may run in parallel.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/stats.h"
#include "control/scheduler.h"
#include "model/perf/speed_model.h"
#include "model/workload.h"
#include "sim/world.h"

namespace plimsoll::control {
struct Journal;
}

namespace plimsoll::sim {

struct NodeEvent {
  enum class Kind : std::uint8_t {
    add,      // `node`; it gets the last freed id, or the next new one
    remove,   // for good; its pods are lost
    fail,     // not ready; its pods are lost
    recover,  // ready again
  };
  Time at;
  Kind kind = Kind::fail;
  NodeId target;     // of remove, fail and recover; ignored if there is no such node then
  model::Node node;  // of add
};

struct SimConfig {
  control::SchedulerConfig scheduler;
  // The truth about how fast a job with a profile runs where it sits, fixed when it starts;
  // borrowed. Null, or unknown to it: the job takes its `duration`.
  const model::perf::SpeedModel* speed = nullptr;
  // Jobs on several hosts share their network interfaces, as counted when each starts.
  bool interface_contention = false;
  // A job that loses a pod starts again from its last checkpoint. 0: from the beginning.
  Duration checkpoint_interval;
  std::vector<NodeEvent> node_events;  // sorted by `at`
  // That many bindings in a million fail, drawn from `fault_seed`.
  std::uint32_t bind_failures_per_million = 0;
  std::uint64_t fault_seed = 1;
  Time until = never;  // the end, if work does not end before
  std::int32_t timeline_points_max = 400;
  bool fragmentation = false;  // along the timeline and at the end: O(nodes x typical pods) each
  bool placements = false;     // keep SimResult::placements
  control::Journal* journal = nullptr;      // filled with what the scheduler saw
  const std::atomic<bool>* stop = nullptr;  // polled; set: the simulation ends with an error
  std::function<void(double)> progress;     // gets the fraction done, now and then
  // After each turn, for auditors.
  std::function<Result<void>(const SimWorld&, const control::Scheduler&, const model::Plan&)> audit;
};

// Means over one stretch of the simulation's time.
struct TimelinePoint {
  double start_seconds = 0;
  double gpu_allocation_percent = 0;
  double gpu_utilization_percent = 0;
  double fragmentation_percent = 0;  // of the free GPU capacity, at its end; 0 unless asked for
  double pending_jobs = 0;
};

struct GpuOccupancy {
  NodeId node;
  std::int32_t index = 0;
  std::int32_t final_milli = 0;
  double mean_milli = 0;  // over the time that the node was there
};

// What became of one pod of the workload: where it started last, if it ever did.
struct Placement {
  std::uint32_t job = 0;  // in Workload::jobs: the order of arrival
  std::int32_t member = 0;
  NodeId node;  // none: never placed
  std::vector<model::GpuShare> gpus;
};

struct SimResult {
  // Jobs. arrived = completed + running + pending + failed.
  std::size_t arrived = 0;
  std::size_t placed = 0;  // started at least once
  std::size_t completed = 0;
  std::size_t running = 0;  // at the end
  std::size_t pending = 0;  // at the end
  std::size_t failed = 0;   // refused for good
  std::size_t restarts = 0;
  std::size_t declines = 0;

  Summary jct_seconds;                     // completion - submission, of completed jobs
  Summary wait_seconds;                    // first start - submission, of placed jobs
  std::vector<double> completion_seconds;  // the samples behind them, in the jobs' order
  std::vector<double> waiting_seconds;
  double makespan_seconds = 0;  // first submission to last completion
  double end_seconds = 0;       // the last event's time

  // Time-weighted means from the first submission to the end; final: at the end.
  double gpu_allocation_percent = 0;
  double gpu_utilization_percent = 0;
  double final_gpu_allocation_percent = 0;
  double free_gpu_milli = 0;        // at the end, with `fragmentation`
  double fragmented_gpu_milli = 0;  // of it
  double cost_usd = 0;              // node price x time
  double idle_cost_usd = 0;  // of it, for GPUs (on nodes without, for cores) that nobody held

  std::vector<TimelinePoint> timeline;
  std::vector<GpuOccupancy> gpus;  // by node, then index
  std::vector<Placement> placements;

  std::size_t turns = 0;
  std::size_t actions = 0;
  std::string plan_sha256;  // over every action of every turn, in order
};

// Errors: a workload, cluster or configuration that does not hold together; an interrupt.
Result<SimResult> simulate(const model::Cluster& cluster, const model::Workload& workload,
                           const SimConfig& config);

}  // namespace plimsoll::sim
