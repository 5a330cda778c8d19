// Where a gang's members go: by the gang rule, or one after the other.
#include <algorithm>
#include <set>
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
         (placed.pods.size() == 1 && gang.profile.empty());
}

placement::GangRequest Scheduler::State::request_of(const Work& asking) const {
  const model::Gang& gang = gangs[asking.gang.index()].gang;
  const auto members = static_cast<std::int32_t>(asking.pods.size());
  return {.members_min = members,
          .members_max = members,
          .gpus_per_member = specs[pods[asking.pods.front().index()].spec.index()].gpus,
          .required = gang.required_level,
          .preferred = gang.preferred_level,
          .profile = gang.profile,
          .batch_size = gang.batch_size,
          .expected = gang.expected};
}

std::vector<std::int32_t> Scheduler::State::room_for(const Work& asking,
                                                     const std::vector<bool>* allowed) const {
  std::vector<std::int32_t> room = engine.capacities(pods[asking.pods.front().index()].spec,
                                                     static_cast<std::int32_t>(asking.pods.size()));
  for (std::size_t node = 0; allowed != nullptr && node < room.size(); ++node) {
    room[node] = (*allowed)[node] ? room[node] : 0;
  }
  return room;
}

// A place for all of it now, whether or not waiting would be better.
bool Scheduler::State::place(const Work& placed, const std::vector<bool>* allowed) {
  if (!goes_by_pod(placed)) {
    const auto placement = placer->place(request_of(placed), room_for(placed, allowed));
    return placement && assume_gang(placed, *placement);
  }
  if (placed.pods.size() > 1 &&
      queue.shape(placed.shape).key.required != model::TopologyLevel::none) {
    return place_within_domains(placed, allowed);
  }
  return place_each(placed, allowed);
}

// The first domain of the required level that takes all members.
bool Scheduler::State::place_within_domains(const Work& placed, const std::vector<bool>* allowed) {
  const model::TopologyLevel level = queue.shape(placed.shape).key.required;
  std::set<std::pair<model::TopologyPath, std::size_t>> domains;
  const auto key_of = [&](std::size_t node) {
    const bool host = level == model::TopologyLevel::host;
    return std::pair(domain_of(topology[node], level), host ? node : 0);
  };
  for (std::size_t node = 0; node < topology.size(); ++node) {
    domains.insert(key_of(node));
  }
  for (const auto& domain : domains) {
    std::vector<bool> inside(topology.size());
    for (std::size_t node = 0; node < topology.size(); ++node) {
      inside[node] = key_of(node) == domain && (allowed == nullptr || (*allowed)[node]);
    }
    if (place_each(placed, &inside)) {
      return true;
    }
  }
  return false;
}

// As place(), or the gang declines: then `retry_at` says until when.
Scheduler::State::Outcome Scheduler::State::decide_gang(WorkId id,
                                                        const std::vector<bool>* allowed) {
  Work& asking = work(id);
  placement::GangDecision decision =
      placer->decide(request_of(asking), room_for(asking, allowed), now, releases(), asking.wait);
  if (decision.wait_until) {
    asking.retry_at = *decision.wait_until;
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
  if (refused.pods.size() == 1 || willing <= 0) {
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
