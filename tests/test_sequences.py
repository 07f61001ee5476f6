"""Reading X: every form that is documented, and every X that is refused."""

import collections
import functools
import itertools

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from helpers import assert_as_before, object_array, snapshot
from scipy import sparse

from seqnets import RecurrentClassifier
from seqnets.inputs import embedding_rows
from seqnets.network import Network
from seqnets.sequences import read_series, read_tokens
from seqnets.vocabulary import LARGEST_ID

# Four sequences are too few to learn from; these tests look at what is read.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

TABLE = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9], [1, 0, 1]])  # 4 univariate series of 3 steps
CUBE = np.arange(24.0).reshape(4, 3, 2)  # 4 series of 3 steps and 2 features
LENGTHS = [2, 0, 3, 1]
PAIRS = [CUBE[i, :T] for i, T in enumerate(LENGTHS)]
SINGLES = [CUBE[i, :T, 0] for i, T in enumerate(LENGTHS)]
IDS = [[5, 2], [], [2, LARGEST_ID, 2], [1]]
PADDED_IDS = np.array([[5, 0, 2, 0], [0, 0, 0, 0], [2, LARGEST_ID, 0, 2], [1, 0, 0, 0]])


def every_other(X):
    """X as a view that is contiguous in no direction."""
    return np.repeat(np.repeat(X, 2, axis=0), 2, axis=1)[::2, ::2]


def read_only(X, folder):
    joblib.dump(X, folder / "X.joblib")
    return joblib.load(folder / "X.joblib", mmap_mode="r")


def lists(X):
    return [x.tolist() for x in X]


def read(X, kind=None, **attributes):
    """What `read_series` makes of X: an estimator, the sequences one by one, the kind."""
    estimator = RecurrentClassifier()
    vars(estimator).update(attributes, _kind=kind)
    values, offsets = read_series(estimator, X, first=kind is None)
    series = [values[a:b] for a, b in zip(offsets, offsets[1:], strict=False)]
    return estimator, series, estimator._kind


def assert_series(found, expected):
    assert len(found) == len(expected)
    for x, wanted in zip(found, expected, strict=True):
        np.testing.assert_array_equal(x, np.reshape(wanted, x.shape), strict=False)
        assert len(x) == len(wanted)


# --------------------------------------------------------------------------------- series


@pytest.mark.parametrize(
    "form",
    [
        lambda X, _: X,
        lambda X, _: X.astype(np.uint8),
        lambda X, _: X.astype(np.float32),
        lambda X, _: X.astype(np.float16),
        lambda X, _: X.astype(object),
        lambda X, _: X.astype(">f8"),
        lambda X, _: X.astype(">i4"),
        lambda X, _: np.asfortranarray(X, dtype=float),
        lambda X, _: every_other(X.astype(float)),
        lambda X, folder: read_only(X.astype(float), folder),
        lambda X, _: X.tolist(),
        lambda X, _: tuple(map(tuple, X.tolist())),
        lambda X, _: pd.DataFrame(X),
        lambda X, _: pd.DataFrame(X, columns=["one", "two", "three"], dtype="Int64"),
        lambda X, _: pl.DataFrame(X),
    ],
)
def test_tables_hold_one_univariate_series_a_row(form, tmp_path):
    estimator, series, kind = read(form(TABLE, tmp_path))
    assert kind == "2d"
    assert estimator.n_features_in_ == 3
    assert_series(series, TABLE[:, :, np.newaxis])


@pytest.mark.parametrize(
    "form",
    [
        lambda X, _: X,
        lambda X, _: X.astype(int),
        lambda X, _: X.astype(np.float32),
        lambda X, _: X.astype(object),
        lambda X, _: X.astype(">f8"),
        lambda X, _: np.asfortranarray(X),
        lambda X, _: every_other(X),
        lambda X, folder: read_only(X, folder),
        lambda X, _: X.tolist(),
        lambda X, _: [X[0].tolist(), *map(lists, X[1:])],
    ],
)
def test_cubes_hold_one_multivariate_series_a_row(form, tmp_path):
    estimator, series, kind = read(form(CUBE, tmp_path))
    assert kind == "3d"
    assert estimator.n_features_in_ == 2
    assert_series(series, CUBE)


def test_trailing_nan_steps_of_a_cube_are_padding():
    padded = np.full((3, 4, 2), np.nan)
    padded[0, :1], padded[1], padded[2, :3] = CUBE[0, :1], CUBE[0].repeat(2, axis=0)[:4], CUBE[2]
    estimator, series, kind = read(padded)
    assert (kind, estimator.n_features_in_) == ("3d", 2)
    assert_series(series, [CUBE[0, :1], padded[1], CUBE[2]])


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (lambda: PAIRS, PAIRS),
        (lambda: tuple(PAIRS), PAIRS),
        (lambda: object_array(PAIRS), PAIRS),
        (lambda: pd.Series(PAIRS, index=list("abcd")), PAIRS),
        (lambda: [np.asfortranarray(x) for x in PAIRS], PAIRS),
        (lambda: [x.astype(">i2") for x in PAIRS], PAIRS),
        (lambda: [*PAIRS[:1], np.empty(0), *PAIRS[2:]], PAIRS),  # an empty one fits any width
        (lambda: [*PAIRS[:1], np.empty((0, 5)), *PAIRS[2:]], PAIRS),
        (lambda: lists(PAIRS), PAIRS),
        (lambda: [PAIRS[0], *lists(PAIRS[1:])], PAIRS),
        (lambda: SINGLES, SINGLES),
        (lambda: object_array(SINGLES), SINGLES),
        (lambda: [x[:, np.newaxis] for x in SINGLES], SINGLES),
        (lambda: lists(SINGLES), SINGLES),
        (lambda: object_array(lists(SINGLES)), SINGLES),
        (lambda: pl.Series(lists(SINGLES)), SINGLES),
        (lambda: list(CUBE), CUBE),  # in a fold, all lengths may be equal
        (lambda: object_array(CUBE), CUBE),
        (lambda: list(CUBE[:, :, 0]), CUBE[:, :, 0]),
        (lambda: pd.Series(list(CUBE[:, :, 0])), CUBE[:, :, 0]),
        (lambda: [pd.Series(x) for x in CUBE[:, :, 0]], CUBE[:, :, 0]),
        (lambda: [pl.Series(x) for x in CUBE[:, :, 0]], CUBE[:, :, 0]),
        (lambda: [np.empty(0)] * 4, [np.empty(0)] * 4),
    ],
)
def test_series_one_by_one_are_ragged(form, expected):
    estimator, series, kind = read(form())
    assert kind == "ragged"
    assert estimator.n_features_in_ == (2 if np.ndim(expected[0]) == 2 else 1)
    assert_series(series, expected)


@pytest.mark.parametrize("form", [lambda X: X[:, :, 0], lambda X: X, list])
@pytest.mark.parametrize(
    "given", ["float32", ">f4", "float64", ">f8", "float16", "int64", "int32", "int8", "bool"]
)
def test_float32_stays_and_all_else_becomes_float64(form, given):
    _, series, _ = read(form(CUBE.astype(given)))
    expected = "float32" if np.dtype(given).name == "float32" else "float64"
    assert {x.dtype.name for x in series} == {expected}


def test_series_of_two_dtypes_take_the_wider():
    _, series, _ = read([np.float32([0.1, 0.2]), np.array([0.1])])
    assert {x.dtype for x in series} == {np.dtype(np.float64)}


@pytest.mark.parametrize(
    ("kind", "n_features", "X", "expected"),
    [
        ("2d", 3, list(TABLE), TABLE),
        ("2d", 3, object_array(lists(TABLE)), TABLE),
        ("3d", 2, CUBE[:, :1], CUBE[:, :1]),
        ("3d", 2, PAIRS, PAIRS),
        ("ragged", 2, CUBE, CUBE),
        ("ragged", 2, CUBE.tolist(), CUBE),
        ("ragged", 1, TABLE, TABLE),
        ("ragged", 1, TABLE.tolist(), TABLE),
        ("ragged", 1, [[]], [[]]),
        ("ragged", 1, [[], []], [[], []]),
        ("ragged", 1, [np.empty(0)], [[]]),
        ("ragged", 2, [np.empty(0)], [[]]),
        ("ragged", 2, [np.empty((0, 2))], [[]]),
        ("ragged", 2, [[]], [[]]),
    ],
)
def test_predict_reads_x_as_fit_did(kind, n_features, X, expected):
    _, series, found = read(X, kind, n_features_in_=n_features)
    assert found == kind
    assert_series(series, expected)
    assert all(x.ndim == 2 for x in series)


def test_names_of_columns():
    clf = RecurrentClassifier()
    read_series(clf, pd.DataFrame(TABLE, columns=list("abc")), first=True)
    assert clf.feature_names_in_.tolist() == ["a", "b", "c"]
    for other in [TABLE, CUBE, PAIRS]:
        read_series(clf, pd.DataFrame(TABLE, columns=list("abc")), first=True)
        read_series(clf, other, first=True)
        assert not hasattr(clf, "feature_names_in_")


@pytest.mark.parametrize("library", [pd, pl], ids=["pandas", "polars"])
def test_names_of_channels(library):
    """If each series is a data frame: they are checked as scikit-learn checks those of a table."""
    clf = RecurrentClassifier()
    for lengths in [(2, 3), (2, 2)]:
        frames = [library.DataFrame({"x": [1.0] * T, "y": [2.0] * T}) for T in lengths]
        read_series(clf, frames, first=True)
        assert clf._kind == "ragged"
        assert clf.feature_names_in_.tolist() == ["x", "y"]
        assert clf.n_features_in_ == 2
        read_series(clf, frames[:1])
        swapped = [frame[["y", "x"]] for frame in frames]
        for other in (swapped, swapped[:1]):
            with pytest.raises(ValueError, match="must be in the same order"):
                read_series(clf, other)
        with pytest.warns(UserWarning, match="does not have valid feature names"):
            read_series(clf, [np.ones((2, 2))])
        with pytest.raises(ValueError, match=r"X\[1\] has the columns \['y', 'x'\], but X\[0\]"):
            read_series(clf, [frames[0], swapped[1]], first=True)


# --------------------------------------------------------------------------------- tokens


@pytest.mark.parametrize(
    "form",
    [
        lambda _: PADDED_IDS,
        lambda _: PADDED_IDS.astype(np.uint64),
        lambda _: PADDED_IDS.astype(float),
        lambda _: PADDED_IDS.astype(">i8"),
        lambda _: PADDED_IDS.astype(object),
        lambda _: np.asfortranarray(PADDED_IDS),
        lambda _: every_other(PADDED_IDS),
        lambda folder: read_only(PADDED_IDS, folder),
        lambda _: PADDED_IDS.tolist(),
        lambda _: pd.DataFrame(PADDED_IDS),
        lambda _: pd.DataFrame(PADDED_IDS, dtype="Int64"),
        lambda _: pl.DataFrame(PADDED_IDS),
        lambda _: IDS,
        lambda _: object_array(IDS),
        lambda _: [np.array(x, dtype=np.int32) for x in IDS],
        lambda _: object_array([np.array(x, dtype=np.uint32) for x in IDS]),
        lambda _: [np.array(x, dtype=float) for x in IDS],
        lambda _: [np.array(x, dtype=int).reshape(-1, 1) for x in IDS],
        lambda _: [[0, *x, 0, 0] for x in IDS],
        lambda _: pd.Series(IDS),
        lambda _: pl.Series(IDS),
    ],
)
def test_ids_without_their_padding(form, tmp_path):
    values, offsets = read_tokens(form(tmp_path), LARGEST_ID)
    assert values.dtype == np.int64
    assert values.tolist() == sum(IDS, [])
    assert offsets.tolist() == [0, 2, 2, 5, 6]


@pytest.mark.parametrize(
    "X", [[[]], [[], []], [np.empty(0, dtype=int)], np.zeros((2, 3), dtype=int), [[0], [0]]]
)
def test_sequences_may_all_be_empty(X):
    values, offsets = read_tokens(X, LARGEST_ID)
    assert values.size == 0
    assert offsets.tolist() == [0] * (len(X) + 1)


def test_rows_of_the_embedding():
    known = np.array([2, 5, 9, LARGEST_ID])
    ids = np.array([9, 1, 2, 3, LARGEST_ID, 5, LARGEST_ID - 1, 10])
    assert embedding_rows(ids, known).tolist() == [3, 0, 1, 0, 4, 2, 0, 0]
    assert embedding_rows(ids, known[:0]).tolist() == [0] * 8
    many = np.array([9, 10, 2, 3, 5] * 3)  # more than the largest known id: in a table
    assert embedding_rows(many, known[:3]).tolist() == [3, 0, 1, 0, 2] * 3


def test_memory_does_not_follow_the_largest_id():
    X = [[LARGEST_ID, 3], [LARGEST_ID - 1], [3, 1], [1]]
    clf = RecurrentClassifier(hidden_layer_sizes=2, embedding_dim=3, tol=10, n_jobs=1)
    clf.fit(X, [0, 1, 0, 0])
    assert clf.parameters_["embedding"].shape == (1 + 3, 3)


def test_id_1_and_ids_not_seen_are_one_unknown_word():
    clf = RecurrentClassifier(hidden_layer_sizes=2, embedding_dim=3, tol=10, n_jobs=1)
    clf.fit([[7, 1], [9], [7], [1]], [0, 1, 0, 0])
    unknown, other, known = clf.decision_function([[1], [8], [9]])
    assert unknown == other
    assert unknown != known


# ------------------------------------------------------------------------------- refusals


@functools.cache
def fitted(kind):
    parameters = {"hidden_layer_sizes": 2, "tol": 10.0, "n_jobs": 1, "random_state": 0}
    if kind == "tokens":
        parameters["embedding_dim"] = 2
    X = {"2d": TABLE, "3d": CUBE, "ragged": PAIRS, "tokens": IDS}[kind]
    return RecurrentClassifier(**parameters).fit(X, [0, 1, 0, 1])


def assert_refused(monkeypatch, call, clf, X, error, message):
    """One clear error before any kernel runs, and an estimator that is as it was."""
    monkeypatch.setattr(Network, "forward", lambda *_: pytest.fail("a kernel was reached"))
    before = snapshot(clf)
    with pytest.raises(error, match=message):
        clf.fit(X, [0, 1, 0, 1]) if call == "fit" else getattr(clf, call)(X)
    assert_as_before(clf, before)


each_call = pytest.mark.parametrize("call", ["fit", "predict"])


def with_value(X, place, value):
    """A copy of X, an array or a list of lists or arrays, with one value changed."""
    if isinstance(X, list):
        i, *rest = place
        return [*X[:i], with_value(X[i], tuple(rest), value) if rest else value, *X[i + 1 :]]
    X = X.astype(complex if isinstance(value, complex) else float)
    X[place] = value
    return X


@each_call
@pytest.mark.parametrize("value", [-1, 2**31, 1.5, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    "X",
    [TABLE, TABLE.tolist(), [[1], [1], [1, 2, 3], [3, 4]]],
    ids=["array", "equal lists", "unequal lists"],
)
def test_ids_out_of_range(monkeypatch, call, value, X):
    message = (
        rf"X\[2\] holds {value}(\.0)? at step 1; token ids are whole numbers from 0 to 2147483647"
    )
    X = with_value(X, (2, 1), value)
    assert_refused(monkeypatch, call, fitted("tokens"), X, ValueError, message)


@each_call
@pytest.mark.parametrize("form", [np.array, list], ids=["array", "ragged"])
def test_the_first_id_that_is_too_large_as_a_float32(monkeypatch, call, form):
    """2^31 - 1, the largest id, is no float32: it rounds to 2^31."""
    X = form(np.float32([[1, 2], [3, 2**31], [5, 6], [7, 8]]))
    message = r"X\[1\] holds 2147483648.0 at step 1; token ids"
    assert_refused(monkeypatch, call, fitted("tokens"), X, ValueError, message)


def test_ids_as_small_floats():
    assert read_tokens(np.float16([[1, 2048]]), LARGEST_ID).values.tolist() == [1, 2048]


@each_call
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    ("kind", "X", "place", "where"),
    [
        ("2d", TABLE, (2, 1), r"X\[2\] holds {} at step 1"),
        ("2d", TABLE.tolist(), (2, 1), r"X\[2\] holds {} at step 1"),
        ("3d", CUBE, (2, 1, 1), r"X\[2\] holds {} at step 1, feature 1"),
        ("3d", CUBE, (2, 1), r"X\[2\] holds {} at step 1, feature 0"),  # a whole step
        ("3d", CUBE, (2, 2, 1), r"X\[2\] holds {} at step 2, feature 1"),  # a part of the last
        ("ragged", PAIRS, (2, 1, 1), r"X\[2\] holds {} at step 1, feature 1"),
    ],
)
def test_series_that_are_not_finite(monkeypatch, call, value, kind, X, place, where):
    X = with_value(X, place, value)
    message = where.format(value) + "; series must be finite float64 numbers"
    assert_refused(monkeypatch, call, fitted(kind), X, ValueError, message)


def test_where_nan_is_padding():
    X = with_value(CUBE, (2, 0), np.nan)
    with pytest.raises(ValueError, match=r"X\[2\] holds nan.*padding only after .* last step"):
        read_series(RecurrentClassifier(), X, first=True)
    with pytest.raises(ValueError, match=r"X\[2\] holds nan.*leave out padding"):
        read_series(RecurrentClassifier(), list(X), first=True)


def test_a_column_of_strings_is_named():
    frames = [pd.DataFrame({"a": [1.0, 2.0], "run": ["r1", "r1"]})] * 2
    for X, place in ((frames, r"X\[0\]\['run'\]\[0\]"), (frames[0], r"X\['run'\]\[0\]")):
        with pytest.raises(TypeError, match=f"X holds strings.*: {place} is 'r1'. Leave that c"):
            read_series(RecurrentClassifier(), X, first=True)


@pytest.mark.parametrize(
    ("X", "place"), [([[1, 2, "x"]] * 2, r"X\[0\]\[2\] is 'x'"),
                     ([[[1.0, 2.0], [3.0, "4"]]] * 2, r"X\[0\]\[1\]\[1\] is '4'")]
)  # fmt: skip
def test_one_string_among_numbers_is_the_one_at_fault(X, place):
    """Though NumPy makes strings of them all."""
    with pytest.raises(TypeError, match=f"X holds strings.*: {place}"):
        read(X)


@pytest.mark.parametrize("X", [[[{"t": 1}, {"t": 2}]] * 3, [[1.0, 2.0], [{"t": 1}]]])
def test_records_are_for_data_frames(X):
    place = r"X\[0\]\[0\]" if len(X) == 3 else r"X\[1\]\[0\]"
    with pytest.raises(TypeError, match=rf"{place} is {{'t': 1}}. Pass records as data frames"):
        read(X)
    with pytest.raises(TypeError, match=r"X\[0\] is {'t': 1}. Pass records as data frames"):
        read([{"t": 1}] * 3)


def test_a_missing_number_of_a_frame_has_a_place():
    frames = [pd.DataFrame({"a": pd.array([1.0, 2.0], "Float64"), "b": [1.0, 2.0]})] * 3
    frames.append(pd.DataFrame({"a": pd.array([1.0, None], "Float64"), "b": [1.0, 2.0]}))
    with pytest.raises(ValueError, match=r"X\[3\] holds nan at step 1, column 'a';"):
        read(frames)
    with pytest.raises(ValueError, match=r"X\[3\] holds nan at step 1, column 'a';"):
        read([frame[["a"]] for frame in frames])


@pytest.mark.parametrize(
    ("X", "place"),
    [
        ([[3, 5, 2], [1, 0, 4, 0, 2, 0, 0, 7, 0, 1]], r"X\[1\] holds 0 at step 1"),
        (np.array([[0, 0, 3, 1, 3, 3, 3], [0, 2, 0, 1, 2, 0, 1], [2, 0, 1, 0, 0, 1, 0],
                   [1, 3, 3, 0, 1, 0, 0]]), r"X\[1\] holds 0 at step 2"),
        ([np.array([], int), np.array([0, 7, 0, 0]), np.array([7, 0, 0, 7, 0, 7, 0, 7, 0, 7])],
         r"X\[2\] holds 0 at step 2"),
        (np.array([[0, 1, 2, 2, 1], [1, 2, 0, 2, 2], [2, 1, 1, 0, 1]]),
         r"X\[1\] holds 0 at step 2"),
        ([[1, 2], [2, 0, 1], [0, 1]], r"X\[1\] holds 0 at step 1"),
    ],
)  # fmt: skip
def test_zeros_between_ids_are_no_padding_perhaps(X, place):
    """Codes that begin at 0 would lose a symbol in silence."""
    with pytest.warns(UserWarning, match=f"{place}, between other ids.*add 2 to all"):
        read_tokens(X, LARGEST_ID, first=True)
    read_tokens(X, LARGEST_ID)  # no second warning after fit


@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("width", [2, 3])
def test_padded_texts_side_by_side_are_fine(n, width):
    """A ColumnTransformer puts them so."""
    texts = [[2, 0, 0][:width], [0, 0, 0][:width], [4, 5, 6][:width]]
    X = np.array([sum(row, []) for row in itertools.product(texts, repeat=n)])
    assert read_tokens(X, LARGEST_ID, first=True).values.size == (1 + width) * n * 3 ** (n - 1)


def test_padding_on_either_side_is_fine():
    found = read_tokens([[0, 0, 3, 1], [2, 2, 0], [0, 0], [], [4]], LARGEST_ID, first=True)
    assert found.values.tolist() == [3, 1, 2, 2, 4]
    assert found.offsets.tolist() == [0, 2, 4, 4, 4, 5]


def test_a_missing_number_of_a_table_has_a_column():
    X = pd.DataFrame({"width": [1.0, 2.0], "height": [3.0, None]})
    message = r"X\[1\] holds nan at step 1, column 'height'; .*SimpleImputer.*without padding"
    with pytest.raises(ValueError, match=message):
        read(X)


def test_what_to_do_about_numbers_that_are_no_ids():
    """They may be series, NaN as padding, or columns put beside a text by a ColumnTransformer."""
    rule = f"whole numbers from 0 to {LARGEST_ID}; "
    series = "numeric series need embedding_dim=None, numbers can't be mixed with texts[.]$"
    with pytest.raises(ValueError, match=f"X.0. holds 0.5 at step 2; .*{rule}{series}"):
        read_tokens(np.array([[3, 2, 0.5], [2, 0, 1.0]]), LARGEST_ID)
    with pytest.raises(ValueError, match=rule + series):
        read_tokens([[3, 0.5], [2]], LARGEST_ID)
    with pytest.raises(ValueError, match=f"X.1. holds nan at step 1; .*{rule}pad with 0[.]$"):
        read_tokens(pd.DataFrame({"a": [3, 2], "b": [2, None]}), LARGEST_ID)
    with pytest.raises(ValueError, match=f"X.1. holds -1 at step 1; .*{rule}pad with 0[.]$"):
        read_tokens([[3, 2], [2, -1]], LARGEST_ID)
    with pytest.raises(ValueError, match=f"X.0. holds -0.5 .*{rule}numeric series"):
        read_tokens([[-0.5, np.nan], [2, -1]], LARGEST_ID)
    with pytest.raises(ValueError, match=f"{rule}SequenceVectorizer.analyzer=list. numbers any"):
        read_tokens([[3, 2**40], [2]], LARGEST_ID)
    with pytest.raises(
        ValueError, match="whole numbers from 0 to 5, the last row of embeddings[.]$"
    ):
        read_tokens([[3, 2], [2, 6.0]], 5)


def test_lists_of_steps_of_different_widths():
    """All sequences have as many steps: only the widths show that X is no array."""
    with pytest.raises(ValueError, match=r"^X\[1\] is not an array of numbers"):
        read([[[1, 2], [3, 4]], [[1, 2], [2]]])
    with pytest.raises(ValueError, match=r"^X\[1\] has 1 features per step, but others have 2"):
        read([[[1, 2], [3, 4]], [[1], [2]]])


@pytest.mark.parametrize(
    "column",
    [
        lambda: pd.Series([object_array(list(x)) for x in PAIRS]),  # as from Parquet
        lambda: pl.Series(lists(PAIRS)),
        lambda: [object_array(list(x)) for x in PAIRS],
    ],
    ids=["pandas", "polars", "arrays"],
)
def test_steps_that_are_arrays(column):
    _, found, kind = read(column())
    assert kind == "ragged"
    for x, expected in zip(found, PAIRS, strict=True):
        np.testing.assert_array_equal(x, expected.reshape(-1, 2))


@pytest.mark.parametrize("X", [[["1.5", "2"]] * 4, ["good", "bad"] * 2], ids=["table", "column"])
def test_numpy_s_strings_are_strings(X):
    X = np.array(X, dtype=np.dtypes.StringDType())
    with pytest.raises(TypeError, match="X holds strings.*SequenceVectorizer"):
        read(X)
    with pytest.raises(TypeError, match="X holds strings.*SequenceVectorizer"):
        read_tokens(X, LARGEST_ID)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.array([(1.0, 2.0)] * 4, dtype=[("a", float), ("b", float)]), "^X has .*'a'.*, but seq"),
        ([np.zeros(2, dtype=[("a", float)])] * 4, r"^X\[0\] .*'a'.*, but sequences must hold real"),
        ([np.ones(2), None, np.ones(3)], r"^X\[1\] is None: a sequence is"),
    ],
    ids=["fields", "fields one by one", "None"],
)
def test_what_is_no_number_and_where(X, message):
    with pytest.raises((TypeError, ValueError), match=message):
        read(X)


def test_transposed_series_are_told_from_too_many_features():
    with pytest.raises(ValueError, match=r"its shape is \(3, 7\).*pass \[x.T for x in X\]"):
        read([np.ones((3, 5)), np.ones((3, 7))])


def test_a_lazy_frame_is_to_be_collected():
    with pytest.raises(TypeError, match=r"^X is a LazyFrame: collect\(\) it first"):
        read(pl.DataFrame(TABLE).lazy())


class Tensor:
    """An array of another library, whose dtype is not NumPy's."""

    def __init__(self, values):
        self.values, self.dtype, self.shape = values, "float", values.shape

    def __len__(self):
        return len(self.values)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype)


@pytest.mark.parametrize("X", [TABLE, np.stack([TABLE, TABLE], axis=2)], ids=["2d", "3d"])
def test_float32_stays_in_tensors(X):
    _, series, kind = read(Tensor(X.astype(np.float32)))
    assert_series(series, X.astype(np.float32))
    assert {x.dtype.name for x in series} == {"float32"}
    assert kind == f"{X.ndim}d"


def test_a_column_may_be_named_dtype():
    estimator, _, _ = read(pd.DataFrame(TABLE).rename(columns={0: "dtype"}).rename(columns=str))
    assert estimator.feature_names_in_[0] == "dtype"


@pytest.mark.parametrize("dtype", [pl.String, pl.Enum(["7", "1", "2"])])
def test_strings_in_series_of_polars(dtype):
    """NumPy would parse them if it were asked for numbers."""
    with pytest.raises(TypeError, match=r"X\[0\]\[0\] is '1'.* SequenceVectorizer"):
        read([pl.Series(["1", "2", "7"], dtype=dtype)] * 2)


FRAMES = {
    "pandas, nullable": lambda X: pd.DataFrame(X, dtype="Float32"),
    "pandas, one column nullable": lambda X: pd.DataFrame(X).astype({0: "Float32"}),
    "polars": pl.DataFrame,
}


@pytest.mark.parametrize("frame", FRAMES)
def test_float32_stays_in_frames(frame):
    _, series, _ = read(FRAMES[frame](TABLE.astype(np.float32)))
    assert {x.dtype.name for x in series} == {"float32"}


def test_one_step_of_many_features_may_be_many_steps():
    cube = np.reshape(TABLE, (4, 1, 3))
    for X in (cube, list(cube), cube.tolist(), [pd.DataFrame(x) for x in cube]):
        with pytest.warns(UserWarning, match=r"X has shape \(4, 1, 3\), which is one .*swapaxes"):
            read(X)
    read(list(cube[:-1]) + [np.ones((2, 3))])


@pytest.mark.parametrize(
    "X",
    [
        np.array([["1.5", "2"]] * 4),
        pd.DataFrame({"a": ["1e3"] * 4}),
        [["1", "2"], ["3"]],
    ],
)
def test_numbers_as_strings(X):
    with pytest.raises(TypeError, match=r"X holds strings.*If they are numbers, pass X.astype"):
        read(X)


TEXTS = ["good", "bad", "good film", ""]
STRINGS = {
    "one": "good",
    "list": TEXTS,
    "of digits": ["1", "2", "3", "4"],
    "array": np.array(TEXTS),
    "object array": np.array(TEXTS, dtype=object),
    "pandas": pd.Series(TEXTS),
    "pandas categories": pd.Series(TEXTS, dtype="category"),
    "unequal lists of words": [["good"], ["bad"], ["good", "film"], []],
    "equal lists of words": [["good", "film"]] * 4,
    "table": np.array([["good", "film"]] * 4),
    "object table": np.array([["good", "film"]] * 4, dtype=object),
    "object array of lists": object_array([["good"], ["bad"], ["good", "film"], []]),
    "list of arrays": [np.array(["good"]), np.array(["bad"]), np.array([]), np.array([])],
    "the last word": [[1, 2], [1, 2], [1, 2], [1, "film"]],
    "data frame": pd.DataFrame({"text": TEXTS}),
    "polars": pl.DataFrame({"text": [None, *TEXTS[1:]]}),
    "a column": pd.DataFrame({"year": [1, 2, 3, 4], "text": TEXTS}),
    "the first missing": pd.DataFrame({"text": [None, *TEXTS[1:]]}),
    "the first a number": pd.DataFrame({"text": [1, *TEXTS[1:]]}, dtype=object),
    "bytes": [b"1", b"2", b"3", b"4"],
    "table of bytes": np.array([[b"1", b"2"]] * 4),
    "lists of bytes": [[b"1", b"2"]] * 4,
    "no words": np.empty((4, 0), dtype="U1"),
    "frames of words": [pd.DataFrame({"a": ["1", "2"]})] * 4,
}
DATES = np.datetime64("2020-01-01") + np.arange(12).reshape(4, 3)
REFUSED = {
    "csr matrix": (sparse.csr_matrix(TABLE), TypeError, "X is sparse.*SequenceVectorizer"),
    "coo array": (sparse.coo_array(TABLE), TypeError, "X is sparse.*SequenceVectorizer"),
    "masked table": (np.ma.array(TABLE), TypeError, "X is a masked array"),
    "masked cube": (np.ma.array(CUBE, mask=CUBE > 3), TypeError, "X is a masked array"),
    "masked steps": (
        [[np.ma.array([1.0, 9e9], mask=[0, 1]), np.ma.array([1.0, 2.0])], *CUBE[1:].tolist()],
        TypeError,
        r"X\[0\] is a masked",
    ),
    "masked series": (
        [TABLE[0], np.ma.array(TABLE[1]), *TABLE[2:]],
        TypeError,
        r"X\[1\] is a masked",
    ),
    "complex table": (TABLE + 1j, ValueError, "[Cc]omplex"),
    "complex cube": (CUBE + 1j, ValueError, "[Cc]omplex"),
    "complex series": ([x + 1j for x in PAIRS], ValueError, r"X\[0\].*complex128.*real numbers"),
    "complex number": (with_value([[1, 2], [3, 4]] * 2, (2, 1), 1j), ValueError, "[Cc]omplex"),
    "complex object": (
        np.array([[1, 2], [3, np.complex64(4j)]] * 2, dtype=object),
        ValueError,
        r"X\[1\]\[1\] is 4j, but",
    ),
    "complex in no dimension": (
        [object_array([np.array(0j), 1])] * 4,
        ValueError,
        r"X\[0\]\[0\] is 0j, but",
    ),
    "complex column": (
        pd.DataFrame([[0.0, True, 1j]] * 4),
        ValueError,
        r"X\[0\]\[2\] is 1j, but|dtype complex128, but",
    ),
    "no steps": (np.empty((4, 0)), ValueError, r"\(4, 0\)"),
    "None": ([[1, 2, None], [3, 4, 5], [6, 7, 8], [9, 1, 2]], ValueError, "None|nan|NaN"),
    "no sequences": ([], ValueError, "X is empty: there are no sequences in it"),
    "an empty array": (np.empty(0), ValueError, "X is empty: there are no sequences in it"),
    "dates": (DATES, TypeError, r"dtype datetime64\[D\].*convert it"),
    "a list of dates": (
        DATES.tolist(),
        TypeError,
        r"X\[0\]\[0\] is datetime.date\(2020, 1, 1\), but",
    ),
    "lists of dates": (list(DATES), TypeError, r"X\[0\] has dtype datetime64\[D\].*convert it"),
    "dates in a frame": (pd.DataFrame(DATES), TypeError, r"dtype datetime64\[.*convert it"),
    "a cube of dates": (DATES[..., np.newaxis], TypeError, r"dtype datetime64\[D\]"),
    "a time span among numbers": (
        [[np.timedelta64(1, "h"), 2.0], *TABLE[1:, :2].tolist()],
        TypeError,
        r"dtype timedelta64\[h\].*convert it",
    ),
    "time spans": (DATES - DATES[0, 0], TypeError, r"dtype timedelta64\[D\].*convert it"),
    "a column of dates": (
        pd.DataFrame({"a": [1.0] * 4, "b": DATES[:, 0]}),
        TypeError,
        r"X\['b'\] has dtype datetime64\[.*convert it",
    ),
    "a column with a time zone": (
        pd.DataFrame({"a": pd.date_range("2020", periods=4, tz="UTC")}),
        TypeError,
        r"X\['a'\] has dtype datetime64\[.*UTC\].*convert it",
    ),
    "frames with dates": (
        [pd.DataFrame({"a": [1.0], "b": DATES[0, :1]})] * 4,
        TypeError,
        r"X\[0\]\['b'\] has dtype datetime64",
    ),
    "periods": (
        pd.DataFrame({"a": pd.period_range("2020", periods=4, freq="D")}),
        TypeError,
        r"X\['a'\]\[0\] is Period\('2020-01-01', 'D'\), but sequences must hold real numbers",
    ),
    "sparse series": (
        [sparse.csr_matrix(x) for x in PAIRS],
        TypeError,
        r"X\[0\] is sparse.*SequenceVectorizer",
    ),
    "a sparse frame": (
        pd.DataFrame.sparse.from_spmatrix(sparse.csr_matrix(TABLE)),
        TypeError,
        "X is sparse.*SequenceVectorizer",
    ),
    "sequences in cells": (
        pd.DataFrame({"a": PAIRS}),
        ValueError,
        r'The cells of X hold sequences: pass one column, such as X\["name"\]',
    ),
    "a missing number": ([[1, 2], [3, pd.NA]] * 2, ValueError, r"X\[1\]\[1\] is <NA>, but"),
    "objects": ([object(), *PAIRS[1:]], TypeError, r"X\[0\] is <object obj.*real numbers"),
    "a deque": (collections.deque(PAIRS), TypeError, "X is a deque: pass sequences in a list"),
    "values of a dict": ({"a": 1}.values(), TypeError, "X is a dict_values: pass sequences in"),
    "a number of 400 digits": ([[1, 2, 10**400]] * 4, ValueError, "too large"),
    "numbers of 400 digits": ([[1], [10**400], [3, 4], [5]], ValueError, "too large"),
    "1-D": (np.ones(4), ValueError, r"1D array|1-D|\(4,\).*sequence x as \[x\]"),
    "a number": (3.0, ValueError, "scalar"),
    "groups with their keys": (
        list(pd.DataFrame({"run": [0, 0, 1], "a": [1.0, 2.0, 3.0]}).groupby("run")),
        TypeError,
        r"X\[0\] is a group's key and its data: pass \[x for _, x in groups\]",
    ),
    "columns of groups with their keys": (
        list(pd.DataFrame({"run": [0, 0, 1], "a": [1.0, 2.0, 3.0]}).groupby("run")["a"]),
        TypeError,
        r"X\[0\] is a group's key and its data: pass \[x for _, x in groups\]",
    ),
    "missing sequences": (
        pd.Series([np.ones(2), None, np.ones(3), np.ones(1)]),
        ValueError,
        r"X\[1\] (is None: a sequence|has shape \(\))",
    ),
    "numbers and lists": ([1, [2], [3, 4], [5]], ValueError, r"X\[0\] is 1: a sequence"),
    "cubes": (
        [CUBE] * 4,
        ValueError,
        r"X\[0\] has shape \(4, 3, 2\): a sequence is \(n_steps,\) or",
    ),
    "a set": ({1, 2, 3, 4}, TypeError, "X is a set: pass sequences in a list or an array"),
    "a dict": ({"a": [1, 2]}, TypeError, "X is a dict: pass sequences in a list"),
    "a generator": (iter(PAIRS), TypeError, "X is a list_iterator: pass sequences in a list"),
    "no features": ([np.ones((2, 0))] * 4, ValueError, r"X\[0\] has shape \(2, 0\)"),
}

each_kind = pytest.mark.parametrize("kind", ["2d", "3d", "ragged", "tokens"])


@each_call
@each_kind
@pytest.mark.parametrize("name", STRINGS)
def test_strings_are_refused_in_every_form(monkeypatch, call, kind, name):
    message = "X holds strings.*SequenceVectorizer.*embedding_dim"
    assert_refused(monkeypatch, call, fitted(kind), STRINGS[name], TypeError, message)


@each_call
@each_kind
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_sequences(monkeypatch, call, kind, name):
    X, error, message = REFUSED[name]
    if call == "predict" and kind == "2d" and message.startswith(r"X\[0\]"):
        message = r"X\[|dim"  # it is compared with the table that fit has seen
    assert_refused(monkeypatch, call, fitted(kind), X, error, f"(?s){message}")


@pytest.mark.parametrize(
    ("call", "kind", "X", "message"),
    [
        (
            "fit",
            "3d",
            np.ones((4, 3, 2, 1)),
            r"\(4, 3, 2, 1\).*\(n_sequences, n_steps, n_features\)",
        ),
        ("fit", "3d", np.ones((4, 0, 2)), r"\(4, 0, 2\).*all above 0"),
        ("fit", "3d", np.ones((4, 3, 0)), r"\(4, 3, 0\).*all above 0"),
        ("fit", "3d", with_value(CUBE, (2, slice(None)), np.nan), r"X\[2\] is NaN at every step"),
        ("fit", "ragged", [*PAIRS[:3], np.ones((2, 3))], r"X\[3\] has 3 features per step.* 2"),
        ("fit", "tokens", PAIRS, "one id per step, but those of X have 2; .*embedding_dim=None"),
        ("fit", "tokens", CUBE, r"\(4, 3, 2\): token ids .*; .*embedding_dim=None"),
        ("predict", "3d", with_value(CUBE, (2, slice(None)), np.nan), r"X\[2\] is NaN at every"),
        ("predict", "3d", np.ones((1, 3, 3)), "X has 3 features, but.*expecting 2 features"),
        ("predict", "3d", np.ones((1, 2, 9)), r"9 features.* 2 features.*swapaxes\(X, 1, 2\)"),
        ("predict", "3d", np.ones((1, 3, 1)), "X has 1 features, but.*expecting 2 features"),
        ("predict", "3d", np.ones((1, 3, 2, 1)), r"\(1, 3, 2, 1\)"),
        ("predict", "3d", np.ones((1, 2)), r"X has 1 features.*expecting 2.* x as \[x\]."),
        ("predict", "3d", [np.ones((2, 3))], "X has 3 features, but.*expecting 2 features"),
        ("predict", "ragged", [np.ones((2, 3))], "X has 3 features, but.*expecting 2 features"),
        ("predict", "ragged", [np.ones(2)], "X has 1 features, but.*expecting 2 features"),
        ("predict", "ragged", [PAIRS[0], np.ones((2, 3))], r"X\[1\] has 3 features.* have 2"),
        ("predict", "ragged", np.ones((1, 3, 3)), "X has 3 features, but.*expecting 2 features"),
        ("predict", "2d", np.ones((1, 4)), "X has 4 features, but.*expecting 3 features"),
        ("predict", "2d", [np.ones(2)], "X has 2 features, but.*expecting 3 features"),
        ("predict", "2d", [[1, 2, 3], [1, 2]], r"X\[1\] has shape \(2,\).*\(3,\).*fixed width"),
        ("predict", "2d", object_array([np.ones(3), np.ones(4)]), r"X\[1\] has shape \(4,\)"),
        (
            "predict",
            "2d",
            CUBE,
            r"shape \(4, 3, 2\), but fit was given \(n_sequences, n_steps\)",
        ),
        ("predict", "tokens", PAIRS, "one id per step, but those of X have 2"),
        ("predict", "tokens", [TABLE, TABLE], "one id per step, but those of X have 3"),
    ],
)
def test_shapes_that_do_not_fit(monkeypatch, call, kind, X, message):
    assert_refused(monkeypatch, call, fitted(kind), X, ValueError, f"(?s){message}")


@pytest.mark.parametrize("form", ["ragged", "3d"])
def test_one_series_alone_is_told_from_many_of_one_step(form):
    """scikit-learn's advice, reshape(-1, 1), would make a series of each of its steps."""
    x = np.arange(5.0)
    given = {"kind": form, "n_features_in_": 1}
    with pytest.raises(ValueError, match=r"X has shape \(5,\). Pass a single sequence x as \[x\]"):
        read(x, **given)
    with pytest.warns(UserWarning, match=r"\(5, 1\), which is 5 series of one step. Pass a single"):
        _, series, _ = read(x[:, np.newaxis], **given)
    assert_series(series, x.reshape(5, 1))


def test_a_table_of_another_width_is_told_of_lists():
    message = "X has 3 features, but RecurrentClassifier is expecting 4 .* pass lists of arrays"
    with pytest.raises(ValueError, match=message):
        read(np.zeros((5, 3)), kind="2d", n_features_in_=4)
