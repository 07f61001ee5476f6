"""From sequences to logits: the forward pass in blocks, over threads."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .batches import BLOCK_ROWS, NO_PROJECTIONS, Batch, Sequences, blocks, distinct, make_batch
from .network import Network
from .threads import Workers
from .workspace import Parameters, Workspace

# What is computed at a time: `PREDICT_ROWS` sequences, if there are as many for each thread, and
# `WINDOW_STEPS` of their steps in all. More would leave the cache, fewer mean more calls from
# Python. (IMDB reviews on Zen 3: 32 rows and 1,024 steps take 2 to 8 % longer, 256 steps 15 to
# 30 %.)
PREDICT_ROWS, WINDOW_STEPS = 64, 2048

# The most that all distinct tokens' vectors and products may take; else each block has its own.
TABLE_BYTES = 2**26


def decision(
    network: Network, parameters: Parameters, sequences: Sequences, workers: Workers
) -> np.ndarray:
    """The logits (n, K), in the order of the sequences."""
    logits = np.empty((sequences.offsets.size - 1, network.dense.n_outputs), workers.dtype)

    def take(batch: Batch, work: Workspace, batch_logits: np.ndarray) -> None:
        logits[batch.rows] = batch_logits[: batch.rows.size]

    forward_blocks(network, parameters, sequences, workers, take)
    return logits


def forward_blocks(
    network: Network,
    parameters: Parameters,
    sequences: Sequences,
    workers: Workers,
    take: Callable[[Batch, Workspace, np.ndarray], None],
    keep_steps: bool = False,
) -> None:
    """Call `take` with each block's batch, workspace and logits after its forward pass.

    With `keep_steps` the workspace holds the states of all steps, else those of the last few.
    """
    keep_steps = keep_steps or network.architecture.bidirectional
    lengths, projected = sequences.lengths, NO_PROJECTIONS
    few = lengths.size < PREDICT_ROWS * workers.n_threads
    chosen = blocks(lengths, BLOCK_ROWS if few or keep_steps else PREDICT_ROWS)
    if len(chosen) > 1:
        sequences, projected = project_tokens(network, parameters, sequences, workers.dtype)

    def run(work: Workspace, rows: np.ndarray) -> None:
        batch = make_batch(sequences, rows, projected)
        n_steps = None if keep_steps else max(WINDOW_STEPS // batch.lengths.size, 1)
        take(batch, work, network.forward(parameters, batch, work, window_steps=n_steps))

    workers.map(run, chosen)


def project_tokens(
    network: Network, parameters: Parameters, sequences: Sequences, dtype: np.dtype
) -> tuple[Sequences, dict[str, np.ndarray]]:
    """The sequences as rows of the arrays beside them: x W_x + b of each distinct token, by layer.

    Of every token, if the sequences have at least as many steps as the embedding has rows.
    """
    if network.embedding is None:
        return sequences, {}
    values, tokens = sequences.values, np.arange(len(parameters["embedding"]))
    if values.size < tokens.size:
        tokens, values = distinct(values)
    layers = network.layers[0].directions()
    widths = [parameters[f"{layer.name}.b"].size for layer in layers]
    if tokens.size * (network.embedding.n_dims + sum(widths)) * dtype.itemsize > TABLE_BYTES:
        return sequences, {}
    work = Workspace(dtype)
    x = network.embedding.forward(parameters, tokens, work)
    projected = {}
    for layer, width in zip(layers, widths, strict=True):
        projected[layer.name] = work.array(layer.name, len(x), width)  # begins at a cache line
        layer.project(parameters, x, projected[layer.name], work)
    return Sequences(values, sequences.offsets), projected
