"""What all estimators share."""

from __future__ import annotations

import functools
from collections.abc import Callable


class DocumentationLinkMixin:
    """The link behind the question mark of an estimator shown in a notebook."""

    _doc_link_module = "seqnets"
    _doc_link_template = "https://seqnets.readthedocs.io/en/stable/#{estimator_name}"


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
