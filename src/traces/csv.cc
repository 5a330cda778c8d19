#include "traces/csv.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace plimsoll::traces {
namespace {

constexpr std::size_t name_bytes_max = 253;

enum ByteClass : std::uint8_t { plain, control, high };

constexpr std::array<std::uint8_t, 256> byte_classes = [] {
  std::array<std::uint8_t, 256> classes{};
  for (std::size_t byte = 0; byte < 256; ++byte) {
    classes[byte] = byte >= 0x80                                    ? high
                    : (byte < 0x20 && byte != '\t') || byte == 0x7f ? control
                                                                    : plain;
  }
  return classes;
}();

unsigned char byte_at(std::string_view text, std::size_t at) {
  return static_cast<unsigned char>(text[at]);
}

// Position of the first byte that is not part of well-formed UTF-8 (RFC 3629), or npos.
std::size_t find_malformed(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const unsigned char lead = byte_at(text, at);
    if (lead < 0x80) {
      ++at;
      continue;
    }
    const std::size_t length = lead >= 0xc2 && lead <= 0xdf   ? 2
                               : lead >= 0xe0 && lead <= 0xef ? 3
                               : lead >= 0xf0 && lead <= 0xf4 ? 4
                                                              : 0;
    if (length == 0 || at + length > text.size()) {
      return at;
    }
    const unsigned char second = byte_at(text, at + 1);
    const unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    const unsigned char top = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (second < low || second > top) {
      return at;
    }
    for (std::size_t i = 2; i < length; ++i) {
      if ((byte_at(text, at + i) & 0xc0) != 0x80) {
        return at;
      }
    }
    at += length;
  }
  return std::string_view::npos;
}

std::string count_of(std::size_t n, std::string_view noun) {
  return fmt::format("{} {}{}", n, noun, n == 1 ? "" : "s");
}

std::string join(std::span<const CsvColumn> columns) {
  std::string names;
  for (const CsvColumn& column : columns) {
    if (column.required) {
      names += names.empty() ? "" : ",";
      names += column.name;
    }
  }
  return names;
}

}  // namespace

CsvReader::CsvReader(std::string_view text, std::string name, char separator, bool quotes)
    : rest_(text), name_(std::move(name)), separator_(separator), quotes_(quotes) {
  if (rest_.starts_with("\xef\xbb\xbf")) {
    rest_.remove_prefix(3);
  }
}

Result<CsvReader> CsvReader::make(std::string_view text, std::string name,
                                  std::span<const CsvColumn> columns) {
  CsvReader reader(text, std::move(name), ',', true);
  if (!TRY(reader.take_line())) {
    reader.line_ = 1;
    return reader.error("header", "an empty file", fmt::format("the columns {}", join(columns)));
  }
  TRY_VOID(reader.split());
  for (std::size_t i = 0; i < reader.fields_.size(); ++i) {
    const auto before = std::span(reader.fields_).first(i);
    if (std::ranges::find(before, reader.fields_[i]) != before.end()) {
      return reader.error("header", fmt::format("the column {} twice", quoted(reader.fields_[i])),
                          "each column once");
    }
  }
  for (const CsvColumn& column : columns) {
    const auto found = std::ranges::find(reader.fields_, column.name);
    if (found == reader.fields_.end() && column.required) {
      return reader.error("header", quoted(reader.line_text_),
                          fmt::format("a column '{}'", column.name));
    }
    reader.names_.push_back(column.name);
    reader.where_.push_back(found == reader.fields_.end()
                                ? absent
                                : static_cast<std::size_t>(found - reader.fields_.begin()));
  }
  reader.width_ = reader.fields_.size();
  return reader;
}

CsvReader CsvReader::headerless(std::string_view text, std::string name,
                                std::span<const CsvColumn> columns, char separator) {
  CsvReader reader(text, std::move(name), separator, false);
  for (const CsvColumn& column : columns) {
    reader.where_.push_back(reader.names_.size());
    reader.names_.push_back(column.name);
  }
  reader.width_ = columns.size();
  return reader;
}

std::unexpected<Error> CsvReader::error(std::string_view what, std::string_view found,
                                        std::string_view expected) const {
  return bad_input(
      fmt::format("{}:{}: {}: found {}, expected {}", name_, line_, what, found, expected));
}

std::unexpected<Error> CsvReader::unexpected(std::size_t column, std::string_view expected) const {
  return error(names_[column], has(column) ? quoted(text(column)) : "no such column", expected);
}

Result<bool> CsvReader::take_line() {
  if (rest_.empty()) {
    return false;
  }
  ++line_;
  // One byte more than the limit decides, so that a huge line is not searched to its end.
  const std::string_view window = rest_.substr(0, csv_line_bytes_max + 1);
  const std::size_t end = window.find('\n');
  if (end == std::string_view::npos && rest_.size() > csv_line_bytes_max) {
    return error("line", fmt::format("more than {} bytes", csv_line_bytes_max),
                 "a line end before that");
  }
  line_text_ = window.substr(0, end);
  rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
  if (line_text_.ends_with('\r')) {
    line_text_.remove_suffix(1);
  }
  return true;
}

Result<bool> CsvReader::next() {
  if (!TRY(take_line())) {
    return false;
  }
  if (line_text_.empty()) {
    if (rest_.find_first_not_of("\r\n") == std::string_view::npos) {
      rest_ = {};
      return false;
    }
    return error("row", "an empty line", count_of(width_, "field"));
  }
  TRY_VOID(split());
  if (fields_.size() != width_) {
    return error("row", count_of(fields_.size(), "field"), fmt::format("{}", width_));
  }
  return true;
}

Result<void> CsvReader::split() {
  fields_.clear();
  bool saw_quote = false;
  bool saw_high = false;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < line_text_.size(); ++i) {
    const char byte = line_text_[i];
    if (byte == separator_) {
      fields_.push_back(line_text_.substr(begin, i - begin));
      begin = i + 1;
      continue;
    }
    saw_quote |= byte == '"';
    const std::uint8_t byte_class = byte_classes[static_cast<unsigned char>(byte)];
    if (byte_class == control) {
      return error("row",
                   fmt::format("the byte 0x{:02x} in column {}", byte_at(line_text_, i), i + 1),
                   "text");
    }
    saw_high |= byte_class == high;
  }
  fields_.push_back(line_text_.substr(begin));
  if (saw_high) {
    const std::size_t at = find_malformed(line_text_);
    if (at != std::string_view::npos) {
      return error("row",
                   fmt::format("the byte 0x{:02x} in column {}", byte_at(line_text_, at), at + 1),
                   "UTF-8 text");
    }
  }
  return saw_quote && quotes_ ? split_quoted() : Result<void>{};
}

Result<void> CsvReader::split_quoted() {
  std::size_t begin = 0;
  fields_.clear();
  unquoted_.clear();
  unquoted_.reserve(line_text_.size());
  while (true) {
    if (begin == line_text_.size() || line_text_[begin] != '"') {
      const std::size_t end = std::min(line_text_.find(separator_, begin), line_text_.size());
      const std::string_view field = line_text_.substr(begin, end - begin);
      if (field.find('"') != std::string_view::npos) {
        return error("row", fmt::format("a quote inside {}", quoted(field)),
                     "a field with quotes to be quoted whole");
      }
      fields_.push_back(field);
      begin = end;
    } else {
      const std::size_t start = unquoted_.size();
      std::size_t at = begin + 1;
      while (true) {
        const std::size_t quote = line_text_.find('"', at);
        if (quote == std::string_view::npos) {
          return error("row", "a quote that is never closed", "a closing quote on the same line");
        }
        unquoted_.insert(unquoted_.end(), line_text_.begin() + static_cast<std::ptrdiff_t>(at),
                         line_text_.begin() + static_cast<std::ptrdiff_t>(quote));
        at = quote + 1;
        if (at == line_text_.size() || line_text_[at] != '"') {
          break;
        }
        unquoted_.push_back('"');
        ++at;
      }
      if (at != line_text_.size() && line_text_[at] != separator_) {
        return error("row",
                     fmt::format("{} after a closing quote", quoted(line_text_.substr(at, 1))),
                     fmt::format("'{}' or the end of the line", separator_));
      }
      fields_.emplace_back(unquoted_.data() + start, unquoted_.size() - start);
      begin = at;
    }
    if (begin == line_text_.size()) {
      return {};
    }
    ++begin;
  }
}

Result<std::string_view> CsvReader::name(std::size_t column) const {
  const std::string_view value = text(column);
  if (value.empty()) {
    return unexpected(column, "a name");
  }
  if (value.size() > name_bytes_max) {
    return unexpected(column, fmt::format("a name of at most {} bytes", name_bytes_max));
  }
  return value;
}

Result<std::int64_t> CsvReader::integer(std::size_t column, std::int64_t low,
                                        std::int64_t high) const {
  const std::string_view value = text(column);
  std::int64_t parsed = 0;
  const auto [end, failure] = std::from_chars(value.data(), value.data() + value.size(), parsed);
  if (failure != std::errc{} || end != value.data() + value.size() || parsed < low ||
      parsed > high) {
    return unexpected(column, fmt::format("an integer from {} to {}", low, high));
  }
  return parsed;
}

Result<double> CsvReader::number(std::size_t column, double low, double high) const {
  const std::string_view value = text(column);
  double parsed = 0;
  const auto [end, failure] = std::from_chars(value.data(), value.data() + value.size(), parsed);
  if (failure != std::errc{} || end != value.data() + value.size() || !std::isfinite(parsed) ||
      parsed < low || parsed > high) {
    return unexpected(column, fmt::format("a number from {} to {}", low, high));
  }
  return parsed;
}

}  // namespace plimsoll::traces
