"""The check of docs/cases/ finds each kind of gap when it is planted, and nothing in a whole page."""

import pathlib
import sys
import tempfile

import cases

ROW = "| {0} | claim | `server_test` | | |\n"
PAGE = "| case | claim | test | in full | it printed |\n|---|---|---|---|---|\n" + "".join(ROW.format(f"J{n}") for n in range(1, 11))
TEST = "".join(f'TEST_CASE("J{n}: it holds") {{}}\n' for n in range(1, 11))
PLANTED = {
    "number without a row": (PAGE.replace(ROW.format("J7"), ""), TEST),
    "row of a number that is none": (PAGE + ROW.format("J11"), TEST),
    "two rows": (PAGE + ROW.format("J1"), TEST),
    "row without a test": (PAGE.replace(ROW.format("J3"), "| J3 | claim | by hand | | |\n"), TEST),
    "test that does not exist": (PAGE.replace(ROW.format("J3"), "| J3 | claim | `no_such_test` | | |\n"), TEST),
    "test that does not name it": (PAGE, TEST.replace("J10", "J100")),
}


def faults_of(page, test):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in {"docs/cases/J.md": page, "tests/server/some_test.cpp": test}.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return cases.check(root)[1]


def main():
    failed = 0
    if found := faults_of(PAGE, TEST):
        print("whole page reported:", found)
        failed += 1
    for name, (page, test) in PLANTED.items():
        if not faults_of(page, test):
            print("not found:", name)
            failed += 1
    print(f"{len(PLANTED) + 1 - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
