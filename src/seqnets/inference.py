"""From sequences to logits: the forward pass in blocks, over threads."""

from __future__ import annotations

import numpy as np

from .batches import Sequences, blocks, make_batch
from .layers import Attention, Workspace
from .network import Network
from .threads import Workers


def decision(
    network: Network, parameters: dict[str, np.ndarray], sequences: Sequences, workers: Workers
) -> np.ndarray:
    """The logits (n, K), in the order of the sequences."""
    window = None if network.bidirectional else WINDOW
    logits = np.empty((sequences.offsets.size - 1, network.dense.n_outputs), workers.dtype)

    def run(work: Workspace, rows: np.ndarray) -> None:
        batch = make_batch(sequences, rows)
        logits[batch.rows] = network.forward(parameters, batch, work, window=window)[: rows.size]

    workers.map(run, blocks(sequences.lengths))
    return logits


# Steps that are computed at a time: what they leave is still in the cache when it is read.
WINDOW = 64


def attention(
    network: Network, parameters: dict[str, np.ndarray], sequences: Sequences, workers: Workers
) -> np.ndarray:
    """The weight of each step in the pooled state: (T_i,) of each sequence."""
    assert isinstance(network.pooling, Attention)
    shares_of = network.pooling.shares
    shares = np.empty(sequences.offsets.size - 1, dtype=object)

    def run(work: Workspace, rows: np.ndarray) -> None:
        batch = make_batch(sequences, rows)
        network.forward(parameters, batch, work)
        share = shares_of(batch, work)
        for place, row in enumerate(batch.rows):
            shares[row] = share[place, : batch.lengths[place]].astype(np.float64)

    workers.map(run, blocks(sequences.lengths))
    return shares
