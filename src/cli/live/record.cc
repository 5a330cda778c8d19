#include "cli/live/record.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

namespace plimsoll::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr Duration duration_max = seconds(std::int64_t{1'000'000'000});
constexpr Duration flush_period = seconds(std::int64_t{1});

// Calls `visit(name, member)` for every member of a configuration that a file keeps.
void each_member(auto& config, auto visit) {
  // A member that is new stops compiling here: it decides plans, or it is left out on purpose.
  auto& [queue, placement, gangs, explain, backfill_depth, bind_backoff_first, bind_backoff_most,
         retry_blocked, gang_timeout, tell_members, preemption, victims_patience] = config;
  visit("queue", queue);
  visit("policy", placement.policy);
  visit("seed", placement.seed);
  visit("gang_rule", gangs.rule);
  visit("explain", explain);
  visit("backfill_depth", backfill_depth);
  visit("bind_backoff_first_us", bind_backoff_first);
  visit("bind_backoff_most_us", bind_backoff_most);
  visit("retry_blocked_us", retry_blocked);
  visit("gang_timeout_us", gang_timeout);
  visit("tell_members", tell_members);
  visit("preemption", preemption);
  visit("victims_patience_us", victims_patience);
}

Json to_json(Duration value) { return value.value(); }
template <typename T>
Json to_json(const T& value) {
  return value;
}

void from_json(const Json& json, Duration& value) {
  value = microseconds(json.get<std::int64_t>());
}
template <typename T>
void from_json(const Json& json, T& value) {
  value = json.get<T>();
}

bool sound(Duration value) { return value >= Duration() && value <= duration_max; }
template <typename T>
bool sound(const T& /*value*/) {
  return true;
}

std::unexpected<Error> cannot_write(const std::string& path) {
  return failed(fmt::format("{}: cannot write: {}", path, std::strerror(errno)));
}

}  // namespace

std::string configuration_text(const control::SchedulerConfig& config) {
  Json json = Json::object();
  each_member(config, [&](const char* name, const auto& value) { json[name] = to_json(value); });
  return json.dump();
}

Result<control::SchedulerConfig> read_configuration(std::string_view text) {
  const auto wrong = [](std::string_view what) {
    return bad_input(fmt::format("journal.configuration: {}", what));
  };
  Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) {
    return wrong("found no object, expected what plimsoll run --record writes");
  }
  control::SchedulerConfig config;
  std::string problem;
  each_member(config, [&](const char* name, auto& value) {
    const auto found = json.find(name);
    if (found == json.end()) {
      problem = fmt::format("{}: found none, expected a value", name);
      return;
    }
    try {
      from_json(*found, value);
      if (!sound(value)) {
        problem =
            fmt::format("{}: found {}, expected microseconds of 0 to 1e15", name, found->dump());
      }
    } catch (const Json::exception&) {
      problem = fmt::format("{}: found {}, expected another type", name, found->dump());
    }
    json.erase(found);
  });
  if (problem.empty() && !json.empty()) {
    problem = fmt::format("{}: found an unknown member", json.begin().key());
  }
  if (!problem.empty()) {
    return wrong(problem);
  }
  return config;
}

Result<Recording> Recording::open(const std::string& path, const model::Snapshot& initial,
                                  const control::SchedulerConfig& config) {
  std::unique_ptr<std::FILE, Close> file(std::fopen(path.c_str(), "wbe"));
  if (file == nullptr) {
    return cannot_write(path);
  }
  model::JournalEncoder encoder = TRY(model::JournalEncoder::make(
      {.seed = config.placement.seed,
       .configuration = configuration_text(config),
       .snapshot = initial},
      [to = file.get(), path](std::string_view bytes) -> Result<void> {
        const bool written = std::fwrite(bytes.data(), 1, bytes.size(), to) == bytes.size();
        return written && std::fflush(to) == 0 ? Result<void>() : cannot_write(path);
      }));
  return Recording(path, std::move(file), std::move(encoder), initial.now);
}

Recording::Recording(Recording&&) noexcept = default;
Recording& Recording::operator=(Recording&&) noexcept = default;

Recording::~Recording() {
  if (file_ != nullptr) {
    static_cast<void>(finish());
  }
}

Result<void> Recording::add(const control::Journal::Turn& turn, const model::Plan& plan) {
  for (const model::Delta& change : turn.changes) {
    TRY_VOID(encoder_.add(model::TimedDelta{turn.at, change}));
  }
  model::JournalTurn recorded{
      .at = turn.at, .followed = turn.followed, .deltas = turn.changes.size()};
  recorded.refused.assign(turn.refused.begin(), turn.refused.end());
  hash_.add(plan);
  if (!plan.actions.empty()) {
    recorded.plans = hash_.hex();
  }
  TRY_VOID(encoder_.add(recorded));
  ++turns_;
  if (turn.at - flushed_ >= flush_period) {
    flushed_ = turn.at;
    return encoder_.flush();
  }
  return {};
}

Result<void> Recording::finish() {
  const std::unique_ptr<std::FILE, Close> file = std::move(file_);
  return encoder_.finish();
}

}  // namespace plimsoll::cli
