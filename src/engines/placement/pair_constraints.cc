#include "engines/placement/pair_constraints.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/result.h"

namespace plimsoll::placement {
namespace {

using Definition = PairGroups::Definition;
using Kind = PairGroups::Kind;
using model::RefusalCode;

PairGroups::Match match_of(const model::PodAffinityTerm& term, const std::string& own) {
  std::vector<std::string> namespaces = term.namespaces;
  if (term.every_namespace) {
    namespaces.clear();
  } else if (namespaces.empty()) {
    namespaces = {own};
  }
  std::ranges::sort(namespaces);
  return {term.every_namespace, std::move(namespaces), term.selector};
}

}  // namespace

bool PairConstraints::constrains(SpecId id) const {
  if (id.index() >= specs_.size()) {
    return false;
  }
  const Spec& spec = specs_[id.index()];
  return !spec.beside.empty() || !spec.apart.empty() || !spec.blocked_by.empty() ||
         !spec.spread.empty();
}

// The group for one more use by spec `id`; a new one counts what is there.
std::int32_t PairConstraints::group(SpecId id, Definition definition, const Cluster& cluster) {
  const auto [number, fresh] = groups_.make(std::move(definition), cluster.nodes);
  specs_[id.index()].uses.push_back(number);
  const Definition& is = groups_[number].is;
  if (!fresh || is.kind == Kind::holders) {
    return number;  // the spec that brings a term is the first to hold it
  }
  // kube-scheduler takes an empty selector of a spread to count nobody.
  if (is.kind == Kind::living && is.matches.front().selector.empty()) {
    return number;
  }
  std::vector<bool> counted(specs_.size(), false);
  for (std::size_t s = 0; s < specs_.size(); ++s) {
    if (specs_[s].known && is(specs_[s].spec)) {
      counted[s] = true;
      specs_[s].counted_in.push_back(number);
    }
  }
  for (const Placed& pod : cluster.placed) {
    if (counted[pod.spec.index()]) {
      count_into(number, pod, 1);
    }
  }
  return number;
}

void PairConstraints::add_spec(SpecId id, const model::PodSpec& spec,
                               std::span<const model::Node> nodes, std::span<const Placed> placed) {
  if (id.index() >= specs_.size()) {
    specs_.resize(id.index() + 1);
  }
  const std::vector<std::int32_t> before = std::move(specs_[id.index()].uses);
  specs_[id.index()] = Spec{};
  Spec& made = specs_[id.index()];
  made.known = true;
  made.spec.name_space = spec.name_space;
  made.spec.labels = spec.labels;
  for (std::int32_t g = 0; g < groups_.size(); ++g) {
    const PairGroups::Group& group = groups_[g];
    if (group.alive && group.is(spec)) {
      const bool nobody =
          group.is.kind == Kind::living && group.is.matches.front().selector.empty();
      if (group.is.kind == Kind::holders) {
        made.blocked_by.push_back(g);
      } else if (!nobody) {
        made.counted_in.push_back(g);
      }
    }
  }
  const Cluster cluster{nodes, placed};
  add_affinity(id, spec, cluster);
  add_anti_affinity(id, spec, cluster);
  add_spread(id, spec, true, cluster);
  add_spread(id, spec, false, cluster);
  release(before);
}

void PairConstraints::release(const std::vector<std::int32_t>& groups) {
  for (const std::int32_t g : groups) {
    if (groups_.release(g)) {
      for (Spec& spec : specs_) {
        std::erase(spec.counted_in, g);
        std::erase(spec.blocked_by, g);
      }
    }
  }
}

// A placed pod is beside the next one where it matches every required term, and then in the node's
// domain of each term's key.
void PairConstraints::add_affinity(SpecId id, const model::PodSpec& spec, const Cluster& cluster) {
  std::vector<PairGroups::Match> all;
  std::vector<std::string> keys;
  for (const model::PodAffinityTerm& term : spec.affinity) {
    if (term.weight == 0) {
      all.push_back(match_of(term, spec.name_space));
      if (std::ranges::count(keys, term.topology_key) == 0) keys.push_back(term.topology_key);
      continue;
    }
    const std::int32_t g = group(id,
                                 {.key = groups_.keys().number(term.topology_key, cluster.nodes),
                                  .matches = {match_of(term, spec.name_space)}},
                                 cluster);
    specs_[id.index()].preferred.push_back({.group = g, .weight = term.weight});
  }
  for (const std::string& key : keys) {
    const std::int32_t g =
        group(id, {.key = groups_.keys().number(key, cluster.nodes), .matches = all}, cluster);
    specs_[id.index()].beside.push_back({.group = g, .self = groups_[g].is(spec)});
  }
}

void PairConstraints::add_anti_affinity(SpecId id, const model::PodSpec& spec,
                                        const Cluster& cluster) {
  for (const model::PodAffinityTerm& term : spec.anti_affinity) {
    Definition definition{.key = groups_.keys().number(term.topology_key, cluster.nodes),
                          .matches = {match_of(term, spec.name_space)}};
    const std::int32_t g = group(id, definition, cluster);
    if (term.weight != 0) {
      specs_[id.index()].preferred.push_back({.group = g, .weight = -term.weight});
      continue;
    }
    specs_[id.index()].apart.push_back(g);
    // A pod of this spec is counted among the holders of its own terms; whom they match must heed.
    definition.kind = Kind::holders;
    const std::int32_t held = group(id, std::move(definition), cluster);
    specs_[id.index()].counted_in.push_back(held);
    for (Spec& other : specs_) {
      if (other.known && groups_[held].is(other.spec) &&
          std::ranges::count(other.blocked_by, held) == 0) {
        other.blocked_by.push_back(held);
      }
    }
  }
}

// Only nodes that have the key of every constraint of this kind count, and for each constraint
// those that its policies leave in.
void PairConstraints::add_spread(SpecId id, const model::PodSpec& spec, bool hard,
                                 const Cluster& cluster) {
  std::vector<std::int32_t> keys;
  for (const model::TopologySpread& spread : spec.spread) {
    if (spread.hard == hard) {
      keys.push_back(groups_.keys().number(spread.topology_key, cluster.nodes));
    }
  }
  std::ranges::sort(keys);
  keys.erase(std::ranges::unique(keys).begin(), keys.end());
  for (const model::TopologySpread& spread : spec.spread) {
    if (spread.hard != hard) {
      continue;
    }
    Definition definition{
        .key = groups_.keys().number(spread.topology_key, cluster.nodes),
        .kind = Kind::living,
        .matches = {{.namespaces = {spec.name_space}, .selector = spread.selector}}};
    definition.keys = keys;
    std::erase(definition.keys, definition.key);
    if (spread.honor_affinity) {
      definition.only.node_selector = spec.node_selector;
      definition.only.node_affinity = spec.node_affinity;
    }
    if (spread.honor_taints) {
      definition.honor_taints = true;
      definition.only.tolerations = spec.tolerations;
    }
    const std::int32_t g = group(id, std::move(definition), cluster);
    auto& terms = hard ? specs_[id.index()].spread : specs_[id.index()].soft_spread;
    terms.push_back({.group = g,
                     .max_skew = spread.max_skew,
                     .min_domains = spread.min_domains,
                     .self = groups_[g].is(spec)});
  }
}

void PairConstraints::count_into(std::int32_t group, const Placed& pod, std::int32_t by) {
  if (!pod.terminating || groups_[group].is.kind != Kind::living) {
    groups_.count(group, pod.node, by);
  }
}

void PairConstraints::count(const Placed& pod, std::int32_t by) {
  for (const std::int32_t g : specs_[pod.spec.index()].counted_in) {
    count_into(g, pod, by);
  }
}

PairConstraints::Refused PairConstraints::Check::refused(std::size_t node) const {
  for (const Rule& rule : rules_) {
    const std::int32_t domain = keys_->domain(rule.key, node);
    if (!holds(rule, domain)) {
      const bool keyless = domain < 0 && rule.refused.code == RefusalCode::topology_spread;
      return keyless ? Refused{rule.refused.code, "missing required label"} : rule.refused;
    }
  }
  plimsoll::check(false, "the node is refused");
  return {};
}

PairConstraints::Check::Rule PairConstraints::spread_rule(const Term& term) const {
  const PairGroups::Group& group = groups_[term.group];
  const std::int32_t least = group.domains < term.min_domains ? 0 : group.least;
  const std::int64_t most = std::int64_t{least} + term.max_skew - (term.self ? 1 : 0);
  return {.key = group.is.key,
          .group = &group,
          .most = static_cast<std::int32_t>(std::min<std::int64_t>(most, INT32_MAX)),
          .needs_key = true,
          .refused = {RefusalCode::topology_spread, ""}};
}

PairConstraints::Check PairConstraints::check(SpecId id) const {
  Check result;
  result.keys_ = &keys();
  if (id.index() >= specs_.size()) {
    return result;
  }
  const Spec& spec = specs_[id.index()];
  for (const Term& term : spec.spread) {
    result.rules_.push_back(spread_rule(term));
  }
  const auto add = [&](std::int32_t g, bool beside, Refused refused) {
    result.rules_.push_back({.key = groups_[g].is.key,
                             .group = &groups_[g],
                             .least = beside ? 1 : 0,
                             .most = beside ? INT32_MAX : 0,
                             .needs_key = beside,
                             .refused = refused});
  };
  // As in Kubernetes: the first pod of a set that asks to be beside itself may start anywhere.
  const bool first_of_its_kind = std::ranges::all_of(
      spec.beside, [&](const Term& term) { return term.self && groups_[term.group].total == 0; });
  for (const Term& term : spec.beside) {
    add(term.group, true, {RefusalCode::pod_affinity, ""});
    if (first_of_its_kind) {
      result.rules_.back().least = 0;
    }
  }
  for (const std::int32_t g : spec.apart) {
    add(g, false, {RefusalCode::pod_anti_affinity, ""});
  }
  for (const std::int32_t g : spec.blocked_by) {
    add(g, false, {RefusalCode::pod_anti_affinity, "existing pods"});
  }
  return result;
}

std::vector<std::int64_t> PairConstraints::preferred(SpecId id,
                                                     std::span<const std::size_t> among) const {
  std::vector<std::int64_t> sums(among.size(), 0);
  for (const Term& term : specs_[id.index()].preferred) {
    const PairGroups::Group& group = groups_[term.group];
    for (std::size_t i = 0; i < among.size(); ++i) {
      const std::int32_t d = keys().domain(group.is.key, among[i]);
      sums[i] += d < 0 ? 0 : std::int64_t{term.weight} * group.count(d);
    }
  }
  return sums;
}

std::vector<std::int64_t> PairConstraints::soft_spread(SpecId id,
                                                       std::span<const std::size_t> among) const {
  const std::vector<Term>& terms = specs_[id.index()].soft_spread;
  std::vector<double> sums(among.size(), 0);
  std::vector<bool> keyless(among.size(), false);
  for (const Term& term : terms) {
    const std::int32_t key = groups_[term.group].is.key;
    for (std::size_t i = 0; i < among.size(); ++i) {
      keyless[i] = keyless[i] || keys().domain(key, among[i]) < 0;
    }
  }
  for (const Term& term : terms) {
    const PairGroups::Group& group = groups_[term.group];
    std::vector<bool> seen(static_cast<std::size_t>(keys().domains(group.is.key)), false);
    std::int32_t domains = 0;
    for (std::size_t i = 0; i < among.size(); ++i) {
      if (keyless[i]) continue;
      const auto d = static_cast<std::size_t>(keys().domain(group.is.key, among[i]));
      domains += seen[d] ? 0 : 1;
      seen[d] = true;
    }
    const double weight = std::log(domains + 2.0);
    for (std::size_t i = 0; i < among.size(); ++i) {
      if (keyless[i]) continue;
      sums[i] += group.count(keys().domain(group.is.key, among[i])) * weight + (term.max_skew - 1);
    }
  }
  std::vector<std::int64_t> rounded(among.size());
  for (std::size_t i = 0; i < among.size(); ++i) {
    rounded[i] = keyless[i] ? no_spread : std::llround(sums[i]);
  }
  return rounded;
}

}  // namespace plimsoll::placement
