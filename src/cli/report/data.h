// What the report's script draws, as JSON. Pure functions; for report.cc.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "cli/study.h"

namespace plimsoll::cli {

// Of the result's pictures; numbers rounded to what a screen can show.
std::string report_data(const StudyResult& result);

// The timelines that any picture has, in their order.
std::vector<std::string> series_names(const StudyResult& result);
bool has_heat(const StudyResult& result);

// Which of the style sheet's eight colours is this policy's. "plimsoll" has the first.
std::size_t policy_colour(const StudyResult& result, std::size_t policy);

}  // namespace plimsoll::cli
