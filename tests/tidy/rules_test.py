#!/usr/bin/env python3
"""Every rule catches what it is for, with its exact message, and lets the look-alikes pass."""

import unittest

import rules

HEADER = "// What it is. Thread-safe.\n#pragma once\n"
ENGINE = "src/engines/placement/engine.cc"

# path, text, every finding
BAD = [
    # the include rule
    ("src/model/pod.cc", '#include "engines/placement/engine.h"\n',
     ["src/model/pod.cc:1: room 'model' may not include room 'engines' (allowed: base)"]),
    ("src/base/ids.cc", '\n#include "model/pod.h"\n',
     ["src/base/ids.cc:2: room 'base' may not include room 'model' (allowed: none)"]),
    ("src/traces/openb.cc", '#include "sim/world.h"\n',
     ["src/traces/openb.cc:1: room 'traces' may not include room 'sim' (allowed: model, base)"]),
    ("src/engines/placement/pod_test.cc", '#include "traces/openb.h"\n',
     ["src/engines/placement/pod_test.cc:1: room 'engines' may not include room 'traces' "
      "(allowed: model, base)"]),
    (ENGINE, '#include "engines/cost/cost.h"\n',
     [f"{ENGINE}:1: engine 'placement' may not include engine 'cost'"]),
    (ENGINE, '#include "../model/pod.h"\n',
     [f'{ENGINE}:1: "../model/pod.h": includes are written from src/, found a relative path']),
    (ENGINE, '#include "pod.h"\n',
     [f'{ENGINE}:1: "pod.h": found no room of ours, expected "room/…"']),
    ("src/cellar/wine.cc", "int f();\n",
     ["src/cellar/wine.cc:1: room 'cellar' is not in the table of tests/tidy/rules.py"]),
    ("src/sim/world.cc", "#include <CLI/CLI.hpp>\n",
     ["src/sim/world.cc:1: room 'sim' may not use library 'CLI' (allowed: fmt)"]),
    ("src/ports/world.cc", "#include <fmt/format.h>\n",
     ["src/ports/world.cc:1: room 'ports' may not use library 'fmt' (allowed: none)"]),
    ("src/sim/world.cc", "#include <gtest/gtest.h>\n",
     ["src/sim/world.cc:1: <gtest/gtest.h> belongs in tests"]),
    ("src/traces/openb.cc", "#include <thread>\n",
     ["src/traces/openb.cc:1: <thread>: threads live in control, kube, server, sim and cli only"]),
    # purity
    (ENGINE, "#include <chrono>\n",
     [f"{ENGINE}:1: pure room 'engines' may not include <chrono>: a clock"]),
    ("src/base/a.cc", "#include <mutex>\n",
     ["src/base/a.cc:1: pure room 'base' may not include <mutex>: threads"]),
    ("src/model/a.cc", "#include <fstream>\n",
     ["src/model/a.cc:1: pure room 'model' may not include <fstream>: files"]),
    ("src/planner/a.cc", "#include <sys/socket.h>\n",
     ["src/planner/a.cc:1: pure room 'planner' may not include <sys/socket.h>: sockets"]),
    (ENGINE, "#include <iostream>\n",
     [f"{ENGINE}:1: pure room 'engines' may not include <iostream>: the terminal"]),
    (ENGINE, "#include <random>\n",
     [f"{ENGINE}:1: pure room 'engines' may not include <random>: the standard library's random "
      "numbers, which differ between platforms"]),
    (ENGINE, "void f() {\n  auto t = steady_clock::now();\n}\n",
     [f"{ENGINE}:2: pure room 'engines' may not use steady_clock: a clock"]),
    (ENGINE, "void f() {\n  g(time(nullptr));\n}\n",
     [f"{ENGINE}:2: pure room 'engines' may not use time(nullptr): a clock"]),
    (ENGINE, "void f() {\n  g(getenv(\"HOME\"));\n}\n",
     [f"{ENGINE}:2: pure room 'engines' may not use getenv: the environment"]),
    (ENGINE, "void f() {\n  std::jthread t(g);\n}\n",
     [f"{ENGINE}:2: pure room 'engines' may not use std::jthread: threads"]),
    (ENGINE, "void f() {\n  g(fopen(\"x\", \"r\"));\n}\n",
     [f"{ENGINE}:2: pure room 'engines' may not use fopen(: files"]),
    (ENGINE, "void f() {\n  g(socket(1, 2, 3));\n}\n",
     [f"{ENGINE}:2: pure room 'engines' may not use socket(: sockets"]),
    (ENGINE, "void f() {\n  g(rand());\n}\n",
     [f"{ENGINE}:2: pure room 'engines' may not use rand(: random numbers that are not "
      "base/random.h's"]),
    (ENGINE, "void f() {\n  std::random_device d;\n}\n",
     [f"{ENGINE}:2: pure room 'engines' may not use std::random_device: random numbers that are "
      "not base/random.h's"]),
    # state
    (ENGINE, "namespace a {\nint calls = 0;\n}\n",
     [f"{ENGINE}:2: pure room 'engines' may not keep state: 'int calls'"]),
    (ENGINE, "std::map<int, std::string> cache;\n",
     [f"{ENGINE}:1: pure room 'engines' may not keep state: 'std::map<int, std::string> cache'"]),
    (ENGINE, "inline std::vector<int> all{1, 2};\n",
     [f"{ENGINE}:1: pure room 'engines' may not keep state: 'inline std::vector<int> all'"]),
    (ENGINE, "const char* name = nullptr;\n",
     [f"{ENGINE}:1: pure room 'engines' may not keep state: 'const char* name'"]),
    (ENGINE, "constinit int calls = 0;\n",
     [f"{ENGINE}:1: pure room 'engines' may not keep state: 'constinit int calls'"]),
    (ENGINE, "int f() {\n  static int calls = 0;\n  return ++calls;\n}\n",
     [f"{ENGINE}:2: pure room 'engines' may not keep state: 'static int calls'"]),
    (ENGINE, "int f() {\n  static int calls(0);\n  return ++calls;\n}\n",
     [f"{ENGINE}:2: pure room 'engines' may not keep state: 'static int calls'"]),
    (ENGINE, "int f() {\n  thread_local std::string buffer;\n}\n",
     [f"{ENGINE}:2: pure room 'engines' may not keep state: 'thread_local std::string buffer'"]),
    (ENGINE, "class A {\n  static std::vector<int> all_;\n};\n",
     [f"{ENGINE}:2: pure room 'engines' may not keep state: 'static std::vector<int> all_'"]),
    # order
    (ENGINE, "void f() {\n  std::unordered_map<int, int> seen;\n}\n",
     [f"{ENGINE}:2: an unordered container needs '// lookup only' beside it, or an order"]),
    (ENGINE,
     "void f() {\n  std::unordered_map<int, int> seen;  // lookup only\n"
     "  for (auto& [k, v] : seen) {\n",
     [f"{ENGINE}:3: loop over unordered container 'seen'"]),
    ("src/model/pod.h", HEADER + "struct A {\n  std::unordered_set<int> b;\n};\n",
     ["src/model/pod.h:4: an unordered container needs '// lookup only' beside it, or an order"]),
    # headers, sizes, leftovers
    ("src/model/pod.h", "#pragma once\n",
     ["src/model/pod.h:1: a header has '#pragma once'",
      "src/model/pod.h:1: a header opens with a comment: what it is, who owns it, its "
      "thread-safety"]),
    ("src/model/pod.h", "// A pod. A value.\nstruct Pod {};\n",
     ["src/model/pod.h:1: a header has '#pragma once'"]),
    ("bench/a.cc", "\n" * 701, ["bench/a.cc:701: found 701 lines, expected at most 700"]),
    ("src/cli/main.cc", "int f();\n// TO" "DO: g\n",
     ["src/cli/main.cc:2: found TO" "DO: finish it, or file an issue"]),
    ("scripts/setup",
     "# FIX" "ME\n", ["scripts/setup:1: found FIX" "ME: finish it, or file an issue"]),
]

GOOD = [
    ("src/engines/placement/a.h",
     HEADER + '#include "engines/placement/b.h"\n#include "base/ids.h"\n'),
    ("src/cli/main.cc",
     '#include <CLI/CLI.hpp>\n#include <chrono>\n#include "sim/world.h"\nint calls = 0;\n'),
    ("src/sim/pool.cc", "#include <thread>\n"),
    ("src/model/a_test.cc",
     "#include <fstream>\n#include <gtest/gtest.h>\nstatic int calls = 0;\n"),
    # the words of a comment or a string are no code
    (ENGINE,
     "// getenv, std::thread, rand()\n/* static int calls; */\nauto f() { return \"time(0)\"; }\n"),
    (ENGINE, "Time Clock::time() { return clock.time(); }\nint operand(int) { return 0; }\n"),
    # constants, functions and types are no state
    (ENGINE, "constexpr int most = 3;\ninline constexpr std::array<int, 2> table{1, 2};\n"),
    (ENGINE, "static const std::string name = g();\nconst char* const other = nullptr;\n"),
    (ENGINE, "int f() {\n  static constexpr int most = 3;\n  static const auto table = g();\n}\n"),
    (ENGINE,
     "static_assert(sizeof(int) == 4);\nstatic int f(int x);\nResult<int> Engine::make(int x) {\n"),
    (ENGINE,
     "class Engine {\n public:\n  static Result<Engine> make(int x = 3);\n  int calls_ = 0;\n};\n"),
    (ENGINE,
     "Engine& Engine::operator=(Engine&&) noexcept = default;\nEngine::~Engine() = default;\n"),
    (ENGINE, "using A = int;\nnamespace a = b::c;\nenum class B : int { c = 1 };\nstruct D;\n"),
    (ENGINE, "template <typename T>\nstruct A {\n  T value = 3;\n};\n}  // namespace\n"),
    (ENGINE, "std::vector<std::pair<std::string, int>>\nlong_name(int x) {\n  int y = 0;\n}\n"),
    (ENGINE, "int f() {\n  int n = 1'000;\n  char c = '\"';\n  // static\n  char d = '\"';\n}\n"),
    (ENGINE,
     "void f() {\n  // lookup only\n  std::unordered_map<int, int> seen;\n"
     "  for (int i : list) {\n"),
    ("bench/a.cc", "\n" * 700),
]


class Rules(unittest.TestCase):
    def test_bad(self):
        for path, text, expected in BAD:
            with self.subTest(path=path, text=text[:60]):
                self.assertEqual(rules.check(path, text), expected)

    def test_good(self):
        for path, text in GOOD:
            with self.subTest(path=path, text=text[:60]):
                self.assertEqual(rules.check(path, text), [])

    def test_links(self):
        text = "[a](b.md)\n[c](../d.md#e) [f](https://example.com/g) ![h](i/j.png)\n"
        here = {"docs/b.md", "d.md"}
        self.assertEqual(
            list(rules.broken_links("docs/a.md", text, here.__contains__)),
            ["docs/a.md:2: found a link to 'docs/i/j.png', no such file"],
        )

    def test_arrows_only_point_down(self):
        for name, room in rules.ROOMS.items():
            self.assertLessEqual(set(room.rooms), set(rules.ROOMS), name)
            for lower in room.rooms:
                self.assertNotIn(name, rules.ROOMS[lower].rooms, "a cycle")
                below = set(rules.ROOMS[lower].rooms)
                self.assertLessEqual(below, set(room.rooms), "not transitive")


if __name__ == "__main__":
    unittest.main()
