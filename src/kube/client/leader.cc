#include "kube/client/leader.h"

#include <fmt/format.h>

#include <future>
#include <mutex>
#include <utility>

#include "base/random.h"
#include "kube/client/api.h"

namespace plimsoll::kube {
namespace {

constexpr std::chrono::seconds release_time_max{2};
// client-go spreads the tries of those who do not lead by this factor.
constexpr double retry_jitter = 1.2;

Election::Now now() {
  const auto wall = std::chrono::system_clock::now().time_since_epoch();
  return {.boot_us = boot_time_us(),
          .unix_us = std::chrono::duration_cast<std::chrono::microseconds>(wall).count()};
}

}  // namespace

// Everything but the fence and holder() is touched by the IO thread only.
class LeaderElector::State : public std::enable_shared_from_this<State> {
 public:
  State(Client& client, ElectionOptions options, LeaderCallbacks callbacks)
      : client_(client),
        options_(std::move(options)),
        callbacks_(std::move(callbacks)),
        election_(options_),
        jitter_(static_cast<std::uint64_t>(boot_time_us())) {}

  void round() {
    if (!stopped_) {
      const auto began = now();
      round_began_us_ = began.boot_us;
      act(election_.begin_round(began));
    }
  }

  // The release's answer, or at once if there is nothing to release.
  void stop(const std::shared_ptr<std::promise<void>>& released) {
    fence_.close();
    const Election::Ask ask = election_.release(now());
    tell();
    stopped_ = true;
    if (!std::holds_alternative<Election::Update>(ask)) {
      released->set_value();
      return;
    }
    client_.send(request_of(ask), [released](ApiResult<Response>) { released->set_value(); });
  }

  [[nodiscard]] const Fence& fence() const { return fence_; }
  [[nodiscard]] std::string holder() const {
    const std::scoped_lock lock(mutex_);
    return holder_;
  }

 private:
  Request request_of(const Election::Ask& ask) const {
    ObjectRef lease{.api_version = "coordination.k8s.io/v1",
                    .plural = "leases",
                    .name_space = options_.name_space,
                    .name = options_.name};
    Request request{.resource = "leases",
                    .retry = Retry::never,
                    .priority = Priority::urgent,
                    .deadline = std::chrono::milliseconds(options_.renew_deadline) / 2};
    if (const auto* create = std::get_if<Election::Create>(&ask)) {
      lease.name = {};
      request.method = Method::post;
      request.body = create->object;
    } else if (const auto* update = std::get_if<Election::Update>(&ask)) {
      request.method = Method::put;
      request.body = update->object;
    }
    request.path = path_of(lease);
    return request;
  }

  void act(const Election::Ask& ask) {
    tell();
    if (std::holds_alternative<Election::Rest>(ask)) {
      rest();
      return;
    }
    const bool reads = std::holds_alternative<Election::Read>(ask);
    client_.send(request_of(ask), [self = shared_from_this(), reads](ApiResult<Response> answer) {
      if (!self->stopped_) {
        self->answered(reads, std::move(answer));
      }
    });
  }

  void answered(bool reads, ApiResult<Response> answer) {
    ApiResult<LeaseRecord> record =
        answer ? parse_lease(answer->body) : std::unexpected(std::move(answer).error());
    if (!record && !record.error().not_found() && !record.error().conflict()) {
      client_.log(
          LogLevel::warning,
          to_error(record.error(), fmt::format("lease {}/{}", options_.name_space, options_.name))
              .message);
    }
    act(reads ? election_.read_answered(now(), record) : election_.write_answered(now(), record));
  }

  // Until the next round, or until the deadline that comes before it.
  void rest() {
    const std::chrono::microseconds period = options_.retry_period;
    const double factor = election_.leading() ? 1 : 1 + retry_jitter * jitter_.uniform();
    const auto next =
        round_began_us_ + static_cast<std::int64_t>(static_cast<double>(period.count()) * factor);
    const std::int64_t at = boot_time_us();
    const auto in = [at](std::int64_t boot_us) {
      return std::chrono::ceil<std::chrono::milliseconds>(
          std::chrono::microseconds(std::max<std::int64_t>(0, boot_us - at)));
    };
    client_.after(in(next), [self = shared_from_this()] { self->round(); });
    if (election_.leading()) {
      client_.after(in(election_.fence_until_us()), [self = shared_from_this()] {
        if (!self->stopped_) {
          self->election_.check_deadline(now());
          self->tell();
        }
      });
    }
  }

  // Brings the fence and the callbacks up to date.
  void tell() {
    const bool leads = election_.leading();
    fence_.open_until(election_.fence_until_us());
    const bool moved = [this] {
      const std::scoped_lock lock(mutex_);
      return std::exchange(holder_, election_.holder()) != election_.holder();
    }();
    if (moved && callbacks_.on_new_leader) {
      callbacks_.on_new_leader(election_.holder());
    }
    if (leads == std::exchange(led_, leads)) {
      return;
    }
    const auto& callback = leads ? callbacks_.on_started_leading : callbacks_.on_stopped_leading;
    if (callback) {
      callback();
    }
  }

  Client& client_;
  const ElectionOptions options_;
  const LeaderCallbacks callbacks_;
  Election election_;
  Random jitter_;
  Fence fence_;
  bool led_ = false;
  bool stopped_ = false;
  std::int64_t round_began_us_ = 0;
  mutable std::mutex mutex_;
  std::string holder_;  // under mutex_
};

LeaderElector::LeaderElector(Client& client, std::shared_ptr<State> state)
    : client_(client), state_(std::move(state)) {}

Result<std::unique_ptr<LeaderElector>> LeaderElector::make(Client& client, ElectionOptions options,
                                                           LeaderCallbacks callbacks) {
  TRY_VOID(check_election(options));
  auto state = std::make_shared<State>(client, std::move(options), std::move(callbacks));
  client.post([state] { state->round(); });
  return std::unique_ptr<LeaderElector>(new LeaderElector(client, std::move(state)));
}

LeaderElector::~LeaderElector() {
  const auto released = std::make_shared<std::promise<void>>();
  std::future<void> done = released->get_future();
  client_.run([&] { state_->stop(released); });
  done.wait_for(release_time_max);
}

std::shared_ptr<const Fence> LeaderElector::shared_fence() const { return {state_, &fence()}; }

const Fence& LeaderElector::fence() const { return state_->fence(); }
std::string LeaderElector::holder() const { return state_->holder(); }

}  // namespace plimsoll::kube
