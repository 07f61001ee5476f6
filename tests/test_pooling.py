"""Every pooling kernel against its twin, amid garbage wherever no sequence runs."""

from __future__ import annotations

import naive
import numpy as np
import pytest

from seqnets.pooling import POOLINGS

LENGTHS = np.array([6, 4, 4, 2, 1, 0, 0, 0])

each_pooling = pytest.mark.parametrize("pooling", POOLINGS)
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def make_arrays(random, lengths, H, dtype):
    """States h, the initial ones zero, with larger garbage after a sequence's end; out-arrays."""
    T, B = lengths.max(), lengths.size
    h = random.normal(size=(T + 1, B, H)).astype(dtype)
    h[0] = 0
    for row, length in enumerate(lengths):
        h[length + 1 :, row] = 1e6
    pooled, dh = np.full((B, H), np.nan, dtype), np.full((T + 1, B, H), np.nan, dtype)
    return h, pooled, np.full((B, H), 99, np.int64), dh


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
    h, pooled, best, dh = make_arrays(random, lengths, H, dtype)
    dpooled = random.normal(size=pooled.shape).astype(dtype)
    forward, backward = POOLINGS[pooling]
    forward(lengths, h, pooled, best)
    backward(lengths, dpooled, best, dh)

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


@each_dtype
def test_last_and_max_copy_states_bit_by_bit(dtype):
    h, pooled, best, _ = make_arrays(np.random.default_rng(1), LENGTHS, 5, dtype)
    own = [h[1 : length + 1, row] for row, length in enumerate(LENGTHS)]
    for pooling, pick in (("last", lambda steps: steps[-1]), ("max", lambda steps: steps.max(0))):
        POOLINGS[pooling][0](LENGTHS, h, pooled, best)
        for row, steps in enumerate(own):
            expected = pick(steps) if len(steps) else np.zeros(5)
            np.testing.assert_array_equal(pooled[row], expected)


@each_dtype
def test_the_first_of_equal_maxima_takes_the_gradient(dtype):
    column = np.array([0.0, -0.5, -0.2, -0.7, -0.2, -0.2], dtype)
    h = np.ascontiguousarray(column[:, None, None])
    pooled, best, dh = np.empty((1, 1), dtype), np.empty((1, 1), np.int64), np.empty_like(h)
    forward, backward = POOLINGS["max"]
    forward(np.array([5]), h, pooled, best)
    backward(np.array([5]), np.array([[3]], dtype), best, dh)
    assert pooled.item() == column[2]  # not the initial state, though that is larger
    assert dh.ravel().tolist() == [0, 0, 3, 0, 0, 0]


@each_pooling
def test_what_stands_after_the_end_does_not_count(pooling):
    random = np.random.default_rng(2)
    dpooled = random.normal(size=(LENGTHS.size, 3))
    found = []
    for garbage in (0.0, -1e9, np.inf, np.nan):
        h, pooled, best, dh = make_arrays(np.random.default_rng(3), LENGTHS, 3, np.float64)
        h[h == 1e6] = garbage
        POOLINGS[pooling][0](LENGTHS, h, pooled, best)
        POOLINGS[pooling][1](LENGTHS, dpooled, best, dh)
        found.append((pooled.tobytes(), dh.tobytes()))
    assert len(set(found)) == 1
