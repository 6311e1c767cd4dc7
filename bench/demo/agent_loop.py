#!/usr/bin/env python3
"""A short agent loop through the gateway, with what turnpike decided at every step.

The loop is what a coding harness does: it asks for a title, plans, calls tools, meets a failing test run, fixes it, and then
asks a hard question. The tools are played by this program; the models are whatever the gateway routes to.

Usage: agent_loop.py --url http://127.0.0.1:8080 --admin http://127.0.0.1:9090 --key KEY --admin-token TOKEN
"""

import argparse
import json
import sys
import time
import urllib.error
import urllib.request

SYSTEM = "You are a careful software engineer working in a small repository. Use the tools; explain briefly."
TOOLS = [
    {"type": "function", "function": {"name": "read_file", "description": "Read a file of the repository.",
     "parameters": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}}},
    {"type": "function", "function": {"name": "run_tests", "description": "Run the test suite.",
     "parameters": {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}}},
]
FAILING = "exit code 1\nFAILED test_totals.py::test_rounding - AssertionError: 10.01 != 10.00\nerror: 1 failed, 11 passed"
PASSING = "exit code 0\n12 passed"
HARD = ("Our settlement service sums prices in binary floating point and two replicas disagree by a cent after a crash. Prove why "
        "summation order matters here, derive a bound for the error after n additions, and design a migration to integer "
        "nano-credits that keeps every invariant of the ledger (no overspend under concurrency, idempotent settlement, exact "
        "replay) while both representations are live. Discuss the race between the dual writes and a kill -9.")


class Gateway:
    def __init__(self, args):
        self.args = args
        self.rows = []

    def request(self, url, token, body=None):
        request = urllib.request.Request(url, data=None if body is None else json.dumps(body).encode(),
                                         headers={"Authorization": "Bearer " + token, "Content-Type": "application/json"})
        return urllib.request.urlopen(request, timeout=120)

    def chat(self, label, messages, tools=None, stream=False, **extra):
        """One step: sends it, prints the decision behind it, returns the assistant message."""
        body = {"model": "auto", "messages": messages, "stream": stream, **extra}
        if tools:
            body["tools"] = tools
        started = time.monotonic()
        with self.request(self.args.url + "/v1/chat/completions", self.args.key, body) as response:
            headers = response.headers
            first, message = (self.read_stream(response, started) if stream else (None, json.load(response)["choices"][0]["message"]))
        elapsed = time.monotonic() - started
        self.explain(label, headers, first, elapsed)
        return message

    def read_stream(self, response, started):
        first, text, calls = None, "", {}
        for line in response:
            if not line.startswith(b"data: ") or line.strip() == b"data: [DONE]":
                continue
            chunk = json.loads(line[6:])
            if "error" in chunk:
                raise RuntimeError(chunk["error"]["message"])
            for choice in chunk.get("choices", []):
                delta = choice.get("delta", {})
                if first is None and any(delta.get(key) for key in ("content", "reasoning_content", "tool_calls")):
                    first = time.monotonic() - started
                text += delta.get("content") or ""
                for call in delta.get("tool_calls") or []:
                    kept = calls.setdefault(call["index"], {"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
                    kept["id"] = call.get("id") or kept["id"]
                    kept["function"]["name"] += call.get("function", {}).get("name") or ""
                    kept["function"]["arguments"] += call.get("function", {}).get("arguments") or ""
        message = {"role": "assistant", "content": text or None}
        if calls:
            message["tool_calls"] = [calls[index] for index in sorted(calls)]
        return first, message

    def explain(self, label, headers, first, elapsed):
        record = {}
        for _ in range(50):  # the record is written behind the answer
            try:
                with self.request(f"{self.args.admin}/admin/decisions/{headers['x-turnpike-decision']}", self.args.admin_token) as response:
                    record = json.load(response)
                    break
            except urllib.error.HTTPError:
                time.sleep(0.02)
        row = (label, headers["x-turnpike-difficulty"], headers["x-turnpike-model"], headers["x-turnpike-reason"].replace(",", " "),
               record.get("cost", "-"), "-" if first is None else f"{first * 1000:.0f} ms", f"{elapsed * 1000:.0f} ms")
        self.rows.append(row)
        print_row(row)


WIDTHS = (26, 10, 29, 60, 12, 8, 8)


def print_row(row):
    print("  ".join(str(cell).ljust(width) if index in (0, 2, 3) else str(cell).rjust(width)
                    for index, (cell, width) in enumerate(zip(row, WIDTHS))), flush=True)


def answer_calls(message, outcome):
    """What the tools say to each call of an assistant message."""
    return [{"role": "tool", "tool_call_id": call["id"],
             "content": outcome if call["function"]["name"] == "run_tests" else "def total(prices):\n    return round(sum(prices), 2)\n"}
            for call in message.get("tool_calls") or []]


def run(gateway):
    print_row(("step", "difficulty", "model", "why", "credits", "first", "total"))
    print_row(tuple("-" * width for width in WIDTHS))
    task = "The totals test fails since yesterday. Find out why, fix it, and run the tests."
    # The simulator plays as many rounds of tool calls as this mark says; real providers read over it.
    task += " [[sim rounds=4]]"
    gateway.chat("title of the conversation", [{"role": "user", "content": f"Write a short title, at most six words, for: {task}"}],
                 max_tokens=32)
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": task}]
    outcomes = ["read", FAILING, FAILING, PASSING]
    for number, outcome in enumerate(outcomes):
        label = "plan" if number == 0 else f"tool result {number}" + (" (tests fail)" if outcomes[number - 1] == FAILING else "")
        message = gateway.chat(label, messages, TOOLS, stream=number % 2 == 0)
        messages.append(message)
        results = answer_calls(message, outcome)
        if not results:
            break
        messages += results
    if messages[-1]["role"] == "tool":
        messages.append(gateway.chat("last tool result", messages, TOOLS))
    messages = messages + [{"role": "user", "content": HARD}]
    gateway.chat("hard question", messages, TOOLS, stream=True, reasoning_effort="high")
    gateway.chat("easy follow-up", [{"role": "user", "content": "What is the capital of France? One word."}], max_tokens=64)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("url", "admin", "key", "admin-token"):
        parser.add_argument("--" + name, required=True)
    gateway = Gateway(parser.parse_args())
    try:
        run(gateway)
    except urllib.error.HTTPError as failed:
        print(f"the gateway answered {failed.code}: {failed.read().decode(errors='replace')}", file=sys.stderr)
        return 1
    except (urllib.error.URLError, RuntimeError) as failed:
        print(f"the loop broke off: {failed}", file=sys.stderr)
        return 1
    models = {row[2] for row in gateway.rows}
    print(f"\n{len(gateway.rows)} steps, {len(models)} models: {', '.join(sorted(models))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
