"""Long sequences: windows bound the memory, and truncated BPTT ends where a window begins."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import assert_same_weights, bits, with_peak_memory
from naive import CELLS

from seqnets import RecurrentClassifier
from seqnets.inference import WINDOW_STEPS
from seqnets.outputs import POOLING_NAMES

pytestmark = [
    pytest.mark.usefixtures("several_blocks"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

each_cell = pytest.mark.parametrize("cell", CELLS)


def make_series(lengths, seed=0):
    random = np.random.RandomState(seed)
    return [random.normal(size=(T, 2)) for T in lengths]


def fit(X, y, **parameters):
    given = {"max_iter": 2, "early_stopping": False, "random_state": 0} | parameters
    return RecurrentClassifier(hidden_layer_sizes=(5, 4), **given).fit(X, y)


@each_cell
def test_bptt_through_all_steps_is_bptt(cell):
    X, y = make_series([3, 9, 1, 6] * 5), np.arange(20) % 2
    whole, shorter = fit(X, y, cell=cell), fit(X, y, cell=cell, bptt_steps=8)
    assert bits(fit(X, y, cell=cell, bptt_steps=9)) == bits(whole) != bits(shorter)
    assert shorter.loss_curve_[0] == pytest.approx(whole.loss_curve_[0], rel=1e-12)


@pytest.mark.parametrize("pooling", POOLING_NAMES)
def test_threads_change_no_bit(pooling):
    X, y = make_series([3, 9, 1, 6, 12] * 8), np.arange(40) % 2
    one, two = (fit(X, y, pooling=pooling, bptt_steps=4, n_jobs=n) for n in (1, 2))
    assert_same_weights(one, two)


@pytest.mark.compiled
def test_a_lag_within_the_steps_is_learned_and_one_beyond_is_not():
    """The label is the sign of one step near the end, or far from it."""
    random = np.random.RandomState(0)
    X, y = random.normal(size=(300, 30)), random.randint(0, 2, 300)
    for lag, learned in [(3, True), (25, False)]:
        X_lag = 0.1 * X
        X_lag[:, -lag] = 2.0 * (2 * y - 1)
        parameters = {"hidden_layer_sizes": 8, "early_stopping": False, "random_state": 0}
        clf = RecurrentClassifier("gru", **parameters, bptt_steps=10, max_iter=30, tol=0)
        assert (clf.fit(X_lag, y).score(X_lag, y) > 0.95) == learned


@pytest.mark.compiled
@pytest.mark.parametrize("pooling", POOLING_NAMES)
@pytest.mark.parametrize("kind", ["series", "tokens"])
def test_predictions_of_long_sequences_depend_on_themselves_alone(kind, pooling):
    window = WINDOW_STEPS // 4  # for a single sequence, which takes a tile of rows
    lengths = [2 * window + 3, window + 1, window, window - 1, 3, 2 * window] * 3
    X, embedding_dim = make_series(lengths), None
    if kind == "tokens":
        X, embedding_dim = [np.abs(x[:, 0] * 3).astype(int) + 1 for x in X], 3
    clf = fit(X, np.arange(len(X)) % 3, pooling=pooling, embedding_dim=embedding_dim, max_iter=1)
    expected = clf.decision_function(X)
    assert len(np.unique(expected, axis=0)) > 10
    alone = [clf.decision_function(X[i : i + 1])[0] for i in range(len(X))]
    np.testing.assert_array_equal(alone, expected)


@pytest.mark.compiled
@pytest.mark.parametrize("pooling", POOLING_NAMES)
def test_memory_is_that_of_the_steps(pooling):
    X, y = make_series([4000] * 8), np.arange(8) % 2
    parameters = {"pooling": pooling, "max_iter": 1, "n_jobs": 1}
    clf = fit(X, y, **parameters)  # so that everything is compiled
    fit(X, y, **parameters, bptt_steps=50)
    _, whole = with_peak_memory(lambda: fit(X, y, **parameters))
    _, truncated = with_peak_memory(lambda: fit(X, y, **parameters, bptt_steps=50))
    _, predicting = with_peak_memory(clf.predict, X)
    data = sum(x.nbytes for x in X)
    assert whole > 10 * data
    assert truncated < 6 * data
    assert predicting < 6 * data


def test_two_directions_have_no_truncated_bptt():
    clf = RecurrentClassifier(bidirectional=True, bptt_steps=5)
    with pytest.raises(ValueError, match="bptt_steps needs bidirectional=False"):
        clf.fit(make_series([3, 4]), [0, 1])
    assert not hasattr(clf, "parameters_")
