// Files of snapshots, plans and journals: compressed, streamed, checked, versioned.
//
// A file is a zstd skippable frame that holds the line "plimsoll KIND VERSION", then one zstd frame
// with a content checksum. Inside are JSON lines, one object a line, and a last line with the
// number of records and the SHA-256 of the lines before it, so `zstd -dc FILE` prints all there is:
//
//   {"snapshot":{"now":5000000}}
//   {"node":{"id":0,"name":"a","allocatable":{"cpu":8000}}}
//   {"pod":null}                                                   (a free slot)
//   {"end":{"records":3,"sha256":"…"}}
//
// The members of an object are those of the model's struct, with the same names; those that have
// their default value are left out. Amounts are integers in the struct's unit (millicores, bytes,
// thousandths of a GPU, microdollars an hour, microseconds). The same value gives the same bytes.
//
// This room opens no file: an encoder hands bytes to a sink as they come, a decoder is fed chunks
// of any size. Both need memory for one line and one window (limits below) beyond the value itself.
// Every decoder's error is bad_input, one line that starts with the file's name, and with ":LINE"
// where it is about one line. Not thread-safe; each has one owner, and is not used after an error.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/plan.h"
#include "model/snapshot.h"

namespace plimsoll::model {

// What this program writes, and the newest that it reads. Any change to what is inside raises it.
inline constexpr std::int32_t file_version = 3;
inline constexpr std::size_t file_line_bytes_max = std::size_t{4} << 20;
inline constexpr int file_window_log_max = 23;  // 8 MiB of zstd window
inline constexpr std::uint64_t file_records_max = 1ULL << 26;

enum class FileKind : std::uint8_t { snapshot, plan, journal };
// What a file that begins with these bytes says that it is; none: not a file of ours, or too few
// bytes to tell (file_kind_bytes are enough).
inline constexpr std::size_t file_kind_bytes = 72;
std::optional<FileKind> file_kind(std::string_view beginning);

// Takes the next bytes of a file; its error ends the encoding.
using Sink = std::function<Result<void>(std::string_view bytes)>;

// Errors: a snapshot that does not validate(), text that is not UTF-8, a line above the limit, the
// sink's. O(snapshot).
Result<void> encode_snapshot(const Snapshot& snapshot, const Sink& sink);
// Errors: an action without a subject, or that waits for a later one; as above, without validation.
Result<void> encode_plan(const Plan& plan, const Sink& sink);

class SnapshotDecoder {
 public:
  explicit SnapshotDecoder(std::string file);  // the name that errors start with
  SnapshotDecoder(SnapshotDecoder&&) noexcept;
  SnapshotDecoder& operator=(SnapshotDecoder&&) noexcept;
  ~SnapshotDecoder();
  Result<void> feed(std::string_view bytes);
  // All bytes were fed: the snapshot, which validates.
  Result<Snapshot> finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Ids of a plan point into the snapshot that it was made from and are not checked against it.
class PlanDecoder {
 public:
  explicit PlanDecoder(std::string file);
  PlanDecoder(PlanDecoder&&) noexcept;
  PlanDecoder& operator=(PlanDecoder&&) noexcept;
  ~PlanDecoder();
  Result<void> feed(std::string_view bytes);
  Result<Plan> finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// A journal: what a run started from, and what the world did to it, in order. It replays to the
// same plans.
struct JournalStart {
  std::uint64_t seed = 0;
  std::string configuration;  // text, as the run was given it
  Snapshot snapshot;
};
struct TimedDelta {
  Time at;
  Delta delta;
  friend bool operator==(const TimedDelta&, const TimedDelta&) = default;
};

// A turn that the scheduler took, after the deltas that it observed: what it needs to be taken
// again. A journal without turns still says what happened to the world.
struct JournalTurn {
  Time at;
  bool followed = false;               // it only observed: somebody else decided
  std::uint64_t deltas = 0;            // that it observed: those since the turn before
  std::vector<std::uint32_t> refused;  // by the world, of the actions it tried, counted from 0
  std::string plans;  // hash of all plans up to this one; empty: as after the turn before
  friend bool operator==(const JournalTurn&, const JournalTurn&) = default;
};

class JournalEncoder {
 public:
  // Writes the start. Errors: as encode_snapshot.
  static Result<JournalEncoder> make(const JournalStart& start, Sink sink);
  JournalEncoder(JournalEncoder&&) noexcept;
  JournalEncoder& operator=(JournalEncoder&&) noexcept;
  ~JournalEncoder();
  // Errors: a time before the last one; text that is not UTF-8; a line above the limit; the sink's.
  Result<void> add(const TimedDelta& delta);
  // Errors: also a number of deltas that is not that of those added since the turn before.
  Result<void> add(const JournalTurn& turn);
  // All that was added so far goes to the sink, so that it can be seen in a file that is cut off.
  Result<void> flush();
  // Writes the end. A journal without it is refused as cut off.
  Result<void> finish();

 private:
  struct State;
  explicit JournalEncoder(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Hands on the start once, and then each delta and turn as it is read; their errors end the
// decoding. What it handed on before an error is not to be trusted: only finish() knows that the
// file is whole.
class JournalDecoder {
 public:
  using OnStart = std::function<Result<void>(JournalStart start)>;
  using OnDelta = std::function<Result<void>(TimedDelta delta)>;
  using OnTurn = std::function<Result<void>(JournalTurn turn)>;
  JournalDecoder(std::string file, OnStart on_start, OnDelta on_delta, OnTurn on_turn = {});
  JournalDecoder(JournalDecoder&&) noexcept;
  JournalDecoder& operator=(JournalDecoder&&) noexcept;
  ~JournalDecoder();
  Result<void> feed(std::string_view bytes);
  Result<void> finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace plimsoll::model
