// What a pod merely prefers, weighed as kube-scheduler's default profile weighs it.
//
// From kubernetes/pkg/scheduler/framework/plugins: the raw scores and their normalisation of
// tainttoleration, nodeaffinity, podtopologyspread and interpodaffinity (of which only the terms of
// the pod itself count: what placed pods prefer of newcomers does not). docs/decisions/0013 says
// why a policy's own score is a part like these.
#include <algorithm>

#include "engines/placement/engine_state.h"

namespace plimsoll::placement {
namespace {

constexpr std::int64_t score_max = 100;

using Scores = std::vector<std::int64_t>;

// 0 to 100 by the least and the greatest; all are worth `alike` where they do not differ.
void spread_out(Scores& scores, std::int64_t alike) {
  const auto [least, most] = std::ranges::minmax(scores);
  for (std::int64_t& score : scores) {
    score = most == least ? alike : (score - least) * score_max / (most - least);
  }
}

// 0 to 100 by the greatest; `reverse`: the least is best.
void by_greatest(Scores& scores, bool reverse) {
  const std::int64_t most = std::ranges::max(scores);
  for (std::int64_t& score : scores) {
    score = most == 0 ? 0 : score * score_max / most;
    score = reverse ? score_max - score : score;
  }
}

// 0 to 100, the least best, measured by the greatest; 0 for nodes outside the spread.
void by_spread(Scores& scores) {
  std::int64_t least = INT64_MAX;
  std::int64_t most = 0;
  for (const std::int64_t score : scores) {
    if (score != PairConstraints::no_spread) {
      least = std::min(least, score);
      most = std::max(most, score);
    }
  }
  for (std::int64_t& score : scores) {
    if (score == PairConstraints::no_spread) {
      score = 0;
    } else {
      score = most == 0 ? score_max : score_max * (most + least - score) / most;
    }
  }
}

void add(Scores& total, const Scores& scores, std::int64_t weight) {
  for (std::size_t i = 0; i < total.size(); ++i) {
    total[i] += weight * scores[i];
  }
}

std::uint8_t disliked_taints(const model::PodSpec& spec, const model::Node& node) {
  const auto count = std::ranges::count_if(node.taints, [&](const model::Taint& taint) {
    return taint.effect == model::TaintEffect::prefer_no_schedule &&
           std::ranges::none_of(spec.tolerations,
                                [&](const auto& t) { return model::tolerates(t, taint); });
  });
  return static_cast<std::uint8_t>(std::min<std::ptrdiff_t>(count, UINT8_MAX));
}

}  // namespace

void Engine::State::judge(SpecEntry& spec, std::size_t node) {
  const model::Node& facts = nodes[node];
  spec.admitted.resize(nodes.size(), 0);
  spec.admitted[node] = admits(spec, node) ? 1 : 0;
  if (!spec.spec.node_affinity_preferred.empty()) {
    std::int32_t sum = 0;
    for (const model::WeightedNodeTerm& term : spec.spec.node_affinity_preferred) {
      sum += facts.id.valid() && model::holds(term.term, facts) ? term.weight : 0;
    }
    spec.preferred.resize(nodes.size(), 0);
    spec.preferred[node] = sum;
  }
  const std::uint8_t taints = facts.id.valid() ? disliked_taints(spec.spec, facts) : 0;
  if (taints > 0 || !spec.disliked.empty()) {
    spec.disliked.resize(nodes.size(), 0);
    spec.disliked_nodes += (taints > 0 ? 1 : 0) - (spec.disliked[node] > 0 ? 1 : 0);
    spec.disliked[node] = taints;
  }
}

bool Engine::State::prefers(SpecId id) const {
  const SpecEntry& spec = specs[id.index()];
  return !spec.spec.node_affinity_preferred.empty() || spec.disliked_nodes > 0 ||
         pairs.prefers_pods(id) || pairs.spreads_softly(id);
}

Scores Engine::State::liking(SpecId id, std::span<const std::size_t> among) const {
  const SpecEntry& spec = specs[id.index()];
  Scores total(among.size(), 0);
  if (among.empty()) {
    return total;
  }
  Scores scores(among.size(), 0);
  const auto of_nodes = [&](const auto& by_node) {
    for (std::size_t i = 0; i < among.size(); ++i) {
      scores[i] = among[i] < by_node.size() ? by_node[among[i]] : 0;
    }
  };
  if (spec.disliked_nodes > 0) {
    of_nodes(spec.disliked);
    by_greatest(scores, true);
    add(total, scores, config.weights.taints);
  }
  if (!spec.spec.node_affinity_preferred.empty()) {
    of_nodes(spec.preferred);
    by_greatest(scores, false);
    add(total, scores, config.weights.node_affinity);
  }
  if (pairs.spreads_softly(id)) {
    scores = pairs.soft_spread(id, among);
    by_spread(scores);
    add(total, scores, config.weights.spread);
  }
  if (pairs.prefers_pods(id)) {
    scores = pairs.preferred(id, among);
    spread_out(scores, 0);
    add(total, scores, config.weights.pod_affinity);
  }
  return total;
}

std::vector<Engine::State::Ranked> Engine::State::ranked(SpecId id,
                                                         const std::vector<bool>* allowed) {
  std::vector<Ranked> candidates;
  std::vector<std::size_t> among;
  Scores packing;
  const PairConstraints::Check check = pairs.check(id);
  caught_up(specs[id.index()]).each_feasible([&](std::size_t position, std::int64_t key) {
    const std::uint32_t node = node_at[position];
    if ((allowed == nullptr || (*allowed)[node]) && check.allows(node)) {
      candidates.push_back({0, key, node});
      among.push_back(node);
      packing.push_back(CandidateIndex::score_of(key));
    }
  });
  if (candidates.empty()) {
    return candidates;
  }
  Scores total = liking(id, among);
  spread_out(packing, score_max);
  add(total, packing, config.weights.policy);
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    candidates[i].total = total[i];
  }
  return candidates;
}

}  // namespace plimsoll::placement
