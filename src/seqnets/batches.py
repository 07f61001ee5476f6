"""Sequences of any length in one ragged form, and the sorted time-major batches cut from it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .jit import kernel
from .products import TILE_ROWS, whole_tiles

# A block is what one thread takes at a time: `BLOCK_ROWS` sequences, or more short ones, up to
# `BLOCK_STEPS` steps in all, since fewer calls are faster. More than `BLOCK_ROWS` sequences of more
# than `MAX_SINGLE_BLOCK_STEPS` steps in all make at least two blocks, so that two threads have
# work; with fewer steps, they would wait for Python (sentences took twice as long on two threads).
# Blocks, not threads, decide the order of every sum, so results do not depend on the number of
# threads.
BLOCK_ROWS, BLOCK_STEPS, MAX_SINGLE_BLOCK_STEPS = 16, 4096, 2048

# Sequences that `lay_out` reads at a time, each from its own place in memory: with all 64 of a
# prediction's block, it takes up to five times as long. It has to divide a batch's rows.
READ_ROWS = TILE_ROWS

# The number of batches whose sequences are sorted by length together, after shuffling.
POOL = 16

ENDED = -1  # in place of a token

NO_PROJECTIONS: dict[str, np.ndarray] = {}  # nothing is projected, see `Batch`


class Sequences(NamedTuple):
    """n sequences laid end to end: sequence i is values[offsets[i]:offsets[i + 1]]."""

    values: np.ndarray  # (total, D) series, or (total,) token ids or rows of the embedding
    offsets: np.ndarray  # (n + 1,)

    @property
    def lengths(self) -> np.ndarray:
        return self.offsets[1:] - self.offsets[:-1]

    def split(self) -> list[np.ndarray]:
        """The values of each sequence."""
        return [self.values[start:stop] for start, stop in itertools.pairwise(self.offsets)]

    def take(self, rows: np.ndarray) -> Sequences:
        """The sequences `rows`, in that order."""
        lengths = self.lengths[rows]
        offsets = np.concatenate(([0], np.cumsum(lengths)))
        steps = np.repeat(self.offsets[rows] - offsets[:-1], lengths)
        steps += np.arange(offsets[-1])
        return Sequences(self.values[steps], offsets)


class Batch(NamedTuple):
    """B sequences, longest first, as the layers take them.

    B is filled up to whole tiles with sequences of length 0. For tokens, `x` has each distinct one
    once and `lookup` says where, so that what is linear in the embedding is computed once per word
    and not once per occurrence.
    """

    rows: np.ndarray  # (n,) which sequences these are, in the order of the first n rows
    lengths: np.ndarray  # (B,)
    n_active: np.ndarray  # (T,) sequences that still run at step t: the first rows
    x: np.ndarray  # (T * B, D) series, zero where ended; or the distinct tokens, if not `projected`
    lookup: np.ndarray | None  # (T, B) rows of x or `projected`, -1 where ended; None for series
    projected: dict[str, np.ndarray] = NO_PROJECTIONS  # by layer: x W_x + b, if already known
    start: int = 0  # of a window: its first step's place in the sequences
    window: int = 0  # and its number among the windows
    n_windows: int = 1

    @property
    def shape(self) -> tuple[int, int]:
        """(T, B)."""
        return self.n_active.size, self.lengths.size

    @property
    def is_last(self) -> bool:
        """Whether this is the last window, or the whole batch."""
        return self.window + 1 == self.n_windows

    def split(self, array: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Each sequence's row, and its own steps of an array (T, B, ...)."""
        for place, row in enumerate(self.rows):
            yield row, array[: self.lengths[place], place]


def make_batch(
    sequences: Sequences, rows: np.ndarray, projected: dict[str, np.ndarray] = NO_PROJECTIONS
) -> Batch:
    """Cut the sequences `rows` into one batch; with `projected`, tokens are rows of its arrays."""
    values, offsets = sequences
    rows = rows[(offsets[rows] - offsets[rows + 1]).argsort(kind="stable")]  # longest first
    starts, lengths = np.zeros((2, whole_tiles(rows.size)), dtype=np.int64)
    starts[: rows.size] = offsets[rows]
    lengths[: rows.size] = offsets[rows + 1] - starts[: rows.size]
    n_active = np.empty(lengths[0], dtype=np.int64)
    x = np.empty((n_active.size, lengths.size, *values.shape[1:]), values.dtype)
    if values.ndim == 2:
        lay_out(values, starts, lengths, 0, n_active, x)
        return Batch(rows, lengths, n_active, x.reshape(-1, x.shape[2]), None)
    lay_out(values[:, np.newaxis], starts, lengths, ENDED, n_active, x[:, :, np.newaxis])
    if projected:
        return Batch(rows, lengths, n_active, values[:0], x, projected)
    return Batch(rows, lengths, n_active, *distinct(x))


@kernel
def lay_out(values, starts, lengths, ended, n_active, x):
    """x[t, b] = step t of the sequence that starts at starts[b], or `ended` after its last one;
    n_active[t] = how many run at step t.
    """
    n_active[:] = 0
    for first in range(0, lengths.size, READ_ROWS):
        for t in range(n_active.size):
            for b in range(first, first + READ_ROWS):
                runs = t < lengths[b]
                n_active[t] += runs
                for k in range(x.shape[2]):
                    x[t, b, k] = values[starts[b] + t, k] if runs else ended


def distinct(tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct tokens, sorted, and where among them each one is; `ENDED` stays.

    `np.unique` does this by sorting; a table of all possible tokens is ten times as fast here,
    except for a few tokens of a large vocabulary.
    """
    largest = tokens.max(initial=ENDED)
    if largest > 2**16 + 2**8 * tokens.size:  # measured: from there on, sorting takes less time
        found, places = np.unique(tokens, return_inverse=True)
        n_ended = int(found[0] == ENDED)
        return found[n_ended:], places.reshape(tokens.shape) - n_ended
    seen = np.zeros(largest + 2, dtype=bool)
    seen[tokens] = True
    (found,) = seen[:-1].nonzero()  # the last place is that of ENDED, -1
    places = np.empty(seen.size, dtype=np.int64)
    places[found] = np.arange(found.size)
    places[ENDED] = ENDED
    return found, places[tokens]


def windows(batch: Batch, n_steps: int | None) -> list[Batch]:
    """Cut a batch along time into windows of `n_steps`, the first may be shorter; None: no cut.

    `lengths` stay those of the whole sequences, `x` and `lookup` are views.
    """
    T, B = batch.shape
    if n_steps is None or T <= n_steps:
        return [batch]
    cuts = [0, *range(T % n_steps or n_steps, T + 1, n_steps)]
    parts = []
    for number, (start, stop) in enumerate(itertools.pairwise(cuts)):
        x, lookup = batch.x, batch.lookup
        if lookup is None:
            x = x[start * B : stop * B]
        else:
            lookup = lookup[start:stop]
        part = {"n_active": batch.n_active[start:stop], "x": x, "lookup": lookup, "start": start}
        parts.append(batch._replace(**part, window=number, n_windows=len(cuts) - 1))
    return parts


def blocks(lengths: np.ndarray, n_rows: int = BLOCK_ROWS) -> list[np.ndarray]:
    """Divide sequences of these lengths into blocks of similar lengths, longest first.

    A block has at most `n_rows` sequences, or more if they are short.
    """
    if lengths.size == 1:  # saves a twentieth of a short prediction's time
        return [np.zeros(1, dtype=np.int64)]
    order = np.argsort(-lengths, kind="stable")
    found: list[np.ndarray] = []
    at_least = 1 if order.size <= n_rows or lengths.sum() <= MAX_SINGLE_BLOCK_STEPS else 2
    while order.size:
        longest = max(int(lengths[order[0]]), 1)
        most = max(n_rows, BLOCK_STEPS // longest)
        n_blocks = max(math.ceil(order.size / most), at_least - len(found))
        n = min(whole_tiles(math.ceil(order.size / n_blocks)), most)  # of similar size
        # A long sequence pads those beside it: take fewer while a large block is mostly padding.
        while n > TILE_ROWS and n * longest > max(BLOCK_STEPS, 2 * lengths[order[:n]].sum()):
            n = whole_tiles(n // 2)
        found.append(order[:n])
        order = order[n:]
    return found


def minibatches(
    lengths: np.ndarray, batch_size: int, shuffle: np.random.RandomState | None
) -> Iterator[np.ndarray]:
    """Every sequence once, in batches; if shuffled, with sequences of similar length together.

    Sorting by length within `POOL` shuffled batches saves most of the steps in which only the
    longest sequence of a batch still runs; which sequences meet, and when, stays random, since a
    pool is one batch or at most half of all. The batches are of like size, at most `batch_size`: a
    small one would always hold the longest of their pool, and Adam's steps hardly shrink with the
    gradient, so that these would count more than others.
    """
    n = lengths.size
    n_batches = -(-n // batch_size)
    order, numbers = np.arange(n), np.arange(n_batches)
    cuts = np.arange(n_batches + 1) * n // n_batches
    if shuffle is not None:
        order = shuffle.permutation(n)
        pool = min(POOL, max(1, n // (2 * batch_size)))
        for first in range(0, n_batches, pool):
            start, stop = cuts[first], cuts[min(first + pool, n_batches)]
            part = order[start:stop]
            order[start:stop] = part[np.argsort(lengths[part], kind="stable")]
        numbers = shuffle.permutation(numbers)
    for number in numbers.tolist():
        yield order[cuts[number] : cuts[number + 1]]
