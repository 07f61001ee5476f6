"""Training that runs away ends in one error, and leaves the estimator as it was."""

import copy
import warnings

import numpy as np
import pytest
from helpers import contents
from naive import CELLS
from sklearn.exceptions import ConvergenceWarning

from seqnets import RecurrentClassifier
from seqnets.batches import BLOCK_ROWS
from seqnets.parameters import LEARNING_RATES

# Most fits are too short to learn anything.
pytestmark = [
    pytest.mark.usefixtures("several_blocks"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

N = 12
# Float64 has room for such weights: there, it is their penalty that overflows.
TOO_LONG = {"learning_rate_init": 1e300, "max_grad_norm": None, "alpha": 1e-4}

each_kind = pytest.mark.parametrize("kind", ["series", "tokens"])
each_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])
each_solver = pytest.mark.parametrize("solver", LEARNING_RATES)
each_early_stopping = pytest.mark.parametrize("early_stopping", [False, True])


# -------------------------------------------------------------------------------- helpers


def make(kind, n=N):
    """n sequences and their labels."""
    random = np.random.RandomState(0)
    lengths = random.randint(1, 5, n)
    if kind == "tokens":
        return [random.randint(1, 9, T) for T in lengths], np.arange(n) % 3
    return [random.normal(size=(T, 2)) for T in lengths], np.arange(n) % 3


def make_classifier(kind, **parameters):
    defaults = {"hidden_layer_sizes": 3, "max_iter": 2, "n_jobs": 1, "random_state": 0}
    defaults |= {"cell": "rnn", "batch_size": 4, "validation_fraction": 0.3}
    if kind == "tokens":
        defaults["embedding_dim"] = 2
    return RecurrentClassifier(**defaults | parameters)


def assert_diverges(train, *arguments, in_epoch=1, **named):
    """Training ends in one error that says where, why and what to try, and gives no warning."""
    clf = train.__self__
    before = contents(clf)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match="diverged") as caught:
            train(*arguments, **named)
    assert str(caught.value) == (
        f"Training diverged: in epoch {in_epoch} the loss, a weight or a moment of the solver "
        "was not finite. The usual reasons are steps that are too large or gradients that are too "
        "large: try a smaller learning_rate_init, a smaller max_grad_norm, for long sequences "
        'bptt_steps or dtype="float64", or series without outliers.'
    )
    assert caught.value.__suppress_context__  # no other traceback above
    assert contents(clf) == before


# ------------------------------------------------------------------------------ the error


@each_kind
@each_dtype
@each_solver
@each_early_stopping
def test_a_first_fit(kind, dtype, solver, early_stopping):
    settings = {"dtype": dtype, "solver": solver, "early_stopping": early_stopping}
    assert_diverges(make_classifier(kind, **settings, **TOO_LONG).fit, *make(kind))


@each_kind
@each_dtype
@each_solver
def test_a_first_partial_fit(kind, dtype, solver):
    clf = make_classifier(kind, dtype=dtype, solver=solver, **TOO_LONG)
    assert_diverges(clf.partial_fit, *make(kind), classes=[0, 1, 2])


@each_kind
@each_dtype
@each_solver
@pytest.mark.parametrize(
    ("method", "warm_start", "in_epoch"),
    [("fit", False, 1), ("fit", True, 3), ("partial_fit", False, 3)],
)
def test_after_a_fit(kind, dtype, solver, method, warm_start, in_epoch):
    """As if the call had never been made: later training goes on from the state before it."""
    X, y = make(kind)
    clf = make_classifier(kind, dtype=dtype, solver=solver, warm_start=True).fit(X, y)
    good, twin, proba = clf.get_params(), copy.deepcopy(clf), clf.predict_proba(X)
    clf.set_params(**TOO_LONG, warm_start=warm_start)
    assert_diverges(getattr(clf, method), X, y, in_epoch=in_epoch)
    np.testing.assert_array_equal(clf.predict_proba(X), proba)
    assert clf.set_params(**good).fit(X, y).loss_curve_ == twin.fit(X, y).loss_curve_


@each_kind
@pytest.mark.parametrize(("warm_start", "in_epoch"), [(False, 1), (True, 3)])
def test_beside_a_validation_set(kind, warm_start, in_epoch):
    X, y = make(kind)
    validation = {"X_val": X, "y_val": y}
    clf = make_classifier(kind, warm_start=True).fit(X, y, **validation)
    clf.set_params(**TOO_LONG, warm_start=warm_start)
    assert_diverges(clf.fit, X, y, **validation, in_epoch=in_epoch)


@each_early_stopping
@pytest.mark.parametrize("warm_start", [False, True])
def test_the_epoch_is_that_of_the_overflow(early_stopping, warm_start):
    """One step per epoch: after the first, the weights are finite; the next loss is not."""
    X, y = make("series")
    settings = {"dtype": "float64", "early_stopping": early_stopping, "batch_size": N}
    clf = make_classifier("series", warm_start=warm_start, **settings).fit(X, y)
    clf.set_params(**TOO_LONG)
    assert_diverges(clf.fit, X, y, in_epoch=4 if warm_start else 2)


@each_kind
@each_solver
def test_in_the_very_last_step(kind, solver):
    """No later loss would show it: the weights are checked."""
    settings = {"dtype": "float32", "solver": solver, "batch_size": N, "max_iter": 1}
    clf = make_classifier(kind, **settings, **TOO_LONG)
    assert_diverges(clf.fit, *make(kind))


@pytest.mark.compiled  # kernels as plain Python would warn, which compiled ones never do
@each_kind
@each_dtype
@each_early_stopping
def test_in_threads(kind, dtype, early_stopping):
    """Several blocks per step; their threads, like all new ones, have NumPy's warnings on."""
    n = 6 * BLOCK_ROWS
    settings = {"dtype": dtype, "early_stopping": early_stopping, "dropout": 0.5, "n_jobs": 2}
    clf = make_classifier(kind, batch_size=n // 3, **settings, **TOO_LONG)
    assert_diverges(clf.fit, *make(kind, n))


@each_dtype
@pytest.mark.parametrize("cell", CELLS)
def test_of_every_cell(cell, dtype):
    clf = make_classifier("series", cell=cell, dtype=dtype, **TOO_LONG)
    assert_diverges(clf.fit, *make("series"))


@pytest.mark.parametrize("solver", ["adam", "adamw", "rmsprop"])
def test_a_moment_that_overflows(solver):
    """A gradient of 1e22 is a float32, its square is not; a step divided by it would be zero."""
    clf = make_classifier("series", dtype="float32", solver=solver, max_grad_norm=None, alpha=0)
    X, y = make("series")
    clf.partial_fit(X, y, classes=[0, 1, 2])
    clf.parameters_["dense.W"][:] = [-1e22, 0.0, 1e22]
    assert_diverges(clf.partial_fit, X, y, in_epoch=2)


@pytest.mark.compiled  # as above
@each_kind
@each_solver
def test_weights_that_are_huge_but_finite(kind, solver):
    """In float64 and without a penalty nothing overflows: a useless model, and a warning."""
    X, y = make(kind)
    clf = make_classifier(kind, dtype="float64", solver=solver, **TOO_LONG | {"alpha": 0.0})
    with pytest.warns(ConvergenceWarning, match="learning_rate_init that is too large") as caught:
        clf.fit(X, y)
    assert len(caught) == 1
    assert max(abs(W).max() for W in clf.parameters_.values()) > 1e290
    np.testing.assert_allclose(clf.predict_proba(X).sum(axis=1), 1)
