"""Four dialects in, three providers out: what each client sees, also when the provider misbehaves."""
import json
import re

from harness import Failed, PROVIDERS, check, check_equal, unique, wait_until
from scenarios_loop import TARGETS
from speakers import PICTURE, PLAN, SHELL, SPEAKERS, Human, Result

REFUSED_ON_PURPOSE = "asked-for"


# --- The matrix. A case says what it expects and returns what the table shows.


class Cell:
    """One client dialect at one provider, streamed or whole."""

    def __init__(self, simulator, gateway, key, speaker, provider, stream):
        self.simulator, self.gateway, self.key, self.speaker, self.provider, self.stream = simulator, gateway, key, speaker, provider, stream
        self.target, self.word = TARGETS[provider], unique()

    def ask(self, text, picture=None, **wishes):
        return self.speaker.ask(self.gateway, self.key, self.target, [Human(f"{text} ({self.word})", picture)], self.stream, **wishes)

    def turn(self, conversation, **wishes):
        return self.speaker.turn(self.gateway, self.key, self.target, conversation, self.stream, **wishes)

    def opening(self, text, picture=None):
        return [Human(f"{text} ({self.word})", picture)]

    def stops(self, turn, kind):
        check_equal(turn.stop, self.speaker.stops[kind], "the stop reason in the client's words")

    def at_provider(self):
        """The request as it reached the provider, and what the provider wrote into its books."""
        asked = [r for r in self.simulator.requests() if self.word in r["body"]]
        check(asked, "the request did not reach the provider")
        check_equal({r["provider"] for r in asked}, {self.provider}, "the providers that were asked")
        entry = wait_until(lambda: next((e for e in self.simulator.billing() if e["seq"] == asked[-1]["seq"]), None), 5, "the billing line")
        return asked[-1], entry


def text(cell):
    turn = cell.turn(cell.opening("Tell me something."))
    cell.stops(turn, "natural")
    _, entry = cell.at_provider()
    check(turn.text and not turn.calls, f"text {turn.text[:60]!r}, calls {turn.calls}")
    billed = entry["billed"]
    check_equal(turn.usage["input"], sum(v for k, v in billed.items() if k.startswith("input")), "prompt tokens, as told and as billed")
    check_equal(turn.usage["output"], billed["output_text"] + billed["output_reasoning"], "output tokens, as told and as billed")


def loop(cell, calls):
    conversation = cell.opening(f"please run `echo {cell.word}` [[sim rounds=2 calls={calls}]]")
    for _ in range(2):
        turn = cell.turn(conversation, tools=(SHELL,))
        cell.stops(turn, "tool")
        expected = [f"echo {cell.word}"] + [f"echo {cell.word} && echo part {n + 2}" for n in range(calls - 1)]
        check_equal([(c["name"], c["arguments"]) for c in turn.calls], [("bash", {"command": c}) for c in expected], "the calls")
        check(len({c["id"] for c in turn.calls}) == calls, f"ids of the calls: {[c['id'] for c in turn.calls]}")
        conversation += [turn, [Result(c, f"result {n} of {cell.word}") for n, c in enumerate(turn.calls)]]
    turn = cell.turn(conversation, tools=(SHELL,))
    cell.stops(turn, "natural")
    check(f"result {calls - 1} of {cell.word}" in turn.text, f"the answer does not use the result: {turn.text[:200]}")
    request, _ = cell.at_provider()
    places = [request["body"].rfind(f"result {n} of {cell.word}") for n in range(calls)]
    check(places[0] >= 0 and places == sorted(places), f"results missing or out of order at the provider: {places}")


def tools(cell):
    loop(cell, 1)


def parallel_tools(cell):
    loop(cell, 3)


def thinking(cell):
    turn = cell.turn(cell.opening("Ponder this. [[sim think_tokens=9]]"), think=True)
    cell.stops(turn, "natural")
    _, entry = cell.at_provider()
    check_equal(entry["billed"]["output_reasoning"], 9, "thinking at the provider")
    check(turn.text, "no text after the thinking")
    check(turn.thinking, "the client asked for thinking and sees none")


def images(cell):
    turn = cell.turn(cell.opening("What is in this picture?", PICTURE))
    cell.stops(turn, "natural")
    request, _ = cell.at_provider()
    check(PICTURE in request["body"], f"the picture did not reach the provider: {request['body'][:300]}")
    check(turn.text, "no answer")


def json_schema(cell):
    turn = cell.turn(cell.opening("Make a plan."), schema=PLAN)
    cell.stops(turn, "natural")
    value = json.loads(turn.text)
    check(set(value) == {"title", "steps"} and isinstance(value["steps"], list), f"does not satisfy its schema: {turn.text[:200]}")


def length_stop(cell):
    turn = cell.turn(cell.opening("Go on. [[sim tokens=6 think_tokens=0 finish=length]]"), limit=2048)
    cell.stops(turn, "length")
    check(turn.text, "the text before the limit is missing")


def refusal(cell):
    turn = cell.turn(cell.opening("Something wicked. [[sim finish=refusal]]"))
    cell.stops(turn, "refusal")
    check(not turn.calls, f"a refusal with calls {turn.calls}")


def error_before(cell):
    for status, told in ((400, 400), (429, 429), (500, 502), (529, 529 if cell.speaker.dialect == "anthropic-messages" else 503)):
        answer = cell.ask(f'[[sim status={status} message="no such luck" tag={REFUSED_ON_PURPOSE}]]')
        check_equal(answer.status, told, f"the client's status for the provider's {status} ({answer.text[:200]})")
        error = cell.speaker.told(answer)
        check("no such luck" in error["message"], f"the provider's words are lost: {error}")
        check(status != 429 or int(answer.headers.get("retry-after", 0)) in range(1, 60), f"429 without a wait that clients honour: {answer.headers}")


def error_mid_stream(cell):
    if not cell.stream:
        return
    turn = broken(cell, "error_after=5 error=529")
    check("verload" in json.dumps(turn.error) or "internal" in turn.error["message"].lower(), f"the provider's words are lost: {turn.error}")


def truncated(cell):
    if cell.stream:
        for cut in ("tidy", "fin", "rst", "truncate"):
            broken(cell, f"cut_after=5 cut={cut}")
        return
    answer = cell.ask("[[sim tokens=40 cut_after=0 cut=truncate]]")
    check_equal(answer.status, 502, f"status of half an answer ({answer.text[:200]})")
    cell.speaker.told(answer)


def broken(cell, directive):
    """A stream that begins and breaks: the words so far, then the dialect's error, no end that looks like one."""
    answer = cell.ask(f"[[sim tokens=40 think_tokens=0 cadence_ms=8 {directive}]]")
    turn = cell.speaker.read(answer, stream=True)
    check(turn.error is not None and turn.error["message"], f"{directive}: no error, the stream ends {answer.text[-200:]!r}")
    check(turn.text, f"{directive}: what came before the break is missing")
    return turn


CASES = (text, tools, parallel_tools, thinking, images, json_schema, length_stop, refusal, error_before, error_mid_stream, truncated)
STREAMED_ONLY = (error_mid_stream,)


def the_matrix_of_four_dialects_and_three_providers(bench):
    """Each client dialect at each provider, streamed and whole: strict form, content, stop reason, errors. Prints the table."""
    simulator = bench.simulator("--strict-schema")
    gateway, key = bench.gateway(simulator)
    faults, lines = [], []
    for speaker in SPEAKERS:
        for provider in PROVIDERS:
            shown = []
            for case in CASES:
                failed = False
                for stream in (True, False):
                    if not stream and case in STREAMED_ONLY:
                        continue
                    try:
                        case(Cell(simulator, gateway, key, speaker, provider, stream))
                    except (Failed, ValueError, KeyError, TypeError, AttributeError, IndexError) as fault:
                        failed = True
                        faults.append(f"{speaker.dialect} at {provider}, {case.__name__}, {'streamed' if stream else 'whole'}: {type(fault).__name__} {fault}")
                shown.append("FAIL" if failed else "pass")
            lines.append(f"{speaker.dialect:<19}{provider:<10}" + "".join(f"{s:^{len(c.__name__) + 2}}" for s, c in zip(shown, CASES)))
    simulator.quiet()
    for entry in simulator.billing():
        if entry["outcome"] == "refused" and entry.get("tag") != REFUSED_ON_PURPOSE:
            faults.append(f"{entry['provider']} refused over {entry['dialect']}: {entry.get('fault')}")
    print(f"{'client':<19}{'provider':<10}" + "".join(f" {c.__name__} " for c in CASES), *lines, sep="\n", flush=True)
    check(not faults, lambda: f"{len(faults)} faults:\n" + "\n".join(faults))
    gateway.at_rest()
    check("clean" in bench.run("ledger", "verify"), "the ledger is not clean")
