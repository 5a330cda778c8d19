#include "kube/client/election.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/random.h"

namespace plimsoll::kube {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr std::int64_t second = 1'000'000;
constexpr std::int64_t epoch = 1'800'000'000 * second;

ElectionOptions options_of(std::string identity) {
  return {.name_space = "kube-system", .name = "plimsoll", .identity = std::move(identity)};
}

// The API server's side of one Lease, with optimistic locking.
class Leases {
 public:
  ApiResult<LeaseRecord> answer(const Election::Ask& ask) {
    if (std::holds_alternative<Election::Read>(ask)) {
      return lease_ ? parse_lease(lease_->dump()) : not_found();
    }
    const bool creates = std::holds_alternative<Election::Create>(ask);
    json wanted = json::parse(creates ? std::get<Election::Create>(ask).object
                                      : std::get<Election::Update>(ask).object);
    if (creates ? lease_.has_value()
                : !lease_ || wanted["metadata"]["resourceVersion"] !=
                                 (*lease_)["metadata"]["resourceVersion"]) {
      return std::unexpected(ApiError{.status = 409, .reason = "Conflict"});
    }
    wanted["metadata"]["resourceVersion"] = std::to_string(++version_);
    lease_ = wanted;
    ++writes_;
    return parse_lease(lease_->dump());
  }
  json& lease() { return *lease_; }
  [[nodiscard]] int writes() const { return writes_; }

 private:
  static ApiResult<LeaseRecord> not_found() {
    return std::unexpected(ApiError{.status = 404, .reason = "NotFound"});
  }
  std::optional<json> lease_;
  int version_ = 0;
  int writes_ = 0;
};

Election::Now at(std::int64_t boot_us) { return {.boot_us = boot_us, .unix_us = epoch + boot_us}; }

void play_round(Election& election, Leases& leases, std::int64_t boot_us) {
  Election::Ask ask = election.begin_round(at(boot_us));
  while (!std::holds_alternative<Election::Rest>(ask)) {
    const bool reads = std::holds_alternative<Election::Read>(ask);
    const auto answer = leases.answer(ask);
    ask = reads ? election.read_answered(at(boot_us), answer)
                : election.write_answered(at(boot_us), answer);
  }
}

TEST(Election, CreatesTheLeaseAndRenewsItWithoutReading) {
  Leases leases;
  Election a(options_of("a"));
  play_round(a, leases, 0);
  EXPECT_TRUE(a.leading());
  EXPECT_EQ(a.fence_until_us(), 10 * second);
  EXPECT_EQ(leases.lease()["spec"], (json{{"holderIdentity", "a"},
                                          {"leaseDurationSeconds", 15},
                                          {"acquireTime", "2027-01-15T08:00:00.000000Z"},
                                          {"renewTime", "2027-01-15T08:00:00.000000Z"},
                                          {"leaseTransitions", 0}}));
  leases.lease()["metadata"]["labels"] = {{"team", "x"}};
  EXPECT_TRUE(std::holds_alternative<Election::Update>(a.begin_round(at(2 * second))));
  play_round(a, leases, 2 * second);
  EXPECT_EQ(a.fence_until_us(), 12 * second);
  EXPECT_EQ(leases.lease()["spec"]["acquireTime"], "2027-01-15T08:00:00.000000Z");
  EXPECT_EQ(leases.lease()["spec"]["renewTime"], "2027-01-15T08:00:02.000000Z");
}

TEST(Election, KeepsWhatOthersPutIntoTheLease) {
  Leases leases;
  Election a(options_of("a"));
  play_round(a, leases, 0);
  Election b(options_of("b"));
  leases.lease()["metadata"]["labels"] = {{"team", "x"}};
  leases.lease()["spec"]["strategy"] = "OldestEmulationVersion";
  play_round(b, leases, second);
  play_round(b, leases, 17 * second);
  EXPECT_TRUE(b.leading());
  EXPECT_EQ(leases.lease()["metadata"]["labels"]["team"], "x");
  EXPECT_EQ(leases.lease()["spec"]["strategy"], "OldestEmulationVersion");
}

TEST(Election, WaitsForAnUnchangedLeaseByItsOwnClock) {
  Leases leases;
  Election a(options_of("a"));
  play_round(a, leases, 0);
  Election b(options_of("b"));
  // The record's own times are of another clock, hours away: they do not count.
  leases.lease()["spec"]["renewTime"] = "2020-01-01T00:00:00.000000Z";
  play_round(b, leases, 5 * second);
  EXPECT_FALSE(b.leading());
  EXPECT_EQ(b.holder(), "a");
  play_round(b, leases, 19 * second);
  EXPECT_FALSE(b.leading());
  play_round(b, leases, 20 * second);
  EXPECT_TRUE(b.leading());
  EXPECT_EQ(leases.lease()["spec"]["leaseTransitions"], 1);
  play_round(a, leases, 20 * second);
  EXPECT_FALSE(a.leading());
  EXPECT_EQ(a.holder(), "b");
}

TEST(Election, StopsLeadingBeforeAnyoneElseMayBegin) {
  Leases leases;
  Election a(options_of("a"));
  play_round(a, leases, 0);
  const ApiResult<LeaseRecord> nothing = std::unexpected(ApiError{.kind = ApiError::Kind::refused});
  EXPECT_TRUE(std::holds_alternative<Election::Update>(a.begin_round(at(9 * second))));
  EXPECT_TRUE(std::holds_alternative<Election::Read>(a.write_answered(at(9 * second), nothing)));
  EXPECT_TRUE(std::holds_alternative<Election::Rest>(a.read_answered(at(9 * second), nothing)));
  EXPECT_TRUE(a.leading());
  a.check_deadline(at(10 * second));
  EXPECT_FALSE(a.leading());
  EXPECT_EQ(a.fence_until_us(), 0);
}

TEST(Election, TakesNoLateAnswerForALease) {
  Leases leases;
  Election a(options_of("a"));
  Election::Ask ask = a.read_answered(at(0), leases.answer(a.begin_round(at(0))));
  const auto answer = leases.answer(ask);
  a.write_answered(at(11 * second), answer);
  EXPECT_FALSE(a.leading()) << "the process was stopped between question and answer";
}

TEST(Election, OneOfTwoWinsAFreeLease) {
  Leases leases;
  Election a(options_of("a"));
  Election b(options_of("b"));
  const Election::Ask ask_a = a.read_answered(at(0), leases.answer(a.begin_round(at(0))));
  const Election::Ask ask_b = b.read_answered(at(0), leases.answer(b.begin_round(at(0))));
  a.write_answered(at(0), leases.answer(ask_a));
  b.write_answered(at(0), leases.answer(ask_b));
  EXPECT_TRUE(a.leading());
  EXPECT_FALSE(b.leading());
}

TEST(Election, ReleasesTheLeaseSoThatAnotherNeedNotWait) {
  Leases leases;
  Election a(options_of("a"));
  play_round(a, leases, 0);
  const Election::Ask ask = a.release(at(second));
  ASSERT_TRUE(std::holds_alternative<Election::Update>(ask));
  EXPECT_TRUE(leases.answer(ask).has_value());
  EXPECT_FALSE(a.leading());
  Election b(options_of("b"));
  play_round(b, leases, 2 * second);
  EXPECT_TRUE(b.leading());
  EXPECT_TRUE(std::holds_alternative<Election::Rest>(a.release(at(2 * second))));
}

TEST(Election, ALeaderThatWasStoppedDoesNotWriteOverItsSuccessor) {
  Leases leases;
  Election a(options_of("a"));
  Election b(options_of("b"));
  play_round(a, leases, 0);
  play_round(b, leases, second);
  play_round(b, leases, 16 * second);
  ASSERT_TRUE(b.leading());
  play_round(a, leases, 60 * second);  // 44 s after b's last renewal: b is gone by a's clock
  EXPECT_FALSE(a.leading()) << "a saw b's term only now, and must watch it for its duration";
}

// Three candidates, lost requests and answers, stops: never two that may write at one instant.
TEST(Election, NeverHasTwoLeaders) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Random random(seed);
    Leases leases;
    std::vector<Election> all;
    std::vector<std::int64_t> next(3, 0);
    for (const char* identity : {"a", "b", "c"}) {
      all.emplace_back(options_of(identity));
    }
    int led = 0;
    for (std::int64_t now = 0; now < 300 * second; now += second / 4) {
      int leaders = 0;
      for (std::size_t i = 0; i < all.size(); ++i) {
        if (now >= next[i]) {
          Election::Ask ask = all[i].begin_round(at(now));
          while (!std::holds_alternative<Election::Rest>(ask)) {
            const bool reads = std::holds_alternative<Election::Read>(ask);
            ApiResult<LeaseRecord> answer =
                std::unexpected(ApiError{.kind = ApiError::Kind::broken});
            const std::uint64_t fate = random.below(10);
            if (fate > 1) {
              answer = leases.answer(ask);
            }
            if (fate == 2) {
              answer = std::unexpected(ApiError{.kind = ApiError::Kind::broken});
            }
            ask = reads ? all[i].read_answered(at(now), answer)
                        : all[i].write_answered(at(now), answer);
          }
          const bool stopped = random.below(40) == 0;
          next[i] = now + (stopped ? 30 * second : 2 * second);
        }
        leaders += now < all[i].fence_until_us() ? 1 : 0;
      }
      ASSERT_LE(leaders, 1) << "seed " << seed << ", after " << now / second << " s";
      led += leaders;
    }
    EXPECT_GT(led, 600) << "seed " << seed << ": led less than half of the time";
  }
}

TEST(Election, RefusesTimesThatCannotWork) {
  ElectionOptions options = options_of("a");
  EXPECT_TRUE(check_election(options).has_value());
  options.renew_deadline = options.lease_duration;
  EXPECT_THAT(check_election(options).error().message, HasSubstr("found a lease of 15 s"));
  EXPECT_FALSE(check_election(options_of("")).has_value());
}

TEST(Election, RefusesWhatIsNoLease) {
  for (const char* text : {"", "[]", "{}", R"({"metadata":{}})", R"({"metadata":[],"spec":1})",
                           R"({"metadata":{"resourceVersion":"1"},"spec":[]})"}) {
    EXPECT_FALSE(parse_lease(text).has_value()) << text;
  }
  const auto empty = parse_lease(R"({"metadata":{"resourceVersion":"1"}})");
  ASSERT_TRUE(empty.has_value());
  EXPECT_EQ(empty->holder, "");
}

}  // namespace
}  // namespace plimsoll::kube
