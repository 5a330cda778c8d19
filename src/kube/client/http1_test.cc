#include "kube/client/http1.h"

#include <gtest/gtest.h>

#include <vector>

namespace plimsoll::kube {
namespace {

using State = Http1Answer::State;

TEST(Http1, WritesRequests) {
  std::string text = "x";
  append_http1_request(text, "POST", "/a?b", "Host: h\r\n", "{}");
  EXPECT_EQ(text, "xPOST /a?b HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}");
  text.clear();
  append_http1_request(text, "GET", "/", "Host: h\r\n", "");
  EXPECT_EQ(text, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
}

struct Case {
  std::string text;
  State state;
  int status = 0;
  std::string body;
  bool keeps_alive = true;
  bool closes = false;  // the server closes after it
};

TEST(Http1, ReadsAnswersHoweverTheyAreCut) {
  const std::vector<Case> cases = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", State::done, 200, "abc"},
      {"HTTP/1.1 201 Created\r\ncontent-LENGTH:0\r\nRetry-After: 7\r\n\r\n", State::done, 201, ""},
      {"HTTP/1.1 200\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", State::done, 200, "x"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\nA\r\n0123456789\r\n"
       "0\r\nTrailer: x\r\n\r\n",
       State::done, 200, "abc0123456789"},
      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\n", State::done, 204, ""},
      {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx", State::done, 200, "x",
       false},
      {"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", State::done, 200, "x", false},
      {"HTTP/1.1 200 OK\r\n\r\nall of it", State::done, 200, "all of it", false, true},
      {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", State::more, 200, "ab"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", State::malformed, 200, "ab", false, true},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na", State::malformed, 200, "a",
       false, true},
      {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxy", State::malformed, 200, "x", false},
      {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", State::malformed, 200,
       "", false},
      {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", State::malformed, 200, "", false},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", State::malformed, 200, "", false},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", State::malformed, 200, "",
       false},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", State::malformed, 200,
       "a", false},
      {"HTTP/1.1 101 Switching\r\n\r\n", State::malformed, 101, "", false},
      {"HTTP/1.1 2000 OK\r\n\r\n", State::malformed, 0, "", false},
      {"HTTP/2 200\r\n\r\n", State::malformed, 0, "", false},
      {"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", State::malformed, 200, "", false},
  };
  for (const Case& given : cases) {
    for (std::size_t cut = 0; cut <= given.text.size(); ++cut) {
      Http1Answer answer(1000);
      State state = answer.feed(given.text.substr(0, cut));
      if (state != State::malformed) {
        state = answer.feed(given.text.substr(cut));
      }
      if (given.closes) {
        state = answer.closed();
      }
      ASSERT_EQ(state, given.state) << given.text << " cut at " << cut;
      EXPECT_EQ(answer.status(), given.status) << given.text;
      EXPECT_EQ(answer.body(), given.body) << given.text;
      EXPECT_EQ(answer.keeps_alive(), given.keeps_alive) << given.text;
    }
  }
}

TEST(Http1, KnowsItsBounds) {
  Http1Answer answer(3);
  EXPECT_EQ(answer.feed("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd"), State::too_large);
  answer.reset();
  EXPECT_FALSE(answer.began());
  EXPECT_EQ(answer.feed("HTTP/1.1 200 OK\r\nX: " + std::string(http1_head_bytes_max, 'x')),
            State::malformed);
  answer.reset();
  EXPECT_EQ(answer.feed("HTTP/1.1 429 No\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"),
            State::done);
  EXPECT_EQ(answer.retry_after_s(), 7);
}

}  // namespace
}  // namespace plimsoll::kube
