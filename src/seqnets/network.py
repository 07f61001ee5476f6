"""The network: embedding -> recurrent layers -> pooling -> dense; parameters by name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .batches import Batch
from .layers import Dense, Embedding, Recurrent, Workspace
from .pooling import POOLINGS


class Network:
    """The shape of a network and its two passes over a batch; it holds no numbers.

    Parameters are a flat dict of arrays of one dtype, C-contiguous and writable: ``embedding``,
    ``layer0.W_x``, ``layer0.W_h``, ``layer0.b``, ..., ``dense.W``, ``dense.b``.
    """

    def __init__(
        self,
        cell: str,
        n_inputs: int,
        hidden_layer_sizes: Sequence[int],
        pooling: str,
        n_outputs: int,
        n_tokens: int | None = None,
    ) -> None:
        self.shape = cell, n_inputs, tuple(hidden_layer_sizes), n_outputs, n_tokens is None
        self.embedding = None if n_tokens is None else Embedding(n_tokens, n_inputs)
        self.layers = []
        for i, n_units in enumerate(hidden_layer_sizes):
            self.layers.append(Recurrent(f"layer{i}", cell, n_inputs, n_units))
            n_inputs = n_units
        self.pooling = pooling
        self.dense = Dense(n_inputs, n_outputs)

    def initialize(self, random: np.random.RandomState, dtype: np.dtype) -> dict[str, np.ndarray]:
        start = {} if self.embedding is None else self.embedding.initialize(random)
        for layer in self.layers:
            start |= layer.initialize(random)
        start |= self.dense.initialize(random)
        return {name: np.ascontiguousarray(value, dtype) for name, value in start.items()}

    def forward(self, parameters: dict, batch: Batch, work: Workspace) -> np.ndarray:
        """The logits (B, K); what the backward pass needs stays in `work`."""
        for i, layer in enumerate(self.layers):
            x, lookup = self._input(i, parameters, batch, work)
            h = layer.forward(parameters, x, lookup, batch, work)
        pooled, best = self._pooled(batch, work)
        pool, _ = POOLINGS[self.pooling]
        pool(batch.lengths, h, pooled, best)
        return self.dense.forward(parameters, pooled, work)

    def backward(
        self,
        parameters: dict,
        batch: Batch,
        dlogits: np.ndarray,
        work: Workspace,
        gradients: Workspace,
    ) -> np.ndarray:
        """Fill `gradients` by the parameters' names; return the gradient of `batch.x`.

        The embedding's gradient has a row for each token of `batch.x`.
        """
        pooled, best = self._pooled(batch, work)
        dpooled = self.dense.backward(parameters, pooled, dlogits, work, gradients)
        _, pool_backward = POOLINGS[self.pooling]
        pool_backward(batch.lengths, dpooled, best, self.layers[-1].states("dh", batch, work))
        for i in reversed(range(len(self.layers))):
            x, lookup = self._input(i, parameters, batch, work)
            dx = work.array("dx", *x.shape)
            if i > 0:
                below = self.layers[i - 1].states("dh", batch, work)
                below[0] = 0
                dx = below[1:].reshape(x.shape)
            self.layers[i].backward(parameters, x, lookup, batch, work, gradients, dx)
        if self.embedding is not None:
            self.embedding.backward(batch.x, dx, gradients)
        return dx

    def _input(
        self, i: int, parameters: dict, batch: Batch, work: Workspace
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """What layer i reads: x (T*B, D), or the distinct tokens' vectors and the lookup."""
        if i > 0:
            h = self.layers[i - 1].states("h", batch, work)
            return h[1:].reshape(-1, h.shape[2]), None
        if self.embedding is not None:
            return self.embedding.forward(parameters, batch.x, work), batch.lookup
        return batch.x, None

    def _pooled(self, batch: Batch, work: Workspace) -> tuple[np.ndarray, np.ndarray]:
        shape = batch.lengths.size, self.layers[-1].n_units
        return work.array("pooled", *shape), work.array("best", *shape, dtype=np.int64)
