"""What all estimators share: callbacks, no half-done fits, and how many threads."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from joblib.parallel import get_active_backend
from sklearn.base import _fit_context
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads

from .progress import Progress

E = TypeVar("E")

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # before scikit-learn 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """There are no callbacks yet."""

    def with_callbacks(method):
        return method


def snapshot(estimator: E) -> E:
    """A copy with the same attributes, which stays as it is if another thread fits the estimator.

    It has its own dict of weights, so that one replaced later is not used unchecked. Not
    `copy.copy`, which goes by way of the pickle and so copies all weights.
    """
    same = object.__new__(type(estimator))
    same.__dict__ = estimator.__dict__.copy()
    if isinstance(same.__dict__.get("parameters_"), dict):
        same.__dict__["parameters_"] = same.__dict__["parameters_"].copy()
    return same


def without_feature_names(estimator: E) -> E:
    """A copy for arrays that were made of X and have no feature names any more."""
    same = snapshot(estimator)
    same.__dict__.pop("feature_names_in_", None)
    return same


def atomic(method: Callable) -> Callable:
    """Change the estimator at the end and all at once, or not at all, whatever ends the call.

    The method returns the estimator, or something else. All fitted and private attributes are
    replaced together; the others, such as parameters, keep what has been set meanwhile.
    """

    @functools.wraps(method)
    def guarded(self: Any, *args: Any, **kwargs: Any) -> Any:
        changed = snapshot(self)
        result = method(changed, *args, **kwargs)
        learned = {k: v for k, v in changed.__dict__.items() if is_learned(k)}
        now = self.__dict__.copy()  # another thread may set a parameter meanwhile
        self.__dict__ = {k: v for k, v in now.items() if not is_learned(k)} | learned
        return self if result is changed else result

    return guarded


def is_learned(name: str) -> bool:
    """Whether an attribute of this name is what fit has learned, by scikit-learn's custom."""
    return name.startswith("_") or name.endswith("_")


def on_snapshot(method: Callable) -> Callable:
    """Answer from the estimator as it was when it was asked."""

    @functools.wraps(method)
    def asked(self: Any, *args: Any, **kwargs: Any) -> Any:
        return method(snapshot(self), *args, **kwargs)

    return asked


def learning(method: Callable) -> Callable:
    """Make a transformer's fit of it: `atomic`, parameters checked, callbacks told of one task.

    Weights are for those whose method takes them: to all others none are handed on.
    """

    @functools.wraps(method)
    def told(self: Any, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        progress = Progress(self, X, y, sample_weight, max_iter=0)
        result = method(self, X, y, **weights)
        progress.fit_ends()
        return result

    return atomic(_fit_context(prefer_skip_nested_validation=True)(with_callbacks(told)))


def reworded(error: TypeError | ValueError, message: str) -> TypeError | ValueError:
    """The error with another message; plain, for some subclasses are made of more than that."""
    return (TypeError if isinstance(error, TypeError) else ValueError)(message)


def check_unmasked(given: Any, name: str, instead: str) -> None:
    """Refuse a masked array, whose masked numbers would be read as all others are."""
    if isinstance(given, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array, but masks are not supported: {instead}.")


def effective_n_threads(n_jobs: int | None) -> int:
    """As scikit-learn counts for its own compiled loops: affinity, OMP_NUM_THREADS, joblib.

    joblib's loky tells its workers by OMP_NUM_THREADS how many threads are theirs. Its other
    backends tell nothing, and there one is enough: the other processors have fits of their own.
    """
    backend, _ = get_active_backend()
    if n_jobs is None and backend.nesting_level and not os.environ.get("OMP_NUM_THREADS"):
        return 1
    return _openmp_effective_n_threads(None if n_jobs is None else int(n_jobs))
