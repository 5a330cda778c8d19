#include "kube/client/events.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "kube/client/api.h"
#include "kube/client/timestamp.h"

namespace plimsoll::kube {
namespace {

constexpr std::size_t note_bytes_max = 1024;  // the API's own
constexpr std::size_t name_bytes_max = 220;   // of 253, with the suffix
constexpr std::chrono::seconds sweep_period{60};
constexpr std::size_t bodies_bytes_expected = 640;

std::string_view cut(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) {
    return text;
  }
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) {
    --end;  // between characters
  }
  return text.substr(0, end);
}

std::string key_of(const Event& event) {
  const EventRegarding& about = event.regarding;
  std::string key;
  for (const std::string_view part :
       {std::string_view(about.uid), std::string_view(about.kind),
        std::string_view(about.name_space), std::string_view(about.name),
        std::string_view(event.reason), std::string_view(event.action)}) {
    key += part;
    key += '\n';
  }
  return key + (event.warning ? 'W' : 'N');
}

std::string series_json(std::int64_t count, std::int64_t last_us) {
  return fmt::format(R"("series":{{"count":{},"lastObservedTime":"{}"}})", count,
                     format_micro_time(last_us));
}

std::string event_json(const Event& event, const EventOptions& options, std::string_view name_space,
                       std::string_view name, std::int64_t unix_us, const std::string& series) {
  const EventRegarding& about = event.regarding;
  std::string body;
  body.reserve(bodies_bytes_expected);
  const auto add = [&body](std::string_view before, std::string_view text) {
    body += before;
    body += json_quoted(text);
  };
  add(R"({"apiVersion":"events.k8s.io/v1","kind":"Event","metadata":{"name":)", name);
  add(R"(,"namespace":)", name_space);
  add(R"(},"eventTime":)", format_micro_time(unix_us));
  add(R"(,"reportingController":)", options.controller);
  add(R"(,"reportingInstance":)", options.instance);
  add(R"(,"action":)", event.action);
  add(R"(,"reason":)", event.reason);
  add(R"(,"type":)", event.warning ? "Warning" : "Normal");
  add(R"(,"note":)", cut(event.note, note_bytes_max));
  add(R"(,"regarding":{"apiVersion":)", about.api_version);
  add(R"(,"kind":)", about.kind);
  if (!about.name_space.empty()) {
    add(R"(,"namespace":)", about.name_space);
  }
  add(R"(,"name":)", about.name);
  add(R"(,"uid":)", about.uid);
  if (!about.resource_version.empty()) {
    add(R"(,"resourceVersion":)", about.resource_version);
  }
  body += '}';
  if (!series.empty()) {
    body += ',';
    body += series;
  }
  return body + '}';
}

std::int64_t unix_now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

bool EventBook::take_token(const std::string& object, std::int64_t unix_us) {
  const auto [found, fresh] =
      buckets_.try_emplace(object, Bucket{.tokens = options_.burst_per_object, .at_us = unix_us});
  Bucket& bucket = found->second;
  const double since_s =
      static_cast<double>(std::max<std::int64_t>(0, unix_us - bucket.at_us)) * 1e-6;
  bucket.tokens =
      std::min(options_.burst_per_object, bucket.tokens + since_s * options_.refill_per_object_s);
  bucket.at_us = unix_us;
  if (bucket.tokens < 1) {
    return false;
  }
  bucket.tokens -= 1;
  return true;
}

std::optional<EventBook::Write> EventBook::record(const Event& event, std::int64_t unix_us) {
  std::string key = key_of(event);
  if (const auto found = kinds_.find(key); found != kinds_.end()) {
    Kind& kind = found->second;
    ++kind.count;
    kind.last_us = unix_us;
    ++aggregated_;
    if (kind.count > 2) {
      return std::nullopt;
    }
    if (kind.pending) {
      kind.due = true;
      return std::nullopt;
    }
    Write write = series(key, kind, unix_us);
    write.body_if_gone = event_json(event, options_, kind.name_space, kind.name, unix_us,
                                    series_json(kind.count, unix_us));
    return write;
  }
  if (!take_token(event.regarding.uid + event.regarding.name, unix_us)) {
    ++rate_limited_;
    return std::nullopt;
  }
  Write write{
      .name_space = event.regarding.name_space.empty() ? "default" : event.regarding.name_space,
      .name = fmt::format("{}.{:x}{:04x}", cut(event.regarding.name, name_bytes_max), unix_us,
                          names_++ & 0xffff),
      .key = std::move(key)};
  write.body = event_json(event, options_, write.name_space, write.name, unix_us, "");
  if (kinds_.size() < options_.kinds_cached_max) {
    kinds_[write.key] = {.name_space = write.name_space,
                         .name = write.name,
                         .last_us = unix_us,
                         .written_us = unix_us};
  }
  return write;
}

EventBook::Write EventBook::series(const std::string& key, Kind& kind, std::int64_t unix_us) {
  kind.pending = true;
  kind.due = false;
  kind.written_count = kind.count;
  kind.written_us = unix_us;
  return {.creates = false,
          .name_space = kind.name_space,
          .name = kind.name,
          .body = "{" + series_json(kind.count, kind.last_us) + "}",
          .key = key};
}

std::optional<EventBook::Write> EventBook::answered(const std::string& key, bool well,
                                                    std::int64_t unix_us) {
  const auto found = kinds_.find(key);
  if (found == kinds_.end()) {
    return std::nullopt;
  }
  Kind& kind = found->second;
  kind.pending = false;
  if (!well) {
    kinds_.erase(found);  // the next of its kind is written anew
    return std::nullopt;
  }
  return kind.due ? std::optional(series(key, kind, unix_us)) : std::nullopt;
}

std::vector<EventBook::Write> EventBook::sweep(std::int64_t unix_us) {
  std::vector<Write> writes;
  for (auto at = kinds_.begin(); at != kinds_.end();) {
    Kind& kind = at->second;
    const bool ended = unix_us - kind.last_us >= options_.series_ends_us && !kind.pending;
    const bool stale = kind.count > kind.written_count && !kind.pending;
    if (stale && (ended || unix_us - kind.written_us >= options_.refresh_us)) {
      writes.push_back(series(at->first, kind, unix_us));
    }
    at = ended ? kinds_.erase(at) : std::next(at);
  }
  // A bucket that is full again, or of an object that is long gone, need not be kept.
  std::erase_if(buckets_, [&](const auto& entry) {
    const double since_s = static_cast<double>(unix_us - entry.second.at_us) * 1e-6;
    const double tokens = entry.second.tokens + since_s * options_.refill_per_object_s;
    return tokens >= options_.burst_per_object;
  });
  return writes;
}

// The book is touched by the IO thread only.
class EventRecorder::State : public std::enable_shared_from_this<State> {
 public:
  State(Client& client, EventOptions options)
      : client_(client), queue_max_(options.queue_max), book_(std::move(options)) {}

  // On the IO thread.
  void record(const Event& event) {
    if (auto write = book_.record(event, unix_now_us())) {
      send(*std::move(write));
    }
    publish();
  }

  void sweep_later() {
    client_.after(sweep_period, [weak = weak_from_this()] {
      if (const auto self = weak.lock(); self != nullptr && !self->stopped_) {
        for (EventBook::Write& write : self->book_.sweep(unix_now_us())) {
          self->send(std::move(write));
        }
        self->sweep_later();
      }
    });
  }
  void stop() { stopped_ = true; }

  // Whether another may wait to be recorded; counts it.
  bool admit() {
    const std::scoped_lock lock(mutex_);
    ++stats_.recorded;
    if (queued_ >= queue_max_) {
      ++stats_.dropped;
      return false;
    }
    return true;
  }
  [[nodiscard]] EventStats stats() const {
    const std::scoped_lock lock(mutex_);
    return stats_;
  }
  [[nodiscard]] Client& client() const { return client_; }

 private:
  void send(EventBook::Write write) {
    {
      const std::scoped_lock lock(mutex_);
      ++queued_;
    }
    Request request{.path = path_of({.api_version = "events.k8s.io/v1",
                                     .plural = "events",
                                     .name_space = write.name_space,
                                     .name = write.creates ? std::string_view()
                                                           : std::string_view(write.name)}),
                    .body = std::move(write.body),
                    .resource = "events",
                    .retry = Retry::always,  // its name makes a second creation a conflict
                    .priority = Priority::background,
                    .deadline = std::chrono::minutes(5)};
    request.method = write.creates ? Method::post : Method::patch;
    if (!write.creates) {
      request.content_type = "application/merge-patch+json";
    }
    client_.send(std::move(request), [self = shared_from_this(),
                                      sent = std::move(write)](ApiResult<Response> answer) mutable {
      self->answered(std::move(sent), answer);
    });
  }

  void answered(EventBook::Write write, const ApiResult<Response>& answer) {
    const bool gone = !answer && answer.error().not_found();
    const bool well = answer || (write.creates && answer.error().conflict());
    {
      const std::scoped_lock lock(mutex_);
      --queued_;
      stats_.written += well ? 1 : 0;
      stats_.failed += !well && !gone ? 1 : 0;
    }
    if (gone && !write.creates && !write.body_if_gone.empty()) {
      write.creates = true;
      write.body = std::move(write.body_if_gone);
      send(std::move(write));
      return;
    }
    if (auto next = book_.answered(write.key, well, unix_now_us()); next && !stopped_) {
      send(*std::move(next));
    }
  }

  void publish() {
    const std::scoped_lock lock(mutex_);
    stats_.aggregated = book_.aggregated();
    stats_.rate_limited = book_.rate_limited();
  }

  Client& client_;
  const std::size_t queue_max_;
  EventBook book_;
  bool stopped_ = false;
  mutable std::mutex mutex_;
  std::size_t queued_ = 0;  // under mutex_
  EventStats stats_;        // under mutex_
};

EventRecorder::EventRecorder(Client& client, EventOptions options)
    : state_(std::make_shared<State>(client, std::move(options))) {
  client.post([state = state_] { state->sweep_later(); });
}

EventRecorder::~EventRecorder() {
  state_->client().run([this] { state_->stop(); });
}

void EventRecorder::record(Event event) {
  if (state_->admit()) {
    state_->client().post([state = state_, one = std::move(event)] { state->record(one); });
  }
}

EventStats EventRecorder::stats() const { return state_->stats(); }

}  // namespace plimsoll::kube
