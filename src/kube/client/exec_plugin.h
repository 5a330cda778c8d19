// Runs a credential plugin (client.authentication.k8s.io/v1, /v1beta1) and reads what it prints.
//
// Blocks for as long as the plugin takes, so it is called from a thread that may wait. Thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/result.h"
#include "kube/client/client_config.h"

namespace plimsoll::kube {

inline constexpr std::chrono::seconds exec_plugin_time_max{60};
inline constexpr std::size_t exec_plugin_output_bytes_max = std::size_t{1} << 20;

struct ExecCredential {
  std::string token;
  std::string certificate_pem;
  std::string key_pem;
  std::optional<std::int64_t> expires_unix_us;  // nothing: never
};

// `config.exec` must be there. Errors: the command is not there (with its install hint), ends with
// an error (with the end of what it said), prints no ExecCredential, takes longer than
// exec_plugin_time_max, or `stop` was requested; it is killed in the last two cases.
Result<ExecCredential> run_exec_plugin(const ClientConfig& config, std::stop_token stop);

// What a plugin printed. Errors (failed): what was found, what was expected.
Result<ExecCredential> parse_exec_credential(std::string_view json, std::string_view api_version);

}  // namespace plimsoll::kube
