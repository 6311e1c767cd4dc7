"""Stored decisions, taken again in another process: replay and backtest over a mixed load.

1,000 decisions by default; `run.py --scale 10 replay` for 10,000.
"""
import json
import os
import random
import shutil
import signal
import threading
import time

from harness import check, check_equal, unique, wait_until
from speakers import SHELL, SPEAKERS, Human, Result

SEED = 20261123


class MixedLoad:
    """Conversations in all four dialects from several threads, each drawn from a seed of its own; counts what is asked."""

    def __init__(self, gateway, keys, wanted):
        self.gateway, self.keys, self.wanted = gateway, keys, wanted
        self.asked, self.allowed, self.lock, self.faults = 0, 0, threading.Lock(), []
        self.threads = [threading.Thread(target=self._run, args=(n,)) for n in range(8)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        for thread in self.threads:
            thread.join(600)
        check(not self.faults, lambda: f"{len(self.faults)} of {self.asked}: {self.faults[0]}")

    def done(self):
        return self.asked >= self.wanted

    def run_to(self, share):
        """Lets this share of the load run, and waits for it."""
        self.allowed = int(self.wanted * share)
        wait_until(lambda: self.asked >= self.allowed or self.faults, 600, f"{share:.0%} of the load")

    def _run(self, number):
        draw = random.Random(SEED + number)
        while not self.done():
            try:
                self._conversation(draw)
            except Exception as fault:  # noqa: BLE001  told at the end
                self.faults.append(f"thread {number}: {fault!r}")
                return

    def _ask(self, speaker, *arguments, **wishes):
        while True:
            with self.lock:
                if self.asked < self.allowed:
                    self.asked += 1
                    break
            if self.done():
                break
            time.sleep(0.002)
        return speaker.ask(self.gateway, *arguments, **wishes)

    def _conversation(self, draw):
        """A few human turns with loops of tool calls between them; some go wrong on purpose."""
        speaker, key = draw.choice(SPEAKERS), draw.choice(self.keys)
        stream, failing = draw.random() < 0.6, draw.random() < 0.25
        model = draw.choice(["auto", "auto", "auto", "auto", "turnpike-bulk", "turnpike-frontier", "anthropic/claude-opus-5-5", "no-such-model"])
        headers = {}
        if draw.random() < 0.15:
            headers = draw.choice([{"x-turnpike-tier": "frontier"}, {"x-turnpike-model": "gemini/gemini-3.8-flash"}])
        hard = "Prove step by step that the scheduler is free of deadlocks; derive the invariant and its complexity. " * draw.randint(0, 6)
        words = f"({unique()}) {hard}please run `ls` [[sim rounds={draw.randint(0, 5)} tokens=5]] {'word ' * draw.choice([1, 50, 3000])}"
        conversation = [Human(words)]
        for _ in range(draw.randint(1, 8)):
            wishes = {"tools": (SHELL,)} | ({"limit": 4096} if draw.random() < 0.3 else {})
            answer = self._ask(speaker, key, model, conversation, stream, headers=headers, **wishes)
            if answer.status != 200 or self.done():
                return  # refused: by budget, by name, or because a provider is down
            turn = speaker.read(answer, stream)
            if turn.error:
                return
            if turn.calls:
                text = "Traceback: error: command not found, exit code 1" if failing else "fine"
                conversation += [turn, [Result(c, text, failing) for c in turn.calls]]
            else:
                conversation += [turn, Human(f"and now? {'explain why the proof holds ' * draw.randint(0, 20)}")]


def records_of(gateway):
    """Every stored record, oldest first, page by page."""
    records, target = [], "/admin/decisions?from=0"
    while target:
        page = gateway.admin("GET", target).json()
        records += page["decisions"]
        target = f"/admin/decisions?from={page['next']}" if "next" in page else None
    return records


def change_policy(bench, gateway, number):
    """Another policy: the same file with another share and other signs of trouble, or other prices."""
    policy = bench.folder / "policies" / "seventy-thirty.toml"
    text = policy.read_text().splitlines()
    text = [f"target = 0.{20 + 5 * number}" if line.startswith("target = ") else line for line in text]
    text = [f"error_streak = {2 + number % 2}" if line.startswith("error_streak") else line for line in text]
    text = [f'order = "{("listed", "cheapest", "weighted")[number % 3]}"' if line.startswith("order = ") else line for line in text]
    policy.write_text("\n".join(text) + "\n")
    before = gateway.status()["config_version"]
    os.kill(gateway.pid, signal.SIGHUP)
    wait_until(lambda: gateway.status()["config_version"] != before, 10, "the reload")


def covered(records):
    """What the load is to have made: told, so that a replay of nothing cannot pass."""
    reasons = {why["reason"] for r in records for why in r["decision"]["why"]}
    for reason in ("below_threshold", "above_threshold", "model_pinned", "model_mapped", "budget_pressure", "stayed_in_tool_loop", "escalated", "fallback",
                   "unhealthy_demoted", "key_not_allowed"):
        check(reason in reasons, f"no decision for {reason}: {sorted(reasons)}")
    check_equal(len({r["facts"]["dialect"] for r in records}), 4, "dialects")
    pressures = {r["allowance"]["pressure"] for r in records}
    check({"none", "prefer_cheap", "cheap_only"} <= pressures, f"pressures {pressures}")
    inputs = [r["inputs"] for r in records]
    for name in ("health", "stay", "override_target", "override_tier"):
        check(any(name in i for i in inputs), f"no record with {name}")
    check(any(len(r["attempts"]) > 1 for r in records), "no fallback was taken")
    check(len({r["config_version"] for r in records}) >= 5, "too few configurations")


def served(bench, policy="seventy-thirty"):
    """A running gateway, keys with and without rights and money, and the simulator behind it."""
    simulator = bench.simulator()
    bench.write_config(simulator, policy)
    keys = [bench.key(name="wide", options=["--may-override-route"]), bench.key(name="narrow", options=["--models", "deepseek/*", "gemini/*"])]
    keys += [bench.key(f"{limit}/day", name=f"thin{n}") for n, limit in enumerate(("0.05", "0.2", "0.6"))]
    return simulator, bench.serve(), keys


def mixed(bench, count):
    """A gateway with `count` decisions of a mixed load behind it, under several configurations."""
    simulator, gateway, keys = served(bench)
    with MixedLoad(gateway, keys, count) as load:
        for number in range(1, 7):
            load.run_to(number / 6 - 0.08)
            failing = {2: "deepseek", 4: "anthropic"}.get(number)  # its targets are ejected for 30 s
            if failing:
                simulator.faults("status=529", failing)
            load.run_to(number / 6)
            if failing:
                simulator.faults("", failing)
            if number < 6:
                change_policy(bench, gateway, number)
    simulator.quiet()
    gateway.at_rest()
    return gateway


def stored_decisions_replay_to_the_same(bench):
    """Thousands of decisions of a mixed load come out the same in another process: live, and from a copy of the directory."""
    count = bench.scaled(1000)
    gateway = mixed(bench, count * 5 // 4)  # about an eighth is refused before anything is decided
    records = records_of(gateway)
    covered(records)
    decided = sum(1 for r in records if r["decision"]["candidates"])
    check(decided >= count, f"{decided} decisions in {len(records)} records")
    live = json.loads(bench.run("--json", "replay", "--since", "2h"))
    check_equal((live["differ"], live["damaged"], live["too_old"], live["without_configuration"]), (0, 0, 0, {}), f"live: {live['differences'][:3]}")
    check_equal((live["records"], live["same"], live["configurations"]), (len(records), decided, len({r["config_version"] for r in records})), "live")
    one = json.loads(bench.run("--json", "replay", "--decision", records[-1]["id"]))
    check_equal(one["records"], 1, "one decision")
    check_equal(json.loads(bench.run("--json", "replay", "--limit", "10"))["records"], 10, "the newest ten")
    gateway.stop()
    copy = bench.folder / "copy"
    shutil.copytree(bench.folder / "data", copy)
    shutil.rmtree(bench.folder / "policies")  # replay needs neither the files in force nor the directory they came from
    shutil.rmtree(bench.folder / "data")
    away = json.loads(bench.run("--json", "replay", "--since", "2h", "--data", copy))
    check_equal((away["same"], away["differ"]), (decided, 0), f"from a copy: {away['differences'][:3]}")
    print(f"         {away['same']} decisions of {away['records']} records under {away['configurations']} configurations came out the same")


def the_same_policy_moves_nothing(bench):
    """Backtest of the policy in force moves no step and no credit; another one moves some, and --fail-if says so."""
    simulator, gateway, keys = served(bench)
    with MixedLoad(gateway, keys, bench.scaled(600)) as load:
        load.run_to(1)
    simulator.quiet()
    gateway.at_rest()
    same = json.loads(bench.run("--json", "backtest", "--policy", "seventy-thirty", "--fail-if", "moved>0", "--fail-if", "cost>+0%"))
    sums = same["all"]
    check(sums["steps"] > 0.7 * load.asked and same["recorded_under_this_version"] >= sums["steps"], f"steps {sums['steps']} of {load.asked}")
    check_equal((sums["moved"], same["moves"], sums["refused"]), (0, [], 0), "moved steps under the same policy")
    for figure in ("cost", "frontier_steps", "cache_read_tokens", "budget_pressed"):
        check_equal(sums[figure]["would"], sums[figure]["was"], figure)
    booked = sum(int(round(float(a["cost"]) * 1e9)) for r in records_of(gateway) for a in r["attempts"])
    check(int(round(float(sums["cost"]["was"]) * 1e9)) <= booked, f"cost {sums['cost']} of {booked} booked")
    other = bench.run("--json", "backtest", "--policy", "all-frontier", "--fail-if", "cost>+5%", "--fail-if", "moved<1", expect=None)
    check_equal(other.returncode, 1, "exit code of a test that fails")
    figures = json.loads(other.stdout)
    check_equal([f["condition"] for f in figures["failed"]], ["cost>+5%"], "failed conditions")
    check(figures["all"]["moved"] > 0 and sum(m["steps"] for m in figures["moves"]) == figures["all"]["moved"], "the matrix adds up")
    check(sum(k["steps"] for k in figures["kinds"].values()) == figures["all"]["steps"], "the kinds add up")
    check_equal(bench.run("backtest", "--policy", "all-bulk", "--fail-if", "price>1", expect=None).returncode, 64, "a condition nobody knows")
    policy = bench.folder / "policies" / "broken.toml"
    policy.write_text("[policy]\nname = 1\n")
    check_equal(bench.run("backtest", "--policy", "broken", expect=None).returncode, 78, "a faulty policy")


BODIES = {
    "openai-chat": {"model": "auto", "messages": [{"role": "user", "content": "why?"}]},
    "anthropic-messages": {"model": "claude-opus-5-5", "max_tokens": 100, "system": "s", "messages": [{"role": "user", "content": "why?"}]},
    "openai-responses": {"model": "auto", "input": "why?"},
    "gemini-generate": {"contents": [{"role": "user", "parts": [{"text": "why?"}]}]},
}


def decisions_are_told_in_words(bench):
    """explain: a stored decision with what the other choices would have cost, and a request file of each dialect."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    answer = gateway.chat(key, {"model": "auto", "messages": [{"role": "user", "content": "hello"}]})
    decision = answer.headers["x-turnpike-decision"]
    gateway.at_rest()
    told = bench.run("explain", decision)
    for words in ("A human turn asked for \"auto\" over openai-chat", "the frontier began at", "If\n", "settle_exact", "anthropic/claude-opus-5-5"):
        check(words in told, f"{words!r} is missing in:\n{told}")
    explanation = json.loads(bench.run("--json", "explain", decision))["explanation"]
    record = json.loads(gateway.admin("GET", f"/admin/decisions/{decision}").body)
    mine = next(c for c in explanation["choices"] if c["target"] == record["attempts"][-1]["target"])
    check_equal(mine["as_used"], record["attempts"][-1]["cost"], "its own cost is what was booked")
    check(all(c["as_used"] for c in explanation["choices"]), f"a choice without a price: {explanation['choices']}")
    check(any(w["moved"] and w["target"] for w in explanation["what_if"]), f"nothing would have moved it: {explanation['what_if']}")
    for dialect, body in BODIES.items():
        file = bench.folder / "request.json"
        file.write_text(json.dumps(body))
        check_equal(json.loads(bench.run("--json", "explain", file))["dialect"], dialect, "the dialect by its shape")
        check_equal(json.loads(bench.run("--json", "explain", file, "--dialect", dialect))["dialect"], dialect, "the dialect as told")
    gateway.stop()
    check(decision in bench.run("explain", decision), "explain without a running gateway")


def explain_says_what_is_wrong_with_what_it_is_given(bench):
    """Nothing, a folder, a body at fault: a sentence with the field, no decision."""
    bench.write_config(bench.simulator())
    body = bench.folder / "body.json"
    for text, words in (('{"model":"auto","max_tokens":"many","messages":[]}', "max_tokens: "),
                        ('{"model":"auto","messages":[{"role":"user","content":[{"type":"text","text":5}]}]}', "messages[0].content[0].text: ")):
        body.write_text(text)
        done = bench.run("explain", body, expect=None)
        check(done.returncode != 0 and words in done.stderr, f"{text}: {done.returncode} {done.stdout}{done.stderr}")
    for what, words in (("", "explain what?"), (bench.folder, "is a folder")):
        done = bench.run("explain", what, expect=None)
        check(done.returncode != 0 and words in done.stderr, f"{what!r}: {done.returncode} {done.stdout}{done.stderr}")
