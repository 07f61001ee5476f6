"""Paired measurements: ours and a yardstick in turn, in one process, and the ratios' quartiles.

Whatever else the machine does affects both sides of a pair alike, and a ratio is taken within a
pair. Before a turn is timed, it runs untimed for 0.1 s: after the other side, caches are filled
again, its threads look out for more work for 10 to 30 ms, and the system takes up to 60 ms to give
each of two threads a core of its own. Real training lasts longer.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

Run = Callable[[], object]
Name = TypeVar("Name", bound=Hashable)


class Settings(NamedTuple):
    """How a row is measured."""

    threads: int
    pairs: int  # of short turns; rows that take minutes run at most LONG_PAIRS
    reviews: int  # of the 25,000 IMDB reviews
    quick: bool = False
    long: bool = False  # 1,000,000 sequences too

    @property
    def long_pairs(self) -> int:
        return min(self.pairs, LONG_PAIRS)


LONG_PAIRS = 5
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")  # read by a new process


class Result(NamedTuple):
    """One line of the report; times are medians, the rest is what the row is about."""

    row: str
    threads: int
    yardstick: str
    ours: float
    theirs: float
    ratio: float  # theirs / ours: the median, lower and upper quartile over pairs
    low: float
    high: float
    pairs: int
    unit: str = "s"
    of_peak: float | None = None  # share of the measured sgemm peak

    @property
    def library(self) -> str:
        """The yardstick without its variant."""
        return self.yardstick.partition(" (")[0]


Row = Callable[[str, Settings], list[Result]]  # called with its own name


def format_threads(threads: int) -> str:
    """The number of threads, in words."""
    return f"{threads} thread{'s' * (threads > 1)}"


def seconds(run: Callable[..., object], *arguments: Any) -> float:
    """The seconds of one call; `partial` makes a timer of it, for runs that take long."""
    start = time.perf_counter()
    run(*arguments)
    return time.perf_counter() - start


UNTIMED = 0.1  # seconds


class Turn:
    """A run repeated often enough to be timed, and before for `UNTIMED` seconds."""

    def __init__(self, run: Run, at_least: float = 0.1) -> None:
        self.run = run
        run()  # compiles, allocates, finds the best algorithm
        each = max(seconds(run), 1e-9)
        self.n, self.n_untimed = (max(1, math.ceil(t / each)) for t in (at_least, UNTIMED))

    def __call__(self) -> float:
        """Seconds a call."""
        self.repeat(self.n_untimed)
        return seconds(self.repeat, self.n) / self.n

    def repeat(self, n: int) -> None:
        for _ in range(n):
            self.run()


def paired(timers: Sequence[Callable[[], float]], pairs: int) -> np.ndarray:
    """Seconds (pairs, timers), taken in turn: A B A B ..."""
    return np.array([[timer() for timer in timers] for _ in range(pairs)])


def fastest(timers: Mapping[Name, Callable[[], float]], rounds: int = 3) -> Name:
    """The name of the timer with the least median; a single one is not run."""
    if len(timers) == 1:
        return next(iter(timers))
    medians = np.median(paired(list(timers.values()), rounds), axis=0)
    return list(timers)[int(medians.argmin())]


def result(
    row: str, settings: Settings, yardstick: str, taken: np.ndarray, unit: str = "s"
) -> Result:
    """Summarize measurements (pairs, 2) of ours and theirs."""
    low, ratio, high = np.quantile(taken[:, 1] / taken[:, 0], [0.25, 0.5, 0.75]).tolist()
    ours, theirs = np.median(taken, axis=0).tolist()
    return Result(
        row, settings.threads, yardstick, ours, theirs, ratio, low, high, len(taken), unit
    )


SGEMM_SIZE = 768
SGEMM_FLOPS = 2 * SGEMM_SIZE**3


def sgemm() -> Turn:
    """A turn of the matrix product that is counted as the peak."""
    A, B = np.random.RandomState(0).rand(2, SGEMM_SIZE, SGEMM_SIZE).astype(np.float32)
    out = np.empty_like(A)
    return Turn(lambda: np.matmul(A, B, out=out), at_least=0.02)
