#include "base/yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <utility>

#include "base/text.h"

namespace plimsoll {
namespace {

// Carries our error out of yaml-cpp's parser; caught in parse_yaml().
struct Refused {
  Error error;
};

struct Size {
  std::size_t nodes = 0;
  std::size_t bytes = 0;
};

Size size_of(const YamlNode& node) {
  Size size = {.nodes = 1, .bytes = node.text.size() + node.key.size()};
  for (const YamlNode& item : node.items) {
    const Size inner = size_of(item);
    size.nodes += inner.nodes;
    size.bytes += inner.bytes;
  }
  return size;
}

class Builder final : public YAML::EventHandler {
 public:
  explicit Builder(const std::string& name) : name_(name) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) {
      refuse(line_of(mark), "found a second document, expected one");
    }
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add({.kind = YamlNode::Kind::null, .line = line_of(mark)}, anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) {
      refuse(line_of(mark), "found an alias inside what it names, expected it outside");
    }
    grow(line_of(mark), found->second.second);
    YamlNode copy = found->second.first;
    copy.key.clear();
    copy.line = line_of(mark);
    place(std::move(copy));
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    if (tag != "?" && tag != "!" && !tag.empty()) {
      refuse_tag(mark, tag);
    }
    add({.kind = YamlNode::Kind::scalar,
         .quoted = tag == "!",
         .text = value,
         .line = line_of(mark)},
        anchor);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    open(YamlNode::Kind::list, mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    open(YamlNode::Kind::mapping, mark, tag, anchor);
  }
  void OnMapEnd() override { close(); }

  [[nodiscard]] bool has_document() const { return documents_ > 0; }
  YamlNode take() { return std::move(root_); }

 private:
  struct Open {
    YamlNode node;
    YAML::anchor_t anchor = 0;
    bool has_key = false;  // of a mapping: the next node is the value of `key`
    std::string key;
    std::int64_t key_line = 0;
    std::set<std::string> keys;
  };

  static std::int64_t line_of(const YAML::Mark& mark) { return mark.line + 1; }

  [[noreturn]] void refuse(std::int64_t line, const std::string& what) const {
    throw Refused{
        {.code = ErrorCode::bad_input, .message = fmt::format("{}:{}: {}", name_, line, what)}};
  }
  [[noreturn]] void refuse_tag(const YAML::Mark& mark, const std::string& tag) const {
    refuse(line_of(mark), fmt::format("found the tag {}, expected none", quoted(tag)));
  }

  void grow(std::int64_t line, Size by) {
    size_.nodes += by.nodes;
    size_.bytes += by.bytes;
    if (size_.nodes > yaml_nodes_max || size_.bytes > yaml_text_bytes_max) {
      refuse(line, fmt::format("found more than {} values or {} bytes after aliases, expected less",
                               yaml_nodes_max, yaml_text_bytes_max));
    }
  }

  void open(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag,
            YAML::anchor_t anchor) {
    if (tag != "?" && tag != "!" && !tag.empty()) {
      refuse_tag(mark, tag);
    }
    if (open_.size() >= yaml_depth_max) {
      refuse(line_of(mark),
             fmt::format("found nesting deeper than {}, expected at most that", yaml_depth_max));
    }
    grow(line_of(mark), {.nodes = 1});
    open_.push_back({.node = {.kind = kind, .line = line_of(mark)}, .anchor = anchor});
  }

  void close() {
    Open done = std::move(open_.back());
    open_.pop_back();
    remember(done.node, done.anchor);
    place(std::move(done.node));
  }

  void add(YamlNode node, YAML::anchor_t anchor) {
    grow(node.line, {.nodes = 1, .bytes = node.text.size()});
    remember(node, anchor);
    place(std::move(node));
  }

  void remember(const YamlNode& node, YAML::anchor_t anchor) {
    if (anchor != 0) {
      const Size size = size_of(node);
      grow(node.line, size);
      anchors_[anchor] = {node, size};
    }
  }

  // Puts a finished node where it belongs: as a key, a value, an item or the root.
  void place(YamlNode node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node.kind == YamlNode::Kind::mapping && !parent.has_key) {
      if (node.kind != YamlNode::Kind::scalar) {
        refuse(node.line, "found a key that is not text, expected a name");
      }
      if (!parent.keys.insert(node.text).second) {
        refuse(node.line,
               fmt::format("{}: found this key twice, expected once", quoted(node.text)));
      }
      parent.has_key = true;
      parent.key = std::move(node.text);
      parent.key_line = node.line;
      return;
    }
    if (parent.has_key) {
      node.key = std::move(parent.key);
      node.key_line = parent.key_line;
      parent.has_key = false;
    }
    parent.node.items.push_back(std::move(node));
  }

  const std::string& name_;
  int documents_ = 0;
  YamlNode root_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, std::pair<YamlNode, Size>> anchors_;
  Size size_;
};

bool is_continuation(unsigned char byte) { return (byte & 0xC0) == 0x80; }

// Length of the UTF-8 sequence at the front of `text`, or 0 if it is none.
std::size_t utf8_length(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t length = lead < 0x80                   ? 1
                             : lead >= 0xC2 && lead < 0xE0 ? 2
                             : lead >= 0xE0 && lead < 0xF0 ? 3
                             : lead >= 0xF0 && lead < 0xF5 ? 4
                                                           : 0;
  if (length == 0 || text.size() < length) {
    return 0;
  }
  for (std::size_t i = 1; i < length; ++i) {
    if (!is_continuation(static_cast<unsigned char>(text[i]))) {
      return 0;
    }
  }
  if (length > 2) {
    const auto second = static_cast<unsigned char>(text[1]);
    const bool overlong = (lead == 0xE0 && second < 0xA0) || (lead == 0xF0 && second < 0x90);
    const bool beyond = (lead == 0xED && second >= 0xA0) || (lead == 0xF4 && second >= 0x90);
    return overlong || beyond ? 0 : length;
  }
  return length;
}

// Text that is safe to hand to the parser.
Result<void> check_text(std::string_view text, const std::string& name,
                        std::size_t line_bytes_max) {
  if (text.size() > yaml_bytes_max) {
    return bad_input(
        fmt::format("{}: found more than {} bytes, expected at most that", name, yaml_bytes_max));
  }
  std::int64_t line = 1;
  std::size_t line_start = 0;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = utf8_length(text.substr(i));
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool control =
        (byte < 0x20 && byte != '\n' && byte != '\r' && byte != '\t') || byte == 0x7F;
    if (length == 0 || control) {
      return bad_input(
          fmt::format("{}:{}: found the byte 0x{:02x}, expected UTF-8 text", name, line, byte));
    }
    if (byte == '\n') {
      ++line;
      line_start = i + 1;
    } else if (i + length - line_start > line_bytes_max) {
      return bad_input(
          fmt::format("{}:{}: found a line of more than {} bytes, expected at most "
                      "that",
                      name, line, line_bytes_max));
    }
    i += length;
  }
  return {};
}

}  // namespace

const YamlNode* YamlNode::find(std::string_view name) const {
  const auto found = std::find_if(items.begin(), items.end(),
                                  [&](const YamlNode& item) { return item.key == name; });
  return kind == Kind::mapping && found != items.end() ? &*found : nullptr;
}

Result<YamlNode> parse_yaml(std::string_view text, const std::string& name,
                            std::size_t line_bytes_max) {
  if (text.starts_with("\xEF\xBB\xBF")) {
    text.remove_prefix(3);
  }
  TRY_VOID(check_text(text, name, line_bytes_max));
  Builder builder(name);
  try {
    // The end marker makes a scalar whose quote is never closed an error; alone, yaml-cpp lets it
    // end with the file.
    std::istringstream stream(std::string(text) + (text.ends_with('\n') ? "...\n" : "\n...\n"));
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (Refused& refused) {
    return std::unexpected(std::move(refused.error));
  } catch (const YAML::Exception& error) {
    return bad_input(fmt::format("{}:{}: found broken YAML ({}), expected a mapping", name,
                                 std::max(0, error.mark.line) + 1, error.msg));
  }
  if (!builder.has_document()) {
    return bad_input(fmt::format("{}:1: found nothing, expected a mapping", name));
  }
  return builder.take();
}

}  // namespace plimsoll
