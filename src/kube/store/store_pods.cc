// Pods: which are told of, as what, and when that changes.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/result.h"
#include "kube/store/cluster_store.h"

namespace plimsoll::kube {

namespace {

std::string text_of(const model::Labels& labels) {
  std::string text;
  for (const auto& [key, value] : labels) {
    text += key;
    text += '=';
    text += value;
    text += ',';
  }
  return text;
}

void collect(const std::vector<model::Requirement>& selector, auto&& take) {
  for (const model::Requirement& requirement : selector) {
    take(requirement.key);
  }
}

}  // namespace

ClusterStore::ClusterStore(StoreOptions options) : options_(std::move(options)) {}

std::vector<std::string> ClusterStore::pod_keys() const { return sorted_keys(pod_by_key_); }

void ClusterStore::upsert(PodObject object) {
  const std::string key = key_of(object.meta);
  if (const auto known = pod_by_key_.find(key); known != pod_by_key_.end()) {
    const PodEntry& before = pods_[known->second];
    const bool moved = !before.node_name.empty() && !object.node_name.empty() &&
                       before.node_name != object.node_name;
    if (object.finished || moved || before.name.uid != object.meta.uid) {
      drop_pod(known->second);
    }
  }
  if (object.finished) {
    return;
  }
  const auto known = pod_by_key_.find(key);
  const bool fresh = known == pod_by_key_.end();
  std::uint32_t index = 0;
  if (!fresh) {
    index = known->second;
  } else if (free_pods_.empty()) {
    index = static_cast<std::uint32_t>(pods_.size());
    pods_.emplace_back();
  } else {
    index = free_pods_.back();
    free_pods_.pop_back();
  }
  PodEntry& pod = pods_[index];
  if (fresh) {
    pod_by_key_.emplace(key, index);
    pod.name = {.name_space = std::move(object.meta.name_space),
                .name = std::move(object.meta.name),
                .uid = std::move(object.meta.uid)};
    pod.created = object.meta.created;
  }

  learn_keys(object.spec);
  const model::Labels labels = std::exchange(object.spec.labels, {});
  std::string base_key = model::canonical_text(object.spec);
  for (const ClaimUse& claim : object.claims) {
    base_key += fmt::format("|{}{}", claim.ephemeral ? "*" : "", claim.name);
  }
  for (const NamespaceTerm& term : object.namespace_terms) {
    base_key += fmt::format("|{}{}:{}", term.anti ? "-" : "+", term.index,
                            model::canonical_text({.node_affinity = {{term.selector, {}}}}));
  }
  base_key += object.unmodelled;
  const std::uint32_t base =
      bases_
          .add(base_key,
               [&] {
                 return Base{.spec = std::move(object.spec),
                             .namespace_terms = std::move(object.namespace_terms),
                             .claims = std::move(object.claims),
                             .unmodelled = std::move(object.unmodelled)};
               })
          .id;
  const std::uint32_t label_set = labels_.add(text_of(labels), [&] { return labels; }).id;
  if (!fresh) {
    drop_claim_user(index, pod);
    bases_.drop(pod.base);
    labels_.drop(pod.labels);
  }
  pod.base = base;
  pod.labels = label_set;
  add_claim_user(index, pod);

  pod.ours = std::ranges::count(options_.scheduler_names, object.scheduler_name) > 0;
  pod.gated = object.gated;
  pod.deleting = object.meta.deleting;
  pod.do_not_disrupt = object.do_not_disrupt;
  pod.told_unschedulable = object.told_unschedulable;
  pod.told_message = std::move(object.told_message);
  pod.started = object.started;
  if (!object.node_name.empty()) {  // a state from before the binding does not undo it
    pod.node_name = std::move(object.node_name);
  }
  const std::uint32_t gang = join_gang(index, pod, object.gang);
  pods_[index].gang = gang;
  tell(index);
}

void ClusterStore::remove_pod(std::string_view key, std::string_view uid) {
  const auto known = pod_by_key_.find(key);
  if (known != pod_by_key_.end() && (uid.empty() || pods_[known->second].name.uid == uid)) {
    drop_pod(known->second);
  }
}

void ClusterStore::drop_pod(std::uint32_t index) {
  PodEntry& pod = pods_[index];
  note_held(pod, {});
  hide(pod);
  drop_claim_user(index, pod);
  if (!pod.node_name.empty()) {
    if (const auto orphaned = orphans_.find(pod.node_name); orphaned != orphans_.end()) {
      orphaned->second.erase(index);
    }
  }
  leave_gang(index, pod);
  bases_.drop(pod.base);
  labels_.drop(pod.labels);
  pod_by_key_.erase(pod_by_key_.find(key_of(pod.name.name_space, pod.name.name)));
  pods_[index] = {};
  free_pods_.push_back(index);
}

// Takes back what was told of the pod.
void ClusterStore::hide(PodEntry& pod) {
  if (!pod.id.valid()) {
    return;
  }
  deltas_.emplace_back(model::PodRemoved{pod.id});
  for (const auto& held : {pod.binding, pod.assumed}) {
    if (held) {
      nodes_[held->node.index()].pods.erase(entry_of_[pod.id.index()]);
    }
  }
  pod.binding.reset();
  pod.assumed.reset();
  if (pod.spec) {
    specs_.drop(pod.spec->value());
    pod.spec.reset();
  }
  pod_ids_.give_back(pod.id.value());
  pod.id = PodId::none();
  --told_pods_;
}

void ClusterStore::note_held(PodEntry& pod, std::string reason) {
  if (pod.held != reason) {
    pod.held = std::move(reason);
    if (!(pod.told_unschedulable && pod.told_message == pod.held)) {
      held_.push_back({.pod = pod.name, .reason = pod.held});
    }
  }
}

std::vector<Held> ClusterStore::all_held() const {
  std::vector<Held> held;
  for (const PodEntry& pod : pods_) {
    if (!pod.held.empty() && !(pod.told_unschedulable && pod.told_message == pod.held)) {
      held.push_back({.pod = pod.name, .reason = pod.held});
    }
  }
  return held;
}

std::vector<Held> ClusterStore::every_held() const {
  std::vector<Held> held;
  for (const PodEntry& pod : pods_) {
    if (!pod.held.empty()) {
      held.push_back({.pod = pod.name, .reason = pod.held});
    }
  }
  std::ranges::sort(held, {},
                    [](const Held& one) { return std::pair(one.pod.name_space, one.pod.name); });
  return held;
}

ClusterStore::Resolved ClusterStore::resolve(const PodEntry& pod) const {
  const Base& base = bases_[pod.base];
  Resolved resolved{.spec = base.spec};
  for (const auto& [key, value] : labels_[pod.labels]) {
    if (relevant_keys_.contains(key)) {
      resolved.spec.labels.emplace_back(key, value);
    }
  }
  for (const NamespaceTerm& term : base.namespace_terms) {
    model::PodAffinityTerm& completed =
        term.anti ? resolved.spec.anti_affinity[term.index] : resolved.spec.affinity[term.index];
    for (const auto& [name, labels] : namespaces_) {
      if (model::matches(term.selector, labels)) {
        completed.namespaces.push_back(name);
      }
    }
    if (completed.namespaces.empty()) {
      completed.namespaces.emplace_back();  // none, where an empty list is the pod's own
    }
    std::ranges::sort(completed.namespaces);
    const auto twins = std::ranges::unique(completed.namespaces);
    completed.namespaces.erase(twins.begin(), twins.end());
  }
  resolved.held = resolve_claims(pod, base, resolved.spec);
  if (resolved.held.empty() && !base.unmodelled.empty()) {
    resolved.held = fmt::format("{} not modelled by this scheduler", base.unmodelled);
  }
  return resolved;
}

void ClusterStore::set_spec(PodEntry& pod, const model::PodSpec& spec) {
  const auto added = specs_.add(model::canonical_text(spec), [] { return '\0'; });
  if (added.fresh) {
    deltas_.emplace_back(model::SpecAdded{SpecId(added.id), spec});
    spec_count_ = std::max<std::size_t>(spec_count_, added.id + 1);
  }
  if (pod.spec) {
    specs_.drop(pod.spec->value());
  }
  pod.spec = SpecId(added.id);
}

model::Pod ClusterStore::as_told(const PodEntry& pod) const {
  return {.id = pod.id,
          .name = pod.name.name,
          .spec = *pod.spec,
          .gang = pod.told_gang,
          .created = pod.created,
          .binding = pod.binding,
          .started = pod.told_started,
          .terminating = pod.told_terminating,
          .do_not_disrupt = pod.told_protected};
}

// The pending pod is bound now.
void ClusterStore::settle(std::uint32_t index, model::Binding binding) {
  PodEntry& pod = pods_[index];
  if (pod.assumed) {
    nodes_[pod.assumed->node.index()].pods.erase(index);
    pod.assumed.reset();
  }
  nodes_[binding.node.index()].pods.insert(index);
  pod.binding = std::move(binding);
  deltas_.emplace_back(model::PodBound{pod.id, *pod.binding});
}

// Brings what was told of the pod up to date with what is known.
void ClusterStore::tell(std::uint32_t index) {
  const auto node = node_by_name_.find(pods_[index].node_name);
  const bool bound = !pods_[index].node_name.empty();
  {
    PodEntry& pod = pods_[index];
    if (bound && node == node_by_name_.end()) {
      orphans_[pod.node_name].insert(index);
      note_held(pod, {});
      hide(pod);
      return;
    }
    if (!bound && (!pod.ours || pod.deleting || pod.gated)) {
      note_held(pod, {});
      hide(pod);
      return;
    }
  }
  Resolved resolved = resolve(pods_[index]);
  if (!bound && !resolved.held.empty()) {
    note_held(pods_[index], std::move(resolved.held));
    hide(pods_[index]);
    return;
  }
  const GangId gang = tell_gang(pods_[index].gang);
  PodEntry& pod = pods_[index];
  note_held(pod, {});
  const auto asks_other_gpus = [&](const std::optional<model::Binding>& held) {
    return held && held->gpus.size() != static_cast<std::size_t>(resolved.spec.gpu.count);
  };
  if (asks_other_gpus(pod.binding) || asks_other_gpus(pod.assumed)) {
    hide(pod);  // what it holds is not what it asks now: it is told of afresh
  }
  const bool news = !pod.id.valid();
  const SpecId spec_before = pod.spec.value_or(SpecId::none());
  set_spec(pod, resolved.spec);
  const auto unknown_gpus = [&] {
    return model::Binding{.node = node->second,
                          .gpus = std::vector<model::GpuShare>(
                              static_cast<std::size_t>(resolved.spec.gpu.count), {.index = -1})};
  };
  const bool changed =
      pod.spec != spec_before || pod.told_gang != gang || pod.told_terminating != pod.deleting ||
      pod.told_protected != pod.do_not_disrupt || (bound && pod.told_started != pod.started);
  pod.told_gang = gang;
  pod.told_terminating = pod.deleting;
  pod.told_protected = pod.do_not_disrupt;
  pod.told_started = bound ? pod.started : Time();
  if (!news) {
    if (changed) {
      deltas_.emplace_back(model::PodChanged{as_told(pod)});
    }
    if (bound && !pod.binding) {  // of what it asks now
      const bool as_sent = pod.assumed && pod.assumed->node == node->second;
      settle(index, as_sent ? *pod.assumed : unknown_gpus());
    }
    return;
  }
  pod.id = PodId(pod_ids_.take());
  ++told_pods_;
  if (entry_of_.size() <= pod.id.index()) {
    entry_of_.resize(pod.id.index() + 1);
  }
  entry_of_[pod.id.index()] = index;
  if (bound) {
    pod.binding = unknown_gpus();
    nodes_[node->second.index()].pods.insert(index);
  }
  deltas_.emplace_back(model::PodAdded{as_told(pod)});
}

void ClusterStore::retell(const std::set<std::uint32_t>& entries) {
  const std::vector<std::uint32_t> as_of_now(entries.begin(), entries.end());
  for (const std::uint32_t index : as_of_now) {
    tell(index);
  }
}

// Labels count from the moment that a selector asks for their key.
void ClusterStore::learn_keys(const model::PodSpec& spec) {
  const auto learn = [&](const std::string& key) { learn_key(key); };
  for (const auto* terms : {&spec.affinity, &spec.anti_affinity}) {
    for (const model::PodAffinityTerm& term : *terms) {
      collect(term.selector, learn);
    }
  }
  for (const model::TopologySpread& spread : spec.spread) {
    collect(spread.selector, learn);
  }
}

void ClusterStore::learn_key(const std::string& key) {
  if (!relevant_keys_.insert(key).second) {
    return;
  }
  for (std::uint32_t index = 0; index < pods_.size(); ++index) {
    if (pods_[index].id.valid() &&
        model::find_label(labels_[pods_[index].labels], key) != nullptr) {
      tell(index);
    }
  }
}

void ClusterStore::assume(PodId id, const model::Binding& binding) {
  PodEntry& pod = pods_[entry_of_[id.index()]];
  check(pod.id == id && !pod.binding && !pod.assumed, "only a pending pod is bound");
  pod.assumed = binding;
  nodes_[binding.node.index()].pods.insert(entry_of_[id.index()]);
}

bool ClusterStore::may_assume(PodId id) const {
  const PodEntry& pod = pods_[entry_of_[id.index()]];
  return pod.id == id && !pod.binding && !pod.assumed;
}

bool ClusterStore::assumed(PodId id) const {
  return id.index() < entry_of_.size() && pods_[entry_of_[id.index()]].id == id &&
         pods_[entry_of_[id.index()]].assumed.has_value();
}

void ClusterStore::confirm(PodId id) {
  if (assumed(id)) {
    const std::uint32_t index = entry_of_[id.index()];
    PodEntry& pod = pods_[index];
    pod.node_name = nodes_[pod.assumed->node.index()].node.name;
    settle(index, *pod.assumed);
  }
}

void ClusterStore::fail(PodId id, std::string why) {
  if (assumed(id)) {
    const std::uint32_t index = entry_of_[id.index()];
    nodes_[pods_[index].assumed->node.index()].pods.erase(index);
    pods_[index].assumed.reset();
    deltas_.emplace_back(model::BindFailed{id, std::move(why)});
  }
}

const PodName* ClusterStore::pod(PodId id) const {
  if (id.index() >= entry_of_.size() || pods_[entry_of_[id.index()]].id != id) {
    return nullptr;
  }
  return &pods_[entry_of_[id.index()]].name;
}

std::optional<PodId> ClusterStore::find_pod(std::string_view key) const {
  const auto known = pod_by_key_.find(key);
  if (known == pod_by_key_.end() || !pods_[known->second].id.valid()) {
    return std::nullopt;
  }
  return pods_[known->second].id;
}

bool ClusterStore::told(PodId id, std::string_view message) const {
  const PodEntry& pod = pods_[entry_of_[id.index()]];
  return pod.told_unschedulable && pod.told_message == message;
}

ClusterStore::Counts ClusterStore::counts() const {
  return {.nodes = node_by_name_.size(), .pods = told_pods_, .specs = spec_count_};
}

}  // namespace plimsoll::kube
