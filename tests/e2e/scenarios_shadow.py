"""Shadow runs of a real gateway: unseen by clients, capped whatever happens, and a verdict that finds what was planted."""
import concurrent.futures
import json
import random
import subprocess
import time

from harness import SHELL_TOOL, ChatStream, Failed, call, check, check_equal, unique, user, wait_until
from prices import PriceList

CANDIDATE = "deepseek/deepseek-flash"
POLICY = """[policy]
name = "trial"
client_pins = "allowed"
known_models = "auto"
unknown_models = "auto"
[[tier]]
name = "frontier"
frontier = true
targets = ["anthropic/claude-opus-5-5"]
[models]
"*" = "auto"
[shadow]
candidate = "deepseek/deepseek-flash"
sample = %s
credits_per_day = "%s"
concurrency_max = %d
self_sample = %s
"""


def trial(bench, simulator, sample=1.0, credits="5", places=16, self_sample=0):
    bench.write_config(simulator, policy="trial")
    (bench.folder / "policies" / "trial.toml").write_text(POLICY % (sample, credits, places, self_sample))


def body(text, stream=True, **more):
    whole = {"model": "auto", "stream": stream, "max_tokens": 400, "messages": [user(text)], "tools": [SHELL_TOOL]} | more
    return {name: value for name, value in whole.items() if value is not None}


def ask(gateway, key, text, **more):
    return call(gateway.port, "POST", "/v1/chat/completions", body(text, **more), {"authorization": f"Bearer {key}"})


def ask_all(gateway, key, texts, workers=8):
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda text: ask(gateway, key, text), texts))


def settled(gateway):
    """True when no shadow call waits or runs, and what has finished is on disk."""
    idle = gateway.metric("turnpike_shadow_waiting") == 0 and gateway.metric("turnpike_shadow_under_way") == 0
    kept = gateway.metric("turnpike_shadow_pairs_stored") + gateway.metric("turnpike_shadow_pairs_lost")
    return idle and kept >= gateway.metric("turnpike_shadow_pairs_total")


def viability(bench, *flags):
    return json.loads(bench.run("report", "viability", "--candidate", CANDIDATE, "--json", *flags))


def shadow_budget(bench):
    for budget in json.loads(bench.run("budgets", "list", "--json"))["budgets"]:
        if budget["budget"] == "key:shadow:trial":
            return budget["windows"][0]
    raise Failed("the shadow has no budget")


def shadow_runs_are_measured_and_paid_by_their_own_account(bench):
    """A loop with every step shadowed: same answers, own account, pairs in explain and in the report."""
    simulator = bench.simulator()
    trial(bench, simulator)
    key = bench.key("5/day", name="agent")
    gateway = bench.serve()
    answers = [ask(gateway, key, f"Run `ls {unique()}` please") for _ in range(10)]
    for answer in answers:
        check_equal(answer.status, 200, "status")
        check(ChatStream(answer.body).done, "the stream is whole")
        check_equal(answer.headers["x-turnpike-model"], "anthropic/claude-opus-5-5", "who served")
    wait_until(lambda: settled(gateway), 20, "the shadow runs")
    check_equal(gateway.metric("turnpike_shadow_pairs_total", outcome="same_action"), 10, "pairs with the same action")
    decision = answers[0].headers["x-turnpike-decision"]
    shown = json.loads(bench.run("explain", decision, "--json"))["shadow"]["candidate"]
    check(shown["same_action"] and shown["shadow"]["target"] == CANDIDATE, "explain shows the pair")
    check("same_action: true" in bench.run("explain", decision), "and in words")
    spent = {row["key"]: row for row in json.loads(bench.run("report", "spend", "--by", "key,model", "--json"))["rows"]}
    check_equal(spent["shadow:trial"]["model"], CANDIDATE, "what the shadow's account paid for")
    check(all(row["model"] == "anthropic/claude-opus-5-5" for name, row in spent.items() if name != "shadow:trial"), "the client paid for its own model alone")
    check("clean" in bench.run("ledger", "verify"), "the ledger is clean")
    report = viability(bench)
    check_equal(report["answer"], "not enough data", "ten pairs")
    check_equal(report["overall"]["pairs"], 7, "pairs among the easiest seven tenths, the share that would move")
    check("The rule" in bench.run("report", "viability", "--candidate", CANDIDATE), "the rule is printed")
    bench.run("report", "viability", "--candidate", "nobody/nothing", expect=1)


def a_candidate_in_trouble_is_invisible(bench):
    """Errors, silence, garbage and broken streams of the candidate change nothing of what clients get."""
    simulator = bench.simulator()
    trial(bench, simulator, places=4)
    key = bench.key("50/day")
    gateway = bench.serve()
    text = "Say hello [[sim tokens=40]]"
    plain = ChatStream(ask(gateway, key, text, tools=None).body)
    # The last three hold all places, and quieten the runs.
    for fault in ("status=500", "refuse", "html", "empty", "garbage=2", "cut_after=3 cut=rst", "error_after=2", "no_usage", "usage=-1", "stall_after=2",
                  "delay_ms=60000", "status=529"):
        simulator.faults(fault, "deepseek")
        for _ in range(3):
            answer = ask(gateway, key, text, tools=None)
            check_equal(answer.status, 200, f"status while the candidate has {fault}")
            seen = ChatStream(answer.body)
            check(seen.done and seen.error is None, f"a whole stream while the candidate has {fault}")
            check_equal(seen.text, plain.text, f"text while the candidate has {fault}")
        if fault not in ("stall_after=2", "delay_ms=60000", "status=529"):
            wait_until(lambda: gateway.metric("turnpike_shadow_waiting") == 0, 20, "the queue")
    simulator.faults("", "deepseek")
    check_equal(gateway.metric("turnpike_target_health"), 0, "trouble on the health board")
    gateway.counts(37, "turnpike_attempts_total", outcome="ok")
    check(gateway.metric("turnpike_shadow_pairs_total", outcome="failed") >= 15, "the failures are in pairs")
    gateway.stop()
    check("clean" in bench.run("ledger", "verify"), "the ledger is clean")


def the_daily_cap_holds_under_load_and_kills(bench):
    """Many clients, every step shadowed, the process killed again and again: the day's credits are never exceeded."""
    simulator = bench.simulator("--cadence-ms", "2", "--think-ms", "20")
    trial(bench, simulator, credits="0.01", places=200)
    key = bench.key("500/day")
    limit = 10_000_000
    for turn in range(4):
        gateway = bench.serve()
        with concurrent.futures.ThreadPoolExecutor(24) as pool:
            for i in range(240):
                pool.submit(quietly, gateway, key, f"{turn} {i} {unique()} [[sim tokens=60]]")
            time.sleep(1.5)
            window = shadow_budget(bench)
            check(int(window["settled_nano"]) + int(window["reserved_nano"]) <= limit, f"held and settled: {window}")
            if turn < 3:
                gateway.kill()
    wait_until(lambda: gateway.metric("turnpike_shadow_under_way") == 0, 30, "the last runs")
    window = shadow_budget(bench)
    check(0 < int(window["settled_nano"]) <= limit, f"settled in the day: {window}")
    check(gateway.metric("turnpike_shadow_skipped_total", cause="budget") > 0, "the cap was reached")
    gateway.stop()
    prices = PriceList()
    billed = sum(prices.cost(entry) for entry in simulator.billing() if entry["provider"] == "deepseek")
    check(billed <= limit, f"the provider's own bill, {billed} nano-credits")
    check("clean" in bench.run("ledger", "verify"), "the ledger is clean")


def quietly(gateway, key, text):
    try:
        ask(gateway, key, text, tools=None)
    except OSError:
        pass  # the process was killed


def planted_texts(bench, draw, count):
    """Requests of which the harder 40 %, as the gateway's own classifier orders them, make the candidate differ far more often.

    Both rates have two digits, and numbers are no features: the planting does not move the score."""
    def text(i, rate):
        return f"{words[i]} [[sim differ=10]] [[sim only=deepseek differ={rate}]]"
    subjects = ["list the files", "fix the typo", "rename the variable", "why does the test deadlock", "prove the invariant", "redesign the protocol", "show the log"]
    words = [f"{draw.choice(subjects)} {draw.choice(subjects)} `ls {draw.getrandbits(48):012x}` {draw.getrandbits(48):012x}" for _ in range(count)]
    lines = "".join(json.dumps({"id": str(i)} | body(text(i, 12))) + "\n" for i in range(count))
    argv = [str(bench.turnpike), "--config", str(bench.folder / "turnpike.toml"), "classify", "--jsonl"]
    scored = subprocess.run(argv, input=lines, capture_output=True, text=True, timeout=60, check=True, cwd=bench.folder).stdout.splitlines()
    order = sorted((json.loads(line)["score"], int(json.loads(line)["id"])) for line in scored)
    check_equal(len(order), count, "scores")
    hard = {i for _, i in order[int(0.6 * count):]}
    return [text(i, 70 if i in hard else 12) for i in range(count)]


def the_verdict_finds_what_was_planted(bench):
    """A candidate that differs in hard steps far more than the live model from itself: yes for the easy share, no for all."""
    simulator = bench.simulator()
    trial(bench, simulator, credits="50", self_sample=0.5)
    key = bench.key("500/day")
    gateway = bench.serve()
    seed = random.randrange(1 << 30)
    print(f"         seed {seed}", flush=True)
    texts = planted_texts(bench, random.Random(seed), 4000)
    for answer in ask_all(gateway, key, texts, 12):
        check_equal(answer.status, 200, "status")
    wait_until(lambda: settled(gateway), 120, "the shadow runs")
    pairs = gateway.metric("turnpike_shadow_pairs_total", kind="candidate")
    skipped = gateway.metric("turnpike_shadow_skipped_total")
    print(f"         {pairs:.0f} pairs, {skipped:.0f} skipped", flush=True)
    check(pairs + skipped >= len(texts), f"each step was asked or skipped: {pairs} and {skipped}")
    every = viability(bench, "--share", "1", "--margin", "0.1")
    check_equal(every["answer"], "no", f"all of the steps ({every['because']}, seed {seed})")
    part = viability(bench, "--share", "0.4", "--margin", "0.15")
    check_equal(part["overall"]["baseline_from"], "self_pairs", "where the baseline comes from")
    check(part["bill"]["now"]["as_is_nano"] > part["bill"]["now"]["moved_nano"], "moving to the cheaper model saves")
    check_equal(part["answer"], "yes", f"the easiest two fifths ({part['because']}, seed {seed})")


def an_operator_stops_the_shadow_alone(bench):
    """budgets freeze key:shadow:POLICY: clients are served, the candidate is not asked, until unfreeze; a reload changes nothing of it."""
    simulator = bench.simulator()
    trial(bench, simulator)
    key = bench.key("5/day", name="agent")
    gateway = bench.serve()
    bench.run("budgets", "freeze", "key:shadow:trial")
    bench.run("reload")
    check_equal(ask(gateway, key, f"Run `ls {unique()}` please").status, 200, "a client's request")
    wait_until(lambda: gateway.metric("turnpike_shadow_skipped_total", cause="budget") == 1, 20, "the shadow run that has no budget")
    check_equal(gateway.metric("turnpike_shadow_pairs_total"), 0, "pairs while it is frozen")
    bench.run("budgets", "unfreeze", "key:shadow:trial")
    check_equal(ask(gateway, key, f"Run `ls {unique()}` please").status, 200, "a client's request")
    wait_until(lambda: gateway.metric("turnpike_shadow_pairs_total") == 1, 20, "the pair after unfreeze")
    refused = bench.run("budgets", "freeze", "key:shadow:trail", expect=None)
    check(refused.returncode != 0, f"a name that no budget has: {refused}")
