// What went wrong with one request to an API server: a typed error, and the line for a person.
//
// A value. parse_status() and to_error() are pure; thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace plimsoll::kube {

struct ApiError {
  enum class Kind : std::uint8_t {
    status,       // the server answered with an HTTP status that is not 2xx
    refused,      // no connection could be made: the server has not acted
    broken,       // the connection broke: whether the server acted is unknown
    untrusted,    // TLS: the server's certificate, or ours, was refused
    deadline,     // no answer in time, or a silent stream
    credentials,  // no token or certificate could be had
    malformed,    // an answer that is not what the API promises
    fenced,       // not sent: this process is no longer the leader
    cancelled,    // by cancel()
    closed,       // the client is being destroyed
  };
  struct Cause {
    std::string reason;
    std::string message;
    std::string field;

    friend bool operator==(const Cause&, const Cause&) = default;
  };

  Kind kind = Kind::status;
  int status = 0;       // HTTP, of Kind::status; else 0
  std::string reason;   // metav1.StatusReason: "NotFound", "Conflict", "Expired", …; may be empty
  std::string message;  // for a person
  std::vector<Cause> causes;
  std::optional<std::chrono::seconds> retry_after;  // of the header, or of the Status

  [[nodiscard]] bool not_found() const { return kind == Kind::status && status == 404; }
  [[nodiscard]] bool conflict() const { return kind == Kind::status && status == 409; }
  // The resourceVersion or `continue` is too old: list again.
  [[nodiscard]] bool expired() const {
    return kind == Kind::status && (status == 410 || reason == "Expired" || reason == "Gone");
  }
  [[nodiscard]] bool forbidden() const { return kind == Kind::status && status == 403; }

  friend bool operator==(const ApiError&, const ApiError&) = default;
};

template <typename T>
using ApiResult = std::expected<T, ApiError>;

// The error that a body (a metav1.Status, or anything at all) stands for. `http_status` may be 0
// where the Status itself came inside a watch event: then its `code` counts.
ApiError parse_status(int http_status, std::string_view body);

// One line: "<what>: <message>", with the causes.
Error to_error(const ApiError& error, std::string_view what);

}  // namespace plimsoll::kube
