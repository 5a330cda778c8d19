#include "kube/objects/meta.h"

namespace plimsoll::kube {

Meta read_meta(Json object) {
  const Json meta = member(object, "metadata");
  return {.name = std::string(text(member(meta, "name"))),
          .name_space = std::string(text(member(meta, "namespace"))),
          .uid = std::string(text(member(meta, "uid"))),
          .resource_version = std::string(text(member(meta, "resourceVersion"))),
          .created = instant(member(meta, "creationTimestamp")),
          .deleting = !is_null(member(meta, "deletionTimestamp"))};
}

std::string key_of(std::string_view name_space, std::string_view name) {
  std::string key;
  key.reserve(name_space.size() + 1 + name.size());
  key += name_space;
  key += '/';
  key += name;
  return key;
}

}  // namespace plimsoll::kube
