// MIG geometry: into which instances a GPU can be cut, and where each may start.
//
// A GPU has compute slices and memory slices. An instance of a profile takes an interval of memory
// slices, [start, start + memory_slices), and only the listed starts exist in hardware; two
// instances conflict exactly if their intervals overlap. Of the instances that carry the media
// engines (profiles
// "+me") a GPU holds one at most. With these tables the compute slices never run out first.
//
// The tables are facts from NVIDIA's MIG User Guide and from `nvidia-smi mig -lgip -lgipp` on real
// boards (A30, A100, H100 NVL; H200, B200 and GB200 placements are inferred from the same layout).
// Beware of public mocks of H100, H200 and B200 that take compute slices for memory slices: they
// accept 3g + 3g + 1g, which no GPU does. Constant data; thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"
#include "base/units.h"
#include "model/gpu.h"

namespace plimsoll::model {

// Bit i: memory slice i is taken; bit 8: the media engines are.
using SliceMask = std::uint16_t;
inline constexpr SliceMask media_bit = 1U << 8;
// Bit i: an instance may start at memory slice i.
using StartMask = std::uint8_t;

struct MigProfile {
  std::string_view name;           // "1g.10gb", "1g.10gb+me"
  std::int32_t gi_profile_id = 0;  // as nvidia-smi numbers it (NVML's enum differs)
  std::int32_t compute_slices = 0;
  std::int32_t memory_slices = 0;  // the size of the interval
  StartMask starts = 0;
  std::int32_t max_instances = 0;  // on an empty GPU; follows from the starts and the media engines
  bool media = false;              // takes the media engines
  std::int32_t memory_gib_hundredths = 0;  // usable, as nvidia-smi reports it; 0: not known
  std::int32_t sm_count = 0;               // streaming multiprocessors; 0: not known

  // Usable memory; 0: not known. Within a hundredth of a GiB.
  [[nodiscard]] constexpr Bytes memory() const {
    return Bytes(memory_gib_hundredths * gibibyte.value() / 100);
  }
};

struct MigGeometry {
  std::string_view model;  // "A100-80GB"
  std::int32_t compute_slices = 0;
  std::int32_t memory_slices = 0;
  std::span<const MigProfile> profiles;

  // The profile of that name, or null. O(profiles).
  [[nodiscard]] const MigProfile* find(std::string_view name) const;
};

// Every geometry, in the order of their models' age.
std::span<const MigGeometry> geometries();

// The geometry of a GPU model as geometries() names it ("A100-80GB"), or null. O(geometries).
const MigGeometry* find_geometry(std::string_view gpu_model);

// What an instance of `profile` takes at `start`. Requires: 0 <= start < 8.
constexpr SliceMask slices_of(const MigProfile& profile, std::int32_t start) {
  const auto interval = ((1U << profile.memory_slices) - 1U) << start;
  return static_cast<SliceMask>(interval | (profile.media ? media_bit : 0U));
}

// Every start where one more instance of `profile` fits beside what is taken. O(1).
constexpr StartMask places_for(const MigProfile& profile, SliceMask occupied) {
  if (profile.media && (occupied & media_bit) != 0) {
    return 0;
  }
  unsigned places = 0;
  for (std::int32_t start = 0; start < 8; ++start) {
    const bool exists = (profile.starts >> start & 1U) != 0;
    if (exists && (slices_of(profile, start) & occupied) == 0) {
      places |= 1U << start;
    }
  }
  return static_cast<StartMask>(places);
}

// Whether a GPU of that geometry can hold these instances at once, in whatever order they were
// made. Errors (bad_input): an unknown profile, a start that does not exist, an overlap, a second
// instance with the media engines; the message names the instance.
Result<void> legal(const MigGeometry& geometry, std::span<const MigInstance> instances);

}  // namespace plimsoll::model
