#include <simdjson.h>

#include <cstdint>
#include <string>
#include <vector>

#include "kube/client/json_scan.h"
#include "kube/client/watch_decoder.h"

using namespace plimsoll;
using namespace plimsoll::kube;

namespace {

struct Decoded {
  std::vector<std::string> events;
  bool good = true;
};

Decoded decode(std::string_view text, std::size_t chunk) {
  WatchDecoder decoder;
  Decoded decoded;
  for (std::size_t at = 0; at < text.size() && decoded.good; at += chunk) {
    decoded.good =
        decoder
            .feed(text.substr(at, chunk),
                  [&](const WatchEvent& event) {
                    std::string one(1, static_cast<char>('0' + static_cast<int>(event.type)));
                    one += event.object;
                    one += resource_version_of(event.object).value_or("");
                    decoded.events.push_back(std::move(one));
                    return true;
                  })
            .has_value();
  }
  return decoded;
}

Decoded split(std::string_view text, std::size_t chunk, Result<ListMeta>& meta) {
  ListSplitter splitter;
  Decoded split;
  for (std::size_t at = 0; at < text.size() && split.good; at += chunk) {
    split.good = splitter
                     .feed(text.substr(at, chunk),
                           [&](std::string_view item) { split.events.emplace_back(item); })
                     .has_value();
  }
  meta = splitter.finish();
  return split;
}

}  // namespace

// However a stream is cut, it gives the same; and what is valid JSON gives what simdjson finds.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const Decoded whole = decode(text, size + 1);
  const Decoded pieces = decode(text, 3);
  check(whole.events == pieces.events && whole.good == pieces.good, "events do not depend on cuts");

  Result<ListMeta> meta;
  Result<ListMeta> meta_pieces;
  const Decoded list = split(text, size + 1, meta);
  const Decoded list_pieces = split(text, 1, meta_pieces);
  check(list.events == list_pieces.events && list.good == list_pieces.good &&
            meta.has_value() == meta_pieces.has_value(),
        "items do not depend on cuts");

  simdjson::dom::parser parser;
  simdjson::dom::element root;
  if (parser.parse(text).get(root) != simdjson::SUCCESS || !root.is_object()) {
    return 0;
  }
  std::string_view version;
  simdjson::dom::element metadata;
  const auto found = resource_version_of(text);
  if (found && root["metadata"].get(metadata) == simdjson::SUCCESS) {
    check(metadata["resourceVersion"].get(version) != simdjson::SUCCESS || version == *found ||
              text.find('\\') != std::string::npos,
          "the version is the object's own");
  }
  return 0;
}
