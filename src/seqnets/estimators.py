"""What all estimators share: callbacks, no half-done fits, and how many threads."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from joblib.parallel import get_active_backend
from sklearn.base import TransformerMixin, _fit_context
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads
from sklearn.utils.metaestimators import available_if

from .progress import Progress

E = TypeVar("E")
F = TypeVar("F", bound=Callable)  # a method, which keeps its types when it is decorated

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # before scikit-learn 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """There are no callbacks yet."""


class PlainOutputMixin(TransformerMixin, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """A transformer whose output no `set_output` wraps, nor that of its subclasses."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**{"auto_wrap_output_keys": None} | options)


def snapshot(estimator: E) -> E:
    """A copy with the same attributes, which stays as it is if another thread fits the estimator.

    It has its own dict of weights, so that one replaced later is not used unchecked. Not
    `copy.copy`, which calls `__setstate__` and so copies all weights.
    """
    same = object.__new__(type(estimator))
    same.__dict__ = estimator.__dict__.copy()
    if isinstance(same.__dict__.get("parameters_"), dict):
        same.__dict__["parameters_"] = same.__dict__["parameters_"].copy()
    return same


def without_feature_names(estimator: E) -> E:
    """A copy for arrays that were made from X and have lost its feature names."""
    same = snapshot(estimator)
    same.__dict__.pop("feature_names_in_", None)
    return same


def atomic(method: F) -> F:
    """Change the estimator at the end and all at once, or not at all, whatever ends the call.

    The method returns the estimator, or something else. All fitted and private attributes are
    replaced together, with what a callback has set; the others, such as parameters, keep what has
    been set meanwhile. If the call fails, a generator given as `random_state` is wound back.
    """

    @functools.wraps(method)
    def guarded(self: Any, *args: Any, **kwargs: Any) -> Any:
        changed = snapshot(self)
        start = changed.__dict__.copy()
        generator = vars(self).get("random_state")
        before = None
        if isinstance(generator, np.random.RandomState):
            before = generator.get_state(legacy=False)  # of any bit generator
        try:
            with np.errstate(under="ignore"):  # even if NumPy is set to raise errors
                result = method(changed, *args, **kwargs)
            found = changed.__dict__.items()
            new = {k: v for k, v in found if is_learned(k) or k not in start or v is not start[k]}
            now = self.__dict__.copy()  # another thread may set a parameter meanwhile
            self.__dict__ = {k: v for k, v in now.items() if not is_learned(k)} | new
        except BaseException:
            if before is not None:
                generator.set_state(before)
            raise
        return self if result is changed else result

    return cast(F, guarded)


def is_learned(name: str) -> bool:
    """Whether an attribute of this name is what fit has learned, by scikit-learn's custom."""
    return name.startswith("_") or name.endswith("_")


def on_snapshot(method: F) -> F:
    """Answer from the estimator as it was when it was asked."""

    @functools.wraps(method)
    def asked(self: Any, *args: Any, **kwargs: Any) -> Any:
        return method(snapshot(self), *args, **kwargs)

    return cast(F, asked)


def only_if(check: Callable[[Any], bool]) -> Callable[[F], F]:
    """Hide the method of estimators that fail the check, by scikit-learn's `available_if`."""
    return available_if(check)


def checked_fit(method: F) -> F:
    """Make the method a fit: `atomic`, parameters checked, callbacks possible."""
    return cast(F, atomic(_fit_context(prefer_skip_nested_validation=True)(method)))


def fit_method(method: F) -> F:
    """Make the method a transformer's fit: a `checked_fit` that is one task for callbacks.

    Weights are passed on only if given, since not all methods take them.
    """

    @functools.wraps(method)
    def told(self: Any, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        progress = Progress(self, X, y, sample_weight, max_iter=0)
        result = method(self, X, y, **weights)
        progress.fit_ends()
        return result

    return cast(F, checked_fit(told))


def reworded(error: TypeError | ValueError, message: str) -> TypeError | ValueError:
    """A plain error with another message, since some subclasses need more than a message."""
    return (TypeError if isinstance(error, TypeError) else ValueError)(message)


def effective_n_threads(n_jobs: int | None) -> int:
    """As scikit-learn counts for its own compiled loops: affinity, OMP_NUM_THREADS, joblib.

    joblib's loky backend sets OMP_NUM_THREADS to the number of threads that each worker may use.
    The others set nothing; there, one thread is enough, since the other processors run other fits.
    """
    backend, _ = get_active_backend()
    if n_jobs is None and backend.nesting_level and not os.environ.get("OMP_NUM_THREADS"):
        return 1
    return _openmp_effective_n_threads(None if n_jobs is None else int(n_jobs))
