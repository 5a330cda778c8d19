// `plimsoll explain pod NAMESPACE/NAME`: why it is where it is, or why it waits.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "cli/command.h"
#include "cli/live/explain_view.h"
#include "cli/live/snapshot_read.h"
#include "cli/output.h"
#include "kube/client/api.h"
#include "kube/objects/json.h"

namespace plimsoll::cli {
namespace {

struct ExplainFlags {
  ClusterFlags cluster;
  std::string from;
  std::string policy = "plimsoll";
  std::string format = "table";
  std::string kind;
  std::string name;
};

std::optional<PodId> find_pod(const model::Snapshot& snapshot, std::string_view key) {
  for (const model::Pod& pod : snapshot.pods) {
    if (pod.id.valid() && pod_key(snapshot, pod.id) == key) {
      return pod.id;
    }
  }
  return std::nullopt;
}

// Why the scheduler leaves a pod alone that the snapshot has not, as its object says.
std::string why_alone(kube::Json pod, const LiveCluster& cluster, const ExplainFlags& flags) {
  using kube::member;
  using kube::text;
  const std::string_view phase = text(member(pod, {"status", "phase"}));
  const std::string_view node = text(member(pod, {"spec", "nodeName"}));
  const std::string_view scheduler = text(member(pod, {"spec", "schedulerName"}));
  if (phase == "Succeeded" || phase == "Failed") {
    return fmt::format("it has ended ({}) and holds nothing", phase);
  }
  if (!node.empty()) {
    return fmt::format("it is bound to {}, which is no node of this cluster", node);
  }
  if (!kube::is_null(member(pod, {"metadata", "deletionTimestamp"}))) {
    return "it is being deleted, and was never bound";
  }
  if (scheduler != flags.cluster.scheduler_name) {
    return fmt::format(
        "its scheduler is {}, not {}; ask with --scheduler-name {} what would "
        "become of it here",
        scheduler, flags.cluster.scheduler_name, scheduler);
  }
  std::string gates;
  for (const kube::Json gate : kube::items(member(pod, {"spec", "schedulingGates"}))) {
    gates += fmt::format("{}{}", gates.empty() ? "" : ", ", text(member(gate, "name")));
  }
  if (!gates.empty()) {
    return fmt::format("it is held by its scheduling gates ({}) until somebody takes them off",
                       gates);
  }
  const std::string_view space = text(member(pod, {"metadata", "namespace"}));
  for (const kube::Held& held : cluster.world->held()) {
    if (held.pod.name_space == space && held.pod.name == text(member(pod, {"metadata", "name"}))) {
      return held.reason;
    }
  }
  return "it came, or changed, while the cluster was read; ask again";
}

Result<Explanation> explain_alone(const LiveCluster& cluster, const ExplainFlags& flags) {
  const std::size_t slash = flags.name.find('/');
  const std::string_view name = flags.name;
  const kube::ApiResult<kube::Response> answer =
      cluster.client->call({.path = kube::path_of({.api_version = "v1",
                                                   .plural = "pods",
                                                   .name_space = name.substr(0, slash),
                                                   .name = name.substr(slash + 1)}),
                            .resource = "pods"});
  const std::string& server = cluster.client->config().server;
  if (!answer && answer.error().not_found()) {
    return failed(fmt::format("{}: found no pod '{}'", server, flags.name));
  }
  if (!answer) {
    return std::unexpected(kube::to_error(answer.error(), server));
  }
  kube::Document document;
  const kube::Json pod = TRY(document.parse(answer->body, false));
  return left_alone(flags.name, why_alone(pod, cluster, flags));
}

Result<void> check_name(const ExplainFlags& flags) {
  const std::size_t slash = flags.name.find('/');
  const bool whole =
      slash != std::string::npos && slash > 0 && slash + 1 < flags.name.size() &&
      flags.name.find('/', slash + 1) == std::string::npos &&
      flags.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-./") == std::string::npos;
  return whole ? Result<void>()
               : bad_input(fmt::format("pod: found '{}', expected NAMESPACE/NAME", flags.name));
}

}  // namespace

Result<int> explain(const std::vector<std::string>& arguments) {
  ExplainFlags flags;
  Options options("plimsoll explain",
                  "Say why a pod is where it is, or why it waits and what would have to change",
                  "plimsoll explain pod default/train-0 --kubeconfig ~/.kube/config");
  options.text("kind", flags.kind, "What to explain: pod (which may be left out)", "pod");
  options.text("name", flags.name, "Which", "NAMESPACE/NAME");
  options.required("kind");
  flags.cluster.declare(options);
  options.text("--from", flags.from, "Look into this file of plimsoll snapshot instead", "FILE");
  std::vector<std::string> policies;
  for (const placement::PolicyInfo& known : placement::policies()) {
    policies.emplace_back(known.name);
  }
  options.choice("--policy", flags.policy, policies, "How nodes are scored");
  options.choice("-o,--output", flags.format, {"table", "json", "yaml"}, "Format");
  if (TRY(options.parse(arguments))) {
    fmt::print("{}", options.help());
    return exit_done;
  }
  if (flags.name.empty()) {
    flags.name = std::exchange(flags.kind, "pod");
  }
  if (flags.kind != "pod") {
    return bad_input(fmt::format("kind: found '{}', expected pod", flags.kind));
  }
  TRY_VOID(check_name(flags));

  LiveCluster cluster;
  if (flags.from.empty()) {
    cluster = TRY(read_cluster(flags.cluster, "explain"));
  } else {
    cluster.snapshot = TRY(load_snapshot(flags.from));
  }
  control::SchedulerConfig config = control::SchedulerConfig::live();
  config.placement.policy = flags.policy;
  Explanation explanation;
  if (const auto pod = find_pod(cluster.snapshot, flags.name)) {
    explanation = TRY(explain_pod(cluster.snapshot, *pod, std::move(config)));
  } else if (flags.from.empty()) {
    explanation = TRY(explain_alone(cluster, flags));
  } else {
    return failed(fmt::format("{}: found no pod '{}'", flags.from, flags.name));
  }
  if (flags.format == "table") {
    fmt::print("{}", explanation_table(cluster.snapshot, explanation));
  } else {
    const nlohmann::ordered_json json = explanation_json(cluster.snapshot, explanation);
    fmt::print("{}", flags.format == "json" ? json_text(json) : yaml_text(json));
  }
  return exit_done;
}

}  // namespace plimsoll::cli
