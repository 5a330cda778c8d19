#include "cli/seeds.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/suggest.h"

namespace plimsoll::cli {
namespace {

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == ',') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

bool parse_seed(std::string_view text, std::uint64_t& value) {
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && stop == text.data() + text.size();
}

}  // namespace

Result<std::vector<std::uint64_t>> parse_seeds(const std::string& text) {
  std::vector<std::uint64_t> seeds;
  std::set<std::uint64_t> seen;
  for (const std::string& part : split(text)) {
    const std::size_t dash = part.find('-');
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    const bool range = dash != std::string::npos;
    if (!parse_seed(part.substr(0, dash), first) ||
        (range && !parse_seed(std::string_view(part).substr(dash + 1), last))) {
      return bad_input(fmt::format("found '{}', expected seeds such as 42, 42-51 or 1,5,9", part));
    }
    if (!range) {
      last = first;
    }
    if (last < first) {
      return bad_input(
          fmt::format("found the range '{}', expected its first seed to be at most "
                      "its last",
                      part));
    }
    if (last - first >= seeds_max || seeds.size() + (last - first) >= seeds_max) {
      return bad_input(
          fmt::format("found more than {} seeds, expected at most {}", seeds_max, seeds_max));
    }
    for (std::uint64_t seed = first;; ++seed) {
      if (!seen.insert(seed).second) {
        return bad_input(fmt::format("found seed {} twice, expected each seed once", seed));
      }
      seeds.push_back(seed);
      if (seed == last) {
        break;
      }
    }
  }
  return seeds;
}

std::string seeds_text(const std::vector<std::uint64_t>& seeds) {
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < seeds.size();) {
    std::size_t end = i + 1;
    while (end < seeds.size() && seeds[end] == seeds[end - 1] + 1) {
      ++end;
    }
    if (end - i > 1) {
      parts.push_back(fmt::format("{}-{}", seeds[i], seeds[end - 1]));
    } else {
      parts.push_back(fmt::format("{}", seeds[i]));
    }
    i = end;
  }
  return fmt::format("{}", fmt::join(parts, ","));
}

Result<std::vector<std::string>> parse_names(const std::string& text, const std::string& kind,
                                             const std::vector<std::string>& known) {
  std::vector<std::string> names;
  for (const std::string& part : split(text)) {
    if (std::find(known.begin(), known.end(), part) == known.end()) {
      return bad_input(fmt::format("found '{}', expected a {} out of {}{}", part, kind,
                                   fmt::join(known, ", "), suggestion(part, known)));
    }
    if (std::find(names.begin(), names.end(), part) != names.end()) {
      return bad_input(fmt::format("found '{}' twice, expected each {} once", part, kind));
    }
    names.push_back(part);
  }
  return names;
}

}  // namespace plimsoll::cli
