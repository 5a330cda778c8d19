// Any JSON at all as any object of any kind: what the store tells of it fits together.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "kube/objects/node.h"
#include "kube/store/cluster_store.h"

namespace {

using namespace plimsoll;
using namespace plimsoll::kube;

template <typename T>
void put(ClusterStore& store, Result<T> object) {
  if (object) {
    store.upsert(std::move(*object));
  }
}

void put(ClusterStore& store, char kind, Json json) {
  switch (kind) {
    case 'n':
      return put(store, read_node(json));
    case 'p':
      return put(store, read_pod(json));
    case 'g':
      return put(store, read_group(json, GangForm::pod_group));
    case 'c':
      return put(store, read_group(json, GangForm::coscheduling));
    case 'b':
      return put(store, read_budget(json));
    case 'm':
      return put(store, read_claim(json));
    case 'v':
      return put(store, read_volume(json));
    case 's':
      return put(store, read_storage_class(json));
    case 'l':
      return put(store, read_attach_limits(json));
    case 'N':
      return put(store, read_namespace(json));
    default:
      return;
  }
}

}  // namespace

// Lines of a letter and an object; in upper case D and a name, a node or pod that goes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  ClusterStore store({});
  model::Snapshot told;
  Document document;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty()) {
      continue;
    }
    if (line.front() == 'D') {
      store.remove_node(line.substr(1));
      store.remove_pod(line.substr(1), {});
    } else if (const Result<Json> json = document.parse(line.substr(1), false)) {
      put(store, line.front(), *json);
    }
    for (const model::Delta& delta : store.take_deltas()) {
      const Result<void> applied = model::apply(told, delta);
      check(applied.has_value(), applied ? "" : applied.error().message);
    }
  }
  const Result<void> valid = model::validate(told);
  check(valid.has_value(), valid ? "" : valid.error().message);
  return 0;
}
