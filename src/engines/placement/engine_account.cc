// What the engine says of itself: refusals, fragmentation, the digest of its state.
#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "base/sha256.h"
#include "engines/placement/engine_state.h"

namespace plimsoll::placement {

std::vector<model::Alternative> Engine::runners_up(SpecId spec_id, NodeId chosen,
                                                   std::size_t most) {
  State& s = *state_;
  std::vector<model::Alternative> result;
  if (!s.local || most == 0 || s.barred(s.specs[spec_id.index()])) {
    return result;
  }
  std::vector<State::Ranked> best;  // best first
  const auto offer = [&](const State::Ranked& candidate) {
    if (NodeId(candidate.node) == chosen || (best.size() == most && candidate <= best.back())) {
      return;
    }
    best.insert(std::ranges::upper_bound(best, candidate, std::greater{}), candidate);
    if (best.size() > most) {
      best.pop_back();
    }
  };
  if (s.prefers(spec_id)) {
    for (const State::Ranked& candidate : s.ranked(spec_id, nullptr)) {
      offer(candidate);
    }
  } else {
    const PairConstraints::Check check = s.pairs.check(spec_id);
    s.caught_up(s.specs[spec_id.index()])
        .each_feasible([&](std::size_t position, std::int64_t key) {
          const std::uint32_t node = s.node_at[position];
          const State::Ranked candidate{CandidateIndex::score_of(key), key, node};
          if ((best.size() < most || candidate > best.back()) && check.allows(node)) {
            offer(candidate);
          }
        });
  }
  for (const State::Ranked& candidate : best) {
    result.push_back({.node = NodeId(candidate.node),
                      .reason = {.code = model::ReasonCode::best_score,
                                 .policy = s.config.policy,
                                 .score = candidate.total}});
  }
  return result;
}

std::int32_t Engine::node_count() const { return state_->present_count; }

const model::Node& Engine::node(NodeId node) const { return state_->nodes[node.index()]; }
bool Engine::heeds_pods(SpecId spec) const {
  return state_->pairs.constrains(spec) || !state_->specs[spec.index()].uses.claims.empty();
}

const model::PodSpec& Engine::spec(SpecId spec) const { return state_->specs[spec.index()].spec; }

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

// Of every node that does not take one more pod of the spec, why not: the first reason.
void Engine::State::each_refusal(
    SpecId spec_id,
    const std::function<void(NodeId, model::RefusalCode, const std::string&)>& take_one) const {
  using model::RefusalCode;
  const State& s = *this;
  const SpecEntry& spec = s.specs[spec_id.index()];
  const Shape& shape = spec.shape;
  const PairConstraints::Check check = s.pairs.check(spec_id);
  const bool barred = s.barred(spec);
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
    const auto refuse = [&](RefusalCode code, const std::string& detail) {
      take_one(node.id, code, detail);
    };
    if (!node.ready) {
      refuse(RefusalCode::node_not_ready, "");
    } else if (node.unschedulable && !spec.tolerates_cordon) {
      refuse(RefusalCode::node_cordoned, "");
    } else if (!model::selects(spec.spec, node)) {
      refuse(RefusalCode::node_selector, "");
    } else if (taint != nullptr) {
      refuse(RefusalCode::taint, fmt::format("{}: {}", taint->key, taint->value));
    } else if (shape.asks_gpus() && !shape.models.empty() &&
               !std::ranges::binary_search(shape.models, facts.gpu_model)) {
      refuse(RefusalCode::gpu_model, "");
    } else if (shape.gpus > 0 && facts.gpu_memory < shape.gpu_memory_min) {
      refuse(RefusalCode::gpu_memory, "");
    } else if (!s.uses.ports_free(i, spec.uses)) {
      refuse(RefusalCode::host_port, "");
    } else if (row.pods_free <= 0) {
      refuse(RefusalCode::too_many_pods, "");
    } else if (shape.cpu > std::max<std::int64_t>(row.cpu_free, 0)) {
      refuse(RefusalCode::cpu, "");
    } else if (shape.memory > std::max<std::int64_t>(row.memory_free, 0)) {
      refuse(RefusalCode::memory, "");
    } else if (lacking != shape.extra.end()) {
      const std::string& name = s.table.resources().name(lacking->first);
      const bool storage = name == "ephemeral-storage";
      refuse(storage ? RefusalCode::ephemeral_storage : RefusalCode::extended_resource,
             storage ? "" : name);
    } else if (shape.shares() && row.shareable_free_max < shape.milli) {
      refuse(RefusalCode::gpu_share, "");
    } else if (shape.gpus > 0 && !shape.shares() && row.gpus_whole_free < shape.gpus) {
      refuse(RefusalCode::gpu, "");
    } else if (shape.mig_count > 0 && !s.table.choose_mig(i, shape)) {
      refuse(RefusalCode::mig_profile, shape.mig_profile);
    } else if (barred) {
      refuse(RefusalCode::claim_in_use, "");
    } else if (!s.uses.volumes_fit(i, spec.uses)) {
      refuse(RefusalCode::volume_limit, "");
    } else if (!model::volumes_reach(spec.spec, node)) {
      refuse(RefusalCode::volume_topology, "");
    } else if (!check.allows(i)) {
      const PairConstraints::Refused refused = check.refused(i);
      refuse(refused.code, refused.detail);
    }
  }
}

std::vector<model::Refusal> Engine::explain(SpecId spec) const {
  std::vector<model::Refusal> refusals;
  state_->each_refusal(spec, [&](NodeId, model::RefusalCode code, const std::string& detail) {
    for (model::Refusal& known : refusals) {
      if (known.code == code && known.detail == detail) {
        ++known.nodes;
        return;
      }
    }
    refusals.push_back({code, detail, 1});
  });
  return refusals;
}

std::vector<std::pair<NodeId, model::Refusal>> Engine::explain_by_node(SpecId spec) const {
  std::vector<std::pair<NodeId, model::Refusal>> refusals;
  state_->each_refusal(spec, [&](NodeId node, model::RefusalCode code, const std::string& detail) {
    refusals.push_back({node, {code, detail, 1}});
  });
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
    for (const MigGpu& gpu : s.table.facts(i).mig) {
      for (const MigGpu::Instance& instance : gpu.instances) {
        hash.update(fmt::format("  gpu {} {} at {} held {}\n", gpu.index, instance.profile->name,
                                instance.start, instance.held));
      }
    }
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
    hash.update(fmt::format("pod {} {} {} {} {}", i, pod.spec.value(), pod.bound, pod.confirmed,
                            pod.terminating));
    if (pod.bound) {
      hash.update(fmt::format(" on {}", pod.binding.node.value()));
      for (const model::GpuShare& share : pod.binding.gpus) {
        hash.update(fmt::format(" {}:{}:{}", share.index, share.milli.value(), share.mig_start));
      }
    }
    hash.update("\n");
  }
  hash.update(s.uses.digest_text());
  hash.update(s.pairs.digest_text());
  return hash.hex();
}

}  // namespace plimsoll::placement
