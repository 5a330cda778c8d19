#include <fmt/format.h>
#include <fmt/ranges.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <limits>
#include <optional>
#include <utility>
#include <variant>

#include "model/json.h"
#include "model/json_fields.h"

namespace plimsoll::model {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

constexpr std::size_t depth_max = 64;  // of JSON; the model needs 12

// A member that cannot be read: the path to it, grown outwards, and what is wrong with it.
struct Wrong {
  std::string path;
  std::string what;
};
using Read = std::expected<void, Wrong>;

// What was found, short enough for one line.
std::string shown(std::string_view text) {
  constexpr std::size_t bytes_max = 40;
  std::string result;
  for (const char c : text.substr(0, bytes_max)) {
    result += c >= ' ' && c <= '~' ? c : '?';
  }
  return '"' + result + (text.size() > bytes_max ? "…" : "") + '"';
}

std::string found(element value) {
  switch (value.type()) {
    case element_type::STRING:
      return shown(value.get_string().value_unsafe());
    case element_type::INT64:
      return fmt::format("{}", value.get_int64().value_unsafe());
    case element_type::UINT64:
      return fmt::format("{}", value.get_uint64().value_unsafe());
    case element_type::DOUBLE:
      return fmt::format("{}", value.get_double().value_unsafe());
    case element_type::BOOL:
      return value.get_bool().value_unsafe() ? "true" : "false";
    case element_type::NULL_VALUE:
      return "null";
    case element_type::ARRAY:
      return "a list";
    case element_type::OBJECT:
      return "an object";
  }
  return "something else";
}

std::unexpected<Wrong> wrong(element value, std::string_view expected) {
  return std::unexpected(Wrong{"", fmt::format("found {}, expected {}", found(value), expected)});
}

// The same, one level further out.
Read inside(std::string_view step, Read result) {
  if (!result) {
    const std::string& path = result.error().path;
    const bool joined = path.empty() || path.starts_with('[');
    result.error().path = fmt::format("{}{}{}", step, joined ? "" : ".", path);
  }
  return result;
}

template <typename T>
  requires std::integral<T>
Read read(element value, T& out);
template <typename T>
  requires std::is_enum_v<T>
Read read(element value, T& out);
Read read(element value, std::string& out);
template <typename Tag>
Read read(element value, Id<Tag>& out);
template <typename Tag>
Read read(element value, Unit<Tag>& out);
Read read(element value, Time& out);
template <typename T>
Read read(element value, std::optional<T>& out);
template <typename V>
Read read(element value, std::vector<std::pair<std::string, V>>& out);
template <typename T>
Read read(element value, std::vector<T>& out);
template <typename... T>
Read read(element value, std::variant<T...>& out);
template <typename T>
  requires requires { Fields<T>::list; }
Read read(element value, T& out);

template <typename T>
  requires std::integral<T>
Read read(element value, T& out) {
  if constexpr (std::same_as<T, bool>) {
    return value.get_bool().get(out) == simdjson::SUCCESS ? Read() : wrong(value, "true or false");
  } else {
    using Wide = std::conditional_t<std::is_unsigned_v<T>, std::uint64_t, std::int64_t>;
    Wide wide = 0;
    if (value.get<Wide>().get(wide) != simdjson::SUCCESS || !std::in_range<T>(wide)) {
      return wrong(value, fmt::format("an integer from {} to {}", std::numeric_limits<T>::min(),
                                      std::numeric_limits<T>::max()));
    }
    out = static_cast<T>(wide);
    return {};
  }
}

template <typename T>
  requires std::is_enum_v<T>
Read read(element value, T& out) {
  std::string_view text;
  const auto& names = names_of<T>;
  const auto it = value.get_string().get(text) == simdjson::SUCCESS ? std::ranges::find(names, text)
                                                                    : names.end();
  if (it == names.end()) {
    return wrong(value, fmt::format("one of {}", fmt::join(names, ", ")));
  }
  out = static_cast<T>(it - names.begin());
  return {};
}

Read read(element value, std::string& out) {
  std::string_view text;
  if (value.get_string().get(text) != simdjson::SUCCESS) {
    return wrong(value, "text");
  }
  out = text;
  return {};
}

template <typename Tag>
Read read(element value, Id<Tag>& out) {
  std::uint32_t number = 0;
  const Read result = read(value, number);
  if (!result || !Id<Tag>(number).valid()) {
    return wrong(value, "an id from 0 to 4294967294");
  }
  out = Id<Tag>(number);
  return {};
}

template <typename Tag>
Read read(element value, Unit<Tag>& out) {
  std::int64_t number = 0;
  Read result = read(value, number);
  out = Unit<Tag>(number);
  return result;
}

Read read(element value, Time& out) {
  std::int64_t number = 0;
  Read result = read(value, number);
  out = Time(number);
  return result;
}

template <typename T>
Read read(element value, std::optional<T>& out) {
  return read(value, out.emplace());
}

template <typename V>
Read read(element value, std::vector<std::pair<std::string, V>>& out) {
  simdjson::dom::object object;
  if (value.get_object().get(object) != simdjson::SUCCESS) {
    return wrong(value, "an object");
  }
  for (const auto& [key, item] : object) {
    auto& pair = out.emplace_back(std::string(key), V{});
    Read result = inside(shown(key), read(item, pair.second));
    if (!result) {
      return result;
    }
  }
  return {};
}

template <typename T>
Read read(element value, std::vector<T>& out) {
  simdjson::dom::array list;
  if (value.get_array().get(list) != simdjson::SUCCESS) {
    return wrong(value, "a list");
  }
  for (const element item : list) {
    const std::string step = fmt::format("[{}]", out.size());
    Read result = inside(step, read(item, out.emplace_back()));
    if (!result) {
      return result;
    }
  }
  return {};
}

template <typename... T>
Read read(element value, std::variant<T...>& out) {
  using Variant = std::variant<T...>;
  const auto& names = names_of<Variant>;
  simdjson::dom::object object;
  if (value.get_object().get(object) != simdjson::SUCCESS || object.size() != 1) {
    return wrong(value, fmt::format("an object of one of {}", fmt::join(names, ", ")));
  }
  const auto [key, item] = *object.begin();
  Read result = std::unexpected(
      Wrong{"", fmt::format("found {}, expected one of {}", shown(key), fmt::join(names, ", "))});
  const auto alternative = [&]<std::size_t I>() {
    if (names[I] == key) {
      result = inside(key, read(item, out.template emplace<I>()));
    }
  };
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (alternative.template operator()<I>(), ...);
  }(std::index_sequence_for<T...>());
  return result;
}

template <typename T>
  requires requires { Fields<T>::list; }
Read read(element value, T& out) {
  static constexpr auto names = field_names<T>();
  simdjson::dom::object object;
  if (value.get_object().get(object) != simdjson::SUCCESS) {
    return wrong(value, "an object");
  }
  std::array<bool, names.size()> seen{};
  const auto members = Fields<T>::tie(out);
  for (const auto& [key, item] : object) {
    const auto index = static_cast<std::size_t>(std::ranges::find(names, key) - names.begin());
    if (index == names.size()) {
      return std::unexpected(Wrong{"", fmt::format("found an unknown member {}, expected one of {}",
                                                   shown(key), fmt::join(names, ", "))});
    }
    if (std::exchange(seen[index], true)) {
      return std::unexpected(
          Wrong{"", fmt::format("found {} twice, expected it once", shown(key))});
    }
    Read result;
    const auto member = [&]<std::size_t I>() {
      if (I == index) {
        result = inside(key, read(item, std::get<I>(members)));
      }
    };
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (member.template operator()<I>(), ...);
    }(std::make_index_sequence<names.size()>());
    if (!result) {
      return result;
    }
  }
  return {};
}

}  // namespace

struct JsonLine::State {
  simdjson::dom::parser parser{file_line_bytes_max};
  std::string padded;  // the line, and the bytes behind it that simdjson may read
  std::string_view kind;
  element value;
};

JsonLine::JsonLine() : state_(std::make_unique<State>()) {}
JsonLine::JsonLine(JsonLine&&) noexcept = default;
JsonLine& JsonLine::operator=(JsonLine&&) noexcept = default;
JsonLine::~JsonLine() = default;

Result<void> JsonLine::parse(std::string_view line) {
  State& state = *state_;
  element root;
  state.padded.assign(line);
  state.padded.append(simdjson::SIMDJSON_PADDING, ' ');
  auto error = simdjson::SUCCESS;
  if (line.size() > state.parser.capacity()) {
    error = state.parser.allocate(std::bit_ceil(line.size()), depth_max);
  }
  if (error == simdjson::SUCCESS) {
    error = state.parser.parse(state.padded.data(), line.size(), false).get(root);
  }
  if (error != simdjson::SUCCESS) {
    return bad_input(
        fmt::format("found {}, expected JSON ({})", shown(line), simdjson::error_message(error)));
  }
  simdjson::dom::object object;
  if (root.get_object().get(object) != simdjson::SUCCESS || object.size() != 1) {
    return bad_input(fmt::format("found {}, expected an object of one record", shown(line)));
  }
  const auto [key, value] = *object.begin();
  state.kind = key;
  state.value = value;
  return {};
}

std::string_view JsonLine::kind() const { return state_->kind; }

bool JsonLine::is_null() const { return state_->value.is_null(); }

template <typename T>
Result<T> JsonLine::read() const {
  T result{};
  const Read done = inside(state_->kind, model::read(state_->value, result));
  if (!done) {
    return bad_input(fmt::format("{}: {}", done.error().path, done.error().what));
  }
  return result;
}

template Result<SnapshotHead> JsonLine::read() const;
template Result<PlanHead> JsonLine::read() const;
template Result<JournalHead> JsonLine::read() const;
template Result<Tenant> JsonLine::read() const;
template Result<Node> JsonLine::read() const;
template Result<SpecAdded> JsonLine::read() const;
template Result<Gang> JsonLine::read() const;
template Result<Pod> JsonLine::read() const;
template Result<DisruptionBudget> JsonLine::read() const;
template Result<Action> JsonLine::read() const;
template Result<TimedDelta> JsonLine::read() const;
template Result<JournalTurn> JsonLine::read() const;

}  // namespace plimsoll::model
