// Runs an Election on a Client: takes the Lease, renews it, and says who leads.
//
// Writes of the leader carry fence(), which closes by itself `renew_deadline` after the last
// renewal was sent, however long this process was stopped. Owned by the program; public functions
// from any thread; must go before its client.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "kube/client/election.h"
#include "kube/client/transport.h"

namespace plimsoll::kube {

// Called on the client's IO thread.
struct LeaderCallbacks {
  std::function<void()> on_started_leading;
  // Also when the elector goes while it leads. The fence is closed already.
  std::function<void()> on_stopped_leading;
  std::function<void(std::string_view holder)> on_new_leader;
};

class LeaderElector {
 public:
  // Begins at once. `client` outlives it. Errors (bad_input): those of check_election().
  static Result<std::unique_ptr<LeaderElector>> make(Client& client, ElectionOptions options,
                                                     LeaderCallbacks callbacks);
  // Closes the fence, then releases the Lease if this process leads; waits for that for at most two
  // seconds. Not on the IO thread.
  ~LeaderElector();
  LeaderElector(const LeaderElector&) = delete;
  LeaderElector& operator=(const LeaderElector&) = delete;

  [[nodiscard]] bool leading() const { return fence().open(); }
  [[nodiscard]] const Fence& fence() const;
  // The same, for requests that may be answered after the elector is gone.
  [[nodiscard]] std::shared_ptr<const Fence> shared_fence() const;
  // Who holds the Lease, as last seen; empty: nobody.
  [[nodiscard]] std::string holder() const;

 private:
  class State;
  LeaderElector(Client& client, std::shared_ptr<State> state);
  Client& client_;
  // Shared with the callbacks in flight, which find it stopped.
  std::shared_ptr<State> state_;
};

}  // namespace plimsoll::kube
