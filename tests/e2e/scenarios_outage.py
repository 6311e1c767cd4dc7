"""A provider's outage while 200 agent loops run: DeepSeek dies, falls silent or is overloaded, then returns. Claude and Gemini stand
behind it in the policy. The same loops, same seed, run once without an outage; what differs is what clients felt.

Printed: failures that clients saw, latency beside the calm run, how long until DeepSeek has its traffic back, and the ledger's
spend against the bill. `--long` makes the outages a minute long.
"""
import json
import os
import pathlib
import re
import signal
import statistics
import sys
import time

from harness import check, check_equal, wait_until
from journal import Journal
from prices import PriceList

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "oracle"))
from judge import by_class, decided_at

LOOPS = 200
STEP = "tokens=25 think_tokens=5 cadence_ms=30 think_ms=100 rounds=4"  # a step takes about a second
IDLE_MS = 2000
CALM_SECONDS, OUTAGE_SECONDS, OUTAGE_SECONDS_LONG = 8, 6, 60
RETURN_SECONDS_MAX = 75  # an ejection lasts 30 s, spread by a tenth, then one probe; a probe that failed doubles it
REFUSED_SHARE_MAX = 0.005


class DeepSeek:
    """A simulator of its own, so that it can die alone. Its bill goes on in one file."""

    def __init__(self, bench):
        self.bench, self.port = bench, 0
        self.open()

    def open(self):
        self.simulator = self.bench.simulator("--port", self.port, "--billing", self.bench.folder / "deepseek.jsonl")
        self.port = self.simulator.port

    def die(self):
        check_equal(self.simulator.stop(), 0, "the simulator's exit code")

    def fall_silent(self):
        os.kill(self.simulator.pid, signal.SIGSTOP)

    def speak_again(self):
        os.kill(self.simulator.pid, signal.SIGCONT)

    def be_overloaded(self):
        self.simulator.faults("status=529")

    def be_well(self):
        self.simulator.faults("")


def completed(simulator):
    return sum(count for name, count in simulator.stats()["outcomes"].items() if name.endswith(".complete"))


class Trace:
    """What turnpike-load wrote of each request."""

    def __init__(self, path):
        rows = [line.split("\t") for line in path.read_text().splitlines()]
        self.requests = [(int(begun) / 1e6, int(took) / 1e6, outcome) for begun, took, _, outcome in rows]

    def outcomes(self):
        counts = {}
        for *_, outcome in self.requests:
            counts[outcome] = counts.get(outcome, 0) + 1
        return counts

    def milliseconds(self, begin, end):
        """How long the completed requests took that were under way at some time between these instants."""
        return [took * 1000 for begun, took, outcome in self.requests if begun < end and begun + took > begin and outcome == "completed"]


def percentile(values, percent):
    return statistics.quantiles(values, n=100)[percent - 1] if len(values) > 1 else float("nan")


class Loops:
    """200 agents at work until they are told to stop."""

    def __init__(self, bench, gateway, key, name):
        self.path = bench.folder / f"{name}.trace"
        self.process = bench.start_load(gateway.url, key, "--models", "auto", "--concurrency", LOOPS, "--requests", 10**9, "--seconds", 3600,
                                        "--ramp-ms", 1000, "--loop-share", 1, "--stream-share", 0.8, "--directive", STEP, "--seed", 6, "--max-tokens", 4000,
                                        "--trace", self.path)

    def end(self):
        """Their figures and their trace."""
        check(self.process.running(), lambda: f"the load ended early: {self.process.output()}")
        self.process.process.terminate()
        self.process.process.wait(60)
        return json.loads(self.process.output().strip().splitlines()[-1]), Trace(self.path)


def gateway_with_backups(bench, deepseek, others):
    """All on DeepSeek, small Claude and Gemini models behind it; time-outs short."""
    config = bench.write_config(others, "all-bulk")
    config.write_text(re.sub(r'(?m)^deepseek = ".*"$', f'deepseek = "{deepseek.simulator.url}"', config.read_text()))
    for file in (bench.folder / "providers").glob("*.toml"):
        file.write_text(re.sub(r"(response_head_ms|idle_ms) = \d+", rf"\1 = {IDLE_MS}", file.read_text()))
    key = bench.key()
    return bench.serve(), key


def seconds_until_return(deepseek, others):
    """Until nine of ten answers in a second are DeepSeek's again; None if it takes too long."""
    begun = time.monotonic()
    while time.monotonic() - begun < RETURN_SECONDS_MAX:
        theirs, elsewhere = completed(deepseek.simulator), completed(others)
        time.sleep(1)
        theirs, elsewhere = completed(deepseek.simulator) - theirs, completed(others) - elsewhere
        if theirs >= 9 * max(1, elsewhere):
            return time.monotonic() - begun
    return None


class Books:
    """The journal against both bills. Lines find their attempts by the provider's own request id."""

    def __init__(self, bench):
        journal, prices = Journal(bench.folder / "data"), PriceList(bench.folder / "providers")
        files = [bench.folder / "deepseek.jsonl", bench.folder / "others.jsonl"]
        lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
        by_id = {line[name]: line for line in lines for name in ("request_id", "trace_id") if line.get(name)}
        self.faults, self.exact, self.exact_billed, self.estimated, self.spent = [], 0, 0, 0, 0
        self.billed = sum(prices.charge(line["provider"], line["model"], line["started_unix_s"], line["billed"]) for line in lines)
        settled = set()
        for attempt in journal.attempts.values():
            record = json.loads(journal.decisions[attempt.decision])["attempts"][attempt.ordinal - 1]
            line = by_id.get(record.get("upstream_request_id"))
            self.spent += attempt.cost
            if line:
                settled.add(line["request_id"])
            if attempt.end == "settle_exact":
                self._compare(attempt, line, prices)
            elif attempt.end == "settle_estimated":
                self.estimated += attempt.cost
            elif attempt.end != "void" or attempt.cost:
                self.faults.append(f"attempt {attempt.seq} ended as {attempt.end or 'nothing'} at {attempt.cost}")
        # A line that is complete was an answer to its end, whose id the gateway has seen.
        self.faults += [f"billed and not settled: {line['request_id']}" for line in lines
                        if line["outcome"] == "complete" and line["request_id"] not in settled and line["wall_us"] < IDLE_MS * 1000]
        if journal.open_attempts() or journal.reserved():
            self.faults.append(f"{len(journal.open_attempts())} attempts open, {journal.reserved()} reserved")

    def _compare(self, attempt, line, prices):
        provider, model = attempt.target.split("/", 1)
        billed = prices.charge(provider, model, decided_at(attempt.decision), line["billed"]) if line else None
        self.exact += attempt.cost
        self.exact_billed += billed or 0
        if billed != attempt.cost or by_class(attempt.usage) != by_class(line["billed"]):
            self.faults.append(f"attempt {attempt.seq}: settled exactly at {attempt.cost}, billed {billed}")


def tell(name, calm, outage, window, recovery, books):
    """Prints what the outage cost the clients; the share of requests that were refused."""
    outcomes = outage.outcomes()
    everything = sum(outcomes.values())
    failed = {outcome: count for outcome, count in outcomes.items() if outcome != "completed"}
    cut = failed.get("error_event", 0)
    refused = sum(failed.values()) - cut
    before, during = calm.milliseconds(0, float("inf")), outage.milliseconds(*window)
    print(f"  {name}: {everything} requests of {LOOPS} loops; {refused} refused ({refused / everything:.2%}), {cut} streams cut after their first "
          f"words; {failed or 'no failures'}")
    for percent in (50, 99):
        plain, hurt = percentile(before, percent), percentile(during, percent)
        print(f"  latency p{percent}: {plain:.0f} ms without an outage, {hurt:.0f} ms while it lasted ({hurt - plain:+.0f} ms)")
    print(f"  DeepSeek had nine of ten requests again after {f'{recovery:.0f} s' if recovery else 'more than the bound'}")
    print(f"  exact settlements: ledger {books.exact}, bill {books.exact_billed}, difference {books.exact - books.exact_billed} nano-credits; "
          f"estimates {books.estimated}; spent {books.spent}, billed {books.billed} in all", flush=True)
    return refused, refused / everything, cut


def drill(bench, name, fail, mend):
    """A calm run, then the same loops with the outage; judged by what clients saw and by the bill."""
    deepseek = DeepSeek(bench)
    others = bench.simulator("--billing", bench.folder / "others.jsonl")
    gateway, key = gateway_with_backups(bench, deepseek, others)
    loops = Loops(bench, gateway, key, "calm")
    time.sleep(CALM_SECONDS)
    figures, calm = loops.end()
    check_equal(figures["completed"], figures["requests"], "completed requests of the calm run")
    loops = Loops(bench, gateway, key, "outage")
    time.sleep(CALM_SECONDS / 2)
    begun = time.time()
    fail(deepseek)
    time.sleep(OUTAGE_SECONDS_LONG if bench.long else OUTAGE_SECONDS)
    ended = time.time()
    mend(deepseek)
    recovery = seconds_until_return(deepseek, others)
    _, outage = loops.end()
    gateway.at_rest(60)
    for simulator in (deepseek.simulator, others):
        simulator.quiet()
    check("clean" in bench.run("ledger", "verify"), "the ledger is not clean")
    check_equal(gateway.stop(60), 0, "exit code")
    books = Books(bench)
    _, refused_share, cut = tell(name, calm, outage, (begun, ended), recovery, books)
    check(refused_share <= REFUSED_SHARE_MAX, f"{refused_share:.2%} of the requests were refused, at most {REFUSED_SHARE_MAX:.2%} may")
    check(cut <= LOOPS, f"{cut} streams were cut; only those under way when DeepSeek failed can be, at most {LOOPS}")
    check(recovery is not None, f"DeepSeek did not get its traffic back within {RETURN_SECONDS_MAX} s")
    check(not books.faults, lambda: f"{len(books.faults)} faults in the books: {books.faults[:5]}")
    wait_until(lambda: not gateway.running(), 1, "the end")


def deepseek_dies_and_returns(bench):
    """Connections are refused: loops go on at Claude, nobody is refused, DeepSeek gets its traffic back, the books agree."""
    drill(bench, "dies", DeepSeek.die, DeepSeek.open)


def deepseek_falls_silent_and_returns(bench):
    """It accepts connections and says nothing: the same."""
    drill(bench, "falls silent", DeepSeek.fall_silent, DeepSeek.speak_again)


def deepseek_is_overloaded_and_returns(bench):
    """It answers 529: the same, and no stream is cut."""
    drill(bench, "is overloaded", DeepSeek.be_overloaded, DeepSeek.be_well)
