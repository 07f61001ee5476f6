"""The chart: one point per row, with its quartiles, on a logarithmic axis."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .timing import Result, format_threads

COLORS = {"PyTorch": "#d1495b", "skorch": "#00798c", "Keras": "#edae49", "ONNX Runtime": "#6a4c93"}
MARKERS = {1: "o", 2: "D"}


def draw(path: Path, results: list[Result]) -> None:
    """Save the chart."""
    names = list(dict.fromkeys(one.row for one in results))
    threads = sorted({one.threads for one in results})
    figure = Figure(figsize=(8, 1.4 + 0.26 * len(names)), layout="constrained")
    axes = figure.subplots()
    for one in results:
        offset = 0.16 * (threads.index(one.threads) - (len(threads) - 1) / 2)
        axes.errorbar(
            one.ratio,
            names.index(one.row) + offset,
            xerr=[[max(0.0, one.ratio - one.low)], [max(0.0, one.high - one.ratio)]],
            fmt=MARKERS.get(one.threads, "s"),
            color=COLORS[one.library],
            markersize=4.5,
            linewidth=1,
        )
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    least, most = min(one.low for one in results), max(one.high for one in results)
    marks = [0.1, 0.2, 0.5, 1, 2, 3, 5, 10, 20, 50]
    axes.set_xticks([mark for mark in marks if least / 2 < mark < most * 2])
    axes.set_xlim(min(0.8, least / 1.2), max(1.25, most * 1.2))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="both", linewidth=0.3)
    axes.set_xlabel(
        "the other library's time (or memory) divided by ours: right of 1, seqnets is better"
    )
    libraries = dict.fromkeys(one.library for one in results)
    keys = [Line2D([], [], color=COLORS[x], marker="o", linestyle="", label=x) for x in libraries]
    for n in threads if len(threads) > 1 else ():
        marker = MARKERS.get(n, "s")
        keys.append(
            Line2D([], [], color="gray", marker=marker, linestyle="", label=format_threads(n))
        )
    axes.legend(handles=keys, fontsize=8, ncols=len(keys), loc="lower center",
                bbox_to_anchor=(0.4, 1.0), frameon=False)  # fmt: skip
    figure.savefig(path, dpi=140)
