// Preemption in the loop: who is evicted, what is kept for whom, and when it is given up.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "control/scripted_loop.h"

namespace plimsoll::control {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// Nodes of one rack each, with pods of priority 0 bound to them: so many cores each, by node.
struct Crowd : Loop {
  void fill(const std::vector<std::vector<std::int64_t>>& nodes, std::int64_t node_cores = 4) {
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      model::Node empty = node_of("rack" + std::to_string(i), node_cores);
      empty.name = "n" + std::to_string(i);
      const NodeId node = world.add_node(empty);
      for (const std::int64_t asked : nodes[i]) {
        running(node, asked);
      }
    }
  }
  PodId running(NodeId node, std::int64_t asked, std::int32_t priority = 0, GangId gang = {}) {
    const PodId pod = world.add_pod(world.add_spec(cores(asked, priority)), gang);
    world.happen(model::PodBound{pod, {.node = node, .gpus = {}}});
    return pod;
  }
  PodId pending(std::int64_t asked, std::int32_t priority, GangId gang = {}) {
    return world.add_pod(world.add_spec(cores(asked, priority)), gang);
  }
  void terminate(std::uint32_t pod) {
    world.change_pod(PodId(pod), [](model::Pod& p) { p.terminating = true; });
  }
  void gone(std::uint32_t pod) { world.remove_pod(PodId(pod)); }
};

TEST(SchedulerPreempts, TheFewestAndTheNodeIsKeptUntilTheyAreGone) {
  Crowd loop;
  loop.fill({{1, 1, 2}, {3, 1}});  // pods 0 to 4
  const PodId urgent = loop.pending(3, 10);
  EXPECT_THAT(loop.turn(), ElementsAre("evict 3", "nominate 5 to 1"));
  ASSERT_EQ(urgent, PodId(5));
  const model::Reason& why = loop.world.asked.front().reason;
  EXPECT_EQ(why.code, model::ReasonCode::preempted);
  EXPECT_EQ(why.by, urgent);
  EXPECT_EQ(why.node, NodeId(1));

  loop.terminate(3);
  EXPECT_THAT(loop.turn(), IsEmpty());
  loop.gone(3);
  loop.pending(1, 0);
  loop.pending(1, 0);
  EXPECT_THAT(loop.turn(), Contains("bind 5 to 1"));
  EXPECT_EQ(loop.wake(), 300);  // two pods without room
}

TEST(SchedulerPreempts, RoomIsKeptFromTheLessAndTheEquallyUrgent) {
  Crowd loop;
  loop.fill({{2, 2}});
  loop.pending(4, 10);
  ASSERT_THAT(loop.turn(), ElementsAre("evict 0", "evict 1", "nominate 2 to 0"));
  loop.gone(0);
  loop.pending(2, 10);
  loop.pending(2, 0);
  const std::string kept =
      ": 0/1 nodes are available: 1 node(s) were kept for a pod whose victims are leaving.";
  EXPECT_THAT(loop.turn(), ElementsAre("refuse 0" + kept, "refuse 3" + kept));
  loop.gone(1);
  const std::string full = ": 0/1 nodes are available: 1 Insufficient cpu.";
  EXPECT_THAT(loop.turn(), ElementsAre("bind 2 to 0", "refuse 0" + full, "refuse 3" + full));
}

TEST(SchedulerPreempts, WhatFitsBesideTheNominatedMayHaveTheRest) {
  Crowd loop;
  loop.fill({{3}}, 5);
  loop.pending(4, 10);
  ASSERT_THAT(loop.turn(), ElementsAre("evict 0", "nominate 1 to 0"));
  loop.pending(2, 0);
  loop.pending(1, 0);
  EXPECT_THAT(loop.turn(),
              ElementsAre("refuse 2: 0/1 nodes are available: 1 node(s) were kept for a pod whose "
                          "victims are leaving.",
                          "bind 3 to 0"));
}

TEST(SchedulerPreempts, ButNotTheEquallyUrgentNorWhenForbidden) {
  Crowd loop;
  loop.fill({{4}});
  loop.pending(1, 0);
  EXPECT_THAT(loop.turn(), SizeIs(1));
  model::PodSpec meek = cores(1, 10);
  meek.preempts = false;
  loop.world.add_pod(loop.world.add_spec(meek));
  EXPECT_THAT(loop.turn(), ElementsAre("refuse 2: 0/1 nodes are available: 1 Insufficient cpu."));
  loop.config.preemption = false;
  loop.scheduler.reset();
  loop.pending(1, 10);
  EXPECT_THAT(loop.turn(), SizeIs(3));
}

TEST(SchedulerPreempts, EachPreemptorForItself) {
  Crowd loop;
  loop.fill({{4}, {4}, {4}});
  const SpecId urgent = loop.world.add_spec(cores(4, 10));
  for (int i = 0; i < 4; ++i) {
    loop.world.add_pod(urgent);
  }
  EXPECT_THAT(loop.turn(), ElementsAre("evict 0", "nominate 3 to 0", "evict 1", "nominate 4 to 1",
                                       "evict 2", "nominate 5 to 2",
                                       "refuse 6: 0/3 nodes are available: 3 Insufficient cpu."));
  for (const std::uint32_t victim : {2U, 0U, 1U}) {
    loop.gone(victim);
    EXPECT_THAT(loop.turn(), SizeIs(1));
  }
  EXPECT_EQ(loop.scheduler->length().pending, 1U);
}

TEST(SchedulerPreempts, ItWaitsForWhatLeavesAnyway) {
  Crowd loop;
  loop.fill({{4}, {4}});
  loop.terminate(1);
  loop.pending(4, 10);
  EXPECT_THAT(loop.turn(), ElementsAre("nominate 2 to 1"));
  EXPECT_THAT(loop.turn(seconds(std::int64_t{299})), IsEmpty());
  // That pod does not leave: another has to.
  EXPECT_THAT(loop.turn(seconds(std::int64_t{1})), ElementsAre("evict 0", "nominate 2 to 0"));
}

TEST(SchedulerPreempts, AMoreUrgentPodMayTakeTheRoomThatWasMade) {
  Crowd loop;
  loop.fill({{4}, {2, 2}});
  loop.pending(4, 10);
  ASSERT_THAT(loop.turn(), ElementsAre("evict 0", "nominate 3 to 0"));
  loop.gone(0);
  loop.pending(4, 20);
  EXPECT_THAT(loop.turn(), ElementsAre("bind 0 to 0", "evict 1", "evict 2", "nominate 3 to 1"));
}

TEST(SchedulerPreempts, ANominationThatCameToNothingIsWithdrawn) {
  Crowd loop;
  loop.fill({{4}});
  loop.pending(4, 10);
  ASSERT_THAT(loop.turn(), ElementsAre("evict 0", "nominate 1 to 0"));
  loop.gone(0);
  const PodId thief = loop.pending(2, 20);
  loop.world.happen(model::PodBound{thief, {.node = NodeId(0), .gpus = {}}});
  EXPECT_THAT(loop.turn(),
              ElementsAre("refuse 1: 0/1 nodes are available: 1 Insufficient cpu.", "withdraw 1"));
}

TEST(SchedulerPreempts, ARemovedPreemptorKeepsNothing) {
  Crowd loop;
  loop.fill({{4}});
  loop.pending(4, 10);
  ASSERT_THAT(loop.turn(), ElementsAre("evict 0", "nominate 1 to 0"));
  loop.gone(0);
  loop.gone(1);
  loop.pending(4, 0);
  EXPECT_THAT(loop.turn(), ElementsAre("bind 0 to 0"));
}

TEST(SchedulerPreempts, AGangInOneDomainAllOrNothing) {
  Crowd loop;
  for (const char* rack : {"a", "a", "b", "b"}) {
    const NodeId node = loop.world.add_node(node_of(rack, 2));
    loop.running(node, rack[0] == 'a' ? 1 : 2);
  }
  loop.running(NodeId(0), 1, 50);
  const SpecId spec = loop.world.add_spec(cores(2, 10));
  const GangId gang = loop.world.add_gang(
      {.min_members = 2, .max_members = 2, .required_level = model::TopologyLevel::rack});
  loop.world.add_pod(spec, gang);
  loop.world.add_pod(spec, gang);
  EXPECT_THAT(loop.turn(), ElementsAre("evict 2", "evict 3", "nominate 5 to 2", "nominate 6 to 3"));
  loop.gone(2);
  EXPECT_THAT(loop.turn(), IsEmpty());
  loop.pending(2, 0);  // a part of the room is there, and kept for all of the gang
  EXPECT_THAT(loop.turn(), SizeIs(1));
  loop.gone(3);
  EXPECT_THAT(loop.turn(), ElementsAre("bind 5 to 2", "bind 6 to 3",
                                       "refuse 2: 0/4 nodes are available: 4 Insufficient cpu."));

  const GangId larger = loop.world.add_gang({.min_members = 3, .max_members = 3});
  for (int i = 0; i < 3; ++i) {
    loop.world.add_pod(loop.world.add_spec(cores(2, 20)), larger);
  }
  EXPECT_THAT(loop.turn(), Contains(testing::StartsWith("evict")).Times(3));
}

TEST(SchedulerPreempts, AGangThatGoesAsAWholeGoesAsAWhole) {
  Crowd loop;
  loop.fill({{}, {}, {4}});
  const GangId whole =
      loop.world.add_gang({.min_members = 2, .max_members = 2, .disrupted_whole = true});
  loop.running(NodeId(0), 4, 1, whole);
  loop.running(NodeId(1), 4, 1, whole);
  loop.pending(4, 10);
  EXPECT_THAT(loop.turn(), ElementsAre("evict 0", "nominate 3 to 2"));
  loop.pending(4, 9);
  EXPECT_THAT(loop.turn(), ElementsAre("evict 1", "evict 2", "nominate 4 to 0"));
}

TEST(SchedulerPreempts, APodOnItsOwnGoesBeforeAMemberOfAGang) {
  Crowd loop;
  loop.fill({{}, {}, {}, {4}});  // pod 0
  const GangId gang = loop.world.add_gang({.min_members = 3, .max_members = 3});
  for (std::uint32_t node = 0; node < 3; ++node) {
    loop.running(NodeId(node), 4, 0, gang);
  }
  loop.pending(4, 10);
  EXPECT_THAT(loop.turn(), ElementsAre("evict 0", "nominate 4 to 3"));
}

TEST(SchedulerPreempts, WhatABudgetAllowsIsSpentOnce) {
  Crowd loop;
  loop.fill({{4}, {4}, {}});
  for (const std::uint32_t node : {0U, 1U}) {
    model::PodSpec guarded = cores(0);
    guarded.labels = {{"app", "db"}};
    const PodId pod = loop.world.add_pod(loop.world.add_spec(guarded));
    loop.world.happen(model::PodBound{pod, {.node = NodeId(node), .gpus = {}}});
  }
  model::PodSpec guarded = cores(4);
  guarded.labels = {{"app", "db"}};
  const SpecId spec = loop.world.add_spec(guarded);
  for (const std::uint32_t pod : {0U, 1U}) {
    loop.world.change_pod(PodId(pod), [&](model::Pod& p) { p.spec = spec; });
  }
  loop.world.happen(model::BudgetUpserted{
      {.id = BudgetId(0), .selector = {{.key = "app", .values = {"db"}}}, .allowed = 1}});
  loop.running(NodeId(2), 4, 5);
  loop.pending(4, 10);
  loop.pending(4, 9);
  // The second would break the budget on node 1: it takes the more important pod on node 2.
  EXPECT_THAT(loop.turn(), ElementsAre("evict 0", "nominate 5 to 0", "evict 4", "nominate 6 to 2"));
}

TEST(SchedulerPreempts, TheNominatedIsTriedThoughOthersLikeItFoundNoRoom) {
  Crowd loop;
  loop.fill({{4}, {4}});
  const SpecId urgent = loop.world.add_spec(cores(4, 10));
  const PodId earlier = loop.world.add_pod(urgent);
  loop.world.change_pod(earlier, [](model::Pod& p) { p.terminating = true; });
  loop.world.at = loop.world.at + seconds(std::int64_t{1});
  const PodId nominated = loop.world.add_pod(urgent);
  ASSERT_THAT(loop.turn(), ElementsAre("evict 0", "nominate 3 to 0"));
  ASSERT_EQ(nominated, PodId(3));
  // One that is alike, and first in the queue, must leave the node alone.
  loop.world.remove_pod(earlier);
  loop.world.happen(model::PodAdded{{.id = earlier, .name = "old", .spec = urgent}});
  loop.running(NodeId(1), 0, 50);
  loop.gone(0);
  EXPECT_THAT(loop.turn(), Contains("bind 3 to 0"));
}

TEST(SchedulerPreempts, AGangIsAsUrgentAsItsLeastUrgentMember) {
  Crowd loop;
  loop.fill({{4}});
  const GangId gang = loop.world.add_gang({.min_members = 2, .max_members = 2});
  loop.pending(1, 50, gang);
  loop.pending(1, 0, gang);
  EXPECT_THAT(loop.turn(), SizeIs(2));  // refused
}

TEST(SchedulerPreempts, AGangMindsThePodsThatKeepItOff) {
  Crowd loop;
  loop.fill({{}, {4}, {4}});
  model::PodSpec loner = cores(1, 20);
  loner.anti_affinity = {
      {.selector = {{.key = "app", .values = {"db"}}}, .topology_key = "kubernetes.io/hostname"}};
  const PodId pod = loop.world.add_pod(loop.world.add_spec(loner));
  loop.world.happen(model::PodBound{pod, {.node = NodeId(0), .gpus = {}}});
  model::PodSpec member = cores(2, 10);
  member.labels = {{"app", "db"}};
  const SpecId spec = loop.world.add_spec(member);
  const GangId gang = loop.world.add_gang({.min_members = 2, .max_members = 2});
  loop.world.add_pod(spec, gang);
  loop.world.add_pod(spec, gang);
  EXPECT_THAT(loop.turn(), ElementsAre("evict 1", "nominate 3 to 2", "nominate 4 to 2"));
}

}  // namespace
}  // namespace plimsoll::control
