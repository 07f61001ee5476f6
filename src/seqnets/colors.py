"""One scheme of colors for all displays, and words colored by it.

Blue means positive, open or for a class, orange negative, closed or against it (Okabe & Ito 2008:
the color-blind can tell them apart). A second sign says the same without color: the place, the line
style or, in maps, the lightness, which falls from orange to blue.
"""

from __future__ import annotations

import html
import math
import os
import sys
import unicodedata
from collections.abc import Sequence

BLUE, ORANGE = "#0072b2", "#e69f00"
CLASSES = [ORANGE, BLUE, "#009e73", "#cc79a7", "#56b4e9", "#d55e00"]  # of two, the second is "for"
DIVERGING = ["#ffbe3c", "#808080", "#003c78"]  # one end as light as the other is dark
# Invisible parts of emoji and of words in scripts such as Persian, Hindi and Hebrew
JOINERS_AND_MARKS = "\u200c\u200d\u200e\u200f"
# Of 256 colors, weak to strong by saturation: on dark terminals, lightness would mean the reverse
ANSI_FOR, ANSI_AGAINST = (146, 110, 39), (180, 215, 208)


def color_of(number: float) -> str:
    """Return the color of a number, which tells its sign."""
    return BLUE if number > 0 else ORANGE


def strengths(attributions: Sequence[float]) -> list[float]:
    """Return the attributions, scaled so that the largest is 1 or -1."""
    if not all(map(math.isfinite, attributions)):
        raise ValueError("An attribution is not finite: the network's output is NaN or inf.")
    largest = max(map(abs, attributions), default=0.0) or 1.0
    return [a / largest for a in attributions]


def colored(words: Sequence[str], attributions: Sequence[float]) -> str:
    r"""Return the words with colored backgrounds for a terminal.

    Parameters
    ----------
    words : sequence of str
        The words.
    attributions : sequence of float
        How much each of them contributed to the decision.

    Returns
    -------
    text : str
        The words with ANSI colors: blue and underlined for, orange against, in three strengths
        behind black letters, readable on light and dark; words below a tenth of the largest
        attribution have no color.

    Raises
    ------
    ValueError
        If there are not as many attributions as words, or one is not finite.

    Examples
    --------
    >>> from seqnets.plots import colored
    >>> colored(["a", "good", "film"], [0.0, 0.9, 0.01])
    'a \x1b[4;38;5;16;48;5;39mgood\x1b[0m film'
    """
    parts = []
    for word, a in zip(map(printable, words), strengths(attributions), strict=True):
        shades, line = (ANSI_FOR, "4;") if a > 0 else (ANSI_AGAINST, "")
        shade = shades[min(int(3 * abs(a)), 2)]
        strong = f"\x1b[{line}38;5;16;48;5;{shade}m{word}\x1b[0m"
        parts.append(strong if abs(a) >= 0.1 else word)
    return " ".join(parts)


def plain(words: Sequence[str], attributions: Sequence[float]) -> str:
    """Return the words, each followed by its attribution if that is at least 0.1 of the largest."""
    rows = zip(map(printable, words), attributions, strengths(attributions), strict=True)
    return " ".join(
        f"{word}({a:+.2g})" if abs(strength) >= 0.1 else word for word, a, strength in rows
    )


def printable(word: str) -> str:
    """Return the word, non-printable characters escaped: no text may control the terminal.

    So are most invisible ones, such as a zero-width space at the end of a label, but not joiners
    and direction marks, which emoji and many scripts need.
    """
    return "".join(c if c.isprintable() or c in JOINERS_AND_MARKS else repr(c)[1:-1] for c in word)


def n_columns(word: str) -> int:
    """Return how many columns of a terminal it takes."""
    shown = [c for c in word if unicodedata.category(c) not in ("Mn", "Me", "Cf")]
    return len(shown) + sum(unicodedata.east_asian_width(c) in "WF" for c in shown)


def padded(word: str, width: int) -> str:
    """Return the word and as many spaces as make it `width` columns of a terminal."""
    return word + " " * (width - n_columns(word))


def colors_wanted() -> bool:
    """Return whether standard output shows ANSI colors: see no-color.org, force-color.org."""
    if os.environ.get("NO_COLOR"):
        return False
    try:
        on_terminal = sys.stdout.isatty()
    except (AttributeError, ValueError):  # it is None, or closed, or can only write
        on_terminal = False
    return bool(os.environ.get("FORCE_COLOR") or on_terminal and os.environ.get("TERM") != "dumb")


def as_html(words: Sequence[str], attributions: Sequence[float], title: str) -> str:
    """Return the words as HTML for any background, with half-transparent colors and underlines."""
    parts = []
    for word, value, a in zip(words, attributions, strengths(attributions), strict=True):
        color, line = color_of(a), "solid" if a > 0 else "dotted"
        color_of_word = f"{color}{round(153 * abs(a)):02x}"  # 153 is six tenths of ff
        shown = html.escape(printable(word))
        style = f"white-space: pre-wrap; background: {color_of_word}"
        if abs(a) >= 0.1:
            style += f"; border-bottom: 2px {line} {color}"
        parts.append(f'<span style="{style}" title="{value:+.3g}">{shown}</span>')
    title = html.escape(printable(title))
    return f'<div style="line-height: 1.8"><b>{title}</b> {" ".join(parts)}</div>'
