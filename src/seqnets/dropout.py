"""Dropout: parts of the inputs are left out at random while training, anew in each batch.

A mask holds 0 with probability p, else 1 / (1 - p), so that means stay as they are and
prediction needs none (Srivastava et al. 2014). It is drawn once per sequence and serves all of its
steps (Gal & Ghahramani 2016); for embeddings, once per distinct token of a block of sequences, so
that what is linear in them remains one product for all occurrences of a token.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .batches import Batch
from .products import whole_tiles

Masks = dict[str, np.ndarray]


class Dropout(NamedTuple):
    """The probabilities p."""

    # Of each number that a layer reads, the dense one included, but not of series themselves: if
    # their only channel is dropped, nothing is left (GunPoint, GRU: accuracy 0.75, not 0.96).
    inputs: float = 0.0
    tokens: float = 0.0  # of whole tokens
    states: float = 0.0  # of each number of a layer's state in the product with W_h

    def draw(
        self,
        seed: tuple[int, int],
        input_widths: dict[str, int],
        state_widths: dict[str, int],
        batch: Batch,
        dtype: np.dtype,
    ) -> Masks:
        """Masks by what they multiply: "layer0", ..., "dense"; "layer0.h", "layer0.reverse.h".

        `Network.widths` has the widths.
        """
        random = np.random.default_rng(seed)

        def mask(p: float, n: int, width: int) -> np.ndarray:
            kept = random.random((n, width), np.float32) >= p
            return kept * (dtype.type(1) / dtype.type(1 - p))

        masks, n_sequences = {}, batch.lengths.size
        for name, width in input_widths.items():
            of_tokens = name == "layer0" and batch.lookup is not None
            n = whole_tiles(batch.x.size) if of_tokens else n_sequences
            if self.inputs > 0 and (name != "layer0" or of_tokens):
                masks[name] = mask(self.inputs, n, width)
            if self.tokens > 0 and of_tokens:
                masks[name] = mask(self.tokens, n, 1) * masks.get(name, dtype.type(1))
        if self.states > 0:
            for name, width in state_widths.items():
                masks[f"{name}.h"] = mask(self.states, n_sequences, width)
        return masks


NO_DROPOUT, NO_MASKS = Dropout(), Masks()


def apply_mask(x: np.ndarray, mask: np.ndarray, out: np.ndarray) -> None:
    """out = x * mask; if x holds several steps, each is multiplied with the whole mask."""
    shape = len(x) // max(len(mask), 1), len(mask), x.shape[1]
    np.multiply(x.reshape(shape), mask, out=out.reshape(shape))
