// A random history of a cluster, carried out on an engine and mirrored in a Snapshot. Test code.
//
// Nodes and specs take every feature that a filter looks at, and every Delta that a world may send
// comes up, also those that nobody hopes for: pods that others bind past what there is, nodes that
// lose GPUs, labels or room under their pods, bindings that fail or end up elsewhere.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "engines/placement/engine.h"
#include "model/labels.h"
#include "model/snapshot.h"

namespace plimsoll::placement {

class RandomHistory {
 public:
  struct Options {
    std::uint64_t seed = 1;
    std::uint32_t nodes = 12;
    bool pairwise = true;  // specs that look at other pods
    bool mig = true;
    bool whole_gpus = false;  // which never fail, of any model: what kube-scheduler can count
    bool pairs_only = false;  // nothing but other pods, selectors and taints keeps a pod off
  };

  explicit RandomHistory(Options options) : random_(options.seed), options_(options) {
    for (std::uint32_t i = 0; i < options.nodes; ++i) {
      snapshot_.nodes.push_back(random_node(i));
    }
    for (int i = 0; i < 8; ++i) {
      snapshot_.specs.push_back(random_spec());
    }
  }

  [[nodiscard]] const model::Snapshot& snapshot() const { return snapshot_; }
  Random& random() { return random_; }

  // One random change, carried out on both.
  void step(Engine& engine) {
    switch (random_.below(14)) {
      case 0:
      case 1:
        return change_node(engine);
      case 2:
        return add_spec(engine);
      case 3:
        return random_.below(3) == 0 ? remove_node(engine) : add_node(engine);
      case 4:
      case 5:
      case 6:
        return remove_pod(engine);
      case 7:
        return try_and_roll_back(engine);
      case 8:
        return bound_by_others(engine);
      case 9:
        return change_pod(engine);
      default:
        return place(engine);
    }
  }

 private:
  bool one_in(std::uint64_t n) { return random_.below(n) == 0; }
  template <typename T>
  const T& any(const std::vector<T>& list) {
    return list[random_.below(list.size())];
  }
  std::string any_text(std::vector<std::string> list) { return any(list); }

  model::Node random_node(std::uint32_t id) {
    model::Node node;
    node.id = NodeId(id);
    node.name = "node-" + std::to_string(id);
    node.topology.zone = "path-" + std::to_string(random_.below(3));  // labels say otherwise
    node.topology.rack = "rack-" + std::to_string(random_.below(4));
    node.allocatable.cpu = Millicores(static_cast<std::int64_t>(8 + random_.below(90)) * 1000);
    node.allocatable.memory = gibibyte * 256;
    node.allocatable.pods =
        static_cast<std::int64_t>((options_.pairs_only ? 30 : 3) + random_.below(10));
    node.allocatable.ephemeral_storage = gibibyte * static_cast<std::int64_t>(random_.below(4));
    const bool whole_only = one_in(4);
    for (std::uint64_t g = random_.below(9); g > 0; --g) {
      node.gpus.push_back({.model = one_in(3) ? "V100" : "T4", .memory = gibibyte * 16});
    }
    for (model::Gpu& gpu : node.gpus) {
      gpu.model = node.gpus.front().model;
      if (whole_only) gpu.sharing = model::GpuSharing::whole;
    }
    if (options_.mig && one_in(4)) {
      for (model::Gpu& gpu : node.gpus) {
        gpu.model = "A100-80GB";
        gpu.sharing = model::GpuSharing::mig;
        if (one_in(3)) gpu.instances = {{"3g.40gb", 0}, {"3g.40gb", 4}};
      }
    }
    model::set_label(node.labels, "kubernetes.io/os", "linux");
    relabel(node);
    retaint(node);
    if (one_in(3)) node.allocatable.extended = {{"rdma/hca", 4}};
    if (one_in(3)) node.attach_limits = {{"ebs", static_cast<std::int64_t>(1 + random_.below(3))}};
    return node;
  }

  void relabel(model::Node& node) {
    const auto put = [&](const char* key, const std::string& value, bool there) {
      if (there) {
        model::set_label(node.labels, key, value);
      } else {
        std::erase_if(node.labels, [&](const auto& label) { return label.first == key; });
      }
    };
    put("kubernetes.io/hostname", node.name, !one_in(8));
    put("topology.kubernetes.io/zone", "zone-" + std::to_string(random_.below(3)), !one_in(6));
    put("rack", "rack-" + std::to_string(random_.below(5)), !one_in(4));
    put("pool", any_text({"a", "b"}), !one_in(6));
    put("generation", std::to_string(random_.below(4)), !one_in(3));
  }

  void retaint(model::Node& node) {
    node.taints.clear();
    if (one_in(4)) node.taints.push_back({.key = "dedicated", .value = any_text({"x", "y"})});
    if (one_in(8)) node.taints.push_back({"leaving", "", model::TaintEffect::no_execute});
    if (one_in(6)) node.taints.push_back({"old", "", model::TaintEffect::prefer_no_schedule});
  }

  model::NodeSelectorTerm random_term() {
    using Op = model::SelectorOperator;
    model::NodeSelectorTerm term;
    switch (random_.below(6)) {
      case 0:
        term.expressions = {{"topology.kubernetes.io/zone", Op::in, {"zone-0", "zone-1"}}};
        break;
      case 1:
        term.expressions = {{"generation", one_in(2) ? Op::gt : Op::lt, {"2"}}};
        break;
      case 2:
        term.names = {{"metadata.name", one_in(2) ? Op::in : Op::not_in, {"node-3"}}};
        break;
      case 3:
        term.expressions = {{"pool", Op::not_in, {"a"}}};
        term.names = {{"metadata.name", Op::not_in, {"node-1"}}};
        break;
      case 4:
        term.expressions = {{"rack", one_in(2) ? Op::exists : Op::does_not_exist, {}}};
        break;
      default:
        break;  // matches no node
    }
    return term;
  }

  model::PodSpec random_spec() {
    model::PodSpec spec;
    spec.name_space = any_text({"default", "default", "other"});
    spec.labels = {{"app", any_text({"web", "train"})}, {"tier", any_text({"front", "back"})}};
    if (one_in(4)) spec.node_selector = {{"pool", "a"}};
    if (one_in(4)) spec.node_affinity = {random_term(), random_term()};
    if (one_in(3)) random_tolerations(spec);
    if (options_.pairwise) random_pairs(spec);
    if (!options_.pairs_only) random_wants(spec);
    return spec;
  }

  void random_wants(model::PodSpec& spec) {
    spec.requests.cpu = Millicores(one_in(5) ? 0 : 4000);
    spec.requests.memory = gibibyte * (one_in(5) ? 0 : 8);
    spec.requests.ephemeral_storage = gibibyte * (one_in(6) ? 1 : 0);
    if (one_in(4)) spec.requests.extended = {{"rdma/hca", one_in(3) ? 0 : 1}};
    spec.gpu.count = one_in(3) ? 0 : static_cast<std::int32_t>(random_.below(5));
    if (spec.gpu.count == 1 && !options_.whole_gpus) {
      spec.gpu.milli = GpuMilli(static_cast<std::int64_t>(1 + random_.below(10)) * 100);
    }
    if (options_.mig && spec.gpu.count > 0 && spec.gpu.count < 3 && one_in(3)) {
      spec.gpu.milli = whole_gpu;
      spec.gpu.mig_profile = any_text({"3g.40gb", "1g.10gb"});
    } else if (!options_.whole_gpus && one_in(6)) {
      spec.gpu.models = {any_text({"T4", "V100"})};
    }
    if (one_in(4)) {
      spec.host_ports = {{any_text({"0.0.0.0", "10.0.0.1", "10.0.0.2"}), any_text({"TCP", "UDP"}),
                          static_cast<std::int32_t>(80 + random_.below(2))}};
    }
    if (one_in(6)) spec.volume_topology = {{random_term(), random_term()}};
    if (one_in(4)) {
      const auto handle = [&] { return any_text({"v1", "v2", "v3", "v4"}); };
      spec.volumes = {{"ebs", handle()}, {"nfs", handle()}};
      if (one_in(2)) spec.volumes.push_back({"ebs", handle()});
      std::ranges::sort(spec.volumes);
      spec.volumes.erase(std::ranges::unique(spec.volumes).begin(), spec.volumes.end());
    }
    if (one_in(12)) spec.exclusive_claims = {spec.name_space + "/data"};
  }

  void random_tolerations(model::PodSpec& spec) {
    using Op = model::TolerationOperator;
    switch (random_.below(4)) {
      case 0:
        spec.tolerations = {{.op = Op::exists}};
        break;
      case 1:
        spec.tolerations = {{"dedicated", Op::equal, "x", {}}};
        break;
      case 2:
        spec.tolerations = {{"dedicated", Op::exists, "", model::TaintEffect::no_execute},
                            {"node.kubernetes.io/unschedulable", Op::exists, "", {}}};
        break;
      default:
        spec.tolerations = {{"leaving", Op::exists, "", {}}, {"dedicated", Op::exists, "", {}}};
        break;
    }
  }

  model::PodAffinityTerm random_pair_term() {
    using Op = model::SelectorOperator;
    model::PodAffinityTerm term;
    term.topology_key = any_key();
    switch (random_.below(4)) {
      case 0:
        term.selector = {{"app", Op::in, {any_text({"web", "train"})}}};
        break;
      case 1:
        term.selector = {{"tier", Op::in, {"front"}}, {"app", Op::not_in, {"web"}}};
        break;
      case 2:
        term.selector = {{"app", Op::in, {}}};  // nobody
        break;
      default:
        break;  // everybody
    }
    term.every_namespace = one_in(5);
    if (one_in(5)) term.namespaces = {"other", "default"};
    return term;
  }

  std::string any_key() {
    return any_text({"kubernetes.io/hostname", "topology.kubernetes.io/zone", "rack"});
  }

  void random_pairs(model::PodSpec& spec) {
    for (std::uint64_t n = one_in(4) ? 1 + random_.below(2) : 0; n > 0; --n) {
      spec.affinity.push_back(random_pair_term());
      if (one_in(3)) spec.affinity.back().weight = 10;
    }
    for (std::uint64_t n = one_in(4) ? 1 + random_.below(2) : 0; n > 0; --n) {
      spec.anti_affinity.push_back(random_pair_term());
      if (one_in(3)) spec.anti_affinity.back().weight = 10;
    }
    for (std::uint64_t n = one_in(options_.pairs_only ? 1 : 3) ? 1 + random_.below(2) : 0; n > 0;
         --n) {
      spec.spread.push_back({.max_skew = static_cast<std::int32_t>(1 + random_.below(3)),
                             .topology_key = any_key(),
                             .hard = !one_in(4),
                             .selector = random_pair_term().selector,
                             .min_domains = static_cast<std::int32_t>(1 + random_.below(4)),
                             .honor_affinity = !one_in(3),
                             .honor_taints = one_in(3)});
    }
  }

  void both(Engine& engine, const model::Delta& delta) {
    const auto mine = engine.apply(delta);
    check(mine.has_value(), mine ? "" : mine.error().message);
    const auto theirs = model::apply(snapshot_, delta);
    check(theirs.has_value(), theirs ? "" : theirs.error().message);
  }

  void change_node(Engine& engine) {
    model::Node node = any(snapshot_.nodes);
    if (!node.id.valid()) return;
    switch (random_.below(8)) {
      case 0:
        node.unschedulable = !node.unschedulable;
        break;
      case 1:
        node.ready = !node.ready;
        break;
      case 2:
        retaint(node);
        break;
      case 3:
        node.allocatable.cpu = Millicores(static_cast<std::int64_t>(random_.below(40)) * 1000);
        node.allocatable.pods = static_cast<std::int64_t>(random_.below(10));
        break;
      case 4:
        node.gpus.resize(random_.below(9), node.gpus.empty()
                                               ? model::Gpu{.model = "T4", .memory = gibibyte * 16}
                                               : node.gpus.front());
        break;
      case 5:
        node.attach_limits = {{"ebs", static_cast<std::int64_t>(random_.below(4))}};
        break;
      case 6:
        if (!node.gpus.empty() && !options_.whole_gpus) {
          node.gpus[random_.below(node.gpus.size())].condition =
              one_in(2) ? model::GpuCondition::failed : model::GpuCondition::stable;
        }
        break;
      default:
        relabel(node);
        break;
    }
    both(engine, model::NodeUpserted{node});
  }

  void add_spec(Engine& engine) {
    if (snapshot_.specs.size() < 24) {
      both(engine, model::SpecAdded{SpecId(static_cast<std::uint32_t>(snapshot_.specs.size())),
                                    random_spec()});
    }
  }

  void add_node(Engine& engine) {
    std::uint32_t id = 0;
    while (id < snapshot_.nodes.size() && snapshot_.nodes[id].id.valid()) ++id;
    if (id < 2 * options_.nodes) {
      both(engine, model::NodeUpserted{random_node(id)});
    }
  }

  void remove_node(Engine& engine) {
    const NodeId node = any(snapshot_.nodes).id;
    if (!node.valid()) return;
    for (std::size_t i = 0; i < running_.size();) {
      if (snapshot_.pods[running_[i].index()].binding->node == node) {
        remove(engine, i);
      } else {
        ++i;
      }
    }
    both(engine, model::NodeRemoved{node});
  }

  SpecId any_spec() {
    return SpecId(static_cast<std::uint32_t>(random_.below(snapshot_.specs.size())));
  }

  model::Pod new_pod(SpecId spec) {
    model::Pod pod;
    pod.id = PodId(static_cast<std::uint32_t>(snapshot_.pods.size()));
    pod.name = "pod-" + std::to_string(pod.id.value());
    pod.spec = spec;
    return pod;
  }

  // What a world says of a pod that it or another scheduler put there: GPUs, but not which.
  model::Binding binding_by_others(SpecId spec, NodeId node) {
    const model::GpuRequest& gpu = snapshot_.specs[spec.index()].gpu;
    return {node, std::vector<model::GpuShare>(static_cast<std::size_t>(gpu.count),
                                               {.index = -1, .milli = gpu.milli})};
  }

  void bound_by_others(Engine& engine) {
    model::Pod pod = new_pod(any_spec());
    const NodeId node = any(snapshot_.nodes).id;
    if (!node.valid()) return;
    pod.binding = binding_by_others(pod.spec, node);
    pod.terminating = one_in(5);
    both(engine, model::PodAdded{pod});
    running_.push_back(pod.id);
  }

  void place(Engine& engine) {
    const model::Pod pod = new_pod(any_spec());
    both(engine, model::PodAdded{pod});
    const auto choice = engine.find(pod.spec);
    if (!choice) return;
    engine.assume(pod.id, pod.spec, choice->binding);
    switch (random_.below(8)) {
      case 0:
        return both(engine, model::BindFailed{pod.id, "conflict"});
      case 1:
        return both(engine, model::PodRemoved{pod.id});
      case 2: {
        const NodeId elsewhere = any(snapshot_.nodes).id;
        if (elsewhere.valid()) {
          both(engine, model::PodBound{pod.id, binding_by_others(pod.spec, elsewhere)});
          break;
        }
        [[fallthrough]];
      }
      default:
        both(engine, model::PodBound{pod.id, choice->binding});
        break;
    }
    running_.push_back(pod.id);
  }

  void remove(Engine& engine, std::size_t i) {
    both(engine, model::PodRemoved{running_[i]});
    running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
  }

  void remove_pod(Engine& engine) {
    if (!running_.empty()) {
      remove(engine, random_.below(running_.size()));
    }
  }

  void change_pod(Engine& engine) {
    if (running_.empty()) return;
    model::Pod pod = snapshot_.pods[any(running_).index()];
    const SpecId spec = any_spec();
    const model::GpuRequest& before = snapshot_.specs[pod.spec.index()].gpu;
    const model::GpuRequest& after = snapshot_.specs[spec.index()].gpu;
    if (one_in(2)) {
      pod.terminating = !pod.terminating;
    } else if (before.count == after.count && before.mig_profile == after.mig_profile) {
      pod.spec = spec;
    }
    both(engine, model::PodChanged{pod});
  }

  void try_and_roll_back(Engine& engine) {
    const std::string before = engine.digest();
    const Mark outer = engine.checkpoint();
    for (int i = 0; i < 5; ++i) {
      const SpecId spec = any_spec();
      const Mark inner = engine.checkpoint();
      if (const auto choice = engine.find(spec)) {
        engine.assume(PodId(5000 + static_cast<std::uint32_t>(i)), spec, choice->binding);
      }
      if (!running_.empty() && one_in(2)) {
        engine.forget(any(running_));
        engine.roll_back(inner);
      } else {
        engine.commit(inner);
      }
    }
    engine.roll_back(outer);
    check(engine.digest() == before, "what is rolled back leaves nothing behind");
  }

  Random random_;
  Options options_;
  model::Snapshot snapshot_;
  std::vector<PodId> running_;
};

}  // namespace plimsoll::placement
