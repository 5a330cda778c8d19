// The inside of a Client: its IO thread, which drives libcurl's multi interface under epoll.
//
// Everything without a lock is touched by the IO thread only. What other threads want comes as
// tasks through submit(), which wakes the thread only when it sleeps.
#pragma once

#include <curl/curl.h>

#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/random.h"
#include "kube/client/credentials.h"
#include "kube/client/curl_handle.h"
#include "kube/client/http1.h"
#include "kube/client/stats_book.h"
#include "kube/client/transport.h"

namespace plimsoll::kube {

class Client::Io {
 public:
  using Clock = std::chrono::steady_clock;
  using Task = std::move_only_function<void()>;

  // What libcurl's handles point back to.
  struct CurlUser {
    bool is_connection = false;
  };
  struct Connection;

  // A request, over all its attempts, or a stream.
  struct Transfer : CurlUser {
    RequestId id = 0;
    Request request;
    Answer answer;
    // Of a stream:
    bool is_stream = false;
    std::chrono::milliseconds silence_max{};
    std::move_only_function<void(std::string_view)> on_bytes;
    std::move_only_function<void(ApiResult<void>)> on_end;

    Io* io = nullptr;
    Clock::time_point deadline{};
    Clock::time_point began{};      // the attempt
    Clock::time_point last_byte{};  // of a stream
    int attempts = 0;
    bool counted = false;  // among in_flight_
    bool credentials_renewed = false;
    bool too_large = false;
    int status = 0;                            // once the body began; else 0
    std::unique_ptr<CurlHandle> handle;        // during an attempt that libcurl makes
    Connection* connection = nullptr;          // during one that we make
    std::shared_ptr<const Identity> identity;  // of that one
    int stale = 0;                             // connections in a row that were closed already
    std::string body;
    std::optional<ApiError> last_error;  // of the attempt before
  };

  // A kept connection for requests over HTTP/1.1: libcurl makes it, through proxies and TLS, and
  // the exchange on it is ours. libcurl's own takes five times the instructions.
  struct Connection : CurlUser {
    explicit Connection(std::size_t body_bytes_max) : answer(body_bytes_max) {
      is_connection = true;
    }
    std::unique_ptr<CurlHandle> handle;
    std::shared_ptr<const Identity> identity;  // whose certificate was shown
    int socket = -1;                           // -1: not made yet
    bool used = false;                         // it has had an answer
    Transfer* transfer = nullptr;              // null: idle
    Clock::time_point idle_since{};
    Http1Answer answer;
    std::string out;
    std::size_t sent = 0;
    std::uint64_t received = 0;
  };
  // How an attempt ended.
  struct Outcome {
    int status = 0;  // 0: no answer
    std::optional<ApiError> failure;
    std::int64_t retry_after_s = 0;
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
    std::uint64_t connections = 0;
    std::shared_ptr<const Identity> identity;
  };

  Io(ClientConfig config, ClientOptions options);
  ~Io();
  Result<void> start();

  RequestId next_id() { return next_id_.fetch_add(1, std::memory_order_relaxed); }
  // Runs on the IO thread, soon. False: the client is being destroyed.
  bool submit(Task task);
  void add(std::unique_ptr<Transfer> transfer);
  void cancel(RequestId id);
  void add_timer(Clock::time_point when, Task task);
  [[nodiscard]] bool on_io_thread() const { return std::this_thread::get_id() == thread_id_; }

  const ClientConfig config;
  const ClientOptions options;
  StatsBook stats;

 private:
  struct Watched {             // a socket, by its descriptor
    std::uint32_t events = 0;  // that libcurl waits for
    bool in_epoll = false;
    bool ours = false;  // made by open_socket(), so close_socket() will be told
    std::uint32_t registered = 0;
    Connection* connection = nullptr;
  };

  void loop();
  int wait_ms();
  void run_tasks();
  void run_timers();
  void run_curl_timer();
  void reap();
  void sweep();
  void close_all();

  // The queue: transport_queue.cc.
  void pump();
  // The queue whose first request is next, or null: none may begin now.
  std::deque<RequestId>* next_queue();
  bool credentials_ready();
  void run_plugin();
  void fail_waiting(const Error& error);
  void begin(Transfer& transfer);
  void finish(Transfer& transfer, CURLcode code);
  void conclude(Transfer& transfer, Outcome outcome);
  [[nodiscard]] ApiError too_large(const Transfer& transfer) const;
  [[nodiscard]] bool may_retry(const Transfer& transfer, const ApiError& error) const;
  void retry_later(Transfer& transfer, ApiError error);
  void answer(Transfer& transfer, ApiResult<Response> result);
  void end_attempt(Transfer& transfer, bool keep_connection = false);
  static bool in_attempt(const Transfer& transfer) {
    return transfer.handle != nullptr || transfer.connection != nullptr;
  }

  // Connections: transport_connection.cc.
  void begin_exchange(Transfer& transfer);
  Connection& idle_connection();
  void connected(Connection& connection, CURLcode code);
  void write(Connection& connection);
  void read(Connection& connection);
  void on_event(Connection& connection, std::uint32_t events);
  void exchange_done(Connection& connection);
  void exchange_failed(Connection& connection, ApiError error);
  void close(Connection& connection);
  void close_idle(Clock::time_point before);
  void enqueue(Transfer& transfer);
  void update_gauges();
  std::shared_ptr<const HeaderList> headers_for(const Request& request);
  static Credentials::Now now();

  CurlHandle::Hooks hooks();
  std::unique_ptr<CurlHandle> make_handle();
  void watch(curl_socket_t fd, int what);
  void want(int fd, std::uint32_t events);
  static int on_socket(CURL* easy, curl_socket_t fd, int what, void* self, void* socket);
  static int on_timer(CURLM* multi, long timeout_ms, void* self);
  static std::size_t on_body(char* bytes, std::size_t size, std::size_t count, void* transfer);
  static curl_socket_t open_socket(void* self, curlsocktype purpose, curl_sockaddr* address);
  static int close_socket(void* self, curl_socket_t fd);

  CURLM* multi_ = nullptr;
  int epoll_ = -1;
  int wake_ = -1;
  std::vector<Watched> sockets_;
  std::optional<Clock::time_point> curl_timer_;
  Clock::time_point next_sweep_{};
  Random jitter_;
  Credentials credentials_;
  bool plugin_runs_ = false;
  std::jthread plugin_;

  std::unordered_map<RequestId, std::unique_ptr<Transfer>> transfers_;
  std::deque<RequestId> urgent_;  // waiting; ids that are gone are skipped
  std::deque<RequestId> waiting_;
  std::deque<RequestId> background_;
  std::size_t background_flying_ = 0;
  std::size_t in_flight_ = 0;  // of options.in_flight_max
  std::size_t flying_ = 0;     // requests during an attempt
  std::size_t streams_ = 0;
  std::vector<std::unique_ptr<CurlHandle>> idle_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<char> read_buffer_;
  std::string path_prefix_;
  std::vector<std::shared_ptr<const HeaderList>> headers_;
  std::multimap<Clock::time_point, Task> timers_;

  std::mutex mutex_;
  std::vector<Task> tasks_;  // under mutex_
  bool closed_ = false;      // under mutex_
  std::atomic<bool> sleeping_{false};
  std::atomic<bool> closing_{false};
  std::atomic<RequestId> next_id_{1};
  std::thread::id thread_id_;
  std::jthread thread_;
};

}  // namespace plimsoll::kube
