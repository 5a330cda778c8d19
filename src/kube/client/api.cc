#include "kube/client/api.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <memory>
#include <utility>

#include "kube/client/percent.h"

namespace plimsoll::kube {
namespace {

using simdjson::dom::element;

std::string base_of(std::string_view api_version) {
  const bool core = api_version.find('/') == std::string_view::npos;
  return fmt::format("{}/{}", core ? "/api" : "/apis", api_version);
}

void append_preconditions(std::string& body, std::string_view uid,
                          std::optional<std::int64_t> grace_period_seconds) {
  if (grace_period_seconds) {
    body += fmt::format(R"(,"gracePeriodSeconds":{})", *grace_period_seconds);
  }
  if (!uid.empty()) {
    body += fmt::format(R"(,"preconditions":{{"uid":{}}})", json_quoted(uid));
  }
}

std::string with_subresource(const ObjectRef& object, std::string_view subresource) {
  std::string path = path_of(object);
  if (!subresource.empty()) {
    path += "/";
    path += subresource;
  }
  return path;
}

ApiError malformed(std::string_view path) {
  return {.kind = ApiError::Kind::malformed,
          .message = fmt::format("{}: found an answer that is not what the API promises", path)};
}

// GETs a document. A 404 is null.
struct Document {
  simdjson::dom::parser parser;
  Response response;
  element root;
};
ApiResult<std::unique_ptr<Document>> get(Client& client, const std::string& path) {
  auto answer = client.call({.path = path, .resource = "discovery"});
  if (!answer) {
    if (answer.error().not_found()) {
      return nullptr;
    }
    return std::unexpected(std::move(answer).error());
  }
  auto document = std::make_unique<Document>();
  document->response = *std::move(answer);
  const std::string& body = document->response.body;
  if (document->parser.parse(body.data(), body.size()).get(document->root) != simdjson::SUCCESS ||
      !document->root.is_object()) {
    return std::unexpected(malformed(path));
  }
  return document;
}

std::string text_of(const element& object, std::string_view key) {
  std::string_view text;
  return object[key].get(text) == simdjson::SUCCESS ? std::string(text) : "";
}

int number_of(std::string_view text) {
  int number = 0;  // "37+" is 37
  for (const char c : text.substr(0, 6)) {
    if (c < '0' || c > '9') {
      break;
    }
    number = number * 10 + (c - '0');
  }
  return number;
}

}  // namespace

std::string json_quoted(std::string_view text) {
  constexpr std::string_view hex = "0123456789abcdef";
  std::string quoted = "\"";
  quoted.reserve(text.size() + 2);
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      quoted += "\\u00";
      quoted += hex[static_cast<unsigned char>(c) >> 4];
      quoted += hex[static_cast<unsigned char>(c) & 15];
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

std::string path_of(const ObjectRef& object) {
  std::string path = base_of(object.api_version);
  if (!object.name_space.empty()) {
    path += "/namespaces/" + percent_encode(object.name_space);
  }
  path += "/";
  path += object.plural;
  if (!object.name.empty()) {
    path += "/" + percent_encode(object.name);
  }
  return path;
}

Request bind_pod(std::string_view name_space, std::string_view name, std::string_view uid,
                 std::string_view node) {
  std::string metadata =
      fmt::format(R"("name":{},"namespace":{})", json_quoted(name), json_quoted(name_space));
  if (!uid.empty()) {
    metadata += fmt::format(R"(,"uid":{})", json_quoted(uid));
  }
  return {
      .method = Method::post,
      .path = fmt::format("/api/v1/namespaces/{}/pods/{}/binding", percent_encode(name_space),
                          percent_encode(name)),
      .body = fmt::format(
          R"({{"apiVersion":"v1","kind":"Binding","metadata":{{{}}},"target":{{"kind":"Node","name":{}}}}})",
          metadata, json_quoted(node)),
      .resource = "pods/binding"};
}

Request evict_pod(const Eviction& eviction) {
  std::string options = R"("apiVersion":"v1","kind":"DeleteOptions")";
  append_preconditions(options, eviction.uid, eviction.grace_period_seconds);
  return {
      .method = Method::post,
      .path = fmt::format("/api/v1/namespaces/{}/pods/{}/eviction",
                          percent_encode(eviction.name_space), percent_encode(eviction.name)),
      .body = fmt::format(
          R"({{"apiVersion":"policy/v1","kind":"Eviction","metadata":{{"name":{},"namespace":{}}},"deleteOptions":{{{}}}}})",
          json_quoted(eviction.name), json_quoted(eviction.name_space), options),
      .resource = "pods/eviction",
      .retry = Retry::never};
}

Request delete_object(const ObjectRef& object, const Deletion& how, std::string_view resource) {
  std::string options = R"("apiVersion":"v1","kind":"DeleteOptions")";
  append_preconditions(options, how.uid, how.grace_period_seconds);
  return {.method = Method::remove,
          .path = path_of(object),
          .body = "{" + options + "}",
          .resource = resource};
}

Request patch_object(const ObjectRef& object, std::string_view subresource, PatchKind kind,
                     std::string body, std::string_view resource) {
  std::string_view type = "application/merge-patch+json";
  if (kind != PatchKind::merge) {
    type = kind == PatchKind::json ? "application/json-patch+json"
                                   : "application/strategic-merge-patch+json";
  }
  return {.method = Method::patch,
          .path = with_subresource(object, subresource),
          .body = std::move(body),
          .content_type = type,
          .resource = resource};
}

Request apply_object(const ObjectRef& object, std::string_view subresource, std::string body,
                     std::string_view field_manager, bool force, std::string_view resource) {
  return {.method = Method::patch,
          .path = fmt::format("{}?fieldManager={}{}", with_subresource(object, subresource),
                              percent_encode(field_manager), force ? "&force=true" : ""),
          .body = std::move(body),
          .content_type = "application/apply-patch+yaml",
          .resource = resource,
          .retry = Retry::always};
}

ApiResult<std::vector<std::string>> versions_of_group(Client& client, std::string_view group) {
  std::vector<std::string> versions;
  const std::string path = group.empty() ? "/api" : fmt::format("/apis/{}", percent_encode(group));
  const auto document = get(client, path);
  if (!document) {
    return std::unexpected(document.error());
  }
  if (*document == nullptr) {
    return versions;
  }
  const element root = (*document)->root;
  simdjson::dom::array list;
  if (root["versions"].get(list) != simdjson::SUCCESS) {
    return std::unexpected(malformed(path));
  }
  element preferred;
  if (root["preferredVersion"].get(preferred) == simdjson::SUCCESS) {
    versions.push_back(text_of(preferred, "version"));
  }
  for (const element one : list) {
    std::string_view plain;
    std::string version =
        one.get(plain) == simdjson::SUCCESS ? std::string(plain) : text_of(one, "version");
    if (versions.empty() || version != versions.front()) {
      versions.push_back(std::move(version));
    }
  }
  return versions;
}

ApiResult<std::vector<ApiResource>> resources_of(Client& client, std::string_view api_version) {
  std::vector<ApiResource> resources;
  const std::string path = base_of(api_version);
  const auto document = get(client, path);
  if (!document) {
    return std::unexpected(document.error());
  }
  if (*document == nullptr) {
    return resources;
  }
  simdjson::dom::array list;
  if ((*document)->root["resources"].get(list) != simdjson::SUCCESS) {
    return std::unexpected(malformed(path));
  }
  for (const element one : list) {
    ApiResource resource{.plural = text_of(one, "name"), .kind = text_of(one, "kind")};
    if (one["namespaced"].get(resource.namespaced) != simdjson::SUCCESS) {
      resource.namespaced = false;
    }
    simdjson::dom::array verbs;
    if (one["verbs"].get(verbs) == simdjson::SUCCESS) {
      for (const element verb : verbs) {
        std::string_view name;
        if (verb.get(name) == simdjson::SUCCESS) {
          resource.verbs.emplace_back(name);
        }
      }
    }
    resources.push_back(std::move(resource));
  }
  return resources;
}

ApiResult<ServerVersion> server_version(Client& client) {
  const auto document = get(client, "/version");
  if (!document) {
    return std::unexpected(document.error());
  }
  if (*document == nullptr) {
    return std::unexpected(malformed("/version"));
  }
  const element root = (*document)->root;
  return ServerVersion{.major = number_of(text_of(root, "major")),
                       .minor = number_of(text_of(root, "minor")),
                       .git_version = text_of(root, "gitVersion")};
}

}  // namespace plimsoll::kube
