"""RecurrentClassifier among scikit-learn's tools: its checks, pipelines, processes."""

import joblib
import numpy as np
import pytest
from helpers import run_python
from naive import CELLS
from sklearn.base import clone
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import (
    check_estimator,
    check_sample_weight_equivalence_on_dense_data,
    estimator_checks_generator,
    parametrize_with_checks,
)

from seqnets import RecurrentClassifier, SequenceVectorizer
from seqnets.parameters import LEARNING_RATES

# scikit-learn's checks stop training after an epoch or two, and so do most tests here.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

CLASSIFIERS = [  # every cell and solver once; the long run has all pairs of them, as many epochs
    RecurrentClassifier(),
    RecurrentClassifier("lstm", 16, solver="rmsprop", max_iter=50),
    RecurrentClassifier("gru", 16, solver="sgd", max_iter=50),
    RecurrentClassifier("mingru", 16, solver="adamw", max_iter=50),
    RecurrentClassifier(
        "rnn", (16, 8), bidirectional=True, pooling="attention", max_iter=50, n_iter_no_change=3
    ),
]

# ---------------------------------------------------------------- scikit-learn's own checks


@pytest.mark.compiled  # some fit 64 units for all of the 200 epochs
@parametrize_with_checks(CLASSIFIERS)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_a_balanced_sequence_counts_as_often_as_it_weighs():
    classifier = RecurrentClassifier("gru", 8, class_weight="balanced", max_iter=30)
    check_sample_weight_equivalence_on_dense_data("RecurrentClassifier", classifier)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("solver", LEARNING_RATES)
@pytest.mark.parametrize("cell", CELLS)
def test_scikit_learn_checks_of_every_cell_and_solver(cell, solver, seed):
    # In 200 epochs, rounding can exceed the 1e-7 by which weights may differ from repetitions.
    classifier = RecurrentClassifier(cell, 32, solver=solver, max_iter=50, random_state=seed)
    done = check_estimator(classifier, on_skip=None)
    assert len([check for check in done if check["status"] == "passed"]) > 50


def test_no_cell_or_solver_is_missing():
    assert {clf.cell for clf in CLASSIFIERS} == set(CELLS)
    assert {clf.solver for clf in CLASSIFIERS} == set(LEARNING_RATES)


@pytest.mark.parametrize("classifier", CLASSIFIERS, ids=repr)
def test_no_check_is_missing(classifier):
    """A wrong tag would drop most of them without a word (scikit-learn#14057)."""

    def names(estimator):
        checks = [check for _, check in estimator_checks_generator(estimator)]
        return [getattr(check, "func", check).__name__ for check in checks]

    not_for_us = ("sparse_data",)  # input that we do not take
    wanted = {name for name in names(MLPClassifier()) if not any(x in name for x in not_for_us)}
    assert wanted <= set(names(classifier))
    tags = get_tags(classifier)  # no check asks for those below
    assert tags.input_tags.three_d_array and tags.classifier_tags.multi_label
    assert len(names(classifier)) > 50


# ------------------------------------------------------------------- pipelines and processes


def test_pipelines_of_ragged_and_padded_output():
    texts, y = ["good film", "bad film , so bad", "a good one", "so bad"] * 9, ["yes", "no"] * 18
    clf = RecurrentClassifier("gru", 3, embedding_dim=4, max_iter=3, n_jobs=1, random_state=0)
    a, b = (
        make_pipeline(SequenceVectorizer(output=output), clone(clf)).fit(texts, y)
        for output in ("ragged", "padded")
    )
    for X in (texts, ["good film film film film film film film", "", "unheard of"]):
        np.testing.assert_array_equal(a.predict_proba(X), b.predict_proba(X))


LOAD_AND_PREDICT = """if True:
    import sys
    import joblib, numba
    from numba.core import event
    from seqnets import cells, layers
    with event.install_recorder("numba:compile") as compilations:
        clfs, X = joblib.load(sys.argv[1])
        joblib.dump([clf.decision_function(X) for clf in clfs], sys.argv[2])
        assert not compilations.buffer, "compiled anew"
    clfs, X = joblib.load(sys.argv[1], mmap_mode="r")
    for clf in clfs:
        clf.decision_function(X)
    for compiled in [*vars(cells).values(), *vars(layers).values()]:
        for signature in getattr(compiled, "signatures", []):
            arrays = [x for x in signature if isinstance(x, numba.types.Array)]
            assert all(x.mutable for x in arrays), "compiled for read-only arrays"
"""


@pytest.mark.compiled
def test_what_is_loaded_compiles_nothing(tmp_path):
    """Models in a fresh process, also on read-only memory, run the kernels that are there."""
    X, settings = [[2, 5, 6], [3], [4, 8, 5, 7], [2]] * 9, {"max_iter": 2, "n_jobs": 1}
    clfs = [RecurrentClassifier(cell, 4, embedding_dim=3, **settings) for cell in CELLS]
    for clf in clfs:
        clf.fit(X, [0, 1, 2, 0] * 9)
    expected = [clf.decision_function(X) for clf in clfs]
    joblib.dump((clfs, X), tmp_path / "models")
    run_python(LOAD_AND_PREDICT, tmp_path / "models", tmp_path / "decisions")
    np.testing.assert_array_equal(joblib.load(tmp_path / "decisions"), expected)
