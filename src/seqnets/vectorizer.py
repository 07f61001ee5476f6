"""Texts become sequences of word ids, in reading order."""

import re
import reprlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count
from numbers import Integral, Number
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from .estimators import EstimatorMixin, as_one_task

PADDING, UNKNOWN, FIRST_WORD, LAST_WORD = 0, 1, 2, 2**31 - 1
TOKEN_PATTERN = r"(?u)\w+(?:['\u2019]\w+)*|[^\w\s]"
SHARED = (  # parameters that are CountVectorizer's
    *("strip_accents", "lowercase", "preprocessor", "tokenizer", "stop_words", "token_pattern"),
    *("ngram_range", "analyzer", "max_df", "min_df", "max_features", "vocabulary"),
)


class SequenceVectorizer(  # type: ignore[call-arg]
    EstimatorMixin, TransformerMixin, BaseEstimator, auto_wrap_output_keys=None
):
    r"""Convert texts to sequences of word ids, in reading order.

    The analyzers of :class:`~sklearn.feature_extraction.text.CountVectorizer` split the texts.
    Id 0 is padding, id 1 any unknown word. The words of the vocabulary have the ids from 2 on,
    the most frequent first, equally frequent ones in alphabetical order.

    Parameters
    ----------
    strip_accents : {"ascii", "unicode"} or callable, default=None
        Remove accents from the text.
    lowercase : bool, default=True
        Convert the text to lower case.
    preprocessor : callable, default=None
        Replaces `strip_accents` and `lowercase`; it may take documents that are not strings.
    tokenizer : callable, default=None
        Splits the preprocessed text into tokens, instead of `token_pattern`.
    stop_words : "english" or list, default=None
        Words to leave out, with `analyzer="word"`.
    token_pattern : str, default=r"(?u)\\w+(?:['\\u2019]\\w+)*|[^\\w\\s]"
        Regular expression of a token, with `analyzer="word"`. The default keeps one-letter words,
        apostrophes in words ("don't" is one token) and punctuation (each mark is a token).
    ngram_range : tuple (n, n), default=(1, 1)
        The n of the n-grams, twice as in `CountVectorizer`. Only one n at a time, because its
        analyzers list all 1-grams before all 2-grams, and the reading order would be lost.
    analyzer : {"word", "char", "char_wb"} or callable, default="word"
        Tokens are n-grams of words, of characters, or of characters within words. A callable
        returns the tokens of a document, which may be something else than a string.
    max_df : float in [0.0, 1.0] or int, default=1.0
        Words in more documents than this become unknown words; a float is a proportion of the
        documents, an int their number. Ignored if `vocabulary` is given.
    min_df : float in [0.0, 1.0] or int, default=1
        The same for words in fewer documents than this.
    max_features : int, default=None
        Keep this many words, the most frequent. Ignored if `vocabulary` is given.
    vocabulary : mapping or iterable, default=None
        Words with their ids, which are distinct and from 2 to 2**31 - 1, gaps allowed (ids may be
        the row numbers of pretrained embeddings); or words that get the ids 2, 3, ... in the given
        order (a set in alphabetical order).
    max_length : int, default=None
        Keep the first `max_length` ids of a document; words are counted in whole documents.
    output : {"ragged", "padded"}, default="ragged"
        "ragged" is a 1-D object array of 1-D int32 arrays; "padded" an int32 matrix, padded on the
        right, of `max_length` columns or else as many as its longest sequence needs (at least 1).
        A `ColumnTransformer` puts columns side by side, so it takes "padded" alone.

    Attributes
    ----------
    vocabulary_ : dict
        The words with their ids.

    See Also
    --------
    RecurrentClassifier : Classifies the sequences; set its `embedding_dim`.
    sklearn.feature_extraction.text.CountVectorizer : Counts the words and forgets their order.

    Examples
    --------
    >>> from seqnets import SequenceVectorizer
    >>> vectorizer = SequenceVectorizer().fit(["Good, not bad!", "Not good."])
    >>> vectorizer.get_feature_names_out()
    array(['good', 'not', '!', ',', '.', 'bad'], dtype=object)
    >>> X = vectorizer.transform(["A good film, not bad."])
    >>> X[0]
    array([1, 2, 1, 5, 3, 7, 6], dtype=int32)
    >>> print(*vectorizer.inverse_transform(X)[0])
    <unknown> good <unknown> , not bad .
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **{name: CountVectorizer._parameter_constraints[name] for name in SHARED},
        "max_length": [Interval(Integral, 1, None, closed="left"), None],
        "output": [StrOptions({"ragged", "padded"})],
    }

    def __init__(
        self,
        *,
        strip_accents: str | Callable[..., Any] | None = None,
        lowercase: bool = True,
        preprocessor: Callable[..., Any] | None = None,
        tokenizer: Callable[..., Any] | None = None,
        stop_words: str | list[str] | None = None,
        token_pattern: str | None = TOKEN_PATTERN,
        ngram_range: tuple[int, int] = (1, 1),
        analyzer: str | Callable[..., Any] = "word",
        max_df: float = 1.0,
        min_df: float = 1,
        max_features: int | None = None,
        vocabulary: Mapping[Any, int] | Iterable[Any] | None = None,
        max_length: int | None = None,
        output: str = "ragged",
    ):
        self.strip_accents = strip_accents
        self.lowercase = lowercase
        self.preprocessor = preprocessor
        self.tokenizer = tokenizer
        self.stop_words = stop_words
        self.token_pattern = token_pattern
        self.ngram_range = ngram_range
        self.analyzer = analyzer
        self.max_df = max_df
        self.min_df = min_df
        self.max_features = max_features
        self.vocabulary = vocabulary
        self.max_length = max_length
        self.output = output

    def fit(self, X: Iterable[Any], y: Any = None) -> Self:
        """Learn the vocabulary of the documents `X`, an iterable of strings; `y` is ignored.

        Examples
        --------
        >>> SequenceVectorizer().fit(["not good", "good"]).vocabulary_
        {'good': 2, 'not': 3}
        """
        self.fit_transform(X)
        return self

    @as_one_task
    @_fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X: Iterable[Any], y: Any = None) -> np.ndarray:
        """Do as `fit` and `transform`, but in one pass over the documents.

        Examples
        --------
        >>> SequenceVectorizer(output="padded").fit_transform(["not good", "good"])
        array([[3, 2],
               [2, 0]], dtype=int32)
        """
        if self.vocabulary is None:
            # A fit without documents gives scikit-learn's warnings of unused parameters
            self._count_vectorizer().set_params(vocabulary=["-"]).fit([])
            self.vocabulary_, rows = self._learn(X)
        else:
            given = self._given_vocabulary()
            self.vocabulary_, rows = given, self._look_up(X, given)
        return self._pack(rows)

    def transform(self, X: Iterable[Any]) -> np.ndarray:
        """Return the documents as sequences of ids.

        Parameters
        ----------
        X : iterable of str
            The documents.

        Returns
        -------
        sequences : ndarray of shape (n_documents,) or (n_documents, n_columns)
            See `output`. A document without tokens is an empty sequence.

        Examples
        --------
        >>> SequenceVectorizer(vocabulary=["not", "good"]).transform(["not so good"])[0]
        array([2, 1, 3], dtype=int32)
        """
        self._validate_params()
        return self._pack(self._look_up(X, self._words()))

    def inverse_transform(self, X: Iterable[Any]) -> list[np.ndarray]:
        """Return the words of the sequences, "<unknown>" for id 1 and nothing for padding.

        Parameters
        ----------
        X : iterable of 1-D arrays of int, or 2-D array of int
            The sequences of ids.

        Returns
        -------
        documents : list of 1-D object arrays
            The words of each document.

        Examples
        --------
        >>> SequenceVectorizer(vocabulary=["not", "good"]).inverse_transform([[2, 3, 0]])
        [array(['not', 'good'], dtype=object)]
        """
        words = {number: word for word, number in self._words().items()} | {UNKNOWN: "<unknown>"}
        documents = []
        for place, row in enumerate(map(np.asarray, X)):
            if row.ndim != 1:
                raise ValueError(f"Sequence {place} is not 1-D: {reprlib.repr(row)}")
            ids = [number for number in row.tolist() if number != PADDING]
            wrong = [number for number in ids if number not in words]
            if wrong:
                raise ValueError(
                    f"Sequence {place} holds {wrong[0]!r}, which is no id: {PADDING} is padding, "
                    f"{UNKNOWN} unknown, words are the values of vocabulary_, up to {max(words)}."
                )
            documents.append(_object_array([words[number] for number in ids]))
        return documents

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the words in the order of their ids; `input_features` is ignored.

        Examples
        --------
        >>> SequenceVectorizer().fit(["not good", "good"]).get_feature_names_out()
        array(['good', 'not'], dtype=object)
        """
        words = self._words()
        return _object_array(sorted(words, key=words.__getitem__))

    def set_output(self, *, transform: str | None = None) -> Self:
        """Accept None or "default" as `transform`; data frames cannot hold sequences of ids.

        Examples
        --------
        >>> SequenceVectorizer().set_output(transform="default")
        SequenceVectorizer()
        """
        if transform not in (None, "default"):
            raise ValueError(
                f"SequenceVectorizer has no {transform!r} output: sequences of ids differ in "
                "length and have no columns to name."
            )
        return self

    def build_analyzer(self) -> Callable[[Any], Iterable[Any]]:
        """Return the function that splits a document into its tokens.

        Examples
        --------
        >>> SequenceVectorizer().build_analyzer()("Isn't it good?")
        ["isn't", 'it', 'good', '?']
        """
        return self._count_vectorizer().build_analyzer()

    def _count_vectorizer(self) -> CountVectorizer:
        n = self.ngram_range
        if len(n) != 2 or n[0] != n[1] or not isinstance(n[0], (int, np.integer)) or n[0] < 1:
            raise ValueError(
                f"ngram_range must be (n, n) with an int n >= 1, got {n}: CountVectorizer's "
                "analyzers list all 1-grams before all 2-grams, the reading order would be lost."
            )
        shared = {name: getattr(self, name) for name in SHARED}
        # What only stands at its default is no reason for a warning that it goes unused
        unused = self.tokenizer is not None or self.analyzer != "word"
        if unused and self.token_pattern == TOKEN_PATTERN:
            shared["token_pattern"] = None
        if self.preprocessor is not None or callable(self.analyzer):
            shared["lowercase"] = False
        try:
            re.compile(shared["token_pattern"] or "")
        except (re.error, TypeError) as error:
            raise ValueError(f"token_pattern={shared['token_pattern']!r}: {error}.") from error
        return CountVectorizer(**shared)

    def _tokenize(self, X: Iterable[Any]) -> Iterator[list[Any]]:
        if isinstance(X, (str, bytes)):
            raise ValueError("Iterable over raw text documents expected, string object received.")
        if isinstance(X, Mapping) or len(getattr(X, "shape", (0,))) != 1:
            raise ValueError(
                f"Expected a 1-D iterable of documents, got a {type(X).__name__}: pass one column "
                'of it, as X["text"].'
            )
        analyze = self.build_analyzer()
        any_type = self.preprocessor is not None or callable(self.analyzer)
        for place, document in enumerate(X):
            if not isinstance(document, str) and (
                not any_type or document is None or isinstance(document, Number)
            ):
                raise TypeError(
                    f"Document {place} is {reprlib.repr(document)}, expected a string (other "
                    "objects need a callable preprocessor or analyzer that takes them)."
                )
            yield list(analyze(document))

    def _learn(self, X: Iterable[Any]) -> tuple[dict[Any, int], list[np.ndarray]]:
        # Words are numbered as they come, so that no document is kept as text or split twice
        numbers: defaultdict[Any, int] = defaultdict(count().__next__)
        counts: Counter[int] = Counter()
        document_counts: Counter[int] = Counter()
        rows = []
        for tokens in self._tokenize(X):
            row = [numbers[token] for token in tokens]
            counts.update(row)
            document_counts.update(set(row))
            rows.append(np.array(row[: self.max_length], dtype=np.int32))
        if not numbers:
            raise ValueError("empty vocabulary; perhaps the documents only contain stop words")
        low, high = (
            limit if isinstance(limit, Integral) else limit * len(rows)
            for limit in (self.min_df, self.max_df)
        )
        if high < low:
            raise ValueError("max_df corresponds to < documents than min_df")
        words = [word for word, number in numbers.items() if low <= document_counts[number] <= high]
        if not words:
            raise ValueError(
                f"No words remain: none of {len(numbers)} stands in min_df={self.min_df} documents "
                f"at least and in max_df={self.max_df} at most."
            )
        words.sort(key=lambda word: (-counts[numbers[word]], word))
        vocabulary = dict(zip(words[: self.max_features], count(FIRST_WORD)))
        ids = np.array([vocabulary.get(word, UNKNOWN) for word in numbers], dtype=np.int32)
        return vocabulary, [ids[row] for row in rows]

    def _look_up(self, X: Iterable[Any], vocabulary: Mapping[Any, int]) -> list[np.ndarray]:
        return [
            np.array([vocabulary.get(token, UNKNOWN) for token in tokens], dtype=np.int32)
            for tokens in (tokens[: self.max_length] for tokens in self._tokenize(X))
        ]

    def _pack(self, rows: list[np.ndarray]) -> np.ndarray:
        if self.output == "ragged":
            return _object_array(rows)
        width = self.max_length or max((1, *map(len, rows)))
        matrix = np.full((len(rows), width), PADDING, dtype=np.int32)
        for padded, row in zip(matrix, rows, strict=True):
            padded[: len(row)] = row
        return matrix

    def _words(self) -> dict[Any, int]:
        if self.vocabulary is not None and not hasattr(self, "vocabulary_"):
            return self._given_vocabulary()
        check_is_fitted(self)
        return self.vocabulary_

    def _given_vocabulary(self) -> dict[Any, int]:
        given: Any = self.vocabulary
        words = sorted(given) if isinstance(given, (set, frozenset)) else list(given)
        # CountVectorizer refuses duplicates and warns of capitals that lowercase would never meet
        numbers = self._count_vectorizer().set_params(vocabulary=words).fit([]).vocabulary_
        if not isinstance(given, Mapping):
            return {word: number + FIRST_WORD for word, number in numbers.items()}
        for word, number in given.items():
            if not isinstance(number, (int, np.integer)) or not FIRST_WORD <= number <= LAST_WORD:
                raise ValueError(
                    f"vocabulary[{word!r}] is {number!r}, expected an int from {FIRST_WORD} to "
                    f"{LAST_WORD} ({PADDING} is padding, {UNKNOWN} any unknown word)."
                )
        if len(set(given.values())) < len(given):
            raise ValueError("vocabulary gives one id to several words")
        return {word: int(number) for word, number in given.items()}

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        return tags


def _object_array(items: list[Any]) -> np.ndarray:
    # np.array(items, dtype=object) would be 2-D if all items had the same length
    return np.fromiter(items, dtype=object, count=len(items))
