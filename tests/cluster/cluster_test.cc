// The control plane for tests itself: it comes up, its parts do their work, components die and come
// back, bad calls get one line, and nothing is left behind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "tests/cluster/command.h"
#include "tests/cluster/eventually.h"
#include "tests/cluster/fixture.h"

namespace plimsoll::cluster {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

bool exists(pid_t pid) { return ::kill(pid, 0) == 0; }

// Whether the process has ended; a zombie that nobody has asked about yet has.
bool ended(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("State:")) {
      return line.find('Z') != std::string::npos;
    }
  }
  return !exists(pid);
}

struct Said {
  int status = 0;
  std::string text;
};

Said shell(const std::string& command) {
  Said said;
  FILE* pipe = popen((command + " 2>&1").c_str(), "re");
  std::array<char, 4096> buffer{};
  for (std::size_t size = 0; (size = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    said.text.append(buffer.data(), size);
  }
  const int status = pclose(pipe);
  said.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return said;
}

const std::vector<std::string> components = {"etcd", "kube-apiserver", "kube-controller-manager",
                                             "kube-scheduler", "kwok"};

constexpr const char* pod = R"(apiVersion: v1
kind: Pod
metadata: {name: one}
spec:
  containers:
  - name: main
    image: none
    resources: {limits: {nvidia.com/gpu: 4}}
)";

// The version before ours is tested where somebody has built it.
bool is_built(const std::string& kubernetes) {
  std::string folder =
      output_of({script("build"), "--where", "--kubernetes", kubernetes}).value_or("");
  folder.erase(folder.find_last_not_of('\n') + 1);
  return std::filesystem::exists(folder);
}

class ClusterVersion : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Kubernetes, ClusterVersion, testing::Values("1.37", "1.36"),
                         [](const auto& version) {
                           return "v1_" + std::string(version.param).substr(2);
                         });

TEST_P(ClusterVersion, SchedulesRunsDiesAndComesBack) {
  if (GetParam() != std::string("1.37") && !is_built(GetParam())) {
    GTEST_SKIP() << GetParam() << " is not built: tests/cluster/build --kubernetes " << GetParam();
  }
  Result<ControlPlane> started =
      ControlPlane::start({.kubernetes = GetParam(),
                           .scheduler = true,
                           .nodes = 2,
                           .arguments = {"--gpus", "8", "--racks", "2"}});
  ASSERT_TRUE(started) << started.error().message;
  ControlPlane plane = *std::move(started);
  EXPECT_EQ(plane.kubernetes(), GetParam());
  EXPECT_EQ(plane.kubectl({"get", "--raw", "/readyz"}).value_or(""), "ok");
  EXPECT_THAT(plane.kubectl({"get", "--raw", "/version"}).value_or(""),
              HasSubstr(fmt::format("\"gitVersion\": \"v{}.", GetParam())));
  EXPECT_EQ(plane
                .kubectl({"get", "node", "node-00001", "-o",
                          "jsonpath={.metadata.labels.cloud\\.provider\\.com/topology-rack} "
                          "{.status.allocatable.nvidia\\.com/gpu} "
                          "{.status.conditions[?(@.type=='Ready')].status}"})
                .value_or(""),
            "rack-1 8 True");

  const Result<std::string> space = plane.fresh_namespace("smoke");
  ASSERT_TRUE(space) << space.error().message;
  const Result<std::string> made = plane.kubectl({"create", "-n", *space, "-f", "-"}, pod);
  ASSERT_TRUE(made) << made.error().message;
  const Result<std::string> running = plane.kubectl(
      {"wait", "-n", *space, "--for=jsonpath={.status.phase}=Running", "pod/one", "--timeout=60s"});
  EXPECT_TRUE(running) << running.error().message << plane.log("kube-scheduler");
  EXPECT_THAT(plane.kubectl({"get", "pod", "-n", *space, "one", "-o", "jsonpath={.spec.nodeName}"})
                  .value_or(""),
              StartsWith("node-0000"));

  for (const std::string& component : components) {
    const Result<ComponentUsage> usage = plane.usage(component);
    ASSERT_TRUE(usage) << usage.error().message;
    EXPECT_GT(usage->resident_bytes, 10U << 20) << component;
    EXPECT_GE(usage->resident_bytes_max, usage->resident_bytes) << component;
  }
  EXPECT_GT(plane.usage("kube-apiserver")->cpu_seconds, 0.1);

  const pid_t before = plane.pid("kube-apiserver");
  ASSERT_TRUE(plane.kill("kube-apiserver"));
  EXPECT_EQ(plane.pid("kube-apiserver"), 0);
  EXPECT_FALSE(plane.kubectl({"get", "--raw", "/readyz", "--request-timeout=2s"}));
  EXPECT_EQ(plane.usage("kube-apiserver").error().message, "kube-apiserver does not run");
  ASSERT_TRUE(plane.kill("etcd"));
  const Result<void> etcd = plane.restart("etcd");
  ASSERT_TRUE(etcd) << etcd.error().message;
  const Result<void> restarted = plane.restart("kube-apiserver");
  ASSERT_TRUE(restarted) << restarted.error().message;
  EXPECT_NE(plane.pid("kube-apiserver"), before);
  EXPECT_THAT(plane.kubectl({"get", "pod", "-n", *space, "one"}).value_or(""), HasSubstr("one"));
  EXPECT_THAT(plane.restart("etcd").error().message, HasSubstr("etcd runs already"));

  ASSERT_TRUE(plane.stop("etcd"));
  EXPECT_FALSE(plane.kubectl({"get", "--raw", "/api/v1/nodes/node-00000", "--request-timeout=1s"}));
  ASSERT_TRUE(plane.go_on("etcd"));
  EXPECT_TRUE(eventually([&] { return plane.kubectl({"get", "--raw", "/readyz"}).has_value(); }));

  std::vector<pid_t> pids;
  for (const std::string& component : components) {
    pids.push_back(plane.pid(component));
  }
  const std::filesystem::path folder = plane.folder();
  ASSERT_TRUE(plane.down());
  EXPECT_FALSE(std::filesystem::exists(folder));
  for (const pid_t pid : pids) {
    EXPECT_NE(pid, 0);
    EXPECT_TRUE(ended(pid)) << pid;
  }
}

TEST(Cluster, EndsWithTheTestThatStartedIt) {
  const std::string up = script("up") + " --no-kwok --while-pid $$";
  // The owner is a shell that dies while the control plane runs.
  const Said said = shell("sh -c '" + up + "; kill -9 $$'");
  ASSERT_THAT(said.text, HasSubstr("/kubeconfig")) << said.text;
  const std::filesystem::path folder =
      std::filesystem::path(said.text.substr(0, said.text.find('\n'))).parent_path();
  EXPECT_TRUE(eventually([&] { return !std::filesystem::exists(folder); }));
}

TEST(Cluster, BadCallsGetOneLine) {
  std::string pattern = std::filesystem::temp_directory_path() / "plimsoll_cluster.XXXXXX";
  ASSERT_NE(mkdtemp(pattern.data()), nullptr);
  std::ofstream(pattern + "/kept") << "kept";
  const struct {
    std::string command;
    int status;
    std::string says;
  } cases[] = {
      {"up --kubernetes 1.2", 2, "invalid choice: '1.2'"},
      {"up --nodes -3", 2, "found '-3', expected a whole number"},
      {"up --arg kubelet=--v=2", 2, "found 'kubelet=--v=2', expected COMPONENT=--FLAG"},
      {"up --dir " + pattern, 2, ", expected an absent or empty folder"},
      {"up --no-kwok --arg etcd=--no-such-flag", 1, "etcd ended with status 2 at its start"},
      {"build --kubernetes 2.0", 2, "--kubernetes: found '2.0', expected 1.37 or 1.36"},
      {"down " + pattern, 1, "found no control plane, expected a folder that up made"},
      {"restart " + pattern + " kwok", 1, "found no control plane"},
  };
  for (const auto& bad : cases) {
    const Said said = shell(script(bad.command));
    EXPECT_EQ(said.status, bad.status) << bad.command;
    EXPECT_THAT(said.text, HasSubstr(bad.says)) << bad.command;
  }
  EXPECT_TRUE(std::filesystem::exists(pattern + "/kept"));
  std::filesystem::remove_all(pattern);
}

}  // namespace
}  // namespace plimsoll::cluster
