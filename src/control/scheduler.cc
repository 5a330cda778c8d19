#include "control/scheduler.h"

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

#include "control/scheduler_state.h"

namespace plimsoll::control {
void Scheduler::State::load(const model::Snapshot& snapshot) {
  now = snapshot.now;
  for (const model::Node& node : snapshot.nodes) {
    if (node.id.valid()) {
      follow(node);
    }
  }
  for (std::size_t i = 0; i < snapshot.specs.size(); ++i) {
    add_spec(SpecId(static_cast<std::uint32_t>(i)), snapshot.specs[i]);
  }
  for (const model::Gang& gang : snapshot.gangs) {
    if (gang.id.valid()) {
      upsert_gang(gang);
    }
  }
  for (const model::DisruptionBudget& budget : snapshot.budgets) {
    if (budget.id.valid()) {
      budgets.upsert(budget);
    }
  }
  for (const model::Pod& pod : snapshot.pods) {
    if (pod.id.valid()) {
      add_pod(pod);
    }
  }
}

void Scheduler::State::follow(const model::Delta& delta) {
  if (const auto* added = std::get_if<model::PodAdded>(&delta)) {
    add_pod(added->pod);
  } else if (const auto* bound = std::get_if<model::PodBound>(&delta)) {
    pod_bound(*bound);
  } else if (const auto* removed = std::get_if<model::PodRemoved>(&delta)) {
    remove_pod(removed->pod);
  } else if (const auto* gang = std::get_if<model::GangUpserted>(&delta)) {
    upsert_gang(gang->gang);
  } else if (const auto* disbanded = std::get_if<model::GangRemoved>(&delta)) {
    remove_gang(disbanded->gang);
  } else if (const auto* spec = std::get_if<model::SpecAdded>(&delta)) {
    add_spec(spec->id, spec->spec);
  } else if (const auto* upserted = std::get_if<model::NodeUpserted>(&delta)) {
    follow(upserted->node);
  } else if (const auto* lost = std::get_if<model::NodeRemoved>(&delta)) {
    remove_node(lost->node);
  } else if (const auto* changed = std::get_if<model::PodChanged>(&delta)) {
    change_pod(changed->pod);
  } else if (const auto* failed_bind = std::get_if<model::BindFailed>(&delta)) {
    bind_failed(failed_bind->pod);
  } else if (const auto* budget = std::get_if<model::BudgetUpserted>(&delta)) {
    const bool eased = budgets.upsert(budget->budget);
    room_made = room_made || (eased && config.preemption);
    memos.clear();
  } else if (const auto* unbudgeted = std::get_if<model::BudgetRemoved>(&delta)) {
    budgets.remove(unbudgeted->budget);
    memos.clear();
    room_made = room_made || config.preemption;
  }
}

void Scheduler::State::follow(const model::Node& node) {
  std::int64_t& offered = slot(node_gpu_milli, node.id);
  free_gpu_milli -= offered;
  offered = static_cast<std::int64_t>(node.gpus.size()) * whole_gpu.value();
  free_gpu_milli += offered;
  slot(topology, node.id) = node.topology;
  slot(prices, node.id) = model::NodePrice(node);
  forget_domains();
  slot(pods_on, node.id);
  touch_node(node.id);
  room_made = true;
  reservation_stale = true;
}

void Scheduler::State::remove_node(NodeId node) {
  free_gpu_milli -= node_gpu_milli[node.index()];
  node_gpu_milli[node.index()] = 0;
  forget_domains();
  room_made = true;  // a spread constraint looks at fewer domains now
  reservation_stale = true;
}

void Scheduler::State::add_spec(SpecId id, const model::PodSpec& spec) {
  if (id.index() < specs.size()) {
    queue.forget(id);
    budgets.forget(id);
    memos.erase(id);
  }
  const bool mig = !spec.gpu.mig_profile.empty();
  slot(specs, id) = {.priority = spec.priority,
                     .gpu_milli = mig ? 0 : spec.gpu.count * spec.gpu.milli.value(),
                     .gpus = spec.gpu.count,
                     .whole_gpus = mig || spec.gpu.milli != whole_gpu ? 0 : spec.gpu.count,
                     .requests = spec.requests,
                     .gpu = spec.gpu,
                     .helped_by_binds = !spec.affinity.empty() || !spec.spread.empty(),
                     .looks_at_pods = !spec.affinity.empty() || !spec.anti_affinity.empty() ||
                                      !spec.spread.empty(),
                     .preempts = spec.preempts};
}

void Scheduler::State::forget_domains() {
  domain_numbers.fill({});
  for (DomainKey& key : domain_keys) {
    key.numbers.clear();
  }
}

void Scheduler::State::upsert_gang(const model::Gang& gang) {
  GangTrack& track = slot(gangs, gang.id);
  if (track.gang == gang) {
    return;
  }
  track.gang = gang;
  touch(gang.id);
  touch_members(track);
  if (track.gathering.valid() && !work(track.gathering).backs_off) {
    leave_queue(track.gathering);
    enter_queue(track.gathering);
  }
}

void Scheduler::State::remove_gang(GangId id) {
  GangTrack& track = gangs[id.index()];
  if (track.half_since != never) {
    half_bound.erase({track.half_since + config.gang_timeout, id});
  }
  check(track.members.empty(), "a gang is removed after its pods");
  track = {};
}

void Scheduler::State::add_pod(const model::Pod& pod) {
  slot(pods, pod.id) = {.present = true,
                        .terminating = pod.terminating,
                        .spec = pod.spec,
                        .gang = pod.gang,
                        .created = pod.created,
                        .started = pod.started,
                        .do_not_disrupt = pod.do_not_disrupt};
  enlist(pod.id);
  if (pod.binding) {
    pods_bound = true;
    hold(pod.id, *pod.binding, true);
    if (pod.terminating) {
      leaving.emplace(pod.id, now);
    }
  } else if (!pod.terminating) {
    join(pod.id);
  }
}

void Scheduler::State::touch(GangId id) {
  GangTrack& gang = slot(gangs, id);
  if (!gang.touched) {
    gang.touched = true;
    touched.push_back(id);
  }
}

// Counts the pod in (by = 1), in its gang too, or out.
void Scheduler::State::tally(const PodTrack& pod, std::int32_t by) {
  if (config.preemption && pod.bound && pod.stays()) {
    const std::int32_t priority = specs[pod.spec.index()].priority;
    if ((bound_by_priority[priority] += by) == 0) {
      bound_by_priority.erase(priority);
    }
  }
  if (!pod.gang.valid()) {
    return;
  }
  touch(pod.gang);
  GangTrack& gang = gangs[pod.gang.index()];
  if (config.preemption && gang.gang.disrupted_whole) {
    touch_members(gang);
  }
  if (!pod.stays()) {
    return;
  }
  (pod.bound ? gang.bound : gang.pending) += by;
  gang.confirmed += pod.bound && pod.confirmed ? by : 0;
}

// What one member costs, all do.
void Scheduler::State::touch_members(const GangTrack& gang) {
  for (const PodId member : gang.members) {
    if (pods[member.index()].bound) {
      touch_node(pods[member.index()].node);
    }
  }
}

void Scheduler::State::enlist(PodId id) {
  tally(pods[id.index()], 1);
  if (const GangId gang = pods[id.index()].gang; gang.valid()) {
    gangs[gang.index()].members.push_back(id);
  }
}

void Scheduler::State::quit(PodId id) {
  tally(pods[id.index()], -1);
  if (const GangId gang = pods[id.index()].gang; gang.valid()) {
    std::erase(gangs[gang.index()].members, id);
  }
}

void Scheduler::State::hold(PodId id, const model::Binding& binding, bool confirmed) {
  PodTrack& pod = pods[id.index()];
  tally(pod, -1);
  pod.bound = true;
  pod.confirmed = confirmed;
  pod.node = binding.node;
  if (config.preemption) {
    pod.binding = binding;
    slot(pods_on, pod.node).push_back(id);
    touch_node(pod.node);
  }
  pod.told = 0;
  pod.gpu_milli = 0;
  for (const model::GpuShare& share : binding.gpus) {
    pod.gpu_milli += share.milli.value();
  }
  const SpecFacts& asked = specs[pod.spec.index()];
  pod.cost = slot(prices, binding.node).share(asked.requests, asked.gpu);
  free_gpu_milli -= pod.gpu_milli;
  tally(pod, 1);
  explained.reset();
}

void Scheduler::State::unhold(PodId id) {
  PodTrack& pod = pods[id.index()];
  tally(pod, -1);
  free_gpu_milli += pod.gpu_milli;
  pod.gpu_milli = 0;
  pod.bound = pod.confirmed = false;
  tally(pod, 1);
  if (config.preemption) {
    std::erase(pods_on[pod.node.index()], id);
    touch_node(pod.node);
  }
  leaving.erase(id);
  explained.reset();
}

void Scheduler::State::pod_bound(const model::PodBound& delta) {
  PodTrack& pod = pods[delta.pod.index()];
  pods_bound = true;
  pod.failed_binds = 0;
  pod.again_on = NodeId::none();
  if (pod.bound && pod.node == delta.binding.node) {  // our own
    tally(pod, -1);
    pod.confirmed = true;
    tally(pod, 1);
    return;
  }
  if (pod.bound) {  // another was faster, elsewhere
    unhold(delta.pod);
    room_made = true;
  } else {
    leave(delta.pod);
  }
  hold(delta.pod, delta.binding, true);
}

void Scheduler::State::remove_pod(PodId id) {
  PodTrack& pod = pods[id.index()];
  if (!pod.present) {
    return;
  }
  const bool leaves = leaving.contains(id);
  if (pod.bound) {
    unhold(id);
    room_made = true;
  }
  quit(id);
  leave(id);
  evictions.erase(id);
  if (leaves) {
    for (auto& [nominated, nomination] : nominations) {
      nomination.awaited.erase(id);
    }
  }
  pods[id.index()] = {};
}

model::Effect Scheduler::State::effect_of_evicting(PodId id) const {
  const PodTrack& pod = pods[id.index()];
  return {.cost = MicroUsdPerHour() - pod.cost, .gpu_milli_allocated = -pod.gpu_milli};
}

WorkId Scheduler::State::new_work(GangId gang) {
  WorkId id;
  if (free_works.empty()) {
    id = WorkId(static_cast<std::uint32_t>(works.size()));
    works.emplace_back();
  } else {
    id = free_works.back();
    free_works.pop_back();
  }
  Work& fresh_work = work(id);
  fresh_work.phase = Work::Phase::forming;
  fresh_work.gang = gang;
  fresh_work.key.sequence = next_sequence++;
  return id;
}

// A pending pod joins the work that its gang gathers, or becomes work of its own.
void Scheduler::State::join(PodId id) {
  PodTrack& pod = pods[id.index()];
  WorkId target;
  if (pod.gang.valid()) {
    GangTrack& gang = slot(gangs, pod.gang);
    if (!gang.gathering.valid()) {
      gang.gathering = new_work(pod.gang);
    }
    target = gang.gathering;
  } else {
    target = new_work(GangId::none());
  }
  pod.work = target;
  if (work(target).backs_off) {
    work(target).pods.push_back(id);
    return;
  }
  leave_queue(target);
  work(target).pods.push_back(id);
  enter_queue(target);
}

// A pod is gone from its work: because it was removed, or bound by another.
void Scheduler::State::leave(PodId id) {
  const WorkId from = pods[id.index()].work;
  if (!from.valid()) {
    return;
  }
  pods[id.index()].work = WorkId::none();
  if (!work(from).backs_off || work(from).pods.size() == 1) {
    leave_queue(from);
  }
  std::erase(work(from).pods, id);
  if (work(from).pods.empty()) {
    end(from);
  } else if (work(from).phase == Work::Phase::forming) {
    enter_queue(from);
  }
}

// Puts gathered work in the queue if it has enough members. Its place there is that of its first
// time: a gang keeps its submission, a pod its creation.
void Scheduler::State::enter_queue(WorkId id) {
  Work& entering = work(id);
  const PodTrack& first = pods[entering.pods.front().index()];
  const SpecFacts& facts = specs[first.spec.index()];
  std::int32_t priority = facts.priority;  // of a gang, the least: so it takes nobody's room unduly
  for (const PodId pod : entering.pods) {
    priority = std::min(priority, specs[pods[pod.index()].spec.index()].priority);
  }
  entering.key.priority_negated = -priority;
  entering.key.submitted = first.created;
  entering.expected = {};
  ShapeKey shape{.spec = first.spec, .members = static_cast<std::int32_t>(entering.pods.size())};
  if (entering.gang.valid()) {
    const GangTrack& gang = gangs[entering.gang.index()];
    if (!gang.known() || shape.members + gang.bound < gang.gang.min_members) {
      entering.phase = Work::Phase::forming;
      touch(entering.gang);  // to be told so
      return;
    }
    entering.key.submitted = gang.gang.submitted;
    entering.expected = gang.gang.expected;
    shape.required = gang.gang.required_level;
    shape.required_key = gang.gang.required_key.empty() ? -1 : key_number(gang.gang.required_key);
    shape.completes = gang.bound > 0 && gang.has_domain() ? entering.gang : GangId::none();
  }
  const bool shortest = policy.order == QueueOrder::shortest;
  const bool unknown = entering.expected == Duration();
  entering.key.rank = !shortest ? Duration()
                      : unknown ? Duration(std::numeric_limits<std::int64_t>::max())
                                : entering.expected;
  const bool alike = std::ranges::all_of(
      entering.pods, [&](PodId pod) { return pods[pod.index()].spec == first.spec; });
  if (!alike) {  // they are placed one after the other: the largest first
    std::ranges::sort(entering.pods, {}, [&](PodId pod) {
      const SpecFacts& asked = specs[pods[pod.index()].spec.index()];
      return std::tuple(-asked.gpu_milli, Millicores() - asked.requests.cpu, pods[pod.index()].spec,
                        pod);
    });
  }
  shape.mixed = alike ? WorkId::none() : id;
  shape.nominated = nominations.contains(id) ? id : WorkId::none();
  entering.shape = queue.shape_of(shape, [&] {
    Shape made{.key = shape};
    for (const PodId pod : entering.pods) {
      const SpecFacts& asked = specs[pods[pod.index()].spec.index()];
      made.gpu_milli += asked.gpu_milli;
      made.helped_by_binds = made.helped_by_binds || asked.helped_by_binds;
    }
    return made;
  });
  // Where measured profiles decide, every gang may be waited for; where the ring model does, only
  // one that let others go ahead.
  if (gangs_may_wait && entering.gang.valid() &&
      (!gangs[entering.gang.index()].gang.profile.empty() || entering.wait.first_declined)) {
    entering.due = placer->due_at(request_of(entering), entering.key.submitted);
    if (entering.due != never) {
      due.emplace(entering.due, id);
    }
  }
  entering.phase = Work::Phase::waiting;
  entering.backs_off = false;
  queue.push(entering.shape, entering.key, id, entering.expected);
  fresh.push_back(id);
}

// Takes work that waits, or was put off, out again; other work stays as it is.
void Scheduler::State::leave_queue(WorkId id) {
  Work& work_left = work(id);
  if (work_left.phase == Work::Phase::waiting) {
    queue.erase(work_left.shape, work_left.key, id, work_left.expected);
    queue.drop_own(work_left.shape);
    due.erase({work_left.due, id});
    work_left.phase = Work::Phase::forming;
  } else if (work_left.phase == Work::Phase::put_off) {
    std::erase(postponed, id);
    work_left.phase = Work::Phase::forming;
    work_left.backs_off = false;
  } else if (work_left.phase == Work::Phase::nominated) {
    work_left.phase = Work::Phase::forming;
  }
  drop_nomination(id);
}

// Nothing is left of the work.
void Scheduler::State::end(WorkId id) {
  Work& ended = work(id);
  if (ended.phase == Work::Phase::running) {
    running.erase({ended.ends, id});
    reservation_stale = reservation_stale || ended.ends != now;
    released_later_stale = true;
  }
  if (ended.gang.valid() && gangs[ended.gang.index()].gathering == id) {
    gangs[ended.gang.index()].gathering = WorkId::none();
  }
  if (reservation && reservation->head == id) {
    reservation.reset();
  }
  ended = {};
  free_works.push_back(id);
}

SchedulerConfig SchedulerConfig::live() {
  SchedulerConfig config;
  config.queue = "skip";
  config.retry_blocked = seconds(std::int64_t{300});
  config.tell_members = true;
  config.preemption = true;
  return config;
}

Result<Scheduler> Scheduler::make(ports::World& world, const ports::Clock& clock,
                                  SchedulerConfig config) {
  const QueuePolicy policy = TRY(find_queue_policy(config.queue));
  const model::Snapshot snapshot = world.snapshot();
  placement::Engine engine = TRY(placement::Engine::make(snapshot, config.placement));
  auto state = std::make_unique<State>(world, clock, std::move(engine));
  if (config.gangs.rule != "by_pod") {
    state->placer = TRY(placement::GangPlacer::make(snapshot, config.gangs));
    state->gangs_may_wait = state->placer->may_wait();
  }
  state->config = std::move(config);
  state->policy = policy;
  state->load(snapshot);
  for (State::GangTrack& gang : state->gangs) {
    gang.was_whole = gang.bound > 0 && gang.pending == 0;
  }
  return Scheduler(std::move(state));
}

Result<void> Scheduler::follow() {
  State& s = *state_;
  s.now = s.clock.now();
  s.changes.clear();
  s.explained.reset();
  TRY_VOID(s.world.observe(s.changes));
  for (const model::Delta& change : s.changes) {
    TRY_VOID(s.engine.apply(change));
    if (s.placer) {
      s.placer->apply(change);
    }
    s.follow(change);
  }
  return {};
}

Result<void> Scheduler::turn(model::Plan& plan) {
  State& s = *state_;
  TRY_VOID(follow());
  plan.made = s.now;
  TRY_VOID(s.decide(plan));
  s.fresh.clear();
  s.room_made = false;
  s.pods_bound = false;
  return {};
}

Time Scheduler::next_wake() const {
  Time wake = never;
  for (const WorkId id : state_->postponed) {
    wake = std::min(wake, state_->work(id).retry_at);
  }
  if (!state_->half_bound.empty()) {
    wake = std::min(wake, state_->half_bound.begin()->first);
  }
  for (const auto& [pod, eviction] : state_->evictions) {
    wake = std::min(wake, eviction.ask_again);
  }
  for (const auto& [id, nomination] : state_->nominations) {
    wake = std::min(wake, nomination.until);
  }
  if (state_->blocked_since != never) {
    wake = std::min(wake, state_->blocked_since + state_->config.retry_blocked);
  }
  return wake;
}

std::optional<Promise> Scheduler::promise() const {
  const State& s = *state_;
  if (!s.reservation) {
    return std::nullopt;
  }
  return Promise{.first = s.works[s.reservation->head.index()].pods.front(),
                 .at = s.reservation->at};
}

QueueLength Scheduler::length() const {
  const auto waits_nominated = [&](const auto& nominated) {
    return state_->work(nominated.first).phase == Work::Phase::nominated;
  };
  return {.pending =
              state_->queue.size() + state_->postponed.size() +
              static_cast<std::size_t>(std::ranges::count_if(state_->nominations, waits_nominated)),
          .running = state_->running.size()};
}

const placement::Engine& Scheduler::engine() const { return state_->engine; }
placement::Engine& Scheduler::engine() { return state_->engine; }

Scheduler::Scheduler(std::unique_ptr<State> state) : state_(std::move(state)) {}
Scheduler::Scheduler(Scheduler&&) noexcept = default;
Scheduler& Scheduler::operator=(Scheduler&&) noexcept = default;
Scheduler::~Scheduler() = default;

}  // namespace plimsoll::control
