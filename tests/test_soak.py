"""An hour of fits, predictions, saves and loads: no leak, no drift, no warning."""

from __future__ import annotations

import gc
import time
from pathlib import Path

import numpy as np
import pytest

import seqnets
from seqnets import RecurrentClassifier
from seqnets.layers import CELLS
from seqnets.outputs import POOLING_NAMES
from seqnets.parameters import LEARNING_RATES

SECONDS = 3600
WARM_UP = 0.1  # of that time, in which kernels are loaded and the allocator finds its size
FLAT = 1.05
STATUS = Path("/proc/self/status")

pytestmark = [
    pytest.mark.long,
    pytest.mark.usefixtures("several_blocks"),  # else two threads would not share the work
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


def resident():
    """Megabytes of this process."""
    gc.collect()
    [line] = [line for line in STATUS.read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


def draw(random):
    """X, y and a classifier for them that isn't fitted."""
    tokens, cell = bool(random.randint(2)), random.choice(list(CELLS))
    n, lengths = 60, random.randint(1, 30, 60)
    X = [random.randint(1, 500, T) if tokens else random.normal(size=(T, 3)) for T in lengths]
    one_way = bool(random.randint(2))
    parameters = {
        "hidden_layer_sizes": ([16], [8, 4])[random.randint(2)],
        "bidirectional": not one_way,
        "pooling": random.choice(["auto", *POOLING_NAMES]),
        "embedding_dim": 8 if tokens else None,
        "dropout": random.choice([0.0, 0.4]),
        "recurrent_dropout": random.choice([0.0, 0.3]) if CELLS[cell].has_product else 0.0,
        "embedding_dropout": random.choice([0.0, 0.2]) if tokens else 0.0,
        "bptt_steps": random.choice([None, 10]) if one_way else None,
        "solver": random.choice(list(LEARNING_RATES)),
        "early_stopping": bool(random.randint(2)),
        "dtype": random.choice(["float32", "float64"]),
        "n_jobs": random.choice([1, 2]),
    }
    seed = random.randint(1000)
    return X, np.arange(n) % 3, RecurrentClassifier(
        cell, max_iter=2, random_state=seed, **parameters
    )  # fmt: skip


def learned(seed):
    """A model, its data, and every bit of its weights and probabilities."""
    X, y, clf = draw(np.random.RandomState(seed))
    clf.fit(X, y)
    weights = b"".join(W.tobytes() for W in clf.parameters_.values())
    return clf, X, weights, clf.predict_proba(X).tobytes()


@pytest.mark.skipif(not STATUS.exists(), reason="reads Linux' account of the process")
def test_soak(tmp_path, capsys):
    path = tmp_path / "model"
    kept = {seed: learned(seed) for seed in range(20)}
    begin, readings, rounds = time.monotonic(), [], 0
    while (elapsed := time.monotonic() - begin) < SECONDS:
        clf, X, _, proba = learned(20 + rounds)
        seqnets.save(clf, path)
        assert seqnets.load(path).predict_proba(X).tobytes() == proba
        reference, X, weights, proba = kept[rounds % len(kept)]
        assert reference.predict_proba(X).tobytes() == proba
        assert learned(rounds % len(kept))[2:] == (weights, proba)
        rounds += 1
        if rounds % 50 == 0:
            now = resident()
            if elapsed > WARM_UP * SECONDS:
                readings.append(now)
            with capsys.disabled():
                print(f"\n{elapsed:.0f} s, {rounds} rounds: {now:.1f} MB", end=" ", flush=True)
    assert max(readings) < FLAT * min(readings)
