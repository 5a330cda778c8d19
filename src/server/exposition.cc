#include "server/exposition.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <limits>
#include <sstream>

#include "base/result.h"

namespace plimsoll::server {

struct Exposition::State {
  std::vector<prometheus::MetricFamily> families;

  void begin(std::string_view name, std::string_view help, prometheus::MetricType type) {
    families.push_back({std::string(name), std::string(help), type, {}});
  }
  prometheus::ClientMetric& add(MetricLabels labels) {
    check(!families.empty(), "a metric has a family");
    prometheus::ClientMetric& metric = families.back().metric.emplace_back();
    for (auto& [key, value] : labels) {
      metric.label.push_back({std::move(key), std::move(value)});
    }
    return metric;
  }
};

Exposition::Exposition() : state_(std::make_unique<State>()) {}
Exposition::~Exposition() = default;

void Exposition::counter(std::string_view name, std::string_view help) {
  state_->begin(name, help, prometheus::MetricType::Counter);
}
void Exposition::gauge(std::string_view name, std::string_view help) {
  state_->begin(name, help, prometheus::MetricType::Gauge);
}
void Exposition::histogram(std::string_view name, std::string_view help) {
  state_->begin(name, help, prometheus::MetricType::Histogram);
}

void Exposition::value(double value, MetricLabels labels) {
  prometheus::ClientMetric& metric = state_->add(std::move(labels));
  if (state_->families.back().type == prometheus::MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
}

void Exposition::buckets(std::span<const double> bounds, std::span<const std::uint64_t> counts,
                         double sum, MetricLabels labels) {
  check(counts.size() == bounds.size() + 1, "one bucket for what is above all bounds");
  prometheus::ClientMetric::Histogram& histogram = state_->add(std::move(labels)).histogram;
  std::uint64_t cumulative = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    cumulative += counts[i];
    histogram.bucket.push_back(
        {cumulative, i < bounds.size() ? bounds[i] : std::numeric_limits<double>::infinity()});
  }
  histogram.sample_count = cumulative;
  histogram.sample_sum = sum;
}

std::string Exposition::text() const {
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, state_->families);
  return out.str();
}

}  // namespace plimsoll::server
