#include "sim/simulator.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <queue>
#include <utility>

#include "base/random.h"
#include "control/journal.h"
#include "control/plan_hash.h"
#include "control/queue_policy.h"
#include "sim/job_speed.h"
#include "sim/meter.h"

namespace plimsoll::sim {
namespace {

constexpr std::size_t turns_between_polls = 256;
constexpr std::size_t idle_wakes_max = 100'000;

using Phase = JobRun::Phase;

// Where a pod of the world belongs in the workload.
struct Member {
  std::uint32_t job = 0;
  std::int32_t member = 0;
};

struct Completion {
  Time at;
  std::uint32_t job = 0;
  std::uint32_t generation = 0;

  friend auto operator<=>(const Completion&, const Completion&) = default;
};

Result<void> check_input(const model::Cluster& cluster, const model::Workload& workload,
                         const SimConfig& config) {
  for (std::size_t i = 0; i < workload.jobs.size(); ++i) {
    const model::Job& job = workload.jobs[i];
    const auto wrong = [&](std::string_view what) {
      return bad_input(fmt::format("workload: job {} '{}': {}", i, job.name, what));
    };
    if (!job.spec.valid() || job.spec.index() >= workload.specs.size()) {
      return wrong(fmt::format("spec: found {}, expected one of {}", job.spec.value(),
                               workload.specs.size()));
    }
    if (job.members < 1) {
      return wrong(fmt::format("members: found {}, expected at least 1", job.members));
    }
    if (job.duration < Duration() || !(job.iterations >= 0)) {
      return wrong("duration, iterations: found a negative one");
    }
    if (i > 0 && job.submitted < workload.jobs[i - 1].submitted) {
      return wrong("submitted: found a time before that of the job ahead of it");
    }
  }
  if (cluster.nodes.empty()) {
    return bad_input("cluster: nodes: found none, expected at least one");
  }
  if (!std::ranges::is_sorted(config.node_events, {}, &NodeEvent::at)) {
    return bad_input("node events: at: found them out of order");
  }
  return {};
}

// Refuses some bindings at random, as an API server does that is busy or behind.
class FlakyWorld final : public ports::World {
 public:
  FlakyWorld(ports::World& world, const SimConfig& config)
      : world_(&world),
        per_million_(config.bind_failures_per_million),
        random_(config.fault_seed) {}

  model::Snapshot snapshot() override { return world_->snapshot(); }
  Result<void> observe(std::vector<model::Delta>& changes) override {
    return world_->observe(changes);
  }
  Result<void> apply(const model::Action& action) override {
    if (std::holds_alternative<model::Bind>(action.kind) &&
        random_.below(1'000'000) < per_million_) {
      return failed("bind: injected fault");
    }
    return world_->apply(action);
  }

 private:
  ports::World* world_;
  std::uint64_t per_million_;
  Random random_;
};

class Simulation {
 public:
  Simulation(const model::Cluster& cluster, const model::Workload& workload,
             const SimConfig& config, SimWorld world)
      : workload_(workload),
        config_(config),
        world_(std::move(world)),
        start_(workload.jobs.empty() ? Time() : workload.jobs.front().submitted),
        speed_(cluster, workload, config),
        meter_({.start = start_,
                .expected_span =
                    workload.jobs.empty() ? Duration() : workload.jobs.back().submitted - start_,
                .points_max = config.timeline_points_max}),
        runs_(workload.jobs.size()) {}

  Result<SimResult> run();

 private:
  Result<void> prepare();
  [[nodiscard]] Time next_time();
  Result<void> step(Time now);
  Result<void> poll();

  Result<void> submit(std::uint32_t job);
  void add_pods(std::uint32_t job, Time submitted);
  void complete(std::uint32_t job);
  void fail(std::uint32_t job);
  void happen(const NodeEvent& event);
  void lose_node(NodeId node);
  void restart(std::uint32_t job);
  void withdraw(std::uint32_t job);  // its pods and its gang
  void release(PodId pod);

  Result<void> turn();
  Result<void> carried_out(const model::Action& action);
  Result<void> bound(const model::Bind& bind);
  void add_evicted();
  SimResult report();

  [[nodiscard]] const model::Job& job(std::uint32_t index) const { return workload_.jobs[index]; }
  [[nodiscard]] const model::PodSpec& spec(std::uint32_t index) const {
    return workload_.specs[job(index).spec.index()];
  }
  PodId add_pod(std::uint32_t job, std::int32_t member);
  void change_pending(std::int64_t jobs) {
    pending_ += jobs;
    meter_.add_pending(jobs);
  }
  Meter::Held held(PodId pod) const;

  const model::Workload& workload_;
  const SimConfig& config_;
  SimWorld world_;
  std::optional<FlakyWorld> flaky_;
  std::optional<control::RecordingWorld> recorder_;
  std::optional<control::Scheduler> scheduler_;
  Time start_;
  JobSpeed speed_;
  Meter meter_;
  bool each_once_ = false;  // the queue policy tries each job once, when it arrives

  std::vector<JobRun> runs_;  // by job
  std::vector<TenantId> tenants_;
  std::vector<Member> members_;            // by pod of the world
  std::vector<Member> evicted_;            // in this turn
  std::vector<std::size_t> placement_at_;  // by job: its first row in result_.placements
  std::priority_queue<Completion, std::vector<Completion>, std::greater<>> completions_;
  std::size_t arrivals_ = 0;
  std::size_t node_events_ = 0;
  std::int64_t pending_ = 0;    // jobs
  std::size_t idle_wakes_ = 0;  // turns in a row that nothing but the scheduler asked for
  Time last_completion_;
  model::Plan plan_;
  control::PlanHash hash_;
  SimResult result_;
};

Result<void> Simulation::prepare() {
  each_once_ = TRY(control::find_queue_policy(config_.scheduler.queue)).blocked ==
               control::WhenBlocked::give_up;
  world_.set_now(start_);
  for (const model::PodSpec& spec : workload_.specs) {
    world_.add_spec(spec);
  }
  std::map<std::string_view, TenantId> ids;
  for (const model::Job& job : workload_.jobs) {
    TenantId& id = ids[job.tenant];
    if (!id.valid() && !job.tenant.empty()) {
      id = world_.add_tenant(job.tenant);
    }
    tenants_.push_back(id);
  }
  for (const model::Node& node : world_.truth().nodes) {
    meter_.add_node(node);
  }
  result_.completion_seconds.resize(workload_.jobs.size());
  result_.waiting_seconds.resize(workload_.jobs.size());
  if (config_.placements) {
    std::size_t rows = 0;
    for (const model::Job& job : workload_.jobs) {
      placement_at_.push_back(rows);
      rows += static_cast<std::size_t>(job.members);
    }
    result_.placements.reserve(rows);
    for (std::uint32_t i = 0; i < workload_.jobs.size(); ++i) {
      for (std::int32_t member = 0; member < job(i).members; ++member) {
        result_.placements.push_back({.job = i, .member = member});
      }
    }
  }
  ports::World* world = &world_;
  if (config_.bind_failures_per_million > 0) {
    flaky_.emplace(world_, config_);
    world = &*flaky_;
  }
  if (config_.journal != nullptr) {
    recorder_.emplace(*world, world_, *config_.journal);
    world = &*recorder_;
  }
  scheduler_.emplace(TRY(control::Scheduler::make(*world, world_, config_.scheduler)));
  return {};
}

Result<SimResult> Simulation::run() {
  TRY_VOID(prepare());
  Time now = start_;
  while (true) {
    const Time next = next_time();
    if (next == never || next > config_.until) {
      break;
    }
    now = std::max(now, next);
    const std::size_t settled = result_.completed + arrivals_ + node_events_;
    TRY_VOID(step(now));
    idle_wakes_ = settled == result_.completed + arrivals_ + node_events_ ? idle_wakes_ + 1 : 0;
    if (idle_wakes_ > idle_wakes_max) {
      return failed("the world refuses what the scheduler tries, again and again");
    }
  }
  if (config_.until != never && now < config_.until) {
    meter_.advance(config_.until);
    world_.set_now(config_.until);
  }
  return report();
}

Time Simulation::next_time() {
  while (!completions_.empty()) {
    const Completion& next = completions_.top();
    if (runs_[next.job].generation == next.generation) {
      break;
    }
    completions_.pop();
  }
  Time next = completions_.empty() ? never : completions_.top().at;
  const bool work_left = next != never || arrivals_ < workload_.jobs.size() || pending_ > 0;
  if (work_left && node_events_ < config_.node_events.size()) {
    next = std::min(next, config_.node_events[node_events_].at);
  }
  if (arrivals_ < workload_.jobs.size()) {
    next = std::min(next, workload_.jobs[arrivals_].submitted);
  }
  return std::min(next, scheduler_->next_wake());
}

Result<void> Simulation::step(Time now) {
  if (config_.fragmentation && meter_.ends_stretch(now)) {
    const auto fragmentation = scheduler_->engine().fragmentation();
    meter_.fragmentation_percent =
        fragmentation.free_milli == 0
            ? 0
            : 100 * fragmentation.fragmented_milli / fragmentation.free_milli;
  }
  meter_.advance(now);
  world_.set_now(now);
  while (!completions_.empty() && completions_.top().at <= now) {
    const Completion done = completions_.top();
    completions_.pop();
    if (runs_[done.job].generation == done.generation) {
      complete(done.job);
    }
  }
  while (node_events_ < config_.node_events.size() && config_.node_events[node_events_].at <= now) {
    happen(config_.node_events[node_events_++]);
  }
  bool decided = false;
  while (arrivals_ < workload_.jobs.size() && workload_.jobs[arrivals_].submitted <= now) {
    TRY_VOID(submit(static_cast<std::uint32_t>(arrivals_++)));
    if (each_once_) {
      TRY_VOID(turn());
      decided = true;
    }
  }
  return decided ? Result<void>() : turn();
}

Result<void> Simulation::poll() {
  if (config_.stop != nullptr && config_.stop->load(std::memory_order_relaxed)) {
    return failed("stopped before the end");
  }
  if (config_.progress && !runs_.empty()) {
    config_.progress(static_cast<double>(arrivals_ + result_.completed + result_.failed) /
                     static_cast<double>(2 * runs_.size()));
  }
  return {};
}

Result<void> Simulation::submit(std::uint32_t index) {
  runs_[index].work_left = TRY(speed_.expected(job(index)));
  ++result_.arrived;
  add_pods(index, job(index).submitted);
  return {};
}

// A job that ends, or has several members, is a gang: it carries what is known of it.
void Simulation::add_pods(std::uint32_t index, Time submitted) {
  const model::Job& its = job(index);
  JobRun& run = runs_[index];
  run.phase = Phase::pending;
  run.bound = 0;
  change_pending(1);
  if (its.members > 1 || run.work_left > Duration()) {
    run.gang = world_.add_gang({.name = its.name,
                                .tenant = tenants_[index],
                                .min_members = its.members,
                                .max_members = its.members,
                                .required_level = its.required_level,
                                .preferred_level = its.preferred_level,
                                .profile = its.profile,
                                .batch_size = its.batch_size,
                                .gradients = its.gradients,
                                .step = its.step,
                                .submitted = submitted,
                                .expected = run.work_left});
  }
  run.pods.resize(static_cast<std::size_t>(its.members));
  for (std::int32_t member = 0; member < its.members; ++member) {
    run.pods[static_cast<std::size_t>(member)] = add_pod(index, member);
  }
}

PodId Simulation::add_pod(std::uint32_t index, std::int32_t member) {
  const model::Job& its = job(index);
  const PodId pod =
      world_.add_pod(its.members == 1 ? its.name : fmt::format("{}-{}", its.name, member), its.spec,
                     runs_[index].gang, tenants_[index]);
  if (members_.size() <= pod.index()) {
    members_.resize(pod.index() + 1);
  }
  members_[pod.index()] = {.job = index, .member = member};
  return pod;
}

Meter::Held Simulation::held(PodId pod) const {
  const model::Binding& binding = *world_.truth().pods[pod.index()].binding;
  const std::uint32_t index = members_[pod.index()].job;
  return {.node = world_.truth().nodes[binding.node.index()],
          .spec = spec(index),
          .binding = binding,
          .busy_milli = job(index).gpu_utilization_milli};
}

// The pod's time on its GPUs is over.
void Simulation::release(PodId pod) {
  if (world_.truth().pods[pod.index()].binding) {
    meter_.give(held(pod));
  }
}

void Simulation::withdraw(std::uint32_t index) {
  JobRun& run = runs_[index];
  ++run.generation;
  for (const PodId pod : run.pods) {
    if (pod.valid()) {  // else it was lost with its node
      release(pod);
      world_.remove_pod(pod);
    }
  }
  run.pods = {};
  if (run.gang.valid()) {
    world_.remove_gang(run.gang);
    run.gang = GangId::none();
  }
}

void Simulation::complete(std::uint32_t index) {
  JobRun& run = runs_[index];
  speed_.leave(job(index), run, world_.truth());
  withdraw(index);
  run.phase = Phase::completed;
  ++result_.completed;
  last_completion_ = world_.now();
  result_.completion_seconds[index] = to_seconds(world_.now() - job(index).submitted);
}

void Simulation::fail(std::uint32_t index) {
  withdraw(index);
  runs_[index].phase = Phase::failed;
  ++result_.failed;
  change_pending(-1);
}

void Simulation::happen(const NodeEvent& event) {
  if (event.kind == NodeEvent::Kind::add) {
    const NodeId id = world_.add_node(event.node);
    meter_.add_node(world_.truth().nodes[id.index()]);
    return;
  }
  const NodeId node = event.target;
  const auto& nodes = world_.truth().nodes;
  if (node.index() >= nodes.size() || !nodes[node.index()].id.valid()) {
    return;
  }
  if (event.kind == NodeEvent::Kind::recover) {
    world_.recover_node(node);
    meter_.set_ready(node, true);
    return;
  }
  lose_node(node);
  if (event.kind == NodeEvent::Kind::remove) {
    world_.remove_node(node);
    meter_.remove_node(node);
  } else {
    world_.fail_node(node);
    meter_.set_ready(node, false);
  }
}

// Every job with a pod on the node loses all of them, and is submitted again.
void Simulation::lose_node(NodeId node) {
  std::vector<std::uint32_t> hit;
  for (const PodId pod : world_.pods_on(node)) {
    hit.push_back(members_[pod.index()].job);
  }
  std::ranges::sort(hit);
  hit.erase(std::ranges::unique(hit).begin(), hit.end());
  for (const std::uint32_t index : hit) {
    restart(index);
  }
}

void Simulation::restart(std::uint32_t index) {
  JobRun& run = runs_[index];
  if (run.phase == Phase::running) {
    ++result_.restarts;
    speed_.leave(job(index), run, world_.truth());
    if (run.work_left > Duration() && config_.checkpoint_interval > Duration()) {
      const double done = static_cast<double>((world_.now() - run.started).value()) / run.slowdown;
      const std::int64_t interval = config_.checkpoint_interval.value();
      const std::int64_t saved = static_cast<std::int64_t>(done) / interval * interval;
      run.work_left = std::max(run.work_left - microseconds(saved), microseconds(1));
    }
  } else {
    change_pending(-1);  // add_pods() counts it again
  }
  withdraw(index);
  add_pods(index, job(index).submitted);
}

Result<void> Simulation::turn() {
  if (++result_.turns % turns_between_polls == 0) {
    TRY_VOID(poll());
  }
  plan_.actions.clear();
  TRY_VOID(scheduler_->turn(plan_));
  for (const model::Action& action : plan_.actions) {
    TRY_VOID(carried_out(action));
  }
  add_evicted();
  result_.actions += plan_.actions.size();
  hash_.add(plan_);
  if (config_.audit) {
    TRY_VOID(config_.audit(world_, *scheduler_, plan_));
  }
  return {};
}

Result<void> Simulation::carried_out(const model::Action& action) {
  if (const auto* bind = std::get_if<model::Bind>(&action.kind)) {
    return bound(*bind);
  }
  if (const auto* evict = std::get_if<model::Evict>(&action.kind)) {
    evicted_.push_back(members_[evict->pod.index()]);
  } else if (const auto* refuse = std::get_if<model::Refuse>(&action.kind)) {
    if (each_once_) {
      fail(members_[refuse->pod.index()].job);
    }
  } else if (std::holds_alternative<model::Decline>(action.kind)) {
    ++result_.declines;
  }
  return {};
}

Result<void> Simulation::bound(const model::Bind& bind) {
  const Member member = members_[bind.pod.index()];
  JobRun& run = runs_[member.job];
  if (!world_.truth().pods[bind.pod.index()].binding) {
    return {};  // taken back in the same turn
  }
  meter_.take(held(bind.pod));
  if (config_.placements) {
    Placement& row =
        result_.placements[placement_at_[member.job] + static_cast<std::size_t>(member.member)];
    row.node = bind.binding.node;
    row.gpus = bind.binding.gpus;
  }
  if (++run.bound < job(member.job).members) {
    return {};
  }
  run.phase = Phase::running;
  run.started = world_.now();
  ++run.generation;
  change_pending(-1);
  if (!run.placed) {
    run.placed = true;
    ++result_.placed;
    result_.waiting_seconds[member.job] = to_seconds(world_.now() - job(member.job).submitted);
  }
  run.slowdown = TRY(speed_.slowdown(job(member.job), run, world_.truth()));
  if (run.work_left > Duration()) {
    const Duration real = seconds(to_seconds(run.work_left) * run.slowdown);
    completions_.push({.at = world_.now() + std::max(real, microseconds(1)),
                       .job = member.job,
                       .generation = run.generation});
  }
  return {};
}

// Pods whose start the scheduler took back are gone, and their controllers make them again.
void Simulation::add_evicted() {
  for (const Member& member : evicted_) {
    runs_[member.job].pods[static_cast<std::size_t>(member.member)] =
        add_pod(member.job, member.member);
  }
  evicted_.clear();
}

SimResult Simulation::report() {
  const auto in_phase = [&](Phase phase) {
    return static_cast<std::size_t>(std::ranges::count(runs_, phase, &JobRun::phase));
  };
  result_.running = in_phase(Phase::running);
  result_.pending = in_phase(Phase::pending);
  const auto keep = [&](std::vector<double>& sample, auto holds) {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < sample.size(); ++i) {
      if (holds(runs_[i])) {
        sample[kept++] = sample[i];
      }
    }
    sample.resize(kept);
    return summarize(sample);
  };
  result_.jct_seconds = keep(result_.completion_seconds,
                             [](const JobRun& run) { return run.phase == Phase::completed; });
  result_.wait_seconds =
      keep(result_.waiting_seconds, [](const JobRun& run) { return run.placed; });
  result_.makespan_seconds = result_.completed == 0 ? 0 : to_seconds(last_completion_ - start_);
  result_.end_seconds = to_seconds(world_.now() - Time());
  if (config_.fragmentation) {
    const auto fragmentation = scheduler_->engine().fragmentation();
    result_.free_gpu_milli = fragmentation.free_milli;
    result_.fragmented_gpu_milli = fragmentation.fragmented_milli;
  }
  meter_.report(result_);
  result_.plan_sha256 = hash_.hex();
  return std::move(result_);
}

}  // namespace

Result<SimResult> simulate(const model::Cluster& cluster, const model::Workload& workload,
                           const SimConfig& config) {
  TRY_VOID(check_input(cluster, workload, config));
  SimWorld world = TRY(SimWorld::make(cluster));
  Simulation simulation(cluster, workload, config, std::move(world));
  return simulation.run();
}

}  // namespace plimsoll::sim
