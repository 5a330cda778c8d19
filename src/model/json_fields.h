// The members of every struct that a file holds, once for writing and reading. Private to
// json_*.cc.
//
// A struct that gains, loses or reorders a member stops compiling here (a structured binding names
// them all), or fails the golden in file_test.cc: list the member, and raise file_version.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>
#include <tuple>

#include "model/json.h"

namespace plimsoll::model {

// Fields<T>::list names the members as written; Fields<T>::tie(value) refers to them, in one order.
template <typename T>
struct Fields;

#define PLIMSOLL_FIELDS(Type, ...)                         \
  template <>                                              \
  struct Fields<Type> {                                    \
    static constexpr std::string_view list = #__VA_ARGS__; \
    static constexpr auto tie(auto& object_) {             \
      auto& [__VA_ARGS__] = object_;                       \
      return std::tie(__VA_ARGS__);                        \
    }                                                      \
  }

PLIMSOLL_FIELDS(Resources, cpu, memory, ephemeral_storage, pods, extended);
PLIMSOLL_FIELDS(MigInstance, profile, start);
PLIMSOLL_FIELDS(Gpu, model, memory, sharing, condition, until, instances);
PLIMSOLL_FIELDS(GpuRequest, count, milli, mig_profile, models, memory_min);
PLIMSOLL_FIELDS(GpuShare, index, milli, mig_start);
PLIMSOLL_FIELDS(Taint, key, value, effect);
PLIMSOLL_FIELDS(TopologyPath, zone, block, rack, nvlink_domain);
PLIMSOLL_FIELDS(Node, id, name, labels, taints, capacity, allocatable, attach_limits, gpus,
                topology, pool, capacity_type, price, ready, unschedulable);
PLIMSOLL_FIELDS(Requirement, key, op, values);
PLIMSOLL_FIELDS(Toleration, key, op, value, effect);
PLIMSOLL_FIELDS(NodeSelectorTerm, expressions, names);
PLIMSOLL_FIELDS(WeightedNodeTerm, weight, term);
PLIMSOLL_FIELDS(PodAffinityTerm, selector, namespaces, topology_key, weight, every_namespace);
PLIMSOLL_FIELDS(TopologySpread, max_skew, topology_key, hard, selector, min_domains, honor_affinity,
                honor_taints);
PLIMSOLL_FIELDS(HostPort, ip, protocol, port);
PLIMSOLL_FIELDS(AttachedVolume, driver, handle);
PLIMSOLL_FIELDS(PodSpec, name_space, labels, requests, gpu, node_selector, node_affinity,
                node_affinity_preferred, tolerations, affinity, anti_affinity, spread, host_ports,
                volume_topology, volumes, exclusive_claims, priority, preempts);
PLIMSOLL_FIELDS(Binding, node, gpus);
PLIMSOLL_FIELDS(Pod, id, name, spec, gang, tenant, created, binding, started, terminating,
                do_not_disrupt);
PLIMSOLL_FIELDS(Gang, id, name, tenant, min_members, max_members, required_level, preferred_level,
                required_key, profile, batch_size, gradients, step, submitted, expected,
                disrupted_whole);
PLIMSOLL_FIELDS(Tenant, id, name, parent);
PLIMSOLL_FIELDS(DisruptionBudget, id, name, name_space, selector, allowed);
PLIMSOLL_FIELDS(NodeUpserted, node);
PLIMSOLL_FIELDS(NodeRemoved, node);
PLIMSOLL_FIELDS(SpecAdded, id, spec);
PLIMSOLL_FIELDS(PodAdded, pod);
PLIMSOLL_FIELDS(PodBound, pod, binding);
PLIMSOLL_FIELDS(PodRemoved, pod);
PLIMSOLL_FIELDS(GangUpserted, gang);
PLIMSOLL_FIELDS(GangRemoved, gang);
PLIMSOLL_FIELDS(PodChanged, pod);
PLIMSOLL_FIELDS(BindFailed, pod, why);
PLIMSOLL_FIELDS(BudgetUpserted, budget);
PLIMSOLL_FIELDS(BudgetRemoved, budget);
PLIMSOLL_FIELDS(Refusal, code, detail, nodes);
PLIMSOLL_FIELDS(Reason, code, policy, score, refusals, nodes_total, until, node, missing, by);
PLIMSOLL_FIELDS(Effect, cost, gpu_milli_allocated, finish_earlier);
PLIMSOLL_FIELDS(Bind, pod, binding);
PLIMSOLL_FIELDS(Evict, pod);
PLIMSOLL_FIELDS(Refuse, pod);
PLIMSOLL_FIELDS(Decline, gang, until);
PLIMSOLL_FIELDS(Nominate, pod, node);
PLIMSOLL_FIELDS(Alternative, node, reason);
PLIMSOLL_FIELDS(Action, kind, reason, rejected, effect, after);
PLIMSOLL_FIELDS(TimedDelta, at, delta);
PLIMSOLL_FIELDS(JournalTurn, at, followed, deltas, refused, plans);
PLIMSOLL_FIELDS(SnapshotHead, now);
PLIMSOLL_FIELDS(PlanHead, made);
PLIMSOLL_FIELDS(JournalHead, seed, configuration);

#undef PLIMSOLL_FIELDS

// The names of an enum's values, or of a variant's alternatives, in their order.
template <typename T>
inline constexpr std::array<std::string_view, 0> names_of{};

template <>
inline constexpr std::array<std::string_view, 3> names_of<GpuSharing>{"shared", "whole", "mig"};
template <>
inline constexpr std::array<std::string_view, 4> names_of<GpuCondition>{"stable", "draining",
                                                                        "reconfiguring", "failed"};
template <>
inline constexpr std::array<std::string_view, 3> names_of<TaintEffect>{
    "no_schedule", "prefer_no_schedule", "no_execute"};
template <>
inline constexpr std::array<std::string_view, 6> names_of<TopologyLevel>{
    "none", "zone", "block", "rack", "nvlink_domain", "host"};
template <>
inline constexpr std::array<std::string_view, 3> names_of<CapacityType>{"on_demand", "spot",
                                                                        "reserved"};
template <>
inline constexpr std::array<std::string_view, 2> names_of<TolerationOperator>{"equal", "exists"};
template <>
inline constexpr std::array<std::string_view, 6> names_of<SelectorOperator>{
    "in", "not_in", "exists", "does_not_exist", "gt", "lt"};
template <>
inline constexpr std::array<std::string_view, 23> names_of<RefusalCode>{
    "node_not_ready",  "node_cordoned",     "node_selector",     "taint",
    "gpu_model",       "gpu_memory",        "too_many_pods",     "cpu",
    "memory",          "ephemeral_storage", "extended_resource", "gpu",
    "gpu_share",       "mig_profile",       "pod_affinity",      "pod_anti_affinity",
    "topology_spread", "gang_topology",     "host_port",         "volume_topology",
    "volume_limit",    "claim_in_use",      "reserved"};
template <>
inline constexpr std::array<std::string_view, 10> names_of<ReasonCode>{
    "best_score", "gang_step_time", "no_room",    "waiting_is_faster", "behind_in_queue",
    "preempted",  "node_failed",    "preempting", "gang_incomplete",   "bind_failed"};
template <>
inline constexpr std::array<std::string_view, 5> names_of<ActionKind>{"bind", "evict", "refuse",
                                                                      "decline", "nominate"};
template <>
inline constexpr std::array<std::string_view, 12> names_of<Delta>{
    "node_upserted", "node_removed", "spec_added",      "pod_added",
    "pod_bound",     "pod_removed",  "gang_upserted",   "gang_removed",
    "pod_changed",   "bind_failed",  "budget_upserted", "budget_removed"};

static_assert(names_of<ActionKind>.size() == std::variant_size_v<ActionKind>);
static_assert(names_of<Delta>.size() == std::variant_size_v<Delta>);

// Fields<T>::list, split; `name_space`, which C++ keeps us from calling namespace, gets its name.
template <typename T>
constexpr auto field_names() {
  constexpr auto list = Fields<T>::list;
  constexpr std::size_t count = std::ranges::count(list, ',') + 1;
  std::array<std::string_view, count> names;
  std::string_view rest = list;
  for (std::string_view& name : names) {
    const auto end = std::min(rest.find(','), rest.size());
    name = rest.substr(0, end);
    name.remove_prefix(name.find_first_not_of(' '));
    name = name == "name_space" ? "namespace" : name;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return names;
}

}  // namespace plimsoll::model
