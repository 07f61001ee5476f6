"""Compiling ahead of use."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .batches import BLOCK_ROWS, MAX_SINGLE_BLOCK_STEPS
from .classifier import RecurrentClassifier
from .vocabulary import UNKNOWN


def warmup(**parameters: Any) -> None:
    """Compile now what a classifier with these parameters would compile on first use.

    That is: the kernels (compiled functions) of the cell, the pooling, the solver and the loss, for
    two classes and for more, in one precision. They are kept on disk, so a call while a container
    is built saves the wait at its first fit and prediction. Later runs need the same processor,
    versions and cache directory (`NUMBA_CACHE_DIR`, or the user's own).

    Parameters
    ----------
    **parameters : Any
        Those of `RecurrentClassifier`. These decide what is compiled: `cell`, `embedding_dim`
        (given or not), `pooling`, `bidirectional`, `solver` and `dtype`. The dtype "auto" means
        float32 for tokens and float64 for series; the pooling "auto", "max" for tokens and both
        "last" and "max" for series.

    Raises
    ------
    ValueError
        If a parameter is not allowed.
    TypeError
        If there is no such parameter.

    Examples
    --------
    >>> import seqnets
    >>> seqnets.warmup(cell="gru", embedding_dim=64)
    """
    clf = RecurrentClassifier(**parameters).set_params(
        class_weight=None,
        early_stopping=True,
        validation_fraction=0.25,
        scoring="loss",
        verbose=False,
        max_iter=1,
        warm_start=False,
        batch_size=2 * BLOCK_ROWS,
    )
    # An id that any embedding has, or a number; two blocks, so that gradients are summed.
    X = np.full((2 * BLOCK_ROWS, MAX_SINGLE_BLOCK_STEPS // BLOCK_ROWS), UNKNOWN)
    depends_on_X = clf.pooling == "auto" and clf.embedding_dim is None
    poolings = ("last", "max") if depends_on_X else (clf.pooling, clf.pooling)
    for n_classes, pooling in zip((2, 3), poolings, strict=True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            clf.set_params(pooling=pooling).fit(X, np.arange(len(X)) % n_classes).predict_proba(X)
