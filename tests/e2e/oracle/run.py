"""The ledger against the bill: mixed requests to a real gateway with the simulator behind it, then the journal attempt by
attempt against the simulator's billing log, priced by code that is not the ledger's.

    run.py --bin-dir build/release/bin [--requests 100000] [--seed N] [--at-once 96] [--rate 300]

Streams, whole calls, clients that leave, retries, fallbacks, faults of usage and of the wire, four dialects, eight keys in
three teams; while prices change, a promotion ends, prompts cross tiers, a model is retired. Ends with 1 if an exact settlement
differs by a nano-credit, an estimate has no cause, an attempt no end, or something billed is void. Prints the seed.
"""
import argparse
import asyncio
import json
import pathlib
import random
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import clients
import harness
import mix
from journal import Journal
from judge import Judge
from prices import PriceList

KEYS = [("acme", "search", "alice"), ("acme", "search", "bob"), ("acme", "ads", "carol"), ("acme", "ads", ""), ("acme", "", ""),
        ("umbra", "labs", "dora"), ("umbra", "labs", "emil"), ("umbra", "", "")]
# Wide enough for all, but for one key that runs dry and one that is tight for a while at a time.
BUDGETS = [("org:acme", "100000/month@Europe/Berlin"), ("org:umbra", "100000/lifetime"), ("team:acme/search", "50000/day@Australia/Lord_Howe"),
           ("team:umbra/labs", "50000/week"), ("user:acme/alice", "50000/hour")]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin-dir", required=True)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--at-once", type=int, default=96, help="clients")
    parser.add_argument("--rate", type=float, default=300, help="requests a second, at most; prices change by it")
    parser.add_argument("--keep", action="store_true", help="keep the folder")
    return parser.parse_args()


def key_of(bench, number):
    org, team, user = KEYS[number]
    options = [word for name, value in (("--team", team), ("--user", user)) if value for word in (name, value)]
    budgets = ["--budget", "2.5/lifetime"] if number == 4 else ["--budget", "60/rolling:1m"] if number == 7 else []
    return bench.run("keys", "create", "--name", f"k{number}", "--org", org, *options, *budgets).strip().splitlines()[-1]


def summary(judge, journal, results, seconds):
    statuses = {}
    for status, _, _ in results.values():
        statuses[status] = statuses.get(status, 0) + 1
    print(f"\n{len(results)} requests in {seconds:.0f} s ({len(results) / seconds:.0f}/s); {journal.entries} entries, "
          f"{len(journal.attempts)} attempts, {judge.matched} matched with a line of the bill ({judge.ids_agree} by request id as well), "
          f"{judge.retries} retries, {judge.fallbacks} fallbacks, {judge.repeated} requests sent twice by the transport within one attempt")
    print("statuses (0: the client left first)  " + ", ".join(f"{k}: {v}" for k, v in sorted(statuses.items())))
    print("\nsettlement         attempts")
    for end, count in sorted(judge.ends.items()):
        print(f"  {end:<17}{count:>8}")
    print(f"\nexact settlements: ledger {judge.exact_ledger} nano-credits, oracle {judge.exact_oracle}, difference {judge.exact_ledger - judge.exact_oracle}")
    print("\nprice (tier)                                                              exact attempts")
    for (price, tier), count in sorted(judge.by_price.items()):
        print(f"  {price + (f' above {tier} tokens' if tier else ''):<73}{count:>8}")
    print("\nend, cause, what the provider saw                                         attempts")
    for (end, cause, outcome), count in sorted(judge.causes.items()):
        print(f"  {f'{end}, {cause}, {outcome}':<73}{count:>8}")
    print(f"\n{judge.given_up} of the estimates are of answers that the provider finished after the gateway had given up waiting")
    print("\nestimates by cause              attempts   booked nano-credits   billed nano-credits")
    for cause, (count, booked, billed) in sorted(judge.estimates.items()):
        print(f"  {cause:<30}{count:>8}{booked:>22}{billed:>22}")


def variety(judge, count):
    """A run that met too little proves too little."""
    wanted = [f"no attempt ended as {end}" for end in ("settle_exact", "settle_estimated", "void") if not judge.ends[end]]
    if not judge.retries or not judge.fallbacks:
        wanted.append("no retries or no fallbacks")
    prices = {price.split("@")[0] for price, _ in judge.by_price}
    changed = {name for name in prices if len({p for p, _ in judge.by_price if p.startswith(name + "@")}) > 1}
    if len(changed) < 3:
        wanted.append(f"prices changed under way only for {sorted(changed)}")
    if not any(tier for _, tier in judge.by_price):
        wanted.append("no prompt crossed a tier")
    return wanted if count >= 2000 else []


def measure(bench, options):
    simulator = bench.simulator("--billing", bench.folder / "billing.jsonl")
    bench.write_config(simulator)
    secrets = [key_of(bench, number) for number in range(len(KEYS))]
    for name, window in BUDGETS:
        bench.run("budgets", "set", name, window)
    moments = mix.instants(time.time() + 1, max(10, options.requests / options.rate))
    mix.write_prices(bench.folder / "providers", moments)
    print("prices change at " + ", ".join(f"{name} {moment}" for name, moment in moments.items()), flush=True)
    gateway = bench.serve()

    def plan_of(number):
        return mix.plan(options.seed, number, len(KEYS))
    crowd = clients.Crowd(gateway.port, secrets, plan_of, options.requests, options.at_once, options.rate)
    begun = time.monotonic()
    asyncio.run(crowd.run())
    seconds = time.monotonic() - begun
    gateway.at_rest(180)
    simulator.quiet(60)
    bench.run("ledger", "verify")
    metrics = gateway.metrics()
    harness.check_equal(gateway.stop(60), 0, "exit code")
    return crowd.results, plan_of, seconds, secrets, metrics


def tampered(judge_of, journal, billing):
    """What the judge says of books with one error each; it must find every one."""
    lines = {line.get("attempt"): line for line in billing}
    exact = next(a for a in journal.attempts.values() if a.end == "settle_exact" and a.cost > 0 and a.seq in lines)
    estimate = next(a for a in journal.attempts.values() if a.end == "settle_estimated")
    void = next(a for a in journal.attempts.values() if a.end == "void")
    line = lines[exact.seq]  # of an estimate's line a token more would rightly go unnoticed
    errors = [("a nano-credit too much", exact, "amount", exact.amount + 1), ("billed, but void", exact, "end", "void"),
              ("exact without need of an estimate", exact, "end", "settle_estimated"), ("another price", exact, "price_id", "x/y@2026-01-01"),
              ("an estimate without a cause", estimate, "cause", ""), ("no end", estimate, "end", ""), ("a void that costs", void, "amount", 1),
              ("a token more on the bill", line["billed"], "input_fresh", line["billed"]["input_fresh"] + 1)]
    missed = []
    for name, thing, member, value in errors:
        read, write = (dict.get, dict.__setitem__) if isinstance(thing, dict) else (getattr, setattr)
        kept = read(thing, member)
        write(thing, member, value)
        judge = judge_of()
        judge.run()
        write(thing, member, kept)
        if not judge.faults:
            missed.append(f"the judge does not notice: {name}")
    return missed


class Plans:
    """A dictionary of all plans that makes each when it is asked for."""

    def __init__(self, plan_of, count):
        self.plan_of, self.count = plan_of, count

    def __contains__(self, number):
        return 0 <= number < self.count

    def __getitem__(self, number):
        return self.plan_of(number)


def main():
    options = arguments()
    print(f"oracle: {options.requests} requests, seed {options.seed}", flush=True)
    bench = harness.Bench(options.bin_dir)
    bench.begin("oracle")
    failed = True
    try:
        results, plan_of, seconds, secrets, _ = measure(bench, options)
        journal = Journal(bench.folder / "data")
        billing = [json.loads(line) for line in open(bench.folder / "billing.jsonl")]
        key_ids = {secret.split("_")[1]: number for number, secret in enumerate(secrets)}
        plans, prices = Plans(plan_of, options.requests), PriceList(bench.folder / "providers")

        def judge_of():
            for line in billing:
                line.pop("attempt", None)
            return Judge(journal, billing, plans, results, prices, key_ids)
        judge = judge_of()
        judge.run()
        if journal.open_attempts() or journal.reserved():
            judge.fault(f"{len(journal.open_attempts())} attempts open, {journal.reserved()} reserved at rest")
        summary(judge, journal, results, seconds)
        faults = judge.faults + variety(judge, options.requests)
        if options.requests <= 5000:
            faults += tampered(judge_of, journal, billing)
        for fault in faults[:20]:
            print(f"FAILED: {fault}")
        failed = bool(faults)
        print(f"\noracle: {'FAILED, ' + str(len(faults)) + ' faults' if failed else 'ok'}, seed {options.seed}")
    finally:
        bench.end(keep=failed or options.keep)
        if failed:
            print(f"the folder is kept: {bench.folder}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
