// Lists on the command line: `--seeds 42-51,60` and `--policy fgd,plimsoll`. Pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace plimsoll::cli {

inline constexpr std::size_t seeds_max = 10'000;

// Numbers and ranges, in the order given. Errors name what was found and what was expected: not a
// number, a backwards range, a seed twice, more than seeds_max.
Result<std::vector<std::uint64_t>> parse_seeds(const std::string& text);

// The shortest text that parse_seeds() reads as `seeds`: "42-51,60".
std::string seeds_text(const std::vector<std::uint64_t>& seeds);

// Names out of `known`, separated by commas, none twice.
Result<std::vector<std::string>> parse_names(const std::string& text, const std::string& kind,
                                             const std::vector<std::string>& known);

}  // namespace plimsoll::cli
