"""SequenceVectorizer against scikit-learn's CountVectorizer, and against what its page promises."""

import enum
import itertools
import pickle
import re
import weakref
from collections import Counter

import numpy as np
import pandas as pd
import polars as pl
import pytest
from helpers import with_peak_memory
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks, get_tags

from seqnets import RecurrentClassifier
from seqnets.vectorizer import SequenceVectorizer
from seqnets.vocabulary import TOKEN_PATTERN

REVIEWS = [
    "A warm, funny film: I don't know a better one.",
    "Not funny. Not warm. Not a film!",
    "I saw it, and it wasn't bad... it was the best film in a year",
    "Bad, bad, bad; a year of my life, gone!",
    "",
    "The café's actors aren't bad, but it is a cold film",
]


def ids(rows):
    """The sequences as plain lists, after a check of their form."""
    assert rows.dtype == object and rows.ndim == 1
    assert all(row.dtype == np.int32 and row.ndim == 1 for row in rows)
    return [row.tolist() for row in rows]


def words_of(vectorizer, X):
    return [row.tolist() for row in vectorizer.inverse_transform(X)]


# ---------------------------------------------------------------- scikit-learn's own checks


def test_scikit_learn_checks():
    # For an estimator that takes only texts scikit-learn has this one check; it says so
    with pytest.warns(match="Can't test estimator SequenceVectorizer"):
        checks = list(estimator_checks.estimator_checks_generator(SequenceVectorizer()))
    assert len(checks) == 1
    for estimator, check in checks:
        check(estimator)


@pytest.mark.parametrize(
    "check",
    # others that need no table of numbers, or want an error before it is read
    [
        "check_do_not_raise_errors_in_init_or_set_params",
        "check_estimator_repr",
        "check_estimator_tags_renamed",
        "check_get_params_invariance",
        "check_mixin_order",
        "check_no_attributes_set_in_init",
        "check_param_validation",
        "check_parameters_default_constructible",
        "check_set_params",
        "check_valid_tag_types",
    ],
)
def test_scikit_learn_checks_without_data(check):
    getattr(estimator_checks, check)("SequenceVectorizer", SequenceVectorizer())


def test_tags_ask_for_strings():
    tags = get_tags(SequenceVectorizer())
    assert tags.input_tags.string and not tags.input_tags.two_d_array
    assert tags.requires_fit and tags.transformer_tags is not None


def test_parameters_are_those_of_count_vectorizer_and_two_more():
    theirs = CountVectorizer().get_params().keys()
    ours = SequenceVectorizer().get_params().keys()
    assert theirs - ours == {"input", "encoding", "decode_error", "binary", "dtype"}
    assert ours - theirs == {"max_length", "output"}
    assert repr(SequenceVectorizer(min_df=2)) == "SequenceVectorizer(min_df=2)"


def test_fit_leaves_parameters_and_returns_self():
    vectorizer = SequenceVectorizer(stop_words=["a"], min_df=2)
    before = pickle.dumps(vectorizer.get_params())
    assert vectorizer.fit(REVIEWS, None) is vectorizer
    assert pickle.dumps(vectorizer.get_params()) == before
    assert set(vars(vectorizer)) - set(vectorizer.get_params()) == {"vocabulary_"}
    fitted = dict(vars(vectorizer))
    vectorizer.transform(REVIEWS)
    vectorizer.get_feature_names_out()
    assert vars(vectorizer) == fitted


# ---------------------------------------------------------------- against CountVectorizer

PARAMETERS = {
    "words": {},
    "word_pairs": {"ngram_range": (2, 2)},
    "chars": {"analyzer": "char"},
    "char_triples": {"analyzer": "char", "ngram_range": (3, 3)},
    "char_wb": {"analyzer": "char_wb", "ngram_range": (4, 4)},
    "min_df": {"min_df": 2},
    "min_df_share": {"min_df": 0.4},
    "max_df": {"max_df": 2},
    "max_df_share": {"max_df": 0.4},
    "min_and_max_df": {"min_df": 2, "max_df": 0.5},
    "max_features": {"max_features": 3},
    "max_features_and_df": {"max_features": 2, "max_df": 3, "min_df": 2},
    "case": {"lowercase": False},
    "ascii": {"strip_accents": "ascii"},
    "accents": {"strip_accents": "unicode", "analyzer": "char"},
    "accents_callable": {"strip_accents": str.swapcase},
    "stop_words": {"stop_words": ["a", "film", "it"]},
    "english": {"stop_words": "english"},
    "their_pattern": {"token_pattern": r"(?u)\b\w\w+\b"},
    "group": {"token_pattern": r"(?u)\b(\w)\w*"},
    "tokenizer": {"tokenizer": str.split, "token_pattern": None},
    "preprocessor": {"preprocessor": str.upper},
    "analyzer": {"analyzer": str.split, "token_pattern": None},
    "vocabulary": {"vocabulary": ["film", "bad", "never"]},
}


@pytest.mark.parametrize("params", PARAMETERS.values(), ids=PARAMETERS.keys())
def test_counts_are_those_of_count_vectorizer(params):
    analyzer = params.get("analyzer", "word")
    params = {"token_pattern": TOKEN_PATTERN if analyzer == "word" else None} | params
    counter = CountVectorizer(**params)
    counts = counter.fit_transform(REVIEWS).toarray()
    vectorizer = SequenceVectorizer(**params)
    for rows in (vectorizer.fit_transform(REVIEWS), vectorizer.transform(REVIEWS)):
        assert counter.vocabulary_.keys() == vectorizer.vocabulary_.keys()
        for row, expected in zip(ids(rows), counts, strict=True):
            ours = Counter(row)
            assert {w: ours[vectorizer.vocabulary_[w]] for w in counter.vocabulary_} == {
                w: expected[i] for w, i in counter.vocabulary_.items()
            }
    unseen = ["the film is unseen, isn't it?"]
    known = [i for i in ids(vectorizer.transform(unseen))[0] if i > 1]
    assert len(known) == counter.transform(unseen).sum()


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("analyzer", ["word", "char", "char_wb"])
def test_sequences_are_the_analyzers_tokens_in_order(analyzer, n):
    rng = np.random.default_rng(n)
    lengths = rng.integers(30, size=100)
    texts = ["".join(rng.choice(list("aAbcé'\u2019., \n"), size)) for size in lengths]
    vectorizer = SequenceVectorizer(analyzer=analyzer, ngram_range=(n, n))
    pattern = TOKEN_PATTERN if analyzer == "word" else None
    analyze = CountVectorizer(
        analyzer=analyzer, ngram_range=(n, n), token_pattern=pattern
    ).build_analyzer()
    expected = [analyze(text) for text in texts]
    assert [vectorizer.build_analyzer()(text) for text in texts] == expected
    assert words_of(vectorizer, vectorizer.fit_transform(texts)) == expected
    assert words_of(vectorizer, vectorizer.transform(texts)) == expected


# ---------------------------------------------------------------- words and ids


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("I saw a film", "i saw a film"),
        ("don't, can\u2019t!", "don't , can\u2019t !"),
        ("the 'best' actors' film", "the ' best ' actors ' film"),
        ("well-made... 10/10?!", "well - made . . . 10 / 10 ? !"),
        ("snake_case\tΔέλτα\n\nnaïve", "snake_case δέλτα naïve"),
        ("e\u0301te\u0301, l'e\u0301te\u0301", "e\u0301te\u0301 , l'e\u0301te\u0301"),
        ("हिन्दी फ़िल्म अच्छी है।", "हिन्दी फ़िल्म अच्छी है ।"),
        ("தமிழ் বাংলা, שָׁלוֹם־עוֹלָם جَمِيلٌ؟", "தமிழ் বাংলা , שָׁלוֹם ־ עוֹלָם جَمِيلٌ ؟"),
        ("ภาษาไทย ខ្មែរ မြန်မာ བསྒྲུབས་ ދިވެހި", "ภาษาไทย ខ្មែរ မြန်မာ བསྒྲུབས ་ ދިވެހި"),
        ("৳৫০০ ૱500", "৳ ৫০০ ૱ 500"),
        ("Jose\u0301's 'tis rock''n", "jose\u0301's ' tis rock ' ' n"),
        ("👍🏽 100 ₹", "👍 🏽 100 ₹"),
    ],
)
def test_default_token_pattern(text, tokens):
    assert SequenceVectorizer().build_analyzer()(text) == tokens.split()


def test_ids_are_by_total_frequency_then_alphabet():
    # "b" is in fewer documents than "c" but occurs more often; "a", "c", "d" tie, and "a" is last
    vectorizer = SequenceVectorizer()
    rows = vectorizer.fit_transform(["b b b d", "c d", "c a a"])
    assert vectorizer.vocabulary_ == {"b": 2, "a": 3, "c": 4, "d": 5}
    assert ids(rows) == [[2, 2, 2, 5], [4, 5], [4, 3, 3]]
    names = vectorizer.get_feature_names_out(input_features=None)
    assert names.dtype == object and names.tolist() == ["b", "a", "c", "d"]


def test_max_features_keeps_the_most_frequent_and_the_first_of_ties():
    vectorizer = SequenceVectorizer(max_features=2)
    assert ids(vectorizer.fit_transform(["c b a", "b"])) == [[1, 2, 3], [2]]
    assert vectorizer.vocabulary_ == {"b": 2, "a": 3}


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_a_subclass_has_plain_output_too(kind):
    class Shouting(SequenceVectorizer):
        def transform(self, X):
            return super().transform([x.lower() for x in X])

    with config_context(transform_output=kind):
        [ids] = Shouting().fit(["a b"]).transform(["B"])
    assert ids.tolist() == [3]


def test_a_warning_says_that_documents_are_not_split():
    """Nothing would be learned about new ones; words that are labels or come again are fine."""
    dna = ["".join("ACGT"[n // 4**place % 4] for place in range(8)) for n in range(20)]
    with pytest.warns(UserWarning, match='Each document is a single token.*analyzer="char"'):
        SequenceVectorizer().fit(dna)
    for fine in (dna[:10], [*dna, "one more"], dna * 2):
        SequenceVectorizer().fit(fine)
    SequenceVectorizer(analyzer="char").fit(dna)
    SequenceVectorizer(max_length=1).fit([f"{word} or not" for word in dna])


def test_unknown_words_become_id_1():
    vectorizer = SequenceVectorizer(min_df=2)
    assert ids(vectorizer.fit_transform(["a x", "y a"])) == [[2, 1], [1, 2]]
    assert ids(vectorizer.transform(["z a z", "", "z"])) == [[1, 2, 1], [], [1]]


@pytest.mark.parametrize(
    ("vocabulary", "expected"),
    [
        (["b", "c", "a"], {"b": 2, "c": 3, "a": 4}),
        (np.array(["b", "a"]), {"b": 2, "a": 3}),
        ({"b", "c", "a"}, {"a": 2, "b": 3, "c": 4}),
        (frozenset("dbca"), {"a": 2, "b": 3, "c": 4, "d": 5}),
        ({"b": 7, "a": 2}, {"b": 7, "a": 2}),
        ({"b": np.int64(2**31 - 1)}, {"b": 2**31 - 1}),
    ],
)
def test_a_given_vocabulary_needs_no_fit(vocabulary, expected):
    vectorizer = SequenceVectorizer(vocabulary=vocabulary, min_df=1000, max_features=1)
    sequence = [expected["b"], expected.get("a", 1), 1]
    assert ids(vectorizer.transform(["b a x"])) == [sequence]  # needs no fit
    names = sorted(expected, key=expected.get)
    assert vectorizer.get_feature_names_out().tolist() == names
    assert not hasattr(vectorizer, "vocabulary_")
    assert ids(vectorizer.fit_transform(["b a x"])) == [sequence]
    assert vectorizer.vocabulary_ == expected
    assert {type(number) for number in vectorizer.vocabulary_.values()} == {int}
    words = ["b", "a" if "a" in expected else "<unknown>", "<unknown>"]
    assert words_of(vectorizer, [sequence]) == [words]


@pytest.mark.parametrize(
    ("vocabulary", "message"),
    [
        ([], "empty vocabulary"),
        ({}, "empty vocabulary"),
        (["a", "b", "a"], "Duplicate term in vocabulary: 'a'"),
        ({"a": 2, "b": 1}, r"vocabulary\['b'\] is 1, expected an int from 2 to 2147483647"),
        ({"a": 2**31}, r"vocabulary\['a'\] is 2147483648, expected"),
        ({"a": 2.0}, r"vocabulary\['a'\] is 2.0, expected"),
        ({"a": "2"}, r"vocabulary\['a'\] is '2', expected"),
        ({"a": 2, "b": 2}, "one id to several words"),
        ("good", "vocabulary='good' is a string"),
    ],
)
def test_a_wrong_vocabulary_is_refused(vocabulary, message):
    for method in ("fit", "fit_transform", "transform"):
        with pytest.raises(ValueError, match=message):
            getattr(SequenceVectorizer(vocabulary=vocabulary), method)(["a b"])


@pytest.mark.parametrize(
    ("vocabulary", "params"),
    [
        (["a", None], {}),
        (pd.Series({"a": 2, "b": 3}), {}),  # a list of its values
        ([["a", "b"]], {}),
        ([["a", "b"]], {"analyzer": list}),
    ],
    ids=str,
)
def test_a_vocabulary_of_what_is_no_word(vocabulary, params):
    vectorizer = SequenceVectorizer(vocabulary=vocabulary, **params)
    with pytest.raises(TypeError, match="vocabulary holds .*(None|2|'b').*, which can't be a word"):
        vectorizer.fit([["a"]] if params else ["a"])


def test_tokens_need_not_be_strings():
    vectorizer = SequenceVectorizer(analyzer=list)
    rows = vectorizer.fit_transform([[(1, 2), (3, 4)], [(3, 4)], ((5, 6),)])
    assert ids(rows) == [[3, 2], [2], [4]]
    assert vectorizer.get_feature_names_out().tolist() == [(3, 4), (1, 2), (5, 6)]
    assert words_of(vectorizer, rows) == [[(1, 2), (3, 4)], [(3, 4)], [(5, 6)]]
    assert ids(SequenceVectorizer(analyzer=iter, vocabulary=[7, 8]).fit_transform([[8, 7]])) == [
        [3, 2]
    ]


class Tensor:
    """Iterating over it gives objects of its own, each with another hash."""

    def __init__(self, numbers):
        self.numbers, self.shape = numbers, (len(numbers),)

    def __iter__(self):
        return (object() for _ in self.numbers)

    def tolist(self):
        return self.numbers


class Scalar:
    """Like one of Arrow's, it equals nothing else."""

    def __init__(self, value):
        self.value = value

    def as_py(self):
        return self.value


def test_words_of_other_libraries_are_python_s():
    events = [[404, 12], [12]]
    vectorizer = SequenceVectorizer(analyzer=list).fit(events)
    for form in (Tensor, Scalar, np.array, pd.Series):
        assert ids(vectorizer.transform([form(words) for words in events])) == [[3, 2], [2]]
    assert ids(SequenceVectorizer().fit_transform([Scalar("a b"), Scalar("b")])) == [[3, 2], [2]]


@pytest.mark.parametrize("form", [np.array, pd.DataFrame])
def test_a_table_of_words_is_to_be_lists(form):
    with pytest.raises(ValueError, match=r"lists of words, got a .* pass np.asarray\(X\).tolist"):
        SequenceVectorizer(analyzer=list).fit(form([[404, 12], [12, 12]]))


def test_a_table_of_events_is_to_be_grouped():
    with pytest.raises(ValueError, match=r"if it is one event, X.groupby\(...\)\[\"event\"\].agg"):
        SequenceVectorizer(analyzer=list).fit(EVENTS)
    with pytest.raises(ValueError, match=r"got a dict: pass .* or list\(X.values\(\)\)"):
        SequenceVectorizer(analyzer=list).fit({"u1": ["open", "buy"], "u2": ["open"]})
    with pytest.raises(TypeError, match=r"Document 0 is a DataFrame, .* pass one column of each"):
        SequenceVectorizer(analyzer=list).fit([x for _, x in EVENTS.groupby("user")])


def test_a_column_of_lists_is_to_be_passed_as_one():
    with pytest.raises(ValueError, match="pass one column of it"):
        SequenceVectorizer(analyzer=list).fit(pd.DataFrame({"w": [["a"], ["b"]]}))


def test_a_string_is_no_list_of_words():
    """It would be read letter by letter, all of them unknown."""
    vectorizer = SequenceVectorizer(analyzer=list).fit([["good", "film"], ["bad"]])
    for text in ("good film", b"good film"):
        with pytest.raises(TypeError, match="Document 1 is a (str|bytes), but with analyzer=list"):
            vectorizer.transform([["good"], text])


@pytest.mark.parametrize(
    "document", [pd.DataFrame({"event": ["a"]}), {"event": "a"}, {"a"}, np.array([["a"]])], ids=repr
)
def test_what_is_no_list_of_words(document):
    """`list` would make of them the names of columns, keys, or words in no order."""
    kind = type(document).__name__
    with pytest.raises(TypeError, match=f"Document 1 is a {kind}, .* each is a list of words"):
        SequenceVectorizer(analyzer=list).fit([["a"], document])


EVENTS = pd.DataFrame({"user": [1, 1, 2], "event": ["open", "buy", "open"]})


@pytest.mark.parametrize(
    ("groups", "column"),
    [
        (EVENTS.groupby("user")["event"], "x"),
        (list(EVENTS.groupby("user")["event"]), "x"),
        (EVENTS.groupby("user"), 'x["event"]'),
        (pl.DataFrame({"user": [1, 1], "event": ["open", "buy"]}).group_by("user"), 'x["event"]'),
        (list(itertools.groupby("aab")), "x"),
        ([("u1", ["open", "buy"]), ("u2", ["open"])], "x"),
        ({"u1": ["open", "buy"], "u2": ["open"]}.items(), "x"),
    ],
    ids=["Series", "list", "pandas", "polars", "itertools", "pairs", "items"],
)
@pytest.mark.parametrize("params", [{}, {"analyzer": list}], ids=str)
def test_groups_with_their_keys(groups, column, params):
    """Neither the key nor the data is a word."""
    advice = re.escape(f"pass [list({column}) for _, x in X]")
    fitted = SequenceVectorizer(**params, vocabulary=["open", "buy"])
    with pytest.raises(TypeError, match=f"Document 0 is a group's key and its data: {advice}"):
        fitted.transform(groups)


def test_two_words_are_no_group():
    """A time has `to_numpy`, as a group's data have."""
    days = [tuple(pd.Timestamp(2026, 1, day) for day in pair) for pair in ((1, 2), (1, 3))]
    assert ids(SequenceVectorizer(analyzer=list).fit_transform(days)) == [[2, 3], [2, 4]]


def test_a_callable_may_take_groups():
    vectorizer = SequenceVectorizer(analyzer=lambda group: list(group[1]))
    assert ids(vectorizer.fit_transform(EVENTS.groupby("user")["event"])) == [[2, 3], [2]]


def test_what_to_put_in_place_of_a_missing_list():
    for missing in (None, np.nan):
        with pytest.raises(TypeError, match=r"Document 1 .* list of words: leave it .*put \[\] in"):
            SequenceVectorizer(analyzer=list).fit(pd.Series([["a"], missing]))
    with pytest.raises(TypeError, match=r"Document 0 is 7, .* list of words; .* as \[document\]"):
        SequenceVectorizer(analyzer=list).fit([7, 8])


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, pd.NaT], ids=repr)
def test_a_missing_word_is_refused(missing):
    """In a dict each NaN is another key, and yet another one after pickling."""
    documents = [["a"], ["a", "b", missing]]
    for max_length, where in ((None, "Document 1"), (2, "A document")):
        with pytest.raises(TypeError, match=f"{where} holds .* as a word: leave it out, or give"):
            SequenceVectorizer(analyzer=list, max_length=max_length).fit(documents)
    fitted = SequenceVectorizer(analyzer=list).fit([["a"]])
    with pytest.raises(TypeError, match="Document 1 holds .* as a word: leave it out, or give"):
        fitted.transform(documents)
    SequenceVectorizer(analyzer=list).fit([[str(missing)]])  # but a text may have this word


def test_words_that_can_t_be_counted():
    vectorizer, documents = SequenceVectorizer(analyzer=list), [["a"], [["a", "b"]]]
    for call in (vectorizer.fit, vectorizer.fit([["a"]]).transform):
        with pytest.raises(TypeError, match="Document 1 holds what can't be a word: .*unhashable"):
            call(documents)


def test_words_without_an_order():
    event = enum.Enum("Event", ["OPEN", "BUY"])
    vectorizer = SequenceVectorizer(analyzer=list).fit([[event.OPEN, event.BUY, event.OPEN]])
    assert vectorizer.vocabulary_ == {event.OPEN: 2, event.BUY: 3}
    with pytest.raises(TypeError, match="Words that occur equally often .* turn them into strings"):
        vectorizer.fit([[event.OPEN, event.BUY]])


def test_words_of_several_types_as_often_have_an_order():
    vectorizer = SequenceVectorizer(analyzer=list).fit([["b", 404, (1, 2), "a", 12]])
    assert [*vectorizer.vocabulary_] == [12, 404, "a", "b", (1, 2)]


def test_bytes_are_decoded_for_a_callable_analyzer():
    vectorizer = SequenceVectorizer(analyzer=str.split).fit([b"good film"])
    assert vectorizer.vocabulary_ == {"film": 2, "good": 3}


def test_preprocessor_may_take_other_documents():
    vectorizer = SequenceVectorizer(preprocessor=lambda review: review["text"])
    assert ids(vectorizer.fit_transform([{"text": "b a b"}])) == [[2, 3, 2]]


# ---------------------------------------------------------------- output


def test_ragged_output_of_equal_lengths_is_one_dimensional():
    rows = SequenceVectorizer().fit_transform(["a b", "b c", "c a"])
    assert rows.shape == (3,)
    assert ids(rows) == [[2, 3], [3, 4], [4, 2]]


def test_documents_without_tokens_are_empty_sequences():
    vectorizer = SequenceVectorizer().fit(["a"])
    assert ids(vectorizer.transform(["", "   "])) == [[], []]
    assert vectorizer.transform([]).shape == (0,)
    vectorizer.set_params(output="padded")
    np.testing.assert_array_equal(vectorizer.transform(["", "   "]), [[0], [0]])
    assert vectorizer.transform([]).shape == (0, 1)


def test_max_length_keeps_the_first_ids_and_counts_all_words():
    vectorizer = SequenceVectorizer(max_length=2)
    assert ids(vectorizer.fit_transform(["a b b", "a"])) == [[2, 3], [2]]
    assert ids(vectorizer.transform(["b a b", "b"])) == [[3, 2], [3]]
    assert SequenceVectorizer(max_length=1).fit(["a b c"]).vocabulary_.keys() == set("abc")


@pytest.mark.parametrize(
    ("max_length", "expected"),
    [
        (None, [[2, 3, 2], [3, 0, 0], [0, 0, 0]]),
        (2, [[2, 3], [3, 0], [0, 0]]),
        (4, [[2, 3, 2, 0], [3, 0, 0, 0], [0, 0, 0, 0]]),
    ],
)
def test_padded_output_has_zeros_at_the_end(max_length, expected):
    vectorizer = SequenceVectorizer(output="padded", max_length=max_length)
    texts = ["a b a", "b", ""]
    for matrix in (vectorizer.fit_transform(texts), vectorizer.transform(texts)):
        assert matrix.dtype == np.int32
        np.testing.assert_array_equal(matrix, expected)


def test_inverse_transform_gives_the_words():
    vectorizer = SequenceVectorizer(vocabulary=["a", "b"]).fit([])
    expected = [["a", "<unknown>", "b"], [], ["b"]]
    ragged = vectorizer.transform(["a x b", "", "b"])
    padded = clone(vectorizer).set_params(output="padded").transform(["a x b", "", "b"])
    padded.flags.writeable = False
    for X in (ragged, list(ragged), [row.tolist() for row in ragged], padded, iter(ragged)):
        assert words_of(vectorizer, X) == expected
    assert all(row.dtype == object for row in vectorizer.inverse_transform(ragged))


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_ids_in_a_frame_are_read_by_rows(frame):
    vectorizer = SequenceVectorizer(vocabulary=["a", "b", "c"])
    found = vectorizer.inverse_transform(frame(np.array([[2, 3], [4, 0], [3, 1]])))
    assert [words.tolist() for words in found] == [["a", "b"], ["c"], ["b", "<unknown>"]]


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([[2], [2, 9]], "Sequence 1 holds 9, which is not an id: .* up to 4"),
        ([[3]], "Sequence 0 holds 3, which is not an id"),  # a gap of the vocabulary
        ([[2, -1]], "Sequence 0 holds -1"),
        ([[2.5]], "Sequence 0 holds 2.5"),
        ([[np.nan]], "Sequence 0 holds nan"),
        ([["a"]], "Sequence 0 holds 'a'"),
        ([2, 4], "Sequence 0 is not 1-D"),
        ([[2], [[2, 4], [4, 2]]], "Sequence 1 is not 1-D"),
    ],
)
def test_inverse_transform_refuses_what_is_no_id(X, message):
    vectorizer = SequenceVectorizer(vocabulary={"a": 2, "b": 4})
    with pytest.raises(ValueError, match=message):
        vectorizer.inverse_transform(X)


def test_padded_output_has_columns_of_steps():
    """A ColumnTransformer asks for their names; how many there are has to be known."""
    texts = pd.DataFrame({"title": ["a good film", "bad"], "body": ["z x y", "x"]})
    padded = SequenceVectorizer(output="padded", max_length=2)
    side_by_side = make_column_transformer((padded, "title"), (padded, "body"))
    X = side_by_side.set_output(transform="default").fit_transform(texts)
    names = side_by_side.get_feature_names_out().tolist()
    assert [name.rpartition("__")[2] for name in names] == ["step0", "step1"] * 2
    assert X.shape == (2, 4)
    frame = side_by_side.set_output(transform="pandas").fit_transform(texts)
    assert frame.columns.tolist() == names
    assert frame.to_numpy().tolist() == X.tolist()
    with pytest.raises(ValueError, match="has no 'panda' output"):
        padded.set_output(transform="panda")
    with pytest.raises(ValueError, match="set max_length"):
        SequenceVectorizer(output="padded").fit(["a"]).get_feature_names_out()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_set_output_is_one_clear_error(container):
    vectorizer = SequenceVectorizer()
    pipeline = make_pipeline(vectorizer, FunctionTransformer())
    for estimator in (vectorizer, pipeline, SequenceVectorizer(output="padded")):
        with pytest.raises(ValueError, match=f"SequenceVectorizer has no '{container}' output"):
            estimator.set_output(transform=container)
        assert estimator.set_output(transform="default") is estimator
        assert estimator.set_output() is estimator
    with config_context(transform_output=container):
        assert ids(vectorizer.fit_transform(["a b", "b"])) == [[3, 2], [2]]
        assert ids(vectorizer.transform(["a b", "b"])) == [[3, 2], [2]]
        classifier = RecurrentClassifier("rnn", 2, embedding_dim=2, max_iter=1)
        model = make_pipeline(vectorizer, classifier).fit(["a b", "b"] * 9, [0, 1] * 9)
        probabilities = model.predict_proba(["a"])
    np.testing.assert_array_equal(model.predict_proba(["a"]), probabilities)


# ---------------------------------------------------------------- input


def read_only(texts):
    array = np.array(texts, dtype=object)
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    "container",
    [
        tuple,
        iter,
        np.array,
        lambda texts: np.array(texts, dtype=object),
        lambda texts: pd.Series(texts, index=range(9, 9 + len(texts))),
        lambda texts: pd.Series(texts, dtype="category"),
        lambda texts: pd.DataFrame({"text": texts})["text"],
        pl.Series,
        lambda texts: (text for text in texts),
        read_only,
    ],
)
def test_containers_of_documents(container):
    vectorizer = SequenceVectorizer()
    expected = ids(vectorizer.fit_transform(REVIEWS))
    assert ids(vectorizer.transform(container(REVIEWS))) == expected
    assert ids(vectorizer.fit_transform(container(REVIEWS))) == expected
    fitted = SequenceVectorizer().fit(container(REVIEWS))
    assert fitted.vocabulary_ == vectorizer.vocabulary_
    assert not hasattr(fitted, "n_features_in_") and not hasattr(fitted, "feature_names_in_")


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ("a text", ValueError, "Iterable over raw text documents expected, string object"),
        (b"a text", ValueError, "Iterable over raw text documents expected"),
        (pd.DataFrame({"text": ["a"]}), ValueError, r"1-D .* got a DataFrame: .* X\[\"text\"\]"),
        (np.array([["a"]]), ValueError, r"1-D .* got a ndarray: .* X\[:, 0\]"),
        (np.array("a"), ValueError, "1-D .* got a ndarray"),
        (pl.DataFrame({"a": ["b"], "c": ["d"]}), ValueError, "1-D .* got a DataFrame: pass one c"),
        (pl.Series(["a", None]), TypeError, "Document 1 is None, expected a string"),
        ({"text": ["a"]}, ValueError, "1-D .* got a dict"),
        ({"a", "b"}, TypeError, "documents in a fixed order, got a set: pass a list"),
        (["a", None], TypeError, "Document 1 is None, expected a string: leave it out"),
        (pd.Series(["a", "b", None]), TypeError, "Document 2 is (nan|None), expected a string"),
        ([np.nan, "a"], TypeError, "Document 0 is nan, expected a string: leave it out"),
        (["a", pd.NA], TypeError, "Document 1 is <NA>, expected a string: leave it out"),
        (["a", 3], TypeError, "Document 1 is 3, expected a string .other objects need a callable"),
        (np.arange(3), TypeError, r"Document 0 is .*0.*, expected a string"),
        (["a", b"b"], TypeError, "Document 1 is b'b', expected a string: decode it"),
        ([["a", "b"]], TypeError, r"Document 0 is \['a', 'b'\], expected .*analyzer=list"),
        (None, TypeError, "Expected an iterable of documents, got None"),
        (5, TypeError, "Expected an iterable of documents, got 5"),
    ],
)
def test_wrong_documents_are_refused(X, error, message):
    with pytest.raises(error, match=message):
        SequenceVectorizer().fit(X)
    vectorizer = SequenceVectorizer().fit(["a b"])
    before = dict(vectorizer.vocabulary_)
    for method in ("fit", "fit_transform", "transform"):
        with pytest.raises(error, match=message):
            getattr(vectorizer, method)(X)
        assert vectorizer.vocabulary_ == before
    vectorizer = SequenceVectorizer(vocabulary=["a"])
    with pytest.raises(error, match=message):
        vectorizer.fit(X)
    assert not hasattr(vectorizer, "vocabulary_")


@pytest.mark.parametrize("params", [{"analyzer": str.split}, {"preprocessor": str}])
@pytest.mark.parametrize("missing", [None, np.nan, np.float32(1)])
def test_missing_documents_never_reach_a_callable(params, missing):
    with pytest.raises(TypeError, match="Document 1 is .*, expected a string"):
        SequenceVectorizer(**params).fit(["a", missing])


@pytest.mark.parametrize("texts", [[], [""], ["a the", "THE"]])
def test_no_words_to_learn(texts):
    with pytest.raises(ValueError, match="empty vocabulary; perhaps the documents only contain"):
        SequenceVectorizer(stop_words=["a", "the"]).fit(texts)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"min_df": 3}, "max_df corresponds to < documents than min_df"),
        ({"min_df": 0.9, "max_df": 0.6}, "max_df corresponds to < documents than min_df"),
        ({"min_df": 2}, "of 3: a word must occur in at least 2 and at most 2 of the 2 documents"),
        ({"min_df": 0.6}, r"in at least 2 and at most 2 of the 2 .*\(min_df=0.6, max_df=1.0\)"),
    ],
)
def test_document_frequencies_that_leave_nothing(params, message):
    with pytest.raises(ValueError, match=message):
        SequenceVectorizer(**params).fit(["a b", "c"])


def test_transform_before_fit():
    vectorizer = SequenceVectorizer()
    for method, argument in [
        ("transform", ["a"]),
        ("inverse_transform", [[2]]),
        ("get_feature_names_out", None),
    ]:
        with pytest.raises(NotFittedError, match="SequenceVectorizer instance is not fitted"):
            getattr(vectorizer, method)(argument)


# ---------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    "ngram_range",
    [(1, 2), (2, 1), (0, 0), (-1, -1), (1,), (1, 1, 1), (1.0, 1.0), 2, [1], "ab"],
    ids=repr,
)
@pytest.mark.parametrize("analyzer", ["word", "char_wb"])
def test_an_ngram_range_is_one_n_twice(analyzer, ngram_range):
    vectorizer = SequenceVectorizer(ngram_range=ngram_range, analyzer=analyzer)
    ours = r"ngram_range must be \(n, n\).*got .*the reading order"
    with pytest.raises(ValueError, match=ours):
        vectorizer.build_analyzer()
    # In fit, scikit-learn refuses what is no tuple.
    with pytest.raises(
        ValueError, match=ours if isinstance(ngram_range, tuple) else "ngram_range.* must be "
    ):
        vectorizer.fit(["a b"])


@pytest.mark.parametrize(
    ("token_pattern", "message"),
    [(None, "token_pattern=None"), ("(", r"token_pattern='\(': missing")],
)
def test_a_pattern_that_cannot_be_used(token_pattern, message):
    with pytest.raises(ValueError, match=message):
        SequenceVectorizer(token_pattern=token_pattern).fit(["a b"])


def test_parameters_are_checked_in_transform_too():
    vectorizer = SequenceVectorizer().fit(["a"])
    for wrong in ({"output": "pandas"}, {"output": "ragged", "max_length": 0}):
        with pytest.raises(ValueError, match="parameter of SequenceVectorizer must be"):
            vectorizer.set_params(**wrong).transform(["a"])
    with pytest.raises(ValueError, match="parameter of SequenceVectorizer must be"):
        SequenceVectorizer(vocabulary=["a"], min_df=-1).transform(["a"])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"tokenizer": str.split, "token_pattern": "("}, "'token_pattern' will not be used"),
        ({"analyzer": "char", "token_pattern": "("}, "'token_pattern' will not be used"),
        ({"analyzer": "char", "stop_words": ["a"]}, "'stop_words' will not be used"),
        ({"analyzer": str.split, "ngram_range": (2, 2)}, "'ngram_range' will not be used"),
        ({"analyzer": str.split, "preprocessor": str.lower}, "'preprocessor' will not be used"),
        ({"vocabulary": ["a", "B"]}, "Upper case characters found in vocabulary"),
        ({"vocabulary": {"a": 2, "B": 3}}, "Upper case characters found in vocabulary"),
    ],
)
def test_parameters_without_effect_give_a_warning(params, message):
    with pytest.warns(UserWarning, match=message):
        SequenceVectorizer(**params).fit(["a b c"])


@pytest.mark.parametrize(
    "params",
    [
        {"tokenizer": str.split},
        {"analyzer": "char"},
        {"analyzer": str.split},
        {"vocabulary": ["B"], "lowercase": False},
        {"vocabulary": ["B"], "preprocessor": str.upper},
        {"vocabulary": ["B"], "analyzer": str.split},
    ],
)
def test_parameters_at_their_defaults_give_none(params, recwarn):
    SequenceVectorizer(**params).fit(["a B c"])
    assert not recwarn.list


# ---------------------------------------------------------------- thrift


def test_each_document_is_analyzed_once():
    seen = []

    def tokenizer(text):
        seen.append(text)
        return text.split()

    vectorizer = SequenceVectorizer(tokenizer=tokenizer)
    for params in ({"vocabulary": None}, {"vocabulary": ["a"]}):
        for method in (vectorizer.set_params(**params).fit, vectorizer.fit_transform):
            seen.clear()
            method(iter(["a b", "b", "a b"]))
            assert seen == ["a b", "b", "a b"]


class Text(str):
    """A string that can be watched."""


def test_neither_documents_nor_tokens_are_kept():
    alive = []

    def texts():
        for i in range(200):
            text = Text(" ".join(f"{'word' * 20}{(i + j) % 100}" for j in range(1000)))
            alive.append(weakref.ref(text))
            yield text
            del text
            assert sum(watched() is not None for watched in alive) <= 1

    vectorizer = SequenceVectorizer()
    rows, peak = with_peak_memory(vectorizer.fit_transform, texts())
    # 200,000 tokens: 0.8 MB as int32, twice while they get their final ids; 27 MB as strings
    assert sum(map(len, rows)) == 200_000
    assert peak < 3e6


def test_a_fit_without_room_for_its_result_changes_nothing():
    vectorizer = SequenceVectorizer().fit(["a b"])
    vectorizer.set_params(output="padded", max_length=10**15)
    with pytest.raises((MemoryError, ValueError)):
        vectorizer.fit_transform(["other words"])
    assert vectorizer.vocabulary_ == {"a": 2, "b": 3}
    assert vectorizer.fit(["other words"]).vocabulary_ == {"other": 2, "words": 3}  # needs no room
