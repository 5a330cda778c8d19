// What each metric of a result means: its title, unit, which way is better. One table.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace plimsoll::cli {

enum class MetricUnit : std::uint8_t { percent, seconds, count, usd, plain };
enum class Better : std::uint8_t { higher, lower, neither };

struct Metric {
  std::string_view name;
  std::string_view title;
  MetricUnit unit = MetricUnit::plain;
  Better better = Better::neither;
  std::string_view meaning;   // a sentence for the report, true at any instant
  std::string_view of_a_run;  // how a run's one number comes about, where that does not follow
};

// In the order in which a headline would name them.
std::span<const Metric> metrics();

// The metric called `name`; for an unknown one its name as the title, and no unit.
Metric find_metric(std::string_view name);

// For a person: "63.1 %", "2 h 14 min", "8,152", "$1,204".
std::string metric_text(const Metric& metric, double value);

// What `after` is against `before`: "+8.8 points", "-12.3 %", "no change".
std::string change_text(const Metric& metric, double before, double after);

// 1: better, -1: worse, 0: neither, or less than what metric_text() shows.
int verdict(const Metric& metric, double before, double after);

}  // namespace plimsoll::cli
