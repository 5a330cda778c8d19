#include "server/http_server.h"

#include <fmt/format.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <charconv>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>

namespace plimsoll::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

constexpr std::chrono::seconds request_time_max{10};
constexpr std::size_t header_bytes_max = 16 << 10;
constexpr std::size_t connections_max = 64;

// One connection: a request, its answer, and the next. Lives as long as something is under way.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, const AnswerGet& answer, std::size_t& open)
      : stream_(std::move(socket)), answer_(answer), open_(open) {
    ++open_;
  }
  ~Session() { --open_; }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void read() {
    parser_.emplace();
    parser_->header_limit(header_bytes_max);
    parser_->body_limit(0);
    stream_.expires_after(request_time_max);
    http::async_read(stream_, buffer_, *parser_,
                     [self = shared_from_this()](beast::error_code error, std::size_t) {
                       if (!error) {
                         self->reply();
                       }
                     });
  }

 private:
  void reply() {
    const auto& request = parser_->get();
    const bool head = request.method() == http::verb::head;
    Reply reply{.status = 405, .body = "only GET and HEAD\n"};
    if (head || request.method() == http::verb::get) {
      const std::string_view target(request.target().data(), request.target().size());
      reply = answer_(target.substr(0, target.find('?')));
    }
    response_ = {};
    response_.result(reply.status);
    response_.version(request.version());
    response_.keep_alive(request.keep_alive());
    response_.set(http::field::content_type, reply.content_type);
    response_.content_length(reply.body.size());
    if (!head) {
      response_.body() = std::move(reply.body);
    }
    http::async_write(stream_, response_,
                      [self = shared_from_this()](beast::error_code error, std::size_t) {
                        if (!error && self->response_.keep_alive()) {
                          self->read();
                        }
                      });
  }

  beast::tcp_stream stream_;
  beast::flat_buffer buffer_{header_bytes_max * 2};
  std::optional<http::request_parser<http::empty_body>> parser_;
  http::response<http::string_body> response_;
  const AnswerGet& answer_;
  std::size_t& open_;
};

Result<tcp::endpoint> read_endpoint(std::string_view address) {
  const auto colon = address.rfind(':');
  const auto wrong = [&] {
    return bad_input(fmt::format(
        "found '{}', expected an IP address and a port, as in 127.0.0.1:10251", address));
  };
  if (colon == std::string_view::npos) {
    return wrong();
  }
  std::string_view host = address.substr(0, colon);
  const std::string_view digits = address.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  }
  std::uint16_t port = 0;
  const auto [end, bad] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  beast::error_code error;
  const asio::ip::address ip = asio::ip::make_address(std::string(host), error);
  if (bad != std::errc() || end != digits.data() + digits.size() || digits.empty() || error) {
    return wrong();
  }
  return tcp::endpoint(ip, port);
}

}  // namespace

class HttpServer::State {
 public:
  explicit State(AnswerGet answer) : answer_(std::move(answer)) {}
  ~State() {
    context_.stop();
    if (thread_.joinable()) {
      thread_.join();
    }
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  Result<void> listen(const tcp::endpoint& endpoint, std::string_view address) {
    beast::error_code error;
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error) {
      return failed(fmt::format("cannot listen on {}: {}", address, error.message()));
    }
    accept();
    thread_ = std::thread([this] { context_.run(); });
    return {};
  }
  [[nodiscard]] std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

 private:
  void accept() {
    acceptor_.async_accept([this](beast::error_code error, tcp::socket socket) {
      if (error == asio::error::operation_aborted) {
        return;
      }
      if (!error && open_ < connections_max) {
        std::make_shared<Session>(std::move(socket), answer_, open_)->read();
      }
      accept();
    });
  }

  AnswerGet answer_;
  std::size_t open_ = 0;  // connections; touched by the thread only
  asio::io_context context_{1};
  tcp::acceptor acceptor_{context_};
  std::thread thread_;
};

Result<std::unique_ptr<HttpServer>> HttpServer::make(std::string_view address, AnswerGet answer) {
  const tcp::endpoint endpoint = TRY(read_endpoint(address));
  auto state = std::make_unique<State>(std::move(answer));
  TRY_VOID(state->listen(endpoint, address));
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(state)));
}

HttpServer::HttpServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
HttpServer::~HttpServer() = default;
std::uint16_t HttpServer::port() const { return state_->port(); }

}  // namespace plimsoll::server
