#include "engines/placement/gang.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <numeric>
#include <variant>

#include "engines/placement/gang_hosts.h"
#include "engines/placement/gang_profile.h"
#include "engines/placement/gang_ring.h"
#include "engines/placement/gang_rules.h"

namespace plimsoll::placement {
namespace {

constexpr std::size_t releases_max = 1000;  // looked at in one decision

bool is_domain(model::TopologyLevel level) {
  return level != model::TopologyLevel::none && level != model::TopologyLevel::host;
}

// The parts of the cluster that hold all members of a gang bound to `level`.
std::vector<HostRange> scopes_of(HostRange hosts, model::TopologyLevel level) {
  if (level == model::TopologyLevel::none) {
    return {hosts};
  }
  std::vector<HostRange> scopes;
  if (level == model::TopologyLevel::host) {
    for (std::size_t i = 0; i < hosts.size(); ++i) {
      scopes.push_back(hosts.subspan(i, 1));
    }
    return scopes;
  }
  for (const HostRange domain : split_by_domain(hosts, level_index(level))) {
    if (domain.front().domain[level_index(level)] >= 0) {
      scopes.push_back(domain);
    }
  }
  return scopes;
}

// The scopes that a request leaves, and the hosts of domains that are no ranges of the tree.
struct Scopes {
  std::vector<std::vector<GangHost>> gathered;
  std::vector<HostRange> ranges;
};

// All of them, none left out: domains under a label first, then those of `level` in each.
Scopes scopes_of(HostRange hosts, const GangRequest& gang, model::TopologyLevel level) {
  Scopes scopes;
  if (gang.domain.empty()) {
    scopes.ranges = scopes_of(hosts, level);
    return scopes;
  }
  std::map<std::uint32_t, std::vector<GangHost>> by_domain;
  for (const GangHost& host : hosts) {
    const std::size_t node = host.node.index();
    if (node < gang.domain.size() && gang.domain[node] != no_domain) {
      by_domain[gang.domain[node]].push_back(host);
    }
  }
  for (auto& [domain, members] : by_domain) {
    scopes.gathered.push_back(std::move(members));
  }
  for (const std::vector<GangHost>& members : scopes.gathered) {
    const std::vector<HostRange> inside = scopes_of(members, level);
    scopes.ranges.insert(scopes.ranges.end(), inside.begin(), inside.end());
  }
  return scopes;
}

std::string_view name_of(model::TopologyLevel level) {
  switch (level) {
    case model::TopologyLevel::none:
      return "";
    case model::TopologyLevel::zone:
      return "zone";
    case model::TopologyLevel::block:
      return "block";
    case model::TopologyLevel::rack:
      return "rack";
    case model::TopologyLevel::nvlink_domain:
      return "nvlink_domain";
    case model::TopologyLevel::host:
      return "host";
  }
  return "";
}

}  // namespace

GangRequest request_of(const model::Gang& gang, const model::PodSpec& member) {
  const bool whole = member.gpu.mig_profile.empty() && member.gpu.milli == whole_gpu;
  return {.members_min = gang.min_members,
          .members_max = gang.max_members,
          .gpus_per_member = whole ? member.gpu.count : 0,
          .required = gang.required_level,
          .preferred = gang.preferred_level,
          .profile = gang.profile,
          .batch_size = gang.batch_size,
          .gradients = gang.gradients,
          .step = gang.step,
          .gpu_models = member.gpu.models,
          .expected = gang.expected};
}

bool predictable(const model::Gang& gang, std::size_t members) {
  return !gang.profile.empty() ||
         (members > 1 && gang.gradients > Bytes() && gang.step > Duration());
}

Duration expected_on(const GangRequest& gang, const GangPlacement& placement) {
  return seconds(to_seconds(gang.expected) * placement.slowdown.value_or(1));
}

struct GangPlacer::State {
  GangConfig config;
  const GangRule* rule = nullptr;
  GangHosts hosts;
  KnownPlacements known;
  // By accepted GPU models, of the hosts as they were at that version.
  std::map<std::vector<std::string>, std::vector<model::perf::RingKind>> ring_kinds;
  std::uint64_t ring_kinds_of = 0;

  // None: the ring model predicts nothing of so many members.
  std::optional<RingGang> ring_of(const GangRequest& gang, std::int32_t members) {
    if (members < 2 || gang.gpus_per_member < 1 || gang.gradients <= Bytes() ||
        gang.step <= Duration()) {
      return std::nullopt;
    }
    if (ring_kinds_of != hosts.version()) {
      ring_kinds_of = hosts.version();
      ring_kinds.clear();
    }
    const auto [kinds, fresh] =
        ring_kinds.try_emplace({gang.gpu_models.begin(), gang.gpu_models.end()});
    if (fresh) {
      kinds->second = model::perf::ring_kinds(hosts.ring_hosts(), gang.gpu_models);
    }
    RingGang ring{.links = config.links,
                  .job = {.compute_seconds = to_seconds(gang.step), .gradients = gang.gradients},
                  .gpus_per_member = gang.gpus_per_member};
    ring.best_seconds = model::perf::best_ring_seconds(
        config.links, ring.job, members * gang.gpus_per_member, kinds->second);
    return ring;
  }

  // How many members fit in the roomiest of `scopes`, up to the most that are wanted.
  std::int32_t members_in(const std::vector<HostRange>& scopes, const GangRequest& gang) const {
    std::int64_t most = 0;
    for (const HostRange scope : scopes) {
      most = std::max(most, room_of(scope, config.hosts_max));
    }
    return static_cast<std::int32_t>(std::min<std::int64_t>(most, gang.members_max));
  }

  std::optional<GangPlacement> place_within(const GangRequest& gang, HostRange hosts_with_room,
                                            model::TopologyLevel level, const GangRule& by) {
    const Scopes scopes = scopes_of(hosts_with_room, gang, level);
    const std::int32_t members = members_in(scopes.ranges, gang);
    if (members < std::max(1, gang.members_min)) {
      return std::nullopt;
    }
    const std::vector<KnownShares>& shares = known.of(gang, members, hosts.hardware());
    const std::optional<RingGang> ring = shares.empty() ? ring_of(gang, members) : std::nullopt;
    std::optional<RuleChoice> best;
    for (const HostRange scope : scopes.ranges) {
      auto choice = by.place({.hosts = scope,
                              .members = members,
                              .hosts_max = config.hosts_max,
                              .known = &shares,
                              .ring = ring.has_value() ? &*ring : nullptr,
                              .work_max = config.domains_work_max});
      if (choice.has_value() && (!best.has_value() || choice->cost < best->cost)) {
        best = std::move(choice);
      }
    }
    if (!best.has_value()) {
      return std::nullopt;
    }
    std::ranges::sort(best->hosts, std::ranges::less{}, &HostShare::node);
    GangPlacement placement{.hosts = std::move(best->hosts), .members = members};
    placement.slowdown = ring.has_value()
                             ? ring->slowdown(ring_seconds(*ring, hosts_with_room, placement.hosts))
                             : slowdown_of(placement, shares, hosts_with_room);
    return placement;
  }

  static std::optional<double> slowdown_of(const GangPlacement& placement,
                                           const std::vector<KnownShares>& shares,
                                           HostRange hosts_with_room) {
    if (shares.empty()) {
      return std::nullopt;
    }
    std::vector<std::int32_t> members;
    for (const HostShare& share : placement.hosts) {
      members.push_back(share.members);
    }
    std::ranges::sort(members, std::greater{});
    const auto host =
        std::ranges::find(hosts_with_room, placement.hosts.front().node, &GangHost::node);
    for (const KnownShares& candidate : shares) {
      if (candidate.hardware == host->hardware && candidate.members == members) {
        return candidate.slowdown;
      }
    }
    return std::nullopt;
  }

  std::optional<GangPlacement> place(const GangRequest& gang, std::span<const std::int32_t> room,
                                     const GangRule& by) {
    const std::vector<GangHost> with_room = hosts.with_room(room, gang.gpus_per_member);
    const bool prefers = is_domain(gang.preferred) && gang.preferred > gang.required;
    if (prefers) {
      auto preferred = place_within(gang, with_room, gang.preferred, by);
      if (preferred.has_value() && preferred->members == gang.members_max) {
        return preferred;
      }
    }
    return place_within(gang, with_room, gang.required, by);
  }

  // A start that is possible once running work has given back what it holds.
  struct Later {
    Time at;
    double slowdown = 1;
  };
  // The one, if any, with which the gang finishes sooner than on `placement` now.
  std::optional<Later> better_later(const GangRequest& gang, const GangPlacement& placement,
                                    std::span<const std::int32_t> room, Time now,
                                    std::span<const Release> releases);
  std::optional<Later> better_later_by_ring(const GangRequest& gang, const RingGang& ring,
                                            const GangPlacement& placement,
                                            std::span<const std::int32_t> room, Time now,
                                            std::span<const Release> releases);
};

namespace {

// Room by node as running work ends, in members of one gang.
class FutureRoom {
 public:
  FutureRoom(std::span<const std::int32_t> room, std::int32_t gpus_per_member)
      : room_(room.begin(), room.end()), gpus_per_member_(gpus_per_member) {
    gpus_.reserve(room.size());
    for (const std::int32_t members : room) {
      gpus_.push_back(members * gpus_per_member);
    }
  }

  void give_back(const Release::Share& share) {
    const std::size_t node = share.node.index();
    if (node < room_.size()) {
      gpus_[node] += share.gpus;
      room_[node] = gpus_[node] / gpus_per_member_;
    }
  }
  [[nodiscard]] std::span<const std::int32_t> room() const { return room_; }

 private:
  std::vector<std::int32_t> room_;
  std::vector<std::int32_t> gpus_;
  std::int32_t gpus_per_member_;
};

}  // namespace

std::optional<GangPlacer::State::Later> GangPlacer::State::better_later(
    const GangRequest& gang, const GangPlacement& placement, std::span<const std::int32_t> room,
    Time now, std::span<const Release> releases) {
  const std::vector<KnownShares>& shares = known.of(gang, placement.members, hosts.hardware());
  if (shares.empty()) {
    const std::optional<RingGang> ring = ring_of(gang, placement.members);
    return ring.has_value() ? better_later_by_ring(gang, *ring, placement, room, now, releases)
                            : std::nullopt;
  }
  const auto weighed = [&](double score) { return seconds(to_seconds(gang.expected) * score); };

  // One RoomCounts a scope; each release moves hosts within theirs.
  const std::vector<std::int32_t> everywhere(room.size(), 1);
  std::vector<GangHost> all = hosts.with_room(everywhere, gang.gpus_per_member);
  for (GangHost& host : all) {
    host.room = room[host.node.index()];
  }
  const Scopes scopes = scopes_of(all, gang, gang.required);
  std::vector<RoomCounts> counts;
  std::vector<std::pair<std::size_t, const GangHost*>> of_node(room.size(), {0, nullptr});
  for (const HostRange scope : scopes.ranges) {
    for (const GangHost& host : scope) {
      of_node[host.node.index()] = {counts.size(), &host};
    }
    counts.emplace_back(scope);
  }
  const auto best_score = [&]() {
    RoomCounts::Score best{.weighed = std::numeric_limits<double>::infinity()};
    for (const RoomCounts& scope : counts) {
      const auto choice = best_known(shares, scope);
      if (choice.has_value() && choice->score.weighed < best.weighed) {
        best = choice->score;
      }
    }
    return best;
  };
  const RoomCounts::Score score_now = best_score();
  if (score_now.weighed == std::numeric_limits<double>::infinity()) {
    return std::nullopt;
  }
  const Start start_now{.at = now, .run = weighed(score_now.weighed)};

  // No placement can weigh less: it would fill up hosts that were all but full of strandings.
  const Duration least = weighed(shares.front().slowdown *
                                 (1 - stranding_weight * static_cast<double>(placement.members)));

  FutureRoom future(room, gang.gpus_per_member);
  std::optional<Start> best;
  Later later_start;
  for (const Release& release : releases.first(std::min(releases.size(), releases_max))) {
    const Time at = std::max(now, release.at);
    const Start bar = best.value_or(start_now);
    if (at + least >= bar.at + bar.run) {
      break;
    }
    for (const Release::Share& share : release.shares) {
      if (share.node.index() >= room.size() || of_node[share.node.index()].second == nullptr) {
        continue;
      }
      const std::int32_t old_room = future.room()[share.node.index()];
      future.give_back(share);
      const auto& [scope, host] = of_node[share.node.index()];
      counts[scope].change(*host, old_room, future.room()[share.node.index()]);
    }
    const RoomCounts::Score score = best_score();
    if (score.weighed < std::numeric_limits<double>::infinity()) {
      const Start later{.at = at, .run = weighed(score.weighed)};
      if (finishes_sooner(later, bar)) {
        best = later;
        later_start = {.at = at, .slowdown = score.slowdown};
      }
    }
  }
  return best.has_value() ? std::optional(later_start) : std::nullopt;
}

// A step only gets faster as more is given back. Between two numbers of releases with one step the
// later ones bring nothing; else the earliest at which it gets faster is found by halving.
std::optional<GangPlacer::State::Later> GangPlacer::State::better_later_by_ring(
    const GangRequest& gang, const RingGang& ring, const GangPlacement& placement,
    std::span<const std::int32_t> room, Time now, std::span<const Release> releases) {
  const auto run = [&](double slowdown) { return seconds(to_seconds(gang.expected) * slowdown); };
  // The least slowdown on that room; infinite if the gang does not fit.
  const auto least_on = [&](std::span<const std::int32_t> some_room) {
    const std::vector<GangHost> with_room = hosts.with_room(some_room, gang.gpus_per_member);
    double least = std::numeric_limits<double>::infinity();
    const Scopes scopes = scopes_of(with_room, gang, gang.required);
    for (const HostRange scope : scopes.ranges) {
      if (const auto step = least_ring_seconds(ring, scope, placement.members, config.hosts_max)) {
        least = std::min(least, ring.slowdown(*step));
      }
    }
    return least;
  };
  const auto after = [&](std::size_t count) {
    FutureRoom future(room, gang.gpus_per_member);
    for (const Release& release : releases.first(count)) {
      for (const Release::Share& share : release.shares) {
        future.give_back(share);
      }
    }
    return least_on(future.room());
  };
  const auto at = [&](std::size_t count) { return std::max(now, releases[count - 1].at); };

  // What is now within the tolerance of the fastest need not wait for it.
  const double slowdown_now = std::min(*placement.slowdown, least_on(room));
  Start bar{.at = now, .run = run(slowdown_now)};
  std::size_t last = 0;  // with the gang at its best, those after it come too late
  const std::size_t most = std::min(releases.size(), releases_max);
  while (last < most && finishes_sooner({.at = at(last + 1), .run = run(1)}, bar)) {
    ++last;
  }
  if (last == 0) {
    return std::nullopt;
  }
  std::optional<Later> best;
  struct Stretch {
    std::size_t first = 0;  // releases, with that slowdown
    double slowdown_first = 1;
    std::size_t last = 0;
    double slowdown_last = 1;
  };
  std::vector<Stretch> stretches{{0, slowdown_now, last, after(last)}};
  while (!stretches.empty()) {
    const Stretch stretch = stretches.back();
    stretches.pop_back();
    if (stretch.slowdown_last >= stretch.slowdown_first ||
        !finishes_sooner({.at = at(stretch.first + 1), .run = run(stretch.slowdown_last)}, bar)) {
      continue;
    }
    if (stretch.last == stretch.first + 1) {
      bar = {.at = at(stretch.last), .run = run(stretch.slowdown_last)};
      best = Later{.at = bar.at, .slowdown = stretch.slowdown_last};
      continue;
    }
    const std::size_t middle = stretch.first + (stretch.last - stretch.first) / 2;
    const double slowdown = after(middle);
    stretches.push_back({middle, slowdown, stretch.last, stretch.slowdown_last});
    stretches.push_back({stretch.first, stretch.slowdown_first, middle, slowdown});
  }
  return best;
}

GangPlacer::GangPlacer(std::unique_ptr<State> state) : state_(std::move(state)) {}
GangPlacer::GangPlacer(GangPlacer&&) noexcept = default;
GangPlacer& GangPlacer::operator=(GangPlacer&&) noexcept = default;
GangPlacer::~GangPlacer() = default;

Result<GangPlacer> GangPlacer::make(const model::Snapshot& snapshot, GangConfig config) {
  const auto table = gang_rule_table();
  const auto rule = std::ranges::find_if(
      table, [&](const GangRule& candidate) { return config.rule == candidate.name; });
  if (rule == table.end()) {
    std::string names;
    for (const GangRule& candidate : table) {
      names += names.empty() ? "" : ", ";
      names += candidate.name;
    }
    return bad_input(fmt::format("gang rule: found '{}', expected one of {}", config.rule, names));
  }
  KnownPlacements known(config.predictor, config.hosts_max, config.interface_sharers);
  auto state = std::make_unique<State>(State{.config = std::move(config),
                                             .rule = &*rule,
                                             .hosts = {},
                                             .known = std::move(known),
                                             .ring_kinds = {}});
  for (const model::Node& node : snapshot.nodes) {
    if (node.id.valid()) {
      state->hosts.upsert(node);
    }
  }
  return GangPlacer(std::move(state));
}

void GangPlacer::apply(const model::Delta& delta) {
  if (const auto* upserted = std::get_if<model::NodeUpserted>(&delta)) {
    state_->hosts.upsert(upserted->node);
  } else if (const auto* removed = std::get_if<model::NodeRemoved>(&delta)) {
    state_->hosts.remove(removed->node);
  }
}

std::optional<GangPlacement> GangPlacer::place(const GangRequest& gang,
                                               std::span<const std::int32_t> room) {
  return state_->place(gang, room, *state_->rule);
}

Duration GangPlacer::finish_earlier(const GangRequest& gang, const GangPlacement& placement,
                                    std::span<const std::int32_t> room) {
  if (!placement.slowdown.has_value() || gang.expected <= Duration()) {
    return {};
  }
  GangRequest same = gang;
  same.members_min = placement.members;
  same.members_max = placement.members;
  const auto spread = state_->place(same, room, spread_rule());
  if (!spread.has_value() || !spread->slowdown.has_value()) {
    return {};
  }
  return expected_on(gang, *spread) - expected_on(gang, placement);
}

GangDecision GangPlacer::decide(const GangRequest& gang, std::span<const std::int32_t> room,
                                Time now, std::span<const Release> releases, WaitState& state) {
  GangDecision decision;
  decision.start = place(gang, room);
  if (!decision.start.has_value()) {
    const std::int64_t total = std::accumulate(room.begin(), room.end(), std::int64_t{0});
    const bool bounded = gang.required != model::TopologyLevel::none || !gang.domain.empty();
    if (bounded && total >= gang.members_min) {
      decision.refusals.push_back(
          {.code = model::RefusalCode::gang_topology,
           .detail = std::string(gang.domain.empty() ? name_of(gang.required) : gang.domain_key),
           .nodes = static_cast<std::int32_t>(
               std::ranges::count_if(room, [](std::int32_t members) { return members > 0; }))});
    }
    return decision;
  }
  const bool weighs = state_->rule->waits && decision.start->slowdown.has_value() &&
                      gang.expected > Duration(0) && gang.gpus_per_member > 0;
  if (!weighs || !may_decline(state_->config.wait, state, gang.expected, now)) {
    return decision;
  }
  const auto later = state_->better_later(gang, *decision.start, room, now, releases);
  if (later.has_value()) {
    const Time ends_now = now + expected_on(gang, *decision.start);
    decision.sooner = ends_now - (later->at + seconds(to_seconds(gang.expected) * later->slowdown));
    decision.start.reset();
    state.first_declined = state.first_declined.value_or(now);
    const Time last = decline_ends(state_->config.wait, gang.expected, *state.first_declined);
    decision.wait_until = later->at > now ? std::min(later->at, last) : last;
  }
  return decision;
}

std::optional<GangPlacer::Reservation> GangPlacer::reserve(const GangRequest& gang,
                                                           std::span<const std::int32_t> room,
                                                           Time now,
                                                           std::span<const Release> releases) {
  if (gang.gpus_per_member < 1) {
    return std::nullopt;
  }
  FutureRoom future(room, gang.gpus_per_member);
  for (const Release& release : releases.first(std::min(releases.size(), releases_max))) {
    for (const Release::Share& share : release.shares) {
      future.give_back(share);
    }
    if (auto placement = place(gang, future.room())) {
      return Reservation{.at = std::max(now, release.at), .placement = std::move(*placement)};
    }
  }
  return std::nullopt;
}

bool GangPlacer::may_wait() const { return state_->rule->waits; }

bool GangPlacer::due(const GangRequest& gang, Time submitted, Time now) const {
  return state_->rule->waits && is_due(state_->config.wait, gang.expected, submitted, now);
}

std::optional<std::vector<Choice>> assume_gang(Engine& engine, SpecId spec,
                                               std::span<const PodId> members,
                                               const GangPlacement& placement) {
  check(std::cmp_equal(members.size(), placement.members), "a gang is placed with other members");
  std::vector<Choice> choices;
  choices.reserve(members.size());
  const Mark mark = engine.checkpoint();
  for (const HostShare& share : placement.hosts) {
    for (std::int32_t i = 0; i < share.members; ++i) {
      auto choice = engine.find_on(spec, share.node);
      if (!choice.has_value()) {
        engine.roll_back(mark);
        return std::nullopt;
      }
      engine.assume(members[choices.size()], spec, choice->binding);
      choices.push_back(std::move(*choice));
    }
  }
  engine.commit(mark);
  return choices;
}

Time GangPlacer::due_at(const GangRequest& gang, Time submitted) const {
  return state_->rule->waits ? placement::due_at(state_->config.wait, gang.expected, submitted)
                             : never;
}

std::vector<GangRuleInfo> gang_rules() {
  std::vector<GangRuleInfo> infos;
  for (const GangRule& rule : gang_rule_table()) {
    infos.push_back({.name = rule.name, .help = rule.help});
  }
  return infos;
}

}  // namespace plimsoll::placement
