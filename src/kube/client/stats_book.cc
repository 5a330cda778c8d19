#include "kube/client/stats_book.h"

#include <algorithm>
#include <tuple>

namespace plimsoll::kube {

const char* method_name(Method method) {
  switch (method) {
    case Method::get:
      return "GET";
    case Method::post:
      return "POST";
    case Method::put:
      return "PUT";
    case Method::patch:
      return "PATCH";
    case Method::remove:
      return "DELETE";
  }
  return "";
}

void StatsBook::attempt(const Attempt& attempt) {
  const std::scoped_lock lock(mutex_);
  stats_.bytes_in += attempt.bytes_in;
  stats_.bytes_out += attempt.bytes_out;
  stats_.connections += attempt.connections;
  std::string_view resource = attempt.resource;
  const auto count = [&] {
    return std::ranges::find_if(stats_.requests, [&](const ClientStats::Count& row) {
      return row.method == attempt.method && row.status == attempt.status &&
             row.resource == resource;
    });
  };
  auto row = count();
  if (row == stats_.requests.end() && stats_.requests.size() >= stats_rows_max) {
    resource = "other";
    row = count();
  }
  if (row == stats_.requests.end()) {
    stats_.requests.push_back(
        {.method = attempt.method, .resource = std::string(resource), .status = attempt.status});
    row = stats_.requests.end() - 1;
  }
  ++row->count;
  if (attempt.seconds < 0) {
    return;
  }
  auto latency = std::ranges::find_if(stats_.latencies, [&](const ClientStats::Latency& one) {
    return one.method == attempt.method && one.resource == resource;
  });
  if (latency == stats_.latencies.end()) {
    stats_.latencies.push_back({.method = attempt.method, .resource = std::string(resource)});
    latency = stats_.latencies.end() - 1;
  }
  const auto bucket = std::ranges::lower_bound(latency_buckets_s, attempt.seconds);
  ++latency->buckets[static_cast<std::size_t>(bucket - latency_buckets_s.begin())];
  latency->sum_s += attempt.seconds;
}

void StatsBook::retry() {
  const std::scoped_lock lock(mutex_);
  ++stats_.retries;
}

void StatsBook::stream_bytes(std::uint64_t bytes) {
  const std::scoped_lock lock(mutex_);
  stats_.bytes_in += bytes;
}

void StatsBook::silent_stream() {
  const std::scoped_lock lock(mutex_);
  ++stats_.silent_streams;
}

void StatsBook::gauges(std::size_t in_flight, std::size_t waiting, std::size_t streams) {
  const std::scoped_lock lock(mutex_);
  stats_.in_flight = in_flight;
  stats_.waiting = waiting;
  stats_.streams = streams;
}

ClientStats StatsBook::read() const {
  ClientStats copy;
  {
    const std::scoped_lock lock(mutex_);
    copy = stats_;
  }
  std::ranges::sort(copy.requests, {}, [](const ClientStats::Count& row) {
    return std::tie(row.method, row.resource, row.status);
  });
  std::ranges::sort(copy.latencies, {}, [](const ClientStats::Latency& one) {
    return std::tie(one.method, one.resource);
  });
  return copy;
}

}  // namespace plimsoll::kube
