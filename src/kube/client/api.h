// Requests that a scheduler makes of the Kubernetes API, ready for Client::send() and call().
//
// Only the body's form is decided here; who retries what stays with transport.h. Pure functions
// but for the last three, which call; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kube/client/transport.h"

namespace plimsoll::kube {

// An object by its coordinates. Its path: /api/v1/… for the core group, else /apis/GROUP/VERSION/….
struct ObjectRef {
  std::string_view api_version;  // "v1", "apps/v1"
  std::string_view plural;       // "pods"
  std::string_view name_space;   // empty: not namespaced
  std::string_view name;         // empty: the collection
};
std::string path_of(const ObjectRef& object);

// `text` as a JSON string, with its quotes.
std::string json_quoted(std::string_view text);

// POST pods/binding. With `uid`, the API server refuses (409) a pod of that name that is another.
// Answered 201; 409 when the pod is bound, deleted or another.
Request bind_pod(std::string_view name_space, std::string_view name, std::string_view uid,
                 std::string_view node);

struct Eviction {
  std::string_view name_space;
  std::string_view name;
  std::string_view uid;                              // a precondition, if not empty
  std::optional<std::int64_t> grace_period_seconds;  // nothing: the pod's own
};
// POST pods/eviction. 429: a PodDisruptionBudget forbids it now. Never retried.
Request evict_pod(const Eviction& eviction);

struct Deletion {
  std::string_view uid;  // a precondition, if not empty
  std::optional<std::int64_t> grace_period_seconds;
};
// DELETE. 404: it is gone already; 409: the uid is another's.
Request delete_object(const ObjectRef& object, const Deletion& how, std::string_view resource);

enum class PatchKind : std::uint8_t { merge, strategic_merge, json };
// PATCH of an object or, with `subresource`, of that: "status". `resource` as in Request.
Request patch_object(const ObjectRef& object, std::string_view subresource, PatchKind kind,
                     std::string body, std::string_view resource);

// Server-side apply: PATCH with application/apply-patch+yaml, of which JSON is a part. Repeating it
// is safe, so it is retried. 409: another manager owns a field and `force` is false.
Request apply_object(const ObjectRef& object, std::string_view subresource, std::string body,
                     std::string_view field_manager, bool force, std::string_view resource);

// The versions of a group that the server has, preferred first; empty: no such group.
ApiResult<std::vector<std::string>> versions_of_group(Client& client, std::string_view group);

struct ApiResource {
  std::string plural;
  std::string kind;
  bool namespaced = false;
  std::vector<std::string> verbs;
};
// What a version serves ("v1", "scheduling.k8s.io/v1beta1"), subresources as "pods/status"; empty:
// it is not served.
ApiResult<std::vector<ApiResource>> resources_of(Client& client, std::string_view api_version);

struct ServerVersion {
  int major = 0;
  int minor = 0;
  std::string git_version;  // "v1.37.2"
};
ApiResult<ServerVersion> server_version(Client& client);

}  // namespace plimsoll::kube
