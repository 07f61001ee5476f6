"""Gradients by differences, the judge of every formula that was derived by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

STEP = 2.0**-10
# The rounding error of a difference quotient of a function near 1; gradients smaller than
# RESOLUTION / tolerance can't be checked.
RESOLUTION = 2.0**-50 / STEP


def central_differences(
    function: Callable[[], float], arrays: Mapping[str, np.ndarray], step: float = STEP
) -> dict[str, np.ndarray]:
    """d function() / d every number of `arrays`, which `function` reads; float64 only.

    Four points, so that the error of the formula falls with step^4. This allows a step that is long
    enough to rise above rounding, and short enough that few maxima move to another step.
    """
    gradients = {}
    for name, array in arrays.items():
        if array.dtype != np.float64:
            raise TypeError(f"{name} is {array.dtype}: differences need float64")
        gradients[name] = np.empty(array.shape)
        for index in np.ndindex(array.shape):
            middle = array[index]
            value = {}
            for k in (-2, -1, 1, 2):
                array[index] = middle + k * step
                value[k] = function()
            array[index] = middle
            near, far = value[1] - value[-1], value[2] - value[-2]
            gradients[name][index] = (8 * near - far) / (12 * step)
    return gradients


def relative_error(analytic, numeric, tolerance: float = 1e-6) -> float:
    """The largest |a - n| / max(|a|, |n|), the denominator at least RESOLUTION / tolerance."""
    a, n = np.asarray(analytic, dtype=float), np.asarray(numeric, dtype=float)
    if a.shape != n.shape:
        raise ValueError(f"shapes {a.shape} and {n.shape}")
    floor = RESOLUTION / tolerance
    scale = np.maximum(np.maximum(abs(a), abs(n)), floor)
    return float(np.max(abs(a - n) / scale, initial=0.0))


def assert_gradients(
    function: Callable[[], float],
    arrays: Mapping[str, np.ndarray],
    gradients: Mapping[str, np.ndarray],
    tolerance: float = 1e-6,
) -> None:
    """`gradients` are those of `function()` with respect to `arrays`, within `tolerance`."""
    for name, numeric in central_differences(function, arrays).items():
        error = relative_error(gradients[name], numeric, tolerance)
        hint = "unless a maximum changes hands within STEP, the formula is wrong"
        assert error < tolerance, f"d {name}: relative error {error:.2g}; {hint}"  # NaN fails too
