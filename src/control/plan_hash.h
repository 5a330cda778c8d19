// The hash of a run's plans: equal if and only if every action, in order and time, was the same.
//
// SHA-256 over the time, kind and content of each action and the code of its reason. Scores,
// reasons in detail and effects are left out: they explain an action, and do not change it. Not
// thread-safe.
#pragma once

#include <cstddef>
#include <string>

#include "base/sha256.h"
#include "model/plan.h"

namespace plimsoll::control {

class PlanHash {
 public:
  void add(const model::Plan& plan);

  // 64 hexadecimal digits, over all that was added so far.
  [[nodiscard]] std::string hex() const;

 private:
  void number(std::uint64_t value);

  Sha256 hash_;
  std::string waiting_;  // bytes that are not yet in hash_
};

}  // namespace plimsoll::control
