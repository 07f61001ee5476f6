"""Two recurrent layers in one; the second reads each sequence from its end.

h  (T+1, B, 2 H)  row t+1: what the first layer knows after step t, and what the second knows
                  there, having read from the last step back to t (Schuster & Paliwal 1997)
"""

from __future__ import annotations

import numpy as np

from .batches import ENDED, Batch
from .layers import Pass, Recurrent
from .workspace import Gradients, Workspace


class Bidirectional:
    """To the network, the same as one `Recurrent` with twice the units."""

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
        back = self.back.forward(given, x, reversed_lookup(lookup, given.batch))
        h[0] = 0
        for half, states, rows in zip(
            split_directions(h), (forth, back), state_rows(given.batch), strict=True
        ):
            half[:] = states[rows, np.arange(rows.shape[1])]
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
        dh = split_directions(self.states("dh", batch, work))
        for half, layer, rows in zip(dh, self.directions(), state_rows(batch), strict=True):
            own = layer.states("dh", batch, work)
            own[:] = 0  # after a sequence's end, too, or `vanished` would read old numbers
            own[rows, np.arange(rows.shape[1])] = half
        self.forth.backward(given, x, lookup, dx, gradients)
        more = work.array(f"{self.name}.dx", *dx.shape)
        self.back.backward(given, x, reversed_lookup(lookup, batch), more, gradients)
        dx += more

    def directions(self) -> list[Recurrent]:
        return [self.forth, self.back]

    def states(self, name: str, batch: Batch, work: Workspace) -> np.ndarray:
        """(T+1, B, 2 H): the states h, or dh, where their gradient is collected."""
        T, B = batch.shape
        return work.array(f"{self.name}.both.{name}", T + 1, B, self.n_units)


def reversed_lookup(lookup: np.ndarray | None, batch: Batch) -> np.ndarray:
    """The rows of x that each step reads when every sequence is read backward."""
    steps = steps_left(batch) - 1
    if lookup is None:
        B = batch.lengths.size
        rows = steps * B + np.arange(B)
    else:
        rows = np.take_along_axis(lookup, steps, axis=0)
    return np.where(steps < 0, ENDED, rows)


def split_directions(h: np.ndarray) -> list[np.ndarray]:
    """The part of h for each direction, after every step."""
    return np.split(h[1:], 2, axis=2)


def state_rows(batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    """(T, B) each: the row of a direction's state after each step; 0 (initial) after the end."""
    left = steps_left(batch)
    return np.where(left > 0, np.arange(1, 1 + len(left))[:, np.newaxis], 0), left


def steps_left(batch: Batch) -> np.ndarray:
    """(T, B): how many steps each sequence has from step t on."""
    return np.maximum(batch.lengths - np.arange(batch.shape[0])[:, np.newaxis], 0)
