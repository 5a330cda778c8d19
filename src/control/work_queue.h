// Work that waits for room, in the queue's order, bucketed by what it asks.
//
// Work of one shape (the same pods, as many of them, the same topology) fits or does not fit alike.
// So a shape that found no room is blocked as a whole until something that could help changes, and
// a queue of thousands costs as much as its few shapes. Deterministic. Not thread-safe.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "base/ids.h"
#include "base/units.h"
#include "model/ids.h"
#include "model/node.h"

namespace plimsoll::control {

using WorkId = Id<struct WorkTag>;
using ShapeId = Id<struct ShapeTag>;

// The place in the queue: the least goes first. `sequence` makes it unique.
struct QueueKey {
  std::int32_t priority_negated = 0;
  Duration rank;  // by the policy: 0, or the expected duration
  Time submitted;
  std::uint64_t sequence = 0;

  friend auto operator<=>(const QueueKey&, const QueueKey&) = default;
};

// What decides whether work fits. Members of several specs: a shape of its own, by `mixed`.
struct ShapeKey {
  SpecId spec;
  std::int32_t members = 1;
  model::TopologyLevel required = model::TopologyLevel::none;
  std::int32_t required_key = -1;  // a label that names the domain; -1: none does
  GangId completes;                // members of one gang that stand where others do already
  WorkId nominated;                // a place is kept for it, and for nobody else
  WorkId mixed;

  friend auto operator<=>(const ShapeKey&, const ShapeKey&) = default;
};

struct Shape {
  ShapeKey key;
  std::int64_t gpu_milli = 0;     // asked in all; a lower bound where MIG is asked
  bool helped_by_binds = false;   // affinity or spread: another pod's start may make room
  bool blocked = false;           // no room since the last unblock
  std::uint64_t off_blocked = 0;  // no room off the reserved nodes, in this generation
  std::set<std::pair<QueueKey, WorkId>> waiting;
  std::multiset<Duration> expected;  // of those that wait; unknown: the most there is
};

class WorkQueue {
 public:
  // The shape of `key`, made now with the facts that `make` returns if it is new. O(log shapes).
  template <typename Make>
  ShapeId shape_of(const ShapeKey& key, const Make& make) {
    if (key == ShapeKey{.spec = key.spec}) {
      if (single_.size() <= key.spec.index()) {
        single_.resize(key.spec.index() + 1);
      }
      ShapeId& id = single_[key.spec.index()];
      if (!id.valid()) {
        id = add(make());
      }
      return id;
    }
    const auto it = shapes_by_key_.find(key);
    if (it != shapes_by_key_.end()) {
      return it->second;
    }
    const ShapeId id = add(make());
    shapes_by_key_.emplace(key, id);
    return id;
  }

  // O(log of what waits). Requires: `work` does not wait.
  void push(ShapeId shape, const QueueKey& key, WorkId work, Duration expected);
  // Requires: it waits, with this key.
  void erase(ShapeId shape, const QueueKey& key, WorkId work, Duration expected);

  [[nodiscard]] std::size_t size() const { return size_; }
  // The first of all; none: nothing waits.
  [[nodiscard]] std::optional<WorkId> head() const;
  // The first whose shape is not blocked.
  [[nodiscard]] std::optional<WorkId> ready_head() const;

  [[nodiscard]] Shape& shape(ShapeId id) { return shapes_[id.index()]; }
  [[nodiscard]] const Shape& shape(ShapeId id) const { return shapes_[id.index()]; }
  // Shapes of which work waits, by their first one's place in the queue.
  [[nodiscard]] const std::set<std::pair<QueueKey, ShapeId>>& heads() const { return heads_; }

  void block(ShapeId shape);
  // Something was freed or added: every shape may have room again. O(blocked).
  void unblock_all();
  // A pod was bound: shapes that such a thing helps may have room again.
  void unblock_helped_by_binds();
  // Forgets a shape that only one work or gang has, once nothing of it waits.
  void drop_own(ShapeId shape);
  // No pod has the spec any more, and its id may stand for another one. O(shapes).
  void forget(SpecId spec);
  // Whether work waits that is not looked at until something unblocks it. O(blocked).
  [[nodiscard]] bool any_blocked() const;

 private:
  ShapeId add(Shape shape);
  void unblock(std::vector<ShapeId>& blocked);
  void drop(ShapeId shape);

  std::vector<Shape> shapes_;
  std::vector<ShapeId> free_shapes_;
  std::vector<ShapeId> single_;  // by spec: one pod, anywhere
  std::map<ShapeKey, ShapeId> shapes_by_key_;
  std::set<std::pair<QueueKey, ShapeId>> heads_;
  std::set<std::pair<QueueKey, ShapeId>> ready_;  // the part of heads_ that is not blocked
  std::vector<ShapeId> blocked_;
  std::vector<ShapeId> blocked_helped_by_binds_;
  std::size_t size_ = 0;
};

}  // namespace plimsoll::control
