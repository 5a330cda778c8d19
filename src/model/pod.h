// A pod: what it asks (a spec, shared by all pods that ask the same) and where it is. Values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/units.h"
#include "model/gpu.h"
#include "model/ids.h"
#include "model/labels.h"
#include "model/node.h"
#include "model/resources.h"

namespace plimsoll::model {

enum class TolerationOperator : std::uint8_t { equal, exists };

struct Toleration {
  std::string key;  // empty with `exists`: every taint
  TolerationOperator op = TolerationOperator::equal;
  std::string value;
  std::optional<TaintEffect> effect;  // none: every effect

  friend bool operator==(const Toleration&, const Toleration&) = default;
};

bool tolerates(const Toleration& toleration, const Taint& taint);

// All expressions and names must hold for the term to hold; an empty term matches no node, as in
// Kubernetes.
struct NodeSelectorTerm {
  std::vector<Requirement> expressions;
  std::vector<Requirement> names;  // matchFields: about the node's own name; the key is not read

  friend bool operator==(const NodeSelectorTerm&, const NodeSelectorTerm&) = default;
};

bool holds(const NodeSelectorTerm& term, const Node& node);

struct WeightedNodeTerm {
  std::int32_t weight = 1;  // 1 to 100
  NodeSelectorTerm term;

  friend bool operator==(const WeightedNodeTerm&, const WeightedNodeTerm&) = default;
};

// "Beside (or, as anti-affinity, apart from) pods that match `selector`, within one domain of
// `topology_key`". Empty `namespaces`: the pod's own. A namespace selector is resolved by the
// world.
struct PodAffinityTerm {
  LabelSelector selector;
  std::vector<std::string> namespaces;
  std::string topology_key;
  std::int32_t weight = 0;  // 0: required; 1 to 100: preferred
  bool every_namespace = false;

  friend bool operator==(const PodAffinityTerm&, const PodAffinityTerm&) = default;
};

struct TopologySpread {
  std::int32_t max_skew = 1;
  std::string topology_key;
  bool hard = true;  // DoNotSchedule; else ScheduleAnyway
  LabelSelector selector;
  std::int32_t min_domains = 1;  // with fewer domains, the least count is taken as 0
  bool honor_affinity = true;    // only domains that the pod's selector and affinity let it into
  bool honor_taints = false;     // only domains whose taints the pod tolerates

  friend bool operator==(const TopologySpread&, const TopologySpread&) = default;
};

// A port of the node's own that the pod takes. "0.0.0.0" stands for every address.
struct HostPort {
  std::string ip = "0.0.0.0";
  std::string protocol = "TCP";
  std::int32_t port = 0;

  friend auto operator<=>(const HostPort&, const HostPort&) = default;
};

// A volume that `driver` attaches to the node; pods on one node that use one handle share it.
struct AttachedVolume {
  std::string driver;
  std::string handle;

  friend auto operator<=>(const AttachedVolume&, const AttachedVolume&) = default;
};

// Everything about a pod that placement looks at. A world gives equal specs one SpecId.
struct PodSpec {
  std::string name_space = "default";
  Labels labels;
  Resources requests;
  GpuRequest gpu;
  Labels node_selector;
  std::vector<NodeSelectorTerm> node_affinity;  // one must hold; empty: any node
  std::vector<WeightedNodeTerm> node_affinity_preferred;
  std::vector<Toleration> tolerations;
  std::vector<PodAffinityTerm> affinity;
  std::vector<PodAffinityTerm> anti_affinity;
  std::vector<TopologySpread> spread;
  std::vector<HostPort> host_ports;  // sorted, unique
  // What its bound volumes ask of the node: of each list, one term must hold.
  std::vector<std::vector<NodeSelectorTerm>> volume_topology;
  std::vector<AttachedVolume> volumes;  // sorted, unique
  // Claims ("namespace/name") that one pod of the whole cluster may use at a time; sorted, unique.
  std::vector<std::string> exclusive_claims;
  std::int32_t priority = 0;
  bool preempts = true;  // may take room from pods of lower priority

  friend bool operator==(const PodSpec&, const PodSpec&) = default;
};

// One text for equal specs, and another for every other: what they are told apart by.
std::string canonical_text(const PodSpec& spec);

// The labels, affinity and node selector of `spec` against a node, taints and resources apart.
bool selects(const PodSpec& spec, const Node& node);
// Whether the bound volumes of `spec` can be reached from `node`. As kube-scheduler has it, their
// terms are about labels alone: names in them always hold.
bool volumes_reach(const PodSpec& spec, const Node& node);
// Whether `spec` may go to a cordoned node, as kube-scheduler's NodeUnschedulable reads it.
bool tolerates_cordon(const PodSpec& spec);
// The first taint of `node` that keeps `spec` off it (NoSchedule or NoExecute), or null.
const Taint* untolerated_taint(const PodSpec& spec, const Node& node);

// Where a pod sits and which parts of which GPUs it holds.
struct Binding {
  NodeId node;
  std::vector<GpuShare> gpus;

  friend bool operator==(const Binding&, const Binding&) = default;
};

struct Pod {
  PodId id;
  std::string name;
  SpecId spec;
  GangId gang;      // none: on its own
  TenantId tenant;  // none: nobody's
  Time created;
  std::optional<Binding> binding;  // none: pending
  Time started;                    // when its node began to run it; 0: not yet
  bool terminating = false;        // it goes, and holds its room until it is gone
  bool do_not_disrupt = false;     // its owner asks that it be left alone

  friend bool operator==(const Pod&, const Pod&) = default;
};

}  // namespace plimsoll::model
