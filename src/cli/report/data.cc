#include "cli/report/data.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/metrics.h"
#include "cli/output.h"
#include "cli/report/report.h"

namespace plimsoll::cli {
namespace {

constexpr std::size_t colours = 8;
constexpr std::size_t curve_points_max = 300;

std::string number_json(double value) {
  if (!std::isfinite(value)) {
    return "0";
  }
  return number_text(std::abs(value) < 1e12 ? std::round(value * 1000) / 1000 : value);
}

void append_numbers(std::string& text, const std::vector<double>& values) {
  text += '[';
  for (std::size_t i = 0; i < values.size(); ++i) {
    text += fmt::format("{}{}", i == 0 ? "" : ",", number_json(values[i]));
  }
  text += ']';
}

void append_series(std::string& text, const Picture& picture) {
  text += "\"series\":{";
  for (std::size_t i = 0; i < picture.timelines.size(); ++i) {
    const Series& series = picture.timelines[i];
    text += fmt::format("{}{}:{{\"x\":", i == 0 ? "" : ",", script_string(series.name));
    append_numbers(text, series.x);
    text += ",\"y\":";
    append_numbers(text, series.y);
    text += '}';
  }
  text += '}';
}

// The empirical distribution at up to curve_points_max of its points.
void append_curve(std::string& text, const char* name, std::vector<double> sample) {
  if (sample.empty()) {
    return;
  }
  std::sort(sample.begin(), sample.end());
  std::vector<double> x;
  std::vector<double> y;
  const std::size_t points = std::min(sample.size(), curve_points_max);
  for (std::size_t i = 1; i <= points; ++i) {
    const std::size_t rank = i * sample.size() / points;
    x.push_back(sample[rank - 1]);
    y.push_back(100 * static_cast<double>(rank) / static_cast<double>(sample.size()));
  }
  text += fmt::format(",\"{}\":{{\"x\":", name);
  append_numbers(text, x);
  text += ",\"y\":";
  append_numbers(text, y);
  text += '}';
}

void append_heat(std::string& text, const Picture& picture) {
  if (picture.frames.empty() || picture.nodes.empty()) {
    return;
  }
  text += ",\"heat\":{\"nodes\":[";
  for (std::size_t i = 0; i < picture.nodes.size(); ++i) {
    const HeatNode& node = picture.nodes[i];
    text += fmt::format("{}[{},{},{}]", i == 0 ? "" : ",", script_string(node.name),
                        script_string(node.gpu_model), node.gpus);
  }
  text += "],\"frames\":[";
  for (std::size_t i = 0; i < picture.frames.size(); ++i) {
    const HeatFrame& frame = picture.frames[i];
    text +=
        fmt::format("{}{{\"label\":{},\"used\":[", i == 0 ? "" : ",", script_string(frame.label));
    for (std::size_t g = 0; g < frame.used_milli.size(); ++g) {
      text += fmt::format("{}{}", g == 0 ? "" : ",", frame.used_milli[g]);
    }
    text += "]}";
  }
  text += "]}";
}

const char* unit_name(MetricUnit unit) {
  switch (unit) {
    case MetricUnit::percent:
      return "percent";
    case MetricUnit::seconds:
      return "seconds";
    case MetricUnit::count:
      return "count";
    case MetricUnit::usd:
      return "usd";
    case MetricUnit::plain:
      return "plain";
  }
  broken_invariant("a metric of no unit");
}

// `visit` gets each policy's picture that there is.
template <typename F>
void each_picture(const StudyResult& result, F visit) {
  for (const PolicyResult& policy : result.policies) {
    if (const auto& picture = policy.runs.front().picture; picture) {
      visit(*picture);
    }
  }
}

}  // namespace

std::string script_string(std::string_view text) {
  std::string safe = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' || byte < 0x20) {
      safe += fmt::format("\\u{:04x}", byte);
    } else {
      safe += c;
    }
  }
  safe += '"';
  return safe;
}

std::vector<std::string> series_names(const StudyResult& result) {
  std::vector<std::string> names;
  each_picture(result, [&](const Picture& picture) {
    for (const Series& series : picture.timelines) {
      if (std::find(names.begin(), names.end(), series.name) == names.end()) {
        names.push_back(series.name);
      }
    }
  });
  return names;
}

bool has_heat(const StudyResult& result) {
  bool any = false;
  each_picture(result, [&](const Picture& picture) {
    any = any || (!picture.frames.empty() && !picture.nodes.empty());
  });
  return any;
}

std::size_t policy_colour(const StudyResult& result, std::size_t policy) {
  if (result.policies[policy].policy == "plimsoll") {
    return 0;
  }
  std::size_t colour = 1;
  for (std::size_t i = 0; i < policy; ++i) {
    colour += result.policies[i].policy == "plimsoll" ? 0 : 1;
  }
  return colour < colours ? colour : 1 + (colour - 1) % (colours - 1);
}

std::string report_data(const StudyResult& result) {
  std::string x_label = "time";
  each_picture(result, [&](const Picture& picture) { x_label = picture.x_label; });
  std::string text = fmt::format("{{\"x\":{},\"series\":[", script_string(x_label));
  const std::vector<std::string> names = series_names(result);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const Metric metric = find_metric(names[i]);
    text +=
        fmt::format("{}{{\"name\":{},\"title\":{},\"unit\":\"{}\"}}", i == 0 ? "" : ",",
                    script_string(names[i]), script_string(metric.title), unit_name(metric.unit));
  }
  text += "],\"policies\":[";
  for (std::size_t p = 0; p < result.policies.size(); ++p) {
    const auto& picture = result.policies[p].runs.front().picture;
    text += fmt::format("{}{{\"name\":{},\"colour\":{},", p == 0 ? "" : ",",
                        script_string(result.policies[p].policy), policy_colour(result, p));
    if (picture) {
      append_series(text, *picture);
      append_curve(text, "jct", picture->completion_seconds);
      append_curve(text, "wait", picture->waiting_seconds);
      append_heat(text, *picture);
    } else {
      text += "\"series\":{}";
    }
    text += '}';
  }
  return text + "]}";
}

}  // namespace plimsoll::cli
