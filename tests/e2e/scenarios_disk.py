"""The gateway on a disk that is full, fails, or is damaged. The disk is tests/support/fault_disk.cpp, preloaded."""
import json
import random
import re
import sqlite3
import subprocess
import threading
import time

from crash_clients import KEYS, Clients, number_of
from harness import Gateway, call, check, check_equal, skip, user, wait_until
from journal import Journal

FULL_SECONDS = 10


class FaultyDisk:
    """A gateway whose data directory is on the misbehaving disk."""

    def __init__(self, bench, extra=""):
        self.preload = bench.binaries.parent / "lib" / "libfault_disk.so"
        if not self.preload.exists():
            skip(f"{self.preload} is not built")
        if any(flag in subprocess.run(["ldd", bench.turnpike], capture_output=True, text=True).stdout for flag in ("libasan", "libtsan")) \
                or b"__asan_init" in bench.turnpike.read_bytes():
            skip("a sanitizer and a preloaded library do not go together")
        self.bench, self.data, self.control = bench, bench.folder / "data", bench.folder / "disk"
        self.simulator = bench.simulator()
        config = bench.write_config(self.simulator, extra=extra)
        config.write_text(config.read_text().replace('data = "data"', f'data = "{self.data}"'))
        self.key = bench.key("1000/month")
        self.gateway = Gateway(bench.turnpike, config, bench.environment() | {
            "LD_PRELOAD": str(self.preload), "FAULT_DISK_WATCH": str(self.data), "FAULT_DISK_CONTROL": str(self.control)})
        bench.started.append(self.gateway)

    def order(self, text):
        self.control.write_text(text + "\n")
        seen = self.control.with_name(self.control.name + ".seen")
        wait_until(lambda: seen.exists() and seen.read_text() == text + "\n", 5, f"the disk to take the order {text!r}")

    def ask(self, text="hello"):
        return self.gateway.chat(self.key, {"model": "turnpike-bulk", "max_tokens": 100, "messages": [user(text)]})

    def ready(self):
        return call(self.gateway.port, "GET", "/readyz").status == 200

    def streams(self, count, directive):
        """Starts them; join() gives their answers."""
        answers = []

        def run():
            answers.append(self.gateway.stream(self.key, {"model": "turnpike-bulk", "messages": [user(f"[[sim {directive}]] go")]})[1])
        threads = [threading.Thread(target=run) for _ in range(count)]
        for thread in threads:
            thread.start()
        wait_until(lambda: self.simulator.stats()["open"] >= count, 10, "the streams to run")

        def join():
            for thread in threads:
                thread.join(60)
            check_equal(len(answers), count, "streams that ended")
            return answers
        return join

    def verified(self):
        """The journal of the closed ledger, after its own verification."""
        report = json.loads(self.bench.run("--json", "ledger", "verify", self.data))
        check(report["ok"] and report["attempts_open"] == 0 and report["reserved_nano"] == 0, report)
        return Journal(self.data)


def B19_a_power_failure_with_intent_disk_forgets_no_dispatched_request(bench):
    """Unsynced writes dropped or torn at 20 random instants under load: each request that had reached the provider is in what is left."""
    disk = FaultyDisk(bench, '[ledger]\nintent = "disk"\n')
    keys = [made_key(disk.gateway, n) for n in range(KEYS)]
    seed = int(time.time())
    print(f"         seed {seed}", flush=True)
    dice = random.Random(seed)
    clients = Clients(disk.gateway.port, keys, ["turnpike-bulk", "turnpike-frontier"], 100, seed)
    image, judged = bench.folder / "image", 0
    try:
        for _ in range(bench.scaled(20, 4)):
            time.sleep(dice.uniform(0.05, 0.4))
            arrived = [number for number in map(number_in, disk.simulator.requests()) if number is not None]
            disk.order(f"lose_power {image} {dice.randrange(2**32)}")
            report = json.loads(bench.run("--json", "ledger", "verify", image))
            check(report["ok"], report)
            # Neither the output bound nor the key is changed by the gateway: together they are the request's number.
            names = {key.split("_")[1]: n for n, key in enumerate(keys)}
            known = {number_of(names[a.key], a.output_bound) for a in Journal(image).attempts.values()}
            missing = [number for number in arrived if number not in known]
            check(not missing, f"requests {missing[:10]} had been dispatched and are forgotten")
            judged += len(arrived)
    finally:
        clients.stop()
    check(judged > 100, f"only {judged} requests were judged: the load was too light")
    check_equal(disk.gateway.stop(), 0, "exit code")
    disk.verified()
    print(f"         {judged} dispatched requests looked for in what power failures left", flush=True)


def made_key(gateway, number):
    answer = gateway.admin("POST", "/admin/keys", {"name": f"k{number}", "org": "e2e", "by": "e2e"})
    return answer.json()["key"]


def number_in(request):
    """The request's number, from the directive in its body."""
    found = re.search(r"tag=r(\d+) ", request["body"] if isinstance(request["body"], str) else json.dumps(request["body"]))
    return int(found.group(1)) if found else None


def B20_a_full_disk_refuses_the_new_and_settles_the_running(bench):
    """No space for 10 s: new requests get 503, running streams end whole and are on disk, and it resumes by itself."""
    disk = FaultyDisk(bench)
    check_equal(disk.ask().status, 200, "before")
    join = disk.streams(8, "tokens=150 cadence_ms=20 think_tokens=0")
    disk.order("free 0")
    full_since = time.monotonic()
    refused = disk.ask()
    check_equal(refused.status, 503, f"a request to a full disk: {refused.text}")
    check("ledger_unavailable" in refused.text and "disk is full" in refused.text, refused.text)
    check_equal(refused.headers.get("x-should-retry"), "true", "x-should-retry")
    check(not disk.ready(), "/readyz says ready")
    check_equal(disk.gateway.metric("turnpike_ledger_disk_full"), 1.0, "turnpike_ledger_disk_full")
    for stream in join():
        check(stream.done and stream.error is None, f"a running stream was cut: {stream.error}")
    ledger = disk.gateway.at_rest()  # nothing reserved, every entry fsynced, with the disk as full as before
    check(ledger["disk_full"] and not ledger["writable"], ledger)
    while time.monotonic() < full_since + FULL_SECONDS:
        check_equal(disk.ask().status, 503, "a request while the disk is full")
        time.sleep(0.2)
    check_equal((disk.data / "reserve.space").stat().st_size, 0, "bytes held back while the disk is full")
    disk.order("free -1")
    wait_until(disk.ready, 10, "the gateway to resume")
    check_equal(disk.ask().status, 200, "after")
    check_equal((disk.data / "reserve.space").stat().st_size, 16 << 20, "bytes held back again")
    check_equal(disk.gateway.metric("turnpike_ledger_store_errors_total"), 0.0, "turnpike_ledger_store_errors_total")
    check_equal(disk.gateway.stop(), 0, "exit code")
    check_equal([a.end for a in disk.verified().attempts.values()], ["settle_exact"] * 10, "ends")


def B21_one_failed_fsync_is_survived(bench):
    """EIO on one fsync: refused for a moment, the store is opened anew and checked, nothing is lost."""
    disk = FaultyDisk(bench)
    join = disk.streams(4, "tokens=100 cadence_ms=20 think_tokens=0")
    disk.order("fail_fsync ledger.sqlite-wal 1")
    disk.ask()
    wait_until(lambda: "ledger_store_reopened" in disk.gateway.output(), 20, "the store to be opened anew")
    wait_until(disk.ready, 10, "the gateway to resume")
    check("ledger_store_failed" in disk.gateway.output(), "the failure is not in the log")
    check_equal(disk.gateway.metric("turnpike_ledger_store_errors_total"), 1.0, "turnpike_ledger_store_errors_total")
    check_equal(disk.ask().status, 200, "after")
    for stream in join():
        check(stream.done and stream.error is None, f"a running stream was cut: {stream.error}")
    check_equal(disk.gateway.stop(), 0, "exit code")
    check(set(a.end for a in disk.verified().attempts.values()) <= {"settle_exact", "void"}, "ends")


def B21_a_disk_that_keeps_failing_ends_the_gateway_with_74(bench):
    """EIO on every fsync: refused, running streams end whole, exit 74; the next start has every end."""
    disk = FaultyDisk(bench)
    join = disk.streams(4, "tokens=100 cadence_ms=20 think_tokens=0")
    disk.order("fail_fsync ledger.sqlite-wal 1000000\nfail_write ledger.sqlite 1000000")
    refused = wait_until(lambda: next((a for a in [disk.ask()] if a.status == 503), None), 20, "a refusal")
    check("ledger_unavailable" in refused.text, refused.text)
    for stream in join():
        check(stream.done and stream.error is None, f"a running stream was cut: {stream.error}")
    check_equal(disk.gateway.process.wait(60), 74, "exit code")
    check("ledger_store_lost" in disk.gateway.output(), "the end is not explained in the log")
    gateway = bench.serve()
    check_equal(gateway.ready["attempts_recovered"], 0, "ends that the next start had to guess")
    check_equal(gateway.stop(), 0, "exit code of the next start")
    ends = [a.end for a in disk.verified().attempts.values()]
    check(ends.count("settle_exact") >= 4 and set(ends) <= {"settle_exact", "void"}, ends)


def B22_stores_that_cannot_be_used_are_refused_with_a_message(bench):
    """A read-only place, a damaged page, a strange schema, another program's file: exit 74, and the message names the file."""
    simulator = bench.simulator()
    config = bench.write_config(simulator)
    gateway, key = bench.gateway(simulator)
    for _ in range(30):
        check_equal(gateway.chat(key, {"model": "auto", "messages": [user("hello")]}).status, 200, "a request")
    gateway.stop()
    file = bench.folder / "data" / "ledger.sqlite"
    whole = file.read_bytes()

    def refused(what, words, text=None):
        if text is not None:
            config.write_text(text)
        done = bench.run("serve", expect=None)
        check_equal(done.returncode, 74, f"exit code for {what}: {done.stderr}")
        check(all(word in done.stderr for word in words), f"message for {what}: {done.stderr!r}")

    file.write_bytes(whole[:2 * 16384] + b"\xa5" * 16384 + whole[3 * 16384:])
    refused("a damaged page", ["ledger.sqlite", "damaged"])
    file.write_bytes(b"x" * len(whole))
    refused("another program's file", ["ledger.sqlite", "not a database"])
    file.write_bytes(whole)
    with sqlite3.connect(file) as database:
        database.execute("PRAGMA user_version=99")
    database.close()
    refused("a strange schema", ["ledger.sqlite", "version 99"])
    file.write_bytes(whole)
    refused("a place that cannot be written", ["/proc/turnpike"], config.read_text().replace('data = "data"', 'data = "/proc/turnpike"'))
