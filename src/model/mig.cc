#include "model/mig.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>

namespace plimsoll::model {
namespace {

// The starts that occur: a 4-slice A30, and the 8-slice layout that every later GPU shares.
constexpr StartMask quarters = 0b0000'1111;
constexpr StartMask a30_halves = 0b0000'0101;
constexpr StartMask first_seven = 0b0111'1111;
constexpr StartMask pairs = 0b0101'0101;
constexpr StartMask first_three_pairs = 0b0001'0101;
constexpr StartMask halves = 0b0001'0001;
constexpr StartMask only_zero = 0b0000'0001;

// name, id, compute slices, memory slices, starts, most, media, memory in GiB / 100,
// multiprocessors

constexpr std::array<MigProfile, 5> a30_24gb{{
    {"1g.6gb", 14, 1, 1, quarters, 4, false, 581, 14},
    {"1g.6gb+me", 21, 1, 1, quarters, 1, true, 581, 14},
    {"2g.12gb", 5, 2, 2, a30_halves, 2, false, 1169, 28},
    {"2g.12gb+me", 6, 2, 2, a30_halves, 1, true, 0, 28},
    {"4g.24gb", 0, 4, 4, only_zero, 1, true, 2350, 56},
}};

constexpr std::array<MigProfile, 7> a100_40gb{{
    {"1g.5gb", 19, 1, 1, first_seven, 7, false, 475, 14},
    {"1g.5gb+me", 20, 1, 1, first_seven, 1, true, 475, 14},
    {"1g.10gb", 15, 1, 2, pairs, 4, false, 962, 14},
    {"2g.10gb", 14, 2, 2, first_three_pairs, 3, false, 962, 28},
    {"3g.20gb", 9, 3, 4, halves, 2, false, 1950, 42},
    {"4g.20gb", 5, 4, 4, only_zero, 1, false, 1950, 56},
    {"7g.40gb", 0, 7, 8, only_zero, 1, false, 3925, 98},
}};

constexpr std::array<MigProfile, 7> a100_80gb{{
    {"1g.10gb", 19, 1, 1, first_seven, 7, false, 962, 14},
    {"1g.10gb+me", 20, 1, 1, first_seven, 1, true, 962, 14},
    {"1g.20gb", 15, 1, 2, pairs, 4, false, 1950, 14},
    {"2g.20gb", 14, 2, 2, first_three_pairs, 3, false, 1950, 28},
    {"3g.40gb", 9, 3, 4, halves, 2, false, 3925, 42},
    {"4g.40gb", 5, 4, 4, only_zero, 1, false, 3925, 56},
    {"7g.80gb", 0, 7, 8, only_zero, 1, false, 7850, 98},
}};

constexpr std::array<MigProfile, 7> h100_80gb{{
    {"1g.10gb", 19, 1, 1, first_seven, 7, false, 975, 16},
    {"1g.10gb+me", 20, 1, 1, first_seven, 1, true, 975, 16},
    {"1g.20gb", 15, 1, 2, pairs, 4, false, 1962, 26},
    {"2g.20gb", 14, 2, 2, first_three_pairs, 3, false, 1962, 32},
    {"3g.40gb", 9, 3, 4, halves, 2, false, 3950, 60},
    {"4g.40gb", 5, 4, 4, only_zero, 1, false, 0, 64},
    {"7g.80gb", 0, 7, 8, only_zero, 1, false, 0, 132},
}};

constexpr std::array<MigProfile, 7> h100_94gb_nvl{{
    {"1g.12gb", 19, 1, 1, first_seven, 7, false, 1075, 16},
    {"1g.12gb+me", 20, 1, 1, first_seven, 1, true, 1075, 16},
    {"1g.24gb", 15, 1, 2, pairs, 4, false, 2162, 26},
    {"2g.24gb", 14, 2, 2, first_three_pairs, 3, false, 2162, 32},
    {"3g.47gb", 9, 3, 4, halves, 2, false, 4638, 60},
    {"4g.47gb", 5, 4, 4, only_zero, 1, false, 4638, 64},
    {"7g.94gb", 0, 7, 8, only_zero, 1, false, 9312, 132},
}};

constexpr std::array<MigProfile, 7> h100_96gb_gh200_h20{{
    {"1g.12gb", 19, 1, 1, first_seven, 7, false, 0, 0},
    {"1g.12gb+me", 20, 1, 1, first_seven, 1, true, 0, 0},
    {"1g.24gb", 15, 1, 2, pairs, 4, false, 0, 0},
    {"2g.24gb", 14, 2, 2, first_three_pairs, 3, false, 0, 0},
    {"3g.48gb", 9, 3, 4, halves, 2, false, 0, 0},
    {"4g.48gb", 5, 4, 4, only_zero, 1, false, 0, 0},
    {"7g.96gb", 0, 7, 8, only_zero, 1, false, 0, 0},
}};

constexpr std::array<MigProfile, 7> h200_141gb{{
    {"1g.18gb", 19, 1, 1, first_seven, 7, false, 1600, 16},
    {"1g.18gb+me", 20, 1, 1, first_seven, 1, true, 1600, 16},
    {"1g.35gb", 15, 1, 2, pairs, 4, false, 3225, 26},
    {"2g.35gb", 14, 2, 2, first_three_pairs, 3, false, 3225, 32},
    {"3g.71gb", 9, 3, 4, halves, 2, false, 6950, 60},
    {"4g.71gb", 5, 4, 4, only_zero, 1, false, 6950, 64},
    {"7g.141gb", 0, 7, 8, only_zero, 1, false, 13975, 132},
}};

constexpr std::array<MigProfile, 7> b200_180gb{{
    {"1g.23gb", 19, 1, 1, first_seven, 7, false, 2050, 18},
    {"1g.23gb+me", 20, 1, 1, first_seven, 1, true, 2050, 18},
    {"1g.45gb", 15, 1, 2, pairs, 4, false, 4425, 30},
    {"2g.45gb", 14, 2, 2, first_three_pairs, 3, false, 4425, 36},
    {"3g.90gb", 9, 3, 4, halves, 2, false, 0, 0},
    {"4g.90gb", 5, 4, 4, only_zero, 1, false, 0, 0},
    {"7g.180gb", 0, 7, 8, only_zero, 1, false, 0, 0},
}};

constexpr std::array<MigProfile, 9> gb200_186gb{{
    {"1g.23gb", 19, 1, 1, first_seven, 7, false, 2000, 18},
    {"1g.24gb", 19, 1, 1, first_seven, 7, false, 2200, 18},
    {"1g.23gb+me", 20, 1, 1, first_seven, 1, true, 0, 18},
    {"1g.24gb+me", 20, 1, 1, first_seven, 1, true, 0, 18},
    {"1g.47gb", 15, 1, 2, pairs, 4, false, 4550, 32},
    {"2g.47gb", 14, 2, 2, first_three_pairs, 3, false, 4550, 38},
    {"3g.93gb", 9, 3, 4, halves, 2, false, 0, 0},
    {"4g.93gb", 5, 4, 4, only_zero, 1, false, 0, 0},
    {"7g.186gb", 0, 7, 8, only_zero, 1, false, 0, 0},
}};

constexpr std::array<MigGeometry, 9> all_geometries{{
    {"A30-24GB", 4, 4, a30_24gb},
    {"A100-40GB", 7, 8, a100_40gb},
    {"A100-80GB", 7, 8, a100_80gb},
    {"H100-80GB", 7, 8, h100_80gb},
    {"H100-94GB-NVL", 7, 8, h100_94gb_nvl},
    {"H100-96GB-GH200-H20", 7, 8, h100_96gb_gh200_h20},
    {"H200-141GB", 7, 8, h200_141gb},
    {"B200-180GB", 7, 8, b200_180gb},
    {"GB200-186GB", 7, 8, gb200_186gb},
}};

std::string shown(const MigInstance& instance) {
  return fmt::format("{}@{}", instance.profile, instance.start);
}

std::string starts_of(const MigProfile& profile) {
  std::string text;
  for (int start = 0; start < 8; ++start) {
    if ((profile.starts >> start & 1U) != 0) {
      text += fmt::format("{}{}", text.empty() ? "" : " ", start);
    }
  }
  return text;
}

}  // namespace

const MigProfile* MigGeometry::find(std::string_view name) const {
  const auto it = std::ranges::find(profiles, name, &MigProfile::name);
  return it == profiles.end() ? nullptr : &*it;
}

std::span<const MigGeometry> geometries() { return all_geometries; }

const MigGeometry* find_geometry(std::string_view gpu_model) {
  const auto* it = std::ranges::find(all_geometries, gpu_model, &MigGeometry::model);
  return it == all_geometries.end() ? nullptr : it;
}

Result<void> legal(const MigGeometry& geometry, std::span<const MigInstance> instances) {
  SliceMask occupied = 0;
  for (const MigInstance& instance : instances) {
    const MigProfile* profile = geometry.find(instance.profile);
    if (profile == nullptr) {
      return bad_input(fmt::format("MIG instance {}: found profile {}, expected one of {}",
                                   shown(instance), instance.profile, geometry.model));
    }
    if (instance.start < 0 || instance.start > 7 || (profile->starts >> instance.start & 1U) == 0) {
      return bad_input(fmt::format("MIG instance {}: found start {}, expected one of {} on {}",
                                   shown(instance), instance.start, starts_of(*profile),
                                   geometry.model));
    }
    const SliceMask slices = slices_of(*profile, instance.start);
    if ((slices & occupied) != 0) {
      const bool media = (slices & occupied) == media_bit;
      return bad_input(fmt::format("MIG instance {}: found {} taken, expected them free on {}",
                                   shown(instance), media ? "the media engines" : "memory slices",
                                   geometry.model));
    }
    occupied |= slices;
  }
  return {};
}

}  // namespace plimsoll::model
