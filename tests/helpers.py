"""What many tests do: make, compare and watch models, measure memory, run programs."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np

import seqnets

SOURCES = Path(seqnets.__file__).parents[1], Path(__file__).parent


def object_array(items):
    """A 1-D array of these objects, whatever they are."""
    return np.fromiter(items, dtype=object, count=len(items))


def small_model(kind="series", **parameters):
    """A classifier that is quick to fit, and of which a longer fit begins like a shorter one."""
    defaults = {"cell": "rnn", "hidden_layer_sizes": 3, "batch_size": 8, "max_iter": 3}
    defaults |= {"learning_rate": "constant", "n_jobs": 1, "random_state": 0}
    if kind == "tokens":
        defaults["embedding_dim"] = 2
    return seqnets.RecurrentClassifier(**defaults | parameters)


def take(X, rows):
    """The sequences of X at these rows, as an array if X is one, else as a list."""
    return X[rows] if isinstance(X, np.ndarray) else [X[i] for i in rows]


def assert_same_weights(a, b, tolerance=0.0):
    """Two fitted classifiers have weights of the same dtype, equal within the tolerance."""
    assert a.parameters_.keys() == b.parameters_.keys()
    for name, W in a.parameters_.items():
        np.testing.assert_allclose(
            b.parameters_[name], W, rtol=0, atol=tolerance, err_msg=name, strict=True
        )


def bits(clf):
    """Every bit of the weights, by name; none before a fit."""
    return {name: W.tobytes() for name, W in getattr(clf, "parameters_", {}).items()}


def contents(clf):
    """All that the estimator holds, to the last bit of its optimizer and random numbers."""
    return pickle.dumps(vars(clf))


def snapshot(clf):
    """What the estimator holds: the objects themselves, and the bits of its weights."""
    return dict(vars(clf)), bits(clf)


def assert_as_before(clf, before):
    """The estimator is as it was when the snapshot was taken."""
    attributes, weights = before
    assert vars(clf).keys() == attributes.keys()
    assert not [name for name in attributes if vars(clf)[name] is not attributes[name]]
    assert bits(clf) == weights


def with_peak_memory(function, *arguments):
    """What the function returns, and the peak of the memory allocated meanwhile, in bytes."""
    tracemalloc.start()
    try:
        result = function(*arguments)
        return result, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def run_python(code, *arguments, path=SOURCES, timeout=300, **environment):
    """What a program prints in its own process, which must succeed and leave stderr empty.

    It imports from `path`, by default this package and the tests. A variable given as None is
    removed from its environment.
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path))} | environment
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={name: value for name, value in environment.items() if value is not None},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout
