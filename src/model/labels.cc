#include "model/labels.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace plimsoll::model {
namespace {

auto position(const Labels& labels, std::string_view key) {
  return std::lower_bound(labels.begin(), labels.end(), key,
                          [](const auto& label, std::string_view k) { return label.first < k; });
}

// A sign may lead, as in Go's strconv.ParseInt.
std::optional<std::int64_t> parse_integer(std::string_view text) {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') {
    text.remove_prefix(1);
  }
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

const std::string* find_label(const Labels& labels, std::string_view key) {
  const auto it = position(labels, key);
  return it != labels.end() && it->first == key ? &it->second : nullptr;
}

void set_label(Labels& labels, std::string key, std::string value) {
  const auto it = labels.begin() + (position(labels, key) - labels.begin());
  if (it != labels.end() && it->first == key) {
    it->second = std::move(value);
  } else {
    labels.insert(it, {std::move(key), std::move(value)});
  }
}

bool matches(const Requirement& requirement, const Labels& labels) {
  const std::string* value = find_label(labels, requirement.key);
  const auto listed = [&] { return std::ranges::count(requirement.values, *value) > 0; };
  switch (requirement.op) {
    case SelectorOperator::in:
      return value != nullptr && listed();
    case SelectorOperator::not_in:
      return value == nullptr || !listed();
    case SelectorOperator::exists:
      return value != nullptr;
    case SelectorOperator::does_not_exist:
      return value == nullptr;
    case SelectorOperator::gt:
    case SelectorOperator::lt: {
      if (value == nullptr || requirement.values.size() != 1) {
        return false;
      }
      const auto have = parse_integer(*value);
      const auto bound = parse_integer(requirement.values.front());
      return have && bound &&
             (requirement.op == SelectorOperator::gt ? *have > *bound : *have < *bound);
    }
  }
  return false;
}

bool matches(const LabelSelector& selector, const Labels& labels) {
  return std::ranges::all_of(selector, [&](const auto& r) { return matches(r, labels); });
}

}  // namespace plimsoll::model
