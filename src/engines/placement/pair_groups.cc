#include "engines/placement/pair_groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/result.h"

namespace plimsoll::placement {
namespace {

// Text that is equal for equal definitions, and for no others: every part carries its length.
class Identity {
 public:
  void add(std::string_view text) {
    fmt::format_to(std::back_inserter(text_), "{}:{},", text.size(), text);
  }
  void add(std::int64_t number) { fmt::format_to(std::back_inserter(text_), "{};", number); }
  void add(const std::vector<std::string>& list) {
    add(static_cast<std::int64_t>(list.size()));
    for (const std::string& text : list) add(text);
  }
  void add(const std::vector<model::Requirement>& selector) {
    add(static_cast<std::int64_t>(selector.size()));
    for (const model::Requirement& r : selector) {
      add(r.key);
      add(static_cast<std::int64_t>(r.op));
      add(r.values);
    }
  }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

std::string identity_of(const PairGroups::Definition& is, const TopologyKeys& keys) {
  Identity id;
  id.add(keys.name(is.key));
  id.add(static_cast<std::int64_t>(is.kind));
  id.add(static_cast<std::int64_t>(is.matches.size()));
  for (const PairGroups::Match& match : is.matches) {
    id.add(match.every_namespace ? 1 : 0);
    id.add(match.namespaces);
    id.add(match.selector);
  }
  if (!is.every_node()) {
    for (const auto& [key, value] : is.only.node_selector) {
      id.add(key);
      id.add(value);
    }
    id.add("terms");
    for (const model::NodeSelectorTerm& term : is.only.node_affinity) {
      id.add(term.expressions);
      id.add(term.names);
    }
    id.add("taints");
    id.add(is.honor_taints ? 1 : 0);
    for (const model::Toleration& t : is.only.tolerations) {
      id.add(t.key);
      id.add(static_cast<std::int64_t>(t.op));
      id.add(t.value);
      id.add(t.effect ? static_cast<std::int64_t>(*t.effect) : -1);
    }
    id.add("keys");
    std::vector<std::string> names;
    for (const std::int32_t key : is.keys) names.push_back(keys.name(key));
    std::ranges::sort(names);  // numbers depend on what came first
    id.add(names);
  }
  return id.take();
}

std::int32_t& slot(std::vector<std::int32_t>& list, std::int32_t index) {
  const auto i = static_cast<std::size_t>(index);
  if (i >= list.size()) {
    list.resize(i + 1, 0);
  }
  return list[i];
}

}  // namespace

bool PairGroups::Match::operator()(const model::PodSpec& spec) const {
  return (every_namespace || std::ranges::binary_search(namespaces, spec.name_space)) &&
         model::matches(selector, spec.labels);
}

bool PairGroups::Definition::every_node() const {
  return only.node_selector.empty() && only.node_affinity.empty() && !honor_taints && keys.empty();
}

bool PairGroups::Definition::operator()(const model::PodSpec& spec) const {
  return std::ranges::all_of(matches, [&](const Match& match) { return match(spec); });
}

PairGroups::Made PairGroups::make(Definition definition, std::span<const model::Node> nodes) {
  const auto [it, fresh] = by_identity_.try_emplace(identity_of(definition, keys_), 0);
  if (!fresh) {
    ++groups_[static_cast<std::size_t>(it->second)].users;
    return {it->second, false};
  }
  if (free_.empty()) {
    free_.push_back(size());
    groups_.emplace_back();
  }
  it->second = free_.back();
  free_.pop_back();
  Group& group = groups_[static_cast<std::size_t>(it->second)];
  group.alive = true;
  group.users = 1;
  group.identity = it;
  group.is = std::move(definition);
  group.every_node = group.is.every_node();
  if (group.every_node) {
    for (std::int32_t d = 0; d < keys_.domains(group.is.key); ++d) {
      if (keys_.nodes_in(group.is.key, d) > 0) appear(group, d);
    }
  } else {
    group.eligible.assign(nodes.size(), 0);
    for (std::size_t n = 0; n < nodes.size(); ++n) {
      if (nodes[n].id.valid() && eligible(group, n, nodes[n])) {
        group.eligible[n] = 1;
        enter(group, keys_.domain(group.is.key, n));
      }
    }
  }
  return {it->second, true};
}

bool PairGroups::release(std::int32_t number) {
  Group& group = groups_[static_cast<std::size_t>(number)];
  if (--group.users > 0) {
    return false;
  }
  by_identity_.erase(group.identity);
  group = Group{};
  free_.push_back(number);
  return true;
}

bool PairGroups::eligible(const Group& group, std::size_t node, const model::Node& facts) const {
  const auto stands = [&](std::int32_t key) { return keys_.domain(key, node) >= 0; };
  return stands(group.is.key) && std::ranges::all_of(group.is.keys, stands) &&
         model::selects(group.is.only, facts) &&
         !(group.is.honor_taints && model::untolerated_taint(group.is.only, facts) != nullptr);
}

bool PairGroups::set_node(std::size_t node, const model::Node* facts) {
  const std::span<const TopologyKeys::Move> moves = keys_.set_node(node, facts);
  const bool moved = std::ranges::any_of(moves, [](const auto& m) { return m.before != m.now; });
  for (Group& group : groups_) {
    if (!group.alive) {
      continue;
    }
    const TopologyKeys::Move& move = moves[static_cast<std::size_t>(group.is.key)];
    if (group.every_node) {
      if (move.before == move.now) {
        continue;
      }
      if (move.now >= 0 && keys_.nodes_in(group.is.key, move.now) == 1) {
        appear(group, move.now);
      }
      if (move.before >= 0 && keys_.nodes_in(group.is.key, move.before) == 0) {
        vanish(group, move.before);
      }
      continue;
    }
    if (node >= group.eligible.size()) {
      group.eligible.resize(node + 1, 0);
    }
    const bool was = group.eligible[node] != 0;
    const bool is = facts != nullptr && eligible(group, node, *facts);
    group.eligible[node] = is ? 1 : 0;
    if (is) {
      enter(group, move.now);
    }
    if (was) {
      leave(group, move.before);
    }
  }
  return moved;
}

void PairGroups::enter(Group& group, std::int32_t domain) {
  if (slot(group.nodes_in, domain)++ == 0) {
    appear(group, domain);
  }
}

void PairGroups::leave(Group& group, std::int32_t domain) {
  if (--slot(group.nodes_in, domain) == 0) {
    vanish(group, domain);
  }
}

void PairGroups::appear(Group& group, std::int32_t domain) {
  const std::int32_t count = slot(group.counts, domain);
  ++slot(group.domains_with, count);
  ++group.domains;
  settle_least(group, group.domains == 1 ? count : std::min(group.least, count));
}

void PairGroups::vanish(Group& group, std::int32_t domain) {
  --slot(group.domains_with, slot(group.counts, domain));
  --group.domains;
  settle_least(group, group.least);
}

// Raises `least`, from a count that none is below, to one that some domain has.
void PairGroups::settle_least(Group& group, std::int32_t from) {
  group.least = group.domains == 0 ? 0 : from;
  while (group.domains > 0 && group.domains_with[static_cast<std::size_t>(group.least)] == 0) {
    ++group.least;
  }
}

void PairGroups::count(std::int32_t number, std::size_t node, std::int32_t by) {
  Group& group = groups_[static_cast<std::size_t>(number)];
  const std::int32_t domain = keys_.domain(group.is.key, node);
  if (domain < 0 ||
      (!group.every_node && (node >= group.eligible.size() || group.eligible[node] == 0))) {
    return;
  }
  group.total += by;
  std::int32_t& count = slot(group.counts, domain);
  const std::int32_t before = count;
  count += by;
  check(count >= 0, "no group counts fewer than no pods");
  --slot(group.domains_with, before);
  ++slot(group.domains_with, count);
  settle_least(group, std::min(group.least, count));
}

std::string PairGroups::digest_text() const {
  std::string text;
  for (const auto& [identity, number] : by_identity_) {
    const Group& group = (*this)[number];
    std::map<std::string, std::int32_t> by_name;
    for (std::int32_t d = 0; d < static_cast<std::int32_t>(group.counts.size()); ++d) {
      if (group.count(d) != 0) by_name[keys_.domain_name(group.is.key, d)] = group.count(d);
    }
    text += fmt::format("group {} domains {} least {} total {}", identity, group.domains,
                        group.least, group.total);
    for (const auto& [name, count] : by_name) {
      text += fmt::format(" {}={}", name, count);
    }
    text += "\n";
  }
  return text;
}

}  // namespace plimsoll::placement
