// From a reflector's objects to the store: one sink a resource. Private to kube/world.
//
// Called on the client's IO thread; the store is touched under its guard only.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "kube/client/list_watch.h"
#include "kube/objects/json.h"
#include "kube/objects/meta.h"

namespace plimsoll::kube {

// What a sink needs to know of its resource.
struct Resource {
  std::string path;       // "/api/v1/pods"
  std::string_view name;  // "pods": literals
  std::string field_selector;
  // Reads one object and returns what puts it into the store (called under the guard), with its
  // key. Errors: not such an object.
  struct Read {
    std::string key;
    std::move_only_function<void()> put;
  };
  std::function<Result<Read>(Json)> read;
  std::function<void(std::string_view key, std::string_view uid)> remove;  // under the guard
  std::function<std::vector<std::string>()> keys;                          // under the guard
};

class ResourceSink final : public ObjectSink {
 public:
  struct Host {
    // Runs the change of the store under its guard, and wakes who waits for changes.
    std::function<void(const std::function<void()>&)> change;
    std::function<void()> synced;
    std::function<void(std::string_view line)> warn;
  };
  ResourceSink(Resource resource, Host host)
      : resource_(std::move(resource)), host_(std::move(host)) {}

  void relist_begins() override { seen_.emplace(); }
  void upserted(std::string_view object_json) override;
  void removed(std::string_view object_json) override;
  void synced() override;
  [[nodiscard]] const Resource& resource() const { return resource_; }

 private:
  Resource resource_;
  Host host_;
  Document document_;
  std::optional<std::unordered_set<std::string>> seen_;  // during a relist
};

}  // namespace plimsoll::kube
