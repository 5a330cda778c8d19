#include "tests/cluster/command.h"

#include <sys/wait.h>

#include <array>
#include <cstdio>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace plimsoll::cluster {
namespace {

std::string shell_word(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  }
  return out + "'";
}

}  // namespace

std::string script(std::string_view name) {
  return fmt::format("{}/{}", PLIMSOLL_CLUSTER_SCRIPTS, name);
}

Result<std::string> output_of(const std::vector<std::string>& command, const std::string& input) {
  std::string line;
  for (const std::string& word : command) {
    line += shell_word(word) + " ";
  }
  line += fmt::format("<{} 2>&1", shell_word(input));
  FILE* pipe = popen(line.c_str(), "re");
  if (pipe == nullptr) {
    return failed(fmt::format("{}: cannot be started", command.front()));
  }
  std::string text;
  std::array<char, 4096> buffer{};
  for (std::size_t size = 0; (size = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    text.append(buffer.data(), size);
  }
  const int status = pclose(pipe);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return failed(fmt::format("{}: {}", fmt::join(command, " "), text));
  }
  return text;
}

}  // namespace plimsoll::cluster
