// Who we are to the API server at this moment: a fixed identity, a token file that is read again
// once a minute, or what an exec plugin printed, until it expires.
//
// Owned by a Client and used on its IO thread only. It never blocks: when a plugin must run, it
// says so, and its owner runs it elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "kube/client/client_config.h"
#include "kube/client/exec_plugin.h"

namespace plimsoll::kube {

inline constexpr std::chrono::seconds token_file_period{60};
// After a 401 or a failure, a token file or a plugin is asked again no sooner than this.
inline constexpr std::chrono::seconds credentials_retry_period{1};
// A plugin's credential is renewed this long before it expires.
inline constexpr std::chrono::seconds credentials_early{10};

struct Identity {
  std::string authorization;  // the header's value; empty: none
  std::string certificate_pem;
  std::string key_pem;
};

class Credentials {
 public:
  struct Now {
    std::chrono::steady_clock::time_point steady;
    std::int64_t unix_us = 0;
  };
  enum class State : std::uint8_t { ready, plugin_needed, failed };

  explicit Credentials(const ClientConfig& config);

  // Brings identity() up to date, as far as that goes without waiting.
  State prepare(Now now);
  // Shared, because requests in flight outlast a rotation. Never null once prepare() said ready.
  [[nodiscard]] const std::shared_ptr<const Identity>& identity() const { return identity_; }
  // Why prepare() says failed.
  [[nodiscard]] const Error& error() const { return error_; }

  // What the plugin that prepare() asked for printed.
  void plugin_answered(Result<ExecCredential> credential, Now now);
  // A request with `used` was answered 401. True: another identity may be had, so try again.
  bool rejected(std::shared_ptr<const Identity> used, Now now);

 private:
  void read_token_file(Now now);

  const ClientConfig& config_;
  std::shared_ptr<const Identity> identity_;
  Error error_;
  bool stale_ = true;  // read or run again, as soon as next_try_ allows
  bool failed_ = false;
  std::chrono::steady_clock::time_point next_try_{};
  std::int64_t expires_unix_us_ = INT64_MAX;
};

}  // namespace plimsoll::kube
