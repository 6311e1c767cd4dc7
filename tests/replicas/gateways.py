"""Runs deploy/replicas/try.sh (two gateways, a simulator and a PostgreSQL on loopback) and judges what it prints.

    gateways.py BIN_DIR
"""

import pathlib
import re
import subprocess
import sys

import postgres

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "replicas" / "try.sh"


def main():
    if postgres.binaries() is None:
        print("SKIPPED: PostgreSQL is not installed and cannot be installed here: apt-get install postgresql")
        return postgres.SKIPPED
    done = subprocess.run(["bash", str(SCRIPT), sys.argv[1]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240)
    print(done.stdout)
    faults = [] if done.returncode == 0 else [f"exit code {done.returncode}"]
    served = {name: int(count) for name, count in re.findall(r"replica (\w): (\d+) times 200", done.stdout)}
    refused = {name: int(count) for name, count in re.findall(r"replica (\w): (\d+) times 402", done.stdout)}
    if sorted(served) != ["a", "b"]:
        faults.append(f"not both replicas served: {served}")
    if sorted(refused) != ["a", "b"]:
        faults.append(f"not both replicas refused in the end: {refused}")
    if set(re.findall(r"times (\d+)", done.stdout)) - {"200", "402", "429"}:
        faults.append("answers other than served and refused")
    sums = re.search(r"settled (\d+) of (\d+) nano-credits; the provider answered (\d+) requests", done.stdout)
    if not sums:
        faults.append("no sums of the central ledger")
    else:
        settled, limit, billed = map(int, sums.groups())
        if not limit // 2 < settled <= limit:
            faults.append(f"{settled} of {limit} nano-credits were spent")
        if billed != sum(served.values()):
            faults.append(f"the provider billed {billed} requests, the clients had {served}")
    if done.stdout.count("clean: every invariant holds") != 2:
        faults.append("a journal is not clean")
    for fault in faults:
        print(f"FAULT {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
