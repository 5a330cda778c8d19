// A scheduler's run as a journal file, written while it runs: what `plimsoll run --record` keeps.
//
// The file is whole once finish() has returned; the destructor tries. What a crash leaves can be
// looked into (zstd -dc), and is refused as cut off. One owner; not thread-safe.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "control/journal.h"
#include "control/plan_hash.h"
#include "control/scheduler.h"
#include "model/file.h"
#include "model/plan.h"

namespace plimsoll::cli {

// What decides a scheduler's plans beside what it sees, as one line of JSON, and read back from it.
// Errors: bad_input, a member that is unknown, missing or of another type.
std::string configuration_text(const control::SchedulerConfig& config);
Result<control::SchedulerConfig> read_configuration(std::string_view text);

class Recording {
 public:
  // Makes the file, or replaces what it held. Errors: it cannot be written.
  static Result<Recording> open(const std::string& path, const model::Snapshot& initial,
                                const control::SchedulerConfig& config);
  Recording(Recording&&) noexcept;
  Recording& operator=(Recording&&) noexcept;
  ~Recording();

  // Errors: as model::JournalEncoder::add.
  Result<void> add(const control::Journal::Turn& turn, const model::Plan& plan);
  Result<void> finish();

  [[nodiscard]] std::string plans() const { return hash_.hex(); }  // of all plans so far
  [[nodiscard]] std::uint64_t turns() const { return turns_; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  Recording(std::string path, std::unique_ptr<std::FILE, Close> file, model::JournalEncoder encoder,
            Time started)
      : path_(std::move(path)),
        file_(std::move(file)),
        encoder_(std::move(encoder)),
        flushed_(started) {}

  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;  // null: moved from, or finished
  model::JournalEncoder encoder_;
  control::PlanHash hash_;
  std::uint64_t turns_ = 0;
  Time flushed_;
};

}  // namespace plimsoll::cli
