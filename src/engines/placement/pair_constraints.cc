#include "engines/placement/pair_constraints.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/result.h"

namespace plimsoll::placement {
namespace {

using model::RefusalCode;

constexpr RefusalCode affinity_code = RefusalCode::pod_affinity;
constexpr RefusalCode anti_affinity_code = RefusalCode::pod_anti_affinity;
constexpr RefusalCode spread_code = RefusalCode::topology_spread;

const RefusalCode* code_of(RefusalCode code) {
  switch (code) {
    case affinity_code:
      return &affinity_code;
    case anti_affinity_code:
      return &anti_affinity_code;
    default:
      return &spread_code;
  }
}

// The name of the node's domain under a topology key: its label, else what its topology path says.
std::optional<std::string> domain_name(const model::Node& node, const std::string& key) {
  if (const std::string* label = model::find_label(node.labels, key)) {
    return *label;
  }
  const model::TopologyPath& path = node.topology;
  if (key == "kubernetes.io/hostname") {
    return node.name;
  }
  if (key == "topology.kubernetes.io/zone" && !path.zone.empty()) {
    return path.zone;
  }
  if (key == "cloud.provider.com/topology-block" && !path.block.empty()) {
    return fmt::format("{}/{}", path.zone, path.block);
  }
  if (key == "cloud.provider.com/topology-rack" && !path.rack.empty()) {
    return fmt::format("{}/{}/{}", path.zone, path.block, path.rack);
  }
  return std::nullopt;
}

// Text that is equal for equal groups.
std::string identity_of(const std::string& key, bool holders,
                        const std::vector<std::string>& namespaces,
                        const model::LabelSelector& selector) {
  std::string text =
      fmt::format("{}|{}|{}", key, holders ? "holders" : "pods", fmt::join(namespaces, ","));
  for (const model::Requirement& r : selector) {
    text += fmt::format("|{} {} {}", r.key, static_cast<int>(r.op), fmt::join(r.values, ","));
  }
  return text;
}

}  // namespace

bool PairConstraints::matches(const Group& group, const model::PodSpec& spec) const {
  return std::ranges::count(group.namespaces, spec.name_space) > 0 &&
         model::matches(group.selector, spec.labels);
}

bool PairConstraints::constrains(SpecId id) const {
  if (id.index() >= specs_.size()) {
    return false;
  }
  const Spec& spec = specs_[id.index()];
  return !spec.beside.empty() || !spec.apart.empty() || !spec.blocked_by.empty() ||
         !spec.spread.empty() || has_preferences(id);
}

bool PairConstraints::has_preferences(SpecId id) const {
  return id.index() < specs_.size() &&
         (!specs_[id.index()].soft_spread.empty() || !specs_[id.index()].preferred.empty());
}

std::int32_t PairConstraints::key_number(const std::string& name,
                                         std::span<const model::Node> nodes) {
  const std::int32_t number = key_names_.intern(name);
  if (static_cast<std::size_t>(number) == key_.size()) {
    Key& key = key_.emplace_back();
    key.domain_of.assign(nodes.size(), -1);
    for (std::size_t n = 0; n < nodes.size(); ++n) {
      if (!nodes[n].id.valid()) continue;
      if (const auto domain = domain_name(nodes[n], name)) {
        key.domain_of[n] = key.names.intern(*domain);
      }
    }
    key.nodes_in.assign(static_cast<std::size_t>(key.names.size()), 0);
    for (const std::int32_t domain : key.domain_of) {
      if (domain >= 0) ++key.nodes_in[static_cast<std::size_t>(domain)];
    }
  }
  return number;
}

std::int32_t PairConstraints::group_number(Group group, std::span<const Placed> placed) {
  const auto it = group_numbers_.find(group.identity);
  if (it != group_numbers_.end()) {
    return it->second;
  }
  const Key& key = key_[static_cast<std::size_t>(group.key)];
  group.counts.assign(key.nodes_in.size(), 0);
  group.domains_with.assign(1, 0);
  for (const std::int32_t n : key.nodes_in) {
    group.domains_with[0] += n > 0 ? 1 : 0;
  }
  const auto number = static_cast<std::int32_t>(groups_.size());
  group_numbers_.emplace(group.identity, number);
  groups_.push_back(std::move(group));
  Group& made = groups_.back();
  if (made.holders) {
    return number;  // the spec that brings it is the first to hold it
  }
  std::vector<bool> counted(specs_.size(), false);
  for (std::size_t s = 0; s < specs_.size(); ++s) {
    if (specs_[s].known && matches(made, specs_[s].spec)) {
      counted[s] = true;
      specs_[s].counted_in.push_back(number);
    }
  }
  for (const Placed& pod : placed) {
    if (pod.spec.index() < counted.size() && counted[pod.spec.index()]) {
      bump(made, key.domain_of[pod.node], pod.count);
    }
  }
  return number;
}

void PairConstraints::add_spec(SpecId id, const model::PodSpec& spec,
                               std::span<const model::Node> nodes, std::span<const Placed> placed) {
  if (id.index() >= specs_.size()) {
    specs_.resize(id.index() + 1);
  }
  specs_[id.index()] = Spec{};
  specs_[id.index()].known = true;
  specs_[id.index()].spec = spec;
  // Groups that are there already.
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    if (matches(groups_[g], spec)) {
      auto& list =
          groups_[g].holders ? specs_[id.index()].blocked_by : specs_[id.index()].counted_in;
      list.push_back(static_cast<std::int32_t>(g));
    }
  }
  const auto group = [&](const std::string& key, const model::LabelSelector& selector,
                         std::vector<std::string> namespaces, bool holders) {
    if (namespaces.empty()) namespaces = {spec.name_space};
    std::ranges::sort(namespaces);
    Group made;
    made.identity = identity_of(key, holders, namespaces, selector);
    made.key = key_number(key, nodes);
    made.holders = holders;
    made.namespaces = std::move(namespaces);
    made.selector = selector;
    return group_number(std::move(made), placed);
  };
  const auto self = [&](std::int32_t g) {
    return matches(groups_[static_cast<std::size_t>(g)], spec);
  };
  std::vector<Term> beside;
  std::vector<Term> preferred;
  std::vector<std::int32_t> apart;
  std::vector<std::int32_t> held;
  for (const model::PodAffinityTerm& term : spec.affinity) {
    const std::int32_t g = group(term.topology_key, term.selector, term.namespaces, false);
    (term.weight == 0 ? beside : preferred).push_back({g, term.weight, 0, self(g)});
  }
  for (const model::PodAffinityTerm& term : spec.anti_affinity) {
    const std::int32_t g = group(term.topology_key, term.selector, term.namespaces, false);
    if (term.weight != 0) {
      preferred.push_back({g, -term.weight, 0, self(g)});
      continue;
    }
    apart.push_back(g);
    held.push_back(group(term.topology_key, term.selector, term.namespaces, true));
  }
  Spec& known = specs_[id.index()];
  for (const model::TopologySpread& spread : spec.spread) {
    const std::int32_t g = group(spread.topology_key, spread.selector, {}, false);
    (spread.hard ? known.spread : known.soft_spread).push_back({g, 0, spread.max_skew, self(g)});
  }
  known.beside = std::move(beside);
  known.preferred = std::move(preferred);
  known.apart = std::move(apart);
  known.everywhere = spec.node_selector.empty() && spec.node_affinity.empty();
  // A pod of this spec is counted among the holders of its own terms; whom they match must heed.
  for (const std::int32_t g : held) {
    known.counted_in.push_back(g);
    for (Spec& other : specs_) {
      if (other.known && matches(groups_[static_cast<std::size_t>(g)], other.spec) &&
          std::ranges::count(other.blocked_by, g) == 0) {
        other.blocked_by.push_back(g);
      }
    }
  }
}

void PairConstraints::set_node(std::size_t node, const model::Node& facts) {
  if (node >= nodes_.size()) {
    nodes_.resize(node + 1);
  }
  nodes_[node].id = facts.id;
  nodes_[node].labels = facts.labels;
  for (std::int32_t k = 0; k < keys(); ++k) {
    Key& key = key_[static_cast<std::size_t>(k)];
    if (node >= key.domain_of.size()) {
      key.domain_of.resize(node + 1, -1);
    }
    const auto name = domain_name(facts, key_names_.name(k));
    const std::int32_t now = name ? key.names.intern(*name) : -1;
    const std::int32_t before = std::exchange(key.domain_of[node], now);
    if (before == now) continue;
    if (now >= 0) domain_appears(k, now);
    if (before >= 0) domain_vanishes(k, before);
  }
}

void PairConstraints::erase_node(std::size_t node) {
  if (node < nodes_.size()) {
    nodes_[node] = model::Node{};
  }
  for (std::int32_t k = 0; k < keys(); ++k) {
    Key& key = key_[static_cast<std::size_t>(k)];
    if (node >= key.domain_of.size()) continue;
    const std::int32_t before = std::exchange(key.domain_of[node], -1);
    if (before >= 0) domain_vanishes(k, before);
  }
}

void PairConstraints::domain_appears(std::int32_t key_id, std::int32_t domain) {
  Key& key = key_[static_cast<std::size_t>(key_id)];
  const auto d = static_cast<std::size_t>(domain);
  if (d >= key.nodes_in.size()) {
    key.nodes_in.resize(d + 1, 0);
  }
  if (key.nodes_in[d]++ > 0) {
    return;
  }
  for (Group& group : groups_) {
    if (group.key != key_id) continue;
    if (group.counts.size() <= d) group.counts.resize(d + 1, 0);
    const std::int32_t count = group.counts[d];
    if (group.domains_with.size() <= static_cast<std::size_t>(count)) {
      group.domains_with.resize(static_cast<std::size_t>(count) + 1, 0);
    }
    ++group.domains_with[static_cast<std::size_t>(count)];
    group.least = std::min(group.least, count);
    settle_least(group);
  }
}

void PairConstraints::domain_vanishes(std::int32_t key_id, std::int32_t domain) {
  Key& key = key_[static_cast<std::size_t>(key_id)];
  const auto d = static_cast<std::size_t>(domain);
  if (--key.nodes_in[d] > 0) {
    return;
  }
  for (Group& group : groups_) {
    if (group.key != key_id) continue;
    --group.domains_with[static_cast<std::size_t>(group.counts[d])];
    settle_least(group);
  }
}

void PairConstraints::bump(Group& group, std::int32_t domain, std::int32_t by) {
  if (domain < 0) {
    return;
  }
  group.total += by;
  std::int32_t& count = group.counts[static_cast<std::size_t>(domain)];
  const std::int32_t before = count;
  count += by;
  plimsoll::check(count >= 0, "no group counts fewer than no pods");
  if (static_cast<std::size_t>(count) >= group.domains_with.size()) {
    group.domains_with.resize(static_cast<std::size_t>(count) + 1, 0);
  }
  if (key_[static_cast<std::size_t>(group.key)].nodes_in[static_cast<std::size_t>(domain)] == 0) {
    return;
  }
  --group.domains_with[static_cast<std::size_t>(before)];
  ++group.domains_with[static_cast<std::size_t>(count)];
  group.least = std::min(group.least, count);
  settle_least(group);
}

void PairConstraints::settle_least(Group& group) {
  while (static_cast<std::size_t>(group.least) + 1 < group.domains_with.size() &&
         group.domains_with[static_cast<std::size_t>(group.least)] == 0) {
    ++group.least;
  }
}

void PairConstraints::count(SpecId spec, std::size_t node, std::int32_t by) {
  if (spec.index() >= specs_.size()) {
    return;
  }
  for (const std::int32_t g : specs_[spec.index()].counted_in) {
    Group& group = groups_[static_cast<std::size_t>(g)];
    bump(group, key_[static_cast<std::size_t>(group.key)].domain_of[node], by);
  }
}

std::int32_t PairConstraints::least_eligible(const Spec& spec, const Group& group) const {
  if (spec.everywhere) {
    return group.least;
  }
  const Key& key = key_[static_cast<std::size_t>(group.key)];
  std::int32_t least = INT32_MAX;
  for (std::size_t n = 0; n < nodes_.size(); ++n) {
    if (nodes_[n].id.valid() && key.domain_of[n] >= 0 && model::selects(spec.spec, nodes_[n])) {
      least = std::min(least, group.counts[static_cast<std::size_t>(key.domain_of[n])]);
    }
  }
  return least == INT32_MAX ? 0 : least;
}

bool PairConstraints::Check::holds(const Rule& rule, std::int32_t domain) {
  if (domain < 0) {
    return !rule.needs_key;
  }
  const std::int32_t count = (*rule.counts)[static_cast<std::size_t>(domain)];
  return count >= rule.least && count <= rule.most;
}

const RefusalCode* PairConstraints::Check::refusal(std::size_t node) const {
  for (const Rule& rule : rules_) {
    if (!holds(rule, owner_->domain(rule.key, node))) {
      return code_of(rule.code);
    }
  }
  return nullptr;
}

PairConstraints::Check PairConstraints::check(SpecId id, bool preferences) const {
  Check result;
  result.owner_ = this;
  if (id.index() >= specs_.size()) {
    return result;
  }
  const Spec& spec = specs_[id.index()];
  const auto group = [&](std::int32_t g) -> const Group& {
    return groups_[static_cast<std::size_t>(g)];
  };
  const auto add = [&](const Group& g, std::int32_t least, std::int32_t most, bool needs_key,
                       RefusalCode code) {
    result.rules_.push_back({g.key, &g.counts, least, most, needs_key, code});
  };
  // As in Kubernetes: the first pod of a set that asks to be beside itself may start anywhere.
  const bool first_of_its_kind = std::ranges::all_of(
      spec.beside, [&](const Term& t) { return t.self && group(t.group).total == 0; });
  for (const Term& term : spec.beside) {
    add(group(term.group), first_of_its_kind ? 0 : 1, INT32_MAX, true, affinity_code);
  }
  for (const std::int32_t g : spec.apart) {
    add(group(g), 0, 0, false, anti_affinity_code);
  }
  for (const std::int32_t g : spec.blocked_by) {
    add(group(g), 0, 0, false, anti_affinity_code);
  }
  const auto add_spread = [&](const Term& term) {
    const Group& g = group(term.group);
    const std::int32_t most = least_eligible(spec, g) + term.max_skew - (term.self ? 1 : 0);
    add(g, 0, most, true, spread_code);
  };
  for (const Term& term : spec.spread) {
    add_spread(term);
  }
  if (preferences) {
    for (const Term& term : spec.soft_spread) {
      add_spread(term);
    }
    for (const Term& term : spec.preferred) {
      const bool beside = term.weight > 0;
      if (beside && group(term.group).total == 0) continue;  // nobody to be beside yet
      add(group(term.group), beside ? 1 : 0, beside ? INT32_MAX : 0, beside,
          beside ? affinity_code : anti_affinity_code);
    }
  }
  return result;
}

std::int64_t PairConstraints::preferred_affinity(SpecId id, std::size_t node) const {
  std::int64_t sum = 0;
  if (id.index() < specs_.size()) {
    for (const Term& term : specs_[id.index()].preferred) {
      const Group& group = groups_[static_cast<std::size_t>(term.group)];
      const std::int32_t d = domain(group.key, node);
      sum += d < 0 ? 0 : std::int64_t{term.weight} * group.counts[static_cast<std::size_t>(d)];
    }
  }
  return sum;
}

std::int64_t PairConstraints::soft_spread(SpecId id, std::size_t node) const {
  double sum = 0;
  if (id.index() < specs_.size()) {
    for (const Term& term : specs_[id.index()].soft_spread) {
      const Group& group = groups_[static_cast<std::size_t>(term.group)];
      const std::int32_t d = domain(group.key, node);
      const auto domains = static_cast<double>(group.counts.size());
      sum += d < 0 ? 0
                   : group.counts[static_cast<std::size_t>(d)] * std::log(domains + 2) +
                         (term.max_skew - 1);
    }
  }
  return std::llround(sum);
}

std::string PairConstraints::digest_text() const {
  std::string text;
  for (const auto& [identity, number] : group_numbers_) {
    const Group& group = groups_[static_cast<std::size_t>(number)];
    const Key& key = key_[static_cast<std::size_t>(group.key)];
    std::map<std::string, std::int32_t> by_name;
    for (std::size_t d = 0; d < group.counts.size(); ++d) {
      if (group.counts[d] != 0) by_name[key.names.name(static_cast<int>(d))] = group.counts[d];
    }
    text += fmt::format("group {} least {}", identity, group.least);
    for (const auto& [name, count] : by_name) {
      text += fmt::format(" {}={}", name, count);
    }
    text += "\n";
  }
  return text;
}

}  // namespace plimsoll::placement
