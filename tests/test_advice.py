"""What a fit warns of: data that are no series, and training that went badly."""

import re
import warnings

import numpy as np
import pytest
from helpers import object_array, small_model
from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor
from sklearn.exceptions import ConvergenceWarning

from seqnets import RecurrentClassifier, fitting, labels
from seqnets.batches import Sequences
from seqnets.data import Data, guessing_loss
from seqnets.training import History
from seqnets.warn import warn

# Most fits are too short to learn anything.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N = 30
Y = np.arange(N) % 3

each_early_stopping = pytest.mark.parametrize("early_stopping", [False, True])


# -------------------------------------------------------------------------------- helpers


def make():
    random = np.random.RandomState(0)
    return [random.normal(3.0, 2.0, size=(T, 3)) for T in random.randint(1, 5, N)]


def make_classifier(**parameters):
    return small_model(**{"validation_fraction": 0.3} | parameters)


def told(history, y, y_val=None, classes=(0, 1), weights=None, own=1.0, pooling="max"):
    """The warnings about such a training; y and y_val are indices into the classes.

    The two series begin at 1 and -1; `own` is the deviation of each.
    """
    clf = make_classifier()
    clf.classes_, clf.pooling_ = np.array(classes), pooling
    _, clf.out_activation_ = labels.n_outputs_and_activation(clf.classes_[y], clf.classes_)

    def targets(y):
        return labels.make_targets(clf.classes_[y], clf.classes_)

    series = Sequences(np.array([[1.0], [1 - 2 * own], [-1.0], [2 * own - 1]]), np.array([0, 2, 4]))
    weights = np.ones(len(y)) if weights is None else np.array(weights)
    data, validation = Data(None, series, None, targets(y), weights, None), None
    if y_val is not None:
        validation = Data(None, None, None, targets(y_val), np.ones(len(y_val)), None)
    history.guessing_loss = guessing_loss(clf, data, validation or data)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitting.warn_of_a_poor_fit(clf, history, data, validation, may_be_ids=False)
    assert {w.category for w in caught} <= {ConvergenceWarning}
    return [str(w.message) for w in caught]


# -------------------------------------------------------------- training that went badly


def fit_and_catch(y, **parameters):
    clf = make_classifier(**parameters)
    with pytest.warns(ConvergenceWarning) as found:
        clf.fit(make(), y)
    (warning,) = found
    assert warning.category is ConvergenceWarning
    assert warning.filename == __file__
    return clf, str(warning.message)


@each_early_stopping
def test_one_warning_of_epochs_that_ran_out(early_stopping):
    """It points at the line that called fit."""
    _, message = fit_and_catch(Y, max_iter=15, learning_rate_init=0.01, tol=0.0,
                               early_stopping=early_stopping, n_iter_no_change=99)  # fmt: skip
    assert "maximum iterations (15) reached" in message


@each_early_stopping
def test_one_warning_of_a_loss_no_better_than_guessing(early_stopping):
    """With a class as rare as the last one, weights that have learned nothing are worse."""
    y = np.repeat([0, 1], [N - 2, 2])
    clf, message = fit_and_catch(
        y, max_iter=2, learning_rate_init=1e-6, early_stopping=early_stopping
    )
    n, rare = (N - 2 - 8, 1) if early_stopping else (N - 2, 2)
    guessed = np.array([n, rare]) / (n + rare)
    true = np.array([8, 1]) / 9 if early_stopping else guessed
    loss = min(clf.validation_loss_curve_) if early_stopping else clf.loss_
    name = "lowest validation loss" if early_stopping else "lowest loss of the last epochs"
    assert f"The {name} was {loss:.4f}; guessing" in message
    assert f"frequencies would give {-np.sum(true * np.log(guessed)):.4f}." in message


@pytest.mark.parametrize(
    ("stopped", "y", "weights", "loss", "message"),
    [
        ("converged", [0, 1], [1.0, 1.0], 0.67, None),
        ("converged", [0, 1], [1.0, 1.0], 0.69, "guessing .* give 0.6931"),  # hardly better
        ("planned", [0, 1], [1.0, 1.0], 0.69, "guessing .* give 0.6931"),
        ("max_iter", [0, 1], [1.0, 1.0], 0.69, "maximum iterations"),
        ("converged", [0, 1], [1.0, 1.0], 0.70, "guessing .* give 0.6931"),
        ("max_iter", [0, 1], [1.0, 1.0], 0.70, "guessing .* give 0.6931"),
        ("interrupted", [0, 1], [1.0, 1.0], 0.70, None),  # another warning says so
        ("callback", [0, 1], [1.0, 1.0], 0.69, None),
        ("converged", [0, 1], [3.0, 1.0], 0.60, "guessing .* give 0.5623"),
        ("converged", [2, 2], [1.0, 1.0], 0.60, None),
        ("converged", [0, 2], [1.0, 1.0], 0.60, None),
    ],
)
def test_a_training_loss_is_held_against_guessing(stopped, y, weights, loss, message):
    """The last epochs count, as the weights come from them, even if an earlier loss was lower."""
    history = History([0.5, *[loss] * 5], stopped=stopped)
    found = told(history, y, classes=(0, 1, 2), weights=weights)
    assert len(found) == (message is not None)
    assert not found or re.search(message, found[0])


@pytest.mark.parametrize(("lowest", "warns"), [(0.62, False), (0.63, True)])
def test_few_sequences_can_be_enough(lowest, warns):
    history = History([0.1] * 5, stopped="converged", lowest_validation_loss=lowest)
    assert len(told(history, [0, 1] * 20, y_val=[0, 1] * 5)) == warns


@pytest.mark.parametrize("pooling", ["last", "max"])
@pytest.mark.parametrize("y_val", [None, [0, 1]])
def test_the_last_state_is_advised_to_who_does_not_take_it(pooling, y_val):
    history = History([0.7] * 5, stopped="converged", lowest_validation_loss=0.7)
    [message] = told(history, [0, 1], y_val=y_val, pooling=pooling)
    assert "usual reasons" in message
    assert ('pooling="last"' in message) == (pooling != "last")


@pytest.mark.parametrize(
    ("stopped", "lowest", "warns"),
    [("max_iter", 0.83, False), ("max_iter", 0.84, True),
     ("converged", 0.82, False), ("converged", 0.83, True)],  # hardly better
)  # fmt: skip
def test_on_a_validation_set_its_own_loss_counts(stopped, lowest, warns):
    """It is compared with guessing by the training set's frequencies, here 1/4 and 3/4. Of the many
    epochs, one may beat that by chance, by less on a larger set.
    """
    history = History([9.0, 9.0], [0.1, 0.9], [0.5, 0.6], stopped=stopped)
    history.lowest_validation_loss = lowest
    found = told(history, [0, 1, 1, 1], y_val=[0, 1] * 100)
    assert any("give 0.8370" in message for message in found) == warns


@pytest.mark.parametrize(
    ("loss", "rise"), [(0.31, "rose from 0.1000 in epoch 2 to 0.3100"), (0.29, None)]
)
def test_a_loss_that_rose_before_training_ended_is_told(loss, rise):
    """The weights kept are the last ones."""
    found = told(History([0.4, 0.1, 9.0, *[loss] * 5], stopped="converged"), [0, 1])
    assert [rise in message for message in found] == [True] * (rise is not None)


@pytest.mark.parametrize(("loss", "reason"), [(0.5, "loss fell to 0.5000"), (0.6, "usual reas")])
def test_what_was_learned_but_does_not_hold_is_told_from_what_was_not(loss, reason):
    history = History([0.7, loss], [0.9, 1.0], [-0.9, -1.0], lowest_validation_loss=0.9)
    [message] = told(history, [0, 1], y_val=[0, 1])
    assert reason in message


@pytest.mark.parametrize("keeps_start", [True, False])
def test_weights_that_no_epoch_beats_are_told_of(keeps_start):
    """A loop of short fits may never get beyond them."""
    history = History([0.9], [0.9], [-0.9], lowest_validation_loss=0.8, keeps_start=keeps_start)
    [message] = told(history, [0, 1], y_val=[0, 1])
    assert "guessing" in message
    assert message.startswith("No epoch beat the weights before this fit") == keeps_start


@pytest.mark.parametrize(
    ("classes", "y"),
    [
        (["no", "yes"], [0] * 4 + [1] * 6),
        (["!", "no"], [0] * 6 + [1] * 4),
        (["a", "no", "yes"], [1] * 4 + [2] * 6 + [0] * 5),
    ],
)
def test_a_class_with_few_to_judge_by_is_told(classes, y):
    """Whichever of the classes it is."""
    history = History([0.7], [9.0], [-9.0], lowest_validation_loss=9.0)
    [message] = told(history, y, y_val=y, classes=classes)
    assert "has 4 sequences of class 'no'" in message
    [message] = told(history, y, y_val=[*y, *set(y)], classes=classes)  # one more of each
    assert "few to judge by" not in message


@pytest.mark.filterwarnings("always")
@each_early_stopping
@pytest.mark.parametrize(("level", "warns"), [(0.0, False), (30.0, True)])
def test_series_at_levels_of_their_own_are_told(recwarn, level, warns, early_stopping):
    """A bump's place is the class; only feature 1 has levels; feature 2 never varies in time."""
    random = np.random.RandomState(0)
    X, y = random.normal(0, 0.3, (60, 12, 2)), np.arange(60) % 2
    X[y == 0, 3, 1] += 3
    X[y == 1, 8, 1] += 3
    X[:, :, 1] += random.normal(0, level, (60, 1))
    X = np.append(X, np.repeat(random.normal(40, 9, (60, 1, 1)), 12, axis=1), axis=2)  # ages
    RecurrentClassifier(
        "rnn", 4, max_iter=3, early_stopping=early_stopping, random_state=0, n_jobs=1
    ).fit(X, y)
    pattern = r"vary by less than (\S+) times input_scale_ in feature 1: .* subtract its mean"
    [found] = [re.search(pattern, str(w.message)) for w in recwarn] or [None]
    assert bool(found) == warns
    assert not warns or 0 < float(found[1]) < 0.05
    assert not warns or "clip" not in found.string


@each_early_stopping
@pytest.mark.parametrize(("loss", "warns"), [(0.34, False), (0.35, True)])
def test_levels_are_no_matter_once_half_is_learned(loss, warns, early_stopping):
    """Half of guessing's loss: by the last epochs, or by the best one on the validation set."""
    history = History([0.01 if early_stopping else loss] * 5, stopped="callback")
    history.lowest_validation_loss = loss if early_stopping else np.inf
    found = told(history, [0, 1], y_val=[0, 1] if early_stopping else None, own=0.01)
    assert ["subtract its mean" in message for message in found] == [True] * warns


@pytest.mark.filterwarnings("always")
def test_a_few_values_far_outside_are_told_of(recwarn):
    """Subtracting a series' mean, as for series at levels of their own, would not help."""
    random = np.random.RandomState(0)
    X, y = random.normal(size=(60, 20)), np.arange(60) % 2
    X[[3, 8, 40], [1, 5, 9]] *= 1e6
    make_classifier().fit(X, y)
    [found] = [str(w.message) for w in recwarn if "input_scale_" in str(w.message)]
    assert "if the few others are errors, clip X" in found


def test_ids_have_no_level_of_their_own():
    with pytest.warns(ConvergenceWarning) as caught:
        make_classifier(embedding_dim=2, max_iter=1).fit([[2] * 99 + [3]] * 8, [0, 1] * 4)
    assert "subtract its mean" not in str(caught[0].message)


@pytest.mark.parametrize("code", [-9999.0, 1e6])
def test_a_code_for_missing_values_is_told(code):
    random = np.random.RandomState(0)
    X, y = random.normal(20, 3, size=(40, 10, 2)), random.randint(0, 2, 40)
    places = random.randint(0, 10, 8)
    X[np.arange(8), places, 1] = code
    pattern = rf"{code:.6g} stands at 8 steps of feature 1, far from all other .* fill these gaps"
    with pytest.warns(ConvergenceWarning, match=pattern.replace("+", r"\+")):
        make_classifier(max_iter=2).fit(X, y)
    X[np.arange(8), places, 1] = np.where(np.arange(8) % 2, 30.0, 31.0)  # rare, but not far
    with pytest.warns(ConvergenceWarning) as caught:
        make_classifier(max_iter=2).fit(X, y)
    assert not any("stands at" in str(warning.message) for warning in caught)


@pytest.mark.filterwarnings("error")
def test_one_class_is_nothing_to_warn_of():
    """Neither few sequences to judge by nor different levels."""
    levels = np.random.RandomState(0).normal(0, 30, (40, 1, 1))
    X, y = levels + np.random.RandomState(1).normal(size=(40, 5, 1)), ["a"] * 40
    clf = make_classifier(learning_rate="cosine").fit(X, y, X_val=X[:20], y_val=y[:20])
    assert clf.predict(X[:1]) == ["a"]
    clf.set_params(early_stopping=False).fit(X, y)


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_a_worker_s_warning_is_at_no_line_of_python_s_own(backend, capfd):
    get_reusable_executor().shutdown(wait=True)  # workers of other tests would write elsewhere
    clf = make_classifier(max_iter=1)
    fit = delayed(clf.fit)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Parallel(2, backend=backend)([fit(make(), Y)] * 2)
    of_processes = capfd.readouterr().err.splitlines()
    places = [line for line in of_processes if ": ConvergenceWarning: " in line]
    places += [warning.filename for warning in caught]
    assert len(places) == 2
    assert all("advice.py" in place for place in places)


def test_code_without_a_module_has_warnings_too():
    with pytest.warns(UserWarning, match="^here$"):
        exec("warn('here')", {"warn": warn})


# -------------------------------------------------------------------- ids taken for numbers


def words_as(dtype, lowest=1):
    """Texts as SequenceVectorizer makes them, if the type is int32."""
    return object_array([lowest + np.arange(T, dtype=dtype) for T in (2, 3, 1, 4)])


PADDED = np.int32([[2, 3, 0], [4, 0, 0], [1, 5, 6], [3, 0, 0]])


@pytest.mark.parametrize("X", [words_as(np.int32), PADDED], ids=["ragged", "padded"])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_texts_without_an_embedding_are_one_warning(method, X):
    clf, classes = make_classifier(tol=10.0), {"classes": [0, 1]} if method != "fit" else {}
    with pytest.warns(UserWarning, match="looks like token ids.*set embedding_dim") as caught:
        getattr(clf, method)(X, [0, 1, 0, 1], **classes)
    assert [w.filename for w in caught if w.category is UserWarning] == [__file__]
    assert sum(w.category is UserWarning for w in caught) == 1


@pytest.mark.parametrize(
    "X",
    [
        words_as(np.int64),
        words_as(np.float32),
        words_as(np.int32, lowest=-1),
        list(words_as(np.int32)),
        PADDED.astype(np.int64),
        PADDED[:, ::-1].copy(),
        -PADDED,
        0 * PADDED,
        1 + PADDED,
    ],
    ids=str,
)
def test_series_give_no_warning_of_texts(X):
    make_classifier(tol=10.0).fit(X, [0, 1, 0, 1])


@pytest.mark.filterwarnings("always")
@pytest.mark.parametrize(
    ("shape", "shift", "told"),
    [((6,), 0, True), ((6,), 0.5, False), ((6,), -1, False), ((6, 2), 0, False)],
)
def test_a_poor_fit_of_whole_numbers_may_be_one_of_ids(recwarn, shape, shift, told):
    X, y = np.random.RandomState(0).randint(0, 50, (60, *shape)) + shift, np.arange(60) % 2
    make_classifier(max_iter=1, tol=10.0).fit(X, y)
    assert (
        any("if they are token ids, set embedding_dim" in str(w.message) for w in recwarn) == told
    )


def test_ids_with_an_embedding_give_none_either():
    make_classifier(embedding_dim=2, tol=10.0).fit(words_as(np.int32), [0, 1, 0, 1])


@pytest.mark.filterwarnings("always")
@pytest.mark.parametrize(("n_labels", "told"), [(6, True), (5, False), (1, False)])
def test_a_poor_fit_may_be_one_of_labels_of_steps(recwarn, n_labels, told):
    random = np.random.RandomState(0)
    X, y = random.normal(size=(60, 6)), random.randint(0, 2, (60, n_labels))
    make_classifier(max_iter=1, tol=10.0).fit(X, y[:, 0] if n_labels == 1 else y)
    assert any("single steps can't be labeled" in str(w.message) for w in recwarn) == told


# --------------------------------------------------------------------------- likely mistakes


def test_one_hot_labels_are_told_from_several():
    one_hot = np.eye(3, dtype=int)[Y]
    with pytest.warns(UserWarning, match=r"a single 1 in each row.*pass np.argmax\(y, axis=1\)"):
        make_classifier().fit(make(), one_hot)
    clf = make_classifier()
    with pytest.warns(UserWarning, match="a single 1 in each row"):
        clf.partial_fit(make(), one_hot, classes=[0, 1, 2])
    clf.partial_fit(make(), one_hot)  # no second warning
    make_classifier().fit(make(), np.vstack([one_hot[:-1], [[1, 1, 0]]]))


def test_a_score_without_anything_to_judge_is_no_silent_wish():
    clf = make_classifier(scoring="accuracy", early_stopping="auto")
    with pytest.warns(UserWarning, match="^scoring='accuracy' has no effect without"):
        clf.fit(make(), Y)
    assert clf.validation_scores_ is None
    with pytest.warns(UserWarning, match="^scoring='accuracy' has no effect in partial_fit"):
        clf.partial_fit(make(), Y)
