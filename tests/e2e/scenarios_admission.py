"""What a request reserves: an upper bound of its bill, and not several times of it."""
import copy
import pathlib
import random
import sys
import threading

from harness import SOURCE, check, check_equal
from speakers import PICTURE, SHELL, Chat, Gemini, Human, Messages, Responses, Result

sys.path.insert(0, str(pathlib.Path(SOURCE) / "bench" / "admission"))
import agent_loops

TARGETS = ("anthropic/claude-opus-5-5", "anthropic/claude-haiku-5-5", "deepseek/deepseek-flash", "deepseek/deepseek-v4-pro",
           "gemini/gemini-3.8-flash", "gemini/gemini-3.1-pro-preview")


def a_budget_is_spent_to_nine_tenths_before_the_first_refusal(bench):
    """Agent loops with contexts to 300 KB and 32,000 tokens per answer on 20 credits: at least 90 % spent at the first refusal."""
    shape = agent_loops.Shape(steps=int(25 * max(bench.scale, 0.6)), cached=False)
    seen = {}
    for tightening in (True, False):
        if not tightening:
            bench.end()
            bench.begin("admission")
        seen[tightening] = agent_loops.measure(bench, "anthropic/claude-opus-5-5", "20", 1, tightening, shape)
        print("   " + agent_loops.line(1, tightening, seen[tightening]))
    for tightening, figures in seen.items():
        check_equal(figures["billed_above_bound"], 0, f"prompts billed above their bound, tightening {tightening}")
        check(figures["verify"], "the ledger is not clean")
    check(seen[True]["first_refusal"] >= 0.9, f"only {seen[True]['first_refusal']:.1%} spent at the first refusal")
    check(seen[True]["known_share"] > 0.8, f"only {seen[True]['known_share']:.0%} of the prompts had a known beginning")
    check_equal(seen[False]["known_share"], 0, "known beginnings although they are switched off")


def several_loops_spend_nine_tenths_before_one_is_refused_for_good(bench):
    """Three agent loops at once on one budget: each holds its own answer, so some wait (429); 402 comes at 90 % or later."""
    shape = agent_loops.Shape(steps=int(25 * max(bench.scale, 0.6)), cached=False)
    figures = agent_loops.measure(bench, "anthropic/claude-opus-5-5", "20", 3, True, shape)
    print("   " + agent_loops.line(3, True, figures))
    check(figures["first_402"] >= 0.9, f"only {figures['first_402']:.1%} spent at the first 402")
    check(figures["settled_at_rest"] <= 1, f"{figures['settled_at_rest']:.1%} of the budget settled")
    check_equal(figures["billed_above_bound"], 0, "prompts billed above their bound")
    check(figures["verify"], "the ledger is not clean")


class Talk:
    """A conversation that grows, forks, is edited and compacted at random, over changing models."""

    def __init__(self, gateway, key, speaker, rng):
        self.gateway, self.key, self.speaker, self.rng = gateway, key, speaker, rng
        self.model, self.branches, self.refused, self.served = rng.choice(TARGETS), [[]], 0, 0
        self.session = {"x-session-id": f"s{rng.random()}"} if rng.random() < 0.5 else {}

    def words(self, most=6000):
        alphabet = self.rng.choice(("the parser reads a token ", "{\"a\": [1, 2, 3]}\\n", "für größere Mühen ", "解析器读取一个标记", "\t\n    "))
        return (alphabet * (most // len(alphabet) + 1))[: self.rng.randrange(1, most)]

    def human(self):
        return Human(f"[[sim tokens={self.rng.randrange(5, 200)} think_tokens={self.rng.randrange(0, 150)} rounds=3]] " + self.words(),
                     PICTURE if self.rng.random() < 0.1 else None)

    def change(self, talk):
        """What harnesses do to their own history."""
        kind = self.rng.random()
        if kind < 0.08 and len(talk) > 2:  # compaction
            talk[:] = [Human("Summary of the work so far: " + self.words())]
        elif kind < 0.16:  # an edit somewhere
            place = self.rng.randrange(len(talk))
            if isinstance(talk[place], Human):
                talk[place] = Human(talk[place].text + " (edited)", talk[place].picture)
            elif isinstance(talk[place], list):
                talk[place] = [Result(r.of, "[cleared]") for r in talk[place]]
        elif kind < 0.24:  # a branch
            self.branches.append(copy.copy(talk))
        elif kind < 0.32:
            self.model = self.rng.choice(TARGETS)

    def step(self, talk):
        last = talk[-1] if talk else None
        if last is not None and getattr(last, "calls", None):
            talk.append([Result(c, self.words(), self.rng.random() < 0.1) for c in last.calls])
        else:
            talk.append(self.human())
        stream = self.rng.random() < 0.5
        wishes = {"tools": [SHELL]} | ({"think": True} if self.rng.random() < 0.5 else {})
        limit = {"limit": self.rng.randrange(3000, 9000)} if self.rng.random() < 0.8 else {}
        answer = self.speaker.ask(self.gateway, self.key, self.model, talk, stream, headers=self.session, **wishes, **limit)
        if answer.status != 200:  # an edit before signed thinking: the service's right
            self.refused += 1
            talk[:] = []
            return
        self.served += 1
        talk.append(self.speaker.read(answer, stream))

    def run(self, steps):
        for _ in range(steps):
            talk = self.rng.choice(self.branches)
            if talk:
                self.change(talk)
            self.step(talk)


def no_prompt_is_billed_above_what_was_held_for_it(bench):
    """Random conversations of four dialects over six models, edited, compacted, forked: every bill within its bound."""
    seed = random.randrange(10**6)
    print(f"   seed {seed}")
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    talks = [Talk(gateway, key, speaker(), random.Random(f"{seed}/{number}/{speaker.__name__}"))
             for number in range(3) for speaker in (Chat, Responses, Messages, Gemini)]
    faults = []

    def guarded(talk):
        try:
            talk.run(bench.scaled(40, 12))
        except Exception as fault:  # noqa: BLE001 - raised again by the scenario's own thread
            faults.append(fault)

    threads = [threading.Thread(target=guarded, args=(talk,)) for talk in talks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]
    gateway.at_rest(60)
    attempts = [a for record in gateway.decisions(1000) for a in record["attempts"] if a["settlement"] == "settle_exact"]
    known = [a for a in attempts if a.get("prompt_tokens_known", 0) > 0]
    for attempt in attempts:
        billed = agent_loops.prompt_of(attempt)
        check(billed <= attempt["prompt_tokens_bound"], f"{billed} tokens billed, {attempt['prompt_tokens_bound']} held: {attempt}")
    served, refused = sum(t.served for t in talks), sum(t.refused for t in talks)
    print(f"   {served} answers, {refused} refused, {len(known)} of {len(attempts)} bounds with a known beginning")
    check(served > 4 * refused, f"{refused} of {served + refused} requests were refused")
    check(len(known) > 0.3 * len(attempts), f"only {len(known)} of {len(attempts)} bounds were tightened")
    check_equal(gateway.metric("turnpike_ledger_overruns_total"), 0, "overruns")
    check("clean" in bench.run("ledger", "verify"), "the ledger is not clean")


def calibrated_bounds_follow_the_bills(bench):
    """admit_on = "calibrated": from 200 bills on, text counts by the measured ratio x 1.1; a denser prompt is an overrun, booked."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator, extra='\n[ledger]\nadmit_on = "calibrated"\n')
    model = "deepseek/deepseek-flash"

    def bound_of(text, beside=""):
        """`beside` is text that the provider takes and does not bill."""
        message = {"role": "user", "content": "[[sim tokens=2 think_tokens=0]] " + text} | ({"note": beside} if beside else {})
        answer = gateway.chat(key, {"model": model, "max_tokens": 20, "messages": [message]})
        check_equal(answer.status, 200, f"status ({answer.text[:300]})")
        gateway.at_rest()
        return gateway.decisions(1)[0]["attempts"][0]

    check(bound_of("a" * 40_000)["prompt_tokens_bound"] > 40_000, "a byte is a token before anything is known")
    for number in range(200):
        bound_of(f"{number} " + "words " * 500, "of no weight " * 600)
    light = bound_of("words " * 3000, "of no weight " * 3600)
    check(agent_loops.prompt_of(light) < light["prompt_tokens_bound"] < 10_000, f"bound after 200 bills: {light}")
    dense = bound_of("c" * 40_000)
    check(agent_loops.prompt_of(dense) > dense["prompt_tokens_bound"], f"not denser: {dense}")
    check_equal(dense["settlement"], "settle_exact", "the settlement of an overrun")
    gateway.counts(1, "turnpike_ledger_overruns_total")
    check("clean" in bench.run("ledger", "verify"), "the ledger is not clean")
