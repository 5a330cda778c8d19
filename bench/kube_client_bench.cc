// What one request costs the Kubernetes client: CPU of its IO thread, over HTTP/1.1 with so many
// connections, or over one HTTP/2 connection.
//
// Against a server of its own, without TLS; with PLIMSOLL_BENCH_KUBECONFIG set, against that API
// server, which answers a SelfSubjectAccessReview without touching etcd.
#include <benchmark/benchmark.h>
#include <time.h>

#include <cstdlib>
#include <latch>

#include "bench/tiny.h"
#include "kube/client/kubeconfig.h"
#include "kube/client/scripted_server.h"
#include "kube/client/transport.h"

namespace {

using namespace plimsoll;
using namespace plimsoll::kube;

constexpr const char* review =
    R"({"kind":"SelfSubjectAccessReview","apiVersion":"authorization.k8s.io/v1","spec":)"
    R"({"resourceAttributes":{"namespace":"default","verb":"create","resource":"pods"}}})";

const char* kubeconfig() { return std::getenv("PLIMSOLL_BENCH_KUBECONFIG"); }

double thread_cpu_s() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

double io_cpu_s(Client& client) {
  double seconds = 0;
  client.run([&] { seconds = thread_cpu_s(); });
  return seconds;
}

ClientConfig config_of(const ScriptedServer& server) {
  if (kubeconfig() == nullptr) {
    return {.origin = "bench", .server = server.url()};
  }
  const auto now = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::system_clock::now().time_since_epoch());
  auto config = load_client_config({.file = kubeconfig()}, process_environment(), now.count());
  check(config.has_value(), config ? "" : config.error().message);
  return *std::move(config);
}

void send_all(Client& client, int count, int& failures) {
  std::latch left(count);
  for (int i = 0; i < count; ++i) {
    client.send({.method = Method::post,
                 .path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                 .body = review,
                 .resource = "selfsubjectaccessreviews",
                 .retry = Retry::always},
                [&](ApiResult<Response> answer) {
                  failures += answer ? 0 : 1;
                  left.count_down();
                });
  }
  left.wait();
}

void requests(benchmark::State& state, HttpVersion http) {
  ScriptedServer server([](const ScriptedServer::Request& request, ScriptedServer::Connection& to) {
    to.respond(201, request.body);
  });
  auto client = Client::make(
      config_of(server),
      {.http = http, .in_flight_max = static_cast<std::size_t>(state.range(0)), .seed = 1});
  check(client.has_value(), client ? "" : client.error().message);
  const int count = bench::tiny() ? 50 : 2000;
  int failures = 0;
  send_all(**client, static_cast<int>(state.range(0)), failures);  // connects
  double io_s = 0;
  double sender_s = 0;
  std::int64_t sent = 0;
  for (auto _ : state) {
    const double io = io_cpu_s(**client);
    const double sender = thread_cpu_s();
    send_all(**client, count, failures);
    sender_s += thread_cpu_s() - sender;
    io_s += io_cpu_s(**client) - io;
    sent += count;
  }
  state.SetItemsProcessed(sent);
  state.counters["io_us"] = io_s / static_cast<double>(sent) * 1e6;
  state.counters["sender_us"] = sender_s / static_cast<double>(sent) * 1e6;
  state.counters["failures"] = failures;
}

BENCHMARK_CAPTURE(requests, http1, HttpVersion::http1)
    ->Arg(4)
    ->Arg(8)
    ->Arg(16)
    ->Arg(32)
    ->Arg(64)
    ->UseRealTime();
// Without TLS there is no HTTP/2 with our own server: this is HTTP/1.1 again.
BENCHMARK_CAPTURE(requests, http2, HttpVersion::http2)
    ->Arg(16)
    ->Arg(32)
    ->Arg(64)
    ->Arg(200)
    ->UseRealTime();

}  // namespace
