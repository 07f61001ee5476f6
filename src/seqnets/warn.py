"""Warnings that point at the user's own line."""

from __future__ import annotations

import sys
import types
import warnings

# Packages between the user's line and here; packages at the bottom of a worker's stack.
SKIPPED_PACKAGES = ("seqnets", "sklearn", "joblib", "numba", "contextlib")
WORKER_PACKAGES = ("concurrent", "multiprocessing", "threading")


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the user's line that called this package, directly or through scikit-learn.

    A joblib worker has no such line; then warn at the line of this package that warns.
    """
    level, frame = 1, sys._getframe()
    while frame.f_back and package_of(frame) in SKIPPED_PACKAGES:
        level, frame = level + 1, frame.f_back
    warnings.warn(
        message, category, stacklevel=2 if package_of(frame) in WORKER_PACKAGES else level
    )


def package_of(frame: types.FrameType) -> str:
    return str(frame.f_globals.get("__name__")).partition(".")[0]
