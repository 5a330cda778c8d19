// The one door to an API server: requests and streams over a pool of kept-alive connections.
//
// A Client owns one IO thread, which runs libcurl's multi interface under epoll and calls every
// callback, one at a time and in no order between requests. All public functions may be called
// from any thread, call() from any but the IO thread. Every send() and stream() is answered exactly
// once; the destructor answers what is left with Kind::closed, joins, and nothing is called after
// it. What callbacks send once destruction has begun is dropped.
//
// Retried, with exponential back-off and jitter: connections that were refused, and 429 with
// Retry-After, always; broken connections, other 429 and 5xx, when the request is safe to repeat.
// A kept connection that turns out to be closed before a byte of the answer came is replaced at
// once, whatever the method, as HTTP clients do. A 401 makes the credentials be had afresh, once a
// request. Everything else is the caller's.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "kube/client/api_error.h"
#include "kube/client/client_config.h"
#include "kube/client/client_stats.h"
#include "kube/client/fence.h"

namespace plimsoll::kube {

enum class LogLevel : std::uint8_t { debug, info, warning, error };
using Log = std::function<void(LogLevel, std::string_view)>;  // called from any thread

enum class Retry : std::uint8_t {
  when_safe,  // GET and PUT are; POST, PATCH and DELETE are not
  always,
  never,
};

enum class Priority : std::uint8_t {
  urgent,  // before all others and beyond in_flight_max: leases
  normal,
  background,  // an eighth of what may be in flight, and what others leave: events
};

// Bytes that may be read behind every text that this room hands out (simdjson's padding).
inline constexpr std::size_t json_padding_bytes = 64;

struct Request {
  Method method = Method::get;
  std::string path;  // from the root, percent-encoded, with the query
  std::string body;
  // Literals, or anything that outlives the answer.
  std::string_view content_type = "application/json";
  std::string_view accept = "application/json";
  std::string_view resource;  // what ClientStats counts it under: "pods/binding"
  Retry retry = Retry::when_safe;
  // Asked right before each attempt is sent; outlives the answer. Null: no leader is needed.
  const Fence* fence = nullptr;
  Priority priority = Priority::normal;
  std::chrono::milliseconds deadline{30'000};  // of all attempts together; kept within 250 ms
};

struct Response {
  int status = 0;
  std::string body;  // json_padding_bytes of its capacity are free behind it
};

using Answer = std::move_only_function<void(ApiResult<Response>)>;

struct StreamRequest {
  Request request;                                 // a GET; its deadline is not used
  std::chrono::milliseconds silence_max{150'000};  // a stream without a byte for longer is cut
  std::move_only_function<void(std::string_view)> on_bytes;  // of a 2xx answer
  std::move_only_function<void(ApiResult<void>)> on_end;     // a value: the server ended it
};

enum class HttpVersion : std::uint8_t {
  http1,  // one connection a request in flight; the cheapest (docs/decisions/0011-libcurl.md)
  http2,  // all on one connection
};

struct ClientOptions {
  HttpVersion http = HttpVersion::http1;
  std::size_t in_flight_max = 16;     // requests, without streams and urgent ones
  std::size_t waiting_max = 100'000;  // more are answered with Kind::closed at once
  int attempts_max = 6;
  std::chrono::milliseconds backoff_first{100};
  std::chrono::milliseconds backoff_max{10'000};
  std::chrono::milliseconds retry_after_max{60'000};  // a longer Retry-After is cut to this
  std::chrono::milliseconds connect_timeout{10'000};
  std::size_t body_bytes_max = std::size_t{256} << 20;  // of one answer
  std::uint64_t seed = 0;                               // of the jitter; 0: the clock
  std::string user_agent = "plimsoll";
  Log log;  // may be empty
};

using RequestId = std::uint64_t;

class Client {
 public:
  // Errors (bad_input): a server, proxy or certificate that cannot be used. Connects to nothing.
  static Result<std::unique_ptr<Client>> make(ClientConfig config, ClientOptions options = {});
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Requires: `answer` blocks for nothing.
  RequestId send(Request request, Answer answer);
  // Blocks until the answer. Requires: not on the IO thread.
  ApiResult<Response> call(Request request);
  RequestId stream(StreamRequest request);
  // Ends a request or stream soon, with Kind::cancelled unless it was answered already.
  void cancel(RequestId id);

  // Runs `task` on the IO thread after `delay`, unless the client is destroyed before.
  void after(std::chrono::milliseconds delay, std::move_only_function<void()> task);
  // Runs `task` on the IO thread, soon; never within this call.
  void post(std::move_only_function<void()> task);
  // Runs `task` on the IO thread and waits for it; at once when already on it. How an owner of
  // callbacks makes sure that none runs any more.
  void run(const std::function<void()>& task);

  [[nodiscard]] ClientStats stats() const;
  [[nodiscard]] const ClientConfig& config() const;
  void log(LogLevel level, std::string_view line) const;

 private:
  class Io;
  explicit Client(std::unique_ptr<Io> io);
  std::unique_ptr<Io> io_;
};

}  // namespace plimsoll::kube
