// A gang: pods that start together or not at all. A value.
#pragma once

#include <cstdint>
#include <string>

#include "base/units.h"
#include "model/ids.h"
#include "model/node.h"

namespace plimsoll::model {

struct Gang {
  GangId id;
  std::string name;
  TenantId tenant;
  std::int32_t min_members = 1;  // fewer never run
  std::int32_t max_members = 1;
  TopologyLevel required_level = TopologyLevel::none;   // all members inside one such domain
  TopologyLevel preferred_level = TopologyLevel::none;  // if that is possible
  // What measured step times of this kind of job are filed under (model/perf); empty: none.
  std::string profile;
  std::int64_t batch_size = 0;  // of the whole gang
  Time submitted;
  Duration expected;  // how long it is expected to run, placed at its best; 0: unknown

  friend bool operator==(const Gang&, const Gang&) = default;
};

}  // namespace plimsoll::model
