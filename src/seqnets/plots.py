"""Displays of what a model learned and does, in the manner of scikit-learn's.

Each has `from_estimator`, `plot(ax=...)`, and then `ax_` and `figure_`. Texts stay in the colors of
the style in use, light or dark; what colors tell, the kind of line tells too, or the place.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from itertools import cycle
from typing import Any, Self

import numpy as np

from . import inspection

LINES = ["-", "--", "-.", ":"]
SIGMOID = {"i", "f", "o", "r", "z"}  # gates, from 0 to 1; all else lies around 0
FOR, AGAINST = (0, 114, 178), (230, 159, 0)  # blue and orange of Okabe & Ito 2008
ANSI_FOR, ANSI_AGAINST = (195, 153, 111), (230, 222, 214)  # of 256 colors, weak to strong


class Display:
    """What the displays share: axes of their own, or those given."""

    ax_: Any
    figure_: Any

    def _start(self, ax: Any, width: float = 6.4, height: float = 4.0) -> Any:
        try:
            import matplotlib.pyplot as plt
        except ImportError:
            message = 'The displays need matplotlib: pip install "seqnets[plot]"'
            raise ImportError(message) from None
        if ax is None:
            _, ax = plt.subplots(figsize=(width, height), layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        return ax

    def _name_steps(self, words: Sequence[str]) -> None:
        """Write the words under their steps, as many as there is room for."""
        width = self.ax_.get_window_extent().width / self.figure_.dpi
        apart = max(1, int(np.ceil(len(words) * 0.17 / width)))
        places = range(0, len(words), apart)
        shown = [word if len(word) <= 20 else f"{word[:19]}…" for word in words]
        look: dict[str, Any] = {"rotation": 90, "fontsize": "small", "parse_math": False}
        self.ax_.set_xticks(places, [shown[t] for t in places], **look)
        self.ax_.set_xlim(-0.5, max(len(words), 1) - 0.5)

    def _map(self, values: np.ndarray, label: str, **look: Any) -> None:
        """Show values (T, n), a column a step."""
        T, n = max(len(values), 1), values.shape[1]
        look |= {"aspect": "auto", "interpolation": "nearest", "origin": "lower"}
        image = self.ax_.imshow(values.T, extent=(-0.5, T - 0.5, -0.5, n - 0.5), **look)
        self.figure_.colorbar(image, ax=self.ax_, label=label)


def whole_numbers(axis: Any) -> None:
    """Put the ticks at whole numbers."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True))


def width_for(words: Sequence[str]) -> float:
    """Inches: from a few words to as many as fit a page."""
    return float(np.clip(1.6 + 0.3 * len(words), 4.0, 14.0))


class LossCurveDisplay(Display):
    """The loss, epoch by epoch.

    Parameters
    ----------
    loss_curve : list of float
        The training loss of each epoch.

    validation_loss_curve : list of float, default=None
        The validation loss of each epoch.
    """

    def __init__(
        self, loss_curve: Sequence[float], validation_loss_curve: Sequence[float] | None = None
    ) -> None:
        self.loss_curve, self.validation_loss_curve = loss_curve, validation_loss_curve

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None) -> Self:
        """Plot the curves of a fitted classifier, or of a pipeline that ends in one."""
        classifier = inspection.last_step(estimator)
        return cls(classifier.loss_curve_, classifier.validation_loss_curve_).plot(ax=ax)

    def plot(self, *, ax: Any = None) -> Self:
        """Plot, on `ax` if given."""
        ax = self._start(ax)
        curves = {"training": self.loss_curve, "validation": self.validation_loss_curve}
        for (name, curve), line in zip(curves.items(), LINES, strict=False):
            if curve is not None:
                marker = "." if len(curve) < 50 else ""
                ax.plot(range(1, len(curve) + 1), curve, line, marker=marker, label=name)
        if self.validation_loss_curve is not None:
            best = int(np.argmin(self.validation_loss_curve))
            ax.plot(best + 1, self.validation_loss_curve[best], "o", fillstyle="none", ms=10,
                    color=ax.lines[-1].get_color(), label="its lowest")  # fmt: skip
        whole_numbers(ax.xaxis)
        ax.set(xlabel="epoch", ylabel="loss")
        ax.legend()
        return self


class GateDisplay(Display):
    """What a gate or state did at each step: a row a unit, a column a step.

    Parameters
    ----------
    values : ndarray of shape (n_steps, n_units)
        One array of a trace.

    words : list of str
        The steps' names.

    name : str
        The array's name in the trace.
    """

    def __init__(self, values: np.ndarray, words: Sequence[str], name: str) -> None:
        self.values, self.words, self.name = values, words, name

    @classmethod
    def from_estimator(
        cls, estimator: Any, x: Any, name: str = "layer0.h", *, ax: Any = None
    ) -> Self:
        """Plot the array `name` of the trace of one text or sequence x."""
        (trace,) = inspection.trace(estimator, [x])
        (words,) = inspection.words(estimator, [x])
        names = [key for key, array in trace.items() if array.ndim == 2]
        if name not in names:
            raise ValueError(f"name={name!r} is not in the trace; it holds {', '.join(names)}.")
        return cls(trace[name], words, name).plot(ax=ax)

    def plot(self, *, ax: Any = None) -> Self:
        """Plot, on `ax` if given; units that act alike stand together."""
        ax = self._start(ax, width_for(self.words))
        largest = float(np.abs(self.values).max(initial=1e-12))
        limits = {"cmap": "PuOr_r", "vmin": -largest, "vmax": largest}
        if self.name.rpartition(".")[2] in SIGMOID:
            limits = {"cmap": "cividis", "vmin": 0.0, "vmax": 1.0}
        order = np.argsort(self.values.mean(axis=0)) if len(self.values) else slice(None)
        self._map(self.values[:, order], self.name, **limits)
        ax.set(ylabel="units, by their mean", yticks=[])
        self._name_steps(self.words)
        return self


class StagedPredictionDisplay(Display):
    """The verdict as the words arrive.

    Parameters
    ----------
    probabilities : ndarray of shape (n_steps, n_classes)
        After each step.

    words : list of str
        The steps' names.

    classes : array-like of shape (n_classes,)
        The classes.
    """

    def __init__(self, probabilities: np.ndarray, words: Sequence[str], classes: Any) -> None:
        self.probabilities, self.words, self.classes = probabilities, words, classes

    @classmethod
    def from_estimator(cls, estimator: Any, x: Any, *, ax: Any = None) -> Self:
        """Plot the staged probabilities of one text or sequence x."""
        (words,) = inspection.words(estimator, [x])
        classes = inspection.last_step(estimator).classes_
        stages = [stage[0] for stage in inspection.staged_predict_proba(estimator, [x])]
        return cls(np.reshape(stages, (-1, len(classes))), words, classes).plot(ax=ax)

    def plot(self, *, ax: Any = None) -> Self:
        """Plot, on `ax` if given; where two classes share the probability the second's alone."""
        ax = self._start(ax, width_for(self.words))
        n_classes = len(self.classes)
        shared = n_classes == 2 and np.allclose(self.probabilities.sum(axis=1), 1)
        shown = range(1, 2) if shared else range(n_classes)
        marker = "." if len(self.words) <= 60 else ""
        for number, line in zip(shown, cycle(LINES), strict=False):
            ax.plot(self.probabilities[:, number], line, marker=marker, label=self.classes[number])
        if len(shown) == 1:
            ax.axhline(0.5, color="gray", linewidth=0.8, zorder=0)
            ax.set(ylabel=f"probability of {self.classes[-1]}")
        else:
            ax.set(ylabel="probability")
            ax.legend()
        ax.set(ylim=(-0.02, 1.02))
        self._name_steps(self.words)
        return self


class AttributionDisplay(Display):
    """How much each step spoke for the decision, as colored text or as a plot.

    In a notebook, the object shows itself as text: blue, underlined for words that spoke for it,
    orange, dotted for those against it, the stronger the darker. `str` gives the same for a
    terminal.

    Parameters
    ----------
    attributions : ndarray of shape (n_steps,) or (n_steps, n_features)
        Of one sequence.

    words : list of str
        The steps' names.

    target : object
        The class they speak for.
    """

    def __init__(self, attributions: np.ndarray, words: Sequence[str], target: Any) -> None:
        self.attributions, self.words, self.target = attributions, words, target

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        x: Any,
        method: str = "integrated_gradients",
        target: Any = None,
    ) -> Self:
        """Explain one text or sequence x; `plot` is left to the caller."""
        (words,) = inspection.words(estimator, [x])
        (found,) = inspection.attributions(estimator, [x], method, target)
        target = estimator.predict([x])[0] if target is None else target
        return cls(found, words, target)

    def plot(self, *, ax: Any = None) -> Self:
        """Plot, on `ax` if given: a bar a word, a row a channel."""
        ax = self._start(ax, width_for(self.words))
        label = f"speaks for {self.target}"
        if self.attributions.ndim == 1:
            colors = [
                tuple(c / 255 for c in (FOR if a > 0 else AGAINST)) for a in self.attributions
            ]
            ax.bar(range(len(self.words)), self.attributions, color=colors)
            ax.axhline(0, color="gray", linewidth=0.8)
            ax.set(ylabel=label)
        else:
            largest = float(np.abs(self.attributions).max(initial=1e-12))
            self._map(self.attributions, label, cmap="PuOr", vmin=-largest, vmax=largest)
            ax.set(ylabel="feature")
            whole_numbers(ax.yaxis)
        self._name_steps(self.words)
        return self

    def __str__(self) -> str:
        return colored(self.words, self._of_steps().tolist())

    def _repr_html_(self) -> str:
        strengths = self._of_steps() / (np.abs(self._of_steps()).max(initial=0.0) or 1.0)
        parts = []
        for word, value, a in zip(self.words, self._of_steps(), strengths, strict=True):
            color, line = (FOR, "solid") if a > 0 else (AGAINST, "dotted")
            red, green, blue = color
            style = f"background: rgba({red}, {green}, {blue}, {0.6 * abs(a):.2f})"
            if abs(a) >= 0.1:
                style += f"; border-bottom: 2px {line} rgb({red}, {green}, {blue})"
            parts.append(f'<span style="{style}" title="{value:+.3g}">{html.escape(word)}</span>')
        title = f"for {html.escape(str(self.target))}: "
        return f'<div style="line-height: 1.8"><b>{title}</b>{" ".join(parts)}</div>'

    def _of_steps(self) -> np.ndarray:
        """(n_steps,): the features' sum."""
        return self.attributions.sum(axis=tuple(range(1, self.attributions.ndim)))


def colored(words: Sequence[str], attributions: Sequence[float]) -> str:
    """Return the words with backgrounds for a terminal.

    Parameters
    ----------
    words : sequence of str
        The words.

    attributions : sequence of float
        How much each of them spoke for the decision.

    Returns
    -------
    text : str
        The words with ANSI colors, blue for, orange and underlined against, in three strengths
        of black on bright, which stands out on light and on dark; below a tenth of the largest
        none.
    """
    largest = max(map(abs, attributions), default=0.0)
    parts = []
    for word, a in zip(words, attributions, strict=True):
        if abs(a) < 0.1 * largest or largest == 0:
            parts.append(word)
            continue
        shades, line = (ANSI_FOR, "") if a > 0 else (ANSI_AGAINST, "4;")
        shade = shades[min(int(3 * abs(a) / largest), 2)]
        parts.append(f"\x1b[{line}38;5;16;48;5;{shade}m{word}\x1b[0m")
    return " ".join(parts)


class GradientFlowDisplay(Display):
    """How much of the gradient comes back to each step, counted from the end.

    Parameters
    ----------
    norms : list of dict of str to ndarray
        Of each sequence, as `gradient_flow` returns them.
    """

    def __init__(self, norms: list[dict[str, np.ndarray]]) -> None:
        self.norms = norms

    @classmethod
    def from_estimator(cls, estimator: Any, X: Any, y: Any, *, ax: Any = None) -> Self:
        """Plot the gradient flow of these sequences and labels."""
        return cls(inspection.gradient_flow(estimator, X, y)).plot(ax=ax)

    def plot(self, *, ax: Any = None) -> Self:
        """Plot, on `ax` if given: the medians over the sequences that are so long."""
        ax = self._start(ax)
        longest = max((len(norms) for each in self.norms for norms in each.values()), default=0)
        for name, line in zip(self.norms[0], cycle(LINES), strict=False):
            table = np.full((len(self.norms), longest), np.nan)
            for row, each in zip(table, self.norms, strict=True):
                row[longest - len(each[name]) :] = each[name]
            places = np.flatnonzero((table > 0).any(axis=0))
            medians = [np.median(table[table[:, t] > 0, t]) for t in places]
            ax.plot(places - longest + 1, medians, line, label=name)
        ax.set(yscale="log", xlabel="steps from the last", ylabel="|d loss / d h|")
        ax.legend()
        return self
