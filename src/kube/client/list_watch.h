// A reflector: every object of one resource, as the API server has it, first and from then on.
//
// It lists (as a WatchList where the server has it, else in pages), then watches from the list's
// resourceVersion, and goes on from the last event's version after any break, so that no event is
// lost; where the server has forgotten that version (410, ERROR events), it lists again. Objects
// go to a sink as the server wrote them, without a parse. Owned by whoever wants the objects;
// public functions from any thread; must go before its client and after nothing else.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "kube/client/api_error.h"
#include "kube/client/transport.h"

namespace plimsoll::kube {

// Called on the client's IO thread, in order. Texts are valid during the call, with
// json_padding_bytes readable behind them, and not validated. Items of a list have neither `kind`
// nor `apiVersion`; objects of a watch have both.
class ObjectSink {
 public:
  virtual ~ObjectSink() = default;
  // Every object comes again: what is not upserted before synced() is gone. May come again before
  // synced(), when the list had to start over.
  virtual void relist_begins() = 0;
  // Made or changed; the same state may come twice.
  virtual void upserted(std::string_view object_json) = 0;
  // Its last state.
  virtual void removed(std::string_view object_json) = 0;
  virtual void synced() = 0;
};

struct ReflectorOptions {
  std::string path;      // "/api/v1/pods"
  std::string resource;  // in ClientStats and messages: "pods"; outlives the client's requests
  std::string field_selector;
  std::string label_selector;
  std::size_t page_items_max = 500;
  bool watch_list = true;                              // try it
  std::chrono::milliseconds silence_max{150'000};      // of a watch; bookmarks come each minute
  std::chrono::milliseconds list_silence_max{60'000};  // of a list, and of a WatchList's beginning
  std::chrono::milliseconds backoff_first{200};
  std::chrono::milliseconds backoff_max{15'000};
  std::chrono::seconds watch_min{300};  // the server is asked to end a watch after a random time
  std::chrono::seconds watch_max{600};
  std::uint64_t seed = 0;  // of that and of the jitter; 0: the clock
};

struct ReflectorStatus {
  bool synced = false;      // the sink had synced() since the last relist_begins()
  bool watch_list = false;  // the server has it, as far as known
  std::string resource_version;
  std::uint64_t lists = 0;    // begun, WatchLists among them
  std::uint64_t watches = 0;  // begun
  std::uint64_t events = 0;   // upserted and removed by watches
  std::uint64_t bookmarks = 0;
  std::optional<ApiError> last_error;  // until the next list or watch that begins well
};

class Reflector {
 public:
  // Begins at once. `client` and `sink` outlive it.
  Reflector(Client& client, ReflectorOptions options, ObjectSink& sink);
  // The sink is not called after it. May run on the IO thread, but not within a call of the sink.
  ~Reflector();
  Reflector(const Reflector&) = delete;
  Reflector& operator=(const Reflector&) = delete;

  [[nodiscard]] ReflectorStatus status() const;

 private:
  class State;
  // Shared with the callbacks in flight, which find it stopped.
  std::shared_ptr<State> state_;
  Client& client_;
};

}  // namespace plimsoll::kube
