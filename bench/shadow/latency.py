#!/usr/bin/env python3
"""What clients feel of shadow runs: latency at a gateway that shadows every step, paired with one that shadows none.

Three gateways stand before one simulator: without shadow runs, once more without (what noise alone does), and with
sample = 1 and a self sample of a half, so that each step makes one and a half further calls. They are measured in blocks of
requests, in random order; between blocks the shadow queue runs dry, inside a block it overlaps the clients' requests. The
ratio is taken inside each round; median of the rounds with a bootstrap interval. CPU of the gateway per client request, runs
included, stands beside it: the work is done, only not while a client waits for it.

Usage: latency.py --bin-dir build/release/bin [--rounds 30] [--requests 60] [--clients 3] [--seed N]
"""
import argparse
import concurrent.futures
import http.client
import json
import pathlib
import random
import statistics
import sys
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests" / "e2e"))
import harness

POLICY = """[policy]
name = "NAME"
[[tier]]
name = "frontier"
frontier = true
targets = ["anthropic/claude-opus-5-5"]
[models]
"*" = "auto"
"""
SHADOW = """[shadow]
candidate = "deepseek/deepseek-flash"
sample = 1
self_sample = 0.5
credits_per_day = 1000
concurrency_max = 64
"""
VARIANTS = ("without", "without again", "shadow")


def serve(bench, simulator, variant):
    bench.folder = bench.root / variant.replace(" ", "-")
    bench.folder.mkdir()
    bench.write_config(simulator, policy="bench")
    (bench.folder / "policies" / "bench.toml").write_text(POLICY.replace("NAME", "bench") + (SHADOW if variant == "shadow" else ""))
    return bench.key(), bench.serve()


def timed(connection, key, text):
    """(seconds to the first content, seconds in all) of one streamed request."""
    body = json.dumps({"model": "auto", "stream": True, "max_tokens": 400, "tools": [harness.SHELL_TOOL], "messages": [harness.user(text)]})
    begun = time.perf_counter()
    connection.request("POST", "/v1/chat/completions", body, {"authorization": f"Bearer {key}", "content-type": "application/json"})
    response = connection.getresponse()
    response.read(1)
    first = time.perf_counter() - begun
    rest = response.read()
    harness.check(response.status == 200 and rest.rstrip().endswith(b"[DONE]"), f"a whole answer, not {response.status} {rest[-200:]!r}")
    return first, time.perf_counter() - begun


def block(gateway, key, requests, clients):
    def client(number):
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)
        return [timed(connection, key, f"Please run `ls {harness.unique()}` [[sim tokens=30]] {'context ' * 400}") for _ in range(number)]
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        times = [one for part in pool.map(client, [requests // clients] * clients) for one in part]
    return times


def idle(gateway):
    return gateway.metric("turnpike_shadow_waiting") == 0 and gateway.metric("turnpike_shadow_under_way") == 0


def cpu_us(gateway):
    """The scheduler's own account of all threads, so that it holds on a busy machine."""
    tasks = pathlib.Path(f"/proc/{gateway.pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1000


def interval(values, draw):
    medians = sorted(statistics.median(draw.choices(values, k=len(values))) for _ in range(2000))
    return medians[50], medians[1949]


def run(bench, options, draw):
    simulator = bench.simulator("--think-ms", "15", "--cadence-ms", "1")
    gateways = {variant: serve(bench, simulator, variant) for variant in VARIANTS}
    for key, gateway in gateways.values():
        block(gateway, key, 30, options.clients)  # warm
    rows = []
    for _ in range(options.rounds):
        order = list(VARIANTS)
        draw.shuffle(order)
        row = {}
        for variant in order:
            key, gateway = gateways[variant]
            before = cpu_us(gateway)
            times = block(gateway, key, options.requests, options.clients)
            harness.wait_until(lambda: idle(gateway), 60, "the shadow queue to run dry")
            firsts, totals = zip(*times)
            row[variant] = {"first p50": statistics.median(firsts), "all p50": statistics.median(totals), "all p95": statistics.quantiles(totals, n=20)[18],
                            "CPU": (cpu_us(gateway) - before) / options.requests}
        rows.append(row)
    asked = gateways["shadow"][1].metric("turnpike_shadow_pairs_total")
    skipped = gateways["shadow"][1].metric("turnpike_shadow_skipped_total")
    return rows, asked, skipped


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin-dir", required=True)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--requests", type=int, default=60)
    parser.add_argument("--clients", type=int, default=3)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    options = parser.parse_args()
    draw = random.Random(options.seed)
    bench = harness.Bench(options.bin_dir)
    bench.begin("shadow-latency")
    bench.root = bench.folder
    try:
        rows, asked, skipped = run(bench, options, draw)
    finally:
        bench.folder = bench.root
        bench.end()
    print(f"seed {options.seed}; {options.rounds} rounds of {options.requests} requests by {options.clients} clients; "
          f"{asked:.0f} shadow pairs, {skipped:.0f} skipped\n")
    print(f"{'':<12}{'shadow / without':>28}{'without again / without':>32}")
    within = True
    for figure in rows[0]["without"]:
        cells = []
        for variant in ("shadow", "without again"):
            ratios = [row[variant][figure] / row["without"][figure] for row in rows]
            low, high = interval(ratios, draw)
            cells.append(f"{statistics.median(ratios):.3f} ({low:.3f} … {high:.3f})")
            if variant == "shadow" and figure != "CPU":  # the work is done somewhere
                within = within and low <= 1
        print(f"{figure:<12}{cells[0]:>28}{cells[1]:>32}")
    print("\nwithin noise" if within else "\nNOT within noise: an interval lies above 1")
    return 0


if __name__ == "__main__":
    sys.exit(main())
