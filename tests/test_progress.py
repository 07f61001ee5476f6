"""What is reported while training runs: a line per epoch, and scikit-learn's callbacks."""

import importlib.util
import types
import warnings

import numpy as np
import pytest
from helpers import assert_as_before, run_python, snapshot
from helpers import small_model as make_classifier
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from seqnets import SequenceScaler, SequenceVectorizer, load, progress, save

# Most fits are too short to learn anything.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N = 30
Y = np.arange(N) % 2
WEIGHTS = np.linspace(0.5, 2.0, N)

each_kind = pytest.mark.parametrize("kind", ["series", "tokens"])
needs_callbacks = pytest.mark.skipif(
    importlib.util.find_spec("sklearn.callback") is None, reason="needs scikit-learn 1.9"
)


# -------------------------------------------------------------------------------- helpers


def make(kind="series", seed=0):
    random = np.random.RandomState(seed)
    if kind == "tokens":
        return random.randint(1, 6, size=(N, 4))
    return random.normal(size=(N, 4)) + Y[:, np.newaxis]


def validation(kind="series"):
    return {"X_val": make(kind, seed=1), "y_val": Y}


# ---------------------------------------------------------------------------------- lines


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Each reading of the clock is 2 seconds after the last one."""
    seconds = iter(range(0, 1000, 2))
    watch = types.SimpleNamespace(perf_counter=lambda: next(seconds))
    monkeypatch.setattr(progress, "time", watch)


def test_a_line_an_epoch(capsys):
    clf = make_classifier(verbose=1).fit(make(), Y)
    a, b, c = clf.loss_curve_
    assert capsys.readouterr() == (
        f"epoch 1/3: loss {a:.4f} (2.0 s, at most 4 s more)\n"
        f"epoch 2/3: loss {b:.4f} (4.0 s, at most 2 s more)\n"
        f"epoch 3/3: loss {c:.4f} (6.0 s, at most 0 s more)\n",
        "",
    )


@pytest.mark.parametrize("own", [True, False], ids=["X_val", "split"])
@pytest.mark.parametrize("scoring", ["loss", "accuracy"])
def test_lines_with_a_validation_set(capsys, own, scoring):
    """The score is printed unless it is the loss."""
    clf = make_classifier(verbose=True, early_stopping=True, scoring=scoring)
    clf.fit(make(), Y, **validation() if own else {})
    expected = ""
    for n in (1, 2, 3):
        loss, of_validation = clf.loss_curve_[n - 1], clf.validation_loss_curve_[n - 1]
        expected += f"epoch {n}/3: loss {loss:.4f}, validation loss {of_validation:.4f}"
        if scoring == "accuracy":
            expected += f", score {clf.validation_scores_[n - 1]:.4f}"
        expected += f" ({2 * n}.0 s, at most {2 * (3 - n)} s more)\n"
    assert capsys.readouterr() == (expected, "")


def test_the_number_of_the_epoch_goes_on(capsys):
    """The times, elapsed and remaining, are those of the current call."""
    clf = make_classifier(verbose=1, warm_start=True, max_iter=2).fit(make(), Y)
    clf.fit(make(), Y).partial_fit(make(), Y)
    losses = clf.loss_curve_
    assert capsys.readouterr().out.splitlines() == [
        f"epoch 1/2: loss {losses[0]:.4f} (2.0 s, at most 2 s more)",
        f"epoch 2/2: loss {losses[1]:.4f} (4.0 s, at most 0 s more)",
        f"epoch 3/4: loss {losses[2]:.4f} (2.0 s, at most 2 s more)",
        f"epoch 4/4: loss {losses[3]:.4f} (4.0 s, at most 0 s more)",
        f"epoch 5/5: loss {losses[4]:.4f} (2.0 s, at most 0 s more)",
    ]
    clf.set_params(warm_start=False).fit(make(), Y)
    assert capsys.readouterr().out.startswith("epoch 1/2: ")


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_no_validation_loss_of_an_earlier_fit(capsys, method):
    clf = make_classifier(verbose=1, warm_start=True, max_iter=1).fit(make(), Y, **validation())
    assert "validation" in capsys.readouterr().out
    getattr(clf, method)(make(), Y)
    assert "validation" not in capsys.readouterr().out


@pytest.mark.parametrize("verbose", [0, False])
def test_nothing_is_printed_unless_asked_for(capsys, verbose):
    clf = make_classifier(verbose=verbose).fit(make(), Y, **validation())
    clf.partial_fit(make(), Y)
    assert capsys.readouterr() == ("", "")


# ------------------------------------------------------------------------ callbacks: order


class Recorder:
    """A callback that keeps what it is called with, and may stop training or fail."""

    def __init__(self, stop_at=None, fail_at=None):
        self.stop_at, self.fail_at = stop_at, fail_at
        self.names, self.given, self.models = [], [], []

    def _record(self, hook, context):
        self.names.append(f"{hook} {context.task_name} {context.task_id}")
        if self.names[-1] == self.fail_at:
            raise RuntimeError("the callback's own")

    def setup(self, estimator, context):
        self._record("setup", context)

    def teardown(self, estimator, context):
        self._record("teardown", context)

    def on_fit_task_begin(
        self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None
    ):
        self.given.append((X, y, metadata))
        self._record("begin", context)

    def on_fit_task_end(
        self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None
    ):
        self.given.append((X, y, metadata))
        self.models.append(fitted_estimator)
        self._record("end", context)
        return self.names[-1] == self.stop_at


class Propagated(Recorder):
    """One that a pipeline or a search, on which it is set, hands on to its estimators."""

    max_propagation_depth = None


def hooks_of(n_epochs):
    """The hooks of a fit, in order."""
    epochs = [f"{hook} epoch {n}" for n in range(n_epochs) for hook in ("begin", "end")]
    return ["setup fit 0", "begin fit 0", *epochs, "end fit 0", "teardown fit 0"]


@needs_callbacks
@each_kind
def test_hooks_come_in_order(kind):
    recorder = Recorder()
    clf = make_classifier(kind, warm_start=True).set_callbacks(recorder)
    for train, n_epochs in [(clf.fit, 3), (clf.fit, 3), (clf.partial_fit, 1)]:
        train(make(kind), Y)
        assert recorder.names == hooks_of(n_epochs)
        recorder.names.clear()


@needs_callbacks
@each_kind
def test_a_callback_may_save_the_model_of_each_epoch(kind, tmp_path):
    class Checkpoint(Recorder):
        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None, **_):
            save(fitted_estimator, tmp_path / f"{context.task_name} {context.task_id}")

    clf = make_classifier(kind).set_callbacks(Checkpoint()).fit(make(kind), Y)
    models = [load(tmp_path / f"epoch {n}") for n in range(3)]
    assert [model.n_iter_ for model in models] == [1, 2, 3]
    found = models[-1].predict_proba(make(kind))
    np.testing.assert_array_equal(found, clf.predict_proba(make(kind)))


TRANSFORMERS = {
    "scaler, fit": (SequenceScaler(), "fit", [[1.0, 2.0], [3.0]], [[np.nan]]),
    "scaler, partial_fit": (SequenceScaler(), "partial_fit", [[1.0, 2.0], [3.0]], [[np.nan]]),
    "vectorizer, fit": (SequenceVectorizer(), "fit", ["a b", "a"], [3]),
    "vectorizer, fit_transform": (SequenceVectorizer(), "fit_transform", ["a b", "a"], [3]),
}


@needs_callbacks
@pytest.mark.parametrize(
    ("transformer", "method", "X", "wrong"), TRANSFORMERS.values(), ids=TRANSFORMERS
)
def test_hooks_of_transformers(transformer, method, X, wrong):
    recorder = Recorder()
    transformer = clone(transformer).set_callbacks(recorder)
    for _ in range(2):  # the second partial_fit goes on
        getattr(transformer, method)(X)
        assert recorder.names == hooks_of(0)
        recorder.names.clear()
        found, expected = (list(t.transform(X)) for t in (recorder.models[-1], transformer))
        np.testing.assert_equal(found, expected)
    with pytest.raises((TypeError, ValueError)):
        getattr(transformer, method)(wrong)
    assert recorder.names == ["setup fit 0", "begin fit 0", "teardown fit 0"]


@needs_callbacks
@pytest.mark.parametrize(
    ("transformer", "method", "X", "_"), TRANSFORMERS.values(), ids=TRANSFORMERS
)
def test_a_transformer_whose_callback_fails_is_as_it_was(transformer, method, X, _):
    recorder = Recorder(fail_at="end fit 0")
    transformer = clone(transformer).set_callbacks(recorder)
    before = snapshot(transformer)
    with pytest.raises(RuntimeError, match="the callback's own"):
        getattr(transformer, method)(X)
    assert_as_before(transformer, before)


@needs_callbacks
@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("estimator", [make_classifier(max_iter=1), SequenceScaler()], ids=type)
def test_hooks_get_the_data(estimator, method, weights):
    """The very objects that the user gave."""
    recorder, X, is_classifier = Recorder(), make(), hasattr(estimator, "max_iter")
    learner = clone(estimator).set_callbacks(recorder)
    classes = {"classes": [0, 1]} if is_classifier and method == "partial_fit" else {}
    getattr(learner, method)(X, Y, sample_weight=weights, **classes)
    assert len(recorder.given) == (4 if is_classifier else 2)
    for X_given, y_given, metadata in recorder.given:
        assert X_given is X
        assert y_given is Y
        assert metadata is None if weights is None else metadata["sample_weight"] is weights


@needs_callbacks
def test_a_callback_that_looks_on_changes_nothing():
    a = make_classifier(early_stopping=True).fit(make(), Y)
    b = make_classifier(early_stopping=True).set_callbacks(Recorder()).fit(make(), Y)
    assert vars(b).keys() - vars(a).keys() == {"_skl_callbacks"}
    assert (a.loss_curve_, a.validation_loss_curve_) == (b.loss_curve_, b.validation_loss_curve_)
    np.testing.assert_array_equal(a.predict_proba(make()), b.predict_proba(make()))


# ----------------------------------------------------------------------- callbacks: models


@needs_callbacks
@each_kind
def test_the_model_of_each_epoch_is_that_of_a_fit_as_long(kind):
    """It stays so while training goes on, and an earlier fit's weights make no difference."""
    recorder, X = Recorder(), make(kind)
    clf = make_classifier(kind, learning_rate_init=0.1).set_callbacks(recorder)
    for _ in range(2):
        recorder.models.clear()
        clf.fit(X, Y)
        for n_epochs, model in enumerate(recorder.models[:3], start=1):
            expected = make_classifier(kind, learning_rate_init=0.1, max_iter=n_epochs).fit(X, Y)
            assert model is not clf
            np.testing.assert_array_equal(model.predict_proba(X), expected.predict_proba(X))
            for name in ("n_iter_", "t_", "loss_", "best_loss_", "loss_curve_"):
                assert getattr(model, name) == getattr(expected, name), name


@needs_callbacks
@each_kind
def test_with_a_validation_set_it_is_the_model_that_is_judged(kind):
    recorder, X_val = Recorder(), validation(kind)["X_val"]
    clf = make_classifier(kind, learning_rate_init=0.1, max_iter=5, n_iter_no_change=5)
    clf.set_callbacks(recorder).fit(make(kind), Y, **validation(kind))
    found = [log_loss(Y, model.predict_proba(X_val)) for model in recorder.models[:5]]
    np.testing.assert_allclose(found, clf.validation_loss_curve_, rtol=1e-5)
    for n_epochs, model in enumerate(recorder.models[:5], start=1):
        assert model.validation_loss_curve_ == clf.validation_loss_curve_[:n_epochs]
        assert model.validation_scores_ == clf.validation_scores_[:n_epochs]
        assert model.best_validation_score_ == max(clf.validation_scores_[:n_epochs])


@needs_callbacks
def test_the_model_of_a_fit_that_ends_is_the_fitted_one():
    """With a validation set, it is the model of the best epoch, which may be an earlier one."""
    recorder = Recorder()
    clf = make_classifier().set_callbacks(recorder).fit(make(), Y, **validation())
    assert recorder.models[-1] is not None
    np.testing.assert_array_equal(
        recorder.models[-1].predict_proba(make()), clf.predict_proba(make())
    )


# -------------------------------------------------------------------- callbacks: early ends


@needs_callbacks
@pytest.mark.parametrize("own", [True, False], ids=["X_val", "no X_val"])
def test_a_callback_ends_training(own):
    """That is no reason to warn; the model is that of a fit with as many epochs."""
    more = validation() if own else {}
    recorder = Recorder(stop_at="end epoch 1")
    clf = make_classifier(max_iter=50, learning_rate_init=0.1).set_callbacks(recorder)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf.fit(make(), Y, **more)
    assert recorder.names == hooks_of(2)
    assert clf.n_iter_ == len(clf.loss_curve_) == 2
    expected = make_classifier(max_iter=2, learning_rate_init=0.1).fit(make(), Y, **more)
    np.testing.assert_array_equal(clf.predict_proba(make()), expected.predict_proba(make()))
    with pytest.warns(ConvergenceWarning):
        clf.set_callbacks().set_params(max_iter=2).fit(make(), Y, **more)


FAILURES = {
    "divergence": ({"learning_rate_init": 1e300, "dtype": "float32"}, {}, None, ValueError),
    "setup": ({}, {}, "setup fit 0", RuntimeError),
    "begin of fit": ({}, {}, "begin fit 0", RuntimeError),
    "begin of an epoch": ({}, {}, "begin epoch 1", RuntimeError),
    "end of an epoch": ({}, {}, "end epoch 1", RuntimeError),
    "end of fit": ({}, {}, "end fit 0", RuntimeError),
    "X": ({}, {"X": np.full((N, 4), np.nan)}, None, ValueError),
    "y": ({}, {"y": Y[1:]}, None, ValueError),
    "parameter": ({"alpha": -1.0}, {}, None, ValueError),
}


@needs_callbacks
@pytest.mark.parametrize("fitted", [False, True])
@pytest.mark.parametrize(
    ("parameters", "arguments", "fail_at", "error"), FAILURES.values(), ids=FAILURES
)
def test_a_fit_that_fails(parameters, arguments, fail_at, error, fitted):
    """A callback that was set up is torn down, and the estimator is left as it was."""
    clf = make_classifier()
    if fitted:
        clf.fit(make(), Y)
    recorder = Recorder(fail_at=fail_at)
    clf.set_params(**parameters).set_callbacks(recorder)
    before = snapshot(clf)
    with pytest.raises(error):
        clf.fit(**{"X": make(), "y": Y} | arguments)
    n_setups = int(arguments == {} and "alpha" not in parameters)
    assert recorder.names.count("setup fit 0") == n_setups
    assert recorder.names.count("teardown fit 0") == n_setups
    assert not n_setups or recorder.names[-1] == "teardown fit 0"
    assert_as_before(clf, before)


@needs_callbacks
def test_after_a_fit_that_failed_callbacks_work():
    recorder = Recorder(fail_at="end epoch 1")
    clf = make_classifier().set_callbacks(recorder)
    with pytest.raises(RuntimeError, match="the callback's own"):
        clf.fit(make(), Y)
    recorder.fail_at = None
    recorder.names.clear()
    clf.fit(make(), Y)
    assert recorder.names == hooks_of(3)


# ------------------------------------------------------------- callbacks: meta-estimators


@needs_callbacks
def test_a_search_hands_callbacks_to_its_clones():
    recorder = Recorder(stop_at="end epoch 0")
    clf = make_classifier().set_callbacks(recorder)
    search = GridSearchCV(clf, {"cell": ["rnn", "gru"]}, cv=2).fit(make(), Y)
    begins = [name for name in recorder.names if name.startswith("begin epoch")]
    assert begins == ["begin epoch 0"] * 5  # two cells on two folds, and the best on all
    assert search.best_estimator_.n_iter_ == 1


@needs_callbacks
def test_a_pipeline_hands_its_callback_on():
    recorder = Propagated()
    pipe = make_pipeline(SequenceScaler(), make_classifier()).set_callbacks(recorder)
    pipe.fit(make(), Y)
    epochs = [name for name in recorder.names if "epoch" in name]
    assert epochs == [name for name in hooks_of(3) if "epoch" in name]
    assert recorder.names[0] == "setup fit 0"
    assert recorder.names[-1] == "teardown fit 0"
    assert sum("setup" in name or "teardown" in name for name in recorder.names) == 2
    assert not hasattr(pipe[-1], "_skl_callbacks")  # it was only lent
    assert not hasattr(pipe[-1], "_parent_callback_ctx")


@needs_callbacks
def test_a_pipeline_that_fails_takes_its_callback_back():
    recorder = Propagated()
    clf = make_classifier(learning_rate_init=1e300, dtype="float32")
    pipe = make_pipeline(SequenceScaler(), clf).set_callbacks(recorder)
    before = snapshot(clf)
    with pytest.raises(ValueError, match="diverged"):
        pipe.fit(make(), Y)
    assert recorder.names[-1] == "teardown fit 0"
    assert_as_before(clf, before)


@needs_callbacks
@pytest.mark.compiled  # worker processes
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_score_monitor_in_a_search(n_jobs):
    """A row for each epoch of each fit."""
    from sklearn.callback import ScoringMonitor

    monitor = ScoringMonitor(scoring="neg_log_loss")
    clf = make_classifier(learning_rate_init=0.05, max_iter=2).set_callbacks(monitor)
    GridSearchCV(clf, {"cell": ["rnn", "gru"]}, cv=2, n_jobs=n_jobs).fit(make(), Y)
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert {row["estimator_name"] for row in rows} == {"RecurrentClassifier"}
    fits = [*((0, 0, i) for i in range(4)), (0, 1)]  # 0, 0 is the search; 0, 1 the best
    paths = sorted(row["task_id_path"] for row in rows)
    assert paths == sorted((*fit, n) for fit in fits for n in range(2))
    assert len({row["neg_log_loss"] for row in rows}) == len(rows)


@needs_callbacks
def test_score_monitor_heeds_weights():
    from sklearn.callback import ScoringMonitor

    monitor = ScoringMonitor(scoring="neg_log_loss")
    make_classifier().set_callbacks(monitor).fit(make(), Y, WEIGHTS)
    found = [row["neg_log_loss"] for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    for n_epochs, score in enumerate(found, start=1):
        proba = make_classifier(max_iter=n_epochs).fit(make(), Y, WEIGHTS).predict_proba(make())
        assert score == pytest.approx(-log_loss(Y, proba, sample_weight=WEIGHTS))
    assert len(found) == 3


@needs_callbacks
@pytest.mark.compiled  # worker processes
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_progress_bar_in_a_search(n_jobs, capsys, monkeypatch):
    """One bar for each fit, full at the end."""
    pytest.importorskip("rich")
    from sklearn.callback import ProgressBar

    monkeypatch.setenv("COLUMNS", "200")
    search = GridSearchCV(make_classifier(), {"cell": ["rnn", "gru"]}, cv=2, n_jobs=n_jobs)
    search.set_callbacks(ProgressBar()).fit(make(), Y)
    lines = capsys.readouterr().out.splitlines()
    fits = [line for line in lines if "RecurrentClassifier - fit" in line]
    assert len(fits) == 5
    assert all("100%" in line for line in fits)


# ---------------------------------------------------------------------- without callbacks

BEFORE_CALLBACKS = """
import sys
import warnings
import sklearn.model_selection, sklearn.pipeline  # which may want callbacks of their own

sys.modules["sklearn.callback"] = None
from seqnets import RecurrentClassifier

warnings.simplefilter("ignore")
clf = RecurrentClassifier("rnn", 3, max_iter=2, n_jobs=1, random_state=0, verbose=1)
X, y = [[1.0, 2.0], [2.0, 1.0], [0.0, 3.0]], [0, 1, 0]
clf.fit(X, y).partial_fit(X, y)
assert not hasattr(clf, "set_callbacks")
assert clf.n_iter_ == 3
clf.predict(X)
"""


@pytest.mark.compiled  # a process of its own
def test_without_callbacks_in_scikit_learn():
    """Before 1.9: fit works and prints."""
    lines = run_python(BEFORE_CALLBACKS, PYTHONWARNINGS="error").splitlines()
    assert [line[:11] for line in lines] == ["epoch 1/2: ", "epoch 2/2: ", "epoch 3/3: "]


@pytest.mark.parametrize("kind", ["series", "tokens"])
def test_a_model_kept_by_a_scorer_has_no_moments_of_an_earlier_call(kind):
    """They may have other shapes, which the kernels do not check."""
    kept = []

    def scoring(model, X, y):
        kept.append(vars(model).get("_state"))
        return model.score(X, y)

    clf = make_classifier(kind, early_stopping=False).partial_fit(make(kind), Y, classes=[0, 1])
    clf.set_params(hidden_layer_sizes=9, early_stopping=True, scoring=scoring).fit(make(kind), Y)
    assert kept == [None] * clf.n_iter_


def test_moments_that_do_not_fit_the_weights_are_refused():
    """Those of a pickle, perhaps; the kernels would read outside of them."""
    clf = make_classifier().partial_fit(make(), Y, classes=[0, 1])
    wrong = make_classifier(hidden_layer_sizes=9).partial_fit(make(), Y, classes=[0, 1])
    clf._state = wrong._state
    before = snapshot(clf)
    with pytest.raises(ValueError, match="moments of .* do not fit its weights"):
        clf.partial_fit(make(), Y)
    assert_as_before(clf, before)


@needs_callbacks
@pytest.mark.parametrize(
    ("estimator", "given"),
    [(make_classifier(), (make(), Y)), (SequenceScaler(), (make(),)),
     (SequenceVectorizer(), (["a b"],))],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_a_callback_sets_stays(estimator, given):
    class Tracker(Recorder):
        def on_fit_task_begin(self, estimator, context, **_):
            estimator.run_id = "abc"

    estimator = clone(estimator).set_callbacks(Tracker())
    assert estimator.fit(*given).run_id == "abc"
