#include "tests/cluster/fixture.h"

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tests/cluster/command.h"

namespace plimsoll::cluster {
namespace {

constexpr auto end_wait_max = std::chrono::seconds(10);
constexpr auto poll_wait = std::chrono::milliseconds(5);

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// /proc/PID/stat after the command's name, which may hold anything: state is field 3 of proc(5).
struct ProcessStat {
  char state = 0;
  std::uint64_t ticks = 0;
  std::uint64_t start = 0;
  std::uint64_t resident_pages = 0;
};

std::optional<ProcessStat> process_stat(pid_t pid) {
  const std::string text = read(fmt::format("/proc/{}/stat", pid));
  const std::size_t name_end = text.rfind(") ");
  if (name_end == std::string::npos) {
    return std::nullopt;
  }
  std::istringstream fields(text.substr(name_end + 2));
  ProcessStat stat;
  fields >> stat.state;
  std::string field;
  for (int number = 4; number <= 24 && fields >> field; ++number) {
    if (number == 14 || number == 15) {
      stat.ticks += std::strtoull(field.c_str(), nullptr, 10);
    } else if (number == 22) {
      stat.start = std::strtoull(field.c_str(), nullptr, 10);
    } else if (number == 24) {
      stat.resident_pages = std::strtoull(field.c_str(), nullptr, 10);
    }
  }
  if (stat.state == 'Z' || stat.state == 'X') {
    return std::nullopt;
  }
  return stat;
}

std::uint64_t resident_bytes_max(pid_t pid) {
  std::ifstream status(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) {
      return std::strtoull(line.c_str() + 6, nullptr, 10) * 1024;
    }
  }
  return 0;
}

}  // namespace

Result<ControlPlane> ControlPlane::start(const ControlPlaneOptions& options) {
  std::vector<std::string> command = {script("up"), "--while-pid", std::to_string(getpid())};
  std::string kubernetes = options.kubernetes;
  if (const char* set = std::getenv("PLIMSOLL_KUBERNETES"); kubernetes.empty() && set != nullptr) {
    kubernetes = set;
  }
  if (!kubernetes.empty()) {
    command.insert(command.end(), {"--kubernetes", kubernetes});
  }
  if (options.scheduler) {
    command.emplace_back("--scheduler");
  }
  if (options.nodes > 0) {
    command.insert(command.end(), {"--nodes", std::to_string(options.nodes)});
  }
  command.insert(command.end(), options.arguments.begin(), options.arguments.end());

  // The path is the last line; what a build of the binaries says comes before it.
  std::string said = TRY(output_of(command));
  said.erase(said.find_last_not_of('\n') + 1);
  ControlPlane plane;
  plane.folder_ = std::filesystem::path(said.substr(said.find_last_of('\n') + 1)).parent_path();
  const nlohmann::json facts =
      nlohmann::json::parse(read(plane.folder_ / "control-plane.json"), nullptr, false);
  if (!facts.is_object()) {
    return failed(
        fmt::format("{}: found no control plane, up said: {}", plane.folder_.c_str(), said));
  }
  plane.binaries_ = facts.at("binaries").get<std::string>();
  plane.server_ = facts.at("server").get<std::string>();
  plane.kubernetes_ = facts.at("kubernetes").get<std::string>();
  return plane;
}

ControlPlane& ControlPlane::shared() {
  static ControlPlane plane = [] {
    Result<ControlPlane> started = start();
    check(started.has_value(), started ? "" : started.error().message);
    return *std::move(started);
  }();
  return plane;
}

ControlPlane::ControlPlane(ControlPlane&& other) noexcept { *this = std::move(other); }

ControlPlane& ControlPlane::operator=(ControlPlane&& other) noexcept {
  std::swap(folder_, other.folder_);
  std::swap(binaries_, other.binaries_);
  std::swap(server_, other.server_);
  std::swap(kubernetes_, other.kubernetes_);
  std::swap(namespaces_, other.namespaces_);
  return *this;
}

ControlPlane::~ControlPlane() {
  if (const Result<void> done = down(); !done) {
    fmt::print(stderr, "{}\n", done.error().message);
  }
}

Result<void> ControlPlane::down() {
  if (folder_.empty()) {
    return {};
  }
  const std::filesystem::path folder = std::exchange(folder_, {});
  TRY_VOID(output_of({script("down"), folder}));
  return {};
}

std::filesystem::path ControlPlane::certificate(std::string_view name) const {
  return folder_ / "pki" / fmt::format("{}.crt", name);
}

std::filesystem::path ControlPlane::key(std::string_view name) const {
  return folder_ / "pki" / fmt::format("{}.key", name);
}

Result<std::string> ControlPlane::kubectl(const std::vector<std::string>& arguments,
                                          std::string_view input) const {
  std::string file = "/dev/null";
  if (!input.empty()) {
    file = folder_ / "input.XXXXXX";
    const int descriptor = mkstemp(file.data());
    if (descriptor < 0) {
      return failed(fmt::format("{}: cannot be made", file));
    }
    close(descriptor);
    std::ofstream(file) << input;
  }
  std::vector<std::string> command = {binaries_ / "kubectl", "--kubeconfig", kubeconfig(),
                                      "--cache-dir", folder_ / "kubectl"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  Result<std::string> output = output_of(command, file);
  if (!input.empty()) {
    std::filesystem::remove(file);
  }
  return output;
}

Result<std::string> ControlPlane::fresh_namespace(std::string_view name) {
  const std::string space = fmt::format("{}-{}", name, ++namespaces_);
  TRY_VOID(kubectl({"create", "namespace", space}));
  TRY_VOID(
      kubectl({"wait", "--for=create", "--timeout=30s", "-n", space, "serviceaccount/default"}));
  return space;
}

pid_t ControlPlane::pid(std::string_view component) const {
  std::ifstream file(folder_ / "state" / fmt::format("{}.pid", component));
  pid_t pid = 0;
  std::uint64_t start = 0;
  if (!(file >> pid >> start)) {
    return 0;
  }
  const std::optional<ProcessStat> stat = process_stat(pid);
  return stat && stat->start == start ? pid : 0;
}

Result<ComponentUsage> ControlPlane::usage(std::string_view component) const {
  const pid_t process = pid(component);
  const std::optional<ProcessStat> stat = process_stat(process);
  if (process == 0 || !stat) {
    return failed(fmt::format("{} does not run", component));
  }
  return ComponentUsage{
      .cpu_seconds = static_cast<double>(stat->ticks) / static_cast<double>(sysconf(_SC_CLK_TCK)),
      .resident_bytes = stat->resident_pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)),
      .resident_bytes_max = resident_bytes_max(process)};
}

Result<void> ControlPlane::signal(std::string_view component, int signal) {
  const pid_t process = pid(component);
  if (process == 0 || ::kill(process, signal) != 0) {
    return failed(fmt::format("{} does not run", component));
  }
  return {};
}

Result<void> ControlPlane::kill(std::string_view component) {
  TRY_VOID(signal(component, SIGKILL));
  const auto end = std::chrono::steady_clock::now() + end_wait_max;
  while (pid(component) != 0) {
    if (std::chrono::steady_clock::now() > end) {
      return failed(fmt::format("{} still runs after SIGKILL", component));
    }
    std::this_thread::sleep_for(poll_wait);
  }
  return {};
}

Result<void> ControlPlane::stop(std::string_view component) { return signal(component, SIGSTOP); }

Result<void> ControlPlane::go_on(std::string_view component) { return signal(component, SIGCONT); }

Result<void> ControlPlane::restart(std::string_view component) {
  TRY_VOID(output_of({script("restart"), folder_, std::string(component)}));
  return {};
}

std::string ControlPlane::log(std::string_view component) const {
  return read(folder_ / "state" / fmt::format("{}.log", component));
}

}  // namespace plimsoll::cluster
