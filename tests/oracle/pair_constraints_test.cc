// Affinity, anti-affinity and spread as their definitions read, against the engine's counters.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/random.h"
#include "engines/placement/engine.h"

namespace plimsoll {
namespace {

using model::LabelSelector;
using model::Node;
using model::PodSpec;
using model::Snapshot;

std::string domain(const Node& node, const std::string& key) {
  return key == "kubernetes.io/hostname" ? node.name : node.topology.zone;
}

// Pods in the node's domain (or everywhere, with no node) that `selector` matches.
int count(const Snapshot& s, const LabelSelector& selector, const std::string& key,
          const Node* node) {
  return static_cast<int>(std::ranges::count_if(s.pods, [&](const model::Pod& pod) {
    return pod.id.valid() && pod.binding &&
           model::matches(selector, s.specs[pod.spec.index()].labels) &&
           (node == nullptr ||
            domain(s.nodes[pod.binding->node.index()], key) == domain(*node, key));
  }));
}

bool allowed(const Snapshot& s, const PodSpec& spec, const Node& node) {
  bool anybody = false;
  bool self = true;
  for (const auto& term : spec.affinity) {
    anybody = anybody || count(s, term.selector, term.topology_key, nullptr) > 0;
    self = self && model::matches(term.selector, spec.labels);
  }
  for (const auto& term : spec.affinity) {
    const bool first = !anybody && self;
    if (!first && count(s, term.selector, term.topology_key, &node) == 0) return false;
  }
  for (const auto& term : spec.anti_affinity) {
    if (count(s, term.selector, term.topology_key, &node) > 0) return false;
  }
  for (const model::Pod& pod : s.pods) {  // those that are there and do not want this one near
    if (!pod.id.valid() || !pod.binding) continue;
    for (const auto& term : s.specs[pod.spec.index()].anti_affinity) {
      if (model::matches(term.selector, spec.labels) &&
          domain(s.nodes[pod.binding->node.index()], term.topology_key) ==
              domain(node, term.topology_key)) {
        return false;
      }
    }
  }
  for (const auto& spread : spec.spread) {
    int least = 1 << 30;
    for (const Node& other : s.nodes) {
      if (model::selects(spec, other)) {
        least = std::min(least, count(s, spread.selector, spread.topology_key, &other));
      }
    }
    const int own = model::matches(spread.selector, spec.labels) ? 1 : 0;
    if (count(s, spread.selector, spread.topology_key, &node) + own - least > spread.max_skew) {
      return false;
    }
  }
  return true;
}

Snapshot random_cluster(Random& random) {
  Snapshot s;
  for (std::uint32_t i = 0; i < 150; ++i) {
    Node node;
    node.id = NodeId(i);
    node.name = "node-" + std::to_string(i);
    node.topology.zone = "zone-" + std::to_string(random.below(3));
    node.labels = {{"pool", random.below(3) == 0 ? "a" : "b"}};
    node.allocatable.cpu = Millicores(static_cast<std::int64_t>(2 + random.below(3)) * 1000);
    node.allocatable.memory = gibibyte * 64;
    node.allocatable.pods = 10;
    s.nodes.push_back(node);
  }
  const char* apps[] = {"web", "db", "train"};
  const char* keys[] = {"kubernetes.io/hostname", "topology.kubernetes.io/zone"};
  for (int i = 0; i < 14; ++i) {
    PodSpec spec;
    spec.requests.cpu = Millicores(1000);
    spec.labels = {{"app", apps[random.below(3)]}};
    const LabelSelector some = {{"app", model::SelectorOperator::in, {apps[random.below(3)]}}};
    const auto* key = keys[random.below(2)];
    switch (random.below(4)) {
      case 0:
        spec.affinity = {{.selector = some, .topology_key = key}};
        break;
      case 1:
        spec.anti_affinity = {{.selector = some, .topology_key = key}};
        break;
      case 2:
        spec.spread = {{.max_skew = static_cast<std::int32_t>(1 + random.below(3)),
                        .topology_key = key,
                        .selector = some}};
        if (random.below(2) == 0) spec.node_selector = {{"pool", "a"}};
        break;
      default:
        break;
    }
    s.specs.push_back(spec);
  }
  return s;
}

TEST(PairConstraints, TheEngineFindsANodeExactlyWhereOneIsAllowed) {
  int none = 0;
  int some = 0;
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    Random random(seed);
    Snapshot s = random_cluster(random);
    for (const char* policy : {"best_fit", "random"}) {
      Snapshot now = s;
      auto engine = placement::Engine::make(now, {.policy = policy, .seed = seed});
      ASSERT_TRUE(engine.has_value());
      for (std::uint32_t step = 0; step < 250; ++step) {
        if (!now.pods.empty() && random.below(5) == 0) {
          const auto& pod = now.pods[random.below(now.pods.size())];
          if (pod.id.valid()) {
            const model::Delta gone = model::PodRemoved{pod.id};
            ASSERT_TRUE(engine->apply(gone).has_value());
            ASSERT_TRUE(model::apply(now, gone).has_value());
          }
          continue;
        }
        const SpecId id(static_cast<std::uint32_t>(random.below(now.specs.size())));
        const PodSpec& spec = now.specs[id.index()];
        const auto choice = engine->find(id);
        const auto capacity = engine->capacities(id, 1);
        const bool exists = std::ranges::any_of(now.nodes, [&](const Node& node) {
          return capacity[node.id.index()] > 0 && allowed(now, spec, node);
        });
        ASSERT_EQ(choice.has_value(), exists) << "seed " << seed << " step " << step;
        ++(exists ? some : none);
        if (!choice) continue;
        const NodeId node = choice->binding.node;
        ASSERT_GT(capacity[node.index()], 0);
        ASSERT_TRUE(allowed(now, spec, now.nodes[node.index()])) << "step " << step;
        ASSERT_TRUE(engine->find_on(id, node).has_value());
        const auto pod_id = static_cast<std::uint32_t>(now.pods.size());
        const model::Delta added = model::PodAdded{{.id = PodId(pod_id),
                                                    .name = "pod-" + std::to_string(pod_id),
                                                    .spec = id,
                                                    .binding = choice->binding}};
        ASSERT_TRUE(engine->apply(added).has_value());
        ASSERT_TRUE(model::apply(now, added).has_value());
      }
    }
  }
  EXPECT_GT(some, 500);
  EXPECT_GT(none, 100) << "constraints never bit";
}

}  // namespace
}  // namespace plimsoll
