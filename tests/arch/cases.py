"""Holds docs/cases/ against the tests: each page has a row for every number of its letter, each row a test that exists.

Usage: cases.py ROOT. A row is `| H5 | claim | tests | in full | it printed |`; its tests stand in backticks and are
- `NAME_test`: tests/NAME/*_test.cpp, one of which names the case,
- `name.py` or `name`: a file of that name below tests/ (name.py, name.cpp, name_test.cpp) that names the case.
To name a case is to have its number as a word: in a test's name, a tag or a docstring.
"""

import pathlib
import re
import sys

# How many cases each letter has. Source: reliability specification, section 15.
NUMBERS = {"H": 14, "J": 10, "A": 12, "U": 21, "L": 12}


def rows_of(text):
    """(number, tests cell) of each row of a page's tables, in its order."""
    rows = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) >= 5 and re.fullmatch(r"[A-Z]\d+", cells[1]):
            rows.append((cells[1], cells[3]))
    return rows


def files_of(root, name):
    """The files that a test's name in a row stands for."""
    tests = root / "tests"
    room = tests / name.removesuffix("_test")
    if name.endswith("_test") and room.is_dir():
        return sorted(room.rglob("*_test.cpp"))
    stem = name.removesuffix(".py")
    wanted = {f"{stem}.py"} if name.endswith(".py") else {f"{stem}.cpp", f"{stem}_test.cpp", f"{stem}.py"}
    return sorted(path for path in tests.rglob("*") if path.name in wanted)


def page_faults(root, page):
    letter = page.stem
    rows = rows_of(page.read_text())
    name = page.relative_to(root).as_posix()
    numbers = [number for number, _ in rows]
    wanted = [f"{letter}{n}" for n in range(1, NUMBERS[letter] + 1)]
    faults = [f"{name}: {number} has no row" for number in wanted if number not in numbers]
    faults += [f"{name}: {number} is no case of {letter}" for number in numbers if number not in wanted]
    faults += [f"{name}: {number} has {numbers.count(number)} rows" for number in sorted(set(numbers)) if numbers.count(number) > 1]
    for number, cell in rows:
        tests = re.findall(r"`([^`\s]+)[^`]*`", cell)
        if not tests:
            faults.append(f"{name}: {number} names no test")
        for test in tests:
            files = files_of(root, test)
            if not files:
                faults.append(f"{name}: {number}: there is no test {test}")
            elif not any(re.search(rf"\b{number}\b", path.read_text(errors="replace")) for path in files):
                faults.append(f"{name}: {number}: {test} does not name it")
    return faults


def check(root):
    root = pathlib.Path(root)
    pages = sorted((root / "docs" / "cases").glob("[A-Z].md"))
    faults = [f"docs/cases/{page.name}: no such letter" for page in pages if page.stem not in NUMBERS]
    rows = 0
    for page in pages:
        if page.stem in NUMBERS:
            rows += len(rows_of(page.read_text()))
            faults += page_faults(root, page)
    if not pages:
        faults.append("docs/cases: no pages")
    return rows, faults


def main():
    rows, faults = check(sys.argv[1])
    for fault in faults:
        print(fault)
    print(f"{max(rows - len(faults), 0)} passed, {len(faults)} failed")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
