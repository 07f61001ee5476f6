"""Every form of X is checked and becomes one ragged form: after this room nothing is unexpected.

Compiled code checks no bounds, so every value that a kernel will index with or compute on
passes through here. The kinds of X, fixed by fit:

    "2d"      array, data frame or equal nested lists of numbers: univariate, one step per column
    "3d"      array (n_sequences, n_steps, n_features); trailing all-NaN steps are padding
    "ragged"  list or 1-D object array of arrays (T_i,) or (T_i, n_features); unequal lists
    "tokens"  2-D or ragged ids, where the estimator has an embedding; 0 is padding
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_array
from sklearn.utils._missing import is_pandas_na
from sklearn.utils.validation import _check_feature_names, validate_data

from .batches import Sequences
from .real_numbers import DATES, NUMBERS, check_unmasked, demand_real_numbers, dtype_kind, is_frame
from .vocabulary import LARGEST_ID, PADDING, SERIES_HINT, hint_at, warn_of_zeros_between_ids
from .warn import warn

FLOAT, FLOATS = np.dtype(np.float64), [np.float64, np.float32]
FLOAT32 = {"float32", "Float32", "float[pyarrow]"}  # as pandas calls them
SINGLE = "Pass a single sequence x as [x]."
CHANNELS_FIRST = "If it is (n_sequences, n_features, n_steps), pass np.swapaxes(X, 1, 2)."


@contextlib.contextmanager
def overflow_as_value_error() -> Iterator[None]:
    """Raise ValueError where Python raises OverflowError: for ints too large for a float."""
    try:
        yield
    except OverflowError as error:
        raise ValueError(f"X holds a number that is too large: {error}.") from error


@overflow_as_value_error()
def read_tokens(X: Any, largest: int, first: bool = False) -> Sequences:
    """Ids as int64, without the padding; if `first`, warn of zeros that are hardly padding."""
    X = _as_list_or_table(X)
    if isinstance(X, list):
        values, offsets = _join_sequences(X)
        if values.shape[1] != 1:
            raise ValueError(
                f"Token sequences have one id per step, but those of X have {values.shape[1]}; "
                f"{SERIES_HINT}."
            )
    else:
        shape = np.shape(X)
        if len(shape) not in (0, 2):
            one = len(shape) == 1
            hint = ". Pass a single sequence x as [x]" if one else f"; {SERIES_HINT}"
            raise ValueError(
                f"X has shape {shape}: token ids are (n_sequences, n_steps), or a list of "
                f"sequences (n_steps,){hint}."
            )
        if not _is_matrix(X):
            X = check_array(X, dtype=None, ensure_all_finite=False)
        values, offsets = _from_matrix(_as_numbers(X, "X"))
    values = values.reshape(-1)
    if values.dtype.kind == "f":
        values = values.astype(np.float64)  # in float32, `largest` could be rounded up
    allowed = (values >= 0) & (values <= largest)
    if values.dtype.kind == "f":
        allowed &= values == np.floor(values)
    if not allowed.all():
        hint = "" if largest == LARGEST_ID else ", the last row of embeddings"
        rule = f"token ids are whole numbers from 0 to {largest}{hint}"
        rule += hint_at(float(values[allowed.argmin()]))
        _refuse(allowed, Sequences(values, offsets), rule)
    values = values.astype(np.int64)
    real = values != PADDING
    if real.all():
        return Sequences(values, offsets)
    kept_before = np.concatenate(([0], np.cumsum(real)))
    kept = Sequences(values[real], kept_before[offsets])
    if first:
        warn_of_zeros_between_ids(real, offsets, kept.offsets)
    return kept


@overflow_as_value_error()
def read_series(estimator: BaseEstimator, X: Any, first: bool = False) -> Sequences:
    """Series as (total, D) floats; float32 stays, all else becomes float64.

    If `first`, this is a fit, which sets `_kind` and `n_features_in_` on the estimator; else X is
    read as that kind and must agree with `n_features_in_`.
    """
    X = _as_list_or_table(X)
    if first:
        table_kind = "3d" if getattr(X, "ndim", 2) > 2 else "2d"
        estimator._kind = "ragged" if isinstance(X, list) else table_kind
    kind = estimator._kind
    if isinstance(X, np.ndarray) and X.ndim == 1:
        raise ValueError(
            f"X has shape {X.shape}. {SINGLE} Reshape your data, X.reshape(-1, 1), if each number "
            "is a series of one step."
        )
    if kind == "2d":
        return _read_2d(estimator, X, first)
    named = X
    if isinstance(X, list):
        series = _join_sequences(X)
        named = _with_names(X)
    else:
        X = check_array(X, dtype=FLOATS, ensure_all_finite=False, allow_nd=True)
        series = _from_matrix(X) if X.ndim == 2 else _from_padded(X)
        if not first and X.ndim == 2 and X.shape[1] == estimator.n_features_in_ == 1 < len(X):
            warn(f"X has shape {X.shape}, which is {len(X)} series of one step. {SINGLE}")
    hint = "; fill gaps, and leave out padding, which a list does not need"
    if kind == "3d":
        hint = "; NaN is padding only after a sequence's last step: fill gaps, or leave such steps "
        hint += "out, [x[~np.isnan(x).all(axis=1)] for x in X]"
    series = _as_finite_floats(series, hint, list(named.columns) if is_frame(named) else [])
    if not first and len(series.values) == 0:  # no step tells how many features there are
        series = series._replace(values=series.values.reshape(0, estimator.n_features_in_))
    n_features = series.values.shape[1]
    _check_feature_names(estimator, named, reset=first)
    if first:
        estimator.n_features_in_ = n_features
        if n_features > 1 and (series.lengths == 1).all() and np.shape(X)[1] == 1:
            warn(
                f"X has shape {np.shape(X)}, which is one step of {n_features} features per "
                f"sequence. {CHANNELS_FIRST}"
            )
    elif n_features != estimator.n_features_in_:
        hint = ""
        if getattr(X, "ndim", 0) in (2, 3) and X.shape[1] == estimator.n_features_in_:
            hint = " " + (CHANNELS_FIRST if X.ndim == 3 else SINGLE)
        raise ValueError(
            f"X has {n_features} features, but {type(estimator).__name__} is expecting "
            f"{estimator.n_features_in_} features as input.{hint}"
        )
    return series


def _read_2d(estimator: BaseEstimator, X: Any, first: bool) -> Sequences:
    """Univariate series; scikit-learn checks the number of columns and their names."""
    if getattr(X, "ndim", 2) == 3:
        raise ValueError(f"X has shape {np.shape(X)}, but fit was given (n_sequences, n_steps).")
    X = _same_widths(X)
    names = list(X.columns) if is_frame(X) else []
    dtype = np.float32 if is_frame(X) and set(map(str, X.dtypes)) <= FLOAT32 else FLOATS
    expected = None if first else getattr(estimator, "n_features_in_", None)
    if _is_matrix(X) and expected not in (None, X.shape[1]):
        raise ValueError(
            f"X has {X.shape[1]} features, but {type(estimator).__name__} is expecting "
            f"{expected} features as input: series in a 2-D array all have as many steps. If "
            "lengths may differ, pass lists of arrays, to fit, too: [np.asarray(x) for x in X]."
        )
    X = validate_data(estimator, X, dtype=dtype, ensure_all_finite=False, reset=first)
    hint = "; fill gaps, such as with SimpleImputer" if names else ""
    hint += "; if some end early, pass a list of series without padding"
    return _as_finite_floats(_from_matrix(X), hint, names)


def is_ragged(X: Any) -> bool:
    """Whether X holds its sequences one by one, each of its own length."""
    if isinstance(X, list | tuple):
        lengths = _lengths(X)
        apart = any(getattr(x, "ndim", 0) > 0 or hasattr(x, "to_numpy") for x in X)
        return apart or len(lengths) > 1 or lengths == {0}
    return getattr(X, "ndim", None) == 1 and dtype_kind(X) == "O" and len(_lengths(X)) > 0


def _as_list_or_table(X: Any) -> Any:
    """A ragged X as a list, any other as a table: an array, a frame or what check_array reads.

    Refuse sparse and masked arrays, texts and dates, which would pass for one of these.
    """
    is_column = hasattr(X, "to_numpy") and len(np.shape(X)) == 1  # of sequences
    dtype = FLOAT if is_frame(X) else getattr(X, "dtype", FLOAT)  # a column may be named "dtype"
    is_foreign = hasattr(X, "__array__") and not isinstance(dtype, np.dtype)
    if is_column or is_foreign:  # such as a tensor, whose float32 scikit-learn would not see
        X = np.asarray(X)
    if _all_arrays(X):
        return list(X)
    if _is_matrix(X) and X.dtype.isnative:
        return X
    are_plain = _all_lists(X)
    if not are_plain:
        _check_items(X)
    given = X
    if isinstance(X, list | tuple) and not is_ragged(X):
        try:
            X = np.asarray(X)
        except ValueError:
            _join_sequences(X)  # its error names the item at fault
            raise
    if is_ragged(X):
        if not are_plain:
            demand_real_numbers(given, "X")
        return list(X)
    table = np.asarray(X)
    if table.shape == (0,):
        raise ValueError("X is empty: there are no sequences in it.")
    if table.dtype.kind not in "biuf":  # of one string in a list, NumPy makes all of them strings
        demand_real_numbers(given if is_frame(X) or isinstance(given, list | tuple) else table, "X")
    if table.dtype == object and table.ndim > 1:
        _demand_no_sequences_in_cells(table)
    if isinstance(X, np.ndarray):
        return X.astype(X.dtype.newbyteorder("="), copy=False)
    return X


def _demand_no_sequences_in_cells(table: np.ndarray) -> None:
    """Refuse a table of sequences: one per row and channel, or several columns of them."""
    types = set(map(type, table.flat))  # few, even if there are many cells
    if all(issubclass(t, NUMBERS) for t in types):
        return
    if any(isinstance(x, list | tuple) or getattr(x, "ndim", 0) for x in table.flat):
        raise ValueError(
            'The cells of X hold sequences: pass one column, such as X["name"] or X[:, 0]; if the '
            "columns are channels, pass [np.column_stack(row) for row in np.asarray(X)]."
        )


def _check_items(X: Any) -> None:
    """Refuse X if it, or one of its items, would pass for something else."""
    is_container = isinstance(X, list | tuple | str | bytes) or hasattr(X, "__array__")
    if isinstance(X, Iterable) and not is_container and not sparse.issparse(X):
        raise TypeError(f"X is a {type(X).__name__}: pass sequences in a list or an array.")
    _check_item(X, "X")
    one_by_one = isinstance(X, list | tuple) or dtype_kind(X) == "O"
    for i, x in enumerate(X if one_by_one else ()):
        types = set(map(type, x)) if isinstance(x, list | tuple) else ()
        if any(issubclass(t, np.ma.MaskedArray) for t in types):  # few, even of many steps
            for step in x:
                check_unmasked(step, f"X[{i}]", "leave steps out")
        _check_item(x, f"X[{i}]")


def _check_item(x: Any, name: str) -> None:
    """Refuse what is masked, lazy, sparse, a group with its key, or has dates."""
    check_unmasked(x, name, "leave steps out")
    if hasattr(x, "collect"):
        raise TypeError(f"{name} is a {type(x).__name__}: collect() it first.")
    if isinstance(x, tuple) and len(x) == 2 and hasattr(x[1], "to_numpy"):
        raise TypeError(f"{name} is a group's key and its data: pass [x for _, x in groups].")
    columns = list(zip(x.columns, x.dtypes, strict=True)) if is_frame(x) else []
    if sparse.issparse(x) or {type(t).__name__ for _, t in columns} == {"SparseDtype"}:
        raise TypeError(
            f"{name} is sparse. Counts and tf-idf have lost the order of the words, which is "
            "what a recurrent network reads: turn the texts into sequences with "
            "SequenceVectorizer. For dense columns, OneHotEncoder has sparse_output=False, "
            "ColumnTransformer sparse_threshold=0."
        )
    for column, dtype in columns:  # pandas' or polars'
        if getattr(dtype, "kind", "-") in "mM" or getattr(dtype, "is_temporal", bool)():
            raise TypeError(f"{name}[{column!r}] has dtype {dtype}, {DATES}")


def _all_arrays(X: Any) -> bool:
    """Whether X holds plain arrays of numbers and nothing else.

    To check each array in full would take a fifth of the prediction time of a long list.
    """
    if not isinstance(X, list) and not (type(X) is np.ndarray and X.dtype == object):
        return False
    if set(map(type, X)) != {np.ndarray}:
        return False
    return {x.dtype.kind for x in X} <= set("biuf") and all(x.ndim for x in X)


def _all_lists(X: Any) -> bool:
    """Whether X is a list of lists of plain numbers: looking at each took half of a prediction."""
    if type(X) is not list or set(map(type, X)) != {list}:
        return False
    return set(map(type, itertools.chain.from_iterable(X))) <= {int, float}


def _is_matrix(X: Any) -> bool:
    """Whether X needs no `check_array`, which takes a quarter of a short prediction's time."""
    return type(X) is np.ndarray and X.ndim == 2 and X.size > 0 and X.dtype.kind in "biuf"


def _lengths(X: Sequence) -> set[int]:
    return {len(x) for x in X if hasattr(x, "__len__") and getattr(x, "ndim", 1) > 0}


def _same_widths(X: Any) -> Any:
    """A list of rows as one table; any other X as it is."""
    if not isinstance(X, list):
        return X
    rows = [_as_numbers(x, f"X[{i}]") for i, x in enumerate(X)]
    for i, row in enumerate(rows):
        if row.shape != rows[0].shape:
            raise ValueError(
                f"X[{i}] has shape {row.shape} and X[0] has {rows[0].shape}, but fit was given "
                "series of one fixed width. If lengths may differ, pass a list of arrays to fit, "
                "too: [np.asarray(x) for x in X]."
            )
    return np.array(rows)


def _as_numbers(x: Any, name: str) -> np.ndarray:
    try:
        x = np.asarray(x)
        if x.dtype == object:
            known = [np.nan if is_pandas_na(value) else value for value in x.flat]
            cells = np.array(known, dtype=np.float64)  # arrays keep their own axes
            x = cells.reshape(x.shape + cells.shape[1:])
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is not an array of numbers: {error}") from error
    if x.dtype.kind not in "biuf":
        raise ValueError(f"{name} has dtype {x.dtype}, but sequences must hold real numbers.")
    return x


def _join_sequences(X: Any) -> Sequences:
    """Lay sequences (T_i,) or (T_i, D) end to end; an empty one fits any D."""
    given = X if _all_arrays(X) else [_as_numbers(x, f"X[{i}]") for i, x in enumerate(X)]
    parts = [part[:, np.newaxis] if part.ndim == 1 else part for part in given]
    some = [part for part in parts if part.ndim == 2 and len(part)]
    D = next((part.shape[1] for part in some or given if part.ndim == 2), 1)
    for i, part in enumerate(parts):
        if part.ndim != 2 or part.shape[1] == 0:
            what = f"has shape {part.shape}" if part.ndim else f"is {X[i]}"
            raise ValueError(f"X[{i}] {what}: a sequence is (n_steps,) or (n_steps, n_features).")
        if len(part) and part.shape[1] != D:
            raise ValueError(
                f"X[{i}] has {part.shape[1]} features per step, but others have {D}: its shape is "
                f"{given[i].shape}, expected (n_steps, n_features); if all are (n_features, "
                "n_steps), pass [x.T for x in X]."
            )
    values = np.concatenate(some or [np.zeros((0, D))])
    return Sequences(values, np.concatenate(([0], np.cumsum([len(part) for part in parts]))))


def _with_names(X: Any) -> Any:
    """The first of a list of data frames, which must have the same columns; any other X itself."""
    if not all(map(is_frame, X)):
        return X
    names = list(X[0].columns)
    for i, x in enumerate(X):
        if list(x.columns) != names:
            raise ValueError(f"X[{i}] has the columns {list(x.columns)}, but X[0] has {names}.")
    return X[0]


def _from_matrix(X: np.ndarray) -> Sequences:
    n, T = X.shape
    return Sequences(X.reshape(n * T, 1), np.arange(n + 1) * T)


def _from_padded(X: np.ndarray) -> Sequences:
    """(n_sequences, n_steps, n_features) without the all-NaN steps at the ends."""
    if X.ndim != 3 or 0 in X.shape:
        raise ValueError(
            f"X has shape {X.shape}: series are (n_sequences, n_steps, n_features), all above 0."
        )
    n, T, D = X.shape
    if not np.isnan(X[:, -1]).any():
        return Sequences(X.reshape(n * T, D), np.arange(n + 1) * T)
    real = ~np.isnan(X).all(axis=2)
    if not real.any(axis=1).all():
        raise ValueError(
            f"X[{np.argmin(real.any(axis=1))}] is NaN at every step; NaN is padding only "
            "after at least one step."
        )
    lengths = T - np.argmax(real[:, ::-1], axis=1)
    real = np.arange(T) < lengths[:, np.newaxis]
    return Sequences(X[real], np.concatenate(([0], np.cumsum(lengths))))


def _as_finite_floats(series: Sequences, hint: str, columns: Sequence = ()) -> Sequences:
    dtype = np.float32 if series.values.dtype == np.float32 else np.float64
    with np.errstate(over="ignore", under="ignore"):  # of long doubles
        series = series._replace(values=np.ascontiguousarray(series.values, dtype=dtype))
    finite = np.isfinite(series.values)
    if not finite.all():
        rule = f"series must be finite {np.dtype(dtype)} numbers, not NaN or inf{hint}"
        _refuse(finite, series, rule, columns)
    return series


def _refuse(allowed: np.ndarray, given: Sequences, rule: str, columns: Sequence = ()) -> None:
    """Raise for the first value that is not allowed; name it and its place."""
    values, offsets = given
    where = np.unravel_index(np.argmin(allowed), allowed.shape)
    i = np.searchsorted(offsets, where[0], side="right") - 1
    step = where[0] - offsets[i]
    place = f"X[{i}] holds {values[where]} at step {step}"
    if columns:  # one per feature or, in 2-D series, one per step
        at = int(where[1]) if len(columns) == values.shape[1] else step
        place += f", column {columns[at]!r}"
    elif len(where) > 1 and values.shape[1] > 1:
        place += f", feature {where[1]}"
    raise ValueError(f"{place}; {rule}.")
