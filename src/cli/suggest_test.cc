#include "cli/suggest.h"

#include <gtest/gtest.h>

namespace plimsoll::cli {
namespace {

TEST(Suggest, EditDistance) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
  EXPECT_EQ(edit_distance("seed", "seeds"), 1U);
  EXPECT_EQ(edit_distance("sedes", "seeds"), 1U);  // a transposition is one slip
}

TEST(Suggest, NearestOnlyForSlips) {
  const std::vector<std::string> known = {"--seeds", "--policy", "--data"};
  EXPECT_EQ(nearest("--seed", known), "--seeds");
  EXPECT_EQ(nearest("--polcy", known), "--policy");
  EXPECT_EQ(nearest("--weather", known), "");
  EXPECT_EQ(nearest("", known), "");
  EXPECT_EQ(nearest("ab", {"xy", "b"}), "");
  EXPECT_EQ(nearest(std::string(100'000, 'a'), known), "");
}

}  // namespace
}  // namespace plimsoll::cli
