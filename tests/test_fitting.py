"""What fit does around training: validation set, standardization, weights, history."""

import copy
import types

import numpy as np
import pandas as pd
import pytest
from helpers import assert_as_before, assert_same_weights, small_model, snapshot, with_peak_memory
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_info

from seqnets import RecurrentClassifier, data, fitting, inputs, labels, load, optimizers, save
from seqnets.batches import Sequences
from seqnets.data import Data
from seqnets.inputs import as_inputs, read_again
from seqnets.optimizers import SGD, Adam, AdamW, RMSprop
from seqnets.training import Trainer

# Most fits are too short to learn anything.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N, CHANNELS = 30, 3
Y = np.arange(N) % 3

each_kind = pytest.mark.parametrize("kind", ["series", "tokens"])
each_early_stopping = pytest.mark.parametrize("early_stopping", [False, True])


# -------------------------------------------------------------------------------- helpers


def make(kind="series", n=N):
    random = np.random.RandomState(0)
    if kind == "tokens":
        return [random.randint(1, 9, T) for T in random.randint(1, 5, n)]
    return [random.normal(3.0, 2.0, size=(T, CHANNELS)) for T in random.randint(1, 5, n)]


def make_classifier(kind="series", **parameters):
    defaults = {"dtype": "float64", "validation_fraction": 0.3}
    return small_model(kind, **defaults | parameters)


@pytest.fixture
def spy(monkeypatch):
    """The set that fit trains on, before series are standardized."""
    seen = types.SimpleNamespace()
    prepare = fitting.prepare

    def recorded(estimator, state, training, resume):
        seen.training = copy.deepcopy(training)  # they are standardized in place
        return prepare(estimator, state, training, resume)

    monkeypatch.setattr(fitting, "prepare", recorded)
    return seen


# ------------------------------------------------------------------------ validation set


def split(y, seed=0, **parameters):
    """The rows of both sets, or None; the sequence of row i is [i, i], its weight 1 + i."""
    y = np.asarray(y)
    clf = make_classifier(**{"early_stopping": True} | parameters)
    rows = np.arange(y.size)
    sequences = Sequences(np.repeat(rows, 2)[:, None], 2 * np.arange(y.size + 1))
    whole = Data(None, sequences, y, np.eye(1 + y.max())[y], 1.0 + rows, rows)
    found = []
    for part in data.split(clf, whole, np.random.RandomState(seed)):
        if part is None:
            found.append(None)
            continue
        chosen = part.sequences.values[::2, 0]
        assert part.sequences.values.ravel().tolist() == np.repeat(chosen, 2).tolist()
        np.testing.assert_array_equal(part.y, y[chosen])
        np.testing.assert_array_equal(part.weights, 1.0 + chosen)
        np.testing.assert_array_equal(part.rows, chosen)
        found.append(chosen.tolist())
    return found


def test_split_is_stratified():
    y = np.random.RandomState(0).permutation(np.repeat([0, 1, 2], [40, 10, 4]))
    training, validation = split(y, validation_fraction=0.3)
    assert sorted(training + validation) == list(range(y.size))
    assert [training, validation] == [sorted(training), sorted(validation)]  # as X has them
    assert np.bincount(y[validation]).tolist() == [12, 3, 1]
    _, validation = split(np.zeros(10**5, int), validation_fraction=np.float16(0.75))
    assert len(validation) == 75_000  # more than a float16 can be


def test_classes_of_one_member_stay_in_training():
    y = np.array([0] * 10 + [1] + [2] * 10 + [3])
    for fraction in (0.3, 0.9, 0.99):
        training, validation = split(y, validation_fraction=fraction)
        assert set(y[training]) == {0, 1, 2, 3}
        assert set(y[validation]) == {0, 2}


def test_split_is_random_and_reproducible():
    assert split(Y) == split(Y)
    found = [tuple(split(Y, seed)[1]) for seed in range(5)]
    assert len(set(found)) == 5


@pytest.mark.parametrize(
    ("early_stopping", "n", "wanted"),
    [("auto", 999, False), ("auto", 1000, True), (False, 1000, False), (True, 20, True)],
)
def test_when_there_is_a_validation_set(early_stopping, n, wanted):
    training, validation = split(np.arange(n) % 2, early_stopping=early_stopping)
    assert (validation is not None) == wanted
    assert wanted or training == list(range(n))


@pytest.mark.parametrize(
    ("y", "fraction", "hint"),
    [([0, 1, 2, 3], 0.5, "No class has two members: set"), ([0, 0, 1, 1], 0.1, "Increase it, or")],
)
def test_an_empty_validation_set_is_refused(y, fraction, hint):
    with pytest.raises(ValueError, match=f"validation_fraction={fraction} of 4 sequences.*{hint}"):
        split(y, validation_fraction=fraction)


def test_a_tenth_is_a_tenth_however_small_the_classes():
    for y in (np.arange(1000) % 250, np.arange(1206) % 300, np.repeat(np.arange(100), 15)):
        _, validation = split(y, early_stopping="auto", validation_fraction=0.1)
        assert len(validation) == round(y.size / 10)
        assert np.bincount(y[validation]).max() <= np.ceil(np.bincount(y).max() / 10)


@pytest.mark.parametrize(("n", "n_validation"), [(51, 0), (52, 51)])
def test_when_too_little_is_left_to_set_aside(n, n_validation):
    """n sequences are of one class, each of the other 1,000 - n is alone in its class."""
    y = np.maximum(np.arange(1000) - n + 1, 0)
    _, validation = split(y, early_stopping=True, validation_fraction=0.1)
    assert len(validation) == n - 1
    training, validation = split(y, early_stopping="auto", validation_fraction=0.1)
    assert len(validation or []) == n_validation
    assert len(training) == 1000 - n_validation


@each_kind
def test_what_is_set_aside_teaches_nothing(spy, kind):
    """Neither its words nor its mean: the same rows, given as X_val, lead to the same network."""
    X = make(kind)
    X[::2] = [x + 20 for x in X[::2]]  # words or levels that not all sequences have
    clf = make_classifier(kind, early_stopping=True).fit(X, Y)
    rows = spy.training.rows
    aside = np.setdiff1d(np.arange(N), rows)
    X_val = [X[i] for i in aside]
    given = make_classifier(kind).fit([X[i] for i in rows], Y[rows], X_val=X_val, y_val=Y[aside])
    assert_same_weights(clf, given)
    assert clf.validation_loss_curve_ == given.validation_loss_curve_
    assert 0 < aside.size < N
    if kind == "tokens":
        words = np.unique(np.concatenate([X[i] for i in rows]))
        np.testing.assert_array_equal(clf.token_ids_, words[words > 1])
        assert not np.isin(np.concatenate(X_val), words).all()


# ------------------------------------------------------------------------ standardization


@each_early_stopping
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_series_have_mean_0_and_deviation_1(spy, early_stopping, dtype):
    """Each step has its sequence's weight; x becomes (x - input_mean_) / input_scale_."""
    weights = np.random.RandomState(1).uniform(0.1, 5.0, N)
    clf = make_classifier(early_stopping=early_stopping, dtype=dtype).fit(make(), Y, weights)
    for fitted in (clf.input_mean_, clf.input_scale_):
        assert fitted.shape == (CHANNELS,)
        assert fitted.dtype == float
    values, lengths = spy.training.sequences.values, spy.training.sequences.lengths
    found = (values.astype(float) - clf.input_mean_) / clf.input_scale_
    steps = np.repeat(spy.training.weights, lengths)
    tolerance = 20 * np.finfo(dtype).eps
    mean = np.average(found, axis=0, weights=steps)
    np.testing.assert_allclose(mean, 0, atol=tolerance)
    np.testing.assert_allclose(np.average((found - mean) ** 2, axis=0, weights=steps), 1,
                               atol=tolerance)  # fmt: skip
    assert np.all(abs(found.mean(axis=0)) > 1e-3)  # the weights count
    expected = ((values - clf.input_mean_) / clf.input_scale_).astype(dtype)
    given = as_inputs(clf, spy.training.sequences)
    np.testing.assert_array_equal(given.values, expected, strict=True)


@pytest.mark.parametrize(("far", "given"), [(16_000_000, "float32"), (1_700_000_000, "float64")])
def test_far_from_zero_differences_are_kept(far, given):
    """The mean is subtracted first, in float64: after a division, or as float32, neighbors would be
    rounded to one number.
    """
    X = far + np.random.RandomState(0).randint(3, size=(N, 5)).astype(given)
    clf = make_classifier(early_stopping=False, max_iter=1, dtype="float32").fit(X, Y)
    values = as_inputs(clf, read_again(clf, X)).values
    assert values.dtype == np.float32
    np.testing.assert_allclose(np.unique(values), [-1.22, 0, 1.22], atol=0.2)


@pytest.mark.parametrize("given", [1e300, -1e300])
def test_what_is_far_off_is_cut(given):
    X = np.random.RandomState(0).normal(size=(N, 5))
    clf = make_classifier(early_stopping=False, max_iter=1, dtype="float32").fit(X, Y)
    [value] = as_inputs(clf, read_again(clf, [[given, 0, 0, 0, 0]])).values[0]
    assert value == np.sign(given) * np.float32(1e9)


@pytest.mark.parametrize("far", [1e300, -1e300])
def test_numbers_of_one_sign_whose_squares_overflow(far):
    clf = make_classifier(max_iter=1).fit(far * np.eye(2), [0, 1])
    np.testing.assert_allclose(clf.input_mean_, far / 2)
    np.testing.assert_allclose(clf.input_scale_, abs(far) / 2)


def test_standardization_takes_no_second_copy(monkeypatch):
    """With the smallest parts it learns the same, and it never computes on more than a part."""
    random = np.random.RandomState(0)
    X = random.normal(size=(200, 500, 2)).astype(np.float32)
    sequences = Sequences(X.reshape(-1, 2), 500 * np.arange(201))
    weights, found = random.uniform(size=200), []
    for part in (1, 2**12):
        monkeypatch.setattr(inputs, "STEPS_AT_ONCE", part)
        clf = types.SimpleNamespace(_dtype=np.dtype(np.float32), _kind="3d", _n_channels=2)
        _, peak = with_peak_memory(inputs.learn_scale, clf, sequences, weights)
        found.append((clf.input_mean_, clf.input_scale_))
    assert peak < 8 * 2**12 * 2 * 8 / 2
    assert peak > 2**12 * 2 * 8
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)
    monkeypatch.setattr(inputs, "STEPS_AT_ONCE", 2**10)
    as_inputs(clf, sequences)  # a kernel's first call takes memory, too
    _, peak = with_peak_memory(as_inputs, clf, sequences)
    assert peak < 1.2 * X.nbytes


@pytest.mark.parametrize("constant", [0.0, 0.1, -1e6])
def test_a_constant_channel_becomes_0(spy, constant):
    X = make()
    for x in X:
        x[:, 1] = constant
    clf = make_classifier().fit(X, Y)
    found = as_inputs(clf, spy.training.sequences).values
    np.testing.assert_allclose(found[:, 1], 0, atol=1e-14)
    np.testing.assert_allclose(found[:, [0, 2]].std(axis=0), 1, rtol=1e-12)
    assert np.all(clf.input_scale_ > 0)


@each_early_stopping
def test_units_do_not_matter(early_stopping):
    """Celsius or Fahrenheit; a power of two, which rounds nothing, gives the same bits."""

    def predicted(factor, shift):
        X = [x * factor + shift for x in make()]
        return make_classifier(early_stopping=early_stopping).fit(X, Y).predict_proba(X)

    expected = predicted(1.0, 0.0)
    np.testing.assert_array_equal(predicted(np.array([0.125, 1.0, 2.0**70]), 0.0), expected)
    found = predicted(np.array([1.8, 1e-3, 1e5]), np.array([32.0, 0.0, -7.0]))
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_tokens_are_not_standardized():
    clf = make_classifier().fit(make(), Y)
    clf.set_params(embedding_dim=2).fit(make("tokens"), Y)
    assert not hasattr(clf, "input_mean_")
    assert not hasattr(clf, "input_scale_")


# -------------------------------------------------------------------------------- weights


def test_a_class_of_weight_0_is_dropped_but_known(spy):
    clf = make_classifier(class_weight={1: 0.0}).fit(make(), Y)
    assert set(spy.training.y) == {0, 2}
    assert clf.classes_.tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="All weights are 0"):
        make_classifier(class_weight={0: 0.0, 1: 0.0, 2: 0.0}).fit(make(), Y)


@pytest.mark.parametrize(("weight", "class_weight"), [(1e308, None), (1e-320, None), (2.0, 1e308)])
def test_weights_without_a_sum(weight, class_weight):
    clf = make_classifier(class_weight=class_weight and dict.fromkeys(range(3), class_weight))
    with pytest.raises(
        ValueError, match=r"weights \(sample_weight times .* sum to (inf|[23].*e-319)"
    ):
        clf.fit(make(), Y, np.full(N, weight))


# -------------------------------------------------------------------------- learning rate


@pytest.mark.parametrize(
    ("solver", "kind", "rate"),
    [("adam", "series", 0.004), ("adam", "tokens", 0.004), ("adamw", "series", 0.004),
     ("rmsprop", "tokens", 0.001), ("sgd", "series", 0.1), ("sgd", "tokens", 0.1)],
)  # fmt: skip
def test_each_solver_has_a_learning_rate(solver, kind, rate):
    """The docstring's rate, with the same weights as if it were given."""
    auto = make_classifier(kind, solver=solver).fit(make(kind), Y)
    given = make_classifier(kind, solver=solver, learning_rate_init=rate).fit(make(kind), Y)
    assert_same_weights(auto, given)
    optimizer = fitting.build_optimizer(auto)
    assert type(optimizer) is {"adam": Adam, "adamw": AdamW, "rmsprop": RMSprop, "sgd": SGD}[solver]
    assert optimizer.learning_rate == rate


def test_settings_reach_the_optimizers():
    clf = make_classifier().fit(make(), Y)
    clf.set_params(learning_rate_init=0.5, beta_1=0.1, beta_2=0.2, epsilon=0.3)
    adam = fitting.build_optimizer(clf)
    assert (adam.learning_rate, adam.beta_1, adam.beta_2, adam.epsilon) == (0.5, 0.1, 0.2, 0.3)
    clf.set_params(solver="sgd", momentum=0.7, nesterovs_momentum=False)
    sgd = fitting.build_optimizer(clf)
    assert (sgd.learning_rate, sgd.momentum, sgd.nesterov) == (0.5, 0.7, False)
    rmsprop = fitting.build_optimizer(clf.set_params(solver="rmsprop"))
    assert (rmsprop.learning_rate, rmsprop.decay, rmsprop.epsilon) == (0.5, 0.2, 0.3)


# -------------------------------------------------------------------------- early stopping


def test_what_is_judged_is_the_running_mean(monkeypatch):
    """A mean that is never updated keeps the start weights; training itself is the same."""
    settings = {"early_stopping": True, "max_iter": 2, "learning_rate_init": 0.1}
    clf = make_classifier(**settings).fit(make(), Y)
    monkeypatch.setattr("seqnets.training.Average.update", lambda self: None)
    still = make_classifier(**settings).fit(make(), Y)
    assert still.loss_curve_ == clf.loss_curve_
    assert still.validation_loss_curve_[0] == still.validation_loss_curve_[1]
    assert clf.validation_loss_curve_[0] != clf.validation_loss_curve_[1]
    assert not still.parameters_["dense.b"].any()  # as they start


# ---------------------------------------------------------------------------- interrupted


def interrupt(monkeypatch, at):
    """Let Ctrl-C come in the step of this number."""
    step, n_steps = Trainer.step, 0

    def interrupted(*args):
        nonlocal n_steps
        n_steps += 1
        if n_steps == at:
            raise KeyboardInterrupt
        return step(*args)

    monkeypatch.setattr(Trainer, "step", interrupted)


@each_kind
@each_early_stopping
@pytest.mark.parametrize("epochs", [1, 2])
def test_an_interrupted_fit_is_a_fit(monkeypatch, kind, early_stopping, epochs):
    """The interrupt comes at the start of an epoch: the model is that of the epochs before."""
    X, settings = make(kind), {"early_stopping": early_stopping, "batch_size": N}
    clf = make_classifier(kind, max_iter=9, **settings)
    with monkeypatch.context() as patch:
        interrupt(patch, at=epochs + 1)
        with pytest.warns(UserWarning, match="interrupted") as found:
            assert clf.fit(X, Y) is clf
    assert [warning.category for warning in found] == [UserWarning]
    assert clf.n_iter_ == len(clf.loss_curve_) == epochs
    assert set(clf.predict(X)) <= {0, 1, 2}
    assert np.isfinite(clf.predict_log_proba(X)).all()
    short = make_classifier(kind, max_iter=epochs, **settings).fit(X, Y)
    assert_same_weights(clf, short)
    assert clf.loss_curve_ == short.loss_curve_
    assert clf.validation_loss_curve_ == short.validation_loss_curve_


@each_kind
def test_an_epoch_that_is_interrupted_while_it_is_judged_does_not_count(kind):
    """Neither among the epochs nor among the sequences seen."""
    scores = iter([0.5, 0.6])

    def scorer(*_):
        if (score := next(scores, None)) is None:
            raise KeyboardInterrupt
        return score

    clf = make_classifier(kind, max_iter=9, early_stopping=True, scoring=scorer)
    with pytest.warns(UserWarning, match="interrupted"):
        clf.fit(make(kind), Y)
    assert (clf.n_iter_, clf.t_) == (2, 2 * 21)
    assert clf.validation_scores_ == [0.5, 0.6]


@each_early_stopping
@pytest.mark.parametrize("warm_start", [False, True])
def test_interrupted_before_an_epoch_ends_nothing_changes(monkeypatch, early_stopping, warm_start):
    settings = {"early_stopping": early_stopping, "batch_size": 4, "warm_start": warm_start}
    clf, fitted = (make_classifier(**settings) for _ in range(2))
    fitted.fit(make(), Y)
    before = snapshot(fitted)
    for estimator in (clf, fitted):
        interrupt(monkeypatch, at=3)
        with pytest.raises(KeyboardInterrupt):
            estimator.fit(make(), Y)
    assert not hasattr(clf, "parameters_")
    assert_as_before(fitted, before)


# -------------------------------------------------------------------------------- history


@each_kind
@each_early_stopping
def test_the_record_has_every_epoch(kind, early_stopping, monkeypatch):
    """Training runs as always, but the losses that it tells rise in the end."""
    told, epoch = [1.0, 0.5, 0.8, 0.4, 0.6, 0.7], Trainer.epoch
    losses = iter(told)
    monkeypatch.setattr(Trainer, "epoch", lambda *given: (epoch(*given), next(losses))[1])
    clf = make_classifier(kind, early_stopping=early_stopping, max_iter=6).fit(make(kind), Y)
    curve = clf.loss_curve_
    assert curve == told
    assert clf.n_iter_ == 6
    assert clf.t_ == 6 * (21 if early_stopping else 30)
    assert (clf.loss_, clf.best_loss_) == (curve[-1], min(curve))
    if early_stopping:
        validation = clf.validation_loss_curve_
        assert [type(loss) for loss in validation] == [float] * 6
        assert clf.validation_scores_ == [-loss for loss in validation]
        assert clf.best_validation_score_ == -min(validation)
    else:
        assert clf.validation_loss_curve_ is None
        assert clf.validation_scores_ is None
        assert clf.best_validation_score_ is None


# ------------------------------------------------------- what "auto" means, and when training ends


def test_a_cosine_schedule_ends_where_it_should(recwarn):
    """At max_iter, without a warning, and not earlier, while its steps are large."""
    clf = make_classifier(learning_rate="cosine", max_iter=15, learning_rate_init=0.01, tol=9.0)
    assert clf.set_params(n_iter_no_change=1).fit(make(), Y).n_iter_ == 15
    assert not recwarn.list


def pooling_of(clf, X):
    """The pooling that explains the pooled states in the traces of all sequences."""

    def explains(pool):
        return all(np.array_equal(pool(seen["layer0.h"]), seen["pooled"]) for seen in clf.trace(X))

    poolings = {"last": lambda states: states[-1], "max": lambda states: states.max(axis=0)}
    [name] = [name for name, pool in poolings.items() if explains(pool)]
    return name


@pytest.mark.parametrize(
    ("n_steps", "other", "pooling"), [(40, 41, "last"), (41, 40, "max")], ids=str
)
def test_pooling_goes_by_the_steps_of_the_first_series(n_steps, other, pooling, tmp_path):
    """It stays the same when training goes on."""
    random = np.random.RandomState(0)
    first, then = (random.normal(size=(N, T, 1)) for T in (n_steps, other))
    clf = make_classifier(warm_start=True)
    for X in (first, then):
        assert pooling_of(clf.fit(X, Y), X) == clf.pooling_ == pooling
    save(clf, tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert loaded.pooling_ == pooling
    assert pooling_of(loaded.fit(then, Y), then) == loaded.pooling_ == pooling
    clf.set_params(warm_start=False).fit(then, Y)
    assert pooling_of(clf, then) == clf.pooling_ != pooling


@pytest.mark.parametrize("n_steps", [3, 50])
def test_pooling_of_tokens_is_the_maximum(n_steps):
    X = np.random.RandomState(0).randint(1, 9, (N, n_steps))
    assert pooling_of(make_classifier("tokens").fit(X, Y), X) == "max"


def test_pooling_auto_counts_a_series_as_often_as_it_weighs():
    random = np.random.RandomState(0)
    X, y = [random.normal(size=T) for T in (30, 30, 60, 60)], [0, 1, 0, 1]
    large = np.array([3, 3, 1, 1]) * 2e307  # their sum is still finite
    for weights, pooling in [([3, 3, 1, 1], "last"), ([1, 1, 3, 3], "max"), (large, "last")]:
        clf = make_classifier(max_iter=1, learning_rate="cosine")
        assert pooling_of(clf.fit(X, y, sample_weight=weights), X) == pooling


@pytest.mark.parametrize(
    ("kind", "early_stopping", "share", "n_epochs"),
    [
        ("tokens", False, 0.5, 21),
        ("tokens", True, 0.89, 4),
        ("tokens", True, 0.91, 21),
        ("series", False, 0.5, 21),
        ("series", True, 0.89, 11),
        ("series", True, 0.91, 21),
    ],
)
def test_how_long_an_improvement_is_waited_for(kind, early_stopping, share, n_epochs, monkeypatch):
    """Plus one epoch, with which the others are compared; `share` is that of guessing's loss."""
    clf = make_classifier(kind, max_iter=40, early_stopping=early_stopping, tol=9.0, alpha=0.0)
    clf.set_params(learning_rate_init=1e-12)  # the loss stays what it is at first
    clf.fit(make(kind), Y)
    loss = clf.validation_loss_curve_[0] if early_stopping else clf.loss_curve_[0]
    monkeypatch.setattr(labels, "cross_entropy", lambda *_: loss / share)
    assert clf.fit(make(kind), Y).n_iter_ == 1 + n_epochs


def rates_of(monkeypatch, train):
    """The step sizes of a call, in order."""
    seen = []
    begin_step = optimizers.Optimizer.begin_step

    def recorded(self):
        begin_step(self)
        seen.append(self.learning_rate)

    with monkeypatch.context() as patch:
        patch.setattr(optimizers.Optimizer, "begin_step", recorded)
        train()
    return seen


PLANNED = {"learning_rate": "auto", "max_iter": 10, "early_stopping": False}


@pytest.mark.filterwarnings("always")
def test_a_few_series_are_trained_to_a_plan(monkeypatch, recwarn):
    """It ends as planned: no warning says that it reached the maximum of iterations."""
    clf = make_classifier(**PLANNED)
    rates = rates_of(monkeypatch, lambda: clf.fit(make(), Y))
    falling = 0.002 * (1 + np.cos(np.pi * np.arange(20) / 20))
    np.testing.assert_allclose(rates, [0.002, *[0.004] * 19, *falling], rtol=1e-12)
    assert clf.n_iter_ == 10
    assert not [w for w in recwarn if "maximum iterations" in str(w.message)]
    part = rates_of(monkeypatch, lambda: clf.partial_fit(make(), Y))
    assert set(part) == {0.004}


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "tokens"},
        {"early_stopping": True},
        {"warm_start": True},
        {"n_iter_no_change": 10},
        {"learning_rate": "constant"},
    ],
    ids=str,
)
def test_all_other_fits_have_a_constant_rate(monkeypatch, settings):
    clf = make_classifier(**PLANNED | settings)
    rates = rates_of(monkeypatch, lambda: clf.fit(make(settings.get("kind", "series")), Y))
    assert set(rates) == {0.004}


@pytest.mark.parametrize(("n", "planned"), [(99, True), (100, False)])
def test_how_many_series_are_a_few(monkeypatch, n, planned):
    X, y = np.arange(2.0 * n).reshape(n, 2), np.arange(n) % 2
    clf = make_classifier(**PLANNED | {"max_iter": 2, "batch_size": 20})
    rates = rates_of(monkeypatch, lambda: clf.fit(X, y))
    assert (len(set(rates)) > 1) == planned


@pytest.mark.usefixtures("two_blas_threads")
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_blas_has_one_thread_from_the_initial_weights_on(method, monkeypatch):
    """With more, the initial weights of large layers would have other bits."""
    seen = []
    prepare = fitting.prepare

    def watched(*arguments):
        seen.extend(lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas")
        return prepare(*arguments)

    monkeypatch.setattr(fitting, "prepare", watched)
    classes = {"classes": [0, 1, 2]} if method == "partial_fit" else {}
    getattr(make_classifier(), method)(make(), Y, **classes)
    assert set(seen) <= {1}  # none where BLAS is not found


def test_a_minibatch_is_all_there_is_at_most():
    with pytest.warns(ConvergenceWarning):
        a, b = (make_classifier(batch_size=size).fit(make(), Y) for size in (2**63, len(Y)))
    assert_same_weights(a, b)


@pytest.mark.parametrize(
    ("solver", "name", "value"),
    [("adamw", "alpha", np.float16(1e-4)), ("adamw", "max_grad_norm", np.float32(0.1)),
     ("adamw", "n_jobs", np.uint8(1)), ("adam", "beta_1", np.float16(0.5)),
     ("adam", "beta_2", np.float16(0.5)), ("adam", "epsilon", np.float16(0.5)),
     ("adam", "learning_rate_init", np.float16(0.01)), ("sgd", "momentum", np.float16(0.5)),
     ("adam", "dropout", np.float16(0.1)), ("adam", "recurrent_dropout", np.float16(0.1)),
     ("adam", "embedding_dropout", np.float16(0.1)), ("adam", "max_iter", np.int8(50))],
)  # fmt: skip
def test_numbers_of_every_type_compute_as_python_s_own(solver, name, value):
    """1 - step * alpha is 1 in float16: no weight would decay; kernels take no such numbers."""
    kind = "tokens" if name == "embedding_dropout" else "series"
    a, b = (
        make_classifier(kind=kind, solver=solver, **{name: one}).fit(make(kind), Y)
        for one in (value, value.item())
    )
    assert_same_weights(a, b)


def in_zone(spans):
    return pd.Series(pd.to_datetime(spans.astype("M8[s]"), utc=True))


@pytest.mark.parametrize("form", [np.asarray, list, pd.Series, in_zone])
def test_sample_weights_are_no_times(form):
    with pytest.raises(TypeError, match=r"sample_weight has dtype \w+64\[.*\], whose numbers"):
        make_classifier().fit(make(), Y, form(np.ones(N, "m8[s]")))


@pytest.mark.parametrize(
    "weights",
    ["balanced", {0: 1.0, 1: 2.0}, ["1"] * N, np.array(["1"] * N), pd.Series([1.0] * 29 + ["1"])],
    ids=["name", "dict", "list", "array", "objects"],
)
def test_sample_weights_are_neither_those_of_classes_nor_strings(weights):
    with pytest.raises(TypeError, match="sample_weight is .*, expected a number for each sequence"):
        make_classifier().fit(make(), Y, weights)


# ------------------------------------------------------------------------ what weights mean

# Sequences that are all alike teach one thing only: how much each class weighs.


def probability_of_1(clf):
    return clf.predict_proba(np.ones((1, 3)))[0, 1]


@pytest.mark.compiled
@pytest.mark.parametrize("solver", ["adam", "rmsprop"])
def test_a_rare_class_counts_as_much_as_its_weight(solver):
    """Although the gradients of minibatches that hold it are large, and clipped."""
    y = np.arange(400) < 4
    settings = {"class_weight": "balanced", "max_iter": 30, "learning_rate": "cosine", "alpha": 0}
    settings |= {"solver": solver, "early_stopping": False}
    clf = RecurrentClassifier("rnn", 4, random_state=0, **settings)
    assert probability_of_1(clf.fit(np.ones((400, 3)), y)) == pytest.approx(0.5, abs=0.05)


@pytest.mark.compiled
@pytest.mark.parametrize(("n", "batch_size", "n_of_1"), [(3, 2, 1), (5, 2, 1), (33, 32, 8)])
def test_a_sequence_of_a_small_minibatch_counts_as_much_as_others(n, batch_size, n_of_1):
    settings = {"solver": "sgd", "learning_rate": "cosine", "max_iter": 400, "alpha": 0}
    settings |= {"batch_size": batch_size, "shuffle": False, "max_grad_norm": None}
    clf = RecurrentClassifier("rnn", 4, random_state=0, **settings)
    clf.fit(np.ones((n, 3)), np.arange(n) < n_of_1)
    assert probability_of_1(clf) == pytest.approx(n_of_1 / n, rel=1e-3)


@pytest.mark.compiled
def test_class_weights_count_in_parts_of_any_size():
    y = np.random.RandomState(0).uniform(size=2000) < 0.1
    clf = RecurrentClassifier("rnn", 4, class_weight={0: 1, 1: 9}, alpha=0, random_state=0)
    for part in np.split(y, 400):
        clf.partial_fit(np.ones((5, 3)), part, [False, True])
    weights = np.where(y, 9, 1)
    assert probability_of_1(clf) == pytest.approx(weights[y].sum() / weights.sum(), abs=0.1)


@pytest.mark.parametrize("from_disk", [False, True])
def test_class_weights_in_parts_are_relative_to_those_of_fit(from_disk, tmp_path):
    settings = {"solver": "sgd", "max_grad_norm": None, "alpha": 0, "max_iter": 1}
    fitted = make_classifier(class_weight={2: 9.0}, **settings).fit(make(), Y)
    if from_disk:
        save(fitted, tmp_path / "model")
        fitted = load(tmp_path / "model")
    X, y = make(n=3), [2, 2, 2]
    total = np.where(Y == 2, 9, 1).sum()
    steps = {}
    for weight in (1, 9):
        clf = copy.deepcopy(fitted).set_params(class_weight={2: weight}).partial_fit(X, y)
        step = clf.parameters_["dense.b"] - fitted.parameters_["dense.b"]
        steps[weight] = step * (total + weight * 3)  # times the mean weight of all calls
    np.testing.assert_allclose(steps[9], 9 * steps[1], rtol=1e-6)
