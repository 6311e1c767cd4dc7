"""Soak (L11): the oracle's mixed traffic at a fixed rate for a long time, while providers have bad spells, the configuration is
reloaded, some of it broken, and keys are made and revoked.

    soak.py --bin-dir build/release/bin [--minutes 30] [--rate 500] [--seed N]

Afterwards: memory grows by at most 1 MiB a minute after the warm-up, descriptors do not grow, nothing is reserved, the ledger
verifies, and every attempt of the journal agrees with the simulator's bill. Ends with 1 if any of it does not hold; prints the seed.
"""
import argparse
import asyncio
import json
import os
import pathlib
import random
import statistics
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import clients
import harness
import mix
import run as oracle
from journal import Journal
from judge import Judge
from prices import PriceList

SLOPE_KIB_MAX = 1024          # a minute, after the warm-up
JUDGED_MINUTES_MIN = 8        # less says nothing about a slope: caches fill at first
# Opaque state fills its 64 MiB only after some 150,000 answers, which would look like a leak until then.
SMALL_STORE = "\n[opaque]\nbytes_max = 4194304\n"
# A request's maximum of output tokens names it among those of its key, and no model gives more than 65,536.
REQUESTS_PER_KEY = 64_000
ROTATED = 6                   # the key in oracle.KEYS that is replaced again and again
# What a provider does for a while, to everyone: directives of docs/simulator.md.
SPELLS = ("status=503", "status=529", "status=429 retry_after=1", "refuse", "delay_ms=2500", "think_ms=1500 drip=64", "html", "cut_after=3 cut=rst",
          "stall_after=2", "garbage=2", "no_usage")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin-dir", required=True)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=float, default=500, help="requests a second")
    parser.add_argument("--at-once", type=int, default=400, help="clients")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--keep", action="store_true", help="keep the folder")
    return parser.parse_args()


class Weighing(threading.Thread):
    """Memory and descriptors of the gateway, once a second."""

    def __init__(self, gateway):
        super().__init__(daemon=True)
        self.gateway, self.over = gateway, threading.Event()
        self.samples = []  # (seconds, KiB resident, descriptors)

    def look(self):
        return self.gateway.memory_kb(), len(os.listdir(f"/proc/{self.gateway.pid}/fd"))

    def run(self):
        begun = time.monotonic()
        while not self.over.wait(1):
            self.samples.append((time.monotonic() - begun, *self.look()))


class Unrest(threading.Thread):
    """What happens beside the requests, drawn from the seed: bad spells, reloads, keys that come and go. The first thing that
    goes wrong ends it and is kept in `failed`."""

    def __init__(self, bench, gateway, simulator, secrets, seed):
        super().__init__(daemon=True)
        self.bench, self.gateway, self.simulator, self.secrets = bench, gateway, simulator, secrets
        self.dice, self.over, self.failed = random.Random(f"unrest {seed}"), threading.Event(), None
        self.spells = self.reloads = self.broken_reloads = 0
        self.retired = []  # secrets of keys that were revoked
        self.policy = bench.folder / "policies" / "seventy-thirty.toml"

    def run(self):
        try:
            while not self.over.wait(self.dice.uniform(0.5, 6)):
                self.dice.choice((self.spell, self.spell, self.spell, self.reload, self.break_reload, self.replace_key))()
        except Exception as fault:  # noqa: BLE001  told by the main thread
            self.failed = fault
        finally:
            self.simulator.faults("")

    def spell(self):
        provider = self.dice.choice(harness.PROVIDERS)
        self.simulator.faults(self.dice.choice(SPELLS), provider)
        self.over.wait(self.dice.uniform(0.3, 2))
        self.simulator.faults("", provider)
        self.spells += 1

    def reload(self):
        harness.check_equal(self.gateway.admin("POST", "/admin/reload").status, 200, "a reload")
        self.reloads += 1

    def break_reload(self):
        good = self.policy.read_text()
        self.policy.write_text(good.replace("targets", "tragets", 1))
        try:
            status = self.gateway.admin("POST", "/admin/reload").status
        finally:
            self.policy.write_text(good)
        harness.check(status != 200, "a broken policy was taken over")
        self.broken_reloads += 1
        self.reload()

    def replace_key(self):
        """The clients get a new key; when nobody sends the old one any more it is revoked, and refused within a second."""
        old, self.secrets[ROTATED] = self.secrets[ROTATED], oracle.key_of(self.bench, ROTATED)
        self.over.wait(1)
        self.bench.run("keys", "revoke", old.split("_")[1])
        self.retired.append(old)

        def refused():
            return self.gateway.chat(old, {"model": "auto", "messages": [harness.user("hello")]}).status == 401
        harness.wait_until(refused, 1.5, "a revoked key to be refused", pause=0.1)


def slope(samples):
    """KiB a minute: least squares of resident memory over time."""
    times, sizes = [s[0] / 60 for s in samples], [s[1] for s in samples]
    return statistics.linear_regression(times, sizes).slope


class Verdict:
    def __init__(self):
        self.faults = []

    def hold(self, truth, what):
        print(f"{'ok    ' if truth else 'FAILED'} {what}", flush=True)
        if not truth:
            self.faults.append(what)


def judge_process(samples, at_start, at_rest, options, verdict):
    """Slope and descriptors, from the last two thirds of the run."""
    minutes = options.minutes
    steady = [s for s in samples if s[0] > minutes * 20]
    growth = slope(steady) if len(steady) > 10 else 0.0
    middle, last = (statistics.median(s[2] for s in part) for part in (steady[:len(steady) // 2], steady[len(steady) // 2:]))
    print(f"memory: {at_start[0]} KiB at the start, {steady[0][1]} after the warm-up, {steady[-1][1]} at the end, at most {max(s[1] for s in samples)}")
    print(f"descriptors: {at_start[1]} at the start, {middle:.0f} then {last:.0f} under load (medians), at most {max(s[2] for s in samples)}, "
          f"{at_rest[1]} at rest")
    if minutes * 2 / 3 >= JUDGED_MINUTES_MIN:
        verdict.hold(growth <= SLOPE_KIB_MAX, f"memory grows by {growth:.0f} KiB a minute (at most {SLOPE_KIB_MAX})")
    else:
        print(f"not judged: memory grew by {growth:.0f} KiB a minute; {minutes * 2 / 3:.1f} minutes are too few for a slope")
    verdict.hold(last <= middle * 1.25 + 32, "descriptors do not grow under load")
    # What stays open at rest are idle connections to the providers: never more than clients were served at once.
    verdict.hold(at_rest[1] <= at_start[1] + options.at_once, "descriptors are given back")


def judge_books(bench, options, results, secrets, retired, verdict):
    journal = Journal(bench.folder / "data")
    with open(bench.folder / "billing.jsonl") as file:
        billing = [line for line in map(json.loads, file) if "tag" in line]  # untagged: the probes of revoked keys reach nobody
    key_ids = {secret.split("_")[1]: number for number, secret in enumerate(secrets)} | {old.split("_")[1]: ROTATED for old in retired}
    plans = oracle.Plans(lambda number: mix.plan(options.seed, number, len(oracle.KEYS)), len(results))
    judge = Judge(journal, billing, plans, results, PriceList(bench.folder / "providers"), key_ids)
    judge.run()
    oracle.summary(judge, journal, results, options.minutes * 60)
    for fault in judge.faults[:20]:
        print(f"  {fault}")
    verdict.hold(not judge.faults, f"ledger and bill agree: {judge.matched} attempts matched, {len(judge.faults)} faults")
    verdict.hold(not journal.open_attempts() and journal.reserved() == 0, "no attempt is open, nothing is reserved in the journal")
    verdict.hold(judge.exact_ledger == judge.exact_oracle, "exact settlements differ by 0 nano-credits")
    missing = oracle.variety(judge, len(results))
    verdict.hold(not missing, "the run met what it should" + "".join(f"; {what}" for what in missing))


async def traffic(crowd, minutes, unrest):
    """Until the time is over, or something beside the traffic has gone wrong."""
    async def clock():
        end = time.monotonic() + minutes * 60
        while time.monotonic() < end and unrest.failed is None:
            await asyncio.sleep(0.2)
        crowd.count = crowd.next
    await asyncio.gather(crowd.run(), clock())


def soak(bench, options, verdict):
    simulator = bench.simulator("--billing", bench.folder / "billing.jsonl")
    bench.write_config(simulator, extra=SMALL_STORE)
    keys = list(oracle.KEYS)
    while len(oracle.KEYS) * REQUESTS_PER_KEY < options.rate * options.minutes * 60:
        oracle.KEYS += keys
    secrets = [oracle.key_of(bench, number) for number in range(len(oracle.KEYS))]
    for name, window in oracle.BUDGETS:
        bench.run("budgets", "set", name, window)
    mix.write_prices(bench.folder / "providers", mix.instants(time.time() + 1, max(10, options.minutes * 60)))
    gateway = bench.serve()
    weighing = Weighing(gateway)
    at_start = weighing.look()
    unrest = Unrest(bench, gateway, simulator, secrets, options.seed)
    crowd = clients.Crowd(gateway.port, secrets, lambda number: mix.plan(options.seed, number, len(oracle.KEYS)), 1 << 62, options.at_once, options.rate)
    weighing.start()
    unrest.start()
    begun = time.monotonic()
    asyncio.run(traffic(crowd, options.minutes, unrest))
    seconds = time.monotonic() - begun
    for helper in (unrest, weighing):
        helper.over.set()
        helper.join(30)
    print(f"{len(crowd.results)} requests in {seconds:.0f} s: {len(crowd.results) / seconds:.0f} a second"
          + ("" if len(crowd.results) > 0.9 * options.rate * seconds else f" (asked for {options.rate:.0f}: this machine could not)"))
    print(f"{unrest.spells} bad spells of a provider, {unrest.reloads} reloads, {unrest.broken_reloads} broken ones, {len(unrest.retired)} keys replaced")
    verdict.hold(unrest.failed is None, f"reloads and keys: {unrest.failed or 'all as they should'}")
    gateway.at_rest(180)
    verdict.hold(True, "reserved = 0 at rest, the ledger is durable")
    simulator.quiet(60)
    time.sleep(1)  # the gateway has noticed that the clients are gone
    judge_process(weighing.samples, at_start, weighing.look(), options, verdict)
    bench.run("ledger", "verify")
    verdict.hold(True, "turnpike ledger verify")
    verdict.hold(gateway.metric("turnpike_ledger_conflicts_total") == 0, "no settlement conflicts")
    verdict.hold(gateway.stop(60) == 0, "the gateway ends with 0")
    judge_books(bench, options, crowd.results, secrets, unrest.retired, verdict)


def main():
    options = arguments()
    print(f"soak (L11): {options.minutes:g} minutes, {options.rate:g} requests a second, seed {options.seed}", flush=True)
    bench, verdict = harness.Bench(options.bin_dir), Verdict()
    bench.begin("soak")
    failed = True
    try:
        soak(bench, options, verdict)
        failed = bool(verdict.faults)
    finally:
        bench.end(keep=failed or options.keep)
        if failed:
            print(f"the folder is kept: {bench.folder}")
    print(f"\nsoak: {f'FAILED, {len(verdict.faults)} faults' if failed else 'ok'}, seed {options.seed}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
