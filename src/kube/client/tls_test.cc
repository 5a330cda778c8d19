// The transport over TLS and through a proxy.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "kube/client/scripted_server.h"
#include "kube/client/test_certificates.h"
#include "kube/client/transport.h"

namespace plimsoll::kube {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using namespace std::chrono_literals;
using Connection = ScriptedServer::Connection;
using ServerRequest = ScriptedServer::Request;

class Tls : public testing::Test {
 protected:
  static void ok(const ServerRequest& request, Connection& connection) {
    connection.respond(200, request.header("host"));
  }
  [[nodiscard]] ApiResult<Response> ask(const ClientConfig& config) const {
    auto client = Client::make(config, {.attempts_max = 2, .backoff_first = 1ms, .seed = 1});
    check(client.has_value(), client ? "" : client.error().message);
    return (*client)->call({.path = "/x"});
  }
  [[nodiscard]] std::string message(const ClientConfig& config) const {
    const auto answer = ask(config);
    EXPECT_FALSE(answer.has_value());
    EXPECT_EQ(answer.error().kind, ApiError::Kind::untrusted);
    return answer.error().message;
  }

  TestCertificate ca_{{.name = "ca", .authority = true}};
  TestCertificate other_ca_{{.name = "other", .authority = true}};
  TestCertificate loopback_{{.name = "api", .names = "IP:127.0.0.1,DNS:api.example"}, &ca_};
};

TEST_F(Tls, TrustsTheClustersAuthorityOnly) {
  ScriptedServer server(&ok, {loopback_.pem(), loopback_.key_pem(), ""});
  EXPECT_TRUE(ask({.origin = "F", .server = server.url(), .ca_pem = ca_.pem()}).has_value());
  EXPECT_THAT(
      message({.origin = "F", .server = server.url(), .ca_pem = other_ca_.pem()}),
      AllOf(HasSubstr(server.url() + " (F)"), HasSubstr("is not signed by certificate-authority")));
  EXPECT_TRUE(
      ask({.origin = "F", .server = server.url(), .insecure_skip_tls_verify = true}).has_value());
}

TEST_F(Tls, SaysThatTheServersCertificateHasExpired) {
  const TestCertificate old(
      {.name = "api", .names = "IP:127.0.0.1", .valid_from_s = -7200, .valid_until_s = -3600},
      &ca_);
  ScriptedServer server(&ok, {old.pem(), old.key_pem(), ""});
  EXPECT_THAT(message({.origin = "F", .server = server.url(), .ca_pem = ca_.pem()}),
              HasSubstr("the server's certificate has expired"));
}

TEST_F(Tls, ChecksTheNameThatItIsTold) {
  const TestCertificate named({.name = "api", .names = "DNS:api.example"}, &ca_);
  ScriptedServer server(&ok, {named.pem(), named.key_pem(), ""});
  ClientConfig config{.origin = "F", .server = server.url(), .ca_pem = ca_.pem()};
  EXPECT_THAT(message(config), HasSubstr("set tls-server-name"));
  config.tls_server_name = "api.example";
  const auto answer = ask(config);
  ASSERT_TRUE(answer.has_value()) << answer.error().message;
  EXPECT_EQ(answer->body, fmt::format("127.0.0.1:{}", server.port())) << "the Host stays";
  config.tls_server_name = "wrong.example";
  EXPECT_THAT(message(config), HasSubstr("set tls-server-name"));
}

TEST_F(Tls, ShowsItsClientCertificate) {
  const TestCertificate admin({.name = "admin"}, &ca_);
  const TestCertificate stranger({.name = "admin"}, &other_ca_);
  ScriptedServer server(&ok, {loopback_.pem(), loopback_.key_pem(), ca_.pem()});
  ClientConfig config{.origin = "F",
                      .server = server.url(),
                      .ca_pem = ca_.pem(),
                      .client_certificate_pem = admin.pem(),
                      .client_key_pem = admin.key_pem()};
  EXPECT_TRUE(ask(config).has_value());
  config.client_certificate_pem = stranger.pem();
  config.client_key_pem = stranger.key_pem();
  EXPECT_FALSE(ask(config).has_value());
}

TEST_F(Tls, SaysThatTheServerSpeaksNone) {
  ScriptedServer server(&ok);
  const std::string url = fmt::format("https://127.0.0.1:{}", server.port());
  EXPECT_THAT(message({.origin = "F", .server = url, .ca_pem = ca_.pem()}),
              HasSubstr("the server does not speak TLS"));
}

TEST_F(Tls, GoesThroughAProxy) {
  ScriptedServer server(&ok);
  // A tunnel of one request: it answers itself what comes through.
  ScriptedServer proxy([](const ServerRequest& request, Connection& connection) {
    if (request.method == "CONNECT") {
      connection.raw("HTTP/1.1 200 OK\r\n\r\n");
    } else {
      connection.respond(200, "tunnelled " + request.target);
    }
  });
  const auto answer = ask({.origin = "F", .server = server.url(), .proxy_url = proxy.url()});
  ASSERT_TRUE(answer.has_value()) << answer.error().message;
  EXPECT_EQ(answer->body, "tunnelled /x");
  EXPECT_EQ(proxy.requests()[0].target, fmt::format("127.0.0.1:{}", server.port()));
  EXPECT_TRUE(server.requests().empty());
}

TEST_F(Tls, SaysThatTheProxyIsAway) {
  const int port = [] { return ScriptedServer(&ok).port(); }();
  const auto answer = ask({.origin = "F",
                           .server = "https://api.example:1",
                           .proxy_url = fmt::format("http://127.0.0.1:{}", port)});
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().kind, ApiError::Kind::refused);
}

TEST_F(Tls, KeepsConnectionsUnderManyRequests) {
  ScriptedServer server(&ok, {loopback_.pem(), loopback_.key_pem(), ""});
  const auto client = *Client::make({.origin = "F", .server = server.url(), .ca_pem = ca_.pem()},
                                    {.in_flight_max = 4, .seed = 1});
  std::atomic<int> good{0};
  std::atomic<int> left{300};
  for (int i = 0; i < 300; ++i) {
    client->send({.path = "/x"}, [&](ApiResult<Response> answer) {
      good += answer ? 1 : 0;
      --left;
      left.notify_one();
    });
  }
  for (int now = left; now > 0; now = left) {
    left.wait(now);
  }
  EXPECT_EQ(good, 300);
  EXPECT_LE(server.connections(), 4);
}

}  // namespace
}  // namespace plimsoll::kube
