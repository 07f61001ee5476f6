"""Displays that are lines: the loss by epoch, the verdict and the gradient's flow by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from . import inspection
from .display import (
    LINES,
    N_LOOKS,
    Display,
    legend_width,
    literal,
    looks,
    read_one,
    set_integer_ticks,
    width_for,
)
from .pipelines import Model, last_step

MOST_NAMED = 10  # classes, those with the highest probabilities


class LossCurveDisplay(Display):
    """The loss by epoch.

    Parameters
    ----------
    loss_curve : list of float
        The training loss of each epoch.
    validation_loss_curve : list of float, default=None
        The validation loss of each epoch.
    validation_scores : list of float, default=None
        The validation score of each epoch, if it is not the loss. The epoch with the highest score
        is marked (of equal ones, that with the lowest loss); None: that with the lowest loss.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes, matplotlib Figure
        The axes and the figure of the plot; set by `plot`.

    Examples
    --------
    >>> from seqnets.plots import LossCurveDisplay
    >>> display = LossCurveDisplay([0.7, 0.5, 0.4], [0.7, 0.6, 0.65]).plot()
    >>> display.ax_.get_xlabel()
    'epoch'
    """

    def __init__(
        self,
        loss_curve: Sequence[float],
        validation_loss_curve: Sequence[float] | None = None,
        validation_scores: Sequence[float] | None = None,
    ) -> None:
        self.loss_curve, self.validation_loss_curve = loss_curve, validation_loss_curve
        self.validation_scores = validation_scores

    @classmethod
    def from_estimator(cls, estimator: Model, *, ax: Any = None) -> Self:
        """Plot the curves of a fitted classifier.

        Parameters
        ----------
        estimator : RecurrentClassifier or Pipeline
            A fitted classifier, or a pipeline that ends in one.
        ax : matplotlib Axes, default=None
            Where to plot; None: on a new figure.

        Returns
        -------
        display : LossCurveDisplay
            The display, plotted.

        Raises
        ------
        ImportError, NotFittedError, TypeError
            If matplotlib is not installed, or the estimator is not fitted or of another type.

        Examples
        --------
        >>> X, y = [[0, 1, 2], [1, 3], [2, 1, 0], [3, 1]], ["up", "up", "down", "down"]
        >>> clf = RecurrentClassifier("gru", 8, random_state=0).fit(X, y)
        >>> display = plots.LossCurveDisplay.from_estimator(clf)
        >>> len(display.loss_curve) == clf.n_iter_
        True
        """
        classifier = last_step(estimator)
        check_is_fitted(classifier)
        scores = None if classifier.scoring == "loss" else classifier.validation_scores_
        return cls(classifier.loss_curve_, classifier.validation_loss_curve_, scores).plot(ax=ax)

    def plot(self, ax: Any = None) -> Self:
        """Plot the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to plot; None: on a new figure.

        Returns
        -------
        self : LossCurveDisplay
            The display.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> figure, (left, right) = plt.subplots(1, 2)
        >>> display = plots.LossCurveDisplay([0.7, 0.5, 0.4]).plot(ax=right)
        >>> display.figure_ is figure
        True
        """
        ax = self._set_axes(ax)
        curves = {"training": self.loss_curve, "validation": self.validation_loss_curve}
        for (name, curve), line in zip(curves.items(), LINES, strict=False):
            if curve is not None:
                marker = "." if len(curve) < 50 else ""
                ax.plot(range(1, len(curve) + 1), curve, line, marker=marker, label=name)
        if self.validation_loss_curve is not None and np.isfinite(self.validation_loss_curve).any():
            losses, name = np.array(self.validation_loss_curve, dtype=float), "its lowest"
            if self.validation_scores is not None:
                scores, name = np.array(self.validation_scores, dtype=float), "highest score"
                losses[scores != np.nanmax(scores)] = np.nan
            best = int(np.nanargmin(losses))
            ax.plot(best + 1, self.validation_loss_curve[best], "o", fillstyle="none", ms=10,
                    color=ax.lines[-1].get_color(), label=name)  # fmt: skip
        set_integer_ticks(ax.xaxis)
        ax.set(xlabel="epoch", ylabel="loss", title="loss by epoch")
        ax.legend()
        return self


class StagedPredictionDisplay(Display):
    """The prediction as the words arrive.

    Parameters
    ----------
    probabilities : array-like of shape (n_steps, n_classes)
        The probabilities after each step.
    words : list of str of length n_steps
        The names of the steps.
    classes : array-like of shape (n_classes,)
        The classes.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes, matplotlib Figure
        The axes and the figure of the plot; set by `plot`.

    Examples
    --------
    >>> import numpy as np
    >>> from seqnets.plots import StagedPredictionDisplay
    >>> probabilities = np.array([[0.7, 0.3], [0.2, 0.8]])
    >>> display = StagedPredictionDisplay(probabilities, ["not", "bad"], ["no", "yes"]).plot()
    >>> display.ax_.get_ylabel()
    'probability of yes'
    """

    def __init__(self, probabilities: Any, words: Sequence[str], classes: Any) -> None:
        self.probabilities = self._by_step(probabilities, words)
        self.words, self.classes = words, classes

    @classmethod
    def from_estimator(cls, estimator: Model, x: Any, *, ax: Any = None) -> Self:
        """Plot the staged probabilities of one sequence or text.

        Parameters
        ----------
        estimator : RecurrentClassifier or Pipeline
            A fitted classifier, or a pipeline that ends in one.
        x : array-like of shape (n_steps,) or (n_steps, n_features), or str
            One of the sequences or texts that `estimator.predict` takes.
        ax : matplotlib Axes, default=None
            Where to plot; None: on a new figure.

        Returns
        -------
        display : StagedPredictionDisplay
            The display, plotted.

        Raises
        ------
        ImportError, NotFittedError, TypeError, ValueError
            As for `inspection.staged_predict_proba`; if matplotlib is not installed.

        Examples
        --------
        >>> X, y = [[0, 1, 2], [1, 3], [2, 1, 0], [3, 1]], ["up", "up", "down", "down"]
        >>> clf = RecurrentClassifier("gru", 8, random_state=0).fit(X, y)
        >>> display = plots.StagedPredictionDisplay.from_estimator(clf, [0, 1, 2])
        >>> display.probabilities[-1] == clf.predict_proba([[0, 1, 2]])[0]
        array([ True,  True])
        """
        X, words = read_one(estimator, x)
        classes = last_step(estimator).classes_
        stages = [stage[0] for stage in inspection.staged_predict_proba(estimator, X)]
        return cls(np.reshape(stages, (-1, len(classes))), words, classes).plot(ax=ax)

    def plot(self, ax: Any = None) -> Self:
        """Plot the probabilities; for two exclusive classes, only the second one's.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to plot; None: on a new figure.

        Returns
        -------
        self : StagedPredictionDisplay
            The display.

        Examples
        --------
        >>> probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])
        >>> display = plots.StagedPredictionDisplay(probabilities, ["1", "2"], ["a", "b", "c"])
        >>> len(display.plot().ax_.lines)
        3
        """
        n_classes = len(self.classes)
        most = MOST_NAMED + 1  # and others
        ax = self._set_axes(ax, width_for(self.words) + legend_width(list(self.classes)[:most]))
        sums, few = self.probabilities.sum(axis=1), len(self.words) <= 60
        shared = n_classes == 2 and sums.size > 0 and np.allclose(sums, 1)
        highest = self.probabilities.max(axis=0, initial=0)
        named = sorted(np.argsort(-highest, kind="stable")[:MOST_NAMED].tolist())
        if len(named) < n_classes:
            others = np.delete(self.probabilities, named, axis=1)
            names = ["others", *["_"] * (n_classes - len(named) - 1)]
            ax.plot(others, color="gray", linewidth=0.5, label=names)
        # By number, a class looks the same in each picture; with more, two would look alike.
        numbers = range(n_classes) if n_classes <= N_LOOKS else named
        styles = dict(zip(numbers, looks(), strict=False))
        for number in named:
            color, line, marker = styles[number]
            if number > 0 or not shared:
                ax.plot(self.probabilities[:, number], "-" if shared else line,
                        color=color, marker=marker if few else "", markersize=4,
                        label=literal(self.classes[number]))  # fmt: skip
        if shared:
            ax.axhline(0.5, color="gray", linewidth=0.8, zorder=0)
            ax.set(ylabel=f"probability of {literal(self.classes[-1])}")
        else:
            ax.set(ylabel="probability")
            self._name_lines()
        ax.set(ylim=(-0.02, 1.02), title="the verdict so far")
        self._name_steps(self.words)
        return self


class GradientFlowDisplay(Display):
    """How much of the gradient flows back to each step, with steps counted from the end.

    Parameters
    ----------
    norms : list of dict of str to ndarray
        One dict per sequence, as `gradient_flow` returns them.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes, matplotlib Figure
        The axes and the figure of the plot; set by `plot`.

    Examples
    --------
    >>> import numpy as np
    >>> from seqnets.plots import GradientFlowDisplay
    >>> norms = [{"layer0.h": np.array([0.01, 0.1, 1.0])}]
    >>> display = GradientFlowDisplay(norms).plot()
    >>> display.ax_.lines[0].get_xdata()
    array([-2, -1,  0])
    """

    def __init__(self, norms: list[dict[str, np.ndarray]]) -> None:
        self.norms = norms

    @classmethod
    def from_estimator(cls, estimator: Model, X: Any, y: Any, *, ax: Any = None) -> Self:
        """Plot the gradient flow of these sequences and labels.

        Parameters
        ----------
        estimator : RecurrentClassifier or Pipeline
            A fitted classifier, or a pipeline that ends in one.
        X : array-like or list
            Sequences or texts, as `estimator.predict` takes them.
        y : array-like of shape (n_sequences,) or (n_sequences, n_labels)
            Their labels.
        ax : matplotlib Axes, default=None
            Where to plot; None: on a new figure.

        Returns
        -------
        display : GradientFlowDisplay
            The display, plotted.

        Raises
        ------
        ImportError, NotFittedError, TypeError, ValueError
            As for `inspection.gradient_flow`; if matplotlib is not installed.

        Examples
        --------
        >>> X, y = [[0, 1, 2], [1, 3], [2, 1, 0], [3, 1]], ["up", "up", "down", "down"]
        >>> clf = RecurrentClassifier("gru", 8, random_state=0).fit(X, y)
        >>> display = plots.GradientFlowDisplay.from_estimator(clf, X, y)
        >>> display.norms[3]["layer0.h"].shape
        (2,)
        """
        return cls(inspection.gradient_flow(estimator, X, y)).plot(ax=ax)

    def plot(self, ax: Any = None) -> Self:
        """Plot the median norm, over the sequences, at each distance from the last step read.

        A second direction reads the first step last. Steps are left out if fewer than a tenth of
        the sequences have them, and so are medians of 0.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to plot; None: on a new figure.

        Returns
        -------
        self : GradientFlowDisplay
            The display.

        Examples
        --------
        >>> norms = [{"layer0.h": np.array([0.1, 1.0])}, {"layer0.h": np.array([3.0])}]
        >>> display = plots.GradientFlowDisplay(norms).plot()
        >>> [float(norm) for norm in display.ax_.lines[0].get_ydata()]
        [0.1, 2.0]
        """
        ax = self._set_axes(ax)
        lengths = sorted((len(h) for each in self.norms for h in each.values()), reverse=True)
        longest = lengths[(len(lengths) - 1) // 10] if lengths else 0
        marker = "." if longest < 50 else ""
        names = self.norms[0] if self.norms else ()
        places = np.arange(1 - longest, 1)
        for name, (color, line, _) in zip(names, looks(), strict=False):
            table = np.full((len(self.norms), longest), np.nan)
            for row, each in zip(table[:, ::-1], self.norms, strict=True):
                from_the_last = each[name] if ".reverse." in name else each[name][::-1]
                row[: len(from_the_last)] = from_the_last[:longest]
            medians = np.nanmedian(table, axis=0) if longest else places
            medians = np.where(medians > 0, medians, np.nan)  # a log axis has no 0
            ax.plot(places, medians, line, color=color, marker=marker, label=literal(name))
        set_integer_ticks(ax.xaxis)
        ax.set(yscale="log", xlabel="steps from the last one read", ylabel="|d loss / d h|",
               title="gradient flow")  # fmt: skip
        self._name_lines()
        return self
