"""What many tests do: compare models, see that nothing has changed."""

from __future__ import annotations

import pickle

import numpy as np


def assert_same_weights(a, b, tolerance=0.0):
    """Of two fitted classifiers, bit for bit unless there is a tolerance."""
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
