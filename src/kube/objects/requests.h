// What a pod asks of its node in all, summed as kube-scheduler sums it. Pure; thread-safe.
#pragma once

#include "kube/objects/json.h"
#include "model/resources.h"

namespace plimsoll::kube {

// Containers added up; init containers by the most that any of them needs while it runs, sidecars
// (restartable init containers) kept running beside what follows; pod-level requests in place of
// the sum; overhead on top. While a resize is under way, the most of what is asked, allocated and
// actual. As k8s.io/component-helpers/resource, PodRequests.
model::Resources pod_requests(Json pod);

}  // namespace plimsoll::kube
