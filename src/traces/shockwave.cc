#include "traces/shockwave.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "traces/csv.h"
#include "traces/gpu_job.h"
#include "traces/load.h"

namespace plimsoll::traces {
namespace {

constexpr std::string_view hardware_name = "v100";
constexpr std::size_t type_bytes_max = 80;  // in an error message
constexpr double arrival_seconds_max = 1e9;
constexpr double duration_seconds_max = 1e9;
constexpr std::int64_t steps_max = 1'000'000'000'000;
constexpr std::int64_t gpus_max = 100'000;

// The number in "Type (batch size 10)"; 0 if there is none.
std::int64_t batch_size_of(std::string_view type) {
  constexpr std::string_view open = " (batch size ";
  const std::size_t at = type.rfind(open);
  if (at == std::string_view::npos || !type.ends_with(')')) {
    return 0;
  }
  const char* const first = type.data() + at + open.size();
  const char* const last = type.data() + type.size() - 1;
  std::int64_t batch = 0;
  const auto [stop, failure] = std::from_chars(first, last, batch);
  return failure == std::errc{} && stop == last && batch > 0 ? batch : 0;
}

const GavelJob* rate_of(const GavelTable& rates, const ShockwaveJob& job) {
  const GavelHardware* hardware = rates.find(hardware_name);
  const GavelJob* found = hardware == nullptr ? nullptr : hardware->find(job.type, job.gpus);
  return found != nullptr && found->rate > 0 ? found : nullptr;
}

}  // namespace

Result<std::vector<ShockwaveJob>> parse_shockwave_jobs(std::string_view text,
                                                       const std::string& name) {
  enum Column : std::size_t { type, steps = 5, gpus = 6, mode = 7, arrival = 11 };
  constexpr std::array<CsvColumn, 12> columns = {{{"type"},
                                                  {"command"},
                                                  {"folder"},
                                                  {"steps_flag"},
                                                  {"needs_data"},
                                                  {"steps"},
                                                  {"gpus"},
                                                  {"mode"},
                                                  {"priority_weight"},
                                                  {"objective"},
                                                  {"duration"},
                                                  {"arrival"}}};
  CsvReader reader = CsvReader::headerless(text, name, columns, '\t');
  std::vector<ShockwaveJob> jobs;
  while (TRY(reader.next())) {
    ShockwaveJob job;
    job.type = TRY(reader.name(type));
    job.batch_size = batch_size_of(job.type);
    if (job.batch_size == 0) {
      return reader.unexpected(type, "a type like 'LM (batch size 10)'");
    }
    job.steps = TRY(reader.integer(steps, 1, steps_max));
    job.gpus = static_cast<std::int32_t>(TRY(reader.integer(gpus, 1, gpus_max)));
    constexpr std::array<std::string_view, 3> modes = {"static", "accordion", "gns"};
    const auto found = std::ranges::find(modes, reader.text(mode));
    if (found == modes.end()) {
      return reader.unexpected(mode, "static, accordion or gns");
    }
    job.mode = static_cast<BatchMode>(found - modes.begin());
    job.arrival = Time{} + seconds(TRY(reader.number(arrival, 0, arrival_seconds_max)));
    jobs.push_back(std::move(job));
  }
  if (jobs.empty()) {
    return bad_input(fmt::format("{}: found no job, expected at least one", name));
  }
  std::ranges::stable_sort(jobs, {}, &ShockwaveJob::arrival);
  return jobs;
}

Result<ShockwaveTrace> join_shockwave(std::vector<ShockwaveJob> jobs, GavelTable rates,
                                      const std::string& rates_name) {
  for (const ShockwaveJob& job : jobs) {
    const auto error = [&](std::string_view found, std::string_view expected) {
      return bad_input(fmt::format("{}: {}.('{}', {}): found {}, expected {}", rates_name,
                                   hardware_name, printable(job.type, type_bytes_max), job.gpus,
                                   found, expected));
    };
    const GavelJob* rate = rate_of(rates, job);
    if (rate == nullptr) {
      return error("no rate", "one above 0");
    }
    if (static_cast<double>(job.steps) / rate->rate > duration_seconds_max) {
      return error(fmt::format("a rate of {} for {} steps", rate->rate, job.steps),
                   fmt::format("at most {} seconds of work", duration_seconds_max));
    }
  }
  return ShockwaveTrace{std::move(jobs), std::move(rates)};
}

Result<ShockwaveTrace> read_shockwave(const std::string& data) {
  const std::string folder = data_folder(data, "jobs/shockwave-tacc");
  const std::string jobs_path = folder + "/tacc_120jobs.trace";
  const std::string rates_path = folder + "/tacc_throughputs.json";
  const std::string jobs_text = TRY(load(jobs_path));
  const std::string rates_text = TRY(load(rates_path));
  std::vector<ShockwaveJob> jobs = TRY(parse_shockwave_jobs(jobs_text, jobs_path));
  GavelTable rates = TRY(parse_gavel(rates_text, rates_path));
  return join_shockwave(std::move(jobs), std::move(rates), rates_path);
}

model::Workload shockwave_workload(const ShockwaveTrace& trace) {
  model::Workload workload;
  workload.specs.push_back(gpu_pod(1));
  for (std::size_t i = 0; i < trace.jobs.size(); ++i) {
    const ShockwaveJob& job = trace.jobs[i];
    const GavelJob* rate = rate_of(trace.rates, job);
    check(rate != nullptr, "every job of a Shockwave trace has a rate");
    model::Job made;
    made.name = fmt::format("job-{}", i);
    made.submitted = job.arrival;
    made.spec = SpecId(0);
    made.members = job.gpus;
    made.duration = seconds(static_cast<double>(job.steps) / rate->rate);
    made.batch_size = job.batch_size;
    made.iterations = static_cast<double>(job.steps);
    workload.jobs.push_back(std::move(made));
  }
  return workload;
}

}  // namespace plimsoll::traces
