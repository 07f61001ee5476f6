"""What `RecurrentClassifier.fit` and `partial_fit` do, from X and y to the fitted attributes."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from inspect import signature
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.metrics import check_scoring
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import _check_partial_fit_first_call

from . import labels
from .advice import may_be_token_ids, warn_if_like_token_ids, warn_of_a_poor_fit, warn_of_scoring
from .batches import minibatches
from .data import (
    Data,
    check_validation_arguments,
    guessing_loss,
    read_training_data,
    read_validation,
    split,
)
from .estimators import effective_n_threads, reworded, snapshot
from .inference import decision
from .initializers import new_embedding_rows
from .inputs import (
    Estimator,
    as_inputs,
    check_embeddings,
    check_token_ids,
    had_embeddings,
    learn_scale,
    learn_tokens,
    warn_if_shifted_or_rescaled,
)
from .losses import LOSSES
from .network import Network
from .optimizers import check_moments, insert_rows
from .parameters import (
    build_architecture,
    build_optimizer,
    build_schedule,
    build_trainer,
    check_token_parameters,
    network_attributes,
    patience,
)
from .progress import History, Progress, training_attributes
from .schedules import Cosine
from .threads import Workers, one_blas_thread
from .training import Average, State, Weighed, train
from .vocabulary import UNKNOWN
from .warn import warn
from .workspace import Parameters

BATCH_SIZE = 32
NOT_IN_PARTS: dict[str, list[Any]] = {
    "early_stopping": [True],
    "class_weight": ["balanced"],
    "learning_rate": ["adaptive", "cosine"],
}


@one_blas_thread()  # with several threads, LAPACK gives the initial weights other bits
def fit_network(
    estimator: Estimator,
    X: Any,
    y: Any,
    sample_weight: Any,
    X_val: Any,
    y_val: Any,
    sample_weight_val: Any,
) -> None:
    """Train until `max_iter` or until the score stops improving, and set every fitted attribute."""
    held_out = X_val, y_val, sample_weight_val
    check_validation_arguments(estimator.early_stopping, *held_out)
    resume = estimator.warm_start and hasattr(estimator, "parameters_")
    check_parameters(estimator, resume)
    data, class_weights = read_training_data(estimator, X, y, sample_weight, resume)
    state = begin_state(estimator, resume)
    warn_if_like_token_ids(estimator, X, data)
    may_be_ids = may_be_token_ids(estimator, data.sequences)  # before they are standardized
    validation = None
    if X_val is None:
        # A warm start keeps the seed, so it is not judged on sequences it was trained on before.
        data, validation = split(estimator, data, np.random.RandomState(state.seed))
    data = prepare(estimator, state, data, resume)
    if X_val is not None:
        validation = read_validation(estimator, *held_out, class_weights)
    elif validation is not None:
        inputs = as_inputs(estimator, validation.sequences)
        validation = validation._replace(sequences=inputs)
    else:
        warn_of_scoring(
            estimator, "without a validation set: set early_stopping=True or give X_val"
        )
    progress = Progress(estimator, X, y, sample_weight, int(estimator.max_iter))
    may_plan, guessing = validation is None, guessing_loss(estimator, data, validation or data)
    history = run_epochs(estimator, data, validation, state, progress, may_plan, guessing)
    estimator._state = state.plain() if estimator.warm_start else None
    warn_of_a_poor_fit(estimator, history, data, validation, may_be_ids)
    progress.fit_ends()


@one_blas_thread()
def partial_fit_network(
    estimator: Estimator, X: Any, y: Any, classes: Any, sample_weight: Any
) -> None:
    """Train for one epoch on these data, from where training stands."""
    estimator._validate_params()  # scikit-learn does so in the first call only
    for name, refused in NOT_IN_PARTS.items():
        if (value := getattr(estimator, name)) in refused:
            raise ValueError(
                f"{name}={value!r} needs all data or all epochs at once, which partial_fit never "
                "has: use another value, or call fit."
            )
    resume = hasattr(estimator, "parameters_")
    if classes is not None:
        labels.check_classes(classes)
    _check_partial_fit_first_call(estimator, classes)
    check_parameters(estimator, resume)
    data, _ = read_training_data(estimator, X, y, sample_weight, resume, estimator.classes_)
    state = begin_state(estimator, resume)
    if labels.is_multilabel(estimator.n_outputs_, estimator.out_activation_):
        labels.check_order(classes, estimator.classes_)
    warn_if_like_token_ids(estimator, X, data)
    warn_of_scoring(estimator, "in partial_fit, which has no validation set")
    data = prepare(estimator, state, data, resume)
    progress = Progress(estimator, X, y, sample_weight, 1)
    run_epochs(estimator, data, None, state, progress, may_plan=False)
    estimator._state = state.plain()
    progress.fit_ends()


def check_parameters(estimator: Estimator, resume: bool) -> None:
    """Refuse what is wrong whatever the data are, before reading them."""
    check_token_parameters(estimator)
    if resume:
        check_same_network(estimator)


def begin_state(estimator: Estimator, resume: bool) -> State:
    """The state to train from: what an earlier call has left, or a new one.

    The estimator has none meanwhile: a model that a callback keeps would have old moments.
    """
    earlier, estimator._state = getattr(estimator, "_state", None), None
    if resume and earlier is not None:
        return State(**copy.deepcopy(earlier))
    random = check_random_state(estimator.random_state)
    if not isinstance(estimator.random_state, Integral):  # a generator that others use as well
        random = np.random.RandomState(random.randint(2**31 - 1))
    if not resume:
        estimator.t_, estimator.loss_curve_, estimator._weighed = 0, [], ()
        estimator.validation_loss_curve_ = estimator.validation_scores_ = None
    return State(random, seed=int(copy.deepcopy(random).randint(2**31 - 1)))


# The network


def prepare(estimator: Estimator, state: State, data: Data, resume: bool) -> Data:
    """Learn the tokens or the scale of the inputs, and make the network or continue with it.

    Returns the data as the network reads them. Nothing is learned from a validation set: its words
    that are not in the training set are unknown, as those of new texts will be.
    """
    known = estimator.token_ids_ if resume and estimator._kind == "tokens" else np.empty(0, int)
    new = known[:0]
    if estimator._kind == "tokens":
        new = learn_tokens(estimator, known, data.sequences)
    elif not resume:
        learn_scale(estimator, data.sequences, data.weights)
    shares = data.weights / data.weights.max()  # whose sum does not overflow
    mean_length = np.average(data.sequences.lengths, weights=shares)
    network = Network(build_architecture(estimator, None if resume else mean_length))
    if not resume:
        given = check_embeddings(estimator)[UNKNOWN:] if had_embeddings(estimator) else None
        estimator.parameters_ = network.initialize(state.random, estimator._dtype, given)
        if (estimator.n_outputs_, estimator.out_activation_) == (1, "softmax"):
            # A single class teaches nothing, so a random score would rank sequences for good.
            estimator.parameters_["dense.W"][:] = 0
    else:
        estimator.parameters_ = {
            name: W if name == "embedding" and new.size else W.copy()  # add_tokens copies it
            for name, W in estimator.parameters_.items()
        }
        add_tokens(estimator.parameters_, state, known, new)
    network.check(estimator.parameters_, estimator._dtype)  # `embeddings` may shrink meanwhile
    estimator.__dict__.update(network_attributes(network))
    return data._replace(sequences=as_inputs(estimator, data.sequences))


def check_same_network(estimator: Estimator) -> None:
    """Refuse to continue training with another network than the one it began with."""
    estimator._check()
    reads_tokens = estimator._kind == "tokens"
    if reads_tokens:
        check_token_ids(estimator)
    changes = ["embedding_dim"]
    if (estimator.embedding_dim is not None) == reads_tokens:
        changes = build_architecture(estimator).changes_since(estimator._network.architecture)
        if estimator.dtype not in ("auto", estimator._dtype.name):
            changes.append("dtype")
        if estimator.embeddings is not None:
            shape = estimator._largest_id + 1, estimator.embedding_dim
            if np.shape(estimator.embeddings) != shape:
                changes.append("embeddings")
    if changes:
        raise ValueError(
            f"Training can't continue with another network: {' and '.join(changes)} changed since "
            "the last fit. Change it back, or start over: fit with warm_start=False."
        )


def add_tokens(parameters: Parameters, state: State, known: np.ndarray, new: np.ndarray) -> None:
    """Insert rows for new ids into the embedding, where they belong among the sorted known ids."""
    if new.size == 0:
        return
    W, places = parameters["embedding"], 1 + np.searchsorted(known, new)
    rows = new_embedding_rows(state.seed, new, W.shape[1]).astype(W.dtype)
    parameters["embedding"] = np.insert(W, places, rows, axis=0)
    insert_rows(state.moments, "embedding", places)


# Training


def run_epochs(
    estimator: Estimator,
    data: Data,
    validation: Data | None,
    state: State,
    progress: Progress,
    may_plan: bool,
    guessing: float = np.nan,
) -> History:
    """Train, and record how it went; `guessing` is its loss on what the network is judged on."""
    sequences, lengths = data.sequences, data.sequences.lengths
    if estimator.t_ > 0:
        advice = "Both stay as first learned: start with more typical series."
        warn_if_shifted_or_rescaled(estimator, sequences, data.weights, "X", advice)
    max_iter = progress.max_iter
    batch_size = BATCH_SIZE if estimator.batch_size == "auto" else estimator.batch_size
    batch_size = min(int(batch_size), lengths.size)
    steps_per_epoch = -(-lengths.size // batch_size)
    optimizer = build_optimizer(estimator)
    if estimator.solver == state.solver:
        check_moments(state.moments, estimator.parameters_)
        optimizer.t, optimizer.moments = state.t, state.moments
    optimizer.schedule = rates = build_schedule(
        estimator, optimizer.learning_rate, lengths.size, max_iter * steps_per_epoch, may_plan
    )
    weighed = Weighed(*getattr(estimator, "_weighed", ())).plus(data.weights)
    estimator._weighed = tuple(weighed)  # now, since a callback may save the model
    parameters = judged = dict(estimator.parameters_)  # a dict that no callback changes
    with Workers(effective_n_threads(estimator.n_jobs), estimator._dtype) as workers:
        trainer = build_trainer(
            estimator, parameters, optimizer, workers, state.random, lengths.size
        )
        validate = None
        if validation is not None:
            average = Average(parameters, trainer.rows_that_change(sequences), steps_per_epoch)
            judged, trainer.after_step = average.parameters, average.update
            validate = validator(estimator, judged, validation, workers)

        def epoch() -> float:
            progress.epoch_begins()
            batches = minibatches(lengths, batch_size, state.random if estimator.shuffle else None)
            loss = trainer.epoch(sequences, data.targets, data.weights, batches, weighed.mean)
            rates.epoch_ends(estimator.t_ + history.n_seen + lengths.size)
            return loss

        history = History(
            n_before=len(estimator.loss_curve_), n_sequences=lengths.size, guessing_loss=guessing
        )
        train(
            epoch,
            validate,
            parameters,
            judged,
            history,
            rates.should_continue,
            lambda: progress.epoch_ends(history, judged),
            max_iter=max_iter,
            tol=estimator.tol,
            patience=lambda: patience(estimator, validation is not None, history),
            # Other scores are coarse: the f1 of weights that know nothing can be better than that
            # of the first epochs, and many short fits would then never leave these weights.
            judge_start=estimator.t_ > 0 and estimator.scoring == "loss",
        )
    estimator.parameters_ = parameters
    state.solver, state.t, state.moments = estimator.solver, optimizer.t, optimizer.moments
    estimator.__dict__.update(training_attributes(estimator, history))
    if history.stopped == "max_iter" and isinstance(rates, Cosine):
        history.stopped = "planned"
    if history.stopped == "interrupted":
        warn("Training interrupted by user.")
    return history


def validator(
    estimator: Estimator, judged: Parameters, validation: Data, workers: Workers
) -> Callable[[], tuple[float, float]]:
    """A function that gives the loss and the score of the weights `judged`."""
    model = snapshot(estimator)
    model.parameters_ = dict(judged)  # a copy, in which a scorer may replace weights
    scorer = None if estimator.scoring == "loss" else check_scoring(model, estimator.scoring)
    loss = LOSSES[estimator.out_activation_]
    weights = validation.weights / validation.weights.sum()
    losses = np.empty(weights.size)
    X = None if scorer is None else validation.as_given()
    weighted = {}
    if scorer is not None and np.ptp(weights) > 0 and takes_weights(scorer):
        weighted["sample_weight"] = validation.weights

    def validate() -> tuple[float, float]:
        logits = decision(estimator._network, judged, validation.sequences, workers)
        loss(logits, validation.targets, weights, losses, np.empty_like(logits))
        mean = float(losses.sum())
        if scorer is None or not np.isfinite(mean):
            return mean, -mean
        try:
            score = scorer(model, X, validation.y, **weighted)
        except ValueError as error:
            if not isinstance(estimator.scoring, str):
                raise
            reason, hint = str(error).rstrip("."), "Perhaps the set lacks a class."
            if len(estimator.classes_) > 2:
                hint = (
                    "Perhaps the set lacks a class, or the score is for two classes only: for "
                    'more, there are "f1_macro" and "roc_auc_ovr".'
                )
            elif "pos_label" in reason:
                hint = (
                    "Labels other than 0 and 1 need a scorer that names the positive one, such as "
                    'make_scorer(f1_score, pos_label="yes").'
                )
            message = f"scoring={estimator.scoring!r} can't judge the validation set: {reason}."
            raise reworded(error, f"{message} {hint}") from error
        return mean, checked_score(score, estimator.scoring)

    return validate


def checked_score(score: Any, scoring: Any) -> float:
    """The score as a number, or an error that says which scorer gave something else."""
    if isinstance(score, np.ndarray) and score.ndim == 0:  # scikit-learn accepts these, too
        score = score.item()
    if not isinstance(score, Real) or not math.isfinite(score):
        raise ValueError(
            f"scoring={scoring!r} gives {score!r} on the validation set: a score must be a finite "
            "number. Perhaps the set lacks a class."
        )
    return float(score)


def takes_weights(scorer: Callable) -> bool:
    """Whether the scorer, or the metric in it, takes sample_weight."""
    parameters = signature(getattr(scorer, "_score_func", scorer)).parameters.values()
    return any(p.name == "sample_weight" or p.kind is p.VAR_KEYWORD for p in parameters)
