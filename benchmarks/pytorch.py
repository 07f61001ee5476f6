"""The same network and training step in PyTorch, as fast as plain PyTorch can be.

Arrays are time-major and cut to the batch's longest sequence. A packed batch is sorted and packs
its tokens before it embeds them. Adam is fused; a sparse embedding has SparseAdam. Subnormal
numbers are flushed to zero.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import torch
from torch.nn.utils import get_total_norm
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from .data import LEARNING_RATE, MAX_NORM, Data, Task

LAYERS = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}


class Model(torch.nn.Module):
    """Embedding, one recurrent layer, pooling, dense."""

    def __init__(self, task: Task, packed: bool, sparse: bool = False, n_outputs: int = 1) -> None:
        super().__init__()
        self.task, self.packed = task, packed
        self.embedding = None
        if task.n_words is not None:
            self.embedding = torch.nn.Embedding(task.n_words + 1, task.D, sparse=sparse)
        self.layer = LAYERS[task.cell](task.D, task.H)
        self.dense = torch.nn.Linear(task.H, n_outputs)

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """The logits of x (T, B) or (T, B, D), longest first."""
        full = bool(lengths[-1] == lengths[0])
        if self.packed and not full:
            packed = pack_padded_sequence(x, lengths)
            if self.embedding is not None:
                packed = PackedSequence(self.embedding(packed.data), packed.batch_sizes)
            h, state = self.layer(packed)
        else:
            h, state = self.layer(x if self.embedding is None else self.embedding(x))
        return self.dense(self._pool(h, state, lengths, full))

    def _pool(
        self,
        h: torch.Tensor | PackedSequence,
        state: torch.Tensor | tuple,
        lengths: torch.Tensor,
        full: bool,
    ) -> torch.Tensor:
        if self.task.pooling == "last":
            if self.packed or full:
                return (state[0] if isinstance(state, tuple) else state)[0]
            return h[lengths - 1, torch.arange(len(lengths))]
        if isinstance(h, PackedSequence):
            h, _ = pad_packed_sequence(h, padding_value=-torch.inf)
        elif not full:
            ended = torch.arange(len(h))[:, None] >= lengths
            h = h.masked_fill(ended[:, :, None], -torch.inf)
        return h.max(dim=0).values

    def load(self, parameters: dict[str, np.ndarray]) -> None:
        """Load our weights; the second bias is zero except for the GRU's candidate."""
        H, cell = self.task.H, self.task.cell
        b = parameters["layer0.b"]
        start = {"weight_ih": parameters["layer0.W_x"].T, "weight_hh": parameters["layer0.W_h"].T}
        start |= {"bias_ih": b, "bias_hh": 0 * b}
        if cell == "gru":
            start["bias_hh"][2 * H :] = parameters["layer0.b_h"]
        with torch.no_grad():
            for name, value in start.items():
                gates = reorder(cell, value)
                getattr(self.layer, f"{name}_l0").copy_(torch.from_numpy(gates))
            self.dense.weight.copy_(torch.from_numpy(parameters["dense.W"].T.copy()))
            self.dense.bias.copy_(torch.from_numpy(parameters["dense.b"]))
            if self.embedding is not None:
                self.embedding.weight.copy_(torch.from_numpy(parameters["embedding"]))

    def by_name(self) -> dict[str, np.ndarray]:
        """The weights under our names, copied."""
        cell, H = self.task.cell, self.task.H
        found = {"dense.W": self.dense.weight.T, "dense.b": self.dense.bias}
        if self.embedding is not None:
            found["embedding"] = self.embedding.weight
        arrays = {name: value.detach().numpy().copy() for name, value in found.items()}
        for ours, theirs in {"W_x": "weight_ih", "W_h": "weight_hh", "b": "bias_ih"}.items():
            value = getattr(self.layer, f"{theirs}_l0").detach().numpy()
            arrays[f"layer0.{ours}"] = reorder(cell, value).T.copy()
        if cell == "gru":
            arrays["layer0.b_h"] = self.layer.bias_hh_l0.detach().numpy()[2 * H :].copy()
        return arrays


def reorder(cell: str, W: np.ndarray) -> np.ndarray:
    """Change the order of gates along the first axis from ours to PyTorch's, or back."""
    if cell != "lstm":
        return np.ascontiguousarray(W)
    i, f, third, fourth = np.split(W, 4)
    return np.concatenate([i, f, fourth, third])


class Trainer:
    """Forward, backward, clip, step."""

    def __init__(self, model: Model, data: Data) -> None:
        self.model = model
        self.x = torch.from_numpy(np.ascontiguousarray(data.padded.swapaxes(0, 1)))
        self.y = torch.from_numpy(data.y.astype(np.float32))
        self.lengths = torch.from_numpy(data.lengths.astype(np.int64))
        self.sparse = [p for m in model.modules() if getattr(m, "sparse", False)
                       for p in m.parameters()]  # fmt: skip
        self.others = [p for p in model.parameters() if all(p is not q for q in self.sparse)]
        self.optimizers = [torch.optim.Adam(self.others, lr=LEARNING_RATE, fused=True)]
        if self.sparse:
            self.optimizers.append(torch.optim.SparseAdam(self.sparse, lr=LEARNING_RATE))

    def step(self, rows: np.ndarray) -> float:
        """Update the parameters; return the loss before."""
        torch.set_flush_denormal(True)
        chosen = torch.from_numpy(rows)
        lengths, order = self.lengths[chosen].sort(descending=True, stable=True)
        chosen = chosen[order]
        x = self.x[: lengths[0]].index_select(1, chosen)
        logits = self.model(x, lengths)[:, 0]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, self.y[chosen])
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._clip()
        for optimizer in self.optimizers:
            optimizer.step()
        torch.set_flush_denormal(False)  # the other side of the pair has its own arithmetic
        return loss.item()

    def _clip(self) -> None:
        """Scale the gradients to a global norm of at most 1; PyTorch's own needs dense ones."""
        gradients = [p.grad for p in self.others]
        for p in self.sparse:
            p.grad = p.grad.coalesce()
            gradients.append(p.grad._values())
        norm = get_total_norm(gradients)
        torch._foreach_mul_(gradients, torch.clamp(MAX_NORM / (norm + 1e-6), max=1.0))


def candidates(task: Task, data: Data, start: dict[str, np.ndarray]) -> dict[str, Trainer]:
    """The ways to train it, of which a row takes the fastest."""
    packings = {"padded": False, "packed": True} if task.ragged else {"padded": False}
    sparsities = {"": False, ", sparse": True} if task.n_words is not None else {"": False}
    found = {}
    for (packing, packed), (word, sparse) in product(packings.items(), sparsities.items()):
        model = Model(task, packed, sparse)
        model.load(start)
        found[f"PyTorch ({packing}{word})"] = Trainer(model, data)
    return found
