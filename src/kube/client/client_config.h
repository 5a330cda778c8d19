// How to reach one API server and who we are to it: what a kubeconfig's context, or a pod's service
// account, comes down to. Read by kubeconfig.h, used by transport.h. A value.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace plimsoll::kube {

// A program that prints an ExecCredential (client.authentication.k8s.io).
struct ExecPlugin {
  std::string command;  // a path, or a name that is looked up in PATH
  std::vector<std::string> arguments;
  std::vector<std::pair<std::string, std::string>> environment;  // beside our own
  std::string api_version;   // client.authentication.k8s.io/v1 or …/v1beta1
  std::string install_hint;  // shown when the command is not there
  bool provide_cluster_info = false;
};

// Act as somebody else: the Impersonate-* headers.
struct Impersonation {
  std::string user;  // empty: nobody else
  std::string uid;
  std::vector<std::string> groups;
  std::vector<std::pair<std::string, std::vector<std::string>>> extra;
};

struct ClientConfig {
  std::string origin;  // "FILE, context 'NAME'", for messages
  std::string server;  // https://HOST:PORT[/PREFIX], without a slash at the end
  std::string ca_pem;  // empty: the system's
  bool insecure_skip_tls_verify = false;
  std::string tls_server_name;  // empty: the server's host
  std::string proxy_url;        // empty: the environment's, and none for loopback

  std::string client_certificate_pem;
  std::string client_key_pem;
  std::string token;
  std::string token_file;  // read again once a minute; wins over `token`
  std::string username;
  std::string password;
  std::optional<ExecPlugin> exec;
  Impersonation impersonate;

  std::string default_namespace = "default";
};

}  // namespace plimsoll::kube
