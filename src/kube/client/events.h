// Kubernetes Events (events.k8s.io/v1), as client-go's broadcaster writes them.
//
// The first of its kind about an object is written; what is the same but for its note becomes a
// series: the second time is written at once, the others are counted and written when the series
// ends or after half an hour. One object gets 25 kinds at once and one more each five minutes.
// Sent behind everything else (Priority::background), in the bounds of a queue; what is over is
// dropped and counted. EventBook is the rules without clock or network; EventRecorder sends.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "kube/client/transport.h"

namespace plimsoll::kube {

struct EventRegarding {
  std::string api_version;
  std::string kind;
  std::string name_space;  // empty: not namespaced; its Events live in "default"
  std::string name;
  std::string uid;
  std::string resource_version;
};

struct Event {
  EventRegarding regarding;
  std::string reason;  // "Scheduled"
  std::string action;  // "Binding"
  std::string note;    // cut to 1024 bytes
  bool warning = false;
};

struct EventOptions {
  std::string controller;                     // reportingController: "plimsoll"
  std::string instance;                       // reportingInstance: controller-HOST
  std::size_t queue_max = 20'000;             // writes that are not answered yet
  std::size_t kinds_cached_max = 50'000;      // beyond, nothing is aggregated
  std::int64_t series_ends_us = 360'000'000;  // after so long without another
  std::int64_t refresh_us = 1'800'000'000;
  double burst_per_object = 25;
  double refill_per_object_s = 1.0 / 300;
};

struct EventStats {
  std::uint64_t recorded = 0;
  std::uint64_t written = 0;     // answered well, series' updates among them
  std::uint64_t aggregated = 0;  // counted in a series only
  std::uint64_t rate_limited = 0;
  std::uint64_t dropped = 0;  // the queue was full
  std::uint64_t failed = 0;
};

// Not thread-safe.
class EventBook {
 public:
  struct Write {
    bool creates = true;
    std::string name_space;
    std::string name;
    std::string body;          // an Event, or a merge patch with its series
    std::string key;           // for answered()
    std::string body_if_gone;  // of a patch: what to create when the Event is gone
  };
  explicit EventBook(EventOptions options) : options_(std::move(options)) {}

  std::optional<Write> record(const Event& event, std::int64_t unix_us);
  // The write of `key` is done, well or not: what became due meanwhile.
  std::optional<Write> answered(const std::string& key, bool well, std::int64_t unix_us);
  // Series that ended or are to be refreshed; forgets what ended. Call it about once a minute.
  std::vector<Write> sweep(std::int64_t unix_us);

  [[nodiscard]] std::uint64_t aggregated() const { return aggregated_; }
  [[nodiscard]] std::uint64_t rate_limited() const { return rate_limited_; }
  [[nodiscard]] std::size_t cached() const { return kinds_.size(); }

 private:
  struct Kind {
    std::string name_space;
    std::string name;
    std::int64_t count = 1;
    std::int64_t written_count = 1;
    std::int64_t last_us = 0;
    std::int64_t written_us = 0;
    bool pending = true;  // a write is not answered yet
    bool due = false;     // another is to follow it
  };
  struct Bucket {
    double tokens = 0;
    std::int64_t at_us = 0;
  };
  bool take_token(const std::string& object, std::int64_t unix_us);
  Write series(const std::string& key, Kind& kind, std::int64_t unix_us);

  EventOptions options_;
  std::map<std::string, Kind> kinds_;
  std::unordered_map<std::string, Bucket> buckets_;  // lookup only
  std::uint64_t aggregated_ = 0;
  std::uint64_t rate_limited_ = 0;
  std::uint64_t names_ = 0;
};

class EventRecorder {
 public:
  // `client` outlives it.
  EventRecorder(Client& client, EventOptions options);
  // What was not sent yet is still sent by the client; nothing is recorded any more.
  ~EventRecorder();
  EventRecorder(const EventRecorder&) = delete;
  EventRecorder& operator=(const EventRecorder&) = delete;

  // From any thread; waits for nothing.
  void record(Event event);
  [[nodiscard]] EventStats stats() const;

 private:
  class State;
  std::shared_ptr<State> state_;  // shared with the callbacks in flight
};

}  // namespace plimsoll::kube
