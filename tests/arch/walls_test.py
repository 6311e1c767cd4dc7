"""The wall checker finds each kind of violation when it is planted, and nothing in a clean tree."""

import pathlib
import sys
import tempfile

import walls

TABLE = """| room | holds | may include | outside headers |
|---|---|---|---|
| core | bodies | | fmt |
| wire | bytes | core | simdjson |
"""
CLEAN = {"src/core/a.hpp": '#pragma once\n#include <fmt/format.h>\n', "src/wire/b.cpp": '#include "core/a.hpp"\n#include <simdjson.h>\nint f() {\n  return 1;\n}\n'}
PLANTED = {
    "upward include": {"src/core/c.cpp": '#include "wire/b.hpp"\n'},
    "foreign library": {"src/wire/c.cpp": "#include <curl/curl.h>\n"},
    "folder without a row": {"src/extra/c.cpp": "int x;\n"},
    "wall clock": {"src/wire/c.cpp": "auto t = std::chrono::steady_clock::now();\n"},
    "environment": {"src/wire/c.cpp": 'auto p = std::getenv("HOME");\n'},
    "braces inside co_await": {"src/wire/c.cpp": "auto r = co_await send(Request{url, body});\n"},
    "lambda inside co_await": {"src/wire/c.cpp": "co_await run([x](int y) { return x + y; });\n"},
    "left-over marker": {"src/wire/c.cpp": "// " + "TO" + "DO later\n"},
    "long function": {"src/wire/c.cpp": "int f() {\n" + "  g();\n" * 80 + "}\n"},
    "circular rooms": {"ARCHITECTURE.md": TABLE.replace("| core | bodies | |", "| core | bodies | wire |")},
}


def faults_of(extra):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in {"ARCHITECTURE.md": TABLE, "include/turnpike/x.hpp": "", **CLEAN, **extra}.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return walls.check(root)[1]


def main():
    failed = 0
    if found := faults_of({}):
        print("clean tree reported:", found)
        failed += 1
    for name, extra in PLANTED.items():
        found = faults_of(extra)
        if not found:
            print("not found:", name)
            failed += 1
    print(f"{len(PLANTED) + 1 - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
