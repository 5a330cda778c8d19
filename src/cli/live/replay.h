// `plimsoll simulate JOURNAL`: the plans of a recorded run, made again and compared.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "control/scheduler.h"

namespace plimsoll::cli {

struct ReplayOutcome {
  struct Difference {
    std::uint64_t turn = 0;  // counted from 1
    Time at;
    std::string recorded;
    std::string replayed;
  };
  control::SchedulerConfig config;
  std::uint64_t turns = 0;
  std::uint64_t deltas = 0;
  std::uint64_t binds = 0;
  std::uint64_t refusals = 0;
  std::uint64_t evictions = 0;
  Time began;
  Time ended;
  std::string plans;                     // hash of all that were made again
  std::optional<Difference> difference;  // the first; nothing was made again after it
};

// Errors: bad_input, with the file's name; Ctrl-C.
Result<ReplayOutcome> replay_file(const std::string& path);

// The rest of `plimsoll simulate`'s arguments; the first is the file. Exit code 3 where plans
// differ.
Result<int> simulate_journal(const std::vector<std::string>& arguments);

}  // namespace plimsoll::cli
