#include "sim/ledger.h"

#include <fmt/format.h>

#include <algorithm>

namespace plimsoll::sim {
namespace {

using model::Binding;
using model::GpuShare;
using model::GpuSharing;
using model::Node;
using model::PodSpec;

std::unexpected<Error> short_of(const Node& node, std::string_view what, std::int64_t asked,
                                std::int64_t left) {
  return failed(
      fmt::format("bind: node '{}': {}: asked {}, {} left", node.name, what, asked, left));
}

std::int64_t amount_of(const std::vector<std::pair<std::string, std::int64_t>>& amounts,
                       std::string_view name) {
  const auto it = std::ranges::lower_bound(
      amounts, name, {}, [](const auto& amount) -> std::string_view { return amount.first; });
  return it != amounts.end() && it->first == name ? it->second : 0;
}

// Requires: the profile exists there.
model::SliceMask slices(std::string_view gpu_model, const PodSpec& spec, const GpuShare& share) {
  return model::slices_of(*model::find_geometry(gpu_model)->find(spec.gpu.mig_profile),
                          share.mig_start);
}

// Whether an instance of the asked profile may be made, or taken, at `start`.
Result<void> fits_instance(const Node& node, const GpuUse& used, const PodSpec& spec,
                           const GpuShare& share) {
  const model::Gpu& gpu = node.gpus[static_cast<std::size_t>(share.index)];
  const auto refuse = [&](std::string_view what) {
    return failed(fmt::format("bind: node '{}': GPU {}: MIG instance {} at {}: {}", node.name,
                              share.index, spec.gpu.mig_profile, share.mig_start, what));
  };
  const model::MigGeometry* geometry = model::find_geometry(gpu.model);
  const model::MigProfile* profile =
      geometry == nullptr ? nullptr : geometry->find(spec.gpu.mig_profile);
  if (profile == nullptr) {
    return refuse(fmt::format("a {} has no such profile", gpu.model));
  }
  if (share.mig_start >= 8 || (profile->starts >> share.mig_start & 1U) == 0) {
    return refuse("it cannot start there");
  }
  const bool cut = !gpu.instances.empty();
  if (cut && std::ranges::none_of(gpu.instances, [&](const model::MigInstance& instance) {
        return instance.profile == spec.gpu.mig_profile && instance.start == share.mig_start;
      })) {
    return refuse("the GPU is not cut like that");
  }
  const model::SliceMask slices = model::slices_of(*profile, share.mig_start);
  for (const HeldInstance& held : used.instances) {
    if ((held.slices & slices) != 0) {
      return refuse(fmt::format("{} at {} is held", held.profile, held.start));
    }
  }
  return {};
}

Result<void> fits_share(const Node& node, const NodeUse& use, const PodSpec& spec,
                        const GpuShare& share) {
  if (share.index < 0 || share.index >= static_cast<std::int32_t>(node.gpus.size())) {
    return failed(fmt::format("bind: node '{}': GPU {}: the node has {}", node.name, share.index,
                              node.gpus.size()));
  }
  const auto index = static_cast<std::size_t>(share.index);
  const model::Gpu& gpu = node.gpus[index];
  const GpuUse& used = use.gpus[index];
  const auto refuse = [&](std::string_view what) {
    return failed(fmt::format("bind: node '{}': GPU {}: {}", node.name, index, what));
  };
  if (gpu.condition != model::GpuCondition::stable) {
    return refuse("it is not stable");
  }
  if (!spec.gpu.models.empty() && !std::ranges::binary_search(spec.gpu.models, gpu.model)) {
    return refuse("its model is not accepted");
  }
  if (gpu.memory < spec.gpu.memory_min) {
    return refuse("its memory is too small");
  }
  const bool instance = share.mig_start >= 0;
  if ((gpu.sharing == GpuSharing::mig) != instance || spec.gpu.mig_profile.empty() == instance) {
    return refuse("a MIG instance goes on a GPU in MIG mode, and nothing else does");
  }
  if (instance) {
    return fits_instance(node, used, spec, share);
  }
  if (share.milli != spec.gpu.milli || share.milli.value() <= 0 || share.milli > whole_gpu) {
    return refuse("not the share that the pod asks");
  }
  if (gpu.sharing == GpuSharing::whole && used.pods > 0) {
    return refuse("held by another pod");
  }
  if (used.milli + share.milli > whole_gpu) {
    return refuse(fmt::format("asked {} thousandths, {} left", share.milli.value(),
                              (whole_gpu - used.milli).value()));
  }
  return {};
}

// Whether two parts that one pod gets are the same GPU, or overlap on it.
bool clash(const Node& node, const PodSpec& spec, const GpuShare& a, const GpuShare& b) {
  if (a.index != b.index) {
    return false;
  }
  const std::string& model = node.gpus[static_cast<std::size_t>(a.index)].model;
  return a.mig_start < 0 || b.mig_start < 0 ||
         (slices(model, spec, a) & slices(model, spec, b)) != 0;
}

}  // namespace

std::int64_t held_milli(const model::Gpu& gpu, const PodSpec& spec, const GpuShare& share) {
  if (share.mig_start < 0) {
    return share.milli.value();
  }
  const model::MigGeometry* geometry = model::find_geometry(gpu.model);
  check(geometry != nullptr, "a GPU with instances has a geometry");
  return whole_gpu.value() * geometry->find(spec.gpu.mig_profile)->memory_slices /
         geometry->memory_slices;
}

void Ledger::set(const Node& node) {
  if (nodes_.size() <= node.id.index()) {
    nodes_.resize(node.id.index() + 1);
  }
  NodeUse& use = nodes_[node.id.index()];
  use.gpus.resize(node.gpus.size());
}

void Ledger::erase(NodeId node) { nodes_[node.index()] = {}; }

Result<void> Ledger::fits(const Node& node, const PodSpec& spec, const Binding& binding) const {
  const NodeUse& use = nodes_[node.id.index()];
  const model::Resources& offer = node.allocatable;
  if (!node.ready) {
    return failed(fmt::format("bind: node '{}' is not ready", node.name));
  }
  if (use.pods + 1 > offer.pods) {
    return short_of(node, "pods", 1, offer.pods - use.pods);
  }
  if (use.cpu + spec.requests.cpu.value() > offer.cpu.value()) {
    return short_of(node, "cpu", spec.requests.cpu.value(), offer.cpu.value() - use.cpu);
  }
  if (use.memory + spec.requests.memory.value() > offer.memory.value()) {
    return short_of(node, "memory", spec.requests.memory.value(),
                    offer.memory.value() - use.memory);
  }
  if (use.ephemeral_storage + spec.requests.ephemeral_storage.value() >
      offer.ephemeral_storage.value()) {
    return short_of(node, "ephemeral-storage", spec.requests.ephemeral_storage.value(),
                    offer.ephemeral_storage.value() - use.ephemeral_storage);
  }
  for (const auto& [name, amount] : spec.requests.extended) {
    const std::int64_t left = amount_of(offer.extended, name) - amount_of(use.extended, name);
    if (amount > left) {
      return short_of(node, name, amount, left);
    }
  }
  if (binding.gpus.size() != static_cast<std::size_t>(spec.gpu.count)) {
    return failed(fmt::format("bind: node '{}': {} GPUs given, {} asked", node.name,
                              binding.gpus.size(), spec.gpu.count));
  }
  for (std::size_t i = 0; i < binding.gpus.size(); ++i) {
    const GpuShare& share = binding.gpus[i];
    TRY_VOID(fits_share(node, use, spec, share));
    for (std::size_t j = 0; j < i; ++j) {
      if (clash(node, spec, share, binding.gpus[j])) {
        return failed(fmt::format("bind: node '{}': GPU {} given twice", node.name, share.index));
      }
    }
  }
  return {};
}

namespace {

void move_amounts(NodeUse& use, const PodSpec& spec, std::int64_t sign) {
  use.pods += sign;
  use.cpu += sign * spec.requests.cpu.value();
  use.memory += sign * spec.requests.memory.value();
  use.ephemeral_storage += sign * spec.requests.ephemeral_storage.value();
  for (const auto& [name, amount] : spec.requests.extended) {
    auto it = std::ranges::lower_bound(use.extended, name, {},
                                       [](const auto& held) { return held.first; });
    if (it == use.extended.end() || it->first != name) {
      it = use.extended.insert(it, {name, 0});
    }
    it->second += sign * amount;
  }
}

}  // namespace

void Ledger::take(const Node& node, const PodSpec& spec, const Binding& binding) {
  NodeUse& use = nodes_[node.id.index()];
  move_amounts(use, spec, 1);
  for (const GpuShare& share : binding.gpus) {
    const auto index = static_cast<std::size_t>(share.index);
    GpuUse& gpu = use.gpus[index];
    ++gpu.pods;
    if (share.mig_start >= 0) {
      gpu.instances.push_back(
          {spec.gpu.mig_profile, share.mig_start, slices(node.gpus[index].model, spec, share)});
    } else {
      gpu.milli += share.milli;
    }
  }
}

void Ledger::give(const Node& node, const PodSpec& spec, const Binding& binding) {
  NodeUse& use = nodes_[node.id.index()];
  move_amounts(use, spec, -1);
  for (const GpuShare& share : binding.gpus) {
    GpuUse& gpu = use.gpus[static_cast<std::size_t>(share.index)];
    --gpu.pods;
    if (share.mig_start >= 0) {
      std::erase_if(gpu.instances,
                    [&](const HeldInstance& held) { return held.start == share.mig_start; });
    } else {
      gpu.milli -= share.milli;
    }
    check(gpu.pods >= 0 && gpu.milli.value() >= 0, "only what was taken is given back");
  }
}

}  // namespace plimsoll::sim
