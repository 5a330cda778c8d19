// What a Client counted since it was made. A value: a copy that never changes.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace plimsoll::kube {

enum class Method : std::uint8_t { get, post, put, patch, remove };
// "GET", "POST", …
const char* method_name(Method method);

// Upper bounds of the latency buckets; one more bucket holds what is slower.
inline constexpr std::array<double, 12> latency_buckets_s = {0.001, 0.002, 0.005, 0.01, 0.025, 0.05,
                                                             0.1,   0.25,  0.5,   1,    2.5,   10};

struct ClientStats {
  struct Count {
    Method method = Method::get;
    std::string resource;  // Request::resource
    int status = 0;        // HTTP; 0: no answer
    std::uint64_t count = 0;
  };
  // From the first byte sent to the last received, of each attempt.
  struct Latency {
    Method method = Method::get;
    std::string resource;
    std::array<std::uint64_t, latency_buckets_s.size() + 1> buckets{};
    double sum_s = 0;
  };
  std::vector<Count> requests;  // ordered by method, resource, status; streams count when they end
  std::vector<Latency> latencies;  // ordered by method, resource; without streams
  std::uint64_t bytes_in = 0;      // of bodies and headers, before TLS
  std::uint64_t bytes_out = 0;
  std::uint64_t retries = 0;
  std::uint64_t connections = 0;  // opened
  std::uint64_t silent_streams = 0;
  std::uint64_t in_flight = 0;  // now, without streams
  std::uint64_t waiting = 0;    // now: for a connection, a back-off or credentials
  std::uint64_t streams = 0;    // now
};

}  // namespace plimsoll::kube
