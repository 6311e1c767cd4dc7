#!/usr/bin/env python3
"""Draws the share of every 500 steps, one panel a stream: turnpike-share --csv share.tsv && plot.py share.tsv share.svg

Needs python3-matplotlib (Debian).
"""
import sys

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "turnpike"  # the same picture from the same figures
import matplotlib.pyplot as plt  # noqa: E402

SPACING = 100  # steps between two figures of the file


def main(source, picture):
    streams = []
    with open(source, encoding="utf-8") as lines:
        for line in lines:
            name, target, *shares = line.rstrip("\n").split("\t")
            streams.append((name, float(target) * 100, [float(share) * 100 for share in shares]))
    columns = 3
    rows = -(-len(streams) // columns)
    figure, panels = plt.subplots(rows, columns, figsize=(13, 1.9 * rows), squeeze=False, layout="constrained")
    for panel in panels.flat[len(streams):]:
        panel.axis("off")
    for panel, (name, target, shares) in zip(panels.flat, streams):
        panel.axhspan(target - 2, target + 2, color="#cfe8cf", linewidth=0)
        panel.plot([500 + SPACING * i for i in range(len(shares))], shares, linewidth=0.6, color="#1f4e79")
        panel.set_title(name, fontsize=9)
        panel.set_ylim(min(target - 10, *shares), max(target + 10, *shares))
        panel.tick_params(labelsize=7)
    figure.suptitle("Frontier share of every 500 steps, per cent; the band is target ± 2 points", fontsize=11)
    figure.savefig(picture, metadata={"Date": None})


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
