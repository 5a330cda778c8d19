#include "control/plan_hash.h"

namespace plimsoll::control {
namespace {

constexpr std::size_t block_bytes = 8192;

}  // namespace

void PlanHash::number(std::uint64_t value) {
  char bytes[8];
  for (char& byte : bytes) {
    byte = static_cast<char>(value & 0xff);
    value >>= 8;
  }
  waiting_.append(bytes, sizeof bytes);
}

void PlanHash::add(const model::Plan& plan) {
  for (const model::Action& action : plan.actions) {
    number(static_cast<std::uint64_t>(plan.made.value()));
    number(action.kind.index() << 8 | static_cast<std::uint64_t>(action.reason.code));
    if (const auto* bind = std::get_if<model::Bind>(&action.kind)) {
      number(bind->pod.value());
      number(bind->binding.node.value());
      number(bind->binding.gpus.size());
      for (const model::GpuShare& share : bind->binding.gpus) {
        number(static_cast<std::uint64_t>(share.index));
        number(static_cast<std::uint64_t>(share.milli.value()));
        number(static_cast<std::uint64_t>(share.mig_start));
      }
    } else if (const auto* evict = std::get_if<model::Evict>(&action.kind)) {
      number(evict->pod.value());
    } else if (const auto* refuse = std::get_if<model::Refuse>(&action.kind)) {
      number(refuse->pod.value());
    } else if (const auto* decline = std::get_if<model::Decline>(&action.kind)) {
      number(decline->gang.value());
      number(static_cast<std::uint64_t>(decline->until.value()));
    } else if (const auto* nominate = std::get_if<model::Nominate>(&action.kind)) {
      number(nominate->pod.value());
      number(nominate->node.value());
    }
  }
  if (waiting_.size() >= block_bytes) {
    hash_.update(waiting_);
    waiting_.clear();
  }
}

std::string PlanHash::hex() const {
  Sha256 all = hash_;
  all.update(waiting_);
  return all.hex();
}

}  // namespace plimsoll::control
