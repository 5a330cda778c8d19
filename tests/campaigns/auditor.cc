#include "tests/campaigns/auditor.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "model/mig.h"

namespace plimsoll::campaigns {
namespace {

struct Used {
  model::Resources sum;
  std::map<std::string, std::int64_t> extended;
  std::vector<std::int64_t> milli;
  std::vector<std::vector<model::MigInstance>> instances;
  std::vector<int> holders;
};

Result<void> audit_pod(const model::Pod& pod, const model::Node& node, const model::PodSpec& spec,
                       Used& used) {
  const auto wrong = [&](std::string_view what) {
    return failed(fmt::format("pod '{}' on node '{}': {}", pod.name, node.name, what));
  };
  if (!node.id.valid() || !node.ready) {
    return wrong("the node is not there");
  }
  if (!model::selects(spec, node) || model::untolerated_taint(spec, node) != nullptr) {
    return wrong("it may not use that node");
  }
  used.sum.cpu += spec.requests.cpu;
  used.sum.memory += spec.requests.memory;
  used.sum.ephemeral_storage += spec.requests.ephemeral_storage;
  ++used.sum.pods;
  for (const auto& [name, amount] : spec.requests.extended) {
    used.extended[name] += amount;
  }
  if (static_cast<std::int32_t>(pod.binding->gpus.size()) != spec.gpu.count) {
    return wrong("not the GPUs that it asks");
  }
  std::vector<std::int32_t> seen;
  for (const model::GpuShare& share : pod.binding->gpus) {
    const auto index = static_cast<std::size_t>(share.index);
    if (share.index < 0 || index >= node.gpus.size()) {
      return wrong("a GPU that is not there");
    }
    if (!spec.gpu.models.empty() &&
        std::ranges::count(spec.gpu.models, node.gpus[index].model) == 0) {
      return wrong("a GPU model that it does not accept");
    }
    ++used.holders[index];
    if (share.mig_start >= 0) {
      used.instances[index].push_back({spec.gpu.mig_profile, share.mig_start});
      continue;
    }
    if (share.milli != spec.gpu.milli || std::ranges::count(seen, share.index) > 0) {
      return wrong("another share of a GPU than it asks");
    }
    seen.push_back(share.index);
    used.milli[index] += share.milli.value();
  }
  return {};
}

Result<void> audit_node(const model::Node& node, const Used& used) {
  const auto wrong = [&](std::string_view what) {
    return failed(fmt::format("node '{}': {}", node.name, what));
  };
  const model::Resources& offer = node.allocatable;
  if (used.sum.cpu > offer.cpu || used.sum.memory > offer.memory || used.sum.pods > offer.pods ||
      used.sum.ephemeral_storage > offer.ephemeral_storage) {
    return wrong("requests pass what is allocatable");
  }
  for (const auto& [name, amount] : used.extended) {
    std::int64_t offered = 0;
    for (const auto& [offered_name, offered_amount] : offer.extended) {
      offered += offered_name == name ? offered_amount : 0;
    }
    if (amount > offered) {
      return wrong(fmt::format("{} of {} held, {} offered", amount, name, offered));
    }
  }
  for (std::size_t g = 0; g < node.gpus.size(); ++g) {
    const model::Gpu& gpu = node.gpus[g];
    if (used.milli[g] > whole_gpu.value() ||
        (gpu.sharing == model::GpuSharing::whole && used.holders[g] > 1)) {
      return wrong(fmt::format("GPU {} is handed out twice", g));
    }
    if (gpu.sharing == model::GpuSharing::mig) {
      const model::MigGeometry* geometry = model::find_geometry(gpu.model);
      if (geometry == nullptr || used.milli[g] > 0) {
        return wrong(fmt::format("GPU {} is in MIG mode", g));
      }
      TRY_VOID(model::legal(*geometry, used.instances[g]));
    } else if (!used.instances[g].empty()) {
      return wrong(fmt::format("GPU {} is not in MIG mode", g));
    }
  }
  return {};
}

}  // namespace

Result<void> audit_rooms(const model::Snapshot& truth) {
  std::vector<Used> used(truth.nodes.size());
  for (std::size_t i = 0; i < used.size(); ++i) {
    used[i].milli.resize(truth.nodes[i].gpus.size());
    used[i].instances.resize(truth.nodes[i].gpus.size());
    used[i].holders.resize(truth.nodes[i].gpus.size());
  }
  for (const model::Pod& pod : truth.pods) {
    if (pod.id.valid() && pod.binding) {
      const std::size_t on = pod.binding->node.index();
      TRY_VOID(audit_pod(pod, truth.nodes[on], truth.specs[pod.spec.index()], used[on]));
    }
  }
  for (std::size_t i = 0; i < used.size(); ++i) {
    TRY_VOID(audit_node(truth.nodes[i], used[i]));
  }
  return {};
}

Result<void> audit(const model::Snapshot& truth) {
  TRY_VOID(audit_rooms(truth));
  std::map<std::uint32_t, std::pair<int, int>> gangs;  // bound, pending
  for (const model::Pod& pod : truth.pods) {
    if (pod.id.valid() && pod.gang.valid()) {
      auto& [bound, pending] = gangs[pod.gang.value()];
      ++(pod.binding ? bound : pending);
    }
  }
  for (const auto& [gang, members] : gangs) {
    if (members.first > 0 && members.second > 0) {
      return failed(fmt::format("gang {}: {} members bound, {} pending", gang, members.first,
                                members.second));
    }
  }
  return {};
}

}  // namespace plimsoll::campaigns
