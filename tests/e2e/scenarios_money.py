"""What providers bill is what the ledger holds, and budgets hold."""
import json

from harness import call, check, check_equal, usage_of, user, wait_until
from prices import PriceList, cost_written_down

MIXED = "deepseek/deepseek-flash,anthropic/claude-opus-5-5,gemini/gemini-3.1-pro-preview,anthropic/claude-haiku-5-5,gemini/gemini-3.8-flash"


def credits_to_nano(text):
    whole, _, fraction = text.partition(".")
    return int(whole) * 10**9 + int((fraction + "000000000")[:9])


def by_target(rows, cost):
    sums = {}
    for row in rows:
        target, nano = cost(row)
        sums[target] = sums.get(target, 0) + nano
    return sums


def ledger_by_target(bench):
    rows = json.loads(bench.run("--json", "report", "spend", "--by", "model,settlement"))["rows"]
    return rows, by_target(rows, lambda row: (row["model"], row["cost_nano"]))


def expected_costs(entries):
    """Nano-credits per entry from the TOML; the table written down must agree where it speaks."""
    prices = PriceList()
    costs = []
    for entry in entries:
        cost = prices.cost(entry)
        known = cost_written_down(entry)
        check(known is None or known == cost, f"providers/ says {cost} nano-credits, the table {known} for {entry}")
        costs.append(cost)
    return costs


def a_thousand_mixed_streams_cost_what_the_providers_bill(bench):
    """1,000 streams at once over five targets: each attempt and each sum equal to the nano-credit, nothing left reserved."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    count = bench.scaled(1000)
    figures = bench.load(gateway.url, key, "--models", MIXED, "--concurrency", count, "--requests", count, "--stream-share", 1,
                         "--loop-share", 0.3, "--seconds", 120, "--timeout-s", 120, "--prompt-bytes", 6000,
                         "--directive", "tokens=30 think_tokens=20 cadence_ms=100 think_ms=1000")
    check_equal((figures["completed"], figures["broken"], figures["refused_total"]), (figures["requests"], 0, 0), figures)
    gateway.at_rest(60)
    simulator.quiet()
    entries = simulator.billing()
    check_equal(len(entries), figures["requests"], "requests sent and billed")
    check(simulator.stats()["open_peak"] >= 0.9 * count, f"only {simulator.stats()['open_peak']} streams ran at once")
    costs = expected_costs(entries)
    compare_attempts(gateway, entries, costs)
    wanted = by_target(zip(entries, costs), lambda pair: (f"{pair[0]['provider']}/{pair[0]['model']}", pair[1]))
    rows, ledger = ledger_by_target(bench)
    check_equal(ledger, wanted, "nano-credits per target, ledger against billing log")
    check_equal({row["settlement"] for row in rows}, {"settle_exact"}, "settlements")
    check("clean" in bench.run("ledger", "verify"), "the ledger is not clean")
    check_equal(gateway.metric("turnpike_reserved_credits"), 0, "reserved at rest")


def compare_attempts(gateway, entries, costs):
    """One by one, matched by the request id that the provider gave out."""
    known = {}
    for entry, cost in zip(entries, costs):
        for name in ("request_id", "trace_id"):
            known[entry.get(name)] = (entry, cost)
    attempts = [a for record in gateway.decisions(1000) for a in record["attempts"]]
    check(len(attempts) >= min(900, len(entries) * 0.9), f"only {len(attempts)} of {len(entries)} decision records kept")
    for attempt in attempts:
        entry, cost = known[attempt["upstream_request_id"]]
        check_equal(usage_of(attempt), entry["billed"], f"tokens of {attempt['target']}")
        check_equal(credits_to_nano(attempt["cost"]), cost, f"cost of {attempt['target']} with {entry['billed']}")


def a_ragged_load_leaves_nothing_reserved(bench):
    """Cancellations, faults and loops at random: reserved = 0 at rest, the ledger clean, exact settlements exact."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    total = {"requests": 0, "cancelled": 0, "error_events": 0}
    for seed, directive in enumerate(("tokens=40 cadence_ms=3", "tokens=30 cadence_ms=2 cut_after=9 only=deepseek", "tokens=20 status=529 only=deepseek",
                                      "tokens=20 no_usage", "tokens=20 usage=-1", "tokens=20 garbage=5", "tokens=10 error_after=3"), 1):
        figures = bench.load(gateway.url, key, "--models", "turnpike-bulk," + MIXED, "--concurrency", 60, "--requests", bench.scaled(200, 120),
                             "--cancel-share", 0.3, "--loop-share", 0.4, "--seed", seed, "--directive", directive)
        check_equal(figures["broken"], 0, f"malformed answers with {directive}: {figures['broken_reasons']}")
        for name in total:
            total[name] += figures[name]
    check(total["cancelled"] > 10 and total["error_events"] > 10, f"the load was not ragged: {total}")
    gateway.at_rest(60)
    simulator.quiet()
    report = json.loads(bench.run("--json", "ledger", "verify"))
    check(report["ok"] and report["attempts_open"] == 0 and report["reserved_nano"] == 0, report)
    check(report["estimated"] > 0, "nothing was estimated although usage was withheld")
    exact_attempts_are_exact(gateway, simulator)


def exact_attempts_are_exact(gateway, simulator):
    entries = [e for e in simulator.billing() if e["status"] == 200]
    known = {}
    for entry, cost in zip(entries, expected_costs(entries)):
        for name in ("request_id", "trace_id"):
            known[entry.get(name)] = (entry, cost)
    seen = 0
    for record in gateway.decisions(1000):
        for attempt in record["attempts"]:
            if attempt["settlement"] != "settle_exact":
                continue
            entry, cost = known[attempt["upstream_request_id"]]
            check_equal(credits_to_nano(attempt["cost"]), cost, f"an exact settlement of {attempt['target']} ({entry})")
            seen += 1
    check(seen > 20, f"only {seen} exact settlements seen")


def a_budget_for_100_lets_exactly_100_through(bench):
    """2,000 equal requests at once on a budget for 100: exactly 100 reach the provider, the others get 402 or 429."""
    simulator = bench.simulator()
    gateway, _ = bench.gateway(simulator)
    probe = bench.key(name="probe", org="probe")
    flags = ("--models", "deepseek/deepseek-flash", "--equal", "--stream-share", 0, "--loop-share", 0, "--max-tokens", 500)
    bench.load(gateway.url, probe, *flags, "--concurrency", 1, "--requests", 1, "--directive", "delay_ms=6000")
    gateway.at_rest()
    one = credits_to_nano(gateway.decisions(1)[0]["attempts"][0]["reserved"])
    budget = 100 * one + one // 2
    key = bench.key(f"{budget // 10**9}.{budget % 10**9:09d}/lifetime", name="hundred", org="hundred")
    before = simulator.billing()[-1]["seq"]
    count = bench.scaled(2000, 400)
    figures = bench.load(gateway.url, key, *flags, "--concurrency", count, "--requests", count, "--seconds", 30, "--directive", "delay_ms=6000")
    gateway.at_rest(60)
    check_equal(len(simulator.billing(before)), 100, "requests that reached the provider")
    check_equal((figures["requests"], figures["completed"], figures["broken"]), (count, 100, 0), figures)
    check(set(figures["refused"]) <= {"402", "429"}, f"refusals {figures['refused']}")
    check("clean" in bench.run("ledger", "verify"), "the ledger is not clean")


def a_spent_budget_ends_with_402(bench):
    """One after another: served until the budget is spent, then 402 with x-should-retry: false; never above the limit."""
    simulator = bench.simulator()
    gateway, _ = bench.gateway(simulator)
    key = bench.key("0.05/lifetime", name="small", org="small")
    body = {"model": "anthropic/claude-opus-5-5", "max_tokens": 100, "messages": [user("[[sim tokens=60 think_tokens=20]]")]}
    served = 0
    for _ in range(60):
        answer = gateway.chat(key, body)
        if answer.status != 200:
            break
        served += 1
        gateway.at_rest()
    check_equal(answer.status, 402, f"the refusal after {served} requests: {answer.text[:300]}")
    check_equal(answer.headers.get("x-should-retry"), "false", "x-should-retry")
    check(served >= 1, "nothing was served")
    state = next(b for b in json.loads(bench.run("--json", "budgets", "list"))["budgets"] if b["budget"].startswith("key:") and b["windows"][0]["limit"] == "0.05")
    window = state["windows"][0]
    check(0 < window["settled_nano"] <= window["limit_nano"] and window["reserved_nano"] == 0, window)
    billed = sum(expected_costs(simulator.billing()))
    check_equal(window["settled_nano"], billed, "settled against billed")


def a_cancelled_stream_is_charged_for_what_was_received(bench):
    """The client leaves: the attempt is settled, estimated, not for nothing and not for the whole answer."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    bench.load(gateway.url, key, "--models", "deepseek/deepseek-flash", "--concurrency", 20, "--requests", 20, "--stream-share", 1,
               "--loop-share", 0, "--cancel-share", 1, "--directive", "tokens=2000 cadence_ms=20 think_tokens=0")
    gateway.at_rest()
    simulator.quiet()
    for record in wait_until(lambda: gateway.decisions(1000), 5, "records"):
        attempt = record["attempts"][0]
        check_equal((attempt["settlement"], attempt.get("cause")), ("settle_estimated", "client_gone"), "how it ended")
        check(0 < usage_of(attempt)["input_fresh"] and usage_of(attempt)["output_text"] < 1000, attempt)


SEARCHING = [
    ("/v1/messages", {"anthropic-version": "2023-06-01"}, "anthropic/claude-opus-5-5",
     {"max_tokens": 100, "tools": [{"type": "web_search_20260209", "name": "web_search", "max_uses": 3}], "messages": None}),
    ("/v1/messages", {"anthropic-version": "2023-06-01"}, "deepseek/deepseek-flash",
     {"max_tokens": 100, "tools": [{"type": "web_search_20250305", "name": "web_search"}], "messages": None}),
    ("/v1/responses", {}, "deepseek/deepseek-flash", {"store": False, "tools": [{"type": "web_search"}], "input": None}),
    ("/v1beta/models/gemini/gemini-3.8-flash:{verb}", {}, "gemini/gemini-3.8-flash", {"tools": [{"googleSearch": {}}], "contents": None}),
]


def a_search(case, streamed):
    """Path and body of one request of SEARCHING that makes its provider search five times, as often as it may."""
    path, _, target, shape = case
    text = "[[sim searches=5 tokens=8 think_tokens=0]] What is new?"
    said = {"messages": [user(text)], "input": text, "contents": [{"role": "user", "parts": [{"text": text}]}]}
    body = {name: said[name] if value is None else value for name, value in shape.items()}
    if "contents" in body:
        return path.format(verb="streamGenerateContent?alt=sse" if streamed else "generateContent"), body
    return path, {"model": target, "stream": streamed} | body


def searches_are_charged_by_the_call(bench):
    """Web searches that a provider makes, whole and streamed, in three dialects: the ledger holds what the providers bill."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    for case in SEARCHING:
        for streamed in (False, True):
            path, body = a_search(case, streamed)
            answer = call(gateway.port, "POST", path, body, {"authorization": f"Bearer {key}"} | case[1])
            check_equal(answer.status, 200, f"{path} to {case[2]}: {answer.text[:300]}")
    gateway.at_rest()
    simulator.quiet()
    entries = simulator.billing()
    check_equal([e["billed"].get("web_search", 0) for e in entries], [3, 3, 5, 5, 5, 5, 5, 5], "searches billed")
    wanted = by_target(zip(entries, expected_costs(entries)), lambda pair: (f"{pair[0]['provider']}/{pair[0]['model']}", pair[1]))
    rows, ledger = ledger_by_target(bench)
    check_equal(ledger, wanted, "nano-credits per target, ledger against billing log")
    check_equal({row["settlement"] for row in rows}, {"settle_exact"}, "settlements")
    check("clean" in bench.run("ledger", "verify"), "the ledger is not clean")
