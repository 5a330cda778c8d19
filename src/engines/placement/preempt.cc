#include "engines/placement/preempt.h"

#include <algorithm>
#include <limits>
#include <map>
#include <span>
#include <tuple>
#include <utility>

#include "engines/placement/gang.h"

namespace plimsoll::placement {
namespace {

constexpr std::int64_t least_priority = std::numeric_limits<std::int32_t>::min();

// What goes together: a pod, or all members of a gang.
struct Unit {
  std::vector<const Occupant*> pods;
  std::int64_t priority = least_priority;  // the highest of them
  Time started = never;                    // the first of them
  std::int32_t violations = 0;
};

// kube-scheduler's MoreImportantPod.
bool more_important(const Unit& a, const Unit& b) {
  return std::tuple(-a.priority, a.started, a.pods.front()->pod) <
         std::tuple(-b.priority, b.started, b.pods.front()->pod);
}

// All that may go from some nodes.
class Candidates {
 public:
  Candidates(const PreemptInput& input, std::span<const std::size_t> nodes) : input_(input) {
    for (const std::size_t node : nodes) {
      input.occupants(NodeId(static_cast<std::uint32_t>(node)), occupants_);
    }
    std::ranges::sort(occupants_, {}, &Occupant::pod);
    const auto repeats = std::ranges::unique(occupants_, {}, &Occupant::pod);
    occupants_.erase(repeats.begin(), repeats.end());
    std::map<GangId, std::size_t> gangs;
    for (const Occupant& occupant : occupants_) {
      const auto [known, fresh] = occupant.whole.valid()
                                      ? gangs.try_emplace(occupant.whole, units_.size())
                                      : std::pair(gangs.end(), true);
      if (fresh) {
        units_.emplace_back();
      }
      Unit& unit = units_[fresh ? units_.size() - 1 : known->second];
      unit.pods.push_back(&occupant);
      unit.priority = std::max<std::int64_t>(unit.priority, occupant.priority);
      unit.started = std::min(unit.started, occupant.started);
    }
    std::ranges::sort(units_, more_important);
    count_violations();
    std::ranges::stable_partition(units_, [](const Unit& unit) { return unit.violations > 0; });
  }

  // Those whose going breaks a budget first, the most important first in each part.
  [[nodiscard]] const std::vector<Unit>& units() const { return units_; }

  void take_away(const Unit& unit) const {
    for (const Occupant* pod : unit.pods) {
      input_.engine->forget(pod->pod);
    }
  }
  void put_back(const Unit& unit) const {
    for (const Occupant* pod : unit.pods) {
      input_.engine->assume(pod->pod, pod->spec, *pod->binding);
    }
  }

 private:
  // As kube-scheduler counts: each budget is used up by the most important pods first.
  void count_violations() {
    std::map<std::uint32_t, std::int32_t> left;
    for (Unit& unit : units_) {
      for (const Occupant* pod : unit.pods) {
        bool breaks = pod->do_not_disrupt;
        for (const std::uint32_t budget :
             input_.budgets->covering(pod->spec, input_.engine->spec(pod->spec))) {
          auto& allowed = left.try_emplace(budget, input_.budgets->allowed()[budget]).first->second;
          breaks = --allowed < 0 || breaks;
        }
        unit.violations += breaks ? 1 : 0;
      }
    }
  }

  const PreemptInput& input_;
  std::vector<Occupant> occupants_;
  std::vector<Unit> units_;
};

void add(PreemptCost& cost, const Unit& unit) {
  cost.violations += unit.violations;
  for (const Occupant* pod : unit.pods) {
    const std::int64_t started = -pod->started.value();
    if (pod->priority > cost.highest) {
      cost.highest = pod->priority;
      cost.started_negated = started;
    } else if (pod->priority == cost.highest) {
      cost.started_negated = std::max(cost.started_negated, started);
    }
    cost.sum += pod->counts_as * (pod->priority - least_priority + 1);
    cost.victims += pod->counts_as;
  }
}

// Takes all away, and if the preemptor fits then puts back what can be; the rest are the victims.
// `fits(unit)`: whether it fits now that `unit` came or went (null: all of them went).
template <typename Fits>
std::optional<Preemption> reprieve(const Candidates& candidates, const Fits& fits) {
  for (const Unit& unit : candidates.units()) {
    candidates.take_away(unit);
  }
  if (!fits(nullptr)) {
    return std::nullopt;
  }
  Preemption found;
  for (const Unit& unit : candidates.units()) {
    candidates.put_back(unit);
    if (fits(&unit)) {
      continue;
    }
    candidates.take_away(unit);
    add(found.cost, unit);
    for (const Occupant* pod : unit.pods) {
      found.victims.push_back(pod->pod);
    }
  }
  std::ranges::sort(found.victims);
  return found;
}

// How many members of one kind fit on the nodes of a domain, kept as units come and go.
class Room {
 public:
  Room(const Engine& engine, SpecId spec, std::int32_t members, std::span<const std::size_t> nodes)
      : engine_(&engine), spec_(spec), members_(members) {
    for (const std::size_t node : nodes) {
      const std::int32_t room = on(node);
      room_[node] = room;
      total_ += room;
    }
  }

  [[nodiscard]] bool fits() const { return total_ >= members_; }
  void look_again(const Unit& unit) {
    for (const Occupant* pod : unit.pods) {
      const auto known = room_.find(pod->binding->node.index());
      if (known != room_.end()) {
        total_ += on(known->first) - known->second;
        known->second = on(known->first);
      }
    }
  }

 private:
  [[nodiscard]] std::int32_t on(std::size_t node) const {
    return engine_->capacity_on(spec_, NodeId(static_cast<std::uint32_t>(node)), members_);
  }

  const Engine* engine_;
  SpecId spec_;
  std::int32_t members_;
  std::map<std::size_t, std::int32_t> room_;
  std::int64_t total_ = 0;
};

// Whether all members fit if they are placed one after the other.
bool fit_one_by_one(Engine& engine, std::span<const Preemptor> members,
                    const std::vector<bool>& inside) {
  const Mark mark = engine.checkpoint();
  bool all = true;
  for (const Preemptor& member : members) {
    const auto choice = engine.find_within(member.spec, inside);
    all = choice.has_value();
    if (!all) {
      break;
    }
    engine.assume(member.pod, member.spec, choice->binding);
  }
  engine.roll_back(mark);
  return all;
}

std::optional<Preemption> on_node(const PreemptInput& input, SpecId spec, std::size_t node) {
  Engine& engine = *input.engine;
  const NodeId id(static_cast<std::uint32_t>(node));
  const Candidates candidates(input, std::span(&node, 1));
  const Mark mark = engine.checkpoint();
  if (input.imagine) {
    input.imagine(id);
  }
  auto found = reprieve(
      candidates, [&](const Unit* /*moved*/) { return engine.find_on(spec, id).has_value(); });
  engine.roll_back(mark);
  if (found) {
    found->node = id;
  }
  return found;
}

std::optional<Preemption> in_domain(const PreemptInput& input, std::span<const Preemptor> members,
                                    std::span<const std::size_t> nodes, std::size_t all_nodes,
                                    bool alike) {
  Engine& engine = *input.engine;
  const Candidates candidates(input, nodes);
  const Mark mark = engine.checkpoint();
  std::optional<Preemption> found;
  if (alike) {
    std::optional<Room> room;
    found = reprieve(candidates, [&](const Unit* moved) {
      if (moved == nullptr) {
        room.emplace(engine, members.front().spec, static_cast<std::int32_t>(members.size()),
                     nodes);
        return room->fits();
      }
      room->look_again(*moved);
      if (room->fits()) {
        return true;
      }
      candidates.take_away(*moved);  // as it will be: the room is what it was
      room->look_again(*moved);
      candidates.put_back(*moved);
      return false;
    });
  } else {
    std::vector<bool> inside(all_nodes);
    for (const std::size_t node : nodes) {
      inside[node] = true;
    }
    found = reprieve(
        candidates, [&](const Unit* /*moved*/) { return fit_one_by_one(engine, members, inside); });
  }
  engine.roll_back(mark);
  return found;
}

}  // namespace

std::optional<Preemption> preempt_for_pod(const PreemptInput& input, SpecId spec,
                                          const std::vector<bool>* allowed,
                                          std::span<const std::uint64_t> versions,
                                          PreemptMemo& memo) {
  memo.entries_.resize(versions.size());
  std::optional<std::size_t> best;
  for (std::size_t node = 0; node < versions.size(); ++node) {
    if (allowed != nullptr && !(*allowed)[node]) {
      continue;
    }
    PreemptMemo::Entry& entry = memo.entries_[node];
    if (entry.version != versions[node]) {
      const auto found = on_node(input, spec, node);
      entry = {.version = versions[node],
               .cost = found ? std::optional(found->cost) : std::nullopt};
    }
    if (entry.cost && (!best || *entry.cost < *memo.entries_[*best].cost)) {
      best = node;
    }
  }
  return best ? on_node(input, spec, *best) : std::nullopt;
}

std::vector<Preemption> preempt_for_gang(const PreemptInput& input,
                                         std::span<const Preemptor> members,
                                         std::span<const std::uint32_t> domain,
                                         const std::vector<bool>* allowed) {
  const SpecId first = members.front().spec;
  const bool alike =
      std::ranges::all_of(members, [&](const Preemptor& member) { return member.spec == first; }) &&
      !input.engine->heeds_pods(first);
  std::map<std::uint32_t, std::vector<std::size_t>> domains;
  for (std::size_t node = 0; node < domain.size(); ++node) {
    if (domain[node] != no_domain && (allowed == nullptr || (*allowed)[node])) {
      domains[domain[node]].push_back(node);
    }
  }
  std::vector<Preemption> found;
  for (const auto& [number, nodes] : domains) {
    if (auto here = in_domain(input, members, nodes, domain.size(), alike)) {
      here->domain = number;
      found.push_back(std::move(*here));
    }
  }
  std::ranges::stable_sort(found, {}, &Preemption::cost);
  return found;
}

}  // namespace plimsoll::placement
