// Labels and the selectors over them, with Kubernetes' semantics. Values; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace plimsoll::model {

// Sorted by key, keys unique.
using Labels = std::vector<std::pair<std::string, std::string>>;

// The value under `key`, or null. O(log labels).
const std::string* find_label(const Labels& labels, std::string_view key);
// Sets `key`, keeping the order. O(labels).
void set_label(Labels& labels, std::string key, std::string value);

enum class SelectorOperator : std::uint8_t { in, not_in, exists, does_not_exist, gt, lt };

// One requirement of a selector: `key operator values`. gt and lt hold one integer value.
struct Requirement {
  std::string key;
  SelectorOperator op = SelectorOperator::in;
  std::vector<std::string> values;

  friend bool operator==(const Requirement&, const Requirement&) = default;
};

// All requirements must hold; an empty selector matches everything.
using LabelSelector = std::vector<Requirement>;

bool matches(const Requirement& requirement, const Labels& labels);
bool matches(const LabelSelector& selector, const Labels& labels);

}  // namespace plimsoll::model
