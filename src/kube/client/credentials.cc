#include "kube/client/credentials.h"

#include <fmt/format.h>

#include <utility>

#include "base/text.h"
#include "kube/client/base64.h"
#include "kube/client/small_file.h"

namespace plimsoll::kube {
namespace {

constexpr std::size_t token_bytes_max = std::size_t{1} << 16;

std::string bearer(const std::string& token) { return token.empty() ? "" : "Bearer " + token; }

}  // namespace

Credentials::Credentials(const ClientConfig& config) : config_(config) {}

Credentials::State Credentials::prepare(Now now) {
  const bool rotates = !config_.token_file.empty() || config_.exec.has_value();
  if (!rotates) {
    if (identity_ == nullptr) {
      const std::string basic = "Basic " + base64_encode(config_.username + ":" + config_.password);
      identity_ = std::make_shared<const Identity>(Identity{
          .authorization =
              config_.token.empty() && !config_.username.empty() ? basic : bearer(config_.token),
          .certificate_pem = config_.client_certificate_pem,
          .key_pem = config_.client_key_pem});
    }
    return State::ready;
  }
  if (!config_.token_file.empty()) {
    if (now.steady >= next_try_) {
      read_token_file(now);
    }
    return identity_ != nullptr ? State::ready : State::failed;
  }
  constexpr std::int64_t early_us = credentials_early / std::chrono::microseconds(1);
  stale_ = stale_ || now.unix_us >= expires_unix_us_ - early_us;
  if (!stale_) {
    return State::ready;
  }
  if (now.steady >= next_try_) {
    return State::plugin_needed;
  }
  // An identity that the server has not refused yet is better than none.
  return identity_ != nullptr && !failed_ ? State::ready : State::failed;
}

void Credentials::read_token_file(Now now) {
  next_try_ = now.steady + token_file_period;
  auto text = read_small_file(config_.token_file, token_bytes_max);
  std::string_view token = text ? std::string_view(*text) : std::string_view();
  while (!token.empty() && (token.back() == '\n' || token.back() == '\r' || token.back() == ' ')) {
    token.remove_suffix(1);
  }
  if (token.empty() || token.find_first_of("\r\n") != std::string_view::npos) {
    error_ = text ? Error{.code = ErrorCode::bad_input,
                          .message = fmt::format("{}: found {}, expected one line with a token",
                                                 config_.token_file,
                                                 token.empty() ? "nothing" : "several lines")}
                  : std::move(text).error();
    next_try_ = now.steady + credentials_retry_period;
    return;  // the token that was read before still counts
  }
  std::string authorization = bearer(std::string(token));
  if (identity_ == nullptr || identity_->authorization != authorization) {
    identity_ =
        std::make_shared<const Identity>(Identity{.authorization = std::move(authorization),
                                                  .certificate_pem = config_.client_certificate_pem,
                                                  .key_pem = config_.client_key_pem});
  }
}

void Credentials::plugin_answered(Result<ExecCredential> credential, Now now) {
  next_try_ = now.steady + credentials_retry_period;
  failed_ = !credential.has_value();
  if (failed_) {
    error_ = std::move(credential).error();
    return;
  }
  stale_ = false;
  expires_unix_us_ = credential->expires_unix_us.value_or(INT64_MAX);
  const bool own = !credential->certificate_pem.empty();
  identity_ = std::make_shared<const Identity>(Identity{
      .authorization = bearer(credential->token),
      .certificate_pem = own ? credential->certificate_pem : config_.client_certificate_pem,
      .key_pem = own ? credential->key_pem : config_.client_key_pem});
}

bool Credentials::rejected(std::shared_ptr<const Identity> used, Now now) {
  if (config_.token_file.empty() && !config_.exec) {
    return false;
  }
  if (used != identity_) {
    return true;  // replaced since the request was sent
  }
  if (!config_.token_file.empty()) {
    read_token_file(now);
    return used != identity_;
  }
  stale_ = true;
  return now.steady >= next_try_;
}

}  // namespace plimsoll::kube
