"""Starts the simulator and the gateway for a scenario, speaks to both, reads their books. Standard library only.

A scenario is a function `def name(bench)`; the first line of its docstring is what it claims. `check()` fails it with
a message that shows both sides, `skip()` leaves it out loudly.
"""
from __future__ import annotations

import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import uuid

SOURCE = pathlib.Path(__file__).resolve().parents[2]
PROVIDERS = ("deepseek", "anthropic", "gemini")


class Failed(Exception):
    """What a scenario claims does not hold."""


class Skipped(Exception):
    """The scenario cannot run here."""


def check(truth, message):
    if not truth:
        raise Failed(message() if callable(message) else message)


def check_equal(got, wanted, what):
    check(got == wanted, f"{what}: got {got!r}, wanted {wanted!r}")


def skip(why):
    raise Skipped(why)


def wait_until(condition, seconds, what, pause=0.02):
    """Returns the first true value of condition(); fails after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        check(time.monotonic() < end, f"waited {seconds} s in vain for: {what}")
        time.sleep(pause)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")


def call(port, method, path, body=None, headers=None, timeout=30):
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        payload = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        fields = dict(headers or {})
        if payload is not None:
            fields.setdefault("content-type", "application/json")
        connection.request(method, path, payload, fields)
        response = connection.getresponse()
        data = response.read()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, data)
    finally:
        connection.close()


def sse_events(body):
    """(event name, data) pairs of a whole stream; fails on anything that is not SSE."""
    events = []
    for block in re.split(rb"\r?\n\r?\n", body):
        name, data = "", []
        for line in block.splitlines():
            if line.startswith(b":") or not line:
                continue
            field, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if field == b"event":
                name = value.decode()
            elif field == b"data":
                data.append(value.decode())
            else:
                raise Failed(f"not a line of SSE: {line[:80]!r}")
        if data:
            events.append((name, "\n".join(data)))
    return events


class ChatStream:
    """What a whole Chat Completions stream says, with its form checked."""

    def __init__(self, body):
        self.text = self.reasoning = ""
        self.calls, self.finish, self.usage, self.error, self.done = [], None, None, None, False
        for name, data in sse_events(body):
            check(not self.done, f"data after [DONE]: {data[:120]}")
            check(not name, f"chat streams have no event names, got {name!r}")
            if data.strip() == "[DONE]":
                self.done = True
                continue
            chunk = json.loads(data)
            if chunk.get("error"):
                self.error = chunk["error"]
                continue
            check(self.error is None, "a chunk follows the error")
            self.usage = chunk.get("usage") or self.usage
            for choice in chunk.get("choices", []):
                self._take(choice)

    def _take(self, choice):
        delta = choice.get("delta") or {}
        self.text += delta.get("content") or ""
        self.reasoning += delta.get("reasoning_content") or ""
        for part in delta.get("tool_calls") or []:
            if part["index"] == len(self.calls):
                check(part.get("id") and part["function"].get("name"), f"a call opens without id or name: {part}")
                self.calls.append({"id": part["id"], "name": part["function"]["name"], "arguments": ""})
            self.calls[part["index"]]["arguments"] += part["function"].get("arguments") or ""
        if choice.get("finish_reason"):
            check(self.finish is None, "two finish reasons")
            self.finish = choice["finish_reason"]

    def message(self):
        """The assistant's turn as a harness sends it back, reasoning included."""
        message = {"role": "assistant", "content": self.text or None}
        if self.calls:
            message["tool_calls"] = [{"id": c["id"], "type": "function",
                                      "function": {"name": c["name"], "arguments": c["arguments"]}} for c in self.calls]
        return message


class Process:
    """A program of ours: its output is kept, it is ended by its own id."""

    def __init__(self, argv, env=None, cwd=None):
        self.argv = [str(a) for a in argv]
        self.log_path = tempfile.mkstemp(prefix="e2e-", suffix=".log")[1]
        self.log = open(self.log_path, "wb")
        self.process = subprocess.Popen(self.argv, stdout=self.log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                        env=env, cwd=cwd)

    @property
    def pid(self):
        return self.process.pid

    def output(self):
        return pathlib.Path(self.log_path).read_text(errors="replace")

    def running(self):
        return self.process.poll() is None

    def wait_for(self, pattern, seconds):
        def look():
            found = re.search(pattern, self.output(), re.M)
            if found or self.running():
                return found
            raise Failed(f"{self.argv[0]} ended with {self.process.returncode}:\n{self.output()[-2000:]}")
        return wait_until(look, seconds, f"{pattern!r} from {os.path.basename(self.argv[0])}", pause=0.005)

    def kill(self):
        if self.running():
            self.process.kill()
        self.process.wait()
        self.log.close()

    def stop(self, seconds=30):
        """SIGTERM, then the exit code."""
        if self.running():
            self.process.terminate()
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed(f"{self.argv[0]} did not end within {seconds} s of SIGTERM:\n{self.output()[-1500:]}")
        self.log.close()
        return code

    def discard(self):
        self.kill()
        with contextlib.suppress(OSError):
            os.unlink(self.log_path)


class Simulator(Process):
    KEYS = {"deepseek": "sk-sim-deepseek", "anthropic": "sk-sim-anthropic", "gemini": "sim-gemini"}

    def __init__(self, binary, *flags):
        super().__init__([binary, "--port", "0", *flags])
        self.port = int(self.wait_for(r"^listening on [\d.]+:(\d+)$", 20).group(1))
        self.url = f"http://127.0.0.1:{self.port}"

    def post(self, path, body, **headers):
        return call(self.port, "POST", path, body, {k.replace("_", "-"): v for k, v in headers.items()})

    def billing(self, since=0):
        lines = call(self.port, "GET", f"/_sim/billing?since={since}", timeout=60).text.splitlines()
        return [json.loads(line) for line in lines]

    def requests(self, since=0):
        return call(self.port, "GET", f"/_sim/requests?since={since}", timeout=60).json()

    def stats(self):
        return call(self.port, "GET", "/_sim/stats").json()

    def faults(self, directive, provider=None):
        """A standing fault of one provider or all; an empty directive lifts it."""
        body = {"directive": directive} | ({"provider": provider} if provider else {})
        check_equal(self.post("/_sim/faults", body).status, 200, "setting a fault")

    def reset(self):
        check_equal(self.post("/_sim/reset", {}).status, 200, "resetting the simulator")

    def quiet(self, seconds=20):
        """Waits until no answer is under way."""
        wait_until(lambda: self.stats()["open"] == 0, seconds, "the simulator to be idle")


class Gateway(Process):
    def __init__(self, binary, config, env=None, ready_seconds=30):
        self.binary, self.config = str(binary), pathlib.Path(config)
        started = time.monotonic()
        super().__init__([binary, "serve", "--config", config], env=env, cwd=self.config.parent)
        ready = json.loads(self.wait_for(r'^\{.*"event":\s*"ready".*\}$', ready_seconds).group(0))
        self.ready_after = time.monotonic() - started
        self.port, self.admin_port, self.ready = ready["data_port"], ready["admin_port"], ready
        self.url = f"http://127.0.0.1:{self.port}"

    def admin(self, method, path, body=None, timeout=60):
        token = (self.config.parent / "data" / "admin.token").read_text().strip()
        return call(self.admin_port, method, path, body, {"authorization": f"Bearer {token}"}, timeout)

    def forgive_providers(self, providers=("deepseek", "anthropic", "gemini")):
        """As if none had ever failed: for scenarios that let one fail many times and are about one answer each."""
        for provider in providers:
            answer = self.admin("POST", "/admin/upstream/keys", {"provider": provider, "enabled": True, "by": "test"})
            check_equal(answer.status, 200, f"enabling {provider}: {answer.text[:200]}")

    def chat(self, key, body, timeout=60, **headers):
        return call(self.port, "POST", "/v1/chat/completions", body,
                    {"authorization": f"Bearer {key}"} | {k.replace("_", "-"): v for k, v in headers.items()}, timeout)

    def stream(self, key, body, timeout=60):
        answer = self.chat(key, body | {"stream": True}, timeout)
        check_equal(answer.status, 200, f"status of a stream ({answer.text[:300]})")
        check("text/event-stream" in answer.headers.get("content-type", ""), f"content type {answer.headers}")
        return answer, ChatStream(answer.body)

    def metrics(self):
        """{(name, frozenset of labels): value}"""
        page = self.admin("GET", "/metrics").text
        samples = {}
        for line in page.splitlines():
            found = re.match(r'^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$', line)
            if found:
                labels = frozenset(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', found.group(2) or ""))
                samples[found.group(1), labels] = float(found.group(3))
        return samples

    def metric(self, name, **labels):
        """Sum of the series of `name` that carry these labels."""
        wanted = set(labels.items())
        return sum(v for (n, have), v in self.metrics().items() if n == name and wanted <= have)

    def counts(self, wanted, name, **labels):
        """The metric comes to that value. What an answer was is counted just after its last byte has left."""
        seen = []
        try:
            wait_until(lambda: seen.append(self.metric(name, **labels)) or seen[-1] == wanted, 5, name)
        except Failed:
            raise Failed(f"{name} {labels}: got {seen[-1]}, wanted {wanted}") from None

    def status(self):
        return self.admin("GET", "/admin/status").json()

    def at_rest(self, seconds=20):
        """Waits until nothing is reserved and everything is on disk."""
        def settled():
            ledger = self.status()["ledger"]
            return ledger if ledger["attempts_open"] == 0 and ledger["reserved_nano"] == 0 \
                and ledger["entries_durable"] == ledger["entries"] else None
        return wait_until(settled, seconds, "reserved = 0 and a durable ledger")

    def decisions(self, count=1000):
        return self.admin("GET", f"/admin/decisions?count={count}").json()["decisions"]

    def memory_kb(self):
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1])
        return 0


class Bench:
    """Binaries, a folder per scenario, and everything that was started, so that it is ended."""

    def __init__(self, binaries, scale=1.0, long=False):
        self.binaries, self.scale, self.long = pathlib.Path(binaries).resolve(), scale, long
        self.simulator_binary = self.binaries / "turnpike-simulator"
        self.turnpike = self.binaries / "turnpike"
        self.load_binary = self.binaries / "turnpike-load"
        self.started, self.folder = [], None

    def begin(self, name):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"turnpike-{name}-"))
        self.started = []

    def end(self, keep=False):
        for process in reversed(self.started):
            process.discard()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    def simulator(self, *flags):
        simulator = Simulator(self.simulator_binary, *flags)
        self.started.append(simulator)
        return simulator

    def environment(self):
        env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        env |= {"DEEPSEEK_API_KEY": Simulator.KEYS["deepseek"], "ANTHROPIC_API_KEY": Simulator.KEYS["anthropic"],
                "GEMINI_API_KEY": Simulator.KEYS["gemini"]}
        return env

    def write_config(self, simulator, policy="seventy-thirty", extra=""):
        """turnpike.toml with copies of the shipped providers/ and policies/, so that a scenario may edit them."""
        for name in ("providers", "policies"):
            if not (self.folder / name).exists():
                shutil.copytree(SOURCE / name, self.folder / name)
        overrides = "\n".join(f'{name} = "{simulator.url}{path}"' for name, path in
                              {"deepseek": "", "anthropic": "/v1", "gemini": "/v1beta"}.items())
        config = self.folder / "turnpike.toml"
        config.write_text(f'[server]\nlisten = "127.0.0.1:0"\nadmin = "127.0.0.1:0"\n\n'
                          f'[paths]\ndata = "data"\nproviders = "providers"\npolicies = "policies"\npolicy = "{policy}"\n\n'
                          f'[auth]\nadmin_token_file = "data/admin.token"\n\n[override]\n{overrides}\n{extra}')
        (self.folder / "data").mkdir(exist_ok=True)
        return config

    def run(self, *arguments, expect=0, config=None):
        """One turnpike command; returns its standard output."""
        argv = [str(self.turnpike), "--config", str(config or self.folder / "turnpike.toml"), *map(str, arguments)]
        done = subprocess.run(argv, capture_output=True, text=True, env=self.environment(), timeout=120, cwd=self.folder)
        if expect is not None:
            check_equal(done.returncode, expect, f"exit code of `turnpike {' '.join(map(str, arguments))}`\n{done.stdout}{done.stderr}")
        return done.stdout if expect is not None else done

    def key(self, *budgets, name="e2e", org="e2e", options=()):
        limits = [word for budget in budgets for word in ("--budget", budget)]
        return self.run("keys", "create", "--name", name, "--org", org, *limits, *options).strip().splitlines()[-1]

    def serve(self, config=None):
        gateway = Gateway(self.turnpike, config or self.folder / "turnpike.toml", self.environment())
        self.started.append(gateway)
        return gateway

    def gateway(self, simulator, *budgets, policy="seventy-thirty", extra=""):
        """A configured, running gateway and a key for it."""
        self.write_config(simulator, policy, extra)
        key = self.key(*budgets)
        return self.serve(), key

    def load(self, url, key, *flags, seconds=180, expect=0):
        """Runs turnpike-load to its end; its figures."""
        argv = [str(self.load_binary), "--url", url, "--key", key, *map(str, flags)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds)
        check(expect is None or done.returncode == expect, f"{' '.join(argv)}\nended with {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return json.loads(done.stdout.strip().splitlines()[-1])

    def start_load(self, url, key, *flags):
        process = Process([self.load_binary, "--url", url, "--key", key, *flags])
        self.started.append(process)
        return process

    def scaled(self, count, least=1):
        return max(least, int(count * self.scale))


TOKEN_CLASSES = ("input_fresh", "input_cache_read", "input_cache_write_5m", "input_cache_write_1h", "output_text", "output_reasoning")


def usage_of(attempt):
    """An attempt's tokens by class; its record leaves zeros out."""
    return {name: 0 for name in TOKEN_CLASSES} | attempt["usage"]


def user(text):
    return {"role": "user", "content": text}


def unique():
    return uuid.uuid4().hex[:12]


SHELL_TOOL = {"type": "function", "function": {
    "name": "bash", "description": "Runs a shell command",
    "parameters": {"type": "object", "additionalProperties": False, "required": ["command"],
                   "properties": {"command": {"type": "string", "description": "The command"}}}}}


def run_scenarios(scenarios, bench, only=None):
    """Runs them in order and prints `N passed, N failed`; the exit code for CTest."""
    passed = failed = skipped = 0
    for scenario in scenarios:
        name = scenario.__name__
        if only and not re.search(only, name):
            continue
        bench.begin(name)
        started, keep = time.monotonic(), False
        try:
            scenario(bench)
            passed += 1
            print(f"ok       {name}: {scenario.__doc__.strip().splitlines()[0]} ({time.monotonic() - started:.1f} s)", flush=True)
        except Skipped as why:
            skipped += 1
            print(f"SKIPPED  {name}: {why}", file=sys.stderr, flush=True)
        except Exception as fault:  # noqa: BLE001  any fault fails the scenario, with its trace
            failed, keep = failed + 1, True
            print(f"FAILED   {name}: {fault}", flush=True)
            if not isinstance(fault, Failed):
                traceback.print_exc(file=sys.stdout)
            for process in bench.started:
                print(f"--- last output of {' '.join(process.argv[:2])}\n{process.output()[-1500:]}", flush=True)
            print(f"--- its folder is kept: {bench.folder}", flush=True)
        finally:
            bench.end(keep)
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed else 0 if passed or skipped else 1


__all__ = [name for name in dir() if not name.startswith("_")]
