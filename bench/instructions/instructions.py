#!/usr/bin/env python3
"""Instructions and system calls of the gateway, per request and per streamed event, room by room.

The real gateway under valgrind's callgrind, in front of an upstream in this process; keys, budgets, journal, decision
records, metrics and log lines are on. What the event loop takes for a request, and the ledger's writer beside it (a whole
run, its start included, by the requests of the run). The kernel's own instructions are not seen: system calls are counted
instead, without waits and readings of the clock. Counts of the loop repeat to well below 1 % under any load, so they can be held
against a file: ratchet.json has what each scenario may take.

Usage: instructions.py [--bin build/release/bin/turnpike] [--check] [--base BIN] [--update] [--only TEXT] [--top N] [--keep DIR]

  --check    exit code 1 if a scenario takes more than ratchet.json allows; prints by how much
  --base B   the same, against what the binary B takes here and now; built from the commit one starts from
  --update   write what was measured into ratchet.json
  --only T   scenarios whose name contains T
  --top N    the N functions that take most
  --keep D   leave callgrind's files in D (callgrind_annotate, kcachegrind)

Exit code 77: there is no valgrind.
"""

import argparse
import collections
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import callgrind
from mock import Client, Upstream
from scenarios import EVENTS, scenarios

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parents[1]
RATCHET = HERE / "ratchet.json"
WRITER = "ledger writer"  # shown, not held against anything: it writes in batches, by the clock
TOLERANCE = {"instructions": 0.03, "calls": 0.15}
MARK = "turnpike::dialect::models_body*"  # GET /v1/models: callgrind writes a part and begins anew
SKIPPED = 77
CONFIG = """[server]
listen = "127.0.0.1:0"
admin = "127.0.0.1:0"
threads = 1
[paths]
data = "{dir}/data"
providers = "{dir}/providers"
policies = "{source}/policies"
policy = "seventy-thirty"
[override]
deepseek = "http://127.0.0.1:{plain}"
anthropic = "http://127.0.0.1:{plain}"
gemini = "http://127.0.0.1:{plain}"
"""
TLS_PROVIDER = """[provider]
id = "tls"
dialect = "openai-chat"
base_url = "https://localhost:{tls}/v1"
ca_file = "{dir}/cert.pem"
[[model]]
id = "mock"
family = "mock"
context_tokens = 1000000
output_tokens_max = 32000
capabilities = ["tools", "parallel_tools", "json_schema"]
as_of = 2026-11-22
source = "measuring"
price = [{{ from = 2026-01-01, input_per_mtok = "1", output_per_mtok = "2" }}]
"""


class Gateway:
    """The gateway under callgrind, with a key that has a budget."""

    def __init__(self, binary, folder, upstreams):
        ports = {name: upstream.port for name, upstream in upstreams.items()}
        shutil.copytree(SOURCE / "providers", folder / "providers")
        (folder / "providers/tls.toml").write_text(TLS_PROVIDER.format(dir=folder, **ports))
        config = folder / "turnpike.toml"
        config.write_text(CONFIG.format(dir=folder, source=SOURCE, **ports))
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "DEEPSEEK_API_KEY": "x", "ANTHROPIC_API_KEY": "x",
                       "GEMINI_API_KEY": "x", "DEBUGINFOD_URLS": ""}
        command = [str(binary), "--config", str(config)]
        made = subprocess.run([*command, "keys", "create", "--name", "bench", "--org", "acme", "--team", "search", "--budget",
                               "1000000/day", "--budget", "10000000/month"], env=environment, capture_output=True, text=True,
                              check=True, timeout=60)
        self.key = next(word for word in made.stdout.split() if word.startswith("tp_"))
        self.log = folder / "gateway.log"
        self.process = subprocess.Popen(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/parts", "--separate-threads=yes",
             "--collect-systime=yes", "--compress-pos=no", f"--dump-before={MARK}", *command, "serve"], env=environment,
            stdout=self.log.open("w"), stderr=subprocess.STDOUT)
        self.port = self.wait_for_port()

    def wait_for_port(self):
        for _ in range(1200):
            for line in self.log.read_text().splitlines():
                if '"event":"ready"' in line:
                    return json.loads(line)["data_port"]
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise SystemExit(f"the gateway did not start:\n{self.log.read_text()[-2000:]}")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def make_certificate(folder):
    paths = (str(folder / "cert.pem"), str(folder / "key.pem"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
                    "30", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-out", paths[0], "-keyout",
                    paths[1]], check=True, capture_output=True)
    return paths


def play(client, upstreams, scenario, count):
    upstream = upstreams[scenario.upstream]
    upstream.answer = scenario.answer
    for _ in range(count):
        client.request("POST", scenario.path, scenario.body)
        client.answer(upstream)


def mark(client):
    """Ends a part of the profile."""
    time.sleep(0.1)  # what the other threads still do for the last request
    client.request("GET", "/v1/models")
    client.answer()


def run(binary, folder, chosen):
    """Plays every scenario; one part of the profile each, and an empty one for what the marks take."""
    upstreams = {"plain": Upstream(), "tls": Upstream(make_certificate(folder))}
    gateway = Gateway(binary, folder, upstreams)
    try:
        client = Client(gateway.port, gateway.key)
        for scenario in chosen:
            play(client, upstreams, scenario, scenario.warm)
            mark(client)
            play(client, upstreams, scenario, scenario.repeats)
            mark(client)
        mark(client)
    finally:
        gateway.stop()
    return callgrind.read_loop(folder, "parts"), callgrind.read_writer(folder, "parts")


def share_of(part, divisor, base=None):
    """What a part took for one unit, less what the marks alone take."""
    functions, calls = collections.Counter(part.functions), part.system_calls
    if base:
        functions.subtract(base.functions)
        calls -= base.system_calls
    return {"functions": {name: cost / divisor for name, cost in functions.items() if cost > 0},
            "instructions": sum(functions.values()) / divisor, "calls": calls / divisor}


def results_of(loop, writer, chosen):
    """By scenario; parts come in pairs: warming up, then what is counted; the last one is empty."""
    empty = loop[2 * len(chosen) + 1]
    results = {}
    for i, scenario in enumerate(chosen):
        divisor = scenario.repeats * (EVENTS if scenario.unit == "event" else 1)
        results[scenario.name] = share_of(loop[2 * i + 2], divisor, empty) | {"unit": scenario.unit}
    played = sum(scenario.warm + scenario.repeats for scenario in chosen)
    results[WRITER] = share_of(writer, played) | {"unit": "request"}
    return results


def measure(binary, chosen, keep=None):
    with tempfile.TemporaryDirectory(prefix="turnpike-instructions-") as temporary:
        folder = pathlib.Path(temporary)
        results = results_of(*run(binary.resolve(), folder, chosen), chosen)
        if keep:
            shutil.copytree(folder, keep, dirs_exist_ok=True)
    return results


def print_results(results, top):
    for name, result in results.items():
        print(f"\n{name}: {result['instructions']:,.0f} instructions, {result['calls']:.2f} system calls per {result['unit']}")
        rooms = callgrind.by_room(result["functions"]).most_common()
        print("  " + ", ".join(f"{room} {cost:,.0f}" for room, cost in rooms if cost >= 0.005 * result["instructions"]))
        functions = collections.Counter()
        for (_, function), cost in result["functions"].items():
            functions[function] += cost
        for function, cost in functions.most_common(top):
            print(f"  {cost:12,.0f}  {function[:150]}")


def compare(results, allowed, where):
    """How many figures are over what is allowed; prints them, and those that are clearly below."""
    broken = 0
    for name, result in results.items():
        if name == WRITER:
            continue
        if name not in allowed:
            print(f"BROKEN  {name}: not in {where}")
            broken += 1
            continue
        for what, tolerance in TOLERANCE.items():
            before, now = allowed[name][what], result[what]
            change = f"{now / before - 1:+.1%}" if before else f"{now:+.2f}"
            slack = 0.1 if what == "calls" else 0  # for events of which many share a call
            figures = f"{name}: {now:,.2f} {what} per {result['unit']}, {before:,.2f} in {where} ({change}"
            if now > before * (1 + tolerance) + slack:
                print(f"BROKEN  {figures}, tolerance {tolerance:.0%})")
                broken += 1
            elif now < before * (1 - tolerance) - slack:
                print(f"better  {figures})")
    return broken


def lower_of(first, second):
    """A busy machine only adds: data comes in more pieces, a loop wakes more often."""
    return {name: first[name] | {what: min(first[name][what], second[name][what]) for what in TOLERANCE} for name in first}


def check(results, measure_again):
    allowed = json.loads(RATCHET.read_text())
    broken = compare(results, allowed, RATCHET.name)
    if broken:
        print("once more, and the lower of both:")
        broken = compare(lower_of(results, measure_again()), allowed, RATCHET.name)
    if broken:
        print(f"{broken} broken. If the work is worth it: bench/instructions/instructions.py --update, and say why in the commit.")
    else:
        print(f"ok: {len(results) - 1} scenarios within {RATCHET.name}; where one is better, --update keeps it so")
    return broken


def update(results):
    kept = json.loads(RATCHET.read_text()) if RATCHET.exists() else {}
    for name, result in results.items():
        if name == WRITER:
            continue
        kept[name] = {"instructions": round(result["instructions"]), "calls": round(result["calls"], 2)}
    RATCHET.write_text(json.dumps(kept, indent=2) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=SOURCE / "build/release/bin/turnpike", type=pathlib.Path)
    parser.add_argument("--base", type=pathlib.Path)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--top", default=0, type=int)
    parser.add_argument("--keep", type=pathlib.Path)
    args = parser.parse_args()
    for tool in ("valgrind", "openssl"):
        if shutil.which(tool) is None:
            print(f"SKIPPED: {tool} is not installed (apt-get install {tool}); no instruction was counted", file=sys.stderr)
            return SKIPPED
    chosen = [scenario for scenario in scenarios() if args.only in scenario.name]
    if not chosen:
        parser.error(f"no scenario's name contains {args.only!r}; there are: {', '.join(scenario.name for scenario in scenarios())}")
    results = measure(args.bin, chosen, args.keep)
    print_results(results, args.top)
    print()
    broken = check(results, lambda: measure(args.bin, chosen)) if args.check else 0
    if args.base:
        broken += compare(results, measure(args.base, chosen), args.base.name + " of the base")
    if args.update:
        update(results)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
