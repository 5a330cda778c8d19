// plan, snapshot, explain and simulate on a real control plane: what they say, and that they write
// nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "cli/command.h"
#include "tests/cluster/command.h"
#include "tests/cluster/eventually.h"
#include "tests/cluster/fixture.h"

namespace plimsoll::cluster {
namespace {

using testing::HasSubstr;

struct Outcome {
  int code = 0;
  std::string out;
  std::string err;
};

Outcome call(const std::vector<std::string>& arguments) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Outcome outcome = {.code = cli::run_command_line(arguments)};
  outcome.out = testing::internal::GetCapturedStdout();
  outcome.err = testing::internal::GetCapturedStderr();
  return outcome;
}

std::string pod(const std::string& name, int gpus, const std::string& spec = "",
                const std::string& scheduler = "plimsoll") {
  return fmt::format(R"(apiVersion: v1
kind: Pod
metadata: {{name: {}}}
spec:
  schedulerName: {}
  {}
  containers:
  - name: main
    image: none
    resources: {{limits: {{nvidia.com/gpu: {}}}, requests: {{cpu: 1}}}}
---
)",
                     name, scheduler, spec, gpus);
}

TEST(Seeing, PlansExplainsAndCapturesWithoutAWrite) {
  Result<ControlPlane> started = ControlPlane::start({.nodes = 2, .arguments = {"--gpus", "8"}});
  ASSERT_TRUE(started) << started.error().message;
  ControlPlane plane = *std::move(started);
  const std::string space = plane.fresh_namespace("seeing").value_or("");
  const Result<std::string> made = plane.kubectl(
      {"create", "-n", space, "-f", "-"},
      pod("there", 6, "nodeName: node-00000") + pod("also", 5, "nodeName: node-00001") +
          pod("fits", 3) + pod("big", 4) + pod("theirs", 1, "", "another-scheduler") +
          pod("gated", 1, "schedulingGates: [{name: example.com/quota}]") +
          pod("held", 1, "volumes: [{name: v, persistentVolumeClaim: {claimName: gone}}]"));
  ASSERT_TRUE(made) << made.error().message;
  const auto state = [&] {
    return plane
        .kubectl({"get", "pods", "-n", space, "-o",
                  "jsonpath={range .items[*]}{.metadata.name}={.spec.nodeName}"
                  "/{.status.phase}/{.status.conditions[?(@.type=='PodScheduled')].message} {end}"})
        .value_or("");
  };
  ASSERT_TRUE(eventually([&] {
    return state().find("there=node-00000/Running") != std::string::npos &&
           state().find("also=node-00001/Running") != std::string::npos;
  })) << state();
  const std::string before = state();
  const std::string kubeconfig = plane.kubeconfig();

  const Outcome planned = call({"plan", "--kubeconfig", kubeconfig, "-o", "json"});
  ASSERT_EQ(planned.code, 0) << planned.err;
  const auto plan = nlohmann::json::parse(planned.out);
  EXPECT_EQ(plan["source"], plane.server());
  EXPECT_EQ(plan["totals"]["pods_pending"], 2);
  EXPECT_EQ(plan["totals"]["bind"], 1);
  EXPECT_EQ(plan["totals"]["gpus_allocated_after"], 14);
  EXPECT_EQ(plan["held"][0]["pod"], space + "/held");
  for (const auto& action : plan["actions"]) {
    EXPECT_EQ(action["action"], action["pod"] == space + "/fits" ? "bind" : "refuse") << action;
  }

  const std::string file = plane.folder() / "a.snapshot";
  const Outcome captured = call({"snapshot", "--kubeconfig", kubeconfig, "--out", file});
  ASSERT_EQ(captured.code, 0) << captured.err;
  EXPECT_EQ(captured.out,
            file + ": 2 nodes, 16 GPUs (11 allocated), 2 pods bound, 2 pending, 0 gangs\n");
  const Outcome simulated = call({"simulate", file, "-o", "json"});
  ASSERT_EQ(simulated.code, 0) << simulated.err;
  const nlohmann::json study = nlohmann::json::parse(simulated.out);
  for (const auto& policy : study["policies"]) {
    EXPECT_EQ(policy["mean"]["placed_pods"], 1) << policy["policy"];
    EXPECT_EQ(policy["mean"]["gpu_allocation_percent"], 87.5) << policy["policy"];
  }
  EXPECT_EQ(call({"plan", "--from", file}).code, 0);

  const struct {
    std::string pod;
    std::string says;
  } explained[] = {
      {"big", "node-00001 lacks 4 GPUs: it takes the pod with that"},
      {"big", "0/2 nodes are available: 2 Insufficient GPU."},
      {"fits", "nothing keeps it back: the next turn binds it to node-00001"},
      {"there", "is bound to node-00000: its place scores "},
      {"theirs", "is left alone: its scheduler is another-scheduler, not plimsoll"},
      {"gated", "is left alone: it is held by its scheduling gates (example.com/quota)"},
      {"held", "is left alone: persistentvolumeclaim \"gone\" not found"},
  };
  for (const auto& [name, says] : explained) {
    const Outcome said = call({"explain", "pod", space + "/" + name, "--kubeconfig", kubeconfig});
    EXPECT_EQ(said.code, 0) << said.err;
    EXPECT_THAT(said.out, HasSubstr(says));
  }
  EXPECT_EQ(state(), before) << "reading writes nothing";

  const Outcome unknown = call({"explain", space + "/nobody", "--kubeconfig", kubeconfig});
  EXPECT_EQ(unknown.code, 1);
  EXPECT_EQ(unknown.err,
            fmt::format("plimsoll: {}: found no pod '{}/nobody'\n", plane.server(), space));

  // A user who may do nothing: one line, soon.
  const Result<std::string> token = plane.kubectl({"create", "token", "default", "-n", space});
  ASSERT_TRUE(token) << token.error().message;
  const std::string nobody = plane.folder() / "nobody.kubeconfig";
  std::ofstream(nobody) << fmt::format(
      "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
      "clusters: [{{name: c, cluster: {{server: \"{}\", certificate-authority: {}}}}}]\n"
      "users: [{{name: u, user: {{token: {}}}}}]\n"
      "contexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n",
      plane.server(), plane.certificate("ca").string(), token->substr(0, token->find('\n')));
  const std::vector<std::vector<std::string>> mistakes = {
      {"plan", "--kubeconfig", nobody},
      {"snapshot", "--out", file, "--kubeconfig", nobody},
      {"explain", space + "/big", "--kubeconfig", nobody},
      {"plan", "--kubeconfig", kubeconfig, "--context", "no-such"},
  };
  for (const auto& arguments : mistakes) {
    const Outcome refused = call(arguments);
    EXPECT_EQ(refused.code, arguments.back() == "no-such" ? 2 : 1) << refused.err;
    EXPECT_EQ(std::ranges::count(refused.err, '\n'), 1) << refused.err;
    EXPECT_THAT(refused.err,
                HasSubstr(arguments.back() == "no-such" ? "found the context" : "forbidden"));
  }
  ASSERT_TRUE(plane.kill("kube-apiserver"));
  const Outcome gone = call({"plan", "--kubeconfig", kubeconfig});
  EXPECT_EQ(gone.code, 1);
  EXPECT_EQ(std::ranges::count(gone.err, '\n'), 1) << gone.err;
  EXPECT_THAT(gone.err, HasSubstr("is the API server running there?"));
}

}  // namespace
}  // namespace plimsoll::cluster
