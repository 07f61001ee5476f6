"""Looking inside a fitted classifier: states, staged predictions, and what moved its decision."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from .attribution import Target, gradient_x_input, integrated_gradients
from .batches import Sequences
from .estimators import effective_n_threads, on_snapshot, only_if
from .explanation import attention, gradient_flow, staged_logits, trace
from .inputs import read
from .labels import check_labels, check_same_kind, is_multilabel, make_targets
from .prediction import PredictionMixin, check_finite, exp
from .threads import Workers
from .warn import warn


def has_attention(estimator: Any) -> bool:
    """Return True if the network, or the one that fit will make, pools by attention; else raise."""
    network = getattr(estimator, "_network", None)
    if (network.architecture if network else estimator).pooling != "attention":
        raise AttributeError('attention_weights needs pooling="attention" in fit.')
    return True


class InsideMixin(PredictionMixin):
    """How a fitted `RecurrentClassifier` arrives at its predictions."""

    @on_snapshot
    def staged_predict_proba(self, X: Any) -> Iterator[np.ndarray]:
        """Predict the probabilities after each step: the prediction as the words arrive.

        Parameters
        ----------
        X : array-like or list of array-like
            Sequences of the kind given to fit.

        Returns
        -------
        stages : generator of ndarray of shape (n_sequences, n_classes), float64
            The t-th holds what `predict_proba` gives for the first t steps of each sequence, bit
            for bit; a sequence that has ended keeps its last row, an empty one has the same row
            throughout. There are as many arrays as the longest sequence has steps, not counting
            padding tokens. The last equals ``predict_proba(X)``.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            As for `predict`. The call itself checks `X`; each stage checks its outputs.

        Notes
        -----
        States do not depend on later steps, so they are computed once; only the outputs are
        computed at every step. For many sequences, this takes two to three times as long as one
        prediction; for a single one of thousands of steps, more than twenty times. If the network
        is `bidirectional`, its second direction starts from the last step, so each prefix is read
        anew: this takes as many predictions as there are steps.

        Examples
        --------
        >>> X, y = [[0, 1, 2], [1, 3], [2, 1, 0], [3, 1]], ["up", "up", "down", "down"]
        >>> clf = RecurrentClassifier("gru", 8, random_state=0).fit(X, y)
        >>> [float(proba[0, 1].round(1)) for proba in clf.staged_predict_proba([[0, 1, 3]])]
        [0.0, 0.2, 1.0]
        """
        check_is_fitted(self)
        sequences = read(self, X)
        self._check()
        return self._staged(sequences)

    def _staged(self, sequences: Sequences) -> Iterator[np.ndarray]:
        """Yield the stages; the caller checks, since a generator checks only at its first stage."""
        with Workers(effective_n_threads(self.n_jobs), self._dtype) as workers:
            for logits in staged_logits(self._network, self.parameters_, sequences, workers):
                yield exp(self._log_proba(check_finite(logits)))

    @only_if(has_attention)
    @on_snapshot
    def attention_weights(self, X: Any) -> np.ndarray:
        """Return the weight of each step in the pooled state, which is what is classified.

        Parameters
        ----------
        X : array-like or list of array-like
            Sequences of the kind given to fit.

        Returns
        -------
        weights : ndarray of shape (n_sequences,), dtype object
            For each sequence, a float64 array of shape (n_steps,) that sums to one; padding tokens
            are not steps.

        Raises
        ------
        AttributeError
            If `pooling` is not "attention"; the method does not exist then.
        NotFittedError, TypeError, ValueError
            As for `trace`.

        Examples
        --------
        >>> X, y = [[0, 1, 2], [1, 3], [2, 1, 0], [3, 1]], ["up", "up", "down", "down"]
        >>> clf = RecurrentClassifier("gru", pooling="attention", random_state=0)
        >>> [weights.shape for weights in clf.fit(X, y).attention_weights([[0, 2, 4], [3, 1]])]
        [(3,), (2,)]
        """
        return self._read_and_run(attention, X)

    @on_snapshot
    def trace(self, X: Any) -> list[dict[str, np.ndarray]]:
        """Return every gate and state of the network as it reads.

        Parameters
        ----------
        X : array-like or list of array-like
            Sequences of the kind given to fit.

        Returns
        -------
        traces : list of dict of str to ndarray
            For each sequence, in the network's precision, arrays of shape (n_steps, n_units) by
            name, a row per step; padding tokens are not steps.

            - "layer0.h": the state after each step, for every cell
            - LSTM: "layer0.i", "layer0.f", "layer0.o" (input, forget and output gate),
              "layer0.g" (candidate) and "layer0.c" (cell state)
            - GRU: "layer0.r", "layer0.z" (reset and update gate), "layer0.n" (candidate);
              minGRU: only "layer0.z" and "layer0.n"
            - RNN: "layer0.a", the sum whose tanh is the state
            - "layer1.h", ..., for the layers above; "layer0.reverse.h", ..., for a second
              direction, whose row t is its state after reading from the last step back to t
            - "attention" (n_steps,), the weights of attention pooling, float64
            - "pooled" (n_units,), or (2 * n_units,) of both directions, what the output layer
              reads, and "logits" (n_outputs,)

        Raises
        ------
        NotFittedError, TypeError, ValueError
            As for `predict`, but an output that is not finite is no error.

        Notes
        -----
        The forward pass is that of `predict`, with the same bits; its equations are in
        `seqnets.cells`.

        Examples
        --------
        >>> X, y = [[0, 1, 2], [1, 3], [2, 1, 0], [3, 1]], ["up", "up", "down", "down"]
        >>> clf = RecurrentClassifier("gru", 8, random_state=0).fit(X, y)
        >>> [trace] = clf.trace([[0, 2, 4]])
        >>> list(trace)
        ['layer0.r', 'layer0.z', 'layer0.n', 'layer0.h', 'pooled', 'logits']
        >>> z, n, h = trace["layer0.z"], trace["layer0.n"], trace["layer0.h"]
        >>> np.allclose(h[2], z[2] * h[1] + (1 - z[2]) * n[2])  # what a GRU does
        True
        """
        return self._read_and_run(trace, X)

    @on_snapshot
    def attributions(
        self,
        X: Any,
        method: str = "gradient_x_input",
        target: Any = None,
        n_steps: int | None = None,
    ) -> np.ndarray:
        r"""Return how much each step moved the decision toward a class.

        Parameters
        ----------
        X : array-like or list of array-like
            Sequences of the kind given to fit.
        method : {"gradient_x_input", "integrated_gradients"}, default="gradient_x_input"
            The first takes one backward pass; the second takes one for each step of its integral.
        target : label, default=None
            The class whose decision function F is explained, one of `classes_`. None: the class
            predicted for each sequence. For multilabel y, it must be given.
        n_steps : int, default=None
            Number of equal steps of the integral. None: 16 at first; the steps with the largest
            errors are halved, up to 256 in all, until the attributions sum to F(x) - F(0) within
            1e-3 of it (or 1e-5 of the sum of their absolute values, the limit of single precision)
            and the last halving of all steps changed none by more than 0.02 of the largest.

        Returns
        -------
        attributions : ndarray of shape (n_sequences,), dtype object
            For each sequence, a float64 array of shape (n_steps,) for tokens and (n_steps,
            n_features) for series. Above 0 is evidence for `target`, below 0 against it.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            As for `trace`, and if `method` or `n_steps` is not allowed, if `target` is not among
            `classes_`, or if it is None for multilabel y.

        Warns
        -----
        ConvergenceWarning
            If `n_steps` is None and 256 steps are not enough.

        Notes
        -----
        Let x be the network's input at all steps: embeddings or standardized series. Gradient x
        input is :math:`x \, \partial F / \partial x` (Shrikumar et al. 2016), and integrated
        gradients are

        .. math:: x \int_0^1 \frac{\partial F}{\partial x}(\alpha x) \, d\alpha

        (Sundararajan, Taly & Yan 2017), by a trapezoid rule that accounts for the jumps where a
        maximum moves to another step. They sum to F(x) - F(0), where 0 is a series at its channels'
        means, or tokens whose embeddings are zero. For tokens, the components of the embedding are
        summed.

        F is the class's column of `decision_function`; with two classes, it is the decision
        function itself for the second and its negative for the first.

        Examples
        --------
        >>> X, y = [[0, 1, 2], [1, 3], [2, 1, 0], [3, 1]], ["up", "up", "down", "down"]
        >>> clf = RecurrentClassifier("gru", 8, random_state=0).fit(X, y)
        >>> [moved] = clf.attributions([[0, 2, 4]], "integrated_gradients")
        >>> moved.shape
        (3, 1)
        >>> int(moved.argmax())
        2
        """
        check_is_fitted(self)
        explained = self._target(target)
        if method not in ("gradient_x_input", "integrated_gradients"):
            allowed = '"gradient_x_input" or "integrated_gradients"'
            raise ValueError(f"method={method!r}; allowed are {allowed}.")
        if n_steps is not None:
            check_scalar(n_steps, "n_steps", Integral, min_val=1)
        if method == "gradient_x_input":
            if n_steps is not None:
                raise ValueError(f'n_steps={n_steps} is for method="integrated_gradients".')
            return self._read_and_run(gradient_x_input, X, explained)
        found, wrong_sums, doubtful = self._read_and_run(
            integrated_gradients, X, explained, n_steps
        )
        wrong = wrong_sums.any(axis=1)
        if wrong.any():
            row = wrong.argmax()
            total, change = wrong_sums[row]
            message = (
                f"The attributions of sequence {row} sum to {total:.3g}, not to F(x) - F(0) = "
                f"{change:.3g}: between 0 and x, the network's output changes too abruptly."
            )
            warn(message, ConvergenceWarning)
        elif doubtful.any():
            message = (
                f"Single attributions of sequence {doubtful.argmax()} may be off by more than "
                "0.02 of the largest: 256 steps are not enough. More may be: n_steps=1000."
            )
            warn(message, ConvergenceWarning)
        return found

    @on_snapshot
    def gradient_flow(self, X: Any, y: Any) -> list[dict[str, np.ndarray]]:
        """Return how much of the gradient reaches each step on its way back through time.

        Parameters
        ----------
        X : array-like or list of array-like
            Sequences of the kind given to fit.
        y : array-like of shape (n_sequences,) or (n_sequences, n_labels)
            Their labels.

        Returns
        -------
        norms : list of dict of str to ndarray
            For each sequence, a dict with a float64 array of shape (n_steps,) for each layer and
            direction, by name ("layer0.h", "layer0.reverse.h", ...): the Euclidean norm of
            d loss / d h_t at each step t, where the loss is that sequence's cross-entropy.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            As for `trace`, and if `y` is of the wrong kind or length, or holds labels that are not
            among `classes_`.

        Notes
        -----
        If the norms vanish toward the first step, the network can't learn what that step means for
        the label: the vanishing gradient (Bengio, Simard & Frasconi 1994). For an LSTM, d h_t is
        what flows back to the hidden state only; the cell state c_t has a path of its own.

        Examples
        --------
        >>> X, y = [[0, 1, 2], [1, 3], [2, 1, 0], [3, 1]], ["up", "up", "down", "down"]
        >>> clf = RecurrentClassifier("gru", 8, random_state=0).fit(X, y)
        >>> [norms] = clf.gradient_flow([[0, 2, 4]], ["up"])
        >>> norms["layer0.h"].shape
        (3,)
        >>> bool(norms["layer0.h"][0] < norms["layer0.h"][-1])
        True
        """
        check_is_fitted(self)
        sequences = read(self, X)
        self._check()
        y = check_labels(y, sequences.lengths)
        check_same_kind(y, self.n_outputs_, self.out_activation_)
        targets = make_targets(y, self.classes_)
        return self._run(gradient_flow, sequences, targets, self.out_activation_)

    def _target(self, label: Any) -> Target:
        if label is None and is_multilabel(self.n_outputs_, self.out_activation_):
            raise ValueError(f"For multilabel y, give the target, one of {self.classes_}.")
        number = None
        if label is not None:
            same = [np.ndim(label) == 0 and c == label for c in self.classes_]
            if not any(same):
                raise ValueError(f"target={label!r} is not among the classes {self.classes_}.")
            number = same.index(True)
        return Target(number, two_classes=len(self.classes_) == 2 and self.n_outputs_ == 1)
