"""Two recurrent layers in one, of which the second reads each sequence from its end.

h  (T+1, B, 2 H)  row t+1: what the first layer knows after step t, and what the second knows
                  there, having read from the last step back to t (Schuster & Paliwal 1997)
"""

from __future__ import annotations

import numpy as np

from .batches import ENDED, Batch
from .jit import kernel
from .layers import Pass, Recurrent
from .workspace import Gradients, Workspace


class Bidirectional:
    """The same to the network as one `Recurrent` of twice the units."""

    def __init__(self, name: str, cell: str, n_inputs: int, n_units: int) -> None:
        self.name, self.n_inputs, self.n_units = name, n_inputs, 2 * n_units
        self.forth = Recurrent(name, cell, n_inputs, n_units)
        self.back = Recurrent(f"{name}.reverse", cell, n_inputs, n_units)

    def initialize(self, random: np.random.RandomState) -> dict[str, np.ndarray]:
        return self.forth.initialize(random) | self.back.initialize(random)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return self.forth.shapes() | self.back.shapes()

    def forward(self, given: Pass, x: np.ndarray, lookup: np.ndarray | None) -> np.ndarray:
        """The states h for the inputs x (T*B, D), or x[lookup] with lookup (T, B)."""
        h = self.states("h", given.batch, given.work)
        forth = self.forth.forward(given, x, lookup)
        back = self.back.forward(given, x, from_the_end(lookup, given.batch))
        join(given.batch.lengths, forth, back, h)
        return h

    def backward(
        self,
        given: Pass,
        x: np.ndarray,
        lookup: np.ndarray | None,
        dx: np.ndarray,
        gradients: Gradients,
    ) -> None:
        """Gradients of the parameters and, in `dx`, of x, from `self.states("dh", ...)`."""
        _, batch, work, _ = given
        dh = self.states("dh", batch, work)
        forth, back = (layer.states("dh", batch, work) for layer in (self.forth, self.back))
        part(batch.lengths, dh, forth, back)
        self.forth.backward(given, x, lookup, dx, gradients)
        more = work.array(f"{self.name}.dx", *dx.shape)
        self.back.backward(given, x, from_the_end(lookup, batch), more, gradients)
        dx += more

    def directions(self) -> list[Recurrent]:
        return [self.forth, self.back]

    def states(self, name: str, batch: Batch, work: Workspace) -> np.ndarray:
        """(T+1, B, 2 H): the states h, or dh, where their gradient is collected."""
        T, B = batch.shape
        return work.array(f"{self.name}.both.{name}", T + 1, B, self.n_units)


def from_the_end(lookup: np.ndarray | None, batch: Batch) -> np.ndarray:
    """The rows of x that each step reads when every sequence is read from its last step on."""
    T, B = batch.shape
    steps = batch.lengths - 1 - np.arange(T)[:, np.newaxis]
    if lookup is None:
        rows = steps * B + np.arange(B)
    else:
        rows = np.take_along_axis(lookup, np.maximum(steps, 0), axis=0)
    return np.where(steps < 0, ENDED, rows)


@kernel
def join(lengths, forth, back, h):
    H = forth.shape[2]
    h[:] = 0
    for row in range(lengths.size):
        for t in range(lengths[row]):
            for k in range(H):
                h[t + 1, row, k] = forth[t + 1, row, k]
            for k in range(H):
                h[t + 1, row, H + k] = back[lengths[row] - t, row, k]


@kernel
def part(lengths, dh, forth, back):
    """The way back of `join`."""
    H = forth.shape[2]
    forth[:] = 0
    back[:] = 0
    for row in range(lengths.size):
        for t in range(lengths[row]):
            for k in range(H):
                forth[t + 1, row, k] = dh[t + 1, row, k]
            for k in range(H):
                back[lengths[row] - t, row, k] = dh[t + 1, row, H + k]
