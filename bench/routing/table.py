#!/usr/bin/env python3
"""Prints the classifier's bars: what the shipped weights reach, the length-only baseline and the floor beside it.

  bench/routing/table.py [--build DIR] [--shared DIR] [--validate]

Builds what it needs (cmake preset "release" unless DIR is configured already), evaluates with the data set's own eval.py,
trains the weights again and compares the bytes, and says pass or MISS for every bar. Exit code 1 if a bar is missed, 0
otherwise, also when the data is not there (it says SKIPPED then). --validate adds the cross-validation on training rows.

Sources of the bars: the specification "The difficulty classifier", section 3; of the floor: the data set's README.
Needs python3 and numpy (eval.py does). Under two minutes of one core once built.
"""
import argparse, filecmp, json, os, re, subprocess, sys, tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TARGETS = ["turnpike-train", "turnpike-validate", "turnpike-classify", "turnpike-classify-speed", "turnpike-share"]
SOURCES = ["mmlu", "mmlu_pro", "ulab", "math_l5"]
# A 20-count + hashed 1-2-gram linear model in numpy, on the same development rows.
FLOOR = {"dev_mmlu": 0.60, "dev_mmlu_pro": 0.59, "dev_ulab": 0.66, "dev_math_l5": 0.49, "mixed_traffic": 0.60}
FLOOR_AUC, FLOOR_CONTRAST = 0.69, 0.65
ROWS_JUDGED = 300  # smaller benchmarks are shown, not judged


class Table:
    """Rows of what, value, bar, length baseline, floor, verdict."""

    def __init__(self):
        self.missed = 0
        print("%-58s %12s %12s %9s %7s  %s" % ("", "value", "bar", "length", "floor", ""))

    def row(self, what, value, bar="", length="", floor="", passed=None):
        verdict = "" if passed is None else "pass" if passed else "MISS"
        self.missed += passed is False
        cells = ["%.3f" % v if isinstance(v, float) else str(v) for v in (value, bar, length, floor)]
        print("%-58s %12s %12s %9s %7s  %s" % (what, *cells, verdict), flush=True)


def run(command, **options):
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, **options)


def build(folder):
    if not os.path.exists(os.path.join(folder, "build.ninja")):
        subprocess.run(["cmake", "--preset", "release", "-B", folder], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    done = run(["cmake", "--build", folder, "--target", *TARGETS], cwd=ROOT, stderr=subprocess.STDOUT)
    if done.returncode:
        sys.exit(done.stdout + "\nthe build failed")


def evaluate(data, scorer, *options):
    """The figures of one run of eval.py."""
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        done = run([sys.executable, os.path.join(data, "eval.py"), "--json", out.name, "--boot", "0", *options, *scorer])
        if done.returncode:
            sys.exit(done.stdout + "\neval.py failed")
        return json.load(open(out.name))


def outcome_rows(table, model, length):
    for name in [n for n in model if n.startswith("dev_")]:
        m, judged = model[name], model[name]["n"] >= ROWS_JUDGED
        table.row("%s, %d rows: APGR" % (name, m["n"]), m["APGR"], "> length" if judged else "none", length[name]["APGR"],
                  FLOOR.get(name, ""), m["APGR"] > length[name]["APGR"] if judged else None)
    m, l = model["mixed_traffic"], length["mixed_traffic"]
    table.row("mixed: APGR (stretch 0.65)", m["APGR"], ">= 0.62", l["APGR"], FLOOR["mixed_traffic"], m["APGR"] >= 0.62)
    table.row("mixed: AUC, weak model fails (stretch 0.73)", m["AUCw"], ">= 0.70", l["AUCw"], FLOOR_AUC, m["AUCw"] >= 0.70)
    table.row("mixed: a scorer that knows only the benchmark, APGR", model["mixed_benchmark_prior"]["APGR"])


def contrast_rows(table, model, length):
    def split(figures):
        kinds = figures["contrast"]
        mean = lambda keep: sum(v for k, v in kinds.items() if keep(k)) / max(1, sum(1 for k in kinds if keep(k)))
        return mean(lambda k: not k.startswith("inv_")), mean(lambda k: k.startswith("inv_"))
    (ordered, held), (length_ordered, length_held) = split(model), split(length)
    table.row("contrast pairs ordered (stretch 1)", ordered, ">= 0.95", length_ordered, FLOOR_CONTRAST, ordered >= 0.95)
    table.row("invariances held", held, "1", length_held, "", held == 1.0)
    for kind, bar, stretch in (("case", 0.02, 0.01), ("space", 0.02, 0.01), ("typo", 0.02, 0.01), ("polite", 0.05, 0.03)):
        flips = model["robust"][kind]
        table.row("flips at a 30 %% share: %s (stretch %.2f)" % (kind, stretch), flips, "<= %.2f" % bar,
                  length["robust"][kind], "", flips <= bar)


def adapt_rows(table, data, tools):
    """Trains without one source, then learns 300 of its rows: the only honest set that was not trained on."""
    index = json.load(open(os.path.join(data, "index.json")))
    gains = []
    for source in SOURCES:
        with tempfile.TemporaryDirectory() as folder:
            run([tools + "turnpike-train", data, folder, source], check=True)
            pair = next(b for b in reversed(index["benchmarks"]) if b["where"]["src"] == source)
            bench = {"benchmarks": [dict(pair, name=source, file="rows.jsonl", adapt=True)]}
            json.dump(bench, open(os.path.join(folder, "index.json"), "w"))
            os.symlink(os.path.join(data, "train.jsonl"), os.path.join(folder, "rows.jsonl"))
            scorer = ["--bench", folder, "--adapt", "300", "--", tools + "turnpike-classify", folder + "/built_in.cpp.bin"]
            figures = dict(evaluate(data, scorer)["adapt_" + source])
        if 300 in figures:
            gains.append(figures[300] - figures[0])
            table.row("  %s, trained without it: APGR at 0 and 300 outcomes" % source, "%.3f %.3f" % (figures[0], figures[300]))
    gain = sum(gains) / len(gains)
    table.row("gain of 300 outcomes of a set not trained on (stretch 0.06)", gain, ">= 0.04", "", "", gain >= 0.04)


def speed_rows(table, data, tools):
    out = run([tools + "turnpike-classify-speed", os.path.join(data, "dev.jsonl")], check=True).stdout
    timing = lambda line: tuple(float(v) for v in re.search(r"p50\s+([\d.]+) us\s+p99\s+([\d.]+) us", line).groups())
    lines = out.splitlines()
    p50, p99 = timing(next(l for l in lines if l.startswith("  both")))
    table.row("text <= 4 KB, facts + classify: p50, microseconds", p50, "<= 10", "", "", p50 <= 10)
    table.row("text <= 4 KB, facts + classify: p99, microseconds", p99, "<= 60", "", "", p99 <= 60)
    worst = max(timing(l)[1] for l in lines if l.startswith("  classify"))
    table.row("classify, any length: p99, microseconds", worst, "<= 100", "", "", worst <= 100)


def share_row(table, tools):
    held = run([tools + "turnpike-share", "--steps", "12000"]).returncode == 0
    table.row("share held within its bounds, all streams of bench/share", "yes" if held else "no", "yes", "", "", held)


def same_rows(table, data, tools):
    with tempfile.TemporaryDirectory() as folder:
        run([tools + "turnpike-train", data, folder], check=True)
        same = all(filecmp.cmp(os.path.join(folder, f), os.path.join(ROOT, "src", "classify", f), shallow=False)
                   for f in ("built_in.cpp.bin", "built_in_version.hpp"))
    size = os.path.getsize(os.path.join(ROOT, "src", "classify", "built_in.cpp.bin"))
    table.row("weights trained again: the same bytes", "yes" if same else "no", "yes", "", "", same)
    table.row("size of the weights, bytes", size, "<= 524288", "", "", size <= 512 * 1024)
    rows = [dict(id=r["id"], text=r["text"]) for r in map(json.loads, open(os.path.join(data, "dev.jsonl")))]
    scores = []
    for order in (rows, rows[::-1]):
        lines = run([tools + "turnpike-classify"], input="".join(json.dumps(r) + "\n" for r in order), check=True).stdout
        scores.append({d["id"]: d["score"] for d in map(json.loads, lines.splitlines())})
    table.row("two runs in opposite order: the same scores", "yes" if scores[0] == scores[1] else "no", "yes", "", "",
              scores[0] == scores[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(ROOT, "build", "release"))
    parser.add_argument("--shared", default=os.environ.get("TURNPIKE_SHARED", os.path.join(os.path.dirname(ROOT), "shared")))
    parser.add_argument("--validate", action="store_true")
    options = parser.parse_args()
    data = os.path.join(os.path.abspath(options.shared), "data", "routing")
    if not os.path.exists(os.path.join(data, "eval.py")):
        print("SKIPPED: %s is not there; set TURNPIKE_SHARED" % data, file=sys.stderr)
        return 0
    folder = os.path.abspath(options.build)
    build(folder)
    tools = os.path.join(folder, "bin", "")

    table = Table()
    model = evaluate(data, ["--robust", "--contrast", "--", tools + "turnpike-classify"])
    length = evaluate(data, ["--robust", "--contrast", "--builtin", "length"])
    outcome_rows(table, model, length)
    adapt_rows(table, data, tools)
    contrast_rows(table, model, length)
    share_row(table, tools)
    speed_rows(table, data, tools)
    same_rows(table, data, tools)
    if options.validate:
        print("\nCross-validation on the training rows (turnpike-validate):")
        print(run([tools + "turnpike-validate", data], check=True).stdout, end="")
    print("\n%s" % ("all bars met" if table.missed == 0 else "%d of the bars missed" % table.missed))
    return 1 if table.missed else 0


if __name__ == "__main__":
    sys.exit(main())
