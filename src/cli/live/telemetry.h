// What `plimsoll run` tells about itself over HTTP: /metrics, /healthz and /readyz. Thread-safe.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <string_view>

#include "base/units.h"
#include "control/scheduler.h"
#include "kube/client/events.h"
#include "kube/client/transport.h"
#include "kube/world/world.h"
#include "server/http_server.h"

namespace plimsoll::cli {

class Telemetry {
 public:
  // Each outlives it.
  Telemetry(const kube::Client& client, const kube::KubeWorld& world,
            const kube::EventRecorder& events)
      : client_(client), world_(world), events_(events) {}

  // By the loop's thread: the cluster was read; a turn is over.
  void synced() { synced_.store(true); }
  void turned(Duration took, control::QueueLength length, bool leading);

  // The loop is alive if it turned, or looked whether to, within a minute.
  [[nodiscard]] server::Reply answer(std::string_view path) const;

 private:
  [[nodiscard]] std::string metrics() const;

  const kube::Client& client_;
  const kube::KubeWorld& world_;
  const kube::EventRecorder& events_;
  std::atomic<bool> synced_ = false;
  std::atomic<std::int64_t> last_turn_ = 0;

  mutable std::mutex mutex_;
  std::array<std::uint64_t, kube::latency_buckets_s.size() + 1> turns_{};
  double turns_sum_s_ = 0;
  control::QueueLength length_;
  bool leading_ = false;
};

}  // namespace plimsoll::cli
