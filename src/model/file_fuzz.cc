// libFuzzer: no bytes make a decoder fail otherwise than with an error, and what it accepts is
// written and read back as the same value.
//
// The first byte picks the kind of file, and whether the rest is a file or the lines inside one.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "model/file.h"
#include "model/file_frame.h"

namespace {

using namespace plimsoll;
using namespace plimsoll::model;

Sink into(std::string& bytes) {
  return [&bytes](std::string_view more) -> Result<void> {
    bytes += more;
    return {};
  };
}

// A whole file of these lines; those that no encoder would write are left out.
std::string wrapped(FileKind kind, std::string_view text) {
  std::string bytes;
  FrameWriter writer(kind, into(bytes));
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    static_cast<void>(writer.line(text.substr(0, end), "line"));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  check(writer.finish().has_value(), "a string takes every byte");
  return bytes;
}

template <typename Decoder>
auto decode(Decoder decoder, std::string_view bytes, std::size_t chunk)
    -> decltype(decoder.finish()) {
  while (!bytes.empty()) {
    const auto size = std::min(chunk, bytes.size());
    TRY_VOID(decoder.feed(bytes.substr(0, size)));
    bytes.remove_prefix(size);
  }
  return decoder.finish();
}

void fuzz_snapshot(std::string_view bytes, std::size_t chunk) {
  const auto snapshot = decode(SnapshotDecoder("f"), bytes, chunk);
  if (snapshot) {
    std::string again;
    check(encode_snapshot(*snapshot, into(again)).has_value(), "a decoded snapshot encodes");
    check(decode(SnapshotDecoder("f"), again, 1000) == snapshot, "and comes back");
  }
}

void fuzz_plan(std::string_view bytes, std::size_t chunk) {
  const auto plan = decode(PlanDecoder("f"), bytes, chunk);
  if (plan) {
    std::string again;
    check(encode_plan(*plan, into(again)).has_value(), "a decoded plan encodes");
    check(decode(PlanDecoder("f"), again, 1000) == plan, "and comes back");
  }
}

void fuzz_journal(std::string_view bytes, std::size_t chunk) {
  Snapshot state;
  const auto start = [&](JournalStart begin) -> Result<void> {
    state = std::move(begin.snapshot);
    return {};
  };
  const auto follow = [&](TimedDelta delta) -> Result<void> {
    return model::apply(state, delta.delta);
  };
  static_cast<void>(decode(JournalDecoder("f", start, follow), bytes, chunk));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const auto kind = static_cast<FileKind>(data[0] % 3);
  const std::size_t chunk = 1 + data[0] % 61 * 7;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string bytes = data[0] < 64 ? std::string(rest) : wrapped(kind, rest);
  switch (kind) {
    case FileKind::snapshot:
      fuzz_snapshot(bytes, chunk);
      break;
    case FileKind::plan:
      fuzz_plan(bytes, chunk);
      break;
    case FileKind::journal:
      fuzz_journal(bytes, chunk);
      break;
  }
  return 0;
}
