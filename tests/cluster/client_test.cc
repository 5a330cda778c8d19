// The Kubernetes client against a real API server.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>

#include "kube/client/api.h"
#include "kube/client/events.h"
#include "kube/client/json_scan.h"
#include "kube/client/kubeconfig.h"
#include "kube/client/leader.h"
#include "kube/client/list_watch.h"
#include "tests/cluster/eventually.h"
#include "tests/cluster/fixture.h"

namespace plimsoll::cluster {
namespace {

using namespace plimsoll::kube;
using namespace std::chrono_literals;
using nlohmann::json;
using testing::Contains;
using testing::ElementsAre;

std::unique_ptr<Client> client_of(ControlPlane& plane, ClientOptions options = {}) {
  const auto now = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::system_clock::now().time_since_epoch());
  auto config = load_client_config({.file = plane.kubeconfig()}, {}, now.count());
  check(config.has_value(), config ? "" : config.error().message);
  auto client = Client::make(*std::move(config), std::move(options));
  check(client.has_value(), client ? "" : client.error().message);
  return *std::move(client);
}

void must(const Result<std::string>& result) {
  ASSERT_TRUE(result.has_value()) << result.error().message;
}

// The names that a reflector keeps.
class Names : public ObjectSink {
 public:
  void relist_begins() override {
    const std::scoped_lock lock(mutex_);
    seen_.clear();
  }
  void upserted(std::string_view object) override {
    const std::scoped_lock lock(mutex_);
    const std::string name(json_text(json_member(object, "metadata").value(), "name").value());
    names_.insert(name);
    seen_.insert(name);
  }
  void removed(std::string_view object) override {
    const std::scoped_lock lock(mutex_);
    names_.erase(std::string(json_text(json_member(object, "metadata").value(), "name").value()));
  }
  void synced() override {
    const std::scoped_lock lock(mutex_);
    names_ = seen_;
  }
  std::set<std::string> now() const {
    const std::scoped_lock lock(mutex_);
    return names_;
  }

 private:
  mutable std::mutex mutex_;
  std::set<std::string> names_;
  std::set<std::string> seen_;
};

Request create(const std::string& name_space, const std::string& plural, const json& object) {
  return {.method = Method::post,
          .path = path_of({.api_version = "v1", .plural = plural, .name_space = name_space}),
          .body = object.dump(),
          .resource = "test"};
}

json config_map(const std::string& name) {
  return {{"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"metadata", {{"name", name}}}};
}

json pod(const std::string& name) {
  return {{"apiVersion", "v1"},
          {"kind", "Pod"},
          {"metadata", {{"name", name}, {"labels", {{"app", "x"}}}}},
          {"spec",
           {{"schedulerName", "nobody"}, {"containers", {{{"name", "main"}, {"image", "none"}}}}}}};
}

TEST(KubeClient, KnowsItsServer) {
  ControlPlane& plane = ControlPlane::shared();
  const auto client = client_of(plane);
  const auto version = server_version(*client);
  ASSERT_TRUE(version.has_value()) << version.error().message;
  EXPECT_EQ(fmt::format("{}.{}", version->major, version->minor), plane.kubernetes());
  EXPECT_THAT(versions_of_group(*client, "apps").value(), ElementsAre("v1"));
  EXPECT_TRUE(versions_of_group(*client, "no.such.group").value().empty());
  const auto core = resources_of(*client, "v1").value();
  EXPECT_TRUE(std::ranges::any_of(
      core, [](const ApiResource& one) { return one.plural == "pods/binding"; }));
}

class KubeClientLists : public testing::TestWithParam<bool> {};

TEST_P(KubeClientLists, AndWatches) {
  ControlPlane& plane = ControlPlane::shared();
  const auto client = client_of(plane);
  const std::string space = plane.fresh_namespace("lists").value();
  for (int i = 0; i < 7; ++i) {
    ASSERT_TRUE(client->call(create(space, "configmaps", config_map(fmt::format("m{}", i)))));
  }
  Names names;
  const Reflector reflector(
      *client,
      {.path = path_of({.api_version = "v1", .plural = "configmaps", .name_space = space}),
       .resource = "configmaps",
       .field_selector = "metadata.name!=kube-root-ca.crt",
       .page_items_max = 3,
       .watch_list = GetParam()},
      names);
  ASSERT_TRUE(eventually([&] { return reflector.status().synced; }));
  EXPECT_EQ(names.now(), (std::set<std::string>{"m0", "m1", "m2", "m3", "m4", "m5", "m6"}));
  EXPECT_EQ(reflector.status().watch_list, GetParam());
  ASSERT_TRUE(client->call(create(space, "configmaps", config_map("new"))));
  ASSERT_TRUE(client->call(delete_object(
      {.api_version = "v1", .plural = "configmaps", .name_space = space, .name = "m3"}, {},
      "configmaps")));
  const std::set<std::string> expected = {"m0", "m1", "m2", "m4", "m5", "m6", "new"};
  EXPECT_TRUE(eventually([&] { return names.now() == expected; }));
  EXPECT_EQ(reflector.status().lists, 1U);
}

INSTANTIATE_TEST_SUITE_P(All, KubeClientLists, testing::Bool(),
                         [](const auto& one) { return one.param ? "AsAWatchList" : "InPages"; });

TEST(KubeClient, BindsOnceAndEvictsWithinABudget) {
  ControlPlane& plane = ControlPlane::shared();
  const auto client = client_of(plane);
  const std::string space = plane.fresh_namespace("binds").value();
  const json node = {
      {"apiVersion", "v1"},
      {"kind", "Node"},
      {"metadata", {{"name", space}}},
      {"status", {{"allocatable", {{"cpu", "4"}, {"memory", "8Gi"}, {"pods", "9"}}}}}};
  ASSERT_TRUE(client->call(create("", "nodes", node)));
  ASSERT_TRUE(
      eventually([&] { return client->call(create(space, "pods", pod("p"))).has_value(); }));
  const auto wrong = client->call(bind_pod(space, "p", "another-uid", space));
  ASSERT_FALSE(wrong.has_value());
  EXPECT_TRUE(wrong.error().conflict());
  const auto bound = client->call(bind_pod(space, "p", "", space));
  ASSERT_TRUE(bound.has_value()) << bound.error().message;
  EXPECT_EQ(bound->status, 201);
  const auto twice = client->call(bind_pod(space, "p", "", space));
  ASSERT_FALSE(twice.has_value());
  EXPECT_TRUE(twice.error().conflict());

  const ObjectRef it{.api_version = "v1", .plural = "pods", .name_space = space, .name = "p"};
  const auto patched = client->call(patch_object(
      it, "status", PatchKind::strategic_merge,
      R"({"status":{"conditions":[{"type":"PodScheduled","status":"True","reason":"Ours"}]}})",
      "pods/status"));
  ASSERT_TRUE(patched.has_value()) << patched.error().message;
  const json conditions = json::parse(patched->body)["status"]["conditions"];
  EXPECT_TRUE(std::ranges::any_of(conditions, [](const json& condition) {
    return condition["type"] == "PodScheduled" && condition.value("reason", "") == "Ours";
  }));

  must(plane.kubectl(
      {"-n", space, "create", "pdb", "all", "--selector=app=x", "--min-available=1"}));
  must(plane.kubectl({"-n", space, "wait", "--for=condition=Ready", "pod/p", "--timeout=30s"}));
  ASSERT_TRUE(eventually([&] {
    const auto refused = client->call(evict_pod({.name_space = space, .name = "p"}));
    return !refused && refused.error().status == 429;
  }));
  must(plane.kubectl({"-n", space, "delete", "pdb", "all"}));
  EXPECT_TRUE(eventually([&] {
    return client->call(evict_pod({.name_space = space, .name = "p", .grace_period_seconds = 0}))
        .has_value();
  }));
  const auto gone = [&] {
    const auto answer = client->call({.path = path_of(it), .resource = "pods"});
    return !answer && answer.error().not_found();
  };
  EXPECT_TRUE(eventually(gone));
}

TEST(KubeClient, AppliesAndMeetsConflicts) {
  ControlPlane& plane = ControlPlane::shared();
  const auto client = client_of(plane);
  const std::string space = plane.fresh_namespace("applies").value();
  const ObjectRef it{.api_version = "v1", .plural = "configmaps", .name_space = space, .name = "m"};
  const auto with = [](const char* value) {
    json object = config_map("m");
    object["data"]["k"] = value;
    return object.dump();
  };
  EXPECT_TRUE(client->call(apply_object(it, "", with("1"), "a", false, "configmaps")));
  EXPECT_TRUE(client->call(apply_object(it, "", with("1"), "a", false, "configmaps")));
  const auto conflict = client->call(apply_object(it, "", with("2"), "b", false, "configmaps"));
  ASSERT_FALSE(conflict.has_value());
  EXPECT_TRUE(conflict.error().conflict());
  ASSERT_FALSE(conflict.error().causes.empty());
  EXPECT_EQ(conflict.error().causes[0].field, ".data.k");
  EXPECT_TRUE(client->call(apply_object(it, "", with("2"), "b", true, "configmaps")));
}

TEST(KubeClient, ElectsOneLeaderAndItsSuccessor) {
  ControlPlane& plane = ControlPlane::shared();
  const auto client = client_of(plane);
  const std::string space = plane.fresh_namespace("elects").value();
  const auto elector = [&](const char* identity) {
    return LeaderElector::make(*client, {.name_space = space, .name = "l", .identity = identity},
                               {})
        .value();
  };
  auto first = elector("a");
  ASSERT_TRUE(eventually([&] { return first->leading(); }));
  const auto second = elector("b");
  ASSERT_TRUE(eventually([&] { return second->holder() == "a"; }));
  EXPECT_FALSE(second->leading());
  first.reset();
  EXPECT_TRUE(eventually([&] { return second->leading(); }));
}

TEST(KubeClient, WritesEventsAndTheirSeries) {
  ControlPlane& plane = ControlPlane::shared();
  const auto client = client_of(plane);
  const std::string space = plane.fresh_namespace("events").value();
  EventRecorder recorder(*client, {.controller = "plimsoll", .instance = "plimsoll-test"});
  const auto record = [&](const std::string& name) {
    recorder.record(
        {.regarding =
             {.api_version = "v1", .kind = "Pod", .name_space = space, .name = name, .uid = name},
         .reason = "Scheduled",
         .action = "Binding",
         .note = "to a node"});
  };
  for (int i = 0; i < 20; ++i) {
    record(fmt::format("p{}", i));
  }
  record("p0");
  ASSERT_TRUE(eventually([&] { return recorder.stats().written == 21; }))
      << recorder.stats().written << " written, " << recorder.stats().failed << " failed";
  const auto list = client->call(
      {.path =
           path_of({.api_version = "events.k8s.io/v1", .plural = "events", .name_space = space}),
       .resource = "events"});
  ASSERT_TRUE(list.has_value());
  const json items = json::parse(list->body)["items"];
  EXPECT_EQ(items.size(), 20U);
  int series = 0;
  for (const json& item : items) {
    series += item.contains("series") && item["series"]["count"] == 2 ? 1 : 0;
  }
  EXPECT_EQ(series, 1);
}

TEST(KubeClient, LosesNothingWhenTheServerRestarts) {
  auto plane = ControlPlane::start();
  ASSERT_TRUE(plane.has_value()) << plane.error().message;
  const auto client = client_of(*plane);
  Names names;
  const Reflector reflector(
      *client, {.path = "/api/v1/namespaces/default/configmaps", .resource = "configmaps"}, names);
  ASSERT_TRUE(eventually([&] { return reflector.status().synced; }));
  ASSERT_TRUE(client->call(create("default", "configmaps", config_map("before"))));
  ASSERT_TRUE(plane->kill("kube-apiserver").has_value());
  const auto restarted = plane->restart("kube-apiserver");
  ASSERT_TRUE(restarted.has_value()) << restarted.error().message;
  ASSERT_TRUE(eventually([&] {
    return client->call(create("default", "configmaps", config_map("after"))).has_value();
  }));
  EXPECT_TRUE(
      eventually([&] { return names.now().contains("before") && names.now().contains("after"); }));
}

TEST(KubeClient, SaysWhoItIsNot) {
  ControlPlane& plane = ControlPlane::shared();
  const auto now = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::system_clock::now().time_since_epoch());
  auto config = load_client_config({.file = plane.kubeconfig()}, {}, now.count()).value();
  config.client_certificate_pem.clear();
  config.client_key_pem.clear();
  config.token = "wrong";
  const auto client = Client::make(config).value();
  const auto answer = client->call({.path = "/api/v1/pods", .resource = "pods"});
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().status, 401);
  EXPECT_EQ(to_error(answer.error(), "pods").message,
            "pods: Unauthorized (the API server does not accept these credentials: renew them)");
}

}  // namespace
}  // namespace plimsoll::cluster
