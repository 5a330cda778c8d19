"""The rules of the house that a machine can check, and the one table that they are checked against.

Every check takes a path relative to the root and the file's text, and yields (line, message).
What the rules mean: docs/architecture.md.
"""

import dataclasses
import posixpath
import re


@dataclasses.dataclass(frozen=True)
class Room:
    """A folder under src/: the rooms and libraries that it may include, and whether it is pure."""

    rooms: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    pure: bool = False
    threads: bool = False


# Arrows only point down. A room may always include itself; one engine never includes another.
ROOMS = {
    "base": Room(libraries=("fmt", "openssl", "yaml-cpp"), pure=True),
    "model": Room(("base",), ("fmt", "simdjson", "nlohmann", "zstd"), pure=True),
    "engines": Room(("model", "base"), ("fmt", "simdjson"), pure=True),
    "planner": Room(("engines", "model", "base"), ("fmt",), pure=True),
    "ports": Room(("model", "base")),
    "control": Room(("planner", "engines", "ports", "model", "base"), ("fmt",), threads=True),
    "sim": Room(
        ("control", "planner", "engines", "ports", "model", "base"), ("fmt",), threads=True
    ),
    "kube": Room(
        ("ports", "model", "base"),
        ("fmt", "simdjson", "nlohmann", "curl", "openssl"),
        threads=True,
    ),
    "server": Room(("ports", "model", "base"), ("fmt", "boost", "prometheus"), threads=True),
    "traces": Room(("model", "base"), ("fmt", "simdjson", "zlib")),
    "cli": Room(
        ("sim", "kube", "server", "traces", "control", "planner", "engines", "ports", "model", "base"),
        ("fmt", "CLI", "nlohmann", "simdjson"),
        threads=True,
    ),
}

# The first part of an include in angle brackets, and the library that it belongs to.
LIBRARIES = {
    "fmt": "fmt",
    "openssl": "openssl",
    "simdjson.h": "simdjson",
    "nlohmann": "nlohmann",
    "zstd.h": "zstd",
    "zlib.h": "zlib",
    "CLI": "CLI",
    "curl": "curl",
    "boost": "boost",
    "prometheus": "prometheus",
    "yaml-cpp": "yaml-cpp",
    "gtest": "gtest",
    "gmock": "gtest",
    "benchmark": "benchmark",
}

THREAD_HEADERS = (
    "thread mutex shared_mutex condition_variable future atomic semaphore latch barrier stop_token"
    " pthread.h"
).split()
IMPURE_HEADERS = {
    **{header: "threads" for header in THREAD_HEADERS},
    **{header: "a clock" for header in ("chrono", "ctime", "time.h", "sys/time.h")},
    **{
        header: "files"
        for header in ("fstream", "filesystem", "fcntl.h", "unistd.h", "sys/stat.h", "sys/mman.h")
    },
    **{header: "sockets" for header in ("sys/socket.h", "netinet/in.h", "arpa/inet.h", "netdb.h")},
    "iostream": "the terminal",
    "random": "the standard library's random numbers, which differ between platforms",
}
IMPURE_NAMES = {
    r"std::chrono\b|\b(?:steady|system|high_resolution)_clock\b|\bclock_gettime\b|\bgettimeofday\b"
    r"|\btime\s*\(\s*(?:nullptr|NULL|0|&\w+)\s*\)|\bstd::(?:time|clock)\s*\(": "a clock",
    r"\bgetenv\b|\bsetenv\b|\benviron\b": "the environment",
    r"\bstd::(?:jthread|thread|async|mutex|atomic)\b|\bpthread_\w+": "threads",
    r"\bstd::[io]?fstream\b|\bstd::filesystem\b|\bfopen\s*\(|\bfreopen\s*\(": "files",
    r"\bsocket\s*\(": "sockets",
    r"\bstd::random_device\b|\bstd::mt19937\w*\b|\bstd::\w+_distribution\b"
    r"|(?<![\w.>:])(?:std::)?s?rand\s*\(": "random numbers that are not base/random.h's",
}
LINES_MAX = 700
# Split so that this file passes its own check.
UNFINISHED = re.compile(r"\b(?:TO" + "DO|FIX" + "ME)\\b")


def room_of(path):
    parts = path.split("/")
    return parts[1] if len(parts) > 2 and parts[0] == "src" else None


def is_test(path):
    return path.endswith(("_test.cc", "_fuzz.cc"))


def blanked(text):
    """The text with comments, strings and characters blanked out; line breaks stay."""
    pattern = re.compile(
        r'//[^\n]*|/\*.*?\*/|R"([^(\s]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"'
        r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])'",
        re.DOTALL,
    )

    def blank(match):
        kept = re.sub(r"[^\n]", " ", match.group(0))
        return '""' + kept[2:] if match.group(0)[0] in '"R' and len(kept) > 1 else kept

    return pattern.sub(blank, text)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"\n]*)"|<([^>\n]*)>)', re.MULTILINE)


def includes(path, text):
    """The include rule: rooms, engines among themselves, and libraries."""
    room = room_of(path)
    if room is None:
        return
    if room not in ROOMS:
        yield 1, f"room '{room}' is not in the table of tests/tidy/rules.py"
        return
    rule = ROOMS[room]
    for match in INCLUDE.finditer(text):
        line = line_of(text, match.start())
        ours, library = match.groups()
        if ours is not None:
            yield from ((line, why) for why in _our_include(path, room, rule, ours))
            continue
        name = LIBRARIES.get(library) or LIBRARIES.get(library.split("/")[0])
        if name in ("gtest", "benchmark"):
            if not is_test(path):
                yield line, f"<{library}> belongs in tests"
        elif name is not None and name not in rule.libraries and not is_test(path):
            allowed = ", ".join(rule.libraries) or "none"
            yield line, f"room '{room}' may not use library '{name}' (allowed: {allowed})"
        if library in THREAD_HEADERS and not rule.threads and not rule.pure and not is_test(path):
            yield line, f"<{library}>: threads live in control, kube, server, sim and cli only"


def _our_include(path, room, rule, target):
    parts = target.split("/")
    if ".." in parts or "." in parts:
        yield f'"{target}": includes are written from src/, found a relative path'
    elif len(parts) < 2 or parts[0] not in ROOMS:
        yield f'"{target}": found no room of ours, expected "room/…"'
    elif parts[0] != room and parts[0] not in rule.rooms:
        allowed = ", ".join(rule.rooms) or "none"
        yield f"room '{room}' may not include room '{parts[0]}' (allowed: {allowed})"
    elif room == "engines" and parts[0] == "engines" and parts[1] != path.split("/")[2]:
        yield f"engine '{path.split('/')[2]}' may not include engine '{parts[1]}'"


def purity(path, text):
    """Pure rooms: no clock, environment, file, socket, thread or state that outlives a call."""
    room = room_of(path)
    if room not in ROOMS or not ROOMS[room].pure or is_test(path):
        return
    for match in INCLUDE.finditer(text):
        header = match.group(2)
        if header in IMPURE_HEADERS:
            line = line_of(text, match.start())
            yield line, f"pure room '{room}' may not include <{header}>: {IMPURE_HEADERS[header]}"
    code = blanked(text)
    for pattern, what in IMPURE_NAMES.items():
        for match in re.finditer(pattern, code):
            found = match.group(0).strip()
            yield line_of(code, match.start()), f"pure room '{room}' may not use {found}: {what}"
    yield from (
        (line, f"pure room '{room}' may not keep state: '{what}'") for line, what in state(code)
    )


# A declaration up to what settles it: a parenthesis (a function), or the end of a variable's name.
DECLARATION = re.compile(r"[^(){};=#]*[({;=]")
NO_VARIABLE = re.compile(
    r"(?:namespace|using|struct|class|enum|union|template|friend|typedef|concept|extern|requires"
    r"|static_assert|public|private|protected|return|case|default|goto|if|else|for|while|do|switch"
    r"|asm|export|import|co_return)\b"
)
CONSTANT = re.compile(
    r"(?:inline\s+|static\s+|thread_local\s+)*(?:constexpr\b|const\b(?P<rest>.*))"
)


def state(code):
    """Variables that outlive a call: at namespace scope (column 0, where clang-format puts them),
    and static or thread_local anywhere."""
    starts = r"^(?=[A-Za-z_:])|(?<![\w#])(?=(?:static|thread_local)\b)"
    for match in re.finditer(starts, code, re.MULTILINE):
        at_scope = match.start() == 0 or code[match.start() - 1] == "\n"
        declaration = DECLARATION.match(code, match.start())
        if declaration is None:
            continue
        words = " ".join(declaration.group(0)[:-1].split())
        if declaration.group(0)[-1] == "(":
            literal = re.match(r"\s*[0-9\"]", code[declaration.end() :])
            if not (literal and re.match(r"(?:static|thread_local)\b", words)):
                continue
        if NO_VARIABLE.match(words) or "operator" in words or " " not in words:
            continue
        if re.match(r"(?:static\s+)?(?:struct|class|enum|union)\b", words):
            continue
        constant = CONSTANT.match(words)
        if constant and not re.search(r"\*\s*(?!const\b)\w+$", constant.group("rest") or ""):
            continue
        if at_scope or re.match(r"(?:static|thread_local)\b", words):
            yield line_of(code, match.start()), words


def ordering(path, text):
    """Engines and the model keep no container whose order is not the same everywhere, unless it is
    only looked up in."""
    if room_of(path) not in ("model", "engines", "planner") or is_test(path):
        return
    code = blanked(text)
    lines = text.split("\n")
    names = set()
    for match in re.finditer(r"std::unordered_\w+\s*<", code):
        line = line_of(code, match.start())
        if not any("// lookup only" in near for near in lines[max(line - 2, 0) : line]):
            yield line, "an unordered container needs '// lookup only' beside it, or an order"
        declared = re.match(r"[^;={()]*>\s*&?\s*(\w+)\s*[;={,)]", code[match.start() :])
        if declared:
            names.add(declared.group(1))
    for match in re.finditer(r"\bfor\s*\([^;()]*:\s*(?:[\w.>-]*(?:\.|->))?(\w+)\s*\)", code):
        if match.group(1) in names:
            yield line_of(code, match.start()), f"loop over unordered container '{match.group(1)}'"


def header(path, text):
    """A header opens with what it is, and is included once."""
    if not path.endswith(".h"):
        return
    if not text.startswith("//"):
        yield 1, "a header opens with a comment: what it is, who owns it, its thread-safety"
    if "\n#pragma once\n" not in text:
        yield 1, "a header has '#pragma once'"


def size(_path, text):
    count = text.count("\n")
    if count > LINES_MAX:
        yield LINES_MAX + 1, f"found {count} lines, expected at most {LINES_MAX}"


def finished(_path, text):
    for match in UNFINISHED.finditer(text):
        yield line_of(text, match.start()), f"found {match.group(0)}: finish it, or file an issue"


LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)[^)]*\)")


def broken_links(path, text, exists):
    """Links of a Markdown page to files that are not there; `exists` takes a path from the root."""
    folder = posixpath.dirname(path)
    for match in LINK.finditer(text):
        target = posixpath.normpath(posixpath.join(folder, match.group(1)))
        if not exists(target):
            yield f"{path}:{line_of(text, match.start())}: found a link to '{target}', no such file"


CHECKS = (includes, purity, ordering, header, size, finished)


def check(path, text):
    """Every finding in one file, as 'path:line: message', in order."""
    found = sorted({finding for rule in CHECKS for finding in rule(path, text)})
    return [f"{path}:{line}: {message}" for line, message in found]
