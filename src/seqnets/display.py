"""What the displays share: new or given axes, names of steps, bars and areas in the same colors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle
from math import lcm
from textwrap import fill
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from . import inspection
from .colors import CLASSES, color_of, printable
from .estimators import reworded
from .pipelines import Model, last_step

LINES = ["-", "--", "-.", ":"]
MARKERS = ["o", "s", "^", "D", "v"]
N_LOOKS = lcm(len(CLASSES), len(LINES))  # different colors or line styles
MEANING = {"h": "hidden state", "c": "cell state", "i": "input gate", "f": "forget gate",
           "o": "output gate", "g": "candidate", "n": "candidate", "r": "reset gate",
           "z": "update gate", "a": "sum inside the tanh",
           "attention": "weight in the pooling"}  # fmt: skip
FEW_LINES = 2  # up to so many have their legend inside the axes
MOST_COLUMNS = 1000  # more could not be told apart
WORD_WIDTH, LETTER_HEIGHT = 0.17, 0.15  # inches: of a vertical word, of each letter
NAME_HEIGHT, TITLE_LETTER = 0.2, 0.095  # inches: of a horizontal name, of a title's letter


class Display:
    """The axes of a figure, and what more than one display draws on them."""

    ax_: Any
    figure_: Any

    @staticmethod
    def _by_step(values: Any, words: Sequence[str]) -> np.ndarray:
        """The values as an array, with a number or a row for each word."""
        values = np.asarray(values)
        if values.shape[:1] != (len(words),):
            found, n = values.shape, len(words)
            raise ValueError(f"{found} is the shape of the values, but words has {n}.")
        return values

    def _set_axes(self, ax: Any, width: float = 6.4, height: float = 4.0) -> Any:
        try:
            import matplotlib.pyplot as plt
        except ImportError:
            message = "The displays need matplotlib: pip install matplotlib"
            raise ImportError(message) from None
        if ax is None:
            _, ax = plt.subplots(figsize=(width, height), layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        return ax

    def _name_steps(self, words: Sequence[str], weights: np.ndarray | None = None) -> None:
        """Write the words under their steps, those of large weights first, while there is room.

        Titles and labels that are too long are wrapped: by matplotlib only at the figure's edge.
        """
        for text in (self.ax_.title, self.ax_.xaxis.label, self.ax_.yaxis.label):
            text.set_wrap(True)
        box, n = self.ax_.get_window_extent(), len(words)
        width, height = box.width / self.figure_.dpi, box.height / self.figure_.dpi
        for where in ("left", "center", "right"):  # rcParams say in which one the title is
            title = self.ax_.get_title(where).replace(r"\$", "$")
            title = fill(title, max(int(width / TITLE_LETTER), 10)).replace("$", r"\$")
            self.ax_.set_title(title, loc=where)
        self.ax_.set_xlim(-0.5, max(n, 1) - 0.5)
        if n > 0 and list(words) == [str(t + 1) for t in range(n)]:  # the names are numbers
            each = 0.15 + 0.1 * len(words[-1])
            apart = next(m * 10**e for e in range(9) for m in (1, 2, 5)
                         if m * 10**e * width >= n * each)  # fmt: skip
            places: Any = range(apart - 1, n, apart)
            self.ax_.set_xticks(places, [words[t] for t in places])
            self.ax_.set_xlabel("step")
            return
        apart = max(1, int(np.ceil(n * WORD_WIDTH / width)))
        places = range(0, n, apart) if weights is None else choose_spaced_steps(weights, apart)
        look: dict[str, Any] = {"rotation": 90, "fontsize": "small", "parse_math": False}
        letters = int(np.clip(height / LETTER_HEIGHT, 6, 20))
        self.ax_.set_xticks(places, [shortened(words[t], letters) for t in places], **look)
        self.ax_.set_xlabel("word" if apart == 1 else "word (not all are named)")

    def _name_lines(self) -> None:
        """Name the lines in a legend: inside the axes or, of many, beside them if there is room."""
        n = len(self.ax_.get_legend_handles_labels()[1])
        if n > FEW_LINES and self.figure_.get_layout_engine() is not None:
            self.ax_.legend(loc="upper left", bbox_to_anchor=(1, 1), ncols=legend_columns(n),
                            fontsize="small")  # fmt: skip
        elif n > 0:
            size = None if n <= 6 else "x-small"
            self.ax_.legend(fontsize=size, ncols=legend_columns(n))

    def _bars(self, values: np.ndarray, words: Sequence[str], label: str) -> None:
        """Show values (T,), a bar per step; the largest are named first."""
        width = min(0.2 * len(values), 0.8)
        if len(values) <= 100:
            self.ax_.bar(range(len(values)), values, width, color=[color_of(v) for v in values])
        else:
            self._areas(values[:, np.newaxis], np.zeros(1))
        self.ax_.axhline(0, color="gray", linewidth=0.8, zorder=0)
        self.ax_.set(ylabel=label)
        self._name_steps(words, np.abs(values))

    def _areas(self, values: np.ndarray, feet: np.ndarray) -> None:
        """Fill the areas between values (T, n) and their feet (n,); of many steps, show extremes.

        `stairs` would draw the same, but goes through all steps and channels in Python.
        """
        from matplotlib.collections import PolyCollection

        T, finite = len(values), np.where(np.isfinite(values), values, 0)  # NaN would tear outlines
        starts = step_groups(T, MOST_COLUMNS)
        for end, color in ((np.maximum, color_of(1)), (np.minimum, color_of(-1))):
            part = end(end.reduceat(finite, starts), 0) if T else finite
            height = np.pad(np.repeat(part, 2, axis=0), ((1, 1), (0, 0)))
            x = np.repeat(np.append(starts, T) - 0.5, 2)[:, np.newaxis]
            outlines = np.stack(np.broadcast_arrays(x, feet + height), axis=2).swapaxes(0, 1)
            areas = PolyCollection(list(outlines), facecolor=color, linewidth=0)
            areas.sticky_edges.y[:] = feet  # the axes end there if all areas are on one side
            self.ax_.add_collection(areas)
        self.ax_.autoscale_view()


def read_one(estimator: Model, x: Any) -> tuple[Any, list[str]]:
    """Return X with x as its only sequence, and the names of x's steps.

    A row of a frame keeps the columns' names. If x can't be read and has one item, the error says
    to pass that.
    """
    check_is_fitted(last_step(estimator))
    is_row = hasattr(x, "iloc") and x.ndim == 1 and hasattr(estimator, "feature_names_in_")
    X = x.to_frame().T if is_row else [x]
    try:
        [words] = inspection.words(estimator, X)
    except (TypeError, ValueError) as error:
        if isinstance(x, str) or not hasattr(x, "__len__") or len(x) != 1:
            raise
        first = "x.iloc[0]" if hasattr(x, "iloc") else "x[0]"
        message = f"{error} x must be a single sequence: if you mean {first}, pass that."
        raise reworded(error, message) from error
    return X, words


def step_groups(T: int, most: int) -> np.ndarray:
    """Where each of at most so many groups of T steps begins."""
    return np.linspace(0, T, min(T, most), endpoint=False, dtype=int)


def shortened(word: str, letters: int = 20) -> str:
    """The word, or its first and last letters, in which long names mostly differ."""
    word = printable(word)  # an SVG file with control characters could not be read
    last = letters // 3
    return word if len(word) <= letters else f"{word[: letters - 1 - last]}…{word[-last:]}"


def literal(label: Any) -> str:
    """The label so that matplotlib shows it as it is, with "$" and a first "_", but shortened."""
    text = shortened(str(label)).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def choose_spaced_steps(weights: np.ndarray, apart: int) -> list[int]:
    """Places at least `apart` from each other, chosen by weight, the largest first."""
    chosen: list[int] = []
    for t in np.argsort(-weights, kind="stable").tolist():
        if all(abs(t - other) >= apart for other in chosen):
            chosen.append(t)
    return sorted(chosen)


def looks() -> Iterator[tuple[str, str, str]]:
    """Yield a color, a line style and a marker for one class after the other."""
    return zip(cycle(CLASSES), cycle(LINES), cycle(MARKERS), strict=False)


def set_integer_ticks(axis: Any) -> None:
    """Put the ticks at whole numbers, whatever the axis had."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))


def legend_columns(n: int) -> int:
    return -(-n // 15)


def legend_width(labels: Sequence[Any]) -> float:
    """The inches that a legend of these labels takes beside the axes; 0 if it is inside."""
    n, letters = len(labels), max((len(literal(label)) for label in labels), default=0)
    return legend_columns(n) * (0.6 + 0.085 * letters) if n > FEW_LINES else 0.0


def width_for(words: Sequence[str]) -> float:
    """Inches: from a few words to as many as fit a page."""
    return float(np.clip(1.6 + 0.3 * len(words), 4.0, 14.0))


def step_array(trace: dict[str, np.ndarray], name: str) -> np.ndarray:
    """The trace's array of this name, which must have a row or a number per step."""
    names = [key for key in trace if key not in ("pooled", "logits")]
    if name not in names:
        reason = "has no steps" if name in trace else "is not in the trace"
        raise ValueError(f"name={name!r} {reason}; arrays with steps: {', '.join(names)}.")
    return trace[name]


def meaning(name: str) -> str:
    """What the trace's array of this name means, with the name; any other name as it is."""
    what = MEANING.get(name.rpartition(".")[2])
    return f"{what} ({name})" if what else literal(name)
