#include "kube/client/events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "kube/client/scripted_server.h"

namespace plimsoll::kube {
namespace {

using nlohmann::json;
using Connection = ScriptedServer::Connection;
using ServerRequest = ScriptedServer::Request;

constexpr std::int64_t second = 1'000'000;
constexpr std::int64_t start = 1'800'000'000 * second;

Event event_of(std::string pod, std::string reason, std::string note = "n") {
  return {.regarding = {.api_version = "v1",
                        .kind = "Pod",
                        .name_space = "ns",
                        .name = pod,
                        .uid = "uid-" + pod,
                        .resource_version = "7"},
          .reason = std::move(reason),
          .action = "Binding",
          .note = std::move(note)};
}

EventBook book_of() { return EventBook({.controller = "plimsoll", .instance = "plimsoll-h"}); }

TEST(EventBook, WritesTheFirstOfItsKind) {
  EventBook book = book_of();
  const auto write = book.record(event_of("a", "Scheduled", "to \"n1\""), start);
  ASSERT_TRUE(write.has_value());
  EXPECT_TRUE(write->creates);
  json body = json::parse(write->body);
  EXPECT_EQ(body["metadata"]["name"], write->name);
  EXPECT_TRUE(write->name.starts_with("a."));
  body.erase("metadata");
  EXPECT_EQ(body, (json{{"apiVersion", "events.k8s.io/v1"},
                        {"kind", "Event"},
                        {"eventTime", "2027-01-15T08:00:00.000000Z"},
                        {"reportingController", "plimsoll"},
                        {"reportingInstance", "plimsoll-h"},
                        {"action", "Binding"},
                        {"reason", "Scheduled"},
                        {"type", "Normal"},
                        {"note", "to \"n1\""},
                        {"regarding",
                         {{"apiVersion", "v1"},
                          {"kind", "Pod"},
                          {"namespace", "ns"},
                          {"name", "a"},
                          {"uid", "uid-a"},
                          {"resourceVersion", "7"}}}}));
}

TEST(EventBook, MakesASeriesOfTheSame) {
  EventBook book = book_of();
  const auto first = book.record(event_of("a", "FailedScheduling", "one"), start);
  EXPECT_FALSE(book.answered(first->key, true, start).has_value());
  const auto second_write = book.record(event_of("a", "FailedScheduling", "two"), start + second);
  ASSERT_TRUE(second_write.has_value());
  EXPECT_FALSE(second_write->creates);
  EXPECT_EQ(second_write->name, first->name);
  EXPECT_EQ(
      json::parse(second_write->body),
      (json{{"series", {{"count", 2}, {"lastObservedTime", "2027-01-15T08:00:01.000000Z"}}}}));
  EXPECT_EQ(json::parse(second_write->body_if_gone)["series"]["count"], 2);
  book.answered(first->key, true, start + second);
  for (int i = 2; i < 50; ++i) {
    EXPECT_FALSE(book.record(event_of("a", "FailedScheduling"), start + i * second).has_value());
  }
  EXPECT_EQ(book.aggregated(), 49U);
  EXPECT_TRUE(book.sweep(start + 60 * second).empty());
  const auto last = book.sweep(start + 410 * second);
  ASSERT_EQ(last.size(), 1U);
  EXPECT_EQ(json::parse(last[0].body)["series"]["count"], 50);
  EXPECT_EQ(book.cached(), 0U);
  EXPECT_TRUE(book.record(event_of("a", "FailedScheduling"), start + 411 * second)->creates);
}

TEST(EventBook, RefreshesALongSeries) {
  EventBook book = book_of();
  const std::string key = book.record(event_of("a", "X"), start)->key;
  book.answered(key, true, start);
  book.record(event_of("a", "X"), start);
  book.answered(key, true, start);
  int refreshed = 0;
  for (std::int64_t minute = 1; minute < 60; ++minute) {
    book.record(event_of("a", "X"), start + minute * 60 * second);
    for (const auto& write : book.sweep(start + minute * 60 * second)) {
      book.answered(write.key, true, start + minute * 60 * second);
      ++refreshed;
    }
  }
  EXPECT_EQ(refreshed, 1);
}

TEST(EventBook, WaitsForTheFirstBeforeItsSeries) {
  EventBook book = book_of();
  const auto first = book.record(event_of("a", "X"), start);
  EXPECT_FALSE(book.record(event_of("a", "X"), start).has_value());
  EXPECT_FALSE(book.record(event_of("a", "X"), start).has_value());
  const auto next = book.answered(first->key, true, start);
  ASSERT_TRUE(next.has_value());
  EXPECT_EQ(json::parse(next->body)["series"]["count"], 3);
  EXPECT_FALSE(book.answered(first->key, false, start).has_value());
  EXPECT_TRUE(book.record(event_of("a", "X"), start)->creates) << "after a failure, anew";
}

TEST(EventBook, KeepsObjectsAndKindsApart) {
  EventBook book = book_of();
  EXPECT_TRUE(book.record(event_of("a", "X"), start)->creates);
  EXPECT_TRUE(book.record(event_of("b", "X"), start)->creates);
  EXPECT_TRUE(book.record(event_of("a", "Y"), start)->creates);
  Event warning = event_of("a", "X");
  warning.warning = true;
  const auto write = book.record(warning, start);
  EXPECT_EQ(json::parse(write->body)["type"], "Warning");
}

TEST(EventBook, LimitsOneObjectAndNotMany) {
  EventBook book = book_of();
  int written = 0;
  for (int i = 0; i < 100; ++i) {
    written += book.record(event_of("a", "R" + std::to_string(i)), start) ? 1 : 0;
  }
  EXPECT_EQ(written, 25);
  EXPECT_EQ(book.rate_limited(), 75U);
  EXPECT_TRUE(book.record(event_of("a", "Later"), start + 301 * second).has_value());
  std::set<std::string> names;
  for (int i = 0; i < 10'000; ++i) {
    const auto write = book.record(event_of("p" + std::to_string(i), "Scheduled"), start);
    ASSERT_TRUE(write.has_value()) << i;
    names.insert(write->name);
  }
  EXPECT_EQ(names.size(), 10'000U);
}

TEST(EventBook, CutsALongNoteBetweenCharacters) {
  EventBook book = book_of();
  const auto write = book.record(event_of("a", "X", std::string(1023, 'x') + "é"), start);
  EXPECT_EQ(json::parse(write->body)["note"], std::string(1023, 'x'));
}

TEST(EventRecorder, SendsAndCounts) {
  std::atomic<int> patches{0};
  ScriptedServer server([&](const ServerRequest& request, Connection& connection) {
    if (request.method == "PATCH" && ++patches == 1) {
      connection.respond(404, "");
      return;
    }
    connection.respond(request.method == "POST" ? 201 : 200, request.body);
  });
  const auto client = *Client::make({.origin = "F", .server = server.url()});
  EventRecorder recorder(*client, {.controller = "plimsoll", .instance = "i"});
  recorder.record(event_of("a", "X"));
  while (recorder.stats().written < 1) {
    std::this_thread::yield();
  }
  recorder.record(event_of("a", "X"));
  while (recorder.stats().written < 2) {
    std::this_thread::yield();
  }
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 3U);
  EXPECT_EQ(requests[0].target, "/apis/events.k8s.io/v1/namespaces/ns/events");
  EXPECT_EQ(requests[1].method, "PATCH");
  EXPECT_EQ(requests[1].header("content-type"), "application/merge-patch+json");
  EXPECT_EQ(requests[2].method, "POST") << "the Event was gone";
  EXPECT_EQ(recorder.stats().recorded, 2U);
}

TEST(EventRecorder, DropsWhatItsQueueDoesNotHold) {
  ScriptedServer server([](const ServerRequest&, Connection& connection) { connection.hold(); });
  const auto client = *Client::make({.origin = "F", .server = server.url()});
  EventRecorder recorder(*client, {.controller = "plimsoll", .instance = "i", .queue_max = 3});
  for (int i = 0; i < 5; ++i) {
    recorder.record(event_of("p" + std::to_string(i), "X"));
    client->run([] {});
  }
  EXPECT_EQ(recorder.stats().dropped, 2U);
  EXPECT_EQ(recorder.stats().recorded, 5U);
}

}  // namespace
}  // namespace plimsoll::kube
