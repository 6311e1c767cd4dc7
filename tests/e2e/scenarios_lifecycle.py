"""Starts, reloads, ends and successions of the gateway, under load: reliability specification, sections 11 and 15."""
import contextlib
import fcntl
import http.client
import json
import os
import re
import signal
import socket
import stat
import subprocess
import threading
import time

from harness import Gateway, call, check, check_equal, user, wait_until


class Askers:
    """Clients that ask without pause until told to stop, each request on a connection of its own."""

    def __init__(self, port, key, count=6, directive="tokens=3", stream=False):
        self.statuses, self.faults, self.slowest, self.stopping = [], [], 0.0, threading.Event()
        body = {"model": "auto", "stream": stream, "messages": [user(f"hi [[sim {directive}]]")]}

        def work():
            while not self.stopping.is_set():
                began = time.monotonic()
                try:
                    answer = call(port, "POST", "/v1/chat/completions", body, {"authorization": f"Bearer {key}"})
                    whole = not stream or b"[DONE]" in answer.body
                    self.statuses.append(answer.status if whole else "cut short")
                except (OSError, http.client.HTTPException) as fault:
                    self.faults.append(repr(fault))
                self.slowest = max(self.slowest, time.monotonic() - began)

        self.threads = [threading.Thread(target=work) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def check_all_served(self, what):
        check(not self.faults and set(self.statuses) == {200},
              f"{what}: {len(self.statuses)} answers {set(self.statuses)}, {len(self.faults)} broken: {self.faults[:3]}")


def books_are_clean(bench):
    report = json.loads(bench.run("--json", "ledger", "verify", bench.folder / "data"))
    check(report["ok"] and report["attempts_open"] == 0, f"the books after the end: {report}")


def fix_port(bench, name="listen"):
    """Gives the listener a port that stays over restarts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = bench.folder / "turnpike.toml"
    config.write_text(config.read_text().replace(f'{name} = "127.0.0.1:0"', f'{name} = "127.0.0.1:{port}"', 1))
    return port


def L6_a_drain_under_load_breaks_nothing(bench):
    """L6: SIGTERM under load: /readyz 503 within 100 ms, running answers whole, Connection: close, exit 0, nothing reserved."""
    simulator = bench.simulator()
    bench.write_config(simulator)
    config = bench.folder / "turnpike.toml"
    config.write_text(config.read_text().replace("[server]\n", "[server]\ndrain_delay_s = 3\n"))
    key = bench.key()
    gateway = bench.serve()
    streams = Askers(gateway.port, key, 30, "tokens=60 cadence_ms=25 think_tokens=0", stream=True)
    wait_until(lambda: simulator.stats()["open"] >= 30, 20, "30 streams")
    kept = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    kept.request("GET", "/readyz")
    answer = kept.getresponse()
    check(answer.status == 200 and answer.read() and answer.getheader("connection") is None, "a connection that is kept")
    asked = time.monotonic()
    gateway.process.send_signal(signal.SIGTERM)
    while call(gateway.port, "GET", "/readyz").status == 200:
        check(time.monotonic() - asked < 5, "/readyz stays 200")
    took = time.monotonic() - asked
    check(took < 0.1 * max(1, 1 / bench.scale) + 0.4, f"/readyz turned 503 after {took:.3f} s")  # 100 ms, and a busy machine's share
    kept.request("GET", "/healthz")
    answer = kept.getresponse()
    check_equal((answer.status, answer.getheader("connection")), (200, "close"), "the kept connection while draining")
    kept.close()
    time.sleep(0.3)
    streams.stop()  # within the delay: those that begin now are served like all others
    check_equal(gateway.process.wait(30), 0, "exit code")
    streams.check_all_served("streams over SIGTERM")
    check('"attempts_open":0' in gateway.output().replace(" ", ""), "the last line of the log")
    books_are_clean(bench)
    print(f"         {len(streams.statuses)} streams over SIGTERM, 0 broken; /readyz 503 after {took * 1000:.0f} ms")


def L6_a_deadline_ends_streams_in_their_own_words(bench):
    """L6: what runs beyond the deadline gets the mid-stream error gateway_draining, is settled, and the exit code is 0."""
    simulator = bench.simulator()
    bench.write_config(simulator)
    config = bench.folder / "turnpike.toml"
    config.write_text(config.read_text().replace("[server]\n", "[server]\ndrain_deadline_s = 1\n"))
    key = bench.key()
    gateway = bench.serve()
    answers = []

    def stream():
        answers.append(gateway.stream(key, {"model": "auto", "messages": [user("hi [[sim tokens=5000 cadence_ms=20 think_tokens=0]]")]})[1])

    threads = [threading.Thread(target=stream) for _ in range(8)]
    for thread in threads:
        thread.start()
    wait_until(lambda: simulator.stats()["open"] >= 8, 20, "8 streams")
    check_equal(gateway.stop(20), 0, "exit code")
    for thread in threads:
        thread.join(10)
    check_equal([(a.error or {}).get("code") for a in answers], ["gateway_draining"] * 8, "the errors told")
    check(not any(a.done for a in answers), "an error is not followed by [DONE]")
    books_are_clean(bench)


def L6_a_second_signal_ends_it_at_once(bench):
    """L6: SIGTERM twice under load: gone within a second, exit 0, everything settled."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    load = bench.start_load(gateway.url, key, "--models", "turnpike-bulk", "--concurrency", 50, "--requests", 50, "--stream-share", 1,
                            "--loop-share", 0, "--directive", "tokens=5000 cadence_ms=20 think_tokens=0")
    wait_until(lambda: simulator.stats()["open"] >= 50, 20, "50 streams")
    gateway.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    check(gateway.running(), "it drains")
    asked = time.monotonic()
    gateway.process.send_signal(signal.SIGINT)
    check_equal(gateway.process.wait(30), 0, "exit code")
    took = time.monotonic() - asked
    check(took < 1.0 * max(1, 1 / bench.scale) + 1, f"gone after {took:.2f} s")  # 1 s, and a busy machine's share
    load.process.wait(30)
    books_are_clean(bench)
    print(f"         50 streams open; gone {took * 1000:.0f} ms after the second signal")


def L7_reloads_half_broken_fail_nothing(bench):
    """L7: reloads under load, every other one broken: no request fails, the old configuration stays after a broken one."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    names = ["all-bulk", "all-frontier", "seventy-thirty"]
    config = bench.folder / "turnpike.toml"
    good = config.read_text()
    policy = bench.folder / "policies" / "all-frontier.toml"
    sound = policy.read_text()
    askers = Askers(gateway.port, key, 4)
    rounds = 1000 if bench.long else bench.scaled(80, 10)
    in_force = "seventy-thirty"
    try:
        for number in range(rounds):
            if number % 2:  # by turns: not TOML, an unknown key, a policy that names what is not there, no such policy
                kind = number // 2 % 4
                config.write_text([good + "[server\n", good + "[nonsense]\n", good.replace("seventy-thirty", "all-frontier"),
                                   good.replace("seventy-thirty", "no-such-policy")][kind])
                if kind == 2:
                    policy.write_text(sound.replace("anthropic/claude-opus-5-5", "anthropic/opus-9"))
            else:
                policy.write_text(sound)
                in_force = names[number // 2 % 3]
                config.write_text(good.replace("seventy-thirty", in_force))
            answer = gateway.admin("POST", "/admin/reload")
            check_equal(answer.status, 422 if number % 2 else 200, f"reload {number}: {answer.text[:300]}")
            check_equal(gateway.status()["policy"], in_force, f"the policy in force after reload {number}")
    finally:
        askers.stop()
    askers.check_all_served("requests over reloads")
    check_equal(gateway.metric("turnpike_config_reload_failed"), 1, "turnpike_config_reload_failed")
    counts = {r: gateway.metric("turnpike_config_reload_total", result=r) for r in ("applied", "rejected")}
    check_equal(counts, {"applied": (rounds + 1) // 2, "rejected": rounds // 2}, "reloads counted")
    gateway.at_rest()
    print(f"         {rounds} reloads, {rounds // 2} of them broken, {len(askers.statuses)} requests: 0 failed")


def L8_a_start_with_all_providers_down_is_ready(bench):
    """L8: no provider answers: the gateway starts and is ready; requests get an honest error, and are served once one is back."""
    simulator = bench.simulator()
    config = bench.write_config(simulator)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        config.write_text(config.read_text().replace(f":{simulator.port}", f":{nobody.getsockname()[1]}"))
        key = bench.key()
        gateway = bench.serve()
        check_equal(call(gateway.port, "GET", "/readyz").status, 200, "/readyz")
        check_equal(call(gateway.port, "GET", "/healthz").status, 200, "/healthz")
        answer = gateway.chat(key, {"model": "auto", "messages": [user("hi")]})
        check(answer.status in (502, 503, 504) and answer.json()["error"]["code"], f"a request without providers: {answer.status} {answer.text[:200]}")
        config.write_text(config.read_text().replace(f":{nobody.getsockname()[1]}", f":{simulator.port}"))
        bench.run("reload")
        wait_until(lambda: gateway.chat(key, {"model": "auto", "messages": [user("hi")]}).status == 200, 60, "an answer once a provider is back")
    gateway.at_rest()


def a_revoked_key_is_refused_at_once(bench):
    """Removing a key stops its next request within a second, while what runs goes on."""
    simulator = bench.simulator()
    gateway, _ = bench.gateway(simulator)
    doomed = bench.key(name="doomed")
    done = []
    running = threading.Thread(target=lambda: done.append(gateway.stream(doomed, {"model": "auto", "messages": [
        user("hi [[sim tokens=60 cadence_ms=20 think_tokens=0]]")]})[1].done))
    running.start()
    wait_until(lambda: simulator.stats()["open"] == 1, 10, "the stream")
    bench.run("keys", "revoke", "doomed")
    check_equal(gateway.chat(doomed, {"model": "auto", "messages": [user("hi")]}).status, 401, "a request right after")
    running.join(20)
    check_equal(done, [True], "the stream that ran")


def take_over(bench):
    return subprocess.Popen([bench.turnpike, "serve", "--take-over", "--config", bench.folder / "turnpike.toml"], env=bench.environment(),
                            cwd=bench.folder, stdout=open(bench.folder / f"successor-{time.monotonic_ns()}.log", "wb"), stderr=subprocess.STDOUT)


def a_successor_takes_over_without_a_refused_connection(bench):
    """serve --take-over, three times under load: no connection refused or broken, each predecessor ends with 0, the port stays."""
    simulator = bench.simulator()
    bench.write_config(simulator)
    port, admin = fix_port(bench), fix_port(bench, "admin")
    key = bench.key()
    folder = bench.folder

    def serve():  # also the first: there is nothing to take over, so it just starts
        gateway = Gateway.__new__(Gateway)
        gateway.binary, gateway.config = str(bench.turnpike), folder / "turnpike.toml"
        super(Gateway, gateway).__init__([bench.turnpike, "serve", "--take-over", "--config", folder / "turnpike.toml"], env=bench.environment(), cwd=folder)
        bench.started.append(gateway)
        return gateway

    running = serve()
    running.wait_for(r'"event":\s*"ready"', 20)
    whole, streams = Askers(port, key, 4), Askers(port, key, 4, "tokens=20 cadence_ms=10 think_tokens=0", stream=True)
    try:
        for _ in range(3):
            time.sleep(0.4)
            successor = serve()
            check_equal(running.process.wait(30), 0, "the predecessor's exit code")
            check('"event":"taken_over"' in running.output(), f"the predecessor's log: {running.output()[-500:]}")
            ready = json.loads(successor.wait_for(r'^\{.*"event":\s*"ready".*\}$', 20).group(0))
            check_equal((ready["data_port"], ready["admin_port"]), (port, admin), "the successor's ports")
            check_equal(ready["attempts_recovered"], 0, "attempts the predecessor left open")
            running = successor
        time.sleep(0.3)
    finally:
        whole.stop()
        streams.stop()
    whole.check_all_served("requests over three successions")
    streams.check_all_served("streams over three successions")
    bench.run("keys", "list")  # the command line finds the third successor
    check_equal(running.stop(), 0, "the last one's exit code")
    check(not (folder / "data" / "handover.sock").exists(), "handover.sock stays behind")
    books_are_clean(bench)
    print(f"         3 successions, {len(whole.statuses) + len(streams.statuses)} requests, 0 refused or broken; the slowest took "
          f"{max(whole.slowest, streams.slowest):.2f} s")


def a_broken_successor_leaves_the_gateway_alone(bench):
    """serve --take-over with faults in its configuration: exit 78, and the running gateway never hears of it."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    config = bench.folder / "turnpike.toml"
    good = config.read_text()
    config.write_text(good + "[nonsense]\n")
    check_equal(take_over(bench).wait(20), 78, "exit code")
    config.write_text(good)
    policy = bench.folder / "policies" / "seventy-thirty.toml"
    policy.write_text(policy.read_text().replace("[policy]", "[policy]\nnonsense = 1", 1))
    check_equal(take_over(bench).wait(20), 78, "exit code with a broken policy")
    check("taken_over" not in gateway.output(), "the gateway was disturbed")
    check_equal(gateway.chat(key, {"model": "auto", "messages": [user("hi")]}).status, 200, "a request afterwards")
    for words in (b"", b"turnpike take-over 9\n", b"x" * 100):
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.connect(str(bench.folder / "data" / "handover.sock"))
            stranger.sendall(words)
            with contextlib.suppress(ConnectionResetError):
                check_equal(stranger.recv(100) if words else b"", b"", "what somebody gets who does not ask for it")
    check("taken_over" not in gateway.output(), "a stranger took it over")
    mode = stat.S_IMODE(os.stat(bench.folder / "data" / "handover.sock").st_mode)
    check_equal(mode & 0o077, 0, "rights of others on the socket")
    check_equal(gateway.chat(key, {"model": "auto", "messages": [user("hi")]}).status, 200, "a request after the strangers")


def a_successor_killed_while_it_waits_leaves_the_gateway_serving(bench):
    """serve --take-over, then kill -9 while it waits: the running gateway takes its drain back, and can be succeeded again."""
    simulator = bench.simulator()
    bench.write_config(simulator)
    port = fix_port(bench)
    key = bench.key()
    gateway = bench.serve()
    running = []
    stream = threading.Thread(target=lambda: running.append(gateway.stream(key, {"model": "auto", "messages": [
        user("hi [[sim tokens=400 cadence_ms=20 think_tokens=0]]")]})[1].done))
    stream.start()
    wait_until(lambda: simulator.stats()["open"] == 1, 10, "the stream")
    for turn in (1, 2):
        successor = take_over(bench)
        wait_until(lambda: gateway.output().count('"event":"draining"') == turn, 20, "the drain")
        waiting = Askers(port, key, 3)  # they stand in the sockets' queue, which is nobody's for the moment
        time.sleep(0.2)
        successor.kill()
        successor.wait()
        wait_until(lambda: gateway.output().count('"event":"take_over_taken_back"') == turn, 20, "the drain's end")
        wait_until(lambda: len(waiting.statuses) >= 20, 20, "answers to those who waited")
        waiting.stop()
        waiting.check_all_served(f"requests over the death of successor {turn}")
    answer = call(port, "GET", "/readyz")
    check_equal((answer.status, answer.headers.get("connection")), (200, None), "/readyz")
    bench.run("keys", "list")  # the admin listener serves, too
    stream.join(30)
    check_equal(running, [True], "the stream that ran through it")
    successor = take_over(bench)
    check_equal(gateway.process.wait(30), 0, "exit code once a successor lives")
    try:
        check_equal(call(port, "POST", "/v1/chat/completions", {"model": "auto", "messages": [user("hi")]}, {"authorization": f"Bearer {key}"}).status,
                    200, "a request to the successor")
    finally:
        successor.terminate()
        check_equal(successor.wait(30), 0, "the successor's exit code")
    books_are_clean(bench)


def a_start_waits_for_whoever_has_the_ledger(bench):
    """A command that still has the data directory delays a start, it does not fail it; one that stays makes it exit 73."""
    simulator = bench.simulator()
    bench.write_config(simulator)
    key = bench.key()
    with open(bench.folder / "data" / "lock", "r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        release = threading.Timer(0.6, lambda: fcntl.flock(lock, fcntl.LOCK_UN))
        release.start()
        gateway = bench.serve()
        release.join()
        check_equal(gateway.chat(key, {"model": "auto", "messages": [user("hi")]}).status, 200, "a request")
        check_equal(gateway.stop(), 0, "exit code")
        fcntl.flock(lock, fcntl.LOCK_EX)
        began = time.monotonic()
        done = bench.run("serve", expect=None)
        check(done.returncode == 73 and time.monotonic() - began >= 1, f"while another process has it: {done.returncode} {done.stderr}")


def files_are_for_their_owner_alone(bench):
    """Under umask 022 the data directory is made with 0700 and files with 0600; others lose rights that were left to them."""
    simulator = bench.simulator()
    bench.write_config(simulator)
    data = bench.folder / "data"
    data.rmdir()
    before = os.umask(0o022)
    try:
        key = bench.key()
        gateway = bench.serve()
        check_equal(gateway.chat(key, {"model": "auto", "messages": [user("hi")]}).status, 200, "a request")
        bench.run("keys", "create", "--org", "x", "--name", "second")
        check_equal(gateway.stop(), 0, "exit code")
    finally:
        os.umask(before)
    modes = {str(path.relative_to(data)): stat.S_IMODE(path.stat().st_mode) for path in data.rglob("*")}
    check_equal(stat.S_IMODE(data.stat().st_mode), 0o700, "the data directory")
    check("ledger.sqlite" in modes and "share.state" in modes, f"files: {sorted(modes)}")
    check_equal({n: oct(m) for n, m in modes.items() if m & 0o077}, {}, "files open to others")
    (data / "ledger.sqlite").chmod(0o644)
    gateway = bench.serve()
    check_equal(oct(stat.S_IMODE((data / "ledger.sqlite").stat().st_mode)), oct(0o640), "a file of an earlier version")
    check("data_file_closed_to_others" in gateway.output(), "it is said")


def a_folder_in_place_of_a_file_is_named(bench):
    """A folder where state belongs: learned state is set aside with a warning, the indispensable stops the start by name."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    gateway.chat(key, {"model": "auto", "messages": [user("hi")]})
    check_equal(gateway.stop(), 0, "exit code")
    data = bench.folder / "data"
    for name in ("share.state", "routing.state", "classifier.state", "price_watch.state", "opaque.db", "shadow.db", "admin.address"):
        (data / name).unlink(missing_ok=True)
        (data / name).mkdir()
    gateway = bench.serve()
    for name in ("share.state", "routing.state", "classifier.state", "price_watch.state", "opaque.db", "shadow.db", "admin.address"):
        check(re.search(rf'data_folder_set_aside.*"{re.escape(name)}"', gateway.output()), f"no word of {name}: {gateway.output()[:800]}")
    check_equal(gateway.chat(key, {"model": "auto", "messages": [user("hi")]}).status, 200, "a request")
    check_equal(gateway.stop(), 0, "exit code")
    for name in ("ledger.sqlite", "journal.front.0", "journal.front.1", "pepper", "lock"):
        kept = data / "kept"
        (data / name).rename(kept)
        (data / name).mkdir()
        done = bench.run("serve", expect=None)
        check(done.returncode == 74 and f"data/{name} is a folder" in done.stderr, f"{name}: {done.returncode} {done.stderr}")
        (data / name).rmdir()
        kept.rename(data / name)
    check_equal(bench.serve().stop(), 0, "and all put back")


def a_service_manager_is_told(bench):
    """NOTIFY_SOCKET: READY when it serves, RELOADING and READY around a reload, STOPPING, and signs of life in between."""
    simulator = bench.simulator()
    bench.write_config(simulator)
    bench.key()
    heard = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(bench.folder / "notify"))
        manager.settimeout(20)

        def hear_until(word):
            while not heard or not any(line.startswith(word) for line in heard[-1].splitlines()):
                heard.append(manager.recv(4096).decode())
            return heard[-1]

        environment = bench.environment() | {"NOTIFY_SOCKET": str(bench.folder / "notify"), "WATCHDOG_USEC": "300000"}
        gateway = Gateway(bench.turnpike, bench.folder / "turnpike.toml", environment)
        bench.started.append(gateway)
        check_equal(hear_until("READY=1"), f"READY=1\nSTATUS=serving on port {gateway.port}", "the start")
        for _ in range(3):
            heard.clear()
            hear_until("WATCHDOG=1")
        gateway.process.send_signal(signal.SIGHUP)
        hear_until("RELOADING=1")
        check("MONOTONIC_USEC=" in heard[-1], heard[-1])
        check_equal(hear_until("READY=1"), "READY=1\nSTATUS=serving", "after the reload")
        (bench.folder / "turnpike.toml").write_text("[nonsense]\n")
        gateway.process.send_signal(signal.SIGHUP)
        hear_until("RELOADING=1")
        check("the last reload was rejected" in hear_until("READY=1"), heard[-1])
        gateway.process.terminate()
        hear_until("STOPPING=1")
        check_equal(gateway.process.wait(20), 0, "exit code")
