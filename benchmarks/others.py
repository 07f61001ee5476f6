"""skorch, Keras and ONNX Runtime, which train or run the same network."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from .data import LEARNING_RATE, MAX_NORM, Data, Task
from .pytorch import Model


class SkorchModule(torch.nn.Module):
    """The PyTorch model as skorch calls it: ids (B, T) padded with zeros, in any order."""

    def __init__(self, cell: str, n_words: int, width: int, packed: bool = False) -> None:
        super().__init__()
        torch.set_flush_denormal(True)  # else Adam is slow on words not used
        task = Task(cell, 0, 0, width, width, n_words, True, "max")
        self.model = Model(task, packed, n_outputs=2)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Logits of two classes."""
        lengths, order = (X != 0).sum(dim=1).clamp(min=1).sort(descending=True, stable=True)
        logits = self.model(X[order, : lengths[0]].T.contiguous(), lengths)
        return torch.empty_like(logits).index_copy(0, order, logits)


def skorch_classifier(
    cell: str, n_words: int, width: int, max_epochs: int, packed: bool = False
) -> Any:
    """A skorch classifier with the settings of the `RecurrentClassifier` beside it."""
    from skorch import NeuralNetClassifier
    from skorch.callbacks import GradientNormClipping

    return NeuralNetClassifier(
        SkorchModule,
        module__cell=cell,
        module__n_words=n_words,
        module__width=width,
        module__packed=packed,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        optimizer__fused=True,
        lr=LEARNING_RATE,
        batch_size=32,
        max_epochs=max_epochs,
        iterator_train__shuffle=True,
        train_split=None,
        callbacks=[("clip", GradientNormClipping(MAX_NORM))],
        callbacks__print_log=None,
        verbose=0,
    )


class KerasTrainer:
    """Keras on TensorFlow, sequences of full length."""

    def __init__(self, task: Task, data: Data, threads: int) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import keras
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        kinds = {"rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}
        layers = [kinds[task.cell](task.H), keras.layers.Dense(1)]
        shape = data.padded.shape[1:]
        if task.n_words is not None:
            layers.insert(0, keras.layers.Embedding(task.n_words + 1, task.D))
        self.model = keras.Sequential([keras.Input(shape, dtype=data.padded.dtype), *layers])
        self.model.compile(
            optimizer=keras.optimizers.Adam(LEARNING_RATE, global_clipnorm=MAX_NORM),
            loss=keras.losses.BinaryCrossentropy(from_logits=True),
        )
        self.x, self.y = data.padded, data.y.astype(np.float32)[:, None]

    def step(self, rows: np.ndarray) -> float:
        """Update the parameters; return the loss before."""
        return float(self.model.train_on_batch(self.x[rows], self.y[rows]))


def onnx_probability(model: Model, T: int, threads: int) -> Callable[[np.ndarray], np.ndarray]:
    """A function that gives ONNX Runtime's probability for ids (T, 1)."""
    import onnxruntime

    embedding: Any = model.embedding

    class Full(torch.nn.Module):
        """The model without lengths, on which the Python code branches."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            h, _ = self.model.layer(embedding(x))
            return torch.sigmoid(self.model.dense(h.max(dim=0).values))

    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter that needs no other package
        ids = torch.ones((T, 1), dtype=torch.int64)
        torch.onnx.export(Full(), (ids,), file, input_names=["x"], dynamo=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(file.getvalue(), options)
    return lambda ids: session.run(None, {"x": ids})[0]
