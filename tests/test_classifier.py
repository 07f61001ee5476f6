"""RecurrentClassifier: what an estimator owes its users, for series and tokens of every kind."""

import copy
import itertools
import re

import joblib
import naive
import numpy as np
import pandas as pd
import polars as pl
import pytest
from helpers import assert_as_before, assert_same_weights, bits, snapshot, take
from sklearn.exceptions import DataConversionWarning, NotFittedError

from seqnets import RecurrentClassifier
from seqnets.network import Network
from seqnets.parameters import LEARNING_RATES

# Most fits are too short to learn anything.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N = 12
METHODS = ["predict", "predict_proba", "predict_log_proba", "decision_function"]
Y = np.arange(N) % 3

KINDS = ["2d", "3d", "ragged", "tokens"]
each_kind = pytest.mark.parametrize("kind", KINDS)


def make(kind, seed=0):
    """N sequences: ids from 1 to 5, or series, univariate if "2d", else of 3 features."""
    random = np.random.RandomState(seed)
    lengths = random.randint(0, 6, N)
    if kind == "tokens":
        return [random.randint(1, 6, T) for T in lengths]
    if kind == "ragged":
        return [random.normal(size=(T, 3)) for T in lengths]
    return random.normal(size=(N, 4) if kind == "2d" else (N, 5, 3))


def make_classifier(kind, **parameters):
    defaults = {"hidden_layer_sizes": 3, "max_iter": 2, "n_jobs": 1, "random_state": 0}
    if kind == "tokens":
        defaults["embedding_dim"] = 4
    return RecurrentClassifier(**defaults | parameters)


def fit(kind, y=Y, seed=0, **parameters):
    return make_classifier(kind, **parameters).fit(make(kind, seed), y)


# ------------------------------------------------------------------------ fit and predict


@each_kind
def test_fit_returns_self_and_leaves_its_arguments_alone(kind):
    X, y, weights = make(kind), Y.copy(), np.linspace(0, 1, N)
    given = copy.deepcopy((X, y, weights))
    clf = make_classifier(kind, class_weight={0: 1.0, 1: 2.0, 2: 1.0})
    parameters = clf.get_params()
    assert clf.fit(X, y, weights) is clf
    assert all(a is b for a, b in zip(clf.get_params().values(), parameters.values(), strict=True))
    for found, wanted in zip((*X, y, weights), (*given[0], *given[1:]), strict=True):
        np.testing.assert_array_equal(found, wanted)


@each_kind
def test_predict_leaves_its_argument_and_the_estimator_alone(kind):
    clf, X = fit(kind), make(kind, seed=1)
    given, before = copy.deepcopy(X), snapshot(clf)
    for method in METHODS:
        getattr(clf, method)(X)
        assert_as_before(clf, before)
    for found, wanted in zip(X, given, strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("first", KINDS)
@pytest.mark.parametrize("then", KINDS)
def test_a_second_fit_forgets_the_first(first, then):
    X, y = make(first, seed=1), ["yes", "no"] * (N // 2)
    if first == "2d":
        X = pd.DataFrame(X, columns=list("abcd"))
    clf = make_classifier(first, early_stopping=True, validation_fraction=0.4).fit(X, y)
    anew = make_classifier(then)
    clf.set_params(**anew.get_params()).fit(make(then), Y)
    anew.fit(make(then), Y)
    assert_same_weights(clf, anew)
    for name in {*vars(clf), *vars(anew)} - {"parameters_"}:
        if not name.startswith("_"):
            np.testing.assert_equal(vars(clf).get(name), vars(anew).get(name), err_msg=name)


@each_kind
@pytest.mark.parametrize("method", METHODS)
def test_methods_before_fit_say_so(kind, method):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        getattr(make_classifier(kind), method)(make(kind))


@each_kind
def test_a_failed_fit_changes_nothing(kind, monkeypatch):
    def fail(*_, **__):
        raise MemoryError("in the middle of the first step")

    new, old = make_classifier(kind), fit(kind)
    states = [snapshot(clf) for clf in (new, old)]
    expected = old.decision_function(make(kind))
    with monkeypatch.context() as patch:
        patch.setattr(Network, "backward", fail)
        for clf in (new, old):
            with pytest.raises(MemoryError, match="first step"):
                clf.fit(make(kind, seed=1), ["a", "b"] * (N // 2))
    for clf, state in zip((new, old), states, strict=True):
        assert_as_before(clf, state)
    np.testing.assert_array_equal(old.decision_function(make(kind)), expected)


def test_a_seed_repeats_itself_and_a_generator_goes_on():
    assert_same_weights(fit("2d", random_state=5), fit("2d", random_state=5))
    random = np.random.RandomState(5)
    first, second = fit("2d", random_state=random), fit("2d", random_state=random)
    assert_same_weights(fit("2d", random_state=np.random.RandomState(5)), first)
    assert not np.allclose(first.parameters_["dense.W"], second.parameters_["dense.W"])
    assert not np.allclose(*(fit("2d", random_state=None).parameters_["dense.W"] for _ in range(2)))


@pytest.mark.parametrize("kind", ["ragged", "tokens"])
@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
def test_sequences_may_all_be_empty(kind, pooling):
    X = [np.empty(0, dtype=int)] * N
    y = [0] * 8 + [1] * 4
    clf = make_classifier(kind, pooling=pooling, learning_rate_init=0.02, max_iter=100, tol=0.0)
    clf.fit(X, y)
    np.testing.assert_allclose(clf.predict_proba(X), [[2 / 3, 1 / 3]] * N, atol=0.02)


def test_one_sequence_is_enough():
    clf = make_classifier("ragged").fit([[[1.0, 2.0], [3.0, 4.0]]], ["only"])
    assert clf.predict([[[0.0, 1.0]]]).tolist() == ["only"]


# ------------------------------------------------------------------- X in the form it has


FORMS = {
    "fortran": lambda X, _: np.asfortranarray(X),
    "byte order": lambda X, _: X.astype(X.dtype.newbyteorder(">")),
    "strided": lambda X, _: np.repeat(X, 2, axis=-1)[..., ::2],
    "reversed": lambda X, _: np.ascontiguousarray(X[::-1])[::-1],
    "memory map": lambda X, path: joblib.load(joblib.dump(X, path)[0], mmap_mode="r"),
    "objects": lambda X, _: X.astype(object),
    "lists": lambda X, _: X.tolist(),
}


@pytest.mark.parametrize("form", FORMS)
@each_kind
def test_other_forms_of_the_same_numbers(kind, form, tmp_path):
    if kind in ("2d", "3d"):
        X = make(kind)
        other = FORMS[form](X, tmp_path / "X")
    else:
        X = [x for x in make(kind) if len(x)]
        other = [FORMS[form](x, tmp_path / str(i)) for i, x in enumerate(X)]
    y = Y[: len(X)]
    a, b = make_classifier(kind).fit(X, y), make_classifier(kind).fit(other, y)
    assert_same_weights(a, b)
    np.testing.assert_array_equal(a.decision_function(X), a.decision_function(other))


@pytest.mark.parametrize("kind", ["2d", "3d", "ragged"])
@pytest.mark.parametrize(
    ("given", "computed"),
    [("float32", "float32"), ("float64", "float64"), ("int64", "float64"), ("bool", "float64")],
)
def test_series_compute_in_their_own_type(kind, given, computed):
    def cast(X, dtype):
        X = [np.round(8 * x).astype(given).astype(dtype) for x in X]  # exact in every type
        return X if kind == "ragged" else np.array(X)

    clf = make_classifier(kind).fit(cast(make(kind), given), Y)
    assert {W.dtype for W in clf.parameters_.values()} == {np.dtype(computed)}
    X = make(kind, seed=1)
    expected = clf.decision_function(cast(X, given))
    for other in [np.float32, np.float64]:  # predict computes as fit did
        np.testing.assert_array_equal(clf.decision_function(cast(X, other)), expected)


@pytest.mark.parametrize("low", [0.0, -1.0])
@pytest.mark.parametrize(
    ("high", "dtype"),
    [(1e-200, "float64"), (1e200, "float64"), (1.7e308, "float64"), (1e-40, "f"), (3e38, "f")],
)
def test_series_near_the_ends_of_their_type_are_told_apart(low, high, dtype):
    X = np.tile(np.array([low, (low + 1) / 2, 1.0]) * high, (N, 2)).astype(dtype)
    X[1::2] = X[1::2, ::-1]
    clf = make_classifier("2d").fit(X, Y % 2)
    proba = clf.predict_proba(np.vstack([X, np.full((1, 6), np.finfo(dtype).max)]))
    assert np.isfinite(proba).all()
    assert not np.array_equal(proba[0], proba[1])


@pytest.mark.parametrize(
    ("dtype", "computed"), [("auto", "float32"), ("float32", "float32"), ("float64", "float64")]
)
def test_tokens_compute_in_float32(dtype, computed):
    clf = fit("tokens", dtype=dtype)
    assert {W.dtype for W in clf.parameters_.values()} == {np.dtype(computed)}


@pytest.mark.parametrize(("kind", "n"), [("2d", 4), ("3d", 3), ("ragged", 3), ("tokens", None)])
def test_n_features_in(kind, n):
    clf = fit(kind)
    assert getattr(clf, "n_features_in_", None) == n
    assert not hasattr(clf, "feature_names_in_")


@pytest.mark.parametrize("library", [pd, pl], ids=["pandas", "polars"])
def test_a_frame_is_its_array_with_names(library):
    X = make("2d")
    frame = library.DataFrame(dict(zip("abcd", X.T, strict=True)))
    clf = make_classifier("2d").fit(frame, Y)
    assert clf.feature_names_in_.tolist() == list("abcd")
    assert_same_weights(clf, fit("2d"))
    np.testing.assert_array_equal(clf.predict_proba(frame), fit("2d").predict_proba(X))
    tokens = library.DataFrame({"a": Y + 1, "b": Y})
    clf = make_classifier("tokens").fit(tokens, Y)
    assert not hasattr(clf, "feature_names_in_")
    assert not hasattr(clf, "n_features_in_")


# --------------------------------------------------------------------------------- labels


@pytest.mark.parametrize(
    "labels",
    [
        np.array([0, 1, 2]),
        np.array([-3, 0, 7], dtype=np.int8),
        np.array([1.0, 2.0, 5.0]),
        np.array([False, True]),
        np.array(["no", "perhaps", "yes"]),
        np.array(["no", "perhaps", "yes"], dtype=object),
        np.array([0, 1]),
        np.array(["alone"]),
        np.array([7]),
    ],
    ids=repr,
)
@each_kind
def test_labels_of_every_type(kind, labels):
    X, y = make(kind), np.resize(labels[::-1], N)
    clf = make_classifier(kind).fit(X, y)
    np.testing.assert_array_equal(clf.classes_, labels, strict=True)
    np.testing.assert_array_equal(clf.predict(X), labels[clf.predict_proba(X).argmax(axis=1)])
    assert clf.predict(X).dtype == labels.dtype
    assert clf.score(X, y) == np.mean(clf.predict(X) == y)
    assert_same_weights(clf, fit(kind, np.searchsorted(labels, y)))
    for form in (list, pd.Series, lambda y: pd.Series(y, index=range(5, 5 + N))):
        assert_same_weights(clf, fit(kind, form(y)))
    with pytest.warns(DataConversionWarning, match="column-vector"):
        assert_same_weights(clf, fit(kind, y[:, np.newaxis]))


def test_one_class_is_certain():
    clf = fit("tokens", ["yes"] * N)
    X = make("tokens", seed=1)
    assert clf.predict(X).tolist() == ["yes"] * N
    np.testing.assert_array_equal(clf.predict_proba(X), np.ones((N, 1)))
    np.testing.assert_array_equal(clf.predict_log_proba(X), np.zeros((N, 1)))
    np.testing.assert_array_equal(clf.decision_function(X), np.zeros(N))  # a ranking means nothing


@pytest.mark.parametrize(
    ("n_classes", "n_outputs", "activation"),
    [(1, 1, "softmax"), (2, 1, "logistic"), (3, 3, "softmax"), (5, 5, "softmax")],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_probabilities_and_labels_follow_from_the_outputs(n_classes, n_outputs, activation, dtype):
    y = np.array(list("edcba"))[np.arange(N) % n_classes]
    clf, X = fit("ragged", y, dtype=dtype), make("ragged", seed=1)
    assert (clf.n_outputs_, clf.out_activation_) == (n_outputs, activation)
    for scale in [1.0, 30.0, 3000.0]:  # in the end, probabilities are 0 and 1
        clf.parameters_["dense.W"] *= clf.parameters_["dense.W"].dtype.type(scale)
        z, proba = clf.decision_function(X), clf.predict_proba(X)
        log_proba = clf.predict_log_proba(X)
        assert z.dtype == proba.dtype == log_proba.dtype == np.float64
        assert proba.shape == log_proba.shape == (N, n_classes)
        np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=0, atol=1e-12)
        assert np.isfinite(log_proba).all()
        if n_classes < 3:
            assert z.shape == (N,)
        if n_classes == 2:
            z = np.stack([np.zeros(N), z], axis=1)
        elif n_classes == 1:
            z = z[:, np.newaxis]
        z -= z.max(axis=1, keepdims=True)
        expected = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        np.testing.assert_allclose(log_proba, expected, rtol=1e-12, atol=1e-11)
        np.testing.assert_array_equal(clf.predict(X), clf.classes_[z.argmax(axis=1)])
    assert n_classes == 1 or proba.min() == 0


def test_several_labels_follow_from_the_outputs():
    """Each from its own: it is predicted if it is likelier than not."""
    X = make("ragged", seed=1)
    clf = fit("ragged", np.c_[Y == 0, Y > 0, Y == 2].astype(int))
    z = clf.decision_function(X)
    assert ((-1 < z) & (z < 0)).any() and ((0 < z) & (z < 1)).any()
    np.testing.assert_allclose(clf.predict_proba(X), 1 / (1 + np.exp(-z)), rtol=1e-12)
    np.testing.assert_allclose(clf.predict_log_proba(X), -np.log1p(np.exp(-z)), rtol=1e-12)
    np.testing.assert_array_equal(clf.predict(X), (z > 0).astype(int), strict=True)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_probabilities_of_large_outputs(dtype):
    clf, X = fit("ragged", dtype=dtype), make("ragged", seed=1)
    clf.parameters_["dense.b"] += 1e6
    proba = clf.predict_proba(X)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=0, atol=1e-12)
    np.testing.assert_allclose(proba, 1 / 3, atol=0.2)


# -------------------------------------------------------------------------------- weights


@each_kind
def test_weights_of_any_form(kind):
    X, weights = make(kind), np.arange(N) % 4 + 1
    clf = make_classifier(kind).fit(X, Y, weights / 1.0)
    assert not np.array_equal(clf.loss_curve_, fit(kind).loss_curve_)
    for form in [weights, weights.astype(np.float32), weights.tolist(), pd.Series(weights)]:
        assert_same_weights(clf, make_classifier(kind).fit(X, Y, sample_weight=form))


@each_kind
def test_weights_of_one_are_none(kind):
    assert_same_weights(fit(kind), make_classifier(kind).fit(make(kind), Y, np.ones(N)))


@each_kind
def test_weight_0_is_absence(kind):
    """It changes no bit, nor the vocabulary, the classes or the minibatches."""
    X, y, weights = make(kind), Y.copy(), np.ones(N)
    weights[[1, 4, 7]], y[[1, 4]] = 0, [9, 9]
    if kind == "tokens":
        X[1] = np.array([77, 78])
    present = np.flatnonzero(weights)
    a = make_classifier(kind, batch_size=3).fit(X, y, weights)
    b = make_classifier(kind, batch_size=3).fit(take(X, present), y[present])
    assert a.classes_.tolist() == [0, 1, 2]
    assert a.loss_curve_ == b.loss_curve_
    assert_same_weights(a, b)


@each_kind
@pytest.mark.parametrize("solver", LEARNING_RATES)
def test_weight_2_is_the_row_twice(kind, solver):
    X, twice = make(kind), np.repeat(np.arange(N), np.arange(N) % 2 + 1)
    parameters = {"solver": solver, "batch_size": 2 * N, "dtype": "float64", "max_iter": 5}
    parameters |= {"shuffle": False, "alpha": 0.1, "dropout": 0.0}
    a = make_classifier(kind, **parameters).fit(X, Y, np.arange(N) % 2 + 1)
    b = make_classifier(kind, **parameters).fit(take(X, twice), Y[twice])
    np.testing.assert_allclose(a.loss_curve_, b.loss_curve_, rtol=1e-10)
    assert_same_weights(a, b, 1e-8)


@each_kind
@pytest.mark.parametrize("early_stopping", [False, True])
def test_class_weights_are_sample_weights(kind, early_stopping):
    X, y = make(kind), np.resize(["a", "a", "b", "a", "b", "c"], N)
    weights = np.linspace(1, 2, N)
    parameters = {"early_stopping": early_stopping, "validation_fraction": 0.3}
    given = {"a": 0.5, "b": 2.0, "c": 3.0}
    counts = np.bincount(np.searchsorted(["a", "b", "c"], y), weights)
    balanced = dict(zip("abc", counts.sum() / (3 * counts), strict=True))
    for class_weight, of_class in [(given, given), ("balanced", balanced)]:
        a = make_classifier(kind, class_weight=class_weight, **parameters).fit(X, y, weights)
        b = make_classifier(kind, **parameters)
        b.fit(X, y, weights * [of_class[label] for label in y])
        assert_same_weights(a, b)
        assert a.validation_loss_curve_ == b.validation_loss_curve_
    assert not np.array_equal(a.loss_curve_, fit(kind, y, **parameters).loss_curve_)


# ------------------------------------------------------------------------------ the model


@pytest.mark.parametrize("cell", naive.CELLS)
def test_names_and_shapes_of_parameters(cell):
    clf = fit("tokens", cell=cell, hidden_layer_sizes=(5, 2), embedding_dim=7)
    n_ids = len(np.unique(np.concatenate(make("tokens"))))  # with 1, the unknown
    expected = {"embedding": (n_ids, 7), "dense.W": (2, 3), "dense.b": (3,)}
    for name, D, H in (("layer0", 7, 5), ("layer1", 5, 2)):
        of_layer = naive.shapes(cell, D, H)
        expected |= {f"{name}.{key}": shape for key, shape in of_layer.items()}
    assert {name: W.shape for name, W in clf.parameters_.items()} == expected
    assert all(type(W) is np.ndarray for W in clf.parameters_.values())
    assert clf.n_layers_ == 4  # input and output count, as they do in MLPClassifier
    clf = fit("3d", ["a", "b"] * (N // 2), cell=cell)
    assert "embedding" not in clf.parameters_
    assert clf.parameters_["layer0.W_x"].shape == naive.shapes(cell, 3, 3)["W_x"]
    assert clf.parameters_["dense.W"].shape == (3, 1)


@pytest.mark.parametrize(
    "sizes", [(5, 2), [5, 2], np.array([5, 2]), np.int64(4), 4, (4,), pd.Series([4])], ids=repr
)
def test_hidden_layer_sizes_of_every_form(sizes):
    wanted = [5, 2] if np.size(sizes) == 2 else [4]
    parameters = fit("ragged", hidden_layer_sizes=sizes).parameters_
    assert [W.shape[0] for name, W in parameters.items() if name.endswith("W_h")] == wanted


TICKS = itertools.count()


def ever_rising(clf, X, y):
    return next(TICKS)


# Another value of each parameter; in braces, the other parameters that it needs.
EFFECTS = {
    "cell": ("gru", {}),
    "hidden_layer_sizes": ((3, 3), {}),
    "bidirectional": (True, {}),
    "pooling": ("mean", {}),
    "embeddings": (np.linspace(-1, 1, 24).reshape(6, 4), {}),
    "train_embeddings": (False, {}),
    "dropout": (0.0, {}),
    "recurrent_dropout": (0.5, {}),
    "embedding_dropout": (0.5, {}),
    "embedding_dim": (5, {}),
    "solver": ("sgd", {}),
    "alpha": (1.0, {}),
    "batch_size": (5, {}),
    "learning_rate": ("cosine", {"batch_size": 5}),
    "learning_rate_init": (0.5, {}),
    "power_t": (0.1, {"learning_rate": "invscaling"}),
    "momentum": (0.1, {"solver": "sgd"}),
    "nesterovs_momentum": (False, {"solver": "sgd"}),
    "beta_1": (0.1, {}),
    "beta_2": (0.1, {}),
    "epsilon": (0.1, {}),
    "max_grad_norm": (0.001, {}),
    "bptt_steps": (1, {}),
    "max_iter": (1, {}),
    "shuffle": (False, {"batch_size": 5}),
    "tol": (10.0, {"n_iter_no_change": 1, "max_iter": 5}),
    "n_iter_no_change": (2, {"tol": 10.0, "max_iter": 9}),
    "early_stopping": (True, {"validation_fraction": 0.5}),
    "validation_fraction": (0.25, {"early_stopping": True}),
    "scoring": (  # the last epoch is best
        ever_rising,
        {"early_stopping": True, "max_iter": 9, "learning_rate_init": 0.3},
    ),
    "class_weight": ({0: 2.0, 1: 1.0, 2: 1.0}, {}),
    "dtype": ("float64", {}),
    "random_state": (1, {}),
}


def test_no_parameter_is_left_out():
    seen_elsewhere = {"n_jobs", "verbose", "warm_start"}  # they change no single fit's result
    assert EFFECTS.keys() == RecurrentClassifier().get_params().keys() - seen_elsewhere


@pytest.mark.parametrize("name", EFFECTS)
def test_no_parameter_is_ignored(name):
    value, beside = EFFECTS[name]
    beside = {"validation_fraction": 0.5} | beside
    assert bits(fit("tokens", **beside)) != bits(fit("tokens", **beside | {name: value}))


# ------------------------------------------------------------------------------- refusals

nan, inf = np.nan, np.inf
WRONG = {
    "cell": ["lstmm", "LSTM", "", None, 1],
    "hidden_layer_sizes": [0, -1, (), (3, 0), (3, -1), 2.5, (2.5,), (3, nan), "64", None, True],
    "bidirectional": ["yes", None, 2],
    "pooling": ["first", "ends", None],
    "embeddings": ["glove", 3.0],
    "train_embeddings": ["yes", None, 2],
    "dropout": [-0.1, 1.0, nan, "none", None],
    "recurrent_dropout": [-0.1, 1.0, nan, "none", None],
    "embedding_dropout": [-0.1, 1.0, nan, "auto", None],
    "embedding_dim": [0, -1, 2.5, "auto"],
    "solver": ["lbfgs", None],
    "alpha": [-1e-9, nan, inf, "auto", None],
    "batch_size": [0, -1, 2.5, "all", None],
    "learning_rate": ["fast", 0.1, None],
    "power_t": [-0.1, nan, inf, "auto", None],
    "learning_rate_init": [0.0, -0.1, nan, inf, "adaptive", None],
    "momentum": [-0.1, 1.1, nan, None],
    "nesterovs_momentum": ["yes", None, 2],
    "beta_1": [-0.1, 1.0, nan, None],
    "beta_2": [-0.1, 1.0, nan, None],
    "epsilon": [0.0, -1e-8, nan, inf, None],
    "max_grad_norm": [0.0, -1.0, nan, inf, "auto"],
    "bptt_steps": [0, -1, 2.5, "auto"],
    "max_iter": [0, -1, 2.5, None, inf],
    "shuffle": ["yes", None, 2],
    "tol": [-1e-9, nan, inf, None],
    "n_iter_no_change": [0, -1, 2.5, None],
    "early_stopping": ["yes", None, 2],
    "validation_fraction": [1.0, -0.1, nan, None],
    "scoring": ["best", 1],
    "warm_start": ["yes", None, 2],
    "class_weight": ["balance", 2.0, [1, 2, 3], {0: -1.0, 1: 1.0, 2: 1.0}, {0: nan, 1: 1, 2: 1}],
    "dtype": ["float16", np.float32, None],
    "n_jobs": [0, 1.5, "two"],
    "random_state": ["a", -1, 1.5],
    "verbose": [-1, "yes", None],
}


@pytest.fixture
def no_kernel(monkeypatch):
    """A fitted classifier; from here on, every forward pass fails the test."""
    clf = fit("2d")
    monkeypatch.setattr(Network, "forward", lambda *_: pytest.fail("a kernel was reached"))
    return clf


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_parameters_out_of_range(no_kernel, name, value):
    clf = no_kernel.set_params(**{name: value})
    before = snapshot(clf)
    with pytest.raises(ValueError, match=f"(?s){name}.*{re.escape(repr(value))}"):
        clf.fit(make("2d"), Y)
    assert_as_before(clf, before)


def test_every_parameter_has_its_wrong_values():
    assert WRONG.keys() == RecurrentClassifier().get_params().keys()


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (Y[:-1], rf"inconsistent numbers of samples: \[{N}, {N - 1}\]"),
        (np.linspace(0, 1, N), "continuous"),
        (np.c_[Y, Y], "zeros and ones, one column per label, but"),
        (None, "y"),
        ("yes", r"1d array"),
        (np.where(Y == 1, nan, Y), "y contains NaN"),
        (np.where(Y == 1, inf, Y), "y contains infinity"),
        (np.full(N, inf), "y contains infinity"),
    ],
)
def test_labels_that_are_refused(no_kernel, y, message):
    before = snapshot(no_kernel)
    with pytest.raises(ValueError, match=message):
        no_kernel.fit(make("2d"), y)
    assert_as_before(no_kernel, before)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(N - 1), rf"sample_weight.*\({N - 1},\).*\({N},\)"),
        (np.ones((N, 1)), "[Ss]ample.weight.*1D"),
        (np.arange(N) - 1.0, "Negative values.*sample_weight"),
        (np.zeros(N), "[Ww]eights.*(0|zero)"),
        (np.full(N, nan), "sample_weight contains NaN"),
        (np.full(N, inf), "sample_weight contains infinity"),
    ],
)
def test_weights_that_are_refused(no_kernel, weights, message):
    before = snapshot(no_kernel)
    with pytest.raises(ValueError, match=message):
        no_kernel.fit(make("2d"), Y, weights)
    assert_as_before(no_kernel, before)


# ------------------------------------------------------------------------------ attention


@each_kind
@pytest.mark.parametrize("bidirectional", [False, True])
def test_attention_weights_are_the_shares_in_the_pooled_state(kind, bidirectional):
    """Each sequence has shares for its own steps, which give its pooled state by hand."""
    parameters = {"pooling": "attention", "bidirectional": bidirectional, "dtype": "float64"}
    clf, X = fit(kind, learning_rate_init=0.1, **parameters), make(kind)
    shares = clf.attention_weights(X)
    assert len(shares) == N
    for share, x in zip(shares, X, strict=True):
        T = len(x)
        assert share.shape == (T,)
        assert share.dtype == np.float64
        assert T == 0 or share.sum() == pytest.approx(1, abs=1e-12)
        assert (share > 0).all()
    assert max(np.ptp(share) for share in shares if len(share)) > 1e-3
    for share, seen in zip(shares, clf.trace(X), strict=True):
        states = [seen[name] for name in ("layer0.h", "layer0.reverse.h") if name in seen]
        by_hand = share @ np.concatenate(states, axis=1)
        np.testing.assert_allclose(by_hand, seen["pooled"], rtol=0, atol=1e-14)
    for i in (0, 3):
        np.testing.assert_array_equal(clf.attention_weights(take(X, [i]))[0], shares[i])


def test_attention_learns_nothing_from_a_single_step():
    """Its share is 1 whatever the weights; their gradient is 0, not what rounding leaves."""
    X, fitted = [[1], [2], [3]] * 4, []
    for max_iter in (1, 5):
        clf = make_classifier("tokens", pooling="attention", alpha=0.0, max_iter=max_iter)
        fitted.append(clf.fit(X, Y).parameters_)
    for name in ("attention.W", "attention.b", "attention.v"):
        np.testing.assert_array_equal(fitted[0][name], fitted[1][name])
    assert not np.array_equal(fitted[0]["dense.W"], fitted[1]["dense.W"])


def test_attention_weights_leave_padding_out():
    clf = make_classifier("tokens", pooling="attention").fit([[1, 2, 3], [4, 5]] * 6, Y % 2)
    a, b = clf.attention_weights([[0, 2, 0, 3, 1], [2, 3, 1]])
    assert a.tolist() == b.tolist()


def test_other_poolings_have_no_attention_weights():
    with pytest.raises(AttributeError, match="no attribute 'attention_weights'") as error:
        fit("tokens", pooling="max").attention_weights(make("tokens"))
    assert 'pooling="attention"' in str(error.value.__cause__)
    attentive, maximal = (fit("tokens", pooling=pooling) for pooling in ("attention", "max"))
    for clf in (attentive, RecurrentClassifier(pooling="attention")):
        assert hasattr(clf.set_params(pooling="attention"), "attention_weights")
    for clf in (maximal.set_params(pooling="attention"), RecurrentClassifier()):
        assert not hasattr(clf, "attention_weights")
