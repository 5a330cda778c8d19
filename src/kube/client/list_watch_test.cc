#include "kube/client/list_watch.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <map>

#include "kube/client/json_scan.h"
#include "kube/client/scripted_server.h"

namespace plimsoll::kube {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using namespace std::chrono_literals;
using Connection = ScriptedServer::Connection;
using ServerRequest = ScriptedServer::Request;

// Keeps what it is told as a store would: name -> resourceVersion.
class Store : public ObjectSink {
 public:
  void relist_begins() override {
    const std::scoped_lock lock(mutex_);
    seen_.clear();
    log_ += "[";
  }
  void upserted(std::string_view object) override {
    const std::scoped_lock lock(mutex_);
    const std::string name(json_text(*json_member(object, "metadata"), "name").value());
    objects_[name] = resource_version_of(object).value();
    seen_.insert({name, 0});
    log_ += name;
    padding_ += static_cast<unsigned char>(object.data()[object.size() + json_padding_bytes - 1]);
    changed_.notify_all();
  }
  void removed(std::string_view object) override {
    const std::scoped_lock lock(mutex_);
    const std::string name(json_text(*json_member(object, "metadata"), "name").value());
    objects_.erase(name);
    log_ += "-" + name;
    changed_.notify_all();
  }
  void synced() override {
    const std::scoped_lock lock(mutex_);
    std::erase_if(objects_, [&](const auto& object) { return !seen_.contains(object.first); });
    ++syncs_;
    log_ += "]";
    changed_.notify_all();
  }
  // What happened, once it is `expected` or for five seconds.
  std::string log(const std::string& expected) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, 5s, [&] { return log_ == expected; });
    return log_;
  }
  std::map<std::string, std::string> objects() {
    const std::scoped_lock lock(mutex_);
    return objects_;
  }
  void wait_for_syncs(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, 5s, [&] { return syncs_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::string> objects_;
  std::map<std::string, int> seen_;
  std::string log_;
  int syncs_ = 0;
  std::uint64_t padding_ = 0;
};

std::string object(std::string_view name, int version) {
  return fmt::format(R"({{"kind":"Pod","metadata":{{"name":"{}","resourceVersion":"{}"}}}})", name,
                     version);
}
std::string event(std::string_view type, std::string_view name, int version) {
  return fmt::format("{{\"type\":\"{}\",\"object\":{}}}\n", type, object(name, version));
}
std::string bookmark(int version, bool initial_end) {
  return fmt::format(
      "{{\"type\":\"BOOKMARK\",\"object\":{{\"kind\":\"Pod\",\"metadata\":{{\"resourceVersion\":"
      "\"{}\",\"annotations\":{{{}}}}}}}}}\n",
      version, initial_end ? R"("k8s.io/initial-events-end":"true")" : "");
}
std::string status(int code, std::string_view reason) {
  return fmt::format(R"({{"kind":"Status","message":"m","reason":"{}","code":{}}})", reason, code);
}
std::string error_event(int code, std::string_view reason) {
  return fmt::format("{{\"type\":\"ERROR\",\"object\":{}}}\n", status(code, reason));
}
std::string list(std::vector<std::string> items, int version, std::string_view token = "") {
  return fmt::format(
      R"({{"kind":"PodList","metadata":{{"resourceVersion":"{}","continue":"{}"}},"items":[{}]}})",
      version, token, fmt::join(items, ","));
}

// A server whose answers come from a list of steps: each request takes the next one.
class Script {
 public:
  using Step = std::function<void(const ServerRequest&, Connection&)>;
  explicit Script(std::vector<Step> steps) : steps_(std::move(steps)) {}
  void operator()(const ServerRequest& request, Connection& connection) {
    Step step;
    {
      const std::scoped_lock lock(*mutex_);
      if (*at_ < steps_.size()) {
        step = steps_[(*at_)++];
      }
    }
    if (step) {
      step(request, connection);
    } else {
      connection.hold();
    }
  }

 private:
  std::vector<Step> steps_;
  std::shared_ptr<std::mutex> mutex_ = std::make_shared<std::mutex>();
  std::shared_ptr<std::size_t> at_ = std::make_shared<std::size_t>(0);
};

Script::Step answer(int code, std::string body, std::string headers = "") {
  return [=](const ServerRequest&, Connection& connection) {
    connection.respond(code, body, headers);
  };
}
// A watch that sends `chunks` and stays open.
Script::Step watching(std::vector<std::string> chunks) {
  return [=](const ServerRequest&, Connection& connection) {
    connection.begin_chunks();
    for (const std::string& chunk : chunks) {
      connection.chunk(chunk);
    }
    connection.hold();
  };
}
// A watch that the server ends, as at its timeout.
Script::Step watched(std::vector<std::string> chunks) {
  return [=](const ServerRequest&, Connection& connection) {
    connection.begin_chunks();
    for (const std::string& chunk : chunks) {
      connection.chunk(chunk);
    }
    connection.end_chunks();
  };
}
// A watch whose connection breaks.
Script::Step broken(std::string bytes) {
  return [=](const ServerRequest&, Connection& connection) {
    connection.begin_chunks();
    connection.chunk(bytes);
    connection.cut();
  };
}

struct Scene {
  explicit Scene(std::vector<Script::Step> steps, bool watch_list = false,
                 std::chrono::milliseconds silence = 5s)
      : server(Script(std::move(steps))),
        client(*Client::make({.origin = "F", .server = server.url()},
                             {.backoff_first = 1ms, .seed = 1})),
        reflector(std::make_unique<Reflector>(*client,
                                              ReflectorOptions{.path = "/api/v1/pods",
                                                               .resource = "pods",
                                                               .page_items_max = 2,
                                                               .watch_list = watch_list,
                                                               .silence_max = silence,
                                                               .list_silence_max = silence,
                                                               .backoff_first = 1ms,
                                                               .backoff_max = 5ms,
                                                               .seed = 1},
                                              store)) {}
  std::vector<std::string> targets() {
    std::vector<std::string> all;
    for (const ServerRequest& request : server.requests()) {
      const std::size_t timeout = request.target.find("&timeoutSeconds");
      all.push_back(request.target.substr(0, timeout));
    }
    return all;
  }

  Store store;
  ScriptedServer server;
  std::unique_ptr<Client> client;
  std::unique_ptr<Reflector> reflector;
};

constexpr const char* first_page = "/api/v1/pods?limit=2";
std::string watch_from(int version) {
  return fmt::format("/api/v1/pods?watch=true&allowWatchBookmarks=true&resourceVersion={}",
                     version);
}

TEST(Reflector, ListsInPagesThenWatches) {
  Scene scene(
      {answer(200, list({object("a", 1), object("b", 2)}, 9, "c/2=")),
       answer(200, list({object("c", 3)}, 9)),
       watching({event("ADDED", "d", 10), event("MODIFIED", "a", 11), event("DELETED", "b", 12)})});
  EXPECT_EQ(scene.store.log("[abc]da-b"), "[abc]da-b");
  EXPECT_THAT(scene.store.objects(),
              ElementsAre(std::pair("a", "11"), std::pair("c", "3"), std::pair("d", "10")));
  EXPECT_THAT(scene.targets(),
              ElementsAre(first_page, "/api/v1/pods?limit=2&continue=c%2F2%3D", watch_from(9)));
  const ReflectorStatus now = scene.reflector->status();
  EXPECT_TRUE(now.synced);
  EXPECT_EQ(now.events, 3U);
  EXPECT_FALSE(now.last_error.has_value());
}

TEST(Reflector, TakesAWatchList) {
  Scene scene({watching({event("ADDED", "a", 1), event("ADDED", "b", 2), bookmark(7, true),
                         event("ADDED", "c", 8)})},
              true);
  EXPECT_EQ(scene.store.log("[ab]c"), "[ab]c");
  EXPECT_THAT(scene.targets()[0], HasSubstr("sendInitialEvents=true"));
  EXPECT_TRUE(scene.reflector->status().watch_list);
}

TEST(Reflector, ResumesAWatchListFromItsBookmark) {
  Scene scene({watched({bookmark(7, true)}), watching({event("ADDED", "c", 8)})}, true);
  EXPECT_EQ(scene.store.log("[]c"), "[]c");
  EXPECT_EQ(scene.targets()[1], watch_from(7));
}

class ReflectorFallsBack : public testing::TestWithParam<std::pair<std::string, Script::Step>> {};

TEST_P(ReflectorFallsBack, ToPages) {
  Scene scene(
      {GetParam().second, answer(200, list({object("a", 1)}, 9)), watching({bookmark(10, false)})},
      true, GetParam().first == "Silent" ? 100ms : 5s);
  scene.store.wait_for_syncs(1);
  EXPECT_THAT(scene.store.objects(), ElementsAre(std::pair("a", "1")));
  EXPECT_EQ(scene.targets()[1], first_page);
  EXPECT_FALSE(scene.reflector->status().watch_list);
}

INSTANTIATE_TEST_SUITE_P(
    All, ReflectorFallsBack,
    testing::Values(
        std::pair("Unprocessable", answer(422, status(422, "Invalid"))),
        std::pair("BadRequest", answer(400, status(400, "BadRequest"))),
        // etcd before 3.4.31 and 3.5.13
        std::pair("ErrorEvent", watching({error_event(500, "InternalError")})),
        std::pair("AfterSomeEvents", watching({event("ADDED", "z", 3), error_event(500, "X")})),
        // A server that takes it for a plain watch.
        std::pair("PlainBookmark", watching({event("ADDED", "z", 3), bookmark(5, false)})),
        std::pair("Silent", watching({event("ADDED", "z", 3)}))),
    [](const auto& one) { return one.param.first; });

TEST(Reflector, StartsOverWhenItsContinueTokenIsTooOld) {
  Scene scene({answer(200, list({object("a", 1), object("b", 2)}, 9, "t")),
               answer(410, status(410, "Expired")), answer(200, list({object("b", 2)}, 20)),
               watching({event("ADDED", "c", 21)})});
  EXPECT_EQ(scene.store.log("[ab[b]c"), "[ab[b]c");
  EXPECT_THAT(scene.store.objects(), ElementsAre(std::pair("b", "2"), std::pair("c", "21")));
  EXPECT_EQ(scene.targets()[3], watch_from(20));
}

TEST(Reflector, AsksForABrokenPageAgain) {
  const std::string second = list({object("c", 3)}, 9);
  Scene scene({answer(200, list({object("a", 1), object("b", 2)}, 9, "t")),
               broken(second.substr(0, second.size() - 2)), answer(200, second),
               watching({event("ADDED", "d", 10)})});
  EXPECT_EQ(scene.store.log("[abcc]d"), "[abcc]d");
}

class ReflectorRelists : public testing::TestWithParam<std::pair<std::string, Script::Step>> {};

TEST_P(ReflectorRelists, WithoutLosingOrDoubling) {
  Scene scene({answer(200, list({object("a", 1), object("b", 2)}, 9)),
               watched({event("ADDED", "c", 10)}), GetParam().second,
               answer(200, list({object("a", 1), object("c", 30)}, 31)),
               watching({event("ADDED", "d", 32)})});
  EXPECT_EQ(scene.store.log("[ab]c[ac]d"), "[ab]c[ac]d");
  EXPECT_THAT(scene.store.objects(),
              ElementsAre(std::pair("a", "1"), std::pair("c", "30"), std::pair("d", "32")));
  EXPECT_THAT(scene.targets(),
              ElementsAre(first_page, watch_from(9), watch_from(10), first_page, watch_from(31)));
}

INSTANTIATE_TEST_SUITE_P(
    All, ReflectorRelists,
    testing::Values(
        std::pair("HttpGone", answer(410, status(410, "Gone"))),
        std::pair("ErrorEventExpired", watching({error_event(410, "Expired")})),
        std::pair("FutureVersion",
                  answer(504, R"({"kind":"Status","reason":"Timeout","message":"m","code":504,
                    "details":{"causes":[{"reason":"ResourceVersionTooLarge","message":"m"}]}})"))),
    [](const auto& one) { return one.param.first; });

class ReflectorResumes : public testing::TestWithParam<std::pair<std::string, Script::Step>> {};

TEST_P(ReflectorResumes, FromTheLastEvent) {
  Scene scene({answer(200, list({object("a", 1)}, 9)), watched({event("ADDED", "b", 10)}),
               GetParam().second, watching({event("ADDED", "c", 11)})},
              false, GetParam().first == "Silent" ? 50ms : 5s);
  EXPECT_EQ(scene.store.log("[a]bc"), "[a]bc");
  const auto targets = scene.targets();
  ASSERT_GE(targets.size(), 4U);
  EXPECT_EQ(targets[2], watch_from(10));
  EXPECT_EQ(targets[3], watch_from(10));
}

INSTANTIATE_TEST_SUITE_P(
    All, ReflectorResumes,
    testing::Values(std::pair("CutMidEvent", broken(event("ADDED", "x", 11).substr(0, 30))),
                    std::pair("CutBeforeAnything",
                              Script::Step([](const ServerRequest&, Connection& connection) {
                                connection.cut();
                              })),
                    std::pair("Silent", watching({})), std::pair("EndedEmpty", watched({})),
                    std::pair("ServerError", answer(503, "")),
                    std::pair("Throttled", answer(429, "")),
                    std::pair("ErrorEvent", watching({error_event(500, "InternalError")})),
                    std::pair("NoEvent", watching({"{\"hello\":1}\n"})),
                    std::pair("NoVersion", watching({"{\"type\":\"ADDED\",\"object\":{}}\n"}))),
    [](const auto& one) { return one.param.first; });

TEST(Reflector, ResumesFromABookmark) {
  Scene scene({answer(200, list({}, 9)), watched({bookmark(50, false)}),
               watching({event("ADDED", "c", 51)})});
  EXPECT_EQ(scene.store.log("[]c"), "[]c");
  EXPECT_EQ(scene.targets()[2], watch_from(50));
  EXPECT_EQ(scene.reflector->status().bookmarks, 1U);
}

TEST(Reflector, GivesUpAVersionThatFailsAgainAndAgain) {
  Scene scene({answer(200, list({object("a", 1)}, 9)), answer(400, status(400, "BadRequest")),
               answer(400, status(400, "BadRequest")), answer(400, status(400, "BadRequest")),
               answer(200, list({object("b", 1)}, 12)), watching({event("ADDED", "c", 13)})});
  EXPECT_EQ(scene.store.log("[a][b]c"), "[a][b]c");
}

TEST(Reflector, AsksOnWhileItMayNotList) {
  Scene scene({answer(403, status(403, "Forbidden")), answer(403, status(403, "Forbidden")),
               answer(200, list({object("a", 1)}, 9)), watching({bookmark(10, false)})});
  scene.store.wait_for_syncs(1);
  EXPECT_THAT(scene.store.objects(), ElementsAre(std::pair("a", "1")));
}

TEST(Reflector, ShowsWhyItDoesNotSync) {
  Scene scene({});
  Scene refused(std::vector<Script::Step>(10'000, answer(403, status(403, "Forbidden"))));
  while (!refused.reflector->status().last_error) {
    std::this_thread::yield();
  }
  EXPECT_TRUE(refused.reflector->status().last_error->forbidden());
  EXPECT_FALSE(refused.reflector->status().synced);
}

TEST(Reflector, CutsEventsAtAnyByte) {
  const std::string stream =
      event("ADDED", "b", 10) + event("DELETED", "b", 11) + event("ADDED", "c", 12);
  std::vector<std::string> bytes;
  for (const char c : stream) {
    bytes.emplace_back(1, c);
  }
  Scene scene({answer(200, list({object("a", 1)}, 9)), watching(bytes)});
  EXPECT_EQ(scene.store.log("[a]b-bc"), "[a]b-bc");
}

TEST(Reflector, StopsUnderLoadWithoutAnotherCall) {
  class Counting : public ObjectSink {
   public:
    void relist_begins() override {}
    void upserted(std::string_view) override { ++calls; }
    void removed(std::string_view) override {}
    void synced() override {}
    std::atomic<int> calls{0};
  } sink;
  ScriptedServer server([](const ServerRequest& request, Connection& connection) {
    if (!request.has("watch=true")) {
      connection.respond(200, list({}, 1));
      return;
    }
    connection.begin_chunks();
    while (connection.open()) {
      connection.chunk(event("ADDED", "a", 2));
    }
  });
  const auto client = *Client::make({.origin = "F", .server = server.url()});
  for (int i = 0; i < 5; ++i) {
    sink.calls = 0;
    {
      const Reflector reflector(
          *client, {.path = "/api/v1/pods", .resource = "pods", .watch_list = false}, sink);
      while (sink.calls < 20) {
        std::this_thread::yield();
      }
    }
    const int calls = sink.calls;
    client->run([] {});
    EXPECT_EQ(sink.calls, calls);
  }
}

TEST(Reflector, SendsItsSelectors) {
  ScriptedServer server([](const ServerRequest&, Connection& connection) { connection.hold(); });
  const auto client = *Client::make({.origin = "F", .server = server.url()});
  Store store;
  const Reflector reflector(*client,
                            {.path = "/api/v1/pods",
                             .resource = "pods",
                             .field_selector = "spec.nodeName!=a",
                             .label_selector = "x in (y,z)",
                             .watch_list = false},
                            store);
  while (server.requests().empty()) {
    std::this_thread::yield();
  }
  EXPECT_EQ(server.requests()[0].target,
            "/api/v1/pods?limit=500&fieldSelector=spec.nodeName%21%3Da"
            "&labelSelector=x%20in%20%28y%2Cz%29");
}

}  // namespace
}  // namespace plimsoll::kube
