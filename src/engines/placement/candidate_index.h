// The nodes on which pods of one shape fit, best first, rescored only where something changed.
//
// Keys of all nodes lie in blocks with their maxima; a key packs the score and the tie rank, so
// that the greatest key names the winner. A cache over the engine's state: dropping one changes no
// answer. Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <vector>

#include "engines/placement/policy.h"

namespace plimsoll::placement {

// Positions of nodes: in topological order, so that a domain's nodes lie together.
inline constexpr std::uint32_t no_position = 0xffffffffU;

class CandidateIndex {
 public:
  static constexpr std::int64_t infeasible = std::numeric_limits<std::int64_t>::min();
  static constexpr int rank_bits = 24;
  static constexpr std::size_t block = 64;

  // The key of a node that scored `score`; a lower rank wins ties.
  static std::int64_t key(std::int64_t score, std::uint32_t rank) {
    return score * (std::int64_t{1} << rank_bits) + ((1 << rank_bits) - 1 - rank);
  }

  static std::int64_t score_of(std::int64_t key) { return key >> rank_bits; }

  explicit CandidateIndex(std::size_t positions) { resize(positions); }

  // New positions are infeasible. O(added).
  void resize(std::size_t positions);

  // Sets the key at `position`. O(1), and O(block) where a block's best got worse.
  void set(std::size_t position, std::int64_t key);

  // The position of the greatest key, or no_position. O(positions / block).
  [[nodiscard]] std::uint32_t best() const;

  // The same among positions that `allowed` accepts. `skip` may rule out a whole block.
  template <typename Allowed, typename Skip>
  [[nodiscard]] std::uint32_t best_where(Allowed&& allowed, Skip&& skip) const {
    std::int64_t best_key = infeasible;
    std::uint32_t best_position = no_position;
    for (std::size_t b = 0; b < maxima_.size(); ++b) {
      if (maxima_[b] <= best_key || skip(b)) {
        continue;
      }
      const std::size_t end = std::min(keys_.size(), (b + 1) * block);
      for (std::size_t p = b * block; p < end; ++p) {
        if (keys_[p] > best_key && allowed(p)) {
          best_key = keys_[p];
          best_position = static_cast<std::uint32_t>(p);
        }
      }
    }
    return best_position;
  }

  // Calls `visit(position, key)` for each position that is feasible.
  template <typename Visit>
  void each_feasible(Visit&& visit) const {
    for (std::size_t b = 0; b < maxima_.size(); ++b) {
      const std::size_t end = std::min(keys_.size(), (b + 1) * block);
      for (std::size_t p = b * block; maxima_[b] != infeasible && p < end; ++p) {
        if (keys_[p] != infeasible) {
          visit(p, keys_[p]);
        }
      }
    }
  }

  [[nodiscard]] std::int64_t key_at(std::size_t position) const { return keys_[position]; }
  [[nodiscard]] std::size_t bytes() const {
    return (keys_.capacity() + maxima_.capacity()) * sizeof(std::int64_t);
  }

  // Entries of the engine's change log that this index has seen; kept by the engine.
  std::uint64_t seen = 0;
  // When it was last asked, for dropping the stalest first; kept by the engine.
  std::uint64_t asked = 0;

 private:
  std::vector<std::int64_t> keys_;
  std::vector<std::int64_t> maxima_;
};

}  // namespace plimsoll::placement
