// What every Kubernetes object has: who it is and which state of it this is. A value.
#pragma once

#include <string>

#include "base/units.h"
#include "kube/objects/json.h"

namespace plimsoll::kube {

struct Meta {
  std::string name;
  std::string name_space;  // empty: of the whole cluster
  std::string uid;
  std::string resource_version;
  Time created;
  bool deleting = false;
};
Meta read_meta(Json object);

// "namespace/name": one key for the maps of namespaced objects.
std::string key_of(std::string_view name_space, std::string_view name);
inline std::string key_of(const Meta& meta) { return key_of(meta.name_space, meta.name); }

}  // namespace plimsoll::kube
