#include "engines/placement/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "engines/placement/engine_state.h"

namespace plimsoll::placement {

Engine::Engine(std::unique_ptr<State> state) : state_(std::move(state)) {}
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

Result<Engine> Engine::make(const model::Snapshot& snapshot, Config config) {
  TRY_VOID(model::validate(snapshot));
  auto state = std::make_unique<State>(std::move(config));
  state->local = TRY(make_local_policy(state->config, state->table));
  if (!state->config.typical.empty()) {
    state->fragmentation.emplace(state->config.typical, state->table);
  }
  TRY_VOID(state->load(snapshot));
  return Engine(std::move(state));
}

Result<void> Engine::State::load(const model::Snapshot& snapshot) {
  std::vector<std::uint32_t> order;
  for (const model::Node& node : snapshot.nodes) {
    if (node.id.valid()) {
      order.push_back(node.id.value());
    }
  }
  std::ranges::sort(order, [&](std::uint32_t a, std::uint32_t b) {
    return std::tie(snapshot.nodes[a].topology, a) < std::tie(snapshot.nodes[b].topology, b);
  });
  nodes.resize(snapshot.nodes.size());
  position_of.assign(snapshot.nodes.size(), no_position);
  stamp.assign(snapshot.nodes.size(), 0);
  node_at = order;
  for (std::uint32_t p = 0; p < order.size(); ++p) {
    position_of[order[p]] = p;
  }
  for (std::size_t i = 0; i < snapshot.specs.size(); ++i) {
    add_spec(SpecId(static_cast<std::uint32_t>(i)), snapshot.specs[i]);
  }
  for (const model::Node& node : snapshot.nodes) {
    if (node.id.valid()) {
      TRY_VOID(upsert(node));
    }
  }
  for (const model::Pod& p : snapshot.pods) {
    if (!p.id.valid()) {
      continue;
    }
    PodEntry& entry = pod(p.id);
    const bool bound = p.binding.has_value();
    entry = {p.spec, true, bound, bound, p.terminating, p.binding.value_or(model::Binding{})};
    if (bound) {
      take(entry);
    }
  }
  return {};
}

Result<void> Engine::State::upsert(const model::Node& node) {
  const std::size_t i = node.id.index();
  if (i >= nodes.size()) {
    nodes.resize(i + 1);
    position_of.resize(i + 1, no_position);
    stamp.resize(i + 1, 0);
    check(i < (1U << CandidateIndex::rank_bits), "fewer than 2^24 nodes");
  }
  while (rank.size() < nodes.size()) {
    const auto id = static_cast<std::uint32_t>(rank.size());
    rank.push_back(local && local->ties_by_id() ? id : tie_rank(config.seed, id));
  }
  const bool fresh = !known(i);
  if (!fresh && nodes[i] == node) {
    return {};
  }
  TRY_VOID(table.set(node));
  const std::vector<std::uint32_t> here =
      fresh && strays == 0 ? std::vector<std::uint32_t>() : pods_on(node.id);
  if (fresh) {
    strays -= static_cast<std::int32_t>(here.size());
  } else {
    for (const std::uint32_t id : here) {
      pairs.count({pods[id].spec, i, pods[id].terminating}, -1);
    }
  }
  nodes[i] = node;
  uses.set_node(i, node);
  block_domains_stale |= pairs.set_node(i, node) || fresh;
  kube_order_stale = true;
  present_count += fresh ? 1 : 0;
  if (position_of[i] == no_position) {
    position_of[i] = static_cast<std::uint32_t>(node_at.size());
    node_at.push_back(node.id.value());
  }
  for (const std::uint32_t id : here) {
    for (model::GpuShare& share : pods[id].binding.gpus) {
      if (share.index >= static_cast<std::int64_t>(node.gpus.size())) {
        share = {.index = -1, .milli = share.milli};  // the GPU is gone, its pod is not
      }
    }
    table.take(i, specs[pods[id].spec.index()].shape, pods[id].binding.gpus);
    pairs.count({pods[id].spec, i, pods[id].terminating}, 1);
  }
  for (SpecEntry& spec : specs) {
    judge(spec, i);
    if (spec.index) {
      spec.index->resize(node_at.size());
    }
  }
  touch(i);
  return {};
}

std::vector<std::uint32_t> Engine::State::pods_on(NodeId node) const {
  std::vector<std::uint32_t> here;
  for (std::uint32_t p = 0; p < pods.size(); ++p) {
    if (pods[p].bound && pods[p].binding.node == node) {
      here.push_back(p);
    }
  }
  return here;
}

// Pods that are still bound there hold on to it, should it come back.
void Engine::State::remove(NodeId node) {
  const std::size_t i = node.index();
  for (const std::uint32_t id : pods_on(node)) {
    pairs.count({pods[id].spec, i, pods[id].terminating}, -1);
    ++strays;
  }
  table.erase(node);
  uses.erase_node(i);
  block_domains_stale |= pairs.erase_node(i);
  kube_order_stale = true;
  nodes[i] = model::Node{};
  --present_count;
  for (SpecEntry& spec : specs) {
    judge(spec, i);
  }
  touch(i);
}

void Engine::State::add_spec(SpecId id, const model::PodSpec& spec) {
  if (id.index() >= specs.size()) {
    specs.resize(id.index() + 1);
  }
  SpecEntry& entry = specs[id.index()];
  std::vector<std::uint32_t> holders;  // where the world gives an id to another spec
  for (std::uint32_t p = 0; entry.present && p < pods.size(); ++p) {
    if (pods[p].bound && pods[p].spec == id) {
      holders.push_back(p);
      give(pods[p]);
    }
  }
  entry.present = true;
  entry.spec = spec;
  entry.shape = table.shape_of(spec);
  entry.uses = uses.wants_of(spec);
  entry.uses_any = entry.uses.any();
  entry.tolerates_cordon = model::tolerates_cordon(spec);
  entry.admitted.assign(nodes.size(), 0);
  entry.preferred.clear();
  entry.disliked.clear();
  entry.disliked_nodes = 0;
  for (std::size_t n = 0; n < nodes.size(); ++n) {
    judge(entry, n);
  }
  entry.index.reset();
  const std::int32_t keys_before = pairs.keys().count();
  const bool pairwise =
      !spec.affinity.empty() || !spec.anti_affinity.empty() || !spec.spread.empty();
  pairs.add_spec(id, spec, nodes, pairwise ? placed() : std::vector<PairConstraints::Placed>{});
  block_domains_stale |= pairs.keys().count() != keys_before;
  for (const std::uint32_t holder : holders) {
    take(pods[holder]);
  }
}

std::vector<PairConstraints::Placed> Engine::State::placed() const {
  std::vector<PairConstraints::Placed> result;
  for (const PodEntry& entry : pods) {
    if (entry.bound && known(entry.binding.node.index())) {
      result.push_back({entry.spec, entry.binding.node.index(), entry.terminating});
    }
  }
  return result;
}

PodEntry& Engine::State::pod(PodId id) {
  if (id.index() >= pods.size()) {
    pods.resize(id.index() + 1);
  }
  return pods[id.index()];
}

void Engine::State::count(const PodEntry& entry, int by) {
  const std::size_t node = entry.binding.node.index();
  const SpecEntry& spec = specs[entry.spec.index()];
  if (spec.uses_any) {
    uses.count(node, spec.uses, by);
  }
  if (known(node)) {
    if (by > 0) {
      table.take(node, spec.shape, entry.binding.gpus);
    } else {
      table.give(node, spec.shape, entry.binding.gpus);
    }
    pairs.count({entry.spec, node, entry.terminating}, by);
    touch(node);
  } else {
    strays += by;
  }
}

void Engine::State::take(const PodEntry& entry) { count(entry, 1); }
void Engine::State::give(const PodEntry& entry) { count(entry, -1); }

void Engine::State::touch(std::size_t node) {
  log.push_back(static_cast<std::uint32_t>(node));
  const std::size_t most = 4 * nodes.size() + 1024;
  if (log.size() > 2 * most) {  // indexes that are further behind rescore every node
    const auto dropped = static_cast<std::ptrdiff_t>(log.size() - most);
    log.erase(log.begin(), log.begin() + dropped);
    log_base += static_cast<std::uint64_t>(dropped);
  }
}

bool Engine::State::admits(const SpecEntry& spec, std::size_t node) const {
  const model::Node& n = nodes[node];
  if (!n.id.valid() || !n.ready || (n.unschedulable && !spec.tolerates_cordon)) {
    return false;
  }
  const NodeFacts& facts = table.facts(node);
  const Shape& shape = spec.shape;
  if (shape.asks_gpus() &&
      ((!shape.models.empty() && !std::ranges::binary_search(shape.models, facts.gpu_model)) ||
       (shape.gpus > 0 && facts.gpu_memory < shape.gpu_memory_min))) {
    return false;
  }
  return model::selects(spec.spec, n) && model::untolerated_taint(spec.spec, n) == nullptr &&
         model::volumes_reach(spec.spec, n);
}

Result<void> Engine::apply(const model::Delta& delta) {
  State& s = *state_;
  check(s.marks.empty(), "deltas come outside transactions");
  struct Visitor {
    State& s;
    Result<void> operator()(const model::NodeUpserted& d) const { return s.upsert(d.node); }
    Result<void> operator()(const model::NodeRemoved& d) const {
      if (d.node.index() >= s.nodes.size() || !s.nodes[d.node.index()].id.valid()) {
        return failed(fmt::format("node {}: removed, but unknown", d.node.value()));
      }
      s.remove(d.node);
      return {};
    }
    Result<void> operator()(const model::SpecAdded& d) const {
      s.add_spec(d.id, d.spec);
      return {};
    }
    Result<void> operator()(const model::PodAdded& d) const {
      PodEntry& entry = s.pod(d.pod.id);
      if (entry.bound) {
        return failed(fmt::format("pod {}: added, but already there", d.pod.name));
      }
      entry.spec = d.pod.spec;
      entry.present = true;
      entry.terminating = d.pod.terminating;
      if (d.pod.binding) {
        entry.bound = entry.confirmed = true;
        entry.binding = *d.pod.binding;
        s.take(entry);
      }
      return {};
    }
    Result<void> operator()(const model::PodBound& d) const {
      PodEntry& entry = s.pod(d.pod);
      if (!entry.present) {
        return failed(fmt::format("pod {}: bound, but unknown", d.pod.value()));
      }
      if (entry.bound && entry.binding == d.binding) {
        entry.confirmed = true;
        return {};
      }
      if (entry.bound) {
        s.give(entry);
      }
      entry.bound = entry.confirmed = true;
      entry.binding = d.binding;
      s.take(entry);
      return {};
    }
    Result<void> operator()(const model::PodRemoved& d) const {
      PodEntry& entry = s.pod(d.pod);
      if (!entry.present) {
        return failed(fmt::format("pod {}: removed, but unknown", d.pod.value()));
      }
      if (entry.bound) {
        s.give(entry);
      }
      entry = PodEntry{};
      return {};
    }
    Result<void> operator()(const model::PodChanged& d) const {
      PodEntry& entry = s.pod(d.pod.id);
      if (!entry.present) {
        return failed(fmt::format("pod {}: changed, but unknown", d.pod.name));
      }
      const bool counts_otherwise =
          entry.bound && (entry.spec != d.pod.spec || entry.terminating != d.pod.terminating);
      if (counts_otherwise) {
        s.give(entry);
      }
      entry.spec = d.pod.spec;
      entry.terminating = d.pod.terminating;
      if (counts_otherwise) {
        s.take(entry);
      }
      return {};
    }
    Result<void> operator()(const model::BindFailed& d) const {
      PodEntry& entry = s.pod(d.pod);
      if (entry.bound && !entry.confirmed) {
        s.give(entry);
        entry.bound = false;
        entry.binding = {};
      }
      return {};
    }
    Result<void> operator()(const model::BudgetUpserted&) const { return {}; }
    Result<void> operator()(const model::BudgetRemoved&) const { return {}; }
    Result<void> operator()(const model::GangUpserted&) const { return {}; }
    Result<void> operator()(const model::GangRemoved&) const { return {}; }
  };
  return std::visit(Visitor{s}, delta);
}

void Engine::assume(PodId pod_id, SpecId spec, const model::Binding& binding) {
  State& s = *state_;
  PodEntry& entry = s.pod(pod_id);
  check(!entry.bound, "an assumed pod holds nothing yet");
  const bool present = entry.present;
  entry = {spec, true, true, false, entry.terminating, binding};
  s.take(entry);
  if (!s.marks.empty()) {
    PodEntry before = entry;
    before.present = present;
    s.undo.push_back({true, pod_id, std::move(before)});
  }
}

void Engine::forget(PodId pod_id) {
  State& s = *state_;
  PodEntry& entry = s.pod(pod_id);
  check(entry.bound, "a forgotten pod was assumed");
  s.give(entry);
  if (!s.marks.empty()) {
    s.undo.push_back({false, pod_id, entry});
  }
  entry.bound = entry.confirmed = false;
  entry.binding = {};
}

Mark Engine::checkpoint() {
  state_->marks.push_back(state_->undo.size());
  return {state_->marks.size()};
}

void Engine::roll_back(Mark mark) {
  State& s = *state_;
  check(mark.depth == s.marks.size() && mark.depth > 0, "marks are settled in reverse order");
  while (s.undo.size() > s.marks.back()) {
    Undo& last = s.undo.back();
    PodEntry& entry = s.pod(last.pod);
    if (last.assumed) {
      s.give(entry);
      const bool present = last.entry.present;
      entry = present ? PodEntry{last.entry.spec, true, false, false, last.entry.terminating, {}}
                      : PodEntry{};
    } else {
      entry = std::move(last.entry);
      s.take(entry);
    }
    s.undo.pop_back();
  }
  s.marks.pop_back();
}

void Engine::commit(Mark mark) {
  State& s = *state_;
  check(mark.depth == s.marks.size() && mark.depth > 0, "marks are settled in reverse order");
  s.marks.pop_back();
  if (s.marks.empty()) {
    s.undo.clear();
  }
}

}  // namespace plimsoll::placement
