// A small HTTP/1.1 server: GETs of a few paths, answered from one thread of its own.
//
// For health checks and metrics. Owned by the program; `answer` is called on the server's thread,
// one request at a time, and waits for nothing. Requests are bounded in size and time, connections
// in number.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace plimsoll::server {

struct Reply {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

// Of a GET's path, without its query. HEAD gets the same without a body; other methods get 405.
using AnswerGet = std::function<Reply(std::string_view path)>;

class HttpServer {
 public:
  // Listens at once. `address` is HOST:PORT, HOST an IP address ("[::]:9000" with brackets); port
  // 0: any free one. Errors: bad_input, where it is none of that; failed, where it is taken.
  static Result<std::unique_ptr<HttpServer>> make(std::string_view address, AnswerGet answer);
  ~HttpServer();  // closes all connections and joins
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  [[nodiscard]] std::uint16_t port() const;

 private:
  class State;
  explicit HttpServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace plimsoll::server
