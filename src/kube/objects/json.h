// Reading Kubernetes objects: what is absent or of another type reads as empty, as Go's decoder
// leaves a field at its zero.
//
// The API server has validated what it sends, so that a field of an unexpected type is either a
// newer form of it or of no interest here. Thread-safe, but for a Document, which has one owner.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "base/result.h"
#include "base/units.h"
#include "model/labels.h"

namespace plimsoll::kube {

using Json = simdjson::dom::element;

// One parsed text; its memory is used again for the next one.
class Document {
 public:
  // The root, valid until the next parse. With `padded`, SIMDJSON_PADDING bytes may be read behind
  // the text; else it is copied. Errors: not JSON, not an object.
  Result<Json> parse(std::string_view text, bool padded);

 private:
  simdjson::dom::parser parser_;
};

// The member, or null where `object` is no object or has none of that name.
Json member(Json object, std::string_view name);
Json member(Json object, std::initializer_list<std::string_view> path);
bool is_null(Json value);

std::string_view text(Json value);  // empty: absent, or not a string
std::int64_t integer(Json value, std::int64_t otherwise = 0);
bool truth(Json value, bool otherwise = false);
// Whole seconds of RFC 3339 with 'Z' or an offset, and a fraction; 0: absent or malformed.
Time instant(Json value);

// Items of a list; none where it is absent.
simdjson::dom::array items(Json value);
// Members of an object; none where it is absent.
simdjson::dom::object members(Json value);

// A map of strings, sorted by key.
model::Labels labels(Json value);

}  // namespace plimsoll::kube
