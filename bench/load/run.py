#!/usr/bin/env python3
"""What a gateway costs beside nginx proxy_pass, under traffic shaped like that of agents, in one run.

    python3 bench/load/run.py                      builds, measures, prints the table (about ten minutes)
    python3 bench/load/run.py --write              and writes it into README.md and docs/benchmarks.md, and draws load.svg
    python3 bench/load/run.py --quick              one short round, to see that all of it works
    python3 bench/load/run.py --url http://127.0.0.1:4000/v1 --key sk-… --model NAME --pid N --name LiteLLM
                                                   the same of a gateway that you started; docs/benchmarks.md says how

Needs nginx and openssl (apt-get install nginx-light openssl), for drawing python3-matplotlib. Loopback only. What is measured and
what is not: docs/benchmarks.md.
"""
import argparse
import json
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time

import report
from scenarios import HELD, HELD_FLAGS, SCENARIOS
from servers import SOURCE, Servers, missing_tools

TARGETS = ("turnpike", "turnpike-simulator", "turnpike-meter")
DESCRIPTORS_SPARE = 200


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin-dir", type=pathlib.Path, help="folder with the programs, instead of building them")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--held-rounds", type=int, default=3, help="rounds with streams kept open, each on fresh processes")
    parser.add_argument("--only", default="", help="regular expression over scenarios: " + ", ".join(s.name for s in SCENARIOS) + ", held, start")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--no-floor", action="store_true", help="without nginx: no ratios, and no provider over TLS")
    parser.add_argument("--json", type=pathlib.Path, help="keep the figures of every run")
    parser.add_argument("--write", action="store_true", help="write the tables and the drawing")
    other = parser.add_argument_group("another gateway", "its provider must be the simulator of this run, an OpenAI-compatible server")
    other.add_argument("--url", help="base URL, up to and with /v1")
    other.add_argument("--key", default="none")
    other.add_argument("--model", default="fixed", help="the name that it sends to the simulator")
    other.add_argument("--tls-model", help="one that it sends to the https front of the simulator")
    other.add_argument("--translated-model", help="one that it sends to the simulator by the Messages API")
    other.add_argument("--pid", help="its process ids, for CPU and memory; children are counted")
    other.add_argument("--cmd", help="starts it, in a shell; then start and memory of open streams are measured as well")
    other.add_argument("--name", default="gateway")
    other.add_argument("--simulator-port", type=int, default=0, help="8900 with --url")
    options = parser.parse_args()
    if options.url and not options.simulator_port:
        options.simulator_port = 8900
    if options.write and (options.quick or options.only or options.url or options.no_floor):
        parser.error("--write is for a whole run of turnpike beside nginx")
    if options.quick:
        options.rounds, options.held_rounds = 1, 1
    return options


def build():
    print("building " + ", ".join(TARGETS), flush=True)
    if not (SOURCE / "build/release/build.ninja").exists():
        subprocess.run(["cmake", "--preset", "release"], cwd=SOURCE, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", "build/release", *TARGETS], cwd=SOURCE, check=True, stdout=subprocess.DEVNULL)
    return SOURCE / "build/release/bin"


def family(pid):
    found = [pid]
    for path in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        found += [member for child in path.read_text().split() for member in family(int(child))]
    return found


def memory_kb(pids):
    return sum(int(line.split()[1]) for pid in pids for member in family(pid)
               for line in pathlib.Path(f"/proc/{member}/smaps_rollup").read_text().splitlines() if line.startswith("Pss:"))


class Floor:
    """nginx; what it is asked for decides only its port."""
    name, process = "nginx", "floor"

    def __init__(self, servers):
        self.servers = servers

    def takes(self, scenario):
        return scenario.model != "http2"

    def flags(self, scenario):
        port = self.servers.ports[f"FLOOR_{getattr(scenario, 'floor', 'plain').upper()}"]
        return ["--url", f"http://127.0.0.1:{port}/v1/chat/completions", "--pids", self.servers.processes["floor"].pid]

    def start(self):
        self.servers.start("floor")
        return self.servers.wait_for("floor", self.servers.ports["FLOOR_PLAIN"], "none", "fixed")

    def pids(self):
        return [self.servers.processes[self.process].pid]

    def stop(self):
        self.servers.stop(self.process)

    def stripped_mb(self):
        """Of the program's file; None where there is no single one, or nothing to strip it with."""
        program, strip = shutil.which(self.servers.command(self.process)[0]), shutil.which("strip") or shutil.which("llvm-strip-19")
        if not program or not strip:
            return None
        copy = self.servers.folder / "stripped"
        subprocess.run([strip, "-o", copy, program], check=True)
        return copy.stat().st_size / 1e6


class Turnpike(Floor):
    name, process = "turnpike", "gateway"

    def takes(self, scenario):
        return "front" in self.servers.processes or scenario.model not in ("tls", "closing", "http2")

    def flags(self, scenario):
        url = f"http://127.0.0.1:{self.servers.ports['GATEWAY']}/v1/chat/completions"
        return ["--url", url, "--key", self.servers.key, "--model", scenario.model, "--pids", *self.pids()]

    def start(self):
        self.servers.start("gateway")
        return self.servers.wait_for("gateway", self.servers.ports["GATEWAY"], self.servers.key, "auto")


class Foreign(Floor):
    """A gateway behind a URL. Its models and its process are told by flags."""
    process = "foreign"

    def __init__(self, servers, options):
        super().__init__(servers)
        self.options, self.name = options, options.name
        self.url = options.url.rstrip("/").replace("//localhost", "//127.0.0.1") + "/chat/completions"
        found = re.fullmatch(r"http://([\d.]+):(\d+)(/.*)", self.url)
        if not found:
            raise SystemExit("--url wants http://ADDRESS:PORT/v1")
        self.host, self.port, self.path = found.group(1), int(found.group(2)), found.group(3)
        self.models = {"auto": options.model, "tls": options.tls_model, "translated": options.translated_model}

    def takes(self, scenario):
        return bool(self.models.get(scenario.model))

    def pids(self):
        given = [int(pid) for pid in (self.options.pid or "").split(",") if pid]
        return given + ([self.servers.processes["foreign"].pid] if "foreign" in self.servers.processes else [])

    def flags(self, scenario):
        pids = ["--pids", ",".join(map(str, self.pids()))] if self.pids() else []
        return ["--url", self.url, "--key", self.options.key, "--model", self.models[scenario.model], *pids]

    def start(self):
        if self.options.cmd:
            self.servers.start("foreign", self.options.cmd)
        return self.servers.wait_for("foreign", self.port, self.options.key, self.options.model, path=self.path, host=self.host)

    def stop(self):
        if self.options.cmd:
            super().stop()

    def stripped_mb(self):
        return None


class Measurement:
    def __init__(self, options, servers, gateway):
        self.options, self.servers = options, servers
        self.gateway = gateway
        self.sides = [gateway] if options.no_floor else [Floor(servers), gateway]
        self.runs = {}  # scenario: [{side: figures}], a round each

    def wanted(self, name):
        return re.search(self.options.only, name)

    def meter(self, scenario_flags, side_flags):
        """One run's figures; {"lost_run": why} if any request of it failed."""
        argv = [self.servers.binaries / "turnpike-meter", *side_flags, *scenario_flags.split(), "--seconds", "30"]
        if self.options.quick:
            argv += ["--seconds", "1"]
        done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, timeout=900)
        if done.returncode != 0:
            return {"lost_run": done.stderr.strip()[-300:]}
        figures = json.loads(done.stdout)
        for part in (figures, figures.get("before"), figures.get("beside"), figures.get("held")):
            if part and part.get("lost"):
                return {"lost_run": f"{part['lost']} lost: {part.get('reasons', '')}"}
        return figures

    def load(self):
        """Every scenario, floor and gateway in turn; who begins changes."""
        scenarios = [s for s in SCENARIOS if self.wanted(s.name) and self.gateway.takes(s)]
        if not scenarios:
            return
        for side in self.sides:
            side.start()
        for round in range(self.options.rounds):
            for index, scenario in enumerate(scenarios):
                sides = self.sides[::-1] if (round + index) % 2 else self.sides
                row = {side.name: self.meter(scenario.flags, side.flags(scenario)) for side in sides}
                if scenario.direct:
                    url = f"http://127.0.0.1:{self.servers.ports['SIMULATOR']}/v1/chat/completions"
                    row["direct"] = self.meter(scenario.flags, ["--url", url])
                self.note(scenario.name, row)
            print(f"round {round + 1} of {self.options.rounds}", flush=True)
        for side in self.sides:
            side.stop()

    def held(self):
        """Streams that stay open, on processes that have done nothing else."""
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        for round in range(self.options.held_rounds):
            for held in HELD:
                streams = min(held.streams, int((limit - DESCRIPTORS_SPARE) / held.descriptors), 200 if self.options.quick else held.streams)
                if streams < held.streams and not self.options.quick and round == 0:
                    print(f"{held.name}: {streams} streams, for a process may have {limit} descriptors here", flush=True)
                flags = HELD_FLAGS.format(streams=streams, requests=100 if self.options.quick else 1000)
                row = {}
                for side in self.sides[::-1] if round % 2 else self.sides:
                    if not side.takes(held):
                        continue
                    side.start()
                    figures = row[side.name] = self.meter(flags, side.flags(held))
                    side.stop()
                    if "lost_run" not in figures:
                        figures["held"]["memory_mb"] = figures["held"]["memory_kb"] / 1024
                        figures["p99_growth"] = figures["beside"]["latency_us"]["p99"] / figures["before"]["latency_us"]["p99"]
                        figures["cpu_growth"] = figures["beside"]["cpu_us"] / max(1, figures["before"]["cpu_us"])
                if row:
                    self.note(held.name, row)
            print(f"open streams, round {round + 1} of {self.options.held_rounds}", flush=True)

    def starts(self):
        for _ in range(self.options.rounds):
            row = {}
            for side in self.sides:
                row[side.name] = {"start_ms": side.start()}
                time.sleep(0.5)
                row[side.name]["idle_mb"] = memory_kb(side.pids()) / 1024
                side.stop()
            self.note("start", row)
        self.note("size", {side.name: {"stripped_mb": size} for side in self.sides if (size := side.stripped_mb())})

    def note(self, name, row):
        self.runs.setdefault(name, []).append(row)
        for side, figures in row.items():
            if "lost_run" in figures:
                print(f"LOST RUN {name}, {side}: {figures['lost_run']}", flush=True)


def measure(options, folder):
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    servers = Servers(options.bin_dir or build(), folder, files, options.simulator_port, tls=not options.no_floor)
    try:
        if not options.no_floor:
            servers.start("front")
        if options.url:
            gateway = Foreign(servers, options)
            print(f"{options.name} must reach its provider at http://127.0.0.1:{servers.ports['SIMULATOR']}/v1", flush=True)
        else:
            servers.configure_gateway()
            gateway = Turnpike(servers)
        measurement = Measurement(options, servers, gateway)
        measurement.load()
        fresh = not options.url or options.cmd  # a process that somebody else started cannot be started anew
        if fresh and measurement.wanted("held"):
            measurement.held()
        if fresh and measurement.wanted("start"):
            measurement.starts()
        return measurement.runs
    finally:
        servers.close()


def main():
    options = arguments()
    missing = missing_tools()
    if missing and options.quick:
        print(f"SKIPPED: nothing is compared with nginx, {' and '.join(missing)} not found (apt-get install nginx-light openssl)")
        options.no_floor = True
    elif missing and not options.no_floor:
        raise SystemExit(f"{' and '.join(missing)} not found: apt-get install nginx-light openssl, or --no-floor")
    begun = time.time()
    with tempfile.TemporaryDirectory(prefix="turnpike-load-") as folder:
        runs = measure(options, pathlib.Path(folder))
    figures = {"gateway": options.name if options.url else "turnpike", "machine": report.machine(begun), "runs": runs}
    if options.json:
        options.json.write_text(json.dumps(figures) + "\n")
    lines = report.rows(figures)
    print("\n" + report.text(figures, lines))
    if options.write:
        report.write(figures, lines)
    lost = sum("lost_run" in side for rounds in runs.values() for row in rounds for side in row.values())
    return 1 if lost and options.quick else 0


if __name__ == "__main__":
    sys.exit(main())
