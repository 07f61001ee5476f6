"""What fit warns of: data probably read as the wrong kind, and training that went badly."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from . import labels
from .batches import Sequences
from .data import Data, guessing_loss
from .inputs import Estimator
from .progress import History
from .vocabulary import look_like_ids
from .warn import warn

LAST_EPOCHS = 5
# Shares of the loss of guessing: a training loss below `LEARNED` is not chance; one above
# `LITTLE_LEARNED` is hardly better than guessing if training ended by itself; `SOME_LOSS` matters.
LEARNED, LITTLE_LEARNED, SOME_LOSS = 0.8, 0.98, 0.1
# By how much a validation set's loss, summed over its sequences, may be lower than that of guessing
# by chance. With random labels, the lowest of 12 to 30 epochs is, in 6 of 8 fits, but by less than
# 2; a weak signal, found as well as possible in 10,000 series, gains 13. Few sequences can't gain
# as much: a loss below `FEW_LEARNED` of guessing's is enough.
CHANCE, FEW_LEARNED = 3.0, 0.9
RISEN = 3  # times the lowest loss
# On 17 data sets, the median deviation within a series, as a share of that of all steps, was 0.003
# to 0.11 where accuracy was near chance until each series' mean was subtracted, else from 0.36 on.
MAX_FLAT_DEVIATION, HALF_LEARNED, SAMPLE = 0.15, 0.5, 1000
MAX_INNER_RANGE = 1.0  # from percentile 1 to 99, of a normal distribution 4.7
ROUNDING = 1e-6  # deviations up to this may be rounding errors of equal numbers
FEW_TO_JUDGE = 5  # sequences of a class
USUAL_REASONS = (
    "The usual reasons: a learning_rate_init that is too large or too small, a large alpha, "
    "outliers in series, a small max_iter, labels that do not depend on X."
)
LAST_HINT = ' If they depend on how a sequence ends, set pooling="last".'

IDS_HINT = "X holds whole numbers only: if they are token ids, set embedding_dim (64, for example)."
STEPS_HINT = (
    "y has as many columns as X has steps, and each column is read as a label of the whole "
    "sequence; single steps can't be labeled."
)


def warn_of_a_poor_fit(
    estimator: Estimator,
    history: History,
    data: Data,
    validation: Data | None,
    may_be_ids: bool,
) -> None:
    """Give one warning at most, of the worst problem; X `may_be_ids` that were read as series."""
    if history.stopped == "interrupted":
        return
    curve, guessing = history.loss_curve, history.guessing_loss
    if validation is None:
        message = describe_training_problem(estimator, history)
    else:
        learned = min(curve) < LEARNED * guessing_loss(estimator, data, data)
        message = describe_validation_problem(estimator, history, learned, len(validation.targets))
        if message and (few := describe_rare_class(estimator, validation.targets)):
            message = f"{message} {few}"
    if not message and history.stopped == "max_iter":
        message = (
            f"Stochastic optimizer: maximum iterations ({estimator.max_iter}) reached and the "
            "optimization hasn't converged yet."
        )
    loss = np.median(curve[-LAST_EPOCHS:]) if validation is None else history.lowest_validation_loss
    if 0 < HALF_LEARNED * guessing < loss:
        sequences = data.sequences
        hint = describe_missing_code(estimator, sequences) or describe_flat_series(sequences)
        if hint:
            message = f"{message or compare_with_guessing('loss', loss, history)} {hint}"
        elif message and may_be_ids:
            message = f"{message} {IDS_HINT}"
        elif message and may_label_steps(estimator, data):
            message = f"{message} {STEPS_HINT}"
    if message:
        warn(message, ConvergenceWarning)


def describe_training_problem(estimator: Estimator, history: History) -> str:
    """What is wrong with the last epochs' loss, which is noisy, and with the weights at the end."""
    curve, guessing = history.loss_curve, history.guessing_loss
    last = curve[-LAST_EPOCHS:]
    if guessing > 0 and min(last) > guessing * (LITTLE_LEARNED if history.ended_by_itself else 1):
        told = compare_with_guessing("lowest loss of the last epochs", min(last), history)
        return f"{told} {usual_reasons(estimator)}"
    if history.ended_by_itself and np.median(last) > max(RISEN * min(curve), SOME_LOSS * guessing):
        return (
            f"The training loss rose from {min(curve):.4f} in epoch {np.argmin(curve) + 1} to "
            f"{np.median(last):.4f} in the last epochs, whose weights are kept: try "
            "early_stopping=True or a smaller learning_rate_init."
        )
    return ""


def describe_validation_problem(
    estimator: Estimator, history: History, learned: bool, n_judged: int
) -> str:
    """What is wrong with the scores on the validation set of so many sequences."""
    to_the_end, lowest = history.stopped != "callback", min(history.loss_curve)
    gain = (history.guessing_loss - history.lowest_validation_loss) * n_judged
    chance = min(CHANCE, (1 - FEW_LEARNED) * history.guessing_loss * n_judged)
    if history.guessing_loss > 0 and gain < (chance if history.ended_by_itself else 0):
        kept = "No epoch beat the weights before this fit, which are kept. "
        score = ', scoring="accuracy"' if estimator.scoring == "loss" else ""
        overfits = (
            f"The training loss fell to {lowest:.4f}, but what was learned does not hold for the "
            "validation set: the network overfits, or that set is of another kind, or labels do "
            f"not depend on X. Try more dropout{score} or a larger n_iter_no_change."
        )
        loss = history.lowest_validation_loss
        told = compare_with_guessing("lowest validation loss", loss, history)
        reasons = overfits if learned and to_the_end else usual_reasons(estimator)
        return f"{kept if history.keeps_start else ''}{told} {reasons}"
    if to_the_end and is_score_stuck(estimator, history):
        return (
            f"scoring={estimator.scoring!r} was {history.validation_scores[-1]:.4g} after every "
            'epoch, so no epoch could be preferred: try scoring="loss" or more epochs '
            "(n_iter_no_change, max_iter)."
        )
    return ""


def usual_reasons(estimator: Estimator) -> str:
    return USUAL_REASONS + LAST_HINT * (estimator.pooling_ != "last")


def compare_with_guessing(name: str, loss: float, history: History) -> str:
    guessing = f"guessing by the classes' frequencies would give {history.guessing_loss:.4f}"
    return f"The {name} was {loss:.4f}; {guessing}."


def describe_rare_class(estimator: Estimator, targets: np.ndarray) -> str:
    """Which class has too few members in the validation set for scores to mean much."""
    members = targets.sum(axis=0).astype(int)
    if members.size == 1 and estimator.classes_.size == 2:  # the ones are the second class
        members = np.array([len(targets) - members[0], members[0]])
    rarest = members.argmin()
    if members[rarest] >= FEW_TO_JUDGE:
        return ""
    name, n = estimator.classes_.tolist()[rarest], int(members[rarest])
    return (
        f"The validation set has {n} sequence{'s' * (n != 1)} of class {name!r}, which is few to "
        "judge by: try a larger one, or none (early_stopping=False)."
    )


def describe_missing_code(estimator: Estimator, sequences: Sequences) -> str:
    """Advice if an extreme number recurs, far from all others, as codes of missing values do."""
    values = sequences.values
    for d in range(values.shape[1] if values.ndim == 2 else 0):
        x = values[: SAMPLE * SAMPLE, d]
        for extreme in (x.min(), x.max()) if x.size else ():
            others = x[x != extreme]
            n = x.size - others.size
            if n > 1 and others.size and abs(others - extreme).min() > 2 * np.ptp(others) > 0:
                code = extreme * estimator.input_scale_[d] + estimator.input_mean_[d]
                feature = f" of feature {d}" if values.shape[1] > 1 else ""
                return (
                    f"{code:.6g} stands at {n} steps{feature}, far from all other numbers: if it "
                    "is a code for missing values, fill these gaps."
                )
    return ""


def describe_flat_series(sequences: Sequences) -> str:
    """Advice if each standardized series hardly varies, though all steps have a deviation of 1."""
    values, offsets = sequences
    if values.ndim == 1:  # tokens
        return ""
    some = np.linspace(0, offsets.size - 2, min(offsets.size - 1, SAMPLE)).astype(int)
    series = [values[offsets[i] : offsets[i + 1]] for i in some if offsets[i] < offsets[i + 1]]
    own = np.array([x.std(axis=0, dtype=np.float64) for x in series])
    varied = [sd[sd > ROUNDING] for sd in own.T]  # a feature may be constant in each series
    typical = [np.median(sd) if sd.size else 1.0 for sd in varied]
    if min(typical, default=1.0) > MAX_FLAT_DEVIATION:  # no feature if all series are empty
        return ""
    d = int(np.argmin(typical))
    feature = f" in feature {d}" if len(typical) > 1 else ""
    low, high = np.percentile(np.concatenate([x[:, d] for x in series]), [1, 99])
    outliers = (
        f" 98% of all values lie within {high - low:.2g} times input_scale_: if the few others are "
        "errors, clip X to its percentiles 1 and 99, for example."
    )
    return (
        f"Half of the series vary by less than {min(typical):.2g} times input_scale_{feature}: if "
        "a series' own level does not matter, subtract its mean; if its own scale does not, divide "
        f"by its standard deviation.{outliers if high - low < MAX_INNER_RANGE else ''}"
    )


def is_score_stuck(estimator: Estimator, history: History) -> bool:
    """Whether all scores of this training are equal, and not those of perfect predictions."""
    scores = history.validation_scores
    if estimator.scoring == "loss" or len(set(scores)) != 1:
        return False
    without_errors = scores[0] == 0 and math.copysign(1, scores[0]) < 0  # -0.0 of a "neg_" scorer
    return scores[0] != 1 and not without_errors


def warn_of_scoring(estimator: Estimator, where: str) -> None:
    """Warn that scoring has no effect without a validation set."""
    if estimator.scoring != "loss":
        warn(f"scoring={estimator.scoring!r} has no effect {where}.")


def may_label_steps(estimator: Estimator, data: Data) -> bool:
    """Whether a multilabel y may hold a label for each step."""
    n_labels = data.targets.shape[1]
    several = labels.is_multilabel(n_labels, estimator.out_activation_)
    return several and data.sequences.lengths.max() == n_labels


def may_be_token_ids(estimator: Estimator, sequences: Sequences) -> bool:
    """Whether X, read as univariate series, holds whole numbers from 0 on, as ids are."""
    if estimator._kind not in ("ragged", "2d") or sequences.values.shape[1] > 1:
        return False
    values = sequences.values[: SAMPLE * SAMPLE]  # enough to tell
    return bool((values >= 0).all() and (values % 1 == 0).all())


def warn_if_like_token_ids(estimator: Estimator, X: Any, data: Data) -> None:
    """Warn of series that look like `SequenceVectorizer`'s output."""
    if look_like_ids(X, estimator._kind, data.sequences.values):
        warn(
            "X looks like token ids, as SequenceVectorizer makes them, but is read as series of "
            "numbers, since embedding_dim is None. For token ids, set embedding_dim (64, for "
            "example); for series, pass floats to avoid this warning."
        )
