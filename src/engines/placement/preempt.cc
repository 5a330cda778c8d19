#include "engines/placement/preempt.h"

#include <algorithm>
#include <array>
#include <limits>
#include <map>
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
bool more_important(const Unit* a, const Unit* b) {
  return std::tuple(-a->priority, a->started, a->pods.front()->pod) <
         std::tuple(-b->priority, b->started, b->pods.front()->pod);
}

class Candidates {
 public:
  explicit Candidates(const PreemptInput& input) : input_(input) {
    std::map<GangId, std::size_t> gangs;
    for (const Occupant& occupant : input.occupants) {
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
    for (std::size_t u = 0; u < units_.size(); ++u) {
      std::ranges::sort(units_[u].pods, {}, &Occupant::pod);
      for (const Occupant* pod : units_[u].pods) {
        const std::size_t node = pod->binding->node.index();
        if (on_.size() <= node) {
          on_.resize(node + 1);
        }
        if (on_[node].empty() || on_[node].back() != u) {
          on_[node].push_back(u);
        }
      }
    }
  }

  [[nodiscard]] std::size_t nodes() const { return on_.size(); }
  [[nodiscard]] bool any_on(std::size_t node) const {
    return node < on_.size() && !on_[node].empty();
  }

  // What may go from these nodes: the units whose going breaks a budget first, the most important
  // first in each part.
  template <typename Nodes>
  std::vector<Unit*> from(const Nodes& nodes) {
    std::vector<std::size_t> numbers;
    for (const std::size_t node : nodes) {
      if (any_on(node)) {
        numbers.insert(numbers.end(), on_[node].begin(), on_[node].end());
      }
    }
    std::ranges::sort(numbers);
    const auto repeats = std::ranges::unique(numbers);
    numbers.erase(repeats.begin(), repeats.end());
    std::vector<Unit*> units;
    for (const std::size_t number : numbers) {
      units.push_back(&units_[number]);
    }
    std::ranges::sort(units, more_important);
    count_violations(units);
    std::ranges::stable_partition(units, [](const Unit* unit) { return unit->violations > 0; });
    return units;
  }

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
  void count_violations(const std::vector<Unit*>& units) {
    std::map<std::uint32_t, std::int32_t> left;
    for (Unit* unit : units) {
      unit->violations = 0;
      for (const Occupant* pod : unit->pods) {
        bool breaks = pod->do_not_disrupt;
        for (const std::uint32_t budget :
             input_.budgets->covering(pod->spec, input_.engine->spec(pod->spec))) {
          auto& allowed = left.try_emplace(budget, input_.budgets->allowed()[budget]).first->second;
          breaks = --allowed < 0 || breaks;
        }
        unit->violations += breaks ? 1 : 0;
      }
    }
  }

  PreemptInput input_;
  std::vector<Unit> units_;
  std::vector<std::vector<std::size_t>> on_;  // by node: units with a pod there
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
    cost.sum += pod->priority - least_priority + 1;
    ++cost.victims;
  }
}

// Whether what is known of a cost is more than `best` already, whatever is added to it.
bool hopeless(const PreemptCost& cost, const PreemptCost& best) {
  return std::tuple(cost.violations, cost.highest, cost.sum, cost.victims) >
         std::tuple(best.violations, best.highest, best.sum, best.victims);
}

// Puts back what can be; the rest are the victims. `fits(unit)`: whether the preemptor still fits
// now that `unit` is back. None: a cost beyond `best`.
template <typename Fits>
std::optional<Preemption> reprieve(const Candidates& candidates, const std::vector<Unit*>& units,
                                   const PreemptCost* best, const Fits& fits) {
  Preemption found;
  for (const Unit* unit : units) {
    candidates.put_back(*unit);
    if (fits(*unit)) {
      continue;
    }
    candidates.take_away(*unit);
    add(found.cost, *unit);
    if (best != nullptr && hopeless(found.cost, *best)) {
      return std::nullopt;
    }
    for (const Occupant* pod : unit->pods) {
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

}  // namespace

std::optional<Preemption> preempt_for_pod(const PreemptInput& input, SpecId spec,
                                          const std::vector<bool>* allowed) {
  Engine& engine = *input.engine;
  Candidates candidates(input);
  std::optional<Preemption> best;
  for (std::uint32_t node = 0; node < candidates.nodes(); ++node) {
    if (!candidates.any_on(node) || (allowed != nullptr && !(*allowed)[node])) {
      continue;
    }
    const std::array<std::size_t, 1> here = {node};
    const std::vector<Unit*> units = candidates.from(here);
    const Mark mark = engine.checkpoint();
    for (const Unit* unit : units) {
      candidates.take_away(*unit);
    }
    const auto fits = [&](const Unit& /*back*/) {
      return engine.find_on(spec, NodeId(node)).has_value();
    };
    std::optional<Preemption> found;
    if (engine.find_on(spec, NodeId(node)).has_value()) {
      found = reprieve(candidates, units, best ? &best->cost : nullptr, fits);
    }
    engine.roll_back(mark);
    if (found && (!best || found->cost < best->cost)) {
      best = std::move(found);
      best->node = NodeId(node);
    }
    if (best && best->victims.empty()) {
      break;
    }
  }
  return best;
}

std::vector<Preemption> preempt_for_gang(const PreemptInput& input,
                                         std::span<const Preemptor> members,
                                         std::span<const std::uint32_t> domain,
                                         const std::vector<bool>* allowed) {
  Engine& engine = *input.engine;
  Candidates candidates(input);
  std::map<std::uint32_t, std::vector<std::size_t>> domains;
  for (std::size_t node = 0; node < domain.size(); ++node) {
    if (domain[node] != no_domain && (allowed == nullptr || (*allowed)[node])) {
      domains[domain[node]].push_back(node);
    }
  }
  const SpecId first = members.front().spec;
  const bool alike =
      std::ranges::all_of(members, [&](const Preemptor& member) { return member.spec == first; }) &&
      !engine.heeds_pods(first);
  const auto count = static_cast<std::int32_t>(members.size());
  std::vector<Preemption> found;
  for (const auto& [number, nodes] : domains) {
    const std::vector<Unit*> units = candidates.from(nodes);
    const Mark mark = engine.checkpoint();
    for (const Unit* unit : units) {
      candidates.take_away(*unit);
    }
    std::optional<Preemption> here;
    if (alike) {
      Room room(engine, first, count, nodes);
      // A unit that does not stay is taken away after it was looked at: it is looked at again then.
      const auto fits = [&](const Unit& back) {
        room.look_again(back);
        if (room.fits()) {
          return true;
        }
        candidates.take_away(back);
        room.look_again(back);
        candidates.put_back(back);
        return false;
      };
      here = room.fits() ? reprieve(candidates, units, nullptr, fits) : std::nullopt;
    } else {
      std::vector<bool> inside(domain.size());
      for (const std::size_t node : nodes) {
        inside[node] = true;
      }
      const auto fits = [&](const Unit& /*back*/) {
        return fit_one_by_one(engine, members, inside);
      };
      here = fit_one_by_one(engine, members, inside) ? reprieve(candidates, units, nullptr, fits)
                                                     : std::nullopt;
    }
    engine.roll_back(mark);
    if (here) {
      here->domain = number;
      found.push_back(std::move(*here));
    }
  }
  std::ranges::stable_sort(found, {}, &Preemption::cost);
  return found;
}

}  // namespace plimsoll::placement
