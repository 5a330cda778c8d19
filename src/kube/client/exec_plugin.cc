#include "kube/client/exec_plugin.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <simdjson.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "base/text.h"
#include "kube/client/base64.h"
#include "kube/client/timestamp.h"

extern char** environ;

namespace plimsoll::kube {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int poll_ms = 50;
constexpr std::size_t complaint_bytes_max = 400;

// A file descriptor that is closed with its owner.
class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() { reset(); }
  void reset() {
    if (fd_ >= 0) {
      ::close(fd_);
    }
    fd_ = -1;
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

struct Pipe {
  Fd read;
  Fd write;
};

std::optional<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return std::nullopt;
  }
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

std::string exec_info(const ClientConfig& config) {
  nlohmann::json spec = {{"interactive", false}};
  if (config.exec->provide_cluster_info) {
    nlohmann::json cluster = {{"server", config.server}};
    if (!config.ca_pem.empty()) {
      cluster["certificate-authority-data"] = base64_encode(config.ca_pem);
    }
    if (!config.tls_server_name.empty()) {
      cluster["tls-server-name"] = config.tls_server_name;
    }
    if (config.insecure_skip_tls_verify) {
      cluster["insecure-skip-tls-verify"] = true;
    }
    if (!config.proxy_url.empty()) {
      cluster["proxy-url"] = config.proxy_url;
    }
    spec["cluster"] = std::move(cluster);
  }
  return nlohmann::json{{"kind", "ExecCredential"},
                        {"apiVersion", config.exec->api_version},
                        {"spec", std::move(spec)}}
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::vector<std::string> environment_of(const ClientConfig& config) {
  std::vector<std::string> all;
  const auto set = [&all](const std::string& name, const std::string& value) {
    std::erase_if(all, [&](const std::string& e) { return e.starts_with(name + "="); });
    all.push_back(name + "=" + value);
  };
  for (char** entry = environ; *entry != nullptr; ++entry) {
    all.emplace_back(*entry);
  }
  for (const auto& [name, value] : config.exec->environment) {
    set(name, value);
  }
  set("KUBERNETES_EXEC_INFO", exec_info(config));
  return all;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (std::string& text : texts) {
    all.push_back(text.data());
  }
  all.push_back(nullptr);
  return all;
}

struct Output {
  std::string out;
  std::string complaint;  // the end of what came on the error stream
};

// Reads both pipes until they close. False: too much, too long, or stopped.
bool read_all(Pipe& out, Pipe& err, Output& output, const std::stop_token& stop,
              std::string& trouble) {
  const auto until = Clock::now() + exec_plugin_time_max;
  std::array<pollfd, 2> polled = {
      {{.fd = out.read.get(), .events = POLLIN}, {.fd = err.read.get(), .events = POLLIN}}};
  std::array<char, 4096> buffer{};
  while (polled[0].fd >= 0 || polled[1].fd >= 0) {
    if (stop.stop_requested() || Clock::now() > until) {
      trouble = stop.stop_requested()
                    ? "was stopped"
                    : fmt::format("took longer than {} s", exec_plugin_time_max.count());
      return false;
    }
    if (::poll(polled.data(), polled.size(), poll_ms) <= 0) {
      continue;
    }
    for (pollfd& one : polled) {
      if (one.fd < 0 || one.revents == 0) {
        continue;
      }
      const ssize_t got = ::read(one.fd, buffer.data(), buffer.size());
      if (got <= 0) {
        one.fd = -1;
        continue;
      }
      std::string& to = &one == polled.data() ? output.out : output.complaint;
      to.append(buffer.data(), static_cast<std::size_t>(got));
      if (output.out.size() > exec_plugin_output_bytes_max) {
        trouble = fmt::format("printed more than {} bytes", exec_plugin_output_bytes_max);
        return false;
      }
      if (output.complaint.size() > complaint_bytes_max) {
        output.complaint.erase(0, output.complaint.size() - complaint_bytes_max);
      }
    }
  }
  return true;
}

std::string trimmed(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ' || text.back() == '\r')) {
    text.remove_suffix(1);
  }
  return printable(text, complaint_bytes_max);
}

Result<Output> run(const ClientConfig& config, const std::stop_token& stop) {
  const ExecPlugin& plugin = *config.exec;
  const std::string who =
      fmt::format("{}: exec: {}", config.origin, plimsoll::quoted(plugin.command));
  auto out = make_pipe();
  auto err = make_pipe();
  if (!out || !err) {
    return failed(fmt::format("{}: {}", who, std::strerror(errno)));
  }
  std::vector<std::string> arguments = {plugin.command};
  arguments.insert(arguments.end(), plugin.arguments.begin(), plugin.arguments.end());
  std::vector<std::string> environment = environment_of(config);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out->write.get(), 1);
  posix_spawn_file_actions_adddup2(&actions, err->write.get(), 2);
  pid_t child = 0;
  const int problem = posix_spawnp(&child, plugin.command.c_str(), &actions, nullptr,
                                   pointers(arguments).data(), pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  if (problem != 0) {
    return failed(fmt::format("{}: cannot run it: {}{}{}", who, std::strerror(problem),
                              plugin.install_hint.empty() ? "" : "; ",
                              printable(plugin.install_hint, complaint_bytes_max)));
  }
  out->write.reset();
  err->write.reset();
  Output output;
  std::string trouble;
  if (!read_all(*out, *err, output, stop, trouble)) {
    ::kill(child, SIGKILL);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!trouble.empty()) {
    return failed(fmt::format("{} {}", who, trouble));
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return failed(fmt::format(
        "{} failed with {} {}: {}", who, WIFEXITED(status) ? "exit status" : "signal",
        WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), trimmed(output.complaint)));
  }
  return output;
}

}  // namespace

Result<ExecCredential> parse_exec_credential(std::string_view json, std::string_view api_version) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  if (parser.parse(json.data(), json.size()).get(root) != simdjson::SUCCESS || !root.is_object()) {
    return failed("found output that is not JSON, expected an ExecCredential");
  }
  const auto text = [](simdjson::dom::element object, std::string_view key) -> std::string {
    std::string_view value;
    return object[key].get(value) == simdjson::SUCCESS ? std::string(value) : "";
  };
  if (text(root, "kind") != "ExecCredential" || text(root, "apiVersion") != api_version) {
    return failed(fmt::format(
        "found kind {} of {}, expected ExecCredential of {}", plimsoll::quoted(text(root, "kind")),
        plimsoll::quoted(text(root, "apiVersion")), plimsoll::quoted(api_version)));
  }
  simdjson::dom::element status;
  if (root["status"].get(status) != simdjson::SUCCESS || !status.is_object()) {
    return failed("found no status, expected one with a token or a client certificate");
  }
  ExecCredential credential = {.token = text(status, "token"),
                               .certificate_pem = text(status, "clientCertificateData"),
                               .key_pem = text(status, "clientKeyData")};
  if (credential.token.empty() && credential.certificate_pem.empty()) {
    return failed("status: found neither token nor clientCertificateData, expected one");
  }
  if (credential.token.find_first_of("\r\n") != std::string::npos) {
    return failed("status.token: found a line break, expected one line");
  }
  if (credential.certificate_pem.empty() != credential.key_pem.empty()) {
    return failed(
        "status: found one of clientCertificateData and clientKeyData, expected both or none");
  }
  const std::string expires = text(status, "expirationTimestamp");
  if (!expires.empty()) {
    credential.expires_unix_us = parse_timestamp(expires);
    if (!credential.expires_unix_us) {
      return failed(fmt::format("status.expirationTimestamp: found {}, expected an RFC 3339 time",
                                plimsoll::quoted(expires)));
    }
  }
  return credential;
}

Result<ExecCredential> run_exec_plugin(const ClientConfig& config, std::stop_token stop) {
  const Output output = TRY(run(config, stop));
  auto credential = parse_exec_credential(output.out, config.exec->api_version);
  if (!credential) {
    return failed(fmt::format("{}: exec: {}: {}", config.origin,
                              plimsoll::quoted(config.exec->command), credential.error().message));
  }
  return credential;
}

}  // namespace plimsoll::kube
