#include <cstdint>
#include <string>

#include "kube/client/exec_plugin.h"
#include "kube/client/kubeconfig.h"

using namespace plimsoll;
using namespace plimsoll::kube;

namespace {

void expect_one_line(const Error& error) {
  check(!error.message.empty() && error.message.find('\n') == std::string::npos,
        "an error is one line");
}

}  // namespace

// Whatever a file says, it is a configuration or an error of one line. Files that it names are not
// there: it may name any.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (text.find("client-certificate:") != std::string::npos ||
      text.find("client-key:") != std::string::npos ||
      text.find("certificate-authority:") != std::string::npos) {
    return 0;  // it could name a device that never ends
  }
  const std::size_t half = size / 2;
  for (const auto& files :
       {std::vector<KubeconfigText>{{"F", text}},
        std::vector<KubeconfigText>{{"F", text.substr(0, half)}, {"G", text.substr(half)}}}) {
    const auto config = parse_kubeconfigs(files, "", 1'800'000'000'000'000);
    if (config) {
      check(config->server.starts_with("http"), "a server is a URL");
      check(config->token.find('\n') == std::string::npos, "a token is one line");
    } else {
      expect_one_line(config.error());
    }
  }
  if (const auto credential = parse_exec_credential(text, "client.authentication.k8s.io/v1");
      !credential) {
    expect_one_line(credential.error());
  }
  return 0;
}
