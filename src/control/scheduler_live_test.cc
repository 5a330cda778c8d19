// The loop against a world that answers late: what it does with bindings that fail, pods that
// change, gangs that lack members.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "control/scripted_loop.h"

namespace plimsoll::control {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

model::Node labelled(const std::string& value, std::int64_t cores = 4) {
  model::Node node = node_of("", cores);
  if (!value.empty()) {
    node.labels = {{"example.com/island", value}};
  }
  return node;
}

const std::string bind_failed = "the API server refused the binding; it is tried again";

TEST(SchedulerLive, AFailedBindingIsTriedAgainLaterAndLater) {
  Loop loop;
  loop.world.add_node(node_of("r"));
  const PodId pod = loop.world.add_pod(loop.world.add_spec(cores(1)));
  ASSERT_THAT(loop.turn(), ElementsAre("bind 0 to 0"));
  for (const std::int64_t delay : {1, 2, 4, 8, 10, 10}) {
    loop.world.fail(pod);
    EXPECT_THAT(loop.turn(), ElementsAre("refuse 0: " + bind_failed));
    EXPECT_EQ(loop.wake(), static_cast<double>(delay));
    EXPECT_THAT(loop.turn(seconds(delay) - microseconds(1)), IsEmpty());
    ASSERT_THAT(loop.turn(microseconds(1)), ElementsAre("bind 0 to 0"));
  }
  loop.world.confirm(pod);
  EXPECT_THAT(loop.turn(), IsEmpty());
  EXPECT_EQ(loop.wake(), -1);
}

TEST(SchedulerLive, RoomThatIsMadeDoesNotShortenABackOff) {
  Loop loop;
  loop.world.add_node(node_of("r"));
  const PodId pod = loop.world.add_pod(loop.world.add_spec(cores(1)));
  loop.turn();
  loop.world.fail(pod);
  loop.turn();
  loop.world.add_node(node_of("r"));
  EXPECT_THAT(loop.turn(), IsEmpty());
  EXPECT_THAT(loop.turn(seconds(std::int64_t{1})), testing::SizeIs(1));
}

TEST(SchedulerLive, TheRoomOfAFailedBindingGoesToOthers) {
  Loop loop;
  loop.world.add_node(node_of("r", 1));
  const SpecId spec = loop.world.add_spec(cores(1));
  const PodId first = loop.world.add_pod(spec);
  loop.world.add_pod(spec);
  ASSERT_THAT(loop.turn(),
              ElementsAre("bind 0 to 0", "refuse 1: 0/1 nodes are available: 1 Insufficient cpu."));
  loop.world.fail(first);
  EXPECT_THAT(loop.turn(), ElementsAre("bind 1 to 0", "refuse 0: " + bind_failed));
}

TEST(SchedulerLive, AMemberWhoseBindingFailsIsTriedOnItsNodeAndElseInTheGangsDomain) {
  Loop loop;
  loop.world.add_node(node_of("a", 1));
  loop.world.add_node(node_of("a", 1));
  for (int i = 0; i < 3; ++i) {
    loop.world.add_node(node_of("b", 1));
  }
  const SpecId spec = loop.world.add_spec(cores(1));
  const GangId gang = loop.world.add_gang(
      {.min_members = 2, .max_members = 2, .required_level = model::TopologyLevel::rack});
  const PodId first = loop.world.add_pod(spec, gang);
  const PodId second = loop.world.add_pod(spec, gang);
  ASSERT_THAT(loop.turn(), ElementsAre("bind 0 to 0", "bind 1 to 1"));
  loop.world.confirm(first);
  loop.world.fail(second);
  EXPECT_THAT(loop.turn(), ElementsAre("refuse 1: " + bind_failed));
  EXPECT_THAT(loop.turn(seconds(std::int64_t{1})), ElementsAre("bind 1 to 1"));

  // Another takes its node, so that the gang's rack is full: other racks are no place for it.
  loop.world.fail(second);
  loop.turn();
  const SpecId chooser = loop.world.add_spec(cores(1, 5));
  const PodId thief = loop.world.add_pod(chooser);
  loop.world.happen(model::PodBound{thief, {.node = NodeId(1), .gpus = {}}});
  EXPECT_THAT(loop.turn(), IsEmpty());
  EXPECT_THAT(loop.turn(seconds(std::int64_t{2})),
              ElementsAre("refuse 1: 0/5 nodes are available: 3 node(s) were not in one domain "
                          "with room for the whole gang, 2 Insufficient cpu."));
  loop.world.add_node(node_of("a", 1));
  EXPECT_THAT(loop.turn(), ElementsAre("bind 1 to 5"));
}

TEST(SchedulerLive, AGangThatIsNotCompletedInTimeIsUndone) {
  Loop loop;
  loop.world.add_node(node_of("a", 1));
  loop.world.add_node(node_of("a", 1));
  const SpecId spec = loop.world.add_spec(cores(1));
  const GangId gang = loop.world.add_gang({.min_members = 2, .max_members = 2});
  const PodId first = loop.world.add_pod(spec, gang);
  const PodId second = loop.world.add_pod(spec, gang);
  loop.turn();
  loop.world.confirm(first);
  loop.world.fail(second);
  model::Node cordoned = loop.world.truth.nodes[1];
  cordoned.unschedulable = true;
  loop.world.happen(model::NodeUpserted{cordoned});
  loop.turn();
  loop.turn(seconds(std::int64_t{1}));  // no room for it
  EXPECT_EQ(loop.wake(), 299);
  EXPECT_THAT(loop.turn(seconds(std::int64_t{298})), IsEmpty());
  EXPECT_THAT(loop.turn(seconds(std::int64_t{1})),
              ElementsAre("evict 0", "refuse 1: waits for 1 more member of its gang to exist"));
  EXPECT_EQ(loop.wake(), 10);  // nothing has come of it yet
  EXPECT_THAT(loop.turn(seconds(std::int64_t{10})), ElementsAre("evict 0"));
  loop.world.change_pod(first, [](model::Pod& pod) { pod.terminating = true; });
  EXPECT_THAT(loop.turn(), IsEmpty());
  EXPECT_EQ(loop.wake(), -1);

  // Its controller makes the member again: the gang starts anew once there is room for all of it.
  loop.world.remove_pod(first);
  const PodId again = loop.world.add_pod(spec, gang);
  ASSERT_EQ(again, first);
  cordoned.unschedulable = false;
  loop.world.happen(model::NodeUpserted{cordoned});
  EXPECT_THAT(loop.turn(), UnorderedElementsAre("bind 1 to 0", "bind 0 to 1"));
}

TEST(SchedulerLive, AGangThatWasHalfBoundBeforeARestartIsCompletedOrUndone) {
  for (const bool room : {true, false}) {
    Loop loop;
    loop.world.at = Time(1'000'000'000);
    loop.world.add_node(node_of("a", 1));
    loop.world.add_node(node_of("b", 1));
    loop.world.add_node(node_of("a", room ? 1 : 0));
    const SpecId spec = loop.world.add_spec(cores(1));
    const GangId gang = loop.world.add_gang(
        {.min_members = 2, .max_members = 2, .required_level = model::TopologyLevel::rack});
    const PodId first = loop.world.add_pod(spec, gang);
    loop.world.happen(model::PodBound{first, {.node = NodeId(0), .gpus = {}}});
    loop.world.add_pod(spec, gang);
    if (room) {
      EXPECT_THAT(loop.turn(), ElementsAre("bind 1 to 2"));
    } else {
      EXPECT_THAT(loop.turn(), testing::SizeIs(1));  // refused
      EXPECT_THAT(loop.turn(seconds(std::int64_t{299})), IsEmpty());
      EXPECT_THAT(loop.turn(seconds(std::int64_t{1})), testing::Contains("evict 0"));
    }
  }
}

TEST(SchedulerLive, AGangWhoseMembersFinishIsLeftAlone) {
  Loop loop;
  loop.world.add_node(node_of("a"));
  const SpecId spec = loop.world.add_spec(cores(1));
  const GangId gang = loop.world.add_gang({.min_members = 2, .max_members = 2});
  const PodId first = loop.world.add_pod(spec, gang);
  const PodId second = loop.world.add_pod(spec, gang);
  loop.turn();
  loop.world.confirm(first);
  loop.world.confirm(second);
  loop.turn();
  loop.world.remove_pod(first);
  loop.turn();
  EXPECT_EQ(loop.wake(), -1);
  loop.scheduler.reset();  // and after a restart
  loop.turn();
  EXPECT_EQ(loop.wake(), -1);
}

TEST(SchedulerLive, APendingPodThatChangesIsTriedAsItIsNow) {
  Loop loop;
  loop.world.add_node(node_of("a", 2));
  const SpecId large = loop.world.add_spec(cores(4));
  const SpecId small = loop.world.add_spec(cores(2));
  const SpecId urgent = loop.world.add_spec(cores(2, 10));
  const PodId pod = loop.world.add_pod(large);
  EXPECT_THAT(loop.turn(), testing::SizeIs(1));  // refused
  loop.world.add_pod(small);
  loop.world.change_pod(pod, [&](model::Pod& p) { p.spec = urgent; });
  EXPECT_THAT(loop.turn(),
              ElementsAre("bind 0 to 0", "refuse 1: 0/1 nodes are available: 1 Insufficient cpu."));
}

TEST(SchedulerLive, APendingPodThatGoesIsNotBound) {
  Loop loop;
  loop.world.add_node(node_of("a"));
  const PodId pod = loop.world.add_pod(loop.world.add_spec(cores(1)));
  loop.world.change_pod(pod, [](model::Pod& p) { p.terminating = true; });
  EXPECT_THAT(loop.turn(), IsEmpty());
  loop.world.remove_pod(pod);
  EXPECT_THAT(loop.turn(), IsEmpty());
}

TEST(SchedulerLive, ATerminatingPodHoldsItsRoomAndIsNoMember) {
  Loop loop;
  loop.world.add_node(node_of("a", 2));
  const SpecId spec = loop.world.add_spec(cores(1));
  const GangId gang = loop.world.add_gang({.min_members = 2, .max_members = 2});
  const PodId first = loop.world.add_pod(spec, gang);
  const PodId second = loop.world.add_pod(spec, gang);
  loop.turn();
  loop.world.confirm(first);
  loop.world.confirm(second);
  loop.world.change_pod(first, [](model::Pod& p) { p.terminating = true; });
  loop.world.change_pod(second, [](model::Pod& p) { p.terminating = true; });
  const PodId third = loop.world.add_pod(spec, gang);
  EXPECT_THAT(loop.turn(), ElementsAre("refuse 2: waits for 1 more member of its gang to exist"));
  const PodId fourth = loop.world.add_pod(spec, gang);
  EXPECT_THAT(loop.turn(), testing::SizeIs(2));  // no room for either
  loop.world.remove_pod(first);
  EXPECT_THAT(loop.turn(), IsEmpty());
  loop.world.remove_pod(second);
  EXPECT_THAT(loop.turn(), ElementsAre("bind 2 to 0", "bind 3 to 0"));
  EXPECT_EQ(third, PodId(2));
  EXPECT_EQ(fourth, PodId(3));
}

TEST(SchedulerLive, MembersAreToldHowManyOthersAreMissing) {
  Loop loop;
  loop.world.add_node(node_of("a", 1));
  const SpecId spec = loop.world.add_spec(cores(1));
  const GangId unknown =
      loop.world.add_gang({.min_members = model::members_unknown, .max_members = INT32_MAX});
  loop.world.add_pod(spec, unknown);
  EXPECT_THAT(loop.turn(), ElementsAre("refuse 0: waits for its gang"));
  loop.world.happen(model::GangUpserted{{.id = unknown, .min_members = 3, .max_members = 3}});
  EXPECT_THAT(loop.turn(), ElementsAre("refuse 0: waits for 2 more members of its gang to exist"));
  loop.world.add_pod(spec, unknown);
  EXPECT_THAT(loop.turn(), ElementsAre("refuse 0: waits for 1 more member of its gang to exist",
                                       "refuse 1: waits for 1 more member of its gang to exist"));
  EXPECT_THAT(loop.turn(), IsEmpty());
  loop.world.add_pod(spec, unknown);
  const std::string no_room = ": 0/1 nodes are available: 1 Insufficient cpu.";
  EXPECT_THAT(loop.turn(),
              ElementsAre("refuse 0" + no_room, "refuse 1" + no_room, "refuse 2" + no_room));
  loop.world.add_pod(spec, unknown);  // one that it does not need
  EXPECT_THAT(loop.turn(), ElementsAre("refuse 3" + no_room));
  loop.world.remove_pod(PodId(0));
  loop.world.remove_pod(PodId(1));
  EXPECT_THAT(loop.turn(), ElementsAre("refuse 2: waits for 1 more member of its gang to exist",
                                       "refuse 3: waits for 1 more member of its gang to exist"));
}

TEST(SchedulerLive, AGangWithARequiredLabelStaysInOneOfItsDomains) {
  for (const char* rule : {"plimsoll", "by_pod"}) {
    Loop loop;
    loop.config.gangs.rule = rule;
    for (const char* island : {"", "x", "y", "x", "z", "y", "", "z", "z"}) {
      loop.world.add_node(labelled(island, 1));
    }
    const SpecId spec = loop.world.add_spec(cores(1));
    const GangId three = loop.world.add_gang(
        {.min_members = 3, .max_members = 3, .required_key = "example.com/island"});
    for (int i = 0; i < 3; ++i) {
      loop.world.add_pod(spec, three);
    }
    EXPECT_THAT(loop.turn(), UnorderedElementsAre("bind 0 to 4", "bind 1 to 7", "bind 2 to 8"));
    const GangId four = loop.world.add_gang(
        {.min_members = 4, .max_members = 4, .required_key = "example.com/island"});
    for (int i = 0; i < 4; ++i) {
      loop.world.add_pod(spec, four);
    }
    EXPECT_THAT(loop.turn(), testing::SizeIs(4)) << rule;  // refused
    model::Node moved = loop.world.truth.nodes[1];
    moved.labels = {{"example.com/island", "y"}};
    loop.world.happen(model::NodeUpserted{moved});
    EXPECT_THAT(loop.turn(), IsEmpty());
    moved = loop.world.truth.nodes[0];
    moved.labels = {{"example.com/island", "y"}};
    loop.world.happen(model::NodeUpserted{moved});
    EXPECT_THAT(loop.turn(),
                UnorderedElementsAre("bind 3 to 0", "bind 4 to 1", "bind 5 to 2", "bind 6 to 5"))
        << rule;
  }
}

TEST(SchedulerLive, BlockedWorkIsTriedAgainThoughNothingHappened) {
  Loop loop;
  loop.world.add_node(node_of("a", 1));
  loop.world.add_pod(loop.world.add_spec(cores(2)));
  EXPECT_THAT(loop.turn(), testing::SizeIs(1));
  EXPECT_EQ(loop.wake(), 300);
  loop.turn(seconds(std::int64_t{100}));
  EXPECT_EQ(loop.wake(), 200);
  loop.turn(seconds(std::int64_t{200}));
  EXPECT_EQ(loop.wake(), 300);
}

}  // namespace
}  // namespace plimsoll::control
