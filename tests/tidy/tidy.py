#!/usr/bin/env python3
"""Holds the architecture and the style: what a compiler cannot refuse, this does.

Usage: tidy.py [ROOT]. Prints one line per offence, `path:line: [rule] what, and what to write
instead`, and exits with 1 if there is any. Exceptions stand in allow.txt beside this file, each
with its reason; an exception that is no longer needed is an offence too. test_tidy.py shows that
every rule fires.
"""

import ast
import fnmatch
import os
import re
import sys
import time
from typing import NamedTuple

# ---- the architecture ----------------------------------------------------------------------------
# Who may include and link whom (docs/architecture.md). A folder may always use itself.
CONTROL_PLANE = ("models/scheduler", "models/controllers", "models/autoscaling")
WORLD = ("models/node", "models/cloud", "models/traffic", "models/faults")
_BASE = {"sim", "models/api", "models/client"}
MODELS = {
    "models/api": {"sim"},
    "models/client": {"sim", "models/api"},
    "models/scheduler": _BASE,
    "models/controllers": _BASE,
    # The autoscalers are controllers too: they share selectors, conditions and requests.
    "models/autoscaling": _BASE | {"models/controllers"},
    "models/apiserver": _BASE,
    "models/node": _BASE | {"models/apiserver"},
    "models/cloud": _BASE | {"models/apiserver", "models/node"},
    "models/traffic": _BASE | {"models/apiserver", "models/node"},
    "models/faults": _BASE | {"models/apiserver", "models/node", "models/cloud", "models/traffic"},
}
EDGES = {
    "sim": set(),
    **MODELS,
    "scenarios": {"sim", *MODELS},
    "bindings": {"sim", *MODELS, "scenarios"},
    "bench": {"sim", *MODELS, "scenarios"},
}
# All that the control plane may see of the engine: no events, no journal, no world.
SIM_FOR_CONTROL_PLANE = {"sim/time.h", "sim/check.h", "sim/random.h", "sim/math.h"}
SIMULATED = ("sim/", "models/")

# ---- banned words on the simulated path ----------------------------------------------------------
_LIBM = (
    "exp|exp2|exp10|expm1|log|log2|log10|log1p|pow|sin|cos|tan|asin|acos|atan|atan2|sinh|cosh|tanh|"
    "asinh|acosh|atanh|tgamma|lgamma|cbrt|hypot|erf|erfc|beta|riemann_zeta"
)


class Ban(NamedTuple):
    rule: str
    pattern: re.Pattern
    instead: str


def _ban(rule, pattern, instead):
    return Ban(rule, re.compile(pattern), instead)


BANNED = [
    _ban(
        "wall-clock",
        r"\b(?:system_clock|steady_clock|high_resolution_clock|gettimeofday|clock_gettime|localtime"
        r"(?:_r)?|gmtime(?:_r)?|ftime)\b|(?<![\w.>])time\s*\(\s*(?:nullptr|NULL|0)\s*\)|"
        r"\bstd::chrono\b",
        "a run knows only virtual time: take sim::SimTime from the clock, spans as sim::Duration",
    ),
    _ban(
        "random-device",
        r"\brandom_device\b|(?<![\w.>])(?:s?rand(?:_r)?|[del]rand48)\s*\(",
        "draw from a named stream of sim/random.h",
    ),
    _ban(
        "std-random",
        r"\b(?:mt19937(?:_64)?|minstd_rand0?|default_random_engine|ranlux\w+|knuth_b|"
        r"(?:default_random|linear_congruential|mersenne_twister|subtract_with_carry|"
        r"discard_block|independent_bits|shuffle_order)_engine|BitGen)\b|"
        r"\bstd::\w+_distribution\b|#\s*include\s*<random>",
        "engines and distributions differ between libraries: use the streams and distributions of "
        "sim/random.h",
    ),
    _ban(
        "std-shuffle",
        r"\bstd::(?:ranges::)?(?:shuffle|random_shuffle|sample)\b",
        "its order is the library's: draw indexes from a named stream of sim/random.h",
    ),
    _ban(
        "std-hash",
        r"\bstd::hash\b|\babsl::Hash\b|\bboost::hash\w*",
        "its value differs between libraries: hash the bytes with the project's own hash",
    ),
    _ban(
        "libm",
        # Qualified by std:: or ::, or bare where it is a call and not a declaration.
        rf"(?:\bstd::|(?<![\w>])::)(?:{_LIBM})[fl]?\s*\(",
        "libm's last bit differs between machines: use sim/math.h (sqrt, floor, fabs are exact)",
    ),
    _ban(
        "fused-multiply",
        r"\bstd::fmaf?\b|\b__builtin_fma\w*|\bstd::(?:transform_)?reduce\b|\bstd::execution\b",
        "write a * b + c, and sums in a fixed order (std::accumulate)",
    ),
    _ban(
        "environment",
        r"\b(?:secure_)?getenv\b|\benviron\b|\bsetenv\b",
        "an input of a run is a field of the scenario",
    ),
    _ban(
        "locale",
        r"\bstd::locale\b|\bsetlocale\b|\bimbue\b|\b(?:std::)?(?:strtod|strtof|atof)\s*\(|"
        r"\bstd::sto[dfi]"
        r"\b|\bstd::sto(?:l|ll|ul|ull|ld)\b|"
        r"\b(?:std::)?(?:to(?:lower|upper)|is(?:alpha|alnum|digit|space|upper|lower|punct))\s*\(",
        "std::from_chars and fmt know no locale, nor does models/api/text.h",
    ),
    _ban(
        "threads",
        r"\bthread_local\b|\bstd::(?:thread|jthread|this_thread|async|mutex|shared_mutex|"
        r"recursive_mutex|"
        r"condition_variable)\b|\bpthread_\w+",
        "one world runs on one thread and owns its state; scenarios/ runs worlds side by side",
    ),
    _ban(
        "stored-call",
        r"\bstd::(?:function|move_only_function|any|bind|packaged_task)\b|"
        r"#\s*include\s*<functional>",
        "state is plain data that a fork can copy: an event with a handler and a payload, or a "
        "template parameter where the call does not outlive its caller",
    ),
    _ban(
        "pointer-order",
        r"\bstd::(?:map|set|multimap|multiset|less|greater)<\s*"
        r"(?:const\s+)?[\w:]+(?:\s+const)?\s*\*",
        "addresses differ between runs: order by an id or a name",
    ),
    _ban(
        "directory-order",
        r"\b(?:recursive_)?directory_iterator\b|\bopendir\b|\breaddir\b",
        "the order of a directory is the disk's: scenarios/ hands in a sorted list",
    ),
    _ban(
        "console",
        r"\bstd::(?:cout|cerr|clog|cin)\b|#\s*include\s*<iostream>|"
        r"(?<![\w.>:])(?:printf|puts)\s*\(|"
        r"\bfmt::print(?:ln)?\b",
        "a model speaks through the journal; bindings/ print",
    ),
]
# `log(x)` without a qualifier: a call, unless a type stands before it (then it is a declaration).
BARE_LIBM = re.compile(rf"(?<![\w.:>~&*])(?:{_LIBM})[fl]?\s*\(")
WORD_BEFORE = re.compile(r"([A-Za-z_][\w:]*[>&*]*)\s+$")
NOT_A_TYPE = {"return", "else", "case", "co_return", "co_yield", "and", "or", "not", "throw"}

HEAVY = re.compile(
    r"#\s*include\s*[<\"](iostream|regex|functional|Eigen/[^>\"]*|unsupported/[^>\"]*|"
    r"google/protobuf/[^>\"]*|[^>\"]*\.pb\.h|yaml-cpp/[^>\"]*|CLI/[^>\"]*|"
    r"simdjson\.h|pybind11/[^>\"]*)[>\"]"
)
UNORDERED = (
    r"(?:std::unordered_(?:multi)?(?:map|set)|tsl::\w+_(?:map|set)|absl::(?:flat|node)_hash_"
    r"(?:map|set)|"
    r"boost::unordered_\w+)"
)
FAST_MATH = re.compile(r"-ffast-math|-Ofast|-march=native|-ffp-contract=(?!off)\w+|-funsafe-math")

# ---- style ---------------------------------------------------------------------------------------
COLUMNS = 100
FUNCTION_LINES = 80
TEST_FUNCTION_LINES = 160
ADR_SECTIONS = ("## Context", "## Decision", "## Alternatives", "## Consequences")
# Spelt with a class so that this file does not contain the words.
WORDS = [
    (re.compile(r"(?<![\w.~*-])/(?:hom[e]|roo[t]|User[s]|wor[k])/\w"), "a path of one machine"),
    (
        re.compile(
            r"(?i)\bhelper sessio[n]|\bClaud[e]\b|\bAnthropi[c]\b|\bChatGP[T]\b|\bas an A[I]\b"
        ),
        "not of this project",
    ),
    (
        re.compile(r"(?i)artifactor[y]|--index-ur[l]|--extra-index-ur[l]|nexus[3]?/repositor[y]"),
        "the host of a private package registry",
    ),
]
OPEN_END = re.compile(r"\b(?:TOD[O]|FIXM[E]|XX[X]|HAC[K])\b")

SKIP_FOLDERS = {
    ".git",
    "build",
    "out",
    ".venv",
    "__pycache__",
    "node_modules",
    ".pytest_cache",
    ".ipynb_checkpoints",
}
TEXT = (
    ".h",
    ".cpp",
    ".py",
    ".pyi",
    ".md",
    ".txt",
    ".cmake",
    ".yaml",
    ".yml",
    ".proto",
    ".json",
    ".toml",
    ".sh",
    ".ts",
    ".css",
    ".html",
    ".ini",
    ".cfg",
)
LONG_LINES_FINE = (".json", ".html", ".css", ".svg", ".ts", ".txt")


class File(NamedTuple):
    path: str
    text: str
    lines: list
    code: str  # C++ only: comments and literals blanked, offsets and lines unchanged

    def line_of(self, offset):
        return self.text.count("\n", 0, offset) + 1


class Offence(NamedTuple):
    path: str
    line: int
    rule: str
    message: str

    def __str__(self):
        return f"{self.path}:{self.line}: [{self.rule}] {self.message}"


_LITERAL = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|'
    r"(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\'",
    re.S,
)
_RAW = re.compile(r'R"(\w*)\(.*?\)\1"', re.S)
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.M)


def strip(text):
    """C++ without comments and literals, same length. Include paths stay."""

    def blank(match):
        start = text.rfind("\n", 0, match.start()) + 1
        if match.group()[0] == '"' and text[start : match.start()].lstrip().startswith("#"):
            return match.group()
        return re.sub(r"[^\n]", " ", match.group())

    return _LITERAL.sub(blank, text)


def read_tree(root):
    files = []
    for folder, names, leaves in os.walk(root):
        names[:] = sorted(n for n in names if n not in SKIP_FOLDERS)
        for leaf in sorted(leaves):
            path = os.path.relpath(os.path.join(folder, leaf), root).replace(os.sep, "/")
            if not (
                leaf.endswith(TEXT) or path in ("dev", ".ci/run", ".clang-tidy", ".clang-format")
            ):
                continue
            if os.path.getsize(os.path.join(folder, leaf)) > 2_000_000:
                continue
            with open(os.path.join(folder, leaf), encoding="utf-8", errors="replace") as f:
                text = f.read()
            code = strip(text) if leaf.endswith((".h", ".cpp")) else ""
            files.append(File(path, text, text.split("\n"), code))
    return files


def folder_of(path):
    """The room that a file stands in: sim, models/<x>, scenarios, bindings, bench; else None."""
    parts = path.split("/")
    if parts[0] == "models" and len(parts) > 2:
        return "/".join(parts[:2])
    return parts[0] if parts[0] in ("sim", "scenarios", "bindings", "bench") else None


def cpp(files):
    return (f for f in files if f.path.endswith((".h", ".cpp")))


# ---- rules on the architecture -------------------------------------------------------------------
def check_includes(files):
    roots = ("sim/", "models/", "scenarios/", "bindings/", "bench/", "tests/")
    for f in cpp(files):
        here = folder_of(f.path)
        for m in _INCLUDE.finditer(f.code):
            target, line = m.group(1), f.line_of(m.start(1))
            beside = "/" not in target and here is None  # tests keep helpers beside them
            if not target.startswith(roots) and not beside:
                yield Offence(
                    f.path,
                    line,
                    "include-path",
                    f'"{target}": include by the path from '
                    "the root of the repository, libraries in <>",
                )
                continue
            if here is None or beside:
                continue
            there = folder_of(target)
            if there == here:
                continue
            if there is None or there not in EDGES[here]:
                allowed = ", ".join(sorted(EDGES[here])) or "nothing else"
                yield Offence(
                    f.path,
                    line,
                    "include-edge",
                    f"{here} must not include {target}; it may "
                    f"include {allowed} (docs/architecture.md)",
                )
            elif here in CONTROL_PLANE and there == "sim" and target not in SIM_FOR_CONTROL_PLANE:
                yield Offence(
                    f.path,
                    line,
                    "control-plane",
                    f"{here} must not include {target}: the "
                    "control plane sees a client and a clock; of sim/ only "
                    + ", ".join(sorted(SIM_FOR_CONTROL_PLANE)),
                )


_CMAKE_CALL = re.compile(r"\b(mainspring_library|target_link_libraries)\s*\(\s*(\w+)([^)]*)\)")


def check_links(files):
    folders = {f"mainspring_{e.split('/')[-1]}": e for e in EDGES}
    for f in files:
        here = folder_of(f.path)
        if not f.path.endswith("CMakeLists.txt") or here is None:
            continue
        for m in _CMAKE_CALL.finditer(f.text):
            for target in re.findall(r"\bmainspring_\w+", m.group(3)):
                there = folders.get(target)
                if there and there != here and there not in EDGES[here]:
                    yield Offence(
                        f.path,
                        f.line_of(m.start()),
                        "link-edge",
                        f"{here} must not link {target} (docs/architecture.md)",
                    )


def check_flags(files):
    for f in files:
        if f.path.endswith((".cmake", "CMakeLists.txt", "CMakePresets.json")):
            for m in FAST_MATH.finditer(f.text):
                yield Offence(
                    f.path,
                    f.line_of(m.start()),
                    "fast-math",
                    f"{m.group()} changes results between machines; leave it out",
                )


def check_banned(files):
    for f in cpp(files):
        if not f.path.startswith(SIMULATED):
            continue
        for ban in BANNED:
            for m in ban.pattern.finditer(f.code):
                yield Offence(
                    f.path,
                    f.line_of(m.start()),
                    ban.rule,
                    f"{m.group().strip()} is banned: {ban.instead}",
                )
        for m in BARE_LIBM.finditer(f.code):
            before = WORD_BEFORE.search(f.code, max(0, m.start() - 80), m.start())
            if before and before.group(1) not in NOT_A_TYPE:
                continue  # a declaration
            yield Offence(
                f.path,
                f.line_of(m.start()),
                "libm",
                f"{m.group()}...) may be libm's: write sim::{m.group()}...), from sim/math.h",
            )


def balanced(code, start):
    """The offset behind the `>` that closes the `<` at start."""
    depth = 0
    for i in range(start, min(len(code), start + 2000)):
        if code[i] == "<":
            depth += 1
        elif code[i] == ">" and code[i - 1] != "-":
            depth -= 1
            if depth == 0:
                return i + 1
    return start + 1


_UNORDERED_ALIAS = re.compile(rf"\busing\s+(\w+)\s*=\s*{UNORDERED}\s*<")
_UNORDERED_USE = re.compile(rf"{UNORDERED}\s*<")
_DECLARED = re.compile(r"\s*(?:const\s*)?&?\s*(\w+)\s*[;={(,)]")
_RANGE_FOR = re.compile(r"\bfor\s*\([^;(){}]*[^:]:(?!:)\s*([^{};]*?)\)\s*[^);]")
_BEGIN = re.compile(r"(\w+)\s*(?:\.|->)\s*c?r?begin\s*\(")


def unordered_names(code, aliases):
    names = set()
    for m in _UNORDERED_USE.finditer(code):
        d = _DECLARED.match(code, balanced(code, m.end() - 1))
        if d:
            names.add(d.group(1))
    if aliases:
        for m in re.finditer(
            r"\b(?:\w+::)*(?:" + "|".join(sorted(aliases)) + r")\b\s*&?\s*(\w+)\s*[;={(,)]", code
        ):
            names.add(m.group(1))
    return names


def check_unordered(files):
    simulated = [f for f in cpp(files) if f.path.startswith(SIMULATED)]
    aliases = {m.group(1) for f in simulated for m in _UNORDERED_ALIAS.finditer(f.code)}
    headers = {f.path: f for f in simulated}
    for f in simulated:
        names = unordered_names(f.code, aliases)
        if f.path.endswith(".cpp"):
            header = headers.get(f.path[:-4] + ".h")
            if header:
                names |= unordered_names(header.code, aliases)
        if not names:
            continue
        for pattern in (_RANGE_FOR, _BEGIN):
            for m in pattern.finditer(f.code):
                words = re.findall(r"\w+", m.group(1))
                if words and words[-1] in names:
                    yield Offence(
                        f.path,
                        f.line_of(m.start()),
                        "unordered-walk",
                        f"{words[-1]} has no order: walk a sorted vector or an ordered map; hash "
                        "maps are for look-ups only",
                    )


_STATIC = re.compile(
    r"\bstatic\s+(?:inline\s+)?((?:(?!static\b)[\w:<>,*&\s])+?)\s+\*?(\w+)\s*(?:;|=[^=]|\{|\[)"
)
_GLOBAL = re.compile(
    r"^(?:inline |extern )?([A-Za-z_][\w:<>,*& ]*?)[ *&]+(\w+)(?:\[\w*\])?"
    r"(?: = [^=]|;|\{.*\};$| = $)"
)
_NOT_GLOBAL = re.compile(
    r"^(?:__extension__|static|using|typedef|class|struct|enum|union|namespace|template|friend|"
    r"return|public|private|protected|extern \"C\"|goto|case|default|else|break|continue|delete|"
    r"throw|concept|requires|export)\b"
)


def check_globals(files):
    for f in cpp(files):
        if not f.path.startswith(SIMULATED):
            continue
        message = (
            "is mutable state outside the world: make it constexpr, or a member of what World holds"
        )
        for m in _STATIC.finditer(f.code):
            if not re.search(r"\b(?:const|constexpr|constinit|consteval|_assert)\b", m.group(1)):
                yield Offence(
                    f.path, f.line_of(m.start()), "global-state", f"{m.group(2)} {message}"
                )
        for number, line in enumerate(f.code.split("\n"), 1):
            if not line or line[0] in " \t#}{/" or _NOT_GLOBAL.match(line):
                continue
            m = _GLOBAL.match(line)
            if m and not re.search(r"\bconst(?:expr|eval|init)?\b", line):
                yield Offence(f.path, number, "global-state", f"{m.group(2)} {message}")


def check_headers(files):
    for f in cpp(files):
        if not f.path.endswith(".h"):
            continue
        if not f.text.startswith("//"):
            yield Offence(
                f.path,
                1,
                "header-comment",
                "the first lines of a header say what it models, "
                "units, determinism, what is not modelled",
            )
        if not re.search(r"^#pragma once$", f.text, re.M):
            yield Offence(f.path, 1, "pragma-once", "a header has #pragma once")
        for m in re.finditer(r"^\s*using namespace\b", f.code, re.M):
            yield Offence(f.path, f.line_of(m.end()), "using-namespace", "not in a header")
        if f.path.startswith(("sim/", "models/", "scenarios/")):
            for m in HEAVY.finditer(f.code):
                yield Offence(
                    f.path,
                    f.line_of(m.start(1)),
                    "heavy-header",
                    f"<{m.group(1)}> costs every "
                    "includer build time: include it in one .cpp behind a small interface",
                )


# ---- rules on style ------------------------------------------------------------------------------
def raw_lines(f):
    """The numbers of the lines of C++ raw strings: expected output is as wide as it is."""
    numbers = set()
    if f.path.endswith((".h", ".cpp")):
        for m in _RAW.finditer(f.text):
            numbers.update(range(f.line_of(m.start()), f.line_of(m.end()) + 1))
    return numbers


def check_lines(files):
    for f in files:
        fenced = False
        raw = raw_lines(f)
        for number, line in enumerate(f.lines, 1):
            if line.lstrip().startswith("```"):
                fenced = not fenced
            if "\t" in line:
                yield Offence(f.path, number, "tab", "indent with spaces")
            if line != line.rstrip():
                yield Offence(f.path, number, "trailing-blank", "blank at the end of the line")
            if len(line) > COLUMNS and not f.path.endswith(LONG_LINES_FINE) and number not in raw:
                if f.path.endswith(".md") and (fenced or line.lstrip().startswith(("|", "!["))):
                    continue
                if "://" not in line:
                    yield Offence(
                        f.path, number, "columns", f"{len(line)} columns, at most {COLUMNS}"
                    )
        if f.text and not f.text.endswith("\n"):
            yield Offence(f.path, len(f.lines), "last-newline", "a file ends with a newline")


def check_words(files):
    for f in files:
        for m in OPEN_END.finditer(f.text):
            yield Offence(
                f.path,
                f.line_of(m.start()),
                "open-end",
                f"{m.group()}: finish it, or state the limit in the header or the docs",
            )
        for pattern, why in WORDS:
            for m in pattern.finditer(f.text):
                yield Offence(f.path, f.line_of(m.start()), "foreign-word", f"{m.group()}: {why}")


def check_markdown(files):
    paths = {f.path for f in files}
    folders = {os.path.dirname(p) for p in paths}
    for p in list(folders):
        while p:
            p = os.path.dirname(p)
            folders.add(p)
    for f in files:
        if not f.path.endswith(".md"):
            continue
        prose = re.sub(
            r"^```.*?^```", lambda m: "\n" * m.group().count("\n"), f.text, flags=re.S | re.M
        )
        titles = [f.line_of(m.start()) for m in re.finditer(r"^# ", prose, re.M)]
        if titles != [1]:
            yield Offence(
                f.path,
                titles[1] if len(titles) > 1 else 1,
                "one-title",
                f"one '# title', in the first line; found {len(titles)}",
            )
        for m in re.finditer(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", prose):
            link = m.group(1)
            if "://" in link or link.startswith("mailto:"):
                continue
            target = os.path.normpath(os.path.join(os.path.dirname(f.path), link))
            if target not in paths and target not in folders and not exists(target):
                yield Offence(
                    f.path,
                    prose.count("\n", 0, m.start()) + 1,
                    "dead-link",
                    f"{link} does not exist",
                )
        if re.match(r"docs/adr/\d{4}-", f.path):
            for section in ADR_SECTIONS:
                if f"\n{section}\n" not in f.text:
                    yield Offence(
                        f.path, 1, "adr-form", f"lacks '{section}' (docs/adr/0000-template.md)"
                    )


_ROOT = "."


def exists(path):
    return os.path.exists(os.path.join(_ROOT, path))


_CONTROL = re.compile(
    r"^\s*(?:\}\s*)?(?:if|for|while|switch|else|do|catch|try|namespace|struct|class|enum|"
    r"union|case|default|extern)\b"
)


def check_functions(files):
    for f in files:
        limit = TEST_FUNCTION_LINES if f.path.startswith(("tests/", "bench/")) else FUNCTION_LINES
        if f.path.endswith((".h", ".cpp")):
            yield from cpp_functions(f, limit)
        elif f.path.endswith(".py"):
            try:
                tree = ast.parse(f.text)
            except SyntaxError as error:
                yield Offence(f.path, error.lineno or 1, "python-syntax", str(error))
                continue
            for node in ast.walk(tree):
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    length = node.end_lineno - node.lineno + 1
                    if length > limit:
                        yield Offence(
                            f.path,
                            node.lineno,
                            "function-length",
                            f"{node.name} has {length} lines, at most {limit}",
                        )


def cpp_functions(f, limit):
    """Definitions indented by at most four columns, as clang-format leaves them."""
    lines = f.code.split("\n")
    i = 0
    while i < len(lines):
        start = i
        line = lines[i].rstrip()
        i += 1
        if not line.endswith("{") or ")" not in line:
            continue
        depth = line.count(")") - line.count("(")
        while depth > 0 and start > 0:  # a signature of several lines
            start -= 1
            depth += lines[start].count(")") - lines[start].count("(")
        first = lines[start]
        indent = len(first) - len(first.lstrip())
        if indent > 4 or _CONTROL.match(first) or first.lstrip().startswith(("}", ")")):
            continue
        end = i
        while end < len(lines) and not re.match(rf"^ {{0,{indent}}}\}}", lines[end]):
            end += 1
        length = end - start + 1
        if length > limit:
            name = re.findall(r"[\w:~]+(?=\s*\()", first)
            yield Offence(
                f.path,
                start + 1,
                "function-length",
                f"{name[0] if name else 'function'} has {length} lines, at most {limit}: split "
                "it by what it decides",
            )
            i = end


def check_registered(files):
    texts = {f.path: f.text for f in files}

    def reached(folder):
        """Whether every CMakeLists.txt on the way down from the root adds the next one."""
        below = []
        while folder:
            folder, name = os.path.split(folder)
            below.insert(0, name)
            above = texts.get(f"{folder}/CMakeLists.txt" if folder else "CMakeLists.txt")
            if above is None:
                continue
            path = "/".join(below)
            listed = re.search(r"add_subdirectory\(\$\{\w+\}\)", above)
            if re.search(rf"add_subdirectory\(\s*{re.escape(path)}\s*\)", above) or (
                listed and re.search(rf"\b{re.escape(path)}\b", above)
            ):
                below = []
        return not below

    for f in cpp(files):
        if not f.path.endswith(".cpp") or not f.path.startswith(
            ("sim/", "models/", "scenarios/", "bindings/", "bench/", "tests/")
        ):
            continue
        folder, leaf = os.path.split(f.path)
        stem = leaf[:-4]
        home = os.path.dirname(folder) if os.path.basename(folder) == "plugins" else folder
        lists = texts.get(f"{home}/CMakeLists.txt", "")
        if f.path.startswith("tests/"):
            named = "mainspring_test" in lists if stem.endswith("_test") else stem in lists
        elif f.path.startswith("bench/"):
            named = re.search(rf"\b{re.escape(stem)}\b", lists) or "GLOB" in lists
        else:
            named = "mainspring_library" in lists or leaf in lists or "GLOB" in lists
        if not named or not reached(home):
            yield Offence(
                f.path, 1, "not-built", f"no CMakeLists.txt from {home}/ up to the root builds it"
            )


def check_library(files):
    texts = {f.path: f.text for f in files}
    readme = texts.get("scenarios/library/README.md", "")
    golden = texts.get("tests/golden/digests.txt", "")
    digests = {
        line.split()[0]: n
        for n, line in enumerate(golden.split("\n"), 1)
        if line.strip() and not line.startswith("#")
    }
    shipped = set()
    for path in texts:
        if os.path.dirname(path) == "scenarios/library" and path.endswith(".yaml"):
            name = os.path.basename(path)
            shipped.add(name[:-5])
            if name not in readme:
                yield Offence(
                    path, 1, "library-readme", "needs a line in scenarios/library/README.md"
                )
            if name[:-5] not in digests:
                yield Offence(path, 1, "library-digest", "needs a digest: ./dev golden --update")
    for name, line in digests.items():
        if name not in shipped:
            yield Offence(
                "tests/golden/digests.txt",
                line,
                "library-digest",
                f"there is no scenarios/library/{name}.yaml: ./dev golden --update",
            )


def check_model_readme(files):
    paths = {f.path for f in files}
    for folder in sorted(
        {folder_of(p) for p in paths if p.startswith("models/") and p.endswith((".h", ".cpp"))}
        - {None, "models"}
    ):
        if f"{folder}/README.md" not in paths:
            yield Offence(
                f"{folder}/README.md",
                1,
                "model-readme",
                "a model says what is modelled, what is not, and where its constants come from",
            )


CHECKS = [
    check_includes,
    check_links,
    check_flags,
    check_banned,
    check_unordered,
    check_globals,
    check_headers,
    check_lines,
    check_words,
    check_markdown,
    check_functions,
    check_registered,
    check_library,
    check_model_readme,
]
RULES = sorted(
    {ban.rule for ban in BANNED}
    | {
        "include-path",
        "include-edge",
        "control-plane",
        "link-edge",
        "fast-math",
        "unordered-walk",
        "global-state",
        "header-comment",
        "pragma-once",
        "using-namespace",
        "heavy-header",
        "tab",
        "trailing-blank",
        "columns",
        "last-newline",
        "open-end",
        "foreign-word",
        "one-title",
        "dead-link",
        "adr-form",
        "function-length",
        "python-syntax",
        "not-built",
        "library-readme",
        "library-digest",
        "model-readme",
        "allow-file",
    }
)


# ---- exceptions ----------------------------------------------------------------------------------
class Allowed(NamedTuple):
    line: int
    rule: str
    pattern: str


def read_allowed(text):
    """Lines `rule path-pattern reason`; the rule `*` leaves the file out altogether (copies)."""
    allowed, offences = [], []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        words = line.split(None, 2)
        if len(words) < 3 or (words[0] != "*" and words[0] not in RULES):
            offences.append(
                Offence(
                    "tests/tidy/allow.txt",
                    number,
                    "allow-file",
                    "a line is: rule (or *), path pattern, reason",
                )
            )
        else:
            allowed.append(Allowed(number, words[0], words[1]))
    return allowed, offences


def run(root):
    global _ROOT
    _ROOT = root
    files = read_tree(root)
    text = next((f.text for f in files if f.path == "tests/tidy/allow.txt"), "")
    allowed, offences = read_allowed(text)
    used = set()
    whole = [a for a in allowed if a.rule == "*"]
    kept = []
    for f in files:
        skip = [a for a in whole if fnmatch.fnmatchcase(f.path, a.pattern)]
        used.update(skip)
        if not skip:
            kept.append(f)
    for check in CHECKS:
        for offence in check(kept):
            excuse = [
                a
                for a in allowed
                if a.rule == offence.rule and fnmatch.fnmatchcase(offence.path, a.pattern)
            ]
            used.update(excuse)
            if not excuse:
                offences.append(offence)
    for a in allowed:
        if a not in used:
            offences.append(
                Offence(
                    "tests/tidy/allow.txt",
                    a.line,
                    "allow-file",
                    f"{a.rule} {a.pattern} is no longer needed: remove the line",
                )
            )
    return files, sorted(set(offences))


def main():
    start = time.monotonic()
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..", "..")
    files, offences = run(os.path.abspath(root))
    for offence in offences:
        print(offence)
    print(
        f"tidy: {len(files)} files, {len(RULES)} rules, {len(offences)} offences, "
        f"{time.monotonic() - start:.1f} s"
    )
    return 1 if offences else 0


if __name__ == "__main__":
    sys.exit(main())
