"""The canary of the bounds run: kernels that leave their arrays are caught.

Without it, a run whose kernels do not have the check would pass and show nothing. The arrays are
parts of larger ones: an unchecked canary does no harm.
"""

from __future__ import annotations

import numpy as np
import pytest

from seqnets.jit import kernel
from seqnets.products import add_product, in_panels, product_plus_rows

pytestmark = [
    pytest.mark.bounds,
]


@kernel
def copy_next(x, out):
    out[0] = x[x.size]


def test_canary_is_caught():
    with pytest.raises(IndexError):
        copy_next(np.zeros(8)[:4], np.zeros(1))


def test_kernel_of_the_package_is_caught():
    """Its innermost part is written in LLVM and must ask for the check by itself."""
    A, B, C = np.zeros((8, 4)), in_panels(np.zeros((4, 4))), np.zeros((8, 4))
    add_product(8, A, B, C)
    with pytest.raises(IndexError):
        add_product(8, A[:4], B, C)
    with pytest.raises(IndexError):
        add_product(8, A[:, :3].copy(), B, C)
    with pytest.raises(IndexError):
        add_product(8, A, B, C[:4])
    with pytest.raises(IndexError):
        add_product(8, A, B[:, :, :-1].copy(), C)


def test_rows_that_a_product_is_added_to_are_caught():
    A, B, C = np.zeros((8, 4)), in_panels(np.zeros((4, 4))), np.zeros((8, 4))
    X, rows = np.zeros((3, 4)), np.array([0, 1, 2, 0, 1, 2, -1, -1])
    product_plus_rows(6, A, B, X, rows, C)
    with pytest.raises(IndexError):
        product_plus_rows(6, A, B, X, rows[:6], C)
    with pytest.raises(IndexError):
        product_plus_rows(6, A, B, X[:2], rows, C)
    with pytest.raises(IndexError):
        product_plus_rows(6, A, B, X[:, :3].copy(), rows, C)
