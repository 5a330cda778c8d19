#include "engines/placement/gang_domains.h"

#include <algorithm>
#include <array>
#include <memory>

#include "base/result.h"

namespace plimsoll::placement {
namespace {

constexpr std::size_t host_level = domain_levels;
constexpr std::int32_t members_max = 0xffff;  // a count of domains has 16 bits
constexpr DomainCost no_placement = ~DomainCost{0};

// The bit at which each level's count starts; what a touched domain leaves free has the low 48.
constexpr std::array<unsigned, domain_levels + 1> shifts(DomainOrder order) {
  switch (order) {
    case DomainOrder::widest_first:
      break;
    case DomainOrder::hosts_first:
      return {96, 80, 64, 48, 112};
    case DomainOrder::units_first:
      return {96, 80, 64, 112, 48};
  }
  return {112, 96, 80, 64, 48};
}

// Costs of placing 0, 1, … members in one domain, and how to get there.
struct Table {
  std::vector<DomainCost> cost{0};
  struct Part {
    std::vector<std::int32_t> take;  // by members so far: how many of them this part gets
    std::unique_ptr<Table> domain;   // or a host
    NodeId host;
  };
  std::vector<Part> parts;
};

class Knapsack {
 public:
  Knapsack(std::int32_t members, DomainOrder order)
      : members_(static_cast<std::size_t>(members)), shifts_(shifts(order)) {}

  // Of the domains at `level` and below in `hosts`, together.
  Table fill(HostRange hosts, std::size_t level) const {
    Table table;
    if (level == host_level) {
      for (const GangHost& host : hosts) {
        add_host(table, host);
      }
      return table;
    }
    for (const HostRange domain : split_by_domain(hosts, level)) {
      auto inner = std::make_unique<Table>(fill(domain, level + 1));
      const DomainCost touched = unit(level) + static_cast<DomainCost>(room_of(domain));
      for (std::size_t m = 1; m < inner->cost.size(); ++m) {
        inner->cost[m] += touched;
      }
      add_domain(table, std::move(inner));
    }
    return table;
  }

 private:
  DomainCost unit(std::size_t level) const { return DomainCost{1} << shifts_[level]; }

  void grow(Table& table, std::size_t room) const {
    table.cost.resize(std::min(members_, table.cost.size() - 1 + room) + 1, no_placement);
  }

  // A host costs the same however many it takes, and fewer members never cost more elsewhere: it
  // takes all it can or nothing.
  void add_host(Table& table, const GangHost& host) const {
    const auto room = static_cast<std::size_t>(host.room);
    const DomainCost touched = unit(host_level) + static_cast<DomainCost>(host.room);
    const std::vector<DomainCost> before = table.cost;
    grow(table, room);
    Table::Part part{.take = std::vector<std::int32_t>(table.cost.size()), .host = host.node};
    for (std::size_t m = 1; m < table.cost.size(); ++m) {
      const std::size_t taken = std::min(m, room);
      if (m - taken < before.size() && before[m - taken] + touched < table.cost[m]) {
        table.cost[m] = before[m - taken] + touched;
        part.take[m] = static_cast<std::int32_t>(taken);
      }
    }
    table.parts.push_back(std::move(part));
  }

  void add_domain(Table& table, std::unique_ptr<Table> inner) const {
    const std::vector<DomainCost> before = table.cost;
    grow(table, inner->cost.size() - 1);
    Table::Part part{.take = std::vector<std::int32_t>(table.cost.size())};
    for (std::size_t m = 1; m < table.cost.size(); ++m) {
      const std::size_t least = m < before.size() ? 1 : m - (before.size() - 1);
      for (std::size_t t = least; t < inner->cost.size() && t <= m; ++t) {
        if (before[m - t] + inner->cost[t] < table.cost[m]) {
          table.cost[m] = before[m - t] + inner->cost[t];
          part.take[m] = static_cast<std::int32_t>(t);
        }
      }
    }
    part.domain = std::move(inner);
    table.parts.push_back(std::move(part));
  }

  std::size_t members_;
  std::array<unsigned, domain_levels + 1> shifts_;
};

void trace(const Table& table, std::size_t members, std::vector<HostShare>& hosts) {
  for (std::size_t i = table.parts.size(); i-- > 0 && members > 0;) {
    const Table::Part& part = table.parts[i];
    const auto taken = static_cast<std::size_t>(part.take[members]);
    if (taken > 0 && part.domain != nullptr) {
      trace(*part.domain, taken, hosts);
    } else if (taken > 0) {
      hosts.push_back({.node = part.host, .members = static_cast<std::int32_t>(taken)});
    }
    members -= taken;
  }
  check(members == 0, "a placement of fewest domains leads back to nothing");
}

std::int64_t work(HostRange hosts, std::int32_t members) {
  std::int64_t steps = static_cast<std::int64_t>(hosts.size());
  for (std::size_t level = 0; level < domain_levels; ++level) {
    for (const HostRange domain : split_by_domain(hosts, level)) {
      steps += std::min<std::int64_t>(room_of(domain), members);
    }
  }
  return steps * members;
}

// Divides `members` among the domains at `level` of `hosts`; Requires: they fit.
void divide(HostRange hosts, std::int64_t members, std::size_t level,
            std::vector<HostShare>& shares) {
  struct Domain {
    HostRange hosts;
    std::int64_t room = 0;
  };
  std::vector<Domain> domains;
  if (level == host_level) {
    for (const GangHost& host : hosts) {
      domains.push_back({HostRange(&host, 1), host.room});
    }
  } else {
    for (const HostRange range : split_by_domain(hosts, level)) {
      domains.push_back({range, room_of(range)});
    }
  }
  while (members > 0) {
    Domain* tightest = nullptr;
    Domain* roomiest = nullptr;
    for (Domain& domain : domains) {
      if (domain.room >= members && (tightest == nullptr || domain.room < tightest->room)) {
        tightest = &domain;
      }
      if (roomiest == nullptr || domain.room > roomiest->room) {
        roomiest = &domain;
      }
    }
    Domain& next = tightest != nullptr ? *tightest : *roomiest;
    const std::int64_t taken = std::min(members, next.room);
    if (level == host_level) {
      shares.push_back(
          {.node = next.hosts.front().node, .members = static_cast<std::int32_t>(taken)});
    } else {
      divide(next.hosts, taken, level + 1, shares);
    }
    members -= taken;
    next.room = 0;
  }
}

// The tightest domain of the narrowest level that holds all members; else all hosts.
HostRange narrowest(HostRange hosts, std::int32_t members) {
  for (std::size_t level = domain_levels; level-- > 0;) {
    std::optional<HostRange> tightest;
    for (const HostRange domain : split_by_domain(hosts, level)) {
      if (room_of(domain) >= members &&
          (!tightest.has_value() || room_of(domain) < room_of(*tightest))) {
        tightest = domain;
      }
    }
    if (tightest.has_value()) {
      return *tightest;
    }
  }
  return hosts;
}

}  // namespace

std::optional<DomainChoice> fewest_domains(HostRange hosts, std::int32_t members, DomainOrder order,
                                           std::int64_t work_max) {
  if (room_of(hosts) < members) {
    return std::nullopt;
  }
  if (members > members_max || work(hosts, members) > work_max) {
    return greedy_domains(narrowest(hosts, members), members);
  }
  const Table table = Knapsack(members, order).fill(hosts, 0);
  DomainChoice choice{.cost = table.cost.back()};
  trace(table, static_cast<std::size_t>(members), choice.hosts);
  std::ranges::reverse(choice.hosts);
  return choice;
}

std::optional<DomainChoice> greedy_domains(HostRange hosts, std::int32_t members) {
  const std::int64_t room = room_of(hosts);
  if (room < members) {
    return std::nullopt;
  }
  DomainChoice choice{.cost = static_cast<DomainCost>(room)};
  divide(hosts, members, 0, choice.hosts);
  return choice;
}

}  // namespace plimsoll::placement
