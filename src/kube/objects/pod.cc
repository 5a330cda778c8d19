#include "kube/objects/pod.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "kube/objects/requests.h"
#include "kube/objects/selectors.h"

namespace plimsoll::kube {
namespace {

constexpr std::string_view gpu_resource = "nvidia.com/gpu";

// An int32 field of at least `least`, which is also its default.
std::int32_t small(Json value, std::int32_t least) {
  return static_cast<std::int32_t>(
      std::clamp<std::int64_t>(integer(value, least), least, INT32_MAX));
}

std::int32_t weight_of(Json item) { return std::min(small(member(item, "weight"), 1), 100); }

std::vector<model::NodeSelectorTerm> required_node_terms(Json affinity) {
  const Json required =
      member(affinity, {"nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"});
  return is_null(required) ? std::vector<model::NodeSelectorTerm>()
                           : read_node_terms(member(required, "nodeSelectorTerms"));
}

std::vector<model::WeightedNodeTerm> preferred_node_terms(Json affinity) {
  std::vector<model::WeightedNodeTerm> terms;
  for (const Json item : items(
           member(affinity, {"nodeAffinity", "preferredDuringSchedulingIgnoredDuringExecution"}))) {
    terms.push_back(
        {.weight = weight_of(item), .term = read_node_term(member(item, "preference"))});
  }
  return terms;
}

// The API server has merged matchLabelKeys into the selector of affinity terms.
void read_pod_terms(Json terms, bool weighted, bool anti, PodObject& pod) {
  for (const Json item : items(terms)) {
    const Json term = weighted ? member(item, "podAffinityTerm") : item;
    std::vector<model::PodAffinityTerm>& list = anti ? pod.spec.anti_affinity : pod.spec.affinity;
    model::PodAffinityTerm read{.selector = read_label_selector(member(term, "labelSelector")),
                                .topology_key = std::string(text(member(term, "topologyKey"))),
                                .weight = weighted ? weight_of(item) : 0};
    for (const Json name : items(member(term, "namespaces"))) {
      read.namespaces.emplace_back(text(name));
    }
    std::ranges::sort(read.namespaces);
    const Json namespaces = member(term, "namespaceSelector");
    if (!is_null(namespaces)) {
      model::LabelSelector selector = read_label_selector(namespaces);
      if (selector.empty()) {
        read.every_namespace = true;
      } else {
        pod.namespace_terms.push_back(
            {.anti = anti, .index = list.size(), .selector = std::move(selector)});
      }
    }
    list.push_back(std::move(read));
  }
}

void read_affinity(Json affinity, PodObject& pod) {
  pod.spec.node_affinity = required_node_terms(affinity);
  pod.spec.node_affinity_preferred = preferred_node_terms(affinity);
  for (const bool anti : {false, true}) {
    const Json kind = member(affinity, anti ? "podAntiAffinity" : "podAffinity");
    read_pod_terms(member(kind, "requiredDuringSchedulingIgnoredDuringExecution"), false, anti,
                   pod);
    read_pod_terms(member(kind, "preferredDuringSchedulingIgnoredDuringExecution"), true, anti,
                   pod);
  }
}

// matchLabelKeys: the pod's own value of each key is asked of the pods that are counted.
model::LabelSelector spread_selector(Json item, const model::Labels& labels) {
  model::LabelSelector selector = read_label_selector(member(item, "labelSelector"));
  for (const Json key : items(member(item, "matchLabelKeys"))) {
    const std::string* value = model::find_label(labels, text(key));
    const bool asked = std::ranges::any_of(selector, [&](const model::Requirement& requirement) {
      return value != nullptr && requirement.key == text(key) &&
             requirement.op == model::SelectorOperator::in && requirement.values.size() == 1 &&
             requirement.values.front() == *value;
    });
    if (value != nullptr && !asked) {
      selector.push_back({.key = std::string(text(key)), .values = {*value}});
    }
  }
  return selector;
}

void read_spread(Json list, model::PodSpec& spec) {
  for (const Json item : items(list)) {
    spec.spread.push_back({.max_skew = small(member(item, "maxSkew"), 1),
                           .topology_key = std::string(text(member(item, "topologyKey"))),
                           .hard = text(member(item, "whenUnsatisfiable")) != "ScheduleAnyway",
                           .selector = spread_selector(item, spec.labels),
                           .min_domains = small(member(item, "minDomains"), 1),
                           .honor_affinity = text(member(item, "nodeAffinityPolicy")) != "Ignore",
                           .honor_taints = text(member(item, "nodeTaintsPolicy")) == "Honor"});
  }
}

void read_host_ports(Json pod, model::PodSpec& spec) {
  const auto read = [&](Json container) {
    for (const Json port : items(member(container, "ports"))) {
      const std::int64_t number = integer(member(port, "hostPort"));
      if (number > 0) {
        const std::string_view ip = text(member(port, "hostIP"));
        const std::string_view protocol = text(member(port, "protocol"));
        spec.host_ports.push_back({.ip = std::string(ip.empty() ? "0.0.0.0" : ip),
                                   .protocol = std::string(protocol.empty() ? "TCP" : protocol),
                                   .port = static_cast<std::int32_t>(number)});
      }
    }
  };
  for (const Json container : items(member(pod, {"spec", "containers"}))) {
    read(container);
  }
  for (const Json container : items(member(pod, {"spec", "initContainers"}))) {
    if (text(member(container, "restartPolicy")) == "Always") {
      read(container);
    }
  }
  std::ranges::sort(spec.host_ports);
  const auto twins = std::ranges::unique(spec.host_ports);
  spec.host_ports.erase(twins.begin(), twins.end());
}

void read_volumes(Json pod, PodObject& read) {
  for (const Json volume : items(member(pod, {"spec", "volumes"}))) {
    const Json claim = member(volume, "persistentVolumeClaim");
    if (!is_null(claim)) {
      read.claims.push_back({.name = std::string(text(member(claim, "claimName")))});
    }
    if (!is_null(member(volume, "ephemeral"))) {
      read.claims.push_back(
          {.name = fmt::format("{}-{}", read.meta.name, text(member(volume, "name"))),
           .ephemeral = true});
    }
    for (const char* kind :
         {"gcePersistentDisk", "awsElasticBlockStore", "azureDisk", "rbd", "iscsi", "cinder"}) {
      if (!is_null(member(volume, kind)) && read.unmodelled.empty()) {
        read.unmodelled = fmt::format("a volume of kind {} in the pod itself", kind);
      }
    }
  }
  if (items(member(pod, {"spec", "resourceClaims"})).size() > 0) {
    read.unmodelled = "resource claims (dynamic resource allocation)";
  }
}

std::int32_t number(std::string_view text) {
  std::int32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value > 0 ? value : 0;
}

GangReference read_gang(Json pod, const model::Labels& labels) {
  const std::string_view group = text(member(pod, {"spec", "schedulingGroup", "podGroupName"}));
  if (!group.empty()) {
    return {.form = GangForm::pod_group, .name = std::string(group)};
  }
  for (const char* key : {"scheduling.x-k8s.io/pod-group", "pod-group.scheduling.sigs.k8s.io/name",
                          "pod-group.scheduling.sigs.k8s.io"}) {
    if (const std::string* name = model::find_label(labels, key)) {
      return {.form = GangForm::coscheduling, .name = *name};
    }
  }
  const Json annotations = member(pod, {"metadata", "annotations"});
  const std::string_view volcano = text(member(annotations, "scheduling.k8s.io/group-name"));
  if (!volcano.empty()) {
    return {.form = GangForm::volcano, .name = std::string(volcano)};
  }
  const std::string* gang = model::find_label(labels, "plimsoll.dev/gang");
  if (gang == nullptr) {
    return {};
  }
  return {.form = GangForm::label,
          .name = *gang,
          .members_min = number(text(member(annotations, "plimsoll.dev/gang-size"))),
          .required_key = std::string(text(member(annotations, "plimsoll.dev/gang-topology")))};
}

// Its owner asks, of any autoscaler or descheduler, that it be left alone.
bool asks_not_to_be_disrupted(Json annotations) {
  for (const char* key : {"plimsoll.dev/do-not-disrupt", "karpenter.sh/do-not-disrupt"}) {
    if (text(member(annotations, key)) == "true") {
      return true;
    }
  }
  return text(member(annotations, "cluster-autoscaler.kubernetes.io/safe-to-evict")) == "false";
}

void read_condition(Json pod, PodObject& read) {
  for (const Json condition : items(member(pod, {"status", "conditions"}))) {
    if (text(member(condition, "type")) == "PodScheduled") {
      read.told_unschedulable = text(member(condition, "status")) == "False" &&
                                text(member(condition, "reason")) == "Unschedulable";
      read.told_message = text(member(condition, "message"));
    }
  }
}

}  // namespace

Result<PodObject> read_pod(Json pod) {
  PodObject read{.meta = read_meta(pod)};
  if (read.meta.name.empty() || read.meta.name_space.empty() || read.meta.uid.empty()) {
    return failed("pod: metadata: found no name, namespace or uid");
  }
  const Json spec = member(pod, "spec");
  const Json annotations = member(pod, {"metadata", "annotations"});
  read.spec.name_space = read.meta.name_space;
  read.spec.labels = labels(member(pod, {"metadata", "labels"}));
  read.spec.requests = pod_requests(pod);
  read.spec.gpu.count = static_cast<std::int32_t>(
      std::min<std::int64_t>(take_extended(read.spec.requests, gpu_resource), INT32_MAX / 1000));
  read.spec.node_selector = labels(member(spec, "nodeSelector"));
  read.spec.tolerations = read_tolerations(member(spec, "tolerations"));
  read_affinity(member(spec, "affinity"), read);
  read_spread(member(spec, "topologySpreadConstraints"), read.spec);
  read_host_ports(pod, read.spec);
  read.spec.priority = static_cast<std::int32_t>(
      std::clamp<std::int64_t>(integer(member(spec, "priority")), INT32_MIN, INT32_MAX));
  read.spec.preempts = text(member(spec, "preemptionPolicy")) != "Never";
  read_volumes(pod, read);
  read.gang = read_gang(pod, read.spec.labels);
  read.scheduler_name = text(member(spec, "schedulerName"));
  read.node_name = text(member(spec, "nodeName"));
  read.nominated_node = text(member(pod, {"status", "nominatedNodeName"}));
  read.started = instant(member(pod, {"status", "startTime"}));
  const std::string_view phase = text(member(pod, {"status", "phase"}));
  read.finished = phase == "Succeeded" || phase == "Failed";
  read.gated = items(member(spec, "schedulingGates")).size() > 0;
  read.do_not_disrupt = asks_not_to_be_disrupted(annotations);
  read_condition(pod, read);
  return read;
}

}  // namespace plimsoll::kube
