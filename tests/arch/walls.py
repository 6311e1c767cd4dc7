"""Holds the sources against the room table of ARCHITECTURE.md, and a few habits against their replacements.

Usage: walls.py ROOT. Prints every violation and, as the last line, `N passed, N failed`.
"""

import pathlib
import re
import sys

# Headers of libraries, by the word that the table uses for them.
LIBRARIES = {
    "fmt": r"fmt/", "openssl": r"openssl/", "simdjson": r"simdjson", "toml++": r"toml\+\+/|toml\.hpp", "sqlite3": r"sqlite3", "libpq": r"libpq-fe|libpq/|postgresql/",
    "prometheus": r"prometheus/", "nlohmann": r"nlohmann/", "boost": r"boost/", "curl": r"curl/", "CLI": r"CLI/",
    "cctz": r"cctz/|absl/time", "catch2": r"catch2/", "benchmark": r"benchmark/", "xxhash": r"xxhash\.h",
}
# Where Beast and the wall clock may be named: (pattern, files that may, what to do instead).
BANS = [
    (r"boost/beast", r"^src/server/", "only server knows Beast: use turnpike/handler.hpp and turnpike/stream.hpp"),
    (r"libpq-fe", r"^src/account/central_store\.cpp$", "only the central store knows libpq: use account/central_store.hpp"),
    (r"\bsteady_clock::now\(|\bsystem_clock::now\(", r"^src/core/(clock|log)\.cpp$", "take a Clock& or an instant as a parameter"),
    (r"\bco_spawn\(", r"^src/(server|app)/|^include/turnpike/task\.hpp$", "await the task; only server and app start coroutines"),
    (r"\bgetenv\(", r"^src/app/", "pass the value in; only app reads the environment"),
    (r"co_await[^;\n]*\([^;\n]*(\w\{|\[[^\]]*\]\s*\()", r"^$", "name the braced object or lambda first (g++ 12 destroys it twice inside co_await)"),
    (r"\b(TODO|FIXME|XXX|HACK)\b", r"^$", "finish it, or file an issue"),
    (r"atomic<\s*std::shared_ptr", r"^$", "post the pointer to each loop; this libstdc++ races here"),
]
FUNCTION_LINES_MAX = 70


def read_table(text):
    """Room table: name -> (rooms it may include, libraries it may include), in the order of the rows."""
    rooms = {}
    chapter = text.split("## Rooms", 1)[-1].split("\n## ", 1)[0]
    for line in chapter.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 6 and re.fullmatch(r"[a-z]+", cells[1]) and cells[1] != "room":
            rooms[cells[1]] = (cells[3].split(), cells[4].split())
    return rooms


def table_faults(rooms, folders):
    faults = [f"ARCHITECTURE.md: folder src/{folder} has no row" for folder in sorted(folders - rooms.keys())]
    faults += [f"ARCHITECTURE.md: row {room} has no folder src/{room}" for room in sorted(rooms.keys() - folders)]
    seen = []
    for room, (allowed, _) in rooms.items():
        faults += [f"ARCHITECTURE.md: {room} may include {other}, which is not above it" for other in allowed if other not in seen]
        seen.append(room)
    return faults


def include_faults(path, room, text, rooms):
    allowed, libraries = rooms[room]
    faults = []
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if not match:
            continue
        target = match.group(2)
        first = target.split("/")[0]
        if first in rooms and "/" in target:
            if first != room and first not in allowed:
                faults.append(f"{path}:{number}: {room} may not include {first} ({target})")
            continue
        for word, pattern in LIBRARIES.items():
            if re.match(pattern, target) and word not in libraries:
                faults.append(f"{path}:{number}: {room} may not include {word} ({target})")
    return faults


def strip_comments(text):
    return re.sub(r"//[^\n]*|/\*.*?\*/", lambda found: re.sub(r"[^\n]", " ", found.group()), text, flags=re.S)


def ban_faults(path, text):
    faults = []
    code = strip_comments(text)
    for pattern, exempt, instead in BANS:
        if re.search(exempt, path):
            continue
        source = text if "TODO" in pattern else code
        for found in re.finditer(pattern, source):
            faults.append(f"{path}:{source.count(chr(10), 0, found.start()) + 1}: {found.group()[:60]!r}: {instead}")
    return faults


def length_faults(path, text):
    """Functions over the limit: a body that opens at column 0 or inside a namespace/class and closes at its indent."""
    faults = []
    lines = text.splitlines()
    for number, line in enumerate(lines):
        match = re.match(r"^(\s{0,4})(?!(?:namespace|class|struct|enum|union|extern|using|public|private|template)\b)(?![^(]*\b(?:class|struct)\b)\S.*\)\s*(const|noexcept|override|final|->\s*\S+|\s)*\{$", line)
        if not match or re.match(r"\s*(if|for|while|switch|else|do|catch)\b", line):
            continue
        indent = match.group(1)
        for end in range(number + 1, len(lines)):
            closing = re.match(r"(\s*)\}", lines[end])
            if closing and len(closing.group(1)) <= len(indent):
                if end - number + 1 > FUNCTION_LINES_MAX:
                    faults.append(f"{path}:{number + 1}: function of {end - number + 1} lines (at most {FUNCTION_LINES_MAX})")
                break
    return faults


def check(root):
    root = pathlib.Path(root)
    rooms = read_table((root / "ARCHITECTURE.md").read_text())
    folders = {entry.name for entry in (root / "src").iterdir() if entry.is_dir()}
    faults = table_faults(rooms, folders)
    files = 0
    for path in sorted([*(root / "src").rglob("*.[ch]pp"), *(root / "include").rglob("*.hpp")]):
        name = path.relative_to(root).as_posix()
        text = path.read_text()
        files += 1
        if name.startswith("src/"):
            room = name.split("/")[1]
            if room in rooms:
                faults += include_faults(name, room, text, rooms)
        faults += ban_faults(name, text) + length_faults(name, text)
    return files, faults


def main():
    files, faults = check(sys.argv[1])
    for fault in faults:
        print(fault)
    print(f"{max(files - len(faults), 0)} passed, {len(faults)} failed")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
