#include "engines/placement/candidate_index.h"

#include <algorithm>

namespace plimsoll::placement {

void CandidateIndex::resize(std::size_t positions) {
  keys_.resize(positions, infeasible);
  maxima_.resize((positions + block - 1) / block, infeasible);
}

void CandidateIndex::set(std::size_t position, std::int64_t key) {
  const std::size_t b = position / block;
  const std::int64_t old = keys_[position];
  keys_[position] = key;
  if (key >= maxima_[b]) {
    maxima_[b] = key;
  } else if (old == maxima_[b]) {
    const std::size_t end = std::min(keys_.size(), (b + 1) * block);
    maxima_[b] = *std::max_element(keys_.begin() + static_cast<std::ptrdiff_t>(b * block),
                                   keys_.begin() + static_cast<std::ptrdiff_t>(end));
  }
}

std::uint32_t CandidateIndex::best() const {
  std::size_t best_block = 0;
  std::int64_t best_key = infeasible;
  for (std::size_t b = 0; b < maxima_.size(); ++b) {
    if (maxima_[b] > best_key) {
      best_key = maxima_[b];
      best_block = b;
    }
  }
  if (best_key == infeasible) {
    return no_position;
  }
  std::size_t p = best_block * block;
  while (keys_[p] != best_key) {
    ++p;
  }
  return static_cast<std::uint32_t>(p);
}

}  // namespace plimsoll::placement
