"""SequenceScaler against StandardScaler on the joined steps, in every form of X."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from helpers import object_array
from scipy import sparse
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from seqnets import RecurrentClassifier, SequenceScaler, SequenceVectorizer

SCALERS = [SequenceScaler(), SequenceScaler(with_mean=False), SequenceScaler(with_std=False)]
LENGTHS = [3, 1, 5, 2, 4]

each_parameters = pytest.mark.parametrize(
    "parameters",
    [{}, {"with_mean": False}, {"with_std": False}, {"with_mean": False, "with_std": False}],
    ids=str,
)
each_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])


# -------------------------------------------------------------------------------- helpers


def padded(dtype):
    X = np.random.RandomState(0).normal(5.0, [0.1, 3.0], size=(5, 5, 2)).astype(dtype)
    X[np.arange(5) >= np.array(LENGTHS)[:, np.newaxis]] = np.nan
    return X


def ragged(dtype):
    return [x[:T] for x, T in zip(padded(dtype), LENGTHS, strict=True)]


FORMS = {
    "2d": lambda dtype: padded(dtype)[:, :1].reshape(5, 2),
    "3d": lambda dtype: padded(dtype)[[0, 2, 4], :3],
    "3d padded": padded,
    "ragged": ragged,
    "ragged 1-D": lambda dtype: [x[:, 0] for x in ragged(dtype)],
    "ragged, some empty": lambda dtype: [np.empty((0, 2), dtype), *ragged(dtype), [], []],
}

each_form = pytest.mark.parametrize("form", FORMS)


def joined(X):
    """All steps (n, D) of the sequences of X, one below the other."""
    if getattr(X, "ndim", 1) == 2:
        return X.reshape(-1, 1)
    steps = np.concatenate([np.reshape(x, (len(x), -1)) for x in X if len(x)])
    return steps[~np.isnan(steps).all(axis=1)]


def assert_same_form(found, X):
    """The same numbers of sequences and steps, with padding where it was."""
    if isinstance(X, np.ndarray):
        assert found.shape == X.shape
        np.testing.assert_array_equal(np.isnan(found), np.isnan(X))
    else:
        assert found.dtype == object
        assert [np.shape(x) for x in found] == [np.shape(x) for x in X]


# ---------------------------------------------------------------- scikit-learn's own checks


@parametrize_with_checks(SCALERS)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("scaler", SCALERS, ids=repr)
def test_no_check_is_missing(scaler):
    """A wrong tag would drop most of them without a word (scikit-learn#14057)."""

    def names(estimator):
        checks = [check for _, check in estimator_checks_generator(estimator)]
        return [getattr(check, "func", check).__name__ for check in checks]

    not_for_us = ("sparse", "array_api")  # series are dense, and NumPy's
    wanted = {name for name in names(StandardScaler()) if not any(x in name for x in not_for_us)}
    wanted.add("check_estimators_nan_inf")  # StandardScaler lets NaN pass
    assert wanted <= set(names(scaler))
    assert len(names(scaler)) > 40


def test_tags_tell_what_it_takes():
    tags = SequenceScaler().__sklearn_tags__()
    assert (tags.input_tags.two_d_array, tags.input_tags.three_d_array) == (True, True)
    assert not tags.input_tags.allow_nan and not tags.input_tags.sparse
    assert sorted(tags.transformer_tags.preserves_dtype) == ["float32", "float64"]


# ------------------------------------------------------------------------ standardization


@each_form
@each_dtype
@each_parameters
def test_equals_standard_scaler_on_the_joined_steps(form, dtype, parameters):
    X = FORMS[form](dtype)
    steps = joined(X)
    scaler, reference = SequenceScaler(**parameters), StandardScaler(**parameters).fit(steps)
    found = scaler.fit(X, "y is ignored").transform(X)
    for name in ("mean_", "var_", "scale_"):
        np.testing.assert_array_equal(getattr(scaler, name), getattr(reference, name))
    assert scaler.n_steps_seen_ == len(steps)
    assert type(scaler.n_steps_seen_) is int
    expected = reference.transform(steps.astype(np.float64)).astype(dtype)  # rounded once
    np.testing.assert_array_equal(joined(found), expected, strict=True)
    assert_same_form(found, X)
    again = scaler.fit_transform(X)
    np.testing.assert_array_equal(joined(again), joined(found))


@pytest.mark.parametrize(
    ("form", "n_features"), [("2d", 2), ("3d", 2), ("ragged", 2), ("ragged 1-D", 1)]
)
def test_what_fit_tells(form, n_features):
    """2-D series have one channel and a feature per step; others have a channel per feature."""
    scaler = SequenceScaler().fit(FORMS[form]("float64"))
    assert scaler.n_features_in_ == n_features
    names = [f"x{i}" for i in range(n_features)]
    assert scaler.get_feature_names_out().tolist() == names
    assert scaler.mean_.shape == ((1,) if form == "2d" else (n_features,))


@each_form
@each_dtype
@each_parameters
def test_inverse_transform_undoes_transform(form, dtype, parameters):
    X = FORMS[form](dtype)
    scaler = SequenceScaler(**parameters).fit(X)
    found = scaler.inverse_transform(scaler.transform(X))
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(joined(found), joined(X), rtol=0, atol=tolerance)
    assert joined(found).dtype == dtype
    assert_same_form(found, X)


def test_names_of_channels_are_checked_where_x_has_them():
    frames = [pd.DataFrame(np.ones((T, 2)), columns=["x", "y"]) for T in (2, 3)]
    scaler = SequenceScaler().fit(frames)
    scaled = scaler.transform(frames)
    for given in (scaled, [pd.DataFrame(x, columns=["x", "y"]) for x in scaled]):
        np.testing.assert_array_equal(joined(scaler.inverse_transform(given)), joined(frames))
    with pytest.raises(ValueError, match="must be in the same order"):
        scaler.transform([frame[["y", "x"]] for frame in frames])


@each_form
@each_parameters
def test_parts_teach_what_the_whole_does(form, parameters):
    X = FORMS[form]("float64")
    whole, parts = SequenceScaler(**parameters).fit(X), SequenceScaler(**parameters)
    for part in (X[:2], X[2:3], X[3:]):
        if len(part):
            assert parts.partial_fit(part) is parts
    for name in ("mean_", "var_", "scale_"):
        found, expected = getattr(parts, name), getattr(whole, name)
        assert (found is None) == (expected is None)
        if expected is not None:
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    assert parts.n_steps_seen_ == whole.n_steps_seen_
    for x, expected in zip(parts.transform(X), whole.transform(X), strict=True):
        np.testing.assert_allclose(x, expected, rtol=0, atol=1e-12)
    parts.fit(X)  # forgets the parts
    np.testing.assert_array_equal(parts.mean_, whole.mean_)
    assert parts.n_steps_seen_ == whole.n_steps_seen_


# ---------------------------------------------------------------------------------- weights

WEIGHTS = [0.5, 2.0, 0.0, 1.5, 3.0]


def weighted(X):
    """One weight for each sequence of X, also for those without steps."""
    return np.resize(WEIGHTS, len(X))


def lengths(X):
    return [len(joined([x])) if len(x) else 0 for x in X]


def assert_same_statistics(found, expected):
    for name in ("mean_", "var_", "scale_"):
        one, other = getattr(found, name), getattr(expected, name)
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


@each_form
@each_dtype
@each_parameters
def test_a_step_weighs_as_much_as_its_sequence(form, dtype, parameters):
    """As StandardScaler's rows do; what is learned from float32 is as exact as from float64."""
    X = FORMS[form](dtype)
    of_steps = np.repeat(weighted(X), lengths(X))
    scaler = SequenceScaler(**parameters).fit(X, sample_weight=weighted(X))
    steps = joined(X).astype(np.float64)
    assert_same_statistics(scaler, StandardScaler(**parameters).fit(steps, None, of_steps))
    assert scaler.n_steps_seen_ == of_steps.sum()
    assert type(scaler.n_steps_seen_) is float
    assert joined(scaler.transform(X)).dtype == dtype
    by_fit_transform = SequenceScaler(**parameters).fit_transform(X, sample_weight=weighted(X))
    np.testing.assert_array_equal(joined(by_fit_transform), joined(scaler.transform(X)))


@each_form
@each_dtype
def test_weights_are_repetitions_and_0_is_absence(form, dtype):
    X, times = FORMS[form](dtype), np.resize([2, 0, 3, 1], len(FORMS[form](dtype)))
    repeated = [x for x, n in zip(X, times, strict=True) for _ in range(n)]
    repeated = np.stack(repeated) if isinstance(X, np.ndarray) else repeated
    found, expected = SequenceScaler().fit(X, None, times), SequenceScaler().fit(repeated)
    assert_same_statistics(found, expected)
    assert found.n_steps_seen_ == expected.n_steps_seen_


@each_parameters
@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_parts_with_weights_and_without_teach_what_the_whole_does(parameters, scale):
    """The sum of the weights is no whole number, and not exact in float32."""
    X, weights = ragged("float32"), scale * np.array([0.3, 0.4, 1.0, 1.0, 0.7])
    whole, parts = SequenceScaler(**parameters).fit(X, None, weights), SequenceScaler(**parameters)
    parts.partial_fit(X[:2], sample_weight=weights[:2]).partial_fit(X[4:], None, weights[4:])
    if scale == 1:
        parts.partial_fit(X[2:4])
    else:
        parts.partial_fit(X[2:4], sample_weight=weights[2:4])
    assert_same_statistics(parts, whole)
    assert parts.n_steps_seen_ == pytest.approx(whole.n_steps_seen_, rel=1e-15)


def test_weights_after_parts_without():
    X = ragged("float32")
    parts = SequenceScaler().partial_fit(X[:3]).partial_fit(X[3:], sample_weight=[0.5, 0.0])
    assert_same_statistics(parts, SequenceScaler().fit(X, None, [1, 1, 1, 0.5, 0]))


@pytest.mark.parametrize("seed", range(20))
def test_a_weighted_constant_channel_becomes_0(seed):
    """Its variance is rounded to less than 0 for some of these weights."""
    random = np.random.RandomState(seed)
    X = [np.full((T, 1), 7.7) for T in random.randint(1, 9, 50)]
    scaler = SequenceScaler().fit(X, sample_weight=random.uniform(size=50))
    assert (scaler.var_ >= 0).all() and scaler.scale_ == 1
    np.testing.assert_allclose(joined(scaler.transform(X)), 0, atol=1e-12)


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ([1, 2], ValueError, "sample_weight"),
        ([1, 2, -1, 1, 1], ValueError, "Negative values in data passed to `sample_weight`"),
        ([1, 2, np.nan, 1, 1], ValueError, "sample_weight contains NaN"),
        (np.ma.masked_array(np.ones(5)), TypeError, "sample_weight is a masked array"),
        (np.ones(5).astype("m8[D]"), TypeError, "sample_weight has dtype timedelta64"),
        ([1e308] * 5, ValueError, r"The weights \(sample_weight of each step\) sum to inf"),
        ([1e-320] * 5, ValueError, r"The weights \(sample_weight of each step\) sum to .*e-319"),
        ([1e307] * 5, ValueError, "^X or sample_weight holds numbers that are too large"),
        (np.zeros(5), ValueError, "at least one non-zero|no steps that have a weight"),
    ],
)
def test_weights_are_checked(weights, error, message):
    X = [1e3 * x for x in ragged("float64")]
    scaler = SequenceScaler()
    for method in (scaler.fit, scaler.partial_fit):
        with pytest.raises(error, match=message):
            method(X, sample_weight=weights)
    assert not hasattr(scaler, "mean_")


def test_weights_of_sequences_without_steps():
    X, weights = [[], [1.0, 2.0]], [1, 0]
    with pytest.raises(ValueError, match="X holds no steps that have a weight: a scaler needs"):
        SequenceScaler().fit(X, sample_weight=weights)
    scaler = SequenceScaler().fit([[0.0], [1.0, 0.5]]).partial_fit(X, sample_weight=weights)
    assert (scaler.mean_.tolist(), scaler.n_steps_seen_) == ([0.5], 3)


def test_parts_whose_weights_have_no_sum():
    scaler = SequenceScaler(with_mean=False, with_std=False).fit([[1.0, 0.0]], None, [8e307])
    with pytest.raises(ValueError, match="^X or sample_weight holds numbers that are too large"):
        scaler.partial_fit([[1.0, 0.0]], None, [8e307])
    assert scaler.n_steps_seen_ == 1.6e308


def test_weights_are_routed_to_where_they_are_wanted():
    X, y = ragged("float64"), np.array([0, 1, 0, 1, 1])
    wanted = SequenceScaler().fit(X, sample_weight=WEIGHTS)
    with sklearn.config_context(enable_metadata_routing=True):
        for wants in (True, False):
            scaler = SequenceScaler().set_fit_request(sample_weight=wants)
            last = DummyClassifier().set_fit_request(sample_weight=True)
            pipe = make_pipeline(scaler, last).fit(X, y, sample_weight=WEIGHTS)
            expected = wanted if wants else SequenceScaler().fit(X)
            np.testing.assert_array_equal(pipe[0].mean_, expected.mean_)
        SequenceScaler().set_partial_fit_request(sample_weight=True)
    pipe.fit(X, y, sequencescaler__sample_weight=WEIGHTS)
    np.testing.assert_array_equal(pipe[0].mean_, wanted.mean_)


def test_a_vectorizer_takes_no_weights():
    """Though its fit is wrapped as the scaler's is."""
    with pytest.raises(TypeError, match="unexpected keyword argument 'sample_weight'"):
        SequenceVectorizer().fit(["a b"], sample_weight=[1.0])


# -------------------------------------------------------------------------- forms and input


@pytest.mark.parametrize(
    ("fitted", "given", "kind"),
    [
        ("2d", lambda: FORMS["2d"]("float64").tolist(), "2d"),
        ("2d", lambda: list(FORMS["2d"]("float64")), "2d"),
        ("2d", lambda: pd.DataFrame(FORMS["2d"]("float64")), "2d"),
        ("2d", lambda: FORMS["2d"]("float64").astype(object), "2d"),
        ("3d", lambda: FORMS["3d"]("float64").tolist(), "3d"),
        ("3d", lambda: np.asfortranarray(FORMS["3d"]("float64")), "3d"),
        ("3d", lambda: FORMS["3d"]("float64").astype(">f8"), "3d"),
        ("ragged", lambda: [x.tolist() for x in ragged("float64")], "ragged"),
        ("ragged", lambda: tuple(ragged("float64")), "ragged"),
        ("ragged", lambda: pd.Series(ragged("float64"), index=list("abcde")), "ragged"),
        ("ragged", lambda: FORMS["3d"]("float64"), "3d"),
        ("ragged 1-D", lambda: FORMS["2d"]("float64"), "2d"),
    ],
)
def test_other_forms_of_the_same_kind(fitted, given, kind):
    """The result has the numbers and the form of the arrays that they hold."""
    X = FORMS[kind]("float64")
    scaler = SequenceScaler().fit(FORMS[fitted]("float64"))
    found = scaler.transform(given())
    expected = StandardScaler().fit(joined(FORMS[fitted]("float64"))).transform(joined(X))
    np.testing.assert_array_equal(joined(found), expected)
    assert_same_form(found, X)


@pytest.mark.parametrize("fitted", ["2d", "3d"])
@pytest.mark.parametrize("container", [list, lambda rows: pd.Series(rows).to_numpy()])
def test_arrays_given_one_by_one(fitted, container):
    """As `RecurrentClassifier` takes them, which may follow in a pipeline."""
    X = FORMS[fitted]("float64")
    rows = [x[: 2 + i] for i, x in enumerate(X)] if fitted == "3d" else list(X)
    scaler, reference = SequenceScaler().fit(X), StandardScaler().fit(joined(X))
    found = scaler.transform(container(rows))
    for x, row in zip(found, rows, strict=True):
        expected = reference.transform(row.reshape(-1, reference.n_features_in_))
        np.testing.assert_array_equal(np.reshape(x, expected.shape), expected)


def test_integers_become_float64():
    found = SequenceScaler().fit_transform([[1, 2], [4, 5]])
    np.testing.assert_allclose(found, (np.array([[1, 2], [4, 5]]) - 3) / np.sqrt(2.5))


@each_form
def test_x_stays_as_it_is(form):
    """Whether it is read-only or not; and no result shares its memory."""
    X = FORMS[form]("float64")
    arrays = [X] if isinstance(X, np.ndarray) else [x for x in X if isinstance(x, np.ndarray)]
    before = pickle.loads(pickle.dumps(arrays))
    scaler = SequenceScaler()
    for writeable in (False, True):
        for array in arrays:
            array.flags.writeable = writeable
        found = scaler.partial_fit(X).transform(X)
        scaler.inverse_transform(X)
        for array, expected in zip(arrays, before, strict=True):
            np.testing.assert_array_equal(array, expected)
            assert not any(np.shares_memory(array, x) for x in found)


NAN, INF = np.array([[1.0, 2.0], [3.0, np.nan]]), np.array([[1.0, 2.0], [3.0, np.inf]])


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (NAN, ValueError, r"X\[1\] holds nan at step 1; series must be finite"),
        ([NAN[0], INF], ValueError, "features per step, but others have"),
        ([NAN[:1], INF], ValueError, r"X\[1\] holds inf at step 1, feature 1"),
        (np.stack([INF, NAN]), ValueError, r"X\[0\] holds inf at step 1, feature 1"),
        (np.full((2, 3, 1), np.nan), ValueError, r"X\[0\] is NaN at every step"),
        (["a b", "c"], TypeError, "X holds strings"),
        ([["a", "b"], ["c"]], TypeError, "X holds strings"),
        (sparse.csr_matrix(np.eye(2)), TypeError, "X is sparse"),
        (np.ma.masked_array(np.eye(2)), TypeError, "X is a masked array"),
        (np.eye(2) + 1j, ValueError, "Complex data not supported"),
        (np.zeros((2, 3, 4, 5)), ValueError, r"X has shape \(2, 3, 4, 5\)"),
        (np.zeros((0, 3)), ValueError, r"0 sample\(s\)"),
    ],
)
def test_what_is_no_series_is_refused(X, error, message):
    new, fitted = SequenceScaler(), SequenceScaler().fit(ragged("float64"))
    for method in (new.fit, new.partial_fit, fitted.transform, fitted.inverse_transform,
                   fitted.partial_fit, fitted.fit):  # fmt: skip
        with pytest.raises(error, match=message):
            method(X)


@pytest.mark.parametrize(
    ("fitted", "given", "n_given", "n_wanted"),
    [("2d", (5, 3), 3, 2), ("3d", (5, 4, 3), 3, 2), ("ragged", (5, 3), 1, 2),
     ("ragged 1-D", (5, 4, 2), 2, 1)],
)  # fmt: skip
def test_another_number_of_features(fitted, given, n_given, n_wanted):
    scaler = SequenceScaler().fit(FORMS[fitted]("float64"))
    wanted = f"X has {n_given} features, but SequenceScaler is expecting {n_wanted} features"
    for method in (scaler.transform, scaler.inverse_transform, scaler.partial_fit):
        with pytest.raises(ValueError, match=wanted):
            method(np.zeros(given))


@pytest.mark.parametrize("size", [1e160, 1e300])
def test_numbers_whose_variance_is_not_finite(size):
    X = size * np.array([[1.0, -1.0], [0.5, 0.25]])
    with pytest.raises(ValueError, match="^X holds numbers that are too large: the mean or var"):
        SequenceScaler().fit(X)
    scaler = SequenceScaler(with_std=False).fit(X)
    np.testing.assert_allclose(scaler.transform(X), X - X.mean())


def test_numbers_whose_mean_is_not_finite():
    with pytest.raises(ValueError, match="^X holds numbers that are too large: the mean"):
        SequenceScaler(with_std=False).fit([[1.7e308, 1.7e308]])


@each_parameters
def test_parameters_may_change_after_fit(parameters):
    """As StandardScaler's: what is not wanted any more is left out."""
    X = ragged("float64")
    scaler = SequenceScaler().fit(X).set_params(**parameters)
    expected = joined(SequenceScaler(**parameters).fit_transform(X))
    np.testing.assert_array_equal(joined(scaler.transform(X)), expected)
    np.testing.assert_allclose(joined(scaler.inverse_transform(scaler.transform(X))), joined(X))
    more = [x + 1 for x in X]
    scaler.partial_fit(more)  # learns what is not used now, too
    scaler.set_params(with_mean=True, with_std=True)
    expected = SequenceScaler().partial_fit(X).partial_fit(more).transform(X)
    np.testing.assert_array_equal(joined(scaler.transform(X)), joined(expected))


@pytest.mark.parametrize("name", ["with_mean", "with_std"])
def test_what_fit_has_not_learned_is_not_used(name):
    X = ragged("float64")
    scaler = SequenceScaler(with_mean=False, with_std=False).fit(X).set_params(**{name: True})
    for method in (scaler.partial_fit, scaler.transform, scaler.inverse_transform):
        with pytest.raises(ValueError, match=f"{name}=True, but it was False in fit"):
            method(X)


def test_the_mean_of_unix_times_is_0_in_float32():
    X = (1.7e9 + np.random.RandomState(0).normal(0, 1e3, (50, 20))).astype(np.float32)
    found = SequenceScaler().fit_transform(X)
    assert abs(found.mean(dtype=np.float64)) < 1e-7


def test_a_fit_that_fails_leaves_the_scaler_as_it_was():
    X = ragged("float64")
    scaler = SequenceScaler().fit(X)
    expected = scaler.transform(X)
    bad = pd.DataFrame([[1.0, 2.0, np.nan]], columns=["a", "b", "c"])
    for method in (scaler.fit, scaler.partial_fit):
        with pytest.raises(ValueError):
            method(bad)
        np.testing.assert_array_equal(joined(scaler.transform(X)), joined(expected))
        assert scaler.get_feature_names_out().tolist() == ["x0", "x1"]


def test_a_result_that_is_no_table_leaves_the_scaler_as_it_was():
    scaler = SequenceScaler().fit([[1.0, 2.0]]).set_output(transform="pandas")
    with pytest.raises(ValueError, match="is for 2-D series"):
        scaler.fit_transform(ragged("float64"))
    assert scaler.mean_ == 1.5


@pytest.mark.parametrize("method", ["transform", "inverse_transform"])
def test_a_fit_that_ends_while_x_is_read_comes_too_late(method):
    """As it may in another thread."""

    class Fitting(list):
        def __iter__(self):
            scaler.fit([x**2 for x in X])
            return super().__iter__()

    X = ragged("float64")
    scaler = SequenceScaler().fit(X)
    expected = joined(getattr(scaler, method)(X))
    np.testing.assert_array_equal(joined(getattr(scaler, method)(Fitting(X))), expected)
    assert not np.array_equal(joined(getattr(scaler, method)(X)), expected)


def test_a_part_that_is_interrupted_leaves_the_scaler_as_it_was(monkeypatch):
    X = ragged("float64")
    scaler = SequenceScaler().fit(X)
    expected, learn = scaler.transform(X), StandardScaler.partial_fit

    def learn_and_stop(*arguments):
        learn(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(StandardScaler, "partial_fit", learn_and_stop)
    with pytest.raises(KeyboardInterrupt):
        scaler.partial_fit([x + 1 for x in X])
    np.testing.assert_array_equal(joined(scaler.transform(X)), joined(expected))


def test_methods_before_fit_say_so():
    for method in (SequenceScaler().transform, SequenceScaler().inverse_transform):
        with pytest.raises(NotFittedError):
            method(FORMS["3d"]("float64"))


def test_only_empty_sequences():
    """Nothing to learn from; once fitted, nothing to do."""
    empty = [[], np.empty((0, 2))]
    with pytest.raises(ValueError, match="X holds no steps"):
        SequenceScaler().fit(empty)
    scaler = SequenceScaler().fit(ragged("float64"))
    before = scaler.mean_.copy()
    np.testing.assert_array_equal(scaler.partial_fit(empty).mean_, before)
    for method in (scaler.transform, scaler.inverse_transform):
        assert [x.shape for x in method(empty)] == [(0,), (0, 2)]


@pytest.mark.parametrize("parameters", [{"with_mean": "yes"}, {"with_std": 1.5}])
def test_parameters_are_checked(parameters):
    with pytest.raises(ValueError, match=f"'{next(iter(parameters))}' parameter of SequenceScaler"):
        SequenceScaler(**parameters).fit([[1.0, 2.0]])


# --------------------------------------------------------------------- scikit-learn's tools


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_data_frame_comes_out(library):
    X = FORMS["2d"]("float64")
    expected = SequenceScaler().fit_transform(X)
    scaler = SequenceScaler().set_output(transform=library)
    frame = (pd if library == "pandas" else pl).DataFrame(X)
    frame.columns = ["a", "b"]
    for given, names in [(X, ["x0", "x1"]), (frame, ["a", "b"])]:
        found = scaler.fit(given).transform(given)
        assert isinstance(found, type(frame))
        assert list(found.columns) == names
        assert scaler.get_feature_names_out().tolist() == names
        np.testing.assert_array_equal(found.to_numpy(), expected)
        np.testing.assert_allclose(scaler.inverse_transform(found), X, rtol=1e-12)


def test_a_data_frame_keeps_its_index():
    X = pd.DataFrame(FORMS["2d"]("float32"), index=list("vwxyz"), columns=["a", "b"])
    found = SequenceScaler().set_output(transform="pandas").fit_transform(X)
    assert found.index.tolist() == list("vwxyz")
    assert set(found.dtypes) == {np.dtype("float32")}


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("form", ["3d", "3d padded", "ragged", "ragged 1-D"])
def test_no_data_frame_of_3d_and_ragged_series(form, library):
    X = FORMS[form]("float64")
    scaler = SequenceScaler().fit(X).set_output(transform=library)
    wanted = rf'set_output\(transform="{library}"\) is for 2-D series: ragged and 3-D ones'
    for method in (scaler.transform, scaler.fit_transform):
        with pytest.raises(ValueError, match=wanted):
            method(X)
    assert_same_form(scaler.set_output(transform="default").transform(X), X)


def test_no_data_frame_of_2d_series_as_ragged_ones():
    """Their columns have no names: n_features_in_ is 1."""
    scaler = SequenceScaler().fit(FORMS["ragged 1-D"]("float64")).set_output(transform="pandas")
    with pytest.raises(ValueError, match="is for 2-D series"):
        scaler.transform(FORMS["2d"]("float64"))


@each_form
@each_parameters
def test_clone_and_pickle(form, parameters):
    X = FORMS[form]("float64")
    scaler = SequenceScaler(**parameters).fit(X)
    expected = joined(scaler.transform(X))
    copy = pickle.loads(pickle.dumps(scaler))
    np.testing.assert_array_equal(joined(copy.transform(X)), expected)
    copy.partial_fit(X)  # learns for itself
    assert (copy.n_steps_seen_, scaler.n_steps_seen_) == (2 * len(expected), len(expected))
    anew = clone(scaler)
    assert anew.get_params() == scaler.get_params()
    assert not hasattr(anew, "mean_")
    np.testing.assert_array_equal(joined(anew.fit_transform(X)), expected)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("form", ["3d", "ragged"])
def test_cross_validation_fits_on_the_training_folds_alone(form):
    y = np.arange(12) % 2
    X = np.random.RandomState(0).normal(np.arange(12).reshape(12, 1, 1), size=(12, 3, 2))
    if form == "ragged":
        X = pd.Series([x[: 1 + i % 3] for i, x in enumerate(X)]).to_numpy()
    classifier = RecurrentClassifier("rnn", 2, max_iter=2, n_jobs=1, random_state=0)
    pipe = make_pipeline(SequenceScaler(), classifier)
    found = cross_validate(pipe, X, y, cv=3, return_estimator=True, return_indices=True)
    for fold in range(3):
        train, test = found["indices"]["train"][fold], found["indices"]["test"][fold]
        fitted, score = found["estimator"][fold], found["test_score"][fold]
        steps = np.concatenate(list(X[train]))
        reference = StandardScaler().fit(steps)
        np.testing.assert_array_equal(fitted[0].mean_, reference.mean_)
        assert fitted[0].n_steps_seen_ == len(steps)
        by_hand = clone(classifier).fit([reference.transform(x) for x in X[train]], y[train])
        scaled = [reference.transform(x) for x in X[test]]
        assert score == by_hand.score(scaled, y[test])
        np.testing.assert_array_equal(fitted.predict_proba(X[test]), by_hand.predict_proba(scaled))


@pytest.mark.parametrize("form", ["2-D", "data frame"])
def test_tables_become_frames_if_the_configuration_asks_for_them(form):
    X = np.arange(12.0).reshape(4, 3)
    with sklearn.config_context(transform_output="pandas"):
        found = SequenceScaler().fit_transform(X if form == "2-D" else pd.DataFrame(X))
    np.testing.assert_array_equal(found.to_numpy(), SequenceScaler().fit_transform(X))


def test_cubes_are_refused_if_the_configuration_asks_for_frames():
    X = np.arange(24.0).reshape(4, 3, 2)
    with sklearn.config_context(transform_output="pandas"):
        with pytest.raises(ValueError, match=r'Use set_output\(transform="default"\) on this step'):
            SequenceScaler().fit_transform(X)
        found = SequenceScaler().set_output(transform="default").fit_transform(X)
    np.testing.assert_array_equal(found, SequenceScaler().fit_transform(X))


@pytest.mark.parametrize("output", ["ragged", "padded"])
def test_words_are_not_to_be_scaled(output):
    vectorizer = SequenceVectorizer(output=output)
    X = vectorizer.fit_transform(["not bad", "good"])
    for method in ("fit", "partial_fit", "fit_transform"):
        with pytest.warns(UserWarning, match="looks like token ids.*leave SequenceScaler out") as w:
            getattr(SequenceScaler(), method)(X)
        assert [warning.filename for warning in w] == [__file__]
    floats = [x.astype(float) for x in X] if output == "ragged" else X.astype(float)
    SequenceScaler().fit(floats).transform(X)
    SequenceScaler().fit(object_array([np.full((T, 2), T, np.int32) for T in (1, 2)]))  # channels


def test_padding_beyond_the_longest_stays():
    X = np.full((5, 9, 2), np.nan)
    X[:, :5] = padded("float64")
    found = SequenceScaler().fit_transform(X)
    np.testing.assert_array_equal(found[:, :5], SequenceScaler().fit_transform(X[:, :5]))
    assert found.shape == X.shape
    assert np.isnan(found[:, 5:]).all()
