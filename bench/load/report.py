"""Figures of a measurement as table and drawing."""
import importlib.util
import json
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

from intervals import around_mean, around_ratio
from scenarios import ROWS, Row
from servers import SOURCE

HERE = pathlib.Path(__file__).resolve().parent
PAGES = (SOURCE / "README.md", SOURCE / "docs/benchmarks.md")


@dataclass
class Line:
    """A row of the table. `value` is a ratio to the floor, or the gateway's own figure where none makes sense."""
    row: Row
    floor: float | None
    gateway: float
    value: float  # a ratio only with `ratio`
    low: float | None
    high: float | None
    pairs: int
    lost: int
    ratio: bool


def picked(figures, path):
    for name in path.split("."):
        figures = (figures or {}).get(name)
    return figures


def sides_of(row, round, gateway):
    """The floor's and the gateway's figure of one round, less the direct one where that was taken; None if either run was lost."""
    values = {side: picked(figures, row.field) for side, figures in round.items() if "lost_run" not in figures}
    if gateway not in round or any(values.get(side) is None for side in round):
        return None
    direct = values.get("direct", 0)
    return values["nginx"] - direct if "nginx" in round else None, values[gateway] - direct


def rounds_of(row, figures):
    """The rounds of the row's scenario; with `against`, the gateway's own runs there stand in for the floor's."""
    rounds = figures["runs"].get(row.scenario, [])
    if not row.against:
        return rounds
    gateway = figures["gateway"]
    both = zip(figures["runs"].get(row.against, []), rounds)
    return [{"nginx": passed[gateway], gateway: round[gateway]} for passed, round in both]


def rows(figures):
    lines = []
    for row in ROWS:
        rounds = rounds_of(row, figures)
        if not any(picked(side, row.field) is not None for round in rounds for side in round.values()):
            continue
        pairs = [pair for round in rounds if (pair := sides_of(row, round, figures["gateway"]))]
        lost = sum(any("lost_run" in side for side in round.values()) for round in rounds)
        if not pairs:
            continue
        compared = pairs[0][0] is not None  # a side may be missing for all of a scenario
        ratio = row.ratio and compared and all(floor > 0 and gateway > 0 for floor, gateway in pairs)
        value, low, high = around_ratio(pairs) if ratio else around_mean([gateway for _, gateway in pairs])
        floor = statistics.median(floor for floor, _ in pairs) if compared and not row.against else None
        gateway = statistics.median(gateway for _, gateway in pairs)
        lines.append(Line(row, floor, gateway, value, low, high, len(pairs), lost, ratio))
    return lines


def short(value):
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def interval(line):
    if line.low is None:
        return short(line.value)
    return f"{short(line.value)} ({short(line.low)} … {short(line.high)})"


def cells(line):
    unit = "" if line.row.unit == "x" else " " + line.row.unit.split()[0]
    gateway = short(line.gateway) + unit if line.ratio else interval(line) + unit
    return [line.row.name, short(line.floor) + unit if line.floor is not None else "", gateway, interval(line) if line.ratio else ""]


def text(figures, lines):
    table = [["", "nginx", figures["gateway"], "ratio (95 %)", "pairs", "lost"]]
    table += [[*cells(line), str(line.pairs), str(line.lost)] for line in lines]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return "\n".join("  ".join(cell.ljust(width) if column == 0 else cell.rjust(width) for column, (cell, width) in enumerate(zip(row, widths)))
                     for row in table) + "\n" + summary(figures)


def summary(figures):
    runs = [side for rounds in figures["runs"].values() for round in rounds for side in round.values()]
    lost = sum("lost_run" in side for side in runs)
    machine = figures["machine"]
    return (f"{len(runs)} runs, {lost} lost. {machine['cores']} cores, {machine['cpu']}, Linux {machine['kernel']}, {machine['nginx']}, "
            f"commit {machine['commit']}, {machine['when']}, {machine['minutes']} minutes; load average {machine['load']} at the end.")


def markdown(figures, lines, every):
    """`every`: with pairs and lost runs, and all rows."""
    head = ["", "nginx", figures["gateway"], "ratio (95 %)"] + (["pairs", "lost"] if every else [])
    table = [head, ["---"] * len(head)]
    for line in lines:
        if every or line.row.readme:
            table.append(cells(line) + ([str(line.pairs), str(line.lost)] if every else []))
    return "\n".join("| " + " | ".join(row) + " |" for row in table) + f"\n\n{summary(figures)}"


def machine(begun):
    """What the figures were taken on. The load average says who else was there."""
    def output(*argv):
        if shutil.which(argv[0]) is None:
            return ""
        done = subprocess.run(argv, capture_output=True, text=True, cwd=SOURCE)
        return (done.stdout + done.stderr).strip()
    cpu = re.search(r"^model name\s*:\s*(.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    nginx = re.search(r"nginx/([\d.]+)", output("nginx", "-v"))
    return {"cores": os.cpu_count(), "cpu": cpu.group(1) if cpu else platform.machine(), "kernel": platform.release().split("-")[0],
            "nginx": f"nginx {nginx.group(1)}" if nginx else "no nginx", "commit": output("git", "rev-parse", "--short", "HEAD"),
            "when": time.strftime("%Y-%m-%d", time.gmtime(begun)), "minutes": round((time.time() - begun) / 60),
            "load": " ".join(f"{value:.1f}" for value in os.getloadavg())}


def write(figures, lines):
    for page in PAGES:
        table = markdown(figures, lines, every=page.name != "README.md")
        old = page.read_text()
        new, count = re.subn(r"(<!-- load: [^>]*-->\n).*?(\n<!-- load end -->)", lambda found: found.group(1) + table + found.group(2), old, flags=re.S)
        if count != 1:
            raise SystemExit(f"{page} has no place for the table: <!-- load: … --> to <!-- load end -->")
        page.write_text(new)
        print(f"wrote {page.relative_to(SOURCE)}")
    draw([(line.row.group, line.row.name, line.row.unit, line.floor, line.gateway, line.value, line.low, line.high) for line in lines],
         summary(figures))


def draw(lines, caption):
    """By an interpreter that has matplotlib: this one, or the system's."""
    interpreter = sys.executable if importlib.util.find_spec("matplotlib") else "/usr/bin/python3"
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"lines": lines, "caption": caption}, file)
        file.flush()
        done = subprocess.run([interpreter, HERE / "plot.py", file.name, HERE / "load.svg"], capture_output=True, text=True)
    if done.returncode == 0:
        print("drew bench/load/load.svg")
    else:
        print(f"not drawn (apt-get install python3-matplotlib): {done.stderr.strip().splitlines()[-1]}")
