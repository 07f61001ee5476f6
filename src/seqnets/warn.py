"""Warnings, which point at the user's own line."""

from __future__ import annotations

import sys
import warnings

# What lies between that line and here.
OURS = ("seqnets", "sklearn", "joblib", "numba", "contextlib")


def warn(message: str, category: type[Warning]) -> None:
    """Warn at the line that called into this package, or scikit-learn with it."""
    level, frame = 1, sys._getframe()
    while frame.f_back and str(frame.f_globals.get("__name__")).split(".")[0] in OURS:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
