// How the engine finds places: the indexes of candidates and the walk over them.
#include <algorithm>

#include "engines/placement/engine_state.h"

namespace plimsoll::placement {

void Engine::State::rescore(SpecEntry& spec, std::size_t node) {
  const std::uint32_t position = position_of[node];
  if (position == no_position) {
    return;
  }
  std::int64_t key = CandidateIndex::infeasible;
  if (fits(spec, node)) {
    std::int64_t score = local->score(table, node, spec.shape).score;
    if (spec.shape.mig_count > 0) {
      score -= table.choose_mig(node, spec.shape)->cost_milli * local->whole_gpu_score() / whole;
    }
    key = CandidateIndex::key(std::clamp(score, 1 - score_limit, score_limit - 1), rank[node]);
  }
  spec.index->set(position, key);
}

void Engine::State::rebuild(SpecEntry& spec) {
  for (std::size_t node = 0; node < nodes.size(); ++node) {
    rescore(spec, node);
  }
}

CandidateIndex& Engine::State::caught_up(SpecEntry& spec) {
  const std::uint64_t now = log_base + log.size();
  if (!spec.index) {
    make_room();
    spec.index = std::make_unique<CandidateIndex>(node_at.size());
    index_bytes += spec.index->bytes();
    rebuild(spec);
  } else if (spec.index->seen < log_base || now - spec.index->seen > 2 * nodes.size()) {
    rebuild(spec);
  } else {
    ++stamp_now;
    for (std::uint64_t i = spec.index->seen - log_base; i < log.size(); ++i) {
      const std::uint32_t node = log[i];
      if (stamp[node] != stamp_now) {
        stamp[node] = stamp_now;
        rescore(spec, node);
      }
    }
  }
  spec.index->seen = now;
  spec.index->asked = ++clock;
  return *spec.index;
}

void Engine::State::make_room() {
  while (index_bytes > config.index_bytes_max) {
    SpecEntry* stalest = nullptr;
    for (SpecEntry& spec : specs) {
      if (spec.index && (stalest == nullptr || spec.index->asked < stalest->index->asked)) {
        stalest = &spec;
      }
    }
    if (stalest == nullptr) {
      return;
    }
    index_bytes -= std::min(index_bytes, stalest->index->bytes());
    stalest->index.reset();
  }
}

std::optional<Choice> Engine::State::choose(const SpecEntry& spec, std::size_t node) const {
  const NodeRow& row = table.row(node);
  Choice choice;
  choice.binding.node = NodeId(static_cast<std::uint32_t>(node));
  Scored scored;
  if (local) {
    scored = local->score(table, node, spec.shape);
  } else if (spec.shape.shares()) {
    scored.gpu = best_fit_gpu(row, spec.shape.milli);
  }
  choice.score = scored.score;
  if (spec.shape.mig_count > 0) {
    choice.binding.gpus = table.choose_mig(node, spec.shape)->shares;
  } else if (spec.shape.shares()) {
    choice.binding.gpus.push_back({scored.gpu, GpuMilli(spec.shape.milli), -1});
  } else {
    std::int32_t left = spec.shape.gpus;
    for (std::int32_t g = 0; g < row.gpus && left > 0; ++g) {
      if (row.gpu_free[static_cast<std::size_t>(g)] == whole) {
        choice.binding.gpus.push_back({g, whole_gpu, -1});
        --left;
      }
    }
  }
  return choice;
}

std::optional<std::size_t> Engine::State::scan_random(SpecId id, const std::vector<bool>* allowed) {
  const SpecEntry& spec = specs[id.index()];
  const PairConstraints::Check check = pairs.check(id);
  std::uint64_t seen = 0;
  std::optional<std::size_t> picked;
  for (std::size_t node = 0; node < nodes.size(); ++node) {
    if ((allowed == nullptr || (*allowed)[node]) && fits(spec, node) && check.allows(node) &&
        random.below(++seen) == 0) {
      picked = node;
    }
  }
  return picked;
}

std::optional<Choice> Engine::State::scan(SpecId id, const std::vector<bool>* allowed) {
  const SpecEntry& spec = specs[id.index()];
  if (barred(spec)) {
    return std::nullopt;
  }
  const bool at_random = config.policy == "random";
  const std::optional<std::size_t> node =
      at_random ? scan_random(id, allowed) : scan_kube(id, allowed);
  if (!node) {
    return std::nullopt;
  }
  std::optional<Choice> choice = choose(spec, *node);
  if (spec.shape.shares()) {
    const NodeRow& row = table.row(*node);
    std::uint64_t seen = 0;
    for (std::int32_t g = 0; g < row.gpus; ++g) {
      if (!shareable(row, g, spec.shape.milli)) {
        continue;
      }
      ++seen;
      if (at_random ? random.below(seen) == 0 : seen == 1) {  // any of them, or the first
        choice->binding.gpus.front().index = g;
      }
    }
  }
  return choice;
}

void Engine::State::refresh_block_domains() {
  if (!block_domains_stale) {
    return;
  }
  block_domains_stale = false;
  const std::size_t blocks = (node_at.size() + CandidateIndex::block - 1) / CandidateIndex::block;
  block_domains.assign(static_cast<std::size_t>(pairs.keys().count()), {});
  for (std::int32_t key = 0; key < pairs.keys().count(); ++key) {
    auto& domains = block_domains[static_cast<std::size_t>(key)];
    domains.assign(blocks, PairConstraints::unknown_domain);
    for (std::size_t p = 0; p < node_at.size(); ++p) {
      const std::int32_t domain = pairs.keys().domain(key, node_at[p]);
      std::int32_t& shared = domains[p / CandidateIndex::block];
      if (p % CandidateIndex::block == 0) {
        shared = domain;
      } else if (shared != domain) {
        shared = PairConstraints::unknown_domain;
      }
    }
  }
}

std::uint32_t Engine::State::best_position(SpecId id, const std::vector<bool>* allowed) {
  const CandidateIndex& index = caught_up(specs[id.index()]);
  const auto permitted = [&](std::size_t p) {
    return allowed == nullptr || (*allowed)[node_at[p]];
  };
  if (!pairs.constrains(id)) {
    return allowed == nullptr ? index.best()
                              : index.best_where(permitted, [](std::size_t) { return false; });
  }
  refresh_block_domains();
  const PairConstraints::Check check = pairs.check(id);
  return index.best_where([&](std::size_t p) { return permitted(p) && check.allows(node_at[p]); },
                          [&](std::size_t block) {
                            return check.refuses_all([&](std::int32_t key) {
                              return block_domains[static_cast<std::size_t>(key)][block];
                            });
                          });
}

std::optional<Choice> Engine::State::find(SpecId id, const std::vector<bool>* allowed) {
  if (!local) {
    return scan(id, allowed);
  }
  if (barred(specs[id.index()])) {
    return std::nullopt;
  }
  if (prefers(id)) {
    const std::vector<Ranked> candidates = ranked(id, allowed);
    if (candidates.empty()) {
      return std::nullopt;
    }
    const Ranked& best = *std::ranges::max_element(candidates);
    std::optional<Choice> choice = choose(specs[id.index()], best.node);
    choice->score = best.total;
    return choice;
  }
  const std::uint32_t position = best_position(id, allowed);
  if (position == no_position) {
    return std::nullopt;
  }
  return choose(specs[id.index()], node_at[position]);
}

std::optional<Choice> Engine::find(SpecId spec) { return state_->find(spec, nullptr); }

std::optional<Choice> Engine::find_within(SpecId spec, const std::vector<bool>& allowed) {
  return state_->find(spec, &allowed);
}

std::optional<Choice> Engine::find_on(SpecId spec_id, NodeId node) {
  SpecEntry& spec = state_->specs[spec_id.index()];
  if (state_->barred(spec) || !state_->fits(spec, node.index()) ||
      !state_->pairs.check(spec_id).allows(node.index())) {
    return std::nullopt;
  }
  return state_->choose(spec, node.index());
}

std::vector<std::int32_t> Engine::capacities(SpecId spec, std::int32_t most) const {
  std::vector<std::int32_t> room(state_->nodes.size(), 0);
  for (std::uint32_t node = 0; node < room.size(); ++node) {
    room[node] = capacity_on(spec, NodeId(node), most);
  }
  return room;
}

std::int32_t Engine::capacity_on(SpecId spec_id, NodeId on, std::int32_t most) const {
  const SpecEntry& spec = state_->specs[spec_id.index()];
  const Shape& shape = spec.shape;
  const std::size_t node = on.index();
  if (state_->barred(spec) || !state_->fits(spec, node)) {
    return 0;
  }
  if (!spec.uses.ports.empty() || !spec.uses.claims.empty()) {
    most = std::min(most, 1);  // one of them keeps the next off
  }
  const NodeRow& row = state_->table.row(node);
  std::int64_t n = std::min<std::int64_t>(most, row.pods_free);
  const auto bound = [&](std::int64_t free, std::int64_t want) {
    if (want > 0) n = std::min(n, free / want);
  };
  bound(row.cpu_free, shape.cpu);
  bound(row.memory_free, shape.memory);
  for (const auto& [number, amount] : shape.extra) {
    bound(state_->table.facts(node).extra[static_cast<std::size_t>(number)], amount);
  }
  if (shape.shares()) {
    std::int64_t shares = 0;
    for (std::size_t g = 0; g < row.gpus; ++g) {
      shares += ((row.whole_only >> g) & 1U) != 0 ? 0 : row.gpu_free[g] / shape.milli;
    }
    n = std::min(n, shares);
  } else {
    bound(row.gpus_whole_free, shape.gpus);
  }
  if (shape.mig_count > 0) {
    Shape several = shape;
    std::int64_t fitting = 1;
    while (fitting < n) {
      several.mig_count += shape.mig_count;
      if (!state_->table.choose_mig(node, several)) break;
      ++fitting;
    }
    n = std::min(n, fitting);
  }
  return static_cast<std::int32_t>(n);
}

}  // namespace plimsoll::placement
