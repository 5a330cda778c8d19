#include "kube/world/sinks.h"

#include <fmt/format.h>

namespace plimsoll::kube {

void ResourceSink::upserted(std::string_view object_json) {
  const Result<Json> json = document_.parse(object_json, true);
  Result<Resource::Read> read = json ? resource_.read(*json) : std::unexpected(json.error());
  if (!read) {
    host_.warn(fmt::format("{}: {}; it is left out", resource_.name, read.error().message));
    return;
  }
  if (seen_) {
    seen_->insert(read->key);
  }
  host_.change([&] { read->put(); });
}

void ResourceSink::removed(std::string_view object_json) {
  const Result<Json> json = document_.parse(object_json, true);
  if (!json) {
    host_.warn(fmt::format("{}: {}", resource_.name, json.error().message));
    return;
  }
  const Meta meta = read_meta(*json);
  const std::string key = meta.name_space.empty() ? meta.name : key_of(meta);
  host_.change([&] { resource_.remove(key, meta.uid); });
}

// What was known before and did not come again is gone.
void ResourceSink::synced() {
  if (seen_) {
    host_.change([&] {
      for (const std::string& key : resource_.keys()) {
        if (!seen_->contains(key)) {
          resource_.remove(key, {});
        }
      }
    });
    seen_.reset();
  }
  host_.synced();
}

}  // namespace plimsoll::kube
