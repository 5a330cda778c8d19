// A world for tests: it takes every action on, and the test says what comes of it, and when.
//
// Header-only; included by tests only. Owned by one test; not thread-safe.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/snapshot.h"
#include "ports/world.h"

namespace plimsoll::control {

class ScriptedWorld final : public ports::World, public ports::Clock {
 public:
  model::Snapshot truth;
  Time at;
  std::vector<model::Action> asked;                   // what apply() took on, in order
  std::function<bool(const model::Action&)> refuses;  // empty: nothing

  model::Snapshot snapshot() override {
    changes_.clear();
    truth.now = at;
    return truth;
  }
  Result<void> observe(std::vector<model::Delta>& changes) override {
    changes.insert(changes.end(), changes_.begin(), changes_.end());
    changes_.clear();
    return {};
  }
  Result<void> apply(const model::Action& action) override {
    if (refuses && refuses(action)) {
      return failed("refused by the script");
    }
    asked.push_back(action);
    return {};
  }
  [[nodiscard]] Time now() const override { return at; }

  // Something happens in the world. Requires: it can.
  void happen(model::Delta delta) {
    const Result<void> done = model::apply(truth, delta);
    check(done.has_value(), done ? "" : done.error().message);
    changes_.push_back(std::move(delta));
  }
  NodeId add_node(model::Node node) {
    node.id = free_slot<NodeId>(truth.nodes);
    happen(model::NodeUpserted{node});
    return node.id;
  }
  SpecId add_spec(model::PodSpec spec) {
    const SpecId id(static_cast<std::uint32_t>(truth.specs.size()));
    happen(model::SpecAdded{id, std::move(spec)});
    return id;
  }
  GangId add_gang(model::Gang gang) {
    gang.id = free_slot<GangId>(truth.gangs);
    happen(model::GangUpserted{gang});
    return gang.id;
  }
  PodId add_pod(SpecId spec, GangId gang = {}) {
    const PodId id = free_slot<PodId>(truth.pods);
    happen(model::PodAdded{{.id = id,
                            .name = "p" + std::to_string(id.value()),
                            .spec = spec,
                            .gang = gang,
                            .created = at}});
    return id;
  }
  void remove_pod(PodId pod) { happen(model::PodRemoved{pod}); }
  // A changed copy of a pod takes its place.
  void change_pod(PodId id, const std::function<void(model::Pod&)>& change) {
    model::Pod pod = truth.pods[id.index()];
    change(pod);
    happen(model::PodChanged{std::move(pod)});
  }

  // The last Bind that was asked for `pod`, or null.
  [[nodiscard]] const model::Bind* last_bind(PodId pod) const {
    const model::Bind* last = nullptr;
    for (const model::Action& action : asked) {
      const auto* bind = std::get_if<model::Bind>(&action.kind);
      last = bind != nullptr && bind->pod == pod ? bind : last;
    }
    return last;
  }
  // How the last Bind that was asked for `pod` ends.
  void confirm(PodId pod) { happen(model::PodBound{pod, last_bind(pod)->binding}); }
  void fail(PodId pod) { happen(model::BindFailed{pod, "by the script"}); }

 private:
  template <typename IdType, typename T>
  static IdType free_slot(const std::vector<T>& slots) {
    const auto free = std::ranges::find_if(slots, [](const T& slot) { return !slot.id.valid(); });
    return IdType(static_cast<std::uint32_t>(free - slots.begin()));
  }

  std::vector<model::Delta> changes_;
};

}  // namespace plimsoll::control
