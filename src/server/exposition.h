// Metrics in the Prometheus text format. Values; thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace plimsoll::server {

using MetricLabels = std::vector<std::pair<std::string, std::string>>;

// Metrics of one name belong together: begin with counter(), gauge() or histogram(), then add.
class Exposition {
 public:
  Exposition();
  ~Exposition();
  Exposition(const Exposition&) = delete;
  Exposition& operator=(const Exposition&) = delete;

  void counter(std::string_view name, std::string_view help);
  void gauge(std::string_view name, std::string_view help);
  void histogram(std::string_view name, std::string_view help);
  // Of the family that was begun last.
  void value(double value, MetricLabels labels = {});
  // `counts` by bucket, not cumulative; one more than `bounds` for what is above them all.
  void buckets(std::span<const double> bounds, std::span<const std::uint64_t> counts, double sum,
               MetricLabels labels = {});
  [[nodiscard]] std::string text() const;

  static constexpr std::string_view content_type = "text/plain; version=0.0.4; charset=utf-8";

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace plimsoll::server
