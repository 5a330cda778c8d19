#include "cli/live/log.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "kube/client/timestamp.h"

namespace plimsoll::cli {
namespace {

const char* name_of(kube::LogLevel level) {
  switch (level) {
    case kube::LogLevel::debug:
      return "debug";
    case kube::LogLevel::info:
      return "info";
    case kube::LogLevel::warning:
      return "warning";
    case kube::LogLevel::error:
      return "error";
  }
  return "info";
}

std::string json_text(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

void Logger::write(kube::LogLevel level, std::string_view message,
                   std::initializer_list<Field> fields) {
  if (level < least_) {
    return;
  }
  const auto now = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::system_clock::now().time_since_epoch());
  const std::string at = kube::format_micro_time(now.count());
  std::string line;
  if (format_ == LogFormat::json) {
    line = fmt::format(R"({{"time":"{}","level":"{}","message":{})", at, name_of(level),
                       json_text(message));
    for (const auto& [key, value] : fields) {
      line += fmt::format(",{}:{}", json_text(key), json_text(value));
    }
    line += "}\n";
  } else {
    line = fmt::format("{} {:<7} {}", at, name_of(level), message);
    for (const auto& [key, value] : fields) {
      const bool plain = value.find_first_of(" \"\n\t=") == std::string::npos && !value.empty();
      line += fmt::format(" {}={}", key, plain ? value : json_text(value));
    }
    line += '\n';
  }
  const std::lock_guard lock(mutex_);
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace plimsoll::cli
