#include "kube/client/small_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

namespace plimsoll::kube {

Result<std::string> read_small_file(const std::string& path, std::size_t bytes_max) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"),
                                                             &std::fclose);
  if (file == nullptr) {
    return bad_input(fmt::format("{}: {}", path, std::strerror(errno)));
  }
  std::string text;
  char buffer[4096];
  while (text.size() <= bytes_max) {
    const std::size_t got = std::fread(buffer, 1, sizeof buffer, file.get());
    text.append(buffer, got);
    if (got < sizeof buffer) {
      break;
    }
  }
  if (std::ferror(file.get()) != 0) {
    return bad_input(fmt::format("{}: {}", path, std::strerror(errno)));
  }
  if (text.size() > bytes_max) {
    return bad_input(
        fmt::format("{}: found more than {} bytes, expected at most that", path, bytes_max));
  }
  return text;
}

}  // namespace plimsoll::kube
