"""The canary of the bounds run: kernels that leave their arrays are caught.

Without it, a run whose kernels do not have the check would pass and show nothing. The arrays are
parts of larger ones: an unchecked canary does no harm.
"""

from __future__ import annotations

import numpy as np
import pytest

from seqnets.jit import kernel
from seqnets.products import add_product, in_panels

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
