"""The display of the paths of hidden states."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np
from sklearn.utils import check_consistent_length

from . import inspection
from .display import Display, legend_width, literal, looks, meaning, shortened, step_array
from .pipelines import Model, last_step

MOST_WORDS = 40  # written along a trajectory
MOST_TRIES = 500  # to find room for the words; they take half a second
MAX_NUMBERED = 10  # trajectories: up to so many are numbered


class TrajectoryDisplay(Display):
    """The path of the hidden state, in the two dimensions in which the states differ most.

    These are the first two principal components.

    Parameters
    ----------
    points : list of ndarray of shape (n_steps, 2)
        The states of each sequence, in the order of reading.
    labels : array-like of shape (n_sequences,) or (n_sequences, n_labels)
        Their labels.
    words : list of list of str
        The names of the steps, in the order of reading; shown if there is only one sequence.
    shares : array-like of shape (2,)
        The share of the states' variance along each dimension.
    name : str, default="layer0.h"
        The states' name in the trace.
    classes : array-like, default=None
        All classes, in the order of their colors; None: those among the labels.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes, matplotlib Figure
        The axes and the figure of the plot; set by `plot`.

    Examples
    --------
    >>> import numpy as np
    >>> from seqnets.plots import TrajectoryDisplay
    >>> points = [np.array([[0.0, 0.0], [1.0, 0.5]]), np.array([[0.0, 0.1], [-1.0, 0.3]])]
    >>> words = [["very", "good"], ["very", "bad"]]
    >>> display = TrajectoryDisplay(points, ["yes", "no"], words, [0.9, 0.1]).plot()
    >>> display.ax_.get_xlabel()
    'component 1 (90 %)'
    """

    def __init__(
        self,
        points: Sequence[np.ndarray],
        labels: Any,
        words: Sequence[Sequence[str]],
        shares: Any,
        name: str = "layer0.h",
        classes: Any = None,
    ) -> None:
        self.points, self.labels, self.words = points, labels, words
        self.shares, self.name, self.classes = shares, name, classes

    @classmethod
    def from_estimator(
        cls,
        estimator: Model,
        X: Any,
        y: Any = None,
        name: str = "layer0.h",
        *,
        ax: Any = None,
    ) -> Self:
        """Plot the path of the array `name` in the sequences' traces.

        A second direction of a bidirectional layer is drawn from the last step back, as it reads.

        Parameters
        ----------
        estimator : RecurrentClassifier or Pipeline
            A fitted classifier, or a pipeline that ends in one.
        X : array-like or list
            Sequences or texts, as `estimator.predict` takes them.
        y : array-like of shape (n_sequences,) or (n_sequences, n_labels), default=None
            The labels, shown by color; None: those predicted.
        name : str, default="layer0.h"
            The array's name in the trace, see `RecurrentClassifier.trace`.
        ax : matplotlib Axes, default=None
            Where to plot; None: on a new figure.

        Returns
        -------
        display : TrajectoryDisplay
            The display, plotted.

        Raises
        ------
        ImportError, NotFittedError, TypeError, ValueError
            As for `inspection.trace`; if the trace has no such array, or it has no steps; if `y`
            and `X` differ in length; if matplotlib is not installed.

        Examples
        --------
        >>> X, y = [[0, 1, 2], [1, 3], [2, 1, 0], [3, 1]], ["up", "up", "down", "down"]
        >>> clf = RecurrentClassifier("gru", 8, random_state=0).fit(X, y)
        >>> display = plots.TrajectoryDisplay.from_estimator(clf, X, y)
        >>> [way.shape for way in display.points]
        [(3, 2), (2, 2), (3, 2), (2, 2)]
        """
        X = list(X) if isinstance(X, Iterator) else X
        traces = inspection.trace(estimator, X)
        states = [np.atleast_2d(step_array(trace, name).T).T for trace in traces]
        words = inspection.words(estimator, X)
        labels = estimator.predict(X) if y is None else y
        check_consistent_length(traces, labels)
        if ".reverse." in name:
            states, words = [h[::-1] for h in states], [names[::-1] for names in words]
        points, shares = project_to_plane(np.concatenate(states))
        ends = np.cumsum([len(h) for h in states])[:-1]
        classes = last_step(estimator).classes_ if np.ndim(labels) == 1 else None
        return cls(np.split(points, ends), labels, words, shares, name, classes).plot(ax=ax)

    def plot(self, ax: Any = None) -> Self:
        """Plot each path from a small ring, the first step, to a large marker, the last step.

        A single path has its words next to it; if there are up to ten paths, each has its index in
        `X` at its end.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to plot; None: on a new figure.

        Returns
        -------
        self : TrajectoryDisplay
            The display.

        Examples
        --------
        >>> points = [np.array([[0.0, 0.0], [1.0, 0.5]])]
        >>> display = plots.TrajectoryDisplay(points, ["yes"], [["not", "bad"]], [0.8, 0.2])
        >>> [text.get_text() for text in display.plot().ax_.texts]
        ['bad', 'not']
        """
        rows = list(np.asarray(self.labels))  # iterating over a frame gives its columns
        labels = [label_text(label) for label in rows]
        found = sorted(rows, key=lambda label: np.ravel(label).tolist())
        classes = map(label_text, found if self.classes is None else self.classes)
        looks_of = zip(dict.fromkeys([*classes, *labels]), looks(), strict=False)
        shown = set(labels)
        styles = {label: look for label, look in looks_of if label in shown}
        alone = len(self.points) == 1  # with its words, which take room
        ax = self._set_axes(ax, 7.85 if alone else 6.4 + legend_width([*styles, "first step"]), 4.8)
        for way, label in zip(self.points, labels, strict=True):
            color, line, marker = styles[label]
            crowded = len(self.points) > 20 or len(way) > 200
            faint = {"alpha": 0.4, "linewidth": 0.7} if crowded else {"linewidth": 1}
            shape = {"marker": ".", "markersize": 4} if alone else {"linestyle": line}
            ax.plot(*way.T, color=color, **faint, **shape)
            on_top = {"color": color, "alpha": 1.0 if len(self.points) <= 20 else 0.7, "zorder": 3}
            ax.plot(*way[:1].T, "o", **on_top, fillstyle="none", markersize=5)
            ax.plot(*way[-1:].T, marker, **on_top, markersize=8)
        for label, (color, line, marker) in styles.items():
            ax.plot([], [], "-" if alone else line, color=color, marker=marker,
                    label=literal(label))  # fmt: skip
        ax.plot([], [], "o", color="gray", fillstyle="none", markersize=5, label="first step")
        ax.margins(0.1)
        ax.set_aspect("equal", adjustable="datalim")
        x, y = (f"component {k + 1} ({100 * s:.0f} %)" for k, s in enumerate(self.shares))
        ax.set(xlabel=x, ylabel=y, title=meaning(self.name))
        self._name_lines()
        if alone:
            self._write(self.points[0], self.words[0])
        elif len(self.points) <= MAX_NUMBERED:
            for i, way in enumerate(self.points):
                for end in way[-1:]:  # an empty text has none
                    ax.annotate(f"{i}", end, (6, 6), textcoords="offset points", fontsize="small")
        return self

    def _write(self, way: np.ndarray, words: Sequence[str]) -> None:
        """Write words at their steps where there is room: last, first, then by length of step."""
        self.figure_.canvas.figure.draw_without_rendering()  # gives the axes their final place
        paper = {"facecolor": self.ax_.get_facecolor(), "linewidth": 0, "alpha": 0.6, "pad": 0.5}
        inside, taken = self.ax_.bbox, [self.ax_.get_legend().get_window_extent()]
        lengths = np.linalg.norm(np.diff(way, axis=0, prepend=way[:1]), axis=1)
        lengths[:1], lengths[-1:] = np.finfo(float).max, np.inf
        for t in np.argsort(-lengths, kind="stable")[:MOST_TRIES]:
            text = self.ax_.annotate(
                shortened(words[t]), way[t], (5, 5), textcoords="offset points", fontsize="small",
                parse_math=False, in_layout=False, bbox=paper,
            )  # fmt: skip
            box = text.get_window_extent()
            if box.y1 > inside.y1:  # write it under its point instead
                text.set_position((5, -13))
                box = text.get_window_extent()
            if box.x1 > inside.x1:  # write it to the left of its point instead
                text.set(position=(-5, text.get_position()[1]), horizontalalignment="right")
                box = text.get_window_extent()
            if box.x0 < inside.x0 or any(box.overlaps(other) for other in taken):
                text.remove()
            else:
                taken.append(box)
            if len(taken) > MOST_WORDS:
                break


def label_text(label: Any) -> str:
    """Return the label, or the labels of a sequence that has several, as a string."""
    return ", ".join(map(str, np.atleast_1d(label)))


def project_to_plane(states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the states (n, H) in two dimensions, and each dimension's share of the variance."""
    from sklearn.decomposition import PCA  # slow to import

    points, shares = np.zeros((len(states), 2)), np.zeros(2)
    if (states != states[:1]).any():
        k = min(2, *states.shape)
        pca = PCA(k, svd_solver="covariance_eigh")
        points[:, :k] = pca.fit_transform(states - states.mean(axis=0, dtype=np.float64))
        shares[:k] = pca.explained_variance_ratio_
    return points, shares
