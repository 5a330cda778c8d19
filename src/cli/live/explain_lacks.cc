#include "cli/live/explain_lacks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "cli/live/snapshot_read.h"

namespace plimsoll::cli {
namespace {

std::int64_t amount_of(const std::vector<std::pair<std::string, std::int64_t>>& amounts,
                       const std::string& name) {
  const auto known = std::ranges::find(amounts, name, [](const auto& one) { return one.first; });
  return known == amounts.end() ? 0 : known->second;
}

void add(std::vector<std::pair<std::string, std::int64_t>>& amounts, const std::string& name,
         std::int64_t amount) {
  const auto at = std::ranges::lower_bound(
      amounts, name, {}, [](const auto& one) -> const auto& { return one.first; });
  if (at != amounts.end() && at->first == name) {
    at->second += amount;
  } else {
    amounts.insert(at, {name, amount});
  }
}

std::string bytes_text(std::int64_t bytes) {
  const double gib = static_cast<double>(bytes) / static_cast<double>(gibibyte.value());
  return gib >= 1 ? fmt::format("{:.1f} GiB", gib)
                  : fmt::format("{:.1f} MiB",
                                static_cast<double>(bytes) / static_cast<double>(mebibyte.value()));
}

// States and rules of the node that keep the pod off it, whatever is free there.
void look_at_rules(const model::PodSpec& spec, Lacks& lacks) {
  model::Node& node = lacks.changed;
  const auto lack = [&](std::string line) {
    lacks.lines.push_back(std::move(line));
    ++lacks.rules;
  };
  if (!node.ready) {
    lack("to be ready");
    node.ready = true;
  }
  if (node.unschedulable && !model::tolerates_cordon(spec)) {
    lack("to be uncordoned");
    node.unschedulable = false;
  }
  for (const auto& [key, value] : spec.node_selector) {
    const std::string* label = model::find_label(node.labels, key);
    if (label == nullptr || *label != value) {
      lack(fmt::format("label {}={}", key, value));
      model::set_label(node.labels, key, value);
    }
  }
  if (!model::selects(spec, node)) {
    lack("what the pod's node affinity asks");  // and cannot be given it: `besides` says so
  }
  while (const model::Taint* taint = model::untolerated_taint(spec, node)) {
    lack(fmt::format("a toleration, by the pod, of taint {}{}{}", taint->key,
                     taint->value.empty() ? "" : "=", taint->value));
    node.taints.erase(node.taints.begin() + (taint - node.taints.data()));
  }
  if (spec.gpu.count > 0 && !spec.gpu.models.empty() && !node.gpus.empty() &&
      !std::ranges::binary_search(spec.gpu.models, node.gpus.front().model)) {
    lack(fmt::format("GPUs of model {}", fmt::join(spec.gpu.models, " or ")));
    for (model::Gpu& gpu : node.gpus) {
      gpu.model = spec.gpu.models.front();
    }
  }
}

void look_at_resources(const model::PodSpec& spec, const NodeRoom& room, Lacks& lacks) {
  model::Resources& has = lacks.changed.allocatable;
  const auto lack = [&](std::string line) {
    lacks.lines.push_back(std::move(line));
    ++lacks.resources;
  };
  if (room.pods < 1) {
    lack("a slot for one more pod");
    has.pods += 1 - room.pods;
  }
  if (const auto missing = spec.requests.cpu.value() - std::max<std::int64_t>(room.cpu, 0);
      missing > 0) {
    lack(fmt::format("{} CPU", gpus_text(missing)));
    has.cpu += Millicores(missing + std::max<std::int64_t>(-room.cpu, 0));
  }
  if (const auto missing = spec.requests.memory.value() - std::max<std::int64_t>(room.memory, 0);
      missing > 0) {
    lack(fmt::format("{} of memory", bytes_text(missing)));
    has.memory += Bytes(missing + std::max<std::int64_t>(-room.memory, 0));
  }
  if (const auto missing = spec.requests.ephemeral_storage.value() - room.ephemeral_storage;
      spec.requests.ephemeral_storage > Bytes() && missing > 0) {
    lack(fmt::format("{} of ephemeral storage", bytes_text(missing)));
    has.ephemeral_storage += Bytes(missing);
  }
  for (const auto& [name, asked] : spec.requests.extended) {
    if (const auto missing = asked - amount_of(room.extended, name); missing > 0) {
      lack(fmt::format("{} {}", missing, name));
      add(has.extended, name, missing);
    }
  }
}

}  // namespace

std::vector<NodeRoom> rooms_of(const model::Snapshot& snapshot) {
  std::vector<NodeRoom> rooms(snapshot.nodes.size());
  std::vector<std::set<std::int32_t>> held(snapshot.nodes.size());
  for (std::size_t i = 0; i < rooms.size(); ++i) {
    const model::Node& node = snapshot.nodes[i];
    rooms[i] = {.cpu = node.allocatable.cpu.value(),
                .memory = node.allocatable.memory.value(),
                .ephemeral_storage = node.allocatable.ephemeral_storage.value(),
                .pods = node.allocatable.pods,
                .gpus = static_cast<std::int32_t>(node.gpus.size()),
                .extended = node.allocatable.extended};
  }
  for (const model::Pod& pod : snapshot.pods) {
    if (!pod.id.valid() || !pod.binding) {
      continue;
    }
    NodeRoom& room = rooms[pod.binding->node.index()];
    const model::Resources& asked = snapshot.specs[pod.spec.index()].requests;
    room.cpu -= asked.cpu.value();
    room.memory -= asked.memory.value();
    room.ephemeral_storage -= asked.ephemeral_storage.value();
    --room.pods;
    for (const auto& [name, amount] : asked.extended) {
      add(room.extended, name, -amount);
    }
    for (const model::GpuShare& share : pod.binding->gpus) {
      const bool fresh =
          share.index < 0 || held[pod.binding->node.index()].insert(share.index).second;
      room.gpus -= fresh ? 1 : 0;
    }
  }
  return rooms;
}

Lacks lacks_of(const model::PodSpec& spec, const model::Node& node, const NodeRoom& room) {
  Lacks lacks{.changed = node};
  look_at_rules(spec, lacks);
  look_at_resources(spec, room, lacks);
  const bool whole = spec.gpu.mig_profile.empty() && spec.gpu.milli == whole_gpu;
  const std::int32_t missing = spec.gpu.count - std::max(room.gpus, 0);
  if (whole && spec.gpu.count > 0 && missing > 0) {
    lacks.lines.push_back(plural(static_cast<std::size_t>(missing), "GPU"));
    lacks.gpus = missing;
    model::Gpu like = node.gpus.empty() ? model::Gpu{} : lacks.changed.gpus.front();
    if (node.gpus.empty() && !spec.gpu.models.empty()) {
      like.model = spec.gpu.models.front();
    }
    like.memory = std::max(like.memory, spec.gpu.memory_min);
    lacks.changed.gpus.resize(node.gpus.size() + static_cast<std::size_t>(missing), like);
  }
  return lacks;
}

}  // namespace plimsoll::cli
