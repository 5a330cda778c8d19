#include <cstdint>
#include <string>

#include "base/result.h"
#include "kube/client/http1.h"

using namespace plimsoll;
using namespace plimsoll::kube;

namespace {

struct Read {
  Http1Answer::State state = Http1Answer::State::more;
  int status = 0;
  std::string body;
};

Read read(std::string_view text, std::size_t chunk) {
  Http1Answer answer(10'000);
  Read result;
  for (std::size_t at = 0; at < text.size() && (result.state == Http1Answer::State::more ||
                                                result.state == Http1Answer::State::done);
       at += chunk) {
    result.state = answer.feed(text.substr(at, chunk));
  }
  result.status = answer.status();
  result.body = answer.body();
  return result;
}

}  // namespace

// However an answer is cut, it is the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Read whole = read(text, size + 1);
  const Read pieces = read(text, 1);
  check(whole.state == pieces.state && whole.status == pieces.status && whole.body == pieces.body,
        "an answer does not depend on cuts");
  return 0;
}
