"""What all estimators share: a link, scikit-learn's callbacks, and no half-done fits."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # before scikit-learn 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """There are no callbacks yet."""

    def with_callbacks(method):
        return method


class EstimatorMixin(CallbackSupportMixin):
    """Takes callbacks; in a notebook, the question mark of an estimator has a link."""

    _doc_link_module = "seqnets"
    _doc_link_template = "https://seqnets.readthedocs.io/en/stable/{estimator_name}.html"


def unchanged_on_error(method: Callable) -> Callable:
    """Leave the estimator as it was before the call, whatever ends it."""

    @functools.wraps(method)
    def guarded(self, *args, **kwargs):
        before = self.__dict__.copy()
        try:
            return method(self, *args, **kwargs)
        except BaseException:
            self.__dict__ = before
            raise

    return guarded


def as_one_task(method: Callable) -> Callable:
    """Tell callbacks where a transformer's fit begins and ends."""

    @functools.wraps(method)
    def told(self: Any, X: Any, y: Any = None) -> Any:
        if not hasattr(self, "set_callbacks"):
            return method(self, X, y)
        task = self._init_callback_context()
        task.call_on_fit_task_begin(estimator=self, X=X, y=y)
        result = method(self, X, y)
        task.call_on_fit_task_end(estimator=self, X=X, y=y)
        return result

    return with_callbacks(told)
