#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <string_view>

#include "model/check_pod.h"
#include "model/mig.h"
#include "model/snapshot.h"

namespace plimsoll::model {
namespace {

std::string shown(auto id) { return id.valid() ? std::to_string(id.value()) : "none"; }

template <typename T, typename IdType>
Result<void> refers(const std::vector<T>& slots, IdType id, std::string_view field,
                    const Where& where) {
  if (id.valid() && id.index() < slots.size() && slots[id.index()].id == id) {
    return {};
  }
  return bad_input(fmt::format("{}: {}: found {}, expected the id of one that exists", where(),
                               field, shown(id)));
}

template <typename T, typename IdType>
Result<void> refers_or_none(const std::vector<T>& slots, IdType id, std::string_view field,
                            const Where& where) {
  return id.valid() ? refers(slots, id, field, where) : Result<void>();
}

Result<void> refers_to_spec(const Snapshot& snapshot, SpecId spec, const Where& where) {
  if (spec.valid() && spec.index() < snapshot.specs.size()) {
    return {};
  }
  return bad_input(
      fmt::format("{}: spec: found {}, expected the id of one that exists", where(), shown(spec)));
}

// Inclusive on both ends.
struct Range {
  std::int64_t least = 0;
  std::int64_t most = INT64_MAX;
};

Result<void> within(std::int64_t value, Range range, std::string_view field, const Where& where) {
  if (value >= range.least && value <= range.most) {
    return {};
  }
  const std::string expected = range.most == INT64_MAX
                                   ? fmt::format("at least {}", range.least)
                                   : fmt::format("{} to {}", range.least, range.most);
  return bad_input(fmt::format("{}: {}: found {}, expected {}", where(), field, value, expected));
}

template <typename V>
Result<void> sorted_by_name(const std::vector<std::pair<std::string, V>>& items,
                            std::string_view field, const Where& where) {
  for (std::size_t i = 1; i < items.size(); ++i) {
    if (items[i - 1].first >= items[i].first) {
      return bad_input(
          fmt::format("{}: {}: found \"{}\" after \"{}\", expected names in order, once", where(),
                      field, items[i].first, items[i - 1].first));
    }
  }
  return {};
}

template <typename T>
Result<void> sorted_once(const std::vector<T>& items, std::string_view field, const Where& where) {
  if (std::ranges::adjacent_find(items, std::greater_equal<>()) == items.end()) {
    return {};
  }
  return bad_input(fmt::format(
      "{}: {}: found them out of order or twice, expected them sorted, once", where(), field));
}

// Percentages of an amount, and sums over thousands of pods, fit an int64.
constexpr std::int64_t amount_max = std::int64_t{1} << 50;

Result<void> check_resources(const Resources& resources, std::string_view field,
                             const Where& where) {
  const auto inner = [&] { return fmt::format("{}: {}", where(), field); };
  TRY_VOID(within(resources.cpu.value(), {0, amount_max}, "cpu", inner));
  TRY_VOID(within(resources.memory.value(), {0, amount_max}, "memory", inner));
  TRY_VOID(
      within(resources.ephemeral_storage.value(), {0, amount_max}, "ephemeral_storage", inner));
  TRY_VOID(within(resources.pods, {0, amount_max}, "pods", inner));
  TRY_VOID(sorted_by_name(resources.extended, "extended", inner));
  for (const auto& [name, amount] : resources.extended) {
    TRY_VOID(within(amount, {0, amount_max}, name, inner));
  }
  return {};
}

// Where the geometry of the model is known, the instances are legal in it.
Result<void> check_instances(const Gpu& gpu, const Where& where) {
  for (const MigInstance& instance : gpu.instances) {
    TRY_VOID(within(instance.start, {}, "gpus: instances: start", where));
  }
  const MigGeometry* geometry = find_geometry(gpu.model);
  if (geometry == nullptr || gpu.instances.empty()) {
    return {};
  }
  auto result = legal(*geometry, gpu.instances);
  if (!result) {
    return bad_input(fmt::format("{}: gpus: {}", where(), result.error().message));
  }
  return {};
}

Result<void> check_node(const Node& node, const Where& where) {
  TRY_VOID(sorted_by_name(node.labels, "labels", where));
  TRY_VOID(check_resources(node.capacity, "capacity", where));
  TRY_VOID(check_resources(node.allocatable, "allocatable", where));
  TRY_VOID(sorted_by_name(node.attach_limits, "attach_limits", where));
  for (const auto& [driver, limit] : node.attach_limits) {
    TRY_VOID(within(limit, {}, "attach_limits", where));
  }
  TRY_VOID(within(node.price.value(), {}, "price", where));
  for (const Gpu& gpu : node.gpus) {
    TRY_VOID(within(gpu.memory.value(), {}, "gpus: memory", where));
    TRY_VOID(check_instances(gpu, where));
  }
  return {};
}

Result<void> check_gpu_request(const GpuRequest& gpu, const Where& where) {
  TRY_VOID(within(gpu.count, {}, "gpu: count", where));
  TRY_VOID(within(gpu.memory_min.value(), {}, "gpu: memory_min", where));
  const bool may_share = gpu.count <= 1;
  TRY_VOID(within(gpu.milli.value(), {may_share ? 1 : 1000, 1000}, "gpu: milli", where));
  if (!std::ranges::is_sorted(gpu.models)) {
    return bad_input(
        fmt::format("{}: gpu: models: found them out of order, expected them sorted", where()));
  }
  return {};
}

Result<void> check_spec(const PodSpec& spec, const Where& where) {
  TRY_VOID(sorted_by_name(spec.labels, "labels", where));
  TRY_VOID(sorted_by_name(spec.node_selector, "node_selector", where));
  TRY_VOID(check_resources(spec.requests, "requests", where));
  TRY_VOID(check_gpu_request(spec.gpu, where));
  for (const auto& term : spec.node_affinity_preferred) {
    TRY_VOID(within(term.weight, {1, 100}, "node_affinity_preferred: weight", where));
  }
  for (const auto& term : spec.affinity) {
    TRY_VOID(within(term.weight, {0, 100}, "affinity: weight", where));
  }
  for (const auto& term : spec.anti_affinity) {
    TRY_VOID(within(term.weight, {0, 100}, "anti_affinity: weight", where));
  }
  for (const auto& spread : spec.spread) {
    TRY_VOID(within(spread.max_skew, {1}, "spread: max_skew", where));
    TRY_VOID(within(spread.min_domains, {1}, "spread: min_domains", where));
  }
  TRY_VOID(sorted_once(spec.host_ports, "host_ports", where));
  TRY_VOID(sorted_once(spec.volumes, "volumes", where));
  TRY_VOID(sorted_once(spec.exclusive_claims, "exclusive_claims", where));
  return {};
}

Result<void> check_gang(const Snapshot& snapshot, const Gang& gang, const Where& where) {
  TRY_VOID(refers_or_none(snapshot.tenants, gang.tenant, "tenant", where));
  TRY_VOID(within(gang.min_members, {1}, "min_members", where));
  TRY_VOID(within(gang.max_members, {gang.min_members}, "max_members", where));
  TRY_VOID(within(gang.batch_size, {}, "batch_size", where));
  TRY_VOID(within(gang.gradients.value(), {}, "gradients", where));
  TRY_VOID(within(gang.step.value(), {}, "step", where));
  return within(gang.expected.value(), {}, "expected", where);
}

Result<void> check_tenant(const Snapshot& snapshot, const Tenant& tenant, const Where& where) {
  TRY_VOID(refers_or_none(snapshot.tenants, tenant.parent, "parent", where));
  std::size_t steps = 0;
  for (TenantId at = tenant.parent; at.valid() && at.index() < snapshot.tenants.size();
       at = snapshot.tenants[at.index()].parent) {
    if (++steps > snapshot.tenants.size()) {
      return bad_input(fmt::format("{}: parent: found a circle, expected a tree", where()));
    }
  }
  return {};
}

struct Held {
  std::int64_t milli = 0;
  SliceMask slices = 0;
};

// Adds what `share` takes of one GPU; the error says what is handed out twice.
Result<void> hold(Held& held, const GpuShare& share, const MigProfile* profile) {
  held.milli += share.milli.value();
  if (held.milli > whole_gpu.value()) {
    return bad_input(fmt::format("{} thousandths, expected 1000 at most", held.milli));
  }
  if (profile != nullptr && share.mig_start >= 0) {
    if (share.mig_start > 7 || (places_for(*profile, held.slices) >> share.mig_start & 1U) == 0) {
      return bad_input(fmt::format("a {} at {}, expected a free place that exists", profile->name,
                                   share.mig_start));
    }
    held.slices |= slices_of(*profile, share.mig_start);
  }
  return {};
}

// No part of a GPU is handed out twice. Unknown indices count nowhere.
Result<void> check_gpu_sums(const Snapshot& snapshot) {
  std::map<std::pair<NodeId, std::int32_t>, Held> held;
  for (const Pod& pod : snapshot.pods) {
    if (!pod.id.valid() || !pod.binding) {
      continue;
    }
    const NodeId node = pod.binding->node;
    for (const GpuShare& share : pod.binding->gpus) {
      if (share.index < 0) {
        continue;
      }
      const Gpu& gpu = snapshot.nodes[node.index()].gpus[static_cast<std::size_t>(share.index)];
      const MigGeometry* geometry = find_geometry(gpu.model);
      const std::string& asked = snapshot.specs[pod.spec.index()].gpu.mig_profile;
      const auto result = hold(held[{node, share.index}], share,
                               geometry == nullptr ? nullptr : geometry->find(asked));
      if (!result) {
        return bad_input(fmt::format("pods[{}]: binding: GPU {} of node {}: found {}",
                                     pod.id.value(), share.index, node.value(),
                                     result.error().message));
      }
    }
  }
  return {};
}

// Every slot is free or carries its own index as its id, and `check_one` holds for it.
template <typename T>
Result<void> each(const std::vector<T>& slots, std::string_view kind, auto check_one) {
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const auto where = [&] { return fmt::format("{}[{}]", kind, i); };
    const auto id = slots[i].id;
    if (!id.valid()) {
      continue;
    }
    if (id.index() != i) {
      return bad_input(
          fmt::format("{}: id: found {}, expected {} or none", where(), id.value(), i));
    }
    TRY_VOID(check_one(slots[i], where));
  }
  return {};
}

}  // namespace

Result<void> check_binding(const Snapshot& snapshot, SpecId spec, const Binding& binding,
                           const Where& where) {
  TRY_VOID(refers_to_spec(snapshot, spec, where));
  TRY_VOID(refers(snapshot.nodes, binding.node, "binding: node", where));
  const auto asked = snapshot.specs[spec.index()].gpu.count;
  if (static_cast<std::int64_t>(binding.gpus.size()) != asked) {
    return bad_input(
        fmt::format("{}: binding: gpus: found {} of them, expected the {} that its spec asks",
                    where(), binding.gpus.size(), asked));
  }
  const auto count = static_cast<std::int64_t>(snapshot.nodes[binding.node.index()].gpus.size());
  for (const GpuShare& share : binding.gpus) {
    TRY_VOID(within(share.index, {-1, count - 1}, "binding: gpus: index", where));
    TRY_VOID(within(share.milli.value(), {0, 1000}, "binding: gpus: milli", where));
    TRY_VOID(within(share.mig_start, {-1}, "binding: gpus: mig_start", where));
  }
  return {};
}

Result<void> check_pod(const Snapshot& snapshot, const Pod& pod, const Where& where) {
  TRY_VOID(refers_to_spec(snapshot, pod.spec, where));
  TRY_VOID(refers_or_none(snapshot.gangs, pod.gang, "gang", where));
  TRY_VOID(refers_or_none(snapshot.tenants, pod.tenant, "tenant", where));
  return pod.binding ? check_binding(snapshot, pod.spec, *pod.binding, where) : Result<void>();
}

Result<void> validate(const Snapshot& snapshot) {
  TRY_VOID(each(snapshot.tenants, "tenants", [&](const Tenant& tenant, const Where& where) {
    return check_tenant(snapshot, tenant, where);
  }));
  TRY_VOID(each(snapshot.nodes, "nodes",
                [&](const Node& node, const Where& where) { return check_node(node, where); }));
  for (std::size_t i = 0; i < snapshot.specs.size(); ++i) {
    TRY_VOID(check_spec(snapshot.specs[i], [&] { return fmt::format("specs[{}]", i); }));
  }
  TRY_VOID(each(snapshot.gangs, "gangs", [&](const Gang& gang, const Where& where) {
    return check_gang(snapshot, gang, where);
  }));
  TRY_VOID(each(snapshot.pods, "pods", [&](const Pod& pod, const Where& where) {
    return check_pod(snapshot, pod, where);
  }));
  TRY_VOID(
      each(snapshot.budgets, "budgets", [](const DisruptionBudget& budget, const Where& where) {
        return within(budget.allowed, {}, "allowed", where);
      }));
  return check_gpu_sums(snapshot);
}

}  // namespace plimsoll::model
