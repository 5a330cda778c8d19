#include "cli/live/connect.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "cli/version.h"
#include "kube/client/kubeconfig.h"

namespace plimsoll::cli {

void ConnectFlags::declare(Options& options) {
  options.text("--kubeconfig", kubeconfig,
               "The kubeconfig to use; else KUBECONFIG, ~/.kube/config, or, in a pod, its service "
               "account",
               "FILE");
  options.text("--context", context, "The kubeconfig's context to use; else its current one",
               "NAME");
}

Result<std::unique_ptr<kube::Client>> connect(const ConnectFlags& flags, Logger& log,
                                              std::string user_agent) {
  const auto now = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::system_clock::now().time_since_epoch());
  kube::ClientConfig config =
      TRY(kube::load_client_config({.file = flags.kubeconfig, .context = flags.context},
                                   kube::process_environment(), now.count()));
  kube::ClientOptions options{
      .user_agent = fmt::format("plimsoll/{} ({})", version, user_agent),
      .log = [&log](kube::LogLevel level, std::string_view line) { log.write(level, line); }};
  return kube::Client::make(std::move(config), std::move(options));
}

}  // namespace plimsoll::cli
