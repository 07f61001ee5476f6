"""A bare training step of seqnets, made of its inner rooms."""

from __future__ import annotations

import numpy as np

from seqnets.batches import Sequences
from seqnets.network import Architecture, Network
from seqnets.optimizers import Adam
from seqnets.threads import Workers, one_blas_thread
from seqnets.training import Trainer

from .data import LEARNING_RATE, MAX_NORM, Data, Task

FLOAT32 = np.dtype(np.float32)


class Ours:
    """The step of `RecurrentClassifier.fit` without dropout and penalty, in float32."""

    def __init__(self, task: Task, data: Data, threads: int) -> None:
        network = Network(
            Architecture(task.cell, task.D, (task.H,), task.pooling, 1, task.n_words, False)
        )
        self.parameters = network.initialize(np.random.RandomState(0), FLOAT32)
        offsets = np.concatenate(([0], np.cumsum(data.lengths)))
        steps = np.arange(task.T) < data.lengths[:, None]
        self.sequences = Sequences(data.padded[steps], offsets)
        self.targets, self.weights = data.y[:, None], np.ones(data.y.size)
        self._blas = one_blas_thread()
        self._blas.__enter__()  # until the process ends
        self.trainer = Trainer(
            network,
            self.parameters,
            Adam(LEARNING_RATE, 0.9, 0.999, 1e-8),
            Workers(threads, FLOAT32),
            loss="logistic",
            alpha=0.0,
            max_grad_norm=MAX_NORM,
        )

    def step(self, rows: np.ndarray) -> float:
        """Update the parameters; return the loss before."""
        return self.trainer.step(self.sequences, self.targets, self.weights, rows, rows.size)
