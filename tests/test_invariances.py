"""Bits: a prediction depends on its sequence and the model alone, a fit on data and seed alone."""

import copy
import functools
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from helpers import run_python, take
from threadpoolctl import threadpool_info

from seqnets import RecurrentClassifier, batches, inference
from seqnets.layers import CELLS
from seqnets.outputs import POOLING_NAMES

# What is learned does not matter here.
pytestmark = [
    pytest.mark.usefixtures("several_blocks"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

# Two blocks; every place among the rows that are computed together; equal and extreme lengths
LENGTHS = [9, 1, 3, 0, 3, 5, 7, 2, 1, 4, 6, 3, 8, 3, 0, 2, 9, 5, 3, 1, 4]

each_cell = pytest.mark.parametrize("cell", CELLS)
each_kind = pytest.mark.parametrize("kind", ["3d", "ragged", "tokens"])
each_pooling = pytest.mark.parametrize("pooling", POOLING_NAMES)
# The bits of a pooling do not depend on the cell: not all pairs are tested.
PAIRS = [(cell, "last") for cell in CELLS]
PAIRS += [("gru", pooling) for pooling in ("mean", "max", "attention")]
each_pair = pytest.mark.parametrize(("cell", "pooling"), PAIRS)
each_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])
each_size = pytest.mark.parametrize(
    "sizes", [(1,), (5, 3), pytest.param((67, 33), marks=pytest.mark.compiled)], ids=str
)


def make(kind, n=21):
    """n sequences: ids from 1 to 11, or series of 3 features."""
    random = np.random.RandomState(0)
    lengths = np.resize(LENGTHS, n)
    if kind == "tokens":
        return [random.randint(1, 12, T) for T in lengths]
    X = [random.normal(size=(T, 3)) for T in lengths]
    if kind == "ragged":
        return X
    padded = np.full((n, max(lengths), 3), np.nan)
    for row, x in zip(padded, X, strict=True):
        row[: max(len(x), 1)] = x if len(x) else 0.5  # a 3-D series has at least one step
    return padded


@functools.cache
def model(cell, pooling, kind, dtype, sizes, n_classes=3, bidirectional=False):
    X = make(kind)
    clf = RecurrentClassifier(
        cell,
        sizes,
        bidirectional=bidirectional,
        pooling=pooling,
        embedding_dim=7 if kind == "tokens" else None,
        dtype=dtype,
        max_iter=2,
        learning_rate_init=0.1,
        n_jobs=1,
        random_state=0,
    )
    return clf.fit(X, np.arange(len(X)) % n_classes), X


def assert_same_bits(a, b):
    a, b = np.asarray(a), np.asarray(b)
    assert a.dtype == b.dtype
    assert a.shape == b.shape
    different = (a.view(np.uint8) != b.view(np.uint8)).reshape(len(a), -1).any(axis=1)
    assert not different.any(), f"rows {np.flatnonzero(different)} differ"


def assert_company_does_not_matter(clf, X, expected):
    n = len(X)
    alone = np.concatenate([clf.decision_function(take(X, [i])) for i in range(n)])
    assert_same_bits(alone, expected)
    everyone = np.arange(n)
    shuffled = np.random.RandomState(1).permutation(n)
    for rows in [
        everyone[::-1],
        shuffled,
        *(shuffled[:k] for k in (2, 3, 5, 17)),
        np.tile(everyone, 3),
    ]:
        assert_same_bits(clf.decision_function(take(X, rows)), expected[rows])
    threaded = copy.copy(clf).set_params(n_jobs=2)
    assert_same_bits(threaded.decision_function(take(X, shuffled)), expected[shuffled])


def test_there_are_several_blocks():
    """Else two threads would not share the work."""
    assert len(batches.blocks(np.array(LENGTHS), inference.PREDICT_ROWS)) >= 2


# ---------------------------------------------------------------------------- predictions


@each_kind
@each_pair
@each_dtype
def test_alone_in_any_batch_in_any_order(cell, pooling, kind, dtype):
    clf, X = model(cell, pooling, kind, dtype, (5, 3))
    expected = clf.decision_function(X)
    assert len(np.unique(expected, axis=0)) > 10  # not all the same to begin with
    assert_company_does_not_matter(clf, X, expected)


@each_cell
@each_dtype
@each_size
def test_any_number_of_units(cell, dtype, sizes):
    for kind in ["ragged", "tokens"]:
        clf, X = model(cell, "last", kind, dtype, sizes)
        assert_company_does_not_matter(clf, X, clf.decision_function(X))


@pytest.mark.parametrize("n_classes", [2, 5])
@each_dtype
def test_any_number_of_classes(n_classes, dtype):
    clf, X = model("gru", "last", "ragged", dtype, (5, 3), n_classes)
    assert_company_does_not_matter(clf, X, clf.decision_function(X))


@pytest.mark.compiled
@each_pair
def test_in_two_directions(cell, pooling):
    clf, X = model(cell, pooling, "tokens", "float32", (5, 3), bidirectional=True)
    assert_company_does_not_matter(clf, X, clf.decision_function(X))


@each_kind
@pytest.mark.parametrize("bidirectional", [False, True])
def test_windows_of_long_sequences_change_no_bit(kind, bidirectional):
    """Compared with the trace, which is computed on whole sequences."""
    clf, _ = model("gru", "last", kind, "float64", (5, 3), bidirectional=bidirectional)
    random = np.random.RandomState(0)
    window = inference.WINDOW_STEPS // 8  # six sequences are two tiles of rows
    lengths = [1, *(window + k for k in (-1, 0, 1, 20, 30))]
    assert len(batches.blocks(np.array(lengths))) == 1
    X = [random.randint(1, 12, T) for T in lengths]
    if kind != "tokens":
        X = [random.normal(size=(T, 3)) for T in lengths]
    whole = [trace["logits"] for trace in clf.trace(X)]
    assert_same_bits(clf.decision_function(X), whole)


@each_cell
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_table_of_all_tokens_changes_no_bit(cell, bidirectional, monkeypatch):
    """It holds the whole embedding where there is much to read, otherwise only the tokens at hand;
    for one block, there is none.
    """
    monkeypatch.setattr(inference, "PREDICT_ROWS", 1)
    monkeypatch.setattr(inference, "BLOCK_ROWS", 1)
    clf, X = model(cell, "max", "tokens", "float32", (5, 3), bidirectional=bidirectional)
    often = [[2, 3, 4] * 5, [3, 2] * 5]  # more steps than the embedding has rows
    many, few, repeated = map(clf.decision_function, (X, X[7:9], often))
    sizes = []

    class Few(inference.Workspace):
        def array(self, name, *shape, dtype=None):
            if name == "vectors":
                sizes.append(shape[0])
            return super().array(name, *shape, dtype=dtype)

    monkeypatch.setattr(inference, "Workspace", Few)
    assert_same_bits(clf.decision_function(X), many)
    assert_same_bits(clf.decision_function(X[7:9]), few)
    assert_same_bits(clf.decision_function(X[7:8]), few[:1])
    assert_same_bits(clf.decision_function(often), repeated)
    assert sizes == [12, 4, 12]
    monkeypatch.setattr(inference, "TABLE_BYTES", 0)
    assert_same_bits(clf.decision_function(X), many)
    assert_same_bits(clf.decision_function(X[7:9]), few)
    assert_same_bits(clf.decision_function(often), repeated)
    assert sizes == [12, 4, 12]


@each_dtype
def test_probabilities_and_labels_too(dtype):
    clf, X = model("gru", "mean", "tokens", dtype, (5, 3))
    for method in [clf.predict, clf.predict_proba, clf.predict_log_proba]:
        assert_same_bits(np.concatenate([method([x]) for x in X]), method(X))


@each_pooling
@each_dtype
def test_padding_of_tokens(pooling, dtype):
    clf, X = model("gru", pooling, "tokens", dtype, (5, 3))
    expected = clf.decision_function(X)
    matrix = np.zeros((len(X), 30), dtype=int)
    for i, x in enumerate(X):
        matrix[i, np.sort(np.random.RandomState(i).permutation(30)[: len(x)])] = x
    assert_same_bits(clf.decision_function(matrix), expected)
    assert_same_bits(clf.decision_function(list(matrix)), expected)
    assert_same_bits(clf.decision_function([[0, *x, 0, 0] for x in X]), expected)


@each_pooling
@each_dtype
def test_padding_of_3d_series(pooling, dtype):
    clf, X = model("gru", pooling, "3d", dtype, (5, 3))
    expected = clf.decision_function(X)
    longer = np.concatenate([X, np.full((len(X), 5, 3), np.nan)], axis=1)
    assert_same_bits(clf.decision_function(longer), expected)
    ragged = [x[~np.isnan(x[:, 0])] for x in X]
    assert_same_bits(clf.decision_function(ragged), expected)


# ----------------------------------------------------------------------------------- fits


def assert_one_seed_one_fit(cell, kind, dtype, **parameters):
    """Two fits with one thread and one with two: the same weights and losses to the last bit."""
    X = make(kind, 50)
    fits = [
        RecurrentClassifier(
            cell,
            (5, 3),
            embedding_dim=7 if kind == "tokens" else None,
            dtype=dtype,
            batch_size=40,  # three blocks
            max_iter=2,
            n_jobs=n_jobs,
            random_state=3,
            **parameters,
        ).fit(X, np.arange(50) % 3)
        for n_jobs in (1, 1, 2)
    ]
    for other in fits[1:]:
        assert other.loss_curve_ == fits[0].loss_curve_
        assert other.validation_loss_curve_ == fits[0].validation_loss_curve_
        for name, W in fits[0].parameters_.items():
            assert_same_bits(other.parameters_[name], W)
    return fits[0]


@each_kind
@each_cell
@each_dtype
def test_fits_with_one_seed(cell, kind, dtype):
    assert_one_seed_one_fit(cell, kind, dtype)


@pytest.mark.compiled
@each_kind
@each_cell
def test_fits_with_every_option(cell, kind):
    options = {"bidirectional": True, "pooling": "attention", "dropout": 0.4}
    if kind == "tokens":
        options["embedding_dropout"] = 0.2
    if CELLS[cell].has_product:
        options["recurrent_dropout"] = 0.4
    assert_one_seed_one_fit(cell, kind, "float32", **options)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_fits_with_a_validation_set(solver):
    clf = assert_one_seed_one_fit("gru", "tokens", "float32", early_stopping=True, solver=solver)
    assert len(clf.validation_loss_curve_) == 2


# ----------------------------------------------------------------------------- processes


def check_in_this_process(path):
    """What the child does: the parent's predictions, and fits of its own."""
    wanted = os.environ.get("OPENBLAS_CORETYPE")
    blas = [lib for lib in threadpool_info() if lib["internal_api"] == "openblas"]
    assert not wanted or all(lib["architecture"] == wanted for lib in blas)
    for clf, X, expected in pickle.loads(Path(path).read_bytes()):
        assert_same_bits(clf.decision_function(X), expected)
        assert_company_does_not_matter(clf, X, expected)
    for cell in CELLS:
        assert_one_seed_one_fit(cell, "tokens", "float32")
        assert_one_seed_one_fit(cell, "ragged", "float64")


@pytest.mark.compiled
@pytest.mark.parametrize("setting", ["OPENBLAS_CORETYPE=Haswell", "OPENBLAS_NUM_THREADS=2"])
def test_another_blas_and_other_threads(setting, tmp_path):
    blas = {lib.get("architecture") for lib in threadpool_info()}
    if "Haswell" in setting and not blas & {"Haswell", "Zen", "SkylakeX", "Cooperlake"}:
        pytest.skip("needs OpenBLAS on a processor with AVX2")
    models = [
        model(cell, "last", kind, dtype, (67, 33))
        for cell in CELLS
        for kind, dtype in [("tokens", "float32"), ("ragged", "float64")]
    ]
    path = tmp_path / "models"
    path.write_bytes(pickle.dumps([(clf, X, clf.decision_function(X)) for clf, X in models]))
    script = f"import test_invariances; test_invariances.check_in_this_process({str(path)!r})"
    name, value = setting.split("=")
    run_python(script, **{"PYTHONWARNINGS": "ignore", name: value})
