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
from .pooling import POOLINGS, attention_backward, attention_forward, attention_scores


class Workspace:
    """Arrays by name, kept from batch to batch: a fresh large one costs a fault for each page."""

    def __init__(self, dtype: np.dtype) -> None:
        self.dtype = dtype
        self._buffers: dict[str, np.ndarray] = {}

    def array(self, name: str, *shape: int, dtype: type | None = None) -> np.ndarray:
        """An array of this shape, holding what was last written under its name."""
        size = math.prod(shape)
        buffer = self._buffers.get(name)
        if buffer is None or buffer.size < size:
            buffer = self._buffers[name] = np.zeros(size, dtype or self.dtype)
        return buffer[:size].reshape(shape)


class Cell(NamedTuple):
    """What a layer has to know of a cell; its kernels' arguments are found by their names."""

    n_gates: int
    forward: Callable
    backward: Callable
    recurrent: str = "a"  # the array that takes h W_h
    start_bias: tuple[float, ...] = ()  # of each gate, where it is not zero
    gates: str = ""  # the names of the blocks that the forward pass leaves in a


CELLS = {
    "rnn": Cell(1, cells.rnn_forward, cells.rnn_backward, gates="a"),
    # A forget gate that starts open lets gradients through from the first epoch (Gers 2000).
    "lstm": Cell(
        4,
        cells.lstm_forward,
        cells.lstm_backward,
        start_bias=(0.0, 1.0, 0.0, 0.0),
        gates="ifog",
    ),
    "gru": Cell(3, cells.gru_forward, cells.gru_backward, recurrent="u", gates="rzn"),
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
        start = {
            "W_x": initializers.glorot(random, self.n_inputs, H, G),
            "W_h": initializers.orthogonal(random, H, G),
            "b": np.repeat(self.cell.start_bias or np.zeros(G), H),
        }
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
        """The states h (T+1, B, H) for the inputs x (T*B, D), or x[lookup] with lookup (T, B)."""
        arrays = self._arguments(self.cell.forward, parameters, batch, work, masks)
        for state in {"h", "c"} & arrays.keys():
            arrays[state][0] = 0
        W_x, b = parameters[f"{self.name}.W_x"], parameters[f"{self.name}.b"]
        rows = arrays["a"].reshape(-1, b.size)
        if lookup is not None:
            rows = work.array(f"{self.name}.x W_x", len(x), b.size)
        rows[:] = b
        add_product(len(x), x, W_x, rows)
        if lookup is not None:
            gather(lookup, rows, arrays["a"])
        self.cell.forward(*arrays.values())
        return arrays["h"]

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
        W_x, W_h = parameters[f"{self.name}.W_x"], parameters[f"{self.name}.W_h"]
        H, GH = W_h.shape
        rows = arrays["da"].reshape(-1, GH)
        if lookup is not None:
            rows = work.array(f"{self.name}.x W_x", len(x), GH)
            add_to_rows(lookup, arrays["da"], rows)
        du = arrays["d" + self.cell.recurrent].reshape(-1, GH)
        v = self._product_reads(batch, work, masks).reshape(-1, H)
        np.matmul(x.T, rows, out=gradients.array(f"{self.name}.W_x", *W_x.shape))
        np.matmul(v.T, du, out=gradients.array(f"{self.name}.W_h", *W_h.shape))
        rows.sum(axis=0, out=gradients.array(f"{self.name}.b", GH))
        if f"{self.name}.b_h" in parameters:
            du[:, -H:].sum(axis=0, out=gradients.array(f"{self.name}.b_h", H))
        np.matmul(rows, W_x.T, out=dx)

    def directions(self) -> list[Recurrent]:
        return [self]

    def states(self, name: str, batch: Batch, work: Workspace) -> np.ndarray:
        """(T+1, B, H): the states h, or dh, where their gradient is collected."""
        T, B = batch.n_active.size, batch.lengths.size
        return work.array(f"{self.name}.{name}", T + 1, B, self.n_units)

    def traces(self, batch: Batch, work: Workspace) -> dict[str, np.ndarray]:
        """(T, B, H) each: the gates and states by name that the forward pass has left in `work`."""
        T, B, H = batch.n_active.size, batch.lengths.size, self.n_units
        a = work.array(f"{self.name}.a", T, B, self.cell.n_gates * H)
        blocks = np.split(a, self.cell.n_gates, axis=2)
        left = dict(zip(self.cell.gates, blocks, strict=True))
        for state in ("c", "h"):
            if state in argument_names(self.cell.forward):
                left[state] = self.states(state, batch, work)[1:]
        return {f"{self.name}.{name}": array for name, array in left.items()}

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
        pooled, best = self._arrays(batch, work)
        POOLINGS[self.name][0](batch.lengths, h, pooled, best)
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
        _, best = self._arrays(batch, work)
        POOLINGS[self.name][1](batch.lengths, dpooled, best, dh)

    def _arrays(self, batch: Batch, work: Workspace) -> tuple[np.ndarray, np.ndarray]:
        shape = batch.lengths.size, self.n_units
        return work.array("pooled", *shape), work.array("best", *shape, dtype=np.int64)


class Attention(Pooling):
    """Pooling by a weight for each step that is learned from its state."""

    def initialize(self, random: np.random.RandomState) -> dict[str, np.ndarray]:
        H = self.n_units
        W, v = initializers.glorot(random, H, H), initializers.glorot(random, H, 1)
        return {"attention.W": W, "attention.b": np.zeros(H), "attention.v": v}

    def forward(self, parameters: dict, h: np.ndarray, batch: Batch, work: Workspace) -> np.ndarray:
        pooled, _ = self._arrays(batch, work)
        u, share = self.memory(batch, work)
        u[:] = parameters["attention.b"]
        rows = h[1:].reshape(-1, self.n_units)
        add_product(len(rows), rows, parameters["attention.W"], u.reshape(rows.shape))
        scores = self.scores(batch, work)
        attention_scores(batch.lengths, parameters["attention.v"], u, scores)
        attention_forward(batch.lengths, h, scores, share, pooled)
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
        W, v = parameters["attention.W"], parameters["attention.v"]
        u, share = self.memory(batch, work)
        du, dv = work.array("attention.du", *u.shape), gradients.array("attention.v", *v.shape)
        attention_backward(batch.lengths, h, v, u, share, dpooled, dh, du, dv)
        rows, h_rows = du.reshape(-1, len(W)), h[1:].reshape(-1, len(W))
        np.matmul(h_rows.T, rows, out=gradients.array("attention.W", *W.shape))
        rows.sum(axis=0, out=gradients.array("attention.b", len(W)))
        more = np.matmul(rows, W.T, out=work.array("attention.dh", *rows.shape))
        dh[1:] += more.reshape(dh[1:].shape)

    def memory(self, batch: Batch, work: Workspace) -> tuple[np.ndarray, np.ndarray]:
        """u and the share of each step, see `pooling`."""
        T, B = batch.n_active.size, batch.lengths.size
        return work.array("attention.u", T, B, self.n_units), work.array("attention.share", B, T)

    def scores(self, batch: Batch, work: Workspace) -> np.ndarray:
        """(B, T): what the shares are the softmax of."""
        return work.array("attention.scores", batch.lengths.size, batch.n_active.size)


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
            if lookup[t, b] < 0:
                a[t, b] = 0
            else:
                a[t, b] = rows[lookup[t, b]]


@kernel
def add_to_rows(lookup, da, rows):
    """rows[lookup[t, b]] += da[t, b], from zero: the way back of `gather`."""
    rows[:] = 0
    for t in range(lookup.shape[0]):
        for b in range(lookup.shape[1]):
            if lookup[t, b] >= 0:
                for k in range(da.shape[2]):
                    rows[lookup[t, b], k] += da[t, b, k]
