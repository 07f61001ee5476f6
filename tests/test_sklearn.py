"""RecurrentClassifier among scikit-learn's tools: its checks, pipelines, searches, processes."""

import joblib
import numpy as np
import pandas as pd
import pytest
from helpers import run_python
from joblib import Parallel, delayed
from naive import CELLS
from sklearn.base import clone
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
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


# --------------------------------------------------------------------------------- texts


def make_texts(n=40):
    """Texts whose first word decides the label."""
    random = np.random.RandomState(0)
    first, labels = ["good", "bad"] * (n // 2), ["yes", "no"] * (n // 2)
    rest = random.choice(["a", "good", "bad", "film"], size=(n, 4))
    return [" ".join([word, *words]) for word, words in zip(first, rest, strict=True)], labels


def make_pipe(output="ragged", **parameters):
    parameters = {"embedding_dim": 4, "hidden_layer_sizes": 3, "max_iter": 3} | parameters
    return make_pipeline(
        SequenceVectorizer(output=output),
        RecurrentClassifier(n_jobs=1, random_state=0, **parameters),
    )


@pytest.mark.parametrize(
    "form", [list, tuple, np.array, lambda X: np.array(X, dtype=object), pd.Series, iter]
)
def test_texts_of_every_form(form):
    texts, y = make_texts()
    expected = make_pipe().fit(texts, y).predict_proba(texts)
    if form is iter:  # only in predict: a generator has no length to compare with y's
        found = make_pipe().fit(texts, y).predict_proba(form(texts))
    else:
        found = make_pipe().fit(form(texts), form(y) if form is pd.Series else y)
        found = found.predict_proba(form(texts))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("cell", CELLS)
def test_ids_of_every_form(cell):
    """List, object array and padded matrix: one fit, one prediction, to the last bit."""
    texts, y = make_texts()
    texts = [text[: 4 + 3 * i] for i, text in enumerate(texts)]
    rows = SequenceVectorizer().fit_transform(texts)
    forms = [
        rows,
        list(rows),
        [row.tolist() for row in rows],
        SequenceVectorizer(output="padded").fit_transform(texts),
        SequenceVectorizer(output="padded", max_length=50).fit_transform(texts),
        pd.Series(list(rows)),
    ]
    clf = RecurrentClassifier(cell, 3, embedding_dim=4, max_iter=3, n_jobs=1, random_state=0)
    models = [clone(clf).fit(X, y) for X in forms]
    expected = models[0].decision_function(rows)
    assert np.ptp(expected) > 0
    for X, model in zip(forms, models, strict=True):
        np.testing.assert_array_equal(model.decision_function(rows), expected)
        np.testing.assert_array_equal(models[0].decision_function(X), expected)


def test_pipelines_of_ragged_and_padded_output():
    texts, y = make_texts()
    a, b = make_pipe("ragged").fit(texts, y), make_pipe("padded").fit(texts, y)
    np.testing.assert_array_equal(a.predict_proba(texts), b.predict_proba(texts))
    unseen = ["good film film film film film film film", "", "unheard of"]
    np.testing.assert_array_equal(a.predict_proba(unseen), b.predict_proba(unseen))


def test_steps_before_the_classifier():
    random = np.random.RandomState(0)
    X = pd.DataFrame(random.normal(50, 20, size=(30, 4)), columns=list("abcd"))
    y = np.where(X["a"] < X["d"], "up", "down")
    clf = RecurrentClassifier("gru", 4, max_iter=3, n_jobs=1, random_state=0)
    pipe = make_pipeline(StandardScaler(), clone(clf)).fit(X, y)
    scaled = StandardScaler().fit_transform(X)
    np.testing.assert_array_equal(pipe.predict_proba(X), clf.fit(scaled, y).predict_proba(scaled))
    pipe = make_pipeline(StandardScaler().set_output(transform="pandas"), clone(clf)).fit(X, y)
    assert pipe[-1].feature_names_in_.tolist() == list("abcd")


# ------------------------------------------------------------------- series and ids in tools


def make(kind, n=36):
    """Sequences whose first step decides between three classes."""
    random = np.random.RandomState(0)
    y = np.arange(n) % 3
    if kind == "3d":
        X = random.normal(size=(n, 4, 2))
        X[np.arange(n), 0, 0] = 3 * y
        return X, y
    X = [random.normal(size=(T, 2)) for T in random.randint(1, 6, n)]
    for x, label in zip(X, y, strict=True):
        x[0, 0] = 3 * label
    if kind == "tokens":
        X = [np.array([2 + y[i], *random.randint(5, 9, len(x))]) for i, x in enumerate(X)]
    return X, y


def make_classifier(kind, **parameters):
    defaults = {"hidden_layer_sizes": 4, "max_iter": 3, "n_jobs": 1, "random_state": 0}
    defaults["embedding_dim"] = 3 if kind == "tokens" else None
    return RecurrentClassifier(**defaults | parameters)


each_kind = pytest.mark.parametrize("kind", ["3d", "ragged", "tokens"])
each_cell = pytest.mark.parametrize("cell", CELLS)


@each_kind
@each_cell
def test_clone_and_parameters(kind, cell):
    X, y = make(kind)
    clf = make_classifier(kind, cell=cell, hidden_layer_sizes=[4, 3])
    copy = clone(clf.fit(X, y))
    assert copy.get_params() == clf.get_params()
    assert {name for name in vars(copy) if name.endswith("_")} == set()
    np.testing.assert_array_equal(copy.fit(X, y).decision_function(X), clf.decision_function(X))
    assert f"cell='{cell}'" in repr(make_classifier(kind, cell=cell)) or cell == "lstm"


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
    X, y = make("tokens")
    clfs = [make_classifier("tokens", cell=cell).fit(X, y) for cell in CELLS]
    expected = [clf.decision_function(X) for clf in clfs]
    joblib.dump((clfs, X), tmp_path / "models")
    run_python(LOAD_AND_PREDICT, tmp_path / "models", tmp_path / "decisions")
    np.testing.assert_array_equal(joblib.load(tmp_path / "decisions"), expected)


@each_kind
def test_processes_predict_as_their_parent(kind):
    X, y = make(kind)
    clf = make_classifier(kind, n_jobs=None).fit(X, y)
    expected = clf.predict_proba(X)
    found = Parallel(n_jobs=2)(delayed(clf.predict_proba)(X) for _ in range(4))
    np.testing.assert_array_equal(found, [expected] * 4)
    found = Parallel(n_jobs=2, prefer="threads")(delayed(clf.predict_proba)(X) for _ in range(4))
    np.testing.assert_array_equal(found, [expected] * 4)
