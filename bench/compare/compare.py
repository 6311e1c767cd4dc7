#!/usr/bin/env python3
"""What the gateway costs beside nginx proxy_pass, both in front of the bundled simulator, in one run.

Start to the first served request, idle memory, stripped size, CPU per proxied request and per streamed event. CPU is the
scheduler's own account of all threads (/proc/PID/task/*/schedstat), so it holds on a busy machine; floor and gateway are
measured in turn, and the ratio is taken inside each round. Needs nginx; loopback only; about a minute.

Usage: compare.py --bin-dir build/release/bin [--rounds 3]
"""

import argparse
import concurrent.futures
import http.client
import json
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
EVENTS = 200
NGINX = """worker_processes 1; daemon off; pid {dir}/nginx.pid; error_log {dir}/nginx.err;
events {{ worker_connections 4096; }}
http {{ access_log off; client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2; fastcgi_temp_path {dir}/t3;
  uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5; upstream sim {{ server 127.0.0.1:{upstream}; keepalive 128; }}
  server {{ listen 127.0.0.1:{port}; keepalive_requests 1000000; location / {{ proxy_pass http://sim; proxy_http_version 1.1;
    proxy_set_header Connection ""; proxy_buffering off; proxy_request_buffering off; }} }} }}
"""
CONFIG = """[server]
listen = "127.0.0.1:{port}"
admin = "127.0.0.1:0"
[paths]
data = "{dir}/data"
providers = "{source}/providers"
policies = "{source}/policies"
policy = "all-bulk"
[auth]
insecure_allow_anonymous = true
[override]
deepseek = "http://127.0.0.1:{upstream}"
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def family(pid):
    """The process and its children."""
    found = [pid]
    for path in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        for child in path.read_text().split():
            found += family(int(child))
    return found


def cpu_us(pid):
    total = 0
    for member in family(pid):
        for path in pathlib.Path(f"/proc/{member}/task").glob("*/schedstat"):
            total += int(path.read_text().split()[0])
    return total / 1000


def pss_kb(pid):
    return sum(int(line.split()[1]) for member in family(pid)
               for line in pathlib.Path(f"/proc/{member}/smaps_rollup").read_text().splitlines() if line.startswith("Pss:"))


def body(stream):
    mark = f"[[sim tokens={EVENTS} cadence_ms=2]]" if stream else "[[sim tokens=20 cadence_ms=0]]"
    text = "Summarise the state of the repository. " * 20 + mark
    return json.dumps({"model": "deepseek-flash", "stream": stream, "max_tokens": 1000,
                       "thinking": {"type": "disabled"}, "messages": [{"role": "user", "content": text}]})


def ask(connection, payload):
    connection.request("POST", "/v1/chat/completions", payload, {"content-type": "application/json", "authorization": "Bearer x"})
    response = connection.getresponse()
    data = response.read()
    if response.status != 200:
        raise RuntimeError(f"status {response.status}: {data[:200]!r}")
    return data


def load(port, payload, connections, requests):
    """Sends `requests` over `connections` kept-alive connections; returns the events that came back."""

    def worker(count):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        return sum(ask(connection, payload).count(b"data: ") for _ in range(count))

    with concurrent.futures.ThreadPoolExecutor(connections) as pool:
        return sum(pool.map(worker, [requests // connections] * connections))


def start(argv, port):
    """Starts a server; returns it and the milliseconds until its first 200."""
    began = time.monotonic()
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while True:
        try:
            ask(http.client.HTTPConnection("127.0.0.1", port, timeout=10), body(False))
            return process, (time.monotonic() - began) * 1000
        except (ConnectionError, RuntimeError):
            if process.poll() is not None or time.monotonic() - began > 10:
                raise SystemExit(f"{argv[0]} did not start")
            time.sleep(0.001)


def stop(process):
    process.terminate()
    process.wait(timeout=20)


def measure(process, port, rounds_of):
    stream, connections, requests = rounds_of
    load(port, body(stream), connections, connections * 2)
    before = cpu_us(process.pid)
    events = load(port, body(stream), connections, requests)
    return (cpu_us(process.pid) - before) / (events if stream else requests)


def stripped_kb(binary, folder):
    copy = folder / "stripped"
    shutil.copy(binary, copy)
    tool = shutil.which("strip") or shutil.which("llvm-strip-19") or shutil.which("llvm-strip")
    if tool is None:
        return None
    subprocess.run([tool, copy], check=True)
    return copy.stat().st_size / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin-dir", default=SOURCE / "build/release/bin", type=pathlib.Path)
    parser.add_argument("--rounds", default=3, type=int)
    args = parser.parse_args()
    if shutil.which("nginx") is None:
        raise SystemExit("nginx is the floor of this comparison: apt-get install nginx-light")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="turnpike-compare-"))
    simulator = subprocess.Popen([args.bin_dir / "turnpike-simulator", "--port", "0"], stdout=subprocess.PIPE, text=True)
    upstream = int(simulator.stdout.readline().rsplit(":", 1)[1])
    ports = {"nginx": free_port(), "turnpike": free_port()}
    (folder / "nginx.conf").write_text(NGINX.format(dir=folder, upstream=upstream, port=ports["nginx"]))
    (folder / "turnpike.toml").write_text(CONFIG.format(dir=folder, source=SOURCE, upstream=upstream, port=ports["turnpike"]))
    commands = {"nginx": ["nginx", "-c", str(folder / "nginx.conf")],
                "turnpike": ["env", "DEEPSEEK_API_KEY=x", str(args.bin_dir / "turnpike"), "--config", str(folder / "turnpike.toml"), "serve"]}
    scenarios = {"CPU per proxied request (us)": (False, 8, 2000), "CPU per streamed event, one per 2 ms (us)": (True, 50, 100)}
    results = {name: [] for name in ("start to first served request (ms)", "idle memory, PSS (KB)", *scenarios)}
    try:
        for _ in range(args.rounds):
            row = {name: {} for name in results}
            for side, command in commands.items():
                process, row["start to first served request (ms)"][side] = start(command, ports[side])
                time.sleep(0.2)
                row["idle memory, PSS (KB)"][side] = pss_kb(process.pid)
                for name, scenario in scenarios.items():
                    row[name][side] = measure(process, ports[side], scenario)
                stop(process)
            for name, sides in row.items():
                results[name].append(sides)
    finally:
        stop(simulator)
    print(f"{'measure':44}{'nginx':>10}{'turnpike':>10}{'ratio':>8}   per round")
    for name, rounds in results.items():
        ratios = [sides["turnpike"] / sides["nginx"] for sides in rounds]
        medians = [statistics.median(sides[side] for sides in rounds) for side in commands]
        print(f"{name:44}{medians[0]:10.1f}{medians[1]:10.1f}{statistics.median(ratios):8.2f}   " + " ".join(f"{r:.2f}" for r in ratios))
    size = stripped_kb(args.bin_dir / "turnpike", folder)
    print("stripped binary (KB)".ljust(54) + (f"{size:10.0f}" if size else "   no strip tool"))
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
