#include "kube/client/list_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "base/random.h"
#include "kube/client/backoff.h"
#include "kube/client/json_scan.h"
#include "kube/client/percent.h"
#include "kube/client/watch_decoder.h"

namespace plimsoll::kube {
namespace {

// Attempts at one page, or at one resourceVersion, before the list starts over.
constexpr int page_attempts_max = 4;
constexpr int errors_in_a_row_max = 3;

bool refuses_watch_list(const ApiError& error) {
  const int status = error.status;
  return error.kind == ApiError::Kind::status &&
         (status == 400 || status == 405 || status == 406 || status == 422 || status == 501);
}

// The server has not come to this version, or never will: its data was restored.
bool is_future(const ApiError& error) {
  return error.status == 504 && std::ranges::any_of(error.causes, [](const ApiError::Cause& cause) {
           return cause.reason == "ResourceVersionTooLarge";
         });
}

bool ends_initial_events(std::string_view bookmark) {
  const auto metadata = json_member(bookmark, "metadata");
  const auto annotations = json_member(metadata.value_or(""), "annotations");
  return json_text(annotations.value_or(""), "k8s.io/initial-events-end") == "true";
}

}  // namespace

// Everything but status() is touched by the IO thread only.
class Reflector::State : public std::enable_shared_from_this<State> {
 public:
  State(Client& client, ReflectorOptions options, ObjectSink& sink)
      : client_(client), options_(std::move(options)), sink_(sink), random_(seed_of(options_)) {
    status_.watch_list = options_.watch_list;
  }

  void begin() {
    if (!stopped_) {
      list();
    }
  }
  void stop();
  [[nodiscard]] ReflectorStatus status() const {
    const std::scoped_lock lock(mutex_);
    return status_;
  }

 private:
  enum class Phase : std::uint8_t { pages, initial_events, watch };

  static std::uint64_t seed_of(const ReflectorOptions& options) {
    const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
    return options.seed != 0 ? options.seed : static_cast<std::uint64_t>(now);
  }

  void list();
  void await_initial_events();
  void page();
  void watch();
  void open(Phase phase, const std::string& query, std::chrono::milliseconds silence_max);
  void abandon();
  void on_bytes(std::string_view bytes);
  void on_end(ApiResult<void> result);
  bool on_event(const WatchEvent& event);
  bool on_bookmark(std::string_view object);
  void on_error_event(const ApiError& error);
  void page_done();
  void failed_list(const ApiError& error);
  void failed_watch(const ApiError& error);
  void malformed(const std::string& message);
  void begin_relist();
  void synced(std::string version);
  void later(const ApiError& error, void (State::*next)());
  void wait(std::chrono::milliseconds delay, void (State::*next)());
  void note(const ApiError& error);
  void progress();
  template <typename F>
  void update(F change) {
    const std::scoped_lock lock(mutex_);
    change(status_);
  }

  Client& client_;
  const ReflectorOptions options_;
  ObjectSink& sink_;
  Random random_;

  bool stopped_ = false;
  Phase phase_ = Phase::pages;
  RequestId stream_ = 0;
  std::uint64_t generation_ = 0;  // of the stream or wait; callbacks of older ones do nothing
  bool began_well_ = false;       // the stream, with a byte
  bool relisting_ = false;        // the sink knows
  bool watch_list_refused_ = false;
  std::uint64_t initial_events_ = 0;
  int page_failures_ = 0;  // in a row, of one page
  int failures_ = 0;       // in a row, without progress
  std::string version_;
  std::string continue_;
  ListSplitter pages_;
  WatchDecoder events_;

  mutable std::mutex mutex_;
  ReflectorStatus status_;  // under mutex_
};

void Reflector::State::open(Phase phase, const std::string& query,
                            std::chrono::milliseconds silence_max) {
  phase_ = phase;
  began_well_ = false;
  pages_.reset();
  events_.reset();
  std::string path = options_.path + "?" + query;
  if (!options_.field_selector.empty()) {
    path += "&fieldSelector=" + percent_encode(options_.field_selector);
  }
  if (!options_.label_selector.empty()) {
    path += "&labelSelector=" + percent_encode(options_.label_selector);
  }
  const std::uint64_t generation = ++generation_;
  stream_ = client_.stream({.request = {.path = std::move(path), .resource = options_.resource},
                            .silence_max = silence_max,
                            .on_bytes =
                                [self = shared_from_this(), generation](std::string_view bytes) {
                                  if (!self->stopped_ && self->generation_ == generation) {
                                    self->on_bytes(bytes);
                                  }
                                },
                            .on_end =
                                [self = shared_from_this(), generation](ApiResult<void> result) {
                                  if (!self->stopped_ && self->generation_ == generation) {
                                    self->on_end(std::move(result));
                                  }
                                }});
}

void Reflector::State::list() {
  update([](ReflectorStatus& status) { ++status.lists; });
  relisting_ = false;
  continue_.clear();
  if (!options_.watch_list || watch_list_refused_) {
    page();
    return;
  }
  open(Phase::initial_events,
       fmt::format("watch=true&allowWatchBookmarks=true&sendInitialEvents=true"
                   "&resourceVersionMatch=NotOlderThan&timeoutSeconds={}",
                   options_.watch_max.count()),
       options_.silence_max);
  await_initial_events();
}

// A server that does not know WatchLists may take it for a watch, whose beginning has no end.
void Reflector::State::await_initial_events() {
  client_.after(options_.list_silence_max,
                [self = shared_from_this(), generation = generation_, before = initial_events_] {
                  if (self->stopped_ || self->generation_ != generation ||
                      self->phase_ != Phase::initial_events) {
                    return;
                  }
                  if (self->initial_events_ != before) {
                    self->await_initial_events();
                    return;
                  }
                  self->watch_list_refused_ = self->began_well_;
                  self->abandon();
                  self->failed_list({.kind = ApiError::Kind::deadline,
                                     .message = "the initial events of a WatchList have no end"});
                });
}

void Reflector::State::page() {
  std::string query = fmt::format("limit={}", options_.page_items_max);
  if (!continue_.empty()) {
    query += "&continue=" + percent_encode(continue_);
  }
  open(Phase::pages, query, options_.list_silence_max);
}

void Reflector::State::watch() {
  update([](ReflectorStatus& status) { ++status.watches; });
  const auto spread = static_cast<std::uint64_t>(
      std::max<std::int64_t>(0, (options_.watch_max - options_.watch_min).count()));
  const auto seconds =
      options_.watch_min.count() + static_cast<std::int64_t>(random_.below(spread + 1));
  open(Phase::watch,
       fmt::format("watch=true&allowWatchBookmarks=true&resourceVersion={}&timeoutSeconds={}",
                   percent_encode(version_), seconds),
       options_.silence_max);
}

void Reflector::State::stop() {
  stopped_ = true;
  ++generation_;
  if (stream_ != 0) {
    client_.cancel(stream_);
  }
}

// Leaves a stream whose end does not matter any more.
void Reflector::State::abandon() {
  ++generation_;
  client_.cancel(stream_);
  stream_ = 0;
}

void Reflector::State::begin_relist() {
  if (!relisting_) {
    relisting_ = true;
    update([](ReflectorStatus& status) { status.synced = false; });
    sink_.relist_begins();
  }
}

void Reflector::State::progress() {
  if (phase_ == Phase::watch) {
    failures_ = 0;  // a list alone is no progress: its watch may expire at once, again and again
  }
  if (!began_well_) {
    began_well_ = true;
    update([](ReflectorStatus& status) { status.last_error.reset(); });
  }
}

void Reflector::State::on_bytes(std::string_view bytes) {
  if (phase_ == Phase::pages) {
    begin_relist();
    const auto read = pages_.feed(bytes, [this](std::string_view item) { sink_.upserted(item); });
    if (!read) {
      malformed(read.error().message);
    }
    return;
  }
  const std::uint64_t generation = generation_;
  const auto read =
      events_.feed(bytes, [this](const WatchEvent& event) { return on_event(event); });
  if (!read && generation == generation_) {
    malformed(read.error().message);
  }
}

// False: the stream was left.
bool Reflector::State::on_event(const WatchEvent& event) {
  if (event.type == WatchEventType::error) {
    on_error_event(parse_status(0, event.object));
    return false;
  }
  if (event.type == WatchEventType::bookmark) {
    return on_bookmark(event.object);
  }
  const auto version = resource_version_of(event.object);
  if (!version) {
    malformed("found an event without metadata.resourceVersion, expected one");
    return false;
  }
  progress();
  if (phase_ == Phase::initial_events) {
    begin_relist();
    ++initial_events_;
  } else {
    version_ = *version;
  }
  update([](ReflectorStatus& status) { ++status.events; });
  if (event.type == WatchEventType::deleted) {
    sink_.removed(event.object);
  } else {
    sink_.upserted(event.object);
  }
  return true;
}

bool Reflector::State::on_bookmark(std::string_view object) {
  const auto version = resource_version_of(object);
  if (!version) {
    malformed("found a bookmark without metadata.resourceVersion, expected one");
    return false;
  }
  progress();
  update([](ReflectorStatus& status) { ++status.bookmarks; });
  if (phase_ == Phase::watch) {
    version_ = *version;
    update([this](ReflectorStatus& status) { status.resource_version = version_; });
    return true;
  }
  if (!ends_initial_events(object)) {
    // An old server that took it for a plain watch: its initial events have no end.
    watch_list_refused_ = true;
    abandon();
    list();
    return false;
  }
  begin_relist();
  phase_ = Phase::watch;
  synced(std::string(*version));
  return true;
}

void Reflector::State::synced(std::string version) {
  version_ = std::move(version);
  relisting_ = false;
  const bool by_watch = phase_ == Phase::watch;
  update([&](ReflectorStatus& status) {
    status.synced = true;
    status.watch_list = by_watch;
    status.resource_version = version_;
  });
  sink_.synced();
}

void Reflector::State::on_error_event(const ApiError& error) {
  const bool initial = phase_ == Phase::initial_events;
  abandon();
  if (initial) {
    // etcd before 3.4.31 and 3.5.13 cannot tell how far a watch has come.
    watch_list_refused_ = watch_list_refused_ || error.status == 500 || refuses_watch_list(error);
    failed_list(error);
  } else {
    failed_watch(error);
  }
}

void Reflector::State::malformed(const std::string& message) {
  const ApiError error{.kind = ApiError::Kind::malformed,
                       .message = fmt::format("{}: {}", options_.resource, message)};
  const bool listing = phase_ != Phase::watch;
  abandon();
  if (listing) {
    failed_list(error);
  } else {
    failed_watch(error);
  }
}

void Reflector::State::on_end(ApiResult<void> result) {
  stream_ = 0;
  ++generation_;
  if (phase_ == Phase::pages) {
    if (result) {
      page_done();
    } else {
      failed_list(result.error());
    }
    return;
  }
  if (phase_ == Phase::initial_events) {
    const ApiError early{.kind = ApiError::Kind::broken,
                         .message = fmt::format("{}: a WatchList ended before its initial events",
                                                options_.resource)};
    const ApiError& error = result ? early : result.error();
    watch_list_refused_ = watch_list_refused_ || refuses_watch_list(error);
    failed_list(error);
    return;
  }
  if (!result) {
    failed_watch(result.error());
  } else if (began_well_) {
    watch();  // the server's time was up, or ours
  } else {
    ++failures_;
    wait(doubled(options_.backoff_first, options_.backoff_max, failures_ - 1), &State::watch);
  }
}

void Reflector::State::page_done() {
  auto meta = pages_.finish();
  if (!meta) {
    failed_list({.kind = ApiError::Kind::malformed,
                 .message = fmt::format("{}: {}", options_.resource, meta.error().message)});
    return;
  }
  began_well_ = false;
  page_failures_ = 0;
  progress();
  begin_relist();
  continue_ = std::move(meta->continue_token);
  if (!continue_.empty()) {
    page();
    return;
  }
  synced(std::move(meta->resource_version));
  watch();
}

void Reflector::State::failed_list(const ApiError& error) {
  note(error);
  ++failures_;
  const bool same_page = phase_ == Phase::pages && !continue_.empty() && !error.expired() &&
                         ++page_failures_ < page_attempts_max;
  if (!same_page) {
    page_failures_ = 0;
  }
  later(error, same_page ? &State::page : &State::list);
}

void Reflector::State::failed_watch(const ApiError& error) {
  note(error);
  ++failures_;
  // Only what tells of the version itself makes it worthless; a server that is away does not.
  const bool suspicious =
      error.kind == ApiError::Kind::malformed || error.kind == ApiError::Kind::status;
  if (error.expired() || is_future(error) || (suspicious && failures_ >= errors_in_a_row_max)) {
    later(error, &State::list);
  } else {
    later(error, &State::watch);
  }
}

void Reflector::State::note(const ApiError& error) {
  client_.log(error.expired() || error.kind == ApiError::Kind::deadline ? LogLevel::info
                                                                        : LogLevel::warning,
              to_error(error, options_.resource).message);
  update([&](ReflectorStatus& status) { status.last_error = error; });
}

void Reflector::State::later(const ApiError& error, void (State::*next)()) {
  // The first break costs no time: it usually is the server's restart or a timeout on the way.
  std::chrono::milliseconds delay{0};
  if (failures_ > 1) {
    delay = doubled(options_.backoff_first, options_.backoff_max, failures_ - 2);
  }
  if (error.retry_after) {
    delay = std::max<std::chrono::milliseconds>(delay, *error.retry_after);
  }
  wait(std::min(delay, std::max(options_.backoff_max, std::chrono::milliseconds(60'000))), next);
}

void Reflector::State::wait(std::chrono::milliseconds delay, void (State::*next)()) {
  const auto jittered = std::chrono::milliseconds(static_cast<std::int64_t>(
      static_cast<double>(delay.count()) * (0.75 + 0.5 * random_.uniform())));
  client_.after(jittered, [self = shared_from_this(), next, generation = ++generation_] {
    if (!self->stopped_ && self->generation_ == generation) {
      (*self.*next)();
    }
  });
}

Reflector::Reflector(Client& client, ReflectorOptions options, ObjectSink& sink)
    : state_(std::make_shared<State>(client, std::move(options), sink)), client_(client) {
  client_.post([state = state_] { state->begin(); });
}

Reflector::~Reflector() {
  client_.run([this] { state_->stop(); });
}

ReflectorStatus Reflector::status() const { return state_->status(); }

}  // namespace plimsoll::kube
