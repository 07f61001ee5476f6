"""Texts become sequences of word ids, in reading order."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval, StrOptions, validate_parameter_constraints
from sklearn.utils.validation import check_is_fitted

from .estimators import CallbackSupportMixin, PlainOutputMixin, fit_method
from .vocabulary import (
    FIRST_WORD,
    TOKEN_PATTERN,
    checked_vocabulary,
    ids_to_words,
    learn_vocabulary,
    listed_words,
    look_up,
    padded,
    ragged,
    tokenized,
)

SHARED = (  # parameters that are CountVectorizer's
    "strip_accents", "lowercase", "preprocessor", "tokenizer", "stop_words", "token_pattern",
    "ngram_range", "analyzer", "max_df", "min_df", "max_features", "vocabulary",
)  # fmt: skip


class SequenceVectorizer(CallbackSupportMixin, PlainOutputMixin, BaseEstimator):
    r"""Convert texts to sequences of word ids, in reading order.

    The analyzers of :class:`~sklearn.feature_extraction.text.CountVectorizer` split the texts.
    Id 0 is padding, id 1 any unknown word. The words of the vocabulary have the ids from 2 on,
    most frequent first, equally frequent ones in alphabetical order.

    Parameters
    ----------
    strip_accents : {"ascii", "unicode"} or callable, default=None
        How to remove accents from the text; None: they stay.
    lowercase : bool, default=True
        Convert the text to lower case.
    preprocessor : callable, default=None
        Replaces `strip_accents` and `lowercase`; it may take documents that are not strings.
    tokenizer : callable, default=None
        Splits the preprocessed text into tokens, instead of `token_pattern`.
    stop_words : "english" or list, default=None
        Words to leave out, with `analyzer="word"`.
    token_pattern : str, default=words and punctuation
        Regular expression of a token, with `analyzer="word"`. The default keeps one-letter words,
        apostrophes and combining marks in words, and punctuation (each mark is a token).
    ngram_range : tuple (n, n), default=(1, 1)
        The n of the n-grams, twice: a mixture of several n would lose the reading order.
    analyzer : {"word", "char", "char_wb"} or callable, default="word"
        Tokens are n-grams of words, of characters, or of characters within words. A callable takes
        a document, which need not be a string, and returns its tokens.
    max_df, min_df : float in [0.0, 1.0] or int, default=1.0, 1
        Words in more documents than `max_df` or fewer than `min_df` become unknown words; a float
        is a proportion of the documents, an int their number. Ignored if `vocabulary` is given.
    max_features : int, default=None
        Keep only this many words, the most frequent. Ignored if `vocabulary` is given.
    vocabulary : mapping or iterable, default=None
        A mapping of words to distinct ids from 2 to 2**31 - 1, gaps allowed; or words, which get
        the ids 2, 3, ... in their order (those of a set in alphabetical order).
    max_length : int, default=None
        Keep only the first `max_length` ids of a document; fit counts words in whole documents.
    output : {"ragged", "padded"}, default="ragged"
        "ragged": a 1-D object array of 1-D int32 arrays. "padded": an int32 matrix, padded with 0
        on the right, with `max_length` columns or as many as the longest sequence needs (at least
        1). A `ColumnTransformer` needs "padded", and two columns of texts the same `vocabulary`.

    Attributes
    ----------
    vocabulary_ : dict
        The words and their ids.

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

    @fit_method
    def fit(self, X: Iterable[Any], y: Any = None) -> Self:
        """Learn the vocabulary of the documents.

        Parameters
        ----------
        X : iterable of str
            The documents; not only strings if a callable `preprocessor` or `analyzer` takes others.
        y : None
            Ignored.

        Returns
        -------
        self : SequenceVectorizer
            The fitted vectorizer.

        Raises
        ------
        TypeError
            If a document is not a string (None and numbers are refused whatever `analyzer` is).
        ValueError
            If a parameter is not allowed, if `X` is one string or a table, or if no words remain.

        Examples
        --------
        >>> SequenceVectorizer().fit(["not good", "good"]).vocabulary_
        {'good': 2, 'not': 3}
        """
        self.vocabulary_, _ = self._learn(X)
        return self

    @fit_method
    def fit_transform(self, X: Iterable[Any], y: Any = None) -> np.ndarray:
        """Fit and transform in one pass over the documents.

        Parameters
        ----------
        X : iterable of str
            The documents; not only strings if a callable `preprocessor` or `analyzer` takes others.
        y : None
            Ignored.

        Returns
        -------
        sequences : ndarray of shape (n_documents,) or (n_documents, n_columns)
            As for `transform`.

        Raises
        ------
        TypeError, ValueError
            As for `fit`.

        Examples
        --------
        >>> SequenceVectorizer(output="padded").fit_transform(["not good", "good"])
        array([[3, 2],
               [2, 0]], dtype=int32)
        """
        self.vocabulary_, rows = self._learn(X)
        return self._pack(rows)

    def transform(self, X: Iterable[Any]) -> np.ndarray:
        """Return the documents as sequences of ids.

        Parameters
        ----------
        X : iterable of str
            The documents; not only strings if a callable `preprocessor` or `analyzer` takes others.

        Returns
        -------
        sequences : ndarray of shape (n_documents,) or (n_documents, n_columns)
            See `output`. A document without tokens is an empty sequence.

        Raises
        ------
        NotFittedError
            If the vectorizer has not been fitted and has no `vocabulary`.
        TypeError, ValueError
            If a document is not a string, if `X` is one string or a table, or if a parameter is not
            allowed.

        Examples
        --------
        >>> SequenceVectorizer(vocabulary=["not", "good"]).transform(["not so good"])[0]
        array([2, 1, 3], dtype=int32)
        """
        # not _validate_params, which reads the signature of __init__: a tenth of a pipeline's time
        validate_parameter_constraints(self._parameter_constraints, vars(self), type(self).__name__)
        return self._pack(look_up(self._tokenize(X), self._words(), self.max_length))

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

        Raises
        ------
        NotFittedError, ValueError
            As for `transform`, and if a sequence is not 1-D or holds a number that is not an id.

        Examples
        --------
        >>> SequenceVectorizer(vocabulary=["not", "good"]).inverse_transform([[2, 3, 0]])
        [array(['not', 'good'], dtype=object)]
        """
        return ids_to_words(X, self._words())

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the words in the order of their ids; for padded output, its column names.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        words : ndarray of shape (n_words,) or (max_length,), dtype object
            Those of `vocabulary_`; for padded output, "step0", "step1", ...

        Raises
        ------
        NotFittedError, ValueError
            If the vectorizer has not been fitted and has no `vocabulary`, or an invalid one; if
            `output` is "padded" without a `max_length`, so that the width may vary between calls.

        Examples
        --------
        >>> SequenceVectorizer().fit(["not good", "good"]).get_feature_names_out()
        array(['good', 'not'], dtype=object)
        """
        words = self._words()
        if self.output == "padded":
            if self.max_length is None:
                raise ValueError("To name padded columns, as data frames do, set max_length.")
            return ragged([f"step{t}" for t in range(self.max_length)])
        return ragged(sorted(words, key=words.__getitem__))

    def set_output(self, *, transform: str | None = None) -> Self:
        """Accept only arrays as output, which a `ColumnTransformer` may put into a data frame.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, default=None
            Anything but "default" needs ``output="padded"`` and a `max_length`, and leaves the
            data frame to the `ColumnTransformer`. None: no change.

        Returns
        -------
        self : SequenceVectorizer
            The vectorizer.

        Raises
        ------
        ValueError
            If `transform` is not allowed.

        Examples
        --------
        >>> SequenceVectorizer().set_output(transform="default")
        SequenceVectorizer()
        """
        is_table = self.output == "padded" and self.max_length is not None
        if transform not in [None, "default"] + ["pandas", "polars"] * is_table:
            raise ValueError(
                f'SequenceVectorizer has no {transform!r} output: allowed are "default" and, with '
                'output="padded" and max_length, "pandas" and "polars".'
            )
        return self

    def build_analyzer(self) -> Callable[[Any], Iterable[Any]]:
        """Return the function that splits a document into its tokens.

        Returns
        -------
        analyze : callable
            Takes a document and returns its tokens.

        Raises
        ------
        ValueError
            If `ngram_range`, `token_pattern`, `analyzer` or `stop_words` is not allowed.

        Examples
        --------
        >>> SequenceVectorizer().build_analyzer()("Isn't it good?")
        ["isn't", 'it', 'good', '?']
        """
        return self._count_vectorizer().build_analyzer()

    def _count_vectorizer(self) -> CountVectorizer:
        n = self.ngram_range
        pair = isinstance(n, tuple) and len(n) == 2 and n[0] == n[1]
        if not pair or not isinstance(n[0], (int, np.integer)) or n[0] < 1:
            raise ValueError(
                f"ngram_range must be (n, n) with an int n >= 1, got {n}: CountVectorizer's "
                "analyzers list all 1-grams before all 2-grams, so the reading order would be "
                "lost. With (1, 1), the network sees all n-grams, since it reads word after word."
            )
        shared = {name: getattr(self, name) for name in SHARED}
        # scikit-learn should not warn that a default goes unused
        unused = self.tokenizer is not None or self.analyzer != "word"
        if unused and self.token_pattern == TOKEN_PATTERN:
            shared["token_pattern"] = None
        if self.preprocessor is not None or callable(self.analyzer):
            shared["lowercase"] = False
        pattern: Any = "" if unused else self.token_pattern
        try:
            re.compile(pattern)
        except (re.error, TypeError) as error:
            raise ValueError(f"token_pattern={self.token_pattern!r}: {error}.") from error
        return CountVectorizer(**shared)

    def _tokenize(self, X: Iterable[Any]) -> Iterator[list[Any]]:
        any_type = self.preprocessor is not None or callable(self.analyzer)
        return tokenized(X, self.build_analyzer(), any_type, are_lists=self.analyzer is list)

    def _learn(self, X: Iterable[Any]) -> tuple[dict[Any, int], list[np.ndarray]]:
        """Return the vocabulary and the ids of the documents."""
        if self.vocabulary is not None:
            vocabulary = self._given_vocabulary()
            return vocabulary, look_up(self._tokenize(X), vocabulary, self.max_length)
        # A fit without documents gives scikit-learn's warnings of unused parameters
        self._count_vectorizer().set_params(vocabulary=["-"]).fit([])
        limits = self.min_df, self.max_df, self.max_features, self.max_length
        return learn_vocabulary(self._tokenize(X), *limits)

    def _pack(self, rows: list[np.ndarray]) -> np.ndarray:
        return ragged(rows) if self.output == "ragged" else padded(rows, self.max_length)

    def _words(self) -> dict[Any, int]:
        if self.vocabulary is not None and not hasattr(self, "vocabulary_"):
            return self._given_vocabulary()
        check_is_fitted(self)
        return self.vocabulary_

    def _given_vocabulary(self) -> dict[Any, int]:
        given: Any = self.vocabulary
        any_type = callable(self.analyzer) or self.tokenizer is not None
        words = listed_words(given, any_type)
        # CountVectorizer refuses duplicates and warns of capitals, which lowercase text never has
        numbers = self._count_vectorizer().set_params(vocabulary=words).fit([]).vocabulary_
        if isinstance(given, Mapping):
            return checked_vocabulary(given)
        return {word: number + FIRST_WORD for word, number in numbers.items()}

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        return tags
