// Reads the fields of a YAML mapping into variables that hold the defaults. Each field is declared
// once, by the call that reads it, with its doc and bounds; the same calls without a mapping write
// the reference instead.
//
//   Reading reading("x.yaml");
//   Fields fields(reading, &root, "");
//   fields.integer("count", count, {.min = 1, .max = 100'000}, "How many such nodes");
//   fields.finish();                       // refuses keys that nobody declared
//   TRY_VOID(reading.result());
//
// Nothing returns an error on the way: the one with the lowest line is kept. Not thread-safe.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "base/yaml.h"
#include "cli/options.h"
#include "model/labels.h"

namespace plimsoll::cli {

// One line of the reference.
struct FieldDoc {
  std::string path;  // "cluster.nodes[].count"
  std::string type;
  std::string default_value;
  std::string doc;
};

// What is shared by all Fields of one file.
class Reading {
 public:
  explicit Reading(std::string file) : file_(std::move(file)) {}

  // `file:line: path: found …, expected …`.
  void fail(std::int64_t line, const std::string& path, const std::string& found,
            const std::string& expected);
  void fail(std::int64_t line, const std::string& message);
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] Result<void> result() const;

  std::vector<FieldDoc> docs;

 private:
  std::string file_;
  bool failed_ = false;
  std::int64_t line_ = 0;
  Error error_;
};

class Fields {
 public:
  // Null: writes the reference. `path`: of the mapping, empty for the file itself.
  Fields(Reading& reading, const YamlNode* mapping, std::string path);

  [[nodiscard]] bool has(std::string_view key) const;
  // For checks between fields: the error names the field, or its mapping if it is absent.
  void fail(std::string_view key, const std::string& found, const std::string& expected);
  // About the mapping as a whole.
  void fail_whole(const std::string& found, const std::string& expected);
  // The same with a message of its own.
  void error(std::string_view key, const std::string& message);
  // The field must be there, and not null.
  Fields& required(const char* key);

  void text(const char* key, std::string& value, const char* doc);
  // A Kubernetes object's name: lower case letters, digits, '-' and '.', at most 253.
  void name(const char* key, std::string& value, const char* doc);
  void flag(const char* key, bool& value, const char* doc);
  void number(const char* key, double& value, NumberBounds bounds, const char* doc);
  template <std::integral T>
  void integer(const char* key, T& value, IntegerBounds bounds, const char* doc) {
    std::int64_t wide = value;
    bounds.min = std::max<std::int64_t>(bounds.min, std::numeric_limits<T>::min());
    bounds.max = std::min<std::int64_t>(bounds.max, std::numeric_limits<T>::max());
    whole(key, wide, bounds, doc);
    value = static_cast<T>(wide);
  }
  template <typename E>
  void choice(const char* key, E& value, std::initializer_list<std::pair<const char*, E>> names,
              const char* doc) {
    std::vector<std::string> known;
    std::size_t index = 0;
    for (const auto& [known_name, known_value] : names) {
      index = known_value == value ? known.size() : index;
      known.emplace_back(known_name);
    }
    value = (names.begin() + one_of(key, index, known, doc))->second;
  }
  // One of names known at run time.
  void one_of_names(const char* key, std::string& value, const std::vector<std::string>& known,
                    const char* doc);
  // Kubernetes quantities, not negative.
  void cores(const char* key, Millicores& value, const char* doc);
  void bytes(const char* key, Bytes& value, const char* doc);
  // "90s", "1h30m", "3d", "250ms", not negative.
  void duration(const char* key, Duration& value, const char* doc);
  void labels(const char* key, model::Labels& value, const char* doc);
  void texts(const char* key, std::vector<std::string>& values, const char* doc);

  // A mapping, and a list of mappings. `read` runs for each, and once for the reference; keys that
  // it did not declare are refused after it.
  void group(const char* key, const char* doc, const std::function<void(Fields&)>& read);
  void each(const char* key, const char* doc, const std::function<void(Fields&)>& read);
  // A value of the reader's own form; `read` gets the node, if there is one.
  void custom(const char* key, const char* type, const std::string& shown_default, const char* doc,
              const std::function<void(const YamlNode&)>& read);

  // Refuses keys that were not declared, with a suggestion.
  void finish();

  [[nodiscard]] bool is_reference() const { return mapping_ == nullptr; }
  [[nodiscard]] std::int64_t line() const { return mapping_ == nullptr ? 0 : mapping_->line; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string path_of(std::string_view key) const;
  Reading& reading() { return reading_; }

 private:
  // Notes the field; the node to read, or null.
  const YamlNode* declare(const char* key, std::string type, std::string shown_default,
                          const char* doc);
  // The text of a plain or quoted scalar; null after an error.
  const std::string* scalar(const YamlNode& node, const char* key, const std::string& expected);
  void whole(const char* key, std::int64_t& value, IntegerBounds bounds, const char* doc);
  std::size_t one_of(const char* key, std::size_t index, const std::vector<std::string>& known,
                     const char* doc);

  Reading& reading_;
  const YamlNode* mapping_;
  std::string path_;
  std::vector<std::string> declared_;
  std::string required_;  // the key that required() named last
};

// What an error calls a node: "'abc'", "a list", "a mapping", "nothing".
std::string found_text(const YamlNode& node);

// Whether a plain scalar reads as text to every YAML reader, and not as a number, boolean or null.
bool is_plain_text(std::string_view text);

// "1h30m" in microseconds. Errors: no unit, unknown unit, too long.
Result<Duration> parse_duration(std::string_view text);
std::string duration_text(Duration duration);

// Columns: field, type, default, meaning.
std::string reference_text(const std::vector<FieldDoc>& docs);

}  // namespace plimsoll::cli
