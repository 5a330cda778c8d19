#include "model/file.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include <algorithm>

#include "model/file_frame.h"
#include "model/random_model.h"

namespace plimsoll::model {
namespace {

Sink into(std::string& bytes) {
  return [&bytes](std::string_view more) -> Result<void> {
    bytes += more;
    return {};
  };
}

std::string file_of(const Snapshot& snapshot) {
  std::string bytes;
  const auto result = encode_snapshot(snapshot, into(bytes));
  EXPECT_TRUE(result) << result.error().message;
  return bytes;
}

std::string file_of(const Plan& plan) {
  std::string bytes;
  const auto result = encode_plan(plan, into(bytes));
  EXPECT_TRUE(result) << result.error().message;
  return bytes;
}

// A whole file of these lines, with its proper end.
std::string file_of(FileKind kind, const std::vector<std::string>& lines) {
  std::string bytes;
  FrameWriter writer(kind, into(bytes));
  for (const std::string& line : lines) {
    EXPECT_TRUE(writer.line(line, "line"));
  }
  EXPECT_TRUE(writer.finish());
  return bytes;
}

// Feeds it in chunks of `chunk` bytes.
template <typename Decoder>
auto decode(Decoder decoder, std::string_view bytes, std::size_t chunk = 1U << 20)
    -> decltype(decoder.finish()) {
  while (!bytes.empty()) {
    const auto size = std::min(chunk, bytes.size());
    TRY_VOID(decoder.feed(bytes.substr(0, size)));
    bytes.remove_prefix(size);
  }
  return decoder.finish();
}

template <typename T>
std::string refusal(const Result<T>& result) {
  EXPECT_TRUE(result || result.error().code == ErrorCode::bad_input);
  return result ? "accepted" : result.error().message;
}

std::string snapshot_refusal(std::string_view bytes) {
  return refusal(decode(SnapshotDecoder("f"), bytes));
}

// What `zstd -dc` prints: every frame, the skippable one skipped.
std::string text_of(const std::string& bytes) {
  std::string text(1U << 20, '\0');
  const auto size = ZSTD_decompress(text.data(), text.size(), bytes.data(), bytes.size());
  EXPECT_FALSE(ZSTD_isError(size)) << ZSTD_getErrorName(size);
  text.resize(size);
  return text;
}

std::string with_end(std::string lines) {
  return lines + "{\"end\":{\"records\":" + std::to_string(std::ranges::count(lines, '\n')) +
         ",\"sha256\":\"" + sha256_hex(lines) + "\"}}\n";
}

// Every member of every struct of a snapshot, off its default.
Snapshot full_snapshot() {
  Snapshot s;
  s.now = Time(5'000'000);
  s.tenants = {{TenantId(0), "root", {}}, {TenantId(1), "team", TenantId(0)}};
  Node node{.id = NodeId(0), .name = "n0", .labels = {{"a", "b"}, {"zone", "z"}}};
  node.taints = {{"k", "v", TaintEffect::no_execute}, {.key = "soft"}};
  node.capacity = {Millicores(64'000), Bytes(1 << 30), Bytes(5), 110, {{"rdma/hca", 8}}};
  node.allocatable = {.cpu = Millicores(63'000)};
  node.attach_limits = {{"ebs.csi", 27}};
  node.gpus = {{"A100-80GB",
                Bytes(85'899'345'920),
                GpuSharing::mig,
                GpuCondition::draining,
                Time(9),
                {{"3g.40gb", 4}, {"1g.10gb", 0}}},
               Gpu{}};
  node.topology = {"z", "b", "r", "nv"};
  node.pool = "gpu";
  node.capacity_type = CapacityType::spot;
  node.price = MicroUsdPerHour(2'500'000);
  node.ready = false;
  node.unschedulable = true;
  s.nodes = {node, Node{}};
  PodSpec spec{.name_space = "ml", .labels = {{"app", "x"}}};
  spec.requests = {.cpu = Millicores(500), .memory = Bytes(7)};
  spec.gpu = {1, GpuMilli(500), "1g.10gb", {"A100-80GB", "H100-80GB"}, Bytes(3)};
  spec.node_selector = {{"zone", "z"}};
  spec.node_affinity = {
      {{{"a", SelectorOperator::not_in, {"c", "d"}}}, {{"", SelectorOperator::in, {"n0"}}}}};
  spec.node_affinity_preferred = {{50, {{{"g", SelectorOperator::gt, {"4"}}}}}};
  spec.tolerations = {{"k", TolerationOperator::exists, "", TaintEffect::no_schedule}};
  spec.affinity = {{{{"app", SelectorOperator::in, {"x"}}}, {"ml"}, "zone", 10, true}};
  spec.anti_affinity = {{{{"app", SelectorOperator::exists, {}}}, {}, "host", 0}};
  spec.spread = {{2, "zone", false, {{"app", SelectorOperator::exists, {}}}, 3, false, true}};
  spec.host_ports = {{"10.0.0.1", "UDP", 53}};
  spec.volume_topology = {{{{{"zone", SelectorOperator::in, {"z"}}}}}};
  spec.volumes = {{"ebs.csi", "vol-1"}};
  spec.exclusive_claims = {"ml/data"};
  spec.preempts = false;
  spec.priority = -5;
  s.specs = {spec, PodSpec{}};
  s.gangs = {{GangId(0), "g", TenantId(1), 2, 4, TopologyLevel::rack, TopologyLevel::host,
              "example.com/rack", "bert", 128, Bytes(6), Duration(4), Time(1), Duration(2), true}};
  s.budgets = {{BudgetId(0), "pdb", "ml", {{"app", SelectorOperator::exists, {}}}, 2},
               DisruptionBudget{}};
  s.pods = {{PodId(0), "p \"0\"\n", SpecId(0), GangId(0), TenantId(1), Time(3),
             Binding{NodeId(0), {{0, GpuMilli(0), 0}}}, Time(4), true, true},
            Pod{},
            {.id = PodId(2), .spec = SpecId(1)}};
  return s;
}

constexpr const char* full_lines =
    R"({"snapshot":{"now":5000000}}
{"tenant":{"id":0,"name":"root"}}
{"tenant":{"id":1,"name":"team","parent":0}}
{"node":{"id":0,"name":"n0","labels":{"a":"b","zone":"z"},"taints":[{"key":"k","value":"v","effect":"no_execute"},{"key":"soft"}],"capacity":{"cpu":64000,"memory":1073741824,"ephemeral_storage":5,"pods":110,"extended":{"rdma/hca":8}},"allocatable":{"cpu":63000},"attach_limits":{"ebs.csi":27},"gpus":[{"model":"A100-80GB","memory":85899345920,"sharing":"mig","condition":"draining","until":9,"instances":[{"profile":"3g.40gb","start":4},{"profile":"1g.10gb"}]},{}],"topology":{"zone":"z","block":"b","rack":"r","nvlink_domain":"nv"},"pool":"gpu","capacity_type":"spot","price":2500000,"ready":false,"unschedulable":true}}
{"node":null}
{"spec":{"id":0,"spec":{"namespace":"ml","labels":{"app":"x"},"requests":{"cpu":500,"memory":7},"gpu":{"count":1,"milli":500,"mig_profile":"1g.10gb","models":["A100-80GB","H100-80GB"],"memory_min":3},"node_selector":{"zone":"z"},"node_affinity":[{"expressions":[{"key":"a","op":"not_in","values":["c","d"]}],"names":[{"values":["n0"]}]}],"node_affinity_preferred":[{"weight":50,"term":{"expressions":[{"key":"g","op":"gt","values":["4"]}]}}],"tolerations":[{"key":"k","op":"exists","effect":"no_schedule"}],"affinity":[{"selector":[{"key":"app","values":["x"]}],"namespaces":["ml"],"topology_key":"zone","weight":10,"every_namespace":true}],"anti_affinity":[{"selector":[{"key":"app","op":"exists"}],"topology_key":"host"}],"spread":[{"max_skew":2,"topology_key":"zone","hard":false,"selector":[{"key":"app","op":"exists"}],"min_domains":3,"honor_affinity":false,"honor_taints":true}],"host_ports":[{"ip":"10.0.0.1","protocol":"UDP","port":53}],"volume_topology":[[{"expressions":[{"key":"zone","values":["z"]}]}]],"volumes":[{"driver":"ebs.csi","handle":"vol-1"}],"exclusive_claims":["ml/data"],"priority":-5,"preempts":false}}}
{"spec":{"id":1}}
{"gang":{"id":0,"name":"g","tenant":1,"min_members":2,"max_members":4,"required_level":"rack","preferred_level":"host","required_key":"example.com/rack","profile":"bert","batch_size":128,"gradients":6,"step":4,"submitted":1,"expected":2,"disrupted_whole":true}}
{"pod":{"id":0,"name":"p \"0\"\n","spec":0,"gang":0,"tenant":1,"created":3,"binding":{"node":0,"gpus":[{"milli":0,"mig_start":0}]},"started":4,"terminating":true,"do_not_disrupt":true}}
{"pod":null}
{"pod":{"id":2,"spec":1}}
{"budget":{"id":0,"name":"pdb","namespace":"ml","selector":[{"key":"app","op":"exists"}],"allowed":2}}
{"budget":null}
)";

TEST(File, GoldenLinesOfASnapshot) {
  const std::string bytes = file_of(full_snapshot());
  EXPECT_EQ(text_of(bytes), with_end(full_lines));
  EXPECT_EQ(bytes.substr(4, 4), std::string("\x14\0\0\0", 4));
  EXPECT_EQ(bytes.substr(8, 20), "plimsoll snapshot 3\n");
  EXPECT_EQ(decode(SnapshotDecoder("f"), bytes), Result<Snapshot>(full_snapshot()));
}

TEST(File, GoldenLinesOfAPlan) {
  const Plan plan{
      .made = Time(7),
      .actions = {{.kind = Bind{PodId(3), {NodeId(1), {{2}, {3, GpuMilli(250)}}}},
                   .reason = {.code = ReasonCode::best_score, .policy = "fgd", .score = -12},
                   .rejected = {{NodeId(4), {.code = ReasonCode::best_score, .score = -13}}},
                   .effect = {MicroUsdPerHour(5), 1250, Duration(9)}},
                  {.kind = Evict{PodId(0)}, .reason = {.code = ReasonCode::preempted}},
                  {.kind = Refuse{PodId(5)},
                   .reason = {.code = ReasonCode::no_room,
                              .refusals = {{RefusalCode::taint, "k: v", 3}},
                              .nodes_total = 3},
                   .after = {0, 1}},
                  {.kind = Decline{GangId(0), Time(8)},
                   .reason = {.code = ReasonCode::waiting_is_faster, .until = Time(8)}}}};
  const std::string lines =
      R"({"plan":{"made":7}}
{"action":{"kind":{"bind":{"pod":3,"binding":{"node":1,"gpus":[{"index":2},{"index":3,"milli":250}]}}},"reason":{"policy":"fgd","score":-12},"rejected":[{"node":4,"reason":{"score":-13}}],"effect":{"cost":5,"gpu_milli_allocated":1250,"finish_earlier":9}}}
{"action":{"kind":{"evict":{"pod":0}},"reason":{"code":"preempted"}}}
{"action":{"kind":{"refuse":{"pod":5}},"reason":{"code":"no_room","refusals":[{"code":"taint","detail":"k: v","nodes":3}],"nodes_total":3},"after":[0,1]}}
{"action":{"kind":{"decline":{"gang":0,"until":8}},"reason":{"code":"waiting_is_faster","until":8}}}
)";
  EXPECT_EQ(text_of(file_of(plan)), with_end(lines));
  EXPECT_EQ(decode(PlanDecoder("f"), file_of(plan)), Result<Plan>(plan));
}

TEST(File, RandomSnapshotsComeBackWhateverTheChunks) {
  Random random(31);
  for (int i = 0; i < 60; ++i) {
    const Snapshot snapshot = random_snapshot(random, static_cast<std::uint32_t>(random.below(30)));
    const std::string bytes = file_of(snapshot);
    EXPECT_EQ(file_of(snapshot), bytes) << "the same bytes each time";
    for (const std::size_t chunk : {std::size_t{1} << 20, std::size_t{1 + random.below(50)}}) {
      const auto again = decode(SnapshotDecoder("f"), bytes, chunk);
      ASSERT_TRUE(again) << again.error().message;
      ASSERT_EQ(*again, snapshot);
    }
  }
}

TEST(File, RandomPlansComeBack) {
  Random random(37);
  for (int i = 0; i < 200; ++i) {
    const Plan plan = random_plan(random);
    const auto again = decode(PlanDecoder("f"), file_of(plan), 1 + random.below(200));
    ASSERT_TRUE(again) << again.error().message;
    ASSERT_EQ(*again, plan);
  }
}

struct Heard {
  std::optional<JournalStart> start;
  std::vector<TimedDelta> deltas;
  std::vector<JournalTurn> turns;
};

JournalDecoder journal_into(Heard& heard) {
  return {"f",
          [&heard](JournalStart start) -> Result<void> {
            heard.start = std::move(start);
            return {};
          },
          [&heard](TimedDelta delta) -> Result<void> {
            heard.deltas.push_back(std::move(delta));
            return {};
          },
          [&heard](JournalTurn turn) -> Result<void> {
            heard.turns.push_back(std::move(turn));
            return {};
          }};
}

TEST(File, RandomJournalsComeBack) {
  Random random(41);
  for (int i = 0; i < 40; ++i) {
    const JournalStart start{random.next(), random_text(random), random_snapshot(random, 5)};
    std::vector<TimedDelta> deltas(random.below(20));
    Time at = start.snapshot.now;
    for (TimedDelta& delta : deltas) {
      at = Time(at.value() + static_cast<std::int64_t>(random.below(3)));
      delta.at = at;
      fill(random, delta.delta);
    }
    std::string bytes;
    auto encoder = JournalEncoder::make(start, into(bytes));
    ASSERT_TRUE(encoder) << encoder.error().message;
    std::vector<JournalTurn> turns;
    std::uint64_t since = 0;
    for (const TimedDelta& delta : deltas) {
      ASSERT_TRUE(encoder->add(delta));
      ++since;
      if (random.below(3) == 0) {
        turns.push_back({.at = delta.at,
                         .followed = random.below(2) == 0,
                         .deltas = std::exchange(since, 0),
                         .refused = {0, static_cast<std::uint32_t>(random.below(9))},
                         .plans = random_text(random)});
        ASSERT_TRUE(encoder->add(turns.back()));
        ASSERT_TRUE(encoder->flush());
      }
    }
    ASSERT_TRUE(encoder->finish());
    Heard heard;
    const auto result = decode(journal_into(heard), bytes, 1 + random.below(500));
    ASSERT_TRUE(result) << result.error().message;
    ASSERT_TRUE(heard.start);
    EXPECT_EQ(heard.start->seed, start.seed);
    EXPECT_EQ(heard.start->configuration, start.configuration);
    EXPECT_EQ(heard.start->snapshot, start.snapshot);
    EXPECT_EQ(heard.deltas, deltas);
    EXPECT_EQ(heard.turns, turns);
  }
}

TEST(File, TruncatedAnywhereIsRefused) {
  const std::string bytes = file_of(full_snapshot());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const std::string message = snapshot_refusal(std::string_view(bytes).substr(0, size));
    if (size == 0) {
      EXPECT_EQ(message, "f: found an empty file, expected a snapshot");
    } else {
      EXPECT_TRUE(message.starts_with("f: the file is cut off after ")) << size << message;
    }
  }
}

// A few bits of a compressed frame mean nothing; whatever else changes is refused.
TEST(File, AnyByteChangedIsRefusedOrMeansNothing) {
  Random random(43);
  const std::string bytes = file_of(full_snapshot());
  int accepted = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string changed = bytes;
    changed[i] = static_cast<char>(changed[i] ^ (1 + random.below(255)));
    const auto decoded = decode(SnapshotDecoder("f"), changed);
    if (decoded) {
      EXPECT_EQ(*decoded, full_snapshot());
      ++accepted;
    } else {
      EXPECT_TRUE(decoded.error().message.starts_with("f:")) << decoded.error().message;
      EXPECT_EQ(decoded.error().message.find('\n'), std::string::npos);
    }
  }
  EXPECT_LT(accepted, 10) << "of " << bytes.size();
}

std::string frame_with_header(const std::string& text) {
  std::string size(4, '\0');
  size[0] = static_cast<char>(text.size());
  const std::string bytes = file_of(full_snapshot());
  return bytes.substr(0, 4) + size + text + bytes.substr(28);
}

TEST(File, HeadersThatAreRefused) {
  const std::string none = "f: found no plimsoll header, expected a snapshot that plimsoll wrote";
  const std::string good = file_of(full_snapshot());
  const struct {
    std::string bytes;
    std::string message;
  } cases[] = {
      {"{\"snapshot\":{}}\n", none},
      {good.substr(28), none},  // a zstd file of somebody else's
      {std::string("\x1f\x8b\x08\0\0\0\0\0", 8), none},
      {"abc", none},
      {good.substr(0, 4) + std::string("\xff\xff\xff\x7f", 4) + good.substr(8), none},
      {frame_with_header("hello 1\n"), none},
      {frame_with_header("plimsoll snapshot 3 "), none},
      {frame_with_header("plimsoll snapshot 4\n"),
       "f: version 4 is newer than this plimsoll understands (3); read it with the plimsoll that "
       "wrote it, or a newer one"},
      {frame_with_header("plimsoll parade 12\n"),
       "f: version 12 is newer than this plimsoll understands (3); read it with the plimsoll that "
       "wrote it, or a newer one"},
      {frame_with_header("plimsoll plan 2\n"), "f: found a plan, expected a snapshot"},
      {file_of(Plan{}), "f: found a plan, expected a snapshot"},
      {frame_with_header("plimsoll parade 2\n"),
       "f: header: found \"plimsoll parade 2\", expected \"plimsoll snapshot 3\""},
      {frame_with_header("plimsoll snapshot 0\n"),
       "f: header: found \"plimsoll snapshot 0\", expected \"plimsoll snapshot 3\""},
      {frame_with_header("plimsoll snapshot\n"),
       "f: header: found \"plimsoll snapshot\", expected \"plimsoll snapshot 3\""},
      {frame_with_header("plimsoll snapshot 3x\n"),
       "f: header: found \"plimsoll snapshot 3x\", expected \"plimsoll snapshot 3\""},
      {frame_with_header("plimsoll snapshot 99999999999\n"),
       "f: header: found \"plimsoll snapshot 99999999999\", expected \"plimsoll snapshot 3\""},
      {good + "x", "f: found bytes after the end, expected none"},
      {good + good, "f: found bytes after the end, expected none"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(snapshot_refusal(c.bytes), c.message);
  }
  EXPECT_EQ(refusal(decode(PlanDecoder("f"), good)), "f: found a snapshot, expected a plan");
  Heard heard;
  EXPECT_EQ(refusal(decode(journal_into(heard), good)), "f: found a snapshot, expected a journal");
}

// A frame of this very text behind a proper header.
std::string raw_file(std::string_view text, int window_log = 0) {
  const std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(ZSTD_createCCtx(),
                                                                     &ZSTD_freeCCtx);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_windowLog, window_log);
  std::string frame(ZSTD_compressBound(text.size()), '\0');
  ZSTD_outBuffer output{frame.data(), frame.size(), 0};
  ZSTD_inBuffer input{text.data(), text.size(), 0};
  EXPECT_EQ(ZSTD_compressStream2(context.get(), &output, &input, ZSTD_e_end), 0U);
  frame.resize(output.pos);
  return file_of(full_snapshot()).substr(0, 28) + frame;
}

TEST(File, ContainersThatAreRefused) {
  const std::string head = "{\"snapshot\":{}}\n";
  const std::string changed =
      "the end record does not match the 1 lines before it: they were changed, or some are missing";
  const struct {
    std::string bytes;
    std::string message;
  } cases[] = {
      {raw_file(""), "f: found no end record after 0 lines, expected one"},
      {raw_file(head), "f: found no end record after 1 lines, expected one"},
      {raw_file(with_end(head) + "{"), "f: found no end record after 1 lines, expected one"},
      {raw_file(with_end(head).substr(0, 90)),
       "f: found no end record after 1 lines, expected one"},
      {raw_file("{\"end\":{}}\n"),
       "f:1: the end record does not match the 0 lines before it: they were changed, or some are "
       "missing"},
      {raw_file("{\"snapshot\":{\"now\":1}}\n" + with_end(head).substr(head.size())),
       "f:2: " + changed},
      {raw_file(with_end(head) + head), "f:3: found a line after the end record, expected none"},
      {raw_file(with_end(head) + with_end("")),
       "f:3: found a line after the end record, expected none"},
      {raw_file(with_end("\n")), "f:1: found \"\", expected JSON (Empty: no JSON found)"},
      {raw_file(std::string((std::size_t{4} << 20) + 1, ' ')),
       "f:1: found more than 4194304 bytes, expected a shorter line"},
      {raw_file(head + std::string(std::size_t{9} << 20, 'x'), 24),
       "f: after 0 lines: the compressed data is damaged (Frame requires too much memory for "
       "decoding)"},
      {raw_file(with_end(head)).substr(0, 28) + "not zstd at all, not at all",
       "f: after 0 lines: the compressed data is damaged (Unknown frame descriptor)"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(snapshot_refusal(c.bytes), c.message);
  }
  EXPECT_EQ(snapshot_refusal(raw_file(with_end(head))), "accepted") << "written by another zstd";
}

TEST(File, LinesThatAreRefused) {
  const std::string head = R"({"snapshot":{}})";
  const std::string node = R"({"node":{"id":0,"gpus":[{}]}})";
  const std::string spec = R"({"spec":{"id":0,"spec":{"gpu":{"count":1}}}})";
  const struct {
    std::vector<std::string> lines;
    std::string message;
  } cases[] = {
      {{}, "f: found no snapshot record, expected one"},
      {{head, "x"},
       "f:2: found \"x\", expected JSON (The JSON document has an improper structure: missing or "
       "superfluous commas, braces, missing keys, etc.)"},
      {{head, "[]"}, "f:2: found \"[]\", expected an object of one record"},
      {{head, "{}"}, "f:2: found \"{}\", expected an object of one record"},
      {{head, R"({"node":null,"pod":null})"},
       "f:2: found \"{\"node\":null,\"pod\":null}\", expected an object of one record"},
      {{head, R"({"widget":{}})"},
       "f:2: found record \"widget\", expected one of snapshot, tenant, node, spec, gang, pod, "
       "budget"},
      {{head, R"({"action":{}})"},
       "f:2: found record \"action\", expected one of snapshot, tenant, node, spec, gang, pod, "
       "budget"},
      {{node}, "f:1: node: expected the snapshot record before it"},
      {{head, head}, "f:2: snapshot: found a second one, expected one"},
      {{R"({"snapshot":{"now":"5"}})"},
       "f:1: snapshot.now: found \"5\", expected an integer from -9223372036854775808 to "
       "9223372036854775807"},
      {{R"({"snapshot":{"now":1.5}})"},
       "f:1: snapshot.now: found 1.5, expected an integer from -9223372036854775808 to "
       "9223372036854775807"},
      {{R"({"snapshot":{"now":9223372036854775808}})"},
       "f:1: snapshot.now: found 9223372036854775808, expected an integer from "
       "-9223372036854775808 to 9223372036854775807"},
      {{R"({"snapshot":{"now":1e3}})"},
       "f:1: snapshot.now: found 1000, expected an integer from -9223372036854775808 to "
       "9223372036854775807"},
      {{R"({"snapshot":{"now":NaN}})"},
       "f:1: found \"{\"snapshot\":{\"now\":NaN}}\", expected JSON (The JSON document has an "
       "improper structure: missing or superfluous commas, braces, missing keys, etc.)"},
      {{R"({"snapshot":{"now":1,"now":2}})"},
       "f:1: snapshot: found \"now\" twice, expected it once"},
      {{R"({"snapshot":{"then":1}})"},
       "f:1: snapshot: found an unknown member \"then\", expected one of now"},
      {{R"({"snapshot":[]})"}, "f:1: snapshot: found a list, expected an object"},
      {{head, R"({"node":{}})"}, "f:2: node.id: found none, expected 0 (ids follow one another)"},
      {{head, R"({"node":{"id":1}})"},
       "f:2: node.id: found 1, expected 0 (ids follow one another)"},
      {{head, R"({"spec":{"id":7}})"},
       "f:2: spec.id: found 7, expected 0 (ids follow one another)"},
      {{head, R"({"spec":null})"}, "f:2: spec: found null, expected an object"},
      {{head, R"({"node":{"id":-1}})"},
       "f:2: node.id: found -1, expected an id from 0 to 4294967294"},
      {{head, R"({"node":{"id":4294967295}})"},
       "f:2: node.id: found 4294967295, expected an id from 0 to 4294967294"},
      {{head, R"({"node":{"id":0,"name":3}})"}, "f:2: node.name: found 3, expected text"},
      {{head, R"({"node":{"id":0,"ready":1}})"},
       "f:2: node.ready: found 1, expected true or false"},
      {{head, R"({"node":{"id":0,"labels":[]}})"},
       "f:2: node.labels: found a list, expected an object"},
      {{head, R"({"node":{"id":0,"labels":{"a":null}}})"},
       "f:2: node.labels.\"a\": found null, expected text"},
      {{head, R"({"node":{"id":0,"labels":{"b":"","a":""}}})"},
       "f: nodes[0]: labels: found \"a\" after \"b\", expected names in order, once"},
      {{head, R"({"node":{"id":0,"labels":{"a":"","a":""}}})"},
       "f: nodes[0]: labels: found \"a\" after \"a\", expected names in order, once"},
      {{head, R"({"node":{"id":0,"gpus":{}}})"},
       "f:2: node.gpus: found an object, expected a list"},
      {{head, R"({"node":{"id":0,"gpus":[{},{"sharing":"half"}]}})"},
       "f:2: node.gpus[1].sharing: found \"half\", expected one of shared, whole, mig"},
      {{head, R"({"node":{"id":0,"gpus":[{"instances":[{"profile":"1g.5gb","start":"x"}]}]}})"},
       "f:2: node.gpus[0].instances[0].start: found \"x\", expected an integer from -2147483648 to "
       "2147483647"},
      {{head, R"({"node":{"id":0,"allocatable":{"cpu":true}}})"},
       "f:2: node.allocatable.cpu: found true, expected an integer from -9223372036854775808 to "
       "9223372036854775807"},
      {{head, R"({"node":{"id":0,"allocatable":{"cpus":1}}})"},
       "f:2: node.allocatable: found an unknown member \"cpus\", expected one of cpu, memory, "
       "ephemeral_storage, pods, extended"},
      {{head, R"({"node":{"id":0,"allocatable":{"memory":-1}}})"},
       "f: nodes[0]: allocatable: memory: found -1, expected 0 to 1125899906842624"},
      {{head, R"({"spec":{"id":0,"spec":{"priority":2147483648}}})"},
       "f:2: spec.spec.priority: found 2147483648, expected an integer from -2147483648 to "
       "2147483647"},
      {{head, R"({"spec":{"id":0,"spec":{"name_space":"x"}}})"},
       "f:2: spec.spec: found an unknown member \"name_space\", expected one of namespace, labels, "
       "requests, gpu, node_selector, node_affinity, node_affinity_preferred, tolerations, "
       "affinity, "
       "anti_affinity, spread, host_ports, volume_topology, volumes, "
       "exclusive_claims, priority, preempts"},
      {{head, R"({"pod":{"id":0}})"},
       "f: pods[0]: spec: found none, expected the id of one that exists"},
      {{head, node, spec, R"({"pod":{"id":0,"spec":0,"binding":{"node":0}}})"},
       "f: pods[0]: binding: gpus: found 0 of them, expected the 1 that its spec asks"},
      {{head, node, spec, R"({"pod":{"id":0,"spec":0,"binding":7}})"},
       "f:4: pod.binding: found 7, expected an object"},
      {{head, node, spec, R"({"pod":{"id":0,"spec":0,"binding":{"node":1,"gpus":[{}]}}})"},
       "f: pods[0]: binding: node: found 1, expected the id of one that exists"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(snapshot_refusal(file_of(FileKind::snapshot, c.lines)), c.message);
  }
}

TEST(File, DepthAndForeignBytesAreRefused) {
  EXPECT_EQ(snapshot_refusal(
                file_of(FileKind::snapshot, {std::string(100, '[') + std::string(100, ']')})),
            "f:1: found \"" + std::string(40, '[') +
                "…\", expected JSON (The JSON document was too deep (too many nested objects and "
                "arrays))");
  EXPECT_EQ(
      snapshot_refusal(raw_file(with_end("{\"snapshot\":{\"\xff\":1}}\n"))),
      "f:1: found \"{\"snapshot\":{\"?\":1}}\", expected JSON (The input is not valid UTF-8)");
}

TEST(File, PlansThatAreRefused) {
  const std::string head = R"({"plan":{}})";
  const struct {
    std::vector<std::string> lines;
    std::string message;
  } cases[] = {
      {{}, "f: found no plan record, expected one"},
      {{head, head}, "f:2: plan: found a second one, expected one"},
      {{R"({"action":{}})"}, "f:1: action: expected the plan record before it"},
      {{head, R"({"node":null})"}, "f:2: found record \"node\", expected one of plan, action"},
      {{head, R"({"action":{}})"}, "f:2: action.kind.bind.pod: found none, expected an id"},
      {{head, R"({"action":{"kind":{"bind":{"pod":1}}}})"},
       "f:2: action.kind.bind.binding.node: found none, expected an id"},
      {{head, R"({"action":{"kind":{"evict":{}}}})"},
       "f:2: action.kind.evict.pod: found none, expected an id"},
      {{head, R"({"action":{"kind":{"refuse":{}}}})"},
       "f:2: action.kind.refuse.pod: found none, expected an id"},
      {{head, R"({"action":{"kind":{"decline":{"until":3}}}})"},
       "f:2: action.kind.decline.gang: found none, expected an id"},
      {{head, R"({"action":{"kind":{}}})"},
       "f:2: action.kind: found an object, expected an object of one of bind, evict, refuse, "
       "decline, nominate"},
      {{head, R"({"action":{"kind":{"nuke":{"pod":0}}}})"},
       "f:2: action.kind: found \"nuke\", expected one of bind, evict, refuse, decline, nominate"},
      {{head, R"({"action":{"kind":{"evict":{"pod":0}},"after":[0]}})"},
       "f:2: action.after: found 0, expected the index of an action before 0"},
      {{head, R"({"action":{"kind":{"evict":{"pod":0}},"after":[-1]}})"},
       "f:2: action.after[0]: found -1, expected an integer from 0 to 4294967295"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(refusal(decode(PlanDecoder("f"), file_of(FileKind::plan, c.lines))), c.message);
  }
}

TEST(File, JournalsThatAreRefused) {
  const std::string head = R"({"journal":{"seed":18446744073709551615}})";
  const std::string snapshot = R"({"snapshot":{"now":5}})";
  const std::string delta = R"({"delta":{"at":6,"delta":{"pod_removed":{"pod":1}}}})";
  const struct {
    std::vector<std::string> lines;
    std::string message;
  } cases[] = {
      {{head, snapshot, delta}, "accepted"},
      {{head, snapshot}, "accepted"},
      {{head, snapshot, R"({"turn":{"at":5}})", delta, R"({"turn":{"at":6,"deltas":1}})"},
       "accepted"},
      {{head, snapshot, delta, R"({"turn":{"at":6}})"},
       "f:4: turn.deltas: found 0, expected 1, as many as came since the turn before"},
      {{head, snapshot, R"({"turn":{"at":5,"refused":[-1]}})"},
       "f:3: turn.refused[0]: found -1, expected an integer from 0 to 4294967295"},
      {{head, snapshot, R"({"turn":{"at":4}})"},
       "f:3: turn.at: found 4, expected 5 or later (turns are in order)"},
      {{}, "f: found no journal record, expected one"},
      {{head}, "f: found no snapshot record, expected one"},
      {{snapshot}, "f:1: expected the journal record first"},
      {{head, head}, "f:2: journal: found a second one, expected one"},
      {{head, delta}, "f:2: found no snapshot record, expected one"},
      {{head, snapshot, R"({"action":{}})"},
       "f:3: found record \"action\", expected one of journal, snapshot, tenant, node, spec, gang, "
       "pod, budget, delta, turn"},
      {{head, snapshot, delta, R"({"node":null})"},
       "f:4: node: expected it before the first delta and turn"},
      {{head, snapshot, R"({"delta":{"at":4}})"},
       "f:3: delta.at: found 4, expected 5 or later (deltas are in order)"},
      {{head, snapshot, delta, R"({"delta":{"at":5}})"},
       "f:4: delta.at: found 5, expected 6 or later (deltas are in order)"},
      {{R"({"journal":{"seed":-1}})"},
       "f:1: journal.seed: found -1, expected an integer from 0 to 18446744073709551615"},
      {{head, snapshot, R"({"pod":{"id":0}})", delta},
       "f:4: pods[0]: spec: found none, expected the id of one that exists"},
  };
  for (const auto& c : cases) {
    Heard heard;
    EXPECT_EQ(refusal(decode(journal_into(heard), file_of(FileKind::journal, c.lines))), c.message);
  }
}

TEST(File, HandlersEndAJournalWithTheirOwnError) {
  const std::string bytes = file_of(
      FileKind::journal, {R"({"journal":{}})", R"({"snapshot":{}})", R"({"delta":{"at":1}})"});
  const auto fine = [](const auto&) { return Result<void>(); };
  const auto bad = [](const auto&) -> Result<void> { return bad_input("no, thanks"); };
  EXPECT_EQ(refusal(decode(JournalDecoder("f", fine, bad), bytes)), "f:3: no, thanks");
  EXPECT_EQ(refusal(decode(JournalDecoder("f", bad, fine), bytes)), "f:3: no, thanks");
}

TEST(File, EncodersRefuseWhatCouldNotBeRead) {
  std::string bytes;
  Snapshot snapshot = full_snapshot();
  snapshot.pods[0].gang = GangId(9);
  EXPECT_EQ(refusal(encode_snapshot(snapshot, into(bytes))),
            "pods[0]: gang: found 9, expected the id of one that exists");
  EXPECT_EQ(bytes, "") << "nothing half-written";
  snapshot = full_snapshot();
  snapshot.pods[0].name = "\xc3(";
  EXPECT_EQ(refusal(encode_snapshot(snapshot, into(bytes))),
            "pod 0: found text that is not UTF-8, expected UTF-8");
  snapshot.pods[0].name = std::string(std::size_t{4} << 20, 'x');
  EXPECT_TRUE(refusal(encode_snapshot(snapshot, into(bytes))).starts_with("pod 0: found 41944"));
  EXPECT_EQ(refusal(encode_plan({.actions = {Action{}}}, into(bytes))),
            "action.kind.bind.pod: found none, expected an id");

  const Sink full = [](std::string_view) -> Result<void> { return failed("disk full"); };
  EXPECT_EQ(encode_plan({}, full).error(), (Error{ErrorCode::failed, "disk full"}));
  auto journal = JournalEncoder::make({.snapshot = full_snapshot()}, into(bytes));
  ASSERT_TRUE(journal);
  EXPECT_EQ(refusal(journal->add({Time(4), PodRemoved{PodId(1)}})),
            "delta.at: found 4, expected 5000000 or later (deltas are in order)");
}

}  // namespace
}  // namespace plimsoll::model
