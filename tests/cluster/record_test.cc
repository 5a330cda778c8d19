// A live run that is recorded and replayed: the same plans, hash for hash.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "cli/command.h"
#include "tests/cluster/eventually.h"
#include "tests/cluster/fixture.h"

namespace plimsoll::cluster {
namespace {

using testing::HasSubstr;

// plimsoll in a process of its own; ended with the object.
class Program {
 public:
  Program(std::vector<std::string> arguments, std::filesystem::path log) : log_(std::move(log)) {
    process_ = fork();
    if (process_ == 0) {
      const int file = open(log_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
      dup2(file, STDERR_FILENO);
      dup2(file, STDOUT_FILENO);
      arguments.insert(arguments.begin(), "plimsoll");
      std::vector<char*> list;
      for (std::string& argument : arguments) {
        list.push_back(argument.data());
      }
      list.push_back(nullptr);
      execv(PLIMSOLL_PROGRAM, list.data());
      _exit(127);
    }
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() {
    if (process_ > 0) {
      kill(process_, SIGKILL);
      waitpid(process_, nullptr, 0);
    }
  }
  // Its exit status once it has ended by SIGTERM.
  int terminate() {
    int status = 0;
    kill(process_, SIGTERM);
    waitpid(process_, &status, 0);
    process_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  [[nodiscard]] std::string log() const {
    std::ifstream file(log_);
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  std::filesystem::path log_;
  pid_t process_ = 0;
};

std::string pod(const std::string& name, int gpus, const std::string& gang = "", int members = 0) {
  return fmt::format(R"(apiVersion: v1
kind: Pod
metadata:
  name: {}
{}spec:
  schedulerName: plimsoll
  containers:
  - name: main
    image: none
    resources: {{limits: {{nvidia.com/gpu: {}}}, requests: {{cpu: 1}}}}
---
)",
                     name,
                     gang.empty()
                         ? ""
                         : fmt::format("  labels: {{plimsoll.dev/gang: {}}}\n"
                                       "  annotations: {{plimsoll.dev/gang-size: \"{}\"}}\n",
                                       gang, members),
                     gpus);
}

TEST(Record, ALiveRunReplaysToTheSamePlans) {
  Result<ControlPlane> started = ControlPlane::start({.nodes = 5, .arguments = {"--gpus", "8"}});
  ASSERT_TRUE(started) << started.error().message;
  ControlPlane plane = *std::move(started);
  const std::string space = plane.fresh_namespace("record").value_or("");
  const std::string journal = plane.folder() / "live.journal";
  Program scheduler({"run", "--kubeconfig", plane.kubeconfig(), "--record", journal},
                    plane.folder() / "plimsoll.log");
  const auto create = [&](const std::string& pods) {
    const Result<std::string> made = plane.kubectl({"create", "-n", space, "-f", "-"}, pods);
    EXPECT_TRUE(made) << made.error().message;
  };
  const auto bound = [&] {
    const std::string nodes =
        plane.kubectl({"get", "pods", "-n", space, "-o", "jsonpath={.items[*].spec.nodeName}"})
            .value_or("");
    return nodes.empty() ? 0 : 1 + std::ranges::count(nodes, ' ');
  };
  std::string pods;
  for (int i = 0; i < 10; ++i) {
    pods += pod(fmt::format("one-{}", i), 1 + i % 2);  // 15 GPUs
  }
  for (int i = 0; i < 4; ++i) {
    pods += pod(fmt::format("gang-{}", i), 4, "gang", 4);  // 16
  }
  create(pods);
  ASSERT_TRUE(eventually([&] { return bound() == 14; })) << scheduler.log();
  // The rest does not fit until room is made: a gang, a node that comes and goes, pods that end.
  ASSERT_TRUE(plane.kubectl({"cordon", "node-00004"}));
  pods.clear();
  for (int i = 0; i < 3; ++i) {
    pods += pod(fmt::format("wide-{}", i), 8, "wide", 3);
  }
  create(pods + pod("late", 1) + pod("never", 64));
  ASSERT_TRUE(eventually([&] { return bound() >= 15; })) << scheduler.log();
  ASSERT_TRUE(plane.kubectl({"uncordon", "node-00004"}));
  ASSERT_TRUE(plane.kubectl({"delete", "pods", "-n", space, "--wait=false", "gang-0", "gang-1",
                             "gang-2", "gang-3", "one-0", "one-1", "one-2", "one-3", "one-4",
                             "one-5", "one-6", "one-7", "one-8", "one-9"}));
  ASSERT_TRUE(eventually([&] { return bound() == 4; })) << scheduler.log();
  EXPECT_EQ(scheduler.terminate(), 0) << scheduler.log();

  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const int code = cli::run_command_line({"simulate", journal, "-o", "json"});
  const std::string out = testing::internal::GetCapturedStdout();
  EXPECT_EQ(code, 0) << testing::internal::GetCapturedStderr();
  const nlohmann::json replayed = nlohmann::json::parse(out);
  EXPECT_EQ(replayed["same"], true);
  EXPECT_GE(replayed["binds"], 18);
  EXPECT_THAT(scheduler.log(), HasSubstr("plans=" + replayed["plan_sha256"].get<std::string>()));
}

}  // namespace
}  // namespace plimsoll::cluster
