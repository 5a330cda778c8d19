#include "control/work_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "base/random.h"
#include "control/queue_policy.h"

namespace plimsoll::control {
namespace {

Shape shape_of(std::uint32_t spec, bool helped = false) {
  return {.key = {.spec = SpecId(spec)}, .helped_by_binds = helped};
}

TEST(WorkQueue, OrdersByPriorityThenRankThenSubmissionThenSequence) {
  WorkQueue queue;
  const ShapeId a = queue.shape_of({.spec = SpecId(0)}, [] { return shape_of(0); });
  const ShapeId b = queue.shape_of({.spec = SpecId(1)}, [] { return shape_of(1); });
  const std::vector<QueueKey> in_order = {
      {.priority_negated = -5, .rank = seconds(9.0), .submitted = Time(9), .sequence = 9},
      {.priority_negated = 0, .rank = seconds(1.0), .submitted = Time(8), .sequence = 8},
      {.priority_negated = 0, .rank = seconds(2.0), .submitted = Time(3), .sequence = 7},
      {.priority_negated = 0, .rank = seconds(2.0), .submitted = Time(4), .sequence = 5},
      {.priority_negated = 0, .rank = seconds(2.0), .submitted = Time(4), .sequence = 6},
  };
  for (const std::uint32_t i : {3U, 0U, 4U, 2U, 1U}) {
    queue.push(i % 2 == 0 ? a : b, in_order[i], WorkId(i), Duration());
  }
  for (std::uint32_t i = 0; i < in_order.size(); ++i) {
    ASSERT_EQ(queue.head(), WorkId(i));
    queue.erase(i % 2 == 0 ? a : b, in_order[i], WorkId(i), Duration());
  }
  EXPECT_EQ(queue.head(), std::nullopt);
  EXPECT_EQ(queue.size(), 0U);
}

TEST(WorkQueue, ABlockedShapeIsPassedOverUntilSomethingChanges) {
  WorkQueue queue;
  const ShapeId plain = queue.shape_of({.spec = SpecId(0)}, [] { return shape_of(0); });
  const ShapeId beside = queue.shape_of({.spec = SpecId(1)}, [] { return shape_of(1, true); });
  queue.push(plain, {.sequence = 1}, WorkId(1), Duration());
  queue.push(beside, {.sequence = 2}, WorkId(2), Duration());
  queue.push(plain, {.sequence = 3}, WorkId(3), Duration());
  queue.block(plain);
  EXPECT_EQ(queue.head(), WorkId(1));
  EXPECT_EQ(queue.ready_head(), WorkId(2));
  queue.block(beside);
  EXPECT_EQ(queue.ready_head(), std::nullopt);
  queue.push(plain, {.sequence = 0}, WorkId(4), Duration());  // blocked as the others of its shape
  EXPECT_EQ(queue.ready_head(), std::nullopt);
  queue.unblock_helped_by_binds();
  EXPECT_EQ(queue.ready_head(), WorkId(2));
  queue.unblock_all();
  EXPECT_EQ(queue.ready_head(), WorkId(4));
}

TEST(WorkQueue, EqualRequestsShareAShapeAndMixedGangsHaveTheirOwn) {
  WorkQueue queue;
  const ShapeKey single{.spec = SpecId(3)};
  const ShapeKey gang{.spec = SpecId(3), .members = 4};
  const ShapeKey mixed{.spec = SpecId(3), .members = 4, .mixed = WorkId(7)};
  const auto make = [](const ShapeKey& key) { return [key] { return Shape{.key = key}; }; };
  const ShapeId one = queue.shape_of(single, make(single));
  EXPECT_EQ(queue.shape_of(single, make(single)), one);
  EXPECT_NE(queue.shape_of(gang, make(gang)), one);
  const ShapeId own = queue.shape_of(mixed, make(mixed));
  EXPECT_NE(own, queue.shape_of(gang, make(gang)));
  queue.push(own, {.sequence = 1}, WorkId(7), Duration());
  queue.block(own);
  queue.drop_own(own);  // it waits: it stays
  EXPECT_EQ(queue.head(), WorkId(7));
  queue.erase(own, {.sequence = 1}, WorkId(7), Duration());
  queue.drop_own(own);
  queue.unblock_all();
  EXPECT_EQ(queue.ready_head(), std::nullopt);
}

// Against a plain list, over random pushes, erasures and blocks.
TEST(WorkQueue, AgreesWithAPlainList) {
  struct Entry {
    QueueKey key;
    ShapeId shape;
    WorkId work;
  };
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Random random(seed);
    WorkQueue queue;
    std::vector<Entry> list;
    std::vector<bool> blocked(4);
    for (std::uint32_t step = 0; step < 300; ++step) {
      const auto spec = static_cast<std::uint32_t>(random.below(4));
      const ShapeId shape = queue.shape_of({.spec = SpecId(spec)}, [&] { return shape_of(spec); });
      switch (random.below(6)) {
        case 0:
          queue.block(shape);
          blocked[spec] = true;
          break;
        case 1:
          queue.unblock_all();
          blocked.assign(4, false);
          break;
        case 2:
        case 3:
          if (!list.empty()) {
            const std::size_t i = random.below(list.size());
            queue.erase(list[i].shape, list[i].key, list[i].work, Duration());
            list.erase(list.begin() + static_cast<std::ptrdiff_t>(i));
          }
          break;
        default: {
          const QueueKey key{.rank = Duration(static_cast<std::int64_t>(random.below(5))),
                             .sequence = step};
          queue.push(shape, key, WorkId(step), Duration());
          list.push_back({key, shape, WorkId(step)});
        }
      }
      std::ranges::sort(list, {}, &Entry::key);
      const auto ready = std::ranges::find_if(list, [&](const Entry& entry) {
        return !blocked[queue.shape(entry.shape).key.spec.index()];
      });
      ASSERT_EQ(queue.size(), list.size());
      ASSERT_EQ(queue.head(), list.empty() ? std::nullopt : std::optional(list.front().work));
      ASSERT_EQ(queue.ready_head(),
                ready == list.end() ? std::nullopt : std::optional(ready->work));
    }
  }
}

TEST(QueuePolicy, AnUnknownNameListsThoseThatExist) {
  EXPECT_EQ(find_queue_policy("lifo").error().message,
            "queue: found 'lifo', expected one of fifo, skip, shortest_first, backfill, "
            "shortest_backfill, arrival");
  for (const QueuePolicy& policy : queue_policies()) {
    EXPECT_EQ(find_queue_policy(policy.name)->name, policy.name);
  }
}

TEST(WorkQueue, ASpecThatIsForgottenStartsAfresh) {
  WorkQueue queue;
  const ShapeKey key{.spec = SpecId(2)};
  const ShapeId first = queue.shape_of(key, [&] { return Shape{.key = key, .gpu_milli = 1}; });
  queue.block(first);
  const ShapeKey many{.spec = SpecId(2), .members = 4};
  queue.shape_of(many, [&] { return Shape{.key = many, .gpu_milli = 4}; });
  queue.forget(SpecId(2));
  const ShapeId second = queue.shape_of(key, [&] { return Shape{.key = key, .gpu_milli = 7}; });
  EXPECT_EQ(queue.shape(second).gpu_milli, 7);
  EXPECT_FALSE(queue.shape(second).blocked);
  const ShapeId again = queue.shape_of(many, [&] { return Shape{.key = many, .gpu_milli = 8}; });
  EXPECT_EQ(queue.shape(again).gpu_milli, 8);
}

}  // namespace
}  // namespace plimsoll::control
