"""Windows and daylight saving against an oracle that shares nothing with the ledger: Python's zoneinfo.

    window_spans.py PROGRAM [instants=60000] [seed]

Draws random instants, half of them within three days of a change of a zone's clocks, asks PROGRAM (window_spans.cpp)
for the window of each in all calendar kinds, and works the bounds out again. Prints the seed; ends with 1 at the first
window that differs.
"""
import bisect
import datetime
import random
import subprocess
import sys
import tempfile
import zoneinfo

UTC = datetime.timezone.utc
SECOND = datetime.timedelta(seconds=1)
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)
KINDS = ("hour", "day", "week", "month")
# Half an hour of daylight saving, midnights that are skipped or come twice, days that were left out (Apia 2011, Kwajalein
# 1993), offsets of 5:45 and 3:30, two hours at once (Troll), changes that follow the moon (Casablanca), and plain ones.
ZONES = ("Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Apia", "Asia/Kathmandu", "America/St_Johns", "Antarctica/Troll",
         "America/Havana", "Europe/Berlin", "America/New_York", "Africa/Cairo", "Europe/Dublin", "Africa/Casablanca",
         "Asia/Beirut", "Pacific/Kwajalein", "Asia/Tehran", "UTC")
FIRST, LAST = 0, 4_102_444_800  # 1970 to 2100, unix seconds


class Zone:
    """One zone, asked through zoneinfo only, in whole UTC seconds."""

    def __init__(self, name):
        self.name, self.info = name, zoneinfo.ZoneInfo(name)
        self.changes = self._changes()
        self.first_instants = {}

    def offset(self, unix):
        return int((EPOCH + unix * SECOND).astimezone(self.info).utcoffset() / SECOND)

    def local(self, unix):
        return (EPOCH + unix * SECOND).astimezone(self.info).replace(tzinfo=None)

    def _changes(self):
        """Instants at which the offset changes: looked for day by day, then halved down to the second."""
        found, step = [], 86_400
        for start in range(FIRST - 400 * step, LAST + 400 * step, step):
            if self.offset(start) != self.offset(start + step):
                found.append(self._change_in(start, start + step))
        return found

    def _change_in(self, before, after):
        """The first second with the offset of `after`; one change lies in (before, after]."""
        old = self.offset(before)
        while after - before > 1:
            middle = (before + after) // 2
            if self.offset(middle) == old:
                before = middle
            else:
                after = middle
        return after

    def first_instant(self, date):
        """When the zone's clocks first show midnight of `date`, or a later time if they skip it."""
        if date not in self.first_instants:
            self.first_instants[date] = self._first_instant(datetime.datetime(date.year, date.month, date.day))
        return self.first_instants[date]

    def _first_instant(self, midnight):
        naive = int((midnight - EPOCH.replace(tzinfo=None)) / SECOND)
        # Between two changes local time runs with UTC, so each such piece is looked at in turn.
        first = bisect.bisect_right(self.changes, naive - 2 * 86_400)
        start = naive - 2 * 86_400
        for change in [*self.changes[first:], None]:
            offset = self.offset(start)
            reached = max(start, naive - offset)  # within a piece, local = utc + offset
            if change is None or reached < change:
                return reached
            start = change
        raise AssertionError("no piece holds midnight")


def next_month(date):
    return datetime.date(date.year + date.month // 12, date.month % 12 + 1, 1)


def hour_bounds(zone, unix):
    """A local hour under one offset: cut short where the offset changes."""
    offset = zone.offset(unix)
    start = unix - (unix + offset) % 3600
    end = start + 3600
    place = bisect.bisect_right(zone.changes, unix)
    if place > 0:
        start = max(start, zone.changes[place - 1])
    if place < len(zone.changes):
        end = min(end, zone.changes[place])
    return start, end


def period(kind, date):
    """First dates of the day, week or month that holds `date` and of the next."""
    day = datetime.timedelta(days=1)
    if kind == "day":
        return date, date + day
    if kind == "week":
        monday = date - date.weekday() * day
        return monday, monday + 7 * day
    return date.replace(day=1), next_month(date)


def bounds(zone, kind, unix):
    """[start, end) in unix seconds. A period begins when the clocks first reach its midnight and never goes back."""
    if kind == "hour":
        return hour_bounds(zone, unix)
    begin, following = period(kind, zone.local(unix).date())
    while unix >= zone.first_instant(following):  # the clocks went back over midnight: the new period has begun
        begin, following = period(kind, following)
    return zone.first_instant(begin), zone.first_instant(following)


def draw(dice, zone):
    """Microseconds: anywhere, or close to a change, often exactly at one or a microsecond before."""
    if not zone.changes or dice.random() < 0.5:
        return dice.randrange(FIRST * 10**6, LAST * 10**6)
    change = dice.choice(zone.changes)
    near = dice.choice((0, -1, dice.randrange(-3600 * 10**6, 3600 * 10**6), dice.randrange(-3 * 86_400 * 10**6, 3 * 86_400 * 10**6)))
    return change * 10**6 + near


def main():
    program = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 60_000
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.SystemRandom().randrange(2**32)
    print(f"window_spans: {count} instants in {len(ZONES)} zones, kinds {', '.join(KINDS)}, seed {seed}", flush=True)
    dice = random.Random(seed)
    zones = [Zone(name) for name in ZONES]
    asked = []
    with tempfile.TemporaryFile("w+") as questions, tempfile.TemporaryFile("w+") as answers:
        for number in range(count):
            zone = zones[number % len(zones)]
            micros = draw(dice, zone)
            for kind in KINDS:
                asked.append((zone, kind, micros))
                questions.write(f"{zone.name} {kind} {micros}\n")
        questions.seek(0)
        subprocess.run([program], stdin=questions, stdout=answers, check=True)
        answers.seek(0)
        lines = answers.read().splitlines()
    if len(lines) != len(asked):
        print(f"window_spans: FAILED: {len(lines)} answers to {len(asked)} questions")
        return 1
    odd = 0
    plain = {"hour": {3600}, "day": {86_400}, "week": {7 * 86_400}, "month": {days * 86_400 for days in (28, 29, 30, 31)}}
    for (zone, kind, micros), line in zip(asked, lines):
        start, end = bounds(zone, kind, micros // 10**6)
        odd += end - start not in plain[kind]
        if line != f"{start * 10**6} {end * 10**6}" or not start * 10**6 <= micros < end * 10**6:
            print(f"window_spans: FAILED: {zone.name} {kind} at {micros}: the ledger says {line}, "
                  f"zoneinfo {start * 10**6} {end * 10**6}")
            return 1
    print(f"window_spans: ok, {len(asked)} windows equal; {odd} of them with a change of the clocks inside or at an end")
    return 0


if __name__ == "__main__":
    sys.exit(main())
