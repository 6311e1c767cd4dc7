"""An agent's loop through the gateway, on each of the three providers."""
import json

from harness import PROVIDERS, SHELL_TOOL, check, check_equal, unique, usage_of, user

TARGETS = {"deepseek": "deepseek/deepseek-flash", "anthropic": "anthropic/claude-opus-5-5", "gemini": "gemini/gemini-3.1-pro-preview"}


def run_loop(gateway, key, target, question, keep_reasoning=False, streaming=True, tools=(SHELL_TOOL,)):
    """Runs the loop as a harness does; the calls made and the final text."""
    messages, calls = [{"role": "system", "content": "You are a careful agent."}, user(question)], []
    for _ in range(6):
        body = {"model": target, "messages": messages, "tools": list(tools)}
        if streaming:
            _, stream = gateway.stream(key, body)
            check(stream.done and stream.error is None, f"the stream failed: {stream.error}")
            message, finish, reasoning = stream.message(), stream.finish, stream.reasoning
        else:
            answer = gateway.chat(key, body)
            check_equal(answer.status, 200, answer.text[:400])
            choice = answer.json()["choices"][0]
            message, finish, reasoning = choice["message"], choice["finish_reason"], choice["message"].get("reasoning_content")
            message.pop("reasoning_content", None)
        if keep_reasoning and reasoning:
            message["reasoning_content"] = reasoning
        messages.append(message)
        if finish != "tool_calls":
            return calls, message["content"]
        for call in message["tool_calls"]:
            arguments = json.loads(call["function"]["arguments"])
            calls.append(arguments["command"])
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": f"ran {arguments['command']}"})
    raise AssertionError("the loop does not end")


def each_provider_runs_a_loop(bench):
    """Streaming and not, with and without reasoning sent back: tools run, results arrive, the answer uses them."""
    simulator = bench.simulator("--strict-schema")
    gateway, key = bench.gateway(simulator)
    for provider in PROVIDERS:
        for streaming in (True, False):
            for keep in (False, True):
                word = unique()
                calls, text = run_loop(gateway, key, TARGETS[provider], f"please run `echo {word}` [[sim rounds=3]]", keep, streaming)
                check_equal(calls, [f"echo {word}"] * 3, f"{provider}: calls")
                check(f"ran echo {word}" in text, f"{provider}: the answer does not use the result: {text[:200]}")
    entries = simulator.billing()
    refused = [e for e in entries if e["outcome"] != "complete"]
    check(not refused, lambda: f"the provider refused {len(refused)} of {len(entries)}: {refused[0]['fault']}")
    check_equal(sorted({e["provider"] for e in entries}), sorted(PROVIDERS), "providers reached")


def parallel_calls_come_and_go_together(bench):
    """Two calls in one turn, both results back, on each provider."""
    simulator = bench.simulator("--strict-schema")
    gateway, key = bench.gateway(simulator)
    for provider in PROVIDERS:
        calls, text = run_loop(gateway, key, TARGETS[provider], "please run `date` [[sim calls=3]]")
        check_equal(len(calls), 3, f"{provider}: calls {calls}")
        check("ran date && echo part 3" in text, f"{provider}: {text[:200]}")
    check(all(e["outcome"] == "complete" for e in simulator.billing()), lambda: [e.get("fault") for e in simulator.billing()])


def a_failing_tool_is_tried_again(bench):
    """A tool result that is an error reaches the model, which calls once more."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    for provider in PROVIDERS:
        messages = [user("please run `make`")]
        _, first = gateway.stream(key, {"model": TARGETS[provider], "messages": messages, "tools": [SHELL_TOOL]})
        messages += [first.message(), {"role": "tool", "tool_call_id": first.calls[0]["id"], "content": "Error: no makefile"}]
        _, second = gateway.stream(key, {"model": TARGETS[provider], "messages": messages, "tools": [SHELL_TOOL]})
        check_equal(len(second.calls), 1, f"{provider}: a second try")


def structured_output_satisfies_its_schema(bench):
    """response_format json_schema gives JSON that fits, on each provider."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    schema = {"type": "object", "additionalProperties": False, "required": ["title", "steps"],
              "properties": {"title": {"type": "string"}, "steps": {"type": "array", "items": {"type": "string"}}}}
    for provider in PROVIDERS:
        body = {"model": TARGETS[provider], "messages": [user("make a plan")],
                "response_format": {"type": "json_schema", "json_schema": {"name": "plan", "strict": True, "schema": schema}}}
        answer = gateway.chat(key, body)
        check_equal(answer.status, 200, f"{provider}: {answer.text[:300]}")
        value = json.loads(answer.json()["choices"][0]["message"]["content"])
        check_equal(set(value), {"title", "steps"}, f"{provider}: members")


def decisions_are_explained(bench):
    """The headers name decision, model and tier; explain knows the decision; the spend report adds it up."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    answer = gateway.chat(key, {"model": "auto", "messages": [user("What is 2 + 2?")]})
    check_equal(answer.status, 200, answer.text[:300])
    for name in ("decision", "model", "tier", "difficulty", "reason"):
        check(answer.headers.get(f"x-turnpike-{name}"), f"x-turnpike-{name} is missing in {answer.headers}")
    gateway.at_rest()
    record = json.loads(bench.run("--json", "explain", answer.headers["x-turnpike-decision"]))
    check_equal(record["attempts"][0]["target"], answer.headers["x-turnpike-model"], "the target in record and header")
    billed = simulator.billing()[-1]
    check_equal(usage_of(record["attempts"][0]), billed["usage"], "usage in the record and in the provider's books")
    rows = json.loads(bench.run("--json", "report", "spend", "--by", "model"))["rows"]
    check_equal(rows[0]["attempts"], 1, "attempts in the report")
