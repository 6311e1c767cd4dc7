#!/usr/bin/env python3
"""Every query of the Grafana board against a real Prometheus that scrapes a gateway under load: each must return data.

Simulator, gateway and Prometheus are started on free ports of loopback with folders of their own. The shipped
prometheus.yml and rules.yml are used, with the scrape interval and the gateway's address replaced. A query passes if it
returns at least one finite sample; an alert passes if it evaluates and every series it speaks of exists; an alert whose
cause the load contains must be active.
"""
import contextlib
import http.client
import json
import math
import os
import pathlib
import re
import shutil
import signal
import socket
import sys
import threading
import time
import urllib.parse

from checks import DEPLOY, SOURCE, SKIPPED_EXIT, Checks, bin_dir

sys.path.insert(0, str(SOURCE / "tests" / "e2e"))
from harness import SHELL_TOOL, Bench, Failed, Process, call, check, unique, user, wait_until  # noqa: E402

LOAD_SECONDS = 16
SCRAPE_SECONDS = 1
PLACES = 8  # requests at once; the load has more now and then
# What Grafana puts in for the board's variables.
SUBSTITUTES = {"$__rate_interval": "10s", "$job": "turnpike", "$instance": ".*", "$provider": ".*", "$model": ".*"}


class Prometheus(Process):
    def __init__(self, binary, folder, gateway):
        self.folder = folder
        folder.mkdir()
        shutil.copy(DEPLOY / "prometheus" / "rules.yml", folder)
        token = (gateway.config.parent / "data" / "admin.token").read_text()
        (folder / "turnpike.token").write_text(token)
        config = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
        config, intervals = re.subn(r"_interval: \d+s", f"_interval: {SCRAPE_SECONDS}s", config)
        config, targets = re.subn(r'targets: \[".*"\]', f'targets: ["127.0.0.1:{gateway.admin_port}"]', config)
        check(intervals == 2 and targets == 1, "prometheus.yml has not the form this test knows")
        (folder / "prometheus.yml").write_text(config)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        super().__init__([binary, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb",
                          f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"], cwd=folder)

    def ask(self, path, **parameters):
        answer = call(self.port, "GET", f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}")
        body = answer.json()
        if body["status"] != "success":
            raise Failed(f"{body.get('errorType')}: {body.get('error')}")
        return body["data"]

    def ready(self):
        with contextlib.suppress(OSError, http.client.HTTPException):
            return call(self.port, "GET", "/-/ready").status == 200
        return False

    def scraped(self):
        return any(t["health"] == "up" for t in self.ask("targets")["activeTargets"])

    def instant(self, expression):
        """(series, finite samples)"""
        return count_samples(self.ask("query", query=expression), "value")

    def over(self, expression, start):
        return count_samples(self.ask("query_range", query=expression, start=start, end=time.time(), step=SCRAPE_SECONDS), "values")


def count_samples(data, field):
    if data["resultType"] == "scalar":
        return 1, 1
    samples = [v for series in data["result"] for _, v in (series[field] if field == "values" else [series[field]])]
    return len(data["result"]), sum(math.isfinite(float(v)) for v in samples)


class Load:
    """Everything the board has a panel for: easy and hard steps, tool loops, failures, refusals, losses, cut streams."""

    def __init__(self, gateway, key, poor_key, climber_key):
        self.gateway, self.key, self.poor_key, self.climber_key = gateway, key, poor_key, climber_key
        self.until = time.monotonic() + LOAD_SECONDS
        self.faults, self.rounds = [], 0
        kinds = (self.plain, self.tool_loop, self.failures, self.losses, self.poor, self.leaver, self.climber, self.crowd)
        self.threads = [threading.Thread(target=self.repeat, args=(kind,)) for kind in kinds]

    def run(self):
        for thread in self.threads:
            thread.start()

    def join(self):
        for thread in self.threads:
            thread.join()

    def repeat(self, kind):
        while time.monotonic() < self.until:
            try:
                kind()
                self.rounds += 1
            except Exception as fault:  # noqa: BLE001  shown at the end, and it fails the test
                self.faults.append(f"{kind.__name__}: {type(fault).__name__}: {fault}")
            time.sleep(0.02 if kind == self.failures else 0.4)  # failures are frequent enough for the alerts on ratios

    def chat(self, expected, text, key=None, **body):
        answer = self.gateway.chat(key or self.key, {"model": "auto", "messages": [user(text)], "stream": True} | body)
        if answer.status not in expected:
            raise Failed(f"status {answer.status} for {text[:80]!r}: {answer.text[:200]}")
        return answer

    def plain(self):
        for model in ("auto", "deepseek/deepseek-flash", "anthropic/claude-opus-5-5", "gemini/gemini-3.1-pro-preview"):
            self.chat((200,), "Prove that the halting problem is undecidable. [[sim tokens=40]]", model=model)
        # The same long beginning again: the provider reads it from its cache.
        self.chat((200,), "The manual says: " + "Every step of the loop is priced. " * 800 + " [[sim tokens=10]]", model="deepseek/deepseek-flash")

    def tool_loop(self):
        messages = [user(f"please run `echo {unique()}` [[sim rounds=2 tokens=10]]")]
        for _ in range(4):
            answer = self.gateway.chat(self.key, {"model": "auto", "messages": messages, "tools": [SHELL_TOOL]})
            check(answer.status == 200, answer.text[:200])
            message = answer.json()["choices"][0]["message"]
            messages.append(message)
            if not message.get("tool_calls"):
                return
            messages += [{"role": "tool", "tool_call_id": c["id"], "content": "done"} for c in message["tool_calls"]]

    def failures(self):
        bulk = {"model": "turnpike-bulk"}
        for _ in range(2):
            self.chat((200,), f"{unique()} [[sim tokens=8]] [[sim only=deepseek status=503 times=1]]", **bulk)
        self.chat((200,), f"{unique()} [[sim tokens=40]] [[sim cut_after=5 cadence_ms=10]]", model="deepseek/deepseek-flash")
        self.chat((200,), f"{unique()} [[sim tokens=8]] [[sim only=deepseek no_usage]]", **bulk)
        # Every target fails: the client gets the error.
        self.chat(range(500, 600), f"{unique()} [[sim status=503]]", model="gemini/gemini-3.8-flash")

    def losses(self):
        self.chat((200,), "Say yes. [[sim tokens=5]]", model="anthropic/claude-opus-5-5", seed=7, logprobs=True)
        self.chat((200,), "Say yes. [[sim tokens=5]]", model="gemini/gemini-3.1-pro-preview", stream=False, user="someone")

    def climber(self):
        """A hard question after easy ones: the switch costs more than staying. The key has a share of its own to climb with."""
        messages = [user(f"hello {unique()} [[sim tokens=5]]")]
        for _ in range(3):
            self.chat((200,), "", key=self.climber_key, model="deepseek/deepseek-flash", messages=messages)
            messages += [{"role": "assistant", "content": "hello"}, user("thanks [[sim tokens=5]]")]
        messages[-1] = user("Prove that the halting problem is undecidable, and design a consistent migration. [[sim tokens=20]]")
        self.chat((200,), "", key=self.climber_key, messages=messages)

    def crowd(self):
        """More at once than have a place: some wait in line, and all are served."""
        statuses = []
        asking = [threading.Thread(target=lambda: statuses.append(self.gateway.chat(self.key, {"model": "turnpike-bulk", "messages": [
            user("wait for it [[sim tokens=10]]")]}).status)) for _ in range(PLACES + 4)]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
        check(statuses == [200] * len(asking), f"a crowd was answered {statuses}")
        time.sleep(3)  # many good answers would drown the share of bad ones that alerts ask for

    def poor(self):
        self.chat((402, 429), "hello", key=self.poor_key)

    def leaver(self):
        body = json.dumps({"model": "deepseek/deepseek-flash", "stream": True,
                           "messages": [user("[[sim tokens=150 cadence_ms=20 think_tokens=0]]")]})
        with socket.create_connection(("127.0.0.1", self.gateway.port), timeout=10) as connection:
            connection.sendall(f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.key}\r\n"
                               f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
            connection.recv(1024)
            time.sleep(0.1)


def reloads(gateway):
    """One that is taken, then one that is refused: the refusal stays."""
    config = gateway.config
    good = config.read_text()
    os.kill(gateway.pid, signal.SIGHUP)
    wait_until(lambda: gateway.metric("turnpike_config_reload_total", result="applied") == 1, 5, "the reload")
    config.write_text(good + '\n[paths_]\ndata = "x"\n')
    os.kill(gateway.pid, signal.SIGHUP)
    wait_until(lambda: gateway.metric("turnpike_config_reload_failed") == 1, 5, "the refusal")
    config.write_text(good)


def teach(bench):
    """Enough known outcomes for every figure about the classifier."""
    rows = bench.folder / "outcomes.jsonl"
    hard, easy = "Reconcile ledger {} with the invoice and explain the difference.", "List the files of folder {}."
    rows.write_text("".join(json.dumps({"text": (hard if i % 2 else easy).format(i), "learn": {"weak": 1 - i % 2, "strong": 1}}) + "\n" for i in range(400)))
    bench.run("classifier", "train", rows)


def substituted(expression):
    for name, value in SUBSTITUTES.items():
        expression = expression.replace(name, value)
    check("$" not in expression, f"a variable without a substitute: {expression}")
    return expression


def board_queries():
    """(panel, expression, whether it asks one instant)"""
    board = json.loads((DEPLOY / "grafana" / "turnpike.json").read_text())
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], substituted(target["expr"]), target.get("instant", False)
    for annotation in board["annotations"]["list"]:
        yield f"annotation {annotation['name']}", substituted(annotation["expr"]), False
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"]).groups()
            yield f"variable {variable['name']}", f'count by ({label}) ({substituted(selector)})', True


def check_board(checks, prometheus, start):
    print(f"{'panel':<34} {'series':>6} {'samples':>7}  query")
    for title, expression, instant in board_queries():
        try:
            series, samples = prometheus.instant(expression) if instant else prometheus.over(expression, start)
        except Failed as fault:
            checks.that(False, title, f"{fault}\n         {expression}")
            continue
        print(f"{title:<34} {series:>6} {samples:>7}  {expression if len(expression) < 110 else expression[:107] + '...'}")
        checks.that(samples > 0, f"{title} has data", expression)


def check_rules(checks, prometheus):
    """Recordings have data; alerts evaluate and every series they select exists."""
    rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
    print(f"\n{'rule':<45} {'kind':<10} {'state':<9} series")
    for rule in rules:
        checks.that(rule["health"] == "ok", f"rule {rule['name']} evaluates", rule.get("lastError", rule["health"]))
        selectors = [rule["name"]] if rule["type"] == "recording" else selectors_of(rule["query"])
        counts = []
        for selector in selectors:
            series, samples = prometheus.instant(selector)
            counts.append(series)
            # Alerts may ask for what the load does not contain; the metric itself must exist then.
            metric = selector.split("{")[0]
            exists = samples > 0 or (rule["type"] == "alerting" and selector in NOT_IN_THE_LOAD and prometheus.instant(metric)[0] > 0)
            checks.that(exists, f"{rule['name']} asks for a series that exists", selector)
        print(f"{rule['name']:<45} {rule['type']:<10} {rule.get('state', ''):<9} {' '.join(map(str, counts))}")
    states = {rule["name"]: rule.get("state") for rule in rules}
    for name in ("TurnpikeReloadRejected", "TurnpikeBudgetRefusals", "TurnpikeManyFallbacks", "TurnpikeStreamsBreaking"):
        checks.that(states.get(name) in ("pending", "firing"), f"{name} is active under this load", str(states.get(name)))
    for name in ("TurnpikeDown", "TurnpikeLedgerNotWritable", "TurnpikeLedgerConflict", "TurnpikeUsageImplausible", "TurnpikeRecordsDropped"):
        checks.that(states.get(name) == "inactive", f"{name} is silent under this load", str(states.get(name)))


# Selectors of alerts for what must not happen here.
NOT_IN_THE_LOAD = {'turnpike_attempts_total{outcome="upstream_auth"}'}


def selectors_of(expression):
    return sorted(set(re.findall(r"\b(?:up|(?:turnpike|gen_ai)[a-zA-Z0-9_:]+)(?:\{[^}]*\})?", expression)))


def families_of(page):
    return set(re.findall(r"^# TYPE (\S+) ", page, re.M))


def check_coverage(checks, gateway):
    """Every metric the gateway exports is documented, and on the board; nothing is documented that it does not export."""
    families = families_of(gateway.admin("GET", "/metrics").text)
    document = (SOURCE / "docs" / "metrics.md").read_text()
    documented = set(re.findall(r"^\| `([a-z_]+)` \|", document, re.M))
    board = (DEPLOY / "grafana" / "turnpike.json").read_text()
    for name in sorted(families | documented):
        checks.that(name in documented, f"{name} is in docs/metrics.md")
        checks.that(name in families, f"{name} of docs/metrics.md has data under this load")
        checks.that(re.search(rf"\b{name}(_bucket|_sum|_count)?\b", board), f"{name} is on the board")
    source = (SOURCE / "src" / "metrics" / "metrics.cpp").read_text() + (SOURCE / "src" / "app" / "gauges.cpp").read_text()
    source += (SOURCE / "src" / "app" / "classifier_gauges.cpp").read_text()
    for name in sorted(set(re.findall(r'"((?:turnpike|gen_ai)_[a-z_]+)"', source)) - {n for n in re.findall(r'"(gen_ai_(?:provider_name|request_model|token_type))"', source)}):
        checks.that(name in families, f"{name} of the source has data under this load")
    print(f"\n{len(families)} metric families exported, {len(documented)} documented")


def run(checks, bench, binary):
    simulator = bench.simulator("--think-ms", "5", "--cadence-ms", "1")
    bench.write_config(simulator, extra=f"[upstream]\nhedge = true\n[limits]\nin_flight = {PLACES}\nqueue_wait_ms = 10000\n")
    policy = bench.folder / "policies" / "seventy-thirty.toml"
    policy.write_text(policy.read_text() + '[shadow]\ncandidate = "gemini/gemini-3.8-flash"\nsample = 1\ncredits_per_day = 5\n')
    key = bench.key("50/day", name="agent", org="acme", options=("--team", "core"))
    poor_key = bench.key("0.0000001/day", name="poor", org="acme")
    gateway = bench.serve()
    prometheus = Prometheus(binary, bench.folder / "prometheus", gateway)
    bench.started.append(prometheus)
    wait_until(prometheus.ready, 20, "Prometheus")
    wait_until(prometheus.scraped, 10, "the first scrape")
    start = time.time()
    load = Load(gateway, key, poor_key, bench.key(name="climber", org="acme"))
    load.run()
    time.sleep(LOAD_SECONDS / 3)
    teach(bench)
    reloads(gateway)
    load.join()
    checks.that(not load.faults, "the load does what it should", "; ".join(sorted(set(load.faults))[:5]))
    time.sleep(3 * SCRAPE_SECONDS)
    print(f"{load.rounds} rounds of load in {LOAD_SECONDS} s; {prometheus.argv[0]} on port {prometheus.port}\n")
    check_board(checks, prometheus, start)
    check_rules(checks, prometheus)
    check_coverage(checks, gateway)
    checks.that("clean" in bench.run("ledger", "verify"), "the ledger is clean after it all")


def main():
    binaries = bin_dir()
    checks = Checks()
    binary = checks.tool("prometheus")
    if binary is None:
        checks.close()
        return SKIPPED_EXIT
    bench = Bench(binaries)
    bench.begin("board")
    try:
        run(checks, bench, binary)
    except Failed as fault:
        checks.that(False, "the run", str(fault))
        for process in bench.started:
            print(f"--- last output of {process.argv[0]}\n{process.output()[-1500:]}")
    finally:
        bench.end()
    return checks.close()


if __name__ == "__main__":
    sys.exit(main())
