"""What is told while training runs: verbose lines, scikit-learn's callbacks."""

import re

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from seqnets import RecurrentClassifier, SequenceScaler

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N = 24
Y = np.arange(N) % 2


def make():
    random = np.random.RandomState(0)
    return [random.normal(size=(T, 2)) for T in random.randint(1, 5, N)]


def make_classifier(**parameters):
    defaults = {"hidden_layer_sizes": 3, "max_iter": 3, "n_jobs": 1, "random_state": 0}
    return RecurrentClassifier("gru", **defaults | {"dtype": "float64", "tol": 0.0} | parameters)


# --------------------------------------------------------------------------- verbose lines

SECONDS = r" \(\d+\.\d s, at most \d+ s more\)\n"


def lines(numbers, rest):
    return "".join(f"epoch {n}: {rest}{SECONDS}" for n in numbers)


@pytest.mark.parametrize(
    ("parameters", "rest"),
    [
        ({}, r"loss 0\.\d{4}"),
        ({"early_stopping": True}, r"loss 0\.\d{4}, validation loss 0\.\d{4}"),
        (
            {"early_stopping": True, "scoring": "accuracy"},
            r"loss 0\.\d{4}, validation loss 0\.\d{4}, score [01]\.\d{4}",
        ),
    ],
    ids=["loss", "validation", "score"],
)
def test_a_line_an_epoch(parameters, rest, capsys):
    make_classifier(verbose=1, n_iter_no_change=9, **parameters).fit(make(), Y)
    out, err = capsys.readouterr()
    assert re.fullmatch(lines(["1/3", "2/3", "3/3"], rest), out)
    assert err == ""


def test_the_number_of_the_epoch_goes_on(capsys):
    clf = make_classifier(verbose=1, warm_start=True).fit(make(), Y)
    capsys.readouterr()
    clf.fit(make(), Y).partial_fit(make(), Y)
    wanted = lines(["4/6", "5/6", "6/6", "7/7"], r"loss 0\.\d{4}")
    assert re.fullmatch(wanted, capsys.readouterr().out)


def test_quiet_by_default(capsys):
    make_classifier().fit(make(), Y)
    assert capsys.readouterr() == ("", "")


# ------------------------------------------------------------------------------- callbacks


class Recorder:
    """Notes every call; may ask to stop after some epochs."""

    max_propagation_depth = None

    def __init__(self, stop_after=None):
        self.stop_after, self.calls, self.models, self.seen = stop_after, [], [], []

    def setup(self, estimator, context):
        self.calls.append("setup")

    def teardown(self, estimator, context):
        self.calls.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None, metadata=None):
        self.calls.append(f"begin {context.task_name}")

    def on_fit_task_end(
        self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None
    ):
        self.calls.append(f"end {context.task_name}")
        if context.task_name == "epoch":
            self.models.append(fitted_estimator)
            self.seen.append((X, y, metadata))
            return len(self.models) == self.stop_after
        return None


needs_callbacks = pytest.mark.skipif(
    not hasattr(RecurrentClassifier, "set_callbacks"), reason="scikit-learn before 1.9"
)
EPOCH = ["begin epoch", "end epoch"]


@needs_callbacks
@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_callback_sees_every_epoch(early_stopping):
    X, weights, recorder = make(), np.ones(N), Recorder()
    settings = {"early_stopping": early_stopping, "n_iter_no_change": 9}
    clf = make_classifier(**settings).set_callbacks(recorder).fit(X, Y, weights)
    assert recorder.calls == ["setup", "begin fit", *3 * EPOCH, "end fit", "teardown"]
    for seen_X, seen_y, metadata in recorder.seen:
        assert seen_X is X
        assert seen_y is Y
        assert metadata["sample_weight"] is weights
    if early_stopping:
        best = int(np.argmax(clf.validation_scores_))
        np.testing.assert_array_equal(recorder.models[best].predict_proba(X), clf.predict_proba(X))
    else:
        for n, model in enumerate(recorder.models, start=1):
            short = make_classifier(max_iter=n).fit(X, Y)
            np.testing.assert_array_equal(model.predict_proba(X), short.predict_proba(X))


@needs_callbacks
@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_callback_may_end_training(early_stopping, recwarn):
    recorder = Recorder(stop_after=2)
    clf = make_classifier(max_iter=9, early_stopping=early_stopping).set_callbacks(recorder)
    clf.fit(make(), Y)
    assert clf.n_iter_ == len(clf.loss_curve_) == 2
    assert "maximum iterations" not in "".join(str(w.message) for w in recwarn)
    assert recorder.calls[-2:] == ["end fit", "teardown"]


@needs_callbacks
@pytest.mark.parametrize("fails", ["before training", "in training"])
def test_callbacks_are_torn_down_when_fit_fails(fails):
    recorder = Recorder()
    clf = make_classifier(max_grad_norm=None).set_callbacks(recorder)
    X = make()
    if fails == "before training":
        X[3] = np.full((2, 2), np.nan)
        calls = []
    else:
        clf.set_params(learning_rate_init=1e300, dtype="float32")
        calls = ["setup", "begin fit", "begin epoch", "teardown"]
    before = clf.__dict__.copy()
    with pytest.raises(ValueError, match=r"diverged|X\[3\]"):
        clf.fit(X, Y)
    assert recorder.calls == calls
    assert clf.__dict__ == before


@needs_callbacks
def test_partial_fit_calls_them_too():
    recorder = Recorder()
    make_classifier().set_callbacks(recorder).partial_fit(make(), Y, classes=[0, 1])
    assert recorder.calls == ["setup", "begin fit", *EPOCH, "end fit", "teardown"]


@needs_callbacks
def test_inside_a_search_and_a_pipeline():
    """scikit-learn passes on what was set on the outermost estimator."""
    recorder = Recorder()
    pipe = make_pipeline(SequenceScaler(), make_classifier(max_iter=2))
    search = GridSearchCV(pipe, {"recurrentclassifier__cell": ["rnn", "gru"]}, cv=2)
    if not hasattr(search, "set_callbacks"):
        pytest.skip("this scikit-learn does not pass callbacks on")
    search.set_callbacks(recorder).fit(make_equal(), Y)
    assert recorder.calls.count("begin epoch") == recorder.calls.count("end epoch") == 10
    assert recorder.calls.count("setup") == recorder.calls.count("teardown") == 1


def make_equal():
    return np.random.RandomState(0).normal(size=(N, 4, 2))


@needs_callbacks
@pytest.mark.compiled
def test_scikit_learns_own_callbacks_in_a_search_over_processes(capfd):
    callback = pytest.importorskip("sklearn.callback")
    monitor, bar = callback.ScoringMonitor(scoring="accuracy"), callback.ProgressBar()
    clf = make_classifier().set_callbacks(monitor)
    search = GridSearchCV(clf, {"cell": ["rnn", "gru"]}, cv=2, n_jobs=2).set_callbacks(bar)
    search.fit(make_equal(), Y)
    epochs = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(epochs) == (2 * 2 + 1) * 3
    last = max(epochs, key=lambda row: row["task_id_path"])  # of the refit
    assert last["accuracy"] == search.score(make_equal(), Y)
    out, err = capfd.readouterr()
    assert "RecurrentClassifier" in out + err
