// What a node has and a pod asks for, GPUs apart. A value.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/units.h"

namespace plimsoll::model {

struct Resources {
  Millicores cpu;
  Bytes memory;
  Bytes ephemeral_storage;
  std::int64_t pods = 0;  // slots: a node's limit; a pod's request is 1 and is implied
  // Every other name, for instance `rdma/hca`; sorted by name, names unique, amounts in whole
  // units.
  std::vector<std::pair<std::string, std::int64_t>> extended;

  friend bool operator==(const Resources&, const Resources&) = default;
};

}  // namespace plimsoll::model
