// Placing, binding and refusing: what one turn does with the queue.
#include <algorithm>
#include <utility>

#include "control/scheduler_state.h"

namespace plimsoll::control {
namespace {

// Runners-up that an action names where actions explain themselves.
constexpr std::size_t alternatives_most = 3;

// FNV-1a.
std::uint64_t fingerprint_of(const model::Reason& reason) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  const auto mix = [&](std::uint64_t value) { hash = (hash ^ value) * 0x100000001b3ULL; };
  mix(static_cast<std::uint64_t>(reason.code) + 1);
  if (reason.code == model::ReasonCode::gang_incomplete) {
    mix(static_cast<std::uint64_t>(reason.missing));
  }
  for (const model::Refusal& refusal : reason.refusals) {
    mix(static_cast<std::uint64_t>(refusal.code));
    mix(static_cast<std::uint64_t>(refusal.nodes));
    for (const char c : refusal.detail) {
      mix(static_cast<unsigned char>(c));
    }
  }
  return hash;
}

}  // namespace

Result<void> Scheduler::State::decide(model::Plan& plan) {
  undo_half_bound(plan);
  evict_again(plan);
  settle_gangs();
  const bool overdue = blocked_since != never && blocked_since + config.retry_blocked <= now;
  const bool all_again = room_made || overdue;
  if (all_again) {
    queue.unblock_all();
    ++generation;
  } else if (pods_bound) {
    queue.unblock_helped_by_binds();
  }
  const std::vector<WorkId> away = std::exchange(postponed, {});
  for (const WorkId id : away) {
    if ((all_again && !work(id).backs_off) || work(id).retry_at <= now) {
      enter_queue(id);
    } else {
      postponed.push_back(id);
    }
  }
  look_at_nominated(all_again);
  TRY_VOID(decide_by_policy(plan));
  review_gangs(plan);
  tell_of_failed_binds(plan);
  tell_of_withdrawn(plan);
  if (config.retry_blocked > Duration()) {
    const bool blocked = queue.any_blocked();
    blocked_since = !blocked ? never : all_again || blocked_since == never ? now : blocked_since;
  }
  return {};
}

Result<void> Scheduler::State::decide_by_policy(model::Plan& plan) {
  switch (policy.blocked) {
    case WhenBlocked::give_up:
      return decide_each_once(plan);
    case WhenBlocked::wait:
      TRY_VOID(decide_in_order(plan));
      break;
    case WhenBlocked::skip:
      TRY_VOID(decide_skipping(plan));
      break;
    case WhenBlocked::reserve:
      TRY_VOID(decide_reserving(plan));
      break;
  }
  tell_the_untried(plan);
  return {};
}

Result<void> Scheduler::State::decide_each_once(model::Plan& plan) {
  for (const WorkId id : fresh) {
    if (work(id).phase != Work::Phase::waiting) {
      continue;
    }
    if (TRY(attempt(id, nullptr, plan)) == Outcome::no_room) {
      refuse(id, model::ReasonCode::no_room, plan);
      leave_queue(id);
      work(id).phase = Work::Phase::refused;
    }
  }
  return {};
}

Result<void> Scheduler::State::decide_in_order(model::Plan& plan) {
  while (const auto head = queue.head()) {
    if (queue.shape(work(*head).shape).blocked) {
      break;
    }
    if (TRY(attempt(*head, nullptr, plan)) == Outcome::no_room) {
      no_room(*head, plan);
    }
  }
  return {};
}

Result<void> Scheduler::State::decide_skipping(model::Plan& plan) {
  while (!due.empty() && due.begin()->first <= now) {
    const WorkId first = due.begin()->second;
    if (!queue.shape(work(first).shape).blocked &&
        TRY(attempt(first, nullptr, plan)) != Outcome::no_room) {
      continue;
    }
    return decide_with_due(first, plan);
  }
  reservation.reset();
  bool started = true;
  while (started) {  // again only where a start may have made room for another
    started = false;
    while (const auto next = queue.ready_head()) {
      switch (TRY(attempt(*next, nullptr, plan))) {
        case Outcome::started:
          started = true;
          break;
        case Outcome::put_off:
          break;
        case Outcome::no_room:
          no_room(*next, plan);
          break;
      }
    }
    queue.unblock_helped_by_binds();
  }
  return {};
}

// It preempts, or is refused until something that could help happens.
void Scheduler::State::no_room(WorkId id, model::Plan& plan) {
  if (!preempt(id, plan)) {
    refuse(id, model::ReasonCode::no_room, plan);
    queue.block(work(id).shape);
  }
}

// Tries to start waiting work now, on `allowed` nodes where given. Work that did not find room
// stays in the queue.
Result<Scheduler::State::Outcome> Scheduler::State::attempt(WorkId id,
                                                            const std::vector<bool>* allowed,
                                                            model::Plan& plan) {
  if (queue.shape(work(id).shape).gpu_milli > free_gpu_milli) {
    return Outcome::no_room;
  }
  const std::optional<std::vector<bool>> beside = beside_the_bound(work(id), allowed);
  const std::vector<bool>* const given = allowed;
  allowed = beside ? &*beside : allowed;
  const std::optional<std::vector<bool>> open = unreserved(id, allowed);
  allowed = open ? &*open : allowed;
  // A due gang takes what it gets, and under strict order waiting would only hold the others up.
  const bool may_wait = gangs_may_wait && policy.blocked != WhenBlocked::wait &&
                        now < work(id).due && !stands_in_part(work(id));
  if (may_wait && !goes_by_pod(work(id))) {
    Duration sooner;
    const Outcome outcome = decide_gang(id, allowed, sooner);
    if (outcome == Outcome::put_off) {
      decline(id, sooner, plan);
    }
    if (outcome != Outcome::started) {
      return outcome;
    }
  } else if (!place(work(id), allowed) &&
             !(open && place_beside_nominated(id, beside ? &*beside : given))) {
    return Outcome::no_room;
  }
  leave_queue(id);
  return TRY(bind(id, plan)) ? Outcome::started : Outcome::put_off;
}

// One member after the other, where the pods' policy puts it.
bool Scheduler::State::place_each(const Work& placed, const std::vector<bool>* allowed) {
  chosen.clear();
  const bool gang = placed.pods.size() > 1;
  const placement::Mark mark = gang ? engine.checkpoint() : placement::Mark{};
  for (const PodId pod : placed.pods) {
    const SpecId spec = pods[pod.index()].spec;
    auto choice = find_for(pod, allowed);
    if (!choice) {
      if (gang) {
        engine.roll_back(mark);
      }
      return false;
    }
    if (config.explain) {
      choice->rejected = engine.runners_up(spec, choice->binding.node, alternatives_most);
    }
    engine.assume(pod, spec, choice->binding);
    chosen.push_back(std::move(*choice));
  }
  if (gang) {
    engine.commit(mark);
  }
  return true;
}

// Where the pod's binding failed, if its gang stands in part and it fits there still; else the
// best.
std::optional<placement::Choice> Scheduler::State::find_for(PodId id,
                                                            const std::vector<bool>* allowed) {
  const PodTrack& pod = pods[id.index()];
  if (pod.again_on.valid() && gangs[pod.gang.index()].bound > 0 &&
      (allowed == nullptr || (*allowed)[pod.again_on.index()])) {
    if (auto again = engine.find_on(pod.spec, pod.again_on)) {
      return again;
    }
  }
  return allowed != nullptr ? engine.find_within(pod.spec, *allowed) : engine.find(pod.spec);
}

// Carries `chosen` out. If the world refuses one of them, none stays: what was bound is evicted.
Result<bool> Scheduler::State::bind(WorkId id, model::Plan& plan) {
  Work& starting = work(id);
  const Duration earlier =
      chosen_run ? placer->finish_earlier(request_of(starting), *chosen_placement, chosen_room)
                 : Duration();
  for (std::size_t i = 0; i < starting.pods.size(); ++i) {
    const PodId pod = starting.pods[i];
    model::Action action{
        .kind = model::Bind{pod, std::move(chosen[i].binding)},
        .reason = {.code = chosen_run ? model::ReasonCode::gang_step_time
                                      : model::ReasonCode::best_score,
                   .policy = config.placement.policy,
                   .score = chosen[i].score},
        .rejected = std::move(chosen[i].rejected),
    };
    if (!world.apply(action)) {
      for (std::size_t rest = i; rest < starting.pods.size(); ++rest) {
        engine.forget(starting.pods[rest]);
      }
      const std::vector<PodId> bound(starting.pods.begin(),
                                     starting.pods.begin() + static_cast<std::ptrdiff_t>(i));
      starting.pods.erase(starting.pods.begin(),
                          starting.pods.begin() + static_cast<std::ptrdiff_t>(i));
      for (const PodId evicted : bound) {
        pods[evicted.index()].work = WorkId::none();
        evict(evicted, {.code = model::ReasonCode::no_room}, plan);
      }
      PodTrack& refused = pods[pod.index()];
      refused.failed_binds = static_cast<std::uint8_t>(std::min(refused.failed_binds + 1, 100));
      put_off(id, now + back_off_of(work(id)));
      return false;
    }
    const model::Binding& binding = std::get<model::Bind>(action.kind).binding;
    hold(pod, binding, false);
    if (gangs_may_wait) {
      const auto whole = std::ranges::count(binding.gpus, whole_gpu, &model::GpuShare::milli);
      starting.held.push_back({binding.node, static_cast<std::int32_t>(whole)});
    }
    action.effect = {.cost = pods[pod.index()].cost,
                     .gpu_milli_allocated = pods[pod.index()].gpu_milli,
                     .finish_earlier = earlier};
    plan.actions.push_back(std::move(action));
  }
  if (starting.gang.valid()) {
    GangTrack& gang = gangs[starting.gang.index()];
    if (gang.gathering == id) {
      gang.gathering = WorkId::none();
    }
  }
  starting.phase = Work::Phase::running;
  const Duration run = chosen_run.value_or(starting.expected);
  starting.ends = run > Duration() ? now + run : never;
  running.emplace(starting.ends, id);
  released_later_stale = true;
  return true;
}

// The gang could start, and its predicted finish is earlier if it waits.
void Scheduler::State::decline(WorkId id, Duration sooner, model::Plan& plan) {
  const Time until = work(id).retry_at;
  leave_queue(id);
  put_off(id, until);
  const model::Reason reason{.code = model::ReasonCode::waiting_is_faster, .until = until};
  const std::uint64_t told = fingerprint_of(reason) ^ static_cast<std::uint64_t>(until.value());
  if (told != work(id).told) {
    work(id).told = told;
    plan.actions.push_back({.kind = model::Decline{work(id).gang, until},
                            .reason = reason,
                            .effect = {.finish_earlier = sooner}});
  }
}

void Scheduler::State::put_off(WorkId id, Time until) {
  work(id).phase = Work::Phase::put_off;
  work(id).retry_at = until;
  postponed.push_back(id);
}

// Records why the work stays pending, unless that was its reason already.
void Scheduler::State::refuse(WorkId id, model::ReasonCode code, model::Plan& plan) {
  const Work& refused = work(id);
  model::Reason reason{.code = code, .nodes_total = engine.node_count()};
  if (code == model::ReasonCode::no_room && config.explain) {
    if (!explained || explained->first != refused.shape) {
      explained.emplace(refused.shape, explain(refused));
    }
    reason.refusals = explained->second;
  }
  tell(id, reason, plan);
}

void Scheduler::State::tell(WorkId id, const model::Reason& reason, model::Plan& plan) {
  Work& refused = work(id);
  const std::uint64_t told = fingerprint_of(reason);
  if (!config.tell_members && told != refused.told) {
    plan.actions.push_back({.kind = model::Refuse{refused.pods.front()}, .reason = reason});
  }
  refused.told = told;
  for (const PodId pod : refused.pods) {
    if (config.tell_members && told != std::exchange(pods[pod.index()].told, told)) {
      plan.actions.push_back({.kind = model::Refuse{pod}, .reason = reason});
    }
  }
}

// Work that arrived and that nobody looked at, because others like it found no room or because it
// stands behind a blocked head.
void Scheduler::State::tell_the_untried(model::Plan& plan) {
  const auto untold = [&](const Work& arrived) {
    return arrived.told == 0 ||
           (config.tell_members && std::ranges::any_of(arrived.pods, [&](PodId pod) {
              return pods[pod.index()].told == 0;
            }));
  };
  for (const WorkId id : fresh) {
    if (work(id).phase == Work::Phase::waiting && untold(work(id))) {
      const bool blocked = queue.shape(work(id).shape).blocked;
      refuse(id, blocked ? model::ReasonCode::no_room : model::ReasonCode::behind_in_queue, plan);
    }
  }
}

}  // namespace plimsoll::control
