#include "cli/report/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/metrics.h"
#include "cli/output.h"
#include "cli/report/assets.h"
#include "cli/report/data.h"
#include "cli/version.h"

namespace plimsoll::cli {
namespace {

constexpr std::size_t tiles_max = 6;

// The mark on a ship's hull: a circle, and the load line through it.
constexpr const char* mark =
    R"html(<svg viewBox="0 0 32 32" aria-hidden="true" fill="none" stroke="currentColor" )html"
    R"(stroke-width="2.6"><circle cx="16" cy="16" r="9.5"/><path d="M2 16h28"/></svg>)";

std::string dot(const StudyResult& result, std::size_t policy) {
  return fmt::format(R"html(<span class="dot" style="background:var(--c{})"></span>)html",
                     policy_colour(result, policy));
}

std::size_t metric_index(const StudyResult& result, std::string_view name) {
  const auto& names = result.policies.front().runs.front().metrics;
  const auto found =
      std::find_if(names.begin(), names.end(), [&](const auto& one) { return one.first == name; });
  return static_cast<std::size_t>(found - names.begin());
}

void write_tiles(std::string& page, const StudyResult& result) {
  const auto [before, after] = headline_policies(result);
  const PolicyResult& old_policy = result.policies[before];
  const PolicyResult& new_policy = result.policies[after];
  page += "<section aria-labelledby=\"headline\"><h2 id=\"headline\">";
  page += before == after ? html_escape(new_policy.policy)
                          : fmt::format("{}, against {}", html_escape(new_policy.policy),
                                        html_escape(old_policy.policy));
  page += "</h2><p class=\"note\">";
  page += new_policy.runs.size() == 1
              ? "One run each."
              : fmt::format("Mean of {} runs each.", new_policy.runs.size());
  page += "</p><div class=\"tiles\">";
  for (const std::string& name : headline_metrics(result, tiles_max)) {
    const Metric metric = find_metric(name);
    const std::size_t index = metric_index(result, name);
    const double old_value = statistics(old_policy, index).mean;
    const double new_value = statistics(new_policy, index).mean;
    page += fmt::format(
        R"html(<article class="card tile" data-metric="{}"><h3>{}</h3><div class="now">{}</div>)html",
        html_escape(name), html_escape(metric.title), metric_text(metric, new_value));
    if (before != after) {
      const double most =
          metric.unit == MetricUnit::percent ? 100.0 : std::max({old_value, new_value, 1e-12});
      page += "<div class=\"bars\" aria-hidden=\"true\">";
      for (const auto& [policy, value] : {std::pair{after, new_value}, {before, old_value}}) {
        page += fmt::format(
            R"html(<div class="bar"><i style="width:{:.1f}%;background:var(--c{})"></i></div>)html",
            std::clamp(100 * value / most, 0.0, 100.0), policy_colour(result, policy));
      }
      const int good = verdict(metric, old_value, new_value);
      page += fmt::format(
          R"html(</div><div class="row"><span class="chip{}">{}{}</span><span class="was">{}: {}</span></div>)html",
          good > 0   ? " better"
          : good < 0 ? " worse"
                     : "",
          change_text(metric, old_value, new_value),
          good > 0   ? ", better"
          : good < 0 ? ", worse"
                     : "",
          html_escape(old_policy.policy), metric_text(metric, old_value));
    }
    page += "</article>";
  }
  page += "</div></section>\n";
}

void write_figure(std::string& page, const std::string& id, std::string_view title,
                  std::string_view note) {
  page += fmt::format(
      R"html(<figure class="card"><figcaption><h3>{}</h3><p>{}</p></figcaption><div class="plot" id="{}"></div></figure>)html",
      html_escape(title), html_escape(note), id);
}

void write_charts(std::string& page, const StudyResult& result) {
  const std::vector<std::string> series = series_names(result);
  const auto has = [&](std::vector<double> Picture::* sample) {
    return std::any_of(result.policies.begin(), result.policies.end(), [&](const auto& policy) {
      const auto& picture = policy.runs.front().picture;
      return picture && !((*picture).*sample).empty();
    });
  };
  const bool completions = has(&Picture::completion_seconds);
  const bool waits = has(&Picture::waiting_seconds);
  if (series.empty() && !completions && !waits) {
    return;
  }
  page += fmt::format(
      "<section aria-labelledby=\"over-time\"><h2 id=\"over-time\">Over time</h2>"
      "<p class=\"note\">The run with seed {}. Touch or point at a chart for its values; a name "
      "hides or shows its line.</p><div class=\"legend\" role=\"group\" aria-label=\"Policies "
      "shown\"></div><div class=\"grid\">",
      result.policies.front().runs.front().seed);
  for (std::size_t i = 0; i < series.size(); ++i) {
    const Metric metric = find_metric(series[i]);
    write_figure(page, fmt::format("chart-{}", i), metric.title, metric.meaning);
  }
  if (completions) {
    write_figure(page, "chart-jct", "Completion times",
                 "Share of the finished jobs that took no longer than the time below, from "
                 "submission; further left is better.");
  }
  if (waits) {
    write_figure(page, "chart-wait", "Waiting times",
                 "Share of the started jobs that waited no longer than the time below; further "
                 "left is better.");
  }
  page += "</div></section>\n";
}

void write_heat(std::string& page, const StudyResult& result) {
  if (!has_heat(result)) {
    return;
  }
  page +=
      "<section aria-labelledby=\"heat\"><h2 id=\"heat\">Every GPU</h2><p class=\"note\">A strip "
      "is a node, a square one of its GPUs; the darker (in a dark page: the lighter) it is, the "
      "more of it is held.</p><div class=\"card\"><div class=\"controls\"><label>When <input "
      "type=\"range\" id=\"frame\" min=\"0\" value=\"0\"><span id=\"frame-text\"></span></label>"
      "<span class=\"scale\">idle <i></i> full</span></div><div class=\"heats\" "
      "id=\"heats\"></div></div></section>\n";
}

void write_table(std::string& page, const StudyResult& result) {
  const auto& names = result.policies.front().runs.front().metrics;
  page +=
      "<section aria-labelledby=\"means\"><h2 id=\"means\">Every metric</h2><p class=\"note\">Mean "
      "over the seeds, and the standard deviation where there are several.</p><div class=\"card\">"
      "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"means\"><table>"
      "<thead><tr><th scope=\"col\">Metric</th>";
  for (std::size_t p = 0; p < result.policies.size(); ++p) {
    page += fmt::format("<th scope=\"col\">{}{}</th>", dot(result, p),
                        html_escape(result.policies[p].policy));
  }
  page += "</tr></thead><tbody>";
  for (std::size_t m = 0; m < names.size(); ++m) {
    const Metric metric = find_metric(names[m].first);
    page += fmt::format("<tr><th scope=\"row\">{}</th>", html_escape(metric.title));
    for (const PolicyResult& policy : result.policies) {
      const Statistics value = statistics(policy, m);
      page += fmt::format("<td data-metric=\"{}\" data-policy=\"{}\">{}{}</td>",
                          html_escape(names[m].first), html_escape(policy.policy),
                          metric_text(metric, value.mean),
                          policy.runs.size() > 1
                              ? fmt::format(" <small>± {}</small>", metric_text(metric, value.sd))
                              : "");
    }
    page += "</tr>";
  }
  page += "</tbody></table></div></div></section>\n";
}

void write_runs(std::string& page, const StudyResult& result) {
  const auto& names = result.policies.front().runs.front().metrics;
  page +=
      "<section><details class=\"card\"><summary>Every run</summary><div class=\"scroll\" "
      "tabindex=\"0\" role=\"region\" aria-label=\"Every run\"><table><thead><tr><th "
      "scope=\"col\">Policy</th><th scope=\"col\">Seed</th>";
  for (const auto& [name, value] : names) {
    page += fmt::format("<th scope=\"col\">{}</th>", html_escape(find_metric(name).title));
  }
  page += "<th scope=\"col\">Plan (SHA-256)</th></tr></thead><tbody>";
  for (std::size_t p = 0; p < result.policies.size(); ++p) {
    for (const Run& run : result.policies[p].runs) {
      page += fmt::format("<tr><th scope=\"row\">{}{}</th><td>{}</td>", dot(result, p),
                          html_escape(result.policies[p].policy), run.seed);
      for (const auto& [name, value] : run.metrics) {
        page += fmt::format("<td>{}</td>", metric_text(find_metric(name), value));
      }
      page +=
          fmt::format("<td title=\"{0}\"><code>{1}</code></td></tr>", html_escape(run.plan_sha256),
                      html_escape(std::string_view(run.plan_sha256).substr(0, 12)));
    }
  }
  page += "</tbody></table></div></details></section>\n";
}

void write_meanings(std::string& page, const StudyResult& result) {
  page += "<section><details class=\"card\"><summary>What the metrics mean</summary><dl>";
  for (const auto& [name, value] : result.policies.front().runs.front().metrics) {
    const Metric metric = find_metric(name);
    page +=
        fmt::format("<dt>{}</dt><dd>{} {} <code>{}</code></dd>", html_escape(metric.title),
                    html_escape(metric.meaning), html_escape(metric.of_a_run), html_escape(name));
  }
  page += "</dl></details></section>\n";
}

}  // namespace

std::string html_escape(std::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      case '\'':
        safe += "&#39;";
        break;
      default:
        safe += c;
    }
  }
  return safe;
}

std::vector<std::string> headline_metrics(const StudyResult& result, std::size_t most) {
  const auto& names = result.policies.front().runs.front().metrics;
  std::vector<std::string> chosen;
  for (const Metric& metric : metrics()) {
    const std::size_t index = metric_index(result, metric.name);
    if (chosen.size() == most || metric.better == Better::neither || index == names.size()) {
      continue;
    }
    const bool says_something =
        std::any_of(result.policies.begin(), result.policies.end(),
                    [&](const auto& policy) { return statistics(policy, index).mean != 0; });
    if (says_something) {
      chosen.emplace_back(metric.name);
    }
  }
  return chosen;
}

std::pair<std::size_t, std::size_t> headline_policies(const StudyResult& result) {
  const auto found = std::find_if(result.policies.begin(), result.policies.end(),
                                  [](const auto& one) { return one.policy == "plimsoll"; });
  const std::size_t last = result.policies.size() - 1;
  const std::size_t after = found == result.policies.end()
                                ? last
                                : static_cast<std::size_t>(found - result.policies.begin());
  return {after == 0 ? last : 0, after};
}

std::string report_html(const StudyResult& result, const ReportInfo& info) {
  std::string page =
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'; script-src 'unsafe-inline'\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n";
  page += fmt::format("<title>{} - Plimsoll</title>\n<style>\n{}</style>\n</head>\n<body>\n",
                      html_escape(info.title), embedded::report_css);
  page += fmt::format(
      "<header><div class=\"brand\">{}Plimsoll</div><h1>{}</h1><p class=\"lede\">{}</p></header>\n"
      "<main>\n",
      mark, html_escape(info.title), html_escape(info.subtitle));
  write_tiles(page, result);
  write_charts(page, result);
  write_heat(page, result);
  write_table(page, result);
  write_runs(page, result);
  write_meanings(page, result);
  page += fmt::format(
      "<section class=\"card\" aria-labelledby=\"command\"><h2 id=\"command\">The command that "
      "made "
      "this page</h2><pre>{}</pre></section>\n</main>\n",
      html_escape(info.command));
  page += fmt::format(
      "<footer>Plimsoll {}. The same input and seeds give the same plans, byte for byte.</footer>\n"
      "<script type=\"application/json\" id=\"data\">{}</script>\n<script>\n{}</script>\n</body>\n"
      "</html>\n",
      version, report_data(result), embedded::report_js);
  return page;
}

}  // namespace plimsoll::cli
