// What only a live world does: bindings that fail, pods that change, gangs that are half there.
#include <algorithm>
#include <utility>

#include "control/scheduler_state.h"

namespace plimsoll::control {
namespace {

// Until a pod that we asked the world to take away is asked for again.
constexpr Duration evict_again_after = seconds(std::int64_t{10});

}  // namespace

void Scheduler::State::change_pod(const model::Pod& changed) {
  PodTrack& pod = pods[changed.id.index()];
  if (!pod.present) {
    return;
  }
  const bool other_gang = pod.gang != changed.gang;
  const bool other_spec = pod.spec != changed.spec;
  const bool goes = changed.terminating && !pod.terminating;
  if (pod.bound && (other_spec || goes)) {
    room_made = true;  // its labels may count elsewhere; its claims are given up
  }
  if (goes) {
    evictions.erase(changed.id);
  }
  if (goes && pod.bound) {
    leaving.try_emplace(changed.id, now);
  }
  if (pod.bound) {
    touch_node(pod.node);
  }
  pod.started = changed.started;
  pod.do_not_disrupt = changed.do_not_disrupt;
  const WorkId from = pod.work;
  const bool moves = !pod.bound && (other_gang || goes || !from.valid());
  const bool reshaped = !pod.bound && !moves && other_spec;
  if (moves) {
    leave(changed.id);
  } else if (reshaped && !work(from).backs_off) {
    leave_queue(from);
  }
  if (other_gang) {
    quit(changed.id);
  } else {
    tally(pod, -1);
  }
  pod.spec = changed.spec;
  pod.gang = changed.gang;
  pod.terminating = changed.terminating;
  if (other_gang) {
    enlist(changed.id);
  } else {
    tally(pod, 1);
  }
  if (moves && pod.stays()) {
    join(changed.id);
  } else if (reshaped && !work(from).backs_off) {
    enter_queue(from);
  }
}

// The world took the binding on, and it did not come about. A member of a gang is tried again where
// it was to be; the others stay.
void Scheduler::State::bind_failed(PodId id) {
  PodTrack& pod = pods[id.index()];
  if (!pod.present || !pod.bound || pod.confirmed) {
    return;
  }
  pod.again_on = pod.gang.valid() ? pod.node : NodeId::none();
  leave(id);
  unhold(id);
  room_made = true;
  if (!pod.stays()) {
    return;
  }
  pod.failed_binds = static_cast<std::uint8_t>(std::min(pod.failed_binds + 1, 100));
  failed_binds.push_back(id);
  join(id);
  const WorkId again = pod.work;
  leave_queue(again);
  put_off(again, now + back_off_of(work(again)));
  work(again).backs_off = true;
}

// By the member whose binding failed most often.
Duration Scheduler::State::back_off_of(const Work& failed) const {
  int times = 1;
  for (const PodId pod : failed.pods) {
    times = std::max(times, int{pods[pod.index()].failed_binds});
  }
  Duration delay = config.bind_backoff_first;
  for (int i = 1; i < times && delay < config.bind_backoff_most; ++i) {
    delay = delay * 2;
  }
  return std::min(delay, config.bind_backoff_most);
}

// It holds its room until it is gone, and is no member of its gang any more.
void Scheduler::State::evict(PodId id, model::Reason reason, model::Plan& plan) {
  PodTrack& pod = pods[id.index()];
  tally(pod, -1);
  pod.evicting = true;
  tally(pod, 1);
  leaving.try_emplace(id, now);
  touch_node(pod.node);
  model::Action action{
      .kind = model::Evict{id}, .reason = std::move(reason), .effect = effect_of_evicting(id)};
  evictions[id] = {.ask_again = now + evict_again_after, .reason = action.reason};
  if (world.apply(action)) {
    plan.actions.push_back(std::move(action));
  }
}

void Scheduler::State::evict_again(model::Plan& plan) {
  std::vector<PodId> asked;
  for (const auto& [pod, eviction] : evictions) {
    if (eviction.ask_again <= now) {
      asked.push_back(pod);
    }
  }
  for (const PodId id : asked) {
    PodTrack& pod = pods[id.index()];
    if (pod.bound) {
      evict(id, evictions[id].reason, plan);
      continue;
    }
    evictions.erase(id);  // its binding failed, and it is still there
    tally(pod, -1);
    pod.evicting = false;
    tally(pod, 1);
    join(id);
  }
}

// Gangs whose members came, went or were bound: whether they have enough of them now.
void Scheduler::State::settle_gangs() {
  for (const GangId id : touched) {
    const GangTrack& gang = gangs[id.index()];
    if (!gang.gathering.valid()) {
      continue;
    }
    const Work& gathering = work(gang.gathering);
    const bool nominated = gathering.phase == Work::Phase::nominated;
    const bool waits = nominated || gathering.phase == Work::Phase::waiting;
    if (!waits && gathering.phase != Work::Phase::forming) {
      continue;
    }
    const auto members = static_cast<std::int32_t>(gathering.pods.size());
    const bool enough = gang.known() && members + gang.bound >= gang.gang.min_members;
    const bool completes = gang.bound > 0 && gang.has_domain();
    if (waits != enough ||
        (waits && !nominated && queue.shape(gathering.shape).key.completes.valid() != completes)) {
      leave_queue(gang.gathering);
      enter_queue(gang.gathering);
    }
  }
}

// At the end of a turn: which gangs stand half bound, and what those that lack members are told.
void Scheduler::State::review_gangs(model::Plan& plan) {
  for (const GangId id : std::exchange(touched, {})) {
    GangTrack& gang = gangs[id.index()];
    gang.touched = false;
    gang.was_whole = gang.was_whole || (gang.known() && gang.confirmed >= gang.gang.min_members);
    const bool half = gang.half_bound();
    if (half && gang.half_since == never) {
      gang.half_since = now;
      half_bound.emplace(now + config.gang_timeout, id);
    } else if (!half && gang.half_since != never) {
      half_bound.erase({gang.half_since + config.gang_timeout, id});
      gang.half_since = never;
    }
    if (config.tell_members && gang.gathering.valid() &&
        work(gang.gathering).phase == Work::Phase::forming) {
      tell(gang.gathering, incomplete(gang), plan);
    }
  }
}

// Gangs that were not completed in time give back what they hold.
void Scheduler::State::undo_half_bound(model::Plan& plan) {
  while (!half_bound.empty() && half_bound.begin()->first <= now) {
    const GangId id = half_bound.begin()->second;
    half_bound.erase(half_bound.begin());
    GangTrack& gang = gangs[id.index()];
    gang.half_since = never;
    if (!gang.half_bound()) {
      continue;
    }
    const model::Reason reason = incomplete(gang);
    for (const PodId member : gang.members) {
      if (pods[member.index()].bound && pods[member.index()].stays()) {
        evict(member, reason, plan);
      }
    }
  }
}

model::Reason Scheduler::State::incomplete(const GangTrack& gang) const {
  const std::int32_t there = gang.bound + gang.pending;
  return {.code = model::ReasonCode::gang_incomplete,
          .nodes_total = engine.node_count(),
          .missing = gang.known() ? std::max(0, gang.gang.min_members - there) : 0};
}

void Scheduler::State::tell_of_failed_binds(model::Plan& plan) {
  for (const PodId id : std::exchange(failed_binds, {})) {
    const PodTrack& pod = pods[id.index()];
    if (pod.present && !pod.bound && pod.failed_binds > 0) {
      plan.actions.push_back(
          {.kind = model::Refuse{id},
           .reason = {.code = model::ReasonCode::bind_failed, .nodes_total = engine.node_count()}});
    }
  }
}

}  // namespace plimsoll::control
