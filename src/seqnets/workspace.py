"""The arrays that the passes over a batch write into, kept from batch to batch."""

from __future__ import annotations

import math

import numpy as np

from .prefetch import LINE
from .products import WIDTH, fill_panels, panels_shape

PAGE = 4096  # bytes of memory that the system hands out at once

Parameters = dict[str, np.ndarray]  # by name


class GivenUpError(Exception):
    """Nobody waits for the result any more."""


class Call:
    """What the workspaces of one call have in common; not an Event, which takes 10 µs."""

    is_awaited = True


class Workspace:
    """Arrays by name, kept from batch to batch: a new large one costs a fault for each page."""

    def __init__(self, dtype: np.dtype) -> None:
        self.dtype = dtype
        self._buffers: dict[str, np.ndarray] = {}
        self._arrays: dict[str, np.ndarray] = {}
        self._filled: set[str] = set()
        self._call: Call | None = None

    def array(self, name: str, *shape: int, dtype: type | None = None) -> np.ndarray:
        """An array of this shape. It holds what was last written under its name, in any shape, or
        zeros once it has grown; a name keeps its first dtype.
        """
        array = self._arrays.get(name)
        if array is None or array.shape != shape:  # a batch asks for most of them several times
            size = math.prod(shape)
            buffer = self._buffers.get(name)
            if buffer is None or buffer.size < size:
                buffer = self._buffers[name] = zeros(size, np.dtype(dtype or self.dtype))
            array = self._arrays[name] = buffer[:size].reshape(shape)
        return array

    @property
    def n_bytes(self) -> int:
        """The memory of all its arrays."""
        return sum(buffer.nbytes for buffer in self._buffers.values())

    def panels(self, name: str, B: np.ndarray) -> np.ndarray:
        """B as `add_product` reads it; copied once per call if `begin` is used, else each time."""
        K, N = B.shape
        panels = self.array(f"{name} in panels", *panels_shape(K, N, self.dtype))
        if name not in self._filled:
            fill_panels(B, panels)
            if self._call is not None:
                self._filled.add(name)
        return panels

    def begin(self, call: Call) -> None:
        """Begin work on a call; parameters must not change until this is called with another."""
        if self._call is not call:
            self._filled.clear()
            self._call = call

    def check_awaited(self) -> None:
        """Raise an error between two kernels, if the caller was interrupted and waits for us."""
        if self._call is not None and not self._call.is_awaited:
            raise GivenUpError


Gradients = Workspace | None  # by parameter; None where none are wanted


def zeros(size: int, dtype: np.dtype) -> np.ndarray:
    """Zeros that begin at a cache line: vectors across two lines cost a tenth of the speed.

    There is room after them, since `products.add_sums` reads beyond them.
    """
    n_bytes = size * dtype.itemsize
    if n_bytes < PAGE:  # finding out where they begin takes longer than making them
        return np.zeros(size + WIDTH // dtype.itemsize, dtype)[:size]
    raw = np.zeros(LINE + n_bytes + WIDTH, np.uint8)
    start = -raw.ctypes.data % LINE
    return raw[start : start + n_bytes].view(dtype)
