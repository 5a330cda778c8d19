// Where a Client counts. Written by its IO thread, read by any: one lock, held for nanoseconds.
#pragma once

#include <mutex>
#include <string_view>

#include "kube/client/client_stats.h"

namespace plimsoll::kube {

// Rows beyond this are counted under the resource "other".
inline constexpr std::size_t stats_rows_max = 1000;

class StatsBook {
 public:
  struct Attempt {
    Method method = Method::get;
    std::string_view resource;
    int status = 0;
    double seconds = 0;  // negative: not in the latencies
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
    std::uint64_t connections = 0;
  };
  void attempt(const Attempt& attempt);
  void retry();
  void stream_bytes(std::uint64_t bytes);
  void silent_stream();
  void gauges(std::size_t in_flight, std::size_t waiting, std::size_t streams);

  [[nodiscard]] ClientStats read() const;

 private:
  mutable std::mutex mutex_;
  ClientStats stats_;
};

}  // namespace plimsoll::kube
