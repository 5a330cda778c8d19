#include "cli/output.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace plimsoll::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr double whole_max = 9007199254740992.0;  // 2^53

bool is_whole(double value) { return std::abs(value) < whole_max && value == std::trunc(value); }

Json number_json(double value) {
  return is_whole(value) ? Json(static_cast<std::int64_t>(value)) : Json(value);
}

Json study_json(const StudyResult& result) {
  Json policies = Json::array();
  for (const PolicyResult& policy : result.policies) {
    Json mean = Json::object();
    Json sd = Json::object();
    Json runs = Json::array();
    const auto& names = policy.runs.front().metrics;
    for (std::size_t m = 0; m < names.size(); ++m) {
      const Statistics value = statistics(policy, m);
      mean[names[m].first] = number_json(value.mean);
      sd[names[m].first] = number_json(value.sd);
    }
    for (const Run& run : policy.runs) {
      Json row = {{"seed", run.seed}};
      for (const auto& [name, value] : run.metrics) {
        row[name] = number_json(value);
      }
      row["wall_seconds"] = std::round(run.wall_seconds * 1e6) / 1e6;
      row["plan_sha256"] = run.plan_sha256;
      runs.push_back(std::move(row));
    }
    policies.push_back(
        {{"policy", policy.policy}, {"mean", mean}, {"sd", sd}, {"runs", std::move(runs)}});
  }
  Json json = {{"study", result.study}, {"variant", result.variant}, {"policies", policies}};
  for (const Comparison& comparison : result.comparisons) {
    json["comparisons"].push_back({{"policy", comparison.policy},
                                   {"against", comparison.against},
                                   {"metric", comparison.metric},
                                   {"percent", number_json(comparison.percent.mean)},
                                   {"percent_low", number_json(comparison.percent.low)},
                                   {"percent_high", number_json(comparison.percent.high)}});
  }
  return json;
}

// A JSON string is a YAML string too; other scalars read the same in both.
void append_yaml(std::string& text, const Json& value, std::size_t indent, bool in_list) {
  const std::string margin(indent, ' ');
  if (!value.is_structured() || value.empty()) {
    text += value.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    return;
  }
  if (value.is_object()) {
    bool first = in_list;
    for (const auto& [key, item] : value.items()) {
      text += first ? "" : margin;
      first = false;
      text += key + ":";
      if (item.is_structured() && !item.empty()) {
        text += "\n";
        append_yaml(text, item, indent + 2, false);
      } else {
        text += " " + item.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
      }
    }
    return;
  }
  for (const Json& item : value) {
    text += margin + "- ";
    append_yaml(text, item, indent + 2, true);
  }
}

std::string table_number(double value) {
  if (is_whole(value) && std::abs(value) < 1e15) {
    return fmt::format("{:.0f}", value);
  }
  return std::abs(value) >= 10'000 ? fmt::format("{:.0f}", value) : fmt::format("{:.3f}", value);
}

std::size_t columns_of(const std::string& text) {  // code points; names are not wider than that
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) {
    return text;
  }
  std::string quoted = "\"";
  for (const char c : text) {
    quoted += c == '"' ? "\"\"" : std::string(1, c);
  }
  return quoted + "\"";
}

}  // namespace

Statistics statistics(const PolicyResult& policy, std::size_t metric) {
  const auto count = static_cast<double>(policy.runs.size());
  double sum = 0;
  for (const Run& run : policy.runs) {
    sum += run.metrics[metric].second;
  }
  const double mean = sum / count;
  double squares = 0;
  for (const Run& run : policy.runs) {
    const double off = run.metrics[metric].second - mean;
    squares += off * off;
  }
  return {.mean = mean, .sd = count > 1 ? std::sqrt(squares / (count - 1)) : 0};
}

std::string to_json(const StudyResult& result) { return json_text(study_json(result)); }

std::string to_yaml(const StudyResult& result) { return yaml_text(study_json(result)); }

std::string json_text(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string yaml_text(const Json& value) {
  std::string text;
  append_yaml(text, value, 0, false);
  return text;
}

std::string to_table(const StudyResult& result) {
  std::vector<std::vector<std::string>> rows(1, {"metric"});
  const bool many = result.policies.front().runs.size() > 1;
  for (const PolicyResult& policy : result.policies) {
    rows.front().push_back(policy.policy);
  }
  const auto& names = result.policies.front().runs.front().metrics;
  for (std::size_t m = 0; m < names.size(); ++m) {
    std::vector<std::string> row(1, names[m].first);
    for (const PolicyResult& policy : result.policies) {
      const Statistics value = statistics(policy, m);
      row.push_back(many ? fmt::format("{} ± {}", table_number(value.mean), table_number(value.sd))
                         : table_number(value.mean));
    }
    rows.push_back(std::move(row));
  }
  std::string text = fmt::format(
      "{}{}{}, {} run{} a policy\n\n{}", result.study, result.variant.empty() ? "" : " ",
      result.variant, result.policies.front().runs.size(), many ? "s" : "", aligned(rows));
  text += result.comparisons.empty() ? "" : "\n";
  for (const Comparison& comparison : result.comparisons) {
    const PairedDifference& percent = comparison.percent;
    text +=
        fmt::format("{}: {} {:+.1f} % against {} (95 % interval {:+.1f} to {:+.1f}, {} pairs)\n",
                    comparison.metric, comparison.policy, percent.mean, comparison.against,
                    percent.low, percent.high, percent.pairs);
  }
  return text;
}

std::string to_format(const StudyResult& result, std::string_view format) {
  if (format == "json") {
    return to_json(result);
  }
  return format == "yaml" ? to_yaml(result) : to_table(result);
}

std::string placements_csv(const StudyResult& result) {
  std::string text = "policy,seed,order,pod,node,gpus\n";
  for (const PolicyResult& policy : result.policies) {
    for (const Run& run : policy.runs) {
      for (std::size_t order = 0; order < run.placements.size(); ++order) {
        const PlacementRow& row = run.placements[order];
        text += fmt::format("{},{},{},{},{},", csv_field(policy.policy), run.seed, order,
                            csv_field(row.pod), csv_field(row.node));
        for (std::size_t i = 0; i < row.gpus.size(); ++i) {
          text += fmt::format("{}{}", i == 0 ? "" : "|", row.gpus[i]);
        }
        text += '\n';
      }
    }
  }
  return text;
}

std::string number_text(double value) {
  return is_whole(value) ? fmt::format("{:.0f}", value) : fmt::format("{}", value);
}

namespace {

// Cells as wide as the widest of their column; those behind the first on the right, if wanted.
std::string laid_out(const std::vector<std::vector<std::string>>& rows, bool right) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], columns_of(row[i]));
    }
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string pad(widths[i] - columns_of(row[i]), ' ');
      line += i == 0 ? "" : "  ";
      line += right && i > 0 ? pad + row[i] : row[i] + pad;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

}  // namespace

std::string aligned(const std::vector<std::vector<std::string>>& rows) {
  return laid_out(rows, true);
}

std::string columns(const std::vector<std::vector<std::string>>& rows) {
  return laid_out(rows, false);
}

namespace {

std::unexpected<Error> cannot_write(const std::string& path, int why) {
  return failed(fmt::format("{}: cannot write: {}", path, std::strerror(why)));
}

}  // namespace

Result<void> check_writable(const std::string& path) {
  std::error_code none;
  const auto status = std::filesystem::status(path, none);
  if (path.empty()) {
    return {};
  }
  if (std::filesystem::is_directory(status)) {
    return cannot_write(path, EISDIR);
  }
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const bool in_place =
      std::filesystem::exists(status) && !std::filesystem::is_regular_file(status);
  if (::access(in_place ? path.c_str() : folder.c_str(), W_OK) != 0) {
    return cannot_write(path, errno);
  }
  return {};
}

Result<void> write_file(const std::string& path, std::string_view content) {
  std::error_code none;
  // A device or pipe is written to, and a link followed: a rename would replace them.
  const auto status = std::filesystem::status(path, none);
  const bool in_place =
      std::filesystem::exists(status) && !std::filesystem::is_regular_file(status);
  const std::string target =
      std::filesystem::is_symlink(path, none) && !in_place && std::filesystem::exists(status)
          ? std::filesystem::canonical(path, none).string()
          : path;
  const std::string written_to = in_place ? target : fmt::format("{}.{}.tmp", target, ::getpid());
  const int flags = in_place ? O_WRONLY | O_CLOEXEC : O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
  const int file = ::open(written_to.c_str(), flags, 0644);
  bool good = file >= 0;
  int why = errno;
  while (good && !content.empty()) {
    const ssize_t written = ::write(file, content.data(), content.size());
    if (written < 0 && errno != EINTR) {
      good = false;
      why = errno;
    } else if (written > 0) {
      content.remove_prefix(static_cast<std::size_t>(written));
    }
  }
  if (file >= 0 && ::close(file) != 0 && good) {
    good = false;
    why = errno;
  }
  if (good && !in_place && std::rename(written_to.c_str(), target.c_str()) != 0) {
    good = false;
    why = errno;
  }
  if (!good) {
    if (file >= 0 && !in_place) {
      ::unlink(written_to.c_str());
    }
    return cannot_write(path, why);
  }
  return {};
}

}  // namespace plimsoll::cli
