#!/usr/bin/env python3
"""Draws a measurement of run.py: plot.py FIGURES.json PICTURE.svg. Needs python3-matplotlib (Debian)."""
import json
import sys

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "turnpike"  # the same picture from the same figures
import matplotlib.pyplot as plt  # noqa: E402

FLOOR, OURS = "#8a8a8a", "#1f4e79"


def ratios(panel, lines):
    """A dot per measure with its interval; the floor is the line at 1."""
    names = [name for _, name, *_ in lines]
    for place, (_, _, _, _, _, value, low, high) in enumerate(reversed(lines)):
        if low is not None:
            panel.plot([low, high], [place, place], color=OURS, linewidth=2, alpha=0.5)
        panel.plot([value], [place], "o", color=OURS, markersize=5)
        panel.annotate(f"{value:.2f}", (value, place), textcoords="offset points", xytext=(0, 6), ha="center", fontsize=7)
    panel.axvline(1, color=FLOOR, linewidth=1)
    panel.set_yticks(range(len(names)), reversed(names), fontsize=8)
    panel.set_xlim(left=0)
    panel.set_ylim(-0.6, len(names) - 0.2)
    panel.set_title("CPU, times nginx proxy_pass of the same round (bar: 95 % interval)", fontsize=9)


def pairs(panel, lines, title):
    """The floor's figure beside the gateway's."""
    for place, (_, _, _, floor, gateway, *_) in enumerate(reversed(lines)):
        panel.barh(place + 0.18, floor or 0, 0.34, color=FLOOR)
        panel.barh(place - 0.18, gateway, 0.34, color=OURS)
        for shift, value in ((0.18, floor), (-0.18, gateway)):
            if value is None:  # what the floor cannot do
                continue
            panel.annotate(f" {value:,.1f}", (max(value, 0), place + shift), va="center", fontsize=7)
    panel.set_yticks(range(len(lines)), [f"{name}, {unit}" for _, name, unit, *_ in reversed(lines)], fontsize=8)
    panel.margins(x=0.15)
    panel.set_title(title, fontsize=9)


def main(source, picture):
    with open(source, encoding="utf-8") as file:
        figures = json.load(file)
    groups = {}
    for line in figures["lines"]:
        groups.setdefault(line[0], []).append(line)
    shown = [(name, title) for name, title in (("cpu", ""), ("added", "Added latency at 300 requests a second (grey: nginx)"),
                                              ("stream", "Memory of an open stream, proportional set size (grey: nginx)"),
                                              ("memory", "Memory in all (grey: nginx)")) if name in groups]
    heights = [len(groups[name]) + 1.2 for name, _ in shown]
    figure, panels = plt.subplots(len(shown), 1, figsize=(10, 0.42 * sum(heights)), squeeze=False, layout="constrained",
                                  height_ratios=heights)
    for panel, (name, title) in zip(panels.flat, shown):
        ratios(panel, groups[name]) if name == "cpu" else pairs(panel, groups[name], title)
        panel.tick_params(labelsize=8)
        for side in ("top", "right"):
            panel.spines[side].set_visible(False)
    figure.supxlabel(figures["caption"], fontsize=6)
    figure.savefig(picture, metadata={"Date": None})


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
