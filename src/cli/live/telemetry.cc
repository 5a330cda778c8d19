#include "cli/live/telemetry.h"

#include <algorithm>
#include <string>
#include <utility>

#include "server/exposition.h"

namespace plimsoll::cli {
namespace {

constexpr Duration alive_within = seconds(std::int64_t{60});

}  // namespace

void Telemetry::turned(Duration took, control::QueueLength length, bool leading) {
  last_turn_.store(world_.now().value());
  const double took_s = to_seconds(took);
  const auto bucket = std::ranges::lower_bound(kube::latency_buckets_s, took_s);
  const std::lock_guard lock(mutex_);
  ++turns_[static_cast<std::size_t>(bucket - kube::latency_buckets_s.begin())];
  turns_sum_s_ += took_s;
  length_ = length;
  leading_ = leading;
}

server::Reply Telemetry::answer(std::string_view path) const {
  if (path == "/metrics") {
    return {.content_type = std::string(server::Exposition::content_type), .body = metrics()};
  }
  if (path == "/readyz") {
    return synced_ ? server::Reply{.body = "ok\n"}
                   : server::Reply{.status = 503, .body = "the cluster is not read yet\n"};
  }
  if (path == "/healthz" || path == "/livez") {
    const bool late = synced_ && world_.now() - Time(last_turn_.load()) > alive_within;
    return late ? server::Reply{.status = 503, .body = "the scheduling loop hangs\n"}
                : server::Reply{.body = "ok\n"};
  }
  return {.status = 404, .body = "found no such path, expected /metrics, /healthz or /readyz\n"};
}

std::string Telemetry::metrics() const {
  server::Exposition out;
  const auto number = [](std::uint64_t value) { return static_cast<double>(value); };
  {
    const std::lock_guard lock(mutex_);
    out.gauge("plimsoll_leading", "1 while this replica decides");
    out.value(leading_ ? 1 : 0);
    out.gauge("plimsoll_pending", "Pods, and complete gangs as one each, that wait for a place");
    out.value(static_cast<double>(length_.pending));
    out.histogram("plimsoll_turn_seconds", "How long one turn of the scheduling loop took");
    out.buckets(kube::latency_buckets_s, turns_, turns_sum_s_);
  }
  const kube::WorldStats world = world_.stats();
  out.histogram("plimsoll_scheduling_seconds",
                "From when a pending pod was first seen until its binding was answered");
  out.buckets(kube::latency_buckets_s, world.scheduling, world.scheduling_sum_s);
  out.counter("plimsoll_binds_total", "Bindings, by what came of them");
  out.value(number(world.binds_done), {{"result", "bound"}});
  out.value(number(world.binds_failed), {{"result", "failed"}});
  out.counter("plimsoll_evictions_total",
              "Pods deleted for others of higher priority, or because "
              "their gang could not be completed");
  out.value(number(world.evictions));
  out.counter("plimsoll_pod_conditions_total", "Times a pending pod was told why it waits");
  out.value(number(world.conditions));
  out.counter("plimsoll_writes_fenced_total", "Writes not made because this replica did not lead");
  out.value(number(world.writes_fenced));
  const auto counts = world_.counts();
  out.gauge("plimsoll_known", "Objects that the scheduler keeps");
  out.value(static_cast<double>(counts.nodes), {{"kind", "nodes"}});
  out.value(static_cast<double>(counts.pods), {{"kind", "pods"}});
  out.value(static_cast<double>(counts.specs), {{"kind", "specs"}});
  const kube::EventStats events = events_.stats();
  out.counter("plimsoll_events_total", "Kubernetes Events, by what came of them");
  out.value(number(events.written), {{"result", "written"}});
  out.value(number(events.aggregated), {{"result", "aggregated"}});
  out.value(number(events.rate_limited), {{"result", "rate_limited"}});
  out.value(number(events.dropped), {{"result", "dropped"}});
  out.value(number(events.failed), {{"result", "failed"}});
  const kube::ClientStats client = client_.stats();
  out.counter("plimsoll_api_requests_total", "Requests to the API server; status 0: no answer");
  for (const auto& count : client.requests) {
    out.value(number(count.count), {{"method", kube::method_name(count.method)},
                                    {"resource", count.resource},
                                    {"status", std::to_string(count.status)}});
  }
  out.histogram("plimsoll_api_request_seconds", "From a request's first byte to its answer's last");
  for (const auto& latency : client.latencies) {
    out.buckets(kube::latency_buckets_s, latency.buckets, latency.sum_s,
                {{"method", kube::method_name(latency.method)}, {"resource", latency.resource}});
  }
  out.counter("plimsoll_api_retries_total", "Requests sent again");
  out.value(number(client.retries));
  out.gauge("plimsoll_api_waiting", "Requests that wait for a connection");
  out.value(number(client.waiting));
  return out.text();
}

}  // namespace plimsoll::cli
