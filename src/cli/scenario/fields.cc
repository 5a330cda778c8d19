#include "cli/scenario/fields.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>

#include "base/quantity.h"
#include "cli/output.h"
#include "cli/suggest.h"
#include "traces/csv.h"

namespace plimsoll::cli {
namespace {

constexpr std::size_t name_bytes_max = 253;
constexpr std::int64_t value_max = std::int64_t{1} << 60;  // of a quantity: sums stay in range

struct DurationUnit {
  std::string_view name;
  std::int64_t microseconds;
};
constexpr std::array duration_units = {
    DurationUnit{"d", 86'400'000'000}, DurationUnit{"h", 3'600'000'000},
    DurationUnit{"m", 60'000'000},     DurationUnit{"s", 1'000'000},
    DurationUnit{"ms", 1'000},         DurationUnit{"us", 1},
};
constexpr std::int64_t duration_max = 36'525LL * 86'400'000'000;  // a century
constexpr const char* duration_expected = "a duration such as 90s, 1h30m or 3d";

bool is_name(std::string_view text) {
  const auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !text.empty() && text.size() <= name_bytes_max && alphanumeric(text.front()) &&
         alphanumeric(text.back()) && std::all_of(text.begin(), text.end(), [&](char c) {
           return alphanumeric(c) || c == '-' || c == '.';
         });
}

}  // namespace

void Reading::fail(std::int64_t line, const std::string& message) {
  if (!failed_ || line < line_) {
    failed_ = true;
    line_ = line;
    error_ = {.code = ErrorCode::bad_input,
              .message = fmt::format("{}:{}: {}", file_, line, message)};
  }
}

void Reading::fail(std::int64_t line, const std::string& path, const std::string& found,
                   const std::string& expected) {
  fail(line,
       fmt::format("{}: found {}, expected {}", path.empty() ? "scenario" : path, found, expected));
}

Result<void> Reading::result() const {
  if (failed_) {
    return std::unexpected(error_);
  }
  return {};
}

Fields::Fields(Reading& reading, const YamlNode* mapping, std::string path)
    : reading_(reading), mapping_(mapping), path_(std::move(path)) {}

bool Fields::has(std::string_view key) const {
  const YamlNode* node = mapping_ == nullptr ? nullptr : mapping_->find(key);
  return node != nullptr && node->kind != YamlNode::Kind::null;
}

std::string Fields::path_of(std::string_view key) const {
  return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

void Fields::fail(std::string_view key, const std::string& found, const std::string& expected) {
  if (mapping_ == nullptr) {
    return;
  }
  const YamlNode* node = mapping_->find(key);
  reading_.fail(node == nullptr ? mapping_->line : node->key_line, path_of(key), found, expected);
}

void Fields::error(std::string_view key, const std::string& message) {
  if (mapping_ != nullptr) {
    const YamlNode* node = mapping_->find(key);
    reading_.fail(node == nullptr ? mapping_->line : node->key_line,
                  fmt::format("{}: {}", path_of(key), message));
  }
}

void Fields::fail_whole(const std::string& found, const std::string& expected) {
  if (mapping_ != nullptr) {
    reading_.fail(mapping_->line, path_, found, expected);
  }
}

Fields& Fields::required(const char* key) {
  required_ = key;
  if (mapping_ != nullptr && !has(key)) {
    fail(key, "nothing", "a value");
  }
  return *this;
}

const YamlNode* Fields::declare(const char* key, std::string type, std::string shown_default,
                                const char* doc) {
  declared_.emplace_back(key);
  if (mapping_ == nullptr) {
    reading_.docs.push_back(
        {.path = path_of(key),
         .type = std::move(type),
         .default_value = required_ == key ? "required" : std::move(shown_default),
         .doc = doc});
    return nullptr;
  }
  const YamlNode* node = mapping_->find(key);
  if (node != nullptr && node->kind == YamlNode::Kind::null) {
    fail(key, "nothing", "a value");
    return nullptr;
  }
  return node;
}

const std::string* Fields::scalar(const YamlNode& node, const char* key,
                                  const std::string& expected) {
  if (node.kind != YamlNode::Kind::scalar) {
    fail(key, found_text(node), expected);
    return nullptr;
  }
  return &node.text;
}

void Fields::text(const char* key, std::string& value, const char* doc) {
  const YamlNode* node = declare(key, "text", value, doc);
  const std::string* found = node == nullptr ? nullptr : scalar(*node, key, "text");
  if (found == nullptr) {
    return;
  }
  if (!node->quoted && !is_plain_text(*found)) {
    fail(key, found_text(*node), "text; put it in quotes");
  } else {
    value = *found;
  }
}

void Fields::name(const char* key, std::string& value, const char* doc) {
  const std::string before = value;
  text(key, value, doc);
  if (has(key) && value != before && !is_name(value)) {
    fail(key, traces::quoted(value),
         "a name of lower case letters, digits, '-' and '.', at most 253");
    value = before;
  }
}

void Fields::flag(const char* key, bool& value, const char* doc) {
  const YamlNode* node = declare(key, "true|false", value ? "true" : "false", doc);
  const std::string* found = node == nullptr ? nullptr : scalar(*node, key, "true or false");
  if (found == nullptr) {
    return;
  }
  if (node->quoted || (*found != "true" && *found != "false")) {
    fail(key, found_text(*node), "true or false");
  } else {
    value = *found == "true";
  }
}

void Fields::number(const char* key, double& value, NumberBounds bounds, const char* doc) {
  const YamlNode* node = declare(key, "number", number_text(value), doc);
  const std::string* found = node == nullptr ? nullptr : scalar(*node, key, expected_text(bounds));
  if (found == nullptr) {
    return;
  }
  const Result<double> parsed = parse_number(*found, bounds);
  if (!parsed || node->quoted) {
    fail(key, found_text(*node), expected_text(bounds));
  } else {
    value = *parsed;
  }
}

void Fields::whole(const char* key, std::int64_t& value, IntegerBounds bounds, const char* doc) {
  const YamlNode* node =
      declare(key, "integer", value < bounds.min ? "" : fmt::format("{}", value), doc);
  const std::string* found = node == nullptr ? nullptr : scalar(*node, key, expected_text(bounds));
  if (found == nullptr) {
    return;
  }
  const Result<std::int64_t> parsed = parse_integer(*found, bounds);
  if (node->quoted) {
    fail(key, found_text(*node), expected_text(bounds) + " without quotes");
  } else if (!parsed) {
    error(key, parsed.error().message);
  } else {
    value = *parsed;
  }
}

std::size_t Fields::one_of(const char* key, std::size_t index,
                           const std::vector<std::string>& known, const char* doc) {
  const std::string expected = fmt::format("one of {}", fmt::join(known, ", "));
  const YamlNode* node = declare(key, fmt::format("{}", fmt::join(known, "|")),
                                 index < known.size() ? known[index] : "", doc);
  const std::string* found = node == nullptr ? nullptr : scalar(*node, key, expected);
  if (found == nullptr) {
    return index;
  }
  const auto at = std::find(known.begin(), known.end(), *found);
  if (at == known.end()) {
    fail(key, found_text(*node), expected + suggestion(*found, known));
    return index;
  }
  return static_cast<std::size_t>(at - known.begin());
}

void Fields::one_of_names(const char* key, std::string& value,
                          const std::vector<std::string>& known, const char* doc) {
  const auto index =
      static_cast<std::size_t>(std::find(known.begin(), known.end(), value) - known.begin());
  const std::size_t chosen = one_of(key, index, known, doc);
  if (chosen < known.size()) {
    value = known[chosen];
  }
}

void Fields::cores(const char* key, Millicores& value, const char* doc) {
  constexpr const char* expected = "an amount of CPU such as 8 or 500m";
  const YamlNode* node =
      declare(key, "quantity", Quantity::from_milli(value.value()).to_string(), doc);
  const std::string* found = node == nullptr ? nullptr : scalar(*node, key, expected);
  if (found == nullptr) {
    return;
  }
  const Result<Quantity> quantity = found->empty() ? bad_input("") : Quantity::parse(*found);
  const Result<std::int64_t> milli = quantity ? quantity->milli_value() : bad_input("");
  if (!milli || *milli < 0 || *milli > value_max) {
    fail(key, found_text(*node), expected);
  } else {
    value = Millicores(*milli);
  }
}

void Fields::bytes(const char* key, Bytes& value, const char* doc) {
  constexpr const char* expected = "an amount of bytes such as 64Gi or 1.5Ti";
  const YamlNode* node =
      declare(key, "quantity",
              Quantity::from_value(value.value(), QuantityFormat::binary_si).to_string(), doc);
  const std::string* found = node == nullptr ? nullptr : scalar(*node, key, expected);
  if (found == nullptr) {
    return;
  }
  const Result<Quantity> quantity = found->empty() ? bad_input("") : Quantity::parse(*found);
  if (!quantity || quantity->value() < 0 || quantity->value() > value_max) {
    fail(key, found_text(*node), expected);
  } else {
    value = Bytes(quantity->value());
  }
}

void Fields::duration(const char* key, Duration& value, const char* doc) {
  const YamlNode* node = declare(key, "duration", duration_text(value), doc);
  const std::string* found = node == nullptr ? nullptr : scalar(*node, key, duration_expected);
  if (found == nullptr) {
    return;
  }
  const Result<Duration> parsed = parse_duration(*found);
  if (!parsed) {
    fail(key, found_text(*node), duration_expected);
  } else {
    value = *parsed;
  }
}

void Fields::labels(const char* key, model::Labels& value, const char* doc) {
  const YamlNode* node = declare(key, "mapping of text", "", doc);
  if (node == nullptr) {
    return;
  }
  if (node->kind != YamlNode::Kind::mapping) {
    fail(key, found_text(*node), "a mapping of names to text");
    return;
  }
  for (const YamlNode& item : node->items) {
    const bool is_text = item.kind == YamlNode::Kind::scalar &&
                         (item.quoted || is_plain_text(item.text) || item.text.empty());
    if (!is_text) {
      reading_.fail(item.key_line, fmt::format("{}.{}", path_of(key), item.key), found_text(item),
                    item.kind == YamlNode::Kind::scalar ? "text; put it in quotes" : "text");
      continue;
    }
    model::set_label(value, item.key, item.text);
  }
}

void Fields::texts(const char* key, std::vector<std::string>& values, const char* doc) {
  const YamlNode* node =
      declare(key, "list of text", fmt::format("{}", fmt::join(values, ", ")), doc);
  if (node == nullptr) {
    return;
  }
  if (node->kind != YamlNode::Kind::list) {
    fail(key, found_text(*node), "a list of text");
    return;
  }
  values.clear();
  for (const YamlNode& item : node->items) {
    if (item.kind != YamlNode::Kind::scalar || (!item.quoted && !is_plain_text(item.text))) {
      reading_.fail(item.line, fmt::format("{}[{}]", path_of(key), values.size()), found_text(item),
                    "text");
    }
    values.push_back(item.text);
  }
}

void Fields::group(const char* key, const char* doc, const std::function<void(Fields&)>& read) {
  const YamlNode* node = declare(key, "mapping", "", doc);
  if (node != nullptr && node->kind != YamlNode::Kind::mapping) {
    fail(key, found_text(*node), "a mapping");
    return;
  }
  if (node != nullptr || is_reference()) {
    Fields fields(reading_, node, path_of(key));
    read(fields);
    fields.finish();
  }
}

void Fields::each(const char* key, const char* doc, const std::function<void(Fields&)>& read) {
  const YamlNode* node = declare(key, "list", "", doc);
  if (is_reference()) {
    Fields fields(reading_, nullptr, path_of(key) + "[]");
    read(fields);
    return;
  }
  if (node == nullptr) {
    return;
  }
  if (node->kind != YamlNode::Kind::list) {
    fail(key, found_text(*node), "a list of mappings");
    return;
  }
  for (std::size_t i = 0; i < node->items.size(); ++i) {
    const YamlNode& item = node->items[i];
    const std::string path = fmt::format("{}[{}]", path_of(key), i);
    if (item.kind != YamlNode::Kind::mapping) {
      reading_.fail(item.line, path, found_text(item), "a mapping");
      continue;
    }
    Fields fields(reading_, &item, path);
    read(fields);
    fields.finish();
  }
}

void Fields::custom(const char* key, const char* type, const std::string& shown_default,
                    const char* doc, const std::function<void(const YamlNode&)>& read) {
  if (const YamlNode* node = declare(key, type, shown_default, doc); node != nullptr) {
    read(*node);
  }
}

void Fields::finish() {
  if (mapping_ == nullptr) {
    return;
  }
  for (const YamlNode& item : mapping_->items) {
    if (std::find(declared_.begin(), declared_.end(), item.key) == declared_.end()) {
      const std::string near = suggestion(item.key, declared_);
      reading_.fail(item.key_line, path_of(item.key), "an unknown key",
                    near.empty() ? fmt::format("one of {}", fmt::join(declared_, ", "))
                                 : "a known one" + near);
    }
  }
}

std::string found_text(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::null:
      return "nothing";
    case YamlNode::Kind::scalar:
      return node.quoted || is_plain_text(node.text) ? traces::quoted(node.text)
                                                     : node.text.substr(0, 40);
    case YamlNode::Kind::list:
      return "a list";
    case YamlNode::Kind::mapping:
      return "a mapping";
  }
  broken_invariant("a YAML node of no kind");
}

bool is_plain_text(std::string_view text) {
  static constexpr std::array<std::string_view, 11> words = {
      "", "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n"};
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  if (std::find(words.begin(), words.end(), lower) != words.end()) {
    return false;
  }
  std::string_view number(lower);
  if (number[0] == '+' || number[0] == '-') {
    number.remove_prefix(1);
  }
  if (number == ".nan" || number == ".inf") {
    return false;
  }
  if (number.starts_with("0x") || number.starts_with("0o") || number.starts_with("0b")) {
    return number.find_first_not_of("0123456789abcdef", 2) != std::string_view::npos;
  }
  // 96, 010, -1.5, 1e3, 1_000, 12:30, 2020-01-01; but 1.2.3 is text.
  const bool starts_so = number.find_first_of("0123456789.") == 0;
  const bool only_so = number.find_first_not_of("0123456789_.:e+-") == std::string_view::npos;
  const bool has_digit = number.find_first_of("0123456789") != std::string_view::npos;
  return !starts_so || !only_so || !has_digit || std::count(number.begin(), number.end(), '.') > 1;
}

Result<Duration> parse_duration(std::string_view text) {
  const auto refused =
      bad_input(fmt::format("found {}, expected {}", traces::quoted(text), duration_expected));
  if (text.empty()) {
    return refused;
  }
  __int128 total = 0;
  std::size_t unit_from = 0;  // units come from the largest to the smallest, each once
  while (!text.empty()) {
    std::int64_t count = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (error != std::errc() || count < 0 || text[0] == '-') {
      return refused;
    }
    text.remove_prefix(static_cast<std::size_t>(stop - text.data()));
    const std::string_view name = text.substr(0, text.find_first_of("0123456789-"));
    const auto* unit = std::find_if(duration_units.begin() + unit_from, duration_units.end(),
                                    [&](const DurationUnit& one) { return one.name == name; });
    if (unit == duration_units.end()) {
      return refused;
    }
    unit_from = static_cast<std::size_t>(unit - duration_units.begin()) + 1;
    total += static_cast<__int128>(count) * unit->microseconds;
    if (total > duration_max) {
      return refused;
    }
    text.remove_prefix(name.size());
  }
  return Duration(static_cast<std::int64_t>(total));
}

std::string duration_text(Duration duration) {
  if (duration.value() == 0) {
    return "0s";
  }
  std::string text;
  std::int64_t left = duration.value();
  for (const DurationUnit& unit : duration_units) {
    if (left >= unit.microseconds) {
      text += fmt::format("{}{}", left / unit.microseconds, unit.name);
      left %= unit.microseconds;
    }
  }
  return text;
}

std::string reference_text(const std::vector<FieldDoc>& docs) {
  std::size_t path_width = 0;
  std::size_t type_width = 0;
  for (const FieldDoc& doc : docs) {
    path_width = std::max(path_width, doc.path.size());
    type_width = std::max(type_width, std::min<std::size_t>(doc.type.size(), 24));
  }
  std::string text;
  for (const FieldDoc& doc : docs) {
    text +=
        fmt::format("{:<{}}  {:<{}}  {}{}\n", doc.path, path_width, doc.type, type_width, doc.doc,
                    doc.default_value.empty() ? "" : fmt::format(" [{}]", doc.default_value));
  }
  return text;
}

}  // namespace plimsoll::cli
