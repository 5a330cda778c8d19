// Preemption: who goes for whom, and the room that is kept for those who wait for it.
//
// Work that found no room and may preempt gets the cheapest set of pods of lower priority that
// makes room for all of it (placement/preempt.h). They are evicted in one batch, and the work is
// nominated: its nodes are kept from work of lower or equal priority until it is bound, changes, or
// its victims are gone and it still has no room. What leaves anyway is never preempted for twice.
#include <algorithm>
#include <utility>

#include "control/scheduler_state.h"
#include "engines/placement/preempt.h"

namespace plimsoll::control {

namespace {

// Specs of which preemption remembers what each node costs.
constexpr std::size_t memos_max = 32;

}  // namespace

// Something of the node changed that preemption looks at.
void Scheduler::State::touch_node(NodeId node) { slot(node_versions, node) += 1; }

// Inside a transaction of the caller's: makes the node as it will be. What is leaving is gone, and
// what is nominated is there, but for `id` itself and for work that is less urgent.
void Scheduler::State::imagine(NodeId node, WorkId id) {
  for (const PodId pod : pods_on[node.index()]) {
    if (leaves_soon(pod)) {
      engine.forget(pod);
    }
  }
  const auto kept = kept_on.find(node);
  if (kept == kept_on.end()) {
    return;
  }
  for (const auto& [other, pod] : kept->second) {
    if (!yields_to(other, id)) {
      continue;
    }
    const SpecId spec = pods[pod.index()].spec;
    if (const auto choice = engine.find_on(spec, node)) {
      engine.assume(pod, spec, choice->binding);
    }
  }
}

// The whole cluster as it will be.
placement::Mark Scheduler::State::imagine_all(WorkId id) {
  const placement::Mark mark = engine.checkpoint();
  std::set<NodeId> nodes;
  for (const auto& [pod, since] : leaving) {
    nodes.insert(pods[pod.index()].node);
  }
  for (const auto& [node, kept] : kept_on) {
    nodes.insert(node);
  }
  for (const NodeId node : nodes) {
    imagine(node, id);
  }
  return mark;
}

bool Scheduler::State::leaves_soon(PodId pod) const {
  const auto known = leaving.find(pod);
  return known != leaving.end() && known->second + config.victims_patience > now;
}

// Whether `id` must leave alone what is kept for `nominated`.
bool Scheduler::State::yields_to(WorkId nominated, WorkId id) {
  return nominated != id && work(nominated).key.priority_negated <= work(id).key.priority_negated;
}

// The nodes on which nothing is kept from this work; none: all of them.
std::optional<std::vector<bool>> Scheduler::State::unreserved(WorkId id,
                                                              const std::vector<bool>* allowed) {
  std::optional<std::vector<bool>> open;
  for (const auto& [node, kept] : kept_on) {
    const bool closed =
        std::ranges::any_of(kept, [&](const auto& place) { return yields_to(place.first, id); });
    if (closed && !open) {
      open = allowed != nullptr ? *allowed : std::vector<bool>(topology.size(), true);
    }
    if (closed) {
      (*open)[node.index()] = false;
    }
  }
  return open;
}

// A place for a single pod on a node that is kept for others, where they will fit all the same.
bool Scheduler::State::place_beside_nominated(WorkId id, const std::vector<bool>* allowed) {
  const Work& placed = work(id);
  if (placed.pods.size() != 1) {
    return false;
  }
  const PodId pod = placed.pods.front();
  const SpecId spec = pods[pod.index()].spec;
  for (const auto& [node, kept] : kept_on) {
    if (allowed != nullptr && !(*allowed)[node.index()]) {
      continue;
    }
    auto choice = engine.find_on(spec, node);
    if (!choice) {
      continue;
    }
    const placement::Mark mark = engine.checkpoint();
    engine.assume(pod, spec, choice->binding);
    if (all_fit_later(node, id)) {
      engine.commit(mark);
      chosen.clear();
      chosen.push_back(std::move(*choice));
      return true;
    }
    engine.roll_back(mark);
  }
  return false;
}

// Whether all that waits for `node` and is not less urgent than `id` fits there, once what leaves
// it is gone.
bool Scheduler::State::all_fit_later(NodeId node, WorkId id) {
  const placement::Mark mark = engine.checkpoint();
  for (const PodId pod : pods_on[node.index()]) {
    if (leaving.contains(pod)) {
      engine.forget(pod);
    }
  }
  const bool fit = std::ranges::all_of(kept_on[node], [&](const auto& place) {
    const auto& [other, pod] = place;
    if (!yields_to(other, id)) {
      return true;
    }
    const SpecId spec = pods[pod.index()].spec;
    const auto choice = engine.find_on(spec, node);
    if (choice) {
      engine.assume(pod, spec, choice->binding);
    }
    return choice.has_value();
  });
  engine.roll_back(mark);
  return fit;
}

// How many nodes would take a member of `refused`, and are kept for others.
std::int32_t Scheduler::State::kept_from(const Work& refused) {
  const SpecId spec = pods[refused.pods.front().index()].spec;
  return static_cast<std::int32_t>(std::ranges::count_if(kept_on, [&](const auto& entry) {
    const bool closed = std::ranges::any_of(entry.second, [&](const auto& place) {
      const Work& other = work(place.first);
      return &other != &refused && other.key.priority_negated <= refused.key.priority_negated;
    });
    return closed && engine.find_on(spec, entry.first).has_value();
  }));
}

// The pods that may go from a node for `id`: those of lower priority that stay. With a member of a
// gang that goes as a whole all others may go, or none if one is not of lower priority.
void Scheduler::State::occupants(NodeId node, WorkId id, std::vector<placement::Occupant>& result) {
  const Work& asking = work(id);
  const std::int32_t priority = -asking.key.priority_negated;
  const auto may_go = [&](PodId pod) {
    return specs[pods[pod.index()].spec.index()].priority < priority;
  };
  const auto add = [&](PodId pod_id, GangId whole) {
    const PodTrack& pod = pods[pod_id.index()];
    const bool breaks = pod.gang.valid() && !whole.valid() && gangs[pod.gang.index()].known();
    if (pod.bound && pod.stays() && may_go(pod_id)) {
      result.push_back({.pod = pod_id,
                        .spec = pod.spec,
                        .binding = &pod.binding,
                        .priority = specs[pod.spec.index()].priority,
                        .started = pod.started == Time() ? never : pod.started,
                        .whole = whole,
                        .do_not_disrupt = pod.do_not_disrupt,
                        .counts_as = breaks ? gangs[pod.gang.index()].gang.min_members : 1});
    }
  };
  for (const PodId pod : pods_on[node.index()]) {
    const GangId gang = pods[pod.index()].gang;
    if (gang.valid() && gang == asking.gang) {
      continue;
    }
    if (!gang.valid() || !gangs[gang.index()].gang.disrupted_whole) {
      add(pod, GangId::none());
      continue;
    }
    const std::vector<PodId>& members = gangs[gang.index()].members;
    if (std::ranges::all_of(
            members, [&](PodId member) { return !pods[member.index()].bound || may_go(member); })) {
      for (const PodId member : members) {
        add(member, gang);
      }
    }
  }
}

// `id` has no room now. Whether it waits for pods to leave: for some that leave already, or for
// some that are evicted for it now.
bool Scheduler::State::preempt(WorkId id, model::Plan& plan) {
  if (!config.preemption) {
    return false;
  }
  const auto known = nominations.find(id);
  if (known != nominations.end() && !known->second.awaited.empty() && now < known->second.until) {
    Nomination nomination = std::move(known->second);
    nominations.erase(known);
    leave_queue(id);
    work(id).phase = Work::Phase::nominated;
    nominations.emplace(id, std::move(nomination));
    return true;
  }
  if (known != nominations.end()) {
    leave_queue(id);  // and lose the nomination, and the shape of its own
    enter_queue(id);
  }
  const Work& asking = work(id);
  const bool allowed_to = std::ranges::all_of(
      asking.pods, [&](PodId pod) { return specs[pods[pod.index()].spec.index()].preempts; });
  if (!allowed_to || bound_by_priority.empty() ||
      bound_by_priority.begin()->first >= -asking.key.priority_negated) {
    return false;
  }
  Nomination nomination{.until = now + config.victims_patience};
  std::vector<PodId> victims;
  if (!plan_preemption(id, nomination, victims)) {
    return false;
  }
  carry_out(id, std::move(nomination), victims, plan);
  return true;
}

// In the cluster as it will be: where all of `id` goes, and who has to leave for that.
bool Scheduler::State::plan_preemption(WorkId id, Nomination& nomination,
                                       std::vector<PodId>& victims) {
  const std::optional<std::vector<bool>> beside = beside_the_bound(work(id), nullptr);
  const std::vector<bool>* allowed = beside ? &*beside : nullptr;
  const PodId first = work(id).pods.front();
  const SpecId spec = pods[first.index()].spec;
  const bool single = work(id).pods.size() == 1 && queue.shape(work(id).shape).key.required_key < 0;
  if (single && !work(id).gang.valid() &&
      !engine.heeds_pods(spec)) {  // node by node, as far as they changed
    if (memos.size() >= memos_max && !memos.contains(spec)) {
      memos.clear();
    }
    const placement::PreemptInput input{.engine = &engine,
                                        .budgets = &budgets,
                                        .occupants = occupants_for(id),
                                        .imagine = [&](NodeId node) { imagine(node, id); }};
    const auto cheapest =
        placement::preempt_for_pod(input, spec, allowed, node_versions, memos[spec]);
    if (cheapest) {
      nomination.places.emplace_back(first, cheapest->node);
      victims = cheapest->victims;
      await_leaving(nomination);
    }
    return cheapest && !(victims.empty() && nomination.awaited.empty());
  }
  const placement::Mark mark = imagine_all(id);
  const bool found = plan_in_imagined(id, allowed, single, nomination, victims);
  engine.roll_back(mark);
  return found;
}

std::function<void(NodeId, std::vector<placement::Occupant>&)> Scheduler::State::occupants_for(
    WorkId id) {
  return [this, id](NodeId node, std::vector<placement::Occupant>& result) {
    occupants(node, id, result);
  };
}

bool Scheduler::State::plan_in_imagined(WorkId id, const std::vector<bool>* allowed, bool single,
                                        Nomination& nomination, std::vector<PodId>& victims) {
  const auto keep_places = [&] {
    for (std::size_t i = 0; i < work(id).pods.size(); ++i) {
      nomination.places.emplace_back(work(id).pods[i], chosen[i].binding.node);
    }
  };
  if (place(work(id), allowed)) {  // it waits for what leaves anyway
    keep_places();
    await_leaving(nomination);
    return !nomination.awaited.empty();
  }
  const placement::PreemptInput input{
      .engine = &engine, .budgets = &budgets, .occupants = occupants_for(id), .imagine = {}};
  if (single) {
    const PodId pod = work(id).pods.front();
    placement::PreemptMemo once;
    auto cheapest =
        placement::preempt_for_pod(input, pods[pod.index()].spec, allowed, node_versions, once);
    if (cheapest) {
      nomination.places.emplace_back(pod, cheapest->node);
      victims = std::move(cheapest->victims);
    }
    return cheapest.has_value();
  }
  std::vector<placement::Preemptor> members;
  for (const PodId pod : work(id).pods) {
    members.push_back({.pod = pod, .spec = pods[pod.index()].spec});
  }
  const std::vector<std::uint32_t> domain = domains_of(queue.shape(work(id).shape).key);
  for (placement::Preemption& candidate :
       placement::preempt_for_gang(input, members, domain, allowed)) {
    std::vector<bool> inside(domain.size());
    for (std::size_t node = 0; node < domain.size(); ++node) {
      inside[node] = domain[node] == candidate.domain && (allowed == nullptr || (*allowed)[node]);
    }
    const placement::Mark mark = engine.checkpoint();
    for (const PodId victim : candidate.victims) {
      engine.forget(victim);
    }
    const bool placed = place(work(id), &inside);
    engine.roll_back(mark);
    if (placed) {
      keep_places();
      victims = std::move(candidate.victims);
      return true;
    }
  }
  return false;
}

// What leaves the nominated nodes already is waited for too.
void Scheduler::State::await_leaving(Nomination& nomination) const {
  for (const auto& [pod, node] : nomination.places) {
    for (const PodId there : pods_on[node.index()]) {
      if (leaves_soon(there)) {
        nomination.awaited.insert(there);
      }
    }
  }
}

void Scheduler::State::carry_out(WorkId id, Nomination nomination,
                                 const std::vector<PodId>& victims, model::Plan& plan) {
  for (const PodId victim : victims) {
    const PodTrack& pod = pods[victim.index()];
    if (budgets.spend(pod.spec, engine.spec(pod.spec))) {
      memos.clear();
    }
    const NodeId node = pod.node;
    evict(victim, {.code = model::ReasonCode::preempted, .node = node, .by = work(id).pods.front()},
          plan);
  }
  await_leaving(nomination);
  model::Reason reason{.code = model::ReasonCode::preempting, .nodes_total = engine.node_count()};
  if (config.explain) {
    reason.refusals = explain(work(id));
  }
  leave_queue(id);
  work(id).phase = Work::Phase::nominated;
  work(id).told = 0;
  explained.reset();
  for (const auto& [pod, node] : nomination.places) {
    pods[pod.index()].told = 0;
    reason.node = node;
    model::Action action{.kind = model::Nominate{pod, node}, .reason = reason};
    if (world.apply(action)) {
      plan.actions.push_back(std::move(action));
    }
  }
  for (const auto& [pod, node] : nomination.places) {
    kept_on[node].emplace_back(id, pod);
    touch_node(node);
  }
  nominations.emplace(id, std::move(nomination));
}

// Its nodes are kept for it no more. Others may have room there now.
void Scheduler::State::drop_nomination(WorkId id) {
  const auto known = nominations.find(id);
  if (known == nominations.end()) {
    return;
  }
  for (const auto& [pod, node] : known->second.places) {
    withdrawn.push_back(pod);
    auto& kept = kept_on[node];
    std::erase(kept, std::pair(id, pod));
    if (kept.empty()) {
      kept_on.erase(node);
    }
    touch_node(node);
  }
  nominations.erase(known);
  explained.reset();
  queue.unblock_all();
  ++generation;
}

// Nominated work is looked at again when something happened, or it has waited for too long.
void Scheduler::State::look_at_nominated(bool all) {
  for (const auto& [pod, since] : leaving) {
    const Time last = since + config.victims_patience;
    if (last <= now && last > patience_seen) {
      touch_node(pods[pod.index()].node);
    }
  }
  patience_seen = now;
  std::vector<WorkId> again;
  std::vector<WorkId> too_late;  // it is in the queue, and nobody came to it
  for (const auto& [id, nomination] : nominations) {
    if (work(id).phase == Work::Phase::nominated && (all || nomination.until <= now)) {
      again.push_back(id);
    } else if (nomination.until <= now) {
      too_late.push_back(id);
    }
  }
  for (const WorkId id : too_late) {
    leave_queue(id);
    enter_queue(id);
  }
  for (const WorkId id : again) {
    work(id).phase = Work::Phase::forming;
    enter_queue(id);
    if (work(id).phase != Work::Phase::waiting) {
      drop_nomination(id);
    }
  }
}

// Pods that were nominated, and are pending without a node that is kept for them.
void Scheduler::State::tell_of_withdrawn(model::Plan& plan) {
  for (const PodId id : std::exchange(withdrawn, {})) {
    const PodTrack& pod = pods[id.index()];
    if (!pod.present || pod.bound || (pod.work.valid() && nominations.contains(pod.work))) {
      continue;
    }
    model::Action action{
        .kind = model::Nominate{id, NodeId::none()},
        .reason = {.code = model::ReasonCode::no_room, .nodes_total = engine.node_count()}};
    if (world.apply(action)) {
      plan.actions.push_back(std::move(action));
    }
  }
}

}  // namespace plimsoll::control
