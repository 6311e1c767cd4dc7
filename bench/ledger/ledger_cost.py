#!/usr/bin/env python3
"""What the ledger adds to a request: CPU of the gateway per request with `intent: process` and `disk`, and with the ledger
in memory (a tmpfs), before the bundled simulator, all in one run.

CPU is the scheduler's own account of each thread (/proc/PID/task/*/schedstat), so it holds on a busy machine. The three
gateways are measured in turn and ratios are taken inside each round; the median of the rounds is shown.

The gateway has no switch that turns the ledger off: nothing reaches a provider unmetered. "Without" is therefore worked out:
of the gateway whose ledger is in memory, the CPU less that of the ledger's writer thread, less reserve and settle on the callers'
threads as ledger_speed measures them in the same run. The writer also stores the decision records; they are counted as the ledger's. Making a record's
text, on the event loop, is not.

Usage: ledger_cost.py --bin-dir build/release/bin [--rounds 5] [--requests 2000]
"""
import argparse
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests" / "e2e"))
import harness

VARIANTS = ("in memory", "intent: process", "intent: disk")


def thread_cpu_us(pid):
    """{thread: microseconds on a CPU}."""
    found = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            found[task.name] = int((task / "schedstat").read_text().split()[0]) / 1000
        except FileNotFoundError:
            pass  # it has ended
    return found


def gateway_for(bench, simulator, variant, folder):
    """A gateway of its own, its ledger on disk or on a tmpfs."""
    bench.folder = pathlib.Path(folder)
    extra = '[ledger]\nintent = "disk"\n' if variant == "intent: disk" else ""
    return bench.gateway(simulator, policy="all-bulk", extra=extra)


def measure(bench, gateway, key, requests):
    """CPU per request: (all threads, {thread: CPU}), and the load client's figures."""
    before = thread_cpu_us(gateway.pid)
    figures = bench.load(gateway.url, key, "--models", "deepseek/deepseek-flash", "--concurrency", 8, "--requests", requests,
                         "--stream-share", 0.5, "--loop-share", 0, "--directive", "tokens=20 think_tokens=0")
    gateway.at_rest()
    harness.check_equal(figures["completed"], requests, figures)
    after = thread_cpu_us(gateway.pid)
    return {name: (used - before.get(name, 0)) / requests for name, used in after.items()}


def pair_cpu_us(speed, folder):
    """Callers' CPU for one reserve + settle, `process` and `disk`, one thread."""
    text = subprocess.run([speed, "100000", "1", folder], capture_output=True, text=True, check=True).stdout
    return {name: float(re.search(rf"{name}\s+1\s+\d+\s+\d+\s+([\d.]+)", text).group(1)) for name in ("intent: process", "intent: disk")}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin-dir", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=2000)
    options = parser.parse_args()
    bench = harness.Bench(options.bin_dir)
    speed = bench.binaries.parent / "tests" / "stress" / "ledger_speed"
    bench.begin("ledger-cost")
    disk = bench.folder
    memory = tempfile.mkdtemp(prefix="turnpike-ledger-cost-", dir="/dev/shm")
    try:
        run(bench, options, speed, {"in memory": memory, "intent: process": disk / "process", "intent: disk": disk / "disk"})
    finally:
        bench.folder = disk
        bench.end()
        shutil.rmtree(memory, ignore_errors=True)


def run(bench, options, speed, folders):
    simulator = bench.simulator()
    gateways = {}
    for variant in VARIANTS:
        pathlib.Path(folders[variant]).mkdir(exist_ok=True)
        gateways[variant] = gateway_for(bench, simulator, variant, folders[variant])
        measure(bench, *gateways[variant], 300)  # warm
    rounds = []
    for _ in range(options.rounds):
        rounds.append({variant: measure(bench, *gateways[variant], options.requests) for variant in VARIANTS})
    pair = pair_cpu_us(speed, tempfile.gettempdir())
    report(rounds, pair, {variant: writer_thread(gateways[variant][0]) for variant in VARIANTS})


def writer_thread(gateway):
    """The id of the thread that calls itself "ledger"."""
    for task in pathlib.Path(f"/proc/{gateway.pid}/task").iterdir():
        if (task / "comm").read_text().strip() == "ledger":
            return task.name
    raise harness.Failed("the gateway has no thread named \"ledger\"")


def report(rounds, pair, writers):
    print(f"CPU of the gateway per request, microseconds; median of {len(rounds)} rounds\n")
    print(f"{'':<18}{'all':>8}{'writer':>10}{'reserve+settle':>16}{'added':>10}{'to without':>12}{'to in memory':>14}")
    for variant in VARIANTS:
        rows = []
        for one in rounds:
            memory = sum(one["in memory"].values())
            # One baseline for all: what wakes up for the disk's sake is not the rest of the gateway's work.
            without = memory - one["in memory"][writers["in memory"]] - pair["intent: process"]
            total, writer = sum(one[variant].values()), one[variant][writers[variant]]
            rows.append((total, writer, total - without, total / without, total / memory))
        all_, writer, added, to_without, to_memory = (statistics.median(column) for column in zip(*rows))
        calls = pair.get(variant, pair["intent: process"])
        print(f"{variant:<18}{all_:>8.1f}{writer:>10.1f}{calls:>16.2f}{added:>10.1f}{to_without:>12.3f}{to_memory:>14.3f}")


if __name__ == "__main__":
    main()
