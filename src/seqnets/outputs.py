"""After the recurrent layers: pooling over the steps, and the dense layer."""

from __future__ import annotations

import numpy as np

from . import initializers
from .batches import Batch
from .layers import Pass, Sums
from .pooling import POOLINGS, attention_backward, attention_forward, attention_scores
from .products import add_product
from .workspace import Gradients, Parameters, Workspace

POOLING_NAMES = ("last", "mean", "max", "attention")  # in two directions, "last" is "ends"


class Pooling:
    """The states of all steps become one vector per sequence."""

    def __init__(self, name: str, n_units: int) -> None:
        self.name, self.n_units = name, n_units

    def initialize(self, random: np.random.RandomState) -> dict[str, np.ndarray]:
        return {}

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {}

    def forward(self, given: Pass, h: np.ndarray) -> np.ndarray:
        """(B, H): the pooled state of the steps so far."""
        batch = given.batch
        pooled, total, best = self._arrays(batch, given.work)
        POOLINGS[self.name][0](batch.start, batch.lengths, h, total, best, pooled)
        return pooled

    def backward(
        self, given: Pass, h: np.ndarray, dpooled: np.ndarray, dh: np.ndarray, gradients: Gradients
    ) -> None:
        batch = given.batch
        *_, best = self._arrays(batch, given.work)
        POOLINGS[self.name][1](batch.start, batch.lengths, dpooled, best, dh)

    def uses_window(self, window: Batch, work: Workspace) -> bool:
        """Whether any part of the pooled state of all steps comes from this window."""
        if self.name not in ("last", "max"):
            return True
        *_, best = self._arrays(window, work)
        return bool(((best >= window.start) & (best < window.start + window.n_active.size)).any())

    def pooled(self, batch: Batch, work: Workspace) -> np.ndarray:
        """(B, H): where the forward pass leaves the pooled state."""
        return work.array("pooled", batch.lengths.size, self.n_units)

    def _arrays(self, batch: Batch, work: Workspace) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        shape = batch.lengths.size, self.n_units
        total = work.array("total", *shape, dtype=np.float64)
        return self.pooled(batch, work), total, work.array("best", *shape, dtype=np.int32)


class Attention(Pooling):
    """Pooling with a weight for each step, which learned parameters compute from its state."""

    def initialize(self, random: np.random.RandomState) -> dict[str, np.ndarray]:
        H = self.n_units
        W, v = initializers.glorot(random, H, H), initializers.glorot(random, H, 1)
        return {"attention.W": W, "attention.b": np.zeros(H), "attention.v": v}

    def shapes(self) -> dict[str, tuple[int, ...]]:
        H = self.n_units
        return {"attention.W": (H, H), "attention.b": (H,), "attention.v": (H, 1)}

    def forward(self, given: Pass, h: np.ndarray) -> np.ndarray:
        _, batch, work, _ = given
        self._compute_scores(given, h)
        pooled, total, _ = self._arrays(batch, work)
        score, scale = self._score_arrays(batch, work)
        attention_forward(batch.start, batch.lengths, h, score, scale, total, pooled)
        return pooled

    def backward(
        self, given: Pass, h: np.ndarray, dpooled: np.ndarray, dh: np.ndarray, gradients: Gradients
    ) -> None:
        parameters, batch, work, _ = given
        if not batch.is_last:  # u still holds a later window's values
            self._compute_scores(given, h)
        W, v = parameters["attention.W"], parameters["attention.v"]
        _, total, _ = self._arrays(batch, work)
        u, (score, scale) = self._u(batch, work), self._score_arrays(batch, work)
        du = work.array("attention.du", *u.shape)
        dv = (gradients or work).array("attention.v", *v.shape)
        if batch.is_last:
            dv[:] = 0
        attention_backward(
            batch.start, batch.lengths, h, v, u, score, scale, total, dpooled, dh, du, dv
        )
        rows, h_rows = du.reshape(-1, len(W)), h[1:].reshape(-1, len(W))
        sums = Sums("attention", gradients, work, first=batch.is_last)
        sums.add("W", h_rows.T, rows)
        sums.add_rows("b", rows)
        more = np.matmul(rows, W.T, out=work.array("attention.dh", *rows.shape))
        dh[1:] += more.reshape(dh[1:].shape)

    def _compute_scores(self, given: Pass, h: np.ndarray) -> None:
        parameters, batch, work, _ = given
        u, (score, _) = self._u(batch, work), self._score_arrays(batch, work)
        u[:] = parameters["attention.b"]
        rows = h[1:].reshape(-1, self.n_units)
        W = work.panels("attention.W", parameters["attention.W"])
        add_product(len(rows), rows, W, u.reshape(rows.shape))
        attention_scores(batch.start, batch.lengths, parameters["attention.v"], u, score)

    def shares(self, batch: Batch, work: Workspace) -> np.ndarray:
        """(B, T): the weight of each step, after the forward pass; zero after a sequence's end."""
        score, scale = self._score_arrays(batch, work)
        share = np.zeros(score.shape)
        own = np.arange(score.shape[1]) < batch.lengths[:, np.newaxis]
        np.subtract(score, scale[:, :1], out=share, where=own)
        with np.errstate(under="ignore"):
            np.exp(share, out=share, where=own)
        return np.divide(share, scale[:, 1:], out=share, where=own)

    def _u(self, batch: Batch, work: Workspace) -> np.ndarray:
        return work.array("attention.u", *batch.shape, self.n_units)

    def _score_arrays(self, batch: Batch, work: Workspace) -> tuple[np.ndarray, np.ndarray]:
        """Score and scale, see `pooling`: of all steps, not only those of this window."""
        B = batch.lengths.size
        score = work.array("attention.score", B, int(batch.lengths[0]))
        return score, work.array("attention.scale", B, 2, dtype=np.float64)


class Dense:
    """logits = pooled W + b."""

    def __init__(self, n_inputs: int, n_outputs: int) -> None:
        self.n_inputs, self.n_outputs = n_inputs, n_outputs

    def initialize(self, random: np.random.RandomState) -> dict[str, np.ndarray]:
        W = initializers.glorot(random, self.n_inputs, self.n_outputs)
        return {"dense.W": W, "dense.b": np.zeros(self.n_outputs)}

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {"dense.W": (self.n_inputs, self.n_outputs), "dense.b": (self.n_outputs,)}

    def forward(self, parameters: Parameters, pooled: np.ndarray, work: Workspace) -> np.ndarray:
        logits = work.array("logits", len(pooled), self.n_outputs)
        logits[:] = parameters["dense.b"]
        W = work.panels("dense.W", parameters["dense.W"])
        add_product(len(pooled), pooled, W, logits)
        return logits

    def backward(
        self,
        parameters: Parameters,
        pooled: np.ndarray,
        dlogits: np.ndarray,
        work: Workspace,
        gradients: Gradients,
    ) -> np.ndarray:
        W, sums = parameters["dense.W"], Sums("dense", gradients, work, first=True)
        sums.add("W", pooled.T, dlogits)
        sums.add_rows("b", dlogits)
        return np.matmul(dlogits, W.T, out=work.array("dpooled", *pooled.shape))
