// What the world does: bindings, evictions, conditions, each sent and answered later.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "kube/client/api.h"
#include "kube/client/list_watch.h"
#include "kube/client/timestamp.h"
#include "kube/world/sinks.h"
#include "kube/world/world.h"

namespace plimsoll::kube {
namespace {

// Until the server says what became of a binding whose answer was unclear.
constexpr std::chrono::seconds look_again_after{1};

ObjectRef ref_of(const PodName& pod) {
  return {.api_version = "v1", .plural = "pods", .name_space = pod.name_space, .name = pod.name};
}

// A change of a pod's status; safe to repeat.
Request status_patch(const PodName& pod, nlohmann::json status) {
  const nlohmann::json patch = {{"metadata", {{"uid", pod.uid}}}, {"status", std::move(status)}};
  Request request =
      patch_object(ref_of(pod), "status", PatchKind::strategic_merge, patch.dump(), "pods/status");
  request.retry = Retry::always;
  return request;
}

Event event_about(const PodName& pod, std::string reason, std::string action, std::string note,
                  bool warning) {
  return {.regarding = {.api_version = "v1",
                        .kind = "Pod",
                        .name_space = pod.name_space,
                        .name = pod.name,
                        .uid = pod.uid},
          .reason = std::move(reason),
          .action = std::move(action),
          .note = std::move(note),
          .warning = warning};
}

nlohmann::json condition(std::string_view type, bool status, std::string_view reason,
                         std::string_view message, const std::string& at) {
  return {{"type", type},
          {"status", status ? "True" : "False"},
          {"reason", reason},
          {"message", message},
          {"lastProbeTime", nullptr},
          {"lastTransitionTime", at}};
}

}  // namespace

// Runs `call` with the world, if it is still there. Answers may come after it is gone.
template <typename Call>
auto KubeWorld::guarded(Call call) {
  return [alive = alive_, call = std::move(call)](ApiResult<Response> answer) mutable {
    if (*alive != nullptr) {
      call(**alive, std::move(answer));
    }
  };
}

bool KubeWorld::fenced() {
  if (options_.read_only || (options_.fence != nullptr && !options_.fence->open())) {
    const std::lock_guard lock(mutex_);
    ++stats_.writes_fenced;
    return true;
  }
  return false;
}

// Sent only as long as this process leads.
void KubeWorld::write(Request request, Answer answer) {
  request.fence = options_.fence;
  client_.send(std::move(request), std::move(answer));
}

Result<void> KubeWorld::apply(const model::Action& action) {
  if (fenced()) {
    return failed("this instance may not write: it does not lead");
  }
  if (const auto* to_bind = std::get_if<model::Bind>(&action.kind)) {
    return bind(*to_bind);
  }
  if (const auto* to_evict = std::get_if<model::Evict>(&action.kind)) {
    return evict(*to_evict, action.reason);
  }
  if (const auto* to_refuse = std::get_if<model::Refuse>(&action.kind)) {
    refuse(*to_refuse, action.reason);
  } else if (const auto* to_nominate = std::get_if<model::Nominate>(&action.kind)) {
    nominate(*to_nominate);
  }
  return {};
}

Result<void> KubeWorld::bind(const model::Bind& bind) {
  PodName name;
  std::string node;
  {
    const std::lock_guard lock(mutex_);
    const PodName* pod = store_.pod(bind.pod);
    const std::string* target = store_.node(bind.binding.node);
    if (pod == nullptr || target == nullptr) {
      return failed(pod == nullptr ? "the pod is gone" : "the node is gone");
    }
    if (!store_.may_assume(bind.pod)) {
      return failed("the pod is bound already");
    }
    store_.assume(bind.pod, bind.binding);
    ++stats_.binds_sent;
    name = *pod;
    node = *target;
  }
  Request request = bind_pod(name.name_space, name.name, name.uid, node);
  write(std::move(request),
        guarded([pod = bind.pod, name = std::move(name), node = std::move(node)](
                    KubeWorld& world, ApiResult<Response> answer) {
          world.bind_answered(pod, name, node, std::move(answer));
        }));
  return {};
}

// Where the server may have bound the pod though it did not say so, the pod itself tells.
void KubeWorld::bind_answered(PodId pod, const PodName& name, const std::string& node,
                              ApiResult<Response> answer) {
  if (answer) {
    bound(pod, name, node);
    return;
  }
  const ApiError& error = answer.error();
  const bool certain =
      error.kind == ApiError::Kind::refused || error.kind == ApiError::Kind::fenced ||
      error.not_found() ||
      (error.kind == ApiError::Kind::status && error.status < 500 && error.status != 409);
  if (certain) {
    bind_failed(pod, name, error.message);
    return;
  }
  look_after_bind(pod, name, node, error.message);
}

void KubeWorld::look_after_bind(PodId pod, const PodName& name, const std::string& node,
                                const std::string& why) {
  Request request{.path = path_of(ref_of(name)), .resource = "pods"};
  client_.send(
      std::move(request),
      guarded([pod, name, node, why](KubeWorld& world, ApiResult<Response> answer) {
        if (!answer && !answer.error().not_found()) {
          if (answer.error().kind != ApiError::Kind::closed) {
            world.client_.after(look_again_after, [alive = world.alive_, pod, name, node, why] {
              if (*alive != nullptr) {
                (*alive)->look_after_bind(pod, name, node, why);
              }
            });
          }
          return;
        }
        Document document;
        const Result<Json> json =
            answer ? document.parse(answer->body, false) : Result<Json>(failed("the pod is gone"));
        const bool same = json && read_meta(*json).uid == name.uid;
        const std::string_view at = same ? text(member(*json, {"spec", "nodeName"})) : "";
        if (at == node) {
          world.bound(pod, name, node);
        } else {
          world.bind_failed(pod, name, at.empty() ? why : fmt::format("it was bound to {}", at));
        }
      }));
}

void KubeWorld::bound(PodId pod, const PodName& name, const std::string& node) {
  std::optional<PodName> group;
  change([&] {
    ++stats_.binds_done;
    if (still(pod, name)) {
      count_latency(pod);
      store_.confirm(pod);
      group = store_.group_to_tell(pod, true, {});
    }
  });
  if (group) {
    tell_group(*group, true, "all required pods of the group are bound");
  }
  if (options_.event) {
    options_.event(event_about(
        name, "Scheduled", "Binding",
        fmt::format("Successfully assigned {}/{} to {}", name.name_space, name.name, node), false));
  }
}

void KubeWorld::count_latency(PodId pod) {
  if (pod.index() >= seen_.size()) {
    return;
  }
  const double took_s = to_seconds(now() - seen_[pod.index()]);
  const auto bucket = std::ranges::lower_bound(latency_buckets_s, took_s);
  ++stats_.scheduling[static_cast<std::size_t>(bucket - latency_buckets_s.begin())];
  stats_.scheduling_sum_s += took_s;
}

void KubeWorld::bind_failed(PodId pod, const PodName& name, const std::string& why) {
  client_.log(LogLevel::warning,
              fmt::format("pod {}/{}: binding failed: {}", name.name_space, name.name, why));
  change([&] {
    ++stats_.binds_failed;
    if (still(pod, name)) {
      store_.fail(pod, why);
    }
  });
}

// Whether the id still stands for that pod. Requires: under the mutex.
bool KubeWorld::still(PodId pod, const PodName& name) const {
  const PodName* now = store_.pod(pod);
  return now != nullptr && now->uid == name.uid;
}

// First why, so that its owner can tell (DisruptionTarget), then the deletion of just this pod.
Result<void> KubeWorld::evict(const model::Evict& evict, const model::Reason& reason) {
  PodName name;
  {
    const std::lock_guard lock(mutex_);
    const PodName* pod = store_.pod(evict.pod);
    if (pod == nullptr) {
      return {};
    }
    ++stats_.evictions;
    name = *pod;
  }
  const bool preempted = reason.code == model::ReasonCode::preempted;
  const std::string message = model::to_string(reason);
  Request request =
      status_patch(name, {{"conditions",
                           {condition("DisruptionTarget", true,
                                      preempted ? "PreemptionByScheduler" : "GangNotCompleted",
                                      message, format_time(now().value()))}}});
  write(std::move(request), guarded([name](KubeWorld& world, ApiResult<Response> answer) {
          if (answer || !answer.error().not_found()) {
            world.remove(name);
          }
        }));
  if (options_.event) {
    options_.event(event_about(name, preempted ? "Preempted" : "GangNotCompleted",
                               preempted ? "Preempting" : "Evicting", message, !preempted));
  }
  return {};
}

void KubeWorld::remove(const PodName& name) {
  if (fenced()) {
    return;
  }
  Request request = delete_object(ref_of(name), {.uid = name.uid}, "pods");
  request.retry = Retry::always;
  write(std::move(request), guarded([name](KubeWorld& world, ApiResult<Response> answer) {
          if (!answer && !answer.error().not_found() && !answer.error().conflict()) {
            world.client_.log(LogLevel::warning,
                              fmt::format("pod {}/{}: could not be deleted: {}", name.name_space,
                                          name.name, answer.error().message));
          }
        }));
}

void KubeWorld::refuse(const model::Refuse& refuse, const model::Reason& reason) {
  PodName name;
  std::optional<PodName> group;
  std::string message = model::to_string(reason);
  {
    const std::lock_guard lock(mutex_);
    const PodName* pod = store_.pod(refuse.pod);
    if (pod == nullptr) {
      return;
    }
    if (reason.code == model::ReasonCode::gang_incomplete && store_.lacks_group(refuse.pod)) {
      message = "waits for the PodGroup that it names to exist";
    }
    if (store_.told(refuse.pod, message)) {
      return;
    }
    name = *pod;
    group = store_.group_to_tell(refuse.pod, false, message);
  }
  tell_unschedulable(name, message);
  if (group) {
    tell_group(*group, false, message);
  }
}

// As kube-scheduler writes it: never False again once it was True.
void KubeWorld::tell_group(const PodName& group, bool scheduled, const std::string& message) {
  const nlohmann::json patch = {{"status",
                                 {{"conditions",
                                   {{{"type", "PodGroupInitiallyScheduled"},
                                     {"status", scheduled ? "True" : "False"},
                                     {"reason", scheduled ? "Scheduled" : "Unschedulable"},
                                     {"message", message},
                                     {"lastTransitionTime", format_time(now().value())}}}}}}};
  Request request =
      patch_object({.api_version = group_version_,
                    .plural = "podgroups",
                    .name_space = group.name_space,
                    .name = group.name},
                   "status", PatchKind::strategic_merge, patch.dump(), "podgroups/status");
  request.retry = Retry::always;
  write(std::move(request), [](ApiResult<Response>) {});
}

void KubeWorld::tell_unschedulable(const PodName& pod, const std::string& message) {
  {
    const std::lock_guard lock(mutex_);
    ++stats_.conditions;
  }
  Request request = status_patch(
      pod,
      {{"conditions",
        {condition("PodScheduled", false, "Unschedulable", message, format_time(now().value()))}}});
  write(std::move(request), [](ApiResult<Response>) {});
  if (options_.event) {
    options_.event(event_about(pod, "FailedScheduling", "Scheduling", message, true));
  }
}

void KubeWorld::nominate(const model::Nominate& nominate) {
  PodName name;
  std::string node;
  {
    const std::lock_guard lock(mutex_);
    const PodName* pod = store_.pod(nominate.pod);
    const std::string* target = store_.node(nominate.node);
    if (pod == nullptr || (nominate.node.valid() && target == nullptr)) {
      return;
    }
    name = *pod;
    node = target == nullptr ? std::string() : *target;
  }
  // Without a node the nomination is withdrawn: null removes the member.
  const nlohmann::json nominated = node.empty() ? nlohmann::json() : nlohmann::json(node);
  Request request = status_patch(name, {{"nominatedNodeName", nominated}});
  write(std::move(request), [](ApiResult<Response>) {});
}

// A pod of ours that nothing is decided about, and why.
void KubeWorld::tell_held(const Held& pod) {
  if (!pod.reason.empty() && !fenced()) {
    tell_unschedulable(pod.pod, pod.reason);
  }
}

void KubeWorld::tell_all_held() {
  std::vector<Held> held;
  {
    const std::lock_guard lock(mutex_);
    store_.take_held();
    held = store_.all_held();
  }
  for (const Held& pod : held) {
    tell_held(pod);
  }
}

}  // namespace plimsoll::kube
