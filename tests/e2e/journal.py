"""The ledger's journal, read from its SQLite file and folded anew: balances, attempts and the limits that held at each
entry. Shares nothing with the ledger but the words of docs/ledger.md. The ledger must be closed."""
import sqlite3
from dataclasses import dataclass, field

KINDS = {1: "opened", 2: "name_defined", 3: "price_defined", 4: "key_created", 5: "key_revoked", 6: "budget_set", 7: "window_opened",
         8: "path_defined", 9: "reserve", 10: "progress", 11: "settle_exact", 12: "settle_estimated", 13: "void", 14: "overrun",
         15: "correction", 17: "clock_frozen", 18: "clock_released", 19: "key_changed", 20: "lease_granted", 21: "lease_closed"}
ENDS = ("settle_exact", "settle_estimated", "void")
TOKENS = ("input_fresh", "input_cache_read", "input_cache_write_5m", "input_cache_write_1h", "output_text", "output_reasoning")
AT_RESERVATION, IMPLAUSIBLE = 4, 8  # bits of an end's flags
ROLLING_BUCKETS = 60


class Broken(Exception):
    """The journal breaks a rule; the message names the entry."""


@dataclass
class Attempt:
    """From its reserve entry to its end."""
    seq: int
    at: int
    decision: str
    ordinal: int
    target: str
    price_id: str
    key: str
    held: int
    output_bound: int
    windows: list
    end: str = ""
    cause: str = ""
    amount: int = 0
    flags: int = 0
    overrun: int = 0
    usage: dict = field(default_factory=dict)

    @property
    def cost(self):
        return self.amount + self.overrun


@dataclass
class Rule:
    """One limit of one budget. `live` are the windows that count: one, or the buckets of a rolling one."""
    budget: str
    kind: str
    zone: str
    duration_us: int
    limit: int = 0
    lifted: bool = False
    live: list = field(default_factory=list)


@dataclass
class Window:
    rule: Rule
    start: int
    end: int | None
    settled: int = 0
    reserved: int = 0

    @property
    def used(self):
        return self.settled + self.reserved


def nano(credits):
    """"0.000000001" is 1."""
    sign = -1 if credits.startswith("-") else 1
    whole, _, fraction = credits.lstrip("-").partition(".")
    return sign * (int(whole) * 10**9 + int((fraction + "000000000")[:9]))


def fields_of(detail):
    """{name: [values]} of lines "name=value"."""
    found = {}
    for line in (detail or "").split("\n"):
        name, equals, value = line.partition("=")
        if equals:
            found.setdefault(name, []).append(value.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%"))
    return found


class Journal:
    """Reads everything at once. `attempts` by seq; `budgets` maps a name to its rules; Broken if I1, I2, I4 or I6 does not hold."""

    def __init__(self, folder):
        self.names, self.prices, self.paths, self.windows, self.budgets = {}, {}, {}, {}, {}
        self.attempts, self.entries, self.checked = {}, 0, 0
        self.peaks = {}  # rule: the most that was settled + reserved at a reserve
        self._last_end = None
        database = sqlite3.connect(f"file:{folder}/ledger.sqlite?mode=ro", uri=True)
        database.row_factory = sqlite3.Row
        for row in database.execute("SELECT * FROM journal ORDER BY seq"):
            self.entries += 1
            if row["seq"] != self.entries:
                raise Broken(f"entry {row['seq']} follows {self.entries - 1}")
            self._take(row, KINDS[row["kind"]])
        self.decisions = {row[0]: row[1] for row in database.execute("SELECT id, record FROM decisions")}
        database.close()

    def _take(self, row, kind):
        if kind == "name_defined":
            self.names[row["seq"]] = row["detail"]
        elif kind == "price_defined":
            self.prices[row["seq"]] = fields_of(row["detail"])["price"][0]
        elif kind == "budget_set":
            self._set_budget(fields_of(row["detail"]))
        elif kind == "window_opened":
            self._open_window(row, fields_of(row["detail"]))
        elif kind == "path_defined":
            detail = fields_of(row["detail"])
            self.paths[row["seq"]] = detail["key"][0], [self.windows[int(number)] for number in detail.get("window", [])]
        elif kind == "reserve":
            self._reserve(row)
        elif kind in ENDS:
            self._end(row, kind)
        elif kind == "overrun":
            self._overrun(row)
        elif kind == "correction":
            for number in fields_of(row["detail"]).get("window", []):
                self.windows[int(number)].settled += row["amount"]

    def _rule(self, budget, text):
        kind, zone, seconds, limit = text.split(" ")[:4]
        rules = self.budgets.setdefault(budget, {})
        rule = rules.setdefault((kind, zone, seconds), Rule(budget, kind, zone, int(seconds) * 10**6))
        return rule, nano(limit)

    def _set_budget(self, detail):
        for rule in self.budgets.get(detail["budget"][0], {}).values():
            rule.lifted = True
        for text in detail.get("window", []):
            rule, rule_limit = self._rule(detail["budget"][0], text)
            rule.limit, rule.lifted = rule_limit, False

    def _open_window(self, row, detail):
        rule, _ = self._rule(detail["budget"][0], detail["window"][0])
        window = Window(rule, int(detail["start"][0]), int(detail["end"][0]) if "end" in detail else None)
        stays = rule.duration_us if rule.kind == "rolling" else 0
        rule.live = [w for w in rule.live if w.end is None or w.end + stays > window.start] + [window]
        if len(rule.live) > (ROLLING_BUCKETS + 1 if rule.kind == "rolling" else 1):
            raise Broken(f"entry {row['seq']}: {len(rule.live)} windows of {rule.budget} {rule.kind} count at once")
        self.windows[row["seq"]] = window

    def _reserve(self, row):
        key, windows = self.paths[row["path"]]
        attempt = Attempt(row["seq"], row["at"], row["decision"], row["ordinal"], self.names[row["model"]], self.prices[row["price"]],
                          key, row["amount"], row["output_text"], windows)
        self.attempts[attempt.seq] = attempt
        for window in windows:
            window.reserved += attempt.held
            rule = window.rule
            if window is not rule.live[-1] or row["at"] < window.start or (window.end is not None and row["at"] >= window.end):
                raise Broken(f"entry {row['seq']}: charged to a window of {rule.budget} that does not hold its instant (I8)")
            used = sum(w.used for w in rule.live)
            self.checked += 1
            self.peaks[rule.budget, rule.kind] = max(self.peaks.get((rule.budget, rule.kind), 0), used)
            if used > rule.limit:
                raise Broken(f"entry {row['seq']}: {rule.budget} {rule.kind} holds {used} of {rule.limit} (I1)")

    def _end(self, row, kind):
        attempt = self.attempts.get(row["attempt"])
        if attempt is None or attempt.end:
            raise Broken(f"entry {row['seq']}: ends attempt {row['attempt']}, which is unknown or has ended (I4)")
        if row["amount"] > attempt.held:
            raise Broken(f"entry {row['seq']}: more than was held, and no overrun entry (I6)")
        attempt.end, attempt.amount, attempt.flags = kind, row["amount"], row["flags"]
        attempt.cause = self.names.get(row["cause"], "")
        attempt.usage = {name: row[name] for name in TOKENS}
        for window in attempt.windows:
            window.reserved -= attempt.held
            window.settled += attempt.amount
        self._last_end = row["seq"]

    def _overrun(self, row):
        attempt = self.attempts[row["attempt"]]
        if self._last_end != row["seq"] - 1:
            raise Broken(f"entry {row['seq']}: an overrun that does not follow its settlement (I6)")
        attempt.overrun = row["amount"]
        for window in attempt.windows:
            window.settled += row["amount"]

    def open_attempts(self):
        return [attempt for attempt in self.attempts.values() if not attempt.end]

    def reserved(self):
        """Over all windows; 0 when nothing is in flight (I5)."""
        return sum(window.reserved for window in self.windows.values())

    def settled(self, budget, kind):
        """Of the budget's windows of that kind, all that were ever opened."""
        return sum(w.settled for w in self.windows.values() if (w.rule.budget, w.rule.kind) == (budget, kind))
