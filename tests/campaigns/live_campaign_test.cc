// The loop in random live worlds: answers that come late or never, bindings that fail, pods that
// come, change and go. What must never happen, does not; and at rest nothing is left undone.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "control/scheduler.h"
#include "control/scripted_world.h"
#include "tests/campaigns/auditor.h"

namespace plimsoll::campaigns {
namespace {

constexpr std::uint64_t seeds = 250;
constexpr int steps = 120;
constexpr int turns_to_rest = 400;
constexpr Duration gang_timeout = seconds(std::int64_t{60});
// Half-bound gangs are undone by then: the timeout, and what the world takes to do as it is asked.
constexpr Duration undone_by = seconds(std::int64_t{120});
constexpr const char* key = "example.com/island";

struct Tally {
  std::size_t bound = 0;
  std::size_t failed = 0;
  std::size_t preempted = 0;
  std::size_t undone = 0;
  std::size_t nominated = 0;
  std::size_t waiting_at_rest = 0;
};

class LiveCampaign {
 public:
  LiveCampaign(std::uint64_t seed, Tally& tally) : random_(seed), tally_(&tally) {
    config_ = control::SchedulerConfig::live();
    config_.gang_timeout = gang_timeout;
    config_.victims_patience = seconds(std::int64_t{60});
    config_.gangs.rule = random_.below(2) == 0 ? "plimsoll" : "by_pod";
    const std::uint64_t nodes = 2 + random_.below(7);
    for (std::uint64_t i = 0; i < nodes; ++i) {
      add_node();
    }
    for (int i = 0; i < 12; ++i) {
      specs_.push_back(world_.add_spec(some_spec()));
    }
    world_.happen(model::BudgetUpserted{{.id = BudgetId(0),
                                         .name = "db",
                                         .selector = {{.key = "app", .values = {"db"}}},
                                         .allowed = static_cast<std::int32_t>(random_.below(2))}});
  }

  Result<void> run() {
    scheduler_.emplace(TRY(control::Scheduler::make(world_, world_, config_)));
    for (int step = 0; step < steps; ++step) {
      const Time wake = scheduler_->next_wake();
      const Time later = world_.at + seconds(static_cast<double>(random_.below(8000)) / 1000);
      world_.at = std::max(world_.at, std::min(later, wake));
      happen();
      TRY_VOID(turn());
      if (one_in(40)) {
        TRY_VOID(restart());
      }
    }
    return rest();
  }

 private:
  bool one_in(std::uint64_t n) { return random_.below(n) == 0; }

  void add_node() {
    model::Node node;
    node.name = fmt::format("n{}", world_.truth.nodes.size());
    node.allocatable = {.cpu = Millicores(8000), .memory = gibibyte * 64, .pods = 20};
    node.capacity = node.allocatable;
    node.topology.rack = fmt::format("r{}", random_.below(3));
    node.gpus.assign(4, {.model = "A100", .sharing = model::GpuSharing::whole});
    if (!one_in(4)) {
      node.labels = {{key, fmt::format("i{}", random_.below(3))}};
    }
    world_.add_node(node);
  }

  model::PodSpec some_spec() {
    model::PodSpec spec;
    spec.requests = {.cpu = Millicores(1000 * (1 + static_cast<std::int64_t>(random_.below(5)))),
                     .pods = 1};
    spec.gpu.count = one_in(2) ? static_cast<std::int32_t>(random_.below(4)) : 0;
    spec.priority = static_cast<std::int32_t>(random_.below(4)) * 10;
    spec.preempts = !one_in(6);
    if (one_in(3)) {
      spec.labels = {{"app", "db"}};
    }
    if (one_in(6)) {
      spec.anti_affinity = {{.selector = {{.key = "app", .values = {"db"}}},
                             .topology_key = "kubernetes.io/hostname"}};
    }
    return spec;
  }

  PodId add_pod(SpecId spec, GangId gang) {
    const PodId pod = world_.add_pod(spec, gang);
    ++age_[pod];
    told_.erase(pod);
    world_.change_pod(pod, [&](model::Pod& p) { p.do_not_disrupt = one_in(10); });
    return pod;
  }

  void add_gang() {
    const auto members = 2 + static_cast<std::int32_t>(random_.below(3));
    model::Gang gang{.min_members = members, .max_members = members + 1};
    gang.disrupted_whole = one_in(2);
    const std::uint64_t domain = random_.below(3);
    gang.required_level = domain == 0 ? model::TopologyLevel::rack : model::TopologyLevel::none;
    gang.required_key = domain == 1 ? key : "";
    const GangId id = world_.add_gang(gang);
    const SpecId spec = specs_[random_.below(specs_.size())];
    const auto now =
        static_cast<std::int32_t>(random_.below(static_cast<std::uint64_t>(members) + 2));
    for (std::int32_t i = 0; i < now; ++i) {
      add_pod(one_in(8) ? specs_[random_.below(specs_.size())] : spec, id);
    }
    gang_specs_[id] = spec;
  }

  std::vector<PodId> pods_where(auto holds) const {
    std::vector<PodId> found;
    for (const model::Pod& pod : world_.truth.pods) {
      if (pod.id.valid() && holds(pod)) {
        found.push_back(pod.id);
      }
    }
    return found;
  }
  void remove(PodId pod) {
    in_flight_.erase(pod);
    to_evict_.erase(pod);
    ++age_[pod];
    world_.remove_pod(pod);
  }
  void terminate(PodId pod) {
    world_.change_pod(pod, [](model::Pod& p) { p.terminating = true; });
  }

  // Something of everything that a cluster does by itself.
  void happen() {
    if (one_in(2)) {
      add_pod(specs_[random_.below(specs_.size())], GangId::none());
    }
    if (one_in(8)) {
      add_gang();
    }
    for (const auto& [gang, spec] : gang_specs_) {  // members that come late
      if (one_in(10) && world_.truth.gangs[gang.index()].id == gang) {
        const auto there = pods_where([&](const model::Pod& pod) { return pod.gang == gang; });
        if (std::cmp_less(there.size(), world_.truth.gangs[gang.index()].max_members)) {
          add_pod(spec, gang);
        }
      }
    }
    for (const PodId pod : pods_where([](const model::Pod&) { return true; })) {
      if (!one_in(25)) {
        continue;
      }
      const std::uint64_t what = random_.below(4);
      if (what == 0 && !world_.truth.pods[pod.index()].binding && !in_flight_.contains(pod)) {
        world_.change_pod(pod,
                          [&](model::Pod& p) { p.spec = specs_[random_.below(specs_.size())]; });
      } else if (what == 1 && !world_.truth.pods[pod.index()].terminating) {
        terminate(pod);
      } else if (what == 2 && world_.truth.pods[pod.index()].binding) {
        world_.change_pod(pod, [&](model::Pod& p) { p.started = world_.at; });
      } else if (what == 3) {
        remove(pod);
      }
    }
    if (one_in(15)) {
      model::Node node = world_.truth.nodes[random_.below(world_.truth.nodes.size())];
      node.unschedulable = !node.unschedulable;
      world_.happen(model::NodeUpserted{node});
    }
    if (one_in(60)) {
      add_node();
    }
    if (one_in(10)) {
      model::DisruptionBudget budget = world_.truth.budgets.front();
      budget.allowed = static_cast<std::int32_t>(random_.below(3));
      world_.happen(model::BudgetUpserted{budget});
    }
    answer(false);
  }

  // What was asked of the world comes about, or not, or not yet.
  void answer(bool at_once) {
    for (const auto& [pod, binding] : std::map(in_flight_)) {
      if (!at_once && one_in(3)) {
        continue;
      }
      in_flight_.erase(pod);
      if (!at_once && one_in(4)) {
        world_.happen(model::BindFailed{pod, "by chance"});
        ++tally_->failed;
      } else {
        world_.happen(model::PodBound{pod, binding});
        ++tally_->bound;
      }
    }
    for (const auto& [pod, lost] : std::map(to_evict_)) {
      if (lost && !at_once) {  // nothing comes of it until it is asked again
        continue;
      }
      to_evict_.erase(pod);
      if (!in_flight_.contains(pod) && !at_once && one_in(2)) {
        terminate_if_not(pod);
      } else {
        remove(pod);
      }
    }
    for (const PodId pod : pods_where([](const model::Pod& p) { return p.terminating; })) {
      if (at_once || one_in(5)) {
        remove(pod);
      }
    }
  }
  void terminate_if_not(PodId pod) {
    if (!world_.truth.pods[pod.index()].terminating) {
      terminate(pod);
    }
  }

  Result<void> turn() {
    model::Plan plan;
    TRY_VOID(scheduler_->turn(plan));
    for (const model::Action& action : std::exchange(world_.asked, {})) {
      TRY_VOID(note(action));
    }
    for (const model::Action& action : plan.actions) {
      if (const auto* refuse = std::get_if<model::Refuse>(&action.kind)) {
        told_[refuse->pod] = age_[refuse->pod];
      } else if (const auto* nominate = std::get_if<model::Nominate>(&action.kind)) {
        told_[nominate->pod] = age_[nominate->pod];
      }
    }
    return audit_now();
  }

  Result<void> note(const model::Action& action) {
    if (const auto* bind = std::get_if<model::Bind>(&action.kind)) {
      const model::Pod& pod = world_.truth.pods[bind->pod.index()];
      if (pod.binding || in_flight_.contains(bind->pod)) {
        return failed(fmt::format("pod {} is bound twice", bind->pod.value()));
      }
      if (pod.terminating) {
        return failed(fmt::format("pod {} goes, and is bound", bind->pod.value()));
      }
      in_flight_[bind->pod] = bind->binding;
      return {};
    }
    if (const auto* evict = std::get_if<model::Evict>(&action.kind)) {
      const model::Pod& victim = world_.truth.pods[evict->pod.index()];
      if (action.reason.code == model::ReasonCode::preempted) {
        ++tally_->preempted;
        const model::Pod& by = world_.truth.pods[action.reason.by.index()];
        const auto priority = [&](const model::Pod& pod) {
          return world_.truth.specs[pod.spec.index()].priority;
        };
        const bool first = !to_evict_.contains(evict->pod);
        if (first && by.id.valid() && priority(victim) >= priority(by)) {
          return failed(fmt::format("pod {} is preempted for one that is no more urgent",
                                    evict->pod.value()));
        }
      } else {
        ++tally_->undone;
      }
      to_evict_[evict->pod] = one_in(4);
    } else if (std::holds_alternative<model::Nominate>(action.kind)) {
      ++tally_->nominated;
    }
    return {};
  }

  // Also of what is under way: it will be there once the world has answered.
  Result<void> audit_now() {
    model::Snapshot later = world_.truth;
    for (const auto& [pod, binding] : in_flight_) {
      later.pods[pod.index()].binding = binding;
    }
    for (model::Node& node : later.nodes) {
      node.unschedulable = false;
    }
    TRY_VOID(audit_rooms(later));
    for (const model::Gang& gang : world_.truth.gangs) {
      int bound = 0;
      int pending = 0;
      for (const model::Pod& pod : later.pods) {
        const bool stays = pod.id.valid() && !pod.terminating && !to_evict_.contains(pod.id);
        if (stays && pod.gang == gang.id) {
          ++(pod.binding ? bound : pending);
        }
      }
      const bool half = bound > 0 && bound < gang.min_members && pending > 0;
      if (!half) {
        half_since_.erase(gang.id);
      } else if (world_.at - half_since_.try_emplace(gang.id, world_.at).first->second >
                 undone_by) {
        return failed(fmt::format("gang {} is half bound for too long", gang.id.value()));
      }
    }
    return {};
  }

  // The scheduler dies. Of what it asked for, some comes about, and some nobody hears of again.
  Result<void> restart() {
    for (const auto& [pod, binding] : std::exchange(in_flight_, {})) {
      if (one_in(2)) {
        world_.happen(model::PodBound{pod, binding});
      }
    }
    half_since_.clear();  // it counts from its start
    scheduler_.emplace(TRY(control::Scheduler::make(world_, world_, config_)));
    return {};
  }

  // Nothing happens by itself any more, and the world does at once what it is asked.
  Result<void> rest() {
    int quiet = 0;
    for (int i = 0; i < turns_to_rest && quiet < 4; ++i) {
      const std::size_t pods = live_pods();
      answer(true);
      model::Plan nothing;
      TRY_VOID(turn());
      const bool still = in_flight_.empty() && to_evict_.empty() && pods == live_pods();
      quiet = still ? quiet + 1 : 0;
      const Time wake = scheduler_->next_wake();
      if (still && wake != never) {
        world_.at = std::max(world_.at, wake);
      }
    }
    if (quiet < 4) {
      return failed("it does not come to rest");
    }
    const auto rebuilt = TRY(placement::Engine::make(world_.truth, config_.placement));
    if (scheduler_->engine().digest() != rebuilt.digest()) {
      return failed("the engine's state is not the cluster's");
    }
    for (const PodId pod : pods_where([](const model::Pod& p) { return !p.binding; })) {
      ++tally_->waiting_at_rest;
      const auto told = told_.find(pod);
      if (told == told_.end() || told->second != age_[pod]) {
        return failed(fmt::format("pod {} waits, and was never told why", pod.value()));
      }
    }
    // Another scheduler that comes to this cluster finds nothing that it could do.
    auto fresh = TRY(control::Scheduler::make(world_, world_, config_));
    model::Plan plan;
    TRY_VOID(fresh.turn(plan));
    for (const model::Action& action : plan.actions) {
      if (!std::holds_alternative<model::Refuse>(action.kind)) {
        return failed("something could still be done: " + said(action));
      }
    }
    return {};
  }
  std::string said(const model::Action& action) const {
    const auto of = [&](PodId pod) {
      const model::Pod& its = world_.truth.pods[pod.index()];
      return fmt::format("pod {} (gang {}, priority {})", pod.value(),
                         its.gang.valid() ? static_cast<int>(its.gang.value()) : -1,
                         world_.truth.specs[its.spec.index()].priority);
    };
    if (const auto* bind = std::get_if<model::Bind>(&action.kind)) {
      return fmt::format("bind {} to {}", of(bind->pod), bind->binding.node.value());
    }
    if (const auto* evict = std::get_if<model::Evict>(&action.kind)) {
      return fmt::format("evict {} for {}: {}", of(evict->pod),
                         action.reason.by.valid() ? of(action.reason.by) : "nobody",
                         model::to_string(action.reason));
    }
    return "another action";
  }
  std::size_t live_pods() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(world_.truth.pods, [](const model::Pod& p) { return p.id.valid(); }));
  }

  Random random_;
  Tally* tally_;
  control::SchedulerConfig config_;
  control::ScriptedWorld world_;
  std::optional<control::Scheduler> scheduler_;
  std::vector<SpecId> specs_;
  std::map<GangId, SpecId> gang_specs_;
  std::map<PodId, model::Binding> in_flight_;
  std::map<PodId, bool> to_evict_;  // whether the request was lost
  std::map<PodId, int> age_;        // ids are used again
  std::map<PodId, int> told_;
  std::map<GangId, Time> half_since_;
};

TEST(LiveCampaign, WhateverTheWorldAnswersNothingIsDoubledLostOrLeftHalfDone) {
  Tally tally;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    LiveCampaign campaign(seed, tally);
    const Result<void> done = campaign.run();
    ASSERT_TRUE(done.has_value()) << "seed " << seed << ": " << done.error().message;
  }
  EXPECT_GT(tally.bound, 1000U);
  EXPECT_GT(tally.failed, 100U);
  EXPECT_GT(tally.preempted, 100U);
  EXPECT_GT(tally.undone, 20U);
  EXPECT_GT(tally.nominated, 100U);
  EXPECT_GT(tally.waiting_at_rest, 100U);
}

}  // namespace
}  // namespace plimsoll::campaigns
