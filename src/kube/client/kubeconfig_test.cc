#include "kube/client/kubeconfig.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "kube/client/base64.h"
#include "kube/client/temporary_folder.h"
#include "kube/client/test_certificates.h"

namespace plimsoll::kube {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

std::int64_t now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string replaced(std::string text, std::string_view what, std::string_view by) {
  const std::size_t at = text.find(what);
  check(at != std::string::npos, what);
  return text.replace(at, what.size(), by);
}

// A kubeconfig whose context "c" has this cluster and user.
std::string config_of(const std::string& cluster, const std::string& user) {
  return "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
         "contexts:\n- name: c\n  context: {cluster: k, user: u, namespace: team}\n"
         "clusters:\n- name: k\n  cluster:\n    server: https://h:6443\n" +
         cluster + "users:\n- name: u\n  user:\n    token: t\n" + user;
}

Result<ClientConfig> parsed(const std::string& text, const std::string& context = "") {
  return parse_kubeconfigs({{"F", text}}, context, now_us());
}

TEST(Kubeconfig, ReadsEveryField) {
  const TestCertificate ca({.name = "ca", .authority = true});
  const TestCertificate admin({.name = "admin"}, &ca);
  const auto config = parsed(config_of(
      "    certificate-authority-data: " + base64_encode(ca.pem()) +
          "\n    tls-server-name: api\n    proxy-url: socks5://p:1\n    extensions: []\n",
      "    client-certificate-data: " + base64_encode(admin.pem()) +
          "\n    client-key-data: " + base64_encode(admin.key_pem()) +
          "\n    username: n\n    password: p\n    as: boss\n    as-uid: '7'\n    as-groups: [g, "
          "h]\n"
          "    as-user-extra: {why: [x, y]}\n"
          "    exec: {apiVersion: client.authentication.k8s.io/v1, command: get-token, args: [-x, "
          "y],\n"
          "      env: [{name: A, value: b}], installHint: hint, provideClusterInfo: true,\n"
          "      interactiveMode: IfAvailable}\n"));
  ASSERT_TRUE(config.has_value()) << config.error().message;
  EXPECT_EQ(config->origin, "F, context 'c'");
  EXPECT_EQ(config->server, "https://h:6443");
  EXPECT_EQ(config->ca_pem, ca.pem());
  EXPECT_EQ(config->tls_server_name, "api");
  EXPECT_EQ(config->proxy_url, "socks5://p:1");
  EXPECT_EQ(config->client_certificate_pem, admin.pem());
  EXPECT_EQ(config->client_key_pem, admin.key_pem());
  EXPECT_EQ(config->token, "t");
  EXPECT_EQ(config->username + config->password, "np");
  EXPECT_EQ(config->default_namespace, "team");
  EXPECT_EQ(config->impersonate.user + config->impersonate.uid, "boss7");
  EXPECT_THAT(config->impersonate.groups, ElementsAre("g", "h"));
  EXPECT_THAT(config->impersonate.extra, ElementsAre(Pair("why", ElementsAre("x", "y"))));
  ASSERT_TRUE(config->exec.has_value());
  EXPECT_EQ(config->exec->command, "get-token");
  EXPECT_THAT(config->exec->arguments, ElementsAre("-x", "y"));
  EXPECT_THAT(config->exec->environment, ElementsAre(Pair("A", "b")));
  EXPECT_EQ(config->exec->install_hint, "hint");
  EXPECT_TRUE(config->exec->provide_cluster_info);
}

TEST(Kubeconfig, ReadsJson) {
  const auto config = parsed(R"({"current-context":"c","contexts":[{"name":"c","context":
    {"cluster":"k","user":""}}],"clusters":[{"name":"k","cluster":{"server":"http://h/x/"}}]})");
  ASSERT_TRUE(config.has_value()) << config.error().message;
  EXPECT_EQ(config->server, "http://h/x");
  EXPECT_EQ(config->default_namespace, "default");
}

TEST(Kubeconfig, FindsFilesFromWhereItIs) {
  const TemporaryFolder folder;
  const TestCertificate ca({.name = "ca", .authority = true});
  folder.write("pki/ca.crt", ca.pem());
  folder.write("pki/token", "t");
  const std::string file = folder.write(
      "config", config_of("    certificate-authority: pki/ca.crt\n",
                          "    tokenFile: pki/token\n    exec: {command: bin/get, apiVersion: "
                          "client.authentication.k8s.io/v1beta1}\n"));
  const auto config = load_client_config({.file = file}, {}, now_us());
  ASSERT_TRUE(config.has_value()) << config.error().message;
  EXPECT_EQ(config->ca_pem, ca.pem());
  EXPECT_EQ(config->token_file, folder.path() + "/pki/token");
  EXPECT_EQ(config->exec->command, folder.path() + "/bin/get");
}

TEST(Kubeconfig, MergesFilesAsKubectlDoes) {
  const TemporaryFolder folder;
  const std::string first = folder.write("a",
                                         "users: [{name: u, user: {token: first}}]\n"
                                         "contexts: [{name: other, context: {cluster: k}}]\n");
  const std::string second = folder.write("b", config_of("", "    username: second\n"));
  const Environment environment{.kubeconfig = first + "::/does/not/exist:" + second};
  const auto config = load_client_config({}, environment, now_us());
  ASSERT_TRUE(config.has_value()) << config.error().message;
  EXPECT_EQ(config->token, "first");
  EXPECT_EQ(config->username, "") << "an entry is taken whole";
  EXPECT_EQ(config->origin, first + ":" + second + ", context 'c'");
  EXPECT_EQ(load_client_config({.context = "other"}, environment, now_us())->token, "");
}

TEST(Kubeconfig, LooksInTheHomeFolder) {
  const TemporaryFolder folder;
  folder.write(".kube/config", config_of("", ""));
  EXPECT_TRUE(load_client_config({}, {.home = folder.path()}, now_us()).has_value());
  const auto none = load_client_config({}, {.home = folder.path() + "/x"}, now_us());
  EXPECT_EQ(none.error().message,
            folder.path() +
                "/x/.kube/config: found no kubeconfig, and this is no pod; expected one "
                "there, or name it");
}

TEST(Kubeconfig, TakesAPodsServiceAccount) {
  const TemporaryFolder folder;
  const TestCertificate ca({.name = "ca", .authority = true});
  folder.write("ca.crt", ca.pem());
  folder.write("token", "t");
  folder.write("namespace", "team");
  Environment pod{
      .service_host = "10.0.0.1", .service_port = "443", .service_account_folder = folder.path()};
  const auto config = load_client_config({}, pod, now_us());
  ASSERT_TRUE(config.has_value()) << config.error().message;
  EXPECT_EQ(config->server, "https://10.0.0.1:443");
  EXPECT_EQ(config->token_file, folder.path() + "/token");
  EXPECT_EQ(config->default_namespace, "team");
  pod.service_host = "fd00::1";
  EXPECT_EQ(load_client_config({}, pod, now_us())->server, "https://[fd00::1]:443");
  folder.write("token", "");
  EXPECT_THAT(load_client_config({}, pod, now_us()).error().message,
              HasSubstr("/token: found nothing, expected a token"));
}

TEST(Kubeconfig, SaysWhichContextsThereAre) {
  EXPECT_EQ(parsed(config_of("", ""), "x").error().message,
            "F: found the context 'x', expected one of 'c'");
  EXPECT_EQ(parsed(replaced(config_of("", ""), "current-context: c", "current-context: y"))
                .error()
                .message,
            "F:3: current-context: found the context 'y', expected one of 'c'");
  EXPECT_EQ(parsed(replaced(config_of("", ""), "current-context: c", "x: y")).error().message,
            "F: current-context: found none, expected one of 'c'; or name a context");
  EXPECT_EQ(parsed("{}").error().message,
            "F: current-context: found none, expected one of none is there; or name a context");
}

struct Mistake {
  std::string text;
  std::string message;
};

TEST(Kubeconfig, NamesEachMistakeInOneLine) {
  const TestCertificate ca({.name = "ca", .authority = true});
  const TestCertificate admin({.name = "admin"}, &ca);
  const TestCertificate old({.name = "admin", .valid_until_s = -60}, &ca);
  const TestCertificate early({.name = "admin", .valid_from_s = 600}, &ca);
  const auto pair = [](const TestCertificate& certificate, const TestCertificate& key) {
    return config_of("", "    client-certificate-data: " + base64_encode(certificate.pem()) +
                             "\n    client-key-data: " + base64_encode(key.key_pem()) + "\n");
  };
  const std::string good = config_of("", "");
  const std::vector<Mistake> mistakes = {
      {replaced(good, "cluster: k,", "cluster: z,"),
       "F:6: contexts[c].context.cluster: found 'z', expected one of the clusters 'k'"},
      {replaced(good, "user: u,", "user: z,"),
       "F:6: contexts[c].context.user: found 'z', expected one of the users 'u'"},
      {replaced(good, "https://h:6443", "h:6443"),
       "F:10: clusters[k].cluster.server: found 'h:6443', expected https://HOST:PORT"},
      {replaced(good, "    server: https://h:6443\n", "    x: y\n"),
       "F:10: clusters[k].cluster.server: found '', expected https://HOST:PORT"},
      {replaced(good, "kind: Config", "kind: Pod"), "F:2: kind: found 'Pod', expected Config"},
      {replaced(good, "- name: k", "- name: k\n- name: k"),
       "F:9: clusters.name: found 'k' twice, expected once"},
      {config_of("    insecure-skip-tls-verify: maybe\n", ""),
       "F:11: clusters[k].cluster.insecure-skip-tls-verify: found 'maybe', expected true or false"},
      {config_of("    certificate-authority-data: '!'\n", ""),
       "F:11: clusters[k].cluster.certificate-authority-data: found '!', expected Base64"},
      {config_of("    certificate-authority-data: AAAA\n", ""),
       "F:11: clusters[k].cluster.certificate-authority-data: found no certificate, expected one "
       "in PEM"},
      {config_of("    certificate-authority: /does/not/exist\n", ""),
       "F:11: clusters[k].cluster.certificate-authority: /does/not/exist: No such file or "
       "directory"},
      {config_of("    insecure-skip-tls-verify: true\n    certificate-authority-data: " +
                     base64_encode(ca.pem()) + "\n",
                 ""),
       "F:12: clusters[k].cluster.certificate-authority-data: found it beside "
       "insecure-skip-tls-verify, "
       "expected one of them"},
      {config_of("    proxy-url: ftp://x\n", ""),
       "F:11: clusters[k].cluster.proxy-url: found 'ftp://x', expected an http, https or socks5 "
       "URL"},
      {config_of("", "    auth-provider: {name: gcp}\n"),
       "F:15: users[u].user.auth-provider: found one, which Kubernetes 1.26 removed, expected exec "
       "in "
       "its place"},
      {config_of("", "    exec: {command: x, apiVersion: client.authentication.k8s.io/v1alpha1}\n"),
       "F:15: users[u].user.exec.apiVersion: found 'client.authentication.k8s.io/v1alpha1', "
       "expected "
       "client.authentication.k8s.io/v1 or …/v1beta1"},
      {config_of("", "    exec: {apiVersion: client.authentication.k8s.io/v1}\n"),
       "F:15: users[u].user.exec.command: found none, expected a program"},
      {config_of("", "    exec: [x]\n"),
       "F:15: users[u].user.exec: found no mapping, expected one"},
      {config_of("", "    as-groups: [a]\n"),
       "F:14: users[u].user.as: found none beside other as- fields, expected a user"},
      {config_of("", "    username: \"a\\nb\"\n"),
       "F:15: users[u].user.username: found a control character, expected one line of text"},
      {config_of("", "    client-certificate-data: AAAA\n"),
       "F:14: users[u].user.client-certificate: found one of client-certificate and client-key, "
       "expected both or none"},
      {pair(admin, ca),
       "F:15: users[u].user.client-certificate-data: found a private key that is not the "
       "certificate's, expected its own"},
      {"- a\n", "F:1: found no mapping, expected a kubeconfig"},
      {"a: 1\na: 2\n", "F:2: 'a': found this key twice, expected once"},
      {"clusters: 7\n", "F:1: clusters: found no list, expected one"},
  };
  for (const Mistake& mistake : mistakes) {
    const auto config = parsed(mistake.text);
    ASSERT_FALSE(config.has_value()) << mistake.text;
    EXPECT_EQ(config.error().message, mistake.message);
    EXPECT_EQ(config.error().code, ErrorCode::bad_input);
  }
  EXPECT_THAT(parsed(pair(old, old)).error().message,
              HasSubstr("found a client certificate that expired at 20"));
  EXPECT_THAT(parsed(pair(early, early)).error().message,
              HasSubstr("is this machine's clock right?"));
  EXPECT_EQ(load_client_config({.file = "/does/not/exist"}, {}, 0).error().message,
            "/does/not/exist: No such file or directory");
}

TEST(Base64, IsStrict) {
  EXPECT_EQ(base64_decode("YWI=\n"), "ab");
  EXPECT_EQ(base64_decode(""), "");
  for (const char* text : {"a", "YQ", "YQ=a", "====", "YW*=", "=YQ="}) {
    EXPECT_EQ(base64_decode(text), std::nullopt) << text;
  }
  for (const std::string& bytes :
       {std::string(1, '\0'), std::string("ab"), std::string(300, 'x')}) {
    EXPECT_EQ(base64_decode(base64_encode(bytes)), bytes);
  }
}

}  // namespace
}  // namespace plimsoll::kube
