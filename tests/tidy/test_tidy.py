#!/usr/bin/env python3
"""Shows that every rule of tidy.py fires on a seeded offence, and on nothing in a clean tree."""

import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tidy  # noqa: E402

HEADER = "// What it models, in which units.\n#pragma once\n"
LIBRARY = "mainspring_library(mainspring_{} LINKS {})\n"

# A small house in which nothing is wrong, with near misses of most rules.
CLEAN = {
    "CMakeLists.txt": "add_subdirectory(sim)\nadd_subdirectory(models)\nadd_subdirectory(tests)\n",
    "sim/CMakeLists.txt": LIBRARY.format("sim", "fmt::fmt"),
    "sim/time.h": HEADER + "namespace mainspring::sim {\nusing Ticks = long;\n}\n",
    "sim/event.h": HEADER,
    "sim/math.h": HEADER + "namespace mainspring::sim {\ndouble exp(double x);\n}\n",
    "sim/math.cpp": '#include "sim/math.h"\n\n#include <cmath>\n\n'
    "double area(double x) { return std::sqrt(x) + sim::log(x) + table.pow(2); }\n",
    "models/CMakeLists.txt": "foreach(f api client scheduler controllers node)\n"
    "  add_subdirectory(${f})\nendforeach()\n",
    "models/api/CMakeLists.txt": LIBRARY.format("api", "mainspring_sim"),
    "models/api/README.md": "# API\n\nSee [the engine](../../sim/time.h).\n",
    "models/api/object.h": HEADER + '#include "sim/time.h"\n',
    "models/client/CMakeLists.txt": LIBRARY.format("client", "mainspring_api"),
    "models/client/README.md": "# Client\n",
    "models/client/client.h": HEADER + '#include "models/api/object.h"\n',
    "models/scheduler/CMakeLists.txt": LIBRARY.format("scheduler", "mainspring_client"),
    "models/scheduler/README.md": "# Scheduler\n",
    "models/scheduler/plugins/fit.cpp": '#include "models/client/client.h"\n'
    "// std::rand, system_clock and std::hash may be named in a comment.\n"
    'const char* kText = "std::random_device";\n'
    "static constexpr int kMax = 3;\n"
    "static int helper(int x);\n"
    "int run_time(int now) { return operand(now) + runtime.time(now); }\n",
    "models/controllers/CMakeLists.txt": LIBRARY.format("controllers", "mainspring_client"),
    "models/controllers/README.md": "# Controllers\n",
    "models/controllers/index.h": HEADER + "struct Index {\n"
    "  tsl::robin_map<int, std::vector<int>> by_id_;\n  std::vector<int> order_;\n};\n",
    "models/controllers/index.cpp": '#include "models/controllers/index.h"\n'
    "void walk(Index& i) {\n  if (i.by_id_.find(1) == i.by_id_.end()) return;\n"
    "  for (int x : i.order_) use(x);\n  for (int x : i.by_id_.at(1)) use(x);\n}\n",
    "models/node/CMakeLists.txt": LIBRARY.format("node", "mainspring_sim"),
    "models/node/README.md": "# Node\n",
    "models/node/kubelet.h": HEADER + '#include "sim/event.h"\n',
    "scenarios/library/README.md": "# Library\n\n- `hello.yaml`: says hello\n",
    "scenarios/library/hello.yaml": "kind: Scenario\n",
    "tests/golden/digests.txt": "# scenario seed digest\nhello 1 00ff\n",
    "tests/CMakeLists.txt": "add_subdirectory(sim)\n",
    "tests/sim/CMakeLists.txt": "mainspring_test(test_sim LINKS mainspring_sim)\n",
    "tests/sim/time_test.cpp": '#include "sim/time.h"\n',
    "docs/adr/0001-queue.md": "# Queue\n\n" + "\n\n".join(tidy.ADR_SECTIONS) + "\n",
    "docs/a.md": "# A\n\n```\n# not a title\n```\n",
    "tests/sim/wide_test.cpp": 'const char* kText = R"(\n' + "x" * 120 + '\n)";\n',
    "tools.py": "def f():\n    return 1\n",
}


def in_sim(line):
    return {"sim/x.cpp": f'#include "sim/time.h"\n{line}\n'}


LONG_BODY = "".join(f"  use({i});\n" for i in range(90))
ALIAS = "using Table = std::unordered_map<int, int>;\n"

# rule, files laid over the clean tree, the file that must be blamed. Several cases a rule.
CASES = [
    ("include-path", {"sim/x.cpp": '#include "time.h"\n'}, "sim/x.cpp"),
    ("include-edge", {"sim/x.cpp": '#include "models/api/object.h"\n'}, "sim/x.cpp"),
    ("include-edge", {"models/scheduler/x.cpp": '#include "models/node/kubelet.h"\n'}, None),
    ("include-edge", {"models/scheduler/x.cpp": '#include "models/controllers/index.h"\n'}, None),
    ("include-edge", {"models/node/x.cpp": '#include "models/scheduler/fit.h"\n'}, None),
    ("include-edge", {"models/api/x.cpp": '#include "models/client/client.h"\n'}, None),
    ("include-edge", {"models/node/x.cpp": '#include "scenarios/runner.h"\n'}, None),
    ("control-plane", {"models/scheduler/x.cpp": '#include "sim/event.h"\n'}, None),
    ("control-plane", {"models/controllers/x.cpp": '#include "sim/world.h"\n'}, None),
    (
        "link-edge",
        {"models/scheduler/CMakeLists.txt": LIBRARY.format("scheduler", "mainspring_node")},
        "models/scheduler/CMakeLists.txt",
    ),
    (
        "link-edge",
        {
            "sim/CMakeLists.txt": LIBRARY.format("sim", "fmt::fmt")
            + "target_link_libraries(mainspring_sim PUBLIC\n  mainspring_api)\n"
        },
        "sim/CMakeLists.txt",
    ),
    ("fast-math", {"cmake/X.cmake": "add_compile_options(-ffast-math)\n"}, "cmake/X.cmake"),
    ("fast-math", {"cmake/X.cmake": "add_compile_options(-march=native)\n"}, "cmake/X.cmake"),
    ("wall-clock", in_sim("auto f() { return std::chrono::system_clock::now(); }"), "sim/x.cpp"),
    ("wall-clock", in_sim("long f() { return time(nullptr); }"), "sim/x.cpp"),
    ("wall-clock", in_sim("long f() { return clock_gettime(0, &x); }"), "sim/x.cpp"),
    ("wall-clock", in_sim("long f() { return gettimeofday(&x, &y); }"), "sim/x.cpp"),
    ("random-device", in_sim("int f() { return std::random_device{}(); }"), "sim/x.cpp"),
    ("random-device", in_sim("int f() { return rand(); }"), "sim/x.cpp"),
    ("random-device", in_sim("int f() { return std::rand(); }"), "sim/x.cpp"),
    ("std-random", in_sim("int f() { return std::mt19937(1)(); }"), "sim/x.cpp"),
    ("std-random", in_sim("int f() { std::normal_distribution<double> d; }"), "sim/x.cpp"),
    ("std-shuffle", in_sim("void f() { std::shuffle(a, b, c); }"), "sim/x.cpp"),
    ("std-shuffle", in_sim("void f() { std::ranges::shuffle(a, c); }"), "sim/x.cpp"),
    ("std-hash", in_sim("int f() { return std::hash<int>{}(1); }"), "sim/x.cpp"),
    ("libm", in_sim("double f(double x) { return std::exp(x); }"), "sim/x.cpp"),
    ("libm", in_sim("double f(double x) { return ::pow(x, 2); }"), "sim/x.cpp"),
    ("libm", in_sim("double f(double x) { return log(x); }"), "sim/x.cpp"),
    ("libm", in_sim("double f(double x) { return 2 * sinf(x); }"), "sim/x.cpp"),
    ("libm", in_sim("double f(double x) { return y + tgamma(x); }"), "sim/x.cpp"),
    ("fused-multiply", in_sim("double f(double x) { return std::fma(x, x, x); }"), "sim/x.cpp"),
    ("fused-multiply", in_sim("double f() { return std::reduce(a, b); }"), "sim/x.cpp"),
    ("environment", in_sim('auto f() { return std::getenv("HOME"); }'), "sim/x.cpp"),
    ("locale", in_sim('void f() { setlocale(1, ""); }'), "sim/x.cpp"),
    ("locale", in_sim("void f() { s.imbue(std::locale()); }"), "sim/x.cpp"),
    ("locale", in_sim("double f() { return std::stod(s); }"), "sim/x.cpp"),
    ("locale", in_sim("int f(int c) { return std::tolower(c); }"), "sim/x.cpp"),
    ("threads", in_sim("void f() { thread_local int x = 0; }"), "sim/x.cpp"),
    ("threads", in_sim("void f() { std::thread t(g); }"), "sim/x.cpp"),
    ("stored-call", in_sim("struct S {\n  std::function<void()> f;\n};"), "sim/x.cpp"),
    ("stored-call", {"models/node/x.cpp": "#include <functional>\n"}, "models/node/x.cpp"),
    ("pointer-order", in_sim("struct S {\n  std::map<Pod*, int> m;\n};"), "sim/x.cpp"),
    ("pointer-order", in_sim("struct S {\n  std::set<const Pod*> m;\n};"), "sim/x.cpp"),
    ("directory-order", in_sim("void f() { std::filesystem::directory_iterator d; }"), "sim/x.cpp"),
    ("console", in_sim('void f() { std::cout << "x"; }'), "sim/x.cpp"),
    ("console", in_sim('void f() { printf("x"); }'), "sim/x.cpp"),
    (
        "unordered-walk",
        in_sim("void f() {\n  std::unordered_map<int, int> m;\n  for (auto& [k, v] : m) g(k);\n}"),
        "sim/x.cpp",
    ),
    (
        "unordered-walk",  # declared in the header, walked in the source
        {
            "models/controllers/index.cpp": '#include "models/controllers/index.h"\n'
            "void walk(Index& i) {\n  for (auto& x : i.by_id_) use(x);\n}\n"
        },
        "models/controllers/index.cpp",
    ),
    (
        "unordered-walk",
        in_sim("void f(absl::flat_hash_set<int>& s) {\n  auto i = s.begin();\n}"),
        "sim/x.cpp",
    ),
    (
        "unordered-walk",  # through an alias
        {
            "sim/table.h": HEADER + ALIAS,
            "sim/x.cpp": "void f(Table& t) {\n  for (auto& x : t) g(x);\n}\n",
        },
        "sim/x.cpp",
    ),
    ("global-state", in_sim("int counter = 0;"), "sim/x.cpp"),
    ("global-state", in_sim("std::vector<int> cache;"), "sim/x.cpp"),
    (
        "global-state",
        in_sim("int f() {\n  static int calls = 0;\n  return ++calls;\n}"),
        "sim/x.cpp",
    ),
    ("global-state", in_sim("static std::map<int, int> registry;"), "sim/x.cpp"),
    ("global-state", in_sim("struct S {\n  inline static int live = 0;\n};"), "sim/x.cpp"),
    ("header-comment", {"sim/x.h": "#pragma once\n"}, "sim/x.h"),
    ("pragma-once", {"sim/x.h": "// About x.\n"}, "sim/x.h"),
    ("using-namespace", {"sim/x.h": HEADER + "using namespace std;\n"}, "sim/x.h"),
    ("heavy-header", {"sim/x.h": HEADER + "#include <regex>\n"}, "sim/x.h"),
    ("heavy-header", {"models/node/x.h": HEADER + "#include <Eigen/Dense>\n"}, "models/node/x.h"),
    ("heavy-header", {"sim/x.h": HEADER + '#include "sim/journal.pb.h"\n'}, "sim/x.h"),
    ("tab", {"docs/a.md": "# A\n\n\tx\n"}, "docs/a.md"),
    ("trailing-blank", {"docs/a.md": "# A\n\nx \n"}, "docs/a.md"),
    ("columns", {"docs/a.md": "# A\n\n" + "x " * 50 + "y\n"}, "docs/a.md"),
    ("columns", in_sim("// " + "x" * 98), "sim/x.cpp"),
    ("last-newline", {"docs/a.md": "# A\n\nx"}, "docs/a.md"),
    ("open-end", in_sim("// TO" + "DO: later"), "sim/x.cpp"),
    ("open-end", {"docs/a.md": "# A\n\nFIX" + "ME\n"}, "docs/a.md"),
    ("foreign-word", {"docs/a.md": "# A\n\nsee /wo" + "rk/x/y\n"}, "docs/a.md"),
    ("foreign-word", {"docs/a.md": "# A\n\nsee /ho" + "me/x/y\n"}, "docs/a.md"),
    ("foreign-word", {"docs/a.md": "# A\n\npip --index-" + "url x\n"}, "docs/a.md"),
    ("one-title", {"docs/a.md": "# A\n\n# B\n"}, "docs/a.md"),
    ("one-title", {"docs/a.md": "A\n"}, "docs/a.md"),
    ("dead-link", {"docs/a.md": "# A\n\n[b](b.md)\n"}, "docs/a.md"),
    ("adr-form", {"docs/adr/0001-queue.md": "# Q\n\n## Context\n"}, "docs/adr/0001-queue.md"),
    ("function-length", in_sim("void f() {\n" + LONG_BODY + "}"), "sim/x.cpp"),
    (
        "function-length",
        in_sim("class C {\n  void f(int a,\n         int b) const {\n" + LONG_BODY + "  }\n};"),
        "sim/x.cpp",
    ),
    ("function-length", {"tools.py": "def f():\n" + "    f()\n" * 90}, "tools.py"),
    ("python-syntax", {"tools.py": "def f(:\n"}, "tools.py"),
    ("not-built", {"models/node/deep/x.cpp": "int f();\n"}, "models/node/deep/x.cpp"),
    ("not-built", {"tests/node/x_test.cpp": "int f();\n"}, "tests/node/x_test.cpp"),
    (
        "not-built",
        {
            "tests/node/x_test.cpp": "int f();\n",
            "tests/node/CMakeLists.txt": "mainspring_test(test_node)\n",
        },
        "tests/node/x_test.cpp",
    ),
    (
        "library-readme",
        {
            "scenarios/library/new.yaml": "kind: Scenario\n",
            "tests/golden/digests.txt": "hello 1 00ff\nnew 1 00ff\n",
        },
        "scenarios/library/new.yaml",
    ),
    ("library-digest", {"tests/golden/digests.txt": ""}, "scenarios/library/hello.yaml"),
    (
        "library-digest",
        {"tests/golden/digests.txt": "hello 1 00ff\ngone 1 00ff\n"},
        "tests/golden/digests.txt",
    ),
    ("model-readme", {"models/api/README.md": None}, "models/api/README.md"),
    ("allow-file", {"tests/tidy/allow.txt": "columns\n"}, "tests/tidy/allow.txt"),
    ("allow-file", {"tests/tidy/allow.txt": "tab docs/* old text\n"}, "tests/tidy/allow.txt"),
    ("allow-file", {"tests/tidy/allow.txt": "no-rule docs/* why\n"}, "tests/tidy/allow.txt"),
]


def offences_of(overlay):
    with tempfile.TemporaryDirectory() as root:
        for path, text in {**CLEAN, **overlay}.items():
            if text is None:
                continue
            os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as f:
                f.write(text)
        return tidy.run(root)[1]


class Tidy(unittest.TestCase):
    def test_clean_tree_passes(self):
        self.assertEqual([str(o) for o in offences_of({})], [])

    def test_every_rule_fires(self):
        for rule, overlay, path in CASES:
            with self.subTest(rule=rule, files=overlay):
                found = offences_of(overlay)
                blamed = path or next(iter(overlay))
                self.assertIn((blamed, rule), [(o.path, o.rule) for o in found], found)
                self.assertEqual({o.rule for o in found}, {rule}, "blames another rule as well")

    def test_every_rule_has_a_case(self):
        self.assertEqual(sorted({rule for rule, _, _ in CASES}), tidy.RULES)

    def test_message_names_place_and_replacement(self):
        found = offences_of(in_sim("double f(double x) { return std::exp(x); }"))
        self.assertEqual(found[0].line, 2)
        self.assertIn("sim/math.h", found[0].message)

    def test_exception_silences_one_rule_in_one_place(self):
        reason = "libm sim/x.cpp shown to be exact\n"
        bad = in_sim("double f(double x) { return std::exp(x); }")
        self.assertEqual(offences_of({**bad, "tests/tidy/allow.txt": reason}), [])
        elsewhere = {"sim/y.cpp": bad["sim/x.cpp"], **bad, "tests/tidy/allow.txt": reason}
        self.assertEqual([o.path for o in offences_of(elsewhere)], ["sim/y.cpp"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
