#include <fmt/format.h>

#include <algorithm>
#include <concepts>
#include <optional>
#include <utility>
#include <variant>

#include "model/json.h"
#include "model/json_fields.h"

namespace plimsoll::model {
namespace {

// Declared first, so that they find one another through vectors and optionals.
template <typename T>
  requires std::integral<T>
void write(std::string& out, T value);
template <typename T>
  requires std::is_enum_v<T>
void write(std::string& out, T value);
void write(std::string& out, std::string_view text);
template <typename Tag>
void write(std::string& out, Id<Tag> id);
template <typename Tag>
void write(std::string& out, Unit<Tag> unit);
void write(std::string& out, Time time);
template <typename T>
void write(std::string& out, const std::optional<T>& value);
template <typename V>
void write(std::string& out, const std::vector<std::pair<std::string, V>>& map);
template <typename T>
void write(std::string& out, const std::vector<T>& list);
template <typename... T>
void write(std::string& out, const std::variant<T...>& value);
template <typename T>
  requires requires { Fields<T>::list; }
void write(std::string& out, const T& object);

template <typename T>
  requires std::integral<T>
void write(std::string& out, T value) {
  fmt::format_to(std::back_inserter(out), "{}", value);  // true and false for a bool
}

template <typename T>
  requires std::is_enum_v<T>
void write(std::string& out, T value) {
  const auto index = static_cast<std::size_t>(value);
  check(index < names_of<T>.size(), "every value of an enum has a name");
  write(out, names_of<T>[index]);
}

void write(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  out += '"';
}

template <typename Tag>
void write(std::string& out, Id<Tag> id) {
  check(id.valid(), "only ids that name something are written");
  write(out, id.value());
}

template <typename Tag>
void write(std::string& out, Unit<Tag> unit) {
  write(out, unit.value());
}

void write(std::string& out, Time time) { write(out, time.value()); }

template <typename T>
void write(std::string& out, const std::optional<T>& value) {
  check(value.has_value(), "an absent value is left out");
  write(out, *value);
}

template <typename V>
void write(std::string& out, const std::vector<std::pair<std::string, V>>& map) {
  out += '{';
  for (const auto& [key, value] : map) {
    out += out.back() == '{' ? "" : ",";
    write(out, key);
    out += ':';
    write(out, value);
  }
  out += '}';
}

template <typename T>
void write(std::string& out, const std::vector<T>& list) {
  out += '[';
  const char* separator = "";
  for (const T& item : list) {
    out += separator;
    write(out, item);
    separator = ",";
  }
  out += ']';
}

template <typename... T>
void write(std::string& out, const std::variant<T...>& value) {
  out += '{';
  write(out, names_of<std::variant<T...>>[value.index()]);
  out += ':';
  std::visit([&](const auto& alternative) { write(out, alternative); }, value);
  out += '}';
}

template <typename T>
  requires requires { Fields<T>::list; }
void write(std::string& out, const T& object) {
  static constexpr auto names = field_names<T>();
  const T defaults{};
  const auto members = Fields<T>::tie(object);
  const auto unset = Fields<T>::tie(defaults);
  const char* separator = "";
  const auto member = [&]<std::size_t I>() {
    if (std::get<I>(members) != std::get<I>(unset)) {
      out += separator;
      write(out, names[I]);
      out += ':';
      write(out, std::get<I>(members));
      separator = ",";
    }
  };
  out += '{';
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (member.template operator()<I>(), ...);
  }(std::make_index_sequence<names.size()>());
  out += '}';
}

}  // namespace

std::string canonical_text(const PodSpec& spec) {
  std::string text;
  write(text, spec);
  return text;
}

template <typename T>
std::string to_line(std::string_view kind, const T& value) {
  std::string out = "{";
  write(out, kind);
  out += ':';
  write(out, value);
  out += '}';
  return out;
}

template std::string to_line(std::string_view, const SnapshotHead&);
template std::string to_line(std::string_view, const PlanHead&);
template std::string to_line(std::string_view, const JournalHead&);
template std::string to_line(std::string_view, const Tenant&);
template std::string to_line(std::string_view, const Node&);
template std::string to_line(std::string_view, const SpecAdded&);
template std::string to_line(std::string_view, const Gang&);
template std::string to_line(std::string_view, const Pod&);
template std::string to_line(std::string_view, const DisruptionBudget&);
template std::string to_line(std::string_view, const Action&);
template std::string to_line(std::string_view, const TimedDelta&);
template std::string to_line(std::string_view, const JournalTurn&);

}  // namespace plimsoll::model
