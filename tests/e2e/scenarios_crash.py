"""kill -9 at any moment."""
import collections
import contextlib
import json
import os
import random
import re
import signal
import socket
import sqlite3
import subprocess
import threading
import time

from crash_clients import KEYS, Clients, number_of
from harness import call, check, check_equal, user, wait_until
from journal import AT_RESERVATION, Journal

INTERVAL = 256  # output tokens: a stream's progress is journalled so often


def pin_ports(bench, gateway):
    """Later starts listen where the first one did, as a service does."""
    config = bench.folder / "turnpike.toml"
    text = config.read_text()
    text = text.replace('listen = "127.0.0.1:0"', f'listen = "127.0.0.1:{gateway.port}"')
    config.write_text(text.replace('admin = "127.0.0.1:0"', f'admin = "127.0.0.1:{gateway.admin_port}"'))


def rows(folder, sql):
    with contextlib.closing(sqlite3.connect(f"file:{folder}/ledger.sqlite?mode=ro", uri=True)) as database:
        return database.execute(sql).fetchall()


class Judge:
    """Holds what clients were told and what the provider billed against the journal."""

    def __init__(self, folder, billing, told, key_ids):
        self.journal = journal = Journal(folder)
        self.progress = dict(rows(folder, "SELECT attempt, max(tokens) FROM journal WHERE kind = 10 GROUP BY attempt"))
        self.told = {t.number: t for t in told}
        self.billed = {int(line["tag"][1:]): line for line in billing}
        check_equal(len(self.billed), len(billing), "billing lines, one for each request that arrived")
        self.attempts = {}
        for attempt in journal.attempts.values():
            number = number_of(key_ids.index(attempt.key), attempt.output_bound)
            check(number in self.told, f"attempt {attempt.seq} belongs to no request")
            check(number not in self.attempts, f"request {number} was charged twice, nothing failed over")
            self.attempts[number] = attempt
        self.counts, self.most_over = collections.Counter(), 0

    def run(self):
        check_equal([a.seq for a in self.journal.open_attempts()], [], "open attempts")
        check_equal(self.journal.reserved(), 0, "credits held by nobody")
        for number in self.billed:
            check(number in self.attempts, f"request {number} reached the provider and has no entry (I3)")
        for number, told in self.told.items():
            if told.complete:
                self._completed(number, told)
        for number, attempt in self.attempts.items():
            self.counts[attempt.end, attempt.cause] += 1
            if attempt.cause == "process_died":
                self._recovered(number, attempt)

    def _completed(self, number, told):
        attempt, line = self.attempts.get(number), self.billed.get(number)
        check(attempt and line, f"request {number} was answered to its end: attempt {attempt}, billed {line}")
        check_equal(attempt.decision, told.decision, f"decision of request {number}")
        if attempt.cause == "process_died":
            self.counts["completed", "settled at the start"] += 1  # killed between the last byte and the end
            return
        check_equal(attempt.end, "settle_exact", f"end of request {number}, which was answered to its end ({attempt.cause})")
        output = ("output_text", "output_reasoning")
        check_equal(sum(attempt.usage[c] for c in output), sum(line["billed"][c] for c in output), f"output tokens of request {number}")
        if told.usage:
            check_equal(told.usage["completion_tokens"], sum(attempt.usage[c] for c in output), f"usage told to client {number}")

    def _recovered(self, number, attempt):
        if attempt.flags & AT_RESERVATION:
            check(not self.told[number].stream, f"stream {number} was charged its whole reservation")
            self.counts["recovered", "at the reservation"] += 1
            return
        line = self.billed.get(number)
        billed = sum(line["billed"][c] for c in ("output_text", "output_reasoning")) if line else 0
        seen = self.progress.get(attempt.seq, 0)
        check_equal(attempt.usage["output_text"], seen + INTERVAL, f"output tokens charged for stream {number}, of which {seen} were journalled")
        # Until the provider's own count comes at the end, 3 bytes count as a token; the simulator's are of 4 at most.
        check(seen <= billed * 4 / 3 + 16, f"stream {number}: {seen} output tokens were journalled and {billed} billed")
        self.most_over = max(self.most_over, seen + INTERVAL - billed)
        self.counts["recovered", "stream"] += 1


def recovered_before_admission(folder):
    """I7: no attempt of an earlier epoch ends after a later epoch's first reserve."""
    return rows(folder, """
        WITH admitted AS MATERIALIZED (SELECT epoch, min(seq) AS seq FROM journal WHERE kind = 9 GROUP BY epoch)
        SELECT count(*) FROM journal AS e JOIN journal AS r ON r.seq = e.attempt JOIN admitted ON admitted.epoch = e.epoch
        WHERE e.kind IN (11, 12, 13) AND e.epoch > r.epoch AND e.seq > admitted.seq""")[0][0]


def B18_kills_under_200_requests_a_second_lose_nothing(bench):
    """kill -9 at random instants under 200 requests a second with streams: what was told is booked, once, and nothing stays open.

    20 kills; --scale 50 makes them 1,000."""
    simulator = bench.simulator()
    bench.write_config(simulator)
    keys = [bench.key("100000/month", name=f"k{n}") for n in range(KEYS)]
    key_ids = [key.split("_")[1] for key in keys]
    gateway = bench.serve()
    pin_ports(bench, gateway)
    seed = int(time.time())
    print(f"         seed {seed}", flush=True)
    dice = random.Random(seed)
    kills, slowest, recovered = bench.scaled(20, 5), 0.0, 0
    begun = time.monotonic()
    clients = Clients(gateway.port, keys, ["turnpike-bulk", "turnpike-frontier", "auto"], 200, seed)
    try:
        for number in range(kills):
            time.sleep(dice.uniform(0.02, 0.8))
            gateway.kill()
            if number % 10 == 0:
                report = json.loads(bench.run("--json", "ledger", "verify", bench.folder / "data"))
                check(report["ok"], f"as kill {number + 1} left it: {report}")
            bench.started.remove(gateway)
            gateway.discard()
            gateway = bench.serve()
            slowest = max(slowest, gateway.ready_after)
            recovered += gateway.ready["attempts_recovered"]
            check(gateway.ready_after <= 2.0, f"ready only after {gateway.ready_after:.2f} s")
    finally:
        told = clients.stop()
    seconds = time.monotonic() - begun
    gateway.at_rest(60)
    simulator.quiet()
    check_equal(gateway.stop(), 0, "exit code")
    report = json.loads(bench.run("--json", "ledger", "verify", bench.folder / "data"))
    check(report["ok"] and report["attempts_open"] == 0 and report["reserved_nano"] == 0, report)
    check_equal(recovered_before_admission(bench.folder / "data"), 0, "attempts ended after the next process had admitted")
    judge = Judge(bench.folder / "data", simulator.billing(), told, key_ids)
    judge.run()
    complete = sum(t.complete for t in told)
    check(recovered > 0, "no kill met an open attempt: the load was too light")
    check(complete > 2 * kills, f"only {complete} answers were completed meanwhile")
    print(f"         {kills} kills in {seconds:.0f} s, {len(told)} requests ({len(told) / seconds:.0f}/s), {len(judge.billed)} billed, {complete} answered to "
          f"their end; slowest start {slowest * 1000:.0f} ms, {recovered} attempts recovered, at most {judge.most_over} output tokens over", flush=True)
    print(f"         ends: {', '.join(f'{end} {cause}'.strip() + f' {count}' for (end, cause), count in sorted(judge.counts.items()))}", flush=True)


def a_second_process_is_turned_away(bench):
    """Two gateways on one data folder: the second exits with 73 and leaves the first alone."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    second = subprocess.run([bench.turnpike, "serve", "--config", bench.folder / "turnpike.toml"], capture_output=True, text=True,
                            env=bench.environment(), timeout=30)
    check_equal(second.returncode, 73, f"exit code: {second.stderr}")
    check(second.stderr.strip(), "no message")
    check_equal(gateway.chat(key, {"model": "auto", "messages": [user("hello")]}).status, 200, "the first gateway")


def sigterm_lets_streams_finish(bench):
    """SIGTERM under load: running streams end whole, exit 0, nothing open."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    load = bench.start_load(gateway.url, key, "--models", "turnpike-bulk", "--concurrency", 50, "--requests", 50, "--stream-share", 1,
                            "--loop-share", 0, "--directive", "tokens=50 cadence_ms=40 think_tokens=0")
    end = time.monotonic() + 20
    while simulator.stats()["open"] < 50 and time.monotonic() < end:
        time.sleep(0.02)
    check_equal(gateway.stop(30), 0, "exit code")
    load.process.wait(20)
    figures = json.loads(re.findall(r"^\{.*\}$", load.output(), re.M)[-1])
    check_equal((figures["completed"], figures["broken"]), (50, 0), figures)
    report = json.loads(bench.run("--json", "ledger", "verify", bench.folder / "data"))
    check(report["ok"] and report["attempts_open"] == 0, report)


def a_restart_on_an_inherited_socket_refuses_nobody(bench):
    """LISTEN_FDS: the gateway serves on the listener it is given; three restarts on it lose no request."""
    simulator = bench.simulator()
    bench.write_config(simulator)
    key = bench.key()
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    port = listener.getsockname()[1]
    log = open(bench.folder / "gateway.log", "ab")

    def start():
        # LISTEN_PID must be the process's own id, which only the shell that becomes it can know.
        script = 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" --config "$1" serve'
        return subprocess.Popen(["sh", "-c", script, bench.turnpike, bench.folder / "turnpike.toml"], stdout=log, stderr=log,
                                stdin=subprocess.DEVNULL, env=bench.environment(), close_fds=False,
                                preexec_fn=lambda: os.dup2(listener.fileno(), 3, inheritable=True))

    def ask():
        return call(port, "POST", "/v1/chat/completions", {"model": "auto", "messages": [user("hello")]}, {"authorization": f"Bearer {key}"}).status
    process, statuses = start(), []
    try:
        check_equal(ask(), 200, "a request over the inherited socket")
        asking = threading.Thread(target=lambda: statuses.extend(ask() for _ in range(60)))
        asking.start()
        for turn in range(3):
            # Before it is ready a signal ends it as any other program.
            wait_until(lambda: (bench.folder / "gateway.log").read_text().count('"event":"ready"') > turn, 30, "a gateway that is ready")
            time.sleep(0.15)
            process.send_signal(signal.SIGTERM)
            check_equal(process.wait(30), 0, "exit code")
            process = start()
        asking.join(60)
        check_equal(statuses, [200] * 60, "requests across three restarts")
    finally:
        process.kill()
        process.wait()
        listener.close()
        log.close()


def a_descriptor_that_is_no_listener_is_refused(bench):
    """LISTEN_FDS with a UDP, a Unix or a socket that does not listen, a file, none, or two: exit 78, and the descriptor is named."""
    bench.write_config(bench.simulator())
    bench.key()
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(str(bench.folder / "listener.sock"))
    unix.listen()
    good = socket.create_server(("127.0.0.1", 0))
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    cases = [(udp.fileno(), "1", "descriptor 3 that LISTEN_FDS passes is a UDP socket"), (unix.fileno(), "1", "a Unix socket"),
             (bound.fileno(), "1", "a TCP socket that does not listen"), (os.open(os.devnull, os.O_RDONLY), "1", "no socket"),
             (None, "1", "not open"), (good.fileno(), "2", 'LISTEN_FDS="2" passes more'), (good.fileno(), "one", 'LISTEN_FDS="one" passes more')]
    for descriptor, count, words in cases:
        script = f'LISTEN_PID=$$ LISTEN_FDS={count} exec "$0" --config "$1" serve' + (" 3<&-" if descriptor is None else "")
        done = subprocess.run(["sh", "-c", script, bench.turnpike, bench.folder / "turnpike.toml"], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, env=bench.environment(), close_fds=False, timeout=30,
                              preexec_fn=lambda: descriptor is None or os.dup2(descriptor, 3, inheritable=True))
        check(done.returncode == 78 and words in done.stderr, f"{words}: exit {done.returncode}, {done.stderr}")
    for opened in (bound, unix, good, udp):
        opened.close()
