// Whole files into memory: plain, or gzip where the name ends in `.gz`.
//
// Every error is bad_input with one line that names the path. Thread-safe: functions of their
// arguments and the file system.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace plimsoll::traces {

// The largest file that is read, and the largest that a .gz may unpack to.
inline constexpr std::size_t load_bytes_max = std::size_t{1} << 28;

// The bytes of `path`, unpacked. Errors: missing, a folder, unreadable, more than `bytes_max`,
// and for .gz: not gzip, cut short, corrupt.
Result<std::string> load(const std::string& path, std::size_t bytes_max = load_bytes_max);

// Unpacks gzip members, one after the other. `name` is what errors call the buffer.
Result<std::string> gunzip(std::string_view packed, std::string_view name,
                           std::size_t bytes_max = load_bytes_max);

// `data`/`folder` where that is a folder, else `data` itself: users name either.
std::string data_folder(const std::string& data, std::string_view folder);

// Names of the entries in `folder` that start with `prefix` and end with `suffix`, without both,
// sorted. Errors: not a readable folder.
Result<std::vector<std::string>> list_folder(const std::string& folder, std::string_view prefix,
                                             std::string_view suffix);

}  // namespace plimsoll::traces
