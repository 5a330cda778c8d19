// Leader election over a coordination.k8s.io/v1 Lease, with the rules of client-go, as a machine
// without clock or network: it is told what time it is and what was answered, and says what to ask.
//
// A round reads the Lease (a leader skips that) and writes it, if it is ours, free, or was not
// renewed for its duration as seen by our own clock; clocks of others are never compared. A leader
// that could not renew for `renew_deadline` stops leading, before anyone else may begin. A value;
// not thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"
#include "kube/client/api_error.h"

namespace plimsoll::kube {

struct ElectionOptions {
  std::string name_space;
  std::string name;
  std::string identity;  // ours alone: two processes never share it
  std::chrono::seconds lease_duration{15};
  std::chrono::seconds renew_deadline{10};
  std::chrono::seconds retry_period{2};
};
// Errors (bad_input): lease_duration > renew_deadline > retry_period > 0 must hold.
Result<void> check_election(const ElectionOptions& options);

// A Lease as it was read.
struct LeaseRecord {
  std::string holder;  // empty: released
  std::int64_t duration_s = 0;
  std::int64_t acquired_unix_us = 0;
  std::int64_t renewed_unix_us = 0;
  std::int64_t transitions = 0;
  std::string object;  // the whole of it, as JSON

  [[nodiscard]] bool same_term(const LeaseRecord& other) const {
    return holder == other.holder && duration_s == other.duration_s &&
           acquired_unix_us == other.acquired_unix_us && renewed_unix_us == other.renewed_unix_us &&
           transitions == other.transitions;
  }
};
// Errors (malformed): not a Lease.
ApiResult<LeaseRecord> parse_lease(std::string_view json);

class Election {
 public:
  struct Now {
    std::int64_t boot_us = 0;  // of CLOCK_BOOTTIME
    std::int64_t unix_us = 0;  // for what is written only
  };
  struct Read {};
  struct Create {
    std::string object;
  };
  struct Update {
    std::string object;  // with the resourceVersion that it replaces
  };
  struct Rest {};  // the round is over
  using Ask = std::variant<Rest, Read, Create, Update>;

  explicit Election(ElectionOptions options) : options_(std::move(options)) {}

  Ask begin_round(Now now);
  Ask read_answered(Now now, const ApiResult<LeaseRecord>& answer);
  // Of a Create or an Update.
  Ask write_answered(Now now, const ApiResult<LeaseRecord>& answer);
  // Stops leading if the deadline has passed; call it at fence_until_us().
  void check_deadline(Now now);
  // The last Update of a leader that goes: nobody need wait for the Lease to run out. Rest: it
  // leads nothing. Leads no more afterwards.
  Ask release(Now now);

  [[nodiscard]] bool leading() const { return leading_; }
  // In boot time: until then nobody else can have begun to lead, with a margin. 0: not leading.
  [[nodiscard]] std::int64_t fence_until_us() const { return leading_ ? fence_until_us_ : 0; }
  // Who holds the Lease, as last seen.
  [[nodiscard]] const std::string& holder() const { return observed_.holder; }

 private:
  [[nodiscard]] bool ours() const { return observed_.holder == options_.identity; }
  [[nodiscard]] bool valid(Now now) const;
  void observe(Now now, const LeaseRecord& record);
  Ask update(Now now);

  ElectionOptions options_;
  LeaseRecord observed_;
  std::int64_t observed_boot_us_ = 0;
  std::int64_t write_began_us_ = 0;
  std::int64_t fence_until_us_ = 0;
  bool leading_ = false;
  bool skipped_read_ = false;
};

}  // namespace plimsoll::kube
