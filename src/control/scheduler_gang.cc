// Where a gang's members go: by the gang rule, or one after the other.
#include <algorithm>
#include <map>
#include <span>
#include <utility>

#include "control/scheduler_state.h"

namespace plimsoll::control {
namespace {

constexpr Duration overdue_least = seconds(std::int64_t{1});

// The domain of `path` at `level`: what is narrower is left out.
model::TopologyPath domain_of(model::TopologyPath path, model::TopologyLevel level) {
  using model::TopologyLevel;
  if (level < TopologyLevel::nvlink_domain) path.nvlink_domain.clear();
  if (level < TopologyLevel::rack) path.rack.clear();
  if (level < TopologyLevel::block) path.block.clear();
  return path;
}

}  // namespace

bool Scheduler::State::goes_by_pod(const Work& placed) const {
  if (!placer || !placed.gang.valid()) {
    return true;
  }
  const model::Gang& gang = gangs[placed.gang.index()].gang;
  return queue.shape(placed.shape).key.mixed.valid() ||
         specs[pods[placed.pods.front().index()].spec.index()].looks_at_pods ||
         (placed.pods.size() == 1 && !placement::predictable(gang, 1));
}

bool Scheduler::State::stands_in_part(const Work& placed) const {
  return placed.gang.valid() && gangs[placed.gang.index()].bound > 0;
}

placement::GangRequest Scheduler::State::request_of(const Work& asking) {
  const model::Gang& gang = gangs[asking.gang.index()].gang;
  const auto members = static_cast<std::int32_t>(asking.pods.size());
  const SpecFacts& member = specs[pods[asking.pods.front().index()].spec.index()];
  return {.members_min = members,
          .members_max = members,
          .gpus_per_member = member.whole_gpus,
          .required = gang.required_level,
          .preferred = gang.preferred_level,
          .domain = gang.required_key.empty() ? std::span<const std::uint32_t>()
                                              : domains_under(key_number(gang.required_key)),
          .domain_key = gang.required_key,
          .profile = gang.profile,
          .batch_size = gang.batch_size,
          // Of a part of the gang the model would predict a ring that does not exist.
          .gradients = stands_in_part(asking) ? Bytes() : gang.gradients,
          .step = gang.step,
          .gpu_models = member.gpu.models,
          .expected = gang.expected};
}

// How many members each node takes. Those that go by a gang rule ask nothing of other pods, but
// other pods may keep them off.
std::vector<std::int32_t> Scheduler::State::room_for(const Work& asking,
                                                     const std::vector<bool>* allowed) {
  const SpecId spec = pods[asking.pods.front().index()].spec;
  std::vector<std::int32_t> room =
      engine.capacities(spec, static_cast<std::int32_t>(asking.pods.size()));
  const bool heeds = engine.heeds_pods(spec);
  for (std::uint32_t node = 0; node < room.size(); ++node) {
    if ((allowed != nullptr && !(*allowed)[node]) ||
        (heeds && room[node] > 0 && !engine.find_on(spec, NodeId(node)))) {
      room[node] = 0;
    }
  }
  return room;
}

// A place for all of it now, whether or not waiting would be better.
bool Scheduler::State::place(const Work& placed, const std::vector<bool>* allowed) {
  chosen_run.reset();
  const auto tried_before = [&](PodId pod) { return pods[pod.index()].again_on.valid(); };
  if (stands_in_part(placed) && std::ranges::any_of(placed.pods, tried_before)) {
    return place_each(placed, allowed);
  }
  if (!goes_by_pod(placed)) {
    chosen_room = room_for(placed, allowed);
    const auto placement = placer->place(request_of(placed), chosen_room);
    return placement && assume_gang(placed, *placement);
  }
  const ShapeKey& shape = queue.shape(placed.shape).key;
  if (shape.required_key >= 0 ||
      (placed.pods.size() > 1 && shape.required != model::TopologyLevel::none)) {
    return place_within_domains(placed, allowed);
  }
  if (placed.pods.size() > 1) {
    const std::vector<std::uint32_t> everywhere(topology.size(), 0);
    if (!domains_with_room(placed, allowed, everywhere, 1)[0]) {
      return false;
    }
  }
  return place_each(placed, allowed);
}

// The domain of each node at `level`, numbered in the order of their paths.
const std::vector<std::uint32_t>& Scheduler::State::domains_at(model::TopologyLevel level) {
  std::vector<std::uint32_t>& numbers = domain_numbers[static_cast<std::size_t>(level)];
  if (numbers.size() == topology.size()) {
    return numbers;
  }
  const bool host = level == model::TopologyLevel::host;
  std::map<std::pair<model::TopologyPath, std::size_t>, std::uint32_t> known;
  for (std::size_t node = 0; node < topology.size(); ++node) {
    known[{domain_of(topology[node], level), host ? node : 0}] = 0;
  }
  std::uint32_t next = 0;
  for (auto& [domain, number] : known) {
    number = next++;
  }
  numbers.clear();
  for (std::size_t node = 0; node < topology.size(); ++node) {
    numbers.push_back(known[{domain_of(topology[node], level), host ? node : 0}]);
  }
  return numbers;
}

std::int32_t Scheduler::State::key_number(const std::string& label) {
  const auto known = std::ranges::find(domain_keys, label, &DomainKey::label);
  const auto number = static_cast<std::int32_t>(known - domain_keys.begin());
  if (known == domain_keys.end()) {
    domain_keys.push_back({.label = label, .numbers = {}});
  }
  return number;
}

// The domain of each node under a label, numbered in the order of its values.
const std::vector<std::uint32_t>& Scheduler::State::domains_under(std::int32_t key) {
  auto& [label, numbers] = domain_keys[static_cast<std::size_t>(key)];
  if (numbers.size() == topology.size()) {
    return numbers;
  }
  std::vector<const std::string*> values;
  std::map<std::string_view, std::uint32_t> known;
  for (std::uint32_t id = 0; id < topology.size(); ++id) {
    const model::Node& node = engine.node(NodeId(id));
    values.push_back(node.id.valid() ? model::find_label(node.labels, label) : nullptr);
    if (values.back() != nullptr) {
      known[*values.back()] = 0;
    }
  }
  std::uint32_t next = 0;
  for (auto& [value, number] : known) {
    number = next++;
  }
  numbers.clear();
  for (const std::string* value : values) {
    numbers.push_back(value != nullptr ? known[*value] : placement::no_domain);
  }
  return numbers;
}

const std::vector<std::uint32_t>& Scheduler::State::domains_of(const ShapeKey& key) {
  return key.required_key >= 0 ? domains_under(key.required_key) : domains_at(key.required);
}

// The domain in which the first of them stands.
std::optional<std::vector<bool>> Scheduler::State::beside_the_bound(
    const Work& placed, const std::vector<bool>* allowed) {
  const ShapeKey& shape = queue.shape(placed.shape).key;
  if (!shape.completes.valid()) {
    return std::nullopt;
  }
  const std::vector<PodId>& members = gangs[placed.gang.index()].members;
  const auto stands = std::ranges::find_if(
      members, [&](PodId pod) { return pods[pod.index()].bound && pods[pod.index()].stays(); });
  if (stands == members.end()) {
    return std::nullopt;
  }
  const std::vector<std::uint32_t>& domain = domains_of(shape);
  const std::uint32_t theirs = domain[pods[stands->index()].node.index()];
  std::vector<bool> inside(domain.size());
  for (std::size_t node = 0; node < domain.size(); ++node) {
    inside[node] = domain[node] == theirs && (allowed == nullptr || (*allowed)[node]);
  }
  return inside;
}

// The first domain of those that the gang requires that takes all members.
bool Scheduler::State::place_within_domains(const Work& placed, const std::vector<bool>* allowed) {
  const std::vector<std::uint32_t>& domain = domains_of(queue.shape(placed.shape).key);
  std::uint32_t domains = 0;
  for (const std::uint32_t number : domain) {
    domains = number == placement::no_domain ? domains : std::max(domains, number + 1);
  }
  const std::vector<bool> may_take = domains_with_room(placed, allowed, domain, domains);
  for (std::uint32_t d = 0; d < domains; ++d) {
    if (!may_take[d]) {
      continue;
    }
    std::vector<bool> inside(domain.size());
    for (std::size_t node = 0; node < domain.size(); ++node) {
      inside[node] = domain[node] == d && (allowed == nullptr || (*allowed)[node]);
    }
    if (place_each(placed, &inside)) {
      return true;
    }
  }
  return false;
}

// The domains whose nodes together have room for as many pods as the gang has of each spec: much
// cheaper to know than to place members until one finds no place.
std::vector<bool> Scheduler::State::domains_with_room(const Work& placed,
                                                      const std::vector<bool>* allowed,
                                                      std::span<const std::uint32_t> domain,
                                                      std::uint32_t domains) const {
  std::map<SpecId, std::int32_t> members;
  for (const PodId pod : placed.pods) {
    ++members[pods[pod.index()].spec];
  }
  std::vector<bool> may_take(domains, true);
  for (const auto& [spec, count] : members) {
    std::vector<std::int64_t> room(domains);
    const std::vector<std::int32_t> by_node = engine.capacities(spec, count);
    for (std::size_t node = 0; node < by_node.size(); ++node) {
      if (domain[node] != placement::no_domain && (allowed == nullptr || (*allowed)[node])) {
        room[domain[node]] += by_node[node];
      }
    }
    for (std::uint32_t d = 0; d < domains; ++d) {
      may_take[d] = may_take[d] && room[d] >= count;
    }
  }
  return may_take;
}

// As place(), or the gang declines: then `retry_at` says until when.
Scheduler::State::Outcome Scheduler::State::decide_gang(WorkId id, const std::vector<bool>* allowed,
                                                        Duration& sooner) {
  Work& asking = work(id);
  chosen_run.reset();
  chosen_room = room_for(asking, allowed);
  placement::GangDecision decision =
      placer->decide(request_of(asking), chosen_room, now, releases(), asking.wait);
  if (decision.wait_until) {
    asking.retry_at = *decision.wait_until;
    sooner = decision.sooner;
    return Outcome::put_off;
  }
  if (!decision.start) {
    return Outcome::no_room;
  }
  return assume_gang(asking, *decision.start) ? Outcome::started : Outcome::no_room;
}

bool Scheduler::State::assume_gang(const Work& placed, const placement::GangPlacement& placement) {
  check(placement.members == static_cast<std::int32_t>(placed.pods.size()),
        "a gang rule places every member");
  auto choices = placement::assume_gang(engine, pods[placed.pods.front().index()].spec, placed.pods,
                                        placement);
  if (!choices) {
    return false;
  }
  chosen = std::move(*choices);
  if (placement.slowdown) {
    chosen_run = placement::expected_on(request_of(placed), placement);
    chosen_placement = placement;
  }
  return true;
}

// What runs, and when it is predicted to give back what it holds. Work that should be over is
// expected to take as long again as it is late.
std::span<const placement::Release> Scheduler::State::releases() {
  if (!released_later_stale && released_as_of == now) {
    return released_later;
  }
  released_later_stale = false;
  released_as_of = now;
  released_later.clear();
  for (const auto& [ends, id] : running) {
    if (ends == never) {
      break;
    }
    const Time at = ends > now ? ends : now + std::max(now - ends, overdue_least);
    released_later.push_back({.at = at, .shares = work(id).held});
  }
  std::ranges::stable_sort(released_later, {}, &placement::Release::at);
  return released_later;
}

// Why it has no room, node by node. A node that takes a member is refused too: for want of room for
// all of them, or of a domain that has it.
std::vector<model::Refusal> Scheduler::State::explain(const Work& refused) {
  const SpecId spec = pods[refused.pods.front().index()].spec;
  std::vector<model::Refusal> refusals = engine.explain(spec);
  std::int32_t willing = engine.node_count();
  for (const model::Refusal& refusal : refusals) {
    willing -= refusal.nodes;
  }
  if (const auto kept = kept_from(refused); kept > 0) {
    refusals.push_back({.code = model::RefusalCode::reserved, .nodes = kept});
    willing -= kept;
  }
  const ShapeKey& shape = queue.shape(refused.shape).key;
  const bool bounded = shape.completes.valid() || shape.required_key >= 0;
  if ((refused.pods.size() == 1 && !bounded) || willing <= 0) {
    return refusals;
  }
  if (bounded && goes_by_pod(refused)) {  // they are not where its other members are, or may be
    refusals.push_back({.code = model::RefusalCode::gang_topology,
                        .detail = gangs[refused.gang.index()].gang.required_key,
                        .nodes = willing});
    return refusals;
  }
  if (!goes_by_pod(refused)) {
    placement::WaitState none;
    const std::vector<model::Refusal> domains =
        placer->decide(request_of(refused), room_for(refused, nullptr), now, {}, none).refusals;
    if (!domains.empty()) {
      refusals.insert(refusals.end(), domains.begin(), domains.end());
      return refusals;
    }
  }
  const bool asks_gpus = specs[spec.index()].gpus > 0;
  refusals.push_back(
      {.code = asks_gpus ? model::RefusalCode::gpu : model::RefusalCode::cpu, .nodes = willing});
  return refusals;
}

}  // namespace plimsoll::control
