"""Looking inside: what the passes leave, and shuffled sequences."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .batches import Batch, Sequences, blocks, make_batch, windows
from .dropout import NO_MASKS
from .inference import decision, forward_blocks
from .layers import Pass, Recurrent
from .losses import LOSSES
from .network import Network
from .outputs import Attention
from .threads import Workers, one_blas_thread
from .workspace import Parameters, Workspace

# ------------------------------------------------------------------------ the forward pass


def trace(
    network: Network, parameters: Parameters, sequences: Sequences, workers: Workers
) -> list[dict[str, np.ndarray]]:
    """For each sequence, the arrays of the forward pass by name; steps in the sequence's order."""
    found: list[dict[str, np.ndarray]] = [{} for _ in sequences.lengths]

    def take(batch: Batch, work: Workspace, logits: np.ndarray) -> None:
        pooled = network.pooling.pooled(batch, work).copy()
        logits = logits.copy()
        for direction, reverse in iter_directions(network):
            store_arrays(direction.traces(batch, work), batch, found, reverse)
        if isinstance(network.pooling, Attention):
            store_arrays({"attention": network.pooling.shares(batch, work).T}, batch, found)
        for place, row in enumerate(batch.rows):
            found[row] |= {"pooled": pooled[place], "logits": logits[place]}

    forward_blocks(network, parameters, sequences, workers, take, keep_steps=True)
    return found


def attention(
    network: Network, parameters: Parameters, sequences: Sequences, workers: Workers
) -> np.ndarray:
    """The weight of each step in the pooled state: (T_i,) for each sequence."""
    assert isinstance(network.pooling, Attention)
    shares_of = network.pooling.shares
    shares = np.empty(sequences.offsets.size - 1, dtype=object)

    def take(batch: Batch, work: Workspace, batch_logits: np.ndarray) -> None:
        for row, share in batch.split(shares_of(batch, work).T):
            shares[row] = share.copy()

    forward_blocks(network, parameters, sequences, workers, take)
    return shares


def iter_directions(network: Network) -> Iterator[tuple[Recurrent, bool]]:
    """Each direction of each layer, and whether it reads from the end."""
    for layer in network.layers:
        for number, direction in enumerate(layer.directions()):
            yield direction, number > 0


def store_arrays(
    arrays: dict[str, np.ndarray],
    batch: Batch,
    found: list[dict[str, np.ndarray]],
    reverse: bool = False,
) -> None:
    """Give each sequence its part of arrays (T, B, ...); `reverse` if it was read from its end."""
    for name, array in arrays.items():
        for row, part in batch.split(array):
            found[row][name] = (part[::-1] if reverse else part).copy()


def staged_logits(
    network: Network, parameters: Parameters, sequences: Sequences, workers: Workers
) -> Iterator[np.ndarray]:
    """Yield logits (n, K) after step 1, 2, ... or a sequence's last, always in one array."""
    lengths, start = sequences.lengths, sequences.offsets[:-1]
    nothing = Sequences(sequences.values[:0], np.zeros(2, dtype=sequences.offsets.dtype))
    logits = np.repeat(decision(network, parameters, nothing, workers), lengths.size, axis=0)
    if not network.architecture.bidirectional:
        prefix_logits = logits_of_prefixes(network, parameters, sequences, workers)
    for t in range(lengths.max()):
        running = np.flatnonzero(lengths > t)
        if network.architecture.bidirectional:
            steps = start[running, np.newaxis] + np.arange(t + 1)
            ends = (t + 1) * np.arange(running.size + 1)
            prefixes = Sequences(sequences.values[steps.ravel()], ends)
            logits[running] = decision(network, parameters, prefixes, workers)
        else:
            logits[running] = prefix_logits[start[running] + t]
        yield logits


def logits_of_prefixes(
    network: Network, parameters: Parameters, sequences: Sequences, workers: Workers
) -> np.ndarray:
    """The logits (total, K) after each step, end to end like the values of the sequences.

    If the network reads one way, the states of a prefix are the first states of the whole.
    """
    logits = np.empty((sequences.offsets[-1], network.dense.n_outputs), workers.dtype)

    def run(work: Workspace, rows: np.ndarray) -> None:
        batch = make_batch(sequences, rows)
        network.forward(parameters, batch, work)
        pooled = pooled_prefixes(network, parameters, batch, work)
        T, B, H = pooled.shape
        found = network.dense.forward(parameters, pooled.reshape(T * B, H), work)
        found = found.reshape(T, B, found.shape[1])
        for row, part in batch.split(found):
            logits[slice(*sequences.offsets[row : row + 2])] = part

    workers.map(run, blocks(sequences.lengths))
    return logits


def pooled_prefixes(
    network: Network, parameters: Parameters, batch: Batch, work: Workspace
) -> np.ndarray:
    """(T, B, H): row t is what pooling makes of the first t + 1 states."""
    h = network.layers[-1].states("h", batch, work)
    pooled = work.array("pooled of prefixes", *h[1:].shape)
    for t, step in zip(range(len(pooled)), windows(batch, 1), strict=False):  # one window at least
        given = Pass(parameters, step, work, NO_MASKS)
        pooled[t] = network.pooling.forward(given, h[t : t + 2])
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
    """For each sequence, ||d loss / d h_t|| (T,) by layer and direction, named as in `trace`."""
    found: list[dict[str, np.ndarray]] = [{} for _ in sequences.lengths]

    def run(work: Workspace, rows: np.ndarray) -> None:
        batch = make_batch(sequences, rows)
        logits = network.forward(parameters, batch, work)
        losses, dlogits = np.empty(rows.size), np.empty_like(logits)
        LOSSES[loss](logits, targets[batch.rows], np.ones(rows.size), losses, dlogits)
        network.backward(parameters, batch, dlogits, work, gradients=None, needs_dx=False)
        for direction, reverse in iter_directions(network):
            dh = direction.states("dh", batch, work)[1:].astype(np.float64)
            store_arrays({f"{direction.name}.h": np.linalg.norm(dh, axis=2)}, batch, found, reverse)

    with one_blas_thread():
        workers.map(run, blocks(sequences.lengths))
    return found


# ------------------------------------------------------------------------ shuffling


def step_shuffled(sequences: Sequences, t: int, random: np.random.RandomState) -> Sequences:
    """The sequences with their steps t, if they have one, permuted among them."""
    values = sequences.values.copy()
    steps = (sequences.offsets[:-1] + t)[sequences.lengths > t]
    values[steps] = values[random.permutation(steps)]
    return sequences._replace(values=values)


def channel_shuffled(sequences: Sequences, d: int, random: np.random.RandomState) -> Sequences:
    """The sequences, each with channel d of another, stretched to fit; empty ones stay empty."""
    values, lengths, offsets = sequences.values.copy(), sequences.lengths, sequences.offsets
    rows = np.flatnonzero(lengths)
    row, other = np.repeat((rows, random.permutation(rows)), lengths[rows], axis=1)  # of each step
    t = np.arange(row.size) - offsets[row]
    values[:, d] = sequences.values[offsets[other] + t * lengths[other] // lengths[row], d]
    return sequences._replace(values=values)
