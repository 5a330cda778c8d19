// A strict, fast reader of delimited rows over a buffer that somebody else holds.
//
// Bytes in, field views out; every error is one line: `file:line: field: found …, expected …`.
// Strict means: each row has as many fields as the header, numbers are wholly numbers, text is
// UTF-8 without control characters, a quoted field ends on its own line. CRLF, a byte order mark,
// quoted fields with "" inside, columns that nobody asked for, and empty lines at the very end
// are accepted. Owned by one reader; not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/text.h"

namespace plimsoll::traces {

// The longest line that is read.
inline constexpr std::size_t csv_line_bytes_max = std::size_t{1} << 20;

using plimsoll::printable;
using plimsoll::quoted;

struct CsvColumn {
  std::string_view name;
  bool required = true;
};

class CsvReader {
 public:
  // Reads the header and finds `columns` in it, in any order. `name` is what errors call the
  // buffer. Requires: `text` and the columns' names outlive the reader.
  static Result<CsvReader> make(std::string_view text, std::string name,
                                std::span<const CsvColumn> columns);
  // For a file without a header: exactly these columns, in this order, split at `separator`.
  // Nothing is a quote there.
  static CsvReader headerless(std::string_view text, std::string name,
                              std::span<const CsvColumn> columns, char separator);

  // Moves to the next row; false at the end. Views of the last row are dead after this.
  Result<bool> next();

  // The columns of this row, by their index in `columns`; empty where an optional one is absent.
  [[nodiscard]] bool has(std::size_t column) const { return where_[column] != absent; }
  [[nodiscard]] std::string_view text(std::size_t column) const {
    return has(column) ? fields_[where_[column]] : std::string_view{};
  }
  // The same, but not empty and at most 253 bytes: a Kubernetes object's longest name.
  Result<std::string_view> name(std::size_t column) const;
  // A decimal integer in [low, high].
  Result<std::int64_t> integer(std::size_t column, std::int64_t low, std::int64_t high) const;
  // A finite decimal number in [low, high].
  Result<double> number(std::size_t column, double low, double high) const;

  // 1-based line of this row.
  [[nodiscard]] std::int64_t line() const { return line_; }
  // `file:line: column: found 'this field', expected …`.
  [[nodiscard]] std::unexpected<Error> unexpected(std::size_t column,
                                                  std::string_view expected) const;
  // `file:line: what: found …, expected …` about this row.
  [[nodiscard]] std::unexpected<Error> error(std::string_view what, std::string_view found,
                                             std::string_view expected) const;

 private:
  static constexpr std::size_t absent = SIZE_MAX;

  CsvReader(std::string_view text, std::string name, char separator, bool quotes);
  // Takes one line off the buffer into line_text_; false at the end.
  Result<bool> take_line();
  Result<void> split();
  Result<void> split_quoted();

  std::string_view rest_;
  std::string name_;
  char separator_;
  bool quotes_;
  std::int64_t line_ = 0;
  std::string_view line_text_;
  std::vector<std::string_view> fields_;
  std::vector<std::string_view> names_;  // of the columns asked for
  std::vector<std::size_t> where_;       // their positions in a row
  std::size_t width_ = 0;                // fields in a row
  // Unescaped quoted fields of this row; reserved to the line's length, so that views hold.
  std::vector<char> unquoted_;
};

}  // namespace plimsoll::traces
