#include "tests/cluster/judge.h"

#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <sstream>
#include <utility>

#include <fmt/format.h>

#include "tests/cluster/command.h"

namespace plimsoll::cluster {
namespace {

constexpr std::string_view ended = "the judge has ended; it may have said why on standard error";

Verdict verdict_of(const std::string& answer, std::string_view only) {
  Verdict verdict;
  if (answer.starts_with("yes")) {
    std::istringstream names(answer.substr(3));
    for (std::string name; names >> name;) {
      verdict.nodes.push_back(name);
    }
    if (!only.empty()) {
      verdict.nodes.emplace_back(only);
    }
  } else {
    verdict.reason = answer.substr(std::min<std::size_t>(3, answer.size()));  // "no "
  }
  return verdict;
}

}  // namespace

Result<Judge> Judge::start() {
  TRY_VOID(output_of({script("build"), "--judge"}));
  std::string folder = TRY(output_of({script("build"), "--judge", "--where"}));
  folder.erase(folder.find_last_not_of('\n') + 1);

  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return failed("the judge's socket cannot be made");
  }
  Judge judge;
  judge.socket_ = ends[0];
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  std::string program = folder + "/judge";
  std::array<char*, 2> arguments = {program.data(), nullptr};
  const int error =
      posix_spawn(&judge.process_, program.c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (error != 0) {
    judge.process_ = 0;
    return failed(fmt::format("{}: cannot be started", program));
  }
  return judge;
}

Judge::Judge(Judge&& other) noexcept { *this = std::move(other); }

Judge& Judge::operator=(Judge&& other) noexcept {
  std::swap(process_, other.process_);
  std::swap(socket_, other.socket_);
  std::swap(read_, other.read_);
  return *this;
}

Judge::~Judge() {
  if (socket_ >= 0) {
    close(socket_);  // the end of its input ends it
  }
  if (process_ != 0) {
    waitpid(process_, nullptr, 0);
  }
}

Result<std::string> Judge::ask(std::string line) {
  std::replace(line.begin(), line.end(), '\n', ' ');  // JSON has no line break in a string
  line += '\n';
  for (std::string_view rest = line; !rest.empty();) {
    const ssize_t size = send(socket_, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (size < 0 && errno != EINTR) {
      return failed(std::string(ended));
    }
    rest.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  }
  std::size_t end = 0;
  while ((end = read_.find('\n')) == std::string::npos) {
    std::array<char, 1 << 16> buffer{};
    const ssize_t size = recv(socket_, buffer.data(), buffer.size(), 0);
    if (size == 0 || (size < 0 && errno != EINTR)) {
      return failed(std::string(ended));
    }
    read_.append(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  }
  std::string answer = read_.substr(0, end);
  read_.erase(0, end + 1);
  if (answer.starts_with("error ")) {
    return failed(answer.substr(6));
  }
  return answer;
}

Result<void> Judge::add(std::string_view json) {
  TRY_VOID(ask(fmt::format("add {}", json)));
  return {};
}

Result<void> Judge::remove(std::string_view kind, std::string_view name) {
  TRY_VOID(ask(fmt::format("delete {} {}", kind, name)));
  return {};
}

Result<void> Judge::bind(std::string_view pod, std::string_view node) {
  TRY_VOID(ask(fmt::format("bind {} {}", pod, node)));
  return {};
}

Result<Verdict> Judge::check(std::string_view pod, std::string_view node) {
  return verdict_of(TRY(ask(fmt::format("check {} {}", pod, node))), node);
}

Result<Verdict> Judge::any(std::string_view pod) {
  return verdict_of(TRY(ask(fmt::format("any {}", pod))), {});
}

}  // namespace plimsoll::cluster
