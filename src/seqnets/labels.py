"""Labels become the targets of the loss; classes get their weights."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import xlogy
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import assert_all_finite, check_consistent_length, column_or_1d
from sklearn.utils._missing import is_pandas_na
from sklearn.utils.multiclass import check_classification_targets

from .real_numbers import check_unmasked
from .warn import warn

MULTILABEL_HINT = (
    "For several labels per sequence, pass (n, n_labels) zeros and ones, as from "
    "sklearn.preprocessing.MultiLabelBinarizer; single steps can't be labeled."
)


def check_labels(y: Any, lengths: np.ndarray) -> np.ndarray:
    """y as (n,) labels; or as (n, K) zeros and ones where a sequence may have several of K."""
    if y is None:
        raise ValueError("RecurrentClassifier requires y to be passed, but the target y is None.")
    check_unmasked(y, "y", "leave sequences out")
    if sparse.issparse(y):
        y = y.toarray()
    listed = isinstance(y, list | tuple)
    if listed and any(hasattr(t, "as_py") for t in set(map(type, y))):
        # Of Arrow's strings, NumPy would make bytes.
        y = [label.as_py() if hasattr(label, "as_py") else label for label in y]
    try:  # scikit-learn would make floats of pandas' Int64 and boolean
        table = np.asarray(y)
    except ValueError as error:
        raise ValueError(
            "The rows of y differ in length: y must be (n,), one label per sequence. "
            f"{MULTILABEL_HINT}"
        ) from error
    # NumPy makes strings of the NaN and the numbers among strings.
    given = np.asarray(y, dtype=object) if listed and table.dtype.kind in "US" else table
    check_each(given)
    if table.ndim == 2 and table.shape[1] > 1:
        check_consistent_length(lengths, table)
        check_zeros_and_ones(table)
        return table.astype(int)
    if table.ndim == 2 and table.shape[1] == 1:
        message = "A column-vector y was passed when a 1d array was expected: pass np.ravel(y)."
        warn(message, DataConversionWarning)
    y = column_or_1d(table)
    if given is not table:
        check_same_strings(y, given.ravel())
    assert_all_finite(y, input_name="y")
    check_not_by_step(lengths, y)
    check_consistent_length(lengths, y)
    check_type(y)
    return y


def check_type(y: np.ndarray) -> None:
    """Refuse labels that are neither all strings nor all whole numbers or booleans."""
    try:
        check_classification_targets(y)
    except TypeError as error:
        raise ValueError(f"The labels in y are not of one type: {error}.") from error
    except ValueError as error:
        if y.dtype != object:
            raise
        plain = np.asarray(y.tolist()).dtype
        if plain.kind in "biuf":
            message = f'y holds numbers as objects: pass y.astype("{plain}").'
        else:
            kinds = ", ".join(sorted({type(label).__name__ for label in y}))
            message = (
                f"y holds objects of type {kinds}, but labels are all strings, all numbers or all "
                "of dtype datetime64: pass [str(label) for label in y]."
            )
        raise ValueError(f"Unknown label type: {message}") from error


def check_not_by_step(lengths: np.ndarray, y: np.ndarray) -> None:
    """Refuse a label for each step, as a table of steps may have them."""
    if lengths.size < len(y) == lengths.sum():
        raise ValueError(
            f"y has {len(y)} labels, as many as X has steps, but there are {lengths.size} "
            'sequences: pass one label for each, such as table.groupby(...)["label"].first().'
        )


def check_classes(given: Any) -> None:
    """Refuse what can't be classes, before scikit-learn sorts them."""
    check_unmasked(given, "classes", "leave classes out")
    classes = np.asarray(given)
    check_each(classes, "classes")
    assert_all_finite(classes, input_name="classes")


def check_each(table: np.ndarray, name: str = "y") -> None:
    """Refuse what is not a label: bytes and, among objects, missing values and lists of labels."""
    if table.dtype.kind == "T":
        raise ValueError(f"{name} has dtype {table.dtype}: pass {name}.astype(object).")
    if table.dtype.kind == "V":
        raise ValueError(
            f"{name} has dtype {table.dtype}, but labels are one column: pass {name}[column]."
        )
    if table.dtype.kind in "mM" and np.isnat(table).any():
        raise ValueError(f"{name}[{np.isnat(table).argmax()}] is NaT, which is not a label.")
    types = set(map(type, table.flat)) if table.dtype == object else set()
    if table.dtype.kind == "S" or bytes in types:
        raise ValueError(f"{name} holds bytes, which are not labels: decode them to strings.")
    if types <= {str} or table.ndim == 0:  # a set is no array, as `column_or_1d` says
        return
    for place, label in np.ndenumerate(table):
        if isinstance(label, set | frozenset | list | tuple) or getattr(label, "ndim", 0) > 0:
            raise ValueError(f"{name}[{place[0]}] holds several labels. {MULTILABEL_HINT}")
        if label is None or is_pandas_na(label) or label != label:
            raise ValueError(f"{name}[{', '.join(map(str, place))}] is {label!r}, not a label.")


def check_same_strings(strings: np.ndarray, given: np.ndarray) -> None:
    """Refuse labels in a list of which NumPy has made others: 1 and "1" would be one class."""
    wrong = strings != given
    if wrong.any():
        i = wrong.argmax()
        raise ValueError(
            f"y[{i}] is {given[i]!r}, of which NumPy makes the string {strings.tolist()[i]!r}: "
            "pass labels that are all plain strings, or all numbers."
        )


def check_zeros_and_ones(table: np.ndarray) -> None:
    wrong = ~np.isin(table, (0, 1))
    if wrong.any():
        i, j = np.argwhere(wrong)[0]
        raise ValueError(
            "2-D y must hold zeros and ones, one column per label, but "
            f"y[{i}, {j}] is {table.tolist()[i][j]!r}. {MULTILABEL_HINT}"
        )


def find_classes(y: np.ndarray) -> np.ndarray:
    """The distinct labels in order; for multilabel y, the numbers of its columns."""
    return np.unique(y) if y.ndim == 1 else np.arange(y.shape[1])


def warn_if_one_hot(y: np.ndarray) -> None:
    if y.ndim == 2 and len(y) >= 10 and (y.sum(axis=1) == 1).all():  # with fewer, it may be chance
        warn(
            "y has two dimensions and a single 1 in each row. It is read as several labels per "
            "sequence (multilabel); if it holds one-hot classes, pass np.argmax(y, axis=1)."
        )


def class_numbers(y: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """The place of each label among the classes, which may be unsorted if they are set by hand."""
    labels, numbers = np.unique(y, return_inverse=True)
    kinds = {labels.dtype.kind, classes.dtype.kind}
    mixed = "U" in kinds and not kinds.isdisjoint("biuf")  # NumPy would take 1 for "1"
    known = np.zeros(labels.size, dtype=bool) if mixed else np.isin(labels, classes)
    if not known.all():
        unknown = labels[~known].tolist()[0]
        raise ValueError(f"y holds {unknown!r}, which is not among the classes {classes}.")
    order = np.argsort(classes)
    return order[np.searchsorted(classes, labels, sorter=order)][numbers]


def make_targets(y: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """(n, K) float64: one-hot rows; for two classes, one column of 0 and 1; multilabel y itself."""
    if y.ndim == 2:
        if y.shape[1] != classes.size:
            raise ValueError(f"y has {y.shape[1]} columns, but there are {classes.size} labels.")
        return np.ascontiguousarray(y, dtype=np.float64)
    columns = [1] if classes.size == 2 else np.arange(classes.size)
    return (class_numbers(y, classes)[:, np.newaxis] == columns).astype(np.float64)


def n_outputs_and_activation(y: np.ndarray, classes: np.ndarray) -> tuple[int, str]:
    """The number of the network's outputs and their activation."""
    if y.ndim == 2:
        return classes.size, "logistic"
    return (1, "logistic") if classes.size == 2 else (classes.size, "softmax")


def is_multilabel(n_outputs: int, activation: str) -> bool:
    """Whether a sequence may have several labels."""
    return n_outputs > 1 and activation == "logistic"


def check_same_kind(y: np.ndarray, n_outputs: int, activation: str) -> None:
    one, more = "one label per sequence, (n,)", "several labels per sequence, (n, n_labels)"
    fitted = more if is_multilabel(n_outputs, activation) else one
    given = more if y.ndim == 2 else one
    if given != fitted:
        raise ValueError(f"y has {given}, but fit was given {fitted}.")


def check_order(given: Any, classes: np.ndarray) -> None:
    """Refuse unsorted names for the columns of a multilabel y: the columns keep their order."""
    if given is not None and not np.array_equal(given, classes):
        raise ValueError(
            f"classes={given!r} must be sorted: they name the columns of y, which keep their order."
        )


def check_outputs(classes: Any, n_outputs: int, activation: str) -> None:
    """Refuse classes and an activation, set by hand, that don't fit the network's outputs."""
    n = classes.size if isinstance(classes, np.ndarray) and classes.ndim == 1 else -1
    allowed = {
        "logistic": n == n_outputs > 1 or (n, n_outputs) == (2, 1),
        "softmax": n == n_outputs != 2,
    }
    if not allowed.get(activation):
        raise ValueError(
            f"classes_={classes!r} and out_activation_={activation!r} don't fit the network's "
            f"{n_outputs} outputs: classes_ is an array of one label per output, or of two labels "
            'for one "logistic" output.'
        )


def class_weights(
    class_weight: dict | str | None, y: np.ndarray, weights: np.ndarray, classes: np.ndarray
) -> np.ndarray:
    """The weight of each class; "balanced" counts each sequence by its weight."""
    if class_weight is None:
        return np.ones(classes.size)
    if y.ndim == 2:
        raise ValueError(
            "class_weight is for one label per sequence; with several, use sample_weight."
        )
    if isinstance(class_weight, dict):
        for label, weight in class_weight.items():
            if not (isinstance(weight, Real) and 0 <= float(weight) < np.inf):
                raise ValueError(
                    f"class_weight={class_weight!r} gives class {label!r} the weight {weight!r}; "
                    "weights are finite numbers of at least 0."
                )
        named = np.array([label in class_weight for label in classes])
        if not named.all() and named.sum() < len(class_weight):  # some names are misspelled
            missing = classes[~named].tolist()
            raise ValueError(f"The classes {missing} are not in class_weight={class_weight!r}.")
        return np.array([class_weight.get(label, 1) for label in classes], dtype=np.float64)
    counts = np.bincount(class_numbers(y, classes), weights, minlength=classes.size)
    balanced, present = np.ones(classes.size), counts > 0
    with np.errstate(over="ignore", invalid="ignore"):
        balanced[present] = counts.sum() / (present.sum() * counts[present])
    if not np.isfinite(balanced).all() or not balanced.all():
        raise ValueError("sample_weight holds weights that are too large to balance the classes.")
    return balanced


def weigh(
    weights: np.ndarray, class_weights: np.ndarray, y: np.ndarray, classes: np.ndarray
) -> np.ndarray:
    """The weights of sequences, times those of their classes."""
    if y.ndim == 2:
        return weights
    with np.errstate(over="ignore"):  # their sum is checked
        return weights * class_weights[class_numbers(y, classes)]


def frequencies(targets: np.ndarray, weights: np.ndarray, activation: str) -> np.ndarray:
    """The classes' shares; for logistic outputs, the shares of ones, then of zeros, by column."""
    ones = weights @ targets
    if activation == "softmax":
        return ones / ones.sum()
    counts = np.stack((ones, weights @ (1 - targets)))
    return (counts / counts.sum(axis=0)).ravel()


def cross_entropy(guessed: np.ndarray, true: np.ndarray) -> float:
    """The mean cross-entropy of always predicting `guessed` for data with the frequencies `true`;
    infinite if a class occurs that is never guessed.
    """
    return float(-xlogy(true, guessed).sum())
