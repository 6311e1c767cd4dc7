"""More than the gateway takes on: floods, slow readers, clients that leave, no descriptors, no memory, a deaf log.

The counts are a tenth of the specification's; `--scale 10` is its size. Bounds on time are generous here and strict with
`--long`, which is meant for a quiet machine. What the full runs printed: docs/cases/L.md and A.md.
"""
import contextlib
import json
import os
import pathlib
import random
import re
import resource
import socket
import string
import subprocess
import time
import tomllib

from crowd import InBackground, SlowReaders, arrivals, at_once, connect, one_by_one, percentile, request_bytes, sim_body, wait_readable
from harness import Gateway, check, check_equal, skip, unique, wait_until

MIB = 1 << 20
LONG = "tokens=45000"  # some 10 MiB of events


def limits(**values):
    return "\n[limits]\n" + "".join(f"{name} = {value}\n" for name, value in values.items())


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def kernel_socket_mib():
    """Memory of all TCP sockets of the machine: what no process's figures show."""
    line = next(l for l in pathlib.Path("/proc/net/sockstat").read_text().splitlines() if l.startswith("TCP:"))
    return int(line.split()[-1]) * os.sysconf("SC_PAGESIZE") / MIB


def enough_descriptors(wanted):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < wanted:
        skip(f"needs {wanted} descriptors, the limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def read_some(connection, pieces):
    received = b""
    while received.count(b"data: ") < pieces:
        got = connection.recv(4096)
        check(got, f"the stream ended early: {received[-300:]!r}")
        received += got
    return received


def read_to_end(connection):
    received = b""
    while b"[DONE]" not in received:
        got = connection.recv(65536)
        check(got, f"the stream ended early: {received[-200:]!r}")
        received += got


def aborted_after(simulator, left):
    """How long after the client left its provider call was gone, in ms."""
    wait_until(lambda: simulator.stats()["open"] == 0, 5, "the provider's call to be aborted", pause=0.001)
    return (time.monotonic() - left) * 1000


def L1_a_client_leaves_in_every_phase(bench):
    """L1: head, body, queue, before content, mid-stream, after the last byte: the call is aborted, nothing stays reserved."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator, extra=limits(in_flight=4, queue_wait_ms=20000))
    count = bench.scaled(20)
    request = request_bytes(key, sim_body("tokens=400 cadence_ms=20"))
    silent = request_bytes(key, sim_body("tokens=400 think_ms=60000"))
    quick = request_bytes(key, sim_body("tokens=3"))
    before = len(simulator.billing())
    for part in (request[:40], request[:-20]):  # mid-head, mid-body
        for _ in range(count):
            connection = connect(gateway.port)
            connection.sendall(part)
            connection.close()
    check_equal(len(simulator.billing()), before, "provider calls for requests that never came whole")
    took = {"before content": [], "mid-stream": []}
    for _ in range(count):
        connection = connect(gateway.port)
        connection.sendall(silent)
        wait_until(lambda: simulator.stats()["open"] == 1, 5, "the call", pause=0.001)
        connection.close()
        took["before content"].append(aborted_after(simulator, time.monotonic()))
        connection = connect(gateway.port)
        connection.sendall(request)
        read_some(connection, 3)
        connection.close()
        took["mid-stream"].append(aborted_after(simulator, time.monotonic()))
        connection = connect(gateway.port)
        connection.sendall(quick)
        read_to_end(connection)
        connection.close()
    # All places taken: whoever comes now waits in line, and leaves it.
    holders = [connect(gateway.port) for _ in range(4)]
    for holder in holders:
        holder.sendall(silent)
    wait_until(lambda: simulator.stats()["open"] == 4, 5, "all places to be taken")
    waiting = [connect(gateway.port) for _ in range(count)]
    for connection in waiting:
        connection.sendall(request)
    wait_until(lambda: gateway.metric("turnpike_queue_requests") == count, 10, "the line")
    for connection in waiting:
        connection.close()
    wait_until(lambda: gateway.metric("turnpike_queue_requests") == 0, 2, "the line to be empty")
    for holder in holders:
        holder.close()
    simulator.quiet(5)
    ledger = gateway.at_rest()
    check_equal(ledger["attempts_open"], 0, "open attempts")
    check_equal(gateway.metric("turnpike_in_flight_requests"), 0, "places taken")
    check("clean" in bench.run("ledger", "verify"), "the ledger is not clean")
    for phase, times in took.items():
        print(f"         {phase}: aborted after p50 {percentile(times, 0.5):.1f} ms, max {max(times):.1f} ms ({count} times)")
        check(percentile(times, 0.9) <= 100 if bench.long else percentile(times, 0.5) <= 1000, f"{phase}: {sorted(times)[-5:]}")


def L2_slow_readers_cost_a_bounded_buffer_each(bench):
    """L2: readers at 1 KiB/s of 10 MiB answers: bounded memory, the providers wait, a normal request goes through."""
    count = bench.scaled(100)
    enough_descriptors(count + 512)
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    one_by_one(gateway.port, request_bytes(key, sim_body("tokens=3")), 20)
    base, kernel = gateway.memory_kb(), kernel_socket_mib()
    readers = SlowReaders(gateway.port, count, request_bytes(key, sim_body(LONG)), 1024)
    try:
        wait_until(lambda: gateway.metric("turnpike_upstreams_paused") == count, 60, "every provider to be paused")
        time.sleep(30 if bench.long else 3)
        grown = (gateway.memory_kb() - base) / 1024
        latency = percentile(one_by_one(gateway.port, request_bytes(key, sim_body("tokens=3")), 20), 0.5) * 1000
        print(f"         {count} readers: resident +{grown:.0f} MiB ({grown * 1024 / count:.0f} KiB each), all sockets of the machine "
              f"+{kernel_socket_mib() - kernel:.0f} MiB, a short request {latency:.1f} ms, read {readers.received / count / 1024:.0f} KiB each")
        check(grown <= 300 * max(0.2, count / 1000), f"resident memory grew by {grown:.0f} MiB for {count} slow readers")
        check_equal(gateway.metric("turnpike_upstreams_paused"), count, "paused providers")
        check_equal(readers.closed, 0, "readers that were cut although they read")
    finally:
        readers.stop()
    simulator.quiet(20)
    gateway.at_rest()
    check_equal(gateway.metric("turnpike_upstreams_paused"), 0, "paused providers after all have left")


def L2_a_reader_that_takes_nothing_is_cut(bench):
    """A client that accepts no byte for slow_reader_s is cut and its call settled as a client that left."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator, extra=limits(slow_reader_s=1))
    connection = connect(gateway.port, receive_buffer=4096)
    connection.sendall(request_bytes(key, sim_body(LONG)))
    wait_until(lambda: gateway.metric("turnpike_slow_readers_cut_total") == 1, 15, "the reader to be cut")
    gateway.at_rest()
    record = wait_until(lambda: gateway.decisions(1), 5, "the record")[0]
    check_equal(record["end"], "client_gone", "how the stream ended")
    connection.close()


def L3_idle_streams_do_not_delay_a_fresh_request(bench):
    """L3: streams that wait for a thinking model: a fresh request's p99 is at most twice what it is without them."""
    count = bench.scaled(1000)
    enough_descriptors(min(20000, 2 * count + 512))
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    fresh = request_bytes(key, sim_body("tokens=5"))
    one_by_one(gateway.port, fresh, 200)
    base, samples = gateway.memory_kb(), 1000
    idle = one_by_one(gateway.port, fresh, samples)
    streams = []
    request = request_bytes(key, sim_body("tokens=3 think_ms=600000"))
    try:
        for _ in range(count):
            connection = connect(gateway.port)
            connection.sendall(request)
            streams.append(connection)
        wait_until(lambda: simulator.stats()["open"] >= count, 120, f"{count} open streams")
        busy = one_by_one(gateway.port, fresh, samples)
        resident = gateway.memory_kb() / 1024
        print(f"         {count} idle streams: p99 {percentile(idle, 0.99) * 1000:.2f} -> {percentile(busy, 0.99) * 1000:.2f} ms, "
              f"p50 {percentile(idle, 0.5) * 1000:.2f} -> {percentile(busy, 0.5) * 1000:.2f} ms, resident {base / 1024:.0f} -> {resident:.0f} MiB")
        check(resident <= 512, f"resident {resident:.0f} MiB")
        factor = 2 if bench.long else 5
        check(percentile(busy, 0.99) <= factor * percentile(idle, 0.99) + 0.002, "fresh requests became slow")
    finally:
        for connection in streams:
            connection.close()
    simulator.quiet(60)
    gateway.at_rest(60)


class FewDescriptors(Gateway):
    """A gateway whose process may open only so many files."""

    def __init__(self, bench, files):
        launcher = bench.folder / "few.sh"
        launcher.write_text(f'#!/bin/sh\nulimit -n {files} && exec {bench.turnpike} "$@"\n')
        launcher.chmod(0o755)
        super().__init__(launcher, bench.folder / "turnpike.toml", bench.environment())
        bench.started.append(self)


def L4_without_descriptors_accepting_pauses(bench):
    """L4: 256 descriptors, 1,000 connects: running streams unharmed, no spinning, normal within a second after."""
    simulator = bench.simulator()
    bench.write_config(simulator)
    key = bench.key()
    gateway = FewDescriptors(bench, 256)
    check_equal(gateway.metric("turnpike_connections_max"), 128, "connections, half of the descriptors")
    request = request_bytes(key, sim_body("tokens=200 cadence_ms=50"))
    streams = [connect(gateway.port) for _ in range(20)]
    for stream in streams:
        stream.sendall(request)
        read_some(stream, 2)
    crowd = []
    for _ in range(1000):
        connection = socket.socket()
        connection.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            connection.connect(("127.0.0.1", gateway.port))
        crowd.append(connection)
    time.sleep(0.5)
    begun, cpu = time.monotonic(), cpu_seconds(gateway.pid)
    time.sleep(4)
    share = (cpu_seconds(gateway.pid) - cpu) / (time.monotonic() - begun)
    open_files, pauses = descriptors(gateway.pid), gateway.metric("turnpike_accept_pauses_total")
    for stream in streams:
        read_some(stream, 5)
    for connection in crowd:
        connection.close()
    released = time.monotonic()
    answer = gateway.chat(key, sim_body("tokens=3"), timeout=10)
    normal = time.monotonic() - released
    print(f"         CPU {share * 100:.1f} % with 20 streams and the crowd, {open_files} files open, {pauses:.0f} pauses, normal after {normal * 1000:.0f} ms")
    check_equal(answer.status, 200, answer.text[:200])
    check(pauses > 0, "accepting never paused")
    check(open_files <= 256, open_files)
    check(share <= (0.2 if bench.long else 0.6), f"CPU {share * 100:.0f} %")
    check(normal <= (1 if bench.long else 5), f"normal after {normal:.2f} s")
    for stream in streams:
        read_to_end(stream)
    gateway.at_rest()


def L5_twice_the_load_that_can_be_served(bench):
    """L5: at twice the peak at least 80 % of it is served, what is accepted takes at most three times as long, the rest is 503."""
    places, think = bench.scaled(4, least=8), 100
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator, extra=limits(in_flight=places, queue_requests=places, queue_wait_ms=500))
    request = request_bytes(key, sim_body(f"tokens=3 think_ms={think}", stream=False))
    seconds = 20 if bench.long else 4
    peak = [t for status, t in at_once(gateway.port, request, places, seconds) if status == 200]
    goodput, p99 = len(peak) / seconds, percentile(peak, 0.99)
    answers = arrivals(gateway.port, request, 2 * goodput, seconds)
    served = [t for status, t in answers if status == 200]
    shed = sum(status == 503 for status, _ in answers)
    print(f"         peak {goodput:.0f}/s p99 {p99 * 1000:.0f} ms; offered {2 * goodput:.0f}/s: served {len(served) / seconds:.0f}/s "
          f"({len(served) / seconds / goodput * 100:.0f} %), p99 {percentile(served, 0.99) * 1000:.0f} ms, shed {shed}")
    check_equal(len(served) + shed, len(answers), "answers other than 200 and 503")
    check(len(served) / seconds >= (0.8 if bench.long else 0.6) * goodput, "goodput fell")
    check(percentile(served, 0.99) <= (3 if bench.long else 6) * p99, "what is accepted became slow")
    check_equal(gateway.metric("turnpike_shed_total"), shed, "turnpike_shed_total")
    check_equal(gateway.metric("turnpike_queue_requests"), 0, "requests in line afterwards")
    gateway.at_rest()


class DeafLog(Gateway):
    """A gateway whose output is a pipe that nobody reads after the line that says it is ready."""

    def __init__(self, bench):
        self.binary, self.config = str(bench.turnpike), bench.folder / "turnpike.toml"
        self.log_path, self.argv = str(bench.folder / "deaf.log"), [str(bench.turnpike), "serve"]
        self.log = open(self.log_path, "wb")
        self.process = subprocess.Popen([self.binary, "serve", "--config", self.config], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        stdin=subprocess.DEVNULL, env=bench.environment(), cwd=bench.folder)
        for line in self.process.stdout:
            if b'"event":"ready"' in line:
                ready = json.loads(line)
                break
        self.port, self.admin_port = ready["data_port"], ready["admin_port"]
        self.url = f"http://127.0.0.1:{self.port}"
        bench.started.append(self)


def L9_a_log_that_nobody_reads_delays_nothing(bench):
    """L9: the pipe behind standard output is full: requests are as fast as before, dropped lines are counted."""
    simulator = bench.simulator()
    bench.write_config(simulator)
    key = bench.key()
    gateway = DeafLog(bench)
    flags = ("--requests", 12000 if not bench.long else 120000, "--seconds", 120, "--concurrency", 8, "--stream-share", 0, "--loop-share", 0,
             "--directive", "tokens=1", "--models", "deepseek/deepseek-flash")
    request = request_bytes(key, sim_body("tokens=1", stream=False))
    one_by_one(gateway.port, request, 100)
    before = one_by_one(gateway.port, request, 50)  # the pipe takes these lines yet
    bench.load(gateway.url, key, *flags)
    wait_until(lambda: gateway.metric("turnpike_log_lines_dropped_total") > 0, 20, "lines to be dropped")
    stretch = time.monotonic() + (60 if bench.long else 3)
    during = []
    while time.monotonic() < stretch:
        during += one_by_one(gateway.port, request, 100)
    dropped = gateway.metric("turnpike_log_lines_dropped_total")
    print(f"         p50 {percentile(before, 0.5) * 1000:.2f} -> {percentile(during, 0.5) * 1000:.2f} ms, p99.9 "
          f"{percentile(during, 0.999) * 1000:.2f} ms, max {max(during) * 1000:.2f} ms of {len(during)}, {dropped:.0f} lines dropped")
    check(percentile(during, 0.5) <= 3 * percentile(before, 0.5) + 0.002, "requests became slow")
    check(percentile(during, 0.999) <= (0.010 + percentile(before, 0.5) if bench.long else 1), "a request was delayed")


def L10_a_flooding_key_does_not_delay_another(bench):
    """L10: one key floods: another's p99 is at most twice what it is alone, and none of its requests is refused."""
    places = 16
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator, extra=limits(in_flight=places, queue_requests=64, queue_wait_ms=500))
    flood_key = bench.key(name="flood")
    directive = "tokens=3 think_ms=50"
    request = request_bytes(key, sim_body(directive, stream=False))
    flood = request_bytes(flood_key, sim_body(directive, stream=False))
    count = bench.scaled(60)
    alone = one_by_one(gateway.port, request, count)
    flooding = InBackground(at_once, gateway.port, flood, 6 * places, count * 0.08 + 2)
    time.sleep(1)
    beside = one_by_one(gateway.port, request, count)
    answers = flooding.result()
    shed = sum(status == 503 for status, _ in answers)
    print(f"         p99 {percentile(alone, 0.99) * 1000:.1f} -> {percentile(beside, 0.99) * 1000:.1f} ms beside {len(answers)} requests of the flood, {shed} of them shed")
    check(shed > 0, "the flood was no flood")
    check(percentile(beside, 0.99) <= (2 if bench.long else 4) * percentile(alone, 0.99), "another key became slow")
    gateway.at_rest()


def a_flood_of_interactive_requests_does_not_starve_a_batch_key(bench):
    """A line kept full by one key's interactive requests: another key's batch requests get through, one by one."""
    simulator = bench.simulator()
    gateway, flood_key = bench.gateway(simulator, extra=limits(in_flight=2, queue_requests=16, queue_wait_ms=2000))
    batch_key = bench.key(name="nightly", options=("--priority", "batch"))
    directive = "tokens=3 think_ms=20"
    flooding = InBackground(at_once, gateway.port, request_bytes(flood_key, sim_body(directive, stream=False)), 48, 8)
    wait_until(lambda: gateway.metric("turnpike_shed_total", reason="queue_full", priority="interactive") > 0, 20, "a line that is full")
    statuses = [gateway.chat(batch_key, sim_body(directive, stream=False)).status for _ in range(12)]
    check(len(flooding.result()) > 0, "the flood")
    check(statuses.count(200) >= 8, f"batch requests beside the flood: {statuses}")
    gateway.at_rest()


def a_key_above_its_rate_is_refused_until_it_has_waited(bench):
    """Requests and tokens per minute, of a key and by default: 429 with Retry-After; counted by cause."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator, extra="\n[limits.key]\nrequests_per_minute = 1000\ntokens_per_minute = 5000\n")
    slow_key = bench.key(name="slow", options=("--rpm", 5))
    for _ in range(5):
        check_equal(gateway.chat(slow_key, sim_body("tokens=2")).status, 200, "within the rate")
    refused = gateway.chat(slow_key, sim_body("tokens=2"))
    check_equal((refused.status, refused.headers["x-should-retry"], refused.headers["x-ratelimit-limit-requests"]), (429, "true", "5"), refused.text)
    check(1 <= int(refused.headers["retry-after"]) <= 12, refused.headers)
    check_equal(gateway.chat(key, sim_body("tokens=2")).status, 200, "another key")
    answers = [gateway.chat(key, sim_body("tokens=900")).status for _ in range(12)]
    check(answers[0] == 200 and answers[-1] == 429, f"tokens per minute: {answers}")
    gateway.counts(1, "turnpike_rate_refusals_total", reason="requests")
    gateway.counts(answers.count(429), "turnpike_rate_refusals_total", reason="tokens")
    done = bench.run("keys", "update", "slow", "--rpm", "none", "--priority", "batch", "--weight", 2, expect=None)
    check(done.returncode == 0 and "[limits.key]: requests_per_minute = 1000" in done.stderr, f"what is behind the limit is said: {done}")
    check_equal(gateway.chat(slow_key, sim_body("tokens=2")).status, 200, "at once after the limit is lifted")
    shown = json.loads(bench.run("keys", "show", "slow", "--json"))
    check_equal(shown["caps"]["requests_per_minute"], {"max": 1000, "of": "[limits.key]"}, "the bound that holds now")
    check("requests/min     1000 (of [limits.key])" in bench.run("keys", "show", "slow"), "the sheet")
    check_equal((shown["requests_per_minute"], shown["priority"], shown["weight"]), (None, "batch", 2), "the key")
    gateway.at_rest()


def short_of_memory_new_requests_are_refused(bench):
    """A memory target below what the process has: 503 worth a retry, idle connections closed, running streams go on."""
    simulator = bench.simulator()
    bench.write_config(simulator)
    key = bench.key()
    probe = bench.serve()
    resident = probe.memory_kb() * 1024
    probe.stop()
    target = int(resident * 1.3)
    if target < 64 * MIB:
        target = 64 * MIB
    bench.write_config(simulator, extra=limits(memory_bytes=target, body_bytes=64 * MIB, in_flight=100))
    gateway = bench.serve()
    stream = connect(gateway.port)
    stream.sendall(request_bytes(key, sim_body("tokens=100 cadence_ms=100")))
    read_some(stream, 2)
    idle = connect(gateway.port)
    hogs = []  # bodies that do not end: what has come of them is held
    chunk = b"x" * MIB
    needed = int((target * 1.1 - gateway.memory_kb() * 1024) / MIB) + 1
    per_hog = 40
    for first in range(0, needed, per_hog):
        hog = connect(gateway.port)
        hog.sendall(request_bytes(key, b"x")[:-1].replace(b"Content-Length: 1\r\n", f"Content-Length: {60 * MIB}\r\n".encode()))
        for _ in range(min(per_hog, needed - first)):
            hog.sendall(chunk)
        hogs.append(hog)
    wait_until(lambda: gateway.metric("turnpike_memory_level") == 2, 10, "a critical level")
    refused = gateway.chat(key, sim_body("tokens=2"))
    check_equal((refused.status, refused.headers.get("x-should-retry"), refused.json()["error"]["code"]), (503, "true", "overloaded"), refused.text)
    check_equal(wait_readable([idle], 3), 1, "idle connections that were closed")
    read_some(stream, 3)
    for hog in hogs:
        hog.close()
    wait_until(lambda: gateway.metric("turnpike_memory_level") == 0, 15, "the level to be normal again")
    check_equal(gateway.chat(key, sim_body("tokens=2")).status, 200, "afterwards")
    def logged(level):
        return f'"event":"memory_level","memory":"{level}"' in gateway.output()
    wait_until(lambda: logged("critical") and logged("normal"), 5, "the changes of level in the log")
    stream.close()


def random_word(dice, length):
    return "".join(dice.choices(string.ascii_lowercase + string.digits, k=length))


def pipelined(port, requests, batch=100):
    """Sends GET requests ahead of their answers on one connection; the statuses."""
    connection, statuses, rest = connect(port), [], b""
    for first in range(0, len(requests), batch):
        part = requests[first:first + batch]
        connection.sendall(b"".join(part))
        wanted = len(statuses) + len(part)
        while len(statuses) < wanted:
            got = connection.recv(262144)
            check(got, f"closed after {len(statuses)} answers")
            rest += got
            found = list(re.finditer(rb"HTTP/1\.1 (\d+)[^\r]*\r\n", rest))
            for mark in found:
                statuses.append(int(mark.group(1)))
            rest = rest[found[-1].end():] if found else rest
    connection.close()
    return statuses


def A4_unknown_keys_leave_nothing_behind(bench):
    """A4: 100,000 different unknown keys: all 401, resident memory grows by at most 8 MiB."""
    simulator = bench.simulator()
    gateway, _ = bench.gateway(simulator)
    dice = random.Random(4)

    def strangers(count):
        return [f"GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer tp_{random_word(dice, 12)}_{random_word(dice, 39)}\r\n\r\n".encode()
                for _ in range(count)]
    pipelined(gateway.port, strangers(2000))
    base = gateway.memory_kb()
    statuses = pipelined(gateway.port, strangers(100_000))
    grown = (gateway.memory_kb() - base) / 1024
    print(f"         {len(statuses)} unknown keys: resident +{grown:.2f} MiB")
    check_equal(set(statuses), {401}, "statuses")
    check(grown <= 8, f"resident memory grew by {grown:.1f} MiB")


def A5_a_huge_body_with_a_bad_key_is_not_read(bench):
    """A5: a body of 100 MiB with a bad key: 401 after the head, at most 64 KiB of it read, then closed."""
    simulator = bench.simulator()
    gateway, _ = bench.gateway(simulator)
    base = gateway.memory_kb()
    for framing in (f"Content-Length: {100 * MIB}\r\n", "Transfer-Encoding: chunked\r\n"):
        connection = connect(gateway.port, receive_buffer=4096)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        connection.sendall(f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer tp_none_none\r\n{framing}\r\n".encode())
        answer = connection.recv(65536)
        check(answer.startswith(b"HTTP/1.1 401"), f"{framing!r}: {answer[:200]!r}")
        sent, chunk = 0, (b"10000\r\n" + b"x" * 65536 + b"\r\n") if "chunked" in framing else b"x" * 65536
        with contextlib.suppress(OSError):
            while sent < 100 * MIB:
                sent += connection.send(chunk)
        print(f"         {framing.split(':')[0]}: {sent / 1024:.0f} KiB left the client before the connection was closed")
        check(sent <= 8 * MIB, f"{framing!r}: {sent} bytes were taken")  # 64 KiB read, the rest lay in the kernel's buffers
        connection.close()
    check(gateway.memory_kb() - base <= 4096, "the body was kept")
    check_equal(len(simulator.billing()), 0, "provider calls")


def A11_model_names_make_no_series(bench):
    """A11: 100,000 different model names: the number of metric series does not change."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    dice = random.Random(11)

    def ask(names):
        connection, statuses = connect(gateway.port), set()
        for name in names:
            connection.sendall(request_bytes(key, {"model": name, "messages": [{"role": "user", "content": "x"}]}))
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += connection.recv(65536)
            head, _, body = answer.partition(b"\r\n\r\n")
            length = int(re.search(rb"(?i)content-length: (\d+)", head).group(1))
            while len(body) < length:
                body += connection.recv(65536)
            statuses.add(int(head.split()[1]))
        connection.close()
        return statuses
    # Some random names fit a wildcard of the policy ("*pro*") and are served: their series exist beforehand.
    mapped = tomllib.loads((bench.folder / "policies" / "seventy-thirty.toml").read_text())["models"]
    ask([name.replace("*", "x") for name in mapped] * 3 + ["zz-unknown"] * 3)
    before = len(gateway.metrics())
    count = bench.scaled(10_000)
    statuses = ask(random_word(dice, 20) for _ in range(count))
    after = len(gateway.metrics())
    print(f"         {count} model names: {statuses}, {before} series before, {after} after")
    check(404 in statuses and statuses <= {200, 404}, f"statuses {statuses}")
    check_equal(after, before, "series")
