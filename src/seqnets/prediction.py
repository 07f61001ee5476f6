"""What a fitted classifier says: labels, probabilities, the decision function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from .fitting import n_threads
from .inference import attention, decision
from .inputs import read
from .labels import several
from .losses import LOSSES
from .network import Network
from .outputs import Attention
from .threads import Workers


class PredictionMixin(BaseEstimator):
    """What a fitted `RecurrentClassifier` does."""

    classes_: np.ndarray
    n_outputs_: int
    out_activation_: str
    parameters_: dict[str, np.ndarray]
    n_jobs: int | None
    _dtype: np.dtype
    _network: Network

    def predict(self, X: Any) -> np.ndarray:
        """Predict the label of each sequence.

        Parameters
        ----------
        X : array-like or list of array-like
            Sequences of the kind given to fit.

        Returns
        -------
        y : ndarray of shape (n_sequences,) or (n_sequences, n_labels)
            The most probable class, the first of equals; with several labels a sequence, 1 for
            those above one half.
        """
        log_proba = self.predict_log_proba(X)
        if several(self.n_outputs_, self.out_activation_):
            return (log_proba > np.log(0.5)).astype(int)
        return self.classes_[log_proba.argmax(axis=1)]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Predict the probability of each class.

        Parameters
        ----------
        X : array-like or list of array-like
            Sequences of the kind given to fit.

        Returns
        -------
        proba : ndarray of shape (n_sequences, n_classes), float64
            In the order of `classes_`; rows sum to one, except with several labels a sequence.
        """
        return np.exp(self.predict_log_proba(X))

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Predict the logarithm of each probability, finite even where that rounds to 0.

        Parameters
        ----------
        X : array-like or list of array-like
            Sequences of the kind given to fit.

        Returns
        -------
        log_proba : ndarray of shape (n_sequences, n_classes), float64
            In the order of `classes_`.
        """
        logits = self._inferred(decision, X)
        log_proba = np.empty((len(logits), len(self.classes_)))
        LOSSES[self.out_activation_][0](logits, log_proba)
        return log_proba

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the network's outputs, to which softmax or the logistic function is applied.

        Parameters
        ----------
        X : array-like or list of array-like
            Sequences of the kind given to fit.

        Returns
        -------
        decision : ndarray of shape (n_sequences,) or (n_sequences, n_classes), float64
            For two classes one number a sequence, above 0 for the second class.
        """
        logits = self._inferred(decision, X).astype(np.float64)
        return logits.ravel() if self.n_outputs_ == 1 else logits

    def attention_weights(self, X: Any) -> np.ndarray:
        """Return how much each step counts in the state that is classified.

        Parameters
        ----------
        X : array-like or list of array-like
            Sequences of the kind given to fit.

        Returns
        -------
        weights : ndarray of shape (n_sequences,), dtype object
            For each sequence an array (n_steps,) that sums to one over its own steps; padding
            tokens are not among them.

        Raises
        ------
        AttributeError
            If `pooling` is not "attention".
        """
        check_is_fitted(self)
        if not isinstance(self._network.pooling, Attention):
            raise AttributeError('attention_weights needs a fit with pooling="attention".')
        return self._inferred(attention, X)

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: plain values instead of the network and the data type."""
        state: Any = super().__getstate__()
        if "_network" in state:
            plain = {"_network": state["_network"].arguments, "_dtype": state["_dtype"].name}
            state = {**state, **plain}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a pickle; weights that were memory-mapped read-only become ordinary arrays."""
        super().__setstate__(state)
        if "parameters_" in state:
            self.parameters_ = {name: np.array(W) for name, W in state["parameters_"].items()}
        if "_network" in state:
            self._network = Network(*state["_network"])
            self._dtype = np.dtype(state["_dtype"])

    def _inferred(self, function: Callable, X: Any) -> np.ndarray:
        """Return what `inference` makes of X with this network."""
        check_is_fitted(self)
        sequences = read(self, X)
        with Workers(n_threads(self.n_jobs), self._dtype) as workers:
            return function(self._network, self.parameters_, sequences, workers)
