"""Looking inside: what the passes leave in the workspace, and the gradients of single steps.

    F  a sequence's decision function for one class, the logit z_k; of two classes the second's
       is z and the first's -z
    x  (T, D) what the first layer reads: standardized series, or the tokens' embeddings

gradient x input        x * dF/dx (Shrikumar et al. 2016)
integrated gradients    x * integral of dF/dx (s x) over s from 0 to 1 (Sundararajan, Taly & Yan
                        2017); they sum to F(x) - F(0)

The baseline is x = 0: a series at its channels' means, or words without a meaning.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .batches import BLOCK_ROWS, Batch, Sequences, blocks, make_batch, windows
from .inference import decision, over_blocks
from .layers import Recurrent
from .losses import LOSSES
from .network import Network
from .outputs import Attention
from .threads import Workers, one_blas_thread
from .workspace import Parameters, Workspace

# ------------------------------------------------------------------------ the forward pass


def trace(
    network: Network, parameters: Parameters, sequences: Sequences, workers: Workers
) -> list[dict[str, np.ndarray]]:
    """Of each sequence, what the forward pass has left, by name; steps in the sequence's order."""
    found: list[dict[str, np.ndarray]] = [{} for _ in sequences.lengths]

    def take(batch: Batch, work: Workspace, logits: np.ndarray) -> None:
        pooled = work.array("pooled", batch.lengths.size, network.pooling.n_units).copy()
        logits = logits.copy()
        for direction, reverse in readings(network):
            deal(direction.traces(batch, work), batch, found, reverse)
        if isinstance(network.pooling, Attention):
            deal({"attention": network.pooling.shares(batch, work).T}, batch, found, reverse=False)
        for place, row in enumerate(batch.rows):
            found[row] |= {"pooled": pooled[place], "logits": logits[place]}

    over_blocks(network, parameters, sequences, workers, take, keep_steps=True)
    return found


def readings(network: Network) -> Iterator[tuple[Recurrent, bool]]:
    """Each direction of each layer, and whether it reads from the end."""
    for layer in network.layers:
        for number, direction in enumerate(layer.directions()):
            yield direction, number > 0


def deal(
    arrays: dict[str, np.ndarray], batch: Batch, found: list[dict[str, np.ndarray]], reverse: bool
) -> None:
    """Give each sequence its own of arrays (T, B, ...); `reverse` if it was read from its end."""
    for place, row in enumerate(batch.rows):
        T = batch.lengths[place]
        for name, array in arrays.items():
            found[row][name] = (array[:T, place][::-1] if reverse else array[:T, place]).copy()


def staged(
    network: Network, parameters: Parameters, sequences: Sequences, workers: Workers
) -> Iterator[np.ndarray]:
    """The logits (n, K) after step 1, 2, ..., in one array; an ended sequence keeps its last."""
    lengths, start = sequences.lengths, sequences.offsets[:-1]
    nothing = Sequences(sequences.values[:0], np.zeros(2, dtype=sequences.offsets.dtype))
    logits = np.repeat(decision(network, parameters, nothing, workers), lengths.size, axis=0)
    if not network.bidirectional:
        prefix_logits = logits_of_prefixes(network, parameters, sequences, workers)
    for t in range(lengths.max()):
        running = np.flatnonzero(lengths > t)
        if network.bidirectional:
            prefixes = first_steps(sequences.take(running), t + 1)
            logits[running] = decision(network, parameters, prefixes, workers)
        else:
            logits[running] = prefix_logits[start[running] + t]
        yield logits


def first_steps(sequences: Sequences, n: int) -> Sequences:
    """The first n steps of sequences that have so many."""
    steps = sequences.offsets[:-1, np.newaxis] + np.arange(n)
    return Sequences(sequences.values[steps.ravel()], n * np.arange(len(steps) + 1))


def logits_of_prefixes(
    network: Network, parameters: Parameters, sequences: Sequences, workers: Workers
) -> np.ndarray:
    """The logits (total, K) after each step, end to end as the sequences' values are.

    The states of a prefix are the first states of the whole, if the network reads one way.
    """
    logits = np.empty((sequences.offsets[-1], network.dense.n_outputs), workers.dtype)

    def run(work: Workspace, rows: np.ndarray) -> None:
        batch = make_batch(sequences, rows)
        network.forward(parameters, batch, work)
        pooled = pooled_prefixes(network, parameters, batch, work)
        T, B, H = pooled.shape
        found = network.dense.forward(parameters, pooled.reshape(T * B, H), work)
        found = found.reshape(T, B, found.shape[1])
        for place, row in enumerate(batch.rows):
            own = slice(*sequences.offsets[row : row + 2])
            logits[own] = found[: batch.lengths[place], place]

    workers.map(run, blocks(sequences.lengths))
    return logits


def pooled_prefixes(
    network: Network, parameters: Parameters, batch: Batch, work: Workspace
) -> np.ndarray:
    """(T, B, H): row t is what pooling makes of the first t + 1 states."""
    h = network.layers[-1].states("h", batch, work)
    pooled = work.array("pooled of prefixes", *h[1:].shape)
    for t, step in zip(range(len(pooled)), windows(batch, 1), strict=False):  # there may be none
        pooled[t] = network.pooling.forward(parameters, h[t : t + 2], step, work)
    return pooled


# ----------------------------------------------------------------------- the way back


def gradient_flow(
    network: Network,
    parameters: Parameters,
    sequences: Sequences,
    workers: Workers,
    targets: np.ndarray,
    loss: str,
) -> list[dict[str, np.ndarray]]:
    """Of each sequence ||d loss / d h_t|| (T,) for each layer and direction, as `trace` names h."""
    found: list[dict[str, np.ndarray]] = [{} for _ in sequences.lengths]

    def run(work: Workspace, rows: np.ndarray) -> None:
        batch = make_batch(sequences, rows)
        logits = network.forward(parameters, batch, work)
        losses, dlogits = np.empty(rows.size), np.empty_like(logits)
        LOSSES[loss][1](logits, targets[batch.rows], np.ones(rows.size), losses, dlogits)
        network.backward(parameters, batch, dlogits, work, Workspace(work.dtype))
        for direction, reverse in readings(network):
            dh = direction.states("dh", batch, work)[1:].astype(np.float64)
            deal({f"{direction.name}.h": np.linalg.norm(dh, axis=2)}, batch, found, reverse)

    with one_blas_thread():
        workers.map(run, blocks(sequences.lengths))
    return found


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
    reader = reader_of_vectors(network)

    def run(work: Workspace, rows: np.ndarray) -> None:
        batch = as_vectors(parameters, make_batch(sequences, rows))
        dlogits = target.gradient(reader.forward(parameters, batch, work))
        dx = reader.backward(parameters, batch, dlogits, work, Workspace(work.dtype))
        cut(batch.x * dx, batch, sequences, found)

    with one_blas_thread():
        workers.map(run, blocks(sequences.lengths))
    return found


def integrated_gradients(
    network: Network,
    parameters: Parameters,
    sequences: Sequences,
    workers: Workers,
    target: Target,
    n_steps: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Integrated gradients, shaped as by `gradient_x_input`, and F(x) - F(0) of each sequence."""
    found = np.empty(sequences.lengths.size, dtype=object)
    change, reader = np.empty(found.size), reader_of_vectors(network)

    def run(work: Workspace, rows: np.ndarray) -> None:
        batch = as_vectors(parameters, make_batch(sequences, rows))
        x, n = in_steps(batch), rows.size
        total, points = np.zeros(x.shape), np.linspace(0, 1, n_steps + 1)
        values = gradients_at(reader, parameters, sequences, batch.rows, points, target, work)
        F_0, before = next(values)
        F = F_0
        for F_next, after in values:
            share = share_of_first(n_steps * (F_next - F), before, after)
            total[:, :n] += (share * before + (1 - share) * after) / n_steps
            F, before = F_next, after
        cut(total.reshape(batch.x.shape), batch, sequences, found)
        change[batch.rows] = F - F_0

    with one_blas_thread():
        workers.map(run, blocks(sequences.lengths))
    return found, change


def gradients_at(
    network: Network,
    parameters: Parameters,
    sequences: Sequences,
    rows: np.ndarray,
    points: np.ndarray,
    target: Target,
    work: Workspace,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each point s F(s x), (n,), and x dF/dx (s x), (T, n, D), of n sequences, longest first.

    Of few sequences several points are taken at once, side by side: a product of few rows is slow.
    """
    n, at_once = rows.size, max(BLOCK_ROWS // rows.size, 1)
    batch = as_vectors(parameters, make_batch(sequences, np.repeat(rows, at_once)))
    x, gradients = in_steps(batch), Workspace(work.dtype)
    T, B, D = x.shape
    dlogits = target.gradient(network.forward(parameters, batch, work))
    s = np.zeros((B, 1), work.dtype)
    for start in range(0, points.size, at_once):
        here = points[start : start + at_once]
        s[: n * at_once].reshape(n, at_once)[:, : here.size] = here
        part = batch._replace(x=(s * x).reshape(batch.x.shape))
        logits = network.forward(parameters, part, work)
        dx = network.backward(parameters, part, dlogits, work, gradients)
        F = (dlogits * logits).sum(axis=1, dtype=np.float64)[: n * at_once].reshape(n, at_once)
        dF = (x * dx.reshape(x.shape))[:, : n * at_once].reshape(T, n, at_once, D)
        for k in range(here.size):
            yield F[:, k], dF[:, :, k]


def in_steps(batch: Batch) -> np.ndarray:
    """The batch's x as (T, B, D)."""
    return batch.x.reshape(batch.n_active.size, batch.lengths.size, batch.x.shape[1])


def share_of_first(slope: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """(n, 1): how much of a step the gradient stays as it was at the step's beginning.

    A half is the trapezoid rule. But where maxima change hands, the gradient jumps; where it does
    so follows from the slope that F has over the whole step (n,).
    """
    first, last = (parts.sum(axis=(0, 2), dtype=np.float64) for parts in (before, after))
    share = np.full(slope.size, 0.5)
    np.divide(slope - last, first - last, out=share, where=first != last)
    return share.clip(0, 1)[:, np.newaxis]


def complete_integrated_gradients(
    network: Network, parameters: Parameters, sequences: Sequences, workers: Workers, target: Target
) -> np.ndarray:
    """Integrated gradients in as many steps as it takes for each sum to be F(x) - F(0)."""
    found = np.empty(sequences.lengths.size, dtype=object)
    rows, n_steps = np.arange(found.size), FEWEST
    while True:
        found[rows], change = integrated_gradients(
            network, parameters, sequences.take(rows), workers, target, n_steps
        )
        missing = np.array([part.sum() for part in found[rows]]) - change
        sizes = np.array([abs(part).sum() for part in found[rows]])
        rows = rows[abs(missing) > np.maximum(TOLERANCE * abs(change), ROUNDING * sizes)]
        if rows.size == 0 or n_steps == MOST:
            return found
        n_steps *= 2


TOLERANCE = 1e-3  # of F(x) - F(0), by which the sum may miss it
ROUNDING = 1e-5  # of the sum of the sizes: where they cancel, single precision can't tell more
FEWEST, MOST = 16, 1024  # steps of the integral


def reader_of_vectors(network: Network) -> Network:
    """The same network, to read vectors where it reads tokens."""
    reader = copy.copy(network)
    reader.embedding = None
    return reader


def as_vectors(parameters: Parameters, batch: Batch) -> Batch:
    """Tokens as their vectors, one an occurrence: each is to have a gradient of its own."""
    if batch.lookup is None:
        return batch
    x = parameters["embedding"][batch.x[batch.lookup]]
    x[batch.lookup < 0] = 0
    return batch._replace(x=x.reshape(-1, x.shape[2]), lookup=None)


def cut(values: np.ndarray, batch: Batch, sequences: Sequences, found: np.ndarray) -> None:
    """Give each sequence its own of values (T*B, D), for tokens summed over D."""
    values = values.reshape(in_steps(batch).shape).astype(np.float64)
    if sequences.values.ndim == 1:
        values = values.sum(axis=2)
    for place, row in enumerate(batch.rows):
        found[row] = values[: batch.lengths[place], place].copy()
