#include "traces/philly.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <map>
#include <optional>

#include "traces/csv.h"
#include "traces/gpu_job.h"
#include "traces/load.h"

namespace plimsoll::traces {
namespace {

constexpr std::int64_t gpus_max = 100'000;
constexpr std::int32_t pod_gpus_max = 8;
constexpr double duration_seconds_max = 1e9;
constexpr double gpu_time_tolerance_seconds = 1;

bool all_digits(std::string_view text) {
  return std::ranges::all_of(text, [](char digit) { return digit >= '0' && digit <= '9'; });
}

int number_at(std::string_view text, std::size_t at, std::size_t length) {
  int number = 0;
  std::from_chars(text.data() + at, text.data() + at + length, number);
  return number;
}

// Seconds since 1970 of "YYYY-MM-DD hh:mm:ss", or none.
std::optional<std::int64_t> parse_timestamp(std::string_view text) {
  constexpr std::string_view pattern = "0000-00-00 00:00:00";
  if (text.size() != pattern.size()) {
    return std::nullopt;
  }
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '0' ? !all_digits(text.substr(i, 1)) : text[i] != pattern[i]) {
      return std::nullopt;
    }
  }
  const std::chrono::year_month_day date{
      std::chrono::year(number_at(text, 0, 4)),
      std::chrono::month(static_cast<unsigned>(number_at(text, 5, 2))),
      std::chrono::day(static_cast<unsigned>(number_at(text, 8, 2)))};
  const int hour = number_at(text, 11, 2);
  const int minute = number_at(text, 14, 2);
  const int second = number_at(text, 17, 2);
  if (!date.ok() || hour > 23 || minute > 59 || second > 59) {
    return std::nullopt;
  }
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return ((days * 24 + hour) * 60 + minute) * 60 + second;
}

std::int32_t pod_gpus(std::int32_t job_gpus) {
  std::int32_t gpus = std::min(job_gpus, pod_gpus_max);
  while (job_gpus % gpus != 0) {
    --gpus;
  }
  return gpus;
}

}  // namespace

Result<model::Workload> parse_philly(std::string_view text, const std::string& name) {
  enum Column : std::size_t { timestamp, duration, num_gpus, gpu_time, cluster };
  constexpr std::array<CsvColumn, 5> columns = {
      {{"timestamp"}, {"duration"}, {"num_gpus"}, {"gpu_time"}, {"cluster"}}};
  CsvReader reader = TRY(CsvReader::make(text, name, columns));
  model::Workload workload;
  std::map<std::int32_t, SpecId> spec_of_gpus;
  while (TRY(reader.next())) {
    const auto submitted = parse_timestamp(reader.text(timestamp));
    if (!submitted) {
      return reader.unexpected(timestamp, "a time like 2017-10-09 07:01:55");
    }
    model::Job job;
    job.submitted = Time{} + seconds(*submitted);
    const double lasted = TRY(reader.number(duration, 0.001, duration_seconds_max));
    job.duration = seconds(lasted);
    const auto gpus = static_cast<std::int32_t>(TRY(reader.integer(num_gpus, 1, gpus_max)));
    const double product = lasted * gpus;
    const double stated = TRY(reader.number(gpu_time, 0, duration_seconds_max * gpus_max));
    if (std::abs(stated - product) > gpu_time_tolerance_seconds) {
      return reader.unexpected(gpu_time, fmt::format("duration x num_gpus = {}", product));
    }
    job.tenant = TRY(reader.name(cluster));
    job.name = fmt::format("philly-{}", reader.line());
    const std::int32_t each = pod_gpus(gpus);
    job.members = gpus / each;
    const auto [spec, added] =
        spec_of_gpus.try_emplace(each, SpecId(static_cast<std::uint32_t>(workload.specs.size())));
    if (added) {
      workload.specs.push_back(gpu_pod(each));
    }
    job.spec = spec->second;
    workload.jobs.push_back(std::move(job));
  }
  std::ranges::stable_sort(workload.jobs, {}, &model::Job::submitted);
  if (!workload.jobs.empty()) {
    const Duration first = workload.jobs.front().submitted - Time{};
    for (model::Job& job : workload.jobs) {
      job.submitted = Time{} + (job.submitted - Time{} - first);
    }
  }
  return workload;
}

Result<model::Workload> read_philly(const std::string& data) {
  std::error_code ignored;
  const std::string path = std::filesystem::is_directory(data, ignored)
                               ? data_folder(data, "jobs") + "/philly.csv.gz"
                               : data;
  const std::string text = TRY(load(path));
  return parse_philly(text, path);
}

}  // namespace plimsoll::traces
