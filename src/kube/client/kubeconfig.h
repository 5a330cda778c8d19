// Reads kubeconfig files, as kubectl does, and a pod's service account.
//
// Which: a file that was named; else the files of $KUBECONFIG, merged; else ~/.kube/config; else,
// inside a pod, its service account. Of several files, the first that sets a value or names an
// entry wins, whole entries at a time; files of $KUBECONFIG that do not exist are passed over.
// Relative paths count from the file that has them. Fields that Kubernetes does not know are passed
// over, as kubectl does. Every mistake is one line: file, line, field, found, expected.
// Thread-safe: no state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kube/client/client_config.h"

namespace plimsoll::kube {

inline constexpr std::size_t kubeconfig_bytes_max = std::size_t{1} << 20;
inline constexpr std::size_t kubeconfig_files_max = 64;

// What of the process's environment counts.
struct Environment {
  std::string kubeconfig;    // KUBECONFIG
  std::string home;          // HOME
  std::string service_host;  // KUBERNETES_SERVICE_HOST
  std::string service_port;  // KUBERNETES_SERVICE_PORT
  std::string service_account_folder = "/var/run/secrets/kubernetes.io/serviceaccount";
};
Environment process_environment();

struct KubeconfigChoice {
  std::string file;     // empty: as the environment says
  std::string context;  // empty: current-context
};

// Errors (bad_input). `unix_us` is now, for certificates.
Result<ClientConfig> load_client_config(const KubeconfigChoice& choice,
                                        const Environment& environment, std::int64_t unix_us);

// One file of a merge, already read.
struct KubeconfigText {
  std::string path;
  std::string text;
};
// What load_client_config() does with the files; reads those that they name. Requires: a file.
Result<ClientConfig> parse_kubeconfigs(const std::vector<KubeconfigText>& files,
                                       const std::string& context, std::int64_t unix_us);
Result<ClientConfig> in_cluster_config(const Environment& environment);

}  // namespace plimsoll::kube
