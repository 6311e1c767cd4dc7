"""Providers fail in every way; the client sees either one clean answer or one clear error."""
import json
import re
import socket
import time

from harness import ChatStream, check, check_equal, unique, usage_of, user, wait_until

FALLBACK_ORDER = ["deepseek", "anthropic", "gemini"]  # of tier "bulk" in the shipped policy


def ask(gateway, key, directive, stream=True, model="turnpike-bulk", tokens=12):
    """A request to the bulk tier whose fault strikes DeepSeek alone unless the directive says otherwise."""
    text = f"{unique()} [[sim tokens={tokens} think_tokens=0]] [[sim only=deepseek {directive}]]"
    answer = gateway.chat(key, {"model": model, "messages": [user(text)], "stream": stream})
    return answer, text


def providers_of(simulator, text):
    """Which providers were asked with this text, in order. A call is billed when it ends, which may be after its client has gone."""
    deadline = time.monotonic() + 10
    while True:
        asked = {r["seq"] for r in simulator.requests() if text[:12] in r["body"]}
        billed = [e for e in sorted(simulator.billing(), key=lambda e: e["seq"]) if e["seq"] in asked]
        if len(billed) == len(asked) or time.monotonic() > deadline:
            return [e["provider"] for e in billed]
        time.sleep(0.02)


def a_provider_that_fails_early_is_replaced(bench):
    """U9: statuses, resets, HTML, empty answers, an error first: another provider answers, the client sees one clean stream."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    for directive in ("status=500", "status=502", "status=503", "status=529", "status=429", "status=429 retry_after=2", "refuse",
                      "html", "empty", "error_first", "redirect", "cut_after=0", "cut_after=0 cut=fin", "cut_after=0 cut=tidy"):
        for stream in (True, False):
            if not stream and (directive == "error_first" or "cut=tidy" in directive):
                continue  # these exist in streams only
            answer, text = ask(gateway, key, directive, stream)
            check_equal(answer.status, 200, f"{directive}, stream={stream}: {answer.text[:300]}")
            if stream:
                check(ChatStream(answer.body).done, f"{directive}: no [DONE]")
            order = providers_of(simulator, text)
            check(order[-1] == "anthropic", f"{directive}, stream={stream}: providers asked {order}")
            check(answer.headers["x-turnpike-model"].startswith("anthropic/"), f"{directive}: {answer.headers}")
    gateway.at_rest()
    wait_until(lambda: gateway.metric("turnpike_fallbacks_total") > 0, 5, "fallbacks to be counted")
    check("clean" in bench.run("ledger", "verify"), "the ledger is not clean")


def a_stream_that_breaks_is_not_made_whole(bench):
    """U7: reset, truncation, tidy end, error event after content: an error event, no [DONE], no finish, no second provider."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    for directive in ("cut_after=5", "cut_after=5 cut=fin", "cut_after=5 cut=truncate", "cut_after=5 cut=tidy", "error_after=5", "garbage=5", "no_terminator"):
        answer, text = ask(gateway, key, directive + " cadence_ms=15")
        check_equal(answer.status, 200, f"{directive}: {answer.text[:200]}")
        stream = ChatStream(answer.body)
        check(stream.error and stream.error.get("message"), f"{directive}: no error event, the stream ends {answer.text[-200:]!r}")
        check(not stream.done and stream.finish is None, f"{directive}: done={stream.done} finish={stream.finish}")
        check(stream.text, f"{directive}: the content before the break is missing")
        check_equal(providers_of(simulator, text), ["deepseek"], f"{directive}: providers asked")
        ask(gateway, key, "tag=well")  # five failures in a row would eject the target
    gateway.at_rest()
    check("clean" in bench.run("ledger", "verify"), "the ledger is not clean")


def a_silent_provider_is_cut_off(bench):
    """U4, U6: silence before the head: fallback; silence mid-stream: the error event, both within the time set."""
    simulator = bench.simulator()
    bench.write_config(simulator)
    provider = bench.folder / "providers" / "deepseek.toml"
    text = re.sub(r"response_head_ms = \d+", "response_head_ms = 700", provider.read_text())
    provider.write_text(re.sub(r"idle_ms = \d+", "idle_ms = 700", text))
    key = bench.key()
    gateway = bench.serve()
    started = time.monotonic()
    answer, text = ask(gateway, key, "delay_ms=5000")
    took = time.monotonic() - started
    check(answer.status == 200 and ChatStream(answer.body).done, answer.text[:200])
    check(0.6 < took < 2.5, f"the fallback came after {took:.2f} s")
    started = time.monotonic()
    answer, _ = ask(gateway, key, "stall_after=5 cadence_ms=15", model="deepseek/deepseek-flash")
    took = time.monotonic() - started
    stream = ChatStream(answer.body)
    check(stream.error and not stream.done, f"a stalled stream: {answer.text[-200:]}")
    check(0.6 < took < 2.5, f"the error came after {took:.2f} s")
    wait_until(lambda: simulator.stats()["open"] == 0, 2, "the stalled call to be closed")


def leave_midway(gateway, key, target, tag):
    """Opens a stream, reads its beginning, closes the connection; the instant it did."""
    body = json.dumps({"model": target, "stream": True, "messages": [user(f"[[sim tokens=150 cadence_ms=20 think_tokens=0 tag={tag}]]")]}).encode()
    connection = socket.create_connection(("127.0.0.1", gateway.port), timeout=10)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body)
    received = b""
    while received.count(b"data: ") < 5:
        received += connection.recv(4096)
    connection.close()
    return time.monotonic()


def a_client_that_leaves_stops_the_provider(bench):
    """The client closes its stream: the provider sees the call aborted within a second, where that stops the meter."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    for target in ("deepseek/deepseek-flash", "anthropic/claude-opus-5-5"):
        tag = unique()
        left = leave_midway(gateway, key, target, tag)
        entry = wait_until(lambda: next((e for e in simulator.billing() if e.get("tag") == tag), None), 1, f"{target}: the abort")
        check_equal(entry["outcome"], "aborted", target)
        check(time.monotonic() - left < 1, f"{target}: noticed after {time.monotonic() - left:.2f} s")
    gateway.at_rest()


def a_call_that_bills_on_is_drained(bench):
    """Gemini bills on after a hang-up: the gateway reads the rest for its usage and settles exactly."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    tag = unique()
    leave_midway(gateway, key, "gemini/gemini-3.1-pro-preview", tag)
    entry = wait_until(lambda: next((e for e in simulator.billing() if e.get("tag") == tag), None), 10, "the end of the call")
    check_equal(entry["outcome"], "complete", "the call at the provider")
    gateway.at_rest()
    attempt = wait_until(lambda: gateway.decisions(1), 5, "the record")[0]["attempts"][0]
    check_equal((attempt["settlement"], usage_of(attempt)), ("settle_exact", entry["billed"]), "the settlement")


def strange_usage_is_not_believed(bench):
    """Usage missing, negative, absurd or not a number: settled by estimate, the stream itself unharmed."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    for directive in ("no_usage", "usage=-1", "usage=9223372036854775807", "usage=1.5"):
        answer, _ = ask(gateway, key, directive)
        check(answer.status == 200 and ChatStream(answer.body).done, f"{directive}: {answer.text[-200:]}")
        gateway.at_rest()
        decision = answer.headers["x-turnpike-decision"]
        record = wait_until(lambda: next((d for d in gateway.decisions(20) if d["id"] == decision), None), 5, "the record")
        check_equal(record["attempts"][-1]["settlement"], "settle_estimated", f"{directive}: {record['attempts'][-1]}")


def keys_and_errors_of_providers_stay_inside(bench):
    """A provider that refuses our key is our fault, not the client's: 502 or another provider, never 401, no key in sight."""
    simulator = bench.simulator("--require-key", "another")
    gateway, key = bench.gateway(simulator)
    answer = gateway.chat(key, {"model": "deepseek/deepseek-flash", "messages": [user("hello")]})
    check(answer.status >= 500, f"status {answer.status}: {answer.text[:200]}")
    log = gateway.output()
    for secret in (*simulator.KEYS.values(), key):
        check(secret not in answer.text and secret not in log, "a key shows in the answer or the log")


def every_byte_alone_is_still_one_stream(bench):
    """U10: the provider writes one byte at a time: the client sees the same stream."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    for target in ("deepseek/deepseek-flash", "anthropic/claude-opus-5-5", "gemini/gemini-3.1-pro-preview"):
        _, stream = gateway.stream(key, {"model": target, "messages": [user("[[sim drip=1 tokens=60 think_tokens=5]]")]})
        _, whole = gateway.stream(key, {"model": target, "messages": [user("[[sim tokens=60 think_tokens=5]]")]})
        check(stream.done and len(stream.text.encode()) == 240 and len(whole.text.encode()) == 240, f"{target}: {len(stream.text)}")
