#!/usr/bin/env python3
"""Draws cost against hard steps on the bulk tier, one panel a scenario: turnpike-economics --tsv economics.tsv && plot.py economics.tsv economics.svg

Needs python3-matplotlib (Debian).
"""
import sys

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "turnpike"  # the same picture from the same figures
import matplotlib.pyplot as plt  # noqa: E402

MARKS = {"always frontier": ("s", "#7f3b08"), "always bulk": ("v", "#888888"), "random 30 %": ("x", "#b35806"),
         "per step": ("o", "#2166ac"), "turnpike": ("*", "#1b7837")}


def main(source, picture):
    scenarios = {}
    with open(source, encoding="utf-8") as lines:
        for line in lines:
            scenario, way, cost, _read, _switch, _frontier, under, _failed = line.rstrip("\n").split("\t")
            scenarios.setdefault(scenario, []).append((way, float(cost), float(under)))
    columns = 5
    rows = -(-len(scenarios) // columns)
    figure, panels = plt.subplots(rows, columns, figsize=(14, 2.9 * rows), squeeze=False)
    figure.subplots_adjust(left=0.03, right=0.99, top=0.88, bottom=0.12, hspace=0.3, wspace=0.18)
    for panel in panels.flat[len(scenarios):]:
        panel.axis("off")
    for panel, (name, ways) in zip(panels.flat, scenarios.items()):
        dearest = max(cost for _, cost, _ in ways)
        for way, cost, under in ways:
            mark, color = MARKS[way]
            panel.scatter([under], [100 * cost / dearest], marker=mark, color=color, s=110 if way == "turnpike" else 45, label=way, zorder=3)
        panel.set_title(name, fontsize=10)
        panel.set_xlim(-5, 105)
        panel.set_ylim(0, 108)
        panel.grid(linewidth=0.3)
        panel.tick_params(labelsize=7)
    handles, labels = panels.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncol=len(labels), fontsize=9)
    figure.suptitle("Cost, per cent of the dearest way, against hard steps answered by the bulk model, per cent", fontsize=11)
    figure.savefig(picture, metadata={"Date": None})


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
