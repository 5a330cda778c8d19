// What every fuzzer here demands of an answer. For the *_fuzz.cc programs only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "model/snapshot.h"
#include "model/workload.h"

namespace plimsoll::traces {

inline std::string_view fuzz_text(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// One printable line that says what was found and what was expected.
template <typename T>
void check_error(const Result<T>& result) {
  if (result.has_value()) {
    return;
  }
  const std::string_view message = result.error().message;
  check(result.error().code == ErrorCode::bad_input, "a malformed file is bad input");
  check(message.find(": found ") != std::string_view::npos, "the message says what was found");
  check(message.find(", expected ") != std::string_view::npos, "and what was expected");
  for (const char byte : message) {
    check(static_cast<unsigned char>(byte) >= 0x20 && byte != 0x7f, "the message is printable");
  }
}

// Specs that hold together, jobs in order that refer to them.
inline void check_workload(const model::Workload& workload) {
  const model::Snapshot snapshot{.specs = workload.specs};
  check(model::validate(snapshot).has_value(), "the specs hold together");
  Time last{INT64_MIN};
  for (const model::Job& job : workload.jobs) {
    check(job.spec.index() < workload.specs.size(), "a job's spec exists");
    check(job.submitted >= last, "jobs are in order");
    check(job.members >= 1 && job.duration >= Duration{} && !job.name.empty(), "a job is whole");
    last = job.submitted;
  }
}

}  // namespace plimsoll::traces
