"""kill -9 at any moment."""
import json
import os
import random
import re
import signal
import socket
import subprocess
import threading
import time

from harness import call, check, check_equal, user


def pin_ports(bench, gateway):
    """Later starts listen where the first one did, as a service does."""
    config = bench.folder / "turnpike.toml"
    text = config.read_text()
    text = text.replace('listen = "127.0.0.1:0"', f'listen = "127.0.0.1:{gateway.port}"')
    config.write_text(text.replace('admin = "127.0.0.1:0"', f'admin = "127.0.0.1:{gateway.admin_port}"'))


def twenty_kills_under_load_lose_nothing(bench):
    """kill -9 under load, 20 times: ready within 2 s, the ledger clean, every attempt ended, no dispatch without an entry."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    pin_ports(bench, gateway)
    seed = int(time.time())
    print(f"         seed {seed}", flush=True)
    dice = random.Random(seed)
    rounds, slowest, recovered = bench.scaled(20, 5), 0.0, 0
    load = bench.start_load(gateway.url, key, "--models", "turnpike-bulk,turnpike-frontier,auto", "--concurrency", 40, "--requests", 1_000_000,
                            "--seconds", rounds * 4 + 30, "--stream-share", 0.7, "--loop-share", 0.3, "--cancel-share", 0.1,
                            "--directive", "tokens=30 cadence_ms=5")
    for _ in range(rounds):
        time.sleep(dice.uniform(0.1, 1.2))
        gateway.kill()
        gateway = bench.serve()
        slowest = max(slowest, gateway.ready_after)
        recovered += gateway.ready["attempts_recovered"]
        check(gateway.ready_after <= 2.0, f"ready only after {gateway.ready_after:.2f} s")
        report = json.loads(bench.run("--json", "ledger", "verify"))
        check(report["ok"], f"after the kill: {report}")
    load.kill()
    gateway.at_rest(60)
    simulator.quiet()
    check(recovered > 0, "no kill met an open attempt: the load was too light")
    check_equal(gateway.chat(key, {"model": "auto", "messages": [user("hello")]}).status, 200, "a request after all that")
    gateway.at_rest()
    check_equal(gateway.stop(), 0, "exit code")
    report = json.loads(bench.run("--json", "ledger", "verify", bench.folder / "data"))
    billed = simulator.billing()
    check(report["ok"] and report["attempts_open"] == 0 and report["reserved_nano"] == 0, report)
    check(report["attempts"] >= len(billed), f"{len(billed)} requests reached the provider, only {report['attempts']} are in the journal")
    complete = [e for e in billed if e["outcome"] == "complete"]
    check(len(complete) > 10 * rounds, f"only {len(complete)} answers were completed meanwhile")
    print(f"         slowest start {slowest * 1000:.0f} ms, {recovered} attempts recovered, {len(billed)} requests billed", flush=True)


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
        for _ in range(3):
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
