// Requests over HTTP/1.1: connections that libcurl made, and our exchange of one request and one
// answer at a time on each.
#include <fmt/format.h>
#include <sys/epoll.h>

#include <algorithm>
#include <utility>

#include "kube/client/transport_io.h"

namespace plimsoll::kube {
namespace {

// A kept connection that closes before a byte of the answer came was closed before the request
// reached the server: a request meets so many at most.
constexpr int stale_max = 3;

}  // namespace

Client::Io::Connection& Client::Io::idle_connection() {
  const auto& identity = credentials_.identity();
  // The last that was used: the others may close.
  for (auto at = connections_.rbegin(); at != connections_.rend(); ++at) {
    Connection& one = **at;
    if (one.transfer == nullptr && one.socket >= 0 &&
        (one.identity == identity || one.identity->certificate_pem == identity->certificate_pem)) {
      return one;
    }
  }
  connections_.push_back(std::make_unique<Connection>(options.body_bytes_max));
  Connection& made = *connections_.back();
  made.identity = identity;
  made.handle = make_handle();
  made.handle->begin_connection(identity, static_cast<CurlUser*>(&made));
  curl_multi_add_handle(multi_, made.handle->get());
  return made;
}

void Client::Io::begin_exchange(Transfer& transfer) {
  const auto headers = headers_for(transfer.request);
  Connection& connection = idle_connection();
  connection.transfer = &transfer;
  transfer.connection = &connection;
  connection.answer.reset();
  connection.out.clear();
  connection.sent = 0;
  connection.received = 0;
  append_http1_request(connection.out, method_name(transfer.request.method), transfer.request.path,
                       headers->lines, transfer.request.body);
  transfer.identity = headers->identity;
  if (connection.socket >= 0) {
    write(connection);
  }
}

void Client::Io::connected(Connection& connection, CURLcode code) {
  if (code != CURLE_OK) {
    ApiError error = connection.handle->failure(code, config);
    if (connection.transfer != nullptr) {
      exchange_failed(connection, std::move(error));
    } else {
      close(connection);
    }
    return;
  }
  connection.socket = connection.handle->socket();
  sockets_[static_cast<std::size_t>(connection.socket)].connection = &connection;
  if (connection.transfer != nullptr) {
    write(connection);
  } else {
    want(connection.socket, EPOLLIN);
  }
}

void Client::Io::write(Connection& connection) {
  while (connection.sent < connection.out.size()) {
    std::size_t sent = 0;
    const CURLcode code =
        connection.handle->send(std::string_view(connection.out).substr(connection.sent), sent);
    if (code == CURLE_AGAIN) {
      break;
    }
    if (code != CURLE_OK) {
      exchange_failed(connection, connection.handle->failure(code, config));
      return;
    }
    connection.sent += sent;
  }
  const bool all = connection.sent == connection.out.size();
  want(connection.socket, all ? EPOLLIN : EPOLLIN | EPOLLOUT);
}

void Client::Io::on_event(Connection& connection, std::uint32_t events) {
  if (connection.transfer == nullptr) {
    close(connection);  // it closes, or says what nobody asked
    return;
  }
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
    read(connection);  // after it, the connection may be gone
  } else {
    write(connection);
  }
}

void Client::Io::read(Connection& connection) {
  while (true) {
    std::size_t received = 0;
    const CURLcode code = connection.handle->receive(read_buffer_, received);
    if (code == CURLE_AGAIN) {
      if (connection.sent < connection.out.size()) {
        write(connection);
      }
      return;
    }
    if (code != CURLE_OK) {
      exchange_failed(connection, connection.handle->failure(code, config));
      return;
    }
    connection.received += received;
    const auto state = received == 0 ? connection.answer.closed()
                                     : connection.answer.feed({read_buffer_.data(), received});
    switch (state) {
      case Http1Answer::State::more:
        break;
      case Http1Answer::State::done:
        exchange_done(connection);
        return;
      case Http1Answer::State::too_large:
        exchange_failed(connection, too_large(*connection.transfer));
        return;
      case Http1Answer::State::malformed:
        exchange_failed(
            connection,
            received == 0
                ? ApiError{.kind = ApiError::Kind::broken,
                           .message = fmt::format("{} ({}): the server closed the connection",
                                                  config.server, config.origin)}
                : ApiError{.kind = ApiError::Kind::malformed,
                           .message = fmt::format("{} ({}): found an answer that is no HTTP/1.1",
                                                  config.server, config.origin)});
        return;
    }
  }
}

void Client::Io::exchange_done(Connection& connection) {
  Transfer& transfer = *connection.transfer;
  Outcome outcome{.status = connection.answer.status(),
                  .retry_after_s = connection.answer.retry_after_s(),
                  .bytes_in = connection.received,
                  .bytes_out = connection.sent,
                  .connections = connection.used ? 0U : 1U,
                  .identity = std::move(transfer.identity)};
  transfer.body = std::move(connection.answer.body());
  transfer.stale = 0;
  connection.used = true;
  end_attempt(transfer,
              connection.answer.keeps_alive() && connection.sent == connection.out.size());
  conclude(transfer, std::move(outcome));
}

void Client::Io::exchange_failed(Connection& connection, ApiError error) {
  Transfer& transfer = *connection.transfer;
  const bool stale = connection.used && !connection.answer.began() &&
                     error.kind == ApiError::Kind::broken && ++transfer.stale <= stale_max;
  Outcome outcome{.bytes_in = connection.received,
                  .bytes_out = connection.sent,
                  .connections = connection.used || connection.socket < 0 ? 0U : 1U,
                  .identity = std::move(transfer.identity)};
  end_attempt(transfer);
  if (stale) {
    --transfer.attempts;
    enqueue(transfer);
    return;
  }
  outcome.failure = std::move(error);
  conclude(transfer, std::move(outcome));
}

void Client::Io::close(Connection& connection) {
  if (connection.socket >= 0) {
    sockets_[static_cast<std::size_t>(connection.socket)].connection = nullptr;
  }
  curl_multi_remove_handle(multi_, connection.handle->get());
  std::erase_if(connections_, [&](const auto& one) { return one.get() == &connection; });
}

void Client::Io::close_idle(Clock::time_point before) {
  for (std::size_t i = connections_.size(); i-- > 0;) {
    Connection& one = *connections_[i];
    if (one.transfer == nullptr && one.socket >= 0 && one.idle_since < before) {
      close(one);
    }
  }
}

}  // namespace plimsoll::kube
