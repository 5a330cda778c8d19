#include "traces/gavel.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <tuple>

#include "traces/csv.h"
#include "traces/load.h"

namespace plimsoll::traces {
namespace {

namespace dom = simdjson::dom;

constexpr double rate_max = 1e9;
constexpr std::int32_t gpus_max = 100'000;
constexpr std::string_view spread_suffix = "_unconsolidated";

// The place in the file that an error is about.
struct Place {
  const std::string& file;
  std::string_view hardware;
  std::string_view job;
  std::string_view field;

  [[nodiscard]] std::unexpected<Error> error(std::string_view found,
                                             std::string_view expected) const {
    constexpr std::size_t part_bytes_max = 80;
    std::string where;
    for (const std::string_view part : {hardware, job, field}) {
      where += where.empty() || part.empty() ? "" : ".";
      where += printable(part, part_bytes_max);
    }
    return bad_input(fmt::format("{}: {}: found {}, expected {}", file,
                                 where.empty() ? "JSON" : where, found, expected));
  }
};

std::string_view kind_of(const dom::element& element) {
  switch (element.type()) {
    case dom::element_type::ARRAY:
      return "an array";
    case dom::element_type::OBJECT:
      return "an object";
    case dom::element_type::STRING:
      return "a string";
    case dom::element_type::BOOL:
      return "a boolean";
    case dom::element_type::NULL_VALUE:
      return "null";
    default:
      return "a number";
  }
}

Result<double> rate_of(const dom::element& element, const Place& place) {
  double rate = 0;
  if (element.get(rate) != simdjson::SUCCESS) {
    return place.error(kind_of(element), "iterations per second");
  }
  if (!std::isfinite(rate) || rate < 0 || rate > rate_max) {
    return place.error(fmt::format("{}", rate), fmt::format("a number from 0 to {}", rate_max));
  }
  return rate;
}

Result<dom::object> object_of(const dom::element& element, const Place& place,
                              std::string_view expected) {
  dom::object object;
  if (element.get(object) != simdjson::SUCCESS) {
    return place.error(kind_of(element), expected);
  }
  return object;
}

using JobKey = std::pair<std::string_view, std::int32_t>;

// "('type', gpus)", or just "type" for one GPU.
Result<JobKey> parse_key(std::string_view key, const Place& place) {
  constexpr std::string_view open = "('";
  constexpr std::string_view middle = "', ";
  if (!key.starts_with(open)) {
    return key.empty() ? Result<JobKey>(place.error("an empty name", "a job type"))
                       : JobKey(key, 1);
  }
  const std::size_t end = key.rfind(middle);
  std::int32_t gpus = 0;
  if (end != std::string_view::npos && end > open.size() && key.ends_with(')')) {
    const char* const first = key.data() + end + middle.size();
    const char* const last = key.data() + key.size() - 1;
    const auto [stop, failure] = std::from_chars(first, last, gpus);
    if (failure == std::errc{} && stop == last && gpus >= 1 && gpus <= gpus_max) {
      return JobKey(key.substr(open.size(), end - open.size()), gpus);
    }
  }
  return place.error(quoted(key), "('job type', GPUs)");
}

Result<GavelHardware> parse_hardware(std::string_view key, const dom::element& value,
                                     const std::string& file) {
  GavelHardware hardware;
  hardware.packed = !key.ends_with(spread_suffix);
  hardware.name = hardware.packed ? key : key.substr(0, key.size() - spread_suffix.size());
  const Place here{file, key, {}, {}};
  if (hardware.name.empty()) {
    return here.error("an empty name", "a kind of GPU");
  }
  const dom::object jobs = TRY(object_of(value, here, "an object of job types"));
  std::map<JobKey, std::pair<std::string_view, dom::element>> values;
  for (const auto& [job_key, job_value] : jobs) {
    const JobKey job = TRY(parse_key(job_key, here));
    if (!values.try_emplace(job, job_key, job_value).second) {
      return here.error(fmt::format("{} twice", quoted(job_key)), "each job once");
    }
  }
  std::map<JobKey, std::uint32_t> index_of;
  for (const auto& [job, entry] : values) {
    index_of.emplace(job, static_cast<std::uint32_t>(index_of.size()));
  }
  for (const auto& [job, entry] : values) {
    const auto& [job_key, job_value] = entry;
    const Place at_job{file, key, job_key, {}};
    const dom::object rates = TRY(object_of(job_value, at_job, "an object of rates"));
    GavelJob parsed{.type = std::string(job.first), .gpus = job.second};
    bool alone = false;
    std::vector<bool> seen(index_of.size());
    for (const auto& [field, rate] : rates) {
      const Place at_field{file, key, job_key, field};
      if (field == "null") {
        if (alone) {
          return at_field.error("it twice", "it once");
        }
        parsed.rate = TRY(rate_of(rate, at_field));
        alone = true;
        continue;
      }
      const JobKey partner = TRY(parse_key(field, at_job));
      const auto other = index_of.find(partner);
      if (other == index_of.end()) {
        return at_field.error("no such job", "a job of this hardware");
      }
      if (seen[other->second]) {
        return at_field.error("it twice", "it once");
      }
      seen[other->second] = true;
      dom::array both;
      if (rate.get(both) != simdjson::SUCCESS || both.size() != 2) {
        return at_field.error(kind_of(rate), "an array of two rates");
      }
      GavelPair pair{.other = other->second};
      pair.own_rate = TRY(rate_of(both.at(0).value_unsafe(), at_field));
      pair.other_rate = TRY(rate_of(both.at(1).value_unsafe(), at_field));
      parsed.pairs.push_back(pair);
    }
    if (!alone) {
      return at_job.error("no field 'null'", "the rate of the job alone");
    }
    hardware.jobs.push_back(std::move(parsed));
  }
  return hardware;
}

}  // namespace

const GavelJob* GavelHardware::find(std::string_view type, std::int32_t gpus) const {
  const auto key = [](const GavelJob& job) {
    return std::pair<std::string_view, std::int32_t>(job.type, job.gpus);
  };
  const std::pair<std::string_view, std::int32_t> wanted(type, gpus);
  const auto found = std::ranges::lower_bound(jobs, wanted, {}, key);
  return found != jobs.end() && key(*found) == wanted ? &*found : nullptr;
}

const GavelHardware* GavelTable::find(std::string_view name, bool packed) const {
  const auto found = std::ranges::find_if(
      hardware, [&](const GavelHardware& one) { return one.name == name && one.packed == packed; });
  return found != hardware.end() ? &*found : nullptr;
}

Result<GavelTable> parse_gavel(std::string_view text, const std::string& name) {
  dom::parser parser;
  const simdjson::padded_string padded(text);
  dom::element root;
  const Place top{name, {}, {}, {}};
  if (const auto failure = parser.parse(padded).get(root); failure != simdjson::SUCCESS) {
    return top.error(fmt::format("'{}'", simdjson::error_message(failure)), "valid JSON");
  }
  GavelTable table;
  for (const auto& [key, value] : TRY(object_of(root, top, "an object of kinds of GPU"))) {
    GavelHardware hardware = TRY(parse_hardware(key, value, name));
    if (table.find(hardware.name, hardware.packed) != nullptr) {
      return top.error(fmt::format("{} twice", quoted(key)), "each kind of GPU once");
    }
    table.hardware.push_back(std::move(hardware));
  }
  return table;
}

Result<GavelTable> read_gavel(const std::string& data, const std::string& file) {
  const std::string path =
      fmt::format("{}/{}_throughputs.json", data_folder(data, "throughput/gavel"), file);
  const std::string text = TRY(load(path));
  return parse_gavel(text, path);
}

}  // namespace plimsoll::traces
