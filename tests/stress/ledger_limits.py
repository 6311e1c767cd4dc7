"""Limits under load, judged by a fold of the journal that is not the ledger's own (tests/e2e/journal.py).

    ledger_limits.py PROGRAM tree|changes [repeats=1] [requests] [seed]

tree (B2): org 100, teams 60 + 60, keys 30 x 4 and 2,000 requests at once: no level above its limit at any entry, at least 95
served. changes (B14): limits change while requests run: no reserve above the limit then in force. Prints the seeds.
"""
import pathlib
import random
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import journal

REQUEST_NANO = 3_000_000


def run(program, what, requests, seed):
    with tempfile.TemporaryDirectory(prefix="turnpike-limits-") as folder:
        done = subprocess.run([program, what, folder, str(requests), str(seed)], capture_output=True, text=True, timeout=600)
        if done.returncode != 0:
            return f"{done.stdout}{done.stderr[-2000:]}"
        try:
            book = journal.Journal(folder)
        except journal.Broken as fault:
            return str(fault)
    served, *_ = map(int, re.search(r"(\d+) served, (\d+) refused for good, (\d+) refused", done.stdout).groups())
    if len(book.attempts) != served or book.open_attempts() or book.reserved():
        return f"{served} served, {len(book.attempts)} in the journal, {len(book.open_attempts())} open, {book.reserved()} reserved"
    if what == "tree" and not 95 <= served <= 100:
        return f"{served} of 100 served"
    if what == "tree" and book.settled("org:acme", "lifetime") != served * REQUEST_NANO:
        return "the org's sum is not what was served"
    most = max(book.peaks.values(), default=0)
    print(f"  {done.stdout.strip().splitlines()[-1]}; {book.checked} windows looked at, the fullest held {most}", flush=True)
    return None


def main():
    program, what = sys.argv[1:3]
    repeats = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    requests = int(sys.argv[4]) if len(sys.argv) > 4 else {"tree": 2000, "changes": 40_000}[what]
    seed = int(sys.argv[5]) if len(sys.argv) > 5 else random.SystemRandom().randrange(2**32)
    for repeat in range(repeats):
        print(f"ledger_limits: {what}, {requests} requests, seed {seed + repeat}", flush=True)
        fault = run(program, what, requests, seed + repeat)
        if fault:
            print(f"ledger_limits: FAILED: {fault}")
            return 1
    print(f"ledger_limits: {what} ok, {repeats} times")
    return 0


if __name__ == "__main__":
    sys.exit(main())
