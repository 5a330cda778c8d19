#include "kube/client/transport_io.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace plimsoll::kube {
namespace {

constexpr std::size_t streams_expected = 64;
constexpr std::size_t events_at_once = 64;
constexpr std::size_t read_buffer_bytes = std::size_t{1} << 16;
// Shorter than the API server's own 90 s, so that a request seldom meets a connection that closes.
constexpr std::chrono::seconds idle_time_max{60};
constexpr std::chrono::milliseconds sweep_period{250};
constexpr unsigned unacknowledged_ms_max = 30'000;
constexpr std::size_t stream_error_bytes_max = std::size_t{1} << 16;

std::uint32_t epoll_events(int what) {
  return (what & CURL_POLL_IN ? EPOLLIN : 0U) | (what & CURL_POLL_OUT ? EPOLLOUT : 0U);
}

}  // namespace

Client::Io::Io(ClientConfig its_config, ClientOptions its_options)
    : config(std::move(its_config)),
      options(std::move(its_options)),
      jitter_(options.seed != 0
                  ? options.seed
                  : static_cast<std::uint64_t>(Clock::now().time_since_epoch().count())),
      credentials_(config) {}

Result<void> Client::Io::start() {
  curl_global_init(CURL_GLOBAL_DEFAULT);
  multi_ = curl_multi_init();
  check(multi_ != nullptr, "libcurl gave no multi handle");
  // The first handle tells whether the configuration can be used at all.
  idle_.push_back(TRY(CurlHandle::make(config, options, hooks())));
  path_prefix_ = path_prefix_of(config.server);
  read_buffer_.resize(read_buffer_bytes);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &Io::on_socket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &Io::on_timer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS,
                    static_cast<long>(options.in_flight_max + streams_expected));
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (epoll_ < 0 || wake_ < 0) {
    return failed(fmt::format("cannot watch sockets: {}", std::strerror(errno)));
  }
  epoll_event event{.events = EPOLLIN, .data = {.fd = wake_}};
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event);
  std::atomic<bool> ready{false};
  thread_ = std::jthread([this, &ready] {
    thread_id_ = std::this_thread::get_id();
    ready.store(true, std::memory_order_release);
    ready.notify_one();
    loop();
  });
  ready.wait(false, std::memory_order_acquire);
  return {};
}

Client::Io::~Io() {
  closing_ = true;
  if (thread_.joinable()) {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(wake_, &one, sizeof one);
    thread_.join();
  }
  plugin_ = {};
  while (!connections_.empty()) {
    close(*connections_.back());
  }
  idle_.clear();
  if (multi_ != nullptr) {
    curl_multi_cleanup(multi_);
  }
  for (const int fd : {epoll_, wake_}) {
    if (fd >= 0) {
      ::close(fd);
    }
  }
}

bool Client::Io::submit(Task task) {
  {
    const std::scoped_lock lock(mutex_);
    if (closed_) {
      return false;
    }
    tasks_.push_back(std::move(task));
  }
  if (sleeping_.exchange(false)) {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(wake_, &one, sizeof one);
  }
  return true;
}

void Client::Io::loop() {
  std::array<epoll_event, events_at_once> events{};
  while (!closing_) {
    sleeping_ = true;
    bool idle = false;
    {
      const std::scoped_lock lock(mutex_);
      idle = tasks_.empty();
    }
    const int ready =
        ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), idle ? wait_ms() : 0);
    sleeping_ = false;
    for (int i = 0; i < ready; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      const int fd = event.data.fd;
      if (fd == wake_) {
        std::uint64_t count = 0;
        [[maybe_unused]] const ssize_t got = ::read(wake_, &count, sizeof count);
        continue;
      }
      Watched& socket = sockets_[static_cast<std::size_t>(fd)];
      if (socket.connection != nullptr) {
        on_event(*socket.connection, event.events);
        continue;
      }
      if (socket.events == 0) {
        // Kept for the next request on this connection, and the server spoke first: it closed it.
        ::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
        socket.in_epoll = false;
        continue;
      }
      int running = 0;
      const int what = (event.events & EPOLLIN ? CURL_CSELECT_IN : 0) |
                       (event.events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                       (event.events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
      curl_multi_socket_action(multi_, fd, what, &running);
    }
    run_curl_timer();
    reap();
    run_tasks();
    run_timers();
    sweep();
    pump();
    update_gauges();
  }
  close_all();
}

int Client::Io::wait_ms() {
  if (!plugin_runs_ && next_queue() != nullptr) {
    return 0;  // a request that was begun last ended at once, and made room for another
  }
  Clock::time_point until = Clock::time_point::max();
  if (curl_timer_) {
    until = *curl_timer_;
  }
  if (!timers_.empty()) {
    until = std::min(until, timers_.begin()->first);
  }
  if (!transfers_.empty()) {
    until = std::min(until, next_sweep_);
  }
  if (until == Clock::time_point::max()) {
    return -1;
  }
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(ms, 0, 60'000));
}

void Client::Io::run_tasks() {
  std::vector<Task> tasks;
  {
    const std::scoped_lock lock(mutex_);
    tasks.swap(tasks_);
  }
  for (Task& task : tasks) {
    task();
  }
}

void Client::Io::run_timers() {
  const Clock::time_point at = Clock::now();
  while (!timers_.empty() && timers_.begin()->first <= at) {
    Task task = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    task();
  }
}

void Client::Io::run_curl_timer() {
  // What libcurl does may make it want to be called at once again; bounded, so that sockets are
  // looked at in between.
  for (int i = 0; i < 16 && curl_timer_ && *curl_timer_ <= Clock::now(); ++i) {
    curl_timer_.reset();
    int running = 0;
    curl_multi_socket_action(multi_, CURL_SOCKET_TIMEOUT, 0, &running);
  }
}

void Client::Io::reap() {
  int left = 0;
  while (CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) {
      continue;
    }
    const CURLcode code = message->data.result;
    void* user = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &user);
    auto* whose = static_cast<CurlUser*>(user);
    if (whose->is_connection) {
      connected(*static_cast<Connection*>(whose), code);
    } else {
      finish(*static_cast<Transfer*>(whose), code);
    }
  }
}

void Client::Io::sweep() {
  const Clock::time_point at = Clock::now();
  if (at < next_sweep_ || transfers_.empty()) {
    return;
  }
  next_sweep_ = at + sweep_period;
  close_idle(at - idle_time_max);
  std::vector<RequestId> late;
  for (const auto& [id, transfer] : transfers_) {
    const bool silent = transfer->is_stream && transfer->handle != nullptr &&
                        at - transfer->last_byte > transfer->silence_max;
    if (silent || (!transfer->is_stream && at >= transfer->deadline)) {
      late.push_back(id);
    }
  }
  std::ranges::sort(late);
  for (const RequestId id : late) {
    const auto found = transfers_.find(id);
    if (found == transfers_.end()) {
      continue;
    }
    Transfer& transfer = *found->second;
    ApiError error{.kind = ApiError::Kind::deadline};
    if (transfer.is_stream) {
      stats.silent_stream();
      error.message =
          fmt::format("{}: no byte for {} ms", config.server, transfer.silence_max.count());
    } else {
      error.message =
          fmt::format("{}: no answer within {} ms{}{}", config.server,
                      transfer.request.deadline.count(), transfer.last_error ? "; last: " : "",
                      transfer.last_error ? transfer.last_error->message : "");
    }
    if (in_attempt(transfer)) {
      stats.attempt({.method = transfer.request.method,
                     .resource = transfer.request.resource,
                     .seconds = -1});
    }
    answer(transfer, std::unexpected(std::move(error)));
  }
}

void Client::Io::close_all() {
  run_tasks();
  {
    const std::scoped_lock lock(mutex_);
    closed_ = true;
  }
  std::vector<RequestId> ids;
  for (const auto& [id, transfer] : transfers_) {
    ids.push_back(id);
  }
  std::ranges::sort(ids);
  for (const RequestId id : ids) {
    if (const auto found = transfers_.find(id); found != transfers_.end()) {
      answer(*found->second, std::unexpected(ApiError{.kind = ApiError::Kind::closed,
                                                      .message = "the client is closed"}));
    }
  }
  timers_.clear();
  const std::scoped_lock lock(mutex_);
  tasks_.clear();
}

void Client::Io::add_timer(Clock::time_point when, Task task) {
  timers_.emplace(when, std::move(task));
}

CurlHandle::Hooks Client::Io::hooks() {
  return {.on_body = &Io::on_body,
          .open_socket = &Io::open_socket,
          .close_socket = &Io::close_socket,
          .owner = this};
}

std::unique_ptr<CurlHandle> Client::Io::make_handle() {
  auto made = CurlHandle::make(config, options, hooks());
  check(made.has_value(), "a handle like the first cannot be made");
  return *std::move(made);
}

void Client::Io::watch(curl_socket_t fd, int what) {
  const auto index = static_cast<std::size_t>(fd);
  if (index >= sockets_.size()) {
    sockets_.resize(index + 1);
  }
  Watched& socket = sockets_[index];
  socket.events = what == CURL_POLL_REMOVE ? 0 : epoll_events(what);
  if (socket.events == 0 && socket.in_epoll && !socket.ours) {
    ::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
    socket.in_epoll = false;
  }
  // A connection that libcurl lets go stays registered: most are wanted again at once.
  if (socket.events != 0) {
    want(fd, socket.events);
  }
}

void Client::Io::want(int fd, std::uint32_t events) {
  Watched& socket = sockets_[static_cast<std::size_t>(fd)];
  socket.events = events;
  if (socket.in_epoll && socket.registered == events) {
    return;
  }
  epoll_event event{.events = events, .data = {.fd = fd}};
  ::epoll_ctl(epoll_, socket.in_epoll ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
  socket.in_epoll = true;
  socket.registered = socket.events;
}

int Client::Io::on_socket(CURL* /*easy*/, curl_socket_t fd, int what, void* self,
                          void* /*socket*/) {
  static_cast<Io*>(self)->watch(fd, what);
  return 0;
}

int Client::Io::on_timer(CURLM* /*multi*/, long timeout_ms, void* self) {
  auto& io = *static_cast<Io*>(self);
  if (timeout_ms < 0) {
    io.curl_timer_.reset();
  } else {
    io.curl_timer_ = Clock::now() + std::chrono::milliseconds(timeout_ms);
  }
  return 0;
}

std::size_t Client::Io::on_body(char* bytes, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(static_cast<CurlUser*>(user));
  const std::size_t length = size * count;
  if (transfer.status == 0) {
    transfer.status = transfer.handle->status();
    const std::int64_t expected = transfer.handle->content_length();
    if (!transfer.is_stream && expected > 0 &&
        static_cast<std::uint64_t>(expected) <= transfer.io->options.body_bytes_max) {
      transfer.body.reserve(static_cast<std::size_t>(expected) + json_padding_bytes);
    }
  }
  if (transfer.is_stream) {
    transfer.last_byte = Clock::now();
    transfer.io->stats.stream_bytes(length);
    if (transfer.status / 100 == 2) {
      transfer.on_bytes({bytes, length});
      return length;
    }
  }
  const std::size_t bytes_max =
      transfer.is_stream ? stream_error_bytes_max : transfer.io->options.body_bytes_max;
  if (transfer.body.size() + length > bytes_max) {
    transfer.too_large = true;
    return 0;
  }
  transfer.body.append(bytes, length);
  return length;
}

curl_socket_t Client::Io::open_socket(void* self, curlsocktype /*purpose*/,
                                      curl_sockaddr* address) {
  const int fd = ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  if (fd >= 0 && address->socktype == SOCK_STREAM) {
    ::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms_max,
                 sizeof unacknowledged_ms_max);
  }
  if (fd < 0) {
    return CURL_SOCKET_BAD;
  }
  auto& sockets = static_cast<Io*>(self)->sockets_;
  sockets.resize(std::max(sockets.size(), static_cast<std::size_t>(fd) + 1));
  sockets[static_cast<std::size_t>(fd)] = {.ours = true};
  return fd;
}

int Client::Io::close_socket(void* self, curl_socket_t fd) {
  auto& io = *static_cast<Io*>(self);
  if (static_cast<std::size_t>(fd) < io.sockets_.size()) {
    io.sockets_[static_cast<std::size_t>(fd)] = {};  // the kernel forgets it too
  }
  return ::close(fd);
}

}  // namespace plimsoll::kube
