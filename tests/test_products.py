"""The product with few rows against the textbook's sums, and what is promised of its bits."""

from __future__ import annotations

import re

import numba
import numpy as np
import pytest
from helpers import run_python
from llvmlite import binding

from seqnets.products import (
    DEPTH,
    STRIP,
    TILE_ROWS,
    WIDTH,
    add_product,
    add_sums,
    product_plus_rows,
    whole_tiles,
)
from seqnets.registers import has_avx512
from seqnets.workspace import LINE, PAGE, Workspace

TOLERANCE = {np.float64: 1e-13, np.float32: 2e-6}

each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])
each_width = pytest.mark.parametrize("N", [1, 7, 8, 16, 20, 37, 64, 150])


def in_panels(B):
    work = Workspace(B.dtype)
    K, N = B.shape
    work.panels("B", np.full((K, N + WIDTH), np.nan, B.dtype))  # old numbers may not show
    return work.panels("B", B)


def test_rows_are_rounded_up_to_whole_tiles():
    assert [whole_tiles(n) for n in range(6)] == [0, 4, 4, 4, 4, 8]


@each_dtype
@each_width
@pytest.mark.parametrize("K", [1, 5])
def test_panels_hold_the_columns_side_by_side_and_zeros_after_the_last(K, N, dtype):
    B = np.arange(1, 1 + K * N, dtype=dtype).reshape(K, N)
    for panels in (in_panels(B), in_panels(np.asfortranarray(B))):
        side_by_side = np.concatenate(list(panels), axis=1)
        np.testing.assert_array_equal(side_by_side[:, :N], B)
        assert not side_by_side[:, N:].any()
        assert panels[0, 0].nbytes == WIDTH


@each_dtype
def test_large_panels_lie_on_cache_lines(dtype):
    assert in_panels(np.ones((64, 64), dtype)).ctypes.data % LINE == 0


@each_dtype
@pytest.mark.parametrize("size", [3, PAGE])
def test_there_is_room_after_an_array_for_a_read_of_full_width(size, dtype):
    array = base = Workspace(np.dtype(dtype)).array("x", size)
    while base.base is not None:
        base = base.base
    end = base.ctypes.data + base.nbytes
    assert array.ctypes.data + array.nbytes + WIDTH <= end


@each_dtype
@each_width
@pytest.mark.parametrize("K", [0, 1, 2, 9, 64, DEPTH + 43])
def test_add_product_is_the_product_of_whole_tiles(K, N, dtype):
    random = np.random.default_rng(0)
    A = random.normal(size=(STRIP + 12, K)).astype(dtype)
    B = random.normal(size=(K, N)).astype(dtype)
    start = random.normal(size=(STRIP + 12, N)).astype(dtype)
    for n in (0, 1, 4, 5, 9, STRIP + 1, STRIP + 6):
        C = start.copy()
        add_product(n, A, in_panels(B), C)
        expected = start[:n] + A[:n].astype(float) @ B
        np.testing.assert_allclose(C[:n], expected, rtol=0, atol=TOLERANCE[dtype] * (1 + K))
        np.testing.assert_array_equal(C[whole_tiles(n) :], start[whole_tiles(n) :])


@each_dtype
@each_width
@pytest.mark.parametrize("K", [1, 64, DEPTH + 43])
def test_product_plus_rows_has_the_bits_of_a_product_on_copied_rows(K, N, dtype):
    random = np.random.default_rng(0)
    A = random.normal(size=(STRIP + 12, K)).astype(dtype)
    B = in_panels(random.normal(size=(K, N)).astype(dtype))
    X = random.normal(size=(9, N)).astype(dtype)
    for n in (0, 1, 4, 5, 9, STRIP + 1, STRIP + 6):
        rows = np.full(len(A), -1)  # none is named after n
        rows[:n] = random.integers(len(X), size=n)
        expected, C = np.full((2, len(A), N), np.nan, dtype)
        expected[:n] = X[rows[:n]]
        add_product(n, A, B, expected)
        product_plus_rows(n, A, B, X, rows, C)
        np.testing.assert_array_equal(C[:n], expected[:n])
        assert np.isnan(C[whole_tiles(n) :]).all()


@each_dtype
@each_width
@pytest.mark.parametrize("M", [1, 2, 4, 7, 20])
@pytest.mark.parametrize(
    "n_active",
    [[8, 8, 8], [8, 8, 5, 2, 1], [8] * (DEPTH // 8 + 2), [3], [], [0], [DEPTH + 9]],
    ids=["full", "ragged", "many", "few", "none", "empty", "long"],
)
def test_add_sums_is_the_sum_over_steps_that_run(n_active, M, N, dtype):
    random, work = np.random.default_rng(0), Workspace(np.dtype(dtype))
    T, R = len(n_active), max([8, *n_active])
    A, B = work.array("A", T, R, M), work.array("B", T, R, N)
    start = random.normal(size=(M, N)).astype(dtype)
    expected = start.astype(float)
    for t, n in enumerate(n_active):
        A[t], B[t] = random.normal(size=(R, M)), random.normal(size=(R, N))
        expected += A[t, :n].astype(float).T @ B[t, :n]
        A[t, n:] = B[t, n:] = np.nan  # rows of ended sequences are not read
    C = start.copy()
    add_sums(np.array(n_active, dtype=np.int64), A, B, C)
    np.testing.assert_allclose(C, expected, rtol=0, atol=TOLERANCE[dtype] * (1 + sum(n_active)))


@each_dtype
@each_width
@pytest.mark.parametrize("K", [1, 7, 37])
def test_a_row_has_the_same_bits_at_any_place(K, N, dtype):
    random = np.random.default_rng(0)
    row, start = random.normal(size=K).astype(dtype), random.normal(size=N).astype(dtype)
    B = in_panels(random.normal(size=(K, N)).astype(dtype))
    seen = set()
    for place in range(2 * TILE_ROWS):
        for n in (place + 1, 2 * TILE_ROWS):
            A = random.normal(size=(2 * TILE_ROWS, K)).astype(dtype)
            C = random.normal(size=(2 * TILE_ROWS, N)).astype(dtype)
            A[place], C[place] = row, start
            add_product(n, A, B, C)
            seen.add(C[place].tobytes())
    assert len(seen) == 1


BITS = """
import numpy as np
from seqnets import cells, products
random = np.random.default_rng(0)
for dtype in (np.float32, np.float64):
    for n, K, N in [(1, 9, 5), (5, 64, 256), (8, 33, 150), (4, 120, 20)]:
        A, B = random.normal(size=(8, K)).astype(dtype), random.normal(size=(K, N)).astype(dtype)
        C = np.zeros((8, N), dtype)
        products.add_product(n, A, products.in_panels(B), C)
        c, h = np.zeros((2, n, K // 4), dtype)
        cells.lstm_step(n, A, c.copy(), c, h, np.zeros((0, n), np.int64), A)
        dc, gates = np.zeros_like(c), np.zeros(4 * c.shape[1], dtype)
        cells.lstm_step_backward(n, A, gates, c, c, h, dc)
        bits = (array.tobytes().hex() for array in (C[:n], h, dc, A))
        print(products.WIDTH, *bits, sep=",")
"""


@pytest.mark.parametrize(
    ("given", "avx", "expected"),
    [("+avx,+avx512f", 0, True), ("+avx", 1, False), ("", 1, False), (None, 0, False)],
)
def test_the_width_follows_from_the_features_that_name_a_file_on_disk(
    monkeypatch, given, avx, expected
):
    """Where Numba is given features, it ignores ENABLE_AVX. The width must ignore it, too, or
    one file on disk would stand for code of two widths."""
    monkeypatch.setattr(numba.config, "CPU_FEATURES", given)
    monkeypatch.setattr(numba.config, "ENABLE_AVX", avx)
    assert has_avx512() == expected


@pytest.mark.compiled
@pytest.mark.skipif(not has_avx512(), reason="the processor has the shorter registers alone")
def test_the_width_of_registers_changes_no_bit():
    """This holds for sums taken at once, which have no more terms than the smaller `DEPTH`, 128."""
    features = binding.get_host_cpu_features()
    shorter = ",".join(f"{'+' * has or '-'}{name}" for name, has in features.items()
                       if "avx512" not in name) + ",-avx512f"  # fmt: skip
    found = {}
    for given in ({}, {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": shorter}):
        lines = [line.partition(",") for line in run_python(BITS, **given).splitlines()]
        found[lines[0][0]] = [bits for _, _, bits in lines]
    assert len(found) == 2
    assert found["64"] == found["256"]


CODE = """
import numba
import numpy as np
from seqnets import cells, jit
a, h, rows = *np.ones((2, 4, 64), np.float32), np.zeros((1, 4), np.int64)
# compiled here, since a kernel from disk has no text
step = numba.njit(**jit.FLAGS, **jit.REGISTER_OPTIONS)(cells.rnn_step.py_func)
step(4, a, h, rows, a)
"""


@pytest.mark.compiled
@pytest.mark.skipif(not has_avx512(), reason="the processor has the shorter registers alone")
def test_loops_are_compiled_for_whole_registers():
    """On an Intel processor, too, where LLVM would take registers of half the width."""
    features = binding.get_host_cpu_features().flatten()
    given = {"NUMBA_CPU_NAME": "sapphirerapids", "NUMBA_CPU_FEATURES": features}
    assert re.search(
        r"vdivps\s+%zmm", run_python(CODE + "print(*step.inspect_asm().values())", **given)
    )


@pytest.mark.compiled
def test_rows_are_fetched_early():
    assert "@llvm.prefetch" in run_python(CODE + "print(*step.inspect_llvm().values())")
