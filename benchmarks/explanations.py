"""Rows of our own cost: each kind of explanation beside `predict_proba`, on review sentences.

The explanation's time is reported as theirs: the ratio is how many times as long it takes.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from .data import CELLS, read_reviews
from .epochs import N_WORDS, classifier
from .timing import Result, Row, Run, Settings, Turn, paired, result

SENTENCES = 1_000


def rows() -> dict[str, Row]:
    """The rows by name."""
    return {f"explain {cell}": partial(explain, cell=cell) for cell in (*CELLS, "mingru")}


def runs(clf: Any, X: Any) -> dict[str, Run]:
    """Every kind of explanation of all sequences, by name."""
    return {
        "trace": partial(clf.trace, X),
        "staged_predict_proba": lambda: list(clf.staged_predict_proba(X)),
        "gradient_x_input": partial(clf.attributions, X, "gradient_x_input"),
        "integrated_gradients": partial(clf.attributions, X, "integrated_gradients"),
    }


def explain(row: str, settings: Settings, cell: str) -> list[Result]:
    """What explaining 1,000 sentences takes (a tenth of them for a trial)."""
    from seqnets import SequenceVectorizer

    n = SENTENCES // 10 if settings.quick else SENTENCES
    texts, y = read_reviews("rotten_tomatoes", n)
    X = SequenceVectorizer(max_features=N_WORDS - 1).fit_transform(texts)
    clf = classifier(cell, 1, settings.threads).fit(X, y)
    predict = Turn(partial(clf.predict_proba, X), 0.03)
    results = []
    for name, run in runs(clf, X).items():
        pairs = settings.long_pairs if name == "integrated_gradients" else settings.pairs
        results.append(result(row, settings, name, paired([predict, Turn(run, 0.03)], pairs)))
    return results
