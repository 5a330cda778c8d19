// What a placement policy is: a preference among the nodes and GPUs on which a pod fits.
//
// Most policies are local: the score of a node depends on that node and the pod alone, so that the
// engine can keep candidates indexed and rescore only what changed. The rest look at all nodes
// each time. Policies are immutable once made; a registry in policies.cc lists them all.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engines/placement/engine.h"
#include "engines/placement/node_state.h"

namespace plimsoll::placement {

// A score with the first GPU it is for; a higher score is better.
struct Scored {
  std::int64_t score = 0;
  // For a shared GPU: its index. Whole GPUs: always the lowest free indices; then this is -1.
  std::int32_t gpu = -1;
};

// Scores beyond this count as this, so that a score and a rank share one 64-bit key.
inline constexpr std::int64_t score_limit = std::int64_t{1} << 38;

class LocalPolicy {
 public:
  virtual ~LocalPolicy() = default;

  // How good `node` is for one more pod of `shape`. Requires: it fits.
  [[nodiscard]] virtual Scored score(const NodeTable& nodes, std::size_t node,
                                     const Shape& shape) const = 0;
  // Equal scores go to the lowest node id, else by one seeded permutation of the nodes.
  [[nodiscard]] virtual bool ties_by_id() const { return false; }
  // What a score changes by when a whole GPU is wasted: the weight of MIG places taken.
  [[nodiscard]] virtual std::int64_t whole_gpu_score() const { return 100; }
};

// Makes the policy that `config` names, or null for those that are not local ("vanilla",
// "most_allocated", "random"). May intern names in `nodes`.
Result<std::unique_ptr<LocalPolicy>> make_local_policy(const Config& config, NodeTable& nodes);

// The fullest GPU that still has room for a share: what most policies do within a node.
std::int32_t best_fit_gpu(const NodeRow& row, std::int32_t milli);

// Who wins between nodes of equal score: a permutation of 24-bit node ids, keyed by the seed, so
// that it depends on no history. Lower wins.
std::uint32_t tie_rank(std::uint64_t seed, std::uint32_t node);

// exp(-x) for x >= 0 from additions and multiplications only: the same bits on every machine.
double exp_negative(double x);

}  // namespace plimsoll::placement
