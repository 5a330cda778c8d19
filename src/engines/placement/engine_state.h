// The engine's working state. Included by the engine's own sources only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/random.h"
#include "engines/placement/candidate_index.h"
#include "engines/placement/engine.h"
#include "engines/placement/fragmentation.h"
#include "engines/placement/node_state.h"
#include "engines/placement/node_uses.h"
#include "engines/placement/pair_constraints.h"
#include "engines/placement/policy.h"

namespace plimsoll::placement {

struct PodEntry {
  SpecId spec;
  bool present = false;
  bool bound = false;  // takes room, assumed or confirmed
  bool confirmed = false;
  bool terminating = false;
  model::Binding binding;
};

struct SpecEntry {
  bool present = false;
  model::PodSpec spec;
  Shape shape;
  NodeUses::Wants uses;
  bool uses_any = false;
  bool tolerates_cordon = false;
  // Whether selectors, volumes, taints, the GPU model and its memory let the spec onto a node, by
  // node.
  std::vector<std::uint8_t> admitted;
  // By node, and empty where no node has any: weights of the preferred node terms that hold there,
  // and PreferNoSchedule taints that the spec does not tolerate.
  std::vector<std::int32_t> preferred;
  std::vector<std::uint8_t> disliked;
  std::int32_t disliked_nodes = 0;
  std::unique_ptr<CandidateIndex> index;
};

struct Undo {
  bool assumed = false;  // else forgotten
  PodId pod;
  PodEntry entry;  // as it was while it held its room
};

struct Engine::State {
  Config config;
  Random random{1};
  NodeTable table;
  std::unique_ptr<LocalPolicy> local;
  std::optional<FragmentationModel> fragmentation;  // where there are typical pods
  std::vector<model::Node> nodes;                   // as last told; id none() where absent
  std::vector<SpecEntry> specs;
  std::vector<PodEntry> pods;
  std::int32_t strays = 0;  // pods that hold room on nodes that are unknown, or gone

  NodeUses uses;
  PairConstraints pairs;
  // By topology key, then block of positions: the domain that all its nodes share, or unknown.
  std::vector<std::vector<std::int32_t>> block_domains;
  bool block_domains_stale = true;

  std::vector<std::uint32_t> position_of;  // by node; no_position where absent
  std::vector<std::uint32_t> node_at;      // by position
  std::vector<std::uint32_t> rank;         // by node: who wins ties
  std::int32_t present_count = 0;

  // Nodes whose row changed, oldest first; entry i has number log_base + i.
  std::vector<std::uint32_t> log;
  std::uint64_t log_base = 0;
  std::vector<std::uint32_t> stamp;  // by node: last catch-up that saw it
  std::uint32_t stamp_now = 0;
  std::uint64_t clock = 0;
  std::size_t index_bytes = 0;

  // Of kube-scheduler's policies: the order in which nodes are looked at, and where to go on.
  std::vector<std::uint32_t> kube_order;
  std::size_t kube_start = 0;
  bool kube_order_stale = true;

  std::vector<Undo> undo;
  std::vector<std::size_t> marks;

  explicit State(Config c) : config(std::move(c)), random(config.seed) {}

  Result<void> load(const model::Snapshot& snapshot);
  Result<void> upsert(const model::Node& node);
  void remove(NodeId node);
  void add_spec(SpecId id, const model::PodSpec& spec);
  PodEntry& pod(PodId id);
  // The pod comes to hold what its entry says, or holds it no more. O(spec).
  void take(const PodEntry& entry);
  void give(const PodEntry& entry);
  void count(const PodEntry& entry, int by);
  [[nodiscard]] std::vector<std::uint32_t> pods_on(NodeId node) const;  // O(pods)
  void touch(std::size_t node);

  [[nodiscard]] bool known(std::size_t node) const {
    return node < table.size() && table.facts(node).present;
  }
  [[nodiscard]] bool admits(const SpecEntry& spec, std::size_t node) const;
  // Fills in what the spec keeps by node.
  void judge(SpecEntry& spec, std::size_t node);
  // Whether the node itself lets one more pod of `spec` in: all but what lies with other nodes.
  [[nodiscard]] bool fits(const SpecEntry& spec, std::size_t node) const {
    return spec.admitted[node] != 0 && table.fits(node, spec.shape) &&
           (!spec.uses_any || uses.fits(node, spec.uses));
  }
  // Whether another pod anywhere keeps every node from `spec`.
  [[nodiscard]] bool barred(const SpecEntry& spec) const {
    return spec.uses_any && !uses.claims_free(spec.uses);
  }
  void each_refusal(
      SpecId spec,
      const std::function<void(NodeId, model::RefusalCode, const std::string&)>& take_one) const;
  [[nodiscard]] std::vector<PairConstraints::Placed> placed() const;
  void refresh_block_domains();
  std::optional<Choice> find(SpecId id, const std::vector<bool>* allowed);
  std::uint32_t best_position(SpecId id, const std::vector<bool>* allowed);
  // Of a spec that prefers some nodes to others (engine_prefer.cc).
  struct Ranked {
    std::int64_t total = 0;
    std::int64_t key = 0;  // of the candidate index: the policy's score, and who wins ties
    std::uint32_t node = 0;
    friend auto operator<=>(const Ranked&, const Ranked&) = default;
  };
  [[nodiscard]] bool prefers(SpecId id) const;
  std::vector<Ranked> ranked(SpecId id, const std::vector<bool>* allowed);
  // The weighted sum of all preferences, for each of the nodes. O(nodes x terms).
  [[nodiscard]] std::vector<std::int64_t> liking(SpecId id,
                                                 std::span<const std::size_t> among) const;
  CandidateIndex& caught_up(SpecEntry& spec);
  void rescore(SpecEntry& spec, std::size_t node);
  void rebuild(SpecEntry& spec);
  void make_room();
  [[nodiscard]] std::optional<Choice> choose(const SpecEntry& spec, std::size_t node) const;
  // The policies that look at all nodes each time.
  std::optional<Choice> scan(SpecId id, const std::vector<bool>* allowed);
  std::optional<std::size_t> scan_random(SpecId id, const std::vector<bool>* allowed);
  std::optional<std::size_t> scan_kube(SpecId id, const std::vector<bool>* allowed);
  void order_for_kube();
};

}  // namespace plimsoll::placement
