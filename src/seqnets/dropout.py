"""Dropout: parts of the inputs are left out at random while training, anew in each batch.

A mask holds 0 with probability p, else 1 / (1 - p), so that means stay as they are and
prediction needs none (Srivastava et al. 2014). It is drawn once a sequence and serves all of its
steps (Gal & Ghahramani 2016); of embeddings, once a distinct token of a block of sequences, which
keeps what is linear in them one product for all their occurrences.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .batches import ROW_TILE, Batch

Masks = dict[str, np.ndarray]


class Dropout(NamedTuple):
    """The probabilities p."""

    inputs: float = 0.0  # of each number that a layer reads, the dense one included
    tokens: float = 0.0  # of whole tokens

    def draw(
        self, seed: tuple[int, int], widths: list[int], batch: Batch, dtype: np.dtype
    ) -> Masks:
        """Masks by what they are for: "layer0", ..., "dense"; `widths` are those of the inputs."""
        random = np.random.default_rng(seed)

        def mask(p: float, n: int, width: int) -> np.ndarray:
            return (random.random((n, width), np.float32) >= p).astype(dtype) / dtype.type(1 - p)

        names = [*(f"layer{i}" for i in range(len(widths) - 1)), "dense"]
        n_rows = [batch.lengths.size] * len(widths)
        if batch.lookup is not None:
            n_rows[0] = batch.x.size + -batch.x.size % ROW_TILE  # as `layers.Embedding` rounds
        masks = {}
        for name, n, width in zip(names, n_rows, widths, strict=True):
            if self.inputs > 0:
                masks[name] = mask(self.inputs, n, width)
        if self.tokens > 0 and batch.lookup is not None:
            whole = mask(self.tokens, n_rows[0], 1)
            masks["layer0"] = masks["layer0"] * whole if "layer0" in masks else whole
        return masks


NO_DROPOUT, NO_MASKS = Dropout(), Masks()
