#include "kube/client/http1.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>

#include "kube/client/transport.h"

namespace plimsoll::kube {
namespace {

constexpr std::uint64_t lengths_max = std::uint64_t{1} << 50;

bool same_name(std::string_view a, std::string_view lower) {
  return a.size() == lower.size() &&
         std::equal(a.begin(), a.end(), lower.begin(), [](char x, char y) {
           return (x >= 'A' && x <= 'Z' ? static_cast<char>(x + 32) : x) == y;
         });
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
    text.remove_prefix(1);
  }
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
    text.remove_suffix(1);
  }
  return text;
}

// The whole of `text` as a number.
bool read_number(std::string_view text, int base, std::uint64_t& value) {
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return problem == std::errc() && end == text.data() + text.size() && value <= lengths_max;
}

}  // namespace

void append_http1_request(std::string& to, std::string_view method, std::string_view path,
                          std::string_view headers, std::string_view body) {
  to.reserve(to.size() + method.size() + path.size() + headers.size() + body.size() + 64);
  to += method;
  to += ' ';
  to += path;
  to += " HTTP/1.1\r\n";
  to += headers;
  if (method != "GET") {
    fmt::format_to(std::back_inserter(to), "Content-Length: {}\r\n", body.size());
  }
  to += "\r\n";
  to += body;
}

void Http1Answer::reset() { *this = Http1Answer(body_bytes_max_); }

Http1Answer::State Http1Answer::fail() {
  failed_ = true;
  keeps_alive_ = false;
  return State::malformed;
}

// A line without its end, once it is there whole; lines end with LF or CRLF.
bool Http1Answer::take_line(std::string_view& bytes, std::string_view& line) {
  const std::size_t end = bytes.find('\n');
  if (end == std::string_view::npos) {
    line_ += bytes;
    bytes = {};
    return false;
  }
  line_ += bytes.substr(0, end);
  bytes.remove_prefix(end + 1);
  if (line_.ends_with('\r')) {
    line_.pop_back();
  }
  line = line_;
  return true;
}

Http1Answer::State Http1Answer::feed(std::string_view bytes) {
  began_ = began_ || !bytes.empty();
  while (!failed_ && !bytes.empty()) {
    if (part_ == Part::done) {
      return fail();  // more than was asked for
    }
    if (part_ == Part::body || part_ == Part::chunk) {
      if (const State state = take_body(bytes); state != State::more) {
        return state;
      }
      continue;
    }
    if (part_ == Part::head) {
      // Usually the first bytes hold the whole head.
      std::string_view head = bytes;
      const std::size_t before = line_.size();
      if (before > 0) {
        line_ += bytes;
        head = line_;
      }
      const std::size_t end = head.find("\r\n\r\n", before > 3 ? before - 3 : 0);
      if (end == std::string_view::npos) {
        if (before == 0) {
          line_ = bytes;
        }
        if (line_.size() > http1_head_bytes_max + 3) {
          return fail();
        }
        return State::more;
      }
      bytes.remove_prefix(end + 4 - before);
      const bool good = end <= http1_head_bytes_max && read_head(head.substr(0, end + 2));
      line_.clear();
      if (!good) {
        return fail();
      }
      continue;
    }
    std::string_view line;
    const bool whole = take_line(bytes, line);
    if (line_.size() > http1_head_bytes_max) {
      return fail();
    }
    if (!whole) {
      return State::more;
    }
    if (part_ == Part::chunk_size) {
      if (!read_number(trimmed(line.substr(0, line.find(';'))), 16, left_)) {
        return fail();
      }
      part_ = left_ > 0 ? Part::chunk : Part::trailer;
    } else if (part_ == Part::chunk_end) {
      if (!line.empty()) {
        return fail();
      }
      part_ = Part::chunk_size;
    } else if (line.empty()) {
      part_ = Part::done;
    }
    line_.clear();
  }
  if (failed_) {
    return State::malformed;
  }
  return part_ == Part::done ? State::done : State::more;
}

Http1Answer::State Http1Answer::take_body(std::string_view& bytes) {
  const std::size_t count =
      until_close_ ? bytes.size()
                   : static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), left_));
  if (body_.size() + count > body_bytes_max_) {
    fail();
    body_.clear();
    return State::too_large;
  }
  body_.append(bytes.substr(0, count));
  bytes.remove_prefix(count);
  if (!until_close_) {
    left_ -= count;
    if (left_ == 0) {
      part_ = chunked_ ? Part::chunk_end : Part::done;
    }
  }
  return State::more;
}

Http1Answer::State Http1Answer::closed() {
  keeps_alive_ = false;
  if (!failed_ && (part_ == Part::done || (part_ == Part::body && until_close_))) {
    part_ = Part::done;
    return State::done;
  }
  return fail();
}

// `head` has the status line and the headers, each with its CRLF.
bool Http1Answer::read_head(std::string_view head) {
  const std::size_t line_end = head.find("\r\n");
  const std::string_view first = head.substr(0, line_end);
  std::uint64_t status = 0;
  if (!first.starts_with("HTTP/1.") || first.size() < 12 || first[8] != ' ' ||
      !read_number(first.substr(9, 3), 10, status) || status < 100 ||
      (first.size() > 12 && first[12] != ' ')) {
    return false;
  }
  status_ = static_cast<int>(status);
  keeps_alive_ = first[7] != '0';
  retry_after_s_ = 0;
  left_ = 0;
  chunked_ = has_length_ = false;
  for (std::size_t at = line_end + 2; at < head.size();) {
    const std::size_t end = head.find("\r\n", at);
    if (!read_header(head.substr(at, end - at))) {
      return false;
    }
    at = end + 2;
  }
  if (status_ < 200) {
    return status_ != 101;  // an interim answer: another head follows
  }
  if (status_ == 204 || status_ == 304) {
    part_ = Part::done;
  } else if (chunked_) {
    part_ = Part::chunk_size;
  } else if (has_length_) {
    part_ = left_ > 0 ? Part::body : Part::done;
    body_.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(left_, body_bytes_max_)) +
                  json_padding_bytes);
  } else {
    part_ = Part::body;
    until_close_ = true;
    keeps_alive_ = false;
  }
  return true;
}

bool Http1Answer::read_header(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) {
    return false;
  }
  const std::string_view name = line.substr(0, colon);
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (same_name(name, "content-length")) {
    const std::uint64_t before = left_;
    const bool again = has_length_;
    has_length_ = read_number(value, 10, left_);
    return has_length_ && (!again || left_ == before);
  }
  if (same_name(name, "transfer-encoding")) {
    chunked_ = same_name(value, "chunked");
    return chunked_;
  }
  if (same_name(name, "connection")) {
    keeps_alive_ = keeps_alive_ && !same_name(value, "close");
  } else if (same_name(name, "retry-after")) {
    std::uint64_t seconds = 0;
    if (read_number(value, 10, seconds)) {  // a date is not: the back-off does
      retry_after_s_ = static_cast<std::int64_t>(std::min<std::uint64_t>(seconds, 86'400));
    }
  }
  return true;
}

}  // namespace plimsoll::kube
