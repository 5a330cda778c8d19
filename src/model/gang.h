// A gang: pods that start together or not at all. A value.
#pragma once

#include <cstdint>
#include <string>

#include "base/units.h"
#include "model/ids.h"
#include "model/node.h"

namespace plimsoll::model {

// As `min_members` and `max_members`: a group that pods name and nobody has made yet.
inline constexpr std::int32_t members_unknown = INT32_MAX;

struct Gang {
  GangId id;
  std::string name;
  TenantId tenant;
  std::int32_t min_members = 1;  // fewer never run
  std::int32_t max_members = 1;
  TopologyLevel required_level = TopologyLevel::none;   // all members inside one such domain
  TopologyLevel preferred_level = TopologyLevel::none;  // if that is possible
  // The label of nodes whose value all members must share; empty: `required_level` says it.
  std::string required_key;
  // What measured step times of this kind of job are filed under (model/perf); empty: none.
  std::string profile;
  std::int64_t batch_size = 0;  // of the whole gang
  // Without a profile, the ring model predicts its step time from these (model/perf/ring.h).
  Bytes gradients;  // summed over all GPUs in each step
  Duration step;    // of a step on one host, sums apart; 0: unknown
  Time submitted;
  Duration expected;             // how long it is expected to run, placed at its best; 0: unknown
  bool disrupted_whole = false;  // whoever preempts one member preempts all of them

  friend bool operator==(const Gang&, const Gang&) = default;
};

}  // namespace plimsoll::model
