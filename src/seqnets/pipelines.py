"""A classifier at the end of a pipeline: its steps, and what they make of X and its names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from .classifier import RecurrentClassifier

Model: TypeAlias = RecurrentClassifier | Pipeline  # one that ends in a classifier


def steps_of(estimator: Any) -> Iterator[Any]:
    """The steps that predict, also those of nested pipelines; or the estimator itself."""
    while isinstance(estimator, FrozenEstimator):
        estimator = estimator.estimator
    if not isinstance(estimator, Pipeline):
        yield estimator
        return
    for step in (step for _, step in estimator.steps if step not in (None, "passthrough")):
        if step is estimator.steps[-1][1] or not hasattr(step, "fit_resample"):
            yield from steps_of(step)


def split_steps(estimator: Model) -> tuple[list[Any], RecurrentClassifier]:
    """The steps before the classifier, and the classifier."""
    *before, last = steps_of(estimator)
    if not isinstance(last, RecurrentClassifier):
        inside = [name for name in ("best_estimator_", "estimator_") if hasattr(last, name)]
        hint = f"; pass its {inside[0]}" if inside else ""
        raise TypeError(
            "Inspection needs a RecurrentClassifier or a Pipeline that ends in one, not "
            f"{type(last).__name__}{hint}."
        )
    return before, last


def last_step(estimator: Model) -> RecurrentClassifier:
    """The classifier, which may stand at the end of a pipeline."""
    return split_steps(estimator)[1]


def with_inputs(estimator: Model, X: Any) -> tuple[RecurrentClassifier, Any]:
    """The classifier and X as the classifier gets it."""
    before, classifier = split_steps(estimator)
    for step in before:
        X = step.transform(X)
    return classifier, X


def channel_names(estimator: Model) -> Any:
    """The names of the channels as the classifier reads them; none if they can't be known.

    Of no names, a step's `get_feature_names_out` would make "x0", "x1", ...
    """
    before, classifier = split_steps(estimator)
    names = ()
    for step in before:
        names = getattr(step, "feature_names_in_", names)
        try:
            names = step.get_feature_names_out(names) if len(names) else names
        except (AttributeError, TypeError, ValueError):  # it can't tell what it did to them
            names = ()
    return getattr(classifier, "feature_names_in_", names)
