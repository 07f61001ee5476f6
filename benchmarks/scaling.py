"""Rows of our own cost, which should be flat: per token with more steps, larger batches and more
data, and per multiply-add with more units.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from .data import Task, batches, flops, make_data
from .epochs import classifier
from .timing import Result, Row, Settings, Turn, paired, result, seconds

STEPS = (10, 100, 1_000, 10_000)
UNITS = (16, 32, 64, 128, 256, 512)
BATCH_SIZES = (16, 32, 64, 128, 256, 512)
DATA_SIZES = (1_000, 10_000, 100_000)
LONG_DATA_SIZE = 1_000_000
SHORT = 10  # steps of the many sequences


def rows() -> dict[str, Row]:
    """The rows by name."""
    base = Task("lstm", 32, 100, 64, 64, 5_000)
    tasks = {
        "T": {T: base._replace(T=T, B=16 if T > 1000 else 32) for T in STEPS},
        "H": {H: base._replace(H=H) for H in UNITS},
        "B": {B: base._replace(B=B) for B in BATCH_SIZES},
    }
    found: dict[str, Row] = {
        f"scaling {size}": partial(by_task, tasks=those) for size, those in tasks.items()
    }
    return found | {"scaling n": by_data_size}


def by_task(row: str, settings: Settings, tasks: dict[int, Task]) -> list[Result]:
    """Nanoseconds of a training step per token, or per multiply-add that can't be avoided."""
    from .ours import Ours

    turns, shares = {}, {}
    for size, task in tasks.items():
        data, (chosen,) = make_data(task, 1), batches(task, 1)
        turns[size] = Turn(partial(Ours(task, data, settings.threads).step, chosen))
        shares[size] = flops(task, data, chosen) / 2 if row.endswith("H") else task.B * task.T
    taken = 1e9 * paired(list(turns.values()), settings.long_pairs) / list(shares.values())
    unit = "ns a multiply-add" if row.endswith("H") else "ns a token"
    return relative(row, settings, list(tasks), taken, unit)


def by_data_size(row: str, settings: Settings) -> list[Result]:
    """Nanoseconds of a `fit` of one epoch per token, with all checks of data; short sequences."""
    sizes = DATA_SIZES[: 2 if settings.quick else None]
    sizes += (LONG_DATA_SIZE,) * settings.long
    random = np.random.RandomState(0)
    y = np.arange(max(sizes)) % 2
    X = random.randint(1, 5_000, (max(sizes), SHORT))
    fit = classifier("lstm", 1, settings.threads).fit
    fit(X[:100], y[:100])
    taken = [[1e9 * seconds(fit, X[:n], y[:n]) / (n * SHORT) for n in sizes]]
    return relative(row, settings, list(sizes), np.array(taken), "ns a token")


def relative(
    row: str, settings: Settings, sizes: list[int], taken: np.ndarray, unit: str
) -> list[Result]:
    """Compare every size with the first: a ratio of 1 is flat, above 1 is cheaper."""
    first = f"{row[-1]} = {sizes[0]:,}"
    return [
        result(f"{row} = {size:,}", settings, first, taken[:, [i, 0]], unit)
        for i, size in enumerate(sizes)
    ]
