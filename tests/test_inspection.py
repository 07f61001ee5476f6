"""Looking inside a fitted model: against the twins, central differences and the predictions."""

import copy
import functools
import inspect
import sys
import warnings

import joblib
import naive
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn.inspection
from gradcheck import central_differences, relative_error
from numba import config
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV
from sklearn.pipeline import Pipeline, make_pipeline

import seqnets
from seqnets import RecurrentClassifier, SequenceVectorizer, attribution, explanation, inspection
from seqnets.attribution import as_vectors
from seqnets.batches import Sequences, make_batch
from seqnets.inputs import read
from seqnets.layers import CELLS
from seqnets.outputs import POOLING_NAMES

# What is learned does not matter in most tests.
pytestmark = [
    pytest.mark.usefixtures("several_blocks"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

LENGTHS = [4, 1, 0, 3, 3, 6, 2, 0, 5, 1, 4, 2, 3, 6, 1, 2, 4, 3, 5]  # two blocks
EXPLAINERS = ["gradient_x_input", "integrated_gradients"]

each_cell = pytest.mark.parametrize("cell", CELLS)
each_kind = pytest.mark.parametrize("kind", ["series", "tokens"])
each_pooling = pytest.mark.parametrize("pooling", POOLING_NAMES)
each_direction = pytest.mark.parametrize(
    "bidirectional", [False, True], ids=["one way", "both ways"]
)
each_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])
each_method = pytest.mark.parametrize("method", EXPLAINERS)


# -------------------------------------------------------------------------------- helpers


def make(kind, lengths=LENGTHS, seed=0):
    """Series of 2 channels whose mean is 3, or ids from 1 to 8."""
    random = np.random.RandomState(seed)
    if kind == "tokens":
        return [random.randint(1, 9, T) for T in lengths]
    return [random.normal(3.0, 2.0, size=(T, 2)) for T in lengths]


@functools.cache
def fitted(cell, kind="series", pooling="last", bidirectional=False, dtype="float64", classes=3):
    """A model of two layers, whose weights are large enough to tell one thing from another."""
    X = make(kind)
    clf = RecurrentClassifier(
        cell,
        (3, 2),
        bidirectional=bidirectional,
        pooling=pooling,
        embedding_dim=3 if kind == "tokens" else None,
        dtype=dtype,
        max_iter=1,
        n_jobs=1,
        random_state=0,
    )
    clf.fit(X, np.array(["a", "b", "c"])[np.arange(len(X)) % classes])
    random = np.random.RandomState(1)
    for W in clf.parameters_.values():
        W += random.normal(scale=0.5, size=W.shape)
    return clf


def inputs(clf, X):
    """Each sequence as the twin takes it: standardized, or rows of the embedding."""
    sequences = read(clf, X)
    return np.split(sequences.values, sequences.offsets[1:-1])


def twins(clf, X):
    """The twin's forward pass over each sequence."""
    parameters = {name: naive.plain(W) for name, W in clf.parameters_.items()}
    for x in inputs(clf, X):
        x, pooling = naive.plain(x), clf.pooling
        if clf.bidirectional and pooling == "last":
            pooling = "ends"
        yield parameters, x, pooling, naive.network_forward(parameters, clf.cell, pooling, x)


def by_name(states, name):
    """The twin's states of a layer as `trace` names them."""
    if "forth" in states:
        back = {key: value[::-1] for key, value in after_each_step(states["back"]).items()}
        pairs = ((name, after_each_step(states["forth"])), (f"{name}.reverse", back))
    else:
        pairs = ((name, after_each_step(states)),)
    return {f"{part}.{key}": value for part, found in pairs for key, value in found.items()}


def after_each_step(states):
    return {key: value[1:] if key in "hc" else value for key, value in states.items()}


def assert_close(actual, expected, tolerance=1e-12):
    expected = np.reshape(expected, np.shape(actual))
    assert np.max(abs(actual - expected), initial=0.0) <= tolerance  # NaN fails too


# ---------------------------------------------------------------------------------- trace


def test_every_gate_has_a_name():
    for cell in CELLS.values():
        assert len(set(cell.gates)) == cell.n_gates


@each_cell
@each_kind
@each_pooling
@each_direction
def test_trace_equals_the_twin(cell, kind, pooling, bidirectional):
    clf, X = fitted(cell, kind, pooling, bidirectional), make(kind)
    for found, (parameters, _, _, twin) in zip(clf.trace(X), twins(clf, X), strict=True):
        expected = {"pooled": twin["pooled"], "logits": twin["logits"]}
        for i, layer in enumerate(twin["layers"]):
            expected |= by_name(layer["states"], f"layer{i}")
        if pooling == "attention":
            states = twin["layers"][-1]["states"]["h"]
            expected["attention"] = naive.attention_shares(parameters, states)[1]
        for name in [name for name in expected if name.endswith(".u")]:
            del expected[name]  # GRU: an intermediate result for n
        assert found.keys() == expected.keys()
        for name, array in found.items():
            assert len(array) == len(expected[name])
            assert_close(array, expected[name])


@each_cell
@each_kind
@each_direction
@each_dtype
def test_trace_holds_what_the_prediction_was_made_of(cell, kind, bidirectional, dtype):
    clf, X = fitted(cell, kind, "last", bidirectional, dtype), make(kind)
    traces = clf.trace(X)
    decision = clf.decision_function(X)
    for i, found in enumerate(traces):
        assert {array.dtype for array in found.values()} == {np.dtype(dtype)}
        np.testing.assert_array_equal(found["logits"], decision[i])
    (alone,) = clf.trace(X[5:6])
    for name, array in alone.items():
        np.testing.assert_array_equal(array, traces[5][name])


def test_traces_are_the_callers_own():
    clf, X = fitted("lstm"), make("series")
    before = clf.predict_proba(X)
    first = clf.trace(X)
    for array in first[0].values():
        array[:] = np.nan
    np.testing.assert_array_equal(clf.predict_proba(X), before)
    assert np.isfinite(clf.trace(X)[0]["layer0.h"]).all()
    assert not any(np.isnan(array).any() for found in first[1:] for array in found.values())


def test_padding_tokens_are_no_steps():
    clf = fitted("gru", "tokens")
    padded, plain = clf.trace([[0, 3, 0, 5, 0], [3, 5]])
    assert len(padded["layer0.h"]) == 2
    for name in plain:
        np.testing.assert_array_equal(padded[name], plain[name])


@each_kind
@each_direction
@each_dtype
def test_attention_in_the_trace_is_that_of_attention_weights(kind, bidirectional, dtype):
    clf, X = fitted("rnn", kind, "attention", bidirectional, dtype), make(kind)
    for i, (found, weights) in enumerate(zip(clf.trace(X), clf.attention_weights(X), strict=True)):
        np.testing.assert_array_equal(found["attention"], weights, strict=True)
        assert weights.dtype == np.float64
        assert len(X[i]) == 0 or weights.sum() == pytest.approx(1, abs=1e-12)


# --------------------------------------------------------------------- staged predictions


@each_cell
@each_kind
@each_pooling
@each_direction
@each_dtype
def test_each_stage_predicts_the_beginnings_bit_by_bit(cell, kind, pooling, bidirectional, dtype):
    if config.DISABLE_JIT and (dtype == "float32" or cell != "gru"):
        pytest.skip("too slow for too little without the compiler")
    clf, X = fitted(cell, kind, pooling, bidirectional, dtype), make(kind)
    stages = list(clf.staged_predict_proba(X))
    assert len(stages) == max(LENGTHS)
    for t, stage in enumerate(stages, 1):
        np.testing.assert_array_equal(stage, clf.predict_proba([x[:t] for x in X]))
    np.testing.assert_array_equal(stages[-1], clf.predict_proba(X))
    assert len({stage.tobytes() for stage in stages}) > 3  # it changes its mind


@pytest.mark.compiled
@each_pooling
@each_dtype
def test_stages_of_long_sequences(pooling, dtype):
    clf, X = fitted("gru", "series", pooling, False, dtype), make("series", [300, 7, 170])
    for t, stage in enumerate(clf.staged_predict_proba(X), 1):
        if t % 50 == 0:
            np.testing.assert_array_equal(stage, clf.predict_proba([x[:t] for x in X]))


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_stages_of_two_classes_and_of_several_labels(n_jobs):
    X = make("series")
    for y in (np.arange(len(X)) % 2, np.tri(3, dtype=int)[np.arange(len(X)) % 3]):
        clf = RecurrentClassifier("rnn", 2, pooling="max", max_iter=1, n_jobs=n_jobs).fit(X, y)
        for t, stage in enumerate(clf.staged_predict_proba(X), 1):
            np.testing.assert_array_equal(stage, clf.predict_proba([x[:t] for x in X]))


def test_stages_of_nothing_but_empty_sequences_are_none():
    clf = fitted("rnn", "tokens")
    assert list(clf.staged_predict_proba([[], []])) == []


def test_a_generator_may_be_left_early_and_its_arrays_be_written_to():
    clf, X = fitted("gru"), make("series")
    stages = clf.staged_predict_proba(X)
    next(stages)[:] = np.nan
    second = next(stages)
    stages.close()
    np.testing.assert_array_equal(second, clf.predict_proba([x[:2] for x in X]))


def test_a_wrong_input_is_refused_before_the_first_stage():
    with pytest.raises(ValueError, match="NaN"):
        fitted("rnn").staged_predict_proba([[[np.nan, 1.0]]])


# --------------------------------------------------------------------------- attributions


def decision_of(clf, X, chosen):
    """The decision function of the class `chosen` for each sequence."""
    decision = clf.decision_function(X)
    if decision.ndim == 1:
        return np.where(chosen == 1, decision, -decision)
    return decision[np.arange(len(decision)), chosen]


def chosen_classes(clf, X, target=None):
    labels = clf.predict(X) if target is None else np.repeat(target, len(X))
    return np.searchsorted(clf.classes_, labels)


@each_cell
@each_kind
@each_pooling
@each_direction
@pytest.mark.parametrize("target", [None, "b"])
def test_gradient_x_input_equals_the_twin(cell, kind, pooling, bidirectional, target):
    clf, X = fitted(cell, kind, pooling, bidirectional), make(kind)
    chosen = chosen_classes(clf, X, target)
    attributions = clf.attributions(X, target=target)
    for i, (parameters, x, pool, twin) in enumerate(twins(clf, X)):
        dlogits = np.eye(3)[chosen[i]].tolist()
        gradients = naive.zeros_like_keys(parameters)
        dx = []
        if x:
            dx = naive.network_backward(parameters, cell, pool, x, twin, dlogits, gradients, {})
        shape = len(x), 3 if kind == "tokens" else 2
        expected = np.reshape(dx, shape) * np.reshape(naive.embed(parameters, x), shape)
        expected = expected.sum(axis=1) if kind == "tokens" else expected
        assert attributions[i].shape == ((len(x),) if kind == "tokens" else (len(x), 2))
        assert_close(attributions[i], expected)


def test_tokens_as_vectors_are_a_batch_of_series():
    tokens = Sequences(np.array([1, 2, 0, 2]), np.array([0, 3, 3, 4]))
    embedding = np.random.RandomState(0).normal(size=(3, 5))
    rows = np.arange(3)
    found = as_vectors({"embedding": embedding}, make_batch(tokens, rows))
    expected = make_batch(Sequences(embedding[tokens.values], tokens.offsets), rows)
    for part, value in zip(found, expected, strict=True):
        np.testing.assert_array_equal(part, value)


@each_cell
@each_direction
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("target", [None, "a", "b"])
def test_gradient_x_input_of_series_by_central_differences(cell, bidirectional, classes, target):
    clf = fitted(cell, "series", "mean", bidirectional, classes=classes)
    X = make("series", [3, 1])
    chosen = chosen_classes(clf, X, target)

    def decision():
        return decision_of(clf, X, chosen).sum()

    arrays = {str(i): x for i, x in enumerate(X)}
    attributions = clf.attributions(X, target=target)
    for name, gradient in central_differences(decision, arrays).items():
        x = arrays[name] - clf.input_mean_  # inputs are measured from the mean
        assert relative_error(attributions[int(name)], x * gradient) < 1e-6


@functools.cache
def learned(cell, kind, pooling):
    """A model that has learned something: the sign of the sum of a channel, or a word."""
    random = np.random.RandomState(0)
    X = make(kind, random.randint(1, 15, 80), seed=2)
    score = [np.sum(x == 3) - 0.5 if kind == "tokens" else np.sum(x[:, 0] - 3) for x in X]
    clf = RecurrentClassifier(
        cell,
        8,
        pooling=pooling,
        embedding_dim=4 if kind == "tokens" else None,
        learning_rate_init=0.02,
        dropout=0.0,
        max_iter=30,
        n_jobs=1,
        random_state=0,
    )
    clf.fit(X, np.greater(score, 0))
    assert clf.score(X, np.greater(score, 0)) > 0.8
    return clf, X


def baseline_of(clf, X):
    """The same model and X where no step says anything: means, or a zero embedding."""
    silent = copy.deepcopy(clf)
    if clf.embedding_dim is None:
        return silent, [np.tile(clf.input_mean_, (len(x), 1)) for x in X]
    silent.parameters_["embedding"][:] = 0
    return silent, X


@pytest.mark.compiled
@each_cell
@each_kind
@each_pooling
def test_integrated_gradients_are_complete(cell, kind, pooling):
    clf, X = learned(cell, kind, pooling)
    chosen = chosen_classes(clf, X)
    silent, X_0 = baseline_of(clf, X)
    change = decision_of(clf, X, chosen) - decision_of(silent, X_0, chosen)
    attributions = clf.attributions(X, "integrated_gradients")
    sizes = np.array([abs(part).sum() for part in attributions])
    missing = abs(np.array([part.sum() for part in attributions]) - change)
    assert (missing <= np.maximum(1e-3 * abs(change), 1.1e-5 * sizes)).all()
    assert np.median(abs(change)) > 0.5


def cliff(height, width):
    """Points of a path on which F rises by 2 * `height`, most of it within `width` of 0.3."""
    path = attribution.Path()

    def add(s):
        z = np.tanh((s - 0.3) / width)
        path.add(s, height * z, np.array([height * (1 - z * z) / width, 0.0]))

    for s in np.linspace(0, 1, 17):
        add(s)
    return path, add


def test_the_integral_finds_a_cliff():
    """A trapezoid rule with 1,024 equal steps may miss it."""
    path, add = cliff(height=4.0, width=1e-6)
    while path.wrong_sum() != (0, 0):
        for s in path.midpoints(is_settled=True):
            add(s)
    assert len(path.s) < 150
    np.testing.assert_allclose(path.integral(), [8, 0], rtol=attribution.TOLERANCE)


def test_an_integral_has_no_more_steps_than_it_may(monkeypatch):
    path = attribution.Path()
    for s in np.linspace(0, 1, 17):  # a wave, of which every step misses something
        path.add(s, np.sin(200 * s), np.array([200 * np.cos(200 * s)]))
    wanted = path.midpoints(is_settled=True)
    assert wanted.size > 4
    monkeypatch.setattr(attribution, "MAX_STEPS", 20)
    np.testing.assert_array_equal(path.midpoints(is_settled=True), wanted[:4])
    _, missing = path._steps()
    assert abs(missing)[np.searchsorted(path.s, wanted[0]) - 1] == abs(missing).max()
    monkeypatch.setattr(attribution, "MAX_STEPS", 16)
    assert path.midpoints(is_settled=True).size == 0


def test_an_even_slope_needs_no_more_points():
    """Every second one would have given the same."""
    path = attribution.Path()
    for s in np.linspace(0, 1, 17):
        path.add(s, s**2, np.array([2 * s]))
    assert path.is_settled()


def test_steps_whose_gradients_cancel_are_halved_too():
    """One input takes what the other gives, where no step shows it: F rises evenly."""
    path = attribution.Path()

    def add(s):
        bump = np.exp(-0.5 * ((s - 0.3) / 0.02) ** 2) / 0.02 / np.sqrt(2 * np.pi)
        path.add(s, s, np.array([2 * bump, 1 - 2 * bump]))

    for s in np.linspace(0, 1, 17):
        add(s)
    assert path.wrong_sum() == (0, 0)
    while not path.is_settled():
        for s in path.midpoints(is_settled=False):
            add(s)
    assert len(path.s) < 80
    np.testing.assert_allclose(path.integral(), [2, -1], atol=0.04)


def test_doubts_are_told(monkeypatch):
    clf, X = fitted("gru"), make("series")
    monkeypatch.setattr(attribution, "CHANGE", 0.0)
    monkeypatch.setattr(attribution, "MAX_STEPS", 20)
    monkeypatch.setattr(attribution, "TOLERANCE", 1.0)
    with pytest.warns(ConvergenceWarning, match="Single attributions of sequence 0 may be off"):
        clf.attributions(X[:1], "integrated_gradients")


def test_an_integral_has_the_steps_asked_for(monkeypatch):
    seen, add = [], attribution.Path.add
    monkeypatch.setattr(
        attribution.Path, "add", lambda path, s, F, dF: (seen.append(s), add(path, s, F, dF))
    )
    clf, X = fitted("lstm", "series"), make("series")
    clf.attributions(X[:1], "integrated_gradients", n_steps=4)
    assert sorted(seen) == [0, 0.25, 0.5, 0.75, 1]


def test_an_integral_begins_with_16_steps(monkeypatch):
    """If these are enough, there are no others."""
    seen, add = [], attribution.Path.add
    monkeypatch.setattr(
        attribution.Path, "add", lambda path, s, F, dF: (seen.append(s), add(path, s, F, dF))
    )
    monkeypatch.setattr(attribution, "TOLERANCE", np.inf)
    monkeypatch.setattr(attribution, "CHANGE", np.inf)
    fitted("lstm", "series").attributions(make("series")[:1], "integrated_gradients")
    assert sorted(seen) == np.linspace(0, 1, 17).tolist()


def test_an_integral_that_misses_its_sum_warns(monkeypatch):
    monkeypatch.setattr(attribution, "MAX_STEPS", 17)
    monkeypatch.setattr(attribution, "TOLERANCE", 0)
    monkeypatch.setattr(attribution, "ROUNDING", 0)
    clf, X = fitted("lstm", "series"), make("series")
    with pytest.warns(ConvergenceWarning, match=r"sequence \d sum to .*, not to F\(x\) - F\(0\)"):
        clf.attributions(X, "integrated_gradients")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf.attributions(X, "integrated_gradients", n_steps=16)  # as many as asked for


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_integral_that_is_no_number_ends(value):
    clf, X = copy.deepcopy(fitted("lstm", "series")), make("series")
    clf.parameters_["dense.W"][0] = value
    with pytest.warns(ConvergenceWarning, match="sum to nan"):
        assert not np.isfinite(clf.attributions(X, "integrated_gradients")[0]).any()


def test_a_jump_is_not_halved_for_ever():
    path = attribution.Path()
    while midpoints := path.midpoints(is_settled=True).tolist() if path.s else [0.0, 1.0]:
        for s in midpoints:
            path.add(s, float(s > 0.3), np.zeros(2))
    assert len(path.s) < 40
    assert path.wrong_sum() == (0, 1)


@pytest.mark.compiled
@each_cell
@each_pooling
def test_integrated_gradients_are_the_integral(cell, pooling):
    """Gradients times inputs at points on the path, each divided by its place on the path."""
    clf, X = learned(cell, "series", pooling)
    X = X[:5]
    middle = clf.input_mean_
    integral = [np.zeros(x.shape) for x in X]
    points = (np.arange(300) + 0.5) / 300
    for s in points:
        parts = clf.attributions([middle + s * (x - middle) for x in X], target=True)
        for total, part in zip(integral, parts, strict=True):
            total += part / s / points.size
    found = clf.attributions(X, "integrated_gradients", target=True, n_steps=200)
    for part, expected in zip(found, integral, strict=True):
        assert_close(part, expected, 3e-3 * abs(expected).sum())
    found = clf.attributions(X, "integrated_gradients", target=True)
    for part, expected in zip(found, integral, strict=True):
        assert_close(part, expected, 0.07 * abs(expected).max())


@each_method
def test_a_word_that_stands_twice_has_two_attributions(method):
    clf = fitted("lstm", "tokens")
    (attribution,) = clf.attributions([[4, 4, 4]], method)
    assert len(set(attribution)) == 3


@each_method
def test_of_two_classes_one_speaks_against_the_other(method):
    clf, X = fitted("gru", classes=2), make("series")
    against, for_it = (clf.attributions(X, method, target) for target in clf.classes_)
    predicted = clf.attributions(X, method)
    for i, label in enumerate(clf.predict(X)):
        np.testing.assert_array_equal(against[i], -for_it[i])
        np.testing.assert_array_equal(predicted[i], (against if label == "a" else for_it)[i])


@each_method
def test_a_target_may_be_a_date(method):
    X, y = np.eye(4), np.array(["2020-01-01", "2020-01-02"] * 2, dtype="datetime64[ns]")
    clf = RecurrentClassifier("rnn", 2, max_iter=1, random_state=0).fit(X, y)
    for number, target in enumerate(y[:2]):
        expected = copy.deepcopy(clf)
        expected.classes_ = np.arange(2)
        found, other = clf.attributions(X, method, target), expected.attributions(X, method, number)
        np.testing.assert_array_equal(np.concatenate(found), np.concatenate(other))
    with pytest.raises(ValueError, match=r"target=\['2020.* is not among the classes"):
        clf.attributions(X, method, ["2020-01-01"])


@each_method
def test_several_labels_need_a_target(method):
    X = make("series")
    y = np.tri(3, dtype=int)[np.arange(len(X)) % 3]
    clf = RecurrentClassifier("rnn", 2, max_iter=1, n_jobs=1, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="give the target"):
        clf.attributions(X, method)
    assert not np.array_equal(
        clf.attributions(X, method, 0)[0], clf.attributions(X, method, 2)[0]
    )  # fmt: skip


def test_each_of_two_labels_has_its_own_decision():
    X = make("series")
    y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])[np.arange(len(X)) % 4]
    clf = RecurrentClassifier("rnn", 2, max_iter=1, n_jobs=1, random_state=0).fit(X, y)
    silent, X_0 = baseline_of(clf, X)
    changes = clf.decision_function(X) - silent.decision_function(X_0)
    for label in (0, 1):
        found = [part.sum() for part in clf.attributions(X, "integrated_gradients", label)]
        np.testing.assert_allclose(found, changes[:, label], atol=1e-3)


@pytest.mark.compiled
@each_method
@each_kind
@each_dtype
def test_attributions_do_not_depend_on_company(method, kind, dtype):
    clf, X = fitted("gru", kind, "mean", True, dtype), make(kind)
    together = clf.attributions(X, method)
    alone = [clf.attributions([x], method)[0] for x in X if len(x)]
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    for part, expected in zip(alone, [a for a in together if len(a)], strict=True):
        assert part.dtype == np.float64
        assert_close(part, expected, tolerance)


# -------------------------------------------------------------------------- gradient flow


@each_cell
@each_kind
@each_pooling
@each_direction
def test_gradient_flow_equals_the_twin(cell, kind, pooling, bidirectional, monkeypatch):
    clf, X = fitted(cell, kind, pooling, bidirectional), make(kind)
    labels = np.array(["c", "a", "b"])[np.arange(len(X)) % 3]
    seen = []
    backward = naive.CELLS[cell].backward

    def recorded(x, p, states, dh):
        gradients = backward(x, p, states, dh)
        seen.append(np.linalg.norm(gradients["h"], axis=1))
        return gradients

    monkeypatch.setitem(naive.CELLS, cell, naive.CELLS[cell]._replace(backward=recorded))
    flows = clf.gradient_flow(X, labels)
    names = ["layer1.h", "layer1.reverse.h", "layer0.h", "layer0.reverse.h"]
    names = names if bidirectional else names[::2]
    for i, (parameters, x, pool, twin) in enumerate(twins(clf, X)):
        seen.clear()
        target = (clf.classes_ == labels[i]).astype(float).tolist()
        _, dlogits = naive.softmax_loss(twin["logits"], target)
        gradients = naive.zeros_like_keys(parameters)
        assert flows[i].keys() == set(names)
        if not x:
            assert all(norms.size == 0 for norms in flows[i].values())
            continue
        naive.network_backward(parameters, cell, pool, x, twin, dlogits, gradients, {})
        for name, norms in zip(names, seen, strict=True):
            assert_close(flows[i][name], norms[::-1] if ".reverse" in name else norms)


# ---------------------------------------------------------------- permutation importance


def recording(seen):
    def scorer(estimator, X, y):
        seen.append([np.array(x) for x in X])
        return estimator.score(X, y)

    return scorer


@each_kind
def test_a_step_is_shuffled_among_those_that_have_it(kind):
    clf, X, seen = fitted("rnn", kind), make(kind, [*LENGTHS, 9]), []
    y = clf.predict(X)
    result = inspection.permutation_importance(
        clf, X, y, scoring=recording(seen), n_repeats=3, random_state=0
    )
    assert result.importances.shape == (9, 3)
    whole, *shuffled = seen
    assert len(shuffled) == 3 * 6  # later steps are in a single sequence
    assert not result.importances[6:].any()
    last_steps_moved = 0
    for number, others in enumerate(shuffled):
        t = number // 3
        has = [i for i, x in enumerate(X) if len(x) > t]
        for i, x in enumerate(whole):
            rest = np.arange(len(x)) != t
            np.testing.assert_array_equal(others[i][rest], x[rest])
            last_steps_moved += len(x) == t + 1 and (others[i][t] != x[t]).any()
        before, after = (sorted(x[i][t].tolist() for i in has) for x in (whole, others))
        assert before == after
        assert 1 - result.importances[t, number % 3] == pytest.approx(clf.score(others, y))
    assert last_steps_moved > 0
    np.testing.assert_allclose(result.importances_mean, result.importances.mean(axis=1))
    np.testing.assert_allclose(result.importances_std, result.importances.std(axis=1))
    assert result.importances_mean[0] > 0


def test_steps_of_a_single_sequence_have_no_importance():
    clf, seen = fitted("rnn"), []
    X = [x for x in make("series") if len(x) > 1][:1]
    result = inspection.permutation_importance(clf, X, clf.predict(X), scoring=recording(seen))
    assert len(seen) == 1
    assert result.importances.tolist() == [[0.0] * 5] * len(X[0])


def test_channels_are_taken_without_a_loop_over_sequences():
    def n_calls(n):
        sequences, calls = Sequences(np.ones((2 * n, 1)), 2 * np.arange(n + 1)), []
        sys.setprofile(lambda *call: calls.append(call))
        explanation.channel_shuffled(sequences, 0, np.random.RandomState(0))
        sys.setprofile(None)
        return len(calls)

    assert n_calls(100) == n_calls(10)


def test_a_channel_is_another_sequences_stretched_to_fit():
    clf, X, seen = fitted("rnn"), make("series"), []
    inspection.permutation_importance(
        clf, X, clf.predict(X), by="channel", scoring=recording(seen), n_repeats=1, random_state=0
    )
    whole, *shuffled = seen
    assert len(shuffled) == 2
    for channel, others in enumerate(shuffled):
        givers = [donors(whole, x[:, channel], channel) for x in others if len(x)]
        assert all(givers)
        assert set().union(*givers) == {i for i, x in enumerate(X) if len(x)}
        for x, before in zip(others, whole, strict=True):
            np.testing.assert_array_equal(x[:, 1 - channel], before[:, 1 - channel])
        assert any(not np.array_equal(x, before) for x, before in zip(others, whole, strict=True))


def donors(whole, column, channel):
    T = len(column)
    found = set()
    for i, x in enumerate(whole):
        taken = [t * len(x) // T for t in range(T)]
        if len(x) and np.array_equal(x[taken, channel], column):
            found.add(i)
    return found


def test_a_channel_that_is_not_read_has_no_importance():
    clf, X = copy.deepcopy(fitted("gru")), make("series")
    clf.parameters_["layer0.W_x"][1] = 0
    clf.parameters_["layer0.W_x"][0] *= 5
    result = inspection.permutation_importance(
        clf, X, clf.predict(X), by="channel", scoring="balanced_accuracy", random_state=0
    )
    assert result.importances[0].max() > 0
    assert not result.importances[1].any()


@pytest.mark.parametrize("given", [{}, {"scoring": "neg_log_loss", "n_repeats": 2}], ids=str)
def test_of_a_table_it_is_scikit_learns(given):
    X = np.random.RandomState(0).normal(size=(12, 3))
    y = (X[:, 0] > 0).astype(int)
    clf = RecurrentClassifier("rnn", 3, max_iter=1, n_jobs=1, random_state=0).fit(X, y)
    ours = inspection.permutation_importance(clf, X, y, random_state=3, **given)
    theirs = sklearn.inspection.permutation_importance(clf, X, y, random_state=3, **given)
    np.testing.assert_array_equal(ours.importances, theirs.importances)
    for library in (pd.DataFrame, pl.DataFrame):
        frame = library({name: X[:, i] for i, name in enumerate("abc")})
        named = copy.deepcopy(clf).fit(frame, y)
        found = inspection.permutation_importance(named, frame, y, random_state=3, **given)
        np.testing.assert_array_equal(found.importances, theirs.importances)
        with pytest.raises(ValueError, match="feature names should match"):
            inspection.permutation_importance(named, frame[["c", "b", "a"]], y)
    named = copy.deepcopy(clf).fit(frame := pd.DataFrame(X, columns=["a", "b", "c"]), y)
    given["scoring"] = lambda clf, X, y: clf.score(
        X[["a", "b", "c"]], y
    )  # as scikit-learn gives it
    assert inspection.permutation_importance(named, frame, y, **given).importances.any()


@pytest.mark.parametrize("form", [list, np.array], ids=["ragged", "2d"])
def test_importances_are_of_one_scorer(form):
    X, y = form([[0.0, 1.0], [1.0, 0.0]]), [0, 1]
    X = [x[: 1 + i] for i, x in enumerate(X)] if form is list else X
    clf = RecurrentClassifier("rnn", 3, max_iter=1, n_jobs=1, random_state=0).fit(X, y)
    with pytest.raises(TypeError, match="holds several scorers: give one"):
        inspection.permutation_importance(clf, X, y, scoring=["accuracy", "f1"])


def test_of_data_frames_it_is_that_of_their_arrays():
    clf, X = fitted("rnn"), make("series")
    frames = [pd.DataFrame(x, columns=["left", "right"]) for x in X]
    named, y = copy.deepcopy(clf).fit(frames, clf.predict(X)), clf.predict(X)
    found = inspection.permutation_importance(named, frames, y, random_state=3)
    expected = inspection.permutation_importance(copy.deepcopy(clf).fit(X, y), X, y, random_state=3)
    np.testing.assert_array_equal(found.importances, expected.importances)
    assert named.feature_names_in_.tolist() == ["left", "right"]


def test_importances_repeat_with_the_same_random_state():
    clf, X = fitted("rnn"), make("series")
    first, second, other = (
        inspection.permutation_importance(clf, X, clf.predict(X), random_state=seed).importances
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


# ------------------------------------------------------------------------------ pipelines


TEXTS = ["not good , but not bad either", "good", "", "bad , bad , bad", "either way it is good"]
LABELS = ["yes", "yes", "no", "no", "yes"]


@functools.cache
def text_model():
    clf = RecurrentClassifier("lstm", 3, embedding_dim=2, max_iter=1, n_jobs=1, random_state=0)
    return make_pipeline(SequenceVectorizer(), clf).fit(TEXTS, LABELS)


def equal(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[name], b[name]) for name in a)
    if isinstance(a, np.ndarray) and a.dtype != object:
        return np.array_equal(a, b)
    return all(equal(x, y) for x, y in zip(a, b, strict=True))


FUNCTIONS = {
    "trace": (),
    "staged_predict_proba": (),
    "attributions": ("integrated_gradients", "no", 20),
    "gradient_flow": (LABELS,),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_functions_take_pipelines(name, depth):
    model, arguments = text_model(), FUNCTIONS[name]
    expected = getattr(model[-1], name)(model[0].transform(TEXTS), *arguments)
    X = TEXTS
    if depth == 0:
        model, X = model[-1], model[0].transform(TEXTS)
    elif depth == 2:
        model = Pipeline([("inner", Pipeline([("nothing", "passthrough"), ("texts", model)]))])
    found = getattr(inspection, name)(model, X, *arguments)
    assert equal(list(found), list(expected))


def test_steps_that_only_resample_for_fit_are_passed_over():
    """As in a pipeline of imbalanced-learn, whose predictions leave them out."""

    class Sampler:
        def fit_resample(self, X, y):
            raise AssertionError("nothing is to be resampled")

    vectorizer, clf = (step for _, step in text_model().steps)
    model = make_pipeline(vectorizer, clf)
    model.steps.insert(1, ("balanced", Sampler()))
    assert inspection.words(model, TEXTS) == inspection.words(text_model(), TEXTS)
    assert equal(inspection.trace(model, TEXTS), inspection.trace(text_model(), TEXTS))
    for wrong in ([model.steps[1]], [*model.steps, ("last", Sampler())]):
        with pytest.raises(TypeError, match="not Sampler"):
            inspection.words(Pipeline(wrong), TEXTS)


def test_frozen_estimators_are_as_those_in_them():
    model = text_model()
    steps = make_pipeline(*(FrozenEstimator(step) for _, step in model.steps))
    twice = make_pipeline(*(FrozenEstimator(FrozenEstimator(step)) for _, step in model.steps))
    expected = inspection.trace(model, TEXTS)
    for frozen in (FrozenEstimator(model), steps, FrozenEstimator(steps), twice):
        assert inspection.words(frozen, TEXTS) == inspection.words(model, TEXTS)
        assert equal(inspection.trace(frozen, TEXTS), expected)
    with pytest.raises(TypeError, match="not LogisticRegression"):
        inspection.trace(FrozenEstimator(LogisticRegression()), TEXTS)


def test_functions_and_methods_have_the_same_parameters():
    for name in FUNCTIONS:
        function = inspect.signature(getattr(inspection, name))
        method = inspect.signature(getattr(RecurrentClassifier, name))
        ours, theirs = (list(s.parameters.values())[1:] for s in (function, method))
        assert ours == theirs
        assert function.return_annotation == method.return_annotation
    assert seqnets.trace is inspection.trace


def test_importance_of_the_words_of_texts():
    model = text_model()
    result = inspection.permutation_importance(model, TEXTS, LABELS, random_state=0)
    X = model[0].transform(TEXTS)
    expected = inspection.permutation_importance(model[-1], X, LABELS, random_state=0)
    np.testing.assert_array_equal(result.importances, expected.importances)
    assert len(result.importances) == max(map(len, X))


# --------------------------------------------------------------------- what is left alone


@each_kind
def test_the_model_stays_as_it_is(kind):
    clf, X = copy.deepcopy(fitted("lstm", kind, "attention", True)), make(kind)
    before = joblib.hash(clf.__dict__)
    y = clf.predict(X)
    clf.trace(X)
    list(clf.staged_predict_proba(X))
    clf.attributions(X), clf.attributions(X, "integrated_gradients", n_steps=2)
    clf.gradient_flow(X, y)
    inspection.permutation_importance(clf, X, y, n_repeats=1)
    assert joblib.hash(clf.__dict__) == before


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda clf, X: clf.attributions(X, "saliency"), "method='saliency'.*gradient_x_input"),
        (lambda clf, X: clf.attributions(X, target="d"), "target='d'.*'a' 'b' 'c'"),
        (lambda clf, X: clf.attributions(X, "integrated_gradients", n_steps=0), "n_steps == 0"),
        (lambda clf, X: clf.attributions(X, n_steps=4), 'n_steps=4 is for method="integrated'),
        (lambda clf, X: clf.gradient_flow(X, ["a"]), "inconsistent numbers of samples"),
        (lambda clf, X: clf.gradient_flow(X[:1], ["d"]), "'d'.*not among the classes"),
        (lambda clf, X: clf.gradient_flow(X[:2], np.eye(2)), "several labels per sequence"),
        (lambda clf, X: clf.trace([[[1.0]]]), "1 features.*expecting 2"),
        (lambda clf, X: clf.attributions([[[1.0, np.inf]]]), "inf at step 0"),
        (
            lambda clf, X: inspection.permutation_importance(clf, X, ["a"] * 19, by="word"),
            "by='word'.*step.*channel",
        ),
        (
            lambda clf, X: inspection.permutation_importance(clf, X, ["a"] * 19, n_repeats=0),
            "n_repeats == 0",
        ),
    ],
)
def test_bad_input_is_one_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call(fitted("rnn"), make("series"))


def test_a_table_has_one_channel():
    X, y = [[1.0, 2.0], [3.0, 4.0]], [0, 1]
    clf = RecurrentClassifier("rnn", 1, max_iter=1, n_jobs=1).fit(X, y)
    with pytest.raises(ValueError, match="one channel"):
        inspection.permutation_importance(clf, X, y, by="channel")


def test_tokens_have_no_channels():
    clf, X = fitted("gru", kind="tokens"), make("tokens")
    with pytest.raises(ValueError, match="Tokens have no channels"):
        inspection.permutation_importance(clf, X, np.arange(len(X)) % 3, by="channel")


def test_what_is_not_fitted_or_not_ours_is_refused():
    for name, arguments in FUNCTIONS.items():
        with pytest.raises(NotFittedError):
            getattr(inspection, name)(RecurrentClassifier(), [[1.0]], *arguments)
        with pytest.raises(TypeError, match="RecurrentClassifier.*not LogisticRegression"):
            getattr(inspection, name)(LogisticRegression(), [[1.0]], *arguments)
        search = GridSearchCV(LogisticRegression(), {"C": [1]}, cv=2)
        search.fit([[0], [1], [2], [3]], [0, 1, 0, 1])
        with pytest.raises(TypeError, match="not GridSearchCV; pass its best_estimator_"):
            getattr(inspection, name)(search, [[1.0]], *arguments)
        tuned = TunedThresholdClassifierCV(LogisticRegression(), cv=2)
        tuned.fit([[0], [1], [2], [3]], [0, 1, 0, 1])
        with pytest.raises(TypeError, match="Classifier.*; pass its estimator_"):
            getattr(inspection, name)(tuned, [[1.0]], *arguments)
    with pytest.raises(NotFittedError):
        inspection.permutation_importance(RecurrentClassifier(), [[1.0]], [0])
