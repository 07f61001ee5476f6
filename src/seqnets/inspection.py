"""Inspection of what a fitted classifier does, also at the end of a pipeline.

The functions take a `RecurrentClassifier`, or a pipeline that ends in one, and X as its `predict`
takes it: texts, if the pipeline begins with a `SequenceVectorizer`. The estimator and each step of
a pipeline may be wrapped in scikit-learn's `FrozenEstimator`.

Examples
--------
>>> from sklearn.pipeline import make_pipeline
>>> from seqnets import RecurrentClassifier, SequenceVectorizer, inspection
>>> texts, y = ["a good film", "not bad", "a bad film", "not good"], ["yes", "yes", "no", "no"]
>>> clf = RecurrentClassifier("gru", embedding_dim=8, dropout=0, random_state=0)
>>> model = make_pipeline(SequenceVectorizer(), clf).fit(texts, y)
>>> [words], [moved] = inspection.words(model, texts[:1]), inspection.attributions(model, texts[:1])
>>> words[moved.argmax()]
'good'
"""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.metrics import check_scoring
from sklearn.utils import Bunch, check_random_state, check_scalar
from sklearn.utils.validation import check_is_fitted

from .estimators import without_feature_names
from .explanation import channel_shuffled, step_shuffled
from .inputs import read_again
from .labels import check_labels
from .pipelines import Model, split_steps, with_inputs
from .vectorizer import SequenceVectorizer
from .vocabulary import UNKNOWN, ragged

__all__ = [
    "attributions",
    "gradient_flow",
    "permutation_importance",
    "staged_predict_proba",
    "trace",
    "words",
]


def trace(estimator: Model, X: Any) -> list[dict[str, np.ndarray]]:
    """Return every gate and state of the network as it reads.

    Parameters
    ----------
    estimator : RecurrentClassifier or Pipeline
        A fitted classifier, or a pipeline that ends in one.
    X : array-like or list
        Sequences or texts, as `estimator.predict` takes them.

    Returns
    -------
    traces : list of dict of str to ndarray
        See `RecurrentClassifier.trace`.

    Raises
    ------
    NotFittedError, TypeError, ValueError
        As for the classifier's method and a pipeline's steps; TypeError for other estimators.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> texts, y = ["a good film", "not bad", "a bad film", "not good"], ["yes", "yes", "no", "no"]
    >>> clf = RecurrentClassifier("gru", embedding_dim=8, dropout=0, random_state=0)
    >>> model = make_pipeline(SequenceVectorizer(), clf).fit(texts, y)
    >>> seqnets.trace(model, ["not a bad film"])[0]["layer0.h"].shape
    (4, 64)
    """
    classifier, X = with_inputs(estimator, X)
    return classifier.trace(X)


def staged_predict_proba(estimator: Model, X: Any) -> Iterator[np.ndarray]:
    """Predict the probabilities after each step: the prediction as the words arrive.

    Parameters
    ----------
    estimator : RecurrentClassifier or Pipeline
        A fitted classifier, or a pipeline that ends in one.
    X : array-like or list
        Sequences or texts, as `estimator.predict` takes them.

    Returns
    -------
    stages : generator of ndarray of shape (n_sequences, n_classes)
        See `RecurrentClassifier.staged_predict_proba`.

    Raises
    ------
    NotFittedError, TypeError, ValueError
        As for the classifier's method and a pipeline's steps; TypeError for other estimators.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> texts, y = ["a good film", "not bad", "a bad film", "not good"], ["yes", "yes", "no", "no"]
    >>> clf = RecurrentClassifier("gru", embedding_dim=8, dropout=0, random_state=0)
    >>> model = make_pipeline(SequenceVectorizer(), clf).fit(texts, y)
    >>> for proba in inspection.staged_predict_proba(model, ["not good"]):
    ...     print(model.classes_[proba.argmax()])
    no
    no
    """
    classifier, X = with_inputs(estimator, X)
    return classifier.staged_predict_proba(X)


def attributions(
    estimator: Model,
    X: Any,
    method: str = "gradient_x_input",
    target: Any = None,
    n_steps: int | None = None,
) -> np.ndarray:
    """Return how much each step moved the decision toward a class.

    Parameters
    ----------
    estimator : RecurrentClassifier or Pipeline
        A fitted classifier, or a pipeline that ends in one.
    X : array-like or list
        Sequences or texts, as `estimator.predict` takes them.
    method : {"gradient_x_input", "integrated_gradients"}, default="gradient_x_input"
        See `RecurrentClassifier.attributions`.
    target : label, default=None
        The class that is explained, required for multilabel y. None: the one predicted for each.
    n_steps : int, default=None
        Steps of the integral of "integrated_gradients". None: as many as are needed, up to 256.

    Returns
    -------
    attributions : ndarray of shape (n_sequences,), dtype object
        For each sequence, a float64 array (n_steps,) or, for series, (n_steps, n_features).

    Raises
    ------
    NotFittedError, TypeError, ValueError
        As for the classifier's method and a pipeline's steps; TypeError for other estimators.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> texts, y = ["a good film", "not bad", "a bad film", "not good"], ["yes", "yes", "no", "no"]
    >>> clf = RecurrentClassifier("gru", embedding_dim=8, dropout=0, random_state=0)
    >>> model = make_pipeline(SequenceVectorizer(), clf).fit(texts, y)
    >>> [moved] = inspection.attributions(model, ["a good film"], "integrated_gradients")
    >>> int(moved.argmax())
    1
    """
    classifier, X = with_inputs(estimator, X)
    return classifier.attributions(X, method, target, n_steps)


def gradient_flow(estimator: Model, X: Any, y: Any) -> list[dict[str, np.ndarray]]:
    """Return how much of the gradient reaches each step on its way back through time.

    Parameters
    ----------
    estimator : RecurrentClassifier or Pipeline
        A fitted classifier, or a pipeline that ends in one.
    X : array-like or list
        Sequences or texts, as `estimator.predict` takes them.
    y : array-like of shape (n_sequences,) or (n_sequences, n_labels)
        Their labels.

    Returns
    -------
    norms : list of dict of str to ndarray
        See `RecurrentClassifier.gradient_flow`.

    Raises
    ------
    NotFittedError, TypeError, ValueError
        As for the classifier's method and a pipeline's steps; TypeError for other estimators.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> texts, y = ["a good film", "not bad", "a bad film", "not good"], ["yes", "yes", "no", "no"]
    >>> clf = RecurrentClassifier("gru", embedding_dim=8, dropout=0, random_state=0)
    >>> model = make_pipeline(SequenceVectorizer(), clf).fit(texts, y)
    >>> [norms] = inspection.gradient_flow(model, ["not good"], ["no"])
    >>> norms["layer0.h"].shape
    (2,)
    """
    classifier, X = with_inputs(estimator, X)
    return classifier.gradient_flow(X, y)


def permutation_importance(
    estimator: Model,
    X: Any,
    y: Any,
    *,
    by: str = "step",
    scoring: Any = None,
    n_repeats: int = 5,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    """Return how much the score drops when a step, or a channel, is taken from another sequence.

    Unlike scikit-learn's function of this name, it takes 3-D X, ragged X, tokens and texts. For 2-D
    X, where the steps are columns, it calls scikit-learn's.

    Parameters
    ----------
    estimator : RecurrentClassifier or Pipeline
        A fitted classifier, or a pipeline that ends in one.
    X : array-like or list
        Sequences or texts, as `estimator.predict` takes them.
    y : array-like of shape (n_sequences,) or (n_sequences, n_labels)
        Their labels.
    by : {"step", "channel"}, default="step"
        "step": the t-th steps are shuffled, all channels together, among the sequences that are
        long enough. "channel": each sequence that is not empty takes one channel, at all steps,
        from another one, stretched to fit if lengths differ: step t of T_i becomes step
        floor(t T_j / T_i) of T_j.
    scoring : str or callable, default=None
        A scikit-learn scorer; None: the accuracy.
    n_repeats : int, default=5
        How often each step or channel is shuffled; each time, all of X is predicted.
    random_state : int, RandomState instance or None, default=None
        Determines the shuffling.

    Returns
    -------
    result : Bunch
        `importances` of shape (n, n_repeats), the score without shuffling minus that with it, for n
        channels or steps (as many as the longest sequence has); `importances_mean` (n,) and
        `importances_std` (n,) over the repeats.

    Raises
    ------
    NotFittedError, TypeError, ValueError
        If the estimator has not been fitted or is of another type, if a parameter, `X` or `y` is
        not allowed, or if `by` is "channel" for tokens or 2-D `X`.

    Examples
    --------
    >>> X = np.random.RandomState(0).normal(size=(40, 3, 2))
    >>> y = X[:, :, 0].sum(axis=1) > 0
    >>> clf = RecurrentClassifier("gru", 8, random_state=0).fit(X, y)
    >>> result = inspection.permutation_importance(clf, X, y, by="channel", random_state=0)
    >>> int(result.importances_mean.argmax())
    0
    """
    classifier, X = with_inputs(estimator, X)
    check_is_fitted(classifier)
    check_scalar(n_repeats, "n_repeats", Integral, min_val=1)
    if isinstance(scoring, list | tuple | set | dict):
        raise TypeError(f"scoring={scoring!r} holds several scorers: give one.")
    if by not in ("step", "channel"):
        raise ValueError(f'by={by!r}; allowed are "step" and "channel".')
    if classifier._kind == "2d":
        if by == "channel":
            raise ValueError('2-D X has one channel; by="step" shuffles its columns.')
        from sklearn.inspection import permutation_importance as of_columns  # slow to import

        read_again(classifier, X)
        if not (hasattr(X, "iloc") and hasattr(classifier, "feature_names_in_")):
            # scikit-learn makes arrays of all but pandas's frames, and each scoring would warn
            classifier, X = without_feature_names(classifier), np.asarray(X)
        return of_columns(
            classifier, X, y, scoring=scoring, n_repeats=n_repeats, random_state=random_state
        )
    sequences, random = read_again(classifier, X), check_random_state(random_state)
    if by == "channel" and sequences.values.ndim == 1:
        raise ValueError('Tokens have no channels; by="step" shuffles them among sequences.')
    y, classifier = check_labels(y, sequences.lengths), without_feature_names(classifier)
    scorer = check_scoring(classifier, scoring)
    shuffled = step_shuffled if by == "step" else channel_shuffled
    score = scorer(classifier, ragged(sequences.split()), y)
    n_shared = n = sequences.values.shape[-1]
    if by == "step":  # nothing to shuffle at steps that only the longest sequence has
        n_shared, n = np.sort(np.append(0, sequences.lengths))[-2:].tolist()
    importances = np.zeros((n, n_repeats))
    for place in np.ndindex(n_shared, n_repeats):
        others = ragged(shuffled(sequences, place[0], random).split())
        importances[place] = score - scorer(classifier, others, y)
    return Bunch(
        importances=importances,
        importances_mean=importances.mean(axis=1),
        importances_std=importances.std(axis=1),
    )


def words(estimator: Model, X: Any) -> list[list[str]]:
    """Return a name for each step.

    Parameters
    ----------
    estimator : RecurrentClassifier or Pipeline
        A fitted classifier, or a pipeline that ends in one.
    X : array-like or list
        Sequences or texts, as `estimator.predict` takes them.

    Returns
    -------
    names : list of list of str
        For each sequence: if the pipeline has a `SequenceVectorizer`, the words of the text, with
        those unknown to the network in brackets ("<unknown>" if later steps of the pipeline change
        the ids); else token ids; for series, the numbers of the steps, from 1 on.

    Raises
    ------
    NotFittedError, TypeError, ValueError
        As for a pipeline's steps; if `X` is not of the kind given to fit; for other estimators.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> texts, y = ["a good film", "not bad", "a bad film", "not good"], ["yes", "yes", "no", "no"]
    >>> clf = RecurrentClassifier("gru", embedding_dim=8, dropout=0, random_state=0)
    >>> model = make_pipeline(SequenceVectorizer(), clf).fit(texts, y)
    >>> inspection.words(model, ["Not so bad"])
    [['not', '[so]', 'bad']]
    """
    vectorizer = None
    X = list(X) if isinstance(X, Iterator) else X
    before, classifier = split_steps(estimator)
    for step in before:
        if isinstance(step, SequenceVectorizer):
            vectorizer, texts = step, X
        X = step.transform(X)
    check_is_fitted(classifier)
    sequences = read_again(classifier, X)
    if sequences.values.ndim > 1:
        return [[str(t + 1) for t in range(length)] for length in sequences.lengths]
    numbers = [part.tolist() for part in sequences.split()]
    if vectorizer is None:
        return [[str(number) for number in part] for part in numbers]
    known = set(classifier.token_ids_.tolist())
    return _spelled(vectorizer, texts, numbers, known)


def _spelled(
    vectorizer: SequenceVectorizer, texts: Any, rows: list[list[int]], known: set[int]
) -> list[list[str]]:
    """Return the words of these ids; as spelled in the texts, if the texts give the same ids."""
    vocabulary, split = vectorizer._words(), vectorizer.build_analyzer()
    words = {number: str(word) for word, number in vocabulary.items()}
    names = []
    for text, ids in zip(texts, rows, strict=True):
        found = list(split(text))[: vectorizer.max_length]
        same = [vocabulary.get(word, UNKNOWN) for word in found] == ids
        shown = found if same else [words.get(i, "<unknown>") for i in ids]
        pairs = zip(shown, ids, strict=True)
        names.append([f"{w}" if i in known or w == "<unknown>" else f"[{w}]" for w, i in pairs])
    return names
