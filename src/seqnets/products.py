"""Matrix products for few rows, C (n, N) += A (n, K) B (K, N), and sums of products over steps.

In BLAS, the bits of a row's result depend on the other rows, and it is slow for the few rows of one
time step. Here, the sums of a row always run in the same order, so that a prediction depends on its
sequence alone.

B comes in panels (P, K, W): panel p holds the columns from p W on, zero beyond the last column. So
the innermost loop reads contiguous numbers of B, and a tile of C, `TILE_ROWS` rows by one panel,
stays in registers over `DEPTH` terms of its sums. LLVM does not find this by itself, since it only
vectorizes innermost loops; hence the vectors are spelled out. GFLOP/s of one core, float32, with
AVX2 (Zen 3) and with AVX-512 (Sapphire Rapids):

                             AVX2: tiles, plain loops, OpenBLAS    AVX-512: tiles, OpenBLAS
    (16, 64) x (64, 256)           81           25        58                175      105
    (16, 128) x (128, 512)         90           33        58                170       85
    (16, 512) x (512, 2048)        76           26        59                115       65
    768 x 768 x 768                91                     92                         190
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from .jit import inlined, instructions, kernel
from .registers import has_avx512

TILE_ROWS = 4  # of a tile, which is one panel wide
TALL_ROWS = 6  # of a tile of sums over steps: it uses each number of B more often
STRIP = 64  # rows of C at a time: with many, each panel would read all of A from memory again
# Bytes of a register, and of a panel's width: the sums of a tile fill half of the registers. Each
# number of C is summed over k alone, so these sizes change no bit of sums of up to `DEPTH` terms.
VECTOR, WIDTH = (64, 256) if has_avx512() else (32, 64)
# Terms of a sum at a time; longer sums are cut into parts, so that 32 KB of B stay in the cache
# while a strip needs them. With a quarter of that, a step at 512 units takes 5 % longer.
DEPTH = 2**15 // WIDTH
UNROLLED = 4  # terms per iteration: one at a time takes 7 % longer at 64 terms, 9 % at 512
PANELS = 8 * VECTOR // WIDTH  # that a single row takes at once: more sums run independently
# Bytes of columns up to which half of a panel's registers suffice: at 32 units, a step takes 10 %
# less time. The fewer shorter ones would only wait for each other.
NARROW = WIDTH // 2 if VECTOR == 64 else 0
CONTRACT = ("contract",)  # a product may fuse with the sum that it goes into


def whole_tiles(n: int) -> int:
    """n rows, rounded up to whole tiles."""
    return n + -n % TILE_ROWS


def typed_no_rows(typing_context):
    empty = types.Array(types.int64, 1, "C")
    return empty(), lambda context, *_: context.get_constant_null(empty)


# no_rows(): an array of no numbers, for which nothing is allocated.
no_rows = instructions(typed_no_rows, lambda: np.empty(0, np.int64))


@inlined
def add_product(n, A, B, C):
    """C[:n] += A[:n] B, B in panels; rows after n, up to a whole tile, may be added to as well."""
    product_plus_rows(n, A, B, C, no_rows(), C)


@kernel
def product_plus_rows(n, A, B, X, rows, C):
    """C[:n] = A[:n] B + X[rows[:n]], B in panels; C[:n] += A[:n] B if there are no `rows`.

    Rows after n, up to a whole tile, may be written to as well; `rows` has a number for them, too:
    below 0, it stands for row 0. With `rows`, K is at least 1. A tile adds the row of X to its sums
    before it stores them. If rows are copied to C first, an LSTM's prediction takes 7 % longer.
    """
    P, K, W = B.shape
    full = C.shape[1] // W
    at_once = full - full % PANELS if n % TILE_ROWS == 1 else 0
    for first in range(0, n, STRIP):
        for p in range(P):
            last = min(first + STRIP, n - 1 if p < at_once else n)
            n_columns = min(W, C.shape[1] - p * W)
            for start in range(0, K, DEPTH):
                stop = min(K, start + DEPTH)
                for i in range(first, last, TILE_ROWS):
                    if NARROW == 0 or n_columns * B.itemsize > NARROW:
                        add_tile(A, B, C, X, rows, p, i, n_columns, start, stop)
                    else:
                        add_narrow_tile(A, B, C, X, rows, p, i, n_columns, start, stop)
    for p in range(0, at_once, PANELS):  # a row alone
        for start in range(0, K, DEPTH):
            add_row(A, B, C, X, rows, p, n - 1, W, start, min(K, start + DEPTH))


# Whether we also compute the backward pass's products over all steps. With the shorter registers,
# BLAS takes less time, since the pieces of rows that our sums read are short and far apart.
OWN_PRODUCTS = VECTOR == 64


@kernel
def add_sums(n_active, A, B, C):
    """C (M, N) += the sum over t of A[t, :n]^T B[t, :n], n = n_active[t]; A (T, R, M), B (T, R, N).

    B's rows are read in place, the last panel beyond its row's end; after the last row,
    `workspace.zeros` leaves room. (32 x 50, 64)^T x (32 x 50, 256) runs at 250 GFLOP/s on a Zen 5;
    with BLAS, which takes all rows, at 120.
    """
    T, R, M = A.shape
    N, W = B.shape[2], WIDTH // B.itemsize
    columns, lines = A.reshape(T * R, M).T, B.reshape(T * R, N)
    # From 4 rows on, tiles of 6 and of 4 rows, few of the latter, leave at most one row.
    in_short = min(-(M // 2) % 3 * TILE_ROWS, M // TILE_ROWS * TILE_ROWS)
    in_tall = (M - in_short) // TALL_ROWS * TALL_ROWS
    in_tiles = in_tall + in_short
    for p in range(-(-N // W)):
        n_columns = min(W, N - p * W)
        first = 0
        for t in range(T):  # full steps are contiguous, so they are summed together
            last = t * R + n_active[t]
            if n_active[t] < R or last - first + R > DEPTH or t == T - 1:
                for start in range(first, last, DEPTH):
                    stop = min(last, start + DEPTH)
                    for i in range(0, in_tall, TALL_ROWS):
                        add_tall_tile(columns, lines, C, C, no_rows(), p, i, n_columns, start, stop)
                    for i in range(in_tall, in_tiles, TILE_ROWS):
                        add_tile(columns, lines, C, C, no_rows(), p, i, n_columns, start, stop)
                    for i in range(in_tiles, M):
                        add_line(columns, lines, C, C, no_rows(), p, i, n_columns, start, stop)
                first = (t + 1) * R


def panels_shape(K: int, N: int, dtype: np.dtype) -> tuple[int, int, int]:
    """The shape of B (K, N) in panels."""
    W = WIDTH // dtype.itemsize
    return -(-N // W), K, W


def fill_panels(B: np.ndarray, panels: np.ndarray) -> None:
    """Copy B (K, N), which may be a transpose, into panels."""
    _, K, W = panels.shape
    n_whole, rest = divmod(B.shape[1], W)
    if B.flags.c_contiguous and not rest:
        line = f"V{W * B.itemsize}"  # copied as whole lines, in half the time
        panels.view(line)[..., 0] = B.view(line).T
        return
    panels[:n_whole] = B[:, : n_whole * W].reshape(K, n_whole, W).swapaxes(0, 1)
    if rest:
        panels[n_whole, :, :rest] = B[:, n_whole * W :]
        panels[n_whole, :, rest:] = 0


def in_panels(B: np.ndarray) -> np.ndarray:
    """B (K, N) in new panels."""
    K, N = B.shape
    panels = np.empty(panels_shape(K, N, B.dtype), B.dtype)
    fill_panels(B, panels)
    return panels


def in_vectors(n_rows: int, n_panels: int = 1, n_bytes: int = WIDTH) -> Callable:
    """A function for kernels, which is replaced by the code that `build_vector_code` writes.

    There is no function call: passing three arrays took a sixth of a tile's time at 64 terms.
    """

    def typed(typing_context, A, B, C, X, rows, p, i, n_columns, start, stop):
        signature = types.void(A, B, C, X, rows, *(types.intp,) * 5)
        return signature, functools.partial(build_vector_code, n_rows, n_panels, n_bytes)

    def interpreted(A, B, C, X, rows, p, i, n_columns, start, stop):
        for row, panel in itertools.product(range(i, i + n_rows), range(p, p + n_panels)):
            add_part(A, B, C, X, rows, panel, row, n_columns, start, stop)

    return instructions(typed, interpreted)


# C[i:i+R, p W:] += A[i:i+R, start:stop] B[p, start:stop, :n_columns] for R rows, and for several
# panels from p on, n_columns of each. With `rows`, the first terms of a sum, from start = 0 on, are
# added to X[rows[i:i+R], p W:] instead. B may also be a matrix as it is: B[start:stop, p W:].
add_tile = in_vectors(TILE_ROWS)
add_tall_tile = in_vectors(TALL_ROWS)
add_narrow_tile = in_vectors(TILE_ROWS, 1, WIDTH // 2)
add_line = in_vectors(1)
add_row = in_vectors(1, PANELS)


def add_part(A, B, C, X, rows, p, i, n_columns, start, stop):
    """The same in NumPy for one row and one panel, if nothing is compiled."""
    first = p * WIDTH // B.itemsize
    columns = slice(first, first + n_columns)
    panel = B[p, :, :n_columns] if B.ndim == 3 else B[:, columns]
    total = np.zeros_like(C[i, columns])
    for k in range(start, stop):
        total += A[i, k] * panel[k]
    before = X[max(rows[i], 0)] if rows.size > 0 and start == 0 else C[i]
    C[i, columns] = before[columns] + total


class Operands:
    """Writes code that finds numbers of A, B, C and X; if Numba checks bounds, they are inside."""

    def __init__(self, context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> None:
        self.context, self.builder = context, builder
        self.types, self.values = signature.args, arguments
        self.integer = context.get_value_type(types.intp)
        self.W = self.integer(WIDTH * 8 // signature.args[0].dtype.bitwidth)
        _, _, self.n_columns, self.start, _ = arguments[5:]

    def pointer(self, name: str, *place: Any) -> Any:
        """To one number of an array."""
        which = ["A", "B", "C", "X", "rows"].index(name)
        array_type, value = self.types[which], self.values[which]
        array = self.context.make_array(array_type)(self.context, self.builder, value)
        check = {"wraparound": False, "boundscheck": self.context.enable_boundscheck}
        return cgutils.get_item_pointer(
            self.context, self.builder, array_type, array, place, **check
        )

    def part(self, name: str, *place: Any, n: Any) -> Any:
        """A pointer to n numbers of a row."""
        if self.context.enable_boundscheck:
            last = self.builder.sub(self.builder.add(place[-1], n), self.integer(1))
            self.pointer(name, *place[:-1], last)
        return self.pointer(name, *place)

    def panel_row(self, panel: Any, k: Any) -> Any:
        """A pointer to a row of a panel of B, or of B itself, which may end within the panel."""
        if self.types[1].ndim == 3:
            return self.part("B", panel, k, self.integer(0), n=self.W)
        return self.pointer("B", k, self.builder.mul(panel, self.W))

    def summand(self, row: Any, column: Any) -> Any:
        """A pointer to what the sums are added to: the row of X, or C for later terms."""
        builder, zero = self.builder, self.integer(0)
        found = cgutils.alloca_once_value(builder, self.pointer("C", row, column))
        rows = self.context.make_array(self.types[4])(self.context, builder, self.values[4])
        has_rows = builder.icmp_signed(">", rows.nitems, zero)
        is_first = builder.icmp_signed("==", self.start, zero)
        with builder.if_then(builder.and_(has_rows, is_first)):
            given = builder.load(self.pointer("rows", row))
            named = builder.icmp_signed(">=", given, zero)
            of_X = builder.select(named, given, zero)
            builder.store(self.part("X", of_X, column, n=self.n_columns), found)
        return builder.load(found)


def build_vector_code(
    n_rows: int,
    n_panels: int,
    n_bytes: int,
    context: Any,
    builder: ir.IRBuilder,
    signature: Any,
    arguments: Any,
) -> Any:
    """Write the code: sums over k in registers, plus a row of X or C, in whole panels or a part."""
    kind = signature.args[0].dtype
    number, size = context.get_value_type(kind), kind.bitwidth // 8
    vector, parts = ir.VectorType(number, VECTOR // size), range(n_bytes // VECTOR)
    integer = context.get_value_type(types.intp)
    p, i, n_columns, start, stop = arguments[5:]
    operands = Operands(context, builder, signature, arguments)

    def first_vector(start: Any) -> Any:
        """A pointer to the vector that begins with this number."""
        return builder.bitcast(start, vector.as_pointer())

    def line(start: Any) -> list[Any]:
        """Pointers to this vector and those after it."""
        return [builder.gep(first_vector(start), [integer(part)]) for part in parts]

    def load(place: Any) -> Any:
        return builder.load(place, align=size)

    def repeat(value: Any) -> Any:
        """A vector of one number."""
        unset = ir.Constant(vector, ir.Undefined)
        only_first = builder.insert_element(unset, value, ir.IntType(32)(0))
        all_first = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), None)
        return builder.shuffle_vector(only_first, unset, all_first)

    rows = [builder.add(i, integer(row)) for row in range(n_rows)]
    panels = [builder.add(p, integer(panel)) for panel in range(n_panels)]
    places = [(row, builder.mul(panel, operands.W)) for row in rows for panel in panels]
    zero = ir.Constant(vector, None)
    totals = [[cgutils.alloca_once_value(builder, zero) for _ in parts] for _ in places]

    def add_term(k: Any) -> None:
        a = [repeat(load(operands.pointer("A", row, k))) for row in rows]
        b = [[load(place) for place in line(operands.panel_row(panel, k))] for panel in panels]
        for total, (a_k, b_k) in zip(totals, itertools.product(a, b), strict=True):
            for part in parts:
                product = builder.fmul(a_k, b_k[part], flags=CONTRACT)
                total_so_far = builder.fadd(builder.load(total[part]), product, flags=CONTRACT)
                builder.store(total_so_far, total[part])

    several = integer(UNROLLED)
    rest = builder.sub(stop, builder.srem(builder.sub(stop, start), several))
    with cgutils.for_range_slice(builder, start, rest, several) as (k, _):
        for more in range(UNROLLED):
            add_term(builder.add(k, integer(more)))
    with cgutils.for_range_slice(builder, rest, stop, integer(1)) as (k, _):
        add_term(k)
    starts = [
        (operands.part("C", *place, n=n_columns), operands.summand(*place)) for place in places
    ]
    with builder.if_else(builder.icmp_signed("==", n_columns, operands.W)) as (whole, narrow):
        with whole:
            for (place, before), total in zip(starts, totals, strict=True):
                for to, old, sums in zip(line(place), line(before), total, strict=True):
                    builder.store(builder.fadd(load(old), builder.load(sums)), to, align=size)
        with narrow:
            n_vectors = builder.udiv(n_columns, integer(vector.count))
            done = builder.mul(n_vectors, integer(vector.count))
            for (place, before), total in zip(starts, totals, strict=True):
                sums = cgutils.alloca_once(builder, ir.ArrayType(vector, len(parts)))
                for part in parts:
                    to = cgutils.gep_inbounds(builder, sums, 0, part)
                    builder.store(builder.load(total[part]), to)
                with cgutils.for_range(builder, n_vectors) as q:
                    to, old = (builder.gep(first_vector(at), [q.index]) for at in (place, before))
                    more = builder.load(cgutils.gep_inbounds(builder, sums, 0, q.index))
                    builder.store(builder.fadd(load(old), more), to, align=size)
                numbers = builder.bitcast(sums, number.as_pointer())
                with cgutils.for_range_slice(builder, done, n_columns, integer(1)) as (q, _):
                    more = builder.load(builder.gep(numbers, [q]))
                    old = builder.load(builder.gep(before, [q]))
                    builder.store(builder.fadd(old, more), builder.gep(place, [q]))
    return context.get_dummy_value()
