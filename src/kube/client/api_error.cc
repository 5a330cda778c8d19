#include "kube/client/api_error.h"

#include <fmt/format.h>
#include <simdjson.h>

#include "base/text.h"

namespace plimsoll::kube {
namespace {

constexpr std::size_t shown_body_bytes_max = 200;
constexpr std::size_t causes_max = 32;

using simdjson::dom::element;

std::string text_of(const element& object, std::string_view key) {
  std::string_view text;
  return object[key].get(text) == simdjson::SUCCESS ? std::string(text) : std::string();
}

std::string_view http_reason(int status) {
  switch (status) {
    case 400:
      return "BadRequest";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "NotFound";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 422:
      return "Invalid";
    case 429:
      return "TooManyRequests";
    case 500:
      return "InternalError";
    case 503:
      return "ServiceUnavailable";
    case 504:
      return "Timeout";
    default:
      return "";
  }
}

void read_details(const element& status, ApiError& error) {
  element details;
  if (status["details"].get(details) != simdjson::SUCCESS) {
    return;
  }
  std::int64_t seconds = 0;
  if (details["retryAfterSeconds"].get(seconds) == simdjson::SUCCESS && seconds > 0) {
    error.retry_after = std::chrono::seconds(seconds);
  }
  simdjson::dom::array causes;
  if (details["causes"].get(causes) != simdjson::SUCCESS) {
    return;
  }
  for (const element cause : causes) {
    if (error.causes.size() == causes_max) {
      break;
    }
    error.causes.push_back({.reason = text_of(cause, "reason"),
                            .message = text_of(cause, "message"),
                            .field = text_of(cause, "field")});
  }
}

}  // namespace

ApiError parse_status(int http_status, std::string_view body) {
  ApiError error{.status = http_status};
  simdjson::dom::parser parser;
  element status;
  if (parser.parse(body.data(), body.size()).get(status) == simdjson::SUCCESS &&
      status.is_object() && text_of(status, "kind") == "Status") {
    std::int64_t code = 0;
    if (http_status == 0 && status["code"].get(code) == simdjson::SUCCESS) {
      error.status = static_cast<int>(code);
    }
    error.reason = text_of(status, "reason");
    error.message = text_of(status, "message");
    read_details(status, error);
  }
  if (error.reason.empty()) {
    error.reason = http_reason(error.status);
  }
  if (error.message.empty()) {
    error.message = fmt::format("HTTP {}", error.status);
    if (!body.empty()) {
      error.message += ": " + printable(body, shown_body_bytes_max);
    }
  }
  return error;
}

Error to_error(const ApiError& error, std::string_view what) {
  std::string message = fmt::format("{}: {}", what, error.message);
  if (error.status == 401) {
    message += " (the API server does not accept these credentials: renew them)";
  }
  const bool told =
      error.causes.size() == 1 && error.message.find(error.causes[0].message) != std::string::npos;
  if (!told) {
    for (const ApiError::Cause& cause : error.causes) {
      message +=
          fmt::format("; {}{}{}", cause.field, cause.field.empty() ? "" : ": ", cause.message);
    }
  }
  return {.code = ErrorCode::failed, .message = std::move(message)};
}

}  // namespace plimsoll::kube
