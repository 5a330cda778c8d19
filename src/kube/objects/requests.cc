#include "kube/objects/requests.h"

#include <string_view>
#include <utility>

#include "kube/objects/selectors.h"

namespace plimsoll::kube {
namespace {

enum class Which { asked, allocated, actual };

Json status_of(Json pod, std::string_view container) {
  for (const char* list : {"containerStatuses", "initContainerStatuses"}) {
    for (const Json status : items(member(pod, {"status", list}))) {
      if (text(member(status, "name")) == container) {
        return status;
      }
    }
  }
  return member(pod, "no status");
}

bool resize_infeasible(Json pod) {
  for (const Json condition : items(member(pod, {"status", "conditions"}))) {
    if (text(member(condition, "type")) == "PodResizePending") {
      return text(member(condition, "reason")) == "Infeasible";
    }
  }
  return false;
}

model::Resources container_requests(Json pod, Json container, Which which, bool infeasible) {
  const Json asked = member(container, {"resources", "requests"});
  if (which == Which::asked) {
    return read_resources(asked);
  }
  const Json status = status_of(pod, text(member(container, "name")));
  const Json actual = member(status, {"resources", "requests"});
  if (which == Which::actual && !is_null(actual)) {
    return read_resources(actual);
  }
  const Json allocated = member(status, "allocatedResources");
  if (!is_null(allocated)) {
    return read_resources(allocated);
  }
  return infeasible ? model::Resources() : read_resources(asked);
}

model::Resources of_containers(Json pod, Which which, bool infeasible) {
  model::Resources sum;
  for (const Json container : items(member(pod, {"spec", "containers"}))) {
    sum = std::move(sum) + container_requests(pod, container, which, infeasible);
  }
  model::Resources sidecars;
  model::Resources initial;
  for (const Json container : items(member(pod, {"spec", "initContainers"}))) {
    const model::Resources asked = container_requests(pod, container, which, infeasible);
    if (text(member(container, "restartPolicy")) == "Always") {
      sum = std::move(sum) + asked;
      sidecars = std::move(sidecars) + asked;
      initial = most_of(std::move(initial), sidecars);
    } else {
      initial = most_of(std::move(initial), sidecars + asked);
    }
  }
  return most_of(std::move(sum), initial);
}

// Pod-level requests are of CPU, memory and huge pages only, and replace the sum.
void replace(model::Resources& sum, Json pod_level) {
  const model::Resources asked = read_resources(pod_level);
  if (!is_null(member(pod_level, "cpu"))) {
    sum.cpu = asked.cpu;
  }
  if (!is_null(member(pod_level, "memory"))) {
    sum.memory = asked.memory;
  }
  for (const auto& [name, amount] : asked.extended) {
    if (name.starts_with("hugepages-")) {
      take_extended(sum, name);
      sum = std::move(sum) + model::Resources{.extended = {{name, amount}}};
    }
  }
}

}  // namespace

model::Resources pod_requests(Json pod) {
  const bool resizing = !is_null(member(pod, {"status", "containerStatuses"})) ||
                        !is_null(member(pod, {"status", "initContainerStatuses"}));
  model::Resources sum;
  if (!resizing) {
    sum = of_containers(pod, Which::asked, false);
  } else {
    const bool infeasible = resize_infeasible(pod);
    sum = most_of(of_containers(pod, Which::actual, infeasible),
                  of_containers(pod, Which::allocated, infeasible));
    if (!infeasible) {
      sum = most_of(std::move(sum), of_containers(pod, Which::asked, false));
    }
  }
  replace(sum, member(pod, {"spec", "resources", "requests"}));
  return std::move(sum) + read_resources(member(pod, {"spec", "overhead"}));
}

}  // namespace plimsoll::kube
