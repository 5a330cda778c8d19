// The rules by which a gang's members are divided among hosts: one registry.
//
// Each rule places a number of members within one scope (the cluster, or one required domain). To
// add a rule: a function in gang_rules.cc and one line in its table. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "engines/placement/gang.h"
#include "engines/placement/gang_domains.h"
#include "engines/placement/gang_hosts.h"
#include "engines/placement/gang_profile.h"
#include "engines/placement/gang_ring.h"

namespace plimsoll::placement {

struct RuleInput {
  HostRange hosts;
  std::int32_t members = 1;
  std::int32_t hosts_max = 0;
  const std::vector<KnownShares>* known = nullptr;  // never null
  const RingGang* ring = nullptr;                   // null: the model predicts nothing
  std::int64_t work_max = fewest_domains_work_max;
};

struct RuleChoice {
  std::vector<HostShare> hosts;
  DomainCost cost = 0;  // the less, the better among scopes
};

struct GangRule {
  const char* name;
  const char* help;
  std::optional<RuleChoice> (*place)(const RuleInput& input);
  bool waits;  // may decline a start, and its gangs become due
};
std::span<const GangRule> gang_rule_table();
// The one that does as kube-scheduler does.
const GangRule& spread_rule();

}  // namespace plimsoll::placement
