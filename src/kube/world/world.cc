// What the world sees, and when.
#include "kube/world/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "kube/client/list_watch.h"
#include "kube/objects/node.h"
#include "kube/world/sinks.h"

namespace plimsoll::kube {
namespace {

// Longer waits are taken in parts, so that no clock arithmetic can overflow.
constexpr std::chrono::seconds wait_max{3600};
// How soon wait_synced() notices that it is to end.
constexpr std::chrono::milliseconds sync_poll{100};

// A resource whose objects are T, put into the store and taken out of it by these.
template <typename T>
Resource resource_of(std::string path, std::string_view name, ClusterStore& store,
                     Result<T> (*read)(Json), void (ClusterStore::*remove)(std::string_view),
                     std::vector<std::string> (ClusterStore::*keys)() const) {
  return {
      .path = std::move(path),
      .name = name,
      .read = [&store, read](Json json) -> Result<Resource::Read> {
        T object = TRY(read(json));
        std::string key = object.meta.name_space.empty() ? object.meta.name : key_of(object.meta);
        return Resource::Read{.key = std::move(key),
                              .put = [&store, object = std::move(object)]() mutable {
                                store.upsert(std::move(object));
                              }};
      },
      .remove = [&store, remove](std::string_view key, std::string_view) { (store.*remove)(key); },
      .keys = [&store, keys] { return (store.*keys)(); }};
}

Resource pods(ClusterStore& store) {
  return {.path = "/api/v1/pods",
          .name = "pods",
          .field_selector = "status.phase!=Succeeded,status.phase!=Failed",
          .read = [&store](Json json) -> Result<Resource::Read> {
            PodObject pod = TRY(read_pod(json));
            std::string key = key_of(pod.meta);
            return Resource::Read{
                .key = std::move(key),
                .put = [&store, pod = std::move(pod)]() mutable { store.upsert(std::move(pod)); }};
          },
          .remove = [&store](std::string_view key,
                             std::string_view uid) { store.remove_pod(key, uid); },
          .keys = [&store] { return store.pod_keys(); }};
}

Resource nodes(ClusterStore& store) {
  return {.path = "/api/v1/nodes",
          .name = "nodes",
          .read = [&store](Json json) -> Result<Resource::Read> {
            model::Node node = TRY(read_node(json));
            std::string key = node.name;
            return Resource::Read{.key = std::move(key),
                                  .put = [&store, node = std::move(node)]() mutable {
                                    store.upsert(std::move(node));
                                  }};
          },
          .remove = [&store](std::string_view key, std::string_view) { store.remove_node(key); },
          .keys = [&store] { return store.node_names(); }};
}

Resource groups(std::string path, std::string_view name, GangForm form, ClusterStore& store) {
  return {.path = std::move(path),
          .name = name,
          .read = [&store, form](Json json) -> Result<Resource::Read> {
            GroupObject group = TRY(read_group(json, form));
            std::string key = key_of(group.meta);
            return Resource::Read{.key = std::move(key),
                                  .put = [&store, group = std::move(group)]() mutable {
                                    store.upsert(std::move(group));
                                  }};
          },
          .remove = [&store, form](std::string_view key,
                                   std::string_view) { store.remove_group(form, key); },
          .keys = [&store, form] { return store.group_keys(form); }};
}

}  // namespace

KubeWorld::KubeWorld(Client& client, WorldOptions options)
    : client_(client),
      options_(std::move(options)),
      wall_at_start_(std::chrono::duration_cast<std::chrono::microseconds>(
                         std::chrono::system_clock::now().time_since_epoch())
                         .count()),
      started_(std::chrono::steady_clock::now()),
      store_(options_.store) {}

// The reflectors end first: nothing is told to a sink after that. Answers may still come, on the IO
// thread, and find nobody.
KubeWorld::~KubeWorld() {
  reflectors_.clear();
  client_.run([this] { *alive_ = nullptr; });
}

Result<std::unique_ptr<KubeWorld>> KubeWorld::make(Client& client, WorldOptions options) {
  std::unique_ptr<KubeWorld> world(new KubeWorld(client, std::move(options)));
  TRY_VOID(world->begin());
  return world;
}

// Whether the server has the resource in that version of its group.
Result<bool> KubeWorld::served(std::string_view group_version, std::string_view resource) {
  const ApiResult<Response> answer =
      client_.call({.path = fmt::format("/apis/{}", group_version), .resource = "discovery"});
  if (!answer) {
    if (answer.error().not_found()) {
      return false;
    }
    return std::unexpected(
        to_error(answer.error(), fmt::format("asking {} what it serves", client_.config().server)));
  }
  Document document;
  const Json list = TRY(document.parse(answer->body, false));
  for (const Json item : items(member(list, "resources"))) {
    if (text(member(item, "name")) == resource) {
      return true;
    }
  }
  return false;
}

Result<void> KubeWorld::begin() {
  struct Optional {
    GangForm form;
    std::string_view name;
    std::vector<std::string_view> versions;  // the newest first
  };
  static const Optional optional[] = {
      {GangForm::pod_group,
       "podgroups",
       {"scheduling.k8s.io/v1beta1", "scheduling.k8s.io/v1alpha3", "scheduling.k8s.io/v1alpha2"}},
      {GangForm::coscheduling, "podgroups", {"scheduling.x-k8s.io/v1alpha1"}},
      {GangForm::volcano, "podgroups", {"scheduling.volcano.sh/v1beta1"}},
  };
  for (const Optional& wanted : optional) {
    for (const std::string_view version : wanted.versions) {
      if (TRY(served(version, wanted.name))) {
        if (wanted.form == GangForm::pod_group) {
          group_version_ = version;
        }
        add(groups(fmt::format("/apis/{}/{}", version, wanted.name), wanted.name, wanted.form,
                   store_));
        break;
      }
    }
  }
  using Store = ClusterStore;
  add(nodes(store_));
  add(pods(store_));
  add(resource_of("/api/v1/namespaces", "namespaces", store_, read_namespace,
                  &Store::remove_namespace, &Store::namespace_names));
  add(resource_of("/apis/policy/v1/poddisruptionbudgets", "poddisruptionbudgets", store_,
                  read_budget, &Store::remove_budget, &Store::budget_keys));
  add(resource_of("/api/v1/persistentvolumeclaims", "persistentvolumeclaims", store_, read_claim,
                  &Store::remove_claim, &Store::claim_keys));
  add(resource_of("/api/v1/persistentvolumes", "persistentvolumes", store_, read_volume,
                  &Store::remove_volume, &Store::volume_names));
  add(resource_of("/apis/storage.k8s.io/v1/storageclasses", "storageclasses", store_,
                  read_storage_class, &Store::remove_storage_class, &Store::storage_class_names));
  add(resource_of("/apis/storage.k8s.io/v1/csinodes", "csinodes", store_, read_attach_limits,
                  &Store::remove_attach_limits, &Store::attach_limit_nodes));
  unsynced_ = sinks_.size();
  for (const std::unique_ptr<ResourceSink>& sink : sinks_) {
    const Resource& resource = sink->resource();
    reflectors_.push_back(
        std::make_unique<Reflector>(client_,
                                    ReflectorOptions{.path = resource.path,
                                                     .resource = std::string(resource.name),
                                                     .field_selector = resource.field_selector},
                                    *sink));
  }
  return {};
}

void KubeWorld::add(Resource resource) {
  const std::size_t index = sinks_.size();
  synced_.push_back(false);
  ResourceSink::Host host{
      .change = [this](const std::function<void()>& change) { this->change(change); },
      .synced =
          [this, index] {
            const std::lock_guard lock(mutex_);
            if (!synced_[index]) {
              synced_[index] = true;
              --unsynced_;
              changed_.notify_all();
            }
          },
      .warn = [this](std::string_view line) { client_.log(LogLevel::warning, line); }};
  sinks_.push_back(std::make_unique<ResourceSink>(std::move(resource), std::move(host)));
}

void KubeWorld::change(const std::function<void()>& change) {
  bool news = false;
  std::vector<Held> held;
  {
    const std::lock_guard lock(mutex_);
    const bool waiting = !store_.has_deltas();
    change();
    news = waiting && store_.has_deltas();
    if (unsynced_ == 0) {
      held = store_.take_held();
    }
  }
  if (news) {
    changed_.notify_one();
  }
  for (const Held& pod : held) {
    tell_held(pod);
  }
}

Result<void> KubeWorld::wait_synced(std::chrono::milliseconds deadline,
                                    const std::function<bool()>& given_up) {
  const auto end = std::chrono::steady_clock::now() + deadline;
  std::unique_lock lock(mutex_);
  const auto synced = [&] { return unsynced_ == 0 || stopped_; };
  while (!changed_.wait_for(lock, sync_poll, synced)) {
    if (given_up && given_up()) {
      stopped_ = true;
      break;
    }
    for (std::size_t i = 0; i < sinks_.size(); ++i) {  // that does not get better by waiting
      const std::optional<ApiError> error = reflectors_[i]->status().last_error;
      if (!synced_[i] && error && error->forbidden()) {
        return failed(fmt::format("{}: may not list {}: {}", client_.config().server,
                                  sinks_[i]->resource().path, error->message));
      }
    }
    if (std::chrono::steady_clock::now() >= end) {
      break;
    }
  }
  if (stopped_) {
    return failed("stopped before the cluster was read");
  }
  if (unsynced_ == 0) {
    return {};
  }
  std::string missing;
  for (std::size_t i = 0; i < sinks_.size(); ++i) {
    if (synced_[i]) {
      continue;
    }
    const ReflectorStatus status = reflectors_[i]->status();
    missing += fmt::format("{}{} ({})", missing.empty() ? "" : "; ", sinks_[i]->resource().path,
                           status.last_error ? status.last_error->message : "no answer yet");
  }
  return failed(fmt::format("{}: could not list within {} s: {}", client_.config().server,
                            deadline.count() / 1000, missing));
}

bool KubeWorld::wait(Time until) {
  std::unique_lock lock(mutex_);
  const auto news = [&] { return store_.has_deltas() || stopped_ || woken_; };
  while (!news()) {
    const Time at = now();
    if (at >= until) {
      break;
    }
    const auto left = std::min<std::chrono::microseconds>(
        std::chrono::microseconds((until - at).value()), wait_max);
    changed_.wait_for(lock, left, news);
  }
  woken_ = false;
  if (!stopped_ && store_.has_deltas() && options_.batch.count() > 0) {
    changed_.wait_for(lock, options_.batch, [&] { return stopped_; });
  }
  return !stopped_;
}

void KubeWorld::wake() {
  const std::lock_guard lock(mutex_);
  woken_ = true;
  changed_.notify_all();
}

void KubeWorld::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  changed_.notify_all();
}

model::Snapshot KubeWorld::snapshot() { return {.now = now()}; }

Result<void> KubeWorld::observe(std::vector<model::Delta>& changes) {
  std::vector<model::Delta> news;
  {
    const std::lock_guard lock(mutex_);
    news = store_.take_deltas();
    const Time at = now();
    for (const model::Delta& delta : news) {
      const auto* added = std::get_if<model::PodAdded>(&delta);
      if (added != nullptr && !added->pod.binding) {
        seen_.resize(std::max(seen_.size(), added->pod.id.index() + 1));
        seen_[added->pod.id.index()] = at;
      }
    }
  }
  if (changes.empty()) {
    changes = std::move(news);
  } else {
    changes.insert(changes.end(), std::make_move_iterator(news.begin()),
                   std::make_move_iterator(news.end()));
  }
  return {};
}

Time KubeWorld::now() const {
  const auto passed = std::chrono::steady_clock::now() - started_;
  return Time(wall_at_start_ +
              std::chrono::duration_cast<std::chrono::microseconds>(passed).count());
}

std::string KubeWorld::name_of(PodId pod) const {
  const std::lock_guard lock(mutex_);
  const PodName* name = store_.pod(pod);
  return name == nullptr ? std::string() : key_of(name->name_space, name->name);
}

std::string KubeWorld::name_of(NodeId node) const {
  const std::lock_guard lock(mutex_);
  const std::string* name = store_.node(node);
  return name == nullptr ? std::string() : *name;
}

std::optional<PodId> KubeWorld::find_pod(std::string_view key) const {
  const std::lock_guard lock(mutex_);
  return store_.find_pod(key);
}

std::vector<Held> KubeWorld::held() const {
  const std::lock_guard lock(mutex_);
  return store_.every_held();
}

WorldStats KubeWorld::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

ClusterStore::Counts KubeWorld::counts() const {
  const std::lock_guard lock(mutex_);
  return store_.counts();
}

}  // namespace plimsoll::kube
