"""The share of single steps in a decision: gradient x input and integrated gradients.

    F  a sequence's decision function for one class, the logit z_k; with two classes, it is z for
       the second and -z for the first
    x  (T, D) what the first layer reads: standardized series, or the tokens' embeddings

gradient x input        x * dF/dx (Shrikumar et al. 2016)
integrated gradients    x * integral of dF/dx (s x) over s from 0 to 1 (Sundararajan, Taly & Yan
                        2017); they sum to F(x) - F(0)

The baseline is x = 0: a series at its channels' means, or tokens whose embeddings are zero.
"""

from __future__ import annotations

import bisect
import copy
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .batches import Batch, Sequences, blocks, make_batch
from .inference import decision
from .network import Network
from .threads import Workers, one_blas_thread
from .workspace import Parameters, Workspace

TOLERANCE = 1e-3  # of F(x) - F(0), by which the sum may miss it
CHANGE = 0.02  # of the largest attribution, by which halving all steps may have changed them
ROUNDING = 1e-5  # of the sum of absolute values: if they cancel, the limit of single precision
MIN_STEPS, MAX_STEPS = 16, 256  # steps of the integral
MIN_STEP_WIDTH = 1e-9  # no shorter step is halved

Slopes = float | np.ndarray  # of one step or of several


class Target(NamedTuple):
    """The class whose decision function is explained."""

    number: int | None  # None: the predicted one
    two_classes: bool  # then one logit stands for both

    def gradient(self, logits: np.ndarray) -> np.ndarray:
        """dF / d logits (B, K)."""
        dlogits = np.zeros_like(logits)
        if self.two_classes:
            second = logits > 0 if self.number is None else self.number == 1
            dlogits[:] = np.where(second, 1, -1)
        else:
            chosen = logits.argmax(axis=1) if self.number is None else self.number
            dlogits[np.arange(len(logits)), chosen] = 1
        return dlogits


def gradient_x_input(
    network: Network, parameters: Parameters, sequences: Sequences, workers: Workers, target: Target
) -> np.ndarray:
    """x * dF/dx of each sequence: (T_i, D), for tokens summed over D."""
    found = np.empty(sequences.lengths.size, dtype=object)
    reader = without_embedding(network)

    def run(work: Workspace, rows: np.ndarray) -> None:
        batch = as_vectors(parameters, make_batch(sequences, rows))
        dlogits = target.gradient(reader.forward(parameters, batch, work))
        dx = reader.backward(parameters, batch, dlogits, work, gradients=None)
        store_attributions(batch.x * dx, batch, sequences, found)

    with one_blas_thread():
        workers.map(run, blocks(sequences.lengths))
    return found


def integrated_gradients(
    network: Network,
    parameters: Parameters,
    sequences: Sequences,
    workers: Workers,
    target: Target,
    n_steps: int | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Integrated gradients, shaped as by `gradient_x_input`, wrong sums (n, 2) and doubts (n,).

    A row of wrong sums holds the sum and F(x) - F(0), or zeros if they are close enough; doubts
    tell whether single attributions may be wrong. The integral has `n_steps` equal steps; None: the
    worst steps are halved until the sum is close enough and single attributions hardly change. If
    only the sum counted, an attribution in a series could be wrong by half of the largest.
    """
    found = np.empty(sequences.lengths.size, dtype=object)
    wrong_sums, doubtful = np.zeros((found.size, 2)), np.zeros(found.size, dtype=bool)
    reader = without_embedding(network)
    dlogits = target.gradient(decision(network, parameters, sequences, workers))

    def run(work: Workspace, rows: np.ndarray) -> None:
        paths = {row: Path() for row in rows.tolist()}
        points = dict.fromkeys(paths, np.linspace(0, 1, (n_steps or MIN_STEPS) + 1))
        while points:
            at = np.repeat(list(points), [s.size for s in points.values()])
            s = np.concatenate(list(points.values()))
            for place, F, dF in gradients_at(reader, parameters, sequences, at, s, dlogits, work):
                paths[at[place]].add(s[place], F, dF)
            if n_steps is not None:
                break
            refined, points = points, {}
            for row in refined:
                path = paths[row]
                wrong_sums[row], doubtful[row] = path.wrong_sum(), not path.is_settled()
                unfinished = wrong_sums[row].any() or doubtful[row]
                if unfinished and (midpoints := path.midpoints(not doubtful[row])).size:
                    points[row] = midpoints
        for row, path in paths.items():
            found[row] = path.integral()

    with one_blas_thread():
        workers.map(run, blocks(sequences.lengths, 1))  # long ones alone: a path takes much memory
    return found, wrong_sums, doubtful


def gradients_at(
    network: Network,
    parameters: Parameters,
    sequences: Sequences,
    rows: np.ndarray,
    points: np.ndarray,
    dlogits: np.ndarray,
    work: Workspace,
) -> Iterator[tuple[int, float, np.ndarray]]:
    """Yield F(s x) and x dF/dx (s x), for tokens summed over D, of sequences at points s.

    They come in any order, each after its place in `rows`. `dlogits` (n, K) is dF / d logits of all
    n sequences.
    """
    for block in blocks(sequences.lengths[rows]):
        batch = as_vectors(parameters, make_batch(sequences, rows[block]))  # in this order
        x = batch.x.reshape(*batch.shape, batch.x.shape[1])
        s, n = np.zeros((batch.lengths.size, 1), work.dtype), block.size
        s[:n, 0] = points[block]
        there = batch._replace(x=(s * x).reshape(batch.x.shape))
        logits = network.forward(parameters, there, work)
        d = np.zeros_like(logits)
        d[:n] = dlogits[batch.rows]
        F = (d * logits).sum(axis=1, dtype=np.float64)
        dx = network.backward(parameters, there, d, work, gradients=None)
        moved = np.empty(n, dtype=object)
        store_attributions(batch.x * dx, batch._replace(rows=np.arange(n)), sequences, moved)
        yield from zip(block.tolist(), F, moved, strict=False)


class Path:
    """What is known of F on the way from 0 to x: at points s, F(s x) and dF = x dF/dx (s x)."""

    def __init__(self) -> None:
        self.s: list[float] = []
        self.F: list[float] = []
        self.dF: list[np.ndarray] = []
        self.slopes: list[float] = []  # sums of dF
        self.halved: np.ndarray | None = None  # points put into steps; None: every second one
        self.doubts: dict[float, float] = {}  # by a step's start: half of what halving changed

    def add(self, s: float, F: float, dF: np.ndarray) -> None:
        place = bisect.bisect(self.s, s)
        self.s.insert(place, s)
        self.F.insert(place, F)
        self.dF.insert(place, dF)
        self.slopes.insert(place, dF.sum())

    def integral(self) -> np.ndarray:
        weights, _ = self._steps()
        return sum(w * dF for w, dF in zip(weights, self.dF, strict=True))

    def wrong_sum(self) -> tuple[float, float]:
        """The integral's sum and what it should be, or zeros if they are close enough."""
        _, missing = self._steps()
        change, wrong = self.F[-1] - self.F[0], abs(missing.sum())
        near = wrong <= TOLERANCE * abs(change) or wrong <= ROUNDING * abs(self.integral()).sum()
        return (0.0, 0.0) if near else (change - missing.sum(), change)

    def is_settled(self) -> bool:
        """Whether halving each step, when it was last halved, hardly changed the integral.

        The sum may be right although single attributions are far off. Each half gets half of the
        change as its doubt; those of steps that were not halved this time still count.
        """
        for s in self.s[1::2] if self.halved is None else self.halved:
            i = bisect.bisect_left(self.s, s)
            change = self._part(i - 1, i) + self._part(i, i + 1) - self._part(i - 1, i + 1)
            self.doubts[self.s[i - 1]] = self.doubts[s] = abs(change).max(initial=0) / 2
        return bool(sum(self.doubts.values()) <= CHANGE * abs(self.integral()).max(initial=0))

    def midpoints(self, is_settled: bool) -> np.ndarray:
        """The midpoints of the worst steps, if not too short and within `MAX_STEPS`.

        These miss most if only the sum is wrong, else they were changed most when halved.
        """
        _, missing = self._steps()
        error = abs(missing) if is_settled else np.array([self.doubts[s] for s in self.s[:-1]])
        width = np.diff(self.s)
        (chosen,) = np.nonzero((error > error.max() / 4) & (width > MIN_STEP_WIDTH))
        worst_first = chosen[np.argsort(-error[chosen], kind="stable")][: MAX_STEPS - width.size]
        self.halved = np.array(self.s)[worst_first] + width[worst_first] / 2
        return self.halved

    def _part(self, i: int, j: int) -> np.ndarray:
        """The integral from point i to point j, as one step."""
        width = self.s[j] - self.s[i]
        slope = (self.F[j] - self.F[i]) / width
        share = share_of_start(slope, self.slopes[i], self.slopes[j])
        return width * (share * self.dF[i] + (1 - share) * self.dF[j])

    def _steps(self) -> tuple[np.ndarray, np.ndarray]:
        """The weight of each point in the integral, and what each step misses of F's change."""
        width, change, slopes = np.diff(self.s), np.diff(self.F), np.array(self.slopes)
        first, last = slopes[:-1], slopes[1:]
        share = share_of_start(change / width, first, last)
        weights = np.append(width * share, 0) + np.append(0, width * (1 - share))
        missing = change - width * (share * first + (1 - share) * last)
        return weights, missing


def share_of_start(slope: Slopes, first: Slopes, last: Slopes) -> np.ndarray:
    """How long in a step, from 0 to 1, the gradient is that of its start.

    The trapezoid rule says half of it. But where a maximum moves to another time step, the gradient
    jumps; F's mean slope over the whole step, and those at its ends, tell where.
    """
    share = np.full(np.shape(slope), 0.5)
    np.divide(slope - last, first - last, out=share, where=first != last)
    return share.clip(0, 1)


def without_embedding(network: Network) -> Network:
    """The same network without its embedding: it reads vectors instead of tokens."""
    reader = copy.copy(network)
    reader.embedding = None
    return reader


def as_vectors(parameters: Parameters, batch: Batch) -> Batch:
    """Tokens as their vectors, one per occurrence, so that each gets a gradient of its own."""
    if batch.lookup is None:
        return batch
    x = parameters["embedding"][batch.x[batch.lookup]]
    x[batch.lookup < 0] = 0
    return batch._replace(x=x.reshape(-1, x.shape[2]), lookup=None)


def store_attributions(
    values: np.ndarray, batch: Batch, sequences: Sequences, found: np.ndarray
) -> None:
    """Give each sequence its part of values (T*B, D), for tokens summed over D."""
    values = values.reshape(*batch.shape, values.shape[1]).astype(np.float64)
    if sequences.values.ndim == 1:
        values = values.sum(axis=2)
    for row, part in batch.split(values):
        found[row] = part.copy()
