"""Pretrained word vectors, in the order of a vectorizer's ids."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from .real_numbers import check_unmasked, is_numeric
from .vocabulary import FIRST_WORD, PADDING, UNKNOWN, checked_vocabulary
from .warn import warn


def embedding_matrix(
    vocabulary: Mapping[str, int],
    vectors: Mapping[str, Any] | str | os.PathLike,
    *,
    random_state: int | np.random.RandomState | None = None,
) -> np.ndarray:
    """Align word vectors with a vocabulary, for `RecurrentClassifier(embeddings=...)`.

    Parameters
    ----------
    vocabulary : mapping of str to int
        `vocabulary_` of a fitted `SequenceVectorizer`. In a pipeline, pass it to the vectorizer,
        too, as `SequenceVectorizer(vocabulary=...)`: if that learned its own vocabulary, as in each
        fold of a cross-validation, the ids would differ.
    vectors : mapping of str to array-like of shape (n_dims,), or path
        Vectors by word; or the path of a UTF-8 text file with a word and its numbers on each line,
        as written by GloVe and word2vec. A first line of only two numbers is skipped.
    random_state : int, RandomState instance or None, default=None
        Determines the random vectors of words that have none.

    Returns
    -------
    embeddings : ndarray of shape (n_ids, n_dims), float32
        Row i is the vector of id i. Row 0, for padding, is zero; row 1, for unknown words, is the
        mean of all vectors found. Words without a vector get random ones with the mean and standard
        deviation of those found.

    Raises
    ------
    TypeError
        If `vocabulary` or `vectors` is of another type.
    ValueError
        If no word has a vector, if a vector is not `n_dims` finite numbers, or if an id is below
        2 (those of scikit-learn's `CountVectorizer` begin at 0) or occurs twice.
    OSError
        If the file can't be read.

    Warns
    -----
    UserWarning
        If fewer than a tenth of the words have a vector.

    Examples
    --------
    >>> from seqnets import SequenceVectorizer, embedding_matrix
    >>> vectorizer = SequenceVectorizer().fit(["a good film", "a bad film"])
    >>> vectorizer.vocabulary_
    {'a': 2, 'film': 3, 'bad': 4, 'good': 5}
    >>> vectors = {"a": [1, 0], "film": [0, 1], "bad": [0, -1], "good": [1, 1]}
    >>> embedding_matrix(vectorizer.vocabulary_, vectors)[[4, 5]]
    array([[ 0., -1.],
           [ 1.,  1.]], dtype=float32)
    """
    if not isinstance(vocabulary, Mapping):
        raise TypeError(
            f"vocabulary is of type {type(vocabulary).__name__}, expected a mapping of words to "
            "ids: the vocabulary_ of a fitted SequenceVectorizer."
        )
    if not isinstance(vectors, Mapping | str | os.PathLike):
        raise TypeError(
            f"vectors is of type {type(vectors).__name__}, expected the path of a text file or a "
            "mapping of words to vectors, such as {word: model[word] for word in vocabulary if "
            "word in model}."
        )
    checked_vocabulary(vocabulary)
    pairs: Iterable[tuple[Any, Any]]
    if isinstance(vectors, Mapping):
        pairs, where = vectors.items(), ""
    else:
        pairs = read_vectors(vectors, {str(word).partition(" ")[0] for word in vocabulary})
        where = f" in {os.fspath(vectors)!r}, on lines of a word and numbers between spaces"
    found, n_dims = {}, None
    for word, vector in pairs:
        if word in vocabulary:
            n_dims = np.size(vector) if n_dims is None else n_dims
            found[vocabulary[word]] = checked_vector(word, vector, n_dims)
    if not found:
        raise ValueError(f"No word of the vocabulary has a vector{where}.")
    if 10 * len(found) < len(vocabulary):
        warn(
            f"Only {len(found)} of {len(vocabulary)} words have a vector; the others get random "
            "ones. Do the language and capital letters agree?"
        )
    ids = np.array(sorted(found))
    rows = np.array([found[i] for i in ids])
    mean, deviation = rows.mean(axis=0, dtype=np.float64), rows.std(axis=0, dtype=np.float64)
    n_ids = max(vocabulary.values()) + 1
    matrix = np.empty((n_ids, rows.shape[1]), np.float32)
    matrix[ids] = rows
    others = np.setdiff1d(np.arange(FIRST_WORD, n_ids), ids)
    shape = others.size, rows.shape[1]
    matrix[others] = check_random_state(random_state).normal(mean, deviation, shape)
    matrix[PADDING] = 0.0
    matrix[UNKNOWN] = mean
    return matrix


def read_vectors(path: str | os.PathLike, begins: set[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield each line's word, which may hold spaces, and as many numbers as the first line has.

    Lines that begin with no word of `begins` are skipped: splitting all takes half as long again.
    """
    n_dims = 0
    try:
        with open(path, encoding="utf-8-sig") as file:
            for number, line in enumerate(map(str.rstrip, file)):
                if n_dims < 2:  # the first line, or after an empty one or a header of two numbers
                    n_dims = line.count(" ")
                elif line.partition(" ")[0] not in begins:
                    continue
                word, *numbers = line.rsplit(" ", n_dims)
                if is_numeric(word.rpartition(" ")[2]) and " " in word:  # one number too many
                    word, *numbers = line.split(" ")
                is_header = number == 0 and n_dims == 1 and all(map(is_numeric, (word, *numbers)))
                if numbers and not is_header:
                    yield word, numbers
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{os.fspath(path)!r} is not text in UTF-8 (or compressed): {error}"
        ) from error


def checked_vector(word: str, vector: Any, n_dims: int) -> np.ndarray:
    """Return the vector in float32."""
    check_unmasked(vector, f"The vector of {word!r}", "leave the word out")
    try:
        with np.errstate(over="ignore"):  # what is too large becomes inf, refused below
            numbers = np.asarray(vector, dtype=np.float64).astype(np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(f"The vector of {word!r} does not hold numbers: {error}.") from error
    if numbers.shape != (n_dims,) or not np.isfinite(numbers).all():
        raise ValueError(f"The vector of {word!r} is not {n_dims} finite numbers: {vector}.")
    return numbers
