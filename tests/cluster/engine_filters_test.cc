// The engine decides, node by node, what kube-scheduler's own filters decide on the same state.
//
// Random clusters (random_history.h) are written down as the API server would give them, with every
// spec as a pending pod. Nodes that are not ready are left out of the comparison: for
// kube-scheduler that is a taint, which the world adds.
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "engines/placement/engine.h"
#include "engines/placement/random_history.h"
#include "tests/cluster/judge.h"

namespace plimsoll::cluster {
namespace {

using model::Node;
using model::PodSpec;
using model::Snapshot;
using nlohmann::json;

json labels_of(const model::Labels& labels) {
  json object = json::object();
  for (const auto& [key, value] : labels) object[key] = value;
  return object;
}

const char* text(model::SelectorOperator op) {
  constexpr const char* names[] = {"In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"};
  return names[static_cast<std::size_t>(op)];
}

const char* text(model::TaintEffect effect) {
  constexpr const char* names[] = {"NoSchedule", "PreferNoSchedule", "NoExecute"};
  return names[static_cast<std::size_t>(effect)];
}

json expressions(const std::vector<model::Requirement>& requirements) {
  json list = json::array();
  for (const model::Requirement& r : requirements) {
    json one = {{"key", r.key}, {"operator", text(r.op)}};
    if (!r.values.empty()) one["values"] = r.values;
    list.push_back(std::move(one));
  }
  return list;
}

// An absent selector matches nobody; an empty one matches everybody.
json selector(const model::LabelSelector& selector) {
  const bool nobody = std::ranges::any_of(selector, [](const model::Requirement& r) {
    return r.op == model::SelectorOperator::in && r.values.empty();
  });
  return nobody ? json() : json{{"matchExpressions", expressions(selector)}};
}

json terms(const std::vector<model::NodeSelectorTerm>& terms) {
  json list = json::array();
  for (const model::NodeSelectorTerm& term : terms) {
    list.push_back({{"matchExpressions", expressions(term.expressions)},
                    {"matchFields", expressions(term.names)}});
  }
  return {{"nodeSelectorTerms", list}};
}

json required(const std::vector<model::PodAffinityTerm>& terms) {
  json list = json::array();
  for (const model::PodAffinityTerm& term : terms) {
    if (term.weight != 0) continue;
    json one = {{"labelSelector", selector(term.selector)}, {"topologyKey", term.topology_key}};
    if (!term.namespaces.empty()) one["namespaces"] = term.namespaces;
    if (term.every_namespace) one["namespaceSelector"] = json::object();
    list.push_back(std::move(one));
  }
  return {{"requiredDuringSchedulingIgnoredDuringExecution", list}};
}

json amounts(const model::Resources& resources) {
  json object = {{"cpu", fmt::format("{}m", resources.cpu.value())},
                 {"memory", std::to_string(resources.memory.value())},
                 {"ephemeral-storage", std::to_string(resources.ephemeral_storage.value())}};
  for (const auto& [name, amount] : resources.extended) object[name] = std::to_string(amount);
  return object;
}

json node_object(const Node& node) {
  json taints = json::array();
  for (const model::Taint& taint : node.taints) {
    taints.push_back({{"key", taint.key}, {"value", taint.value}, {"effect", text(taint.effect)}});
  }
  json allocatable = amounts(node.allocatable);
  allocatable["pods"] = std::to_string(node.allocatable.pods);
  allocatable["nvidia.com/gpu"] = std::to_string(node.gpus.size());
  return {{"apiVersion", "v1"},
          {"kind", "Node"},
          {"metadata", {{"name", node.name}, {"labels", labels_of(node.labels)}}},
          {"spec", {{"taints", taints}, {"unschedulable", node.unschedulable}}},
          {"status", {{"allocatable", allocatable}}}};
}

json csi_node_object(const Node& node) {
  json drivers = json::array();
  for (const auto& [driver, limit] : node.attach_limits) {
    drivers.push_back({{"name", driver},
                       {"nodeID", node.name},
                       {"topologyKeys", nullptr},
                       {"allocatable", {{"count", limit}}}});
  }
  return {{"apiVersion", "storage.k8s.io/v1"},
          {"kind", "CSINode"},
          {"metadata", {{"name", node.name}}},
          {"spec", {{"drivers", drivers}}}};
}

// A bound claim and its volume, and the pod's volume that uses it.
void add_claim(json& items, json& volumes, const std::string& space, const std::string& name,
               const char* mode, json volume_spec) {
  volume_spec["claimRef"] = {{"name", name}, {"namespace", space}};
  items.push_back({{"apiVersion", "v1"},
                   {"kind", "PersistentVolume"},
                   {"metadata", {{"name", space + "-" + name}}},
                   {"spec", volume_spec}});
  items.push_back({{"apiVersion", "v1"},
                   {"kind", "PersistentVolumeClaim"},
                   {"metadata",
                    {{"name", name},
                     {"namespace", space},
                     {"annotations", {{"pv.kubernetes.io/bind-completed", "yes"}}}}},
                   {"spec", {{"volumeName", space + "-" + name}, {"accessModes", {mode}}}},
                   {"status", {{"phase", "Bound"}}}});
  volumes.push_back({{"name", name}, {"persistentVolumeClaim", {{"claimName", name}}}});
}

json volumes_of(const PodSpec& spec, std::size_t number, json& items) {
  json volumes = json::array();
  for (const model::AttachedVolume& v : spec.volumes) {
    add_claim(items, volumes, spec.name_space, v.driver + "-" + v.handle, "ReadWriteMany",
              {{"csi", {{"driver", v.driver}, {"volumeHandle", v.handle}}}});
  }
  for (std::size_t i = 0; i < spec.volume_topology.size(); ++i) {
    add_claim(items, volumes, spec.name_space, fmt::format("topology-{}-{}", number, i),
              "ReadWriteMany",
              {{"hostPath", {{"path", "/v"}}},
               {"nodeAffinity", {{"required", terms(spec.volume_topology[i])}}}});
  }
  for (const std::string& claim : spec.exclusive_claims) {
    add_claim(items, volumes, spec.name_space, claim.substr(claim.find('/') + 1),
              "ReadWriteOncePod", {{"hostPath", {{"path", "/v"}}}});
  }
  return volumes;
}

// Claims and volumes that the pod needs are added to `items`.
json pod_object(const Snapshot& snapshot, SpecId id, const std::string& name, json& items) {
  const PodSpec& spec = snapshot.specs[id.index()];
  json tolerations = json::array();
  for (const model::Toleration& t : spec.tolerations) {
    json one = {{"operator", t.op == model::TolerationOperator::exists ? "Exists" : "Equal"}};
    if (!t.key.empty()) one["key"] = t.key;
    if (!t.value.empty()) one["value"] = t.value;
    if (t.effect) one["effect"] = text(*t.effect);
    tolerations.push_back(std::move(one));
  }
  json spread = json::array();
  for (const model::TopologySpread& s : spec.spread) {
    json one = {{"maxSkew", s.max_skew},
                {"topologyKey", s.topology_key},
                {"whenUnsatisfiable", s.hard ? "DoNotSchedule" : "ScheduleAnyway"},
                {"labelSelector", selector(s.selector)},
                {"nodeAffinityPolicy", s.honor_affinity ? "Honor" : "Ignore"},
                {"nodeTaintsPolicy", s.honor_taints ? "Honor" : "Ignore"}};
    if (s.hard) one["minDomains"] = s.min_domains;
    spread.push_back(std::move(one));
  }
  json ports = json::array();
  for (const model::HostPort& port : spec.host_ports) {
    ports.push_back({{"containerPort", port.port},
                     {"hostPort", port.port},
                     {"hostIP", port.ip},
                     {"protocol", port.protocol}});
  }
  json requests = amounts(spec.requests);
  if (spec.gpu.count > 0) requests["nvidia.com/gpu"] = std::to_string(spec.gpu.count);
  json affinity = {{"podAffinity", required(spec.affinity)},
                   {"podAntiAffinity", required(spec.anti_affinity)}};
  if (!spec.node_affinity.empty()) {
    affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] =
        terms(spec.node_affinity);
  }
  return {{"apiVersion", "v1"},
          {"kind", "Pod"},
          {"metadata",
           {{"name", name}, {"namespace", spec.name_space}, {"labels", labels_of(spec.labels)}}},
          {"spec",
           {{"nodeSelector", labels_of(spec.node_selector)},
            {"tolerations", tolerations},
            {"affinity", affinity},
            {"topologySpreadConstraints", spread},
            {"volumes", volumes_of(spec, id.index(), items)},
            {"containers",
             {{{"name", "c"}, {"ports", ports}, {"resources", {{"requests", requests}}}}}}}}};
}

std::string pending_name(std::size_t spec) { return fmt::format("pending-{}", spec); }

json objects_of(const Snapshot& snapshot) {
  json items = json::array();
  for (const char* space : {"default", "other"}) {
    items.push_back({{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", space}}}});
  }
  for (const Node& node : snapshot.nodes) {
    if (node.id.valid()) {
      items.push_back(node_object(node));
      items.push_back(csi_node_object(node));
    }
  }
  for (const model::Pod& pod : snapshot.pods) {
    if (!pod.id.valid() || !pod.binding) continue;
    json object = pod_object(snapshot, pod.spec, pod.name, items);
    object["spec"]["nodeName"] = snapshot.nodes[pod.binding->node.index()].name;
    if (pod.terminating) object["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z";
    items.push_back(std::move(object));
  }
  for (std::uint32_t s = 0; s < snapshot.specs.size(); ++s) {
    items.push_back(pod_object(snapshot, SpecId(s), pending_name(s), items));
  }
  return {{"apiVersion", "v1"}, {"kind", "List"}, {"items", items}};
}

class EngineFilters : public ::testing::Test {
 protected:
  void SetUp() override {
    auto started = Judge::start();
    ASSERT_TRUE(started) << started.error().message;
    judge_.emplace(*std::move(started));
  }

  // Makes the judge's state that of `snapshot`: what it has no more goes first.
  void show(const Snapshot& snapshot) {
    const json objects = objects_of(snapshot);
    std::set<std::pair<std::string, std::string>> there;
    for (const json& object : objects["items"]) {
      std::string name = object["metadata"]["name"];
      if (object["metadata"].contains("namespace")) {
        name = object["metadata"]["namespace"].get<std::string>() + "/" + name;
      }
      there.emplace(object["kind"].get<std::string>(), name);
    }
    for (const auto& [kind, name] : there_) {
      if (!there.contains({kind, name})) {
        const auto removed = judge_->remove(kind, name);
        ASSERT_TRUE(removed) << removed.error().message;
      }
    }
    there_ = std::move(there);
    const auto added = judge_->add(objects.dump());
    ASSERT_TRUE(added) << added.error().message;
  }

  void compare(placement::Engine& engine, const Snapshot& snapshot) {
    show(snapshot);
    for (std::uint32_t s = 0; s < snapshot.specs.size() && !HasFatalFailure(); ++s) {
      const PodSpec& spec = snapshot.specs[s];
      const auto verdict = judge_->any(spec.name_space + "/" + pending_name(s));
      ASSERT_TRUE(verdict) << verdict.error().message;
      std::vector<std::string> theirs;
      std::vector<std::string> ours;
      for (const Node& node : snapshot.nodes) {
        if (!node.id.valid() || !node.ready) continue;
        if (std::ranges::count(verdict->nodes, node.name) > 0) theirs.push_back(node.name);
        if (engine.find_on(SpecId(s), node.id)) ours.push_back(node.name);
      }
      ++compared_;
      accepted_ += theirs.empty() ? 0 : 1;
      json claims;
      ASSERT_EQ(ours, theirs) << verdict->reason << "\n"
                              << pod_object(snapshot, SpecId(s), "pod", claims).dump();
    }
  }

  void follow(placement::RandomHistory::Options options) {
    placement::RandomHistory history(options);
    auto engine = placement::Engine::make(history.snapshot(), {.seed = options.seed});
    ASSERT_TRUE(engine) << engine.error().message;
    for (int step = 1; step <= 120; ++step) {
      history.step(*engine);
      if (step % 20 == 0) {
        SCOPED_TRACE(fmt::format("seed {} step {}", options.seed, step));
        compare(*engine, history.snapshot());
        if (HasFatalFailure()) return;
      }
    }
  }

  std::optional<Judge> judge_;
  std::set<std::pair<std::string, std::string>> there_;
  int compared_ = 0;
  int accepted_ = 0;
};

TEST_F(EngineFilters, AgreeWithKubeSchedulers) {
  for (std::uint64_t seed = 1; seed <= 20 && !HasFatalFailure(); ++seed) {
    follow({.seed = seed, .nodes = 14, .mig = false, .whole_gpus = true});
    follow({.seed = seed, .nodes = 14, .mig = false, .pairs_only = true});
  }
  EXPECT_GT(compared_, 2000);
  EXPECT_GT(accepted_, 500);
  EXPECT_LT(accepted_, compared_ - 200);
}

}  // namespace
}  // namespace plimsoll::cluster
