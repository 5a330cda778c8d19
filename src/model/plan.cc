#include "model/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

namespace plimsoll::model {
namespace {

// kube-scheduler's own words where it has them.
std::string phrase(RefusalCode code, const std::string& detail) {
  const std::string of_detail = detail.empty() ? "" : " " + detail;
  switch (code) {
    case RefusalCode::node_not_ready:
      return "node(s) were not ready";
    case RefusalCode::node_cordoned:
      return "node(s) were unschedulable";
    case RefusalCode::node_selector:
      return "node(s) didn't match Pod's node affinity/selector";
    case RefusalCode::taint:
      return fmt::format("node(s) had untolerated taint {{{}}}", detail);
    case RefusalCode::gpu_model:
      return "node(s) didn't match Pod's GPU model" + of_detail;
    case RefusalCode::gpu_memory:
      return "Insufficient GPU memory";
    case RefusalCode::too_many_pods:
      return "Too many pods";
    case RefusalCode::cpu:
      return "Insufficient cpu";
    case RefusalCode::memory:
      return "Insufficient memory";
    case RefusalCode::ephemeral_storage:
      return "Insufficient ephemeral-storage";
    case RefusalCode::extended_resource:
      return "Insufficient " + (detail.empty() ? "extended resource" : detail);
    case RefusalCode::gpu:
      return "Insufficient GPU";
    case RefusalCode::gpu_share:
      return "Insufficient GPU share" + of_detail;
    case RefusalCode::mig_profile:
      return "Insufficient MIG profile" + of_detail;
    case RefusalCode::pod_affinity:
      return "node(s) didn't match pod affinity rules";
    case RefusalCode::pod_anti_affinity:
      return detail.empty() ? "node(s) didn't match pod anti-affinity rules"
                            : fmt::format("node(s) didn't satisfy {} anti-affinity rules", detail);
    case RefusalCode::topology_spread:
      return "node(s) didn't match pod topology spread constraints" +
             (detail.empty() ? "" : fmt::format(" ({})", detail));
    case RefusalCode::gang_topology:
      return fmt::format("node(s) were not in one{} domain with room for the whole gang",
                         of_detail);
    case RefusalCode::host_port:
      return "node(s) didn't have free ports for the requested pod ports";
    case RefusalCode::volume_topology:
      return "node(s) didn't match PersistentVolume's node affinity";
    case RefusalCode::volume_limit:
      return "node(s) exceed max volume count";
    case RefusalCode::claim_in_use:
      return "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode "
             "already in-use by another pod";
    case RefusalCode::reserved:
      return "node(s) were kept for a pod whose victims are leaving";
  }
  return "node(s) were refused for an unknown reason";
}

}  // namespace

std::string to_string(const Refusal& refusal) { return phrase(refusal.code, refusal.detail); }

std::string to_string(const std::vector<Refusal>& refusals, std::int32_t nodes_total) {
  if (nodes_total == 0) {
    return "no nodes available to schedule pods";
  }
  std::map<std::pair<RefusalCode, std::string>, std::int64_t> merged;
  for (const Refusal& refusal : refusals) {
    merged[{refusal.code, refusal.detail}] += refusal.nodes;
  }
  std::vector<std::tuple<std::int64_t, RefusalCode, std::string>> ordered;
  for (const auto& [key, nodes] : merged) {
    if (nodes > 0) {
      ordered.emplace_back(-nodes, key.first, key.second);
    }
  }
  std::ranges::sort(ordered);
  std::string text = fmt::format("0/{} nodes are available", nodes_total);
  const char* separator = ": ";
  for (const auto& [nodes, code, detail] : ordered) {
    text += fmt::format("{}{} {}", separator, -nodes, phrase(code, detail));
    separator = ", ";
  }
  return text + ".";
}

std::string to_string(const Reason& reason) {
  switch (reason.code) {
    case ReasonCode::best_score:
      return fmt::format("best score {} under policy {}", reason.score, reason.policy);
    case ReasonCode::gang_step_time:
      return "least predicted step time of the gang";
    case ReasonCode::no_room:
      return to_string(reason.refusals, reason.nodes_total);
    case ReasonCode::waiting_is_faster:
      return fmt::format("waiting finishes the gang sooner than a start now; waits until {:.3f} s",
                         static_cast<double>(reason.until.value()) * 1e-6);
    case ReasonCode::behind_in_queue:
      return "kept back by the queue's order";
    case ReasonCode::preempted:
      return "preempted by a pod of higher priority";
    case ReasonCode::node_failed:
      return "its node failed";
    case ReasonCode::preempting:
      return "waits for the pods that it preempted to leave their node";
    case ReasonCode::gang_incomplete:
      if (reason.missing == 0) {
        return "waits for its gang";
      }
      return fmt::format("waits for {} more member{} of its gang to exist", reason.missing,
                         reason.missing == 1 ? "" : "s");
    case ReasonCode::bind_failed:
      return "the API server refused the binding; it is tried again";
  }
  return "unknown reason";
}

}  // namespace plimsoll::model
