#include "kube/client/api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "kube/client/scripted_server.h"

namespace plimsoll::kube {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::IsEmpty;
using Connection = ScriptedServer::Connection;
using ServerRequest = ScriptedServer::Request;

TEST(Api, WritesPaths) {
  EXPECT_EQ(path_of({.api_version = "v1", .plural = "nodes"}), "/api/v1/nodes");
  EXPECT_EQ(path_of({.api_version = "v1", .plural = "pods", .name_space = "a", .name = "b c"}),
            "/api/v1/namespaces/a/pods/b%20c");
  EXPECT_EQ(path_of({.api_version = "scheduling.k8s.io/v1beta1",
                     .plural = "podgroups",
                     .name_space = "a",
                     .name = "g"}),
            "/apis/scheduling.k8s.io/v1beta1/namespaces/a/podgroups/g");
}

TEST(Api, QuotesText) {
  for (const std::string text : {"", "a\"b\\c\n\x01", "größe"}) {
    EXPECT_EQ(json::parse(json_quoted(text)), text);
  }
}

TEST(Api, Binds) {
  const Request request = bind_pod("ns", "p", "u-1", "n\"1");
  EXPECT_EQ(request.method, Method::post);
  EXPECT_EQ(request.path, "/api/v1/namespaces/ns/pods/p/binding");
  EXPECT_EQ(json::parse(request.body),
            (json{{"apiVersion", "v1"},
                  {"kind", "Binding"},
                  {"metadata", {{"name", "p"}, {"namespace", "ns"}, {"uid", "u-1"}}},
                  {"target", {{"kind", "Node"}, {"name", "n\"1"}}}}));
  EXPECT_FALSE(json::parse(bind_pod("ns", "p", "", "n").body)["metadata"].contains("uid"));
}

TEST(Api, EvictsAndDeletesWithPreconditions) {
  const Request eviction =
      evict_pod({.name_space = "ns", .name = "p", .uid = "u", .grace_period_seconds = 0});
  EXPECT_EQ(eviction.path, "/api/v1/namespaces/ns/pods/p/eviction");
  EXPECT_EQ(eviction.retry, Retry::never);
  const json options = json::parse(eviction.body)["deleteOptions"];
  EXPECT_EQ(options["gracePeriodSeconds"], 0);
  EXPECT_EQ(options["preconditions"]["uid"], "u");
  const Request deletion = delete_object(
      {.api_version = "v1", .plural = "pods", .name_space = "ns", .name = "p"}, {}, "pods");
  EXPECT_EQ(json::parse(deletion.body), (json{{"apiVersion", "v1"}, {"kind", "DeleteOptions"}}));
}

TEST(Api, PatchesAndApplies) {
  const ObjectRef pod{.api_version = "v1", .plural = "pods", .name_space = "ns", .name = "p"};
  const Request patch =
      patch_object(pod, "status", PatchKind::strategic_merge, "{}", "pods/status");
  EXPECT_EQ(patch.path, "/api/v1/namespaces/ns/pods/p/status");
  EXPECT_EQ(patch.content_type, "application/strategic-merge-patch+json");
  EXPECT_EQ(patch_object(pod, "", PatchKind::merge, "{}", "pods").content_type,
            "application/merge-patch+json");
  const Request apply = apply_object(pod, "", "{}", "a b", true, "pods");
  EXPECT_EQ(apply.path, "/api/v1/namespaces/ns/pods/p?fieldManager=a%20b&force=true");
  EXPECT_EQ(apply.content_type, "application/apply-patch+yaml");
}

TEST(Api, DiscoversVersionsAndResources) {
  ScriptedServer server([](const ServerRequest& request, Connection& connection) {
    if (request.target == "/apis/scheduling.k8s.io") {
      connection.respond(200, R"({"kind":"APIGroup","versions":[{"version":"v1"},
        {"version":"v1beta1"}],"preferredVersion":{"version":"v1beta1"}})");
    } else if (request.target == "/api") {
      connection.respond(200, R"({"kind":"APIVersions","versions":["v1"]})");
    } else if (request.target == "/api/v1") {
      connection.respond(200, R"({"resources":[{"name":"pods","kind":"Pod","namespaced":true,
        "verbs":["get","list"]},{"name":"nodes","kind":"Node"}]})");
    } else if (request.target == "/version") {
      connection.respond(200, R"({"major":"1","minor":"37+","gitVersion":"v1.37.2-x"})");
    } else if (request.target == "/apis/broken") {
      connection.respond(200, "<html>");
    } else {
      connection.respond(404, "");
    }
  });
  const auto client = *Client::make({.origin = "F", .server = server.url()});
  EXPECT_THAT(versions_of_group(*client, "scheduling.k8s.io").value(),
              ElementsAre("v1beta1", "v1"));
  EXPECT_THAT(versions_of_group(*client, "").value(), ElementsAre("v1"));
  EXPECT_THAT(versions_of_group(*client, "none").value(), IsEmpty());
  EXPECT_EQ(versions_of_group(*client, "broken").error().kind, ApiError::Kind::malformed);
  const auto resources = resources_of(*client, "v1").value();
  ASSERT_EQ(resources.size(), 2U);
  EXPECT_EQ(resources[0].plural, "pods");
  EXPECT_TRUE(resources[0].namespaced);
  EXPECT_THAT(resources[0].verbs, ElementsAre("get", "list"));
  EXPECT_FALSE(resources[1].namespaced);
  EXPECT_THAT(resources_of(*client, "x/v1").value(), IsEmpty());
  const auto version = server_version(*client).value();
  EXPECT_EQ(version.major, 1);
  EXPECT_EQ(version.minor, 37);
  EXPECT_EQ(version.git_version, "v1.37.2-x");
}

}  // namespace
}  // namespace plimsoll::kube
