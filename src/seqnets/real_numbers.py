"""X must hold only real numbers; the error tells where the first thing is that is not one."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from numbers import Number
from typing import Any

import numpy as np
from sklearn.utils._missing import is_pandas_na

NUMBERS = (Number, np.bool_, type(None))  # None becomes NaN, or raises elsewhere
CONVERSION_METHODS = "__array__", "__len__", "__float__", "__index__"  # what NumPy can convert
DATES = "whose numbers depend on a unit: convert it, for example to days since the first date."
TEXTS_HINT = (
    "SequenceVectorizer turns texts into sequences of token ids: "
    "make_pipeline(SequenceVectorizer(), RecurrentClassifier(embedding_dim=64)); lists of words "
    'need SequenceVectorizer(analyzer=list), texts without spaces and DNA analyzer="char".'
)
TEXT_COLUMN_HINT = (
    "Leave that column out, or encode it, for example with OneHotEncoder(sparse_output=False); if "
    f"its texts are to be classified, pass that column alone. {TEXTS_HINT}"
)
NUMBERS_HINT = (
    " If they are numbers, pass X.astype(float), or, if X is a list, "
    "[np.asarray(x, dtype=float) for x in X]."
)
RECORDS_HINT = (
    "Pass records as data frames: pd.DataFrame(X) if there is one record per sequence, "
    "[pd.DataFrame(x) for x in X] if there is one per step."
)
NOT_REAL = {complex, np.complex64, np.complex128, np.clongdouble, np.timedelta64}  # also Numbers


def demand_real_numbers(X: Any, name: str, advice: str = TEXTS_HINT) -> None:
    """Raise for the first thing in X that is not a real number; say where it is."""
    X = X.item() if isinstance(X, np.ndarray) and X.ndim == 0 else X
    if is_frame(X):
        demand_real_columns(X, name, advice)
        return
    if hasattr(X, "__array__") and dtype_kind(X) == "-":
        X = np.asarray(X)  # of polars or Arrow, whose strings NumPy would read as numbers
    kind = dtype_kind(X)
    if kind in "mMV":
        what = "but sequences must hold real numbers." if kind == "V" else DATES
        raise TypeError(f"{name} has dtype {X.dtype}, {what}")
    of_no_strings = kind in "UST" and np.size(X) == 0
    if isinstance(X, str | bytes) or of_no_strings:
        shown = f"has dtype {X.dtype}" if of_no_strings else f"is {reprlib.repr(X[:])}"
        raise TypeError(
            f"X holds strings, but series and token ids are numbers: {name} {shown}. {advice}"
            + (NUMBERS_HINT if is_numeric(X) else "")
        )
    if isinstance(X, complex) or kind == "c":
        given = f"has dtype {X.dtype}" if np.ndim(X) else f"is {X}"
        raise ValueError(
            f"Complex data not supported: {name} {given}, but sequences must hold real numbers."
        )
    if isinstance(X, list | tuple) or kind in "OUST":
        types = set(map(type, X))  # few, while a call for each number would take long
        if not all(issubclass(t, NUMBERS) for t in types) or types & NOT_REAL:
            for i, x in enumerate(X):
                if isinstance(x, Mapping) and kind == "-":
                    raise TypeError(f"{name}[{i}] is {reprlib.repr(x)}. {RECORDS_HINT}")
                demand_real_numbers(x, f"{name}[{i}]", advice)
    elif not isinstance(X, NUMBERS) and not any(
        hasattr(X, method) for method in CONVERSION_METHODS
    ):
        error = ValueError if is_pandas_na(X) else TypeError
        raise error(f"{name} is {reprlib.repr(X)}, but sequences must hold real numbers.")


def demand_real_columns(frame: Any, name: str, advice: str) -> None:
    """The same for a data frame; if other columns hold numbers, advise to leave this one out."""
    if dtype_kind(np.asarray(frame)) in "biuf":  # checking each column takes 3 to 9 times as long
        return
    columns = {column: np.asarray(frame[column]) for column in frame.columns}
    some_numbers = any(values.dtype.kind in "biuf" for values in columns.values())
    for column, values in columns.items():
        where = f"{name}[{column!r}]"
        demand_real_numbers(values, where, TEXT_COLUMN_HINT if some_numbers else advice)


def check_unmasked(given: Any, name: str, instead: str) -> None:
    """Refuse a masked array, whose masked numbers would be read like all others."""
    if isinstance(given, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array, but masks are not supported: {instead}.")


def is_numeric(X: Any) -> bool:
    """Whether this text stands for a number."""
    try:
        return np.isfinite(float(X))
    except (TypeError, ValueError):
        return False


def dtype_kind(X: Any) -> str:
    """NumPy's letter for the dtype of an array, "-" for anything else."""
    return getattr(getattr(X, "dtype", None), "kind", "-")


def is_frame(x: Any) -> bool:
    """Whether it is a data frame, pandas' or polars'."""
    # Ask the class, not the object: pandas takes 20 us to list the dtypes of a frame.
    return hasattr(type(x), "columns") and hasattr(type(x), "dtypes")
