"""Whatever X may be: one clean error, or what the scalar twin makes of it."""

from __future__ import annotations

import copy
import functools
import re
from collections import Counter
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pytest
from helpers import assert_as_before, bits, object_array, snapshot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from naive import network_forward
from scipy import sparse

from seqnets import RecurrentClassifier, SequenceVectorizer
from seqnets.inputs import MAX_INPUT

N_EXAMPLES = 10_000  # of all five properties together, under `tox -e long`
EXAMPLES = [50, pytest.param(N_EXAMPLES // 5, marks=pytest.mark.long)]

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:X has feature names:UserWarning"),
    pytest.mark.filterwarnings("ignore:X has shape .* which is one step:UserWarning"),
    pytest.mark.filterwarnings("ignore:X looks like token ids:UserWarning"),
    pytest.mark.filterwarnings("ignore:X.* holds 0 at step .* between other ids:UserWarning"),
]


def holds_for(*strategies):
    """Make a test of a property, with as many examples as the run asks for."""

    def decorate(holds):
        @pytest.mark.parametrize("n_examples", EXAMPLES)
        def test(n_examples):
            settings(
                max_examples=n_examples,
                deadline=None,
                derandomize=True,
                database=None,
                suppress_health_check=list(HealthCheck),
            )(given(*strategies)(holds))()

        return test

    return decorate


# ------------------------------------------------------------------------------- models

KNOWN = [2, 3, 5, 8, 2**31 - 1]
MODELS = {
    "2d": RecurrentClassifier("gru", 2, dtype="float64"),
    "3d": RecurrentClassifier("lstm", 2, dtype="float64", bidirectional=True),
    "ragged": RecurrentClassifier("rnn", (3, 2), dtype="float64", pooling="attention"),
    "tokens": RecurrentClassifier("mingru", 2, embedding_dim=2),
}
WIDTH, N_FEATURES = 3, 2


@functools.cache
def fitted(kind):
    """A network, small since the twin is slow."""
    random = np.random.RandomState(0)
    X = {
        "2d": random.normal(size=(4, WIDTH)),
        "3d": random.normal(size=(4, 5, N_FEATURES)),
        "ragged": [random.normal(size=(T, N_FEATURES)) for T in (1, 4, 2, 3)],
        "tokens": [KNOWN, KNOWN[::-1], KNOWN[:2], KNOWN[1:2]],
    }[kind]
    return MODELS[kind].set_params(max_iter=1, n_jobs=1, random_state=0).fit(X, [0, 1, 2, 0])


def meaning(X, kind):
    """X as lists of numbers, read without the package: rows of features, or ids."""
    table = X.to_numpy() if hasattr(X, "to_numpy") else X
    rows = [np.asarray(x.to_list() if hasattr(x, "to_list") else x, np.float64) for x in table]
    if kind == "tokens":
        return [[int(x) for x in row.ravel() if x != 0] for row in rows]
    rows = [row[:, np.newaxis] if row.ndim == 1 else row for row in rows]
    if getattr(table, "ndim", 1) == 3:
        last = [np.flatnonzero(~np.isnan(row).all(axis=1))[-1] for row in rows]
        rows = [row[: end + 1] for row, end in zip(rows, last, strict=True)]
    return rows


def twin(clf, kind, X):
    """The logits (n, 3) by the textbook's equations."""
    pooling = {"2d": "last", "3d": "ends", "ragged": "attention", "tokens": "max"}[kind]
    weights, logits = {name: W.tolist() for name, W in clf.parameters_.items()}, []
    for sequence in meaning(X, kind):
        if kind == "tokens":
            numbers = {number: row for row, number in enumerate(clf.token_ids_, 1)}
            sequence = [numbers.get(number, 0) for number in sequence]
        elif len(sequence):
            with np.errstate(over="ignore"):  # halves do not overflow in between
                sequence = (sequence / 2 - clf.input_mean_ / 2) / (clf.input_scale_ / 2)
            sequence = np.clip(sequence, -MAX_INPUT, MAX_INPUT).tolist()
        else:
            sequence = []
        logits.append(network_forward(weights, clf.cell, pooling, sequence)["logits"])
    return np.array(logits)


def assert_is_the_twin_s(clf, kind, X):
    tolerance = 1e-4 if kind == "tokens" else 1e-7  # float32, float64
    found = clf.decision_function(X)
    found = found.reshape(len(found), -1)
    np.testing.assert_allclose(found, twin(clf, kind, X), rtol=tolerance, atol=tolerance)


# ------------------------------------------------------------------- X as it is documented

numbers = st.floats(-1e6, 1e6, width=32)
ids = st.sampled_from([*KNOWN, 0, 1, 4, 7, 10**6, 2**31 - 2])


def lay_out(array, layout):
    """The same numbers, otherwise laid out in memory."""
    if layout == "Fortran":
        return np.asfortranarray(array)
    if layout == "reversed":
        return array[::-1].copy()[::-1]
    if layout == "every other":
        return np.repeat(array, 2, axis=-1)[..., ::2]
    if layout == "big-endian":
        return array.astype(array.dtype.newbyteorder(">"))
    if layout == "unaligned":
        data = np.frombuffer(b"x" + array.tobytes(), np.uint8)[1:]
        return data.view(array.dtype).reshape(array.shape) if array.size else array
    array = array.copy()
    array.flags.writeable = layout != "read-only"
    return array


LAYOUTS = ["C", "Fortran", "reversed", "every other", "big-endian", "unaligned", "read-only"]
each_layout = st.sampled_from(LAYOUTS)


def dtypes_of(array):
    """The dtypes that hold the numbers of the array exactly."""
    kinds = ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "g", "O"]
    with np.errstate(over="ignore", invalid="ignore"):
        return [kind for kind in kinds if equal(array.astype(kind), array)]


def equal(a, b):
    return np.array_equal(a.astype(np.float64), b.astype(np.float64), equal_nan=True)


@st.composite
def documented(draw, kind):
    """n sequences in one of the forms that the README's table has for this kind."""
    n = draw(st.integers(1, 6))
    form = draw(st.sampled_from(FORMS[kind]))
    shortest = int(form == "padded")  # NaN at every step is refused
    lengths = draw(st.lists(st.integers(shortest, 7), min_size=n, max_size=n))
    if form in ("array", "frame", "polars", "lists"):  # of one width
        lengths = [WIDTH if kind == "2d" else max(1, lengths[0])] * n
    values = ids if kind == "tokens" else numbers
    D = 1 if kind in ("2d", "tokens") else N_FEATURES
    parts = [
        np.array(draw(st.lists(values, min_size=T * D, max_size=T * D)), np.float64).reshape(T, D)
        for T in lengths
    ]
    if kind in ("2d", "tokens"):
        parts = [part[:, 0] for part in parts]
    return RENDER[form](draw, parts)


def of_some_dtype(draw, array):
    return array.astype(draw(st.sampled_from(dtypes_of(array))))


def typed(draw, array):
    array = of_some_dtype(draw, array)
    return array if array.dtype == object else lay_out(array, draw(each_layout))


def padded(draw, parts):
    whole = np.full((len(parts), draw(st.integers(7, 9)), N_FEATURES), np.nan)
    for row, part in zip(whole, parts, strict=True):
        row[: len(part)] = part
    return typed(draw, whole)


def in_lists(draw, parts):
    return [part.tolist() for part in parts]


def of_arrays(draw, parts):
    arrays = [typed(draw, part) for part in parts]
    return draw(st.sampled_from([list, tuple, object_array, pd.Series]))(arrays)


RENDER = {
    "array": lambda draw, parts: typed(draw, np.array(parts)),
    "frame": lambda draw, parts: pd.DataFrame(of_some_dtype(draw, np.array(parts))),
    "polars": lambda draw, parts: pl.DataFrame(np.array(parts), orient="row"),
    "lists": in_lists,
    "padded": padded,
    "ragged lists": in_lists,
    "of arrays": of_arrays,
}
FORMS = {
    "2d": ["array", "frame", "polars", "lists"],
    "3d": ["padded", "of arrays"],
    "ragged": ["of arrays", "padded"],
    "tokens": ["array", "frame", "polars", "lists", "ragged lists", "of arrays"],
}
each_kind = st.sampled_from(list(MODELS))
any_documented = each_kind.flatmap(lambda kind: st.tuples(st.just(kind), documented(kind)))


@holds_for(any_documented)
def test_a_prediction_is_the_twin_s(case):
    kind, X = case
    clf = fitted(kind)
    before = snapshot(clf)
    assert_is_the_twin_s(clf, kind, X)
    assert_as_before(clf, before)


@holds_for(any_documented)
def test_a_fit_sees_the_same_in_every_form(case):
    """The weights have the same bits, whatever holds the numbers and however they lie in memory."""
    kind, X = case
    rows = meaning(X, kind)
    y = np.arange(len(rows)) % 2
    clf = copy.copy(MODELS[kind]).fit(X, y)
    assert_is_the_twin_s(clf, kind, X)
    by_hand = np.array(rows)[:, :, 0] if kind == "2d" else [np.array(row) for row in rows]
    other = copy.copy(clf).fit(by_hand, y)
    assert bits(clf) == bits(other)


# --------------------------------------------------------------------------- X of any sort

moments = st.dates() | st.datetimes() | st.timedeltas()
odd = st.sampled_from([None, pd.NA, pd.NaT, np.nan, np.inf, -np.inf, 1e308, "", "a", b"a", "3"])
odd |= st.sampled_from([True, -1, 0.5, 2**31, 2**63, 2**64, 10**400, -(2**70), 1j])
odd |= st.sampled_from([Decimal("1.5"), Decimal("nan"), Fraction(1, 3), object, {}, {1: 2}, {1}])
odd |= st.sampled_from([np.float16(1), np.longdouble(2), np.datetime64("2020")])
anything = numbers | ids | odd | moments


@st.composite
def arrays(draw):
    """Of any dtype, shape and layout, some of them masked or sparse."""
    dtype = draw(hnp.scalar_dtypes() | st.sampled_from(["f8", "f8", "f4", "i8"]).map(np.dtype))
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
    array = draw(hnp.arrays(dtype, shape))
    if array.ndim and array.dtype.kind in "biufc":
        array = lay_out(array, draw(each_layout))
    wrapped = draw(st.sampled_from([None, None, None, np.ma.array, sparse_if_any]))
    return wrapped(array) if wrapped and array.ndim and array.dtype == "f8" else array


def sparse_if_any(array):
    """Before SciPy 1.15, sparse arrays have at most two dimensions."""
    try:
        return sparse.coo_array(array)
    except ValueError:
        assert array.ndim > 2
        return array


def in_pandas(kind, values):
    """pandas infers a dtype; if pyarrow is installed, it fails with numbers like 10**400."""
    try:
        return kind(values)
    except OverflowError:
        return kind(values, dtype=object)


def containers(inner):
    some = st.lists(inner, max_size=4)
    series = some.map(functools.partial(in_pandas, pd.Series))
    return some | some.map(tuple) | some.map(object_array) | series


rows = st.lists(anything, min_size=WIDTH, max_size=WIDTH)
frames = st.lists(rows, min_size=1, max_size=3).map(functools.partial(in_pandas, pd.DataFrame))
nested = st.recursive(anything | arrays(), containers, max_leaves=8)


@st.composite
def spoiled(draw):
    """X as documented, but with anything in place of a number or a sequence."""
    X = draw(any_documented)[1]
    where = draw(st.integers(0, len(X) - 1))
    if isinstance(X, list) and isinstance(X[where], list) and X[where]:
        X[where][draw(st.integers(0, len(X[where]) - 1))] = draw(anything)
    elif isinstance(X, list | np.ndarray):
        X = list(X)
        X[where] = draw(anything | arrays())
    return X


whatever = nested | arrays() | frames | spoiled() | any_documented.map(lambda case: case[1])


@pytest.mark.filterwarnings("ignore:X has shape .* series of one step")
@holds_for(each_kind, whatever)
def test_a_prediction_is_the_twin_s_or_one_clean_error(kind, X):
    clf = fitted(kind)
    before = snapshot(clf)
    try:
        clf.decision_function(X)
    except (TypeError, ValueError) as error:
        assert str(error)
    else:
        assert_is_the_twin_s(clf, kind, X)
    assert_as_before(clf, before)


@holds_for(each_kind, whatever)
def test_a_fit_that_is_refused_changes_nothing(kind, X):
    clf = copy.copy(fitted(kind))
    before = snapshot(clf)
    y = np.arange(len(X) if isinstance(X, list | tuple) else (*getattr(X, "shape", ()), 1)[0]) % 2
    try:
        clf.fit(X, y)
    except (TypeError, ValueError) as error:
        assert str(error)
        assert_as_before(clf, before)
    else:
        assert all(np.isfinite(W).all() for W in clf.parameters_.values())
        assert clf.predict_proba(X).shape == (len(y), len(clf.classes_))


# -------------------------------------------------------------------------------- texts

texts = st.lists(st.text(max_size=12) | st.text("ab c.'Ä", max_size=12), max_size=5)
words = st.lists(st.text(max_size=3) | st.sampled_from("abc."), max_size=5, unique=True)
any_parameters = st.fixed_dictionaries(
    {},
    optional={
        "strip_accents": st.sampled_from([None, "ascii", "unicode"]),
        "lowercase": st.booleans(),
        "stop_words": st.none() | st.just("english") | words,
        "token_pattern": st.sampled_from([r"\S", r"(?u)\b\w\w+\b", r"(\w)\w*", "("]),
        "ngram_range": st.sampled_from([(1, 1), (2, 2), (3, 3), (1, 2), (0, 0)]),
        "analyzer": st.sampled_from(["word", "char", "char_wb", str.split]),
        "min_df": st.sampled_from([1, 2, 0.5, -1]),
        "max_df": st.sampled_from([1.0, 0.5, 1, 2]),
        "max_features": st.none() | st.integers(0, 5),
        "vocabulary": st.none() | words | words.map(lambda w: {x: 7 * i for i, x in enumerate(w)}),
        "max_length": st.none() | st.integers(0, 4),
        "output": st.sampled_from(["ragged", "padded"]),
    },
)


@pytest.mark.filterwarnings("ignore::UserWarning")  # parameters that don't go together
@holds_for(texts, texts, any_parameters)
def test_ids_stand_for_the_words_in_their_order(learned, others, parameters):
    vectorizer = SequenceVectorizer(**parameters)
    try:
        X = vectorizer.fit_transform(learned)
    except (TypeError, ValueError, re.error) as error:
        assert str(error)
        assert not hasattr(vectorizer, "vocabulary_")
        return
    vocabulary, analyze = vectorizer.vocabulary_, vectorizer.build_analyzer()
    assert min(vocabulary.values()) >= 2
    if parameters.get("vocabulary") is None:
        counts = Counter(word for text in learned for word in analyze(text))
        assert sorted(vocabulary.values()) == [*range(2, 2 + len(vocabulary))]
        assert [*vocabulary] == sorted(vocabulary, key=lambda word: (-counts[word], word))
    assert_same_sequences(X, vectorizer.transform(learned))
    for documents in (learned, others):
        X = vectorizer.transform(documents)
        assert len(X) == len(documents)
        read_back = vectorizer.inverse_transform(X)
        for ids, words, text in zip(X, read_back, documents, strict=True):
            tokens = list(analyze(text))[: parameters.get("max_length")]
            expected = [word if word in vocabulary else "<unknown>" for word in tokens]
            assert words.tolist() == expected
            assert ids.dtype == np.int32
            assert not ids[len(tokens) :].any()


def assert_same_sequences(a, b):
    assert [x.tolist() for x in a] == [x.tolist() for x in b]
