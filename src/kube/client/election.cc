#include "kube/client/election.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "kube/client/timestamp.h"

namespace plimsoll::kube {
namespace {

using nlohmann::json;

constexpr std::int64_t us_per_second = 1'000'000;

std::string dumped(const json& object) {
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string text_of(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::int64_t number_of(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
}

json spec_of(const ElectionOptions& options, std::int64_t acquired_us, std::int64_t renewed_us,
             std::int64_t transitions) {
  return {{"holderIdentity", options.identity},
          {"leaseDurationSeconds", options.lease_duration.count()},
          {"acquireTime", format_micro_time(acquired_us)},
          {"renewTime", format_micro_time(renewed_us)},
          {"leaseTransitions", transitions}};
}

// The object with its spec's fields replaced; what others put into it stays.
std::string with_spec(const std::string& object, const json& spec) {
  json whole = json::parse(object, nullptr, false);
  for (const auto& [key, value] : spec.items()) {
    whole["spec"][key] = value;
  }
  return dumped(whole);
}

}  // namespace

Result<void> check_election(const ElectionOptions& options) {
  if (options.identity.empty() || options.name.empty() || options.name_space.empty()) {
    return bad_input("leader election: found no name, namespace or identity, expected all three");
  }
  if (options.retry_period.count() <= 0 || options.renew_deadline <= options.retry_period ||
      options.lease_duration <= options.renew_deadline) {
    return bad_input(
        fmt::format("leader election: found a lease of {} s, renewed within {} s, tried every {} "
                    "s; expected the first to be the longest and the last the shortest",
                    options.lease_duration.count(), options.renew_deadline.count(),
                    options.retry_period.count()));
  }
  return {};
}

ApiResult<LeaseRecord> parse_lease(std::string_view text) {
  const json object = json::parse(text, nullptr, false);
  const bool has_spec =
      object.is_object() && (!object.contains("spec") || object["spec"].is_object());
  if (!has_spec || !object.contains("metadata") || !object["metadata"].is_object() ||
      text_of(object["metadata"], "resourceVersion").empty()) {
    return std::unexpected(
        ApiError{.kind = ApiError::Kind::malformed, .message = "found an answer that is no Lease"});
  }
  LeaseRecord record{.object = std::string(text)};
  if (const auto spec = object.find("spec"); spec != object.end()) {
    record.holder = text_of(*spec, "holderIdentity");
    record.duration_s = number_of(*spec, "leaseDurationSeconds");
    record.acquired_unix_us = parse_timestamp(text_of(*spec, "acquireTime")).value_or(0);
    record.renewed_unix_us = parse_timestamp(text_of(*spec, "renewTime")).value_or(0);
    record.transitions = number_of(*spec, "leaseTransitions");
  }
  return record;
}

bool Election::valid(Now now) const {
  return now.boot_us < observed_boot_us_ + observed_.duration_s * us_per_second;
}

void Election::observe(Now now, const LeaseRecord& record) {
  if (!observed_.same_term(record)) {
    observed_boot_us_ = now.boot_us;
  }
  observed_ = record;
}

Election::Ask Election::begin_round(Now now) {
  check_deadline(now);
  skipped_read_ = leading_ && ours() && valid(now) && !observed_.object.empty();
  return skipped_read_ ? update(now) : Ask(Read{});
}

Election::Ask Election::read_answered(Now now, const ApiResult<LeaseRecord>& answer) {
  if (!answer) {
    if (!answer.error().not_found()) {
      return Rest{};
    }
    write_began_us_ = now.boot_us;
    return Create{
        dumped({{"apiVersion", "coordination.k8s.io/v1"},
                {"kind", "Lease"},
                {"metadata", {{"name", options_.name}, {"namespace", options_.name_space}}},
                {"spec", spec_of(options_, now.unix_us, now.unix_us, 0)}})};
  }
  observe(now, *answer);
  if (!observed_.holder.empty() && !ours() && valid(now)) {
    leading_ = false;  // somebody took it while we could not renew
    return Rest{};
  }
  return update(now);
}

Election::Ask Election::update(Now now) {
  write_began_us_ = now.boot_us;
  const std::int64_t acquired = ours() ? observed_.acquired_unix_us : now.unix_us;
  const std::int64_t transitions = observed_.transitions + (ours() ? 0 : 1);
  return Update{with_spec(observed_.object, spec_of(options_, acquired, now.unix_us, transitions))};
}

Election::Ask Election::write_answered(Now now, const ApiResult<LeaseRecord>& answer) {
  if (!answer) {
    // What we believe of the Lease may be old: look at it before the next try.
    const bool again = std::exchange(skipped_read_, false);
    observed_.object.clear();
    check_deadline(now);
    return again && leading_ ? Ask(Read{}) : Ask(Rest{});
  }
  observe(now, *answer);
  skipped_read_ = false;
  const std::int64_t until =
      write_began_us_ + std::chrono::microseconds(options_.renew_deadline).count();
  // An answer that took longer than that proves nothing any more.
  leading_ = ours() && now.boot_us < until;
  fence_until_us_ = until;
  return Rest{};
}

void Election::check_deadline(Now now) {
  if (leading_ && now.boot_us >= fence_until_us_) {
    leading_ = false;
  }
}

Election::Ask Election::release(Now now) {
  check_deadline(now);
  if (!std::exchange(leading_, false) || observed_.object.empty()) {
    return Rest{};
  }
  json spec = spec_of(options_, now.unix_us, now.unix_us, observed_.transitions);
  spec["holderIdentity"] = "";
  spec["leaseDurationSeconds"] = 1;
  return Update{with_spec(observed_.object, spec)};
}

}  // namespace plimsoll::kube
