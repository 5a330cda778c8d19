#include "traces/load.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

namespace plimsoll::traces {
namespace {

constexpr std::size_t chunk_bytes = std::size_t{1} << 16;

// Closes a file descriptor when it leaves its scope.
struct OpenFile {
  int descriptor = -1;
  explicit OpenFile(int fd) : descriptor(fd) {}
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile() {
    if (descriptor >= 0) {
      ::close(descriptor);
    }
  }
};

// Ends an inflate stream when it leaves its scope.
struct Inflater {
  z_stream stream{};
  Inflater() = default;
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() { inflateEnd(&stream); }
};

std::string system_message(int error) {
  return std::error_code(error, std::generic_category()).message();
}

std::unexpected<Error> too_big(std::string_view name, std::size_t bytes_max) {
  return bad_input(
      fmt::format("{}: found more than {} bytes, expected at most that", name, bytes_max));
}

Result<std::string> read_plain(const std::string& path, std::size_t bytes_max) {
  const OpenFile file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.descriptor < 0) {
    return bad_input(fmt::format("{}: found '{}' on opening it, expected a readable file", path,
                                 system_message(errno)));
  }
  struct stat status{};
  if (::fstat(file.descriptor, &status) == 0 && S_ISDIR(status.st_mode)) {
    return bad_input(fmt::format("{}: found a folder, expected a file", path));
  }
  std::string bytes;
  std::size_t used = 0;
  // The size is a hint only: a pipe has none, and a file may grow.
  bytes.resize(std::min(bytes_max, static_cast<std::size_t>(std::max<off_t>(status.st_size, 0))) +
               1);
  while (true) {
    const ssize_t got = ::read(file.descriptor, bytes.data() + used, bytes.size() - used);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return bad_input(fmt::format("{}: found '{}' on reading it, expected a readable file", path,
                                   system_message(errno)));
    }
    if (got == 0) {
      bytes.resize(used);
      return bytes;
    }
    used += static_cast<std::size_t>(got);
    if (used > bytes_max) {
      return too_big(path, bytes_max);
    }
    if (used == bytes.size()) {
      bytes.resize(std::min(bytes.size() + std::max(bytes.size(), chunk_bytes), bytes_max + 1));
    }
  }
}

}  // namespace

Result<std::string> gunzip(std::string_view packed, std::string_view name, std::size_t bytes_max) {
  if (!packed.starts_with("\x1f\x8b")) {
    return bad_input(fmt::format("{}: found {}, expected gzip data", name,
                                 packed.empty() ? "an empty file" : "other data"));
  }
  if (packed.size() > load_bytes_max) {
    return too_big(name, load_bytes_max);
  }
  Inflater inflater;
  z_stream& stream = inflater.stream;
  constexpr int gzip_window_bits = 15 + 16;
  check(inflateInit2(&stream, gzip_window_bits) == Z_OK, "zlib starts");
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  std::string bytes;
  std::size_t used = 0;
  while (true) {
    if (used == bytes.size()) {
      if (used > bytes_max) {
        return too_big(name, bytes_max);
      }
      bytes.resize(std::min(bytes.size() * 2 + chunk_bytes, bytes_max + 1));
    }
    stream.next_out = reinterpret_cast<Bytef*>(bytes.data() + used);
    stream.avail_out = static_cast<uInt>(bytes.size() - used);
    const int outcome = inflate(&stream, Z_NO_FLUSH);
    used = bytes.size() - stream.avail_out;
    if (outcome == Z_STREAM_END) {
      if (used > bytes_max) {
        return too_big(name, bytes_max);
      }
      if (stream.avail_in == 0) {
        bytes.resize(used);
        return bytes;
      }
      inflateReset(&stream);
    } else if (outcome == Z_OK || outcome == Z_BUF_ERROR) {
      if (stream.avail_out != 0 && stream.avail_in == 0) {
        return bad_input(
            fmt::format("{}: found the end of the file after {} unpacked bytes, expected the rest "
                        "of the gzip data",
                        name, used));
      }
    } else {
      return bad_input(fmt::format(
          "{}: found corrupt gzip data after {} unpacked bytes{}, expected an intact file", name,
          used, stream.msg == nullptr ? "" : fmt::format(" ({})", stream.msg)));
    }
  }
}

Result<std::string> load(const std::string& path, std::size_t bytes_max) {
  std::string bytes = TRY(read_plain(path, bytes_max));
  return path.ends_with(".gz") ? gunzip(bytes, path, bytes_max) : bytes;
}

std::string data_folder(const std::string& data, std::string_view folder) {
  std::string inside = fmt::format("{}/{}", data, folder);
  std::error_code ignored;
  return std::filesystem::is_directory(inside, ignored) ? inside : data;
}

Result<std::vector<std::string>> list_folder(const std::string& folder, std::string_view prefix,
                                             std::string_view suffix) {
  std::vector<std::string> names;
  std::error_code failure;
  std::filesystem::directory_iterator entry(folder, failure);
  for (; !failure && entry != std::filesystem::directory_iterator{}; entry.increment(failure)) {
    const std::string name = entry->path().filename().string();
    if (name.size() >= prefix.size() + suffix.size() && name.starts_with(prefix) &&
        name.ends_with(suffix)) {
      names.push_back(name.substr(prefix.size(), name.size() - prefix.size() - suffix.size()));
    }
  }
  if (failure) {
    return bad_input(fmt::format("{}: found '{}' on listing it, expected a readable folder", folder,
                                 failure.message()));
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace plimsoll::traces
