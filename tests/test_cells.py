"""Every kernel of the cells against its twin, and what the twins cannot show."""

from __future__ import annotations

import math
from types import SimpleNamespace

import naive
import numpy as np
import pytest
from gradcheck import assert_gradients
from numba import config

from seqnets import cells
from seqnets.layers import CELLS, argument_names
from seqnets.products import in_panels

TOLERANCE = {np.float64: 1e-12, np.float32: 2e-6}

each_cell = pytest.mark.parametrize("cell", CELLS)
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


# ------------------------------------------------------------------------------- helpers


def make_parameters(random, cell, D, H, dtype=np.float64):
    p = {}
    for name, shape in naive.shapes(cell, D, H).items():
        scale = 1 if len(shape) == 1 else 1 / math.sqrt(shape[0])
        p[name] = random.normal(scale=scale, size=shape).astype(dtype)
    return p


def make_sequences(random, lengths, D, H, dtype=np.float64):
    """Each with its steps, its initial state, and the gradients that reach its states."""
    return [
        {
            "x": random.normal(size=(T, D)).astype(dtype),
            "h0": random.normal(size=H).astype(dtype),
            "c0": random.normal(size=H).astype(dtype),
            "dh": random.normal(size=(T + 1, H)).astype(dtype),
        }
        for T in lengths
    ]


def make_arrays(random, cell, p, sequences, vectors=None):
    """The kernels' arrays for sequences sorted by length; garbage where no sequence runs.

    With the `vectors` of tokens, each step takes its x W_x + b from xW.
    """
    dtype, H, GH = p["b"].dtype, sequences[0]["h0"].size, p["b"].size
    lengths = np.array([len(s["x"]) for s in sequences])
    n, T = lengths.size, lengths.max()
    B = n + -n % 4

    def garbage(*shape):
        return random.normal(scale=1e6, size=shape).astype(dtype)

    def project(x):
        return (x.astype(float) @ p["W_x"] + p["b"]).astype(dtype)

    arrays = SimpleNamespace(
        n_active=np.array([np.sum(lengths > t) for t in range(T)], dtype=np.int64),
        m=np.empty((0, H), dtype),
        x=garbage(T, B, p["W_x"].shape[0]),
        a=garbage(T, B, GH),
        u=garbage(B, GH),
        u_n=garbage(T, B, H),
        h=garbage(T + 1, B, H),
        c=garbage(T + 1, B, H),
        dh=garbage(T + 1, B, H),
        dc=np.zeros((B, H), dtype),
        dv=garbage(B, H),
        du=garbage(B, GH),
        gates=garbage(4 * H),
        lookup=np.full((T, 0), -1),
        xW=garbage(0, GH),
    )
    if vectors is not None:
        arrays.lookup, arrays.xW = np.full((T, B), -1), project(vectors)
    arrays.dxW = np.zeros_like(arrays.xW)
    arrays.v = arrays.h[:-1]
    if "W_h" in p:
        arrays.W_h, arrays.W_hT = in_panels(p["W_h"]), in_panels(p["W_h"].T)
    arrays.b_h = p.get("b_h")
    for row, s in enumerate(sequences):
        T = len(s["x"])
        arrays.x[:T, row] = s["x"]
        if vectors is None:
            arrays.a[:T, row] = project(s["x"])
        else:
            arrays.lookup[:T, row] = s["tokens"]
        arrays.h[0, row], arrays.c[0, row] = s["h0"], s["c0"]
        arrays.dh[: T + 1, row] = s["dh"]
    return arrays


def forward(cell, v):
    call(CELLS[cell].forward, v)


def backward(cell, v):
    v.da, v.du_n = v.a.copy(), v.u_n.copy()  # backward overwrites them with gradients
    call(CELLS[cell].backward, v)


def call(kernel, v):
    kernel(*(getattr(v, name) for name in argument_names(kernel)))


def has(cell, name):
    """Whether a kernel of the cell takes the array of that name."""
    return name in argument_names(CELLS[cell].forward) + argument_names(CELLS[cell].backward)


def initial(cell, s):
    """The initial states, as the twins take them."""
    return [naive.plain(s[f"{name}0"]) for name in "hc" if has(cell, name)]


def assert_close(actual, expected, tolerance):
    expected = np.reshape(expected, actual.shape)
    scale = max(1.0, np.max(abs(expected), initial=0.0))
    assert np.max(abs(actual - expected), initial=0.0) <= tolerance * scale  # NaN fails too


def product_over_steps(left, right):
    """sum_t left[t]^T right[t] in float64, over rows where no sequence runs, too, as in layers."""
    left, right = left.astype(float), right.astype(float)
    return left.reshape(-1, left.shape[-1]).T @ right.reshape(-1, right.shape[-1])


# ------------------------------------------------------------------- equality with the twin


def test_every_cell_has_a_twin():
    assert naive.CELLS.keys() == CELLS.keys()


@each_dtype
@each_cell
@pytest.mark.parametrize("tokens", [False, True], ids=["series", "tokens"])
@pytest.mark.parametrize(
    ("lengths", "D", "H"),
    [
        ((7, 5, 5, 2, 1, 0), 3, 5),
        ((4, 3, 3, 1, 1), 2, 37),
        ((6,), 3, 8),
        ((1, 1, 1), 2, 4),
        ((4, 2, 2, 1, 0, 0, 0, 0), 1, 1),
        ((3, 3, 3, 3), 2, 3),
        ((0, 0), 2, 3),
    ],
    ids=["ragged", "wide", "one sequence", "one step", "one unit", "full", "no step"],
)
def test_kernels_equal_their_twins(cell, lengths, D, H, tokens, dtype):
    random = np.random.default_rng(0)
    p = make_parameters(random, cell, D, H, dtype)
    sequences = make_sequences(random, lengths, D, H, dtype)
    vectors = random.normal(size=(3, D)).astype(dtype) if tokens else None
    if tokens:
        for s in sequences:
            s["tokens"] = random.integers(3, size=len(s["x"]))
            s["x"] = vectors[s["tokens"]]
    v = make_arrays(random, cell, p, sequences, vectors)
    entry = SimpleNamespace(h=v.h.copy(), dh=v.dh.copy())
    forward(cell, v)
    backward(cell, v)

    close = TOLERANCE[dtype]
    twin_forward, twin_backward, gates, *_ = naive.CELLS[cell]
    plain_p = {name: naive.plain(value) for name, value in p.items()}
    total = naive.zeros_like_keys(plain_p)
    for row, s in enumerate(sequences):
        T = len(s["x"])
        x = naive.plain(s["x"])
        states = twin_forward(x, plain_p, *initial(cell, s))
        d = twin_backward(x, plain_p, states, naive.plain(s["dh"]))
        assert_close(v.h[: T + 1, row], states["h"], close)
        assert_close(v.da[:T, row], d["a"], close)
        assert_close(v.da[:T, row].astype(float) @ p["W_x"].T, d["x"], close)
        assert_close(v.dh[0, row], d["h0"], close)
        assert_close(v.dh[1 : T + 1, row], d["h"], close)
        for k, gate in enumerate(gates):
            assert_close(v.a[:T, row, k * H : (k + 1) * H], states[gate], close)
        if has(cell, "c"):
            assert_close(v.c[: T + 1, row], states["c"], close)
            assert_close(v.dc[row], d["c0"], close)
        if has(cell, "u_n"):
            assert_close(v.u_n[:T, row], [u[2 * H :] for u in states["u"]], close)
            assert_close(v.du_n[:T, row], [du[2 * H :] for du in d["u"]], close)
        for name in total:
            naive.accumulate(total[name], d[name])

    assert_close(product_over_steps(v.x, v.da), total["W_x"], close)
    assert_close(v.da.sum(axis=(0, 1), dtype=float), total["b"], close)
    if "W_h" in p:
        through_h = v.da
        if has(cell, "u_n"):
            through_h = np.concatenate([v.da[:, :, : 2 * H], v.du_n], axis=2)
        assert_close(product_over_steps(v.h[:-1], through_h), total["W_h"], close)
    if "b_h" in p:
        assert_close(v.du_n.sum(axis=(0, 1), dtype=float), total["b_h"], close)

    for token, of_token in enumerate(v.dxW):
        assert_close(of_token, v.da[v.lookup == token].sum(axis=0, dtype=float), close)

    # Where no sequence runs: gradients of zero, and states as they were.
    for t, n in enumerate(v.n_active):
        assert not v.da[t, n:].any()
        assert not has(cell, "u_n") or not v.du_n[t, n:].any()
        np.testing.assert_array_equal(v.h[t + 1, n:], entry.h[t + 1, n:])
        np.testing.assert_array_equal(v.dh[t + 1, n:], entry.dh[t + 1, n:])


@each_cell
def test_twins_have_right_gradients(cell):
    random = np.random.default_rng(0)
    D, H, T = 2, 3, 4
    arrays = make_parameters(random, cell, D, H)
    (s,) = make_sequences(random, [T], D, H)
    seen = s.pop("dh")
    if not has(cell, "c"):
        del s["c0"]
    arrays |= s

    def run():
        p = {name: naive.plain(arrays[name]) for name in arrays.keys() - s.keys()}
        return p, naive.CELLS[cell].forward(naive.plain(s["x"]), p, *initial(cell, s))

    def seen_states():
        return float(np.sum(seen * run()[1]["h"]))

    p, states = run()
    gradients = naive.CELLS[cell].backward(naive.plain(s["x"]), p, states, naive.plain(seen))
    assert_gradients(seen_states, arrays, gradients)


# ------------------------------------------------------------------------ bits in company


def bits_of(cell, v, row, T):
    arrays = [v.h[: T + 1, row], v.a[:T, row], v.da[:T, row], v.dh[: T + 1, row]]
    if has(cell, "c"):
        arrays += [v.c[: T + 1, row], v.dc[row]]
    if has(cell, "u_n"):
        arrays += [v.u_n[:T, row], v.du_n[:T, row]]
    return [array.tobytes() for array in arrays]


def bits_in_company(cell, H, dtype):
    """One sequence's bits: alone, and among others of its length, longer and shorter."""
    random = np.random.default_rng(0)
    D, T = 3, 4
    p = make_parameters(random, cell, D, H, dtype)
    (probe,) = make_sequences(random, [T], D, H, dtype)
    bits = []
    companies = [(0, 0, 0), (0, 0, 3), (0, 1, 0), (1, 1, 5), (3, 0, 1), (2, 4, 0)]
    for longer, equal, shorter in companies:
        before = make_sequences(random, [T + 2] * longer + [T] * equal, D, H, dtype)
        after = make_sequences(random, reversed(range(shorter)), D, H, dtype)
        v = make_arrays(random, cell, p, [*before, probe, *after])
        forward(cell, v)
        backward(cell, v)
        bits.append(bits_of(cell, v, len(before), T))
    return bits


@each_dtype
@each_cell
@pytest.mark.parametrize("H", [1, 5, 37])
def test_a_sequence_gives_the_same_bits_in_any_company(cell, H, dtype):
    alone, *in_company = bits_in_company(cell, H, dtype)
    assert all(bits == alone for bits in in_company)


@each_cell
def test_rows_that_are_fetched_early_change_no_bit(cell):
    """They are fetched from a large array alone; sequences end, so there is not always a row."""
    found = []
    for n_rows in (5, cells.CACHE_BYTES // (8 * CELLS[cell].n_gates * 8) + 1):
        random = np.random.default_rng(0)
        p = make_parameters(random, cell, 2, 8)
        sequences = make_sequences(random, (7, 4, 4, 2, 1), 2, 8)
        vectors = np.zeros((n_rows, 2))
        vectors[-5:] = random.normal(size=(5, 2))
        for s in sequences:
            s["tokens"] = n_rows - 5 + random.integers(5, size=len(s["x"]))
        v = make_arrays(random, cell, p, sequences, vectors)
        forward(cell, v)
        found.append(v.h.tobytes())
    assert found[0] == found[1]


# -------------------------------------------------------------------- the gate functions
#
# Tested through the loops that call them: compiled into a loop, their code differs.


def nothing_to_fetch(dtype):
    return np.empty((0, 1), np.int64), np.empty((0, 1), dtype)


def tanh(x):
    h = np.empty((1, x.size), x.dtype)
    cells.rnn_step(1, x[None].copy(), h, *nothing_to_fetch(x.dtype))
    return h[0]


def sigmoid(x):
    a = np.zeros((1, 4 * x.size), x.dtype)
    a[0, : x.size] = x
    c, h = np.empty((1, x.size), x.dtype), np.empty((1, x.size), x.dtype)
    cells.lstm_step(1, a, np.zeros_like(c), c, h, *nothing_to_fetch(x.dtype))
    return a[0, : x.size]


def flush(x):
    da = np.empty((1, x.size), x.dtype)
    cells.rnn_step_backward(1, da, np.zeros_like(da), x[None].copy())
    return da[0]


def line(dtype):
    """Numbers from the whole line: of every size, dense where the functions bend, both signs."""
    stride = 2**18 + 3 if config.DISABLE_JIT else 2**13 + 3
    sizes = np.arange(0, 2**31, stride, dtype=np.uint32).view(np.float32)
    sizes = sizes[np.isfinite(sizes)]
    near = np.linspace(0, 12, 2_000 if config.DISABLE_JIT else 20_000)
    ends = [np.inf, np.finfo(dtype).max, np.finfo(dtype).tiny, np.finfo(dtype).smallest_subnormal]
    x = np.concatenate([sizes, near, ends]).astype(dtype)
    return np.concatenate([x, -x])


def test_tanh32_is_near():
    x = line(np.float32)
    y = tanh(x).astype(float)
    exact = np.tanh(x.astype(float))
    normal = abs(x) >= np.finfo(np.float32).tiny
    assert np.max(abs(y - exact)[normal] / abs(exact[normal])) < 5e-7
    assert np.max(abs(y - exact)[~normal]) <= np.finfo(np.float32).tiny
    assert np.max(abs(y)) <= 1


def test_sigmoid32_is_near():
    x = line(np.float32)
    y = sigmoid(x).astype(float)
    exact = np.array([naive.sigmoid(x_k) for x_k in x.tolist()])
    assert np.max(abs(y - exact)) < 5e-7
    assert y.min() >= 0
    assert y.max() <= 1


def test_gate_functions_are_near_in_float64():
    x = line(np.float64)
    exact = np.array([math.tanh(x_k) for x_k in x])
    np.testing.assert_array_max_ulp(tanh(x), exact, maxulp=3)
    exact = np.array([naive.sigmoid(x_k) for x_k in x])
    np.testing.assert_allclose(sigmoid(x), exact, rtol=0, atol=1e-15)
    assert sigmoid(x).min() >= 0
    assert sigmoid(x).max() <= 1


@each_dtype
def test_gate_functions_are_symmetric(dtype):
    x = line(dtype)
    np.testing.assert_array_equal(tanh(-x), -tanh(x))
    np.testing.assert_allclose(sigmoid(-x), 1 - sigmoid(x), rtol=0, atol=np.finfo(dtype).eps)
    np.testing.assert_array_equal(tanh(np.array([0.0, -0.0], dtype)), [0, 0])
    np.testing.assert_array_equal(sigmoid(np.array([0.0, -0.0], dtype)), [0.5, 0.5])


@each_dtype
def test_gate_functions_keep_nan(dtype):
    x = np.array([0.0, np.nan, 1.0] * 7, dtype)
    np.testing.assert_array_equal(np.isnan(tanh(x)), np.isnan(x))
    np.testing.assert_array_equal(np.isnan(sigmoid(x)), np.isnan(x))


# ------------------------------------------------------------------- vanishing gradients


@pytest.mark.parametrize(("dtype", "threshold"), [(np.float32, 1e-18), (np.float64, 1e-40)])
def test_what_is_below_the_threshold_becomes_zero(dtype, threshold):
    kept = [threshold * 1.001, 1.0, np.finfo(dtype).max, np.inf]
    gone = [threshold * 0.999, np.finfo(dtype).tiny, np.finfo(dtype).smallest_subnormal, 0.0]
    x = np.array(kept + gone, dtype)
    x = np.concatenate([x, -x])
    expected = np.where(abs(x) > dtype(threshold), x, dtype(0))
    np.testing.assert_array_equal(flush(x), expected)
    assert np.count_nonzero(expected) == 2 * len(kept)
    assert np.isnan(flush(np.array([np.nan] * 5, dtype))).all()


@pytest.mark.parametrize(
    ("dtype", "T"),
    [(np.float32, 150), pytest.param(np.float64, 1000, marks=pytest.mark.compiled)],
)
@each_cell
def test_vanishing_gradients_leave_no_denormals(cell, dtype, T):
    """Only last steps get a gradient; small weights and gates shrink it on the way back.

    Only the last value of dc is kept, so that many lengths are needed to catch it at every size.
    """
    random = np.random.default_rng(0)
    H = 2
    p = make_parameters(random, cell, 2, H, dtype)
    if "W_h" in p:
        p["W_h"] *= dtype(0.25)
    p["b"] -= dtype(1)
    sequences = make_sequences(random, range(T, 0, -T // 50), 2, H, dtype)
    for s in sequences:
        s["dh"][:-1] = 0
    v = make_arrays(random, cell, p, sequences)
    forward(cell, v)
    backward(cell, v)
    assert np.all(v.da[-1, 0])
    assert not v.da[0, 0].any()
    for gradient in (v.da, v.du_n, v.dh, v.dc):
        small = abs(gradient[gradient != 0])
        assert small.min(initial=np.inf) >= np.finfo(dtype).tiny


def test_a_closed_reset_gate_leaves_no_denormal():
    da = np.array([[1e-30, 0.5, 0.5]], np.float32)  # r, z, n
    u_n, h, dh = np.ones((3, 1, 1), np.float32)
    cells.gru_step_backward(
        1, da, np.zeros_like(da), u_n, np.zeros(4, np.float32), h, 1e-10 * dh, dh
    )
    assert 0 < da[0, 2] < 1e-9
    assert u_n[0, 0] == 0
