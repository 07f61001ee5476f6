"""The layers: their parameters, and their matrix products over whole sequences.

Only h W_h has to wait for the step before it and, backward, da W_h^T for the step after it. All
else that is linear (forward x W_x; backward dW_x, dW_h and dx) is a matrix product over many steps;
for tokens, x W_x, dW_x and dx take each distinct one once.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from . import cells, initializers
from .batches import Batch
from .dropout import Masks
from .products import OWN_PRODUCTS, add_product, add_sums, whole_tiles
from .workspace import Gradients, Parameters, Workspace


class Pass(NamedTuple):
    """What every layer is given in one pass through the network, forward or backward."""

    parameters: Parameters
    batch: Batch
    work: Workspace
    masks: Masks


class Cell(NamedTuple):
    """What a layer has to know about a cell; its kernels' arguments are found by their names."""

    gates: str  # a letter for each block of H columns that the forward pass leaves in a
    forward: Callable
    backward: Callable
    opened: str = ""  # the gates whose bias starts at 1, others at 0

    @property
    def n_gates(self) -> int:
        return len(self.gates)

    @property
    def has_product(self) -> bool:
        """Whether it multiplies its state with a matrix W_h."""
        return "W_h" in argument_names(self.forward)


CELLS = {
    "rnn": Cell("a", cells.rnn_forward, cells.rnn_backward),
    # A forget gate that starts open lets gradients through from the first epoch (Gers et al. 2000).
    "lstm": Cell("ifog", cells.lstm_forward, cells.lstm_backward, opened="f"),
    "gru": Cell("rzn", cells.gru_forward, cells.gru_backward),
    "mingru": Cell("zn", cells.mingru_forward, cells.mingru_backward),
}


@functools.cache
def argument_names(compiled: Callable) -> tuple[str, ...]:
    return tuple(inspect.signature(compiled).parameters)


class Embedding:
    """Turns tokens into vectors: row i of the matrix belongs to token i."""

    def __init__(self, n_tokens: int, n_dims: int) -> None:
        self.n_tokens, self.n_dims = n_tokens, n_dims

    def initialize(self, random: np.random.RandomState) -> dict[str, np.ndarray]:
        return {"embedding": initializers.embedding(random, self.n_tokens, self.n_dims)}

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {"embedding": (1 + self.n_tokens, self.n_dims)}

    def vectors(self, tokens: np.ndarray, work: Workspace) -> np.ndarray:
        """(R, E), R the number of distinct tokens, rounded up to whole tiles."""
        return work.array("vectors", whole_tiles(tokens.size), self.n_dims)

    def forward(self, parameters: Parameters, tokens: np.ndarray, work: Workspace) -> np.ndarray:
        n, x = tokens.size, self.vectors(tokens, work)
        # The ids have been checked. With mode="raise", NumPy would fill a temporary array first.
        parameters["embedding"].take(tokens, axis=0, out=x[:n], mode="clip")
        x[n:] = 0
        return x


class Recurrent:
    """One recurrent layer over all steps of all sequences of a batch."""

    def __init__(self, name: str, cell: str, n_inputs: int, n_units: int) -> None:
        self.name, self.n_inputs, self.n_units = name, n_inputs, n_units
        self.cell = CELLS[cell]

    def initialize(self, random: np.random.RandomState) -> dict[str, np.ndarray]:
        G, H = self.cell.n_gates, self.n_units
        start = {"W_x": initializers.glorot(random, self.n_inputs, H, G)}
        if self.cell.has_product:
            start["W_h"] = initializers.orthogonal(random, H, G)
        start["b"] = np.repeat([float(gate in self.cell.opened) for gate in self.cell.gates], H)
        if "b_h" in argument_names(self.cell.forward):
            start["b_h"] = np.zeros(H)
        return {f"{self.name}.{key}": value for key, value in start.items()}

    def shapes(self) -> dict[str, tuple[int, ...]]:
        G, H = self.cell.n_gates, self.n_units
        shapes = {"W_x": (self.n_inputs, G * H), "W_h": (H, G * H), "b": (G * H,), "b_h": (H,)}
        names = {"W_x", "b", *argument_names(self.cell.forward)}
        return {f"{self.name}.{key}": shape for key, shape in shapes.items() if key in names}

    def forward(self, given: Pass, x: np.ndarray, lookup: np.ndarray | None) -> np.ndarray:
        """The states h (T+1, B, H) for the inputs x (T*B, D), or x[lookup] with lookup (T, B).

        A window starts from the states that the window before it has left.
        """
        parameters, batch, work, _ = given
        arrays = self._arguments(self.cell.forward, given, x, lookup)
        if lookup is None:
            self.project(parameters, x, arrays["a"].reshape(len(x), arrays["a"].shape[2]), work)
        elif batch.window == 0 and self.name not in batch.projected:
            self.project(parameters, x, arrays["xW"], work)
        states = STATE_ARRAYS & arrays.keys()
        for name in states:
            arrays[name][0] = self._carried(name, batch, work)[batch.window] if batch.window else 0
        for start, stop in reversed([*stretches(*batch.shape)]):  # Ctrl-C waits for a kernel's end
            work.check_awaited()
            self.cell.forward(*part_of_arguments(arrays, start, stop).values())
        if not batch.is_last:
            for name in states:
                self._carried(name, batch, work)[batch.window + 1] = arrays[name][-1]
        return arrays["h"]

    def project(
        self, parameters: Parameters, x: np.ndarray, xW: np.ndarray, work: Workspace
    ) -> None:
        """xW = x W_x + b."""
        W_x = f"{self.name}.W_x"
        xW[:] = parameters[f"{self.name}.b"]
        add_product(len(x), x, work.panels(W_x, parameters[W_x]), xW)

    def backward(
        self,
        given: Pass,
        x: np.ndarray,
        lookup: np.ndarray | None,
        dx: np.ndarray,
        gradients: Gradients,
    ) -> None:
        """Gradients of the parameters and, in `dx`, of x, from `self.states("dh", ...)`.

        An empty `dx` stays empty. The parameters' gradients are added to those of later windows;
        without `gradients`, they are not computed.
        """
        parameters, batch, work, masks = given
        (T, B), H = batch.shape, self.n_units
        arrays = self._arguments(self.cell.backward, given, x, lookup)
        arrays["dxW"][:] = 0
        if "dc" in arrays:
            arrays["dc"][:] = 0
        for start, stop in stretches(T, B):
            steps = slice(start * B, stop * B)
            if stop < T and vanished(arrays, start, stop):
                if lookup is None:
                    dx[steps] = 0
                continue
            work.check_awaited()
            part = part_of_arguments(arrays, start, stop)
            self.cell.backward(*part.values())
            sums = Sums(self.name, gradients, work, first=stop == T and batch.is_last)
            n_active, da = part["n_active"], part["da"]
            if lookup is None:
                x_part = x[steps].reshape(stop - start, B, x.shape[1])
                self._project_backward(parameters, n_active, x_part, da, sums, dx[steps])
            if "du_n" in part:
                du_n = part["du_n"]
                sums.add_rows("b_h", du_n.reshape(-1, H))
                da[:, :, -H:] = du_n  # now da equals du: the other blocks are the same
            if self.cell.has_product:
                v = self._recurrent_input(batch, work, masks)[start:stop]
                sums.add_steps("W_h", n_active, v, da)
        if lookup is not None:  # all rows of x count as one step
            sums = Sums(self.name, gradients, work, first=batch.is_last)
            n_rows, dxW = np.array([len(x)]), arrays["dxW"][np.newaxis]
            self._project_backward(parameters, n_rows, x[np.newaxis], dxW, sums, dx)

    def _project_backward(
        self,
        parameters: Parameters,
        n_active: np.ndarray,
        x: np.ndarray,
        da: np.ndarray,
        sums: Sums,
        dx: np.ndarray,
    ) -> None:
        """The backward pass of `project`, for x (T, B, D) and the gradient da (T, B, columns)."""
        sums.add_steps("W_x", n_active, x, da)
        rows = da.reshape(-1, da.shape[2])
        sums.add_rows("b", rows)
        W_xT = parameters[f"{self.name}.W_x"].T
        if dx.size and OWN_PRODUCTS:
            dx[:] = 0
            add_product(len(rows), rows, sums.work.panels(f"{self.name}.W_xT", W_xT), dx)
        elif dx.size:
            np.matmul(rows, W_xT, out=dx)

    def directions(self) -> list[Recurrent]:
        return [self]

    def states(self, name: str, batch: Batch, work: Workspace) -> np.ndarray:
        """(T+1, B, H): the states h or c, or dh, where the gradient of h is collected."""
        T, B = batch.shape
        return work.array(f"{self.name}.{name}", T + 1, B, self.n_units)

    def traces(self, batch: Batch, work: Workspace) -> dict[str, np.ndarray]:
        """(T, B, H) each: the gates and states by name that the forward pass has left in `work`.

        A backward pass overwrites the gates.
        """
        (T, B), H = batch.shape, self.n_units
        a = work.array(f"{self.name}.a", T, B, self.cell.n_gates * H)
        blocks = np.split(a, self.cell.n_gates, axis=2)
        left = dict(zip(self.cell.gates, blocks, strict=True))
        for state in ("c", "h"):
            if state in argument_names(self.cell.forward):
                left[state] = self.states(state, batch, work)[1:]
        return {f"{self.name}.{name}": array for name, array in left.items()}

    def _carried(self, name: str, batch: Batch, work: Workspace) -> np.ndarray:
        """(n_windows, B, H): the states at the windows' beginnings."""
        shape = batch.n_windows, batch.lengths.size, self.n_units
        return work.array(f"{self.name}.{name} carried", *shape)

    def _recurrent_input(self, batch: Batch, work: Workspace, masks: Masks) -> np.ndarray:
        """(T, B, H): the states, or what recurrent dropout leaves of them."""
        if f"{self.name}.h" in masks:
            return work.array(f"{self.name}.v", *batch.shape, self.n_units)
        return self.states("h", batch, work)[:-1]

    def _arguments(
        self, compiled: Callable, given: Pass, x: np.ndarray, lookup: np.ndarray | None
    ) -> dict[str, np.ndarray]:
        """A kernel's arguments by name."""
        parameters, batch, work, masks = given
        (T, B), H = batch.shape, self.n_units
        GH, states = self.cell.n_gates * H, (T + 1, B, H)
        R = len(x)
        if lookup is None:
            R, lookup = 0, np.empty((T, 0), np.int64)
        known = {"n_active": batch.n_active, "lookup": lookup}
        if self.name in batch.projected:
            known["xW"] = batch.projected[self.name]
        shapes = {
            "xW": (R, GH), "dxW": (R, GH), "a": (T, B, GH), "u": (B, GH), "u_n": (T, B, H),
            "h": states, "c": states, "dh": states, "dc": (B, H), "dv": (B, H), "du": (B, GH),
            "gates": (4 * H,),
        }  # fmt: skip
        places = {"da": "a", "du_n": "u_n"}  # memory that a gradient takes over
        arrays = {}
        for name in argument_names(compiled):
            own, place = f"{self.name}.{name}", places.get(name, name)
            if name in known:
                arrays[name] = known[name]
            elif place in shapes:
                arrays[name] = work.array(f"{self.name}.{place}", *shapes[place])
            elif name == "W_h":
                arrays[name] = work.panels(own, parameters[own])
            elif name == "W_hT":
                arrays[name] = work.panels(own, parameters[f"{self.name}.W_h"].T)
            elif name == "m":
                arrays[name] = masks.get(f"{self.name}.h", work.array("no mask", 0, H))
            elif name == "v":
                arrays[name] = self._recurrent_input(batch, work, masks)
            else:
                arrays[name] = parameters[own]
        return arrays


# The backward pass skips stretches whose gradients have `vanished`. It begins with the last one,
# of at most `FIRST_STEPS` steps; `STRETCH_ROWS` rows are enough for an efficient product.
FIRST_STEPS, STRETCH_ROWS = 128, 2048


def stretches(T: int, B: int) -> Iterator[tuple[int, int]]:
    """(start, stop) of the stretches that a kernel takes at a time, of T steps of B rows.

    The last one comes first; if T is 0, there is one stretch without steps.
    """
    most = max(STRETCH_ROWS // B, 1)
    stop, n_steps = T, min(FIRST_STEPS, most)
    while True:
        start = max(stop - n_steps, 0)
        yield start, stop
        if start == 0:
            return
        stop, n_steps = start, min(2 * n_steps, most)


def vanished(arrays: dict[str, np.ndarray], start: int, stop: int) -> bool:
    """Whether no gradient reaches these steps, from later steps or from the layers above.

    Row t of dh belongs to the state that step t - 1 leaves. `cells.flush` makes vanishing gradients
    exactly zero, and a stretch without gradients would only add zeros to the sums. If only the last
    states of series are pooled, the gradients of an untrained GRU vanish after 110 to 130 steps,
    those of an LSTM after 300 to 600. No two stretches check the same row, so each is read at most
    once, even if one text of 20,000 words is among short ones.
    """
    dh, dc = arrays["dh"], arrays.get("dc", np.empty(0))
    return not (dh[stop].any() or dc.any() or dh[start + 1 : stop].any())


# Kernels' arguments with a row per step, and with a row per state.
STEP_ARRAYS = {"n_active", "lookup", "a", "u_n", "v", "da", "du_n"}
STATE_ARRAYS = {"h", "c", "dh"}


def part_of_arguments(
    arrays: dict[str, np.ndarray], start: int, stop: int
) -> dict[str, np.ndarray]:
    """A kernel's arguments; of arrays with a row per step or state, the part for these steps."""
    part = dict(arrays)
    for name in STEP_ARRAYS & arrays.keys():
        part[name] = arrays[name][start:stop]
    for name in STATE_ARRAYS & arrays.keys():
        part[name] = arrays[name][start : stop + 1]
    return part


class Sums(NamedTuple):
    """Sums gradients of a part of the network over stretches and windows.

    With `first`, old sums are overwritten. Without `gradients`, nothing is summed.
    """

    name: str
    gradients: Gradients
    work: Workspace
    first: bool

    def add(self, key: str, left: np.ndarray, right: np.ndarray) -> None:
        """Add the product of the two."""
        if self.gradients is None:
            return
        shape = left.shape[:-1] + right.shape[1:]
        total = self.gradients.array(f"{self.name}.{key}", *shape)
        if self.first:
            np.matmul(left, right, out=total)
        else:
            part = self.work.array(f"{self.name}.{key} of a part", *shape)
            total += np.matmul(left, right, out=part)

    def add_steps(
        self, key: str, n_active: np.ndarray, left: np.ndarray, right: np.ndarray
    ) -> None:
        """Add left^T right, summed over all rows of `left` (T, B, M) and `right` (T, B, N).

        Our own sums leave out the rows that have ended, in which `right` is zero.
        """
        if not OWN_PRODUCTS:
            columns = left.reshape(-1, left.shape[2]).T
            self.add(key, columns, right.reshape(-1, right.shape[2]))
        elif self.gradients is not None:
            total = self.gradients.array(f"{self.name}.{key}", left.shape[2], right.shape[2])
            if self.first:
                total[:] = 0
            add_sums(n_active, left, right, total)

    def add_rows(self, key: str, rows: np.ndarray) -> None:
        """Add the sum of the rows, as a product: NumPy's sum takes 2 to 7 times as long."""
        self.add(key, np.ones(len(rows), rows.dtype), rows)
