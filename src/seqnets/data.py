"""X, y and the weights together: the training set and the validation set."""

from __future__ import annotations

import contextlib
import reprlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import _safe_indexing
from sklearn.utils.extmath import _approximate_mode
from sklearn.utils.validation import _check_sample_weight, _num_samples

from . import labels
from .batches import Sequences
from .estimators import reworded
from .inputs import Estimator, as_inputs, read_again, read_first, warn_if_shifted_or_rescaled
from .real_numbers import DATES, check_unmasked, dtype_kind, is_frame

EARLY_STOPPING_FROM = 1000  # sequences; with fewer, a validation set costs more than it gains


class Data(NamedTuple):
    """Sequences with their labels, targets and weights."""

    X: Any  # as the user gave it
    sequences: Sequences
    y: np.ndarray  # (n,) labels, or (n, K) zeros and ones
    targets: np.ndarray  # (n, K), see losses
    weights: np.ndarray  # (n,)
    rows: np.ndarray  # (n,) which sequences of X these are

    def take(self, rows: np.ndarray) -> Data:
        return Data(self.X, self.sequences.take(rows), *(array[rows] for array in self[2:]))

    def as_given(self) -> Any:
        """These sequences of X, for a scorer."""
        if self.rows.size == _num_samples(self.X):
            return self.X
        X = self.X if hasattr(self.X, "__getitem__") else np.asarray(self.X)
        return _safe_indexing(X, self.rows)


def read_training_data(
    estimator: Estimator,
    X: Any,
    y: Any,
    sample_weight: Any,
    resume: bool,
    classes: np.ndarray | None = None,
) -> tuple[Data, np.ndarray]:
    """Check X, y and the weights together; also return the classes' weights."""
    check_rows_have_labels(X, y)
    sequences = (read_again if resume else read_first)(estimator, X)
    y = labels.check_labels(y, sequences.lengths)
    weights = read_weights(sample_weight, sequences.lengths)
    rows = np.flatnonzero(weights)
    if resume:
        labels.check_same_kind(y, estimator.n_outputs_, estimator.out_activation_)
    else:
        labels.warn_if_one_hot(y[rows])
        estimator.classes_ = labels.find_classes(y[rows]) if classes is None else classes
        outputs = labels.n_outputs_and_activation(y, estimator.classes_)
        estimator.n_outputs_, estimator.out_activation_ = outputs
    class_weights = labels.class_weights(
        estimator.class_weight, y[rows], weights[rows], estimator.classes_
    )
    return select_weighted(estimator, X, sequences, y, weights, class_weights), class_weights


def guessing_loss(estimator: Estimator, known: Data, judged: Data) -> float:
    """The loss on `judged` of always predicting the frequencies of the classes in `known`."""
    guessed, true = (
        labels.frequencies(part.targets, part.weights, estimator.out_activation_)
        for part in (known, judged)
    )
    return labels.cross_entropy(guessed, true)


def check_rows_have_labels(X: Any, y: Any) -> None:
    """Refuse a table of steps or events with a label per group, before its dates or strings are."""
    shape = (len(y),) if isinstance(y, list | tuple) else getattr(y, "shape", ())
    if is_frame(X) and hasattr(X, "__len__") and shape and shape[0] < len(X):
        raise ValueError(
            f"X has {len(X)} rows, each of which would be one series, but y has {shape[0]} labels. "
            "If a row is one step, pass a list of frames of numbers, without keys and labels: "
            "[x[columns] for _, x in X.groupby(...)]; if it is one event, pass lists of events, "
            'X.groupby(...)["event"].agg(list), to SequenceVectorizer(analyzer=list).'
        )


def select_weighted(
    estimator: Estimator,
    X: Any,
    sequences: Sequences,
    y: np.ndarray,
    weights: np.ndarray,
    class_weights: np.ndarray,
) -> Data:
    """The sequences with a weight above 0: all others, whatever their labels, are ignored."""
    rows = np.flatnonzero(weights)
    weights = labels.weigh(weights[rows], class_weights, y[rows], estimator.classes_)
    check_total(weights)
    rows, weights = rows[weights > 0], weights[weights > 0]
    if rows.size == 0:
        raise ValueError("All weights are 0: no sequence is left.")
    if rows.size < len(y):
        sequences = sequences.take(rows)
    targets = labels.make_targets(y[rows], estimator.classes_)
    return Data(X, sequences, y[rows], targets, weights, rows)


def read_weights(given: Any, lengths: np.ndarray) -> np.ndarray:
    """The sequences' weights (n,), ones if none are given."""
    check_unmasked(given, "sample_weight", "give sequences that should not count a weight of 0")
    table = np.asarray(given)  # scikit-learn would make numbers of strings and of dates
    strings = table.dtype.kind in "USTO" and any(isinstance(w, str | bytes) for w in table.flat)
    if strings or isinstance(given, Mapping):
        raise TypeError(
            f"sample_weight is {reprlib.repr(table.tolist())}, expected a number for each "
            "sequence; weights of classes are class_weight."
        )
    for array in (table, given):  # dates with a time zone become objects in a table
        if dtype_kind(array) in "mM":
            raise TypeError(f"sample_weight has dtype {array.dtype}, {DATES}")
    return _check_sample_weight(given, lengths, dtype=np.float64, ensure_non_negative=True)


def check_total(weights: np.ndarray, what: str = "sample_weight times the class weights") -> None:
    """Refuse weights that can't be divided by their sum, unless all of them are 0."""
    with np.errstate(over="ignore"):
        total = weights.sum()
    lowest, largest = np.finfo(np.float64).tiny, np.finfo(np.float64).max
    if total != 0 and not lowest <= total <= largest:
        raise ValueError(
            f"The weights ({what}) sum to {total}: the sum must be from {lowest:.1e} to "
            f"{largest:.1e}."
        )


def check_validation_arguments(
    early_stopping: bool | str, X_val: Any, y_val: Any, sample_weight_val: Any
) -> None:
    """Refuse an incomplete validation set, or one that would not be used."""
    if X_val is None:
        for name, given in {"y_val": y_val, "sample_weight_val": sample_weight_val}.items():
            if given is not None:
                raise ValueError(f"{name} is given without X_val.")
    elif y_val is None:
        raise ValueError("X_val is given without y_val.")
    elif not early_stopping:
        raise ValueError(
            "X_val is given for early stopping, but early_stopping=False: leave one of them out."
        )


def split(
    estimator: Estimator, data: Data, random: np.random.RandomState
) -> tuple[Data, Data | None]:
    """The training set and the validation set, if `early_stopping` wants one.

    With "auto", there is none for few sequences, or if at most half of the wanted size can be set
    aside. Stratified as by scikit-learn's splitters, but classes with one member, which those
    refuse, stay in the training set. Multilabel sequences are one class.
    """
    n, auto = data.weights.size, estimator.early_stopping == "auto"
    if not estimator.early_stopping or (auto and n < EARLY_STOPPING_FROM):
        return data, None
    order = random.permutation(n)
    label = data.y if data.y.ndim == 1 else np.zeros(n)
    _, stratum, counts = np.unique(label, return_inverse=True, return_counts=True)
    wanted = round(float(estimator.validation_fraction) * n)
    shared = counts * (counts > 1)
    sizes = _approximate_mode(shared, min(wanted, shared.sum()), random) if shared.any() else shared
    sizes = np.minimum(sizes, counts - 1)
    by_class = np.split(order[stratum[order].argsort(kind="stable")], counts.cumsum()[:-1])
    chosen = [members[:size] for members, size in zip(by_class, sizes, strict=True)]
    validation = np.sort(np.concatenate(chosen))
    if auto and 2 * validation.size <= wanted:
        return data, None
    if validation.size == 0:
        hint = "Increase it, or set" if shared.any() else "No class has two members: set"
        raise ValueError(
            f"The validation set is empty: validation_fraction={estimator.validation_fraction} of "
            f"{n} sequences takes none of any class. {hint} early_stopping=False."
        )
    training = np.setdiff1d(np.arange(n), validation)
    return data.take(training), data.take(validation)


@contextlib.contextmanager
def naming_errors(name: str, hint: str = "") -> Iterator[None]:
    """Errors inside name the part of the validation set at fault; a TypeError adds the hint."""
    try:
        yield
    except (TypeError, ValueError) as error:
        more = hint if isinstance(error, TypeError) else ""
        raise reworded(error, f"{name}: {error}{more}") from error


def read_validation(
    estimator: Estimator, X_val: Any, y_val: Any, sample_weight_val: Any, class_weights: np.ndarray
) -> Data:
    """The validation set that the user has given, checked, as the network reads it."""
    hint = " In a Pipeline, pass what the classifier reads, or set up metadata routing."
    with naming_errors("X_val", hint):
        sequences = read_again(estimator, X_val)
    with naming_errors("sample_weight_val"):
        weights = read_weights(sample_weight_val, sequences.lengths)
    with naming_errors("y_val"):
        y = labels.check_labels(y_val, sequences.lengths)
        labels.check_same_kind(y, estimator.n_outputs_, estimator.out_activation_)
        labels.make_targets(y[weights > 0], estimator.classes_)  # refuses unknown labels
    with naming_errors("validation set"):
        data = select_weighted(estimator, X_val, sequences, y, weights, class_weights)
    inputs = as_inputs(estimator, data.sequences)
    advice = 'In a Pipeline, its steps transform X_val only with transform_input=["X_val"].'
    warn_if_shifted_or_rescaled(estimator, inputs, data.weights, "X_val", advice)
    return data._replace(sequences=inputs)
