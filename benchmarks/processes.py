"""Rows of whole processes: from nothing to a first model, the compiler's seconds, memory."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np

from .data import CELLS, read_reviews
from .epochs import read_imdb
from .timing import Result, Row, Settings, paired, result, seconds

PYTORCH = "PyTorch (padded, sparse, bucketed)"
SENTENCES, EPOCHS = 200, 5
MEGABYTE = 2**20


def rows() -> dict[str, Row]:
    """The rows by name."""
    found: dict[str, Row] = {}
    for cell in CELLS:
        for name, compiled in (("new process", True), ("new process, compiling", False)):
            found[f"{name} {cell}"] = partial(new_process, cell=cell, compiled=compiled)
    return found | {"memory imdb lstm": memory}


def new_process(row: str, settings: Settings, cell: str, compiled: bool) -> list[Result]:
    """Import, then fit 200 sentences, with the kernels on disk or compiled anew."""
    from seqnets import SequenceVectorizer

    texts, y = read_reviews("rotten_tomatoes", SENTENCES)
    X = SequenceVectorizer().fit_transform(texts)

    def run(who: str, kernels: Path) -> None:
        run_child(who, cell, path, EPOCHS, settings.threads, kernels)

    def run_fresh() -> None:
        with tempfile.TemporaryDirectory() as empty:
            run("ours", Path(empty))

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "sentences")
        path.write_bytes(pickle.dumps((list(X), y)))
        kept = Path(folder, "kernels")
        run("ours", kept)
        ours = partial(run, "ours", kept) if compiled else run_fresh
        theirs = partial(run, "theirs", kept)
        theirs()
        taken = paired([partial(seconds, one) for one in (ours, theirs)], settings.long_pairs)
    return [result(row, settings, PYTORCH, taken)]


def memory(row: str, settings: Settings) -> list[Result]:
    """The most memory that the process of an IMDB epoch ever held."""
    X, data = read_imdb(settings.reviews)
    with tempfile.TemporaryDirectory() as folder:
        path, kernels = Path(folder, "reviews"), Path(folder, "kernels")
        path.write_bytes(pickle.dumps((list(X), data.y.astype(np.int64))))
        run_child("ours", "lstm", path, 1, settings.threads, kernels)
        taken = [
            run_child(who, "lstm", path, 1, settings.threads, kernels) / MEGABYTE
            for who in ("ours", "theirs")
        ]
    return [result(row, settings, PYTORCH, np.array([taken]), unit="MB")]


def run_child(who: str, cell: str, path: Path, epochs: int, threads: int, kernels: Path) -> float:
    """Train in a process of its own; return the most bytes that it held."""
    command = [sys.executable, "-m", "benchmarks.child", who, cell, path, epochs, threads]
    done = subprocess.run(
        list(map(str, command)),
        env=os.environ | {"NUMBA_CACHE_DIR": str(kernels)},
        stdout=subprocess.PIPE,
        check=True,
    )
    return float(done.stdout)
