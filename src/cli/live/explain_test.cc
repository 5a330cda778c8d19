// What `explain` says of pods in every state, without a cluster.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/live/explain_lacks.h"
#include "cli/live/explain_view.h"
#include "cli/live/snapshot_sample.h"

namespace plimsoll::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

Explanation explain(const model::Snapshot& snapshot, const std::string& name) {
  for (const model::Pod& pod : snapshot.pods) {
    if (pod.id.valid() && pod.name == name) {
      const auto explanation = explain_pod(snapshot, pod.id, control::SchedulerConfig::live());
      check(explanation.has_value(), explanation ? "" : explanation.error().message);
      return *explanation;
    }
  }
  broken_invariant("no such pod");
}

TEST(Explain, NamesTheNodesByReasonAndTheSmallestChange) {
  SampleCluster cluster;
  cluster.node("a");
  cluster.node("b");
  cluster.node("c", 8, R"("taints":[{"key":"down","value":"","effect":"NoSchedule"}])");
  cluster.node("d", 0);
  cluster.pod({.name = "on-a", .gpus = 6, .node = "a"});
  cluster.pod({.name = "on-b", .gpus = 7, .node = "b"});
  cluster.pod({.name = "big", .gpus = 4});
  const model::Snapshot snapshot = cluster.snapshot();
  const Explanation big = explain(snapshot, "big");
  EXPECT_EQ(big.state, "pending");
  EXPECT_EQ(big.reason, "no_room");
  EXPECT_EQ(big.why,
            "0/4 nodes are available: 3 Insufficient GPU, 1 node(s) had untolerated taint "
            "{down: }.");
  ASSERT_EQ(big.groups.size(), 2U);
  EXPECT_THAT(big.groups[0].nodes, ElementsAre("c"));
  EXPECT_EQ(big.groups[1].why, "Insufficient GPU");
  EXPECT_THAT(big.groups[1].nodes, ElementsAre("a", "b", "d"));
  ASSERT_EQ(big.nearest.size(), 3U);
  EXPECT_EQ(big.nearest[0].node, "a");
  EXPECT_THAT(big.nearest[0].lacks, ElementsAre("2 GPUs"));
  EXPECT_EQ(big.nearest[1].node, "b");
  EXPECT_EQ(big.nearest[2].node, "d");
  for (const Explanation::Nearest& nearest : big.nearest) {
    EXPECT_EQ(nearest.besides, "") << nearest.node;
  }
  EXPECT_EQ(explanation_table(snapshot, big),
            "ml/big is pending: 0/4 nodes are available: 3 Insufficient GPU, 1 node(s) had "
            "untolerated taint {down: }.\n"
            "1 node: node(s) had untolerated taint {down: } (c)\n"
            "3 nodes: Insufficient GPU (a, b, d)\n"
            "what would have to change:\n"
            "  a lacks 2 GPUs: it takes the pod with that\n"
            "  b lacks 3 GPUs: it takes the pod with that\n"
            "  d lacks 4 GPUs: it takes the pod with that\n");
}

TEST(Explain, APodThatNothingKeepsBack) {
  SampleCluster cluster;
  cluster.node("a");
  cluster.node("b");
  cluster.pod({.name = "p", .gpus = 4});
  const model::Snapshot snapshot = cluster.snapshot();
  const Explanation free = explain(snapshot, "p");
  EXPECT_EQ(free.reason, "best_score");
  EXPECT_THAT(free.why,
              StartsWith("nothing keeps it back: the next turn binds it to a, best score"));
  EXPECT_THAT(free.nearest, IsEmpty());
  ASSERT_EQ(free.alternatives.size(), 1U);
  EXPECT_EQ(snapshot.nodes[free.alternatives[0].node.index()].name, "b");
}

TEST(Explain, AGangSaysWhatItWaitsFor) {
  SampleCluster cluster;
  cluster.node("a");
  cluster.node("b", 6);
  cluster.member("few-0", "few", 4, 1);
  cluster.pod({.name = "loose", .meta = R"(,"labels":{"plimsoll.dev/gang":"loose"})"});
  for (int i = 0; i < 5; ++i) {
    cluster.member("wide-" + std::to_string(i), "wide", 5, 4);
  }
  const model::Snapshot snapshot = cluster.snapshot();
  const Explanation few = explain(snapshot, "few-0");
  EXPECT_EQ(few.reason, "gang_incomplete");
  ASSERT_TRUE(few.gang);
  EXPECT_EQ(few.gang->needs, 4);
  EXPECT_EQ(few.gang->pending, 1);
  EXPECT_THAT(few.changes, ElementsAre("3 more members of its gang, that are not there yet"));
  EXPECT_THAT(few.nearest, IsEmpty());

  const Explanation loose = explain(snapshot, "loose");
  EXPECT_EQ(loose.gang->needs, 0);
  EXPECT_THAT(loose.changes, ElementsAre(StartsWith("the PodGroup ml/loose, or the number")));

  const Explanation wide = explain(snapshot, "wide-0");
  EXPECT_EQ(wide.reason, "no_room");
  EXPECT_THAT(wide.changes,
              ElementsAre("room for 2 of the 5 members that it starts with, at once: the cluster "
                          "has room for 3 (8 more GPUs, as 4 a node)"));
  EXPECT_THAT(explanation_table(snapshot, wide),
              HasSubstr("gang ml/wide: 0 bound, 5 pending, needs 5"));
}

TEST(Explain, ABoundPodAndWhereItWouldGoToday) {
  SampleCluster cluster;
  cluster.node("a");
  cluster.node("b");
  cluster.pod({.name = "there", .gpus = 2, .node = "a"});
  cluster.pod({.name = "full", .gpus = 7, .node = "b"});
  const model::Snapshot snapshot = cluster.snapshot();
  const Explanation there = explain(snapshot, "there");
  EXPECT_EQ(there.state, "bound");
  EXPECT_EQ(there.node, "a");
  EXPECT_THAT(there.why, StartsWith("its place scores "));
  EXPECT_THAT(there.why, HasSubstr(", as good as any"));

  SampleCluster cordoned;
  cordoned.node("a", 8, R"("unschedulable":true)");
  cordoned.pod({.name = "there", .gpus = 2, .node = "a"});
  const model::Snapshot now = cordoned.snapshot();
  EXPECT_EQ(explain(now, "there").why,
            "it runs there; a new pod like it would not be let in: node(s) were unschedulable");
  const nlohmann::json json =
      nlohmann::json::parse(explanation_json(now, explain(now, "there")).dump());
  EXPECT_EQ(json["state"], "bound");
  EXPECT_EQ(json["reason"], "no_room");
  EXPECT_TRUE(json["nearest"].empty());
}

TEST(Explain, APodThatIsLeftAlone) {
  EXPECT_EQ(explanation_table({}, left_alone("ml/x", "its scheduler is another")),
            "ml/x is left alone: its scheduler is another\n");
}

TEST(Lacks, AreOrderedAndTogetherEnough) {
  SampleCluster cluster;
  cluster.node("a", 1,
               R"("unschedulable":true,"taints":[{"key":"k","value":"v","effect":"NoSchedule"}])");
  cluster.pod({.name = "much", .gpus = 3, .extra = R"(,"nodeSelector":{"zone":"z1"})"});
  model::Snapshot snapshot = cluster.snapshot();
  snapshot.specs[0].requests.cpu = Millicores(65'500);
  snapshot.specs[0].requests.memory = gibibyte * 300;
  snapshot.specs[0].requests.extended = {{"rdma/hca", 2}};
  const Lacks lacks = lacks_of(snapshot.specs[0], snapshot.nodes[0], rooms_of(snapshot)[0]);
  EXPECT_THAT(lacks.lines, ElementsAre("to be uncordoned", "label zone=z1",
                                       "a toleration, by the pod, of taint k=v", "1.5 CPU",
                                       "44.0 GiB of memory", "2 rdma/hca", "2 GPUs"));
  snapshot.nodes[0] = lacks.changed;
  EXPECT_THAT(lacks_of(snapshot.specs[0], snapshot.nodes[0], rooms_of(snapshot)[0]).lines,
              IsEmpty());
  EXPECT_EQ(explain(snapshot, "much").reason, "best_score");
}

}  // namespace
}  // namespace plimsoll::cli
