"""Pools of provider keys, breakers and limits, as an operator and a client see them."""
import http.client
import json
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor

from harness import ChatStream, check, check_equal, unique, user, wait_until

POOL = 'keys = [{ id = "first", env = "DEEPSEEK_FIRST" }, { id = "second", env = "DEEPSEEK_SECOND" }, { id = "third", env = "DEEPSEEK_THIRD" }]'


def pooled(bench, simulator, values, server="", extra=""):
    """A gateway whose DeepSeek has three keys; the variables are set for it alone."""
    config = bench.write_config(simulator, extra=extra)
    config.write_text(config.read_text().replace("[server]\n", f"[server]\n{server}\n"))
    provider = bench.folder / "providers" / "deepseek.toml"
    text, count = re.subn(r'^key_env = .*$', POOL, provider.read_text(), count=1, flags=re.M)
    check_equal(count, 1, "key_env lines in deepseek.toml")
    provider.write_text(text)
    key = bench.key()
    names = dict(zip(("DEEPSEEK_FIRST", "DEEPSEEK_SECOND", "DEEPSEEK_THIRD"), values))
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    try:
        return bench.serve(), key
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def ask(gateway, key, directive="", stream=True, model="deepseek/deepseek-flash"):
    text = f"{unique()} [[sim tokens=8 think_tokens=0 {directive}]]"
    return gateway.chat(key, {"model": model, "messages": [user(text)], "stream": stream})


def keys_of(bench):
    listed = json.loads(bench.run("--json", "upstream", "keys"))["keys"]
    return {k["key"]: k for k in listed if k["provider"] == "deepseek"}


def a_key_that_is_refused_is_taken_out_and_nobody_notices(bench):
    """U15: one key of three is refused: out of service, every client is served; the operator sees it and brings it back."""
    simulator = bench.simulator()
    gateway, key = pooled(bench, simulator, ("sk-sim-deepseek-1", "sk-invalid-2", "sk-sim-deepseek-3"))
    for stream in (True, False) * 30:
        answer = ask(gateway, key, stream=stream)
        check_equal(answer.status, 200, answer.text[:300])
        check(not stream or ChatStream(answer.body).done, answer.text[-200:])
        check_equal(answer.headers["x-turnpike-model"], "deepseek/deepseek-flash", "the model")
    keys = keys_of(bench)
    check_equal({k: v["state"] for k, v in keys.items()}, {"first": "ok", "second": "out_of_service", "third": "ok"}, "states")
    check_equal(keys["second"]["cause"], "refused", "cause")
    check_equal(gateway.metric("turnpike_provider_key_state", key="second", provider="deepseek"), 2, "the metric")
    gateway.counts(1, "turnpike_attempts_total", model="deepseek-flash", outcome="upstream_auth", provider="deepseek")
    log = gateway.output()
    check_equal(log.count("provider_key_out_of_service"), 1, "log lines")
    check("sk-invalid-2" not in log and "sk-invalid-2" not in bench.run("upstream", "keys"), "the key shows")
    check("out_of_service" in bench.run("upstream", "keys"), "the table does not show the state")
    bench.run("upstream", "enable", "deepseek", "second")
    check_equal(keys_of(bench)["second"]["state"], "ok", "after enable")
    bench.run("upstream", "disable", "deepseek")
    answer = ask(gateway, key)
    check_equal(answer.status, 502, "with every key disabled")
    bench.run("upstream", "enable", "deepseek")
    bench.run("upstream", "enable", "nobody", expect=1)
    gateway.at_rest()
    check("clean" in bench.run("ledger", "verify"), "the ledger is not clean")


def what_an_operator_disabled_stays_so(bench):
    """A disabled key is out of service after a restart and a reload, too, until the operator enables it."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    bench.run("upstream", "disable", "deepseek")
    check_equal(gateway.stop(), 0, "exit code")
    gateway = bench.serve()
    shown = keys_of(bench)["default"]
    check_equal((shown["state"], shown["cause"]), ("out_of_service", "operator"), "after a restart")
    bench.run("reload")
    check_equal(ask(gateway, key).status, 502, "a request")
    bench.run("upstream", "enable", "deepseek")
    check_equal(ask(gateway, key).status, 200, "a request after enable")
    check_equal(gateway.stop(), 0, "exit code")
    gateway = bench.serve()
    check_equal(keys_of(bench)["default"]["state"], "ok", "after another restart")


def a_spend_limit_rests_the_key_until_the_operator_says(bench):
    """U14: a 429 marked as spend limit takes the key out; the next request goes elsewhere without asking it again."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    answer = ask(gateway, key, 'only=deepseek status=429 message="The account has reached its spend limit."', model="turnpike-bulk")
    check_equal(answer.status, 200, answer.text[:300])
    asked = len(simulator.billing())
    for _ in range(5):
        answer = ask(gateway, key, model="turnpike-bulk")
        check(not answer.headers["x-turnpike-model"].startswith("deepseek/"), answer.headers)
    check_equal(len(simulator.billing()) - asked, 5, "calls")
    check_equal(keys_of(bench)["default"]["cause"], "out_of_credit", "cause")
    bench.run("upstream", "enable", "deepseek")
    check_equal(ask(gateway, key, model="turnpike-bulk").headers["x-turnpike-model"].split("/")[0], "deepseek", "after enable")


def an_outage_is_answered_at_once(bench):
    """U16: the only target answers 529: the breaker opens, then errors take under 100 ms, and few requests reach the provider."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    for _ in range(5):
        check_equal(ask(gateway, key, "only=deepseek status=529").status, 503, "status")
    asked, slowest = len(simulator.billing()), 0
    for _ in range(100):
        started = time.monotonic()
        answer = ask(gateway, key, "only=deepseek status=529")
        slowest = max(slowest, time.monotonic() - started)
        check_equal(answer.status, 503, answer.text[:200])
    reached = len(simulator.billing()) - asked
    check(reached <= 8, f"{reached} of 100 requests reached a provider that is down")
    probes, ejections = (gateway.metric(f"turnpike_backend_{what}_total") for what in ("probes", "ejections"))
    check(probes <= ejections, f"{probes} probes for {ejections} ejections")
    check(slowest < 1, f"the slowest error took {slowest:.3f} s")
    wait_until(lambda: ask(gateway, key).status == 200, 40, "the target to be readmitted")


def a_stall_in_mid_stream_is_told(bench):
    """U6: silence after content: the error event within the time set, no second provider."""
    simulator = bench.simulator()
    bench.write_config(simulator)
    provider = bench.folder / "providers" / "deepseek.toml"
    provider.write_text(re.sub(r"idle_ms = \d+", "idle_ms = 700", provider.read_text()))
    key = bench.key()
    gateway = bench.serve()
    answer = ask(gateway, key, "only=deepseek stall_after=3 cadence_ms=10", model="turnpike-bulk")
    stream = ChatStream(answer.body)
    check(stream.error and not stream.done, answer.text[-200:])
    gateway.counts(1, "turnpike_stream_ends_total", end="timed_out")
    gateway.at_rest()


def comments_alone_are_no_content(bench):
    """U5: a head, then nothing but comments: the first-content time-out strikes and another provider answers."""
    simulator = bench.simulator()
    bench.write_config(simulator)
    provider = bench.folder / "providers" / "deepseek.toml"
    text = provider.read_text()
    provider.write_text(text.replace("[provider.timeouts]", "[provider.timeouts]\nfirst_content_ms = 900"))
    key = bench.key()
    gateway = bench.serve()
    started = time.monotonic()
    answer = ask(gateway, key, "only=deepseek stall_after=0 pings_ms=100", model="turnpike-bulk")
    took = time.monotonic() - started
    check(answer.status == 200 and ChatStream(answer.body).done, answer.text[-200:])
    check(not answer.headers["x-turnpike-model"].startswith("deepseek/"), answer.headers)
    check(0.8 < took < 4, f"the fallback came after {took:.2f} s")
    gateway.counts(1, "turnpike_attempts_total", model="deepseek-flash", outcome="timeout_first_content", provider="deepseek")


def a_slow_beginning_is_hedged(bench):
    """The 50th stream does not begin: another key is asked after the usual time, answers, and the books hold both."""
    simulator = bench.simulator()
    gateway, key = pooled(bench, simulator, [f"sk-sim-deepseek-{n}" for n in (1, 2, 3)], "threads = 1", "[upstream]\nhedge = true\n")
    with ThreadPoolExecutor(7) as clients:
        usual = list(clients.map(lambda _: ask(gateway, key, "think_ms=100"), range(49)))
    for answer in usual:
        check_equal(answer.status, 200, answer.text[:300])
    check_equal(gateway.metric("turnpike_hedges_total"), 0, "hedges before one is earned")
    asked = len(simulator.billing())
    started = time.monotonic()
    answer = ask(gateway, key, "stall_after=0 times=1")
    took = time.monotonic() - started
    check_equal(answer.status, 200, answer.text[:300])
    stream = ChatStream(answer.body)
    check(stream.done and not stream.error, answer.text[-300:])
    check(took < 10, f"the answer took {took:.1f} s")
    gateway.at_rest()
    check_equal(gateway.metric("turnpike_hedges_total", outcome="won"), 1, "hedges that won")
    wait_until(lambda: len(simulator.billing()) == asked + 2, 20, "both attempts in the provider's books")
    lost, won = next(d for d in gateway.decisions() if len(d["attempts"]) == 2)["attempts"]
    check_equal((lost["cause"], won["settlement"]), ("hedge_lost", "settle_exact"), "how the two were settled")
    causes = {row["cause"]: row["cost_nano"] for row in json.loads(bench.run("--json", "report", "spend", "--by", "cause"))["rows"]}
    check(causes.get("hedge_lost", 0) > 0, f"report spend --by cause: {causes}")
    check(re.search(r"^-  +\d", bench.run("report", "spend", "--by", "cause"), re.M), "what is no estimate has a row with a name")
    spent = gateway.metric("turnpike_hedge_spend_credits_total", model="deepseek-flash", provider="deepseek")
    check_equal(round(spent * 1e9), causes["hedge_lost"], "the metric and the ledger")
    check("clean" in bench.run("ledger", "verify"), "the ledger is not clean")


def a_client_that_leaves_a_race_ends_both(bench):
    """A client that hangs up while two attempts run: both end, nothing stays reserved."""
    simulator = bench.simulator()
    gateway, key = pooled(bench, simulator, [f"sk-sim-deepseek-{n}" for n in (1, 2, 3)], "threads = 1", "[upstream]\nhedge = true\n")
    for _ in range(49):
        check_equal(ask(gateway, key).status, 200, "status")
    asked = len(simulator.requests())
    body = {"model": "deepseek/deepseek-flash", "stream": True, "messages": [user(f"{unique()} [[sim stall_after=0]]")]}
    client = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)
    client.request("POST", "/v1/chat/completions", json.dumps(body), {"Authorization": f"Bearer {key}", "Content-Type": "application/json"})
    wait_until(lambda: len(simulator.requests()) == asked + 2, 20, "the second attempt")
    client.close()
    gateway.at_rest()
    attempts = gateway.decisions(1)[0]["attempts"]
    check_equal([a["cause"] for a in attempts], ["client_gone"] * 2, "causes")
    check("clean" in bench.run("ledger", "verify"), "the ledger is not clean")
