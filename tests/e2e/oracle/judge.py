"""Holds the journal against the simulator's billing log and the price files. Shares no code with the ledger."""
import collections
import json

from journal import AT_RESERVATION, ENDS, TOKENS
from mix import IDLE_MS, RETIRING

ULID = {letter: value for value, letter in enumerate("0123456789ABCDEFGHJKMNPQRSTVWXYZ")}
# Where hanging up does not stop the meter, a client that leaves is no excuse for an estimate.
BILLS_ON = ("gemini",)


def decided_at(decision):
    """Unix seconds with milliseconds: the instant of a decision is in its id."""
    value = 0
    for letter in decision[:10]:
        value = value * 32 + ULID[letter.upper()]
    return value / 1000


def target_of(line):
    return f"{line['provider']}/{line['model']}"


def by_class(tokens):
    """Classes that are priced apart. Some APIs do not tell reasoning from text; both are output."""
    return [tokens[name] for name in TOKENS[:4]] + [tokens["output_text"] + tokens["output_reasoning"]]


class Judge:
    def __init__(self, journal, billing, plans, results, prices, key_ids):
        self.journal, self.plans, self.results, self.prices, self.key_ids = journal, plans, results, prices, key_ids
        self.key_count = len(set(key_ids.values()))  # a key that was replaced goes by the number of its successor
        self.lines = collections.defaultdict(list)  # number of the request: its billing lines
        for line in sorted(billing, key=lambda line: line["seq"]):
            self.lines[int(line["tag"][1:])].append(line)
        self.untagged = sum("tag" not in line for line in billing)
        self.faults = []
        self.ends = collections.Counter()
        self.causes = collections.Counter()
        self.estimates = collections.defaultdict(lambda: [0, 0, 0])  # cause: attempts, nano booked, nano billed
        self.by_price = collections.Counter()
        self.exact_ledger = self.exact_oracle = 0
        self.retries = self.fallbacks = self.matched = self.ids_agree = self.repeated = self.given_up = 0

    def fault(self, message):
        self.faults.append(message)

    def run(self):
        for number, attempts in self._attempts_by_request().items():
            self._judge_request(number, sorted(attempts, key=lambda a: a.ordinal))
        for number, lines in self.lines.items():
            for line in lines:
                if "attempt" not in line and any(line["billed"].values()):
                    self.fault(f"request {number}: billed by {line['provider']} ({line['outcome']}), no attempt in the journal")
        for number in self.results:
            self._judge_status(number)

    def _attempts_by_request(self):
        """Key and maximum of output tokens name the request; nothing the gateway says about itself is used."""
        found = collections.defaultdict(list)
        for attempt in self.journal.attempts.values():
            if attempt.end not in ENDS:
                self.fault(f"attempt {attempt.seq} has no end")
            key = self.key_ids.get(attempt.key)
            number = (attempt.output_bound - 1000) * self.key_count + (key or 0)
            if key is None or number not in self.plans:
                self.fault(f"attempt {attempt.seq} belongs to no request: key {attempt.key}, {attempt.output_bound} tokens")
                continue
            found[number].append(attempt)
        return found

    def _judge_request(self, number, attempts):
        plan, waiting = self.plans[number], list(self.lines[number])
        decisions = {a.decision for a in attempts}
        if len(decisions) != 1 or [a.ordinal for a in attempts] != list(range(1, len(attempts) + 1)):
            self.fault(f"request {number}: attempts {[(a.decision, a.ordinal) for a in attempts]}")
        self.retries += sum(a.target == b.target for a, b in zip(attempts, attempts[1:]))
        self.fallbacks += sum(a.target != b.target for a, b in zip(attempts, attempts[1:]))
        record = self.journal.decisions.get(attempts[0].decision)
        told = [a.get("upstream_request_id") for a in json.loads(record)["attempts"]] if record else []
        for place, attempt in enumerate(attempts):
            self._skip_repeated(number, waiting, attempts[place:])
            # By target, not by arrival: a provider may take up a request after the gateway has given it up and asked another.
            line = next((line for line in waiting if target_of(line) == attempt.target), None)
            if line:
                waiting.remove(line)
                line["attempt"] = attempt.seq
                self.matched += 1
                if place < len(told) and told[place]:
                    if told[place] not in (line["request_id"], line.get("trace_id")):
                        self.fault(f"request {number}, attempt {place + 1}: the gateway saw another request id than was billed")
                    self.ids_agree += 1
            self._judge_attempt(plan, attempt, line, decided_at(attempts[0].decision))

    def _skip_repeated(self, number, waiting, attempts):
        """One attempt may be sent twice: where a kept connection dies before the first byte of an answer, the transport
        repeats the request once by itself. What was sent first must then have cost nothing, for nobody booked it."""
        target = attempts[0].target
        lines = [line for line in waiting if target_of(line) == target]
        if len(lines) > sum(a.target == target for a in attempts) and lines[0].get("fault") == "refuse":
            waiting.remove(lines[0])
            lines[0]["attempt"] = "repeated"
            self.repeated += 1
            if any(lines[0]["billed"].values()):
                self.fault(f"request {number}: a request that the transport repeated was billed, and not booked")

    def _judge_attempt(self, plan, attempt, line, decided):
        provider, model = attempt.target.split("/", 1)
        where = f"request {plan.number} ({plan.dialect}, {attempt.target}, {plan.fault or 'no fault'}{', leaves' if plan.leaves else ''}), attempt {attempt.ordinal}"
        _, price_id = self.prices.line_at(provider, model, decided)
        if attempt.price_id != price_id:
            self.fault(f"{where}: pinned {attempt.price_id}, in force was {price_id}")
            return
        self.ends[attempt.end] += 1
        if attempt.end == "settle_exact":
            self._judge_exact(where, attempt, line, decided)
        elif attempt.end == "void":
            self.causes["void", attempt.cause, line["outcome"] if line else "never arrived"] += 1
            if attempt.cost or not attempt.cause or (line and any(line["billed"].values())):
                self.fault(f"{where}: void ({attempt.cause}) at {attempt.cost}, billed {line and line['billed']}")
        else:
            self._judge_estimate(where, plan, attempt, line, decided)

    def _judge_exact(self, where, attempt, line, decided):
        if line is None or not line["usage_sent"]:
            self.fault(f"{where}: settled exactly, but no usage was told ({line and line['outcome']})")
            return
        provider, model = attempt.target.split("/", 1)
        wanted = self.prices.charge(provider, model, decided, line["billed"])
        self.exact_ledger += attempt.cost
        self.exact_oracle += wanted
        self.by_price[attempt.price_id, self._tier(provider, model, decided, line["billed"])] += 1
        if by_class(attempt.usage) != by_class(line["billed"]) or attempt.cost != wanted:
            self.fault(f"{where}: the ledger has {attempt.cost} for {attempt.usage}, the oracle {wanted} for {line['billed']}")

    def _tier(self, provider, model, decided, tokens):
        prompt = sum(tokens[name] for name in TOKENS[:4])
        line, _ = self.prices.line_at(provider, model, decided)
        return max([t["prompt_tokens_above"] for t in line.get("tier", []) if prompt > t["prompt_tokens_above"]], default=0)

    def _judge_estimate(self, where, plan, attempt, line, decided):
        provider, model = attempt.target.split("/", 1)
        if not attempt.cause:
            self.fault(f"{where}: an estimate without a cause")
        if attempt.flags & AT_RESERVATION:
            right = attempt.cost == attempt.held
        else:
            right = attempt.cost == self.prices.charge(provider, model, decided, attempt.usage)
        if not right:
            self.fault(f"{where}: estimated at {attempt.cost}, which is neither the reservation nor its usage's price")
        spoilt = "usage" in plan.fault and ("only=" not in plan.fault or f"only={provider}" in plan.fault)
        excused = line is None or line["outcome"] in ("fault", "aborted") or not line["usage_sent"] or spoilt
        left = plan.leaves and plan.stream and provider not in BILLS_ON
        # The gateway gave up waiting, openly or while it read on for a client that had left; the provider finished all the same.
        gave_up = attempt.cause.startswith("timeout") or (plan.leaves and line is not None and line["wall_us"] >= IDLE_MS * 1000)
        if not excused and not left and gave_up:
            self.given_up += 1
        elif not excused and not left:
            self.fault(f"{where}: estimated ({attempt.cause}) although usage was told to the end")
        self.causes["estimated", attempt.cause, line["outcome"] if line else "never arrived"] += 1
        sums = self.estimates[attempt.cause]
        sums[0] += 1
        sums[1] += attempt.cost
        sums[2] += self.prices.charge(provider, model, decided, line["billed"]) if line else 0

    def _judge_status(self, number):
        """Retired models are refused from the second on; what was answered to a client who stayed has an exact or flagged end."""
        plan, (status, begun, over) = self.plans[number], self.results[number]
        if plan.model == RETIRING and status:
            provider, model = RETIRING.split("/")
            before, after = (self.prices.line_at(provider, model, when)[1] for when in (begun, over))
            if before is None and status != 410 or after is not None and status == 410:
                self.fault(f"request {number}: status {status} for a model that is {'retired' if before is None else 'served'}")
        if status == 200 and not plan.leaves and not self.lines[number]:
            self.fault(f"request {number}: answered, but no provider was asked")
