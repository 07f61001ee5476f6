"""The predictions of a fitted classifier: labels and probabilities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from .batches import Sequences
from .estimators import effective_n_threads, on_snapshot
from .inference import decision
from .inputs import read
from .labels import check_outputs, is_multilabel
from .losses import LOG_PROBAS
from .network import Architecture, Network
from .threads import Workers


class PredictionMixin(BaseEstimator):
    """The predictions of a fitted `RecurrentClassifier`."""

    classes_: np.ndarray
    n_outputs_: int
    out_activation_: str
    parameters_: dict[str, np.ndarray]
    n_jobs: int | None
    _dtype: np.dtype
    _network: Network

    @on_snapshot
    def predict(self, X: Any) -> np.ndarray:
        """Predict the label of each sequence.

        Parameters
        ----------
        X : array-like or list of array-like
            Sequences of the kind given to fit.

        Returns
        -------
        y : ndarray of shape (n_sequences,) or (n_sequences, n_labels)
            The class with the highest output, the first of several that are equal; for multilabel
            y, zeros and ones: 1 where the output is above 0, the probability above 0.5.

        Raises
        ------
        NotFittedError
            If the classifier has not been fitted.
        TypeError
            If `X` holds strings or dates, is a sparse or masked array, or is not a list or array,
            such as a set or an iterator.
        ValueError
            If `X` is not of the kind given to fit, if a value in it is not allowed, if an attribute
            set by hand does not fit the network, or if the network's output is not finite.

        Examples
        --------
        >>> X, y = [[0, 1, 2], [1, 3], [2, 1, 0], [3, 1]], ["up", "up", "down", "down"]
        >>> clf = RecurrentClassifier("gru", 8, random_state=0).fit(X, y)
        >>> clf.predict([[0, 2, 4], [3, 1]])
        array(['up', 'down'], dtype='<U4')
        """
        logits = check_finite(self._read_and_run(decision, X))
        if is_multilabel(self.n_outputs_, self.out_activation_):
            return (logits > 0).astype(int)
        if self.out_activation_ == "logistic":
            return self.classes_[(logits[:, 0] > 0).astype(int)]
        return self.classes_[logits.argmax(axis=1)]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Predict the probability of each class.

        Parameters
        ----------
        X : array-like or list of array-like
            Sequences of the kind given to fit.

        Returns
        -------
        proba : ndarray of shape (n_sequences, n_classes), float64
            In the order of `classes_`; rows sum to one, except for multilabel y.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            As for `predict`.

        Examples
        --------
        >>> X, y = [[0, 1, 2], [1, 3], [2, 1, 0], [3, 1]], ["up", "up", "down", "down"]
        >>> clf = RecurrentClassifier("gru", 8, random_state=0).fit(X, y)
        >>> clf.predict_proba([[0, 2, 4]]).round(3)
        array([[0.004, 0.996]])
        """
        return exp(self.predict_log_proba(X))

    @on_snapshot
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Predict the log-probabilities, which are finite even where a probability rounds to 0.

        Parameters
        ----------
        X : array-like or list of array-like
            Sequences of the kind given to fit.

        Returns
        -------
        log_proba : ndarray of shape (n_sequences, n_classes), float64
            In the order of `classes_`.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            As for `predict`.

        Examples
        --------
        >>> X, y = [[0, 1, 2], [1, 3], [2, 1, 0], [3, 1]], ["up", "up", "down", "down"]
        >>> clf = RecurrentClassifier("gru", 8, random_state=0).fit(X, y)
        >>> clf.predict_log_proba([[3, 1]]).round(2)
        array([[-0.02, -3.92]])
        """
        return self._log_proba(check_finite(self._read_and_run(decision, X)))

    @on_snapshot
    def decision_function(self, X: Any) -> np.ndarray:
        """Return the network's outputs, to which softmax or the logistic function is applied.

        Parameters
        ----------
        X : array-like or list of array-like
            Sequences of the kind given to fit.

        Returns
        -------
        decision : ndarray of shape (n_sequences,) or (n_sequences, n_classes), float64
            For two classes that exclude each other, one number per sequence, above 0 for the
            second; for a single class, 0. Else a column for each class or label.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            As for `predict`.

        Examples
        --------
        >>> X, y = [[0, 1, 2], [1, 3], [2, 1, 0], [3, 1]], ["up", "up", "down", "down"]
        >>> clf = RecurrentClassifier("gru", 8, random_state=0).fit(X, y)
        >>> clf.decision_function([[0, 2, 4], [3, 1]]) > 0
        array([ True, False])
        """
        logits = check_finite(self._read_and_run(decision, X)).astype(np.float64)
        return logits.ravel() if self.n_outputs_ == 1 else logits

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: plain values instead of the network and the data type."""
        state: Any = super().__getstate__()
        if "_network" in state:
            network = tuple(state["_network"].architecture)
            state = state | {"_network": network, "_dtype": state["_dtype"].name}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a pickle; weights that were memory-mapped read-only become ordinary arrays."""
        super().__setstate__(state)
        if "parameters_" in state:
            self.parameters_ = {name: np.array(W) for name, W in state["parameters_"].items()}
        if "_network" in state:
            self._network = Network(Architecture(*state["_network"]))
            self._dtype = np.dtype(state["_dtype"])

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.classifier_tags.multi_label = True
        return tags

    def _log_proba(self, logits: np.ndarray) -> np.ndarray:
        log_proba = np.empty((len(logits), len(self.classes_)))
        LOG_PROBAS[self.out_activation_](logits, log_proba)
        return log_proba

    def _read_and_run(self, function: Callable, X: Any, *arguments: Any) -> Any:
        """Return what `inference`, `explanation` or `attribution` makes of X with this network."""
        if "parameters_" not in vars(self):  # else it can't fail, and takes 0.1 ms
            check_is_fitted(self)
        return self._run(function, read(self, X), *arguments)

    def _check(self) -> None:
        """Refuse attributes set by hand that the kernels can't use."""
        self._network.check(self.parameters_, self._dtype)
        n_outputs = self._network.dense.n_outputs
        check_outputs(self.classes_, n_outputs, self.out_activation_)
        if self.n_outputs_ != n_outputs:
            raise ValueError(f"n_outputs_={self.n_outputs_!r}, but the network has {n_outputs}.")

    def _run(self, function: Callable, sequences: Sequences, *arguments: Any) -> Any:
        self._check()
        one = sequences.offsets.size == 2  # a single sequence is one block, for one thread
        n = 1 if one else effective_n_threads(self.n_jobs)
        ignored = np.errstate(under="ignore")  # even if NumPy is set to raise errors
        with ignored, Workers(n, self._dtype, spare=True) as workers:
            return function(self._network, self.parameters_, sequences, workers, *arguments)


def exp(log_proba: np.ndarray) -> np.ndarray:
    """Return the probabilities; underflow gives 0 even if NumPy is set to raise errors."""
    with np.errstate(under="ignore"):
        return np.exp(log_proba)


def check_finite(logits: np.ndarray) -> np.ndarray:
    """Return the logits (n, K), or raise if one is not finite: no probability may be NaN."""
    are_finite = np.isfinite(logits)
    if are_finite.all():
        return logits
    raise ValueError(
        f"The network's output for sequence {are_finite.all(axis=1).argmin()} is not finite: X "
        "or parameters_ holds values that are too large for its precision, or there is NaN in "
        "parameters_."
    )
