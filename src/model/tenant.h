// A tenant: who a pod or gang belongs to. A value.
#pragma once

#include <string>

#include "model/ids.h"

namespace plimsoll::model {

struct Tenant {
  TenantId id;
  std::string name;
  TenantId parent;  // none: a root

  friend bool operator==(const Tenant&, const Tenant&) = default;
};

}  // namespace plimsoll::model
