#include "engines/placement/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "base/sha256.h"
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

// ---------------------------------------------------------------------------------- following

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
    entry = {p.spec, true, p.binding.has_value(), p.binding.has_value(),
             p.binding.value_or(model::Binding{})};
    if (entry.bound) {
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
  const bool fresh = !nodes[i].id.valid();
  TRY_VOID(table.set(node));
  nodes[i] = node;
  present_count += fresh ? 1 : 0;
  if (position_of[i] == no_position) {
    position_of[i] = static_cast<std::uint32_t>(node_at.size());
    node_at.push_back(node.id.value());
  }
  if (!fresh) {
    for (const PodEntry& entry : pods) {
      if (entry.bound && entry.binding.node == node.id) {
        table.take(i, specs[entry.spec.index()].shape, entry.binding.gpus);
      }
    }
  }
  for (SpecEntry& spec : specs) {
    spec.admitted.resize(nodes.size(), 0);
    spec.admitted[i] = admits(spec, i) ? 1 : 0;
    if (spec.index) {
      spec.index->resize(node_at.size());
    }
  }
  touch(i);
  return {};
}

void Engine::State::remove(NodeId node) {
  table.erase(node);
  nodes[node.index()] = model::Node{};
  --present_count;
  for (SpecEntry& spec : specs) {
    spec.admitted[node.index()] = 0;
  }
  touch(node.index());
}

void Engine::State::add_spec(SpecId id, const model::PodSpec& spec) {
  if (id.index() >= specs.size()) {
    specs.resize(id.index() + 1);
  }
  SpecEntry& entry = specs[id.index()];
  entry.present = true;
  entry.spec = spec;
  entry.shape = table.shape_of(spec);
  entry.admitted.assign(nodes.size(), 0);
  for (std::size_t n = 0; n < nodes.size(); ++n) {
    entry.admitted[n] = admits(entry, n) ? 1 : 0;
  }
  entry.index.reset();
}

PodEntry& Engine::State::pod(PodId id) {
  if (id.index() >= pods.size()) {
    pods.resize(id.index() + 1);
  }
  return pods[id.index()];
}

void Engine::State::take(PodEntry& entry) {
  table.take(entry.binding.node.index(), specs[entry.spec.index()].shape, entry.binding.gpus);
  touch(entry.binding.node.index());
}

void Engine::State::give(PodEntry& entry) {
  table.give(entry.binding.node.index(), specs[entry.spec.index()].shape, entry.binding.gpus);
  touch(entry.binding.node.index());
}

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
  if (!n.id.valid() || !table.facts(node).open) {
    return false;
  }
  const NodeFacts& facts = table.facts(node);
  const Shape& shape = spec.shape;
  if (shape.asks_gpus() &&
      ((!shape.models.empty() && !std::ranges::binary_search(shape.models, facts.gpu_model)) ||
       facts.gpu_memory < shape.gpu_memory_min)) {
    return false;
  }
  return model::selects(spec.spec, n) && model::untolerated_taint(spec.spec, n) == nullptr;
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
    Result<void> operator()(const model::GangUpserted&) const { return {}; }
    Result<void> operator()(const model::GangRemoved&) const { return {}; }
  };
  return std::visit(Visitor{s}, delta);
}

// ----------------------------------------------------------------------------------- candidates

void Engine::State::rescore(SpecEntry& spec, std::size_t node) {
  const std::uint32_t position = position_of[node];
  if (position == no_position) {
    return;
  }
  std::int64_t key = CandidateIndex::infeasible;
  if (spec.admitted[node] != 0 && table.fits(node, spec.shape)) {
    const std::int64_t score = local->score(table, node, spec.shape).score;
    check(score > -score_limit && score < score_limit, "a score fits its key");
    key = CandidateIndex::key(score, rank[node]);
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
  if (spec.shape.shares()) {
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

std::optional<Choice> Engine::State::scan_random(SpecEntry& spec,
                                                 const std::vector<bool>* allowed) {
  std::uint64_t seen = 0;
  std::size_t picked = 0;
  for (std::size_t node = 0; node < nodes.size(); ++node) {
    if (spec.admitted[node] != 0 && (allowed == nullptr || (*allowed)[node]) &&
        table.fits(node, spec.shape) && random.below(++seen) == 0) {
      picked = node;
    }
  }
  if (seen == 0) {
    return std::nullopt;
  }
  std::optional<Choice> choice = choose(spec, picked);
  if (spec.shape.shares()) {
    const NodeRow& row = table.row(picked);
    std::uint64_t gpus = 0;
    for (std::int32_t g = 0; g < row.gpus; ++g) {
      if (row.gpu_free[static_cast<std::size_t>(g)] >= spec.shape.milli &&
          ((row.whole_only >> g) & 1U) == 0 && random.below(++gpus) == 0) {
        choice->binding.gpus.front().index = g;
      }
    }
  }
  return choice;
}

std::optional<Choice> Engine::find(SpecId spec_id) {
  SpecEntry& spec = state_->specs[spec_id.index()];
  if (!state_->local) {
    return state_->scan_random(spec, nullptr);
  }
  const std::uint32_t position = state_->caught_up(spec).best();
  if (position == no_position) {
    return std::nullopt;
  }
  return state_->choose(spec, state_->node_at[position]);
}

std::optional<Choice> Engine::find_within(SpecId spec_id, const std::vector<bool>& allowed) {
  SpecEntry& spec = state_->specs[spec_id.index()];
  if (!state_->local) {
    return state_->scan_random(spec, &allowed);
  }
  const std::uint32_t position =
      state_->caught_up(spec).best_where([&](std::size_t p) { return allowed[state_->node_at[p]]; },
                                         [](std::size_t) { return false; });
  if (position == no_position) {
    return std::nullopt;
  }
  return state_->choose(spec, state_->node_at[position]);
}

std::optional<Choice> Engine::find_on(SpecId spec_id, NodeId node) {
  SpecEntry& spec = state_->specs[spec_id.index()];
  if (spec.admitted[node.index()] == 0 || !state_->table.fits(node.index(), spec.shape)) {
    return std::nullopt;
  }
  return state_->choose(spec, node.index());
}

std::vector<std::int32_t> Engine::capacities(SpecId spec_id, std::int32_t most) const {
  const SpecEntry& spec = state_->specs[spec_id.index()];
  const Shape& shape = spec.shape;
  std::vector<std::int32_t> room(state_->nodes.size(), 0);
  for (std::size_t node = 0; node < room.size(); ++node) {
    if (spec.admitted[node] == 0 || !state_->table.fits(node, shape)) {
      continue;
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
    room[node] = static_cast<std::int32_t>(n);
  }
  return room;
}

// --------------------------------------------------------------------------------- transactions

void Engine::assume(PodId pod_id, SpecId spec, const model::Binding& binding) {
  State& s = *state_;
  PodEntry& entry = s.pod(pod_id);
  check(!entry.bound, "an assumed pod holds nothing yet");
  const bool present = entry.present;
  entry = {spec, true, true, false, binding};
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
      entry = present ? PodEntry{last.entry.spec, true, false, false, {}} : PodEntry{};
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

// ------------------------------------------------------------------------------------ accounts

std::int32_t Engine::node_count() const { return state_->present_count; }

Engine::Fragmentation Engine::fragmentation() const {
  Fragmentation sum;
  if (!state_->fragmentation) {
    return sum;
  }
  const FragmentationModel& model = *state_->fragmentation;
  for (std::size_t i = 0; i < state_->nodes.size(); ++i) {
    const NodeRow& row = state_->table.row(i);
    sum.free_milli += row.gpu_free_total;
    sum.fragmented_milli +=
        static_cast<double>(model.fragmented(row, row.cpu_free, state_->table.facts(i).gpu_model)) /
        static_cast<double>(model.total());
  }
  return sum;
}

std::vector<model::Refusal> Engine::explain(SpecId spec_id) const {
  using model::RefusalCode;
  const State& s = *state_;
  const SpecEntry& spec = s.specs[spec_id.index()];
  const Shape& shape = spec.shape;
  std::vector<model::Refusal> refusals;
  const auto count = [&](RefusalCode code, const std::string& detail) {
    for (model::Refusal& r : refusals) {
      if (r.code == code && r.detail == detail) {
        ++r.nodes;
        return;
      }
    }
    refusals.push_back({code, detail, 1});
  };
  for (std::size_t i = 0; i < s.nodes.size(); ++i) {
    const model::Node& node = s.nodes[i];
    if (!node.id.valid()) continue;
    const NodeFacts& facts = s.table.facts(i);
    const NodeRow& row = s.table.row(i);
    const model::Taint* taint = model::untolerated_taint(spec.spec, node);
    const auto lacking = std::ranges::find_if(shape.extra, [&](const auto& want) {
      const auto number = static_cast<std::size_t>(want.first);
      return number >= facts.extra.size() || facts.extra[number] < want.second;
    });
    if (!node.ready) {
      count(RefusalCode::node_not_ready, "");
    } else if (node.unschedulable) {
      count(RefusalCode::node_cordoned, "");
    } else if (!model::selects(spec.spec, node)) {
      count(RefusalCode::node_selector, "");
    } else if (taint != nullptr) {
      count(RefusalCode::taint, fmt::format("{}: {}", taint->key, taint->value));
    } else if (shape.asks_gpus() && !shape.models.empty() &&
               !std::ranges::binary_search(shape.models, facts.gpu_model)) {
      count(RefusalCode::gpu_model, "");
    } else if (shape.asks_gpus() && facts.gpu_memory < shape.gpu_memory_min) {
      count(RefusalCode::gpu_memory, "");
    } else if (row.pods_free <= 0) {
      count(RefusalCode::too_many_pods, "");
    } else if (shape.cpu > row.cpu_free) {
      count(RefusalCode::cpu, "");
    } else if (shape.memory > row.memory_free) {
      count(RefusalCode::memory, "");
    } else if (lacking != shape.extra.end()) {
      const std::string& name = s.table.resources().name(lacking->first);
      const bool storage = name == "ephemeral-storage";
      count(storage ? RefusalCode::ephemeral_storage : RefusalCode::extended_resource,
            storage ? "" : name);
    } else if (shape.shares() && row.shareable_free_max < shape.milli) {
      count(RefusalCode::gpu_share, "");
    } else if (shape.gpus > 0 && !shape.shares() && row.gpus_whole_free < shape.gpus) {
      count(RefusalCode::gpu, "");
    }
  }
  return refusals;
}

std::string Engine::digest() const {
  const State& s = *state_;
  Sha256 hash;
  for (std::size_t i = 0; i < s.nodes.size(); ++i) {
    if (!s.nodes[i].id.valid()) continue;
    const NodeRow& row = s.table.row(i);
    hash.update(fmt::format("node {} {} {} {} {} {} {} {} {} [{}] [{}]\n", i, row.cpu_free,
                            row.memory_free, row.pods_free, row.gpu_free_total,
                            row.shareable_free_max, row.gpus_whole_free, row.whole_only,
                            row.blocked, fmt::join(row.gpu_free, " "),
                            fmt::join(s.table.facts(i).held, " ")));
    const auto& extra = s.table.facts(i).extra;
    for (std::size_t r = 0; r < extra.size(); ++r) {
      if (extra[r] != 0) {
        hash.update(
            fmt::format("  {} {}\n", s.table.resources().name(static_cast<int>(r)), extra[r]));
      }
    }
  }
  for (std::size_t i = 0; i < s.pods.size(); ++i) {
    const PodEntry& pod = s.pods[i];
    if (!pod.present) continue;
    hash.update(fmt::format("pod {} {} {} {}", i, pod.spec.value(), pod.bound, pod.confirmed));
    if (pod.bound) {
      hash.update(fmt::format(" on {}", pod.binding.node.value()));
      for (const model::GpuShare& share : pod.binding.gpus) {
        hash.update(fmt::format(" {}:{}:{}", share.index, share.milli.value(), share.mig_start));
      }
    }
    hash.update("\n");
  }
  return hash.hex();
}

}  // namespace plimsoll::placement
