// Options that every command on a live cluster has, and the client that they lead to.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "cli/live/log.h"
#include "cli/options.h"
#include "kube/client/transport.h"

namespace plimsoll::cli {

struct ConnectFlags {
  std::string kubeconfig;
  std::string context;

  void declare(Options& options);
};

// Errors: a kubeconfig that cannot be used (bad_input). Connects to nothing yet. `log` outlives it.
Result<std::unique_ptr<kube::Client>> connect(const ConnectFlags& flags, Logger& log,
                                              std::string user_agent);

}  // namespace plimsoll::cli
