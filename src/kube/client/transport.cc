#include "kube/client/transport.h"

#include <latch>
#include <optional>
#include <utility>

#include "kube/client/transport_io.h"

namespace plimsoll::kube {

Client::Client(std::unique_ptr<Io> io) : io_(std::move(io)) {}
Client::~Client() = default;

Result<std::unique_ptr<Client>> Client::make(ClientConfig config, ClientOptions options) {
  auto io = std::make_unique<Io>(std::move(config), std::move(options));
  TRY_VOID(io->start());
  return std::unique_ptr<Client>(new Client(std::move(io)));
}

RequestId Client::send(Request request, Answer answer) {
  auto transfer = std::make_unique<Io::Transfer>();
  const RequestId id = io_->next_id();
  transfer->id = id;
  transfer->deadline = Io::Clock::now() + request.deadline;
  transfer->request = std::move(request);
  transfer->answer = std::move(answer);
  io_->submit(
      [io = io_.get(), added = std::move(transfer)]() mutable { io->add(std::move(added)); });
  return id;
}

ApiResult<Response> Client::call(Request request) {
  check(!io_->on_io_thread(), "call() on the IO thread");
  std::optional<ApiResult<Response>> answered;
  std::latch done(1);
  send(std::move(request), [&](ApiResult<Response> result) {
    answered = std::move(result);
    done.count_down();
  });
  done.wait();
  return *std::move(answered);
}

RequestId Client::stream(StreamRequest request) {
  auto transfer = std::make_unique<Io::Transfer>();
  const RequestId id = io_->next_id();
  transfer->id = id;
  transfer->is_stream = true;
  transfer->request = std::move(request.request);
  transfer->silence_max = request.silence_max;
  transfer->on_bytes = std::move(request.on_bytes);
  transfer->on_end = std::move(request.on_end);
  io_->submit(
      [io = io_.get(), added = std::move(transfer)]() mutable { io->add(std::move(added)); });
  return id;
}

void Client::cancel(RequestId id) {
  io_->submit([io = io_.get(), id] { io->cancel(id); });
}

void Client::after(std::chrono::milliseconds delay, std::move_only_function<void()> task) {
  io_->submit([io = io_.get(), when = Io::Clock::now() + delay, timed = std::move(task)]() mutable {
    io->add_timer(when, std::move(timed));
  });
}

void Client::post(std::move_only_function<void()> task) { io_->submit(std::move(task)); }

void Client::run(const std::function<void()>& task) {
  if (io_->on_io_thread()) {
    task();
    return;
  }
  std::latch done(1);
  const bool accepted = io_->submit([&] {
    task();
    done.count_down();
  });
  check(accepted, "run() on a client that is being destroyed");
  done.wait();
}

ClientStats Client::stats() const { return io_->stats.read(); }
const ClientConfig& Client::config() const { return io_->config; }

void Client::log(LogLevel level, std::string_view line) const {
  if (io_->options.log) {
    io_->options.log(level, line);
  }
}

}  // namespace plimsoll::kube
