#include "control/work_queue.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/result.h"

namespace plimsoll::control {
namespace {

Duration known_or_most(Duration expected) {
  return expected > Duration() ? expected : Duration(std::numeric_limits<std::int64_t>::max());
}

}  // namespace

ShapeId WorkQueue::add(Shape shape) {
  if (!free_shapes_.empty()) {
    const ShapeId id = free_shapes_.back();
    free_shapes_.pop_back();
    shapes_[id.index()] = std::move(shape);
    return id;
  }
  shapes_.push_back(std::move(shape));
  return ShapeId(static_cast<std::uint32_t>(shapes_.size() - 1));
}

void WorkQueue::push(ShapeId id, const QueueKey& key, WorkId work, Duration expected) {
  Shape& shape = shapes_[id.index()];
  const bool first = shape.waiting.empty() || key < shape.waiting.begin()->first;
  if (first) {
    if (!shape.waiting.empty()) {
      const QueueKey& old = shape.waiting.begin()->first;
      heads_.erase({old, id});
      ready_.erase({old, id});
    }
    heads_.emplace(key, id);
    if (!shape.blocked) {
      ready_.emplace(key, id);
    }
  }
  check(shape.waiting.emplace(key, work).second, "work waits once");
  shape.expected.insert(known_or_most(expected));
  ++size_;
}

void WorkQueue::erase(ShapeId id, const QueueKey& key, WorkId work, Duration expected) {
  Shape& shape = shapes_[id.index()];
  const auto it = shape.waiting.find({key, work});
  check(it != shape.waiting.end(), "what leaves the queue was in it");
  const bool first = it == shape.waiting.begin();
  shape.waiting.erase(it);
  shape.expected.erase(shape.expected.find(known_or_most(expected)));
  --size_;
  if (!first) {
    return;
  }
  heads_.erase({key, id});
  ready_.erase({key, id});
  if (!shape.waiting.empty()) {
    heads_.emplace(shape.waiting.begin()->first, id);
    if (!shape.blocked) {
      ready_.emplace(shape.waiting.begin()->first, id);
    }
  }
}

std::optional<WorkId> WorkQueue::head() const {
  if (heads_.empty()) {
    return std::nullopt;
  }
  return shapes_[heads_.begin()->second.index()].waiting.begin()->second;
}

std::optional<WorkId> WorkQueue::ready_head() const {
  if (ready_.empty()) {
    return std::nullopt;
  }
  return shapes_[ready_.begin()->second.index()].waiting.begin()->second;
}

void WorkQueue::block(ShapeId id) {
  Shape& shape = shapes_[id.index()];
  if (shape.blocked) {
    return;
  }
  shape.blocked = true;
  if (!shape.waiting.empty()) {
    ready_.erase({shape.waiting.begin()->first, id});
  }
  (shape.helped_by_binds ? blocked_helped_by_binds_ : blocked_).push_back(id);
}

void WorkQueue::unblock(std::vector<ShapeId>& blocked) {
  for (const ShapeId id : blocked) {
    Shape& shape = shapes_[id.index()];
    shape.blocked = false;
    if (!shape.waiting.empty()) {
      ready_.emplace(shape.waiting.begin()->first, id);
    }
  }
  blocked.clear();
}

void WorkQueue::unblock_all() {
  unblock(blocked_);
  unblock(blocked_helped_by_binds_);
}

void WorkQueue::unblock_helped_by_binds() { unblock(blocked_helped_by_binds_); }

bool WorkQueue::any_blocked() const {
  const auto waits = [&](ShapeId id) { return !shapes_[id.index()].waiting.empty(); };
  return std::ranges::any_of(blocked_, waits) ||
         std::ranges::any_of(blocked_helped_by_binds_, waits);
}

void WorkQueue::drop_own(ShapeId id) {
  const Shape& shape = shapes_[id.index()];
  const ShapeKey& key = shape.key;
  const bool own = key.mixed.valid() || key.completes.valid() || key.nominated.valid();
  if (own && shape.waiting.empty()) {
    shapes_by_key_.erase(shape.key);
    drop(id);
  }
}

void WorkQueue::drop(ShapeId id) {
  Shape& shape = shapes_[id.index()];
  check(shape.waiting.empty(), "a shape is dropped when nothing of it waits");
  std::erase(blocked_, id);
  std::erase(blocked_helped_by_binds_, id);
  shape = {};
  free_shapes_.push_back(id);
}

void WorkQueue::forget(SpecId spec) {
  if (spec.index() < single_.size() && single_[spec.index()].valid()) {
    drop(std::exchange(single_[spec.index()], ShapeId::none()));
  }
  const auto begin = std::ranges::find_if(
      shapes_by_key_, [&](const auto& entry) { return entry.first.spec >= spec; });
  auto end = begin;
  for (; end != shapes_by_key_.end() && end->first.spec == spec; ++end) {
    drop(end->second);
  }
  shapes_by_key_.erase(begin, end);
}

}  // namespace plimsoll::control
