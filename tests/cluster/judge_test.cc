// The judge: its protocol, its mistakes, and that it agrees with the kube-scheduler that runs.
#include "tests/cluster/judge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tests/cluster/eventually.h"
#include "tests/cluster/fixture.h"

namespace plimsoll::cluster {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* two_nodes = R"({"apiVersion": "v1", "kind": "List", "items": [
  {"apiVersion": "v1", "kind": "Node",
   "metadata": {"name": "a", "labels": {"kubernetes.io/hostname": "a"}},
   "status": {"allocatable": {"cpu": "8", "memory": "8Gi", "pods": "10", "nvidia.com/gpu": "2"}}},
  {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "b"},
   "spec": {"taints": [{"key": "k", "effect": "NoSchedule"}]},
   "status": {"allocatable": {"cpu": "8", "memory": "8Gi", "pods": "10", "nvidia.com/gpu": "8"}}}]})";

std::string gpu_pod(std::string_view name, int gpus, std::string_view more = "") {
  return fmt::format(
      R"({{"apiVersion": "v1", "kind": "Pod", "metadata": {{"name": "{}"}}, "spec": {{
    "containers": [{{"name": "c", "resources": {{"limits": {{"nvidia.com/gpu": {}}}}}}}]{}}}}})",
      name, gpus, more);
}

TEST(Judge, FollowsBindsAndDeletions) {
  Result<Judge> started = Judge::start();
  ASSERT_TRUE(started) << started.error().message;
  Judge judge = *std::move(started);
  ASSERT_TRUE(judge.add(two_nodes));
  ASSERT_TRUE(judge.add(gpu_pod("first", 2)));
  ASSERT_TRUE(judge.add(gpu_pod("second", 1)));
  EXPECT_TRUE(judge.check("default/first", "a")->accepted());
  EXPECT_EQ(judge.check("default/first", "b")->reason,
            "TaintToleration: node(s) had untolerated taint(s)");

  ASSERT_TRUE(judge.bind("default/first", "a"));
  const Result<Verdict> none = judge.any("default/second");
  ASSERT_TRUE(none) << none.error().message;
  EXPECT_THAT(none->nodes, IsEmpty());
  EXPECT_EQ(none->reason,
            "1 NodeResourcesFit: Insufficient nvidia.com/gpu; "
            "1 TaintToleration: node(s) had untolerated taint(s)");
  // As if it were not there.
  EXPECT_TRUE(judge.check("default/first", "a")->accepted());
  EXPECT_FALSE(judge.any("default/second")->accepted());

  ASSERT_TRUE(judge.remove("Pod", "default/first"));
  EXPECT_THAT(judge.any("default/second")->nodes, ElementsAre("a"));
  ASSERT_TRUE(judge.remove("Node", "a"));
  EXPECT_FALSE(judge.any("default/second")->accepted());
}

TEST(Judge, VolumesTieAPodToTheirNode) {
  Result<Judge> judge = Judge::start();
  ASSERT_TRUE(judge) << judge.error().message;
  ASSERT_TRUE(judge->add(two_nodes));
  ASSERT_TRUE(judge->add(gpu_pod("p", 1, R"(, "tolerations": [{"operator": "Exists"}], "volumes":
      [{"name": "v", "persistentVolumeClaim": {"claimName": "claim"}}])")));
  EXPECT_THAT(judge->any("default/p")->reason, HasSubstr("\"claim\" not found"));
  ASSERT_TRUE(judge->add(R"({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
      "metadata": {"name": "claim", "namespace": "default",
                   "annotations": {"pv.kubernetes.io/bind-completed": "yes"}},
      "spec": {"volumeName": "volume", "accessModes": ["ReadWriteOncePod"]},
      "status": {"phase": "Bound"}})"));
  ASSERT_TRUE(judge->add(R"({"apiVersion": "v1", "kind": "PersistentVolume",
      "metadata": {"name": "volume"},
      "spec": {"claimRef": {"name": "claim", "namespace": "default"}, "hostPath": {"path": "/v"},
               "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                   {"key": "kubernetes.io/hostname", "operator": "In", "values": ["a"]}]}]}}}})"));
  EXPECT_THAT(judge->any("default/p")->nodes, ElementsAre("a"));
}

TEST(Judge, MistakesGetOneLineAndChangeNothing) {
  Result<Judge> judge = Judge::start();
  ASSERT_TRUE(judge) << judge.error().message;
  ASSERT_TRUE(judge->add(two_nodes));
  ASSERT_TRUE(judge->add(gpu_pod("p", 1)));
  const struct {
    std::string line;
    std::string says;
  } cases[] = {
      {"bogus", "found 'bogus', expected add, load, bind, delete, check or any"},
      {"check default/p", "found 'check default/p', expected check POD NODE"},
      {"check default/q a", "found no pod 'default/q'"},
      {"check default/p c", "found no node 'c'"},
      {"bind default/p c", "found no node 'c'"},
      {"delete Pod default/q", "found no Pod 'default/q'"},
      {"delete Secret s", "kind: found 'Secret', expected one of CSIDriver, "},
      {R"(add {"apiVersion": "v1", "kind": "Secret"})", "kind: found 'Secret', expected one of "},
      {"add {", "unexpected end of JSON input"},
      {"load /nonexistent", "open /nonexistent: no such file or directory"},
  };
  for (const auto& bad : cases) {
    const Result<std::string> answer = judge->ask(bad.line);
    ASSERT_FALSE(answer) << bad.line << ": " << *answer;
    EXPECT_THAT(answer.error().message, HasSubstr(bad.says)) << bad.line;
  }
  EXPECT_THAT(judge->any("default/p")->nodes, ElementsAre("a"));
}

// Pods of several kinds, more than there is room for, bound by the kube-scheduler that runs: the
// judge accepts each where it is, and finds no node for those that are left.
TEST(Judge, AgreesWithKubeScheduler) {
  Result<ControlPlane> plane = ControlPlane::start(
      {.scheduler = true, .nodes = 4, .arguments = {"--gpus", "4", "--zones", "2"}});
  ASSERT_TRUE(plane) << plane.error().message;
  const Result<std::string> space = plane->fresh_namespace("judge");
  ASSERT_TRUE(space) << space.error().message;
  nlohmann::json pods = nlohmann::json::array();
  const std::vector<std::string> kinds = {
      R"("hostNetwork": true)",
      R"("topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone",
          "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": {"kind": "1"}}}])",
      R"("affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
          {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels":
          {"kind": "2"}}}]}})",
      R"("nodeSelector": {"topology.kubernetes.io/zone": "zone-1"})"};
  for (int number = 0; number < 24; ++number) {
    const std::size_t kind = static_cast<std::size_t>(number) % kinds.size();
    pods.push_back(nlohmann::json::parse(fmt::format(
        R"({{"apiVersion": "v1", "kind": "Pod",
             "metadata": {{"name": "p{}", "labels": {{"kind": "{}"}}}},
             "spec": {{{}, "containers": [{{"name": "c", "image": "none",
               "ports": [{{"containerPort": {}}}],
               "resources": {{"limits": {{"nvidia.com/gpu": 1}}}}}}]}}}})",
        number, kind, kinds[kind], 8000 + number % 3)));
  }
  const nlohmann::json list = {{"apiVersion", "v1"}, {"kind", "List"}, {"items", pods}};
  const Result<std::string> made = plane->kubectl({"create", "-n", *space, "-f", "-"}, list.dump());
  ASSERT_TRUE(made) << made.error().message;
  // Each pod gets the condition PodScheduled, true or false, once it was looked at.
  const Result<std::string> seen =
      plane->kubectl({"wait", "-n", *space, "pods", "--all", "--timeout=60s",
                      "--for=jsonpath={.status.conditions[?(@.type=='PodScheduled')].status}"});
  ASSERT_TRUE(seen) << seen.error().message;

  Result<Judge> judge = Judge::start();
  ASSERT_TRUE(judge) << judge.error().message;
  int bound = 0;
  int left = 0;
  // A pod that was turned away is tried again when another one is bound: at rest there is no node.
  const auto at_rest = [&] {
    const nlohmann::json state = nlohmann::json::parse(
        plane->kubectl({"get", "nodes,pods,namespaces", "-A", "-o", "json"}).value_or("{}"));
    const Result<void> added = judge->add(state.dump());
    EXPECT_TRUE(added) << added.error().message;
    bound = left = 0;
    bool rest = added.has_value();
    for (const nlohmann::json& object : state.at("items")) {
      if (object.at("kind") != "Pod") {
        continue;
      }
      const std::string name =
          fmt::format("{}/{}", *space, object.at("metadata").at("name").get<std::string>());
      if (object.at("spec").contains("nodeName")) {
        ++bound;
        const std::string node = object.at("spec").at("nodeName").get<std::string>();
        const Result<Verdict> verdict = judge->check(name, node);
        EXPECT_TRUE(verdict) << verdict.error().message;
        EXPECT_TRUE(verdict && verdict->accepted()) << name << ": " << verdict->reason;
      } else {
        ++left;
        const Result<Verdict> verdict = judge->any(name);
        EXPECT_TRUE(verdict) << verdict.error().message;
        rest = rest && verdict && !verdict->accepted();
      }
    }
    return rest;
  };
  EXPECT_TRUE(eventually(at_rest));
  EXPECT_EQ(bound + left, 24);
  EXPECT_GE(bound, 12);
  EXPECT_GE(left, 8);  // there are 16 GPUs
}

}  // namespace
}  // namespace plimsoll::cluster
