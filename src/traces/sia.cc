#include "traces/sia.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include "base/random.h"
#include "traces/csv.h"
#include "traces/gpu_job.h"
#include "traces/load.h"

namespace plimsoll::traces {
namespace {

constexpr double seconds_max = 1e9;
constexpr double batch_max = 1e9;
constexpr double iterations_max = 1e12;
constexpr std::int64_t replicas_max = 100'000;
constexpr std::size_t placement_nodes_max = 64;

template <typename Item, typename Key>
const Item* find_by(const std::vector<Item>& items, const Key& key, auto member) {
  const auto found = std::ranges::lower_bound(items, key, {}, member);
  return found != items.end() && (*found).*member == key ? &*found : nullptr;
}

bool is_placement(std::string_view text) {
  return !text.empty() && text.size() <= placement_nodes_max &&
         std::ranges::all_of(text, [](char digit) { return digit >= '1' && digit <= '9'; });
}

// The number in "validation-<n>.csv" or "workload-<n>.csv", once prefix and suffix are off.
Result<std::int64_t> number_in_name(const std::string& folder, const std::string& text) {
  std::int64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc{} || end != text.data() + text.size() || number < 1) {
    return bad_input(
        fmt::format("{}: file name: found {}, expected a positive integer", folder, quoted(text)));
  }
  return number;
}

Result<SiaApplication> read_application(const std::string& folder, const std::string& name) {
  SiaApplication application;
  application.name = name;
  std::map<std::string, SiaHardware> hardware;
  const auto of_file = [&](const std::string& suffix) -> SiaHardware& {
    const std::string key = suffix.empty() ? std::string(sia_default_hardware) : suffix.substr(1);
    SiaHardware& found = hardware[key];
    found.name = key;
    return found;
  };
  for (const std::string& suffix : TRY(list_folder(folder, "placements", ".csv"))) {
    const std::string path = fmt::format("{}/placements{}.csv", folder, suffix);
    const std::string text = TRY(load(path));
    of_file(suffix).placements = TRY(parse_sia_placements(text, path));
  }
  for (const std::string& suffix : TRY(list_folder(folder, "scalability", ".csv"))) {
    const std::string path = fmt::format("{}/scalability{}.csv", folder, suffix);
    const std::string text = TRY(load(path));
    of_file(suffix).scalability = TRY(parse_sia_scalability(text, path));
  }
  for (const std::string& batch : TRY(list_folder(folder, "validation-", ".csv"))) {
    const std::string path = fmt::format("{}/validation-{}.csv", folder, batch);
    const std::int64_t batch_size = TRY(number_in_name(folder, batch));
    const std::string text = TRY(load(path));
    application.validation.push_back(TRY(parse_sia_validation(text, path, batch_size)));
  }
  for (auto& [key, value] : hardware) {
    application.hardware.push_back(std::move(value));
  }
  std::ranges::sort(application.validation, {}, &SiaValidation::batch_size);
  return application;
}

Result<void> check_against(const SiaTables& tables, const CsvReader& reader,
                           std::size_t application_column, std::size_t batch_column,
                           model::Job& job) {
  const SiaApplication* application = tables.find(job.profile);
  if (application == nullptr) {
    std::vector<std::string_view> names;
    for (const SiaApplication& known : tables.applications) {
      names.push_back(known.name);
    }
    return reader.unexpected(application_column, fmt::format("one of {}", fmt::join(names, ", ")));
  }
  const SiaValidation* validation = application->find_validation(job.batch_size);
  if (validation == nullptr) {
    std::vector<std::int64_t> sizes;
    for (const SiaValidation& known : application->validation) {
      sizes.push_back(known.batch_size);
    }
    return reader.unexpected(batch_column, fmt::format("one of {}", fmt::join(sizes, ", ")));
  }
  job.iterations = validation->iterations;
  return {};
}

}  // namespace

const SiaHardware* SiaApplication::find_hardware(std::string_view hardware_name) const {
  return find_by(hardware, hardware_name, &SiaHardware::name);
}
const SiaValidation* SiaApplication::find_validation(std::int64_t batch_size) const {
  return find_by(validation, batch_size, &SiaValidation::batch_size);
}
const SiaApplication* SiaTables::find(std::string_view application) const {
  return find_by(applications, application, &SiaApplication::name);
}

Result<std::vector<SiaPlacementRow>> parse_sia_placements(std::string_view text,
                                                          const std::string& name) {
  enum Column : std::size_t { placement, local_bsz, step_time, sync_time };
  constexpr std::array<CsvColumn, 4> columns = {
      {{"placement"}, {"local_bsz"}, {"step_time"}, {"sync_time"}}};
  CsvReader reader = TRY(CsvReader::make(text, name, columns));
  std::vector<SiaPlacementRow> rows;
  while (TRY(reader.next())) {
    SiaPlacementRow row;
    row.placement = reader.text(placement);
    if (!is_placement(row.placement)) {
      return reader.unexpected(
          placement, fmt::format("1 to {} digits from 1 to 9, one a node", placement_nodes_max));
    }
    row.local_bsz = TRY(reader.number(local_bsz, 1, batch_max));
    row.step_time = TRY(reader.number(step_time, 1e-9, seconds_max));
    row.sync_time = TRY(reader.number(sync_time, 0, seconds_max));
    rows.push_back(std::move(row));
  }
  return rows;
}

Result<std::vector<SiaScalabilityRow>> parse_sia_scalability(std::string_view text,
                                                             const std::string& name) {
  enum Column : std::size_t { nodes, replicas, local_bsz, step_time, sync_time };
  constexpr std::array<CsvColumn, 5> columns = {
      {{"num_nodes"}, {"num_replicas"}, {"local_bsz"}, {"step_time"}, {"sync_time"}}};
  CsvReader reader = TRY(CsvReader::make(text, name, columns));
  std::vector<SiaScalabilityRow> rows;
  while (TRY(reader.next())) {
    SiaScalabilityRow row;
    row.nodes = static_cast<std::int32_t>(TRY(reader.integer(nodes, 1, replicas_max)));
    row.replicas = static_cast<std::int32_t>(TRY(reader.integer(replicas, 1, replicas_max)));
    row.local_bsz = TRY(reader.number(local_bsz, 1, batch_max));
    row.step_time = TRY(reader.number(step_time, 1e-9, seconds_max));
    row.sync_time = TRY(reader.number(sync_time, 0, seconds_max));
    rows.push_back(row);
  }
  return rows;
}

Result<SiaValidation> parse_sia_validation(std::string_view text, const std::string& name,
                                           std::int64_t batch_size) {
  enum Column : std::size_t { progress, iteration };
  constexpr std::array<CsvColumn, 2> columns = {{{"progress"}, {"iteration"}}};
  CsvReader reader = TRY(CsvReader::make(text, name, columns));
  SiaValidation last{.batch_size = batch_size};
  while (TRY(reader.next())) {
    const double iterations = TRY(reader.number(iteration, 0, iterations_max));
    if (iterations <= last.iterations) {
      return reader.unexpected(iteration,
                               fmt::format("more than {} of the row before", last.iterations));
    }
    last.iterations = iterations;
    last.progress = TRY(reader.number(progress, 0, iterations_max));
  }
  if (last.iterations == 0) {
    return reader.error("row", "no row", "at least one");
  }
  return last;
}

Result<SiaTables> read_sia_throughput(const std::string& data) {
  const std::string root = data_folder(data, "throughput/sia");
  SiaTables tables;
  for (const std::string& name : TRY(list_folder(root, "", ""))) {
    const std::string folder = fmt::format("{}/{}", root, name);
    if (data_folder(root, name) != folder) {
      continue;  // a file beside the folders
    }
    SiaApplication application = TRY(read_application(folder, name));
    if (!application.hardware.empty()) {
      tables.applications.push_back(std::move(application));
    }
  }
  if (tables.applications.empty()) {
    return bad_input(
        fmt::format("{}: found no <application>/placements*.csv, expected at least one", root));
  }
  return tables;
}

Result<model::Workload> parse_sia_workload(std::string_view text, const std::string& name,
                                           const SiaTables* tables) {
  enum Column : std::size_t { job_name, time, application, replicas, batch };
  constexpr std::array<CsvColumn, 5> columns = {
      {{"name"}, {"time"}, {"application"}, {"num_replicas"}, {"batch_size"}}};
  CsvReader reader = TRY(CsvReader::make(text, name, columns));
  model::Workload workload;
  workload.specs.push_back(gpu_pod(1));
  std::map<std::string, std::int64_t, std::less<>> lines;
  while (TRY(reader.next())) {
    model::Job job;
    job.name = TRY(reader.name(job_name));
    const auto [slot, added] = lines.try_emplace(job.name, reader.line());
    if (!added) {
      return reader.error(
          "name", fmt::format("{} of line {} again", quoted(job.name), slot->second), "a new name");
    }
    job.submitted = Time{} + seconds(TRY(reader.number(time, 0, seconds_max)));
    job.profile = TRY(reader.name(application));
    job.members = static_cast<std::int32_t>(TRY(reader.integer(replicas, 1, replicas_max)));
    job.batch_size = TRY(reader.integer(batch, 1, static_cast<std::int64_t>(batch_max)));
    job.spec = SpecId(0);
    if (tables != nullptr) {
      TRY_VOID(check_against(*tables, reader, application, batch, job));
    }
    workload.jobs.push_back(std::move(job));
  }
  std::ranges::stable_sort(workload.jobs, {}, &model::Job::submitted);
  return workload;
}

Result<model::Workload> read_sia_workload(const std::string& data, const std::string& set,
                                          std::int32_t n, const SiaTables* tables) {
  const std::string path =
      fmt::format("{}/workload-{}.csv", data_folder(data, "jobs/sia/" + set), n);
  const std::string text = TRY(load(path));
  return parse_sia_workload(text, path, tables);
}

Result<model::Workload> read_sia_pool(const std::string& data, const std::string& set,
                                      const SiaTables* tables) {
  const std::string folder = data_folder(data, "jobs/sia/" + set);
  model::Workload pool;
  for (const std::string& n : TRY(list_folder(folder, "workload-", ".csv"))) {
    const std::string path = fmt::format("{}/workload-{}.csv", folder, n);
    const std::string text = TRY(load(path));
    model::Workload one = TRY(parse_sia_workload(text, path, tables));
    pool.specs = std::move(one.specs);
    for (model::Job& job : one.jobs) {
      job.name = fmt::format("{}-{}", job.name, n);
      pool.jobs.push_back(std::move(job));
    }
  }
  if (pool.jobs.empty()) {
    return bad_input(
        fmt::format("{}: found no job in any workload-<n>.csv, expected some", folder));
  }
  std::ranges::stable_sort(pool.jobs, {}, &model::Job::submitted);
  return pool;
}

model::Workload draw_poisson(const model::Workload& pool, std::size_t count, Duration mean_interval,
                             std::uint64_t seed) {
  check(!pool.jobs.empty() && mean_interval > Duration{}, "a pool and an interval to draw with");
  Random random(seed);
  model::Workload drawn;
  drawn.specs = pool.specs;
  drawn.jobs.reserve(count);
  double at = 0;
  for (std::size_t i = 0; i < count; ++i) {
    at += random.exponential(to_seconds(mean_interval));
    model::Job job = pool.jobs[random.below(pool.jobs.size())];
    job.name = fmt::format("job-{}", i);
    job.submitted = Time{} + seconds(at);
    drawn.jobs.push_back(std::move(job));
  }
  return drawn;
}

}  // namespace plimsoll::traces
