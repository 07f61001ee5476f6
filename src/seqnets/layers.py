"""The layers: what each has of parameters, and its products over whole sequences.

Only dh W_h^T has to wait for the step after it. All else that is linear, x W_x on the way
forward, dW_x, dW_h and dx on the way back, is one matrix product over all steps at once.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from . import cells, initializers
from .batches import Batch, whole_tiles
from .cells import add_product
from .dropout import NO_MASKS, Masks
from .jit import kernel
from .pooling import (
    POOLINGS,
    attention_backward,
    attention_forward,
    attention_scores,
    attention_shares,
)


class Workspace:
    """Arrays by name, kept from batch to batch: a fresh large one costs a fault for each page."""

    def __init__(self, dtype: np.dtype) -> None:
        self.dtype = dtype
        self._buffers: dict[str, np.ndarray] = {}
        self._inner: dict[str, Workspace] = {}

    def array(self, name: str, *shape: int, dtype: type | None = None) -> np.ndarray:
        """An array of this shape, holding what was last written under its name."""
        size = math.prod(shape)
        buffer = self._buffers.get(name)
        if buffer is None or buffer.size < size:
            buffer = self._buffers[name] = np.zeros(size, dtype or self.dtype)
        return buffer[:size].reshape(shape)

    def inner(self, name: str) -> Workspace:
        """A workspace within, with names of its own."""
        return self._inner.setdefault(name, Workspace(self.dtype))


class Cell(NamedTuple):
    """What a layer has to know of a cell; its kernels' arguments are found by their names."""

    n_gates: int
    forward: Callable
    backward: Callable
    recurrent: str = "a"  # the array that takes h W_h
    start_bias: tuple[float, ...] = ()  # of each gate, where it is not zero

    @property
    def has_product(self) -> bool:
        """Whether it multiplies its state with a matrix W_h."""
        return "W_h" in argument_names(self.forward)


CELLS = {
    "rnn": Cell(1, cells.rnn_forward, cells.rnn_backward),
    # A forget gate that starts open lets gradients through from the first epoch (Gers 2000).
    "lstm": Cell(4, cells.lstm_forward, cells.lstm_backward, start_bias=(0.0, 1.0, 0.0, 0.0)),
    "gru": Cell(3, cells.gru_forward, cells.gru_backward, recurrent="u"),
    "mingru": Cell(2, cells.mingru_forward, cells.mingru_backward),
}


@functools.cache
def argument_names(compiled: Callable) -> tuple[str, ...]:
    return tuple(inspect.signature(getattr(compiled, "py_func", compiled)).parameters)


class Embedding:
    """Tokens become vectors: row i of the matrix is token i's."""

    def __init__(self, n_tokens: int, n_dims: int) -> None:
        self.n_tokens, self.n_dims = n_tokens, n_dims

    def initialize(self, random: np.random.RandomState) -> dict[str, np.ndarray]:
        return {"embedding": initializers.embedding(random, self.n_tokens, self.n_dims)}

    def forward(self, parameters: dict, tokens: np.ndarray, work: Workspace) -> np.ndarray:
        """(R, E), R the number of distinct tokens, rounded up to whole tiles."""
        n = tokens.size
        x = work.array("embedding", whole_tiles(n), self.n_dims)
        parameters["embedding"].take(tokens, axis=0, out=x[:n], mode="clip")
        x[n:] = 0
        return x

    def backward(self, tokens: np.ndarray, dx: np.ndarray, gradients: Workspace) -> None:
        gradients.array("embedding", tokens.size, self.n_dims)[:] = dx[: tokens.size]


class Recurrent:
    """One recurrent layer over all steps of all sequences of a batch."""

    def __init__(self, name: str, cell: str, n_inputs: int, n_units: int) -> None:
        self.name, self.n_inputs, self.n_units = name, n_inputs, n_units
        self._cell = cell  # by name: a pickled kernel would be compiled anew where it is loaded

    @property
    def cell(self) -> Cell:
        return CELLS[self._cell]

    def initialize(self, random: np.random.RandomState) -> dict[str, np.ndarray]:
        G, H = self.cell.n_gates, self.n_units
        start = {"W_x": initializers.glorot(random, self.n_inputs, H, G)}
        if self.cell.has_product:
            start["W_h"] = initializers.orthogonal(random, H, G)
        start["b"] = np.repeat(self.cell.start_bias or np.zeros(G), H)
        if "b_h" in argument_names(self.cell.forward):
            start["b_h"] = np.zeros(H)
        return {f"{self.name}.{key}": value for key, value in start.items()}

    def forward(
        self,
        parameters: dict,
        x: np.ndarray,
        lookup: np.ndarray | None,
        batch: Batch,
        work: Workspace,
        masks: Masks = NO_MASKS,
    ) -> np.ndarray:
        """The states h (T+1, B, H) for the inputs x (T*B, D), or x[lookup] with lookup (T, B).

        A window's first states are those that the window before has left.
        """
        arrays = self._arguments(self.cell.forward, parameters, batch, work, masks)
        if lookup is None:
            self.project(parameters, x, arrays["a"].reshape(len(x), arrays["a"].shape[2]))
        else:
            rows = batch.projected.get(self.name)
            if rows is None:
                rows = work.array(f"{self.name}.x W_x", len(x), arrays["a"].shape[2])
                if batch.window == 0:
                    self.project(parameters, x, rows)
            gather(lookup, rows, arrays["a"])
        states = {"h", "c"} & arrays.keys()
        for name in states:
            arrays[name][0] = self._carried(name, batch, work)[batch.window] if batch.window else 0
        self.cell.forward(*arrays.values())
        if batch.window + 1 < batch.n_windows:
            for name in states:
                self._carried(name, batch, work)[batch.window + 1] = arrays[name][-1]
        return arrays["h"]

    def project(self, parameters: dict, x: np.ndarray, rows: np.ndarray) -> None:
        """rows = x W_x + b."""
        rows[:] = parameters[f"{self.name}.b"]
        add_product(len(x), x, parameters[f"{self.name}.W_x"], rows)

    def backward(
        self,
        parameters: dict,
        x: np.ndarray,
        lookup: np.ndarray | None,
        batch: Batch,
        work: Workspace,
        gradients: Workspace,
        dx: np.ndarray,
        masks: Masks = NO_MASKS,
    ) -> None:
        """Gradients of the parameters and, in `dx`, of x, from `self.states("dh", ...)`."""
        arrays = self._arguments(self.cell.backward, parameters, batch, work, masks)
        self.cell.backward(*arrays.values())
        W_x = parameters[f"{self.name}.W_x"]
        H, GH = self.n_units, W_x.shape[1]
        rows = arrays["da"].reshape(-1, GH)
        if lookup is not None:
            rows = work.array(f"{self.name}.da x", len(x), GH)
            add_to_rows(lookup, arrays["da"], rows)
        np.matmul(x.T, rows, out=gradients.array(f"{self.name}.W_x", *W_x.shape))
        rows.sum(axis=0, out=gradients.array(f"{self.name}.b", GH))
        du = arrays["d" + self.cell.recurrent].reshape(-1, GH)
        if self.cell.has_product:
            v = self._product_reads(batch, work, masks).reshape(-1, H)
            np.matmul(v.T, du, out=gradients.array(f"{self.name}.W_h", H, GH))
        if f"{self.name}.b_h" in parameters:
            du[:, -H:].sum(axis=0, out=gradients.array(f"{self.name}.b_h", H))
        np.matmul(rows, W_x.T, out=dx)

    def directions(self) -> list[Recurrent]:
        return [self]

    def states(self, name: str, batch: Batch, work: Workspace) -> np.ndarray:
        """(T+1, B, H): the states h, or dh, where their gradient is collected."""
        T, B = batch.n_active.size, batch.lengths.size
        return work.array(f"{self.name}.{name}", T + 1, B, self.n_units)

    def _carried(self, name: str, batch: Batch, work: Workspace) -> np.ndarray:
        """(n_windows, B, H): the states at the windows' beginnings."""
        shape = batch.n_windows, batch.lengths.size, self.n_units
        return work.array(f"{self.name}.{name} carried", *shape)

    def _product_reads(self, batch: Batch, work: Workspace, masks: Masks) -> np.ndarray:
        """(T, B, H): the states, or what recurrent dropout leaves of them."""
        if f"{self.name}.h" in masks:
            return work.array(f"{self.name}.v", batch.n_active.size, *masks[f"{self.name}.h"].shape)
        return self.states("h", batch, work)[:-1]

    def _arguments(
        self, compiled: Callable, parameters: dict, batch: Batch, work: Workspace, masks: Masks
    ) -> dict[str, np.ndarray]:
        T, B, H = batch.n_active.size, batch.lengths.size, self.n_units
        arrays = {}
        for name in argument_names(compiled):
            if name == "n_active":
                arrays[name] = batch.n_active
            elif name == "W_hT":
                arrays[name] = np.ascontiguousarray(parameters[f"{self.name}.W_h"].T)
            elif f"{self.name}.{name}" in parameters:
                arrays[name] = parameters[f"{self.name}.{name}"]
            elif name in ("h", "c", "dh"):
                arrays[name] = self.states(name, batch, work)
            elif name == "m":
                arrays[name] = masks.get(f"{self.name}.h", work.array("no mask", 0, H))
            elif name == "v":
                arrays[name] = self._product_reads(batch, work, masks)
            elif name in ("dc", "dv"):
                arrays[name] = work.array(f"{self.name}.{name}", B, H)
            else:
                arrays[name] = work.array(f"{self.name}.{name}", T, B, self.cell.n_gates * H)
        return arrays


class Pooling:
    """The states of all steps become one vector a sequence."""

    def __init__(self, name: str, n_units: int) -> None:
        self.name, self.n_units = name, n_units

    def initialize(self, random: np.random.RandomState) -> dict[str, np.ndarray]:
        return {}

    def forward(self, parameters: dict, h: np.ndarray, batch: Batch, work: Workspace) -> np.ndarray:
        """(B, H): the pooled state of the steps so far."""
        pooled, total, best = self._arrays(batch, work)
        POOLINGS[self.name][0](batch.start, batch.lengths, h, total, best, pooled)
        return pooled

    def backward(
        self,
        parameters: dict,
        h: np.ndarray,
        dpooled: np.ndarray,
        batch: Batch,
        work: Workspace,
        gradients: Workspace,
        dh: np.ndarray,
    ) -> None:
        *_, best = self._arrays(batch, work)
        POOLINGS[self.name][1](batch.start, batch.lengths, dpooled, best, dh)

    def reads(self, window: Batch, work: Workspace) -> bool:
        """Whether anything of the pooled state of all steps is from this window."""
        if self.name == "last":
            where = window.lengths - 1
        elif self.name == "max":
            where = self._arrays(window, work)[2]
        else:
            return True
        return bool(((where >= window.start) & (where < window.start + window.n_active.size)).any())

    def _arrays(self, batch: Batch, work: Workspace) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        shape = batch.lengths.size, self.n_units
        best = work.array("best", *shape, dtype=np.int64)
        return work.array("pooled", *shape), work.array("total", *shape), best


class Attention(Pooling):
    """Pooling by a weight for each step that is learned from its state."""

    def initialize(self, random: np.random.RandomState) -> dict[str, np.ndarray]:
        H = self.n_units
        W, v = initializers.glorot(random, H, H), initializers.glorot(random, H, 1)
        return {"attention.W": W, "attention.b": np.zeros(H), "attention.v": v}

    def forward(self, parameters: dict, h: np.ndarray, batch: Batch, work: Workspace) -> np.ndarray:
        self._score(parameters, h, batch, work)
        pooled, total, _ = self._arrays(batch, work)
        _, score, scale = self._memory(batch, work)
        attention_forward(batch.start, batch.lengths, h, score, scale, total, pooled)
        return pooled

    def backward(
        self,
        parameters: dict,
        h: np.ndarray,
        dpooled: np.ndarray,
        batch: Batch,
        work: Workspace,
        gradients: Workspace,
        dh: np.ndarray,
    ) -> None:
        if batch.window + 1 < batch.n_windows:  # u is a later window's
            self._score(parameters, h, batch, work)
        W, v = parameters["attention.W"], parameters["attention.v"]
        _, total, _ = self._arrays(batch, work)
        u, score, scale = self._memory(batch, work)
        du, dv = work.array("attention.du", *u.shape), gradients.array("attention.v", *v.shape)
        pooled = score, scale, total
        attention_backward(batch.start, batch.lengths, h, v, u, *pooled, dpooled, dh, du, dv)
        rows, h_rows = du.reshape(-1, len(W)), h[1:].reshape(-1, len(W))
        np.matmul(h_rows.T, rows, out=gradients.array("attention.W", *W.shape))
        rows.sum(axis=0, out=gradients.array("attention.b", len(W)))
        more = np.matmul(rows, W.T, out=work.array("attention.dh", *rows.shape))
        dh[1:] += more.reshape(dh[1:].shape)

    def _score(self, parameters: dict, h: np.ndarray, batch: Batch, work: Workspace) -> None:
        u, score, _ = self._memory(batch, work)
        u[:] = parameters["attention.b"]
        rows = h[1:].reshape(-1, self.n_units)
        add_product(len(rows), rows, parameters["attention.W"], u.reshape(rows.shape))
        attention_scores(batch.start, batch.lengths, parameters["attention.v"], u, score)

    def shares(self, batch: Batch, work: Workspace) -> np.ndarray:
        """(B, T): the weight of each step of a batch, after its forward pass."""
        _, score, scale = self._memory(batch, work)
        share = work.array("attention.share", *score.shape)
        attention_shares(batch.lengths, score, scale, share)
        return share

    def _memory(self, batch: Batch, work: Workspace) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """u, score and scale, see `pooling`."""
        T, B = batch.n_active.size, batch.lengths.size
        u = work.array("attention.u", T, B, self.n_units)
        score = work.array("attention.score", B, int(batch.lengths[0]))
        return u, score, work.array("attention.scale", B, 2, dtype=np.float64)


class Dense:
    """logits = pooled W + b."""

    def __init__(self, n_inputs: int, n_outputs: int) -> None:
        self.n_inputs, self.n_outputs = n_inputs, n_outputs

    def initialize(self, random: np.random.RandomState) -> dict[str, np.ndarray]:
        W = initializers.glorot(random, self.n_inputs, self.n_outputs)
        return {"dense.W": W, "dense.b": np.zeros(self.n_outputs)}

    def forward(self, parameters: dict, pooled: np.ndarray, work: Workspace) -> np.ndarray:
        logits = work.array("logits", len(pooled), self.n_outputs)
        logits[:] = parameters["dense.b"]
        add_product(len(pooled), pooled, parameters["dense.W"], logits)
        return logits

    def backward(
        self,
        parameters: dict,
        pooled: np.ndarray,
        dlogits: np.ndarray,
        work: Workspace,
        gradients: Workspace,
    ) -> np.ndarray:
        W = parameters["dense.W"]
        np.matmul(pooled.T, dlogits, out=gradients.array("dense.W", *W.shape))
        dlogits.sum(axis=0, out=gradients.array("dense.b", self.n_outputs))
        return np.matmul(dlogits, W.T, out=work.array("dpooled", *pooled.shape))


@kernel
def gather(lookup, rows, a):
    """a[t, b] = rows[lookup[t, b]], zero where the lookup is -1."""
    for t in range(lookup.shape[0]):
        for b in range(lookup.shape[1]):
            row = lookup[t, b]
            for k in range(a.shape[2]):
                a[t, b, k] = 0 if row < 0 else rows[row, k]


@kernel
def add_to_rows(lookup, da, rows):
    """rows[lookup[t, b]] += da[t, b], from zero: the way back of `gather`."""
    rows[:] = 0
    for t in range(lookup.shape[0]):
        for b in range(lookup.shape[1]):
            if lookup[t, b] >= 0:
                for k in range(da.shape[2]):
                    rows[lookup[t, b], k] += da[t, b, k]
