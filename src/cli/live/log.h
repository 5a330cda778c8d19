// Structured lines on standard error: a time, a level, a message and named values, as text for
// people or as JSON for machines. Thread-safe.
#pragma once

#include <initializer_list>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "kube/client/transport.h"

namespace plimsoll::cli {

enum class LogFormat : std::uint8_t { text, json };

class Logger {
 public:
  using Field = std::pair<std::string_view, std::string>;

  Logger(LogFormat format, kube::LogLevel least) : format_(format), least_(least) {}
  void write(kube::LogLevel level, std::string_view message,
             std::initializer_list<Field> fields = {});

 private:
  const LogFormat format_;
  const kube::LogLevel least_;
  std::mutex mutex_;
};

}  // namespace plimsoll::cli
