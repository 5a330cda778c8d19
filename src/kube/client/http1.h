// HTTP/1.1 (RFC 9112) as a client of an API server speaks it: a request as text, and an answer read
// from however many pieces it comes in.
//
// Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace plimsoll::kube {

inline constexpr std::size_t http1_head_bytes_max = std::size_t{1} << 16;

// Appends a request; `headers` are whole lines. A Content-Length goes with every method but GET.
void append_http1_request(std::string& to, std::string_view method, std::string_view path,
                          std::string_view headers, std::string_view body);

class Http1Answer {
 public:
  enum class State : std::uint8_t {
    more,       // of it is to come
    done,       // it is complete
    malformed,  // it is no HTTP/1.1, or more came than the answer
    too_large,  // its body is longer than allowed
  };

  explicit Http1Answer(std::size_t body_bytes_max) : body_bytes_max_(body_bytes_max) {}

  void reset();
  State feed(std::string_view bytes);
  // The server closed the connection: done if that is how this answer ends.
  State closed();

  [[nodiscard]] bool began() const { return began_; }  // a byte came
  [[nodiscard]] int status() const { return status_; }
  [[nodiscard]] std::int64_t retry_after_s() const { return retry_after_s_; }
  [[nodiscard]] bool keeps_alive() const { return keeps_alive_; }
  [[nodiscard]] std::string& body() { return body_; }

 private:
  enum class Part : std::uint8_t { head, body, chunk_size, chunk, chunk_end, trailer, done };
  State fail();
  bool read_head(std::string_view head);
  bool read_header(std::string_view line);
  bool take_line(std::string_view& bytes, std::string_view& line);
  State take_body(std::string_view& bytes);

  std::size_t body_bytes_max_;
  Part part_ = Part::head;
  bool began_ = false;
  bool failed_ = false;
  bool chunked_ = false;
  bool until_close_ = false;
  bool keeps_alive_ = true;
  bool has_length_ = false;
  int status_ = 0;
  std::int64_t retry_after_s_ = 0;
  std::uint64_t left_ = 0;  // of the body or the chunk
  std::string line_;        // a head or a line that is not complete yet
  std::string body_;
};

}  // namespace plimsoll::kube
