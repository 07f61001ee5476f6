"""Split documents into words, learn the words' ids and look them up.

Ids: 0 padding, 1 any unknown word, from 2 on the words by frequency, ties by the alphabet.
"""

from __future__ import annotations

import reprlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from itertools import count
from math import ceil, floor
from numbers import Integral, Number
from typing import Any

import numpy as np

from .warn import warn

PADDING, UNKNOWN, FIRST_WORD, LARGEST_ID = 0, 1, 2, 2**31 - 1
SERIES_HINT = "numeric series need embedding_dim=None"
FEW_DOCUMENTS = 10  # may be an example of single words
MAX_TEXTS_PER_ROW = 4  # padded, side by side in one X
NO_LISTS = str, bytes, Mapping, set, frozenset  # list(x) takes them, but none is a list of words
# What Python's \w leaves out of words: combining accents, joiners, the vowel signs and points of
# Hebrew, Arabic, Syriac, Thaana, N'Ko, the Indian scripts, Thai, Lao, Tibetan, Burmese and Khmer
# (but not \u09f3, \u0af1 and \u0bf9, which are currency signs).
MARKS = (
    r"\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a"
    r"\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed\u0711-\u07f3\u0900-\u0963"
    r"\u0971-\u09f1\u09fe-\u0aef\u0afa-\u0bf2\u0c00-\u0df3\u0e31-\u0e3a\u0e47-\u0e4e"
    r"\u0eb1-\u0ebc\u0ec8-\u0ece\u0f71-\u0f84\u0f90-\u0fbc\u102b-\u103e\u1056-\u109d"
    r"\u17b4-\u17d3\u200c\u200d"
)
# Words begin with a letter, a digit or "_" and may have apostrophes inside. Any other character is
# a word of its own.
TOKEN_PATTERN = rf"(?u)\w(?:[\w{MARKS}]+|['\u2019](?=\w))*|[^\w\s]"
MISSING = {"None", "nan", "NaT", "<NA>"}  # what str() makes of them


def check_documents(X: Any, are_lists: bool) -> None:
    """Refuse what is not an iterable of documents in a fixed order."""
    if isinstance(X, str | bytes):
        raise ValueError(
            "Iterable over raw text documents expected, string object received: pass [text]."
        )
    if not isinstance(X, Iterable):
        raise TypeError(f"Expected an iterable of documents, got {reprlib.repr(X)}.")
    if isinstance(X, set | frozenset):
        raise TypeError("Expected documents in a fixed order, got a set: pass a list.")
    shape: tuple[int, ...] = getattr(X, "shape", (0,))
    if are_lists and len(shape) == 2 and shape[1] != 1:  # one column may hold the lists
        events = '; if it is one event, X.groupby(...)["event"].agg(list)'
        raise ValueError(
            f"Expected a list of lists of words, got a {type(X).__name__}: if each row is a "
            f"sequence, pass np.asarray(X).tolist(){events if hasattr(X, 'columns') else ''}."
        )
    if isinstance(X, Mapping) or len(shape) != 1:
        column = "X[:, 0]" if isinstance(X, np.ndarray) else 'X["text"]'
        if are_lists and isinstance(X, Mapping):  # of lists, by user
            column += " or list(X.values())"
        raise ValueError(
            f"Expected a 1-D iterable of documents, got a {type(X).__name__}: pass one column of "
            f'it, such as {column} (in a ColumnTransformer, "text" instead of ["text"]).'
        )


def tokenized(
    X: Iterable[Any], analyze: Callable, any_type: bool, are_lists: bool
) -> Iterator[list[Any]]:
    """Yield each document as a list of words.

    Documents must be strings, unless `any_type`; if they `are_lists`, they are split already.
    """
    check_documents(X, are_lists)
    for place, document in enumerate(X):
        if hasattr(document, "as_py"):  # Arrow's strings are not str, nor equal to one
            document = document.as_py()
        check_document(document, place, any_type, are_lists)
        if are_lists and hasattr(document, "tolist") and not isinstance(document, np.ndarray):
            document = document.tolist()  # a tensor's items are hashed by identity
        yield list(analyze(document))


def check_document(document: Any, place: int, any_type: bool, are_lists: bool) -> None:
    """Refuse what is not a string, a list of words or, if `any_type`, something for a callable."""
    if (are_lists or not any_type) and is_group(document):
        one = 'x["event"]' if hasattr(document[1], "columns") else "x"
        raise TypeError(
            f"Document {place} is a group's key and its data: pass [list({one}) for _, x in X]"
            f"{'' if are_lists else ', which needs analyzer=list'}."
        )
    if not isinstance(document, str) and (
        not any_type or document is None or isinstance(document, Number)
    ):
        wanted, empty = ("a list of words", "[]") if are_lists else ("a string", '""')
        hint = " (other objects need a callable preprocessor or analyzer that takes them)"
        if isinstance(document, bytes):
            hint = ": decode it"
        elif isinstance(document, list | tuple):
            hint = "; lists of words need analyzer=list"
        elif is_missing(document):
            hint = f": leave it out, or put {empty} in its place"
        elif are_lists:
            hint = "; pass a single document as [document]"
        shown = reprlib.repr(document)
        raise TypeError(f"Document {place} is {shown}, expected {wanted}{hint}.")
    if are_lists and (isinstance(document, NO_LISTS) or len(getattr(document, "shape", (0,))) != 1):
        hint = "pass a single document as [document]"
        if hasattr(document, "columns"):
            hint = 'pass one column of each, [x["event"] for x in X]'
        raise TypeError(
            f"Document {place} is a {type(document).__name__}, but with analyzer=list each is "
            f"a list of words; {hint}."
        )


def is_group(document: Any) -> bool:
    """Whether it is a key with its group, as `groupby` of pandas, polars or itertools gives it."""
    if not isinstance(document, tuple) or len(document) != 2:
        return False
    data = document[1]
    return (
        isinstance(data, list | Iterator) or hasattr(data, "to_numpy") and hasattr(data, "__len__")
    )


def learn_vocabulary(
    documents: Iterable[list[Any]],
    min_df: float,
    max_df: float,
    max_features: int | None,
    max_length: int | None,
) -> tuple[dict[Any, int], list[np.ndarray]]:
    """Learn the vocabulary of the documents; return it and the documents as ids.

    Words are numbered as they come, so that no document is kept as text or split twice.
    """
    numbers: defaultdict[Any, int] = defaultdict(count().__next__)
    counts, document_counts = of_both = np.zeros((2, 0), dtype=np.int64)
    rows, longest = [], 0
    for place, words in enumerate(documents):
        try:
            row = [numbers[word] for word in words]
        except TypeError as error:
            raise unhashable(place, error) from error
        document = np.array(row, dtype=np.int32)
        if len(numbers) > counts.size:  # double the room
            of_both = np.pad(of_both, ((0, 0), (0, len(numbers))))
            counts, document_counts = of_both
        np.add.at(counts, document, 1)
        document_counts[document] += 1  # once, however often the document has a word
        longest = max(longest, document.size)
        rows.append(document[:max_length].copy())
    if not numbers:
        raise ValueError("empty vocabulary; perhaps the documents only contain stop words")
    check_none_missing(numbers, rows)
    low, high = (
        limit if isinstance(limit, Integral) else limit * len(rows) for limit in (min_df, max_df)
    )
    if high < low:
        raise ValueError("max_df corresponds to < documents than min_df")
    kept = [word for word, number in numbers.items() if low <= document_counts[number] <= high]
    if not kept:
        raise ValueError(
            f"No words remain of {len(numbers)}: a word must occur in at least {ceil(low)} and at "
            f"most {floor(high)} of the {len(rows)} documents (min_df={min_df}, max_df={max_df})."
        )
    try:
        kept.sort(key=lambda word: (-int(counts[numbers[word]]), type(word).__name__, word))
    except TypeError as error:  # for members of an Enum, for example
        raise TypeError(
            f"Words that occur equally often are numbered in their order, but {error}: turn them "
            "into strings."
        ) from error
    once = np.count_nonzero(document_counts == 1)
    if longest == 1 and once > max(FEW_DOCUMENTS, len(rows) / 2):
        warn(
            "Each document is a single token, and most of these are in one document only, so "
            "nothing can be learned about others. Texts of DNA, names and languages without spaces "
            'between words need analyzer="char".'
        )
    vocabulary = dict(zip(kept[:max_features], count(FIRST_WORD)))
    ids = np.array([vocabulary.get(word, UNKNOWN) for word in numbers], dtype=np.int32)
    return vocabulary, [ids[row] for row in rows]


def unhashable(place: int, error: TypeError) -> TypeError:
    return TypeError(f"Document {place} holds what can't be a word: {error}.")


def check_none_missing(numbers: Mapping[Any, int], rows: list[np.ndarray]) -> None:
    """Refuse None and NaN as words: each NaN is a key of its own, and another one once pickled."""
    for word, number in numbers.items():
        if is_missing(word):
            places = [place for place, row in enumerate(rows) if number in row]
            refuse_missing(word, f"Document {places[0]}" if places else "A document")  # cut off


def is_missing(word: Any) -> bool:
    return not isinstance(word, str) and str(word) in MISSING


def refuse_missing(word: Any, where: str) -> None:
    raise TypeError(
        f'{where} holds {word!r} as a word: leave it out, or give it a name, such as "missing".'
    )


def look_up(
    documents: Iterable[list[Any]], vocabulary: Mapping[Any, int], max_length: int | None
) -> list[np.ndarray]:
    """The documents as ids; words that are None or NaN are refused, as in fit."""
    rows = []
    for place, words in enumerate(documents):
        try:
            row = [vocabulary.get(word, UNKNOWN) for word in words[:max_length]]
        except TypeError as error:
            raise unhashable(place, error) from error
        if UNKNOWN in row:
            for word, number in zip(words, row, strict=False):
                if number == UNKNOWN and is_missing(word):
                    refuse_missing(word, f"Document {place}")
        rows.append(np.array(row, dtype=np.int32))
    return rows


def ids_to_words(X: Iterable[Any], vocabulary: Mapping[Any, int]) -> list[np.ndarray]:
    """The words of sequences of ids; padding is left out."""
    words = {number: word for word, number in vocabulary.items()} | {UNKNOWN: "<unknown>"}
    documents = []
    X = np.asarray(X) if hasattr(X, "columns") else X  # iterating over a frame gives its columns
    for place, row in enumerate(map(np.asarray, X)):
        if row.ndim != 1:
            raise ValueError(f"Sequence {place} is not 1-D: {reprlib.repr(row)}")
        ids = [number for number in row.tolist() if number != PADDING]
        wrong = [number for number in ids if number not in words]
        if wrong:
            raise ValueError(
                f"Sequence {place} holds {wrong[0]!r}, which is not an id: {PADDING} is padding, "
                f"{UNKNOWN} unknown, words are the values of vocabulary_, up to {max(words)}."
            )
        documents.append(ragged([words[number] for number in ids]))
    return documents


def listed_words(given: Any, any_type: bool) -> list[Any]:
    """The words of a given vocabulary: strings, unless `any_type`."""
    if isinstance(given, str):
        raise ValueError(f"vocabulary={given!r} is a string: give a list or a dict of words.")
    words = sorted(given) if isinstance(given, set | frozenset) else list(given)
    for word in words:
        if not isinstance(word, Hashable if any_type else str):
            raise TypeError(f"vocabulary holds {word!r}, which can't be a word.")
    return words


def checked_vocabulary(vocabulary: Mapping[Any, Any]) -> dict[Any, int]:
    """The vocabulary with ids as Python ints; refuse ids that are not allowed or not distinct."""
    for word, number in vocabulary.items():
        if not isinstance(number, int | np.integer) or not FIRST_WORD <= number <= LARGEST_ID:
            raise ValueError(
                f"vocabulary[{word!r}] is {number!r}, expected an int from {FIRST_WORD} to "
                f"{LARGEST_ID} ({PADDING} is padding, {UNKNOWN} any unknown word)."
            )
    if len(set(vocabulary.values())) < len(vocabulary):
        raise ValueError("vocabulary gives one id to several words.")
    return {word: int(number) for word, number in vocabulary.items()}


def look_like_ids(X: Any, kind: str, values: np.ndarray) -> bool:
    """Whether X, a series with these values, looks like our output: int32 from 1 on, then zeros.

    A matrix without a zero may well be a sensor's.
    """
    if kind not in ("ragged", "2d") or not isinstance(X, np.ndarray) or values.shape[1] > 1:
        return False
    dtypes = {getattr(x, "dtype", None) for x in (X if kind == "ragged" else [X])}
    if dtypes != {np.dtype(np.int32)}:
        return False
    if kind == "ragged":
        return values.min(initial=np.inf) >= UNKNOWN
    ids = X > PADDING
    return bool(X.min() == PADDING and ids.any() and (ids[:, 1:] <= ids[:, :-1]).all())


def ragged(rows: list[Any]) -> np.ndarray:
    """A 1-D object array; of rows of the same length, np.array would make a 2-D one."""
    return np.fromiter(rows, dtype=object, count=len(rows))


def padded(rows: list[np.ndarray], width: int | None) -> np.ndarray:
    """A matrix, by default as wide as the longest row."""
    matrix = np.full((len(rows), width or max((1, *map(len, rows)))), PADDING, dtype=np.int32)
    for line, row in zip(matrix, rows, strict=True):
        line[: len(row)] = row
    return matrix


def hint_at(number: float) -> str:
    """Advice to a user who has this number among the token ids."""
    if np.isnan(number) or number < 0 and number.is_integer():
        return "; pad with 0"
    if number > LARGEST_ID and number.is_integer():  # as hashes are
        return "; SequenceVectorizer(analyzer=list) numbers any others"
    series = f"; {SERIES_HINT}, numbers can't be mixed with texts"
    return "" if number.is_integer() else series


def warn_of_zeros_between_ids(real: np.ndarray, offsets: np.ndarray, kept: np.ndarray) -> None:
    """Warn, but not of padded texts side by side, whose zeros end before the same few steps."""
    after = 1 + np.flatnonzero(real[1:] & ~real[:-1])
    row = offsets.searchsorted(after, side="right") - 1
    first = np.flatnonzero(real)[kept[row]]  # id of each row
    row, step = row[after > first], (after - offsets[row])[after > first]
    # All texts but the first begin after a zero; each takes at least two steps.
    few = min(MAX_TEXTS_PER_ROW, int(np.diff(offsets).max()) // 2)
    if np.unique(step).size >= max(few, 1):
        warn(
            f"X[{row[0]}] holds 0 at step {step[0] - 1}, between other ids. 0 is padding and is "
            "dropped; if your ids begin at 0, as those of OrdinalEncoder do, add 2 to all (1 is "
            "the unknown id)."
        )
