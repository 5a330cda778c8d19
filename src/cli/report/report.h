// The HTML report of a study: one self-contained page. Pure functions.
//
// It asks nothing from any network (and forbids it by a content security policy), follows the
// reader's dark or light scheme, and has every number in its text, with or without JavaScript.
// The same result gives the same bytes.
#pragma once

#include <string>
#include <string_view>

#include "cli/study.h"

namespace plimsoll::cli {

struct ReportInfo {
  std::string title;     // a few words
  std::string subtitle;  // a sentence: what was compared on what
  std::string command;   // that made it
};

std::string report_html(const StudyResult& result, const ReportInfo& info);

// `text` where HTML text or a quoted attribute may stand.
std::string html_escape(std::string_view text);
// A JSON string, quotes included, that is safe inside <script>.
std::string script_string(std::string_view text);

// The metrics that a headline shows, at most `most` of those that the result has.
std::vector<std::string> headline_metrics(const StudyResult& result, std::size_t most);
// The two policies that a headline compares: the first, and "plimsoll" or else the last.
std::pair<std::size_t, std::size_t> headline_policies(const StudyResult& result);

}  // namespace plimsoll::cli
