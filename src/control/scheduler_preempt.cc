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

// Opens a transaction in which the cluster is as it will be: what is leaving is gone, and what is
// nominated is there, but for `id` itself and for work that is less urgent. The caller rolls back.
placement::Mark Scheduler::State::imagine_later(WorkId id) {
  const placement::Mark mark = engine.checkpoint();
  for (const auto& [pod, since] : leaving) {
    if (since + config.victims_patience > now) {
      engine.forget(pod);
    }
  }
  for (const auto& [other, nomination] : nominations) {
    if (!yields_to(other, id)) {
      continue;
    }
    for (const auto& [pod, node] : nomination.places) {
      if (const auto choice = engine.find_on(pods[pod.index()].spec, node)) {
        engine.assume(pod, pods[pod.index()].spec, choice->binding);
      }
    }
  }
  return mark;
}

// Whether `id` must leave alone what is kept for `nominated`.
bool Scheduler::State::yields_to(WorkId nominated, WorkId id) {
  return nominated != id && work(nominated).key.priority_negated <= work(id).key.priority_negated;
}

// The nodes on which nothing is kept from this work; none: all of them.
std::optional<std::vector<bool>> Scheduler::State::unreserved(WorkId id,
                                                              const std::vector<bool>* allowed) {
  std::optional<std::vector<bool>> open;
  for (const auto& [other, nomination] : nominations) {
    if (!yields_to(other, id)) {
      continue;
    }
    if (!open) {
      open = allowed != nullptr ? *allowed : std::vector<bool>(topology.size(), true);
    }
    for (const auto& [pod, node] : nomination.places) {
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
  std::set<NodeId> nodes;
  for (const auto& [other, nomination] : nominations) {
    for (const auto& [waiting, node] : nomination.places) {
      if (yields_to(other, id) && (allowed == nullptr || (*allowed)[node.index()])) {
        nodes.insert(node);
      }
    }
  }
  for (const NodeId node : nodes) {
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
  for (const auto& [pod, since] : leaving) {
    if (pods[pod.index()].node == node) {
      engine.forget(pod);
    }
  }
  bool fit = true;
  for (const auto& [other, nomination] : nominations) {
    for (const auto& [pod, its_node] : nomination.places) {
      if (!fit || its_node != node || !yields_to(other, id)) {
        continue;
      }
      const SpecId spec = pods[pod.index()].spec;
      const auto choice = engine.find_on(spec, node);
      fit = choice.has_value();
      if (fit) {
        engine.assume(pod, spec, choice->binding);
      }
    }
  }
  engine.roll_back(mark);
  return fit;
}

// How many nodes would take a member of `refused`, and are kept for others.
std::int32_t Scheduler::State::kept_from(const Work& refused) {
  std::set<NodeId> nodes;
  for (const auto& [other, nomination] : nominations) {
    if (&work(other) != &refused &&
        work(other).key.priority_negated <= refused.key.priority_negated) {
      for (const auto& [pod, node] : nomination.places) {
        nodes.insert(node);
      }
    }
  }
  const SpecId spec = pods[refused.pods.front().index()].spec;
  return static_cast<std::int32_t>(std::ranges::count_if(
      nodes, [&](NodeId node) { return engine.find_on(spec, node).has_value(); }));
}

// The pods that may go for `id`: all of lower priority that stay. Gangs that go as a whole are left
// out if one of their members is not of lower priority.
std::vector<placement::Occupant> Scheduler::State::occupants(WorkId id) const {
  const Work& asking = works[id.index()];
  const std::int32_t priority = -asking.key.priority_negated;
  const auto may_go = [&](PodId pod) {
    return specs[pods[pod.index()].spec.index()].priority < priority;
  };
  std::map<GangId, bool> gangs_may_go;
  std::vector<placement::Occupant> result;
  for (std::uint32_t i = 0; i < pods.size(); ++i) {
    const PodTrack& pod = pods[i];
    const PodId pod_id(i);
    if (!pod.bound || !pod.stays() || !may_go(pod_id) ||
        (pod.gang.valid() && pod.gang == asking.gang)) {
      continue;
    }
    GangId whole;
    if (pod.gang.valid() && gangs[pod.gang.index()].gang.disrupted_whole) {
      whole = pod.gang;
      const auto [known, first_seen] = gangs_may_go.try_emplace(whole);
      if (first_seen) {
        known->second = std::ranges::all_of(gangs[whole.index()].members, [&](PodId member) {
          return !pods[member.index()].bound || may_go(member);
        });
      }
      if (!known->second) {
        continue;
      }
    }
    result.push_back({.pod = pod_id,
                      .spec = pod.spec,
                      .binding = &pod.binding,
                      .priority = specs[pod.spec.index()].priority,
                      .started = pod.started == Time() ? now : pod.started,
                      .whole = whole,
                      .do_not_disrupt = pod.do_not_disrupt});
  }
  return result;
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
  const placement::Mark mark = imagine_later(id);
  const bool found = plan_preemption(id, nomination, victims);
  engine.roll_back(mark);
  if (!found) {
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
  const std::vector<placement::Occupant> could_go = occupants(id);
  const placement::PreemptInput input{
      .engine = &engine, .occupants = could_go, .budgets = &budgets};
  const ShapeKey& shape = queue.shape(work(id).shape).key;
  if (work(id).pods.size() == 1 && shape.required_key < 0) {
    const PodId pod = work(id).pods.front();
    auto cheapest = placement::preempt_for_pod(input, pods[pod.index()].spec, allowed);
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
  const std::vector<std::uint32_t> domain = domains_of(shape);
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
  for (const auto& [pod, since] : leaving) {
    const NodeId node = pods[pod.index()].node;
    const bool there = std::ranges::any_of(nomination.places,
                                           [&](const auto& place) { return place.second == node; });
    if (there && since + config.victims_patience > now) {
      nomination.awaited.insert(pod);
    }
  }
}

void Scheduler::State::carry_out(WorkId id, Nomination nomination,
                                 const std::vector<PodId>& victims, model::Plan& plan) {
  for (const PodId victim : victims) {
    const PodTrack& pod = pods[victim.index()];
    budgets.spend(pod.spec, engine.spec(pod.spec));
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
  }
  nominations.erase(known);
  explained.reset();
  queue.unblock_all();
  ++generation;
}

// Nominated work is looked at again when something happened, or it has waited for too long.
void Scheduler::State::look_at_nominated(bool all) {
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
