#include "kube/client/kubeconfig.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <set>
#include <utility>

#include "base/text.h"
#include "base/yaml.h"
#include "kube/client/base64.h"
#include "kube/client/small_file.h"
#include "kube/client/x509.h"

namespace plimsoll::kube {
namespace {

constexpr std::size_t pem_bytes_max = std::size_t{1} << 20;

struct File {
  std::string path;
  YamlNode root;
};

// A mapping of one file, and how messages call it.
struct Entry {
  const File* file = nullptr;
  const YamlNode* node = nullptr;  // null: an empty one
  std::string path;

  [[nodiscard]] const YamlNode* find(std::string_view key) const {
    const YamlNode* found = node != nullptr ? node->find(key) : nullptr;
    return found != nullptr && found->kind != YamlNode::Kind::null ? found : nullptr;
  }
  [[nodiscard]] std::unexpected<Error> error(std::int64_t line, std::string_view field,
                                             std::string_view what) const {
    return bad_input(fmt::format("{}:{}: {}{}{}: {}", file->path, line, path,
                                 path.empty() || field.empty() ? "" : ".", field, what));
  }
  [[nodiscard]] std::int64_t line() const { return node != nullptr ? node->line : 1; }
  [[nodiscard]] std::int64_t line_of(std::string_view key) const {
    const YamlNode* found = find(key);
    return found != nullptr ? found->line : line();
  }

  [[nodiscard]] Result<std::string> text(std::string_view key) const {
    const YamlNode* found = find(key);
    if (found == nullptr) {
      return "";
    }
    if (found->kind != YamlNode::Kind::scalar) {
      return error(found->line, key, "found a list or a mapping, expected text");
    }
    return found->text;
  }
  // A text that goes into a header or a URL.
  [[nodiscard]] Result<std::string> plain(std::string_view key) const {
    std::string value = TRY(text(key));
    if (std::ranges::any_of(value, [](unsigned char c) { return c < 0x20 || c == 0x7f; })) {
      return error(line_of(key), key, "found a control character, expected one line of text");
    }
    return value;
  }
  [[nodiscard]] Result<bool> boolean(std::string_view key) const {
    const std::string value = TRY(text(key));
    if (value != "" && value != "true" && value != "false") {
      return error(line_of(key), key,
                   fmt::format("found {}, expected true or false", plimsoll::quoted(value)));
    }
    return value == "true";
  }
  [[nodiscard]] Result<Entry> mapping(std::string_view key) const {
    const YamlNode* found = find(key);
    if (found != nullptr && found->kind != YamlNode::Kind::mapping) {
      return error(found->line, key, "found no mapping, expected one");
    }
    return Entry{.file = file,
                 .node = found,
                 .path = fmt::format("{}{}{}", path, path.empty() ? "" : ".", key)};
  }
  [[nodiscard]] Result<std::vector<std::string>> texts(std::string_view key) const {
    std::vector<std::string> values;
    const YamlNode* found = find(key);
    if (found == nullptr) {
      return values;
    }
    if (found->kind != YamlNode::Kind::list) {
      return error(found->line, key, "found no list, expected one of texts");
    }
    for (const YamlNode& item : found->items) {
      if (item.kind != YamlNode::Kind::scalar) {
        return error(item.line, key, "found something else in the list, expected texts");
      }
      values.push_back(item.text);
    }
    return values;
  }
  // A path in the file, made absolute.
  [[nodiscard]] std::string resolved(const std::string& name) const {
    if (name.empty() || name.starts_with('/')) {
      return name;
    }
    const std::size_t slash = file->path.rfind('/');
    return slash == std::string::npos ? name : file->path.substr(0, slash + 1) + name;
  }
  // The bytes of "KEY-data" in Base64, or of the file that "KEY" names.
  [[nodiscard]] Result<std::string> bytes(const std::string& key) const {
    const std::string data_key = key + "-data";
    const std::string data = TRY(text(data_key));
    if (!data.empty()) {
      auto decoded = base64_decode(data);
      if (!decoded || decoded->empty()) {
        return error(line_of(data_key), data_key,
                     fmt::format("found {}, expected Base64", plimsoll::quoted(data)));
      }
      return *std::move(decoded);
    }
    const std::string name = TRY(text(key));
    if (name.empty()) {
      return "";
    }
    auto read = read_small_file(resolved(name), pem_bytes_max);
    if (!read) {
      return error(line_of(key), key, read.error().message);
    }
    return read;
  }
  [[nodiscard]] std::string used_key(const std::string& key) const {
    return find(key + "-data") != nullptr ? key + "-data" : key;
  }
};

Result<File> parse_file(const KubeconfigText& file) {
  // Certificates are long lines.
  File parsed{.path = file.path,
              .root = TRY(parse_yaml(file.text, file.path, kubeconfig_bytes_max))};
  if (parsed.root.kind != YamlNode::Kind::mapping) {
    return bad_input(fmt::format("{}:1: found no mapping, expected a kubeconfig", file.path));
  }
  const Entry root{.file = &parsed, .node = &parsed.root};
  const std::string kind = TRY(root.text("kind"));
  if (!kind.empty() && kind != "Config") {
    return root.error(root.line_of("kind"), "kind",
                      fmt::format("found {}, expected Config", plimsoll::quoted(kind)));
  }
  return parsed;
}

// The entries of "clusters", "contexts" or "users" over all files, each name once.
Result<std::vector<std::pair<std::string, Entry>>> entries(const std::vector<File>& files,
                                                           std::string_view list,
                                                           std::string_view inner) {
  std::vector<std::pair<std::string, Entry>> all;
  std::set<std::string> taken;
  for (const File& file : files) {
    const Entry root{.file = &file, .node = &file.root};
    const YamlNode* found = root.find(list);
    if (found == nullptr) {
      continue;
    }
    if (found->kind != YamlNode::Kind::list) {
      return root.error(found->line, list, "found no list, expected one");
    }
    std::set<std::string> here;
    for (const YamlNode& item : found->items) {
      Entry entry{.file = &file, .node = &item, .path = std::string(list)};
      if (item.kind != YamlNode::Kind::mapping) {
        return entry.error(item.line, "", "found no mapping, expected one with a name");
      }
      const std::string name = TRY(entry.text("name"));
      if (!here.insert(name).second) {
        return entry.error(item.line, "name",
                           fmt::format("found {} twice, expected once", plimsoll::quoted(name)));
      }
      entry.path = fmt::format("{}[{}]", list, printable(name, 80));
      Entry value = TRY(entry.mapping(inner));
      if (taken.insert(name).second) {
        all.emplace_back(name, std::move(value));
      }
    }
  }
  return all;
}

std::string names_of(const std::vector<std::pair<std::string, Entry>>& all) {
  std::vector<std::string> names;
  for (const auto& [name, entry] : all) {
    names.push_back(plimsoll::quoted(name));
  }
  return names.empty() ? "none is there" : fmt::format("{}", fmt::join(names, ", "));
}

const Entry* entry_of(const std::vector<std::pair<std::string, Entry>>& all,
                      const std::string& name) {
  const auto found =
      std::ranges::find_if(all, [&](const auto& pair) { return pair.first == name; });
  return found != all.end() ? &found->second : nullptr;
}

Result<void> read_cluster(const Entry& cluster, ClientConfig& config) {
  config.server = TRY(cluster.plain("server"));
  while (config.server.ends_with('/')) {
    config.server.pop_back();
  }
  if (!config.server.starts_with("https://") && !config.server.starts_with("http://")) {
    return cluster.error(
        cluster.line_of("server"), "server",
        fmt::format("found {}, expected https://HOST:PORT", plimsoll::quoted(config.server)));
  }
  config.insecure_skip_tls_verify = TRY(cluster.boolean("insecure-skip-tls-verify"));
  config.tls_server_name = TRY(cluster.plain("tls-server-name"));
  config.proxy_url = TRY(cluster.plain("proxy-url"));
  const std::size_t scheme_end = config.proxy_url.find("://");
  const std::string scheme = config.proxy_url.substr(0, std::min(scheme_end, std::size_t{8}));
  if (!config.proxy_url.empty() && scheme != "http" && scheme != "https" && scheme != "socks5") {
    return cluster.error(cluster.line_of("proxy-url"), "proxy-url",
                         fmt::format("found {}, expected an http, https or socks5 URL",
                                     plimsoll::quoted(config.proxy_url)));
  }
  const std::string key = cluster.used_key("certificate-authority");
  config.ca_pem = TRY(cluster.bytes("certificate-authority"));
  if (!config.ca_pem.empty()) {
    if (config.insecure_skip_tls_verify) {
      return cluster.error(cluster.line_of(key), key,
                           "found it beside insecure-skip-tls-verify, expected one of them");
    }
    if (const auto good = check_certificates(config.ca_pem); !good) {
      return cluster.error(cluster.line_of(key), key, good.error().message);
    }
  }
  return {};
}

Result<ExecPlugin> read_exec(const Entry& exec) {
  ExecPlugin plugin;
  plugin.api_version = TRY(exec.text("apiVersion"));
  if (plugin.api_version != "client.authentication.k8s.io/v1" &&
      plugin.api_version != "client.authentication.k8s.io/v1beta1") {
    return exec.error(exec.line_of("apiVersion"), "apiVersion",
                      fmt::format("found {}, expected client.authentication.k8s.io/v1 or …/v1beta1",
                                  plimsoll::quoted(plugin.api_version)));
  }
  plugin.command = TRY(exec.text("command"));
  if (plugin.command.empty()) {
    return exec.error(exec.line_of("command"), "command", "found none, expected a program");
  }
  if (plugin.command.find('/') != std::string::npos) {
    plugin.command = exec.resolved(plugin.command);
  }
  plugin.arguments = TRY(exec.texts("args"));
  if (const YamlNode* list = exec.find("env"); list != nullptr) {
    if (list->kind != YamlNode::Kind::list) {
      return exec.error(list->line, "env", "found no list, expected one of names and values");
    }
    for (const YamlNode& item : list->items) {
      const Entry variable{.file = exec.file, .node = &item, .path = exec.path + ".env"};
      const std::string name =
          item.kind == YamlNode::Kind::mapping ? TRY(variable.text("name")) : "";
      if (name.empty() || name.find('=') != std::string::npos) {
        return variable.error(item.line, "name", "found no name of a variable, expected one");
      }
      plugin.environment.emplace_back(name, TRY(variable.text("value")));
    }
  }
  plugin.install_hint = TRY(exec.text("installHint"));
  plugin.provide_cluster_info = TRY(exec.boolean("provideClusterInfo"));
  if (TRY(exec.text("interactiveMode")) == "Always") {
    return exec.error(exec.line_of("interactiveMode"), "interactiveMode",
                      "found Always, expected a plugin that needs no terminal");
  }
  return plugin;
}

Result<void> read_impersonation(const Entry& user, Impersonation& as) {
  as.user = TRY(user.plain("as"));
  as.uid = TRY(user.plain("as-uid"));
  as.groups = TRY(user.texts("as-groups"));
  const Entry extra = TRY(user.mapping("as-user-extra"));
  if (extra.node != nullptr) {
    for (const YamlNode& item : extra.node->items) {
      as.extra.emplace_back(item.key, TRY(extra.texts(item.key)));
    }
  }
  if (as.user.empty() && (!as.uid.empty() || !as.groups.empty() || !as.extra.empty())) {
    return user.error(user.line(), "as", "found none beside other as- fields, expected a user");
  }
  std::vector<std::string> headers = as.groups;
  for (const auto& [key, values] : as.extra) {
    headers.push_back(key);
    headers.insert(headers.end(), values.begin(), values.end());
  }
  for (const std::string& text : headers) {
    if (std::ranges::any_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; })) {
      return user.error(user.line(), "as-groups", "found a control character, expected text");
    }
  }
  return {};
}

Result<void> read_user(const Entry& user, std::int64_t unix_us, ClientConfig& config) {
  if (user.find("auth-provider") != nullptr) {
    return user.error(user.line_of("auth-provider"), "auth-provider",
                      "found one, which Kubernetes 1.26 removed, expected exec in its place");
  }
  config.token = TRY(user.plain("token"));
  config.token_file = user.resolved(TRY(user.text("tokenFile")));
  config.username = TRY(user.plain("username"));
  config.password = TRY(user.plain("password"));
  config.client_certificate_pem = TRY(user.bytes("client-certificate"));
  config.client_key_pem = TRY(user.bytes("client-key"));
  const std::string key = user.used_key("client-certificate");
  if (config.client_certificate_pem.empty() != config.client_key_pem.empty()) {
    return user.error(user.line(), "client-certificate",
                      "found one of client-certificate and client-key, expected both or none");
  }
  if (!config.client_certificate_pem.empty()) {
    const auto good =
        check_certificate_and_key(config.client_certificate_pem, config.client_key_pem, unix_us);
    if (!good) {
      return user.error(user.line_of(key), key, good.error().message);
    }
  }
  if (const Entry exec = TRY(user.mapping("exec")); exec.node != nullptr) {
    config.exec = TRY(read_exec(exec));
  }
  return read_impersonation(user, config.impersonate);
}

std::string paths_of(const std::vector<File>& files) {
  std::vector<std::string> paths;
  for (const File& file : files) {
    paths.push_back(file.path);
  }
  return fmt::format("{}", fmt::join(paths, ":"));
}

std::vector<std::string> split_paths(std::string_view list) {
  std::vector<std::string> paths;
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(':'), list.size());
    if (end > 0) {
      paths.emplace_back(list.substr(0, end));
    }
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return paths;
}

}  // namespace

Environment process_environment() {
  const auto get = [](const char* name) -> std::string {
    const char* value = std::getenv(name);
    return value != nullptr ? value : "";
  };
  return {.kubeconfig = get("KUBECONFIG"),
          .home = get("HOME"),
          .service_host = get("KUBERNETES_SERVICE_HOST"),
          .service_port = get("KUBERNETES_SERVICE_PORT")};
}

Result<ClientConfig> parse_kubeconfigs(const std::vector<KubeconfigText>& texts,
                                       const std::string& context_name, std::int64_t unix_us) {
  std::vector<File> files;
  for (const KubeconfigText& text : texts) {
    files.push_back(TRY(parse_file(text)));
  }
  const std::string all_paths = paths_of(files);
  const auto contexts = TRY(entries(files, "contexts", "context"));
  const auto clusters = TRY(entries(files, "clusters", "cluster"));
  const auto users = TRY(entries(files, "users", "user"));

  std::string name = context_name;
  std::string where = all_paths;
  for (const File& file : files) {
    const Entry root{.file = &file, .node = &file.root};
    const std::string current = TRY(root.text("current-context"));
    if (name.empty() && !current.empty()) {
      name = current;
      where = fmt::format("{}:{}: current-context", file.path, root.line_of("current-context"));
    }
  }
  if (name.empty()) {
    return bad_input(
        fmt::format("{}: current-context: found none, expected one of {}; or name a "
                    "context",
                    all_paths, names_of(contexts)));
  }
  const Entry* context = entry_of(contexts, name);
  if (context == nullptr) {
    return bad_input(fmt::format("{}: found the context {}, expected one of {}", where,
                                 plimsoll::quoted(name), names_of(contexts)));
  }
  ClientConfig config{.origin = fmt::format("{}, context {}", all_paths, plimsoll::quoted(name))};
  const std::string cluster_name = TRY(context->text("cluster"));
  const Entry* cluster = entry_of(clusters, cluster_name);
  if (cluster == nullptr) {
    return context->error(context->line_of("cluster"), "cluster",
                          fmt::format("found {}, expected one of the clusters {}",
                                      plimsoll::quoted(cluster_name), names_of(clusters)));
  }
  const std::string user_name = TRY(context->text("user"));
  const Entry* user = entry_of(users, user_name);
  if (user == nullptr && !user_name.empty()) {
    return context->error(context->line_of("user"), "user",
                          fmt::format("found {}, expected one of the users {}",
                                      plimsoll::quoted(user_name), names_of(users)));
  }
  TRY_VOID(read_cluster(*cluster, config));
  if (user != nullptr) {
    TRY_VOID(read_user(*user, unix_us, config));
  }
  if (const std::string space = TRY(context->text("namespace")); !space.empty()) {
    config.default_namespace = space;
  }
  return config;
}

Result<ClientConfig> in_cluster_config(const Environment& environment) {
  const std::string& folder = environment.service_account_folder;
  ClientConfig config{.origin = "the pod's service account"};
  const bool v6 = environment.service_host.find(':') != std::string::npos;
  config.server = fmt::format("https://{}{}{}:{}", v6 ? "[" : "", environment.service_host,
                              v6 ? "]" : "", environment.service_port);
  config.ca_pem = TRY(read_small_file(folder + "/ca.crt", pem_bytes_max));
  if (const auto good = check_certificates(config.ca_pem); !good) {
    return bad_input(fmt::format("{}/ca.crt: {}", folder, good.error().message));
  }
  config.token_file = folder + "/token";
  const std::string token = TRY(read_small_file(config.token_file, pem_bytes_max));
  if (token.empty()) {
    return bad_input(fmt::format("{}: found nothing, expected a token", config.token_file));
  }
  if (auto space = read_small_file(folder + "/namespace", pem_bytes_max);
      space && !space->empty()) {
    config.default_namespace = *std::move(space);
  }
  return config;
}

Result<ClientConfig> load_client_config(const KubeconfigChoice& choice,
                                        const Environment& environment, std::int64_t unix_us) {
  std::vector<KubeconfigText> texts;
  std::string looked_at;
  if (!choice.file.empty()) {
    texts.push_back({choice.file, TRY(read_small_file(choice.file, kubeconfig_bytes_max))});
  } else if (!environment.kubeconfig.empty()) {
    const std::vector<std::string> paths = split_paths(environment.kubeconfig);
    if (paths.size() > kubeconfig_files_max) {
      return bad_input(fmt::format("KUBECONFIG: found {} files, expected at most {}", paths.size(),
                                   kubeconfig_files_max));
    }
    for (const std::string& path : paths) {
      if (::access(path.c_str(), F_OK) == 0) {
        texts.push_back({path, TRY(read_small_file(path, kubeconfig_bytes_max))});
      }
    }
    looked_at = fmt::format("KUBECONFIG={}", environment.kubeconfig);
  } else {
    const std::string path = environment.home + "/.kube/config";
    if (!environment.home.empty() && ::access(path.c_str(), F_OK) == 0) {
      texts.push_back({path, TRY(read_small_file(path, kubeconfig_bytes_max))});
    }
    looked_at = path;
  }
  if (!texts.empty()) {
    return parse_kubeconfigs(texts, choice.context, unix_us);
  }
  if (!environment.service_host.empty() && !environment.service_port.empty()) {
    return in_cluster_config(environment);
  }
  return bad_input(fmt::format(
      "{}: found no kubeconfig, and this is no pod; expected one there, or name it", looked_at));
}

}  // namespace plimsoll::kube
