"""Weights set by hand, extreme numbers, threads and forks: an error, or the right result."""

from __future__ import annotations

import contextlib
import copy
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pandas as pd
import pytest
from helpers import assert_same_weights
from naive import CELLS

import seqnets
from seqnets import RecurrentClassifier, SequenceScaler, inspection
from seqnets.estimators import is_learned
from seqnets.outputs import POOLING_NAMES

pytestmark = [
    pytest.mark.usefixtures("several_blocks"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

each_cell = pytest.mark.parametrize("cell", CELLS)
each_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])
Y = np.arange(12) % 3


def make(scale=1.0):
    return scale * np.random.RandomState(0).normal(size=(12, 5, 2))


def fit(X=None, y=Y, **parameters):
    given = {"hidden_layer_sizes": 4, "max_iter": 2, "random_state": 0} | parameters
    return RecurrentClassifier(**given).fit(make() if X is None else X, y)


# ------------------------------------------------------------------- weights set by hand

WRONG = {
    "another shape": lambda W: W[:, :-1].copy(),
    "another type": lambda W: W.astype(np.float32),
    "Fortran's order": np.asfortranarray,
    "a view": lambda W: np.repeat(W, 2, axis=1)[:, ::2],
    "a list": lambda W: W.tolist(),
    "missing": None,
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize(
    "method", ["predict", "decision_function", "trace", "attributions", "staged_predict_proba"]
)
def test_weights_that_a_kernel_could_not_index(wrong, method):
    clf, name = fit(), "layer0.W_h"
    if WRONG[wrong] is None:
        del clf.parameters_[name]
    else:
        clf.parameters_[name] = WRONG[wrong](clf.parameters_[name])
    with pytest.raises(ValueError, match=r"parameters_.*layer0\.W_h"):
        list(getattr(clf, method)(make()))


@pytest.mark.parametrize("wrong", WRONG)
def test_training_does_not_go_on_from_them(wrong):
    clf, name = fit(warm_start=True), "dense.W"
    if WRONG[wrong] is None:
        del clf.parameters_[name]
    else:
        clf.parameters_[name] = WRONG[wrong](clf.parameters_[name])
    for go_on in (clf.fit, clf.partial_fit):
        with pytest.raises(ValueError, match=r"parameters_.*dense\.W"):
            go_on(make(), Y)


OTHERS_WRONG = [
    ("classes_", np.arange(2)),
    ("classes_", np.arange(0)),
    ("classes_", np.arange(4)),
    ("classes_", [0, 1, 2]),
    ("classes_", np.arange(3)[:, np.newaxis]),
    ("out_activation_", "logits"),
    ("input_scale_", np.zeros(2)),
    ("input_scale_", np.array([1.0, np.nan])),
    ("input_scale_", np.ones(2, np.float32)),
    ("input_scale_", [1.0, 1.0]),
    ("input_scale_", np.ma.array([1.0, 1.0])),
    ("input_mean_", np.zeros(3)),
    ("input_mean_", np.zeros((1, 2))),
    ("input_mean_", np.array([0.0, -np.inf])),
    ("input_mean_", None),
]


@pytest.mark.parametrize(("name", "value"), OTHERS_WRONG)
@pytest.mark.parametrize(
    "method", ["predict", "attributions", "staged_predict_proba", "gradient_flow", "partial_fit"]
)
def test_other_attributes_that_do_not_fit_the_network(name, value, method):
    clf = fit()
    setattr(clf, name, value)
    with pytest.raises(ValueError, match=rf"{name}="):
        list(getattr(clf, method)(make(), *[Y] * (method in ("gradient_flow", "partial_fit"))))


def test_a_scorer_puts_no_weights_in():
    """Nor does it remove anything that training needs."""

    def scorer(clf, X, y):
        clf.parameters_["layer0.W_h"] = np.zeros((1, 1))
        return 0.5

    X, y = make(), np.arange(len(make())) % 3
    settings = {"early_stopping": True, "validation_fraction": 0.4, "max_iter": 3}
    found, expected = (
        RecurrentClassifier("gru", 3, random_state=0, scoring=scoring, **settings).fit(X, y)
        for scoring in (scorer, lambda *_: 0.5)
    )
    assert_same_weights(found, expected)


def test_embeddings_that_shrink_meanwhile():
    """They are read at the beginning, and again when they are copied."""
    embeddings = [[0.0, 1.0]] * 50

    class Texts(list):
        def __iter__(self):
            del embeddings[5:]
            return super().__iter__()

    clf = RecurrentClassifier("gru", 3, embedding_dim=2, embeddings=embeddings, tol=10.0)
    with pytest.raises(ValueError, match=r"parameters_\['embedding'\] is float32 \(4, 2\)"):
        clf.fit(Texts([[2, 49], [3], [4], [30, 3, 1]]), [0, 1, 0, 1])


def test_what_is_set_while_a_fit_runs_stays():
    def scorer(*_):
        clf.note = "mine"
        clf.set_params(n_jobs=2)
        return 0.5

    clf = RecurrentClassifier("rnn", 2, early_stopping=True, validation_fraction=0.4, max_iter=1)
    clf.set_params(scoring=scorer, n_jobs=1).fit(make(), np.arange(len(make())) % 3)
    assert (clf.note, clf.n_jobs, clf.n_iter_) == ("mine", 2, 1)


def test_a_fit_within_another_s_time_leaves_no_mixture():
    """The whole model is that of the fit that ends last, whichever attributes both have set."""
    tokens, y = [[2, 3], [3], [2, 4], [4, 3]] * 6, [0, 1, 0, 1] * 6

    def scorer(*_):
        if not hasattr(clf, "classes_"):
            other = RecurrentClassifier("rnn", 2, max_iter=1, random_state=0)
            clf.__dict__ |= {
                k: v for k, v in vars(other.fit(np.eye(6), [0, 1, 2] * 2)).items() if is_learned(k)
            }
        return 0.5

    settings = {"embedding_dim": 2, "early_stopping": True, "validation_fraction": 0.3}
    clf = RecurrentClassifier("rnn", 2, max_iter=1, random_state=0, **settings)
    clf.set_params(scoring=scorer).fit(tokens, y)
    alone = RecurrentClassifier("rnn", 2, max_iter=1, random_state=0, **settings)
    alone.set_params(scoring=lambda *_: 0.5).fit(tokens, y)
    assert {*vars(clf)} == {*vars(alone)}
    np.testing.assert_array_equal(clf.predict_proba(tokens), alone.predict_proba(tokens))


def test_two_outputs_are_not_of_two_classes(tmp_path):
    """Two classes have one output and one column of targets; softmax would read a second one."""
    X, labels = np.eye(4), np.array([[0, 1], [1, 0], [1, 1], [0, 0]])
    clf = RecurrentClassifier("rnn", 2, max_iter=1).fit(X, labels)
    clf.out_activation_ = "softmax"
    calls = [
        lambda: clf.predict(X),
        lambda: clf.gradient_flow(X, [0, 1, 0, 1]),
        lambda: clf.partial_fit(X, [0, 1, 0, 1]),
        lambda: seqnets.save(clf, tmp_path / "model"),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="out_activation_='softmax' don't fit"):
            call()


def test_predictions_go_by_the_outputs():
    """Even so near to a tie that both probabilities round to one half."""
    clf = RecurrentClassifier("rnn", 2, max_iter=1).fit(np.eye(4), [0, 1, 0, 1])
    clf.parameters_["dense.W"][:] = 0
    for b, label in ((1e-17, 1), (0.0, 0), (-1e-17, 0)):
        clf.parameters_["dense.b"][:] = b
        assert clf.predict(np.eye(4)).tolist() == [label] * 4


@pytest.mark.parametrize(
    ("y", "outputs", "predicted"),
    [
        (["a", "b", "c", "b"], [0.5, 0.5, 0.5], "a"),
        (["a", "b", "c", "b"], [-1.0, 0.5, 0.5], "b"),
        ([[0, 1, 1]] * 4, [0.0, 1e-17, -1e-17], [0, 1, 0]),
    ],
)
def test_of_equal_outputs_the_first_counts_and_no_label_of_0(y, outputs, predicted):
    clf = RecurrentClassifier("rnn", 2, max_iter=1).fit(np.eye(4), y)
    clf.parameters_["dense.W"][:] = 0
    clf.parameters_["dense.b"][:] = outputs
    assert clf.predict(np.eye(4)).tolist() == [predicted] * 4


@pytest.mark.parametrize(
    "parameters",
    [
        {"max_iter": np.int8(2), "learning_rate": "cosine", "batch_size": 1},
        {"bptt_steps": np.int8(2)},
        {"embedding_dim": np.uint8(100)},
        {"learning_rate": "invscaling", "power_t": 1e3},
    ],
    ids=str,
)
def test_small_numpy_integers_and_large_powers(parameters):
    X, y = [[2, 3, 4], [3, 5], [2], [4, 4, 5]] * 40, [0, 1, 0, 1] * 40
    plain = {k: v.item() if isinstance(v, np.generic) else v for k, v in parameters.items()}
    a, b = (
        RecurrentClassifier("rnn", 2, random_state=0, **{"max_iter": 2} | p).fit(X, y)
        for p in (parameters, plain)
    )
    assert a.loss_curve_ == b.loss_curve_


@pytest.mark.parametrize("weights", [[1e300, 1e-30, 1e-30], [4e306] * 3])
def test_extreme_weights_leave_everything_finite(weights):
    X = [np.zeros((0, 2)), np.array([[1.0, 2.0]]), np.array([[3.0, 1.0]])]
    clf = RecurrentClassifier("rnn", 2, max_iter=2).fit(X, [0, 1, 2], sample_weight=weights)
    assert np.isfinite(clf.loss_curve_).all()
    assert np.isfinite(clf.input_scale_).all()


@pytest.mark.parametrize(
    "ids", [np.arange(2, 9), np.array([2.0, 3.0]), [2, 3], None, np.array([3, 2]), np.arange(2)]
)
@pytest.mark.parametrize("method", ["predict", "attributions", "partial_fit"])
def test_other_token_ids(ids, method):
    X, y = [[2, 3], [3], [2], [3, 2]], [0, 1, 0, 1]
    clf = RecurrentClassifier("gru", 3, embedding_dim=2, tol=10.0).fit(X, y)
    assert clf.token_ids_.tolist() == [2, 3]
    clf.token_ids_ = ids
    with pytest.raises(ValueError, match="token_ids_="):
        getattr(clf, method)(X, *[y] * (method == "partial_fit"))


@pytest.mark.parametrize("method", ["predict", "trace", "partial_fit"])
@pytest.mark.parametrize("n", [1, 3])
def test_another_number_of_features(method, n):
    """A single channel would be used for all of the network's; a third one would be left out."""
    clf, X = fit(), [x[:, :1].repeat(n, axis=1) for x in make()]
    clf.n_features_in_ = n
    with pytest.raises(ValueError, match=f"n_features_in_={n}, but the network reads 2 features"):
        getattr(clf, method)(X, *[Y] * (method == "partial_fit"))


@pytest.mark.parametrize("method", ["predict", "attributions", "gradient_flow"])
def test_another_number_of_outputs(method):
    clf = fit()
    clf.n_outputs_ = 2
    with pytest.raises(ValueError, match="n_outputs_=2, but the network has 3"):
        getattr(clf, method)(make(), *[Y] * (method == "gradient_flow"))


def test_labels_may_have_other_names():
    clf = fit()
    clf.classes_ = np.array(["z", "y", "x"])
    assert clf.predict(make()).tolist() == ["zyx"[k] for k in fit().predict(make())]
    named = np.array(["zyx"[k] for k in Y])
    for here, there in zip(
        clf.gradient_flow(make(), named), fit().gradient_flow(make(), Y), strict=True
    ):
        np.testing.assert_array_equal(here["layer0.h"], there["layer0.h"])


def test_weights_that_are_set_between_the_question_and_the_first_answer():
    clf = fit()
    expected, stages = next(clf.staged_predict_proba(make())), clf.staged_predict_proba(make())
    clf.parameters_["dense.W"] = -clf.parameters_["dense.W"]
    np.testing.assert_array_equal(next(stages), expected)


def test_one_model_s_nan_is_not_another_s():
    """Predictions reuse workspaces, where rows of ended sequences keep their old numbers."""
    X = [x[: 1 + i % 5] for i, x in enumerate(make())]
    wrong, right = fit(X, hidden_layer_sizes=(4, 3)), fit(X, hidden_layer_sizes=(4, 3))
    probabilities = right.predict_proba(X)
    for W in wrong.parameters_.values():
        W[:] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        wrong.predict(make())
    np.testing.assert_array_equal(right.predict_proba(X), probabilities)
    wrong.trace(make())
    assert_same_weights(fit(X, hidden_layer_sizes=(4, 3)), right)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
@pytest.mark.parametrize("name", ["layer0.W_x", "dense.W"])  # NaN in all outputs, in one
def test_nan_never_leaves(method, name):
    clf = fit()
    clf.parameters_[name][0, 0] = np.nan
    with pytest.raises(ValueError, match="output for sequence 0 is not finite.*NaN in parameters_"):
        getattr(clf, method)(make())


@pytest.mark.parametrize("pooling", POOLING_NAMES)
def test_nan_from_a_later_step_on(pooling):
    given = {"cell": "gru", "pooling": pooling, "embedding_dim": 2}
    clf = fit([[2, 3], [3, 2, 3]], [0, 1], **given)
    clf.parameters_["embedding"][2] = np.nan  # of the second id, 3
    with pytest.raises(ValueError, match="output for sequence 0 is not finite"):
        clf.predict([[2, 3, 2]])


# ---------------------------------------------------------------------- extreme numbers


@pytest.mark.compiled  # kernels as plain Python would raise
@pytest.mark.parametrize("solver", ["adam", "rmsprop"])
def test_small_numbers_are_no_errors_even_if_numpy_is_set_to_raise(solver):
    X, y = np.array([[0, 1, 2], [2, 1, 0]] * 10) * 1e-310, [0, 1] * 10
    with np.errstate(all="raise"):
        clf = fit(X, y, solver=solver, learning_rate_init=1.0, dtype="float32", max_iter=60)
        clf.partial_fit(X, y)
        assert len(clf.gradient_flow(X, y)) == len(X)
        proba = clf.predict_proba(X)
        scaler = SequenceScaler().fit(X)
        again = scaler.inverse_transform(scaler.transform(X))
    np.testing.assert_allclose(again, X, rtol=1e-6)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_scaler_makes_small_numbers_without_errors(dtype):
    """They round to 0 or lose digits, for which NumPy can be told to raise."""
    tiny = np.finfo(dtype).smallest_subnormal
    X = np.full((1, 2), 5 * tiny, dtype)
    large = SequenceScaler(with_mean=False).fit([[300.0, -400.0]])
    small = SequenceScaler(with_mean=False).fit([[0.003, -0.004]])
    with np.errstate(all="raise"):
        assert large.transform(X).tolist() == [[0.0] * 2]
        assert small.inverse_transform(X).tolist() == [[0.0] * 2]


def assert_probabilities(clf, X):
    proba = clf.predict_proba(X)
    assert (proba >= 0).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=0, atol=1e-12)  # NaN fails too


@each_cell
@each_dtype
@pytest.mark.parametrize("scale", [1e-30, 1e-5, 1e5, 1e30])
def test_series_of_any_size(cell, dtype, scale):
    X = make(scale)
    clf = fit(X, cell=cell, dtype=dtype)
    assert_probabilities(clf, X)
    np.testing.assert_allclose(  # the size is standardized away
        clf.predict_proba(X), fit(cell=cell, dtype=dtype).predict_proba(make()), atol=1e-3
    )


@each_dtype
def test_a_deviation_that_is_no_number_of_this_precision(dtype):
    """It is below the smallest number; or, among large numbers, almost 0 because of the weights."""
    X = np.zeros((12, 2), dtype)
    X[0, 0] = np.finfo(dtype).smallest_subnormal
    assert_probabilities(fit(X), X)
    X = np.full((12, 2), 1e30, dtype)
    X[0] *= 1.5
    weights = np.where(np.arange(12) == 0, 1e-300, 1.0)
    assert_probabilities(RecurrentClassifier("rnn", 2, max_iter=1).fit(X, Y, weights), X)


@each_cell
@each_dtype
def test_saturated_gates_give_probabilities(cell, dtype):
    clf = fit(cell=cell, dtype=dtype)
    for W in clf.parameters_.values():
        W *= 1e4
    assert_probabilities(clf, make())
    assert np.isfinite(clf.attributions(make())[0]).all()


@each_cell
@each_dtype
@pytest.mark.parametrize("value", [1e308, -1e308])
def test_a_number_far_beyond_those_of_fit(cell, dtype, value):
    """It is clipped, and changes nothing for other sequences."""
    clf, X = fit(cell=cell, dtype=dtype), make()
    expected = np.delete(clf.decision_function(X), 3, axis=0)
    X[3, 2, 1] = value
    assert_probabilities(clf, X)
    np.testing.assert_array_equal(np.delete(clf.decision_function(X), 3, axis=0), expected)


@each_cell
def test_constant_series_are_all_alike(cell):
    X = np.full((12, 5, 2), 7.0)
    clf = fit(X, cell=cell)
    assert_probabilities(clf, X)
    assert len(np.unique(clf.predict_proba(X), axis=0)) == 1


@pytest.mark.compiled  # more than a minute as plain Python
@each_cell
@each_dtype
def test_ten_thousand_steps(cell, dtype):
    X = np.random.RandomState(1).normal(size=(4, 10_000))
    clf = fit(X, [0, 1, 0, 1], cell=cell, dtype=dtype)
    assert all(np.isfinite(W).all() for W in clf.parameters_.values())
    assert_probabilities(clf, X)


@each_cell
def test_batches_of_one_sequence_or_of_one_label(cell):
    X, y = make(), np.sort(Y)
    clf = fit(X, y, cell=cell, batch_size=1, shuffle=False)
    assert_probabilities(clf, X)
    assert_probabilities(fit(X, y, cell=cell, batch_size=4, shuffle=False), X)


# ------------------------------------------------------------------- threads and forks


MANY = np.tile(make(), (4, 1, 1))  # three blocks, which two threads share


def learned(seed):
    """A classifier, and every bit of its weights and probabilities."""
    clf = fit(MANY, np.tile(Y, 4), random_state=seed, n_jobs=2, batch_size=len(MANY))
    weights = [W.tobytes() for W in clf.parameters_.values()]
    return clf, (*weights, clf.predict_proba(MANY).tobytes())


@pytest.mark.parametrize("n", [5, pytest.param(50, marks=pytest.mark.long)])
def test_four_threads_at_once(n):
    shared, _ = learned(0)
    expected = [learned(seed)[1] for seed in range(4)]
    of_shared = shared.predict_proba(MANY).tobytes()

    def work(seed):
        for _ in range(n):
            assert learned(seed)[1] == expected[seed]
            assert shared.predict_proba(MANY).tobytes() == of_shared

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(work, seed) for seed in range(4)]:
            done.result()


@pytest.mark.parametrize("n", [5, pytest.param(50, marks=pytest.mark.long)])
def test_four_threads_fit_one_classifier(n):
    """The fit that ends last counts; no answer mixes two fits."""
    clf = fit(MANY, np.tile(Y, 4), n_jobs=2, batch_size=len(MANY))
    labels = [np.roll(np.tile(Y, 4), shift) for shift in (0, 1)]
    labels += [np.arange(len(MANY)) % 2, np.array(list("abcd"))[np.arange(len(MANY)) % 4]]

    def answers():
        proba, predicted = clf.predict_proba(MANY), clf.predict(MANY)
        return [proba.tobytes(), predicted.tolist(), clf.classes_.tolist()]

    expected = []
    for y in labels:
        clf.fit(MANY, y)
        expected.append(answers())
    assert len({proba for proba, *_ in expected}) == len(labels)

    def work(y):
        for _ in range(n):
            clf.fit(MANY, y)
            for answer, possible in zip(answers(), zip(*expected, strict=True), strict=True):
                assert answer in possible

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(work, y) for y in labels]:
            done.result()
    assert answers() in expected


def test_of_two_partial_fits_at_once_the_last_to_end_counts():
    both_have_begun = threading.Barrier(2, timeout=60)

    class Met(list):
        def __iter__(self):
            both_have_begun.wait()
            return super().__iter__()

    clf = RecurrentClassifier(hidden_layer_sizes=4, random_state=0)
    clf.partial_fit(MANY, np.tile(Y, 4), classes=[0, 1, 2])
    batches = [(make(), Y), (-make(), Y[::-1])]
    alone = [copy.deepcopy(clf).partial_fit(X, y) for X, y in batches]
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(clf.partial_fit, Met(X), y) for X, y in batches]:
            assert done.result() is clf
    proba = clf.predict_proba(MANY)
    [same] = [one for one in alone if np.array_equal(one.predict_proba(MANY), proba)]
    assert same.loss_curve_ == clf.loss_curve_


def test_a_fit_changes_the_classifier_in_one_piece():
    """Predictions meanwhile, say in another thread, are those of the network from before."""
    X, seen = make(), []
    clf = fit(early_stopping=True, validation_fraction=0.5)
    before = clf.predict_proba(X)

    def score(model, X_val, y_val):
        assert model.predict_proba(X_val).shape == (len(X_val), 2)
        seen.append(clf.predict_proba(X))
        return 0.0

    clf.set_params(scoring=score, hidden_layer_sizes=7, bidirectional=True)
    clf.fit(X[..., :1], Y % 2)
    np.testing.assert_array_equal(seen, [before, before])
    assert clf.predict_proba(X[..., :1]).shape == (12, 2)


ANSWERS = ["predict", "predict_proba", "predict_log_proba", "decision_function"]
ANSWERS += ["staged_predict_proba", "trace", "attributions", "gradient_flow", "attention_weights"]


@pytest.mark.parametrize("method", ANSWERS)
def test_an_answer_is_of_the_network_that_was_asked(method):
    """Even if a fit ends, in another thread, say, while X is read."""

    class Fitting(list):
        def __iter__(self):
            clf.set_params(hidden_layer_sizes=7).fit(5 + make(), np.roll(Y, 1) % 2)
            return super().__iter__()

    def answer(X):
        return joblib.hash(list(getattr(clf, method)(X, *[Y % 2] * (method == "gradient_flow"))))

    clf, X = fit([*make()], pooling="attention"), [*make()]
    expected = answer(X)
    assert answer(Fitting(X)) == expected
    assert answer(X) != expected


def test_stages_are_those_of_the_network_that_was_asked():
    clf = fit()
    expected = [stage.copy() for stage in clf.staged_predict_proba(make())]
    stages = clf.staged_predict_proba(make())
    found = [next(stages).copy()]
    clf.fit(np.tile(make(), 9), Y % 2)
    found += [stage.copy() for stage in stages]
    np.testing.assert_array_equal(found, expected)


def test_what_is_nearly_impossible_is_no_error():
    """Its probability underflows, for which NumPy can be told to raise."""
    clf, X = RecurrentClassifier("rnn", 2, max_iter=1, random_state=0), [[0.0, 1.0], [1.0, 0.0]]
    clf.fit(X, ["a", "b"]).parameters_["dense.b"][:] = 800
    with np.errstate(under="raise"):
        assert clf.predict_proba(X).tolist() == [[0.0, 1.0]] * 2
        assert [*clf.staged_predict_proba(X)][-1].tolist() == [[0.0, 1.0]] * 2


@pytest.mark.compiled  # processes
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are POSIX'")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_after_a_fit_predicts_and_fits():
    clf, expected = learned(0)
    child = os.fork()
    if child == 0:  # whatever happens here must not return into the tests
        code = 1
        with contextlib.suppress(BaseException):
            proba = clf.predict_proba(MANY).tobytes()
            code = int(proba != expected[-1] or learned(0)[1] != expected)
        os._exit(code)
    deadline = time.monotonic() + 120
    done, status = 0, None
    while not done and time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        time.sleep(0.05)
    if not done:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert done == child, "it hangs"
    assert status == 0


FORMS = {
    "2-D": lambda X: X[:, :, 0].copy(),
    "2-D, Fortran": lambda X: np.asfortranarray(X[:, :, 0]),
    "3-D": lambda X: X,
    "3-D, part": lambda X: np.concatenate((X, X), axis=2)[:, :, :2],
    "3-D, padded": lambda X: np.concatenate((X, np.full_like(X[:, :2], np.nan)), axis=1),
    "arrays": list,
    "arrays of one feature": lambda X: [x[:, 0] for x in X],
    "lists": lambda X: X.tolist(),
    "frames": lambda X: [pd.DataFrame(x) for x in X],
    "a frame": lambda X: pd.DataFrame(X[:, :, 0]),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_what_is_given_stays_as_it_is(form, dtype, early_stopping):
    """Series are standardized in place, but only those that are a copy of X already."""
    X = np.random.RandomState(0).normal(3.0, 2.0, (20, 4, 2)).astype(dtype)
    X, y = FORMS[form](X), np.arange(20) % 2
    before = copy.deepcopy(X)
    clf = fit(X, y, early_stopping=early_stopping, dtype=dtype)
    answers = [clf.predict_proba(X) for _ in range(2)]
    clf.set_params(early_stopping=False).partial_fit(X, y)
    clf.set_params(early_stopping=True).fit(X, y, X_val=X, y_val=y)
    inspection.permutation_importance(clf, X, y, by="step", n_repeats=1)
    np.testing.assert_array_equal(*answers)
    np.testing.assert_equal(to_arrays(X), to_arrays(before))


def to_arrays(X):
    return [np.asarray(x) for x in (X.to_numpy() if hasattr(X, "to_numpy") else X)]
