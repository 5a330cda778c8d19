// A pod as the API server has it, read into what placement looks at. Values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kube/objects/meta.h"
#include "model/pod.h"

namespace plimsoll::kube {

// How a pod names the gang that it belongs to.
enum class GangForm : std::uint8_t {
  none,
  pod_group,     // spec.schedulingGroup.podGroupName, of scheduling.k8s.io
  coscheduling,  // label scheduling.x-k8s.io/pod-group or pod-group.scheduling.sigs.k8s.io/name
  volcano,       // annotation scheduling.k8s.io/group-name
  label,         // label plimsoll.dev/gang, on pods of plain Jobs and JobSets
};

struct GangReference {
  GangForm form = GangForm::none;
  std::string name;              // in the pod's namespace
  std::int32_t members_min = 0;  // that the pod itself states; 0: none stated
  std::string required_key;      // as above

  friend bool operator==(const GangReference&, const GangReference&) = default;
};

// A claim that the pod mounts.
struct ClaimUse {
  std::string name;        // of the PersistentVolumeClaim, in the pod's namespace
  bool ephemeral = false;  // made for the pod, and deleted with it

  friend bool operator==(const ClaimUse&, const ClaimUse&) = default;
};

// A term of `spec` whose namespaces are chosen by labels of namespaces.
struct NamespaceTerm {
  bool anti = false;      // of spec.anti_affinity, else of spec.affinity
  std::size_t index = 0;  // there
  model::LabelSelector selector;

  friend bool operator==(const NamespaceTerm&, const NamespaceTerm&) = default;
};

struct PodObject {
  Meta meta;
  // All that the pod says of itself; what its claims and namespace selectors add is not in it.
  model::PodSpec spec;
  std::vector<NamespaceTerm> namespace_terms;
  std::vector<ClaimUse> claims;
  GangReference gang;
  std::string scheduler_name;
  std::string node_name;  // empty: pending
  std::string nominated_node;
  Time started;
  bool finished = false;  // Succeeded or Failed: it holds nothing
  bool gated = false;     // has scheduling gates
  bool do_not_disrupt = false;
  // The first feature that placement does not model and that decides where it may go; or empty.
  std::string unmodelled;
  // What the condition PodScheduled says now, so that it is not written again.
  bool told_unschedulable = false;
  std::string told_message;
};

// Errors: no name, namespace or uid.
Result<PodObject> read_pod(Json pod);

}  // namespace plimsoll::kube
