"""The network: embedding -> recurrent layers -> pooling -> dense; parameters by name."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .batches import Batch, windows
from .bidirectional import Bidirectional
from .dropout import NO_MASKS, Masks, apply_mask
from .layers import Embedding, Pass, Recurrent
from .outputs import Attention, Dense, Pooling
from .workspace import Gradients, Parameters, Workspace


class Architecture(NamedTuple):
    """What a network is made from: plain values, which pickles and model files hold as a tuple."""

    cell: str
    n_inputs: int
    hidden_layer_sizes: tuple[int, ...]
    pooling: str
    n_outputs: int
    n_tokens: int | None
    bidirectional: bool

    def changes_since(self, other: Architecture) -> list[str]:
        """Which parameters differ so that training can't continue with the other's weights.

        New tokens may add weights; of the poolings, only attention has weights.
        """
        return [
            "embedding_dim" if name == "n_inputs" else name
            for name, now, before in zip(self._fields, self, other, strict=True)
            if now != before and name != "n_tokens"
            if name != "pooling" or "attention" in (now, before)
        ]


class Network:
    """The shape of a network and its two passes over a batch; it holds no weights.

    Parameters are a flat dict of arrays of one dtype, C-contiguous and writable: ``embedding``,
    ``layer0.W_x``, ``layer0.W_h``, ``layer0.b``, ..., ``dense.W``, ``dense.b``.
    """

    def __init__(self, architecture: Architecture) -> None:
        cell, n_inputs, sizes, pooling, n_outputs, n_tokens, bidirectional = architecture
        self.architecture = architecture
        self.embedding = None if n_tokens is None else Embedding(n_tokens, n_inputs)
        self.layers: list[Recurrent | Bidirectional] = []
        layer_class = Bidirectional if bidirectional else Recurrent
        for i, n_units in enumerate(sizes):
            self.layers.append(layer_class(f"layer{i}", cell, n_inputs, n_units))
            n_inputs = self.layers[-1].n_units
        if bidirectional and pooling == "last":
            pooling = "ends"
        pooling_class = Attention if pooling == "attention" else Pooling
        self.pooling = pooling_class(pooling, n_inputs)
        self.dense = Dense(n_inputs, n_outputs)
        embedding = [] if self.embedding is None else [self.embedding]
        self.parts = [*embedding, *self.layers, self.pooling, self.dense]
        self.shapes = {name: shape for part in self.parts for name, shape in part.shapes().items()}

    def initialize(
        self, random: np.random.RandomState, dtype: np.dtype, embedding: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """Initial weights; those of the embedding may be given."""
        start: Parameters = {}
        for part in self.parts:
            if part is self.embedding and embedding is not None:
                start["embedding"] = embedding
            else:
                start |= part.initialize(random)
        return {name: np.array(value, dtype, order="C") for name, value in start.items()}

    def check(self, parameters: Parameters, dtype: np.dtype, finite: bool = False) -> None:
        """Refuse parameters with which a kernel would read outside its arrays."""
        shapes = self.shapes
        for name in [*shapes, *parameters]:
            if (name in shapes) != (name in parameters):
                which = "lacks" if name in shapes else "must not have"
                raise ValueError(
                    f"parameters_ {which} {name!r}; its names are: {', '.join(shapes)}."
                )
        for name, shape in shapes.items():
            W = parameters[name]
            plain = type(W) is np.ndarray  # no masked array or matrix, which compute differently
            if not plain or (W.shape, W.dtype) != (shape, dtype):
                found = f"{W.dtype} {W.shape}" if plain else type(W).__name__
                raise ValueError(f"parameters_[{name!r}] is {found}, expected {dtype} {shape}.")
            if not (W.flags.c_contiguous and W.flags.aligned and W.flags.writeable):
                raise ValueError(
                    f"parameters_[{name!r}] is not C-contiguous, aligned and writable."
                )
            if finite and not np.isfinite(W).all():
                raise ValueError(f"parameters_[{name!r}] holds NaN or inf.")

    def widths(self) -> tuple[dict[str, int], dict[str, int]]:
        """The widths that dropout needs: of each layer's input, and of each direction's state."""
        inputs = {layer.name: layer.n_inputs for layer in self.layers}
        states = {one.name: one.n_units for layer in self.layers for one in layer.directions()}
        return inputs | {"dense": self.dense.n_inputs}, states

    def forward(
        self,
        parameters: Parameters,
        batch: Batch,
        work: Workspace,
        masks: Masks = NO_MASKS,
        window_steps: int | None = None,
    ) -> np.ndarray:
        """The logits (B, K); what one backward pass needs, and overwrites, stays in `work`.

        With `window_steps` (not if bidirectional), that many steps are computed at a time, and
        memory is needed for only these. The logits are the same.
        """
        for part in windows(batch, window_steps):
            given = Pass(parameters, part, work, masks)
            pooled = self.pooling.forward(given, self._states(given))
        if "dense" in masks:
            pooled *= masks["dense"]
        return self.dense.forward(parameters, pooled, work)

    def backward(
        self,
        parameters: Parameters,
        batch: Batch,
        dlogits: np.ndarray,
        work: Workspace,
        gradients: Gradients,
        masks: Masks = NO_MASKS,
        window_steps: int | None = None,
        needs_dx: bool = True,
    ) -> np.ndarray:
        """Fill `gradients`, if given, by the parameters' names; return the gradient of `batch.x`.

        It is empty without `needs_dx` (no embedding is trained) and for series in windows. For an
        embedding, it has a row for each token of `batch.x`. `masks` and `window_steps` are those of
        the forward pass. No gradient flows from a window to the one before it, whose states are
        computed again (truncated BPTT; Williams & Peng 1990).
        """
        needs_dx = needs_dx and (window_steps is None or self.embedding is not None)
        pooled = self.pooling.pooled(batch, work)
        dpooled = self.dense.backward(parameters, pooled, dlogits, work, gradients)
        if "dense" in masks:
            dpooled *= masks["dense"]
        parts = [Pass(parameters, part, work, masks) for part in windows(batch, window_steps)]
        dx = self._backward(parts[-1], dpooled, gradients, needs_dx)
        for given in parts[-2::-1]:
            if self.pooling.uses_window(given.batch, work):
                self._states(given)
                dx += self._backward(given, dpooled, gradients, needs_dx)
        return dx

    def _states(self, given: Pass) -> np.ndarray:
        """(T+1, B, H): the states of the top layer."""
        for i, layer in enumerate(self.layers):
            h = layer.forward(given, *self._input(i, given, again=False))
        return h

    def _backward(
        self, given: Pass, dpooled: np.ndarray, gradients: Gradients, needs_dx: bool
    ) -> np.ndarray:
        """The gradient of x, from that of the pooled state and the states that are in `work`."""
        _, batch, work, masks = given
        h, dh = (self.layers[-1].states(name, batch, work) for name in ("h", "dh"))
        self.pooling.backward(given, h, dpooled, dh, gradients)
        for i in reversed(range(len(self.layers))):
            x, lookup = self._input(i, given, again=True)
            if i > 0:
                below = self.layers[i - 1].states("dh", batch, work)
                below[0] = 0
                dx = below[1:].reshape(x.shape)
            else:  # for tokens, the last window's dx becomes the embedding's gradient
                of_rows = self.embedding is not None and batch.is_last
                place, name = (gradients or work, "embedding") if of_rows else (work, "dx")
                dx = place.array(name, *(x.shape if needs_dx else (0, 0)))
            self.layers[i].backward(given, x, lookup, dx, gradients)
            if dx.size and f"layer{i}" in masks:
                apply_mask(dx, masks[f"layer{i}"], dx)
        return dx

    def _input(self, i: int, given: Pass, again: bool) -> tuple[np.ndarray, np.ndarray | None]:
        """What layer i reads: x (T*B, D), or the distinct tokens' vectors and the lookup.

        With `again`, it is in `work` already, as are the tokens' vectors after the first window.
        """
        parameters, batch, work, masks = given
        lookup = None
        if i > 0:
            h = self.layers[i - 1].states("h", batch, work)
            x = h[1:].reshape(-1, h.shape[2])
        elif batch.projected:  # x W_x + b is known, and x is not needed
            return batch.x, batch.lookup
        elif self.embedding is not None:
            again = again or batch.window > 0
            x, lookup = self.embedding.vectors(batch.x, work), batch.lookup
            if not again:
                self.embedding.forward(parameters, batch.x, work)
        else:
            x = batch.x
        if f"layer{i}" not in masks:
            return x, lookup
        kept = work.array(f"layer{i}.kept", *x.shape)
        if not again:
            apply_mask(x, masks[f"layer{i}"], kept)
        return kept, lookup
