// The oracle: placement as its definitions read, rescanning every node and GPU for each pod.
//
// Written apart from the engine and sharing nothing with it but the model's types and the numbers
// of its learned table, so that the two can be held against each other choice by choice; also the
// slow peer that benchmarks name.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engines/placement/value.h"
#include "model/pod.h"
#include "model/snapshot.h"

namespace plimsoll::oracle {

struct PlainNode {
  std::int64_t cpu = 0;        // free millicores
  std::int64_t memory = 0;     // free bytes
  std::array<int, 16> gpus{};  // free thousandths
  std::size_t gpu_count = 0;
  std::string model;

  [[nodiscard]] std::span<const int> free() const { return {gpus.data(), gpu_count}; }
};

struct PlainTypical {
  model::PodSpec spec;
  std::int64_t count = 1;
};

struct PlainChoice {
  std::size_t node = 0;
  std::vector<int> gpus;
};

enum class PlainPolicy { fgd, value };

class PlainPlacement {
 public:
  // `rank[i]` orders nodes of equal score, lowest first.
  PlainPlacement(const std::vector<model::Node>& nodes, PlainPolicy policy,
                 std::vector<PlainTypical> typical, std::vector<std::uint32_t> rank,
                 placement::ValueTable table = placement::shipped_table());

  // Places one more pod and takes what it holds, or returns none. O(nodes x GPUs x typical).
  std::optional<PlainChoice> place(const model::PodSpec& spec);
  void remove(const model::PodSpec& spec, const PlainChoice& choice);

  [[nodiscard]] const std::vector<PlainNode>& nodes() const { return nodes_; }

 private:
  struct Best {
    double score = 0;
    int gpu = -1;
  };
  [[nodiscard]] bool fits(const PlainNode& node, const model::PodSpec& spec) const;
  [[nodiscard]] Best score(const PlainNode& node, const model::PodSpec& spec) const;
  [[nodiscard]] double fragmented(const PlainNode& node) const;
  [[nodiscard]] double value(const PlainNode& node) const;

  std::vector<PlainNode> nodes_;
  PlainPolicy policy_;
  std::vector<PlainTypical> typical_;
  std::vector<std::uint32_t> rank_;
  placement::ValueTable table_;
};

}  // namespace plimsoll::oracle
