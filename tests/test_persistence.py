"""Models on disk: the same bits after loading, and one error for every file that is no model."""

from __future__ import annotations

import contextlib
import copy
import errno
import io
import json
import os
import pickle
import signal
import struct
import subprocess
import sys
import zipfile
import zlib
from functools import cache
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from helpers import with_peak_memory
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

import seqnets
from seqnets import RecurrentClassifier, SequenceScaler, SequenceVectorizer, files
from seqnets import __main__ as cli

MODELS = Path(__file__).parent / "models"
TEXTS = ["not good , but not bad", "good", "", "a bad film", "never seen a word of this"]
N_MUTATIONS = [300, pytest.param(10_000, marks=pytest.mark.long)]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
not_windows = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")


# ------------------------------------------------------------------------------- helpers


def classifier(cell="rnn", **parameters):
    parameters = {"hidden_layer_sizes": 3, "max_iter": 2, "n_jobs": 1} | parameters
    return RecurrentClassifier(cell, random_state=0, **parameters)


def series(n=12, T=4, D=2):
    return np.random.RandomState(0).normal(size=(n, T, D))


def ragged():
    return [x[: 1 + i % 4] for i, x in enumerate(series())]


def ids():
    return [1 + np.arange(1, 2 + i) % 8 for i in range(12)]


def frame():
    return pd.DataFrame(series()[:, :, 0], columns=["first", "then", "next", "last"])


def frames():
    return [pd.DataFrame(x, columns=["left", "right"]) for x in ragged()]


AB = np.array(["no", "yes"] * 6)
ABC = np.arange(12) % 3


def after_set_params():
    return classifier("gru").fit(series(), AB).set_params(cell="lstm", pooling="max"), series()


def in_parts():
    clf = classifier(embedding_dim=2).partial_fit(ids()[:5], AB[:5], classes=["no", "yes"])
    return clf.partial_fit(ids(), AB), ids()


MODELS_BY_NAME = {
    "2-D, float32, int labels": lambda: (
        classifier(class_weight={0: 1.0, 1: np.float64(2.0), 2: 1}).fit(
            series()[:, :, 0].astype(np.float32), ABC
        ),
        series()[:, :, 0],
    ),
    "data frame, bool labels": lambda: (classifier("gru").fit(frame(), AB == "no"), frame()),
    "data frames one by one": lambda: (classifier().fit(frames(), AB), frames()),
    "a pipeline of them": lambda: (
        make_pipeline(SequenceScaler(), classifier()).fit(frames(), AB),
        frames(),
    ),
    "3-D, attention both ways, string labels": lambda: (
        classifier("lstm", bidirectional=True, pooling="attention", hidden_layer_sizes=(3, 2)).fit(
            series(), AB
        ),
        series(),
    ),
    "ragged, scored, float labels": lambda: (
        classifier("gru", scoring="accuracy", bidirectional=True).fit(
            ragged(), ABC * 1.0, X_val=ragged(), y_val=ABC * 1.0
        ),
        ragged(),
    ),
    "tokens, given embeddings, object labels": lambda: (
        classifier("lstm", embedding_dim=2, embeddings=series(20, 2, 1)[:, :, 0]).fit(
            ids(), AB.astype(object)
        ),
        ids(),
    ),
    "tokens in parts": in_parts,
    "no token that is known": lambda: (classifier(embedding_dim=2).fit([[1]] * 12, AB), [[1, 2]]),
    "several labels": lambda: (classifier().fit(series(), np.tri(3, dtype=int)[ABC]), series()),
    "one class": lambda: (classifier(hidden_layer_sizes=[2]).fit(series(), AB == "?"), series()),
    "dates as labels": lambda: (
        classifier().fit(series(), np.where(AB == "no", *np.array([0, 9], "M8[D]"))),
        series(),
    ),
    "parameters set after fit": after_set_params,
    "pipeline of texts": lambda: (
        make_pipeline(
            SequenceVectorizer(stop_words=["a", "the"], ngram_range=(1, 1)),
            "passthrough",
            classifier("gru", embedding_dim=3, early_stopping=False),
        ).fit(TEXTS, ["no", "yes", "no", "no", "yes"]),
        TEXTS,
    ),
    "pipeline of series": lambda: (
        make_pipeline(SequenceScaler(), classifier()).fit(ragged(), AB),
        ragged(),
    ),
    "pipeline that passes data frames on": lambda: (
        make_pipeline(SequenceScaler(with_mean=False), classifier())
        .set_output(transform="pandas")
        .fit(frame(), AB),
        frame(),
    ),
}

fitted = cache(lambda name: MODELS_BY_NAME[name]())
each_model = pytest.mark.parametrize("name", MODELS_BY_NAME)


def assert_same(a, b):
    """The types and bits are the same, all the way down."""
    if isinstance(a, np.number):
        assert a == b
        return
    assert type(a) is type(b)
    if isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        assert a.tolist() == b.tolist()
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    elif type(a).__module__.startswith(("seqnets", "sklearn")):
        assert_same(vars(a), vars(b))
    else:
        assert a == b


def assert_predicts_the_same(a, b, X):
    assert_same(a.predict(X), b.predict(X))
    assert_same(a.predict_proba(X), b.predict_proba(X))


def without_training_state(estimator):
    estimator = copy.deepcopy(estimator)
    parts = [step for _, step in getattr(estimator, "steps", [(None, estimator)])]
    for part in parts:
        if not isinstance(part, str):
            vars(part).pop("_state", None)
            vars(part).pop("_metadata_request", None)
    return estimator


def saved(estimator, folder, name="model"):
    seqnets.save(estimator, folder / name)
    return folder / name


def contents(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_zip(path, entries, **how):
    with zipfile.ZipFile(path, "w", **how) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return path


def error_of(path):
    """What `load` says of a file that is no model: one line that names it."""
    with pytest.raises(ValueError) as info:
        seqnets.load(path)
    assert type(info.value) is ValueError
    assert str(info.value).startswith(f"{str(path)!r} is not a valid seqnets file: ")
    return str(info.value)


# ----------------------------------------------------------------------------- round trips


@each_model
def test_a_loaded_model_is_the_saved_one(name, tmp_path):
    estimator, X = fitted(name)
    loaded = seqnets.load(saved(estimator, tmp_path))
    assert_predicts_the_same(loaded, estimator, X)
    if name != "2-D, float32, int labels":  # its class_weight holds a NumPy number
        assert_same(loaded, without_training_state(estimator))
    assert str(loaded.get_params()) == str(estimator.get_params()).replace("np.float64(2.0)", "2.0")
    again = saved(loaded, tmp_path, "again")
    assert again.read_bytes() == (tmp_path / "model").read_bytes()


@each_model
@pytest.mark.parametrize("library", ["pickle", "joblib", "cloudpickle", "copy"])
def test_pickles_predict_the_same(name, library, tmp_path):
    estimator, X = fitted(name)
    if library == "joblib":
        joblib.dump(estimator, tmp_path / "model")
        twin = joblib.load(tmp_path / "model", mmap_mode="r")
    elif library == "copy":
        twin = copy.deepcopy(estimator)
    else:
        module = pytest.importorskip(library)
        twin = pickle.loads(module.dumps(estimator))
    assert_predicts_the_same(twin, estimator, X)
    seqnets.save(twin, tmp_path / "again")
    assert_predicts_the_same(seqnets.load(tmp_path / "again"), estimator, X)


@each_model
def test_skops_needs_trust_in_the_estimators_alone(name):
    skops_io = pytest.importorskip("skops.io")
    estimator, X = fitted(name)
    data = skops_io.dumps(estimator)
    unknown = skops_io.get_untrusted_types(data=data)
    parts = [step for _, step in getattr(estimator, "steps", [(None, estimator)])]
    ours = {f"{type(part).__module__}.{type(part).__qualname__}" for part in parts}
    assert set(unknown) <= ours
    assert_predicts_the_same(skops_io.loads(data, trusted=unknown), estimator, X)


@pytest.mark.parametrize("form", [ragged, series, frame])
@pytest.mark.parametrize("parameters", [{}, {"with_mean": False, "with_std": False}])
@pytest.mark.parametrize("weight", [None, 0.3])
def test_a_loaded_scaler_goes_on(form, parameters, weight, tmp_path):
    weights = None if weight is None else weight * np.arange(len(form()))
    scaler = SequenceScaler(**parameters).fit(form(), sample_weight=weights)
    loaded = seqnets.load(saved(scaler, tmp_path))
    assert_same(loaded, without_training_state(scaler))
    for one in (scaler, loaded):
        one.partial_fit(form())
    assert_same(loaded, without_training_state(scaler))
    for a, b in zip(loaded.transform(form()), scaler.transform(form()), strict=True):
        assert_same(a, b)


@pytest.mark.parametrize(
    "vocabulary", [None, {"good": 2, "bad": 9}, ["good", "bad"], {"good", "bad"}], ids=repr
)
def test_a_loaded_vectorizer_is_the_saved_one(vocabulary, tmp_path):
    vectorizer = SequenceVectorizer(vocabulary=vocabulary, max_length=4, output="padded")
    vectorizer.fit(TEXTS)
    loaded = seqnets.load(saved(vectorizer, tmp_path))
    assert_same(loaded, without_training_state(vectorizer))
    assert_same(loaded.transform(TEXTS), vectorizer.transform(TEXTS))


def test_texts_that_are_split_already(tmp_path):
    split = [text.split() for text in TEXTS]
    vectorizer = SequenceVectorizer(analyzer=list).fit(split)
    loaded = seqnets.load(saved(vectorizer, tmp_path))
    assert loaded.analyzer is list
    for row, expected in zip(loaded.transform(split), vectorizer.transform(split), strict=True):
        assert_same(row, expected)


def test_training_goes_on_after_loading(tmp_path):
    clf = classifier(embedding_dim=2, warm_start=True).fit(ids(), AB)
    loaded = seqnets.load(saved(clf, tmp_path))
    loaded.partial_fit([[50, 51]], ["yes"])
    assert {50, 51} <= {*loaded.token_ids_}
    loaded.fit(ids(), AB)
    assert (clf.n_iter_, loaded.n_iter_) == (2, 5)
    assert loaded.loss_curve_[:2] == clf.loss_curve_


def test_a_model_fitted_anew_on_series_is_saved(tmp_path):
    clf = classifier(embedding_dim=2).fit(ids(), AB).set_params(embedding_dim=None)
    clf.fit(series(), AB)
    assert_predicts_the_same(seqnets.load(saved(clf, tmp_path)), clf, series())


def test_numbers_of_every_kind_come_back(tmp_path):
    clf, X = fitted("pipeline of series")
    odd = copy.deepcopy(clf).set_params(
        recurrentclassifier__alpha=np.float32(0.1),
        recurrentclassifier__hidden_layer_sizes=np.array([3]),
    )
    odd[-1].loss_, odd[-1].loss_curve_ = -np.inf, [np.inf, np.nan]
    loaded = seqnets.load(saved(odd, tmp_path))
    assert (loaded[-1].loss_, str(loaded[-1].loss_curve_)) == (-np.inf, "[inf, nan]")
    parameters = loaded.get_params()
    assert parameters["recurrentclassifier__alpha"] == np.float32(0.1)
    assert_same(parameters["recurrentclassifier__hidden_layer_sizes"], np.array([3]))


@pytest.mark.parametrize("name", ["texts", "series"])
def test_files_of_version_1_load_for_ever(name):
    known = json.loads((MODELS / "expected.json").read_text("utf-8"))[name]
    model = seqnets.load(MODELS / f"{name}-1.seqnets")
    assert [*model.classes_] == known["classes"]
    np.testing.assert_allclose(model.predict_proba(known["X"]), known["proba"], atol=1e-5)
    assert [*model.predict(known["X"])] == known["labels"]


def test_a_vectorizer_may_be_saved_without_a_fit(tmp_path):
    """With a vocabulary it transforms, too."""
    vectorizer = SequenceVectorizer(vocabulary={"good": 2, "bad": 5})
    seqnets.save(vectorizer, tmp_path / "model")
    loaded = seqnets.load(tmp_path / "model")
    assert loaded.transform(["bad good so"])[0].tolist() == [5, 2, 1]
    assert not hasattr(vectorizer, "vocabulary_")
    vectorizer.fit([]).set_params(vocabulary=["so"])  # only another fit would read it
    seqnets.save(vectorizer, tmp_path / "model")
    assert seqnets.load(tmp_path / "model").transform(["bad good so"])[0].tolist() == [5, 2, 1]


# ---------------------------------------------------------------- what cannot be saved


def shout(text):
    return text.upper().split()


def test_what_cannot_be_saved_is_named(tmp_path):
    texts = fitted("pipeline of texts")[0]
    random = np.random.RandomState(0)
    cases = [
        (classifier(), NotFittedError, "RecurrentClassifier: This RecurrentClassifier"),
        (SequenceVectorizer(), NotFittedError, "SequenceVectorizer: This SequenceVectorizer"),
        ("model.seqnets", TypeError, "The estimator comes first: save"),
        (Pipeline([("a", SequenceScaler())]), NotFittedError, "Pipeline.a: This SequenceScaler"),
        (
            make_pipeline(SequenceVectorizer(tokenizer=shout)).fit(TEXTS),
            TypeError,
            "Pipeline.sequencevectorizer.tokenizer can't be saved: .* but a function",
        ),
        (
            copy.deepcopy(texts).set_params(recurrentclassifier__random_state=random),
            TypeError,
            "Pipeline.recurrentclassifier.random_state can't be saved: .* a RandomState",
        ),
        (
            copy.deepcopy(texts).set_params(recurrentclassifier__embeddings=np.eye(2, dtype="O")),
            TypeError,
            "Pipeline.recurrentclassifier.embeddings can't be saved: .* a ndarray",
        ),
        (  # which another kind of processor would read as other numbers
            classifier().fit(series(), (ABC > 0).astype(np.longdouble)),
            TypeError,
            "RecurrentClassifier.classes_ can't be saved: .* a ndarray",
        ),
        (
            make_pipeline(StandardScaler()).fit(frame()),
            TypeError,
            "Pipeline.standardscaler is a sklearn.preprocessing._data.StandardScaler; only these",
        ),
        (LogisticRegression().fit(frame(), AB), TypeError, "is a sklearn.*skops save others[.]$"),
        (
            GridSearchCV(classifier(), {"cell": ["rnn"]}, cv=2).fit(series(), AB),
            TypeError,
            "GridSearchCV is a .*; only these can be saved: .* Save its best_estimator_",
        ),
        (None, TypeError, "NoneType is a builtins.NoneType"),
        (
            Pipeline(texts.steps, memory="cache"),
            TypeError,
            "Pipeline.memory is a cache on this machine",
        ),
    ]
    path = tmp_path / "model"
    path.write_bytes(b"old")
    for estimator, kind, message in cases:
        with pytest.raises(kind, match=message):
            seqnets.save(estimator, path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["model"]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("dense.W", lambda W: W[:-1], r"parameters_\['dense.W'\] is float64 \(2, 1\), expected"),
        ("layer0.W_h", lambda W: W * np.nan, "holds NaN or inf"),
    ],
)
def test_weights_set_by_hand_are_checked(name, change, message, tmp_path):
    clf = copy.deepcopy(fitted("parameters set after fit")[0])
    clf.parameters_[name] = change(clf.parameters_[name])
    with pytest.raises(ValueError, match=message):
        seqnets.save(clf, tmp_path / "model")
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    ("X", "name", "value"),
    [
        (series()[:, :, 0], "n_features_in_", 0),
        (series()[:, :, 0], "n_features_in_", "many"),
        (series()[:, :, 0], "feature_names_in_", np.array(["a"], dtype=object)),
        (series(), "n_features_in_", 3),
        (series(), "input_mean_", np.array([0.0, np.inf])),
        (series(), "input_mean_", np.zeros(3)),
    ],
)
def test_other_attributes_set_by_hand_are_checked(X, name, value, tmp_path):
    clf = classifier().fit(X, AB)
    setattr(clf, name, value)
    with pytest.raises(ValueError, match=f": {name} is .*, expected"):
        seqnets.save(clf, tmp_path / "model")


# ------------------------------------------------------------------------- wrong files


def replaced(entries, name, data):
    return [(n, data if n == name else old) for n, old in entries.items()]


def npy(array):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version=(1, 0))
    return file.getvalue()


def absurd_header(shape, descr="<f4"):
    """An .npy file whose header has that shape, without data."""
    file = io.BytesIO()
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue()


def test_what_is_no_model_is_named(tmp_path):
    texts = MODELS / "texts-1.seqnets"
    entries = contents(texts)
    arrays = [name for name in entries if name != "model.json"]
    [weights] = [name for name in arrays if "dense.W" in name]
    W = np.load(io.BytesIO(entries[weights]))
    described = entries["model.json"].decode()

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "executed"),)

    def entry(data):
        return lambda path: write_zip(path, replaced(entries, weights, data))

    def json_with(old, new):
        assert described.count(old) == 1, old
        text = described.replace(old, new)
        return lambda path: write_zip(path, replaced(entries, "model.json", text))

    objects = io.BytesIO()
    np.lib.format.write_array(objects, np.array([Evil()], dtype=object))
    many = [(n, d) for n, d in entries.items() if n != weights]
    cases = [
        (lambda p: p.write_bytes(b""), "it is not a complete zip file"),
        (
            lambda p: p.write_bytes(pickle.dumps(Evil())),
            "it is not a complete zip file",
        ),
        (
            lambda p: p.write_bytes(texts.read_bytes()[:-30]),
            "it is not a complete zip file",
        ),
        (lambda p: write_zip(p, []), "'model.json' is missing"),
        (lambda p: write_zip(p, many), f"the entry '{weights}' is missing"),
        (
            lambda p: write_zip(p, [*entries.items(), ("/etc/passwd", b"x")]),
            "the entry '/etc/passwd' is not part of the model",
        ),
        (
            lambda p: write_zip(p, entries.items(), compression=zipfile.ZIP_DEFLATED),
            "an entry is compressed",
        ),
        (entry(objects.getvalue()), "object (1,)"),
        (entry(pickle.dumps(Evil())), "magic string is not correct"),
        (entry(npy(W[:-1])), "parameters_['dense.W'] is float32 (5, 1), expected"),
        (entry(npy(W * np.inf)), "parameters_['dense.W'] holds NaN or inf"),
        (entry(npy(W.astype(np.float64))), "is float64 (6, 1), expected float32 (6, 1)"),
        (entry(npy(W.astype(">f8"))), "is float64 (6, 1), expected float32 (6, 1)"),
        (entry(absurd_header((2**62, 2**62))), f"{weights} has 128 bytes, not float32"),
        (entry(absurd_header((-6, 1))), f"{weights} has 128 bytes, not float32 (-6, 1)"),
        (entry(absurd_header((10**12,), "<U0")), f"{weights} has 128 bytes, not <U0"),
        (entry(npy(W)[:-1]), f"{weights} has"),
        (entry(npy(W) + b"x"), f"{weights} has"),
        (json_with('"version": 1', '"version": 2'), "its format 2 is that of a newer seqnets"),
        (json_with('"version": 1', '"version": "1"'), "version is '1'"),
        (json_with('"format": "seqnets"', '"format": "x"'), "does not say that it is one"),
        (json_with('"version": 1', '"version": 1, "version": 1'), "a key occurs twice"),
        (json_with('"class": "SequenceVectorizer"', '"class": "os.system"'), "is not a class that"),
        (json_with('"alpha": 0.0001', '"alpha": -1.0'), "The 'alpha' parameter"),
        (json_with('"alpha": 0.0001', '"alhpa": 0.0001'), "has no 'alhpa'"),
        (json_with('"_kind": "tokens"', '"_kind": "3d"'), "_network is ('gru'"),
        (json_with('"n_iter_": 2', '"n_iter_": -2'), "n_iter_ is -2, expected a whole number"),
        (json_with('"n_iter_": 2, ', ""), "RecurrentClassifier lacks 'n_iter_'"),
        (json_with('"n_iter_": 2', '"n_iter_": 2, "x": 0'), "RecurrentClassifier has no 'x'"),
        (
            json_with('"out_activation_": "logistic"', '"out_activation_": "softmax"'),
            "don't fit the network's 1 outputs",
        ),
        (json_with('"_largest_id": 2147483647', '"_largest_id": 3'), "_largest_id is 3"),
        (json_with('"recurrentclassifier", {', '"sequencevectorizer", {'), "distinct names"),
        *(  # large numbers may share a hash, which makes look-ups slow
            (json_with('"class_weight": null', given), "a key is too large")
            for given in [
                f'"class_weight": {{"dict": [[{key}], [1]]}}' for key in (2**63, -(2**63))
            ]
        ),
        (
            lambda p: write_zip(p, replaced(entries, "model.json", "[" * 100_000)),
            "is not a valid seqnets file",  # nested too deeply for the parser
        ),
    ]
    for i, (write, message) in enumerate(cases):
        path = tmp_path / str(i)
        write(path)
        assert message in error_of(path)
    assert not (tmp_path / "executed").exists()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_entry_is_read_once(tmp_path):
    entries = contents(MODELS / "texts-1.seqnets")
    twice = write_zip(tmp_path / "twice", [*entries.items(), *entries.items()])
    assert "two entries have the same name" in error_of(twice)
    names = [name for name in entries if name != "model.json"]
    text = entries["model.json"].decode().replace(names[0], names[1])
    shared = write_zip(tmp_path / "shared", replaced(entries, "model.json", text))
    assert f"the entry {names[1]!r} is missing, or used twice" in error_of(shared)


def test_an_entry_that_claims_a_gigabyte_is_not_believed(tmp_path):
    """Both zip headers and the array's own claim it, but the file is small."""
    entries = contents(MODELS / "texts-1.seqnets")
    [name] = [name for name in entries if "dense.W" in name]
    data, claimed = absurd_header((2**28, 1)), 2**30 + 128
    path = write_zip(tmp_path / "model", replaced(entries, name, data))
    sizes, lies = struct.pack("<2I", len(data), len(data)), struct.pack("<2I", claimed, claimed)
    whole = path.read_bytes()
    assert whole.count(struct.pack("<I", zlib.crc32(data)) + sizes) == 2
    path.write_bytes(whole.replace(sizes, lies))
    error, peak = with_peak_memory(error_of, path)
    assert "its entries claim to be larger than the file" in error
    assert peak < 2**20


def test_bytes_that_are_no_string_or_truth_value_are_refused(tmp_path):
    for name, array in {
        "texts": np.array([2**30, 2**31], dtype=np.uint32).view("<U1"),
        "series": np.array([2, 0, 1], dtype=np.uint8).view(bool),
    }.items():
        entries = contents(MODELS / f"{name}-1.seqnets")
        [classes] = [name for name in entries if "classes_" in name]
        path = write_zip(tmp_path / "model", replaced(entries, classes, npy(array)))
        assert f"{classes} holds a value that is not {array.dtype}" in error_of(path)


def described_anew(estimator, change, tmp_path):
    """The file of the estimator, its description changed."""
    entries = contents(saved(estimator, tmp_path))
    model = json.loads(entries["model.json"])
    change(model["model"])
    write_zip(tmp_path / "changed", replaced(entries, "model.json", json.dumps(model)))
    return tmp_path / "changed"


def nested(model, n):
    for _ in range(n):
        inner = dict(model)
        model.clear()
        model |= {"class": "Pipeline", "steps": [["a", inner]], "parameters": {"verbose": False}}


@pytest.mark.parametrize(
    ("make", "change", "message"),
    [
        (
            lambda: SequenceScaler().fit(series()),
            lambda model: model["fitted"].update({"scale_": None}),
            "scale_ is None, expected a float64 above 0 per channel",
        ),
        (
            lambda: SequenceScaler(with_mean=False, with_std=False).fit(series()),
            lambda model: model["fitted"].update({"var_": 1.0}),
            "var_ is 1.0, expected a float64 of at least 0 per channel, None without mean_",
        ),
        (
            lambda: fitted("pipeline of texts")[0],
            lambda model: model["steps"].reverse(),
            "should be transformers and implement fit and transform",
        ),
        (
            lambda: fitted("pipeline of texts")[0],
            lambda model: model["steps"][0].__setitem__(0, "a__b"),
            "must not contain __",
        ),
        (
            lambda: fitted("pipeline of texts")[0],
            lambda model: model["parameters"].update({"memory": "a folder of pickles"}),
            "Pipeline has no 'memory'",
        ),
        (
            lambda: SequenceScaler().fit(series()),
            lambda model: nested(model, 6),
            "more than 5 deep",
        ),
        (
            lambda: classifier().fit(series(), np.arange(12) % 2),
            lambda model: model["fitted"].update({"token_ids_": None}),
            "must not have 'token_ids_'",
        ),
        (
            lambda: classifier().fit(series(), np.arange(12) % 2),
            lambda model: model["fitted"].update({"parameters_": 3}),
            "parameters_ is 3, expected the weights of this network",
        ),
        (
            lambda: classifier().fit(series(), np.arange(12) % 2),
            lambda model: model["fitted"].update(
                {"_network": {"tuple": ["rnn", 2, {"tuple": [1] * 10**5}, "last", 1, None, False]}}
            ),
            "_network is ",
        ),
    ],
)
def test_what_could_not_work_is_refused(make, change, message, tmp_path):
    path = described_anew(make(), change, tmp_path)
    error = error_of(path)
    assert message in error
    assert len(error) < 1000


def test_ids_that_are_not_in_order_are_refused(tmp_path):
    entries = contents(MODELS / "texts-1.seqnets")
    [name] = [name for name in entries if "token_ids_" in name]
    known = np.load(io.BytesIO(entries[name]))
    for wrong in (known[::-1].copy(), known - 1, known + 2**31, known | -(2**63), known * 1.0):
        path = write_zip(tmp_path / "model", replaced(entries, name, npy(wrong)))
        assert "expected distinct token ids in order" in error_of(path)


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="none"):
        seqnets.load(tmp_path / "none")


@pytest.mark.parametrize("error", [MemoryError("none left"), OSError(errno.EIO, "broken disk")])
def test_a_machine_that_fails_is_no_fault_of_the_file(error, monkeypatch, capsys):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr(np.lib.format, "read_array", fails)
    with pytest.raises(type(error)) as info:
        seqnets.load(MODELS / "texts-1.seqnets")
    assert info.value is error
    assert cli.main(["explain", str(MODELS / "texts-1.seqnets"), "good"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "not enough memory" in line or "broken disk" in line


def test_a_header_that_python_s_parser_has_no_memory_for(tmp_path):
    entries = contents(MODELS / "texts-1.seqnets")
    [name] = [name for name in entries if "dense.W" in name]
    header = b"\x93NUMPY\x01\x00" + (9000).to_bytes(2, "little") + b"-" * 9000
    path = write_zip(tmp_path / "model", replaced(entries, name, header))
    assert error_of(path)


# ----------------------------------------------------------------------- mutated files

ABSURD = [None, True, -1, 0, 7, 2**31, 10**30, 1e308, "", "x", [], [[]], {}, {"tuple": [0]}]
ABSURD += [{"array": "x"}, {"dict": [[0, 0], [1, 1]]}, {"float": "nan"}, {"float": "1"}]


def places(value):
    """Every container of a JSON value with each of its keys."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield value, key
        if isinstance(item, dict | list):
            yield from places(item)


def damaged(data, random):
    """The file with a few bytes changed, cut off, left out or doubled."""
    start, stop = sorted(random.randint(0, len(data) + 1, 2))
    way = random.randint(5)
    if way == 0:
        return data[:start]
    if way == 1:
        return data[:start] + data[stop:]
    if way == 2:
        return data[:stop] + data[start:]
    array = np.frombuffer(data, np.uint8).copy()
    # the directory at the end of the file is small, but most depends on it
    first = data.rindex(b"PK\x05\x06") if way == 3 else 0
    where = random.randint(first, len(data), random.randint(1, 5))
    array[where] ^= random.randint(1, 256, where.size).astype(np.uint8)
    return array.tobytes()


def rewritten(entries, random):
    """A sound archive with an absurd value in its description, or an absurd array."""
    entries = dict(entries)
    if random.randint(2):
        description = json.loads(entries["model.json"])
        all_places = list(places(description))
        container, key = all_places[random.randint(len(all_places))]
        container[key] = ABSURD[random.randint(len(ABSURD))]
        entries["model.json"] = json.dumps(description).encode()
    else:
        name = sorted(entries)[random.randint(len(entries) - 1)]
        array = np.load(io.BytesIO(entries[name]))
        numbers = ["<f4", "<f8", ">f4", "<i8", "?"] if array.dtype.kind != "U" else []
        wrong = [
            lambda: npy(array.astype(random.choice(["<U3", ">U4", *numbers]))),
            lambda: npy(array.reshape(-1)[: random.randint(array.size)]),
            lambda: npy(array.T[..., np.newaxis]),
            lambda: npy(np.concatenate((array, array))),
            lambda: absurd_header(tuple(random.randint(0, 2**31, 2).tolist())),
            lambda: npy(array)[: random.randint(128)],
        ]
        entries[name] = wrong[random.randint(len(wrong))]()
    file = io.BytesIO()
    write_zip(file, entries.items())
    return file.getvalue()


@pytest.mark.filterwarnings("ignore::UserWarning")  # by zipfile, numpy and sklearn
@pytest.mark.parametrize("n", N_MUTATIONS)
@pytest.mark.parametrize("name", ["texts", "series"])
def test_a_mutated_file_is_refused_or_means_the_same(name, n, tmp_path):
    original = MODELS / f"{name}-1.seqnets"
    X = json.loads((MODELS / "expected.json").read_text("utf-8"))[name]["X"]
    data, entries = original.read_bytes(), contents(original)
    honest, peak = with_peak_memory(load_or_none, original)
    expected = honest.predict_proba(X)
    path, refused = tmp_path / "model", 0
    for seed in range(n // 2):
        random = np.random.RandomState(seed)
        sound = seed % 2
        path.write_bytes(rewritten(entries, random) if sound else damaged(data, random))
        model, most = with_peak_memory(load_or_none, path)
        assert most < 10 * peak, seed
        if model is None:
            refused += 1
        elif not sound:
            assert_same(model.predict_proba(X), expected)
        else:  # perhaps another sound model: with other words, or a pipeline that lacks a step
            with contextlib.suppress(AttributeError, TypeError, ValueError):
                assert np.isfinite(model.predict_proba(X)).all(), seed
    assert n // 4 < refused < n // 2


def load_or_none(path):
    """The model, or None if the file is refused with the one error that is allowed."""
    try:
        return seqnets.load(path)
    except ValueError as error:
        assert type(error) is ValueError
        assert "is not a valid seqnets file: " in str(error)
        return None


def test_loading_takes_little_more_memory_than_the_model(tmp_path):
    clf = classifier(embedding_dim=200, embeddings=np.ones((5000, 200), dtype=np.float32))
    path = saved(clf.fit(ids(), AB), tmp_path)
    model, peak = with_peak_memory(load_or_none, path)
    assert model is not None
    assert peak < 1.5 * path.stat().st_size


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes by name are POSIX'")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="Not a regular file"):
        seqnets.load(tmp_path / "pipe")


# -------------------------------------------------------------------- files as wholes


def test_a_file_has_the_permissions_of_any_new_one(tmp_path):
    path = saved(fitted("tokens in parts")[0], tmp_path)
    (tmp_path / "other").touch()
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize("function", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_a_save_that_fails_leaves_the_old_file(function, error, tmp_path, monkeypatch):
    path = tmp_path / "model"
    path.write_bytes(b"old")

    def fail(*_):
        raise error

    monkeypatch.setattr(os, function, fail)
    with pytest.raises(type(error)) as info:
        seqnets.save(fitted("tokens in parts")[0], path)
    assert getattr(info.value, "filename", str(path)) == str(path)
    assert os.listdir(tmp_path) == ["model"]
    assert path.read_bytes() == b"old"


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX'")
def test_a_private_file_stays_private(tmp_path):
    path, model = tmp_path / "model", SequenceScaler().fit(series())
    seqnets.save(model, path)
    path.chmod(0o600)
    seqnets.save(model, path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_symbolic_link_stays_one(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    try:
        link.symlink_to(target)
    except OSError:
        pytest.skip("no symbolic links here")
    saved(fitted("tokens in parts")[0], tmp_path, "link")
    assert link.is_symlink()
    assert seqnets.load(target).n_iter_ == 2


@pytest.mark.parametrize("check", [seqnets.save, lambda _, path: files.check_writable(path)])
def test_places_that_take_no_file(check, tmp_path):
    clf = fitted("tokens in parts")[0]
    with pytest.raises(FileNotFoundError):
        check(clf, tmp_path / "none" / "model")
    with pytest.raises(OSError, match="Not a regular file"):
        check(clf, tmp_path)
    with pytest.raises(OSError, match="Not a regular file"):
        check(clf, os.devnull)
    with pytest.raises(OSError, match="Not a regular file"):
        check(clf, f"{tmp_path}/new/")
    assert not os.listdir(tmp_path)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="may write everywhere")
@pytest.mark.parametrize("check", [seqnets.save, lambda _, path: files.check_writable(path)])
def test_a_read_only_place(check, tmp_path):
    clf, kept = fitted("tokens in parts")[0], tmp_path / "kept"
    kept.write_bytes(b"old")
    kept.chmod(0o444)
    with pytest.raises(PermissionError, match="kept"):
        check(clf, kept)
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(PermissionError):
            check(clf, tmp_path / "new")
    finally:
        tmp_path.chmod(0o755)
    assert kept.read_bytes() == b"old"


STOPPED = """
import os, sys, time
import seqnets
model = seqnets.load(sys.argv[1])
def wait(_):
    print("writing", flush=True)
    time.sleep(60)
os.fsync = wait
seqnets.save(model, sys.argv[2])
"""

ENDLESS = """
import sys
import seqnets
models = [seqnets.load(path) for path in sys.argv[1:3]]
while True:
    for model in models:
        seqnets.save(model, sys.argv[3])
        print("writing", flush=True)
"""


FITTING = """
import sys
import seqnets
def scoring(*_):
    print("writing", flush=True)
    return 0.0
clf = seqnets.RecurrentClassifier(
    "rnn", 2, max_iter=10**6, n_iter_no_change=10**6, early_stopping=True, scoring=scoring
)
clf.fit([[0.0, 1.0], [1.0, 0.0]] * 20, [0, 1] * 20)
seqnets.save(clf.set_params(scoring="loss"), sys.argv[1])
"""


def signaled(program, arguments, number, seconds=0.0):
    """Run the program until it says that it is writing, and a little longer."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdout.readline() == b"writing\n"
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
        process.communicate(timeout=60)


@not_windows
@pytest.mark.parametrize(
    "number", [getattr(signal, "SIGKILL", None), signal.SIGINT], ids=["SIGKILL", "SIGINT"]
)
def test_a_save_that_is_stopped_leaves_the_old_file(number, tmp_path):
    path = tmp_path / "model"
    path.write_bytes(b"old")
    signaled(STOPPED, [MODELS / "texts-1.seqnets", path], number)
    assert path.read_bytes() == b"old"
    assert len(os.listdir(tmp_path)) == (2 if number == signal.SIGKILL else 1)


@not_windows
@pytest.mark.parametrize(
    "number", [getattr(signal, "SIGKILL", None), signal.SIGINT], ids=["SIGKILL", "SIGINT"]
)
def test_a_fit_that_is_stopped_leaves_a_whole_file(number, tmp_path):
    """If killed, the old one; if interrupted, the new one, of a model that has learned less."""
    path, old = tmp_path / "model", (MODELS / "series-1.seqnets").read_bytes()
    path.write_bytes(old)
    signaled(FITTING, [path], number, seconds=0.2)
    assert os.listdir(tmp_path) == ["model"]
    assert (path.read_bytes() == old) == (number == signal.SIGKILL)
    model = seqnets.load(path)
    if number == signal.SIGINT:
        assert len(model.loss_curve_) == model.n_iter_ > 0


@not_windows
@pytest.mark.long
@pytest.mark.parametrize("seed", range(20))
def test_a_save_that_is_stopped_anywhere_leaves_a_whole_file(seed, tmp_path):
    originals = [MODELS / "texts-1.seqnets", MODELS / "series-1.seqnets"]
    number = (signal.SIGKILL, signal.SIGINT)[seed % 2]
    seconds = np.random.RandomState(seed).uniform(0.02, 0.2)
    signaled(ENDLESS, [*originals, tmp_path / "model"], number, seconds)
    seqnets.load(tmp_path / "model")
