#include "server/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include "server/exposition.h"

namespace plimsoll::server {
namespace {

using boost::asio::ip::tcp;

Reply echo(std::string_view path) { return {.body = "path " + std::string(path)}; }

// Everything that comes back until the server closes.
std::string converse(std::uint16_t port, const std::string& sent) {
  boost::asio::io_context context;
  tcp::socket socket(context);
  socket.connect({boost::asio::ip::make_address("127.0.0.1"), port});
  boost::system::error_code error;  // the server may hang up on what is too long
  boost::asio::write(socket, boost::asio::buffer(sent), error);
  std::string answer;
  boost::asio::read(socket, boost::asio::dynamic_buffer(answer), error);
  return answer;
}

TEST(HttpServer, AnswersGetsAndRefusesTheRest) {
  const auto server = HttpServer::make("127.0.0.1:0", echo);
  ASSERT_TRUE(server) << server.error().message;
  const std::uint16_t port = (*server)->port();
  const std::string end = " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
  const std::string got = converse(port, "GET /metrics?x=1" + end);
  EXPECT_TRUE(got.starts_with("HTTP/1.1 200 ")) << got;
  EXPECT_TRUE(got.ends_with("\r\n\r\npath /metrics")) << got;
  EXPECT_TRUE(converse(port, "HEAD /a" + end).ends_with("Content-Length: 7\r\n\r\n"));
  EXPECT_TRUE(converse(port, "POST /a" + end).starts_with("HTTP/1.1 405 "));
  EXPECT_EQ(converse(port, "no request at all\r\n\r\n"), "");
  EXPECT_EQ(converse(port, "GET / HTTP/1.1\r\nX: " + std::string(100'000, 'x')), "");
  const std::string two = "GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b" + end;
  EXPECT_TRUE(converse(port, two).ends_with("path /b")) << "a connection is used again";
}

TEST(HttpServer, SaysWhyItCannotListen) {
  const auto first = HttpServer::make("127.0.0.1:0", echo);
  ASSERT_TRUE(first);
  const std::string taken = "127.0.0.1:" + std::to_string((*first)->port());
  const auto second = HttpServer::make(taken, echo);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().message, "cannot listen on " + taken + ": Address already in use");
  for (const char* wrong : {"", "10251", "localhost:1", "127.0.0.1:", "127.0.0.1:70000", ":1"}) {
    const auto refused = HttpServer::make(wrong, echo);
    ASSERT_FALSE(refused) << wrong;
    EXPECT_EQ(refused.error().message,
              "found '" + std::string(wrong) +
                  "', expected an IP address and a port, as in 127.0.0.1:10251");
  }
}

TEST(Exposition, IsThePrometheusTextFormat) {
  Exposition out;
  out.counter("a_total", "What a is");
  out.value(3, {{"kind", "x\"y"}});
  out.histogram("b_seconds", "How long");
  const double bounds[] = {0.5, 1};
  const std::uint64_t counts[] = {2, 0, 1};
  out.buckets(bounds, counts, 4.5);
  EXPECT_THAT(out.text(), testing::HasSubstr("# HELP a_total What a is\n# TYPE a_total counter\n"
                                             "a_total{kind=\"x\\\"y\"} 3\n"));
  EXPECT_THAT(out.text(), testing::HasSubstr("b_seconds_count 3\nb_seconds_sum 4.5\n"
                                             "b_seconds_bucket{le=\"0.5\"} 2\n"
                                             "b_seconds_bucket{le=\"1\"} 2\n"
                                             "b_seconds_bucket{le=\"+Inf\"} 3\n"));
}

}  // namespace
}  // namespace plimsoll::server
