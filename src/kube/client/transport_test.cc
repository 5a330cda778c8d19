#include "kube/client/transport.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <latch>

#include "kube/client/scripted_server.h"

namespace plimsoll::kube {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using namespace std::chrono_literals;
using Connection = ScriptedServer::Connection;
using ServerRequest = ScriptedServer::Request;

ClientOptions quick() { return {.backoff_first = 1ms, .backoff_max = 5ms, .seed = 1}; }

std::unique_ptr<Client> client_of(const std::string& url, ClientOptions options = quick()) {
  auto client = Client::make({.origin = "F, context 'c'", .server = url}, std::move(options));
  check(client.has_value(), client.has_value() ? "" : client.error().message);
  return *std::move(client);
}

constexpr std::string_view conflict = R"({"kind":"Status","apiVersion":"v1","status":"Failure",
  "message":"pod \"a\" is already assigned","reason":"Conflict","code":409,"details":
  {"retryAfterSeconds":3,"causes":[{"reason":"FieldValueInvalid","message":"m","field":"f"}]}})";

TEST(Transport, SendsWhatItIsToldAndAnswersWithTheBody) {
  ScriptedServer server([](const ServerRequest& request, Connection& connection) {
    connection.respond(request.method == "POST" ? 201 : 200, request.method + " " + request.target +
                                                                 " " + request.body + " " +
                                                                 request.header("content-type"));
  });
  const auto client = client_of(server.url());
  const auto ask = [&](Method method, std::string body) {
    const auto answer = client->call({.method = method,
                                      .path = "/api/v1/pods?limit=1",
                                      .body = std::move(body),
                                      .resource = "pods"});
    return answer ? std::to_string(answer->status) + " " + answer->body : answer.error().message;
  };
  EXPECT_EQ(ask(Method::get, ""), "200 GET /api/v1/pods?limit=1  ");
  EXPECT_EQ(ask(Method::post, "{}"), "201 POST /api/v1/pods?limit=1 {} application/json");
  EXPECT_EQ(ask(Method::put, "p"), "200 PUT /api/v1/pods?limit=1 p application/json");
  EXPECT_EQ(ask(Method::patch, "q"), "200 PATCH /api/v1/pods?limit=1 q application/json");
  EXPECT_EQ(ask(Method::remove, ""), "200 DELETE /api/v1/pods?limit=1  application/json");
  EXPECT_EQ(ask(Method::get, ""), "200 GET /api/v1/pods?limit=1  ");
  EXPECT_EQ(server.connections(), 1) << "the connection is kept";

  const ClientStats stats = client->stats();
  ASSERT_EQ(stats.requests.size(), 5U);
  EXPECT_EQ(stats.requests[0].count, 2U);
  EXPECT_EQ(stats.requests[1].status, 201);
  EXPECT_EQ(stats.connections, 1U);
  EXPECT_GT(stats.bytes_in, 0U);
  EXPECT_GT(stats.bytes_out, 0U);
}

TEST(Transport, GivesAStatusAsATypedErrorAndDoesNotRepeatIt) {
  ScriptedServer server(
      [](const ServerRequest&, Connection& connection) { connection.respond(409, conflict); });
  const auto client = client_of(server.url());
  const auto answer = client->call({.method = Method::put, .path = "/x"});
  ASSERT_FALSE(answer.has_value());
  EXPECT_TRUE(answer.error().conflict());
  EXPECT_EQ(answer.error().reason, "Conflict");
  EXPECT_EQ(answer.error().message, "pod \"a\" is already assigned");
  EXPECT_EQ(answer.error().retry_after, 3s);
  EXPECT_THAT(
      answer.error().causes,
      ElementsAre(ApiError::Cause{.reason = "FieldValueInvalid", .message = "m", .field = "f"}));
  EXPECT_EQ(server.requests().size(), 1U);
}

struct RetryCase {
  std::string name;
  Method method;
  Retry retry;
  int status;
  std::string headers;
  std::size_t requests;  // in all, of which the last is answered 200
};

class TransportRetry : public testing::TestWithParam<RetryCase> {};

TEST_P(TransportRetry, RepeatsOnlyWhatIsSafe) {
  const RetryCase& given = GetParam();
  std::atomic<int> seen{0};
  ScriptedServer server([&](const ServerRequest&, Connection& connection) {
    if (++seen < 3) {
      connection.respond(given.status, "no", given.headers);
    } else {
      connection.respond(200, "yes");
    }
  });
  const auto client = client_of(
      server.url(), {.backoff_first = 1ms, .backoff_max = 2ms, .retry_after_max = 2ms, .seed = 1});
  const auto answer =
      client->call({.method = given.method, .path = "/x", .body = "b", .retry = given.retry});
  EXPECT_EQ(server.requests().size(), given.requests);
  EXPECT_EQ(answer.has_value(), given.requests == 3);
  EXPECT_EQ(client->stats().retries, given.requests - 1);
}

INSTANTIATE_TEST_SUITE_P(
    All, TransportRetry,
    testing::Values(
        RetryCase{"GetOn500", Method::get, Retry::when_safe, 500, "", 3},
        RetryCase{"GetOn503", Method::get, Retry::when_safe, 503, "", 3},
        RetryCase{"GetOn504", Method::get, Retry::when_safe, 504, "", 3},
        RetryCase{"GetOn429", Method::get, Retry::when_safe, 429, "Retry-After: 1\r\n", 3},
        RetryCase{"GetOn404", Method::get, Retry::when_safe, 404, "", 1},
        RetryCase{"PutOn503", Method::put, Retry::when_safe, 503, "", 3},
        RetryCase{"PostOn503", Method::post, Retry::when_safe, 503, "", 1},
        RetryCase{"PostOn503Allowed", Method::post, Retry::always, 503, "", 3},
        RetryCase{"PostOn429Told", Method::post, Retry::when_safe, 429, "Retry-After: 1\r\n", 3},
        RetryCase{"PostOn429Untold", Method::post, Retry::when_safe, 429, "", 1},
        RetryCase{"GetNever", Method::get, Retry::never, 503, "", 1}),
    [](const auto& one) { return one.param.name; });

TEST(Transport, WaitsAsLongAsRetryAfterSays) {
  std::vector<std::chrono::steady_clock::time_point> times;
  ScriptedServer server([&](const ServerRequest&, Connection& connection) {
    times.push_back(std::chrono::steady_clock::now());
    if (times.size() == 1) {
      connection.respond(429, "", "Retry-After: 1\r\n");
    } else {
      connection.respond(200, "");
    }
  });
  const auto client = client_of(server.url());
  ASSERT_TRUE(client->call({.path = "/x"}).has_value());
  ASSERT_EQ(times.size(), 2U);
  EXPECT_GE(times[1] - times[0], 1s);
}

TEST(Transport, GivesUpAfterItsAttemptsAndSaysTheLastError) {
  ScriptedServer server(
      [](const ServerRequest&, Connection& connection) { connection.respond(503, "busy"); });
  const auto client = client_of(server.url(), {.attempts_max = 4, .backoff_first = 1ms, .seed = 1});
  const auto answer = client->call({.path = "/x"});
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().status, 503);
  EXPECT_EQ(answer.error().message, "HTTP 503: busy");
  EXPECT_EQ(server.requests().size(), 4U);
}

TEST(Transport, RepeatsARequestWhoseConnectionBroke) {
  std::atomic<int> seen{0};
  ScriptedServer server([&](const ServerRequest&, Connection& connection) {
    if (++seen == 1) {
      connection.raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
      connection.cut();
    } else {
      connection.respond(200, "whole");
    }
  });
  const auto client = client_of(server.url());
  const auto answer = client->call({.path = "/x"});
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->body, "whole");
  seen = 0;
  const auto post = client->call({.method = Method::post, .path = "/x", .body = "b"});
  ASSERT_FALSE(post.has_value());
  EXPECT_EQ(post.error().kind, ApiError::Kind::broken);
}

TEST(Transport, ReplacesAKeptConnectionThatHasClosed) {
  std::atomic<int> seen{0};
  ScriptedServer server([&](const ServerRequest&, Connection& connection) {
    if (++seen % 2 == 0) {
      connection.cut();  // before a byte of the answer
      return;
    }
    connection.respond(200, std::to_string(seen));
  });
  const auto client = client_of(server.url());
  for (const char* expected : {"1", "3", "5"}) {
    const auto answer = client->call({.method = Method::post, .path = "/x", .body = "b"});
    ASSERT_TRUE(answer.has_value()) << answer.error().message;
    EXPECT_EQ(answer->body, expected);
  }
  EXPECT_EQ(client->stats().retries, 0U);
  EXPECT_EQ(server.connections(), 3);
}

TEST(Transport, AnswersThatCloseAndAnswersInPieces) {
  ScriptedServer server([&](const ServerRequest& request, Connection& connection) {
    if (request.target == "/closes") {
      connection.raw("HTTP/1.1 200 OK\r\n\r\nuntil the end");
      connection.cut();
    } else if (request.target == "/asks") {
      connection.respond(200, "last", "Connection: close\r\n");
      connection.cut();
    } else if (request.target == "/html") {
      connection.raw("<html>\r\n\r\n");
      connection.cut();
    } else {
      connection.begin_chunks();
      connection.chunk("in ");
      connection.chunk("pieces");
      connection.end_chunks();
    }
  });
  const auto client = client_of(server.url());
  EXPECT_EQ(client->call({.path = "/chunks"})->body, "in pieces");
  EXPECT_EQ(client->call({.path = "/closes"})->body, "until the end");
  EXPECT_EQ(client->call({.path = "/asks"})->body, "last");
  EXPECT_EQ(client->call({.path = "/chunks"})->body, "in pieces");
  EXPECT_EQ(client->call({.path = "/html"}).error().kind, ApiError::Kind::malformed);
  EXPECT_EQ(client->call({.path = "/chunks"})->body, "in pieces");
}

TEST(Transport, SendsAndReceivesMoreThanASocketHolds) {
  ScriptedServer server([](const ServerRequest& request, Connection& connection) {
    connection.respond(200, request.body + request.body);
  });
  const auto client = client_of(server.url());
  std::string body(5'000'000, 'x');
  body.back() = 'y';
  const auto answer = client->call({.method = Method::put, .path = "/x", .body = body});
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->body, body + body);
}

TEST(Transport, PutsTheServersPathBeforeItsOwn) {
  ScriptedServer server([](const ServerRequest& request, Connection& connection) {
    connection.respond(200, request.target);
  });
  const auto client = client_of(server.url() + "/k8s/clusters/a");
  EXPECT_EQ(client->call({.path = "/version"})->body, "/k8s/clusters/a/version");
}

TEST(Transport, SaysThatNobodyListens) {
  const int port = [] {
    const ScriptedServer gone([](const ServerRequest&, Connection&) {});
    return gone.port();
  }();
  const auto client = client_of("http://127.0.0.1:" + std::to_string(port),
                                {.attempts_max = 2, .backoff_first = 1ms, .seed = 1});
  const auto answer = client->call({.path = "/version"});
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().kind, ApiError::Kind::refused);
  EXPECT_THAT(answer.error().message, HasSubstr("(F, context 'c')"));
  EXPECT_THAT(answer.error().message, HasSubstr("is the API server running there?"));
  EXPECT_EQ(client->stats().retries, 1U);
}

TEST(Transport, EndsARequestAtItsDeadline) {
  ScriptedServer server([](const ServerRequest&, Connection& connection) { connection.hold(); });
  const auto client = client_of(server.url());
  const auto answer = client->call({.path = "/x", .deadline = 30ms});
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().kind, ApiError::Kind::deadline);
}

TEST(Transport, KeepsToItsRequestsInFlightAndLetsUrgentOnesPass) {
  std::atomic<int> now{0};
  std::atomic<int> most{0};  // times that there were more than three
  std::latch three(1);
  std::atomic<bool> open{false};
  ScriptedServer server([&](const ServerRequest& request, Connection& connection) {
    if (request.target == "/urgent") {
      open = true;
      connection.respond(200, "");
      return;
    }
    if (++now == 3 && !open) {
      three.count_down();
    }
    most += now > 3 ? 1 : 0;
    connection.until([&] { return open.load(); });
    --now;
    connection.respond(200, "");
  });
  const auto client = client_of(server.url(), {.in_flight_max = 3, .seed = 1});
  std::latch left(20);
  for (int i = 0; i < 20; ++i) {
    client->send({.path = "/slow"}, [&](ApiResult<Response>) { left.count_down(); });
  }
  three.wait();
  EXPECT_TRUE(client->call({.path = "/urgent", .priority = Priority::urgent}).has_value());
  left.wait();
  EXPECT_EQ(most, 0);
  EXPECT_EQ(server.connections(), 4);
}

TEST(Transport, RefusesMoreThanMayWait) {
  ScriptedServer server([](const ServerRequest&, Connection& connection) { connection.hold(); });
  const auto client = client_of(server.url(), {.in_flight_max = 1, .waiting_max = 2, .seed = 1});
  std::promise<ApiError> refused;
  client->run([&] {
    for (int i = 0; i < 5; ++i) {
      client->send({.path = "/x"}, [&, i](ApiResult<Response> answer) {
        if (i == 2) {
          refused.set_value(answer.error());
        }
      });
    }
  });
  EXPECT_THAT(refused.get_future().get().message, HasSubstr("more than 2 requests wait"));
}

TEST(Transport, CancelsWhatWaitsAndWhatIsInFlight) {
  ScriptedServer server([](const ServerRequest&, Connection& connection) { connection.hold(); });
  const auto client = client_of(server.url(), {.in_flight_max = 1, .seed = 1});
  std::vector<RequestId> ids;
  std::latch left(2);
  std::atomic<int> cancelled{0};
  for (int i = 0; i < 2; ++i) {
    ids.push_back(client->send({.path = "/x"}, [&](ApiResult<Response> answer) {
      cancelled += answer.error().kind == ApiError::Kind::cancelled ? 1 : 0;
      left.count_down();
    }));
  }
  for (const RequestId id : ids) {
    client->cancel(id);
    client->cancel(id);
  }
  left.wait();
  EXPECT_EQ(cancelled, 2);
}

TEST(Transport, StreamsUntilTheServerEnds) {
  ScriptedServer server([](const ServerRequest&, Connection& connection) {
    connection.begin_chunks();
    connection.chunk("one ");
    connection.chunk("two");
    connection.end_chunks();
  });
  const auto client = client_of(server.url());
  std::string bytes;
  std::promise<ApiResult<void>> end;
  client->stream({.request = {.path = "/watch"},
                  .on_bytes = [&](std::string_view more) { bytes += more; },
                  .on_end = [&](ApiResult<void> result) { end.set_value(std::move(result)); }});
  EXPECT_TRUE(end.get_future().get().has_value());
  EXPECT_EQ(bytes, "one two");
}

TEST(Transport, CutsASilentStream) {
  ScriptedServer server([](const ServerRequest&, Connection& connection) {
    connection.begin_chunks();
    connection.chunk("one");
    connection.hold();
  });
  const auto client = client_of(server.url());
  std::promise<ApiResult<void>> end;
  client->stream({.request = {.path = "/watch"},
                  .silence_max = 20ms,
                  .on_bytes = [](std::string_view) {},
                  .on_end = [&](ApiResult<void> result) { end.set_value(std::move(result)); }});
  const auto result = end.get_future().get();
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().kind, ApiError::Kind::deadline);
  EXPECT_EQ(client->stats().silent_streams, 1U);
}

TEST(Transport, GivesARefusedStreamItsStatus) {
  ScriptedServer server([](const ServerRequest&, Connection& connection) {
    connection.respond(410,
                       R"({"kind":"Status","reason":"Expired","message":"too old","code":410})");
  });
  const auto client = client_of(server.url());
  std::promise<ApiResult<void>> end;
  client->stream({.request = {.path = "/watch"},
                  .on_bytes = [](std::string_view) { ADD_FAILURE(); },
                  .on_end = [&](ApiResult<void> result) { end.set_value(std::move(result)); }});
  const auto result = end.get_future().get();
  ASSERT_FALSE(result.has_value());
  EXPECT_TRUE(result.error().expired());
}

TEST(Transport, RefusesABodyThatIsTooLarge) {
  ScriptedServer server([](const ServerRequest&, Connection& connection) {
    connection.respond(200, std::string(100'000, 'x'));
  });
  const auto client = client_of(server.url(), {.body_bytes_max = 50'000, .seed = 1});
  const auto answer = client->call({.path = "/x"});
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().kind, ApiError::Kind::malformed);
}

TEST(Transport, AnswersEverythingOnceWhenItIsDestroyedUnderLoad) {
  ScriptedServer server([](const ServerRequest& request, Connection& connection) {
    if (request.target == "/watch") {
      connection.begin_chunks();
      while (connection.open()) {
        connection.chunk("x");
      }
    } else if (request.target == "/hold") {
      connection.hold();
    } else {
      connection.respond(200, "");
    }
  });
  std::atomic<int> answers{0};
  std::atomic<int> ends{0};
  constexpr int count = 500;
  {
    auto client = client_of(server.url());
    for (int i = 0; i < 3; ++i) {
      client->stream({.request = {.path = "/watch"},
                      .on_bytes = [](std::string_view) {},
                      .on_end = [&](ApiResult<void>) { ++ends; }});
    }
    for (int i = 0; i < count; ++i) {
      client->send({.path = i % 50 == 0 ? "/hold" : "/x"}, [&](ApiResult<Response>) { ++answers; });
    }
    client->after(1h, [] { ADD_FAILURE(); });
    std::latch some(1);
    client->after(5ms, [&] { some.count_down(); });
    some.wait();
  }
  EXPECT_EQ(answers, count);
  EXPECT_EQ(ends, 3);
}

TEST(Transport, TakesRequestsFromManyThreadsAndFromCallbacks) {
  ScriptedServer server(
      [](const ServerRequest&, Connection& connection) { connection.respond(200, ""); });
  const auto client = client_of(server.url());
  std::latch left(4 * 50 * 2);
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        client->send({.path = "/x"}, [&](ApiResult<Response>) {
          client->send({.path = "/y"}, [&](ApiResult<Response>) { left.count_down(); });
          left.count_down();
        });
      }
    });
  }
  left.wait();
  EXPECT_EQ(server.requests().size(), 400U);
}

TEST(Transport, RefusesAServerThatIsNoUrl) {
  for (const std::string server : {"", "127.0.0.1:6443", "ftp://a", "https://"}) {
    const auto client = Client::make({.origin = "F", .server = server});
    ASSERT_FALSE(client.has_value()) << server;
    EXPECT_EQ(client.error().code, ErrorCode::bad_input);
    EXPECT_THAT(client.error().message, HasSubstr("F: server: found"));
  }
}

}  // namespace
}  // namespace plimsoll::kube
