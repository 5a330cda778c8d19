#include "kube/objects/others.h"

#include <algorithm>
#include <utility>

#include "kube/objects/selectors.h"

namespace plimsoll::kube {
namespace {

Result<Meta> named(Json object, std::string_view kind) {
  Meta meta = read_meta(object);
  if (meta.name.empty()) {
    return failed(std::string(kind) + ": metadata: found no name");
  }
  return meta;
}

std::int32_t count_of(Json value) {
  return static_cast<std::int32_t>(std::clamp<std::int64_t>(integer(value), 0, INT32_MAX));
}

// The plugin VolumeZone: a node with none of these labels takes any volume; any other must have
// each label that the volume has, with one of its values ("a__b" is a set).
std::vector<model::NodeSelectorTerm> zone_terms(const model::Labels& volume_labels) {
  static constexpr std::string_view keys[] = {
      "topology.kubernetes.io/zone", "topology.kubernetes.io/region",
      "failure-domain.beta.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region"};
  model::NodeSelectorTerm in_zone;
  model::NodeSelectorTerm zoneless;
  for (const std::string_view key : keys) {
    zoneless.expressions.push_back(
        {.key = std::string(key), .op = model::SelectorOperator::does_not_exist});
    const std::string* value = model::find_label(volume_labels, key);
    if (value == nullptr) {
      continue;
    }
    model::Requirement requirement{.key = std::string(key)};
    std::string_view rest = *value;
    while (true) {
      const auto end = rest.find("__");
      requirement.values.emplace_back(rest.substr(0, end));
      if (end == std::string_view::npos) {
        break;
      }
      rest.remove_prefix(end + 2);
    }
    in_zone.expressions.push_back(std::move(requirement));
  }
  if (in_zone.expressions.empty()) {
    return {};
  }
  return {std::move(in_zone), std::move(zoneless)};
}

}  // namespace

Result<GroupObject> read_group(Json group, GangForm form) {
  GroupObject read{.meta = TRY(named(group, "PodGroup")), .form = form};
  const Json spec = member(group, "spec");
  if (form != GangForm::pod_group) {
    read.members_min = std::max(count_of(member(spec, "minMember")), 1);
    return read;
  }
  read.members_min = count_of(member(spec, {"schedulingPolicy", "gang", "minCount"}));
  for (const Json constraint : items(member(spec, {"schedulingConstraints", "topology"}))) {
    read.required_key = text(member(constraint, "key"));
    break;
  }
  const Json mode = member(spec, "disruptionMode");
  read.disrupted_whole = text(mode) == "All" || !is_null(member(mode, "all"));
  for (const Json condition : items(member(group, {"status", "conditions"}))) {
    if (text(member(condition, "type")) == "PodGroupInitiallyScheduled") {
      read.told_scheduled = text(member(condition, "status")) == "True";
    }
  }
  return read;
}

Result<BudgetObject> read_budget(Json budget) {
  BudgetObject read{.meta = TRY(named(budget, "PodDisruptionBudget"))};
  read.budget.name = read.meta.name;
  read.budget.name_space = read.meta.name_space;
  read.budget.selector = read_label_selector(member(budget, {"spec", "selector"}));
  read.budget.allowed = count_of(member(budget, {"status", "disruptionsAllowed"}));
  return read;
}

Result<ClaimObject> read_claim(Json claim) {
  ClaimObject read{.meta = TRY(named(claim, "PersistentVolumeClaim"))};
  const Json annotations = member(claim, {"metadata", "annotations"});
  const bool bound = !is_null(member(annotations, "pv.kubernetes.io/bind-completed"));
  if (bound) {
    read.volume = text(member(claim, {"spec", "volumeName"}));
  }
  read.storage_class = text(member(claim, {"spec", "storageClassName"}));
  if (const std::string_view older =
          text(member(annotations, "volume.beta.kubernetes.io/storage-class"));
      !older.empty()) {
    read.storage_class = older;
  }
  for (const Json owner : items(member(claim, {"metadata", "ownerReferences"}))) {
    if (truth(member(owner, "controller"))) {
      read.owner_uid = text(member(owner, "uid"));
    }
  }
  for (const Json mode : items(member(claim, {"spec", "accessModes"}))) {
    read.exclusive = read.exclusive || text(mode) == "ReadWriteOncePod";
  }
  return read;
}

Result<VolumeObject> read_volume(Json volume) {
  VolumeObject read{.meta = TRY(named(volume, "PersistentVolume"))};
  const Json required = member(volume, {"spec", "nodeAffinity", "required"});
  if (!is_null(required)) {
    read.topology.push_back(read_node_terms(member(required, "nodeSelectorTerms")));
  }
  auto zones = zone_terms(labels(member(volume, {"metadata", "labels"})));
  if (!zones.empty()) {
    read.topology.push_back(std::move(zones));
  }
  const Json csi = member(volume, {"spec", "csi"});
  if (!is_null(csi)) {
    read.attached = {.driver = std::string(text(member(csi, "driver"))),
                     .handle = std::string(text(member(csi, "volumeHandle")))};
  }
  const Json claim = member(volume, {"spec", "claimRef"});
  if (!is_null(claim)) {
    read.claim = key_of(text(member(claim, "namespace")), text(member(claim, "name")));
  }
  return read;
}

Result<StorageClassObject> read_storage_class(Json storage_class) {
  return StorageClassObject{
      .meta = TRY(named(storage_class, "StorageClass")),
      .waits_for_consumer =
          text(member(storage_class, "volumeBindingMode")) == "WaitForFirstConsumer"};
}

Result<AttachLimits> read_attach_limits(Json csi_node) {
  AttachLimits read{.meta = TRY(named(csi_node, "CSINode"))};
  for (const Json driver : items(member(csi_node, {"spec", "drivers"}))) {
    const Json count = member(driver, {"allocatable", "count"});
    if (!is_null(count)) {
      read.limits.emplace_back(text(member(driver, "name")),
                               std::max<std::int64_t>(integer(count), 0));
    }
  }
  std::ranges::sort(read.limits);
  const auto twins =
      std::ranges::unique(read.limits, {}, [](const auto& pair) { return pair.first; });
  read.limits.erase(twins.begin(), twins.end());
  return read;
}

Result<NamespaceObject> read_namespace(Json name_space) {
  return NamespaceObject{.meta = TRY(named(name_space, "Namespace")),
                         .labels = labels(member(name_space, {"metadata", "labels"}))};
}

}  // namespace plimsoll::kube
