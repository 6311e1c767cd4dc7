"""How much of a budget is really spent when the first request is refused: agent loops against the real gateway.

    python3 bench/admission/agent_loops.py --bin-dir build/release/bin [--model anthropic/claude-opus-5-5] [--budget 20]
                                           [--loops 1 2 4] [--steps-per-loop 60] [--context 300000] [--seed 7]

Each loop speaks Messages like Claude Code: a large head of tools and system text, cache marks that move with the newest
message, 32,000 tokens allowed per answer, a tool result after each call, until the context has its size; then a new task
begins. The simulator plays the provider and bills. Printed per number of loops, with the prefix tightening and without:
the settled share of the budget when the first request was refused for whatever reason, and when the first was refused for
good (402; before it, 429 means that other requests still hold credits, and clients come again).

Sizes of the head are taken from recorded traffic ($TURNPIKE_SHARED or ../shared, data/clients) where it exists.
"""
from __future__ import annotations

import argparse
import json
import os
import pathlib
import random
import sys
import threading
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests" / "e2e"))
import harness
from speakers import Human, Messages, Result

ANSWER_TOKENS_MAX = 32_000
WORDS = ("the parser reads a token and keeps its place in src/wire/json_view.cpp:%d before it returns; error: expected ';' "
         "after expression\n    if (depth > limit) return fault(at); // line %d\n%d passed, 0 failed in 0.%ds\n")


def text_of(size, rng):
    """Something like source and tool output, never twice the same."""
    pieces, have = [], 0
    while have < size:
        piece = WORDS % tuple(rng.randrange(10_000) for _ in range(4))
        pieces.append(piece)
        have += len(piece)
    return "".join(pieces)[:size]


def recorded_head():
    """Bytes of system text, tools and first message of a recorded harness, or what it was like on 2026-11-22."""
    shared = pathlib.Path(os.environ.get("TURNPIKE_SHARED", SOURCE.parent / "shared"))
    file = shared / "data" / "clients" / "claude-code-known-model.json"
    if not file.exists():
        return 28_914, 47_265, 10_943
    first = json.loads(file.read_text())["requests"][0]
    return first["system"]["bytes"], first["tools"]["bytes"], first["messages"]["bytes"]


class Loop:
    """One agent: a task after another, each growing to `context` bytes."""

    def __init__(self, gateway, key, model, number, shape):
        self.gateway, self.key, self.model, self.shape = gateway, key, model, shape
        self.rng = random.Random(f"{shape.seed}/{number}")
        self.speaker, self.number, self.task = Messages(), number, 0
        system, tools, first = recorded_head()
        self.system = text_of(system, self.rng)
        self.tools = [{"name": f"tool_{i}", "description": text_of(tools // 12, self.rng),
                       "schema": {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}}
                      for i in range(12)]
        self.first_bytes, self.conversation = first, []

    def begin(self):
        self.task += 1
        directive = f"[[sim rounds=100000 calls=1 tokens={self.shape.answer_tokens} think_tokens={self.shape.think_tokens}]]"
        self.conversation = [Human(f"{directive} task {self.number}.{self.task}: " + text_of(self.first_bytes, self.rng))]

    def body(self):
        body = self.speaker.body(self.model, self.conversation, False, self.tools, think=True, limit=ANSWER_TOKENS_MAX)
        mark = {"cache_control": {"type": "ephemeral"}}
        body["system"] = [{"type": "text", "text": f"x-anthropic-billing-header: cch={self.number:05d};"},
                          {"type": "text", "text": self.system} | (mark if self.shape.cached else {})]
        if self.shape.cached:
            body["messages"][-1]["content"][-1] = body["messages"][-1]["content"][-1] | mark
        return body

    def step(self):
        """One request: the raw answer."""
        if not self.conversation:
            self.begin()
        body = json.dumps(self.body()).encode()
        if len(body) > self.shape.context:
            self.begin()
            body = json.dumps(self.body()).encode()
        headers = self.speaker.headers(self.key) | {"x-claude-code-session-id": f"loop-{self.number}-{self.task}"}
        return harness.call(self.gateway.port, "POST", self.speaker.path(self.model, False), body, headers, 120)

    def take(self, answer):
        turn = self.speaker.read(answer, False)
        harness.check(turn.calls, "the simulator ended the loop")
        size = int(min(30_000, self.rng.lognormvariate(0, 0.8) * self.shape.step_bytes))
        self.conversation += [turn, [Result(call, text_of(size, self.rng)) for call in turn.calls]]


class Shape:
    def __init__(self, context=300_000, steps=60, answer_tokens=250, think_tokens=80, cached=True, seed=7):
        self.context, self.seed, self.cached = context, seed, cached
        self.answer_tokens, self.think_tokens = answer_tokens, think_tokens
        per_answer = 5 * (answer_tokens + think_tokens) + 400
        self.step_bytes = max(200, (context - 90_000) / steps - per_answer) / 1.38  # mean of the distribution above


def settled_share(gateway, name):
    for budget in gateway.admin("GET", "/admin/budgets").json()["budgets"]:
        if budget["budget"] == name:
            window = budget["windows"][0]
            return window["settled_nano"] / window["limit_nano"], window["limit_nano"]
    raise harness.Failed(f"no budget {name}")


def spend(gateway, key, budget, model, loops, shape):
    """Runs until a request is refused for good. Figures as a dict; shares are of settled credits."""
    figures = {"requests": 0, "refused_429": 0, "first_refusal": None, "first_402": None, "largest_body": 0}
    lock, over, failed = threading.Lock(), threading.Event(), []

    def note(answer):
        with lock:
            share, _ = settled_share(gateway, budget)
            if figures["first_refusal"] is None:
                figures["first_refusal"] = share
                figures["refused_with"] = answer.status
            if answer.status == 402:
                figures["first_402"] = figures["first_402"] or share
                over.set()
            else:
                figures["refused_429"] += 1

    def run(number):
        loop = Loop(gateway, key, model, number, shape)
        try:
            while not over.is_set():
                answer = loop.step()
                if answer.status == 200:
                    loop.take(answer)
                    figures["requests"] += 1
                elif answer.status in (402, 429):
                    note(answer)
                    time.sleep(0.05)
                else:
                    raise harness.Failed(f"status {answer.status}: {answer.text[:300]}")
        except Exception as fault:  # noqa: BLE001 - told by the caller, who owns the threads
            failed.append(fault)
            over.set()

    threads = [threading.Thread(target=run, args=(i,)) for i in range(loops)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    gateway.at_rest(60)
    figures["settled_at_rest"] = settled_share(gateway, budget)[0]
    return figures


def measure(bench, model, credits, loops, tightening, shape):
    """A simulator, a gateway and a budget of their own."""
    simulator = bench.simulator()
    gateway, _ = bench.gateway(simulator, extra=f"\n[ledger]\nprefix_tightening = {str(tightening).lower()}\n")
    key = bench.key(f"{credits}/lifetime", name="loops", org="loops")
    budget = next(b["budget"] for b in gateway.admin("GET", "/admin/budgets").json()["budgets"] if b["budget"].startswith("key:"))
    figures = spend(gateway, key, budget, model, loops, shape)
    records = gateway.decisions(1000)
    attempts = [a for r in records for a in r["attempts"] if a["settlement"] == "settle_exact"]
    figures["billed_above_bound"] = sum(prompt_of(a) > a["prompt_tokens_bound"] for a in attempts)
    figures["known_share"] = sum(a.get("prompt_tokens_known", 0) > 0 for a in attempts) / max(1, len(attempts))
    figures["verify"] = "clean" in bench.run("ledger", "verify")
    simulator.stop()
    gateway.stop()
    return figures


def prompt_of(attempt):
    return sum(v for k, v in attempt["usage"].items() if k.startswith("input_"))


def line(loops, tightening, figures):
    return (f"{loops:2d} loop{'s' if loops > 1 else ' '}  prefix tightening {'on ' if tightening else 'off'}  "
            f"first refusal ({figures['refused_with']}) at {figures['first_refusal']:6.1%} spent, first 402 at {figures['first_402']:6.1%}, "
            f"at rest {figures['settled_at_rest']:6.1%}; {figures['requests']} requests, {figures['refused_429']} x 429, "
            f"known beginning {figures['known_share']:.0%}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin-dir", required=True)
    parser.add_argument("--model", default="anthropic/claude-opus-5-5")
    parser.add_argument("--budget", default="20")
    parser.add_argument("--loops", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--steps-per-loop", type=int, default=60)
    parser.add_argument("--context", type=int, default=300_000)
    parser.add_argument("--no-cache-marks", action="store_true", help="every prompt at the full price: fewer requests")
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    shape = Shape(arguments.context, arguments.steps_per_loop, cached=not arguments.no_cache_marks, seed=arguments.seed)
    bench = harness.Bench(arguments.bin_dir)
    print(f"{arguments.budget} credits, {arguments.model}, contexts to {arguments.context} bytes, "
          f"{ANSWER_TOKENS_MAX} tokens per answer, seed {arguments.seed}")
    for loops in arguments.loops:
        for tightening in (True, False):
            bench.begin("admission")
            try:
                print(line(loops, tightening, measure(bench, arguments.model, arguments.budget, loops, tightening, shape)), flush=True)
            finally:
                bench.end()


if __name__ == "__main__":
    main()
