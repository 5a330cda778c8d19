#include "kube/objects/json.h"

#include <algorithm>

#include "kube/client/timestamp.h"

namespace plimsoll::kube {
namespace {

// Null, an empty list and an empty object to stand for what is absent. Parsed once and only read.
struct Absent {
  simdjson::dom::parser parser;
  Json root;
  Absent() { root = parser.parse(std::string_view("[null, [], {}]")).value(); }
};

const Absent& absent() {
  static const Absent instance;
  return instance;
}

Json null_value() { return absent().root.at(0).value_unsafe(); }

}  // namespace

Result<Json> Document::parse(std::string_view text, bool padded) {
  Json root;
  const auto error = parser_.parse(text.data(), text.size(), !padded).get(root);
  if (error != simdjson::SUCCESS) {
    return failed(std::string("found no JSON: ") + simdjson::error_message(error));
  }
  if (!root.is_object()) {
    return failed("found JSON that is no object, expected a Kubernetes object");
  }
  return root;
}

Json member(Json object, std::string_view name) {
  Json value;
  if (!object.is_object() || object.at_key(name).get(value) != simdjson::SUCCESS) {
    return null_value();
  }
  return value;
}

Json member(Json object, std::initializer_list<std::string_view> path) {
  for (const std::string_view name : path) {
    object = member(object, name);
  }
  return object;
}

bool is_null(Json value) { return value.is_null(); }

std::string_view text(Json value) {
  std::string_view result;
  return value.get_string().get(result) == simdjson::SUCCESS ? result : std::string_view();
}

std::int64_t integer(Json value, std::int64_t otherwise) {
  std::int64_t result = 0;
  return value.get_int64().get(result) == simdjson::SUCCESS ? result : otherwise;
}

bool truth(Json value, bool otherwise) {
  bool result = false;
  return value.get_bool().get(result) == simdjson::SUCCESS ? result : otherwise;
}

Time instant(Json value) { return Time(parse_timestamp(text(value)).value_or(0)); }

simdjson::dom::array items(Json value) {
  simdjson::dom::array result;
  if (value.get_array().get(result) != simdjson::SUCCESS) {
    result = absent().root.at(1).value_unsafe().get_array().value_unsafe();
  }
  return result;
}

simdjson::dom::object members(Json value) {
  simdjson::dom::object result;
  if (value.get_object().get(result) != simdjson::SUCCESS) {
    result = absent().root.at(2).value_unsafe().get_object().value_unsafe();
  }
  return result;
}

model::Labels labels(Json value) {
  model::Labels result;
  for (const auto [key, label] : members(value)) {
    result.emplace_back(key, text(label));
  }
  std::ranges::sort(result);
  const auto twins = std::ranges::unique(result, {}, &std::pair<std::string, std::string>::first);
  result.erase(twins.begin(), twins.end());
  return result;
}

}  // namespace plimsoll::kube
