#include "model/pod.h"

#include <gtest/gtest.h>

namespace plimsoll::model {
namespace {

TEST(Labels, AreKeptSortedAndReplaced) {
  Labels labels;
  set_label(labels, "b", "1");
  set_label(labels, "a", "2");
  set_label(labels, "b", "3");
  EXPECT_EQ(labels, (Labels{{"a", "2"}, {"b", "3"}}));
  EXPECT_EQ(*find_label(labels, "b"), "3");
  EXPECT_EQ(find_label(labels, "c"), nullptr);
}

TEST(Selector, OperatorsAsKubernetesReadsThem) {
  const Labels labels = {{"generation", "8"}, {"gpu", "a100"}, {"name", "x"}};
  using Op = SelectorOperator;
  struct Case {
    Requirement requirement;
    bool expected;
  };
  const Case cases[] = {
      {{"gpu", Op::in, {"t4", "a100"}}, true},
      {{"gpu", Op::in, {"t4"}}, false},
      {{"absent", Op::in, {"t4"}}, false},
      {{"gpu", Op::not_in, {"t4"}}, true},
      {{"gpu", Op::not_in, {"a100"}}, false},
      {{"absent", Op::not_in, {"a100"}}, true},  // a missing label is in no list
      {{"gpu", Op::exists, {}}, true},
      {{"absent", Op::exists, {}}, false},
      {{"absent", Op::does_not_exist, {}}, true},
      {{"gpu", Op::does_not_exist, {}}, false},
      {{"generation", Op::gt, {"7"}}, true},
      {{"generation", Op::gt, {"8"}}, false},
      {{"generation", Op::lt, {"9"}}, true},
      {{"generation", Op::lt, {"nine"}}, false},
      {{"name", Op::gt, {"1"}}, false},  // no integer
      {{"absent", Op::lt, {"9"}}, false},
      {{"generation", Op::gt, {"7", "6"}}, false},  // one value only
  };
  for (const Case& c : cases) {
    EXPECT_EQ(matches(c.requirement, labels), c.expected)
        << c.requirement.key << " " << static_cast<int>(c.requirement.op);
  }
  EXPECT_TRUE(matches(LabelSelector{}, labels)) << "an empty selector matches everything";
}

TEST(Toleration, AsKubernetesReadsThem) {
  const Taint taint = {"dedicated", "training", TaintEffect::no_schedule};
  using Op = TolerationOperator;
  struct Case {
    Toleration toleration;
    bool expected;
  };
  const Case cases[] = {
      {{"dedicated", Op::equal, "training", {}}, true},
      {{"dedicated", Op::equal, "inference", {}}, false},
      {{"dedicated", Op::exists, "", {}}, true},
      {{"", Op::exists, "", {}}, true},
      {{"", Op::equal, "training", {}}, true},  // no API server lets it in; read as kube-scheduler
      {{"", Op::equal, "inference", {}}, false},
      {{"other", Op::exists, "", {}}, false},
      {{"dedicated", Op::exists, "", TaintEffect::no_execute}, false},
      {{"dedicated", Op::exists, "", TaintEffect::no_schedule}, true},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(tolerates(c.toleration, taint), c.expected) << c.toleration.key;
  }
}

TEST(PodSpec, ATaintThatIsOnlyPreferredKeepsNobodyOff) {
  Node node;
  node.taints = {{"slow", "", TaintEffect::prefer_no_schedule},
                 {"gone", "", TaintEffect::no_execute}};
  PodSpec spec;
  ASSERT_NE(untolerated_taint(spec, node), nullptr);
  EXPECT_EQ(untolerated_taint(spec, node)->key, "gone");
  spec.tolerations = {{"gone", TolerationOperator::exists, "", {}}};
  EXPECT_EQ(untolerated_taint(spec, node), nullptr);
}

TEST(PodSpec, SelectorAndAffinityMustBothHold) {
  Node node;
  node.labels = {{"pool", "a"}, {"zone", "z1"}};
  PodSpec spec;
  EXPECT_TRUE(selects(spec, node));
  spec.node_selector = {{"pool", "a"}};
  EXPECT_TRUE(selects(spec, node));
  spec.node_affinity = {{{{"zone", SelectorOperator::in, {"z2"}}}}};
  EXPECT_FALSE(selects(spec, node));
  spec.node_affinity.push_back({{{"zone", SelectorOperator::in, {"z1"}}}});  // any one term
  EXPECT_TRUE(selects(spec, node));
  spec.node_affinity = {{}};  // an empty term matches no node
  EXPECT_FALSE(selects(spec, node));
}

TEST(PodSpec, ATermMayNameNodes) {
  Node node;
  node.name = "n1";
  node.labels = {{"pool", "a"}};
  const auto term = [](SelectorOperator op, const char* name) {
    return NodeSelectorTerm{.expressions = {}, .names = {{"metadata.name", op, {name}}}};
  };
  EXPECT_TRUE(holds(term(SelectorOperator::in, "n1"), node));
  EXPECT_FALSE(holds(term(SelectorOperator::in, "n2"), node));
  EXPECT_FALSE(holds(term(SelectorOperator::not_in, "n1"), node));
  EXPECT_TRUE(holds(term(SelectorOperator::not_in, "n2"), node));
  NodeSelectorTerm both = term(SelectorOperator::in, "n1");
  both.expressions = {{"pool", SelectorOperator::in, {"b"}}};
  EXPECT_FALSE(holds(both, node));
  both.expressions.front().values = {"a"};
  EXPECT_TRUE(holds(both, node));
}

TEST(PodSpec, OfEachListOfVolumeTopologyOneTermMustHold) {
  Node node;
  node.labels = {{"zone", "z1"}};
  const NodeSelectorTerm here = {{{"zone", SelectorOperator::in, {"z1"}}}, {}};
  const NodeSelectorTerm there = {{{"zone", SelectorOperator::in, {"z2"}}}, {}};
  PodSpec spec;
  EXPECT_TRUE(volumes_reach(spec, node));
  spec.volume_topology = {{there, here}};
  EXPECT_TRUE(volumes_reach(spec, node));
  spec.volume_topology.push_back({there});
  EXPECT_FALSE(volumes_reach(spec, node));
  spec.volume_topology = {{{{}, {{"metadata.name", SelectorOperator::in, {"another"}}}}}};
  EXPECT_TRUE(volumes_reach(spec, node)) << "as kube-scheduler reads it";
  spec.volume_topology = {{NodeSelectorTerm{}}};
  EXPECT_FALSE(volumes_reach(spec, node));
}

TEST(PodSpec, ACordonIsATaintToWhomToleratesIt) {
  PodSpec spec;
  EXPECT_FALSE(tolerates_cordon(spec));
  spec.tolerations = {{"node.kubernetes.io/unschedulable", TolerationOperator::exists, "",
                       TaintEffect::no_execute}};
  EXPECT_FALSE(tolerates_cordon(spec));
  spec.tolerations.front().effect = TaintEffect::no_schedule;
  EXPECT_TRUE(tolerates_cordon(spec));
}

}  // namespace
}  // namespace plimsoll::model
