// A plan: actions, each with the reason for it, what else was weighed, and its predicted effect.
//
// The dry run, the report's "why", the audit log and the goldens are all views of a Plan. Values.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/units.h"
#include "model/ids.h"
#include "model/pod.h"

namespace plimsoll::model {

// Why a node cannot take a pod, in the order in which they are checked.
enum class RefusalCode : std::uint8_t {
  node_not_ready,
  node_cordoned,
  node_selector,
  taint,
  gpu_model,
  gpu_memory,
  too_many_pods,
  cpu,
  memory,
  ephemeral_storage,
  extended_resource,
  gpu,          // too few whole GPUs free
  gpu_share,    // no GPU with enough of it free
  mig_profile,  // no free instance, and no legal place for one
  pod_affinity,
  pod_anti_affinity,
  topology_spread,
  gang_topology,  // enough room, not within one required domain
  host_port,
  volume_topology,  // a bound volume cannot be reached from there
  volume_limit,     // its driver attaches no more volumes there
  claim_in_use,     // another pod uses a claim that takes one pod
  reserved,         // kept for a pod that waits for its victims to go
};

// "`nodes` nodes refused for `code`"; `detail` names the taint ("key: value"), the extended
// resource, the MIG profile, the GPU model, the share ("500m") or the topology level, tells the
// anti-affinity of "existing pods" from the pod's own and a "missing required label" from a skew;
// else it is empty.
struct Refusal {
  RefusalCode code = RefusalCode::cpu;
  std::string detail;
  std::int32_t nodes = 0;

  friend bool operator==(const Refusal&, const Refusal&) = default;
};

// As kube-scheduler says it of each node: "Insufficient cpu".
std::string to_string(const Refusal& refusal);
// As kube-scheduler says it: "0/15 nodes are available: 12 Insufficient GPU memory, 3 …". The most
// nodes first, then in RefusalCode's order, then by detail; equal refusals are added up.
std::string to_string(const std::vector<Refusal>& refusals, std::int32_t nodes_total);

enum class ReasonCode : std::uint8_t {
  best_score,         // the node and GPU with the best score under `policy`
  gang_step_time,     // the placement with the least predicted step time
  no_room,            // `refusals` says where and why
  waiting_is_faster,  // a gang's predicted finish is earlier if it waits until `until`
  behind_in_queue,    // the queue's order keeps it back
  preempted,
  node_failed,
  preempting,       // it will fit on `node` once its victims are gone
  gang_incomplete,  // `missing` more members must exist before any is placed
  bind_failed,      // the world refused the binding
};

struct Reason {
  ReasonCode code = ReasonCode::best_score;
  std::string policy;  // whose score, for best_score
  std::int64_t score = 0;
  std::vector<Refusal> refusals;
  std::int32_t nodes_total = 0;
  Time until;
  NodeId node;
  std::int32_t missing = 0;
  PodId by;  // for preempted: the pod that takes its room, or the first of its gang

  friend bool operator==(const Reason&, const Reason&) = default;
};

// One line for a person.
std::string to_string(const Reason& reason);

// What an action is predicted to change; zeros where it changes nothing, or nobody knows.
struct Effect {
  // The share of the node's price that the pod takes there (cost.h); less than 0 where it leaves.
  MicroUsdPerHour cost;
  std::int64_t gpu_milli_allocated = 0;
  // Of the gang it is about, as each of its Binds says: how much sooner it is predicted to finish
  // here than where kube-scheduler's default profile would put the same members now, each where
  // the most GPUs are free. Of a Decline: how much sooner it is predicted to finish than if it
  // started now.
  Duration finish_earlier;

  friend bool operator==(const Effect&, const Effect&) = default;
};

struct Bind {
  PodId pod;
  Binding binding;
  friend bool operator==(const Bind&, const Bind&) = default;
};
struct Evict {
  PodId pod;
  friend bool operator==(const Evict&, const Evict&) = default;
};
// The pod stays pending; the reason says why.
struct Refuse {
  PodId pod;
  friend bool operator==(const Refuse&, const Refuse&) = default;
};
// The gang could start now and does not.
struct Decline {
  GangId gang;
  Time until;
  friend bool operator==(const Decline&, const Decline&) = default;
};
// The pod waits for its victims to leave `node`, which is kept for it; none(): no node is any more.
struct Nominate {
  PodId pod;
  NodeId node;
  friend bool operator==(const Nominate&, const Nominate&) = default;
};
using ActionKind = std::variant<Bind, Evict, Refuse, Decline, Nominate>;

struct Alternative {
  NodeId node;
  Reason reason;
  friend bool operator==(const Alternative&, const Alternative&) = default;
};

struct Action {
  ActionKind kind;
  Reason reason;
  std::vector<Alternative> rejected;
  Effect effect;
  std::vector<std::uint32_t> after;  // indices of actions that must have succeeded first
  friend bool operator==(const Action&, const Action&) = default;
};

struct Plan {
  Time made;
  std::vector<Action> actions;
  friend bool operator==(const Plan&, const Plan&) = default;
};

}  // namespace plimsoll::model
