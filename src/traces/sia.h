// Sia's (SOSP'23) workloads and its measured step times, as raw tables.
//
// throughput/sia/<application>/ holds, for each kind of hardware, placements[-<hardware>].csv and
// scalability[-<hardware>].csv, and for each batch size validation-<batch>.csv. jobs/sia/<set>/
// holds workload-<n>.csv. The step-time model is built on these in model/perf. `gpt_pmp` is a
// model of its authors, not a measurement. Values; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/workload.h"

namespace plimsoll::traces {

// What the files without a suffix were measured on; the others are named as their files are:
// "aws", "azure", "dgx", "dgx-ext" (A100), "quad", "rtx".
inline constexpr std::string_view sia_default_hardware = "t4";

struct SiaPlacementRow {
  std::string placement;  // GPUs on each node, a digit a node, in the file's order: "211"
  double local_bsz = 0;   // samples a GPU and step
  double step_time = 0;   // seconds, all-reduce included
  double sync_time = 0;   // seconds of all-reduce in it

  friend bool operator==(const SiaPlacementRow&, const SiaPlacementRow&) = default;
};

struct SiaScalabilityRow {
  std::int32_t nodes = 0;
  std::int32_t replicas = 0;  // GPUs
  double local_bsz = 0;
  double step_time = 0;
  double sync_time = 0;

  friend bool operator==(const SiaScalabilityRow&, const SiaScalabilityRow&) = default;
};

struct SiaHardware {
  std::string name;
  std::vector<SiaPlacementRow> placements;  // in the file's order; empty: no such file
  std::vector<SiaScalabilityRow> scalability;
};

// How much work a job of this batch size is.
struct SiaValidation {
  std::int64_t batch_size = 0;
  double iterations = 0;  // of the file's last row
  double progress = 0;    // of the file's last row
};

struct SiaApplication {
  std::string name;
  std::vector<SiaHardware> hardware;      // by name
  std::vector<SiaValidation> validation;  // by batch size

  [[nodiscard]] const SiaHardware* find_hardware(std::string_view hardware_name) const;
  [[nodiscard]] const SiaValidation* find_validation(std::int64_t batch_size) const;
};

struct SiaTables {
  std::vector<SiaApplication> applications;  // by name

  [[nodiscard]] const SiaApplication* find(std::string_view application) const;
};

// `data` holds throughput/sia, or is that folder.
Result<SiaTables> read_sia_throughput(const std::string& data);

// A gang of one-GPU pods for each row, sorted by time; profile and batch size from the row. With
// `tables` the iterations are set, and an application or batch size that is not in them is an
// error. The duration stays 0: it follows from the step-time model.
Result<model::Workload> parse_sia_workload(std::string_view text, const std::string& name,
                                           const SiaTables* tables);
// workload-<n>.csv of jobs/sia/<set> ("newtrace", "philly", "scale/rate_10", …) under `data`.
Result<model::Workload> read_sia_workload(const std::string& data, const std::string& set,
                                          std::int32_t n, const SiaTables* tables);
// The jobs of all its workloads one after the other, each name once more with its file's: a pool
// to draw from.
Result<model::Workload> read_sia_pool(const std::string& data, const std::string& set,
                                      const SiaTables* tables);

// `count` jobs drawn from `pool` with replacement, at exponential intervals of the given mean;
// named job-0, job-1, …. Requires: pool.jobs is not empty, mean_interval > 0.
model::Workload draw_poisson(const model::Workload& pool, std::size_t count, Duration mean_interval,
                             std::uint64_t seed);

// The parts of read_sia_throughput, from buffers.
Result<std::vector<SiaPlacementRow>> parse_sia_placements(std::string_view text,
                                                          const std::string& name);
Result<std::vector<SiaScalabilityRow>> parse_sia_scalability(std::string_view text,
                                                             const std::string& name);
Result<SiaValidation> parse_sia_validation(std::string_view text, const std::string& name,
                                           std::int64_t batch_size);

}  // namespace plimsoll::traces
