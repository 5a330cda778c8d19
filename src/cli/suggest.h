// "Did you mean …?" Pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace plimsoll::cli {

// Damerau's distance with adjacent transpositions (optimal string alignment). O(a x b).
std::size_t edit_distance(std::string_view a, std::string_view b);

// The known name nearest to `word`, if it is near enough to be a slip of it; else empty. Of
// equally near ones the first.
std::string nearest(std::string_view word, const std::vector<std::string>& known);

// "; did you mean 'fgd'?", or empty.
std::string suggestion(std::string_view word, const std::vector<std::string>& known);

}  // namespace plimsoll::cli
