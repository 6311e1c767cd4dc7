"""Four dialects in, three providers out: what each client sees, also when the provider misbehaves."""
import json
import re
import time

from harness import Failed, PROVIDERS, call, check, check_equal, unique, wait_until
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
        self.gateway.forgive_providers()
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


# --- Misbehaviour of providers. What harnesses do with each is in the notes on clients, "Faults".

TOOL_QUESTION = 'please run `echo half` [[sim text="I look into it." think_tokens=0 cadence_ms=4'
WHOLE_CALL = [("bash", {"command": "echo half"})]
BROKEN = {"openai-chat": "server_error", "openai-responses": "server_error", "anthropic-messages": "api_error", "gemini-generate": "INTERNAL"}
UNAVAILABLE = {"openai-chat": "server_error", "openai-responses": "server_error", "anthropic-messages": "overloaded_error", "gemini-generate": "UNAVAILABLE"}


def paths():
    """Every client dialect at every provider: three of the twelve pass through at their own vendor, two at DeepSeek."""
    return [(speaker, provider) for speaker in SPEAKERS for provider in PROVIDERS]


def ask_pinned(gateway, key, speaker, provider, text, stream=True, **wishes):
    """An answer as if the provider had never failed before."""
    gateway.forgive_providers()
    return speaker.ask(gateway, key, TARGETS[provider], [Human(f"{text} ({unique()})")], stream, **wishes)


def at_every_path(bench, scenario, streams=(True,)):
    """Runs scenario(where, speaker, ask) on each path and tells all that failed."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    faults = []
    for speaker, provider in paths():
        for stream in streams:
            def ask(text, speaker=speaker, provider=provider, stream=stream, **wishes):
                return ask_pinned(gateway, key, speaker, provider, text, stream, **wishes)
            try:
                scenario(speaker, ask, stream)
            except Failed as fault:
                faults.append(f"{speaker.dialect} at {provider}, {'streamed' if stream else 'whole'}: {fault}")
    check(not faults, lambda: f"{len(faults)} faults:\n" + "\n".join(faults))
    gateway.at_rest()
    check("clean" in bench.run("ledger", "verify"), "the ledger is not clean")


def calls_without_ids(turn):
    return [(c["name"], c["arguments"]) for c in turn.calls]


def half_a_call_is_never_a_call(speaker, answer, directive):
    """Either the whole answer, or an error; and in no case a finished call that is not the model's own."""
    if answer.status != 200:
        check(answer.status in (502, 503), f"{directive}: status {answer.status}")
        speaker.told(answer)
        return "refused"
    turn = speaker.read(answer, stream=True)
    if turn.error is None:
        check_equal(calls_without_ids(turn), WHOLE_CALL, f"{directive}: the calls of a whole answer")
        check_equal(turn.stop, speaker.stops["tool"], f"{directive}: stop reason")
        return "whole"
    if speaker.dialect == "openai-chat":  # pieces of a call, no finish reason, no [DONE]: the reader has checked the latter
        for made in turn.calls:
            check(re.sub(r"\s", "", '{"command":"echo half"}').startswith(re.sub(r"\s", "", made["raw"])), f"{directive}: a piece of another call {made}")
    else:
        check(calls_without_ids(turn) in ([], WHOLE_CALL), f"{directive}: a finished call {turn.calls}")
    return "broken"


def a_tidy_end_within_a_call_runs_no_tool_with_empty_arguments(bench):
    """The stream ends tidily after any piece of an answer with a call: an error, never a finished call without its arguments."""
    def scenario(speaker, ask, _):
        seen = [half_a_call_is_never_a_call(speaker, ask(f"{TOOL_QUESTION} cut_after={n} cut=tidy]]", tools=(SHELL,)), f"cut_after={n}") for n in range(1, 15)]
        check("broken" in seen, f"no cut hit the answer: {seen}")
        turn = speaker.read(ask(f"{TOOL_QUESTION} no_terminator]]", tools=(SHELL,)), True)
        check(turn.error is not None, "a stream without its terminator passes for a whole one")
    at_every_path(bench, scenario)


def a_broken_event_is_not_passed_on_and_runs_no_tool_twice(bench):
    """An event that is no JSON, within text and within a call: the stream ends there with the dialect's error."""
    def scenario(speaker, ask, _):
        seen = [half_a_call_is_never_a_call(speaker, ask(f"{TOOL_QUESTION} garbage={n}]]", tools=(SHELL,)), f"garbage={n}") for n in range(1, 9)]
        check("broken" in seen, f"no broken event hit the answer: {seen}")
    at_every_path(bench, scenario)


def an_empty_200_is_no_silent_success(bench):
    """A 200 without a body: an error with the dialect's form, streamed and whole."""
    def scenario(speaker, ask, _):
        answer = ask("[[sim empty]]")
        check_equal(answer.status, 502, f"status ({answer.text[:200]})")
        speaker.told(answer)
    at_every_path(bench, scenario, streams=(True, False))


def an_html_200_is_no_answer(bench):
    """A 200 with a page of a proxy: an error with the dialect's form that does not quote the page."""
    def scenario(speaker, ask, _):
        answer = ask("[[sim html]]")
        check_equal(answer.status, 502, f"status ({answer.text[:200]})")
        check("<" not in speaker.told(answer)["message"], f"the page is quoted: {answer.text[:200]}")
    at_every_path(bench, scenario, streams=(True, False))


def a_whole_answer_cut_in_half_is_an_error(bench):
    """Half a body, its length honest or not: 502 in the client's words, never half an answer."""
    def scenario(speaker, ask, _):
        for directive in ("garbage=1", "cut_after=0 cut=truncate", "cut_after=0 cut=fin", "cut_after=0 cut=rst"):
            answer = ask(f"{TOOL_QUESTION} {directive}]]", tools=(SHELL,))
            check_equal(answer.status, 502, f"{directive}: status ({answer.text[:200]})")
            speaker.told(answer)
    at_every_path(bench, scenario, streams=(False,))


def a_second_beginning_is_not_told(bench):
    """The provider begins its answer twice: one clean answer, or an error."""
    def scenario(speaker, ask, _):
        answer = ask("[[sim tokens=20 think_tokens=0 cadence_ms=4 duplicate_start]]")
        if answer.status != 200:
            speaker.told(answer)
            return
        turn = speaker.read(answer, True)
        check(turn.error or (len(turn.text) > 60 and turn.stop == speaker.stops["natural"]), f"stop {turn.stop}, text {turn.text!r}")
    at_every_path(bench, scenario)


def a_late_overload_after_content_is_told_in_band(bench):
    """overloaded after some text: what came, then the dialect's own error event, which SDKs raise."""
    def scenario(speaker, ask, _):
        turn = speaker.read(ask("[[sim tokens=40 think_tokens=0 cadence_ms=8 error_after=5 error=529]]"), True)
        check(turn.text and turn.error, f"text {turn.text!r}, error {turn.error}")
    at_every_path(bench, scenario)


def a_late_overload_before_content_goes_elsewhere(bench):
    """200, then an error event before any content: another target answers; with none left the client gets a status."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    for speaker in SPEAKERS:
        gateway.forgive_providers()
        answer = speaker.ask(gateway, key, "turnpike-bulk", [Human(f"{unique()} [[sim tokens=20]] [[sim only=deepseek error_first=529]]")])
        turn = speaker.read(answer, True)
        check(turn.error is None and turn.text, f"{speaker.dialect}: {turn.error}")
        check(answer.headers["x-turnpike-model"].startswith("anthropic/"), f"{speaker.dialect}: answered by {answer.headers['x-turnpike-model']}")
        for provider in PROVIDERS:
            answer = ask_pinned(gateway, key, speaker, provider, "[[sim error_first=529]]")
            # DeepSeek has no word for an overload inside a stream: it says that something went wrong in its server.
            overloaded = provider != "deepseek"
            check_equal(answer.status, 502 if not overloaded else 529 if speaker.dialect == "anthropic-messages" else 503, f"{speaker.dialect} at {provider}: status")
            check_equal(speaker.told(answer)["type"], (UNAVAILABLE if overloaded else BROKEN)[speaker.dialect], f"{speaker.dialect} at {provider}: type of the error")
    gateway.at_rest()


# --- Budgets, keys, probes, counting, lists

SPENT = {"openai-chat": (402, "insufficient_quota"), "openai-responses": (429, "insufficient_quota"),
         "anthropic-messages": (402, "billing_error"), "gemini-generate": (402, "FAILED_PRECONDITION")}
REFUSED_KEY = {"openai-chat": "authentication_error", "openai-responses": "authentication_error",
               "anthropic-messages": "authentication_error", "gemini-generate": "UNAUTHENTICATED"}


def a_spent_budget_ends_each_harness_at_once(bench):
    """402, for Responses 429 insufficient_quota, with x-should-retry: false and the dialect's form; streamed and whole."""
    simulator = bench.simulator()
    gateway, _ = bench.gateway(simulator)
    key = bench.key("0.000001/lifetime", name="spent", org="spent")
    for speaker in SPEAKERS:
        for stream in (True, False):
            answer = speaker.ask(gateway, key, TARGETS["anthropic"], [Human("hello")], stream)
            status, kind = SPENT[speaker.dialect]
            check_equal(answer.status, status, f"{speaker.dialect}: status ({answer.text[:300]})")
            error = speaker.told(answer)
            check(kind in (error["type"], error["code"]), f"{speaker.dialect}: {error}")
            check(speaker.dialect != "openai-responses" or error["code"] == "insufficient_quota", f"Codex ends on the code only: {error}")
            check_equal(answer.headers.get("x-should-retry"), "false", f"{speaker.dialect}: x-should-retry")
            check("retry-after" not in answer.headers, f"{speaker.dialect}: a wait is promised: {answer.headers}")
    check(not simulator.billing(), "a request without a budget reached a provider")


def a_bad_key_ends_each_harness_at_once(bench):
    """401 with x-should-retry: false in each dialect's form, under each of the three headers, and without any."""
    simulator = bench.simulator()
    gateway, _ = bench.gateway(simulator)
    for speaker in SPEAKERS:
        for auth in ("authorization", "x-api-key", "x-goog-api-key"):
            answer = speaker.ask(gateway, "tp-no-such-key", TARGETS["anthropic"], [Human("hello")], auth=auth)
            check_equal(answer.status, 401, f"{speaker.dialect}, {auth}: status ({answer.text[:200]})")
            check_equal(speaker.told(answer)["type"], REFUSED_KEY[speaker.dialect], f"{speaker.dialect}: type")
            check_equal(answer.headers.get("x-should-retry"), "false", f"{speaker.dialect}: x-should-retry")
            check("tp-no-such-key" not in answer.text, "the key is quoted")
        answer = call(gateway.port, "POST", speaker.path("auto", True), speaker.body("auto", [Human("hello")], True), speaker.extra_headers)
        check_equal((answer.status, speaker.told(answer)["type"]), (401, REFUSED_KEY[speaker.dialect]), f"{speaker.dialect} without a key")
    check(not simulator.requests(), "a provider was asked")


def every_surface_takes_every_key_header_and_unknown_query(bench):
    """Bearer, x-api-key and x-goog-api-key on each dialect; parameters nobody knows; both prefixes; both anthropic-versions."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    for speaker in SPEAKERS:
        for auth in ("authorization", "x-api-key", "x-goog-api-key"):
            answer = speaker.ask(gateway, key, TARGETS["deepseek"], [Human("[[sim tokens=3]]")], auth=auth, query="beta=true&unheard=of&x")
            check(speaker.read(answer, True).text, f"{speaker.dialect}, {auth}: no text")
    messages, gemini = SPEAKERS[2], SPEAKERS[3]
    for version in ("2023-06-01", "2026-10-21"):
        for provider in PROVIDERS:
            answer = messages.ask(gateway, key, TARGETS[provider], [Human("[[sim tokens=3]]")], headers={"anthropic-version": version})
            check(messages.read(answer, True).text, f"anthropic-version {version} at {provider}")
    for prefix in ("/v1/", "/v1beta/"):
        path = gemini.path(TARGETS["anthropic"], False).replace("/v1beta/", prefix)
        answer = call(gateway.port, "POST", path, gemini.body(None, [Human("[[sim tokens=3]]")], False), gemini.headers(key))
        check(gemini.read(answer, False).text, f"generateContent under {prefix}")
        answer = call(gateway.port, "POST", f"/v1beta/models/auto:generateContent?key={key}", gemini.body(None, [Human("[[sim tokens=3]]")], False))
        check_equal(answer.status, 400, "a key in the query, where it would end up in logs")
        check("query" in gemini.told(answer)["message"], f"the reason is not told: {answer.text[:200]}")


def probes_are_answered_at_once(bench):
    """HEAD on any path and the WebSocket upgrade of Responses (426) answer without asking anyone."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    upgrade = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13", "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
               "authorization": f"Bearer {key}", "openai-beta": "responses_websockets=2026-02-06"}
    for method, path, headers, statuses in (("HEAD", "/", {}, (200, 204)), ("HEAD", "/api/hello", {}, (200, 204, 404)), ("GET", "/v1/responses", upgrade, (426,))):
        started = time.monotonic()
        answer = call(gateway.port, method, path, headers=headers, timeout=5)
        took = time.monotonic() - started
        check(answer.status in statuses, f"{method} {path}: {answer.status}")
        check(took < 1, f"{method} {path} took {took:.2f} s")
    check(not simulator.requests(), "a provider was asked")


def prompts_are_counted_for_the_model_that_would_serve(bench):
    """count_tokens and countTokens at each provider: its own count where it has one, else an estimate near what it bills."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    messages, gemini = SPEAKERS[2], SPEAKERS[3]
    prompt = [Human("A sentence that goes on for a while, and then some more of it. " * 60 + "[[sim tokens=3]]")]
    for provider in PROVIDERS:
        billed = messages.turn(gateway, key, TARGETS[provider], prompt, tools=(SHELL,)).usage["input"]
        body = messages.body(TARGETS[provider], prompt, False, tools=(SHELL,))
        del body["max_tokens"], body["stream"]
        counts = {"messages": call(gateway.port, "POST", "/v1/messages/count_tokens?beta=true", body, messages.headers(key)),
                  "gemini": call(gateway.port, "POST", f"/v1beta/models/{TARGETS[provider]}:countTokens",
                                 {"contents": gemini.body(None, prompt, False)["contents"]}, gemini.headers(key))}
        for name, answer in counts.items():
            check_equal(answer.status, 200, f"{name} at {provider}: {answer.text[:300]}")
            tokens = answer.json().get("input_tokens" if name == "messages" else "totalTokens")
            check_equal(answer.headers.get("x-turnpike-token-count"), "estimate" if provider == "deepseek" else "provider", f"{name} at {provider}: whose count")
            check(isinstance(tokens, int) and 0.6 * billed < tokens < 1.6 * billed, f"{name} at {provider}: {tokens} tokens, billed were {billed}")
    gateway.at_rest()


def model_lists_have_each_dialects_shape(bench):
    """OpenAI's list, Anthropic's under its header, Gemini's on its path; single models; all name what can be asked for."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    bearer = {"authorization": f"Bearer {key}"}
    openai = call(gateway.port, "GET", "/v1/models", headers=bearer).json()
    check(openai["object"] == "list" and all(m["object"] == "model" and isinstance(m["created"], int) and m["owned_by"] for m in openai["data"]), openai)
    for version in ("2023-06-01", "2026-10-21"):
        anthropic = call(gateway.port, "GET", "/v1/models?limit=1000", headers={"x-api-key": key, "anthropic-version": version}).json()
        check(anthropic["data"] and all(m["type"] == "model" and m["display_name"] and m["created_at"] for m in anthropic["data"]), anthropic)
        check_equal((anthropic["first_id"], anthropic["last_id"], anthropic["has_more"]), (anthropic["data"][0]["id"], anthropic["data"][-1]["id"], False), "ends of the list")
        check(any("claude" in m["id"] for m in anthropic["data"]), "no id that Claude Code would list")
    gemini = call(gateway.port, "GET", "/v1beta/models", headers={"x-goog-api-key": key}).json()
    check(gemini["models"] and all(m["name"].startswith("models/") and "generateContent" in m["supportedGenerationMethods"] for m in gemini["models"]), gemini)
    ids = {m["id"] for m in openai["data"]}
    check("auto" in ids and ids == {m["name"].removeprefix("models/") for m in gemini["models"]}, f"the lists differ: {sorted(ids)}")
    check_equal(call(gateway.port, "GET", "/v1/models/auto", headers=bearer).json()["id"], "auto", "one model")
    unknown = call(gateway.port, "GET", "/v1/models/no-such-model", headers=bearer)
    check_equal((unknown.status, SPEAKERS[0].told(unknown)["code"]), (404, "model_not_found"), "an unknown model")


def an_answer_nobody_keeps_cannot_be_continued(bench):
    """previous_response_id of elsewhere: 400 that says what to do, and no provider is asked."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    responses = SPEAKERS[1]
    for provider in PROVIDERS:
        body = responses.body(TARGETS[provider], [Human("go on")], True) | {"previous_response_id": "resp_of_elsewhere"}
        answer = call(gateway.port, "POST", "/v1/responses", body, responses.headers(key))
        check_equal(answer.status, 400, f"{provider}: {answer.text[:200]}")
        error = responses.told(answer)
        check_equal(error["code"], "unsupported_parameter", f"{provider}: code")
        check("store" in error["message"], f"{provider}: {error}")
    check(not simulator.requests(), "a provider was asked")


FULL = {"deepseek": "This model's maximum context length is 1048565 tokens. However, you requested 1200000 tokens (1190000 in the messages, 10000 in the completion).",
        "anthropic": "prompt is too long: 1200000 tokens > 1000000 maximum",
        "gemini": "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."}


def a_full_window_is_told_in_words_that_harnesses_compact_on(bench):
    """Claude Code compacts on "prompt is too long: N tokens > M maximum", Codex on the code, whoever refused."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    for speaker, provider in paths():
        answer = ask_pinned(gateway, key, speaker, provider, f'[[sim status=400 type=invalid_request_error message="{FULL[provider]}"]]')
        check_equal(answer.status, 400, f"{speaker.dialect} at {provider}: {answer.text[:200]}")
        error = speaker.told(answer)
        if speaker.dialect == "anthropic-messages":
            check(re.match(r"prompt is too long: 1200000 tokens > \d+ maximum", error["message"]), f"{provider}: {error['message']}")
        elif speaker.dialect == "gemini-generate" or provider == "deepseek":  # DeepSeek's own bodies in OpenAI's form go out as they came
            check("maximum" in error["message"], f"{speaker.dialect} at {provider}: {error}")
        else:
            check_equal(error["code"], "context_length_exceeded", f"{speaker.dialect} at {provider}: code")


def signs_of_life_become_each_dialects_own(bench):
    """Comments, pings and blank lines of a provider that thinks: never a comment for the client, only events its SDK reads over."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    for speaker, provider in paths():
        answer = ask_pinned(gateway, key, speaker, provider, "[[sim tokens=6 think_tokens=0 think_ms=120 keepalive_ms=20 cadence_ms=10]]")
        turn = speaker.read(answer, True)  # a comment, or an event of another dialect, fails the reader
        check(turn.error is None and turn.text, f"{speaker.dialect} at {provider}: {turn.error}")


# --- A server that is known by its file alone

LOCAL = """
[provider]
id = "{id}"
dialect = "{dialect}"
base_url = "{url}"
auth = "none"

[[model]]
id = "{model}"
context_tokens = 131072
output_tokens_max = 32768
capabilities = ["tools", "parallel_tools", "json_schema"]
thinking = "none"
as_of = 2026-11-22
source = "the server's own command line"

[[model.price]]
from = 2026-01-01
input_per_mtok = "0"
output_per_mtok = "0"
"""


def a_server_known_by_its_file_alone_runs_every_dialects_loop(bench):
    """Two provider files, one for a Chat and one for a Messages server: each client dialect runs a loop of parallel calls through both."""
    simulator = bench.simulator()
    bench.write_config(simulator)
    for name, dialect, path in (("local", "openai-chat", "/local/v1"), ("local-messages", "anthropic-messages", "/local-anthropic")):
        (bench.folder / "providers" / f"{name}.toml").write_text(LOCAL.format(id=name, dialect=dialect, url=simulator.url + path, model="qwen3-coder"))
    bench.run("check")
    key = bench.key()
    gateway = bench.serve()
    for speaker in SPEAKERS:
        for provider in ("local", "local-messages"):
            for stream in (True, False):
                word = unique()
                conversation = [Human(f"please run `echo {word}` [[sim rounds=2 calls=2]]")]
                for _ in range(2):
                    turn = speaker.turn(gateway, key, f"{provider}/qwen3-coder", conversation, stream, tools=(SHELL,))
                    check_equal([c["arguments"] for c in turn.calls], [{"command": f"echo {word}"}, {"command": f"echo {word} && echo part 2"}],
                                f"{speaker.dialect} at {provider}: the calls")
                    conversation += [turn, [Result(c, f"result {n} of {word}") for n, c in enumerate(turn.calls)]]
                turn = speaker.turn(gateway, key, f"{provider}/qwen3-coder", conversation, stream, tools=(SHELL,))
                check_equal(turn.stop, speaker.stops["natural"], f"{speaker.dialect} at {provider}: stop reason")
                check(f"result 1 of {word}" in turn.text, f"{speaker.dialect} at {provider}: {turn.text[:200]}")
    refused = [e for e in simulator.billing() if e["outcome"] != "complete"]
    check(not refused, lambda: f"the server refused {len(refused)}: {refused[0]}")
    gateway.at_rest()
