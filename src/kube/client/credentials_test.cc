#include "kube/client/credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kube/client/scripted_server.h"
#include "kube/client/temporary_folder.h"
#include "kube/client/timestamp.h"
#include "kube/client/transport.h"

namespace plimsoll::kube {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using namespace std::chrono_literals;
using Connection = ScriptedServer::Connection;
using ServerRequest = ScriptedServer::Request;

constexpr std::int64_t unix_start_us = 1'800'000'000'000'000;

Credentials::Now at(std::chrono::seconds since) {
  return {.steady = std::chrono::steady_clock::time_point(1000s + since),
          .unix_us = unix_start_us + std::chrono::microseconds(since).count()};
}

TEST(Credentials, HaveOneFixedHeader) {
  const ClientConfig token{.token = "t", .username = "u", .password = "p"};
  Credentials with_token(token);
  EXPECT_EQ(with_token.prepare(at(0s)), Credentials::State::ready);
  EXPECT_EQ(with_token.identity()->authorization, "Bearer t");
  EXPECT_FALSE(with_token.rejected(with_token.identity(), at(0s)));
  const ClientConfig password{.username = "u", .password = "p"};
  Credentials with_password(password);
  with_password.prepare(at(0s));
  EXPECT_EQ(with_password.identity()->authorization, "Basic dTpw");
  const ClientConfig nobody;
  Credentials anonymous(nobody);
  anonymous.prepare(at(0s));
  EXPECT_EQ(anonymous.identity()->authorization, "");
}

TEST(Credentials, ReadATokenFileAgainOnceAMinute) {
  const TemporaryFolder folder;
  const ClientConfig config{.token = "old", .token_file = folder.write("token", "one\n")};
  Credentials credentials(config);
  EXPECT_EQ(credentials.prepare(at(0s)), Credentials::State::ready);
  EXPECT_EQ(credentials.identity()->authorization, "Bearer one");
  folder.write("token", "two");
  credentials.prepare(at(59s));
  EXPECT_EQ(credentials.identity()->authorization, "Bearer one");
  const auto before = credentials.identity();
  credentials.prepare(at(60s));
  EXPECT_EQ(credentials.identity()->authorization, "Bearer two");
  EXPECT_TRUE(credentials.rejected(before, at(60s))) << "another is there already";
  EXPECT_FALSE(credentials.rejected(credentials.identity(), at(61s)));
  folder.write("token", "");
  credentials.prepare(at(200s));
  EXPECT_EQ(credentials.identity()->authorization, "Bearer two") << "better than none";
  folder.write("token", "three");
  EXPECT_TRUE(credentials.rejected(credentials.identity(), at(201s)));
  EXPECT_EQ(credentials.identity()->authorization, "Bearer three");
}

TEST(Credentials, SayThatATokenFileIsMissing) {
  const ClientConfig config{.token_file = "/does/not/exist"};
  Credentials credentials(config);
  EXPECT_EQ(credentials.prepare(at(0s)), Credentials::State::failed);
  EXPECT_EQ(credentials.error().message, "/does/not/exist: No such file or directory");
}

TEST(Credentials, KeepAPluginsTokenUntilItExpires) {
  const ClientConfig config{.exec = ExecPlugin{.command = "x"}};
  Credentials credentials(config);
  EXPECT_EQ(credentials.prepare(at(0s)), Credentials::State::plugin_needed);
  credentials.plugin_answered(
      ExecCredential{.token = "t", .expires_unix_us = unix_start_us + 100'000'000}, at(0s));
  EXPECT_EQ(credentials.prepare(at(89s)), Credentials::State::ready);
  EXPECT_EQ(credentials.identity()->authorization, "Bearer t");
  EXPECT_EQ(credentials.prepare(at(91s)), Credentials::State::plugin_needed);
  credentials.plugin_answered(failed("no"), at(91s));
  EXPECT_EQ(credentials.prepare(at(91s)), Credentials::State::failed);
  EXPECT_EQ(credentials.error().message, "no");
  EXPECT_EQ(credentials.prepare(at(93s)), Credentials::State::plugin_needed);
  credentials.plugin_answered(ExecCredential{.token = "u"}, at(93s));
  EXPECT_EQ(credentials.prepare(at(1'000'000s)), Credentials::State::ready);
  EXPECT_TRUE(credentials.rejected(credentials.identity(), at(1'000'000s)));
  EXPECT_EQ(credentials.prepare(at(1'000'000s)), Credentials::State::plugin_needed);
}

constexpr const char* v1 = "client.authentication.k8s.io/v1";

std::string credential_json(const std::string& status, const std::string& version = v1) {
  return R"({"kind":"ExecCredential","apiVersion":")" + version + R"(","status":)" + status + "}";
}

TEST(ExecPlugin, ReadsWhatItPrints) {
  const auto good = parse_exec_credential(
      credential_json(R"({"token":"t","expirationTimestamp":"2027-01-15T08:00:00Z"})"), v1);
  ASSERT_TRUE(good.has_value());
  EXPECT_EQ(good->token, "t");
  EXPECT_EQ(good->expires_unix_us, unix_start_us);
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"", "not JSON"},
      {"[]", "not JSON"},
      {credential_json("{}"), "neither token nor clientCertificateData"},
      {credential_json("7"), "found no status"},
      {credential_json(R"({"token":"a\nb"})"), "found a line break"},
      {credential_json(R"({"clientCertificateData":"x"})"), "expected both or none"},
      {credential_json(R"({"token":"t","expirationTimestamp":"soon"})"), "found 'soon'"},
      {credential_json(R"({"token":"t"})", "v2"), "of 'v2', expected ExecCredential"}};
  for (const auto& [text, message] : bad) {
    const auto read = parse_exec_credential(text, v1);
    ASSERT_FALSE(read.has_value()) << text;
    EXPECT_THAT(read.error().message, HasSubstr(message));
  }
}

ClientConfig with_plugin(const TemporaryFolder& folder, const std::string& script) {
  ExecPlugin plugin{.command = folder.write("plugin", "#!/bin/sh\n" + script, true),
                    .arguments = {"a b"},
                    .environment = {{"EXTRA", "e"}},
                    .api_version = v1,
                    .install_hint = "get it",
                    .provide_cluster_info = true};
  return {.origin = "F", .server = "https://h:1", .exec = std::move(plugin)};
}

TEST(ExecPlugin, RunsWithItsArgumentsAndEnvironment) {
  const TemporaryFolder folder;
  const auto config = with_plugin(
      folder,
      "case \"$KUBERNETES_EXEC_INFO\" in *'\"server\":\"https://h:1\"'*) s=ok;; esac\n"
      "printf '%s' "
      "'{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\","
      "\"status\":{\"token\":\"'\"$1 $EXTRA $s\"'\"}}'");
  const auto credential = run_exec_plugin(config, {});
  ASSERT_TRUE(credential.has_value()) << credential.error().message;
  EXPECT_EQ(credential->token, "a b e ok");
}

TEST(ExecPlugin, SaysWhatWentWrong) {
  const TemporaryFolder folder;
  EXPECT_THAT(
      run_exec_plugin(with_plugin(folder, "echo 'log in first' >&2; exit 3"), {}).error().message,
      HasSubstr("failed with exit status 3: log in first"));
  EXPECT_THAT(run_exec_plugin(with_plugin(folder, "echo hello"), {}).error().message,
              HasSubstr("found output that is not JSON"));
  ClientConfig missing = with_plugin(folder, "");
  missing.exec->command = "/does/not/exist";
  EXPECT_EQ(run_exec_plugin(missing, {}).error().message,
            "F: exec: '/does/not/exist': cannot run it: No such file or directory; get it");
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(run_exec_plugin(with_plugin(folder, "sleep 60"), stop.get_token()).error().message,
              HasSubstr("was stopped"));
  EXPECT_THAT(run_exec_plugin(with_plugin(folder, "yes"), {}).error().message,
              HasSubstr("printed more than"));
}

// What one request after the other was let in with.
std::vector<std::string> authorizations(const ScriptedServer& server) {
  std::vector<std::string> all;
  for (const ServerRequest& request : server.requests()) {
    all.push_back(request.header("authorization"));
  }
  return all;
}

TEST(Transport, RunsThePluginAgainAfterA401) {
  const TemporaryFolder folder;
  ClientConfig config = with_plugin(
      folder,
      "cd " + folder.path() +
          "; echo x >> runs; n=$(wc -l < runs); printf "
          "'{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\","
          "\"status\":{\"token\":\"t%s\"}}' $n");
  ScriptedServer server([](const ServerRequest& request, Connection& connection) {
    connection.respond(request.header("authorization") == "Bearer t2" ? 200 : 401, "");
  });
  config.server = server.url();
  const auto client = *Client::make(config, {.backoff_first = 1ms, .seed = 1});
  const auto first = client->call({.path = "/a"});
  // The plugin is not run twice within a second, so the first may fail, the later ones may not.
  while (!client->call({.method = Method::post, .path = "/b"}).has_value()) {
    std::this_thread::sleep_for(20ms);
  }
  EXPECT_EQ(authorizations(server).front(), "Bearer t1");
  EXPECT_EQ(authorizations(server).back(), "Bearer t2");
  EXPECT_TRUE(client->call({.path = "/c"}).has_value());
}

TEST(Transport, TakesARotatedTokenAfterA401) {
  const TemporaryFolder folder;
  std::atomic<bool> rotated{false};
  ScriptedServer server([&](const ServerRequest& request, Connection& connection) {
    const bool good = request.header("authorization") == (rotated ? "Bearer two" : "Bearer one");
    connection.respond(good ? 200 : 401, "");
  });
  const auto client = *Client::make(
      {.origin = "F", .server = server.url(), .token_file = folder.write("token", "one")});
  EXPECT_TRUE(client->call({.path = "/a"}).has_value());
  folder.write("token", "two");
  rotated = true;
  EXPECT_TRUE(client->call({.method = Method::post, .path = "/b"}).has_value());
  EXPECT_THAT(authorizations(server), ElementsAre("Bearer one", "Bearer one", "Bearer two"));
}

TEST(Transport, AnswersWithThePluginsError) {
  const TemporaryFolder folder;
  const auto client = *Client::make(with_plugin(folder, "echo nope >&2; exit 1"));
  const auto answer = client->call({.path = "/a"});
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().kind, ApiError::Kind::credentials);
  EXPECT_THAT(answer.error().message, HasSubstr("nope"));
}

TEST(Transport, SendsWhomItImpersonates) {
  ScriptedServer server(
      [](const ServerRequest&, Connection& connection) { connection.respond(200, ""); });
  const auto client = *Client::make(
      {.origin = "F",
       .server = server.url(),
       .impersonate = {.user = "boss", .uid = "7", .groups = {"g"}, .extra = {{"why", {"x"}}}}});
  ASSERT_TRUE(client->call({.path = "/a"}).has_value());
  const ServerRequest request = server.requests()[0];
  EXPECT_EQ(request.header("impersonate-user"), "boss");
  EXPECT_EQ(request.header("impersonate-uid"), "7");
  EXPECT_EQ(request.header("impersonate-group"), "g");
  EXPECT_EQ(request.header("impersonate-extra-why"), "x");
}

}  // namespace
}  // namespace plimsoll::kube
