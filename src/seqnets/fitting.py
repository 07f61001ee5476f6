"""What `RecurrentClassifier.fit` does, from X and y to the fitted attributes."""

from __future__ import annotations

import functools
import warnings
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import (
    assert_all_finite,
    check_consistent_length,
    check_random_state,
    column_or_1d,
)
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight

from .batches import Sequences, minibatches
from .inference import decision
from .losses import LOSSES
from .network import Network
from .optimizers import SGD, Adam
from .sequences import embedding_rows, read_series, read_tokens
from .threads import Workers, one_blas_thread
from .training import Average, History, Trainer, train

Estimator = Any  # a RecurrentClassifier, whose room is above this one

UNKNOWN_ID = 1  # what SequenceVectorizer calls words that it does not know
EARLY_STOPPING_FROM = 1000  # sequences; with fewer, what a validation set costs is worth more
BATCH_SIZE = 32
FAR = 1e9  # standard deviations
# By solver and whether X holds tokens. Measured as told in the README.
LEARNING_RATES = {
    ("adam", False): 0.004,
    ("adam", True): 0.002,
    ("sgd", False): 0.1,
    ("sgd", True): 0.1,
}


class Data(NamedTuple):
    """Sequences with their class numbers and weights."""

    sequences: Sequences
    y: np.ndarray
    weights: np.ndarray

    def take(self, rows: np.ndarray) -> Data:
        return Data(self.sequences.take(rows), self.y[rows], self.weights[rows])


def fit_network(estimator: Estimator, X: Any, y: Any, sample_weight: Any) -> None:
    """Read the data, train, and set every fitted attribute."""
    random = check_random_state(estimator.random_state)
    data = read_training_data(estimator, X, y, sample_weight)
    training, validation = split(estimator, data, random)
    if estimator._kind != "tokens":
        training, validation = standardize_both(estimator, training, validation)
    n_classes = len(estimator.classes_)
    estimator.n_outputs_ = 1 if n_classes == 2 else n_classes
    estimator.out_activation_ = "logistic" if n_classes == 2 else "softmax"
    estimator._network = network = build_network(estimator)
    estimator.n_layers_ = len(network.layers) + 2
    estimator.parameters_ = network.initialize(random, estimator._dtype)
    with one_blas_thread(), Workers(n_threads(estimator), estimator._dtype) as workers:
        history = run_epochs(estimator, training, validation, workers, random)
    record(estimator, history, training)
    warn_of_a_poor_fit(estimator, history, training)


def read(estimator: Estimator, X: Any) -> Sequences:
    """X as fit found it to be: tokens become rows of the embedding."""
    if estimator._kind == "tokens":
        tokens = read_tokens(X)
        return tokens._replace(values=embedding_rows(tokens.values, estimator._known_ids))
    series, _ = read_series(estimator, X, estimator._kind, estimator._dtype)
    return standardized(estimator, series)


def n_threads(estimator: Estimator) -> int:
    """As scikit-learn counts for its own compiled loops: affinity, OMP_NUM_THREADS, joblib."""
    return _openmp_effective_n_threads(estimator.n_jobs)


def read_training_data(estimator: Estimator, X: Any, y: Any, sample_weight: Any) -> Data:
    """Check X, y and the weights together; set what they determine on the estimator."""
    dtype = None if estimator.dtype == "auto" else np.dtype(estimator.dtype)
    if estimator.embedding_dim is None:
        sequences, estimator._kind = read_series(estimator, X, None, dtype)
        estimator._dtype, estimator._n_channels = sequences.values.dtype, sequences.values.shape[1]
    else:
        sequences, estimator._kind = read_tokens(X), "tokens"
        estimator._dtype = np.dtype(np.float32) if dtype is None else dtype
        stale = ("n_features_in_", "feature_names_in_", "input_shift_", "input_scale_")
        for name in stale:
            estimator.__dict__.pop(name, None)
    y = column_or_1d(y, warn=True)
    assert_all_finite(y, input_name="y")
    check_consistent_length(sequences.lengths, y)
    check_classification_targets(y)
    weights = _check_sample_weight(
        sample_weight, sequences.lengths, dtype=np.float64, ensure_non_negative=True
    )
    rows = np.flatnonzero(weights)
    estimator.classes_, classes = np.unique(y[rows], return_inverse=True)
    weights = weights[rows] * compute_class_weights(estimator.class_weight, y[rows])
    rows, classes, weights = rows[weights > 0], classes[weights > 0], weights[weights > 0]
    if rows.size == 0:
        raise ValueError("All weights are 0: there is nothing to learn from.")
    if rows.size < y.size:
        sequences = sequences.take(rows)
    if estimator._kind == "tokens":
        ids = np.unique(sequences.values)
        estimator._known_ids = ids[ids != UNKNOWN_ID]
        tokens = embedding_rows(sequences.values, estimator._known_ids)
        sequences = sequences._replace(values=tokens)
    return Data(sequences, classes, weights)


def compute_class_weights(class_weight: dict | str | None, y: np.ndarray) -> np.ndarray:
    """Each label's weight."""
    for label, weight in class_weight.items() if isinstance(class_weight, dict) else ():
        if not 0 <= weight < np.inf:
            raise ValueError(
                f"class_weight={class_weight!r} gives class {label!r} the weight {weight}; weights "
                "are finite numbers of at least 0."
            )
    return compute_sample_weight(class_weight, y)


def split(
    estimator: Estimator, data: Data, random: np.random.RandomState
) -> tuple[Data, Data | None]:
    """The training set, and the validation set that early stopping wants.

    Stratified class by class, since scikit-learn's splitters refuse classes with one member;
    those stay in the training set.
    """
    wanted = estimator.early_stopping
    if wanted == "auto":
        wanted = data.y.size >= EARLY_STOPPING_FROM
    if not wanted:
        return data, None
    order = random.permutation(data.y.size)
    chosen = []
    for label in range(len(estimator.classes_)):
        members = order[data.y[order] == label]
        n = round(estimator.validation_fraction * members.size)
        chosen.append(members[: min(n, members.size - 1)])
    validation = np.sort(np.concatenate(chosen))
    if validation.size == 0:
        raise ValueError(
            f"The validation set is empty: validation_fraction={estimator.validation_fraction} of "
            f"{data.y.size} sequences leaves none of any class. Increase it, or set "
            "early_stopping=False."
        )
    training = np.setdiff1d(np.arange(data.y.size), validation)
    return data.take(training), data.take(validation)


def standardize_both(
    estimator: Estimator, training: Data, validation: Data | None
) -> tuple[Data, Data | None]:
    """Learn each channel's mean and deviation on the training set, and apply them.

    The network's start values and step sizes are made for inputs of about one. Measured on
    JapaneseVowels, whose channels' deviations are 0.1 to 0.5: LSTM 0.94 without, 0.97 with.
    """
    values, lengths = training.sequences.values, training.sequences.lengths
    shift, scale = np.zeros(values.shape[1]), np.ones(values.shape[1])
    if len(values):
        _, exponent = np.frexp(np.abs(values).max(axis=0))
        unit = np.ldexp(1.0, exponent - 1)  # a power of two, lest the squares overflow
        steps = np.repeat(training.weights, lengths)
        mean = np.average(values / unit, axis=0, weights=steps)
        deviation = np.sqrt(np.average((values / unit - mean) ** 2, axis=0, weights=steps))
        deviation[(values == values[0]).all(axis=0)] = 1.0
        shift, scale = mean / deviation, deviation * unit
    estimator.input_shift_ = shift.astype(estimator._dtype)
    estimator.input_scale_ = scale.astype(estimator._dtype)
    training = training._replace(sequences=standardized(estimator, training.sequences))
    if validation is not None:
        validation = validation._replace(sequences=standardized(estimator, validation.sequences))
    return training, validation


def standardized(estimator: Estimator, series: Sequences) -> Sequences:
    """x / scale - shift; what is far off is cut, so that the products after it stay finite."""
    with np.errstate(over="ignore"):
        values = series.values / estimator.input_scale_ - estimator.input_shift_
    return series._replace(values=np.clip(values, -FAR, FAR, out=values))


def build_network(estimator: Estimator) -> Network:
    sizes, n_tokens = hidden_layer_sizes(estimator), None
    n_inputs = estimator.embedding_dim
    if n_inputs is None:
        n_inputs = estimator._n_channels
    else:
        n_tokens = len(estimator._known_ids)
    pooling = estimator.pooling
    if pooling == "auto":
        pooling = "last" if n_tokens is None else "max"
    return Network(estimator.cell, n_inputs, sizes, pooling, estimator.n_outputs_, n_tokens)


def hidden_layer_sizes(estimator: Estimator) -> list[int]:
    sizes = estimator.hidden_layer_sizes
    sizes = [sizes] if isinstance(sizes, Integral) else list(sizes)
    wrong = [n for n in sizes if not isinstance(n, Integral) or isinstance(n, bool) or int(n) < 1]
    if wrong or not sizes:
        raise ValueError(
            "hidden_layer_sizes is the number of units of each layer, whole numbers of at least "
            f"1, got {estimator.hidden_layer_sizes!r}."
        )
    return [int(size) for size in sizes]


def build_optimizer(estimator: Estimator) -> SGD | Adam:
    rate = LEARNING_RATES[estimator.solver, estimator._kind == "tokens"]
    if estimator.learning_rate_init != "auto":
        rate = float(estimator.learning_rate_init)
    if estimator.solver == "sgd":
        return SGD(rate, estimator.momentum, estimator.nesterovs_momentum)
    return Adam(rate, estimator.beta_1, estimator.beta_2, estimator.epsilon)


def run_epochs(
    estimator: Estimator,
    training: Data,
    validation: Data | None,
    workers: Workers,
    random: np.random.RandomState,
) -> History:
    network, parameters = estimator._network, estimator.parameters_
    trainer = Trainer(
        network,
        parameters,
        build_optimizer(estimator),
        workers,
        loss=estimator.out_activation_,
        alpha=estimator.alpha,
        max_grad_norm=estimator.max_grad_norm,
    )
    targets = one_hot(training.y, estimator.n_outputs_)
    lengths = training.sequences.lengths
    batch_size = BATCH_SIZE if estimator.batch_size == "auto" else int(estimator.batch_size)
    batch_size = min(batch_size, lengths.size)
    shuffle = random if estimator.shuffle else None
    judged, validate = parameters, None
    if validation is not None:
        average = Average(parameters, -(-lengths.size // batch_size))
        judged, trainer.after_step = average.parameters, average.update
        validate = functools.partial(mean_loss, estimator, judged, validation, workers)

    def epoch() -> float:
        batches = minibatches(lengths, batch_size, shuffle)
        return trainer.epoch(training.sequences, targets, training.weights, batches)

    return train(
        epoch,
        validate,
        parameters,
        judged,
        max_iter=estimator.max_iter,
        tol=estimator.tol,
        n_iter_no_change=estimator.n_iter_no_change,
        verbose=bool(estimator.verbose),
    )


def mean_loss(
    estimator: Estimator, parameters: dict[str, np.ndarray], data: Data, workers: Workers
) -> float:
    """The weighted mean cross-entropy of the network with these parameters."""
    logits = decision(estimator._network, parameters, data.sequences, workers)
    targets, losses = one_hot(data.y, estimator.n_outputs_), np.empty(len(logits))
    _, loss = LOSSES[estimator.out_activation_]
    loss(logits, targets, data.weights / data.weights.sum(), losses, np.empty_like(logits))
    return float(losses.sum())


def one_hot(y: np.ndarray, n_outputs: int) -> np.ndarray:
    """(n, n_outputs) targets; for one output the class number, 0 or 1, is the target."""
    if n_outputs == 1:
        return y[:, np.newaxis].astype(np.float64)
    return np.eye(n_outputs)[y]


def record(estimator: Estimator, history: History, training: Data) -> None:
    """The attributes that tell how training went."""
    estimator.n_iter_ = len(history.loss_curve)
    estimator.t_ = estimator.n_iter_ * training.y.size
    estimator.loss_curve_ = history.loss_curve
    estimator.loss_ = [np.inf, *history.loss_curve][-1]
    estimator.best_loss_ = min([np.inf, *history.loss_curve])
    estimator.validation_loss_curve_ = history.validation_loss_curve or None
    estimator.validation_scores_ = [-loss for loss in history.validation_loss_curve] or None
    estimator.best_validation_score_ = max(estimator.validation_scores_ or [], default=None)


def warn_of_a_poor_fit(estimator: Estimator, history: History, training: Data) -> None:
    if history.stopped == "interrupted":
        return
    share = np.bincount(training.y, training.weights) / training.weights.sum()
    share = share[share > 0]
    guessing = -np.sum(share * np.log(share))  # the loss of always predicting the shares
    if len(share) > 1 and estimator.best_loss_ > guessing:
        warnings.warn(
            f"The loss never fell below {guessing:.4f}, that of guessing by the classes' "
            f"frequencies (lowest {estimator.best_loss_:.4f}). The usual reasons: a "
            "learning_rate_init that is too large or too small, outliers in series, few epochs.",
            ConvergenceWarning,
            stacklevel=5,
        )
    elif history.stopped == "max_iter":
        warnings.warn(
            f"Stochastic optimizer: maximum iterations ({estimator.max_iter}) reached and the "
            "optimization hasn't converged yet.",
            ConvergenceWarning,
            stacklevel=5,
        )
