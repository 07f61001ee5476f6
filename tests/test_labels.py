"""Labels of every form, the targets made of them, and the weights of classes."""

import enum
import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.exceptions import DataConversionWarning
from sklearn.metrics import log_loss
from sklearn.utils.class_weight import compute_class_weight

from seqnets.labels import (
    check_labels,
    check_outputs,
    check_same_kind,
    class_numbers,
    class_weights,
    cross_entropy,
    find_classes,
    frequencies,
    is_multilabel,
    make_targets,
    n_outputs_and_activation,
    weigh,
)

INDICATOR = np.array([[0, 1, 1], [1, 0, 0], [0, 0, 0], [1, 1, 1]])
ONE_LABEL = {
    "two": np.array(["no", "yes", "yes", "no", "no"]),
    "many": np.array([7, -1, 3, 7, 7]),
    "one": np.array([2.0, 2.0, 2.0]),
}

each_one_label = pytest.mark.parametrize("y", ONE_LABEL.values(), ids=ONE_LABEL)
each_kind = pytest.mark.parametrize(
    "y", [*ONE_LABEL.values(), INDICATOR], ids=[*ONE_LABEL, "several"]
)


def checked(y, n=None):
    return check_labels(y, np.ones(len(y) if n is None else n, dtype=int))


# -------------------------------------------------------------------------- what y may be


@pytest.mark.parametrize(
    "y",
    [
        ["b", "a", "b"],
        [2, 0, 2],
        [2.0, 0.0, 2.0],
        [True, False, True],
        ("b", "a", "b"),
        np.array(["b", "a", "b"], dtype=object),
        pd.Series(["b", "a", "b"], index=[5, 6, 7]),
        pd.Series(["b", "a", "b"], dtype="category"),
        pd.Series(["b", "a", "b"], dtype="string"),
        pl.Series(["b", "a", "b"]),
        [np.array(label) for label in "bab"],  # as np.load gives them, file by file
    ],
)
def test_one_label_a_sequence(y):
    found = checked(y)
    assert isinstance(found, np.ndarray)
    assert found.shape == (3,)
    assert found.tolist() == list(y)


class Scalar(bytes):
    """Stands for Arrow's string, which NumPy reads as an array of bytes."""

    def as_py(self):
        return self.decode()


def test_labels_of_arrow_are_python_s():
    assert checked([Scalar(b"yes"), Scalar(b"no")]).tolist() == ["yes", "no"]
    assert checked(["yes", Scalar(b"no")]).tolist() == ["yes", "no"]


@pytest.mark.parametrize(
    ("given", "dtype"), [([2**60, 2**60 + 1], "Int64"), ([True, False], "boolean")]
)
def test_nullable_labels_are_no_floats(given, dtype):
    """scikit-learn would make them floats, where 2**60 and 2**60 + 1 are the same number."""
    found = checked(pd.Series(given, dtype=dtype))
    assert found.tolist() == given
    assert found.dtype.kind in "ib"


@pytest.mark.parametrize("form", [np.array, pd.DataFrame, lambda y: sparse.csr_matrix(np.array(y))])
def test_a_column_vector_is_flattened_with_a_warning(form):
    with pytest.warns(DataConversionWarning, match="A column-vector y was passed"):
        found = checked(form([[3], [1], [3]]), 3)
    assert found.tolist() == [3, 1, 3]


@pytest.mark.parametrize(
    "form",
    [
        np.array,
        np.ndarray.tolist,
        lambda y: y.astype(bool),
        lambda y: y.astype(float),
        sparse.csr_matrix,
        sparse.csc_array,
        sparse.coo_array,
        lambda y: pd.DataFrame(y, columns=["a", "b", "c"], index=[3, 5, 7, 9]),
        lambda y: pl.DataFrame(y, schema=["a", "b", "c"]),
    ],
    ids=["array", "list", "bool", "float", "csr", "csc", "coo", "pandas", "polars"],
)
def test_several_labels_a_sequence(form):
    found = checked(form(INDICATOR), 4)
    assert isinstance(found, np.ndarray)
    np.testing.assert_array_equal(found, INDICATOR)


@pytest.mark.parametrize(
    ("y", "place", "value"),
    [
        ([[0, 1], [2, 0]], "y[1, 0]", 2),
        ([["a", "b"], ["b", "a"]], "y[0, 0]", r"'a'\. For several .*MultiLabelBinarizer"),
        ([[1.0, 0.5], [1.0, 0.0]], "y[0, 1]", 0.5),
        (sparse.csr_matrix([[0, 1], [2, 0]]), "y[1, 0]", 2),
        ([[1, 2], [2, 1]], "y[0, 1]", 2),  # scikit-learn calls these an indicator, too
        ([[-1, 1], [1, -1]], "y[0, 0]", -1),
        ([[2, 2], [0, 2]], "y[0, 0]", 2),
    ],
)
def test_other_columns_are_refused(y, place, value):
    with pytest.raises(ValueError, match="2-D y must hold zeros and ones") as caught:
        checked(y, 2)
    assert re.search(rf"but {re.escape(place)} is .*{value}", str(caught.value))


@pytest.mark.parametrize("tags", [set, frozenset, list, tuple])
@pytest.mark.parametrize("form", [list, pd.Series])
def test_what_to_do_about_several_labels(form, tags):
    y = form([tags(["a"]), tags(["a", "b"])])
    with pytest.raises(ValueError, match="MultiLabelBinarizer"):
        checked(y)


@pytest.mark.parametrize(
    "y",
    [
        [1.0, np.nan],
        np.array(["a", np.nan], dtype=object),
        pd.Series([1.0, None]),
        [[0.0, np.nan], [1.0, 0.0]],
        pd.DataFrame({"a": [0, None], "b": [1, 0]}),
    ],
    ids=["list", "object", "pandas", "columns", "data frame"],
)
def test_a_missing_label_is_refused(y):
    with pytest.raises(ValueError, match=r"Input (y )?contains NaN|y\[\d(, \d)?\] is .*nan"):
        checked(y)


@pytest.mark.parametrize("missing", [np.nan, float("nan"), np.float32("nan")])
def test_a_missing_label_in_a_list_of_strings(missing):
    """NumPy would turn it into the string "nan", a valid label."""
    with pytest.raises(ValueError, match=r"y\[1\] is .*nan.*not a label|contains NaN"):
        check_labels(["a", missing, "b"], np.ones(3))
    assert check_labels(["a", "nan", "b"], np.ones(3)).tolist() == ["a", "nan", "b"]


class Verdict(str, enum.Enum):  # noqa: UP042
    """Not a `StrEnum`: `str` gives "Verdict.GOOD", which NumPy cuts to four letters."""

    GOOD = "good"
    POOR = "poor"


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["1", 1], r"^y\[1\] is 1, of which NumPy makes the string '1'"),
        (["a", True], r"^y\[1\] is True, .* 'True'"),
        ([["a"], [2.5]], r"^y\[1\] is 2.5, .* '2.5'"),
        ([Verdict.GOOD, Verdict.POOR], r"^y\[0\] is <Verdict.GOOD: 'good'>, .* 'Verd'"),
        (["a", "a\0"], r"^y\[1\] is 'a\\x00', .* 'a'"),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:A column-vector y")
def test_labels_in_a_list_become_no_others(y, message):
    """Two classes could silently become one."""
    with pytest.raises(ValueError, match=message):
        checked(y)


@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        (None, ValueError, "the target y is None"),
        ([0.5, 1.0], ValueError, "Unknown label type: continuous"),
        ([np.inf, 1.0], ValueError, "Input y contains infinity"),
        (np.zeros((2, 2, 2)), ValueError, "dim"),
        (np.ma.array([0, 1], mask=[False, True]), TypeError, "^y is a masked array"),
        (np.array(["2020-01-01", "NaT"], "datetime64[D]"), ValueError, r"^y\[1\] is NaT"),
        (["a", None], ValueError, r"^y\[1\] is None"),
        (np.array([b"a", b"b"]), ValueError, "^y holds bytes, which are not labels: decode them"),
        (np.array(["a", b"b"], dtype=object), ValueError, "^y holds bytes, which are not labels"),
        (np.array([1, np.ones(2)], dtype=object), ValueError, r"^y\[1\] holds several labels"),
        (pl.Series([[0, 1], [1, 1]]), ValueError, r"^y\[0\] holds several .*MultiLabelBinarizer"),
        (np.array([3, 1], dtype=object), ValueError, r"objects: pass y.astype\(\"int64\"\)"),
        (np.array([True, False], dtype=object), ValueError, r"pass y.astype\(\"bool\"\)"),
        (pd.cut(np.arange(2), 2), ValueError, r"y holds objects of type Interval, .*\[str\(label"),
        (np.array([1, "a"], dtype=object), ValueError, "y holds objects of type int, str"),
        (np.zeros(2, [("a", int)]), ValueError, r"^y has dtype \[.*pass y\[column\]"),
        (np.array(["a"], np.dtypes.StringDType()), ValueError, r"pass y.astype\(object\)"),
        (pd.Series(["a", pd.NA], dtype="string"), ValueError, r"^y\[1\] is <NA>"),
        (pd.DataFrame({"a": [1, 0], "b": [pd.NA, 1]}), ValueError, r"^y\[0, 1\] is <NA>"),
        (np.array(["a", 1], dtype=object), ValueError, "^The labels in y are not of one type"),
        (pd.DataFrame({"a": [1, 0], "b": ["yes", "no"]}), ValueError, r"y\[0, 1\] is 'yes'"),
        ([["0", "1"]] * 2, ValueError, r"but y\[0, 0\] is '0'.*single steps can't be labeled"),
        ([[1], [0, 1]], ValueError, "The rows of y differ in length.*single steps"),
        ({0, 1}, ValueError, "y should be a 1d array"),
    ],
)
def test_labels_that_cannot_be_used(y, error, message):
    with pytest.raises(error, match=message):
        checked(y, 2)


@pytest.mark.parametrize("y", [[0, 1, 0], INDICATOR[:3], sparse.csr_matrix(INDICATOR[:3])])
def test_as_many_labels_as_sequences(y):
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[2, 3\]"):
        checked(y, 2)


def test_a_label_for_each_step():
    with pytest.raises(ValueError, match="y has 5 labels, as many as X has steps, .* 2 sequences"):
        check_labels(["a", "a", "b", "b", "b"], np.array([2, 3]))
    assert check_labels(["a", "b"], np.array([1, 1])).tolist() == ["a", "b"]


# ------------------------------------------------------------------------- classes, targets


@pytest.mark.parametrize(
    ("y", "classes", "expected"),
    [
        (ONE_LABEL["two"], ["no", "yes"], (1, "logistic")),
        (ONE_LABEL["many"], [-1, 3, 7], (3, "softmax")),
        (ONE_LABEL["one"], [2.0], (1, "softmax")),
        (INDICATOR, [0, 1, 2], (3, "logistic")),
        (INDICATOR[:, :2], [0, 1], (2, "logistic")),
    ],
)
def test_classes_and_outputs(y, classes, expected):
    found = find_classes(y)
    assert found.tolist() == classes
    assert n_outputs_and_activation(y, found) == expected
    assert is_multilabel(*expected) == (y.ndim == 2)
    check_outputs(found, *expected)


@pytest.mark.parametrize(("n", "activation"), [(1, "logistic"), (2, "softmax")])
def test_classes_that_no_fit_gives_as_many_outputs(n, activation):
    """The kernel would write two columns of probabilities where there is room for one."""
    with pytest.raises(ValueError, match=f"don't fit the network's {n} outputs"):
        check_outputs(np.arange(n), n, activation)


def test_targets_of_two_classes_are_one_number():
    y = np.array(["b", "a", "a", "b"])
    found = make_targets(y, np.array(["a", "b"]))
    np.testing.assert_array_equal(found, np.array([[1.0], [0.0], [0.0], [1.0]]), strict=True)


def test_targets_of_many_classes_are_one_hot():
    """Columns are in the order of the classes; classes that y lacks have one, too."""
    found = make_targets(np.array([3, 1, 3]), np.array([1, 3, 4, 9]))
    expected = [[0, 1, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]]
    np.testing.assert_array_equal(found, np.array(expected, dtype=float), strict=True)


@pytest.mark.parametrize("dtype", [int, bool, object])
def test_targets_of_several_labels_are_themselves(dtype):
    found = make_targets(INDICATOR.astype(dtype, order="F"), np.arange(3))
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, INDICATOR.astype(float), strict=True)


@pytest.mark.parametrize("n_columns", [2, 4])
def test_a_wrong_number_of_columns(n_columns):
    y = np.resize([0, 1, 1], (3, n_columns))
    with pytest.raises(ValueError, match=f"^y has {n_columns} columns, but there are 3 labels.$"):
        make_targets(y, np.arange(3))


@pytest.mark.parametrize(
    ("y", "classes", "wanted"),
    [
        (["a", "z", "b"], ["a", "b"], "y holds 'z', which is not among the classes ['a' 'b']."),
        ([4, 1, 5], [1, 2, 5], "y holds 4, which is not among the classes [1 2 5]."),
        ([0, 1], [1, 2], "y holds 0, which is not among the classes [1 2]."),
        ([9, 1], [1, 2], "y holds 9, which is not among the classes [1 2]."),
    ],
)
def test_an_unknown_label_is_named(y, classes, wanted):
    for of in (class_numbers, make_targets):
        with pytest.raises(ValueError) as raised:
            of(np.array(y), np.array(classes))
        assert str(raised.value) == wanted


def test_class_numbers_are_places_among_the_classes():
    classes = np.array(["a", "b", "d", "e"])
    y = np.array(["e", "a", "d", "e"], dtype=object)
    assert class_numbers(y, classes).tolist() == [3, 0, 2, 3]
    unsorted = np.array(["b", "c", "a"])
    assert class_numbers(np.array(["a", "b", "c", "a"]), unsorted).tolist() == [2, 0, 1, 2]


@pytest.mark.parametrize("n_classes", [2, 30])  # few and many: NumPy has two ways to look
def test_numbers_are_no_strings(n_classes):
    numbers = np.arange(n_classes)
    for y, classes in ((numbers, numbers.astype(str)), (numbers.astype(str), numbers)):
        with pytest.raises(ValueError, match=f"^y holds {y.tolist()[0]!r}, which is not among"):
            class_numbers(y, classes)


@pytest.mark.parametrize("given", ["two", "many", "one"])
def test_the_kind_of_labels_stays(given):
    y = ONE_LABEL[given]
    of_one, of_several = (
        n_outputs_and_activation(y, find_classes(y)),
        n_outputs_and_activation(INDICATOR, np.arange(3)),
    )
    check_same_kind(y, *of_one)
    check_same_kind(INDICATOR, *of_several)
    one, many = "one label per sequence, (n,)", "several labels per sequence, (n, n_labels)"
    with pytest.raises(ValueError, match=f"^y has {re.escape(one)}, .* given {re.escape(many)}.$"):
        check_same_kind(y, *of_several)
    with pytest.raises(ValueError, match=f"^y has {re.escape(many)}, .* given {re.escape(one)}.$"):
        check_same_kind(INDICATOR, *of_one)


# ------------------------------------------------------------------------------- weights


def equal_weights(class_weight, y, classes):
    """The weights of the classes when all sequences weigh the same."""
    return class_weights(class_weight, y, np.ones(len(y)), classes)


@each_kind
def test_without_class_weight_all_weigh_one(y):
    classes = find_classes(y)
    assert equal_weights(None, y, classes).tolist() == [1.0] * classes.size


@each_one_label
def test_balanced_weights_equal_scikit_learn_s(y):
    classes = find_classes(y)
    expected = compute_class_weight("balanced", classes=classes, y=y)
    np.testing.assert_array_equal(equal_weights("balanced", y, classes), expected)


def test_balanced_weights_count_a_sequence_as_often_as_it_weighs():
    y, weights, classes = np.array([0, 0, 1, 2, 2]), np.array([3, 1, 2, 5, 1]), np.arange(3)
    repeated = np.repeat(y, weights)
    expected = equal_weights("balanced", repeated, classes)
    found = class_weights("balanced", y, weights.astype(float), classes)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("last", [5e307, 1e308])  # the second makes a class' sum infinite
def test_weights_too_large_to_balance(last):
    y, weights = np.array([0, 0, 1, 1]), np.array([1, 1, 1e308, last])
    with pytest.raises(ValueError, match="too large to balance"):
        class_weights("balanced", y, weights, np.arange(2))


@pytest.mark.parametrize(
    ("y", "expected"),
    [("accc", [4 / (2 * 1), 1.0, 4 / (2 * 3)]), ("abbb", [4 / (2 * 1), 4 / (2 * 3), 1.0])],
)
def test_balanced_weights_of_a_class_that_y_does_not_have(y, expected):
    """When training continues with fewer classes, only those are balanced."""
    found = equal_weights("balanced", np.array([*y]), np.array(["a", "b", "c"]))
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize(
    ("class_weight", "expected"),
    [
        ({"a": 2, "b": 0.5, "c": 3}, [2.0, 0.5, 3.0]),
        ({"c": 3.0}, [1.0, 1.0, 3.0]),
        ({"a": 0, "c": 3.0}, [0.0, 1.0, 3.0]),
    ],
)
def test_class_weight_by_label(class_weight, expected):
    classes = np.array(["a", "b", "c"])
    assert equal_weights(class_weight, classes, classes).tolist() == expected


@pytest.mark.parametrize("classes", [np.array(["0", "1"]), np.array(["0", "1"], dtype=object)])
def test_class_weight_by_labels_that_look_like_numbers(classes):
    assert equal_weights({"0": 2, "1": 5.0}, classes, classes).tolist() == [2.0, 5.0]
    assert equal_weights({"1": 5.0}, classes, classes).tolist() == [1.0, 5.0]


def test_class_weight_of_a_label_that_there_is_not():
    """It counts as a typo if some class has no weight; else the label may come later."""
    classes = np.array(["a", "b"])
    with pytest.raises(
        ValueError, match=r"^The classes \['b'\] are not in class_weight={'a': 2, 'B'"
    ):
        equal_weights({"a": 2, "B": 3}, classes, classes)
    assert equal_weights({"a": 2, "b": 3, "B": 4}, classes, classes).tolist() == [2.0, 3.0]


@pytest.mark.parametrize("weight", [-1, -1e-9, np.nan, np.inf])
def test_a_class_weight_that_is_no_weight(weight):
    y = np.array(["a", "b"])
    wanted = f"gives class 'b' the weight {weight}; weights are finite numbers of at least 0"
    with pytest.raises(ValueError, match=re.escape(wanted)):
        equal_weights({"a": 1, "b": weight}, y, y)


@pytest.mark.parametrize("class_weight", ["balanced", {0: 1, 1: 2, 2: 1}])
def test_class_weight_is_for_one_label(class_weight):
    with pytest.raises(ValueError, match=r"one label per sequence; .* use sample_weight"):
        equal_weights(class_weight, INDICATOR, np.arange(3))


def test_weights_of_sequences_times_those_of_their_classes():
    y, of_class = np.array(["b", "a", "c", "b"]), np.array([1.0, 10.0, 100.0])
    found = weigh(np.array([1.0, 2.0, 3.0, 4.0]), of_class, y, np.array(["a", "b", "c"]))
    assert found.tolist() == [10.0, 2.0, 300.0, 40.0]
    weights = np.arange(4.0)
    np.testing.assert_array_equal(weigh(weights, np.ones(3), INDICATOR, np.arange(3)), weights)


# -------------------------------------------------------------------------- guessing loss


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_cross_entropy_equals_scikit_learn_s(n_classes):
    """The log loss if the weighted frequencies are the probabilities of every sequence."""
    random = np.random.RandomState(0)
    y, weights = random.randint(n_classes, size=40), random.uniform(0.1, 3.0, 40)
    expected = log_loss(
        y, np.tile(np.bincount(y, weights) / weights.sum(), (40, 1)), sample_weight=weights
    )
    classes = np.arange(n_classes)
    shares = frequencies(make_targets(y, classes), weights, n_outputs_and_activation(y, classes)[1])
    found = cross_entropy(shares, shares)
    assert type(found) is float
    assert found == pytest.approx(expected, rel=1e-12)


def test_cross_entropy_of_several_labels():
    """The sum over the columns, each guessed by itself."""
    random = np.random.RandomState(0)
    y, weights = random.uniform(size=(40, 3)) < [0.2, 0.5, 0.9], random.uniform(0.1, 3.0, 40)
    shares = np.average(y, axis=0, weights=weights)
    expected = sum(
        log_loss(column, np.full(40, share), sample_weight=weights)
        for column, share in zip(y.T, shares, strict=True)
    )
    shares = frequencies(make_targets(y, np.arange(3)), weights, "logistic")
    found = cross_entropy(shares, shares)
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("targets", "activation", "expected"),
    [
        (np.ones((4, 1)), "softmax", 0.0),
        (np.zeros((4, 1)), "logistic", 0.0),
        (np.ones((4, 1)), "logistic", 0.0),
        (np.eye(3)[[0, 0, 2, 2]], "softmax", np.log(2)),
        (np.array([[0.0, 1.0], [1.0, 1.0]]), "logistic", np.log(2)),
    ],
)
def test_cross_entropy_of_a_class_that_never_or_always_is(targets, activation, expected):
    shares = frequencies(targets, np.ones(len(targets)), activation)
    assert cross_entropy(shares, shares) == pytest.approx(expected)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_guessing_other_data(n_classes):
    """Guess by the class frequencies of the first 20 labels; judge on the other 20."""
    y, classes = np.random.RandomState(0).randint(n_classes, size=40), np.arange(n_classes)
    halves = (make_targets(half, classes) for half in (y[:20], y[20:]))
    activation = n_outputs_and_activation(y, classes)[1]
    known, new = (frequencies(half, np.ones(20), activation) for half in halves)
    expected = log_loss(y[20:], np.tile(np.bincount(y[:20]) / 20, (20, 1)))
    assert cross_entropy(known, new) == pytest.approx(expected, rel=1e-12)


def test_weights_do_not_make_a_column_of_ones_uncertain():
    """Rounded, their weighted mean may exceed 1, where log(1 - mean) is NaN."""
    for seed in range(50):
        weights = np.random.RandomState(seed).uniform(size=20)
        shares = frequencies(np.ones((20, 1)), weights, "logistic")
        assert cross_entropy(shares, shares) == pytest.approx(0.0, abs=1e-12)


def test_to_guess_what_never_was_costs_everything():
    assert cross_entropy(np.array([1.0, 0.0]), np.array([0.5, 0.5])) == np.inf
