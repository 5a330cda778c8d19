// The other objects that placement depends on: groups, budgets, volumes, namespaces. Values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kube/objects/meta.h"
#include "kube/objects/pod.h"
#include "model/budget.h"

namespace plimsoll::kube {

// A PodGroup of scheduling.k8s.io (v1beta1, v1alpha2), of coscheduling or of Volcano.
struct GroupObject {
  Meta meta;
  GangForm form = GangForm::pod_group;
  std::int32_t members_min = 0;  // 0: its pods start one by one (policy "basic")
  std::string required_key;      // the node label that all members share; empty: none
  bool disrupted_whole = false;  // disruptionMode All
  bool told_scheduled = false;   // its condition PodGroupInitiallyScheduled is True
};
Result<GroupObject> read_group(Json group, GangForm form);

struct BudgetObject {
  Meta meta;
  model::DisruptionBudget budget;
};
Result<BudgetObject> read_budget(Json budget);

struct ClaimObject {
  Meta meta;
  std::string volume;  // empty: not bound
  std::string storage_class;
  std::string owner_uid;   // of the pod that it was made for
  bool exclusive = false;  // ReadWriteOncePod
};
Result<ClaimObject> read_claim(Json claim);

struct VolumeObject {
  Meta meta;
  // What it asks of nodes: of each list, one term must hold.
  std::vector<std::vector<model::NodeSelectorTerm>> topology;
  std::optional<model::AttachedVolume> attached;  // by a CSI driver
  std::string claim;                              // "namespace/name" of its claim
};
Result<VolumeObject> read_volume(Json volume);

struct StorageClassObject {
  Meta meta;
  bool waits_for_consumer = false;
};
Result<StorageClassObject> read_storage_class(Json storage_class);

// A CSINode: how many volumes each driver attaches to the node of its name.
struct AttachLimits {
  Meta meta;
  std::vector<std::pair<std::string, std::int64_t>> limits;  // sorted by driver
};
Result<AttachLimits> read_attach_limits(Json csi_node);

struct NamespaceObject {
  Meta meta;
  model::Labels labels;
};
Result<NamespaceObject> read_namespace(Json name_space);

}  // namespace plimsoll::kube
