#include "engines/placement/candidate_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/random.h"

namespace plimsoll::placement {
namespace {

TEST(CandidateIndex, BestIsTheGreatestKeyWhateverChanged) {
  Random random(5);
  CandidateIndex index(200);
  std::vector<std::int64_t> keys(200, CandidateIndex::infeasible);
  EXPECT_EQ(index.best(), no_position);
  for (int step = 0; step < 5000; ++step) {
    if (step == 2500) {
      index.resize(300);
      keys.resize(300, CandidateIndex::infeasible);
    }
    const std::size_t p = random.below(keys.size());
    keys[p] = random.below(3) == 0
                  ? CandidateIndex::infeasible
                  : CandidateIndex::key(static_cast<std::int64_t>(random.below(20)) - 10,
                                        static_cast<std::uint32_t>(p));
    index.set(p, keys[p]);
    const auto best = std::ranges::max_element(keys);
    if (*best == CandidateIndex::infeasible) {
      ASSERT_EQ(index.best(), no_position);
      continue;
    }
    ASSERT_EQ(index.best(), static_cast<std::uint32_t>(best - keys.begin()));
    // Among positions of one residue only, with whole blocks ruled out.
    const std::size_t residue = random.below(3);
    const std::size_t out = random.below(5);
    std::int64_t greatest = CandidateIndex::infeasible;
    for (std::size_t q = residue; q < keys.size(); q += 3) {
      if (q / CandidateIndex::block != out) greatest = std::max(greatest, keys[q]);
    }
    const std::uint32_t found = index.best_where([&](std::size_t q) { return q % 3 == residue; },
                                                 [&](std::size_t block) { return block == out; });
    ASSERT_EQ(found == no_position ? CandidateIndex::infeasible : index.key_at(found), greatest);
  }
}

TEST(CandidateIndex, AHigherScoreBeatsAnyRankAndALowerRankWinsTies) {
  EXPECT_GT(CandidateIndex::key(1, (1U << 24) - 1), CandidateIndex::key(0, 0));
  EXPECT_GT(CandidateIndex::key(-5, 3), CandidateIndex::key(-5, 4));
  EXPECT_GT(CandidateIndex::key(-5, 3), CandidateIndex::key(-6, 0));
}

TEST(CandidateIndex, AKeyGivesItsScoreBack) {
  for (const std::int64_t score :
       {std::int64_t{0}, std::int64_t{-1}, std::int64_t{77}, score_limit - 1, 1 - score_limit}) {
    EXPECT_EQ(CandidateIndex::score_of(CandidateIndex::key(score, 0)), score);
    EXPECT_EQ(CandidateIndex::score_of(CandidateIndex::key(score, (1U << 24) - 1)), score);
  }
}

TEST(TieRank, IsAPermutationThatTheSeedChooses) {
  std::set<std::uint32_t> ranks;
  int moved = 0;
  for (std::uint32_t node = 0; node < 20'000; ++node) {
    const std::uint32_t rank = tie_rank(7, node);
    EXPECT_LT(rank, 1U << 24);
    ranks.insert(rank);
    moved += rank != tie_rank(8, node) ? 1 : 0;
  }
  EXPECT_EQ(ranks.size(), 20'000U);
  EXPECT_GT(moved, 19'000);
}

TEST(ExpNegative, IsTheExponential) {
  for (double x = 0; x < 45; x += 0.0137) {
    EXPECT_NEAR(exp_negative(x), std::exp(-x), 1e-10) << x;
  }
  EXPECT_EQ(exp_negative(1e9), 0);
}

}  // namespace
}  // namespace plimsoll::placement
