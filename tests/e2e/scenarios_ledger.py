"""The ledger's cases of the reliability specification that need a provider behind the gateway; their numbers are in the names."""
import json
import re
import threading
import time

from harness import ChatStream, check, check_equal, unique, usage_of, user, wait_until
from journal import Journal, nano
from prices import PriceList

FLASH, HAIKU = "deepseek/deepseek-flash", "anthropic/claude-haiku-5-5"
SONNET = "anthropic/claude-sonnet-5-5"  # one price, whatever the prompt's size and the hour


def record_of(gateway, answer):
    """The decision record of an answer, by the id in its header."""
    decision = answer.headers["x-turnpike-decision"]
    return wait_until(lambda: next((d for d in gateway.decisions(50) if d["id"] == decision), None), 5, "the record")


def closed_journal(bench, gateway):
    """Stops the gateway and folds its journal anew."""
    check_equal(gateway.stop(), 0, "exit code")
    journal = Journal(bench.folder / "data")
    check(not journal.open_attempts() and journal.reserved() == 0, "something is open or reserved at rest")
    return journal


def b1_a_budget_for_100_lets_exactly_100_through_again_and_again(bench):
    """B1: 2,000 equal requests at once on a budget for 100: exactly 100 calls, others 402 or 429; 20 times with --long."""
    simulator = bench.simulator()
    gateway, probe = bench.gateway(simulator)
    flags = ("--models", FLASH, "--equal", "--stream-share", 0, "--loop-share", 0, "--max-tokens", 500)
    bench.load(gateway.url, probe, *flags, "--concurrency", 1, "--requests", 1)
    gateway.at_rest()
    one = nano(gateway.decisions(1)[0]["attempts"][0]["reserved"])
    budget = 100 * one + one // 2
    count, repeats = (2000, 20) if bench.long else (bench.scaled(500, 300), 2)
    for repeat in range(repeats):
        key = bench.key(f"{budget // 10**9}.{budget % 10**9:09d}/lifetime", name=f"hundred{repeat}", org=f"org{repeat}")
        before = simulator.billing()[-1]["seq"]
        figures = bench.load(gateway.url, key, *flags, "--concurrency", count, "--requests", count, "--seconds", 60,
                             "--directive", f"delay_ms={1000 + count * 2}")
        gateway.at_rest(60)
        check_equal(len(simulator.billing(before)), 100, f"round {repeat}: requests that reached the provider")
        check_equal((figures["requests"], figures["completed"], figures["broken"]), (count, 100, 0), figures)
        check(set(figures["refused"]) <= {"402", "429"}, f"refusals {figures['refused']}")
    closed_journal(bench, gateway)
    print(f"         {repeats} times {count} requests", flush=True)


def b2_no_level_of_the_tree_is_ever_above_its_limit(bench):
    """B2: org for 100, two teams for 60, four keys for 30, all asked at once: each level within its limit at every entry."""
    simulator = bench.simulator()
    gateway, probe = bench.gateway(simulator)
    flags = ("--models", FLASH, "--equal", "--stream-share", 0, "--loop-share", 0, "--max-tokens", 500)
    bench.load(gateway.url, probe, *flags, "--concurrency", 1, "--requests", 1)
    gateway.at_rest()
    one = nano(gateway.decisions(1)[0]["attempts"][0]["reserved"])

    def limit(count):
        amount = count * one + one // 2
        return f"{amount // 10**9}.{amount % 10**9:09d}/lifetime"
    keys = [bench.key(limit(30), name=f"k{n}", org="tree", options=("--team", "left" if n < 2 else "right")) for n in range(4)]
    bench.run("budgets", "set", "org:tree", limit(100))
    for team in ("left", "right"):
        bench.run("budgets", "set", f"team:tree/{team}", limit(60))
    before, figures = simulator.billing()[-1]["seq"], []

    def ask(key):
        figures.append(bench.load(gateway.url, key, *flags, "--concurrency", 150, "--requests", 150, "--seconds", 60, "--directive", "delay_ms=3000"))
    threads = [threading.Thread(target=ask, args=(key,)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gateway.at_rest(60)
    served = len(simulator.billing(before))
    check(95 <= served <= 100, f"{served} of 100 served")
    check_equal(sum(f["completed"] for f in figures), served, "answers")
    journal = closed_journal(bench, gateway)  # fails at the first entry with a level above its limit
    check(journal.peaks["org:tree", "lifetime"] >= 95 * one, journal.peaks)


def b4_usage_told_twice_or_cumulatively_counts_once(bench):
    """B4: Gemini tells its usage in every event, Anthropic at both ends, DeepSeek once: each is charged once."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    prices = PriceList(bench.folder / "providers")
    for target in ("gemini/gemini-3.1-pro-preview", HAIKU, FLASH):
        answer, stream = gateway.stream(key, {"model": target, "messages": [user(f"{unique()} [[sim tokens=40 think_tokens=10]]")]})
        check(stream.done, f"{target}: {answer.text[-200:]}")
        gateway.at_rest()
        simulator.quiet()
        attempt, line = record_of(gateway, answer)["attempts"][0], simulator.billing()[-1]
        check_equal((attempt["settlement"], usage_of(attempt), nano(attempt["cost"])), ("settle_exact", line["billed"], prices.cost(line)), target)


def b5_b6_usage_missing_or_absurd_is_estimated_and_says_why(bench):
    """B5, B6: usage missing, negative, absurd, quoted, broken, above the window: estimated, with a cause, and an alarm where it lies."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    for directive, alarm in (("no_usage", False), ("usage=-1", True), ("usage=9223372036854775808", True), ("usage='7'", None),
                             ("usage=1.5", True), ("usage=2000000", True)):
        answer, stream = gateway.stream(key, {"model": FLASH, "messages": [user(f"{unique()} [[sim tokens=9 think_tokens=0 {directive}]]")]})
        check(stream.done, f"{directive}: {answer.text[-200:]}")
        gateway.at_rest()
        attempt = record_of(gateway, answer)["attempts"][0]
        check(attempt["settlement"] == "settle_estimated" and attempt["cause"], f"{directive}: {attempt}")
        if alarm is not None:
            check_equal("implausible" in attempt["cause"], alarm, f"{directive}: cause {attempt['cause']}")
    journal = closed_journal(bench, gateway)
    check_equal({a.end for a in journal.attempts.values()}, {"settle_estimated"}, "ends in the journal")


def b7_usage_above_the_reservation_is_an_overrun_and_closes_the_budget(bench):
    """B7: twice the reservation is charged exactly, the rest as an overrun of its own; the next request is refused."""
    simulator = bench.simulator()
    # A model without dearer hours: near one of them a reservation holds twice what is paid.
    gateway, probe = bench.gateway(simulator)
    body = {"model": "anthropic/claude-sonnet-5-5", "max_tokens": 10, "messages": [user("word " * 800 + "[[sim tokens=5 think_tokens=0 usage=x600]]")]}
    answer = gateway.chat(probe, body)
    gateway.at_rest()
    held = nano(record_of(gateway, answer)["attempts"][0]["reserved"])
    key = bench.key(f"0.{held + held // 10:09d}/lifetime", name="tight", org="tight")
    answer = gateway.chat(key, body)
    check_equal(answer.status, 200, answer.text[:200])
    gateway.at_rest()
    attempt = record_of(gateway, answer)["attempts"][0]
    check(attempt["settlement"] == "settle_exact" and 3 * held // 2 < nano(attempt["cost"]) < 4 * held, attempt)
    refused = gateway.chat(key, body)
    check_equal((refused.status, refused.headers.get("x-should-retry")), (402, "false"), refused.text[:200])
    journal = closed_journal(bench, gateway)
    overrun = [a for a in journal.attempts.values() if a.overrun]
    check(len(overrun) == 2 and all(a.amount == a.held for a in overrun), overrun)
    check_equal(overrun[-1].cost, nano(attempt["cost"]), "settlement and overrun together")


def b9_without_a_price_nothing_is_sent(bench):
    """B9: a model without a price is refused by name, and no provider hears of it."""
    simulator = bench.simulator()
    bench.write_config(simulator)
    file = bench.folder / "providers" / "anthropic.toml"
    head, *models = re.split(r"(?m)^(?=\[\[model\]\]$)", file.read_text())
    models = [re.split(r"(?m)^(?=\[\[model\.price)", m)[0] if 'id = "claude-haiku-5-5"' in m else m for m in models]
    file.write_text(head + "".join(models))
    key = bench.key()
    gateway = bench.serve()
    answer = gateway.chat(key, {"model": HAIKU, "messages": [user("hello")]})
    check(answer.status >= 400 and "no_price" in answer.text, f"{answer.status} {answer.text[:300]}")
    check_equal(simulator.billing(), [], "requests that reached a provider")
    check_equal(len(closed_journal(bench, gateway).attempts), 0, "attempts")


def b16_the_affordable_maximum_is_written_upstream(bench):
    """B16: no max_tokens and little room: the provider is told what is affordable, within a token of an oracle."""
    simulator = bench.simulator()
    gateway, _ = bench.gateway(simulator)
    prices = PriceList(bench.folder / "providers")
    for number, budget in enumerate(("0.05", "0.1000007", "0.7")):
        key = bench.key(f"{budget}/lifetime", name=f"little{number}", org=f"little{number}")
        answer = gateway.chat(key, {"model": SONNET, "messages": [user(f"{unique()} [[sim tokens=5 think_tokens=0]]")]})
        check_equal(answer.status, 200, answer.text[:300])
        gateway.at_rest()
        asked = json.loads(simulator.requests()[-1]["body"])["max_tokens"]
        check_equal(answer.headers.get("x-turnpike-max-tokens"), str(asked), "x-turnpike-max-tokens")
        attempt = record_of(gateway, answer)["attempts"][0]
        # What the reservation leaves is less than one more token costs.
        rate = prices.rates(*SONNET.split("/"), time.time(), 0)["output_text"]
        left = nano(budget) - nano(attempt["reserved"])
        check(0 <= left * 1000 < rate, f"{left} nano-credits left beside a maximum of {asked}; a token costs {rate} pico-credits")


def b17_three_attempts_have_three_ends_and_one_sum(bench):
    """B17: two ambiguous failures, then an answer: three ends in the journal, their sum in the header and in the record."""
    simulator = bench.simulator()
    gateway, key = bench.gateway(simulator)
    text = f"{unique()} [[sim tokens=5 think_tokens=0]] [[sim only=deepseek,anthropic cut_after=0 cut=fin]]"
    answer = gateway.chat(key, {"model": "turnpike-bulk", "max_tokens": 200, "messages": [user(text)]})
    check_equal(answer.status, 200, answer.text[:300])
    gateway.at_rest()
    record = record_of(gateway, answer)
    ends = [(a["provider"], a["settlement"]) for a in record["attempts"]]
    check_equal(ends, [("deepseek", "settle_estimated"), ("anthropic", "settle_estimated"), ("gemini", "settle_exact")], "ends")
    total = sum(nano(a["cost"]) for a in record["attempts"])
    check(all(nano(a["cost"]) > 0 for a in record["attempts"]), record["attempts"])
    check_equal((nano(answer.headers["x-turnpike-cost"]), nano(record["cost"])), (total, total), "the sum in header and record")
    journal = closed_journal(bench, gateway)
    check_equal(sum(a.cost for a in journal.attempts.values()), total, "the sum in the journal")
    check(all(a.cause for a in journal.attempts.values() if a.end == "settle_estimated"), "an estimate without a cause")
