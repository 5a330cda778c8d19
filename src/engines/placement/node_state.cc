#include "engines/placement/node_state.h"

#include <fmt/format.h>

#include <algorithm>

namespace plimsoll::placement {
namespace {

// Extra resource number 0.
constexpr const char* ephemeral_storage = "ephemeral-storage";

bool usable(const model::Gpu& gpu) { return gpu.condition == model::GpuCondition::stable; }

}  // namespace

Shape NodeTable::shape_of(const model::PodSpec& spec) {
  Shape shape;
  shape.cpu = spec.requests.cpu.value();
  shape.memory = spec.requests.memory.value();
  if (spec.requests.ephemeral_storage.value() > 0) {
    shape.extra.emplace_back(resources_.intern(ephemeral_storage),
                             spec.requests.ephemeral_storage.value());
  }
  for (const auto& [name, amount] : spec.requests.extended) {
    shape.extra.emplace_back(resources_.intern(name), amount);
  }
  const model::GpuRequest& gpu = spec.gpu;
  if (gpu.count > 0 && !gpu.mig_profile.empty()) {
    shape.mig_count = gpu.count;
    shape.mig_profile = gpu.mig_profile;
  } else if (gpu.count > 0) {
    shape.gpus = gpu.count;
    shape.milli = static_cast<std::int32_t>(gpu.milli.value());
  }
  for (const std::string& name : gpu.models) {
    shape.models.push_back(models_.intern(name));
  }
  std::ranges::sort(shape.models);
  shape.gpu_memory_min = gpu.memory_min.value();
  return shape;
}

Result<void> NodeTable::set(const model::Node& node) {
  if (node.gpus.size() > gpus_per_node_max) {
    return bad_input(fmt::format("node {}: gpus: found {}, expected {} at the most", node.name,
                                 node.gpus.size(), gpus_per_node_max));
  }
  for (const model::Gpu& gpu : node.gpus) {
    if (gpu.model != node.gpus.front().model) {
      return bad_input(fmt::format("node {}: gpus: found models {} and {}, expected one model",
                                   node.name, node.gpus.front().model, gpu.model));
    }
  }
  const std::size_t i = node.id.index();
  if (i >= rows_.size()) {
    rows_.resize(i + 1);
    facts_.resize(i + 1);
    used_.resize(i + 1);
  }
  NodeFacts facts;
  facts.present = true;
  facts.open = node.ready && !node.unschedulable;
  facts.cpu = node.allocatable.cpu.value();
  facts.memory = node.allocatable.memory.value();
  if (!node.gpus.empty()) {
    facts.gpu_model = models_.intern(node.gpus.front().model);
    facts.gpu_memory = node.gpus.front().memory.value();
  }
  const auto set_extra = [&](const std::string& name, std::int64_t amount) {
    const auto number = static_cast<std::size_t>(resources_.intern(name));
    if (facts.extra.size() <= number) {
      facts.extra.resize(number + 1);
    }
    facts.extra[number] = amount;
  };
  if (node.allocatable.ephemeral_storage.value() > 0) {
    set_extra(ephemeral_storage, node.allocatable.ephemeral_storage.value());
  }
  for (const auto& [name, amount] : node.allocatable.extended) {
    set_extra(name, amount);
  }
  NodeRow row;
  row.cpu_free = facts.cpu;
  row.memory_free = facts.memory;
  row.pods_free =
      static_cast<std::int32_t>(std::min<std::int64_t>(node.allocatable.pods, INT32_MAX));
  row.gpus = static_cast<std::uint8_t>(node.gpus.size());
  for (std::size_t g = 0; g < node.gpus.size(); ++g) {
    const auto bit = static_cast<std::uint16_t>(1U << g);
    if (node.gpus[g].sharing == model::GpuSharing::whole) {
      row.whole_only |= bit;
    }
    if (node.gpus[g].sharing == model::GpuSharing::mig || !usable(node.gpus[g])) {
      row.blocked |= bit;
    }
  }
  rows_[i] = row;
  facts_[i] = std::move(facts);
  used_[i].fill(0);
  refresh(i);
  return {};
}

void NodeTable::erase(NodeId node) {
  rows_[node.index()] = NodeRow{};
  facts_[node.index()] = NodeFacts{};
  used_[node.index()].fill(0);
}

bool NodeTable::fits(std::size_t node, const Shape& shape) const {
  if (!row_fits(rows_[node], shape)) {
    return false;
  }
  const std::vector<std::int64_t>& free = facts_[node].extra;
  return std::ranges::all_of(shape.extra, [&](const auto& want) {
    const auto number = static_cast<std::size_t>(want.first);
    return number < free.size() && free[number] >= want.second;
  });
}

void NodeTable::take(std::size_t node, const Shape& shape,
                     std::span<const model::GpuShare> shares) {
  move(node, shape, shares, 1);
}

void NodeTable::give(std::size_t node, const Shape& shape,
                     std::span<const model::GpuShare> shares) {
  move(node, shape, shares, -1);
}

void NodeTable::move(std::size_t node, const Shape& shape, std::span<const model::GpuShare> shares,
                     int sign) {
  NodeRow& row = rows_[node];
  NodeFacts& facts = facts_[node];
  row.cpu_free -= sign * shape.cpu;
  row.memory_free -= sign * shape.memory;
  row.pods_free -= sign;
  for (const auto& [number, amount] : shape.extra) {
    if (facts.extra.size() <= static_cast<std::size_t>(number)) {
      facts.extra.resize(static_cast<std::size_t>(number) + 1);
    }
    facts.extra[static_cast<std::size_t>(number)] -= sign * amount;
  }
  facts.held[static_cast<std::size_t>(affinity_class(shape))] += sign;
  if (shares.empty()) {
    return;
  }
  for (const model::GpuShare& share : shares) {
    check(share.index >= 0 && share.index < row.gpus, "a share names a GPU of its node");
    std::int16_t& used = used_[node][static_cast<std::size_t>(share.index)];
    used = static_cast<std::int16_t>(used + sign * share.milli.value());
    check(used >= 0 && used <= whole, "a GPU is never given out twice");
  }
  refresh(node);
}

void NodeTable::refresh(std::size_t node) {
  NodeRow& row = rows_[node];
  row.gpu_free_total = 0;
  row.gpus_whole_free = 0;
  row.shareable_free_max = 0;
  for (std::size_t g = 0; g < row.gpus; ++g) {
    const bool blocked = ((row.blocked >> g) & 1U) != 0;
    const auto free = static_cast<std::uint16_t>(blocked ? 0 : whole - used_[node][g]);
    row.gpu_free[g] = free;
    row.gpu_free_total += free;
    row.gpus_whole_free = static_cast<std::uint8_t>(row.gpus_whole_free + (free == whole ? 1 : 0));
    if (((row.whole_only >> g) & 1U) == 0) {
      row.shareable_free_max = std::max(row.shareable_free_max, free);
    }
  }
}

}  // namespace plimsoll::placement
