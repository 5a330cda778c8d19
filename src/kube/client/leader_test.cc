#include "kube/client/leader.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>

#include "kube/client/scripted_server.h"

namespace plimsoll::kube {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;
using Connection = ScriptedServer::Connection;
using ServerRequest = ScriptedServer::Request;

// One Lease, as the API server keeps it.
class LeaseServer {
 public:
  void operator()(const ServerRequest& request, Connection& connection) {
    const std::scoped_lock lock(shared_->mutex);
    std::optional<json>& lease = shared_->lease;
    if (request.method == "GET") {
      connection.respond(lease ? 200 : 404, lease ? lease->dump() : "");
      return;
    }
    json wanted = json::parse(request.body);
    const bool stale =
        lease && wanted["metadata"]["resourceVersion"] != (*lease)["metadata"]["resourceVersion"];
    if (stale || (request.method == "POST" && lease)) {
      connection.respond(409, "");
      return;
    }
    wanted["metadata"]["resourceVersion"] = std::to_string(++shared_->version);
    lease = wanted;
    connection.respond(200, lease->dump());
  }
  std::string holder() {
    const std::scoped_lock lock(shared_->mutex);
    return shared_->lease ? (*shared_->lease)["spec"]["holderIdentity"] : "";
  }

 private:
  struct Shared {
    std::mutex mutex;
    std::optional<json> lease;
    int version = 0;
  };
  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
};

ElectionOptions options_of(std::string identity) {
  return {.name_space = "ns", .name = "l", .identity = std::move(identity)};
}

TEST(LeaderElector, LeadsTellsAndReleases) {
  LeaseServer leases;
  ScriptedServer server(leases);
  const auto client = *Client::make({.origin = "F", .server = server.url()});
  std::atomic<int> started{0};
  std::atomic<int> stopped{0};
  std::string seen;
  {
    const auto elector =
        *LeaderElector::make(*client, options_of("a"),
                             {.on_started_leading =
                                  [&] {
                                    started.fetch_add(1);
                                    started.notify_all();
                                  },
                              .on_stopped_leading = [&] { ++stopped; },
                              .on_new_leader = [&](std::string_view holder) { seen += holder; }});
    started.wait(0);
    EXPECT_TRUE(elector->leading());
    EXPECT_EQ(elector->holder(), "a");
    EXPECT_EQ(leases.holder(), "a");
    EXPECT_EQ(stopped, 0);
  }
  EXPECT_EQ(started, 1);
  EXPECT_EQ(stopped, 1);
  EXPECT_EQ(seen, "a");
  EXPECT_EQ(leases.holder(), "");
  const auto next = *LeaderElector::make(*client, options_of("b"), {.on_started_leading = [&] {
    started.fetch_add(1);
    started.notify_all();
  }});
  started.wait(1);
  EXPECT_TRUE(next->leading());
}

TEST(LeaderElector, AClosedFenceHoldsBackWhatWaits) {
  std::atomic<bool> go{false};
  ScriptedServer server([&](const ServerRequest& request, Connection& connection) {
    if (request.target == "/first") {
      connection.until([&] { return go.load(); });
    }
    connection.respond(200, "");
  });
  const auto client =
      *Client::make({.origin = "F", .server = server.url()}, {.in_flight_max = 1, .seed = 1});
  Fence fence;
  fence.open_until(boot_time_us() + 3'600'000'000);
  client->send({.path = "/first", .fence = &fence},
               [](ApiResult<Response> answer) { EXPECT_TRUE(answer.has_value()); });
  std::promise<ApiResult<Response>> second;
  client->send({.path = "/second", .fence = &fence},
               [&](ApiResult<Response> answer) { second.set_value(std::move(answer)); });
  while (server.requests().empty()) {
    std::this_thread::yield();
  }
  fence.close();
  go = true;
  const auto answer = second.get_future().get();
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().kind, ApiError::Kind::fenced);
  EXPECT_EQ(server.requests().size(), 1U);
}

TEST(LeaderElector, RefusesBadOptions) {
  const auto client = *Client::make({.origin = "F", .server = "http://127.0.0.1:1"});
  EXPECT_FALSE(LeaderElector::make(*client, options_of(""), {}).has_value());
}

}  // namespace
}  // namespace plimsoll::kube
