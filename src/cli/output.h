// A StudyResult as a table, JSON or YAML, and files that are there whole or not at all.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/study.h"

namespace plimsoll::cli {

struct Statistics {
  double mean = 0;
  double sd = 0;  // of the sample (n - 1); 0 for one run
};
// Of metric number `metric` over the policy's runs. Requires: there are runs.
Statistics statistics(const PolicyResult& policy, std::size_t metric);

// One line: {"study":…,"variant":…,"policies":[{"policy":…,"mean":{…},"sd":{…},"runs":[…]}]}.
std::string to_json(const StudyResult& result);
// The same structure.
std::string to_yaml(const StudyResult& result);
// A row a metric, a column a policy: mean ± sd.
std::string to_table(const StudyResult& result);
// By --output's name.
std::string to_format(const StudyResult& result, std::string_view format);

// Any value as one line of JSON, or as YAML. Text that is not UTF-8 is replaced.
std::string json_text(const nlohmann::ordered_json& value);
std::string yaml_text(const nlohmann::ordered_json& value);

// `policy,seed,order,pod,node,gpus`, one row an arrival, GPU indices joined by `|`.
std::string placements_csv(const StudyResult& result);

// A number as short as it can be read back the same; whole numbers without a point.
std::string number_text(double value);

// Columns aligned to the left, two spaces between them; the last may be of any length.
std::string columns(const std::vector<std::vector<std::string>>& rows);
// Columns aligned: the first to the left, the others to the right; the first row is the head.
std::string aligned(const std::vector<std::vector<std::string>>& rows);

// Whether write_file() has a chance, so that a long run need not find out at its end. An empty path
// is fine. The error is write_file()'s.
Result<void> check_writable(const std::string& path);

// Writes a file beside `path` and renames it, so that `path` is old or new, never half. A link is
// followed; a device or pipe is written to as it is.
Result<void> write_file(const std::string& path, std::string_view content);

}  // namespace plimsoll::cli
