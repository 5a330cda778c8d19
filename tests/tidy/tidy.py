#!/usr/bin/env python3
"""Checks every file of ours against the rules of the house (rules.py) and clang-format 19, and the
links of the documentation.

usage: tidy.py [ROOT]     exit 0: clean; 1: findings, one a line
"""

import pathlib
import subprocess
import sys

import rules

FOLDERS = ("src", "tests", "bench", "cmake", "deploy", "scripts")
CODE = (".h", ".cc")
TEXT = (*CODE, ".py", ".cmake", ".sh", ".js", ".css", "")


def ours(root, path):
    """Text that we write by hand: not what Python leaves, nor the seeds of the fuzzers."""
    inner = path.relative_to(root).parts
    return (
        path.is_file()
        and (path.suffix in TEXT or path.name == "CMakeLists.txt")
        and "__pycache__" not in inner
        and inner[:2] != ("tests", "fuzz")
    )


def strays(root, code):
    layout = subprocess.run(
        ["clang-format-19", "--dry-run", *code], capture_output=True, text=True, check=True
    )
    paths = {line.split(":")[0] for line in layout.stderr.splitlines() if "warning:" in line}
    for path in sorted(paths):
        name = pathlib.Path(path).relative_to(root)
        yield f"{name}:1: not as clang-format 19 lays it out: run `make format`"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    files = sorted(p for folder in FOLDERS for p in (root / folder).rglob("*") if ours(root, p))
    code = [path for path in files if path.suffix in CODE]
    if not code:
        print(f"{root}: found no source file, expected some under {', '.join(FOLDERS)}")
        return 1
    findings = [
        finding
        for path in files
        for finding in rules.check(path.relative_to(root).as_posix(), path.read_text("utf-8"))
    ]
    for page in sorted([*root.glob("*.md"), *root.glob("docs/**/*.md")]):
        name = page.relative_to(root).as_posix()
        text = page.read_text("utf-8")
        findings += rules.broken_links(name, text, lambda target: (root / target).exists())
    findings += strays(root, code)
    print("\n".join(findings) if findings else f"{len(files)} files are tidy")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
