"""Displays of what a model learned and does, like scikit-learn's.

Each has `from_estimator`, which plots (`AttributionDisplay`: only on axes that are given), and
`plot(ax=...)`; plotting sets `ax_` and `figure_`. Arrays of your own go into the constructor (there
is no `from_predictions`). Text keeps the colors of the style in use, light or dark. Blue means
positive, open or for a class, orange negative, closed or against it; other colors only tell lines
apart. Line style, place or lightness always say the same as the color.
For a writing system that matplotlib's own font lacks, name a font that has it:
``plt.rcParams["font.family"] = ["DejaVu Sans", "Noto Sans CJK SC"]``.

Examples
--------
>>> import numpy as np
>>> from seqnets import plots
>>> found = plots.AttributionDisplay(np.array([-0.4, 0.9]), ["not", "bad"], "yes")
>>> print(found)
not(-0.4) bad(+0.9)
>>> found.plot().ax_.get_title()
'for and against yes'
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from . import inspection
from .colors import DIVERGING, as_html, colored, colors_wanted, plain
from .curves import GradientFlowDisplay, LossCurveDisplay, StagedPredictionDisplay
from .display import (
    NAME_HEIGHT,
    Display,
    literal,
    meaning,
    read_one,
    step_array,
    step_groups,
    width_for,
)
from .pipelines import Model, channel_names
from .trajectory import TrajectoryDisplay

__all__ = [
    "AttributionDisplay",
    "GateDisplay",
    "GradientFlowDisplay",
    "LossCurveDisplay",
    "StagedPredictionDisplay",
    "TrajectoryDisplay",
    "colored",
]

SIGMOID = {"i", "f", "o", "r", "z"}  # gates, from 0 to 1; all other arrays lie around 0


class GateDisplay(Display):
    """The values of a gate or state: a row per unit, a column per step.

    Parameters
    ----------
    values : array-like of shape (n_steps, n_units) or (n_steps,)
        One array of a trace; attention weights, one per step, are drawn as bars.
    words : list of str of length n_steps
        The names of the steps.
    name : str
        The array's name in the trace.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes, matplotlib Figure
        The axes and the figure of the plot; set by `plot`.

    Examples
    --------
    >>> import numpy as np
    >>> from seqnets.plots import GateDisplay
    >>> forget = np.array([[0.9, 0.2], [0.8, 0.1], [0.1, 0.3]])
    >>> display = GateDisplay(forget, ["not", "bad", "."], "layer0.f").plot()
    >>> display.ax_.get_title()
    'forget gate (layer0.f)'
    """

    def __init__(self, values: Any, words: Sequence[str], name: str) -> None:
        self.values, self.words, self.name = self._by_step(values, words), words, name

    @classmethod
    def from_estimator(
        cls, estimator: Model, x: Any, name: str = "layer0.h", *, ax: Any = None
    ) -> Self:
        """Plot the array `name` of the trace of one sequence or text.

        Parameters
        ----------
        estimator : RecurrentClassifier or Pipeline
            A fitted classifier, or a pipeline that ends in one.
        x : array-like of shape (n_steps,) or (n_steps, n_features), or str
            One of the sequences or texts that `estimator.predict` takes.
        name : str, default="layer0.h"
            The array's name in the trace, see `RecurrentClassifier.trace`.
        ax : matplotlib Axes, default=None
            Where to plot; None: on a new figure.

        Returns
        -------
        display : GateDisplay
            The display, plotted.

        Raises
        ------
        ImportError, NotFittedError, TypeError, ValueError
            As for `inspection.trace`; if the trace has no such array, or it has no steps; if
            matplotlib is not installed.

        Examples
        --------
        >>> X, y = [[0, 1, 2], [1, 3], [2, 1, 0], [3, 1]], ["up", "up", "down", "down"]
        >>> clf = RecurrentClassifier("gru", 8, random_state=0).fit(X, y)
        >>> display = plots.GateDisplay.from_estimator(clf, [0, 1, 2], "layer0.z")
        >>> display.values.shape
        (3, 8)
        """
        X, words = read_one(estimator, x)
        (trace,) = inspection.trace(estimator, X)
        return cls(step_array(trace, name), words, name).plot(ax=ax)

    def plot(self, ax: Any = None) -> Self:
        """Plot the values, with the units in the order of their means.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to plot; None: on a new figure.

        Returns
        -------
        self : GateDisplay
            The display.

        Examples
        --------
        >>> display = plots.GateDisplay(np.array([0.1, 0.9]), ["not", "bad"], "attention").plot()
        >>> [float(bar.get_height()) for bar in display.ax_.patches]
        [0.1, 0.9]
        """
        ax = self._set_axes(ax, width_for(self.words))
        ax.set(title=meaning(self.name))
        if self.values.ndim == 1:
            self._bars(self.values, self.words, literal(self.name))
            return self
        order = np.argsort(self.values.mean(axis=0)) if len(self.values) else slice(None)
        self._map(self.values[:, order])
        ax.set(ylabel="units, by their mean", yticks=[])
        self._name_steps(self.words)
        return self

    def _map(self, values: np.ndarray) -> None:
        """Show values (T, n), a column per step, on a scale from 0 to 1 or symmetric around 0.

        Of more steps than pixels, some would be left out: a column shows the extremes of a group.
        """
        from matplotlib.colors import LinearSegmentedColormap

        T, n = max(len(values), 1), values.shape[1]
        is_gate = self.name.rpartition(".")[2] in SIGMOID
        largest = 1.0 if is_gate else largest_of(values)
        width = 0.8 * self.ax_.get_window_extent().width  # the color bar takes the rest
        starts = step_groups(len(values), max(1, int(width)))
        if starts.size < len(values):
            high, low = (end.reduceat(values, starts) for end in (np.maximum, np.minimum))
            values = np.where(high + low < is_gate, low, high)  # farther from the middle
        image = self.ax_.imshow(
            values.T, LinearSegmentedColormap.from_list("against-for", DIVERGING),
            vmin=0 if is_gate else -largest, vmax=largest, origin="lower",
            aspect="auto", interpolation="nearest", extent=(-0.5, T - 0.5, -0.5, n - 0.5),
        )  # fmt: skip
        self.ax_.grid(False)
        self.figure_.colorbar(image, ax=self.ax_, label=literal(self.name))


class AttributionDisplay(Display):
    """How much each step contributed to the decision, as colored text or as a plot.

    In a notebook, the object is shown as text: blue and underlined for words that speak for the
    target, orange and dotted for those against it; the stronger, the darker. `str` gives colored
    text if standard output is a terminal that shows colors (respecting NO_COLOR and FORCE_COLOR);
    otherwise, it writes the numbers after the words. The function `colored` always colors.

    Parameters
    ----------
    attributions : array-like of shape (n_steps,) or (n_steps, n_features)
        The attributions of one sequence.
    words : list of str of length n_steps
        The names of the steps.
    target : object
        The class for or against which they speak.
    features : list of str, default=None
        The names of the channels; None: their numbers.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes, matplotlib Figure
        The axes and the figure of the plot; set by `plot`.

    Examples
    --------
    >>> import numpy as np
    >>> from seqnets.plots import AttributionDisplay
    >>> print(AttributionDisplay(np.array([0.01, -0.4, 0.9]), ["it", "not", "bad"], "yes"))
    it not(-0.4) bad(+0.9)
    """

    def __init__(
        self,
        attributions: Any,
        words: Sequence[str],
        target: Any,
        features: Sequence[str] | None = None,
    ) -> None:
        self.attributions, self.words = self._by_step(attributions, words), words
        self.target, self.features = target, features

    @classmethod
    def from_estimator(
        cls,
        estimator: Model,
        x: Any,
        method: str = "integrated_gradients",
        target: Any = None,
        *,
        ax: Any = None,
    ) -> Self:
        """Explain one sequence or text; plot it if axes are given.

        Parameters
        ----------
        estimator : RecurrentClassifier or Pipeline
            A fitted classifier, or a pipeline that ends in one.
        x : array-like of shape (n_steps,) or (n_steps, n_features), or str
            One of the sequences or texts that `estimator.predict` takes.
        method : {"gradient_x_input", "integrated_gradients"}, default="integrated_gradients"
            See `RecurrentClassifier.attributions`.
        target : label, default=None
            The class that is explained, one of `classes_`; None: the one predicted. For multilabel
            y, it must be given.
        ax : matplotlib Axes, default=None
            Where to plot. None: do not plot; the display can be shown as text.

        Returns
        -------
        display : AttributionDisplay
            The display.

        Raises
        ------
        ImportError, NotFittedError, TypeError, ValueError
            As for `inspection.attributions`; if `ax` is given, ImportError without matplotlib.

        Examples
        --------
        >>> X, y = [[0, 1, 2], [1, 3], [2, 1, 0], [3, 1]], ["up", "up", "down", "down"]
        >>> clf = RecurrentClassifier("gru", 8, random_state=0).fit(X, y)
        >>> display = plots.AttributionDisplay.from_estimator(clf, [1, 2, 4])
        >>> print(display.target, display.attributions.shape)
        up (3, 1)
        """
        X, words = read_one(estimator, x)
        (found,) = inspection.attributions(estimator, X, method, target)
        target = estimator.predict(X)[0] if target is None else target
        features = channel_names(estimator)
        known = found.ndim == 2 and len(features) == found.shape[1]
        display = cls(found, words, target, features if known else None)
        return display if ax is None else display.plot(ax=ax)

    def plot(self, ax: Any = None) -> Self:
        """Plot a bar per step or, with several channels, a row per channel.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to plot; None: on a new figure.

        Returns
        -------
        self : AttributionDisplay
            The display.

        Examples
        --------
        >>> display = plots.AttributionDisplay(np.array([-0.4, 0.9]), ["not", "bad"], "yes")
        >>> [float(bar.get_height()) for bar in display.plot().ax_.patches]
        [-0.4, 0.9]
        """
        n = self.attributions.shape[1] if self.attributions.ndim == 2 else 1
        ax = self._set_axes(ax, width_for(self.words), float(np.clip(1.5 + 0.5 * n, 4, 12)))
        target = literal(self.target)
        ax.set(title=f"for and against {target}")
        if n == 1:
            self._bars(self.attributions.ravel(), self.words, "part of the logit")
            return self
        self._rows()
        self._name_steps(self.words)
        return self

    def _rows(self) -> None:
        """Show a row per channel, from the top, all on the same scale."""
        n, largest = self.attributions.shape[1], largest_of(self.attributions)
        names = range(n) if self.features is None else self.features
        feet = np.arange(n)[::-1]
        self._areas(0.45 * self.attributions / largest, feet)
        # behind the areas, which in many rows are no higher than this line is wide
        self.ax_.hlines(feet, 0, 1, "gray", linewidth=0.8, zorder=0, capstyle="projecting",
                        transform=self.ax_.get_yaxis_transform())  # fmt: skip
        height = self.ax_.get_window_extent().height / self.figure_.dpi
        apart = -(-n // int(np.clip(height / NAME_HEIGHT, 1, 20)))
        self.ax_.set_yticks(feet[::apart], [literal(name) for name in names[::apart]])
        self.ax_.set(ylabel=f"channel, ±{largest:.2g} a row", ylim=(-0.6, n - 0.4))

    def __str__(self) -> str:
        return (colored if colors_wanted() else plain)(self.words, self._step_totals())

    def _repr_html_(self) -> str:
        return as_html(self.words, self._step_totals(), f"for {self.target}:")

    def _step_totals(self) -> list[float]:
        """(n_steps,): the sum over the features."""
        return self.attributions.sum(axis=tuple(range(1, self.attributions.ndim))).tolist()


def largest_of(values: np.ndarray) -> float:
    """Return the largest absolute value among the finite ones; 1 if all of them are zero."""
    return float(np.max(np.abs(values), initial=0, where=np.isfinite(values))) or 1.0
