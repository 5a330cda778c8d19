#include "cli/live/plan_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "cli/live/snapshot_read.h"
#include "cli/live/snapshot_world.h"
#include "cli/output.h"
#include "kube/client/timestamp.h"

namespace plimsoll::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<std::string_view, 5> action_names{"bind", "evict", "refuse", "decline",
                                                       "nominate"};

struct Totals {
  std::array<std::size_t, action_names.size()> actions{};
  model::Effect effect;
  std::size_t fractions = 0;  // pods that would get a part of a GPU
};

Totals totals_of(const PlanView& view) {
  Totals totals;
  for (const model::Action& action : view.plan->actions) {
    ++totals.actions[action.kind.index()];
    totals.effect.cost += action.effect.cost;
    totals.effect.gpu_milli_allocated += action.effect.gpu_milli_allocated;
    if (const auto* bind = std::get_if<model::Bind>(&action.kind)) {
      const model::Pod& pod = view.before->pods[bind->pod.index()];
      const model::GpuRequest& asks = view.before->specs[pod.spec.index()].gpu;
      totals.fractions += asks.count > 0 && asks.milli < whole_gpu ? 1 : 0;
    }
  }
  return totals;
}

double usd(MicroUsdPerHour cost) { return static_cast<double>(cost.value()) * 1e-6; }

std::optional<PodId> pod_of(const model::ActionKind& kind) {
  return std::visit(
      [](const auto& action) -> std::optional<PodId> {
        if constexpr (requires { action.pod; }) {
          return action.pod;
        }
        return std::nullopt;
      },
      kind);
}

std::optional<NodeId> node_of(const model::ActionKind& kind) {
  if (const auto* bind = std::get_if<model::Bind>(&kind)) {
    return bind->binding.node;
  }
  if (const auto* nominate = std::get_if<model::Nominate>(&kind)) {
    return nominate->node;
  }
  return std::nullopt;
}

std::string gang_name(const model::Snapshot& snapshot, const model::ActionKind& kind) {
  const auto* decline = std::get_if<model::Decline>(&kind);
  const std::optional<PodId> pod = pod_of(kind);
  const GangId gang = decline != nullptr ? decline->gang : snapshot.pods[pod->index()].gang;
  return gang.valid() ? snapshot.gangs[gang.index()].name : "";
}

const std::string& name_of(const model::Snapshot& snapshot, NodeId node) {
  return snapshot.nodes[node.index()].name;
}

std::vector<std::string> notes(const Totals& totals) {
  std::vector<std::string> lines;
  if (totals.fractions > 0) {
    lines.push_back(fmt::format(
        "{} would get a part of a GPU: nothing on a live cluster hands out parts of GPUs yet, so "
        "its effect cannot be had there",
        plural(totals.fractions, "pod")));
  }
  return lines;
}

Json action_json(const model::Snapshot& snapshot, const model::Action& action) {
  Json json = {{"action", action_names[action.kind.index()]}};
  if (const auto pod = pod_of(action.kind)) {
    json["pod"] = pod_key(snapshot, *pod);
  }
  if (const std::string gang = gang_name(snapshot, action.kind); !gang.empty()) {
    json["gang"] = gang;
  }
  if (const auto node = node_of(action.kind)) {
    json["node"] = name_of(snapshot, *node);
  }
  json["reason"] = code_text(action.reason.code);
  json["why"] = model::to_string(action.reason);
  if (std::holds_alternative<model::Bind>(action.kind)) {
    json["score"] = action.reason.score;
    json["alternatives"] = alternatives_json(snapshot, action.rejected);
  }
  if (action.effect != model::Effect()) {
    json["effect"] = {{"gpus_allocated", action.effect.gpu_milli_allocated / 1e3},
                      {"usd_per_hour", usd(action.effect.cost)},
                      {"finish_earlier_seconds", to_seconds(action.effect.finish_earlier)}};
  }
  return json;
}

std::string why(const model::Snapshot& snapshot, const model::Action& action) {
  std::string text = model::to_string(action.reason);
  if (const std::string next = alternatives_text(snapshot, action.rejected); !next.empty()) {
    text += "; next " + next;
  }
  if (action.effect.finish_earlier > Duration()) {
    text += fmt::format("; ends {:.0f} s sooner", to_seconds(action.effect.finish_earlier));
  }
  return text;
}

std::string signed_gpus(std::int64_t milli) {
  return (milli < 0 ? "-" : "+") + gpus_text(std::abs(milli));
}

}  // namespace

std::string_view code_text(model::ReasonCode code) {
  switch (code) {
    case model::ReasonCode::best_score:
      return "best_score";
    case model::ReasonCode::gang_step_time:
      return "gang_step_time";
    case model::ReasonCode::no_room:
      return "no_room";
    case model::ReasonCode::waiting_is_faster:
      return "waiting_is_faster";
    case model::ReasonCode::behind_in_queue:
      return "behind_in_queue";
    case model::ReasonCode::preempted:
      return "preempted";
    case model::ReasonCode::node_failed:
      return "node_failed";
    case model::ReasonCode::preempting:
      return "preempting";
    case model::ReasonCode::gang_incomplete:
      return "gang_incomplete";
    case model::ReasonCode::bind_failed:
      return "bind_failed";
  }
  return "unknown";
}

std::string alternatives_text(const model::Snapshot& snapshot,
                              const std::vector<model::Alternative>& alternatives) {
  std::string text;
  for (const model::Alternative& alternative : alternatives) {
    text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", name_of(snapshot, alternative.node),
                        alternative.reason.score);
  }
  return text;
}

Json alternatives_json(const model::Snapshot& snapshot,
                       const std::vector<model::Alternative>& alternatives) {
  Json list = Json::array();
  for (const model::Alternative& alternative : alternatives) {
    list.push_back(
        {{"node", name_of(snapshot, alternative.node)}, {"score", alternative.reason.score}});
  }
  return list;
}

Json plan_json(const PlanView& view) {
  const Totals totals = totals_of(view);
  const SnapshotCounts counts = count(*view.before);
  Json actions = Json::array();
  for (const model::Action& action : view.plan->actions) {
    actions.push_back(action_json(*view.before, action));
  }
  Json held = Json::array();
  for (const kube::Held& pod : view.held) {
    held.push_back({{"pod", pod.pod.name_space + "/" + pod.pod.name}, {"why", pod.reason}});
  }
  Json sums = {{"pods_pending", counts.pods_pending}};
  for (std::size_t i = 0; i < action_names.size(); ++i) {
    sums[std::string(action_names[i])] = totals.actions[i];
  }
  const auto after = counts.gpu_milli_allocated + totals.effect.gpu_milli_allocated;
  sums["gpus"] = counts.gpus;
  sums["gpus_allocated"] = counts.gpu_milli_allocated / 1e3;
  sums["gpus_allocated_after"] = after / 1e3;
  sums["usd_per_hour"] = usd(totals.effect.cost);
  return {{"source", view.source},         {"time", kube::format_time(view.plan->made.value())},
          {"policy", view.policy},         {"nodes", counts.nodes},
          {"actions", std::move(actions)}, {"held", std::move(held)},
          {"totals", std::move(sums)},     {"notes", notes(totals)}};
}

std::string plan_table(const PlanView& view) {
  const Totals totals = totals_of(view);
  const SnapshotCounts counts = count(*view.before);
  std::string text = fmt::format("{} at {}, policy {}: {}, {}, {} pending\n", view.source,
                                 kube::format_time(view.plan->made.value()), view.policy,
                                 plural(counts.nodes, "node"), plural(counts.gpus, "GPU"),
                                 plural(counts.pods_pending, "pod"));
  std::vector<std::vector<std::string>> rows = {{"action", "pod or gang", "node", "GPUs", "why"}};
  for (const model::Action& action : view.plan->actions) {
    const auto pod = pod_of(action.kind);
    const auto node = node_of(action.kind);
    const std::int64_t gpus = action.effect.gpu_milli_allocated;
    rows.push_back({std::string(action_names[action.kind.index()]),
                    pod ? pod_key(*view.before, *pod) : gang_name(*view.before, action.kind),
                    node ? name_of(*view.before, *node) : "-", gpus == 0 ? "-" : signed_gpus(gpus),
                    why(*view.before, action)});
  }
  for (const kube::Held& pod : view.held) {
    rows.push_back({"hold", pod.pod.name_space + "/" + pod.pod.name, "-", "-", pod.reason});
  }
  text += rows.size() == 1 ? "nothing to do\n" : "\n" + columns(rows) + "\n";
  const auto after = counts.gpu_milli_allocated + totals.effect.gpu_milli_allocated;
  text += fmt::format("{} of {} would be bound", totals.actions[0],
                      plural(counts.pods_pending, "pending pod"));
  if (totals.actions[1] > 0) {
    text += fmt::format(", {} evicted", totals.actions[1]);
  }
  text += fmt::format("; GPUs allocated {} -> {} of {}", gpus_text(counts.gpu_milli_allocated),
                      gpus_text(after), counts.gpus);
  if (totals.effect.cost != MicroUsdPerHour()) {
    text += fmt::format("; {:+.2f} $/h of nodes' price in use", usd(totals.effect.cost));
  }
  text += "\n";
  for (const std::string& line : notes(totals)) {
    text += "note: " + line + "\n";
  }
  return text;
}

std::string plan_text(const PlanView& view, std::string_view format) {
  if (format == "json") {
    return json_text(plan_json(view));
  }
  return format == "yaml" ? yaml_text(plan_json(view)) : plan_table(view);
}

Result<model::Plan> plan_for(const model::Snapshot& snapshot, control::SchedulerConfig config) {
  SnapshotWorld world(snapshot);
  control::Scheduler scheduler = TRY(control::Scheduler::make(world, world, std::move(config)));
  model::Plan plan;
  TRY_VOID(scheduler.turn(plan));
  return plan;
}

}  // namespace plimsoll::cli
