// The file format of a ValueTable: one JSON object, every field required, none unknown.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "engines/placement/value.h"

namespace plimsoll::placement {
namespace {

namespace dom = simdjson::dom;

constexpr std::string_view format_name = "plimsoll.dev/value-table/v1";
constexpr std::size_t text_bytes_max = std::size_t{1} << 20;

std::string shown(const dom::element& element) {
  std::string text = simdjson::minify(element);
  if (text.size() > 40) {
    text = text.substr(0, 37) + "...";
  }
  return text;
}

// Reads the members of one object, each exactly once.
class Object {
 public:
  Object(dom::object object, std::string path) : object_(object), path_(std::move(path)) {}

  // Errors: a field unknown or there twice; one that is missing.
  [[nodiscard]] Result<void> expect(std::span<const std::string_view> fields) const {
    std::vector<std::string_view> seen;
    for (const auto [key, value] : object_) {
      if (std::ranges::count(fields, key) == 0) {
        return bad_input(fmt::format("{}: found an unknown field, expected one of: {}", at(key),
                                     fmt::join(fields, ", ")));
      }
      if (std::ranges::count(seen, key) != 0) {
        return bad_input(at(key) + ": found twice, expected once");
      }
      seen.push_back(key);
    }
    for (const std::string_view field : fields) {
      if (std::ranges::count(seen, field) == 0) {
        return bad_input(at(field) + ": found nothing, expected this field");
      }
    }
    return {};
  }

  [[nodiscard]] dom::element operator[](std::string_view key) const {
    return object_.at_key(key).value_unsafe();
  }
  [[nodiscard]] std::string at(std::string_view key) const {
    return fmt::format("{}{}", path_, key);
  }

  [[nodiscard]] Result<Object> object(std::string_view key) const {
    dom::object inner;
    if ((*this)[key].get(inner) != simdjson::SUCCESS) {
      return bad_input(
          fmt::format("{}: found {}, expected an object", at(key), shown((*this)[key])));
    }
    return Object(inner, at(key) + ".");
  }

  [[nodiscard]] Result<double> number(std::string_view key) const {
    return number_of((*this)[key], at(key));
  }

  [[nodiscard]] Result<std::int64_t> integer(std::string_view key, std::int64_t most) const {
    return integer_of((*this)[key], at(key), most);
  }

  [[nodiscard]] Result<std::vector<double>> numbers(std::string_view key) const {
    std::vector<double> values;
    for (const dom::element element : TRY(list(key))) {
      values.push_back(TRY(number_of(element, fmt::format("{}[{}]", at(key), values.size()))));
    }
    return values;
  }

  // From 0 to `most`, ascending.
  [[nodiscard]] Result<std::vector<std::int32_t>> ascending(std::string_view key,
                                                            std::int32_t most) const {
    std::vector<std::int32_t> values;
    for (const dom::element element : TRY(list(key))) {
      const std::string place = fmt::format("{}[{}]", at(key), values.size());
      const auto value = static_cast<std::int32_t>(TRY(integer_of(element, place, most)));
      if (!values.empty() && value <= values.back()) {
        return bad_input(
            fmt::format("{}: found {}, expected more than {}", place, value, values.back()));
      }
      values.push_back(value);
    }
    return values;
  }

  [[nodiscard]] Result<void> same_length(std::string_view key, std::size_t found,
                                         std::size_t expected) const {
    if (found != expected || found == 0) {
      return bad_input(fmt::format("{}: found {} numbers, expected {}", at(key), found,
                                   expected == 0 ? "at least one" : fmt::to_string(expected)));
    }
    return {};
  }

  [[nodiscard]] dom::object members() const { return object_; }

  static Result<double> number_of(dom::element element, const std::string& place) {
    double value = 0;
    if (element.get(value) != simdjson::SUCCESS || !(std::abs(value) <= value_limit)) {
      return bad_input(fmt::format("{}: found {}, expected a number from -{} to {}", place,
                                   shown(element), value_limit, value_limit));
    }
    return value;
  }

 private:
  static Result<std::int64_t> integer_of(dom::element element, const std::string& place,
                                         std::int64_t most) {
    std::int64_t value = 0;
    if (element.get(value) != simdjson::SUCCESS || value < 0 || value > most) {
      return bad_input(fmt::format("{}: found {}, expected a whole number from 0 to {}", place,
                                   shown(element), most));
    }
    return value;
  }

  [[nodiscard]] Result<dom::array> list(std::string_view key) const {
    dom::array array;
    if ((*this)[key].get(array) != simdjson::SUCCESS || array.size() > value_points_max) {
      return bad_input(fmt::format("{}: found {}, expected a list of at most {} numbers", at(key),
                                   shown((*this)[key]), value_points_max));
    }
    return array;
  }

  dom::object object_;
  std::string path_;
};

std::string json_string(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      result += fmt::format("\\u{:04x}", static_cast<int>(c));
    } else {
      result += c;
    }
  }
  return result + '"';
}

// Finds where a text stops being JSON, which the parser does not tell.
class Syntax {
 public:
  explicit Syntax(std::string_view text) : text_(text) {}
  // The offset of the first byte that does not belong; the end if bytes are missing.
  std::size_t broken_at() {
    if (value(0)) {
      space();
    }
    return at_;
  }

 private:
  static constexpr int depth_max = 64;

  [[nodiscard]] char next() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void space() { at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size()); }
  bool take(char c) {
    space();
    const bool there = next() == c;
    at_ += there ? 1 : 0;
    return there;
  }
  bool string() {
    if (!take('"')) {
      return false;
    }
    for (; at_ < text_.size() && static_cast<unsigned char>(text_[at_]) >= 0x20; ++at_) {
      if (text_[at_] == '"') {
        ++at_;
        return true;
      }
      at_ += text_[at_] == '\\' ? 1 : 0;
    }
    at_ = std::min(at_, text_.size());
    return false;
  }
  bool word() {  // a number, true, false, null
    const std::size_t end = std::min(
        text_.find_first_not_of("+-.0123456789abcdefghijklmnopqrstuvwxyzE", at_), text_.size());
    const std::string_view found = text_.substr(at_, end - at_);
    const bool number = !found.empty() && (found[0] == '-' || (found[0] >= '0' && found[0] <= '9'));
    if (!number && found != "true" && found != "false" && found != "null") {
      return false;
    }
    at_ = end;
    return true;
  }
  bool list(char end, int depth, bool keys) {
    if (take(end)) {
      return true;
    }
    do {
      if ((keys && (!string() || !take(':'))) || !value(depth + 1)) {
        return false;
      }
    } while (take(','));
    return take(end);
  }
  bool value(int depth) {
    space();
    if (depth > depth_max) {
      return false;
    }
    if (next() == '"') {
      return string();
    }
    if (take('{')) {
      return list('}', depth, true);
    }
    return take('[') ? list(']', depth, false) : word();
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

std::int64_t line_at(std::string_view text, std::size_t offset) {
  return 1 + std::ranges::count(text.substr(0, offset), '\n');
}

// The line of the field that an error begins with ("gpu.wasted[3]: …"): of its last key, each
// looked for behind the one before it.
std::int64_t line_of_field(std::string_view text, std::string_view error) {
  std::string_view path = error.substr(0, error.find(": "));
  std::size_t at = 0;
  while (!path.empty()) {
    const std::string_view key = path.substr(0, path.find_first_of(".["));
    const std::size_t found = text.find(json_string(key), at);
    at = found == std::string_view::npos ? at : found;
    const std::size_t dot = path.find('.');
    path = dot == std::string_view::npos ? "" : path.substr(dot + 1);
  }
  return line_at(text, at);
}

constexpr std::int32_t axis_max = 1'000'000'000;

Result<Curve> curve_of(const Object& root, std::string_view key, std::string_view axis) {
  const Object object = TRY(root.object(key));
  const std::array<std::string_view, 2> fields{axis, "wasted"};
  TRY_VOID(object.expect(fields));
  // One after the other: g++ 12 leaks the first member where the second returns from within a
  // brace.
  Curve curve;
  curve.at = TRY(object.ascending(axis, axis_max));
  curve.value = TRY(object.numbers("wasted"));
  TRY_VOID(object.same_length(axis, curve.at.size(), curve.at.size()));
  TRY_VOID(object.same_length("wasted", curve.value.size(), curve.at.size()));
  return curve;
}

Result<ValueTable> table_of(const Object& root) {
  static constexpr std::array<std::string_view, 9> fields{
      "format", "gpu", "cpu", "memory", "exhausted", "open", "beta", "whole", "models"};
  TRY_VOID(root.expect(fields));
  std::string_view format;
  if (root["format"].get(format) != simdjson::SUCCESS || format != format_name) {
    return bad_input(
        fmt::format("format: found {}, expected \"{}\"", shown(root["format"]), format_name));
  }
  ValueTable table;
  const Object gpu = TRY(root.object("gpu"));
  static constexpr std::array<std::string_view, 2> gpu_fields{"free_milli", "wasted"};
  TRY_VOID(gpu.expect(gpu_fields));
  table.knots = TRY(gpu.ascending("free_milli", 1000));
  if (table.knots.size() < 2 || table.knots.front() != 0 || table.knots.back() != 1000) {
    return bad_input(fmt::format("gpu.free_milli: found [{}], expected a list from 0 to 1000",
                                 fmt::join(table.knots, ",")));
  }
  table.h = TRY(gpu.numbers("wasted"));
  TRY_VOID(gpu.same_length("wasted", table.h.size(), table.knots.size()));
  table.cpu = TRY(curve_of(root, "cpu", "free_millicores_per_gpu"));
  table.memory = TRY(curve_of(root, "memory", "free_mib_per_gpu"));
  const Object exhausted = TRY(root.object("exhausted"));
  static constexpr std::array<std::string_view, 3> exhausted_fields{"wasted", "below_millicores",
                                                                    "below_mib"};
  TRY_VOID(exhausted.expect(exhausted_fields));
  table.exhausted = TRY(exhausted.number("wasted"));
  table.exhausted_cpu = TRY(exhausted.integer("below_millicores", axis_max));
  table.exhausted_memory_mib = TRY(exhausted.integer("below_mib", axis_max));
  table.open = TRY(root.number("open"));
  table.beta = TRY(root.number("beta"));
  table.whole = TRY(root.numbers("whole"));
  const Object models = TRY(root.object("models"));
  for (const auto [key, value] : models.members()) {
    table.models.emplace_back(key, TRY(Object::number_of(value, models.at(key))));
  }
  std::ranges::sort(table.models);
  for (std::size_t i = 1; i < table.models.size(); ++i) {
    if (table.models[i].first == table.models[i - 1].first) {
      return bad_input(models.at(table.models[i].first) + ": found twice, expected once");
    }
  }
  return table;
}

}  // namespace

std::string to_json(const ValueTable& table) {
  const auto curve = [](const Curve& c, std::string_view axis) {
    return fmt::format("{{\"{}\": [{}],\n    \"wasted\": [{}]}}", axis, fmt::join(c.at, ", "),
                       fmt::join(c.value, ", "));
  };
  std::string models;
  for (const auto& [model, price] : table.models) {
    models += fmt::format("{}{}: {}", models.empty() ? "" : ", ", json_string(model), price);
  }
  return fmt::format(
      "{{\n  \"format\": \"{}\",\n  \"gpu\": {},\n  \"cpu\": {},\n  \"memory\": {},\n"
      "  \"exhausted\": {{\"wasted\": {}, \"below_millicores\": {}, \"below_mib\": {}}},\n"
      "  \"open\": {},\n  \"beta\": {},\n  \"whole\": [{}],\n  \"models\": {{{}}}\n}}\n",
      format_name, curve({table.knots, table.h}, "free_milli"),
      curve(table.cpu, "free_millicores_per_gpu"), curve(table.memory, "free_mib_per_gpu"),
      table.exhausted, table.exhausted_cpu, table.exhausted_memory_mib, table.open, table.beta,
      fmt::join(table.whole, ", "), models);
}

Result<ValueTable> value_table_from_json(std::string_view text, std::string_view name) {
  if (text.size() > text_bytes_max) {
    return bad_input(
        fmt::format("{}: found {} bytes, expected at most {}", name, text.size(), text_bytes_max));
  }
  dom::parser parser;
  dom::element element;
  if (const auto error = parser.parse(text.data(), text.size()).get(element);
      error != simdjson::SUCCESS) {
    return bad_input(fmt::format("{}:{}: found {}, expected JSON", name,
                                 line_at(text, Syntax(text).broken_at()),
                                 simdjson::error_message(error)));
  }
  dom::object object;
  if (element.get(object) != simdjson::SUCCESS) {
    return bad_input(fmt::format("{}:1: found {}, expected an object", name, shown(element)));
  }
  Result<ValueTable> table = table_of(Object(object, ""));
  if (!table) {
    return bad_input(fmt::format("{}:{}: {}", name, line_of_field(text, table.error().message),
                                 table.error().message));
  }
  return table;
}

}  // namespace plimsoll::placement
