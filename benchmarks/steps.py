"""Rows of one training step: tokens in three sizes, a wide network, series."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import cycle, product

import numpy as np

from .data import CELLS, Data, Task, batches, flops, make_data
from .timing import SGEMM_FLOPS, Result, Row, Settings, Turn, fastest, paired, result, sgemm

SIZES = {  # B, T, D, H, words
    "S": (32, 50, 32, 64, 5_000),
    "T": (32, 200, 128, 64, 20_000),
    "M": (64, 100, 100, 128, 10_000),
    "L": (64, 50, 128, 512, 10_000),
    "series": (32, 100, 12, 64, None),
}
KINDS = ("full", "ragged")
WITH_KERAS = ("S", "series")


def rows() -> dict[str, Row]:
    """The rows by name."""
    found: dict[str, Row] = {}
    for (size, shape), cell, kind in product(SIZES.items(), CELLS, KINDS):
        if kind == "full" or size in ("S", "T", "M"):
            task = Task(cell, *shape, ragged=kind == "ragged")
            found[f"step {size} {kind} {cell}"] = partial(run, task=task)
    return found


def run(row: str, settings: Settings, task: Task) -> list[Result]:
    """A training step beside PyTorch's best and, in some rows, Keras; and the share of the peak."""
    import torch

    from .ours import Ours
    from .pytorch import candidates

    torch.set_num_threads(settings.threads)
    data = make_data(task)
    ours = Ours(task, data, settings.threads)
    others = {name: turn(task, trainer.step)
              for name, trainer in candidates(task, data, ours.parameters).items()}  # fmt: skip
    best = fastest(others)
    timers = {"ours": turn(task, ours.step), best: others[best]}
    if row.split()[1] in WITH_KERAS and not task.ragged:
        timers |= keras_turn(task, data, settings.threads)
    if settings.threads == 1:
        timers["sgemm"] = sgemm()
    taken = dict(zip(timers, paired(list(timers.values()), settings.pairs).T, strict=True))
    results = [
        result(row, settings, name, np.column_stack([taken["ours"], taken[name]]))
        for name in timers
        if name not in ("ours", "sgemm")
    ]
    if "sgemm" in taken:
        work = np.mean([flops(task, data, chosen) for chosen in batches(task)])
        share = float(np.median(work / taken["ours"] * taken["sgemm"] / SGEMM_FLOPS))
        results[0] = results[0]._replace(of_peak=share)
    return results


def turn(task: Task, step: Callable[[np.ndarray], float]) -> Turn:
    """Steps over the minibatches, round and round."""
    minibatches = cycle(batches(task))
    return Turn(lambda: step(next(minibatches)))


def keras_turn(task: Task, data: Data, threads: int) -> dict[str, Turn]:
    """Keras' step, if Keras is installed."""
    try:
        from .others import KerasTrainer

        return {"Keras": turn(task, KerasTrainer(task, data, threads).step)}
    except ModuleNotFoundError:
        return {}
