#include "cli/live/explain_view.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>
#include <utility>

#include "cli/live/explain_lacks.h"
#include "cli/live/plan_view.h"
#include "cli/live/snapshot_read.h"
#include "cli/live/snapshot_world.h"
#include "engines/placement/engine.h"

namespace plimsoll::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t nearest_most = 3;
constexpr std::size_t alternatives_most = 3;
constexpr std::size_t names_most = 5;  // of one group of nodes, in the table

Explanation::GangState gang_state(const model::Snapshot& snapshot, const model::Gang& gang) {
  Explanation::GangState state{.name = gang.name};
  state.needs = gang.min_members == model::members_unknown ? 0 : gang.min_members;
  for (const model::Pod& pod : snapshot.pods) {
    if (pod.id.valid() && pod.gang == gang.id) {
      ++(pod.binding ? state.bound : state.pending);
    }
  }
  return state;
}

std::vector<Explanation::Group> groups_of(const model::Snapshot& snapshot,
                                          const placement::Engine& engine, SpecId spec) {
  std::map<std::pair<model::RefusalCode, std::string>, Explanation::Group> by_reason;
  for (const auto& [node, refusal] : engine.explain_by_node(spec)) {
    Explanation::Group& group = by_reason[{refusal.code, refusal.detail}];
    group.why = model::to_string(refusal);
    group.nodes.push_back(snapshot.nodes[node.index()].name);
  }
  std::vector<Explanation::Group> groups;
  for (auto& [reason, group] : by_reason) {
    groups.push_back(std::move(group));
  }
  return groups;
}

// The nodes that lack least, each with what the engine makes of it if it had that.
Result<std::vector<Explanation::Nearest>> nearest_of(const model::Snapshot& snapshot,
                                                     placement::Engine& engine, SpecId spec) {
  const model::PodSpec& asks = snapshot.specs[spec.index()];
  const std::vector<NodeRoom> rooms = rooms_of(snapshot);
  std::vector<std::pair<NodeId, Lacks>> candidates;
  for (const model::Node& node : snapshot.nodes) {
    if (node.id.valid()) {
      candidates.emplace_back(node.id, lacks_of(asks, node, rooms[node.id.index()]));
    }
  }
  const auto distance = [](const std::pair<NodeId, Lacks>& one) {
    return std::tuple(one.second.rules, one.second.gpus, one.second.resources, one.first);
  };
  const auto shown = static_cast<std::ptrdiff_t>(std::min(nearest_most, candidates.size()));
  std::ranges::partial_sort(candidates, candidates.begin() + shown, {}, distance);
  std::vector<Explanation::Nearest> nearest;
  for (auto it = candidates.begin(); it != candidates.begin() + shown; ++it) {
    const model::Node& node = snapshot.nodes[it->first.index()];
    Explanation::Nearest one{.node = node.name, .lacks = std::move(it->second.lines)};
    TRY_VOID(engine.apply(model::NodeUpserted{it->second.changed}));
    if (!engine.find_on(spec, node.id)) {
      for (const auto& [refusing, refusal] : engine.explain_by_node(spec)) {
        one.besides = refusing == node.id ? model::to_string(refusal) : one.besides;
      }
    }
    TRY_VOID(engine.apply(model::NodeUpserted{node}));
    nearest.push_back(std::move(one));
  }
  return nearest;
}

std::string joined(const std::vector<std::string>& lines) {
  return fmt::format("{}", fmt::join(lines, ", "));
}

// The domain of `node` that all members of the gang must share; empty: it has none.
std::string domain_of(const model::Gang& gang, const model::Node& node) {
  if (!gang.required_key.empty()) {
    const std::string* value = model::find_label(node.labels, gang.required_key);
    return value == nullptr ? "" : *value;
  }
  const model::TopologyPath& path = node.topology;
  switch (gang.required_level) {
    case model::TopologyLevel::none:
      return "the cluster";
    case model::TopologyLevel::zone:
      return path.zone;
    case model::TopologyLevel::block:
      return path.zone + path.block;
    case model::TopologyLevel::rack:
      return path.zone + path.block + path.rack;
    case model::TopologyLevel::nvlink_domain:
      return path.zone + path.block + path.rack + path.nvlink_domain;
    case model::TopologyLevel::host:
      return node.name;
  }
  return "";
}

// What a gang that is there as a whole and finds no room lacks: members' worth of it, in the domain
// where most of them fit.
std::optional<std::string> gang_lacks(const model::Snapshot& snapshot,
                                      const placement::Engine& engine, const model::Pod& pod,
                                      const Explanation::GangState& state) {
  const model::Gang& gang = snapshot.gangs[pod.gang.index()];
  const std::int32_t wanted = state.needs - state.bound;
  const bool bounded =
      !gang.required_key.empty() || gang.required_level != model::TopologyLevel::none;
  if (wanted <= 0 || state.pending < wanted) {
    return std::nullopt;
  }
  const std::vector<std::int32_t> room = engine.capacities(pod.spec, wanted);
  std::map<std::string, std::int64_t> by_domain;
  for (const model::Node& node : snapshot.nodes) {
    const std::string domain = node.id.valid() ? domain_of(gang, node) : "";
    if (!domain.empty()) {
      by_domain[domain] += room[node.id.index()];
    }
  }
  if (by_domain.empty()) {
    return fmt::format("nodes with label {}: none has it", gang.required_key);
  }
  const auto best =
      std::ranges::max_element(by_domain, {}, [](const auto& one) { return one.second; });
  if (best->second >= wanted) {
    return std::nullopt;
  }
  const model::PodSpec& asks = snapshot.specs[pod.spec.index()];
  const std::int64_t missing = wanted - best->second;
  return fmt::format(
      "room for {} of the {} members that it starts with, at once{}: {} has room for {}{}", missing,
      wanted, bounded ? " and in one domain" : "", best->first, best->second,
      asks.gpu.count > 0
          ? fmt::format(" ({} more GPUs, as {} a node)", missing * asks.gpu.count, asks.gpu.count)
          : "");
}

const model::Action* about(const model::Plan& plan, const model::Pod& pod) {
  for (const model::Action& action : plan.actions) {
    const auto* bind = std::get_if<model::Bind>(&action.kind);
    const auto* refuse = std::get_if<model::Refuse>(&action.kind);
    const auto* nominate = std::get_if<model::Nominate>(&action.kind);
    const auto* decline = std::get_if<model::Decline>(&action.kind);
    if ((bind != nullptr && bind->pod == pod.id) || (refuse != nullptr && refuse->pod == pod.id) ||
        (nominate != nullptr && nominate->pod == pod.id) ||
        (decline != nullptr && decline->gang == pod.gang)) {
      return &action;
    }
  }
  return nullptr;
}

Result<void> explain_bound(const model::Snapshot& snapshot, const model::Pod& pod,
                           const control::SchedulerConfig& config, Explanation& explanation) {
  explanation.state = "bound";
  const NodeId node = pod.binding->node;
  explanation.node = snapshot.nodes[node.index()].name;
  placement::Engine engine = TRY(placement::Engine::make(snapshot, config.placement));
  TRY_VOID(engine.apply(model::PodRemoved{pod.id}));  // were it to be placed again
  const auto here = engine.find_on(pod.spec, node);
  const auto best = engine.find(pod.spec);
  explanation.alternatives = engine.runners_up(pod.spec, node, alternatives_most);
  if (!here) {
    explanation.reason = code_text(model::ReasonCode::no_room);
    for (const auto& [refusing, refusal] : engine.explain_by_node(pod.spec)) {
      if (refusing == node) {
        explanation.why = fmt::format("it runs there; a new pod like it would not be let in: {}",
                                      model::to_string(refusal));
      }
    }
    return {};
  }
  explanation.reason = code_text(model::ReasonCode::best_score);
  explanation.why =
      fmt::format("its place scores {} now under policy {}", here->score, config.placement.policy);
  if (best && best->binding.node != node && best->score > here->score) {
    explanation.why += fmt::format("; placed today it would go to {} ({})",
                                   snapshot.nodes[best->binding.node.index()].name, best->score);
  } else {
    explanation.why += ", as good as any";
  }
  return {};
}

Result<void> explain_pending(const model::Snapshot& snapshot, const model::Pod& pod,
                             const control::SchedulerConfig& config, Explanation& explanation) {
  explanation.state = "pending";
  SnapshotWorld world(snapshot);
  control::Scheduler scheduler = TRY(control::Scheduler::make(world, world, config));
  model::Plan plan;
  TRY_VOID(scheduler.turn(plan));
  const model::Action* action = about(plan, pod);
  if (action == nullptr) {
    explanation.reason = code_text(model::ReasonCode::behind_in_queue);
    explanation.why = model::to_string(model::Reason{.code = model::ReasonCode::behind_in_queue});
    return {};
  }
  explanation.reason = code_text(action->reason.code);
  explanation.why = model::to_string(action->reason);
  if (const auto* bind = std::get_if<model::Bind>(&action->kind)) {
    explanation.node = snapshot.nodes[bind->binding.node.index()].name;
    explanation.alternatives = action->rejected;
    explanation.why = fmt::format("nothing keeps it back: the next turn binds it to {}, {}",
                                  explanation.node, explanation.why);
    explanation.node.clear();
    return {};
  }
  if (const auto& gang = explanation.gang) {
    const std::int32_t missing = gang->needs - gang->bound - gang->pending;
    if (gang->needs == 0) {
      explanation.changes.push_back(fmt::format(
          "the PodGroup {}, or the number of its members stated by its pods", gang->name));
    } else if (missing > 0) {
      explanation.changes.push_back(
          fmt::format("{} of its gang, that are not there yet",
                      plural(static_cast<std::size_t>(missing), "more member")));
    }
  }
  // As things are after what the turn bound: work that goes first has its room.
  const model::Snapshot& after = world.truth();
  placement::Engine engine = TRY(placement::Engine::make(after, config.placement));
  explanation.groups = groups_of(after, engine, pod.spec);
  if (explanation.gang) {
    if (auto lacks = gang_lacks(after, engine, pod, *explanation.gang)) {
      explanation.changes.push_back(*std::move(lacks));
    }
  }
  std::size_t refusing = 0;
  for (const Explanation::Group& group : explanation.groups) {
    refusing += group.nodes.size();
  }
  if (refusing == static_cast<std::size_t>(engine.node_count())) {  // else this pod alone has room
    explanation.nearest = TRY(nearest_of(after, engine, pod.spec));
  }
  return {};
}

}  // namespace

Result<Explanation> explain_pod(const model::Snapshot& snapshot, PodId id,
                                control::SchedulerConfig config) {
  const model::Pod& pod = snapshot.pods[id.index()];
  Explanation explanation{.pod = pod_key(snapshot, id)};
  if (pod.gang.valid()) {
    explanation.gang = gang_state(snapshot, snapshot.gangs[pod.gang.index()]);
  }
  if (pod.binding) {
    TRY_VOID(explain_bound(snapshot, pod, config, explanation));
  } else {
    TRY_VOID(explain_pending(snapshot, pod, config, explanation));
  }
  return explanation;
}

Explanation left_alone(std::string pod, std::string why) {
  return {.pod = std::move(pod), .state = "left alone", .why = std::move(why)};
}

Json explanation_json(const model::Snapshot& snapshot, const Explanation& explanation) {
  Json json = {{"pod", explanation.pod}, {"state", explanation.state}};
  if (!explanation.node.empty()) {
    json["node"] = explanation.node;
  }
  if (const auto& gang = explanation.gang) {
    json["gang"] = {{"name", gang->name},
                    {"needs", gang->needs},
                    {"bound", gang->bound},
                    {"pending", gang->pending}};
  }
  if (!explanation.reason.empty()) {
    json["reason"] = explanation.reason;
  }
  json["why"] = explanation.why;
  json["nodes"] = Json::array();
  for (const Explanation::Group& group : explanation.groups) {
    json["nodes"].push_back({{"why", group.why}, {"nodes", group.nodes}});
  }
  json["nearest"] = Json::array();
  for (const Explanation::Nearest& nearest : explanation.nearest) {
    json["nearest"].push_back({{"node", nearest.node},
                               {"lacks", nearest.lacks},
                               {"enough", nearest.besides.empty()},
                               {"besides", nearest.besides}});
  }
  json["needs"] = explanation.changes;
  json["alternatives"] = alternatives_json(snapshot, explanation.alternatives);
  return json;
}

std::string explanation_table(const model::Snapshot& snapshot, const Explanation& explanation) {
  std::string text = fmt::format("{} is {}", explanation.pod, explanation.state);
  text += explanation.node.empty() ? "" : " to " + explanation.node;
  text += fmt::format(": {}\n", explanation.why);
  if (const auto& gang = explanation.gang) {
    text +=
        fmt::format("gang {}: {} bound, {} pending, {}\n", gang->name, gang->bound, gang->pending,
                    gang->needs == 0 ? "nobody has said how many it needs"
                                     : fmt::format("needs {}", gang->needs));
  }
  for (const Explanation::Group& group : explanation.groups) {
    const std::size_t named = std::min(names_most, group.nodes.size());
    const std::size_t more = group.nodes.size() - named;
    text += fmt::format("{}: {} ({}{})\n", plural(group.nodes.size(), "node"), group.why,
                        fmt::join(group.nodes.begin(),
                                  group.nodes.begin() + static_cast<std::ptrdiff_t>(named), ", "),
                        more > 0 ? fmt::format(" and {} more", more) : "");
  }
  if (!explanation.changes.empty() || !explanation.nearest.empty()) {
    text += "what would have to change:\n";
  }
  for (const std::string& change : explanation.changes) {
    text += fmt::format("  its gang needs {}\n", change);
  }
  for (const Explanation::Nearest& nearest : explanation.nearest) {
    text += nearest.lacks.empty()
                ? fmt::format("  {}", nearest.node)
                : fmt::format("  {} lacks {}", nearest.node, joined(nearest.lacks));
    text += nearest.besides.empty() ? ": it takes the pod with that\n"
                                    : fmt::format("; and {}\n", nearest.besides);
  }
  if (!explanation.alternatives.empty()) {
    text += fmt::format("next best: {}\n", alternatives_text(snapshot, explanation.alternatives));
  }
  return text;
}

}  // namespace plimsoll::cli
