"""Probabilities and losses against their twins, and at the limits of the dtypes."""

from __future__ import annotations

import itertools
import math

import naive
import numpy as np
import pytest
from gradcheck import assert_gradients

from seqnets.losses import LOG_PROBAS, LOSSES

each_loss = pytest.mark.parametrize(
    ("name", "K"), [("softmax", 2), ("softmax", 5), ("logistic", 1)]
)
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def make(random, name, n, K):
    if name == "softmax":
        targets = np.eye(K)[random.integers(K, size=n)]
    else:
        targets = random.integers(2, size=(n, K)).astype(float)
    return targets, random.uniform(0.5, 2.0, n)


def log_probabilities(name, logits, n=None):
    out = np.full((len(logits) if n is None else n, max(2, logits.shape[1])), np.nan)
    LOG_PROBAS[name](logits, out)
    return out


def loss_and_gradient(name, logits, targets, weights):
    losses, dlogits = np.full(len(targets), np.nan), np.full_like(logits, np.nan)
    LOSSES[name](logits, targets, weights, losses, dlogits)
    return losses, dlogits


@each_loss
@each_dtype
def test_losses_equal_their_twins(name, K, dtype):
    random = np.random.default_rng(0)
    n, padded = 7, 8
    logits = random.normal(scale=3.0, size=(padded, K)).astype(dtype)
    targets, weights = make(random, name, n, K)
    losses, dlogits = loss_and_gradient(name, logits, targets, weights)
    log_proba = log_probabilities(name, logits, n)
    for row in range(n):
        z = naive.plain(logits[row])
        value, dz = naive.LOSSES[name](z, naive.plain(targets[row]))
        np.testing.assert_allclose(losses[row], weights[row] * value, rtol=1e-12, atol=1e-14)
        atol = 1e-14 if dtype == np.float64 else 1e-7  # dlogits have that dtype
        np.testing.assert_allclose(dlogits[row], weights[row] * np.array(dz), atol=atol, rtol=0)
        yes = naive.sigmoid(z[0])
        proba = naive.softmax(z) if name == "softmax" else [1 - yes, yes]
        np.testing.assert_allclose(np.exp(log_proba[row]), proba, rtol=0, atol=1e-13)
    assert not dlogits[n:].any()


def test_soft_targets_and_several_logistic_outputs():
    random = np.random.default_rng(1)
    logits = random.normal(size=(4, 3))
    for name in LOSSES:
        targets = random.uniform(size=(4, 3))
        targets /= targets.sum(axis=1, keepdims=True)
        losses, dlogits = loss_and_gradient(name, logits, targets, np.ones(4))
        for row in range(4):
            value, dz = naive.LOSSES[name](naive.plain(logits[row]), naive.plain(targets[row]))
            np.testing.assert_allclose(losses[row], value, rtol=1e-13)
            np.testing.assert_allclose(dlogits[row], dz, rtol=1e-12, atol=1e-15)


@each_dtype
@pytest.mark.parametrize("K", [2, 3, 5])
def test_probabilities_of_several_logistic_outputs(K, dtype):
    """A column for each logit: the log of its logistic function, whatever the others are."""
    logits = np.random.default_rng(0).normal(scale=20.0, size=(8, K)).astype(dtype)
    log_proba = log_probabilities("logistic", logits, 7)
    expected = [[math.log(naive.sigmoid(z)) for z in row] for row in naive.plain(logits[:7])]
    assert log_proba.shape == (7, K)
    np.testing.assert_allclose(log_proba, expected, rtol=1e-12, atol=1e-15)
    for k in range(K):
        alone = log_probabilities("logistic", logits[:, k : k + 1], 7)
        np.testing.assert_array_equal(log_proba[:, k], alone[:, 1])


@each_loss
def test_gradients_by_central_differences(name, K):
    random = np.random.default_rng(0)
    logits = random.normal(size=(4, K))
    targets, weights = make(random, name, 3, K)

    def loss():
        return loss_and_gradient(name, logits, targets, weights)[0].sum()

    gradients = {"logits": loss_and_gradient(name, logits, targets, weights)[1]}
    assert_gradients(loss, {"logits": logits}, gradients)


@each_dtype
@pytest.mark.parametrize("size", [1.0, 1e2, 1e4, 1e6])
@pytest.mark.parametrize(("name", "K"), [("softmax", 2), ("softmax", 3), ("logistic", 1)])
def test_saturated_outputs(name, K, size, dtype):
    """Logits of any size: losses are finite, probabilities sum to 1, the largest stays largest."""
    corners = np.array([*itertools.product([-size, -0.7 * size, 0.0, 1.0, size], repeat=K)])
    logits = corners.astype(dtype)
    log_proba = log_probabilities(name, logits)
    proba = np.exp(log_proba)
    assert np.isfinite(log_proba).all()
    assert log_proba.max() <= 0
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=0, atol=1e-12)
    if name == "softmax":
        np.testing.assert_array_equal(proba.argmax(axis=1), logits.argmax(axis=1))
        all_targets = np.eye(K)
    else:
        np.testing.assert_array_equal(proba.argmax(axis=1), logits[:, 0] > 0)
        all_targets = np.array([[0.0], [1.0]])
    for number, target in enumerate(all_targets):
        targets = np.repeat(target[None], len(logits), axis=0)
        losses, dlogits = loss_and_gradient(name, logits, targets, np.ones(len(logits)))
        assert np.isfinite(losses).all() and np.isfinite(dlogits).all()
        np.testing.assert_allclose(losses, -log_proba[:, number], rtol=1e-15, atol=0)
        assert losses.min() >= 0
        assert abs(dlogits).max() <= 1
        own = proba[:, 1] if name == "logistic" else proba[:, number]
        column = 0 if name == "logistic" else number
        atol = 1e-12 if dtype == np.float64 else 1e-7
        np.testing.assert_allclose(dlogits[:, column], own - target[column], rtol=0, atol=atol)


@pytest.mark.parametrize("name", ["softmax", "logistic"])
def test_a_small_probability_keeps_its_digits(name):
    """log(1 - p) is not taken from a rounded p: the loss of a good guess is not zero."""
    z = 40.0
    logits = np.array([[0.0, z]]) if name == "softmax" else np.array([[z]])
    targets = np.array([[0.0, 1.0]]) if name == "softmax" else np.array([[1.0]])
    losses, dlogits = loss_and_gradient(name, logits, targets, np.ones(1))
    if name == "logistic":
        np.testing.assert_allclose(losses, np.exp(-z), rtol=1e-12)
    np.testing.assert_allclose(log_probabilities(name, logits)[0, 0], -z, rtol=1e-15)
    assert abs(dlogits).max() < 1e-15


@each_loss
@each_dtype
def test_nan_stays_nan(name, K, dtype):
    """Training that diverged has to show."""
    logits = np.ones((3, K), dtype)
    logits[1, K - 1] = np.nan
    targets, weights = make(np.random.default_rng(0), name, 3, K)
    losses, _ = loss_and_gradient(name, logits, targets, weights)
    assert np.isnan(losses).tolist() == [False, True, False]
    assert np.isnan(log_probabilities(name, logits)).any(axis=1).tolist() == [False, True, False]
