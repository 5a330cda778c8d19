// Random snapshots, plans and deltas for tests: every member of every struct takes values.
//
// Test code only. Deterministic in the Random given; thread-safe.
#pragma once

#include <algorithm>
#include <concepts>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/random.h"
#include "model/json_fields.h"

namespace plimsoll::model {

template <typename T>
  requires requires { Fields<T>::list; }
void fill(Random& random, T& object);

inline std::string random_text(Random& random) {
  static constexpr std::string_view pieces[] = {"a",  "gpu", "-7", "é", "\"",
                                                "\\", "\n",  "\t", "/", "世"};
  std::string text;
  for (std::uint64_t i = random.below(4); i > 0; --i) {
    text += pieces[random.below(std::size(pieces))];
  }
  return text;
}

template <typename T>
  requires std::integral<T>
void fill(Random& random, T& value) {
  const auto most = static_cast<std::uint64_t>(std::numeric_limits<T>::max());
  value = random.below(3) == 0 ? T{} : static_cast<T>((random.next() >> random.below(64)) & most);
}
template <typename T>
  requires std::is_enum_v<T>
void fill(Random& random, T& value) {
  value = static_cast<T>(random.below(names_of<T>.size()));
}
inline void fill(Random& random, std::string& text) { text = random_text(random); }
template <typename Tag>
void fill(Random& random, Id<Tag>& id) {
  id = Id<Tag>(static_cast<std::uint32_t>(random.below(1000)));
}
template <typename Tag>
void fill(Random& random, Unit<Tag>& unit) {
  unit = Unit<Tag>(static_cast<std::int64_t>(random.next() >> (1 + random.below(63))));
}
inline void fill(Random& random, Time& time) {
  time = Time(static_cast<std::int64_t>(random.next() >> (1 + random.below(63))));
}
template <typename T>
void fill(Random& random, std::optional<T>& value) {
  value.reset();
  if (random.below(2) == 0) {
    fill(random, value.emplace());
  }
}
template <typename V>
void fill(Random& random, std::vector<std::pair<std::string, V>>& map) {
  map.resize(random.below(3));
  for (auto& [key, value] : map) {
    key = random_text(random);
    fill(random, value);
  }
  std::ranges::sort(map);
  const auto twins = std::ranges::unique(map, {}, [](const auto& pair) { return pair.first; });
  map.erase(twins.begin(), twins.end());
}
template <typename T>
void fill(Random& random, std::vector<T>& list) {
  list.resize(random.below(3));
  for (T& item : list) {
    fill(random, item);
  }
}
template <typename... T>
void fill(Random& random, std::variant<T...>& value) {
  const auto pick = random.below(sizeof...(T));
  const auto alternative = [&]<std::size_t I>() {
    if (I == pick) {
      fill(random, value.template emplace<I>());
    }
  };
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (alternative.template operator()<I>(), ...);
  }(std::index_sequence_for<T...>());
}
template <typename T>
  requires requires { Fields<T>::list; }
void fill(Random& random, T& object) {
  std::apply([&](auto&... member) { (fill(random, member), ...); }, Fields<T>::tie(object));
}

template <typename T>
void sort_once(std::vector<T>& items) {
  std::ranges::sort(items);
  const auto twins = std::ranges::unique(items);
  items.erase(twins.begin(), twins.end());
}

// Amounts that validate() accepts.
inline void fill(Random& random, Resources& resources) {
  constexpr std::int64_t amount_max = std::int64_t{1} << 50;
  std::apply([&](auto&... member) { (fill(random, member), ...); },
             Fields<Resources>::tie(resources));
  resources.cpu = Millicores(resources.cpu.value() & (amount_max - 1));
  resources.memory = Bytes(resources.memory.value() & (amount_max - 1));
  resources.ephemeral_storage = Bytes(resources.ephemeral_storage.value() & (amount_max - 1));
  resources.pods &= amount_max - 1;
  for (auto& [name, amount] : resources.extended) {
    amount &= amount_max - 1;
  }
}

// Actions of every kind about random ids.
inline Plan random_plan(Random& random) {
  Plan plan;
  fill(random, plan.made);
  plan.actions.resize(random.below(6));
  for (std::size_t i = 0; i < plan.actions.size(); ++i) {
    fill(random, plan.actions[i]);
    std::erase_if(plan.actions[i].after, [&](std::uint32_t before) { return before >= i; });
    if (i > 0) {
      plan.actions[i].after.push_back(static_cast<std::uint32_t>(random.below(i)));
    }
  }
  return plan;
}

// A snapshot that validates: `size` pods, some bound, and free slots of every kind.
inline Snapshot random_snapshot(Random& random, std::uint32_t size) {
  const auto pick = [&]<typename IdType>(std::size_t count, IdType) {
    return count == 0 || random.below(3) == 0
               ? IdType()
               : IdType(static_cast<std::uint32_t>(random.below(count)));
  };
  Snapshot s;
  fill(random, s.now);
  s.tenants.resize(random.below(4));
  for (std::uint32_t i = 0; i < s.tenants.size(); ++i) {
    s.tenants[i] = {TenantId(i), random_text(random), pick(i, TenantId())};
  }
  s.nodes.resize(1 + random.below(size + 1));
  for (std::uint32_t i = 0; i < s.nodes.size(); ++i) {
    fill(random, s.nodes[i]);
    s.nodes[i].id = NodeId(i);
  }
  s.specs.resize(1 + random.below(5));
  for (PodSpec& spec : s.specs) {
    fill(random, spec);
    spec.gpu.count = static_cast<std::int32_t>(random.below(3));
    spec.gpu.milli = spec.gpu.count == 1
                         ? GpuMilli(1 + static_cast<std::int64_t>(random.below(1000)))
                         : whole_gpu;
    std::ranges::sort(spec.gpu.models);
    const auto weigh = [&](auto& terms) {
      for (auto& term : terms) {
        term.weight = 1 + static_cast<std::int32_t>(random.below(100));
      }
    };
    weigh(spec.node_affinity_preferred);
    weigh(spec.affinity);
    weigh(spec.anti_affinity);
    sort_once(spec.host_ports);
    sort_once(spec.volumes);
    sort_once(spec.exclusive_claims);
    for (TopologySpread& spread : spec.spread) {
      spread.max_skew = 1 + static_cast<std::int32_t>(random.below(5));
      spread.min_domains = 1 + static_cast<std::int32_t>(random.below(3));
    }
  }
  s.budgets.resize(random.below(3));
  for (std::uint32_t i = 0; i < s.budgets.size(); ++i) {
    fill(random, s.budgets[i]);
    s.budgets[i].id = BudgetId(i);
  }
  s.gangs.resize(random.below(4));
  for (std::uint32_t i = 0; i < s.gangs.size(); ++i) {
    fill(random, s.gangs[i]);
    s.gangs[i].id = GangId(i);
    s.gangs[i].tenant = pick(s.tenants.size(), TenantId());
    s.gangs[i].min_members = 1 + static_cast<std::int32_t>(random.below(8));
    s.gangs[i].max_members = s.gangs[i].min_members + static_cast<std::int32_t>(random.below(8));
  }
  s.pods.resize(size);
  for (std::uint32_t i = 0; i < size; ++i) {
    if (random.below(5) == 0) {
      continue;  // a free slot
    }
    Pod& pod = s.pods[i];
    fill(random, pod);
    pod.id = PodId(i);
    pod.spec = SpecId(static_cast<std::uint32_t>(random.below(s.specs.size())));
    pod.gang = pick(s.gangs.size(), GangId());
    pod.tenant = pick(s.tenants.size(), TenantId());
    if (pod.binding) {
      pod.binding->node = NodeId(static_cast<std::uint32_t>(random.below(s.nodes.size())));
      const auto& gpu = s.specs[pod.spec.index()].gpu;
      pod.binding->gpus.assign(static_cast<std::size_t>(gpu.count), {.index = -1});
    }
  }
  return s;
}

}  // namespace plimsoll::model
