#include "engines/placement/node_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

namespace plimsoll::placement {
namespace {

// Percentages of an amount, and sums over thousands of pods, fit an int64.
constexpr std::int64_t amount_max = std::int64_t{1} << 50;

// Extra resource number 0.
constexpr const char* ephemeral_storage = "ephemeral-storage";

bool usable(const model::Gpu& gpu) { return gpu.condition == model::GpuCondition::stable; }

Result<MigGpu> make_mig(const model::Node& node, std::size_t index) {
  const model::Gpu& gpu = node.gpus[index];
  MigGpu mig;
  mig.index = static_cast<std::int32_t>(index);
  mig.geometry = model::find_geometry(gpu.model);
  if (mig.geometry == nullptr) {
    return bad_input(fmt::format("node {}: gpus[{}]: model: found {}, expected one that has MIG",
                                 node.name, index, gpu.model));
  }
  if (const auto sound = model::legal(*mig.geometry, gpu.instances); !sound) {
    return bad_input(fmt::format("node {}: gpus[{}]: {}", node.name, index, sound.error().message));
  }
  mig.usable = usable(gpu);
  mig.on_demand = gpu.instances.empty();
  for (const model::MigInstance& instance : gpu.instances) {
    mig.instances.push_back({mig.geometry->find(instance.profile), instance.start, false});
  }
  std::ranges::sort(mig.instances, {}, &MigGpu::Instance::start);
  return mig;
}

// How much room for instances to come is left: every legal place of every profile, weighted by
// its slices.
std::int64_t openness(const model::MigGeometry& geometry, model::SliceMask occupied) {
  std::int64_t sum = 0;
  for (const model::MigProfile& profile : geometry.profiles) {
    sum += profile.memory_slices * std::popcount(model::places_for(profile, occupied));
  }
  return sum;
}

}  // namespace

model::SliceMask MigGpu::occupied() const {
  model::SliceMask mask = 0;
  for (const Instance& instance : instances) {
    mask |= model::slices_of(*instance.profile, instance.start);
  }
  return mask;
}

Shape NodeTable::shape_of(const model::PodSpec& spec) {
  Shape shape;
  shape.cpu = spec.requests.cpu.value();
  shape.memory = spec.requests.memory.value();
  if (spec.requests.ephemeral_storage.value() > 0) {
    shape.extra.emplace_back(resources_.intern(ephemeral_storage),
                             spec.requests.ephemeral_storage.value());
  }
  for (const auto& [name, amount] : spec.requests.extended) {
    if (amount > 0) {
      shape.extra.emplace_back(resources_.intern(name), amount);
    }
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
  for (const std::int64_t amount :
       {node.allocatable.cpu.value(), node.allocatable.memory.value(), node.allocatable.pods}) {
    if (amount < 0 || amount > amount_max) {
      return bad_input(fmt::format("node {}: allocatable: found {}, expected 0 to {}", node.name,
                                   amount, amount_max));
    }
  }
  const std::size_t i = node.id.index();
  if (i >= rows_.size()) {
    rows_.resize(i + 1);
    facts_.resize(i + 1);
    held_.resize(i + 1);
  }
  NodeFacts facts;
  facts.present = true;
  facts.ready = node.ready;
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
    if (node.gpus[g].sharing == model::GpuSharing::mig) {
      facts.mig.push_back(TRY(make_mig(node, g)));
    }
    if (node.gpus[g].sharing == model::GpuSharing::mig || !usable(node.gpus[g])) {
      row.blocked |= bit;
    }
  }
  rows_[i] = row;
  facts_[i] = std::move(facts);
  held_[i] = {};
  refresh(i);
  return {};
}

void NodeTable::erase(NodeId node) {
  rows_[node.index()] = NodeRow{};
  facts_[node.index()] = NodeFacts{};
  held_[node.index()] = {};
}

bool NodeTable::fits(std::size_t node, const Shape& shape) const {
  if (!row_fits(rows_[node], shape)) {
    return false;
  }
  if (shape.mig_count > 0 && !choose_mig(node, shape)) {
    return false;
  }
  const std::vector<std::int64_t>& free = facts_[node].extra;
  return std::ranges::all_of(shape.extra, [&](const auto& want) {
    const auto number = static_cast<std::size_t>(want.first);
    return number < free.size() && free[number] >= want.second;
  });
}

namespace {

struct MigPlace {
  MigGpu* gpu = nullptr;
  std::int32_t start = -1;
  std::int64_t cost = INT64_MAX;
};

// The cheapest place for one more instance; no GPU where there is none.
MigPlace cheapest_place(std::span<MigGpu> gpus, const std::string& name, std::int64_t memory_min) {
  MigPlace best;
  for (MigGpu& gpu : gpus) {
    const model::MigProfile* profile = gpu.geometry->find(name);
    const bool enough =
        profile != nullptr && (memory_min == 0 || profile->memory().value() >= memory_min);
    if (!gpu.usable || !enough) {
      continue;
    }
    if (!gpu.on_demand) {
      for (const MigGpu::Instance& instance : gpu.instances) {
        if (!instance.held && instance.profile == profile && best.cost > 0) {
          best = {&gpu, instance.start, 0};
        }
      }
      continue;
    }
    const model::SliceMask occupied = gpu.occupied();
    const std::int64_t open = openness(*gpu.geometry, occupied);
    const model::StartMask places = model::places_for(*profile, occupied);
    for (std::int32_t start = 0; start < 8; ++start) {
      if (((places >> start) & 1) == 0) {
        continue;
      }
      const auto with = static_cast<model::SliceMask>(occupied | model::slices_of(*profile, start));
      const std::int64_t lost = open - openness(*gpu.geometry, with);
      const std::int64_t cost = lost * whole / openness(*gpu.geometry, 0);
      if (cost < best.cost) {
        best = {&gpu, start, cost};
      }
    }
  }
  return best;
}

// Puts an instance on `gpu` as held, unless it has no such place or the place is taken.
bool hold_instance(MigGpu& gpu, const std::string& name, std::int32_t start) {
  const auto at = std::ranges::lower_bound(gpu.instances, start, {}, &MigGpu::Instance::start);
  const bool there = at != gpu.instances.end() && at->start == start;
  const model::MigProfile* profile = gpu.geometry->find(name);
  if (!gpu.on_demand) {
    if (!there || at->held || at->profile != profile) {
      return false;
    }
    at->held = true;
    return true;
  }
  if (profile == nullptr || start < 0 || start >= 8 ||
      ((model::places_for(*profile, gpu.occupied()) >> start) & 1) == 0) {
    return false;
  }
  gpu.instances.insert(at, {profile, start, true});
  return true;
}

}  // namespace

std::optional<NodeTable::MigChoice> NodeTable::choose_mig(std::size_t node,
                                                          const Shape& shape) const {
  std::vector<MigGpu> gpus = facts_[node].mig;
  MigChoice choice;
  for (std::int32_t n = 0; n < shape.mig_count; ++n) {
    const MigPlace place = cheapest_place(gpus, shape.mig_profile, shape.gpu_memory_min);
    if (place.gpu == nullptr) {
      return std::nullopt;
    }
    check(hold_instance(*place.gpu, shape.mig_profile, place.start), "a place found is free");
    choice.shares.push_back({place.gpu->index, GpuMilli(0), place.start});
    choice.cost_milli += place.cost;
  }
  return choice;
}

// Lays what pods hold onto the instances anew: first what is known, then the rest where it costs
// least. What finds no place was bound by others past what there is.
void NodeTable::refresh_mig(std::size_t node) {
  std::vector<MigGpu>& gpus = facts_[node].mig;
  for (MigGpu& gpu : gpus) {
    if (gpu.on_demand) {
      gpu.instances.clear();
    }
    for (MigGpu::Instance& instance : gpu.instances) {
      instance.held = false;
    }
  }
  std::vector<const MigHold*> unknown;
  if (held_[node].odd == nullptr) {
    return;
  }
  for (const MigHold& hold : held_[node].odd->mig) {
    const auto gpu = std::ranges::find(gpus, hold.gpu, &MigGpu::index);
    if (gpu == gpus.end() || !hold_instance(*gpu, hold.profile, hold.start)) {
      unknown.push_back(&hold);
    }
  }
  for (const MigHold* hold : unknown) {
    const MigPlace place = cheapest_place(gpus, hold->profile, 0);
    if (place.gpu != nullptr) {
      hold_instance(*place.gpu, hold->profile, place.start);
    }
  }
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
  // Sorted lists: what a node holds is the same however it came about.
  const auto update = [&](auto& list, const auto& item) {
    const auto at = std::ranges::lower_bound(list, item);
    if (sign > 0) {
      list.insert(at, item);
    } else {
      check(at != list.end() && *at == item, "a share that is given back was taken");
      list.erase(at);
    }
  };
  Held& held = held_[node];
  const auto odd = [&]() -> Odd& {
    if (held.odd == nullptr) {
      held.odd = std::make_unique<Odd>();
    }
    return *held.odd;
  };
  for (const model::GpuShare& share : shares) {
    if (shape.mig_count > 0) {
      update(odd().mig, MigHold{share.index, share.mig_start, shape.mig_profile});
    } else if (share.index >= 0 && share.index < row.gpus) {
      std::uint16_t& milli = held.milli[static_cast<std::size_t>(share.index)];
      const std::int64_t now = milli + sign * share.milli.value();
      check(now >= 0 && now <= UINT16_MAX, "a share that is given back was taken");
      milli = static_cast<std::uint16_t>(now);
    } else {
      update(odd().unknown, static_cast<std::int32_t>(share.milli.value()));
    }
  }
  if (shape.mig_count > 0) {
    refresh_mig(node);
  } else {
    refresh(node);
  }
}

namespace {

// Takes `milli` of a GPU that nobody names: the fullest one with room for it, the last of equals,
// and a whole one from those that are wholly free. Where none has room, the emptiest is used up.
void take_unknown(NodeRow& row, std::int32_t milli) {
  const auto free_of = [&](std::int32_t g) -> std::uint16_t& {
    return row.gpu_free[static_cast<std::size_t>(g)];
  };
  std::int32_t best = -1;
  std::int32_t emptiest = -1;
  for (std::int32_t g = 0; g < row.gpus; ++g) {
    const bool fits = milli >= whole ? free_of(g) == whole : shareable(row, g, milli);
    if (fits && (best < 0 || free_of(g) <= free_of(best))) {
      best = g;
    }
    if (emptiest < 0 || free_of(g) >= free_of(emptiest)) {
      emptiest = g;
    }
  }
  if (best >= 0) {
    free_of(best) = static_cast<std::uint16_t>(free_of(best) - std::min(milli, whole));
  } else if (emptiest >= 0) {
    free_of(emptiest) = 0;
  }
}

}  // namespace

void NodeTable::refresh(std::size_t node) {
  NodeRow& row = rows_[node];
  const Held& held = held_[node];
  for (std::size_t g = 0; g < row.gpus; ++g) {
    const bool blocked = ((row.blocked >> g) & 1U) != 0;
    row.gpu_free[g] =
        static_cast<std::uint16_t>(blocked ? 0 : whole - std::min<int>(whole, held.milli[g]));
  }
  if (held.odd != nullptr) {
    for (auto milli = held.odd->unknown.rbegin(); milli != held.odd->unknown.rend(); ++milli) {
      take_unknown(row, *milli);
    }
  }
  row.gpu_free_total = 0;
  row.gpus_whole_free = 0;
  row.shareable_free_max = 0;
  for (std::size_t g = 0; g < row.gpus; ++g) {
    const std::uint16_t free = row.gpu_free[g];
    row.gpu_free_total += free;
    row.gpus_whole_free = static_cast<std::uint8_t>(row.gpus_whole_free + (free == whole ? 1 : 0));
    if (((row.whole_only >> g) & 1U) == 0) {
      row.shareable_free_max = std::max(row.shareable_free_max, free);
    }
  }
}

}  // namespace plimsoll::placement
