// What volumes ask of the nodes of their pods, and what namespaces select.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "kube/store/cluster_store.h"

namespace plimsoll::kube {

namespace {

template <typename T>
void sort_once(std::vector<T>& items) {
  std::ranges::sort(items);
  const auto twins = std::ranges::unique(items);
  items.erase(twins.begin(), twins.end());
}

}  // namespace

// Adds to `spec` what the pod's claims ask; or returns why the pod cannot be placed yet.
std::string ClusterStore::resolve_claims(const PodEntry& pod, const Base& base,
                                         model::PodSpec& spec) const {
  std::string held;
  const auto hold = [&](std::string why) {
    if (held.empty()) {
      held = std::move(why);
    }
  };
  for (const ClaimUse& use : base.claims) {
    const std::string key = key_of(pod.name.name_space, use.name);
    const auto known = claims_.find(key);
    if (known == claims_.end()) {
      hold(use.ephemeral ? fmt::format("waiting for ephemeral volume controller to create the "
                                       "persistentvolumeclaim \"{}\"",
                                       use.name)
                         : fmt::format("persistentvolumeclaim \"{}\" not found", use.name));
      continue;
    }
    const ClaimObject& claim = known->second;
    if (claim.meta.deleting) {
      hold(fmt::format("persistentvolumeclaim \"{}\" is being deleted", use.name));
    }
    if (use.ephemeral && claim.owner_uid != pod.name.uid) {
      hold(fmt::format("PVC \"{}\" was not created for the pod", key));
    }
    if (claim.exclusive) {
      spec.exclusive_claims.push_back(key);
    }
    if (claim.volume.empty()) {
      const auto storage_class = storage_classes_.find(claim.storage_class);
      const bool waits =
          storage_class != storage_classes_.end() && storage_class->second.waits_for_consumer;
      hold(waits ? fmt::format("PersistentVolumeClaim \"{}\" waits for its first consumer, which "
                               "this scheduler does not bind",
                               use.name)
                 : std::string("pod has unbound immediate PersistentVolumeClaims"));
      continue;
    }
    const auto volume = volumes_.find(claim.volume);
    if (volume == volumes_.end()) {
      hold(fmt::format("persistentvolume \"{}\" not found", claim.volume));
      continue;
    }
    for (const auto& terms : volume->second.topology) {
      spec.volume_topology.push_back(terms);
    }
    if (volume->second.attached) {
      spec.volumes.push_back(*volume->second.attached);
    }
  }
  sort_once(spec.volumes);
  sort_once(spec.exclusive_claims);
  return held;
}

void ClusterStore::add_claim_user(std::uint32_t index, const PodEntry& pod) {
  const Base& base = bases_[pod.base];
  for (const ClaimUse& use : base.claims) {
    claim_users_[key_of(pod.name.name_space, use.name)].insert(index);
  }
  if (!base.namespace_terms.empty()) {
    with_namespace_terms_.insert(index);
  }
}

void ClusterStore::drop_claim_user(std::uint32_t index, const PodEntry& pod) {
  const Base& base = bases_[pod.base];
  for (const ClaimUse& use : base.claims) {
    const auto users = claim_users_.find(key_of(pod.name.name_space, use.name));
    if (users != claim_users_.end() && users->second.erase(index) > 0 && users->second.empty()) {
      claim_users_.erase(users);
    }
  }
  with_namespace_terms_.erase(index);
}

void ClusterStore::retell_claim(std::string_view key) {
  if (const auto users = claim_users_.find(key); users != claim_users_.end()) {
    retell(users->second);
  }
}

void ClusterStore::upsert(ClaimObject claim) {
  const std::string key = key_of(claim.meta);
  claims_.insert_or_assign(key, std::move(claim));
  retell_claim(key);
}

void ClusterStore::remove_claim(std::string_view key) {
  if (const auto known = claims_.find(key); known != claims_.end()) {
    claims_.erase(known);
    retell_claim(key);
  }
}

void ClusterStore::upsert(VolumeObject volume) {
  const std::string claim = volume.claim;
  const std::string name = volume.meta.name;
  volumes_.insert_or_assign(name, std::move(volume));
  retell_claim(claim);
}

void ClusterStore::remove_volume(std::string_view name) {
  if (const auto known = volumes_.find(name); known != volumes_.end()) {
    const std::string claim = known->second.claim;
    volumes_.erase(known);
    retell_claim(claim);
  }
}

void ClusterStore::upsert(StorageClassObject storage_class) {
  const std::string name = storage_class.meta.name;
  storage_classes_.insert_or_assign(name, std::move(storage_class));
  for (const auto& [key, claim] : claims_) {
    if (claim.volume.empty() && claim.storage_class == name) {
      retell_claim(key);
    }
  }
}

void ClusterStore::remove_storage_class(std::string_view name) {
  if (const auto known = storage_classes_.find(name); known != storage_classes_.end()) {
    storage_classes_.erase(known);
  }
}

void ClusterStore::upsert(NamespaceObject name_space) {
  model::Labels& labels = namespaces_[name_space.meta.name];
  if (labels != name_space.labels || labels.empty()) {
    labels = std::move(name_space.labels);
    retell(with_namespace_terms_);
  }
}

void ClusterStore::remove_namespace(std::string_view name) {
  if (const auto known = namespaces_.find(name); known != namespaces_.end()) {
    namespaces_.erase(known);
    retell(with_namespace_terms_);
  }
}

std::vector<std::string> ClusterStore::claim_keys() const { return sorted_keys(claims_); }
std::vector<std::string> ClusterStore::volume_names() const { return sorted_keys(volumes_); }
std::vector<std::string> ClusterStore::storage_class_names() const {
  return sorted_keys(storage_classes_);
}
std::vector<std::string> ClusterStore::namespace_names() const { return sorted_keys(namespaces_); }

}  // namespace plimsoll::kube
