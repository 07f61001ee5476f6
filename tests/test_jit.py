"""The decorator of every kernel: what its flags mean; code from disk is as good as new."""

from __future__ import annotations

import os

import numba
import numpy as np
import pytest
from helpers import run_python

from seqnets.jit import FLAGS, by_precision, kernel
from seqnets.layers import CELLS

FORKS = """
import os, threading
import numba
from numba.core.compiler_lock import global_compiler_lock
from seqnets import jit

compiling, go = threading.Event(), threading.Event()

def compile_for_long():
    with global_compiler_lock:
        compiling.set()
        go.wait(1)

threading.Thread(target=compile_for_long).start()
compiling.wait()
child = os.fork()
if child == 0:
    assert numba.njit(lambda x: x + 1)(1) == 2
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.compiled
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are POSIX'")
def test_a_fork_waits_for_a_compilation_in_another_thread():
    """Otherwise, the child would wait for that thread's lock forever."""
    assert run_python(FORKS, timeout=60, PYTHONWARNINGS="ignore") == "7\n"


# --------------------------------------------------------------------------------- flags


@kernel
def divide(x, y, out):
    for i in range(x.size):
        out[i] = x[i] / y[i]


@kernel
def difference_is_nan(x, y, out):
    for i in range(x.size):
        out[i] = np.isnan(x[i] - y[i])


@kernel
def allocate(n, out):
    x = np.zeros(n)
    out[0] = x[0]


@pytest.mark.compiled
@pytest.mark.skipif("_nrt" not in FLAGS, reason="this Numba always counts references")
def test_a_kernel_that_allocates_is_refused():
    with pytest.raises(numba.TypingError, match="zeros"):
        allocate(3, np.zeros(1))


def test_division_by_zero_gives_infinity():
    x, out = np.array([1.0, -1.0, 0.0, 6.0]), np.empty(4)
    with np.errstate(divide="ignore", invalid="ignore"):  # plain Python gives NumPy's warnings
        divide(x, np.array([0.0, 0.0, 0.0, 3.0]), out)
    np.testing.assert_array_equal(out, [np.inf, -np.inf, np.nan, 2.0])


def test_nan_is_seen():
    x, out = np.array([np.nan, np.inf, np.inf, 1.0] * 8), np.empty(32, dtype=bool)
    with np.errstate(invalid="ignore"):
        difference_is_nan(x, np.array([1.0, np.inf, 1.0, 1.0] * 8), out)
    np.testing.assert_array_equal(out, [True, True, False, False] * 8)


# ------------------------------------------------------------------- one function of two


def single(x):
    return 32


def double(x):
    return 64


@by_precision(single, double)
def bits(x):
    """Which of the two was chosen."""


@pytest.mark.parametrize("call", [bits, numba.njit(**FLAGS)(lambda x: bits(x))])
def test_by_precision_chooses_by_type(call):
    assert call(np.float32(1)) == 32
    assert call(np.float64(1)) == 64
    assert call(1.0) == 64


def test_by_precision_keeps_name_and_docstring():
    assert bits.__name__ == "bits"
    assert bits.__doc__ == "Which of the two was chosen."


# --------------------------------------------------------------------------------- cache

SHOW_BITS = """
import hashlib
import sys
import numpy as np
from test_cells import CELLS, bits_in_company

cell = sys.argv[1]
for dtype in (np.float32, np.float64):
    for bits in bits_in_company(cell, 37, dtype):
        print(hashlib.sha256(b"".join(bits)).hexdigest())
print("from disk" if CELLS[cell].backward.stats.cache_hits else "compiled")
"""


@pytest.mark.compiled
@pytest.mark.parametrize(  # to compile the others anew takes minutes
    "cell",
    [cell if cell == "rnn" else pytest.param(cell, marks=pytest.mark.long) for cell in CELLS],
)
def test_a_kernel_from_disk_gives_the_bits_of_a_new_one(cell, tmp_path):
    """A second process finds the kernels of the first, and they are as good as new.

    With "reassoc" and "nsz" among the flags, they were not: LLVM then puts a sum's terms in
    another order whenever it compiles it again.
    """
    first, second = (run_python(SHOW_BITS, cell, NUMBA_CACHE_DIR=str(tmp_path)) for _ in range(2))
    *new_bits, new = first.splitlines()
    *old_bits, old = second.splitlines()
    assert (new, old) == ("compiled", "from disk")
    assert new_bits == old_bits
    assert len(set(old_bits)) == 2  # one for each dtype, whatever the company
