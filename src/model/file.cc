#include "model/file.h"

#include <fmt/format.h>

#include <utility>

#include "model/file_frame.h"
#include "model/json.h"

namespace plimsoll::model {
namespace {

template <typename T>
Result<void> write_record(FrameWriter& out, std::string_view kind, const T& value,
                          std::string_view what) {
  return out.line(to_line(kind, value), what);
}

// Every slot in order, a free one as null.
template <typename T>
Result<void> write_slots(FrameWriter& out, std::string_view kind, const std::vector<T>& slots) {
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const std::string what = fmt::format("{} {}", kind, i);
    if (slots[i].id.valid()) {
      TRY_VOID(write_record(out, kind, slots[i], what));
    } else {
      TRY_VOID(out.line(fmt::format("{{\"{}\":null}}", kind), what));
    }
  }
  return {};
}

Result<void> write_snapshot(FrameWriter& out, const Snapshot& snapshot) {
  TRY_VOID(validate(snapshot));
  TRY_VOID(write_record(out, "snapshot", SnapshotHead{snapshot.now}, "snapshot"));
  TRY_VOID(write_slots(out, "tenant", snapshot.tenants));
  TRY_VOID(write_slots(out, "node", snapshot.nodes));
  for (std::uint32_t i = 0; i < snapshot.specs.size(); ++i) {
    TRY_VOID(write_record(out, "spec", SpecAdded{SpecId(i), snapshot.specs[i]},
                          fmt::format("spec {}", i)));
  }
  TRY_VOID(write_slots(out, "gang", snapshot.gangs));
  TRY_VOID(write_slots(out, "pod", snapshot.pods));
  return write_slots(out, "budget", snapshot.budgets);
}

// Puts the records of a snapshot together, in whatever order the kinds come.
class SnapshotBuilder {
 public:
  // Whether the record belongs to a snapshot; if so it was taken.
  Result<bool> take(const JsonLine& line) {
    const std::string_view kind = line.kind();
    if (kind == "snapshot") {
      if (std::exchange(has_head_, true)) {
        return bad_input("snapshot: found a second one, expected one");
      }
      snapshot_.now = TRY(line.read<SnapshotHead>()).now;
      return true;
    }
    const bool ours = kind == "tenant" || kind == "node" || kind == "spec" || kind == "gang" ||
                      kind == "pod" || kind == "budget";
    if (!ours) {
      return false;
    }
    if (!has_head_) {
      return bad_input(fmt::format("{}: expected the snapshot record before it", kind));
    }
    if (kind == "tenant") {
      TRY_VOID(add_slot(line, snapshot_.tenants));
    } else if (kind == "node") {
      TRY_VOID(add_slot(line, snapshot_.nodes));
    } else if (kind == "gang") {
      TRY_VOID(add_slot(line, snapshot_.gangs));
    } else if (kind == "pod") {
      TRY_VOID(add_slot(line, snapshot_.pods));
    } else if (kind == "budget") {
      TRY_VOID(add_slot(line, snapshot_.budgets));
    } else {
      SpecAdded added = TRY(line.read<SpecAdded>());
      TRY_VOID(check_id(line, added.id, snapshot_.specs.size()));
      snapshot_.specs.push_back(std::move(added.spec));
    }
    return true;
  }

  // The snapshot, checked. Leaves the builder empty.
  Result<Snapshot> finish() {
    if (!has_head_) {
      return bad_input("found no snapshot record, expected one");
    }
    TRY_VOID(validate(snapshot_));
    return std::exchange(snapshot_, {});
  }

 private:
  static Result<void> check_id(const JsonLine& line, auto id, std::size_t expected) {
    if (id.valid() && id.index() == expected) {
      return {};
    }
    return bad_input(fmt::format("{}.id: found {}, expected {} (ids follow one another)",
                                 line.kind(), id.valid() ? std::to_string(id.value()) : "none",
                                 expected));
  }

  template <typename T>
  static Result<void> add_slot(const JsonLine& line, std::vector<T>& slots) {
    if (line.is_null()) {
      slots.emplace_back();
      return {};
    }
    T value = TRY(line.read<T>());
    TRY_VOID(check_id(line, value.id, slots.size()));
    slots.push_back(std::move(value));
    return {};
  }

  Snapshot snapshot_;
  bool has_head_ = false;
};

std::unexpected<Error> unknown_record(const JsonLine& line, std::string_view expected) {
  return bad_input(
      fmt::format("found record \"{}\", expected one of {}", line.kind().substr(0, 40), expected));
}

// Puts the file's name before an error that does not carry it.
template <typename T>
Result<T> named(const FrameReader& frame, Result<T> result) {
  if (!result) {
    return bad_input(fmt::format("{}: {}", frame.file(), result.error().message));
  }
  return result;
}

Result<void> check_subject(const ActionKind& kind) {
  const auto missing = [](std::string_view field) {
    return bad_input(fmt::format("action.kind.{}: found none, expected an id", field));
  };
  if (const auto* bind = std::get_if<Bind>(&kind)) {
    if (!bind->pod.valid()) {
      return missing("bind.pod");
    }
    return bind->binding.node.valid() ? Result<void>() : missing("bind.binding.node");
  }
  if (const auto* evict = std::get_if<Evict>(&kind)) {
    return evict->pod.valid() ? Result<void>() : missing("evict.pod");
  }
  if (const auto* refuse = std::get_if<Refuse>(&kind)) {
    return refuse->pod.valid() ? Result<void>() : missing("refuse.pod");
  }
  if (const auto* nominate = std::get_if<Nominate>(&kind)) {
    return nominate->pod.valid() && nominate->node.valid() ? Result<void>() : missing("nominate");
  }
  return std::get<Decline>(kind).gang.valid() ? Result<void>() : missing("decline.gang");
}

// An action has its subject, and waits for earlier actions only.
Result<void> check_action(const Action& action, std::size_t index) {
  TRY_VOID(check_subject(action.kind));
  for (const std::uint32_t before : action.after) {
    if (before >= index) {
      return bad_input(fmt::format(
          "action.after: found {}, expected the index of an action before {}", before, index));
    }
  }
  return {};
}

Result<void> check_time(std::string_view kind, Time at, Time last) {
  if (at >= last) {
    return {};
  }
  return bad_input(fmt::format("{0}.at: found {1}, expected {2} or later ({0}s are in order)", kind,
                               at.value(), last.value()));
}

// What comes in a journal after its start, in order.
class JournalOrder {
 public:
  explicit JournalOrder(Time start = {}) : last_(start) {}

  Result<void> take(const TimedDelta& delta) {
    TRY_VOID(check_time("delta", delta.at, last_));
    last_ = delta.at;
    ++deltas_;
    return {};
  }
  Result<void> take(const JournalTurn& turn) {
    TRY_VOID(check_time("turn", turn.at, last_));
    if (turn.deltas != deltas_) {
      return bad_input(
          fmt::format("turn.deltas: found {}, expected {}, as many as came since the turn before",
                      turn.deltas, deltas_));
    }
    last_ = turn.at;
    deltas_ = 0;
    return {};
  }

 private:
  Time last_;
  std::uint64_t deltas_ = 0;
};

}  // namespace

Result<void> encode_snapshot(const Snapshot& snapshot, const Sink& sink) {
  FrameWriter out(FileKind::snapshot, sink);
  TRY_VOID(write_snapshot(out, snapshot));
  return out.finish();
}

Result<void> encode_plan(const Plan& plan, const Sink& sink) {
  FrameWriter out(FileKind::plan, sink);
  TRY_VOID(write_record(out, "plan", PlanHead{plan.made}, "plan"));
  for (std::size_t i = 0; i < plan.actions.size(); ++i) {
    const Action& action = plan.actions[i];
    TRY_VOID(check_action(action, i));
    TRY_VOID(write_record(out, "action", action, fmt::format("action {}", i)));
  }
  return out.finish();
}

struct SnapshotDecoder::State {
  explicit State(std::string file)
      : frame(FileKind::snapshot, std::move(file),
              [this](std::string_view text, std::uint64_t) -> Result<void> {
                TRY_VOID(line.parse(text));
                const bool taken = TRY(builder.take(line));
                return taken ? Result<void>()
                             : unknown_record(line,
                                              "snapshot, tenant, node, spec, gang, pod, budget");
              }) {}

  JsonLine line;
  SnapshotBuilder builder;
  FrameReader frame;
};

SnapshotDecoder::SnapshotDecoder(std::string file)
    : state_(std::make_unique<State>(std::move(file))) {}
SnapshotDecoder::SnapshotDecoder(SnapshotDecoder&&) noexcept = default;
SnapshotDecoder& SnapshotDecoder::operator=(SnapshotDecoder&&) noexcept = default;
SnapshotDecoder::~SnapshotDecoder() = default;

Result<void> SnapshotDecoder::feed(std::string_view bytes) { return state_->frame.feed(bytes); }

Result<Snapshot> SnapshotDecoder::finish() {
  TRY_VOID(state_->frame.finish());
  return named(state_->frame, state_->builder.finish());
}

struct PlanDecoder::State {
  explicit State(std::string file)
      : frame(FileKind::plan, std::move(file),
              [this](std::string_view text, std::uint64_t) { return take(text); }) {}

  Result<void> take(std::string_view text) {
    TRY_VOID(line.parse(text));
    if (line.kind() == "plan") {
      if (std::exchange(has_head, true)) {
        return bad_input("plan: found a second one, expected one");
      }
      plan.made = TRY(line.read<PlanHead>()).made;
      return {};
    }
    if (line.kind() != "action") {
      return unknown_record(line, "plan, action");
    }
    if (!has_head) {
      return bad_input("action: expected the plan record before it");
    }
    Action action = TRY(line.read<Action>());
    TRY_VOID(check_action(action, plan.actions.size()));
    plan.actions.push_back(std::move(action));
    return {};
  }

  JsonLine line;
  Plan plan;
  bool has_head = false;
  FrameReader frame;
};

PlanDecoder::PlanDecoder(std::string file) : state_(std::make_unique<State>(std::move(file))) {}
PlanDecoder::PlanDecoder(PlanDecoder&&) noexcept = default;
PlanDecoder& PlanDecoder::operator=(PlanDecoder&&) noexcept = default;
PlanDecoder::~PlanDecoder() = default;

Result<void> PlanDecoder::feed(std::string_view bytes) { return state_->frame.feed(bytes); }

Result<Plan> PlanDecoder::finish() {
  TRY_VOID(state_->frame.finish());
  if (!state_->has_head) {
    return named<Plan>(state_->frame, bad_input("found no plan record, expected one"));
  }
  return std::exchange(state_->plan, {});
}

struct JournalEncoder::State {
  FrameWriter frame;
  JournalOrder order;
};

JournalEncoder::JournalEncoder(std::unique_ptr<State> state) : state_(std::move(state)) {}
JournalEncoder::JournalEncoder(JournalEncoder&&) noexcept = default;
JournalEncoder& JournalEncoder::operator=(JournalEncoder&&) noexcept = default;
JournalEncoder::~JournalEncoder() = default;

Result<JournalEncoder> JournalEncoder::make(const JournalStart& start, Sink sink) {
  auto state = std::make_unique<State>(
      State{FrameWriter(FileKind::journal, std::move(sink)), JournalOrder(start.snapshot.now)});
  TRY_VOID(write_record(state->frame, "journal", JournalHead{start.seed, start.configuration},
                        "journal"));
  TRY_VOID(write_snapshot(state->frame, start.snapshot));
  return JournalEncoder(std::move(state));
}

Result<void> JournalEncoder::add(const TimedDelta& delta) {
  TRY_VOID(state_->order.take(delta));
  return write_record(state_->frame, "delta", delta, "delta");
}

Result<void> JournalEncoder::add(const JournalTurn& turn) {
  TRY_VOID(state_->order.take(turn));
  return write_record(state_->frame, "turn", turn, "turn");
}

Result<void> JournalEncoder::flush() { return state_->frame.flush(); }

Result<void> JournalEncoder::finish() { return state_->frame.finish(); }

struct JournalDecoder::State {
  State(std::string file, OnStart start_handler, OnDelta delta_handler, OnTurn turn_handler)
      : on_start(std::move(start_handler)),
        on_delta(std::move(delta_handler)),
        on_turn(std::move(turn_handler)),
        frame(FileKind::journal, std::move(file),
              [this](std::string_view text, std::uint64_t) { return take(text); }) {}

  Result<void> take(std::string_view text) {
    TRY_VOID(line.parse(text));
    if (line.kind() == "journal") {
      if (std::exchange(has_head, true)) {
        return bad_input("journal: found a second one, expected one");
      }
      head = TRY(line.read<JournalHead>());
      return {};
    }
    if (!has_head) {
      return bad_input("expected the journal record first");
    }
    if (line.kind() == "delta") {
      TRY_VOID(start());
      TimedDelta delta = TRY(line.read<TimedDelta>());
      TRY_VOID(order.take(delta));
      return on_delta(std::move(delta));
    }
    if (line.kind() == "turn") {
      TRY_VOID(start());
      JournalTurn turn = TRY(line.read<JournalTurn>());
      TRY_VOID(order.take(turn));
      return on_turn ? on_turn(std::move(turn)) : Result<void>();
    }
    if (started) {
      return bad_input(fmt::format("{}: expected it before the first delta and turn", line.kind()));
    }
    const bool taken = TRY(builder.take(line));
    return taken
               ? Result<void>()
               : unknown_record(
                     line, "journal, snapshot, tenant, node, spec, gang, pod, budget, delta, turn");
  }

  // Hands the start on, once.
  Result<void> start() {
    if (std::exchange(started, true)) {
      return {};
    }
    if (!has_head) {
      return bad_input("found no journal record, expected one");
    }
    Snapshot snapshot = TRY(builder.finish());
    order = JournalOrder(snapshot.now);
    return on_start({head.seed, std::move(head.configuration), std::move(snapshot)});
  }

  OnStart on_start;
  OnDelta on_delta;
  OnTurn on_turn;
  JsonLine line;
  JournalHead head;
  SnapshotBuilder builder;
  JournalOrder order;
  bool has_head = false;
  bool started = false;
  FrameReader frame;
};

JournalDecoder::JournalDecoder(std::string file, OnStart on_start, OnDelta on_delta, OnTurn on_turn)
    : state_(std::make_unique<State>(std::move(file), std::move(on_start), std::move(on_delta),
                                     std::move(on_turn))) {}
JournalDecoder::JournalDecoder(JournalDecoder&&) noexcept = default;
JournalDecoder& JournalDecoder::operator=(JournalDecoder&&) noexcept = default;
JournalDecoder::~JournalDecoder() = default;

Result<void> JournalDecoder::feed(std::string_view bytes) { return state_->frame.feed(bytes); }

Result<void> JournalDecoder::finish() {
  TRY_VOID(state_->frame.finish());
  return named(state_->frame, state_->start());
}

}  // namespace plimsoll::model
