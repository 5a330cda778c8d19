// Learning a ValueTable by replay: pods arrive one by one on an empty cluster and never leave.
//
// What is tuned: how much of the GPUs such a replay ends up allocating, on the history's own
// arrivals and on others with more large pods, as long as no fewer of the largest pods find room
// than under a rival (FGD). A Trainer proposes tables and is told their costs, so that whoever owns
// threads and clocks may evaluate them in parallel and stop when it likes. Pure; not thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/cmaes.h"
#include "base/result.h"
#include "engines/placement/engine.h"
#include "engines/placement/value.h"
#include "model/snapshot.h"

namespace plimsoll::placement {

// What has been seen: a cluster without pods, the specs asked for, and one entry for each pod.
struct History {
  std::vector<model::Node> nodes;  // ids 0, 1, ...
  std::vector<model::PodSpec> specs;
  std::vector<SpecId> pods;
};

// The history of a snapshot's pods, bound or not, on its nodes as if they were all empty and open.
// Errors: no nodes with GPUs, no pods that ask for any.
Result<History> history_of(const model::Snapshot& snapshot);

// The most frequent kinds of pod that make up 95 % of a history's pods: what FGD expects.
std::vector<TypicalPod> typical_of(const History& history);

// What a free GPU of each model is worth to pods that accept few models: 0.7 times the share of the
// GPUs they accept that they would take, were as much asked for as there is. For
// ValueTable::models.
std::vector<std::pair<std::string, double>> model_prices(const std::vector<model::Node>& nodes,
                                                         const std::vector<TypicalPod>& typical);

// Pods drawn from the history, all of them once in random order and then again with replacement,
// until they ask for `load` x the cluster's GPUs. With large_pods > 1, all are drawn with
// replacement, and pods of several GPUs that many times more often than others.
struct DrawOptions {
  double load = 1.3;
  double large_pods = 1;
  std::uint64_t seed = 1;
};
std::vector<SpecId> draw_arrivals(const History& history, const DrawOptions& options);

struct ReplayOutcome {
  double allocation_percent = 0;  // of the cluster's GPUs, at the end
  std::int64_t placed = 0;
  std::int64_t refused = 0;
  std::int64_t largest_placed = 0;  // pods that ask for the most GPUs

  friend bool operator==(const ReplayOutcome&, const ReplayOutcome&) = default;
};
// O(arrivals x nodes changed between two arrivals of a spec). Errors: those of Engine::make.
Result<ReplayOutcome> replay(const History& history, std::span<const SpecId> arrivals,
                             const Config& config);

// One thing that a table is judged by: runs that differ in their seeds, under the table and rival.
struct Judged {
  std::vector<ReplayOutcome> ours;
  std::vector<ReplayOutcome> rival;
};
// The mean shortfall of allocation in points, plus penalties for fewer of the largest pods than the
// rival places, and for more refusals than the rival has where the load leaves room for all.
double cost_of(std::span<const Judged> judged);

class Trainer {
 public:
  // Starts from `start`, with its knots and points kept and knots added where `history` asks.
  Trainer(const ValueTable& start, const History& history, std::uint64_t seed);

  // The next generation of tables.
  const std::vector<ValueTable>& ask();
  // Their costs, in the same order.
  void tell(std::span<const double> costs);
  // The centre of the search: what to keep, once it costs less than what was kept before.
  [[nodiscard]] ValueTable centre() const;
  [[nodiscard]] std::size_t generation() const { return search_.generation(); }

 private:
  [[nodiscard]] ValueTable with(const std::vector<double>& values) const;

  ValueTable start_;
  Cmaes search_;
  std::vector<ValueTable> tables_;
};

}  // namespace plimsoll::placement
