#include "kube/client/timestamp.h"

#include <gtest/gtest.h>

namespace plimsoll::kube {
namespace {

TEST(Timestamp, ReadsAndWrites) {
  constexpr std::int64_t us = 1'769'853'600'123'456;
  EXPECT_EQ(format_micro_time(us), "2026-01-31T10:00:00.123456Z");
  EXPECT_EQ(format_time(us), "2026-01-31T10:00:00Z");
  EXPECT_EQ(parse_timestamp("2026-01-31T10:00:00.123456Z"), us);
  EXPECT_EQ(parse_timestamp("2026-01-31T10:00:00.123456789Z"), us);
  EXPECT_EQ(parse_timestamp("2026-01-31T12:00:00.123456+02:00"), us);
  EXPECT_EQ(parse_timestamp("2026-01-31T10:00:00Z"), us - 123'456);
  EXPECT_EQ(parse_timestamp("1969-12-31T23:59:59.5Z"), -500'000);
}

TEST(Timestamp, RefusesWhatIsNone) {
  for (const char* text :
       {"", "2026-01-31", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-01-31T24:00:00Z",
        "2026-01-31T10:00:00", "2026-01-31T10:00:00.Z", "2026-01-31T10:00:00Zx",
        "2026-01-31 10:00:00Z", "2026-01-31T10:00:00+0200"}) {
    EXPECT_EQ(parse_timestamp(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace plimsoll::kube
