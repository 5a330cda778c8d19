// EASY backfill: the blocked head has a reservation, and the others may not delay it.
//
// Lifka, "The ANL/IBM SP scheduling system", 1995. The reservation is the earliest time at which
// the head fits if everything that runs ends when it is expected to, and the nodes that it gets
// then. Whatever ends by that time, or stays off those nodes, may start now.
#include <algorithm>
#include <utility>

#include "control/scheduler_state.h"

namespace plimsoll::control {

Result<void> Scheduler::State::decide_reserving(model::Plan& plan) {
  std::optional<WorkId> head;
  while ((head = queue.head()) && !queue.shape(work(*head).shape).blocked) {
    if (TRY(attempt(*head, nullptr, plan)) == Outcome::no_room) {
      no_room(*head, plan);
    }
  }
  if (!head) {
    reservation.reset();
    return {};
  }
  return keep_promise(*head, plan);
}

// `first` is due and has no room: it is the head, wherever it stands in the queue.
Result<void> Scheduler::State::decide_with_due(WorkId first, model::Plan& plan) {
  if (!queue.shape(work(first).shape).blocked) {
    refuse(first, model::ReasonCode::no_room, plan);
    queue.block(work(first).shape);
  }
  return keep_promise(first, plan);
}

// Starts what does not delay the blocked `head`.
Result<void> Scheduler::State::keep_promise(WorkId head, model::Plan& plan) {
  const bool same =
      reservation && reservation->head == head && reservation->at > now && !reservation_stale;
  if (!same) {
    reserve(head);
    ++generation;
  }
  if (same && !room_made) {  // only what has just arrived can start now
    for (const WorkId id : fresh) {
      if (id != head && work(id).phase == Work::Phase::waiting) {
        TRY_VOID(backfill(id, plan));
      }
    }
    return {};
  }
  // All that waits, in the queue's order: a merge of the shapes' own orders.
  using Waiting = decltype(Shape::waiting)::const_iterator;
  using Cursor = std::pair<ShapeId, Waiting>;
  const auto later = [](const Cursor& a, const Cursor& b) {
    return a.second->first > b.second->first;
  };
  std::vector<Cursor> cursors;
  for (const auto& [key, shape] : queue.heads()) {  // ascending, so a heap already
    cursors.emplace_back(shape, queue.shape(shape).waiting.begin());
  }
  std::ranges::reverse(cursors);
  std::ranges::make_heap(cursors, later);
  for (std::size_t looked = 0; !cursors.empty() && looked < config.backfill_depth; ++looked) {
    std::ranges::pop_heap(cursors, later);
    const auto [id, at] = cursors.back();
    cursors.pop_back();
    const Shape& shape = queue.shape(id);
    const bool too_long = reservation->at - now < *shape.expected.begin();
    if (shape.blocked || (shape.off_blocked == generation && too_long)) {
      continue;
    }
    const WorkId candidate = at->second;
    if (const auto next = std::next(at); next != shape.waiting.end()) {
      cursors.emplace_back(id, next);
      std::ranges::push_heap(cursors, later);
    }
    if (candidate != head) {
      TRY_VOID(backfill(candidate, plan));
    }
  }
  return {};
}

bool Scheduler::State::ends_in_time(const Work& candidate) const {
  return reservation->at == never ||
         (candidate.expected > Duration() && now + candidate.expected <= reservation->at);
}

Result<void> Scheduler::State::backfill(WorkId id, model::Plan& plan) {
  const ShapeId shape = work(id).shape;
  if (queue.shape(shape).blocked) {
    return {};
  }
  if (ends_in_time(work(id))) {
    if (TRY(attempt(id, nullptr, plan)) == Outcome::no_room) {
      refuse(id, model::ReasonCode::no_room, plan);
      queue.block(shape);
    }
    return {};
  }
  if (queue.shape(shape).off_blocked != generation &&
      TRY(attempt(id, &reservation->off, plan)) == Outcome::no_room) {
    queue.shape(shape).off_blocked = generation;
  }
  return {};
}

// Sets the reservation of `head`: the earliest end, of what runs, from which on it fits. Searched
// by doubling and then halving the number of works that are over: room only grows with it.
void Scheduler::State::reserve(WorkId head) {
  reservation = Reservation{.head = head};
  reservation->off.assign(node_gpu_milli.size(), true);
  reservation_stale = false;

  std::vector<std::pair<Time, WorkId>> ending;
  for (auto it = running.begin(); it != running.end() && it->first != never; ++it) {
    ending.push_back(*it);
  }
  std::int64_t free_then = free_gpu_milli;
  std::size_t short_of = 0;  // so many releases are not enough
  const std::int64_t asked = queue.shape(work(head).shape).gpu_milli;
  for (std::size_t i = 0; i < ending.size(); ++i) {
    for (const PodId pod : work(ending[i].second).pods) {
      free_then += pods[pod.index()].gpu_milli;
    }
    if (free_then >= asked) {
      break;
    }
    short_of = i + 1;
  }

  const placement::Mark start = engine.checkpoint();
  const auto release = [&](std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i) {
      for (const PodId pod : work(ending[i].second).pods) {
        engine.forget(pod);
      }
    }
  };
  // Whether `to` releases are enough; if they are not, they stay released.
  const auto enough = [&](std::size_t to) {
    const placement::Mark mark = engine.checkpoint();
    release(short_of, to);
    if (!place(work(head), nullptr)) {
      engine.commit(mark);
      short_of = to;
      return false;
    }
    engine.roll_back(mark);
    reservation->at = std::max(ending[to - 1].first, now);
    reservation->off.assign(node_gpu_milli.size(), true);
    for (const placement::Choice& choice : chosen) {
      reservation->off[choice.binding.node.index()] = false;
    }
    return true;
  };
  release(0, short_of);
  std::size_t step = 1;
  std::size_t least = ending.size();  // so many are enough, once one try was
  bool found = false;
  while (!found && short_of < ending.size()) {
    least = std::min(ending.size(), short_of + step);
    found = enough(least);
    step *= 2;
  }
  while (found && least - short_of > 1) {
    const std::size_t middle = short_of + (least - short_of) / 2;
    if (enough(middle)) {
      least = middle;
    }
  }
  engine.roll_back(start);
}

}  // namespace plimsoll::control
