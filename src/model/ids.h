// The strong ids of everything a cluster holds. Values.
#pragma once

#include "base/ids.h"

namespace plimsoll {

using NodeId = Id<struct NodeTag>;
using PodId = Id<struct PodTag>;
using SpecId = Id<struct SpecTag>;
using GangId = Id<struct GangTag>;
using TenantId = Id<struct TenantTag>;
using BudgetId = Id<struct BudgetTag>;

}  // namespace plimsoll
