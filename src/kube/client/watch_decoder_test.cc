#include "kube/client/watch_decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "kube/client/json_scan.h"

namespace plimsoll::kube {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct SplitCase {
  std::string line;
  std::optional<WatchEventType> type;
  std::string object;
};

TEST(WatchDecoder, SplitsAnEventInAnyForm) {
  const std::vector<SplitCase> cases = {
      {R"({"type":"ADDED","object":{"a":1}})", WatchEventType::added, R"({"a":1})"},
      {R"({"type":"BOOKMARK","object":{}})", WatchEventType::bookmark, "{}"},
      {R"({"object":{"x":"}\"{"},"type":"DELETED"})", WatchEventType::deleted, R"({"x":"}\"{"})"},
      {R"( { "type" : "MODIFIED" , "object" : { "a" : [ 1 ] } } )", WatchEventType::modified,
       R"({ "a" : [ 1 ] })"},
      {R"({"type":"ERROR","more":[{}],"object":{"code":410}})", WatchEventType::error,
       R"({"code":410})"},
      {R"({"type":"GONE","object":{}})", std::nullopt, ""},
      {R"({"type":"ADDED","object":[]})", std::nullopt, ""},
      {R"({"type":"ADDED","object":}})", std::nullopt, ""},
      {R"({"type":"ADDED"})", std::nullopt, ""},
      {R"({"type":"ADDED","object":)", std::nullopt, ""},
      {"{}", std::nullopt, ""},
      {"x", std::nullopt, ""},
  };
  for (const SplitCase& given : cases) {
    const auto event = split_watch_event(given.line);
    ASSERT_EQ(event.has_value(), given.type.has_value()) << given.line;
    if (event) {
      EXPECT_EQ(event->type, *given.type) << given.line;
      EXPECT_EQ(event->object, given.object) << given.line;
    }
  }
}

TEST(WatchDecoder, HandsOutEventsHoweverTheyAreCut) {
  const std::string stream =
      "{\"type\":\"ADDED\",\"object\":{\"a\":1}}\n\r\n{\"type\":\"DELETED\",\"object\":{\"b\":2}}"
      "\r\n";
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    WatchDecoder decoder;
    std::vector<std::string> objects;
    const auto take = [&](const WatchEvent& event) {
      objects.emplace_back(event.object);
      return true;
    };
    ASSERT_TRUE(decoder.feed(stream.substr(0, cut), take).has_value());
    ASSERT_TRUE(decoder.feed(stream.substr(cut), take).has_value());
    EXPECT_THAT(objects, ElementsAre(R"({"a":1})", R"({"b":2})")) << cut;
    EXPECT_FALSE(decoder.mid_event());
  }
}

TEST(WatchDecoder, DropsTheRestWhenItsReaderHasEnough) {
  WatchDecoder decoder;
  int count = 0;
  const std::string event = "{\"type\":\"ADDED\",\"object\":{}}\n";
  ASSERT_TRUE(decoder.feed(event + event + "{", [&](const WatchEvent&) { return ++count < 1; }));
  EXPECT_EQ(count, 1);
  EXPECT_FALSE(decoder.mid_event());
}

TEST(WatchDecoder, RefusesWhatIsNoEvent) {
  WatchDecoder decoder;
  const auto result = decoder.feed("{\"type\":\"ADDED\",\"object\":{}}\n<html>\n",
                                   [](const WatchEvent&) { return true; });
  ASSERT_FALSE(result.has_value());
  EXPECT_THAT(result.error().message, HasSubstr("found '<html>' in a watch, expected an event"));
}

TEST(WatchDecoder, RefusesAnEventWithoutEnd) {
  WatchDecoder decoder;
  const std::string bytes(watch_event_bytes_max / 4, 'x');
  Result<void> result;
  for (int i = 0; i < 5 && result; ++i) {
    result = decoder.feed(bytes, [](const WatchEvent&) { return true; });
  }
  EXPECT_FALSE(result.has_value());
}

TEST(JsonScan, FindsTheVersionOfTheObjectItself) {
  const auto version = [](std::string_view object) {
    return std::string(resource_version_of(object).value_or("none"));
  };
  EXPECT_EQ(version(R"({"kind":"Pod","metadata":{"name":"a","resourceVersion":"17"},"x":1})"),
            "17");
  EXPECT_EQ(version(R"({"metadata":{"labels":{"resourceVersion":"7"},"resourceVersion":"8"}})"),
            "8");
  EXPECT_EQ(version(R"({"metadata":{"annotations":{"a":"\"resourceVersion\":\"1\""},
                       "resourceVersion":"9"}})"),
            "9");
  EXPECT_EQ(version(R"({"spec":{"metadata":{"resourceVersion":"1"}},"metadata":{}})"), "none");
  EXPECT_EQ(version(R"({"metadata":{"resourceVersion":""}})"), "none");
  EXPECT_EQ(version(R"({"metadata":{"resourceVersion":5}})"), "none");
  EXPECT_EQ(version("{"), "none");
  EXPECT_EQ(version(""), "none");
}

TEST(JsonScan, FindsMembers) {
  const std::string_view object = R"({"a":"x","b\"":{"c":[1,{}]},"d":-1.5e3 ,"e":true})";
  EXPECT_EQ(json_member(object, "a"), R"("x")");
  EXPECT_EQ(json_text(object, "a"), "x");
  EXPECT_EQ(json_member(object, R"(b\")"), R"({"c":[1,{}]})");
  EXPECT_EQ(json_member(object, "d"), "-1.5e3");
  EXPECT_EQ(json_member(object, "e"), "true");
  EXPECT_EQ(json_member(object, "c"), std::nullopt);
  EXPECT_EQ(json_text(object, "d"), std::nullopt);
}

struct Listed {
  std::vector<std::string> items;
  Result<ListMeta> meta;
};

Listed read_list(std::string_view text, std::size_t cut) {
  ListSplitter splitter;
  Listed listed;
  const auto take = [&](std::string_view item) { listed.items.emplace_back(item); };
  Result<void> fed = splitter.feed(text.substr(0, cut), take);
  if (fed) {
    fed = splitter.feed(text.substr(cut), take);
  }
  listed.meta = splitter.finish();
  if (!fed) {
    listed.meta = std::unexpected(fed.error());
  }
  return listed;
}

TEST(ListSplitter, CutsAListHoweverItComes) {
  const std::vector<std::string> lists = {
      R"({"kind":"PodList","metadata":{"resourceVersion":"5","continue":"t"},"items":[{"a":"]}"},{"b":{"items":[{}]}}]})",
      // Custom resources come in alphabetical order.
      R"({ "items" : [ {"a":"]}"} , {"b":{"items":[{}]}} ], "kind":"X", "metadata" : {"continue":"t","resourceVersion":"5"} })"};
  for (const std::string& list : lists) {
    for (std::size_t cut = 0; cut <= list.size(); ++cut) {
      const Listed listed = read_list(list, cut);
      EXPECT_THAT(listed.items, ElementsAre(R"({"a":"]}"})", R"({"b":{"items":[{}]}})")) << cut;
      ASSERT_TRUE(listed.meta.has_value()) << cut;
      EXPECT_EQ(listed.meta->resource_version, "5");
      EXPECT_EQ(listed.meta->continue_token, "t");
    }
  }
}

TEST(ListSplitter, TakesAnEmptyList) {
  for (const std::string_view items : {"[]", "null"}) {
    const std::string list =
        R"({"metadata":{"resourceVersion":"5"},"items":)" + std::string(items) + "}";
    const Listed listed = read_list(list, 3);
    EXPECT_THAT(listed.items, IsEmpty());
    ASSERT_TRUE(listed.meta.has_value());
    EXPECT_EQ(listed.meta->continue_token, "");
  }
}

TEST(ListSplitter, RefusesWhatIsNoList) {
  for (const std::string_view text :
       {"", "[]", "x", "{}", R"({"items":[{}]})",
        R"({"metadata":{"resourceVersion":"5"},"items":[)", R"({"metadata":{}}})", R"("a")"}) {
    EXPECT_FALSE(read_list(text, 0).meta.has_value()) << text;
  }
}

}  // namespace
}  // namespace plimsoll::kube
