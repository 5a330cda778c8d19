#include "model/snapshot.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "model/check_pod.h"

namespace plimsoll::model {
namespace {

template <typename T, typename IdType>
bool known(const std::vector<T>& slots, IdType id) {
  return id.valid() && id.index() < slots.size() && slots[id.index()].id == id;
}

std::string name_of(auto id) { return id.valid() ? std::to_string(id.value()) : "none"; }

std::unexpected<Error> unknown(std::string_view delta, std::string_view kind, auto id) {
  return bad_input(fmt::format("{}: {}: found {}, expected the id of one that exists", delta, kind,
                               name_of(id)));
}

// Makes room for a dense id; ids past the end by more than one are refused.
template <typename T, typename IdType>
Result<void> reserve_slot(std::vector<T>& slots, IdType id, std::string_view delta,
                          std::string_view kind) {
  if (!id.valid() || id.index() > slots.size()) {
    return bad_input(fmt::format("{}: {}: found {}, expected an id up to {} (ids are dense)", delta,
                                 kind, name_of(id), slots.size()));
  }
  if (id.index() == slots.size()) {
    slots.emplace_back();
  }
  return {};
}

struct Apply {
  Snapshot& snapshot;

  Result<void> operator()(const NodeUpserted& delta) const {
    const Node& node = delta.node;
    const bool shrinks = known(snapshot.nodes, node.id) &&
                         node.gpus.size() < snapshot.nodes[node.id.index()].gpus.size();
    TRY_VOID(reserve_slot(snapshot.nodes, node.id, "NodeUpserted", "node"));
    snapshot.nodes[node.id.index()] = node;
    if (shrinks) {
      forget_lost_gpus(node);
    }
    return {};
  }

  Result<void> operator()(const NodeRemoved& delta) const {
    if (!known(snapshot.nodes, delta.node)) {
      return unknown("NodeRemoved", "node", delta.node);
    }
    const auto bound_here = [&](const Pod& pod) {
      return pod.id.valid() && pod.binding && pod.binding->node == delta.node;
    };
    const auto pod = std::ranges::find_if(snapshot.pods, bound_here);
    if (pod != snapshot.pods.end()) {
      return bad_input(fmt::format(
          "NodeRemoved: node {}: found pod {} bound to it, expected its PodRemoved to come first",
          delta.node.value(), pod->id.value()));
    }
    snapshot.nodes[delta.node.index()] = Node{};
    return {};
  }

  Result<void> operator()(const SpecAdded& delta) const {
    if (!delta.id.valid() || delta.id.index() > snapshot.specs.size()) {
      return bad_input(
          fmt::format("SpecAdded: spec: found {}, expected an id up to {} (ids are dense)",
                      name_of(delta.id), snapshot.specs.size()));
    }
    if (delta.id.index() == snapshot.specs.size()) {
      snapshot.specs.push_back(delta.spec);
      return {};
    }
    const auto user = std::ranges::find_if(
        snapshot.pods, [&](const Pod& pod) { return pod.id.valid() && pod.spec == delta.id; });
    if (user != snapshot.pods.end()) {
      return bad_input(
          fmt::format("SpecAdded: spec {}: found pod {} of it, expected a spec that no pod has",
                      delta.id.value(), user->id.value()));
    }
    snapshot.specs[delta.id.index()] = delta.spec;
    return {};
  }

  Result<void> operator()(const PodAdded& delta) const {
    const Pod& pod = delta.pod;
    if (known(snapshot.pods, pod.id)) {
      return bad_input(fmt::format(
          "PodAdded: pod {}: found an id that is taken, expected a free one", pod.id.value()));
    }
    TRY_VOID(
        check_pod(snapshot, pod, [&] { return fmt::format("PodAdded: pod {}", name_of(pod.id)); }));
    TRY_VOID(reserve_slot(snapshot.pods, pod.id, "PodAdded", "pod"));
    snapshot.pods[pod.id.index()] = pod;
    return {};
  }

  Result<void> operator()(const PodBound& delta) const {
    if (!known(snapshot.pods, delta.pod)) {
      return unknown("PodBound", "pod", delta.pod);
    }
    Pod& pod = snapshot.pods[delta.pod.index()];
    if (pod.binding) {
      return bad_input(
          fmt::format("PodBound: pod {}: found it bound to node {}, expected a pending pod",
                      delta.pod.value(), pod.binding->node.value()));
    }
    TRY_VOID(check_binding(snapshot, pod.spec, delta.binding,
                           [&] { return fmt::format("PodBound: pod {}", delta.pod.value()); }));
    pod.binding = delta.binding;
    return {};
  }

  Result<void> operator()(const PodRemoved& delta) const {
    if (!known(snapshot.pods, delta.pod)) {
      return unknown("PodRemoved", "pod", delta.pod);
    }
    snapshot.pods[delta.pod.index()] = Pod{};
    return {};
  }

  Result<void> operator()(const PodChanged& delta) const {
    const Pod& pod = delta.pod;
    if (!known(snapshot.pods, pod.id)) {
      return unknown("PodChanged", "pod", pod.id);
    }
    const auto where = [&] { return fmt::format("PodChanged: pod {}", pod.id.value()); };
    if (pod.binding != snapshot.pods[pod.id.index()].binding) {
      return bad_input(
          fmt::format("{}: binding: found another one, expected it as it was", where()));
    }
    TRY_VOID(check_pod(snapshot, pod, where));
    snapshot.pods[pod.id.index()] = pod;
    return {};
  }

  Result<void> operator()(const BindFailed& delta) const {
    if (!known(snapshot.pods, delta.pod)) {
      return unknown("BindFailed", "pod", delta.pod);
    }
    return {};
  }

  Result<void> operator()(const BudgetUpserted& delta) const {
    TRY_VOID(reserve_slot(snapshot.budgets, delta.budget.id, "BudgetUpserted", "budget"));
    snapshot.budgets[delta.budget.id.index()] = delta.budget;
    return {};
  }

  Result<void> operator()(const BudgetRemoved& delta) const {
    if (!known(snapshot.budgets, delta.budget)) {
      return unknown("BudgetRemoved", "budget", delta.budget);
    }
    snapshot.budgets[delta.budget.index()] = DisruptionBudget{};
    return {};
  }

  Result<void> operator()(const GangUpserted& delta) const {
    const Gang& gang = delta.gang;
    if (gang.tenant.valid() && !known(snapshot.tenants, gang.tenant)) {
      return unknown(fmt::format("GangUpserted: gang {}", name_of(gang.id)), "tenant", gang.tenant);
    }
    TRY_VOID(reserve_slot(snapshot.gangs, gang.id, "GangUpserted", "gang"));
    snapshot.gangs[gang.id.index()] = gang;
    return {};
  }

  Result<void> operator()(const GangRemoved& delta) const {
    if (!known(snapshot.gangs, delta.gang)) {
      return unknown("GangRemoved", "gang", delta.gang);
    }
    const auto member = std::ranges::find_if(
        snapshot.pods, [&](const Pod& pod) { return pod.id.valid() && pod.gang == delta.gang; });
    if (member != snapshot.pods.end()) {
      return bad_input(fmt::format(
          "GangRemoved: gang {}: found pod {} in it, expected its PodRemoved to come first",
          delta.gang.value(), member->id.value()));
    }
    snapshot.gangs[delta.gang.index()] = Gang{};
    return {};
  }

 private:
  // Where a node comes back with fewer GPUs, nobody knows which ones its pods hold of those left.
  void forget_lost_gpus(const Node& node) const {
    for (Pod& pod : snapshot.pods) {
      if (!pod.id.valid() || !pod.binding || pod.binding->node != node.id) {
        continue;
      }
      for (GpuShare& share : pod.binding->gpus) {
        if (share.index >= static_cast<std::int64_t>(node.gpus.size())) {
          share = {.index = -1, .milli = share.milli};
        }
      }
    }
  }
};

}  // namespace

Result<void> apply(Snapshot& snapshot, const Delta& delta) {
  return std::visit(Apply{snapshot}, delta);
}

}  // namespace plimsoll::model
