#include "control/queue_policy.h"

#include <fmt/format.h>

#include <array>
#include <string>

namespace plimsoll::control {
namespace {

constexpr std::array policies{
    QueuePolicy{"fifo", QueueOrder::submitted, WhenBlocked::wait,
                "first come, first served; nothing overtakes the head"},
    QueuePolicy{"skip", QueueOrder::submitted, WhenBlocked::skip,
                "first come first, and whatever fits starts, as kube-scheduler does"},
    QueuePolicy{"shortest_first", QueueOrder::shortest, WhenBlocked::skip,
                "the least expected duration first, and whatever fits starts"},
    QueuePolicy{"backfill", QueueOrder::submitted, WhenBlocked::reserve,
                "first come first; others start if they do not delay the head (EASY)"},
    QueuePolicy{"shortest_backfill", QueueOrder::shortest, WhenBlocked::reserve,
                "the least expected duration first; others start if they do not delay the head"},
    QueuePolicy{"arrival", QueueOrder::submitted, WhenBlocked::give_up,
                "each is tried once, when it arrives, and refused for good"},
};

}  // namespace

std::span<const QueuePolicy> queue_policies() { return policies; }

Result<QueuePolicy> find_queue_policy(std::string_view name) {
  std::string known;
  for (const QueuePolicy& policy : policies) {
    if (policy.name == name) {
      return policy;
    }
    known += known.empty() ? "" : ", ";
    known += policy.name;
  }
  return bad_input(fmt::format("queue: found '{}', expected one of {}", name, known));
}

}  // namespace plimsoll::control
