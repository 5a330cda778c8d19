// kube-scheduler's own filters, for a test to ask: would it have accepted this pod on this node,
// and which nodes would it take now? A program of kube-scheduler's packages (go/judge) holds the
// state that it is told and runs the default profile's pre-filters and filters on it.
//
// A test follows a scheduler: add() what the API server shows, and for every bind in the order in
// which it happened check(), then bind(). A pod that is bound is judged as if it were gone from
// where it is, so that a state at rest can be audited too. Each object owns one process, which ends
// with it. Not thread-safe.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace plimsoll::cluster {

struct Verdict {
  std::vector<std::string> nodes;  // that accept the pod, sorted; check(): the one, or none
  std::string reason;              // why none does: "PLUGIN: REASON", any(): counted
  bool accepted() const { return !nodes.empty(); }
};

class Judge {
 public:
  // Builds the program first where it is not in the cache.
  static Result<Judge> start();

  Judge(Judge&& other) noexcept;
  Judge& operator=(Judge&& other) noexcept;
  ~Judge();

  // One object or a list of objects as JSON, of the kinds that go/judge/main.go names; one with a
  // known name takes the old one's place. A list stops at the first object that is not taken.
  Result<void> add(std::string_view json);
  // Pods and what else lives in a namespace are "NAMESPACE/NAME".
  Result<void> remove(std::string_view kind, std::string_view name);
  Result<void> bind(std::string_view pod, std::string_view node);
  Result<Verdict> check(std::string_view pod, std::string_view node);
  Result<Verdict> any(std::string_view pod);

  // One line of the protocol, and its answer; an answer "error WHY" is an error.
  Result<std::string> ask(std::string line);

 private:
  Judge() = default;

  pid_t process_ = 0;
  int socket_ = -1;
  std::string read_;  // beyond the answers that were taken
};

}  // namespace plimsoll::cluster
