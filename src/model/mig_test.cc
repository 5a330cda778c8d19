#include "model/mig.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

namespace plimsoll::model {
namespace {

using Instances = std::vector<MigInstance>;

const MigGeometry& geometry_of(std::string_view model) {
  const MigGeometry* geometry = find_geometry(model);
  check(geometry != nullptr, "the model has a geometry");
  return *geometry;
}

std::string verdict(std::string_view model, const Instances& instances) {
  const auto result = legal(geometry_of(model), instances);
  return result ? "legal" : result.error().message;
}

// Calls `visit` with every set of instances that fits together, each set once per order of starts.
void every_layout(
    const MigGeometry& geometry, const std::function<bool(const MigProfile&)>& use,
    const std::function<void(const std::vector<const MigProfile*>&, SliceMask)>& visit) {
  std::vector<const MigProfile*> chosen;
  const std::function<void(std::int32_t, SliceMask)> extend = [&](std::int32_t from,
                                                                  SliceMask occupied) {
    visit(chosen, occupied);
    for (std::int32_t start = from; start < geometry.memory_slices; ++start) {
      for (const MigProfile& profile : geometry.profiles) {
        if (use(profile) && (places_for(profile, occupied) >> start & 1U) != 0) {
          chosen.push_back(&profile);
          extend(start + 1, occupied | slices_of(profile, start));
          chosen.pop_back();
        }
      }
    }
  };
  extend(0, 0);
}

TEST(Mig, FindsModelsAndProfilesByTheirExactNames) {
  EXPECT_EQ(geometries().size(), 9U);
  EXPECT_EQ(geometry_of("A100-80GB").find("3g.40gb")->memory_slices, 4);
  EXPECT_EQ(geometry_of("A100-80GB").find("3g.20gb"), nullptr);
  EXPECT_EQ(geometry_of("A100-40GB").find("7g.40gb")->memory(), Bytes(42'144'366'592));
  for (const char* unknown : {"", "A100", "a100-80gb", "G2", "V100M32"}) {
    EXPECT_EQ(find_geometry(unknown), nullptr) << unknown;
  }
}

TEST(Mig, LegalNamesTheInstanceThatDoesNotFit) {
  const struct {
    const char* model;
    Instances instances;
    const char* verdict;
  } cases[] = {
      {"A100-40GB", {}, "legal"},
      {"A100-40GB", {{"7g.40gb", 0}}, "legal"},
      {"A100-40GB", {{"3g.20gb", 4}, {"4g.20gb", 0}}, "legal"},
      {"A100-40GB", {{"3g.20gb", 0}, {"3g.20gb", 4}}, "legal"},
      {"A100-40GB", {{"1g.5gb+me", 6}, {"1g.5gb", 5}, {"1g.5gb", 0}}, "legal"},
      {"A100-40GB", {{"1g.10gb", 6}, {"2g.10gb", 4}, {"4g.20gb", 0}}, "legal"},
      {"A30-24GB", {{"2g.12gb", 2}, {"1g.6gb", 0}, {"1g.6gb+me", 1}}, "legal"},
      {"A100-40GB",
       {{"3g.40gb", 0}},
       "MIG instance 3g.40gb@0: found profile 3g.40gb, expected one of A100-40GB"},
      {"A100-40GB",
       {{"1g.5gb", 7}},
       "MIG instance 1g.5gb@7: found start 7, expected one of 0 1 2 3 4 5 6 on A100-40GB"},
      {"A100-40GB",
       {{"2g.10gb", 6}},
       "MIG instance 2g.10gb@6: found start 6, expected one of 0 2 4 on A100-40GB"},
      {"H100-80GB",
       {{"3g.40gb", -1}},
       "MIG instance 3g.40gb@-1: found start -1, expected one of 0 4 on H100-80GB"},
      {"H100-80GB",
       {{"3g.40gb", 1 << 20}},
       "MIG instance 3g.40gb@1048576: found start 1048576, expected one of 0 4 on H100-80GB"},
      {"H100-80GB",
       {{"1g.10gb", 0}, {"4g.40gb", 0}},
       "MIG instance 4g.40gb@0: found memory slices taken, expected them free on H100-80GB"},
      {"H100-80GB",
       {{"1g.10gb", 6}, {"3g.40gb", 4}},
       "MIG instance 3g.40gb@4: found memory slices taken, expected them free on H100-80GB"},
      {"H100-80GB",
       {{"1g.10gb+me", 0}, {"1g.10gb+me", 1}},
       "MIG instance 1g.10gb+me@1: found the media engines taken, expected them free on H100-80GB"},
      {"A30-24GB",
       {{"1g.6gb+me", 0}, {"2g.12gb+me", 2}},
       "MIG instance 2g.12gb+me@2: found the media engines taken, expected them free on A30-24GB"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(verdict(c.model, c.instances), c.verdict);
  }
}

TEST(Mig, PlacesForGivesTheFreeStarts) {
  const MigGeometry& a100 = geometry_of("A100-80GB");
  const MigProfile& one = *a100.find("1g.10gb");
  const MigProfile& media = *a100.find("1g.10gb+me");
  const MigProfile& three = *a100.find("3g.40gb");
  EXPECT_EQ(places_for(one, 0), 0b0111'1111);
  EXPECT_EQ(places_for(one, 0b1010), 0b0111'0101);
  EXPECT_EQ(places_for(three, 0), 0b0001'0001);
  EXPECT_EQ(places_for(three, slices_of(one, 6)), 0b0000'0001)
      << "1g at 6 makes 3g at 4 impossible";
  EXPECT_EQ(places_for(*a100.find("4g.40gb"), slices_of(one, 0)), 0);
  EXPECT_EQ(places_for(media, slices_of(media, 3)), 0) << "the media engines are taken";
  EXPECT_EQ(places_for(one, slices_of(media, 3)), 0b0111'0111);
  static_assert(places_for({.memory_slices = 2, .starts = 0b101}, 0b1000) == 0b001);
}

// The public mocks of H100, H200 and B200 take the number of compute slices for the size on the
// memory axis. These are the layouts that they allow and no GPU does.
TEST(Mig, DoesNotShareTheMistakesOfPublicMocks) {
  for (const MigGeometry& geometry : geometries()) {
    if (geometry.memory_slices != 8) {
      continue;
    }
    const auto named = [&](std::int32_t compute, std::int32_t memory) {
      const auto it = std::ranges::find_if(geometry.profiles, [&](const MigProfile& p) {
        return p.compute_slices == compute && p.memory_slices == memory && !p.media;
      });
      EXPECT_NE(it, geometry.profiles.end()) << geometry.model;
      return std::string(it->name);
    };
    const std::string one = named(1, 1);
    const std::string doubled = named(1, 2);
    const std::string three = named(3, 4);
    const std::string seven = named(7, 8);
    for (const Instances& wrong :
         std::vector<Instances>{{{three, 0}, {one, 3}},  // size 3 would leave slice 3 free
                                {{three, 0}, {three, 4}, {one, 3}},  // 3g + 3g + 1g
                                {{doubled, 1}},  // a doubled 1g starts at even slices only
                                {{doubled, 0}, {one, 1}},  // and takes two of them
                                {{one, 7}},
                                {{seven, 0}, {one, 6}}}) {
      EXPECT_FALSE(legal(geometry, wrong)) << geometry.model << " " << wrong.front().profile;
    }
  }
  EXPECT_EQ(geometry_of("H100-80GB").find("3g.40gb")->sm_count, 60) << "the mocks say 48";
  EXPECT_EQ(geometry_of("H100-80GB").find("7g.80gb")->sm_count, 132) << "the mocks say 112";
  EXPECT_EQ(geometry_of("H100-80GB").find("1g.10gb")->gi_profile_id, 19) << "the mocks say 0";
}

TEST(Mig, NoLayoutRunsOutOfComputeSlicesAndTheCountsFollowFromTheStarts) {
  for (const MigGeometry& geometry : geometries()) {
    std::map<std::string_view, std::int32_t> most;
    every_layout(
        geometry, [](const MigProfile&) { return true; },
        [&](const auto& chosen, SliceMask) {
          std::int32_t compute = 0;
          std::map<std::string_view, std::int32_t> counts;
          for (const MigProfile* profile : chosen) {
            compute += profile->compute_slices;
            most[profile->name] = std::max(most[profile->name], ++counts[profile->name]);
          }
          ASSERT_LE(compute, geometry.compute_slices) << geometry.model;
        });
    for (const MigProfile& profile : geometry.profiles) {
      EXPECT_EQ(most[profile.name], profile.max_instances) << geometry.model << profile.name;
      EXPECT_EQ(places_for(profile, 0), profile.starts);
    }
  }
}

TEST(Mig, TheMultisetsOfTheEightSliceLayoutAreThoseThatAreKnown) {
  const MigGeometry& geometry = geometry_of("A100-80GB");
  const auto base = [](const MigProfile& p) { return !p.media && p.name != "1g.20gb"; };
  const auto key = [](const std::vector<const MigProfile*>& chosen) {
    std::string text;
    for (const MigProfile* profile : chosen) {
      text += static_cast<char>('0' + profile->compute_slices);
    }
    std::ranges::sort(text, std::greater<>());
    return text;
  };
  std::set<std::string> feasible;
  every_layout(geometry, base, [&](const auto& chosen, SliceMask) {
    if (!chosen.empty()) {
      feasible.insert(key(chosen));
    }
  });
  std::set<std::string> maximal;
  for (const std::string& layout : feasible) {
    const bool extended = std::ranges::any_of(std::string("12347"), [&](char more) {
      std::string longer = layout + more;
      std::ranges::sort(longer, std::greater<>());
      return feasible.contains(longer);
    });
    if (!extended) {
      maximal.insert(layout);
    }
  }
  EXPECT_EQ(feasible.size(), 37U) << "38 with the empty one";
  EXPECT_EQ(maximal, (std::set<std::string>{"7", "43", "33", "322", "421", "2221", "3211", "4111",
                                            "22111", "31111", "211111", "1111111"}));
}

// One profile of the data file: its row, or two where the name depends on the driver
// ("1g.23|24gb").
std::vector<std::string> names_of(const std::string& profile) {
  const auto bar = profile.find('|');
  if (bar == std::string::npos) {
    return {profile};
  }
  const auto dot = profile.find('.');
  const auto unit = profile.find("gb");
  return {profile.substr(0, bar) + profile.substr(unit),
          profile.substr(0, dot + 1) + profile.substr(bar + 1)};
}

std::int32_t hundredths(const nlohmann::json& gib, std::size_t at) {
  if (gib.is_null()) {
    return 0;
  }
  if (gib.is_number()) {
    return static_cast<std::int32_t>(std::lround(gib.get<double>() * 100));
  }
  std::istringstream values(gib.get<std::string>());
  std::string value;
  for (std::size_t i = 0; i <= at; ++i) {
    std::getline(values, value, '|');
  }
  return static_cast<std::int32_t>(std::lround(std::stod(value) * 100));
}

TEST(Mig, TheTablesAreThoseOfTheDataFile) {
  std::ifstream file("../shared/data/mig/profiles.json");
  if (!file) {
    GTEST_SKIP() << "../shared/data/mig/profiles.json is not there";
  }
  const auto gpus = nlohmann::json::parse(file).at("gpus");
  ASSERT_EQ(gpus.size(), geometries().size());
  for (const auto& [model, gpu] : gpus.items()) {
    const MigGeometry& geometry = geometry_of(model);
    EXPECT_EQ(geometry.compute_slices, gpu.at("compute_slices"));
    EXPECT_EQ(geometry.memory_slices, gpu.at("memory_slices"));
    std::size_t rows = 0;
    for (const auto& fact : gpu.at("profiles")) {
      const auto names = names_of(fact.at("profile"));
      for (std::size_t i = 0; i < names.size(); ++i, ++rows) {
        const MigProfile* profile = geometry.find(names[i]);
        ASSERT_NE(profile, nullptr) << model << names[i];
        unsigned starts = 0;
        for (const auto& placement : fact.at("placements")) {
          starts |= 1U << placement.at("start").get<unsigned>();
          EXPECT_EQ(placement.at("size"), profile->memory_slices);
        }
        EXPECT_EQ(profile->starts, starts) << model << names[i];
        EXPECT_EQ(profile->gi_profile_id, fact.at("gi_profile_id"));
        EXPECT_EQ(profile->compute_slices, fact.at("compute_slices"));
        EXPECT_EQ(profile->memory_slices, fact.at("memory_slices"));
        EXPECT_EQ(profile->max_instances, fact.at("max_instances"));
        EXPECT_EQ(profile->media, fact.at("media_ext"));
        EXPECT_EQ(profile->sm_count, fact.at("sm").is_null() ? 0 : fact.at("sm").get<int>());
        EXPECT_EQ(profile->memory_gib_hundredths, hundredths(fact.at("memory_gib_reported"), i));
      }
    }
    EXPECT_EQ(rows, geometry.profiles.size()) << model;
  }
}

}  // namespace
}  // namespace plimsoll::model
