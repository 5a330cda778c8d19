// Gangs: what pods name as theirs, and the PodGroups of those names.
#include <algorithm>
#include <utility>

#include "kube/store/cluster_store.h"

namespace plimsoll::kube {
namespace {

std::string gang_key(GangForm form, std::string_view key) {
  return std::string(1, static_cast<char>('0' + static_cast<int>(form))) + std::string(key);
}

}  // namespace

// The gang that the pod names, as it is in gangs_ from now on; no_gang: none.
std::uint32_t ClusterStore::join_gang(std::uint32_t index, const PodEntry& pod,
                                      const GangReference& reference) {
  const std::string key =
      reference.form == GangForm::none
          ? std::string()
          : gang_key(reference.form, key_of(pod.name.name_space, reference.name));
  if (pod.gang != no_gang) {
    if (!key.empty() && gangs_[pod.gang].key == key) {
      gangs_[pod.gang].stated = reference;
      return pod.gang;
    }
    leave_gang(index, pods_[index]);
  }
  if (key.empty()) {
    return no_gang;
  }
  const std::uint32_t gang = gang_entry(reference.form, key);
  gangs_[gang].pods.insert(index);
  gangs_[gang].stated = reference;
  if (gangs_[gang].first_created == Time()) {
    gangs_[gang].first_created = pod.created;
  }
  return gang;
}

std::uint32_t ClusterStore::gang_entry(GangForm form, const std::string& key) {
  if (const auto known = gang_by_key_.find(key); known != gang_by_key_.end()) {
    return known->second;
  }
  std::uint32_t gang = 0;
  if (free_gangs_.empty()) {
    gang = static_cast<std::uint32_t>(gangs_.size());
    gangs_.emplace_back();
  } else {
    gang = free_gangs_.back();
    free_gangs_.pop_back();
  }
  gangs_[gang] = {.form = form, .key = key};
  gang_by_key_.emplace(key, gang);
  return gang;
}

void ClusterStore::leave_gang(std::uint32_t index, PodEntry& pod) {
  if (pod.gang == no_gang) {
    return;
  }
  const std::uint32_t gang = std::exchange(pod.gang, no_gang);
  gangs_[gang].pods.erase(index);
  if (pod.id.valid() && pod.told_gang.valid()) {
    pod.told_gang = GangId::none();
    deltas_.emplace_back(model::PodChanged{as_told(pod)});
  }
  end_gang(gang);
}

// Forgets a gang that nobody names and that has no object.
void ClusterStore::end_gang(std::uint32_t gang) {
  GangEntry& entry = gangs_[gang];
  if (!entry.pods.empty() || entry.object) {
    return;
  }
  if (entry.id.valid()) {
    deltas_.emplace_back(model::GangRemoved{entry.id});
    gang_ids_.give_back(entry.id.value());
  }
  gang_by_key_.erase(gang_by_key_.find(entry.key));
  entry = {};
  free_gangs_.push_back(gang);
}

model::Gang ClusterStore::as_model(const GangEntry& gang) const {
  model::Gang told{.id = gang.id,
                   .name = gang.key.substr(1),
                   .min_members = model::members_unknown,
                   .submitted = gang.first_created};
  if (gang.object) {
    told.min_members = std::max(gang.object->members_min, 1);
    told.required_key = gang.object->required_key;
    told.disrupted_whole = gang.object->disrupted_whole;
    if (gang.object->meta.created != Time()) {
      told.submitted = gang.object->meta.created;
    }
  } else if (gang.form == GangForm::label && gang.stated.members_min > 0) {
    told.min_members = gang.stated.members_min;
    told.required_key = gang.stated.required_key;
  }
  told.max_members = INT32_MAX;
  return told;
}

// The gang's id as its pods are told of; none where its pods start one by one.
GangId ClusterStore::tell_gang(std::uint32_t gang) {
  if (gang == no_gang) {
    return GangId::none();
  }
  GangEntry& entry = gangs_[gang];
  if (entry.object && entry.object->members_min == 0) {
    return GangId::none();
  }
  const bool news = !entry.id.valid();
  if (news) {
    entry.id = GangId(gang_ids_.take());
    if (gang_of_.size() <= entry.id.index()) {
      gang_of_.resize(entry.id.index() + 1);
    }
    gang_of_[entry.id.index()] = gang;
  }
  model::Gang told = as_model(entry);
  if (news || told != entry.told) {
    entry.told = told;
    deltas_.emplace_back(model::GangUpserted{std::move(told)});
  }
  return entry.id;
}

void ClusterStore::upsert(GroupObject object) {
  const GangForm form = object.form;
  const std::uint32_t gang = gang_entry(form, gang_key(form, key_of(object.meta)));
  gangs_[gang].object = std::move(object);
  tell_gang(gang);
  retell(gangs_[gang].pods);
}

void ClusterStore::remove_group(GangForm form, std::string_view key) {
  const auto known = gang_by_key_.find(gang_key(form, key));
  if (known == gang_by_key_.end()) {
    return;
  }
  const std::uint32_t gang = known->second;
  gangs_[gang].object.reset();
  if (gangs_[gang].pods.empty()) {
    end_gang(gang);
  } else {
    tell_gang(gang);
    retell(gangs_[gang].pods);
  }
}

const GroupObject* ClusterStore::group(GangId id) const {
  if (id.index() >= gang_of_.size() || gangs_[gang_of_[id.index()]].id != id) {
    return nullptr;
  }
  const GangEntry& gang = gangs_[gang_of_[id.index()]];
  return gang.object ? &*gang.object : nullptr;
}

bool ClusterStore::lacks_group(PodId id) const {
  const std::uint32_t gang = pods_[entry_of_[id.index()]].gang;
  return gang != no_gang && gangs_[gang].told.min_members == model::members_unknown;
}

std::optional<PodName> ClusterStore::group_to_tell(PodId id, bool scheduled,
                                                   std::string_view message) {
  const std::uint32_t index = pods_[entry_of_[id.index()]].gang;
  if (index == no_gang || gangs_[index].form != GangForm::pod_group || !gangs_[index].object) {
    return std::nullopt;
  }
  GangEntry& gang = gangs_[index];
  if (gang.object->told_scheduled || (!scheduled && gang.told_message == message)) {
    return std::nullopt;
  }
  if (scheduled) {
    const auto bound = std::ranges::count_if(
        gang.pods, [&](std::uint32_t member) { return pods_[member].binding.has_value(); });
    if (bound < gang.object->members_min) {
      return std::nullopt;
    }
    gang.object->told_scheduled = true;
  }
  gang.told_message = message;
  const Meta& meta = gang.object->meta;
  return PodName{.name_space = meta.name_space, .name = meta.name, .uid = meta.uid};
}

std::vector<std::string> ClusterStore::group_keys(GangForm form) const {
  std::vector<std::string> keys;
  for (const GangEntry& gang : gangs_) {
    if (gang.object && gang.form == form) {
      keys.push_back(gang.key.substr(1));
    }
  }
  std::ranges::sort(keys);
  return keys;
}

}  // namespace plimsoll::kube
