#include "kube/objects/selectors.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/quantity.h"

namespace plimsoll::kube {
namespace {

constexpr std::int64_t amount_max = std::int64_t{1} << 50;

model::SelectorOperator read_operator(std::string_view name) {
  using enum model::SelectorOperator;
  static constexpr std::pair<std::string_view, model::SelectorOperator> names[] = {
      {"In", in}, {"NotIn", not_in}, {"Exists", exists}, {"DoesNotExist", does_not_exist},
      {"Gt", gt}, {"Lt", lt}};
  for (const auto& [known, op] : names) {
    if (known == name) {
      return op;
    }
  }
  return in;  // without values: nothing matches an operator that we do not know
}

std::optional<model::TaintEffect> read_effect(std::string_view name) {
  using enum model::TaintEffect;
  if (name == "NoSchedule") return no_schedule;
  if (name == "PreferNoSchedule") return prefer_no_schedule;
  if (name == "NoExecute") return no_execute;
  return std::nullopt;
}

// What no label satisfies.
model::Requirement nothing() { return {.key = "", .op = model::SelectorOperator::in}; }

Quantity quantity(Json value) {
  std::string number;
  std::string_view written = text(value);
  if (written.empty() && value.is_int64()) {
    number = std::to_string(integer(value));
    written = number;
  }
  const Result<Quantity> parsed = Quantity::parse(written);
  return parsed ? *parsed : Quantity();
}

std::int64_t whole(Json value) {
  return std::clamp<std::int64_t>(quantity(value).value(), 0, amount_max);
}

std::int64_t milli(Json value) {
  const Result<std::int64_t> amount = quantity(value).milli_value();
  return amount ? std::clamp<std::int64_t>(*amount, 0, amount_max) : amount_max;
}

template <typename Combine>
model::Resources combined(model::Resources a, const model::Resources& b, Combine&& combine) {
  const auto join = [&](auto& mine, auto other) {
    using Amount = std::remove_reference_t<decltype(mine)>;
    mine = Amount(std::min(combine(mine.value(), other.value()), amount_max));
  };
  join(a.cpu, b.cpu);
  join(a.memory, b.memory);
  join(a.ephemeral_storage, b.ephemeral_storage);
  a.pods = std::min(combine(a.pods, b.pods), amount_max);
  for (const auto& [name, amount] : b.extended) {
    const auto at = std::ranges::lower_bound(
        a.extended, name, {}, [](const auto& pair) -> const auto& { return pair.first; });
    if (at != a.extended.end() && at->first == name) {
      at->second = std::min(combine(at->second, amount), amount_max);
    } else {
      a.extended.insert(at, {name, amount});
    }
  }
  return a;
}

}  // namespace

std::vector<model::Requirement> read_requirements(Json list) {
  std::vector<model::Requirement> result;
  for (const Json expression : items(list)) {
    model::Requirement requirement{.key = std::string(text(member(expression, "key"))),
                                   .op = read_operator(text(member(expression, "operator")))};
    for (const Json value : items(member(expression, "values"))) {
      requirement.values.emplace_back(text(value));
    }
    result.push_back(std::move(requirement));
  }
  return result;
}

model::LabelSelector read_label_selector(Json value) {
  if (is_null(value)) {
    return {nothing()};
  }
  model::LabelSelector selector;
  for (const auto& [key, label] : labels(member(value, "matchLabels"))) {
    selector.push_back({.key = key, .values = {label}});
  }
  for (model::Requirement& requirement : read_requirements(member(value, "matchExpressions"))) {
    selector.push_back(std::move(requirement));
  }
  return selector;
}

model::NodeSelectorTerm read_node_term(Json term) {
  return {.expressions = read_requirements(member(term, "matchExpressions")),
          .names = read_requirements(member(term, "matchFields"))};
}

std::vector<model::NodeSelectorTerm> read_node_terms(Json list) {
  std::vector<model::NodeSelectorTerm> terms;
  for (const Json term : items(list)) {
    model::NodeSelectorTerm read = read_node_term(term);
    if (!read.expressions.empty() || !read.names.empty()) {
      terms.push_back(std::move(read));
    }
  }
  if (terms.empty()) {
    terms.push_back({.expressions = {nothing()}});
  }
  return terms;
}

std::vector<model::Toleration> read_tolerations(Json list) {
  std::vector<model::Toleration> result;
  for (const Json item : items(list)) {
    const bool exists = text(member(item, "operator")) == "Exists";
    result.push_back(
        {.key = std::string(text(member(item, "key"))),
         .op = exists ? model::TolerationOperator::exists : model::TolerationOperator::equal,
         .value = std::string(text(member(item, "value"))),
         .effect = read_effect(text(member(item, "effect")))});
  }
  return result;
}

std::vector<model::Taint> read_taints(Json list) {
  std::vector<model::Taint> result;
  for (const Json item : items(list)) {
    if (const auto effect = read_effect(text(member(item, "effect")))) {
      result.push_back({.key = std::string(text(member(item, "key"))),
                        .value = std::string(text(member(item, "value"))),
                        .effect = *effect});
    }
  }
  return result;
}

model::Resources read_resources(Json map) {
  model::Resources result;
  for (const auto [name, amount] : members(map)) {
    if (name == "cpu") {
      result.cpu = Millicores(milli(amount));
    } else if (name == "memory") {
      result.memory = Bytes(whole(amount));
    } else if (name == "ephemeral-storage") {
      result.ephemeral_storage = Bytes(whole(amount));
    } else if (name == "pods") {
      result.pods = whole(amount);
    } else {
      result.extended.emplace_back(name, whole(amount));
    }
  }
  std::ranges::sort(result.extended);
  const auto twins =
      std::ranges::unique(result.extended, {}, &std::pair<std::string, std::int64_t>::first);
  result.extended.erase(twins.begin(), twins.end());
  return result;
}

model::Resources operator+(model::Resources a, const model::Resources& b) {
  return combined(std::move(a), b, [](std::int64_t x, std::int64_t y) { return x + y; });
}

model::Resources most_of(model::Resources a, const model::Resources& b) {
  return combined(std::move(a), b, [](std::int64_t x, std::int64_t y) { return std::max(x, y); });
}

std::int64_t take_extended(model::Resources& resources, std::string_view name) {
  const auto at =
      std::ranges::find(resources.extended, name, [](const auto& pair) { return pair.first; });
  if (at == resources.extended.end()) {
    return 0;
  }
  const std::int64_t amount = at->second;
  resources.extended.erase(at);
  return amount;
}

}  // namespace plimsoll::kube
