// A scheduler in a scripted world, a turn at a time; and the small pods and nodes of its tests.
//
// Header-only; included by tests only. Owned by one test; not thread-safe.
#pragma once

#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "control/scheduler.h"
#include "control/scripted_world.h"

namespace plimsoll::control {

inline model::Node node_of(const std::string& rack, std::int64_t cores = 4) {
  model::Node node;
  node.name = "node";
  node.allocatable = {.cpu = Millicores(1000 * cores), .memory = gibibyte * 64, .pods = 110};
  node.capacity = node.allocatable;
  node.topology.rack = rack;
  return node;
}

inline model::PodSpec cores(std::int64_t n, std::int32_t priority = 0) {
  model::PodSpec spec;
  spec.requests = {.cpu = Millicores(1000 * n), .pods = 1};
  spec.priority = priority;
  return spec;
}

struct Loop {
  ScriptedWorld world;
  SchedulerConfig config = SchedulerConfig::live();
  std::optional<Scheduler> scheduler;

  // One turn after `later`: what was decided, a line an action.
  std::vector<std::string> turn(Duration later = {}) {
    if (!scheduler) {
      auto made = Scheduler::make(world, world, config);
      check(made.has_value(), "the test's snapshot is sound");
      scheduler.emplace(std::move(*made));
    }
    world.at = world.at + later;
    model::Plan plan;
    const Result<void> done = scheduler->turn(plan);
    check(done.has_value(), done ? "" : done.error().message);
    std::vector<std::string> lines;
    for (const model::Action& action : plan.actions) {
      if (const auto* bind = std::get_if<model::Bind>(&action.kind)) {
        lines.push_back(
            fmt::format("bind {} to {}", bind->pod.value(), bind->binding.node.value()));
      } else if (const auto* evict = std::get_if<model::Evict>(&action.kind)) {
        lines.push_back(fmt::format("evict {}", evict->pod.value()));
      } else if (const auto* refuse = std::get_if<model::Refuse>(&action.kind)) {
        lines.push_back(
            fmt::format("refuse {}: {}", refuse->pod.value(), model::to_string(action.reason)));
      } else if (const auto* nominate = std::get_if<model::Nominate>(&action.kind)) {
        lines.push_back(
            nominate->node.valid()
                ? fmt::format("nominate {} to {}", nominate->pod.value(), nominate->node.value())
                : fmt::format("withdraw {}", nominate->pod.value()));
      }
    }
    return lines;
  }
  // Seconds from now to the next wake; -1: never.
  double wake() const {
    const Time at = scheduler->next_wake();
    return at == never ? -1 : to_seconds(at - world.at);
  }
};

}  // namespace plimsoll::control
