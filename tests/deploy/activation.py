#!/usr/bin/env python3
"""Socket activation as turnpike.socket does it, and the exit codes docs/operating.md names.

This program holds the listening socket and hands it to the gateway as descriptor 3 with LISTEN_FDS=1 and LISTEN_PID.
"""
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

from checks import SOURCE, Checks, bin_dir

sys.path.insert(0, str(SOURCE / "tests" / "e2e"))
from harness import Bench, Failed, call, user, wait_until  # noqa: E402


class Activated:
    """A gateway that inherits `listener`, as a service manager starts it."""

    def __init__(self, bench, listener):
        self.argv = ["activated gateway"]
        bench.started.append(self)
        self.log = bench.folder / f"activated-{time.monotonic_ns()}.log"
        # The shell keeps its process id through exec, so LISTEN_PID is the gateway's.
        script = f'export LISTEN_FDS=1 LISTEN_PID=$$; exec "$0" serve --config "$1" 3<&{listener.fileno()}'
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(["bash", "-c", script, str(bench.turnpike), str(bench.folder / "turnpike.toml")],
                                            stdout=log, stderr=subprocess.STDOUT, env=bench.environment(), pass_fds=(listener.fileno(),))

    def output(self):
        return self.log.read_text(errors="replace")

    def ready(self):
        def look():
            found = re.search(r'^\{.*"event":\s*"ready".*\}$', self.output(), re.M)
            if not found and self.process.poll() is not None:
                raise Failed(f"ended with {self.process.returncode}: {self.output()}")
            return found
        return json.loads(wait_until(look, 20, "the gateway to be ready").group(0))

    def discard(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


def restart_refuses_nobody(checks, bench, listener):
    """Requests run through a restart; those that come while no gateway lives wait in the backlog."""
    simulator = bench.simulator()
    bench.write_config(simulator)
    key, port = bench.key(), listener.getsockname()[1]
    statuses, faults, stop = [], [], threading.Event()

    def ask():
        while not stop.is_set():
            try:
                answer = call(port, "POST", "/v1/chat/completions", {"model": "auto", "messages": [user("hi [[sim tokens=3]]")]},
                              {"authorization": f"Bearer {key}"})
                statuses.append(answer.status)
            except OSError as fault:
                faults.append(repr(fault))
            time.sleep(0.01)

    first = Activated(bench, listener)
    checks.that(first.ready()["data_port"] == port, "the gateway serves the inherited socket, not [server].listen")
    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    time.sleep(0.5)
    checks.that(first.stop() == 0, "SIGTERM: exit code 0", first.output()[-500:])
    time.sleep(0.3)  # connections pile up in the backlog
    before = len(statuses)
    second = Activated(bench, listener)
    try:
        second.ready()
        wait_until(lambda: len(statuses) > before + 20, 10, "answers of the second gateway")
    finally:
        stop.set()
        for asker in askers:
            asker.join()
    checks.that(not faults, "no connection is refused or broken by a restart", f"{len(faults)} of {len(faults) + len(statuses)}: {faults[:2]}")
    checks.that(set(statuses) == {200}, "every request is answered", f"{sorted(set(statuses))}")
    print(f"{len(statuses)} requests through a restart with an inherited socket, {len(faults)} broken")
    checks.that(bench.run("ledger", "verify", expect=None).returncode == 0, "ledger verify on the live gateway: 0")
    done = bench.run("serve", expect=None)
    checks.that(done.returncode == 73, "a second gateway on the same data: 73", f"{done.returncode} {done.stderr}")
    # Accepted, but its request is still on the way when SIGTERM comes: idle connections have a second (server/limits.hpp).
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        time.sleep(0.1)
        second.process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        try:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            answered = connection.recv(12)
        except OSError as fault:
            answered = repr(fault)
        checks.that(answered == b"HTTP/1.1 200", "a connection accepted just before SIGTERM gets its answer", str(answered))
    checks.that(second.process.wait(20) == 0, "the second gateway ends with 0")


def exit_codes(checks, bench):
    """The table of docs/operating.md, as far as it can be provoked."""
    config = bench.folder / "turnpike.toml"
    good = config.read_text()
    config.write_text(good + "[nonsense]\n")
    done = bench.run("serve", expect=None)
    checks.that(done.returncode == 78 and re.search(r"turnpike\.toml:\d+:\d+", done.stderr), "faults in turnpike.toml: 78 with file:line:column", f"{done.returncode} {done.stderr}")
    config.write_text(good)
    policy = bench.folder / "policies" / "seventy-thirty.toml"
    kept = policy.read_text()
    policy.write_text(kept.replace("[policy]", "[policy]\nnonsense = 1", 1))
    checks.that(bench.run("serve", expect=None).returncode == 78, "faults in the policy: 78")
    checks.that(bench.run("check", expect=None).returncode == 1, "check finds faults: 1")
    policy.write_text(kept)
    checks.that(bench.run("check", expect=None).returncode == 0, "check finds none: 0")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config.write_text(good.replace('listen = "127.0.0.1:0"', f'listen = "127.0.0.1:{taken.getsockname()[1]}"', 1))
        checks.that(bench.run("serve", expect=None).returncode == 1, "the address is taken: 1")
    config.write_text(good.replace('data = "data"', 'data = "empty"', 1))
    checks.that(bench.run("serve", expect=None).returncode == 78, "no key exists: 78")
    config.write_text(good)
    done = bench.run("no-such-verb", expect=None)
    checks.that(done.returncode == 64, "wrong usage: 64", f"{done.returncode}")


def main():
    checks = Checks()
    bench = Bench(bin_dir())
    bench.begin("activation")
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(bench.end)
        listener = cleanup.enter_context(socket.create_server(("127.0.0.1", 0), backlog=512))
        os.set_inheritable(listener.fileno(), True)
        try:
            restart_refuses_nobody(checks, bench, listener)
            exit_codes(checks, bench)
        except Failed as fault:
            checks.that(False, "the run", str(fault))
    return checks.close()


if __name__ == "__main__":
    sys.exit(main())
