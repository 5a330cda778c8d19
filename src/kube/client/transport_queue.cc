// The life of a request: waiting, attempts, retries, the answer.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "kube/client/backoff.h"
#include "kube/client/transport_io.h"

namespace plimsoll::kube {
namespace {

constexpr std::size_t header_lists_max = 16;

bool is_retryable(int status) {
  return status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
}

bool is_safe(const Request& request) {
  return request.retry == Retry::always ||
         (request.retry == Retry::when_safe &&
          (request.method == Method::get || request.method == Method::put));
}

}  // namespace

Credentials::Now Client::Io::now() {
  return {.steady = Clock::now(),
          .unix_us = std::chrono::duration_cast<std::chrono::microseconds>(
                         std::chrono::system_clock::now().time_since_epoch())
                         .count()};
}

void Client::Io::add(std::unique_ptr<Transfer> transfer) {
  Transfer& added = *transfer;
  added.io = this;
  if (!path_prefix_.empty()) {
    added.request.path.insert(0, path_prefix_);
  }
  if (transfers_.empty()) {
    next_sweep_ = Clock::now();
  }
  transfers_.emplace(added.id, std::move(transfer));
  streams_ += added.is_stream ? 1 : 0;
  if (waiting_.size() + background_.size() >= options.waiting_max &&
      added.request.priority != Priority::urgent && !added.is_stream) {
    answer(added,
           std::unexpected(ApiError{.kind = ApiError::Kind::deadline,
                                    .message = fmt::format("{}: more than {} requests wait already",
                                                           config.server, options.waiting_max)}));
    return;
  }
  enqueue(added);
}

void Client::Io::enqueue(Transfer& transfer) {
  if (transfer.is_stream || transfer.request.priority == Priority::urgent) {
    urgent_.push_back(transfer.id);
  } else {
    (transfer.request.priority == Priority::normal ? waiting_ : background_).push_back(transfer.id);
  }
}

void Client::Io::cancel(RequestId id) {
  if (const auto found = transfers_.find(id); found != transfers_.end()) {
    answer(*found->second, std::unexpected(ApiError{.kind = ApiError::Kind::cancelled,
                                                    .message = "the request was cancelled"}));
  }
}

std::deque<RequestId>* Client::Io::next_queue() {
  if (!urgent_.empty()) {
    return &urgent_;
  }
  if (in_flight_ >= options.in_flight_max || (waiting_.empty() && background_.empty())) {
    return nullptr;
  }
  const bool starves = background_flying_ < std::max<std::size_t>(1, options.in_flight_max / 8);
  return !background_.empty() && (waiting_.empty() || starves) ? &background_ : &waiting_;
}

void Client::Io::pump() {
  bool began = false;
  while (std::deque<RequestId>* next = next_queue()) {
    std::deque<RequestId>& queue = *next;
    const auto found = transfers_.find(queue.front());
    if (found == transfers_.end()) {
      queue.pop_front();
      continue;
    }
    if (!credentials_ready()) {
      break;
    }
    const bool counted = &queue != &urgent_;
    queue.pop_front();
    const Fence* fence = found->second->request.fence;
    if (fence != nullptr && !fence->open()) {
      answer(*found->second,
             std::unexpected(ApiError{.kind = ApiError::Kind::fenced,
                                      .message = "not sent: this process no longer leads"}));
      continue;
    }
    found->second->counted = counted;
    begin(*found->second);
    began = true;
  }
  if (began) {
    run_curl_timer();
    reap();
  }
}

bool Client::Io::credentials_ready() {
  switch (credentials_.prepare(now())) {
    case Credentials::State::ready:
      return true;
    case Credentials::State::plugin_needed:
      run_plugin();
      return false;
    case Credentials::State::failed:
      fail_waiting(credentials_.error());
      return false;
  }
  return false;
}

void Client::Io::run_plugin() {
  if (plugin_runs_) {
    return;
  }
  plugin_runs_ = true;
  plugin_ = std::jthread([this](const std::stop_token& stop) {
    auto credential = run_exec_plugin(config, stop);
    submit([this, answered = std::move(credential)]() mutable {
      plugin_runs_ = false;
      if (!answered) {
        if (options.log) {
          options.log(LogLevel::error, answered.error().message);
        }
        fail_waiting(answered.error());
      }
      credentials_.plugin_answered(std::move(answered), now());
    });
  });
}

void Client::Io::fail_waiting(const Error& error) {
  std::vector<RequestId> ids(urgent_.begin(), urgent_.end());
  ids.insert(ids.end(), waiting_.begin(), waiting_.end());
  ids.insert(ids.end(), background_.begin(), background_.end());
  background_.clear();
  urgent_.clear();
  waiting_.clear();
  for (const RequestId id : ids) {
    if (const auto found = transfers_.find(id); found != transfers_.end()) {
      answer(*found->second, std::unexpected(ApiError{.kind = ApiError::Kind::credentials,
                                                      .message = error.message}));
    }
  }
}

std::shared_ptr<const HeaderList> Client::Io::headers_for(const Request& request) {
  const std::string_view type =
      request.method == Method::get ? std::string_view() : request.content_type;
  for (const auto& headers : headers_) {
    if (headers->content_type == type && headers->accept == request.accept &&
        headers->identity == credentials_.identity()) {
      return headers;
    }
  }
  std::erase_if(headers_, [this](const auto& headers) {
    return headers->identity != credentials_.identity();
  });
  if (headers_.size() >= header_lists_max) {
    headers_.erase(headers_.begin());
  }
  headers_.push_back(
      make_headers(config, options.user_agent, credentials_.identity(), type, request.accept));
  return headers_.back();
}

void Client::Io::begin(Transfer& transfer) {
  transfer.began = Clock::now();
  transfer.last_byte = transfer.began;
  transfer.status = 0;
  transfer.too_large = false;
  transfer.body.clear();
  ++transfer.attempts;
  in_flight_ += transfer.counted ? 1 : 0;
  flying_ += transfer.is_stream ? 0 : 1;
  background_flying_ += transfer.request.priority == Priority::background ? 1 : 0;
  if (!transfer.is_stream && options.http == HttpVersion::http1) {
    begin_exchange(transfer);
    return;
  }
  if (idle_.empty()) {
    idle_.push_back(make_handle());
  }
  transfer.handle = std::move(idle_.back());
  idle_.pop_back();
  transfer.handle->begin(transfer.request, headers_for(transfer.request),
                         static_cast<CurlUser*>(&transfer));
  curl_multi_add_handle(multi_, transfer.handle->get());
}

void Client::Io::end_attempt(Transfer& transfer, bool keep_connection) {
  if (!in_attempt(transfer)) {
    return;
  }
  in_flight_ -= transfer.counted ? 1 : 0;
  flying_ -= transfer.is_stream ? 0 : 1;
  background_flying_ -= transfer.request.priority == Priority::background ? 1 : 0;
  transfer.counted = false;
  if (Connection* connection = std::exchange(transfer.connection, nullptr)) {
    connection->transfer = nullptr;
    if (keep_connection) {
      connection->idle_since = Clock::now();
    } else {
      close(*connection);
    }
    return;
  }
  curl_multi_remove_handle(multi_, transfer.handle->get());
  transfer.handle->end();
  idle_.push_back(std::move(transfer.handle));
}

ApiError Client::Io::too_large(const Transfer& transfer) const {
  return {.kind = ApiError::Kind::malformed,
          .message = fmt::format("{}: the answer to {} has more than {} bytes", config.server,
                                 transfer.request.path, options.body_bytes_max)};
}

void Client::Io::finish(Transfer& transfer, CURLcode code) {
  const CurlHandle& handle = *transfer.handle;
  Outcome outcome{.status = code == CURLE_OK ? handle.status() : 0,
                  .retry_after_s = handle.retry_after_s(),
                  .bytes_in = transfer.is_stream ? 0 : handle.bytes_in(),
                  .bytes_out = handle.bytes_out(),
                  .connections = handle.connections(),
                  .identity = handle.identity()};
  if (transfer.too_large) {
    outcome.failure = too_large(transfer);
  } else if (code != CURLE_OK) {
    outcome.failure = handle.failure(code, config);
  }
  end_attempt(transfer);
  conclude(transfer, std::move(outcome));
}

// Requires: the attempt has ended.
void Client::Io::conclude(Transfer& transfer, Outcome outcome) {
  const double seconds = std::chrono::duration<double>(Clock::now() - transfer.began).count();
  stats.attempt({.method = transfer.request.method,
                 .resource = transfer.request.resource,
                 .status = outcome.status,
                 .seconds = transfer.is_stream ? -1 : seconds,
                 .bytes_in = outcome.bytes_in,
                 .bytes_out = outcome.bytes_out,
                 .connections = outcome.connections});
  if (!outcome.failure && outcome.status / 100 == 2) {
    transfer.body.reserve(transfer.body.size() + json_padding_bytes);
    answer(transfer, Response{.status = outcome.status, .body = std::move(transfer.body)});
    return;
  }
  ApiError error =
      outcome.failure ? *std::move(outcome.failure) : parse_status(outcome.status, transfer.body);
  if (outcome.retry_after_s > 0) {
    error.retry_after = std::chrono::seconds(outcome.retry_after_s);
  }
  if (outcome.status == 401 && !transfer.credentials_renewed &&
      credentials_.rejected(outcome.identity, now()) && !transfer.is_stream) {
    transfer.credentials_renewed = true;
    enqueue(transfer);
    return;
  }
  if (may_retry(transfer, error)) {
    retry_later(transfer, std::move(error));
    return;
  }
  answer(transfer, std::unexpected(std::move(error)));
}

bool Client::Io::may_retry(const Transfer& transfer, const ApiError& error) const {
  if (transfer.is_stream || closing_ || transfer.request.retry == Retry::never ||
      transfer.attempts >= options.attempts_max) {
    return false;
  }
  if (error.kind == ApiError::Kind::refused || error.kind == ApiError::Kind::broken) {
    return error.kind == ApiError::Kind::refused || is_safe(transfer.request);
  }
  if (error.kind != ApiError::Kind::status || !is_retryable(error.status)) {
    return false;
  }
  return is_safe(transfer.request) || (error.status == 429 && error.retry_after.has_value());
}

void Client::Io::retry_later(Transfer& transfer, ApiError error) {
  stats.retry();
  const auto whole = doubled(options.backoff_first, options.backoff_max, transfer.attempts - 1);
  std::chrono::duration<double, std::milli> delay = whole * (0.5 + 0.5 * jitter_.uniform());
  if (error.retry_after) {
    const auto asked =
        std::min<std::chrono::milliseconds>(*error.retry_after, options.retry_after_max);
    delay = std::max<std::chrono::duration<double, std::milli>>(
        delay, asked * (1.0 + 0.1 * jitter_.uniform()));
  }
  const auto when = Clock::now() + std::chrono::duration_cast<Clock::duration>(delay);
  if (when >= transfer.deadline) {
    answer(transfer, std::unexpected(std::move(error)));
    return;
  }
  transfer.last_error = std::move(error);
  add_timer(when, [this, id = transfer.id] {
    if (const auto found = transfers_.find(id); found != transfers_.end()) {
      enqueue(*found->second);
    }
  });
}

void Client::Io::answer(Transfer& transfer, ApiResult<Response> result) {
  end_attempt(transfer);
  const auto node = transfers_.extract(transfer.id);
  streams_ -= transfer.is_stream ? 1 : 0;
  if (!transfer.is_stream) {
    transfer.answer(std::move(result));
  } else if (result) {
    transfer.on_end({});
  } else {
    transfer.on_end(std::unexpected(std::move(result).error()));
  }
}

void Client::Io::update_gauges() {
  stats.gauges(flying_, transfers_.size() - streams_ - flying_, streams_);
}

}  // namespace plimsoll::kube
