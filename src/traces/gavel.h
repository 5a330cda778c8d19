// Throughput tables in Gavel's (OSDI'20) JSON format: for each kind of GPU, each type of job and
// number of GPUs, iterations per second alone and beside another job on the same GPUs.
//
// simulation_throughputs.json has numbers of GPUs 1 to 8, packed and spread
// ("v100_unconsolidated"); oracle_throughputs.json has one GPU. The tables are noisy: spread
// sometimes beats packed; who compares the two clamps the ratio to 1 and says so. 0 means that it
// does not run (out of memory). Values; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace plimsoll::traces {

struct GavelPair {
  std::uint32_t other = 0;  // index in GavelHardware::jobs
  double own_rate = 0;      // iterations per second of this job beside the other
  double other_rate = 0;    // and of the other
};

struct GavelJob {
  std::string type;  // for instance "ResNet-18 (batch size 16)"
  std::int32_t gpus = 1;
  double rate = 0;  // iterations per second, alone
  std::vector<GavelPair> pairs;
};

struct GavelHardware {
  std::string name;    // "k80", "p100", "v100"
  bool packed = true;  // on as few hosts as possible; false: a GPU a host ("unconsolidated")
  std::vector<GavelJob> jobs;  // by type, then GPUs

  [[nodiscard]] const GavelJob* find(std::string_view type, std::int32_t gpus) const;
};

struct GavelTable {
  std::vector<GavelHardware> hardware;  // in the file's order

  [[nodiscard]] const GavelHardware* find(std::string_view name, bool packed = true) const;
};

// Errors are `name: hardware.job.field: found …, expected …`; a syntax error names no line.
Result<GavelTable> parse_gavel(std::string_view text, const std::string& name);
// `file` is "simulation" or "oracle"; `data` holds throughput/gavel, or is that folder.
Result<GavelTable> read_gavel(const std::string& data, const std::string& file);

}  // namespace plimsoll::traces
