"""Every pooling kernel against its twin, with garbage wherever no sequence runs."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import naive
import numpy as np
import pytest

from seqnets.outputs import Pooling
from seqnets.pooling import POOLINGS
from seqnets.workspace import Workspace

LENGTHS = np.array([6, 4, 4, 2, 1, 0, 0, 0])

each_pooling = pytest.mark.parametrize("pooling", POOLINGS)
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def make_states(random, lengths, H, dtype):
    """States h, with zeros as initial states and larger garbage after a sequence's end."""
    T, B = lengths.max(), lengths.size
    h = random.normal(size=(T + 1, B, H)).astype(dtype)
    h[0] = 0
    for row, length in enumerate(lengths):
        h[length + 1 :, row] = 1e6
    return h


def run(pooling, lengths, h, dpooled, cuts=()):
    """pooled and dh, in windows that begin at the cuts."""
    forward, backward = POOLINGS[pooling]
    (T, B, H), dtype = h.shape, h.dtype
    pooled, total = np.full((B, H), np.nan, dtype), np.full((B, H), np.nan)
    best, dh = np.full((B, H), 99, np.int32), np.full((T, B, H), np.nan, dtype)
    windows = list(itertools.pairwise([0, *cuts, T - 1]))
    for start, end in windows:
        forward(start, lengths, h[start : end + 1], total, best, pooled)
    for start, end in reversed(windows):  # its row 0 is the last row of the one before it
        backward(start, lengths, dpooled, best, dh[start : end + 1])
    return pooled, dh


@each_pooling
@each_dtype
@pytest.mark.parametrize("H", [1, 5, 19])
@pytest.mark.parametrize(
    "lengths",
    [LENGTHS, np.array([3]), np.array([1, 1, 1, 1]), np.array([0, 0, 0, 0])],
    ids=["ragged", "one sequence", "one step", "all empty"],
)
def test_poolings_equal_their_twins(pooling, lengths, H, dtype):
    random = np.random.default_rng(0)
    h = make_states(random, lengths, H, dtype)
    dpooled = random.normal(size=h.shape[1:]).astype(dtype)
    pooled, dh = run(pooling, lengths, h, dpooled)

    twin_forward, twin_backward = naive.POOLINGS[pooling]
    close = {"rtol": 1e-12, "atol": 1e-15}
    if dtype == np.float32:
        close = {"rtol": 1e-6, "atol": 1e-6}
    for row, length in enumerate(lengths):
        states = naive.plain(h[: length + 1, row])
        np.testing.assert_allclose(pooled[row], twin_forward(states), **close)
        expected = twin_backward(states, naive.plain(dpooled[row]))
        if length == 0:
            expected = [dh[0, row]]  # the initial state is fixed: its gradient is not used
        np.testing.assert_allclose(dh[: length + 1, row], expected, **close)
        assert not dh[length + 1 :, row].any()
    assert np.isfinite(dh).all()


@pytest.mark.parametrize("pooling", POOLINGS.keys() - {"ends"})
@each_dtype
@pytest.mark.parametrize("cuts", [(1,), (4,), (5,), (2, 4), (1, 2, 3, 4, 5)], ids=str)
def test_windows_change_no_bit(pooling, cuts, dtype):
    random = np.random.default_rng(4)
    h = make_states(random, LENGTHS, 5, dtype)
    dpooled = random.normal(size=h.shape[1:]).astype(dtype)
    whole, in_windows = (run(pooling, LENGTHS, h, dpooled, c) for c in ((), cuts))
    np.testing.assert_array_equal(in_windows[0], whole[0])
    np.testing.assert_array_equal(in_windows[1][1:], whole[1][1:])


def test_a_mean_of_many_states_in_float32():
    """If it were summed in float32, it would be off by 0.0001."""
    h = np.full((2**20 + 1, 4, 1), 0.3, np.float32)
    batch = SimpleNamespace(start=0, lengths=np.full(4, 2**20))
    given = SimpleNamespace(batch=batch, work=Workspace(h.dtype))
    np.testing.assert_allclose(Pooling("mean", 1).forward(given, h), h[0], rtol=1e-7)


@each_dtype
def test_the_first_of_equal_maxima_takes_the_gradient(dtype):
    column = np.array([0.0, -0.5, -0.2, -0.7, -0.2, -0.2], dtype)
    h = np.ascontiguousarray(column[:, None, None])
    pooled, dh = run("max", np.array([5]), h, np.array([[3]], dtype))
    assert pooled.item() == column[2]  # not the initial state, though that is larger
    assert dh.ravel().tolist() == [0, 0, 3, 0, 0, 0]


@each_dtype
@pytest.mark.parametrize("place", [1, 2, 3])
def test_nan_stays_the_maximum(dtype, place):
    column = np.array([0.0, 0.3, 0.7, -0.1], dtype)
    column[place] = np.nan
    h = np.ascontiguousarray(column[:, None, None])
    pooled, _ = run("max", np.array([3]), h, np.array([[1]], dtype))
    assert np.isnan(pooled.item())


@each_pooling
def test_what_stands_after_the_end_does_not_count(pooling):
    random = np.random.default_rng(2)
    dpooled = random.normal(size=(LENGTHS.size, 3))
    found = []
    for garbage in (0.0, -1e9, np.inf, np.nan):
        h = make_states(np.random.default_rng(3), LENGTHS, 3, np.float64)
        h[h == 1e6] = garbage
        pooled, dh = run(pooling, LENGTHS, h, dpooled)
        found.append((pooled.tobytes(), dh.tobytes()))
    assert len(set(found)) == 1
