"""A validation set of one's own, scorers, and metadata routing."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.metrics import f1_score, log_loss, make_scorer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from seqnets import RecurrentClassifier, SequenceScaler, SequenceVectorizer

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N = 30
Y = np.resize(["a", "b", "b"], N)
Y_VAL = np.resize(["b", "a"], 12)

each_kind = pytest.mark.parametrize("kind", ["series", "tokens"])


def make(kind, n=N, seed=0, high=9):
    random = np.random.RandomState(seed)
    lengths = random.randint(1, 5, n)
    if kind == "tokens":
        return [random.randint(1, high, T) for T in lengths]
    return [random.normal(size=(T, 2)) for T in lengths]


def make_classifier(kind="series", **parameters):
    defaults = {"hidden_layer_sizes": 3, "max_iter": 9, "n_jobs": 1, "random_state": 0}
    defaults |= {"batch_size": 4, "dtype": "float64", "learning_rate_init": 0.05}
    if kind == "tokens":
        defaults["embedding_dim"] = 2
    return RecurrentClassifier("gru", **defaults | parameters)


# ---------------------------------------------------------------------- X_val and y_val


@each_kind
@pytest.mark.parametrize("weighted", [False, True])
def test_the_weights_with_the_lowest_loss_on_it_come_back(kind, weighted):
    """Ids that fit has not seen are unknown there, as they are to predict."""
    X_val = make(kind, 12, seed=1, high=15)
    weights = np.linspace(0.5, 2.0, 12) if weighted else None
    clf = make_classifier(kind).fit(
        make(kind), Y, X_val=X_val, y_val=Y_VAL, sample_weight_val=weights
    )
    loss = log_loss(Y_VAL, clf.predict_proba(X_val), sample_weight=weights)
    assert loss == pytest.approx(min(clf.validation_loss_curve_), rel=1e-12)
    assert clf.best_validation_score_ == -min(clf.validation_loss_curve_)
    assert clf.t_ == clf.n_iter_ * N  # all of X is trained on


@each_kind
def test_nothing_of_it_is_learned(kind):
    """Without it the same epochs run, on the same scale, with the same embeddings."""
    clf = make_classifier(kind, max_iter=3).fit(
        make(kind), Y, X_val=[100 + x for x in make(kind, 12, seed=1)], y_val=Y_VAL
    )
    alone = make_classifier(kind, max_iter=3).fit(make(kind), Y)
    assert clf.loss_curve_ == alone.loss_curve_
    assert clf.parameters_.keys() == alone.parameters_.keys()
    for name, W in clf.parameters_.items():
        assert W.shape == alone.parameters_[name].shape


def test_class_weights_count_there_too():
    given = {"a": 3.0, "b": 0.5}
    X_val = make("series", 12, seed=1)
    clf = make_classifier(class_weight=given).fit(make("series"), Y, X_val=X_val, y_val=Y_VAL)
    weights = [given[label] for label in Y_VAL]
    loss = log_loss(Y_VAL, clf.predict_proba(X_val), sample_weight=weights)
    assert loss == pytest.approx(min(clf.validation_loss_curve_), rel=1e-12)


@pytest.mark.parametrize(
    ("parameters", "given", "message"),
    [
        ({}, {"X_val": [[1.0]]}, "X_val is given without y_val"),
        ({}, {"y_val": ["a"]}, "y_val is given without X_val"),
        ({}, {"sample_weight_val": [1.0]}, "sample_weight_val is given without X_val"),
        ({"early_stopping": False}, {"X_val": [[1.0]], "y_val": ["a"]}, "early_stopping=False"),
        ({}, {"X_val": [np.ones((2, 2))], "y_val": ["c"]}, "y_val holds .*'c'"),
        ({}, {"X_val": [np.ones((2, 2))], "y_val": ["a", "b"]}, "inconsistent"),
        ({}, {"X_val": [np.full((2, 2), np.nan)], "y_val": ["a"]}, r"X_val: X\[0\] holds nan"),
        ({}, {"X_val": [np.ones((2, 3))], "y_val": ["a"]}, "X_val: X has 3 features"),
        (
            {},
            {"X_val": [np.ones((2, 2))], "y_val": ["a"], "sample_weight_val": [0.0]},
            "weights of the validation set are 0|at least one non-zero",
        ),
    ],
)
def test_what_is_refused(parameters, given, message):
    clf = make_classifier(**parameters)
    with pytest.raises(ValueError, match=message):
        clf.fit(make("series"), Y, **given)
    assert not hasattr(clf, "classes_")


# ------------------------------------------------------------------------------ scoring

PLAIN = {"f1_b": lambda clf, X, y: f1_score(y, clf.predict(X), pos_label="b")}


@each_kind
@pytest.mark.parametrize(
    "scoring",
    ["accuracy", "roc_auc", "neg_log_loss", make_scorer(f1_score, pos_label="b"), PLAIN["f1_b"]],
    ids=["accuracy", "roc_auc", "neg_log_loss", "make_scorer", "function"],
)
def test_the_best_epoch_by_any_scorer_comes_back(kind, scoring):
    X_val = make(kind, 12, seed=1)
    clf = make_classifier(kind, scoring=scoring, n_iter_no_change=9)
    clf.fit(make(kind), Y, X_val=X_val, y_val=Y_VAL)
    score = sklearn.metrics.check_scoring(clf, scoring)(clf, X_val, Y_VAL)
    assert clf.best_validation_score_ == max(clf.validation_scores_)
    assert score == pytest.approx(clf.best_validation_score_, rel=1e-12)
    assert len(clf.validation_scores_) == len(clf.validation_loss_curve_) == clf.n_iter_
    assert clf.validation_scores_ != [-loss for loss in clf.validation_loss_curve_]


@pytest.mark.parametrize(
    "form",
    [list, np.array, pd.DataFrame, lambda X: pl.DataFrame(X, orient="row")],
    ids=["list", "array", "pandas", "polars"],
)
def test_a_scorer_gets_the_rows_as_they_were_given(form):
    """Those that were set aside, with their labels; as many as validation_fraction says."""
    X = [[float(i), -1.0, 2.0] for i in range(N)]
    seen = []

    def scorer(clf, X, y):
        seen.append((X, y))
        return clf.score(X, y)

    make_classifier(scoring=scorer, early_stopping=True, max_iter=1).fit(form(X), Y)
    ((rows, labels),) = seen
    assert type(rows) is type(form(X))
    numbers = np.asarray(rows)[:, 0].astype(int)
    assert len(numbers) == 3
    assert labels.tolist() == Y[numbers].tolist()


def test_sample_weights_reach_the_scorer():
    X_val, weights = make("series", 12, seed=1), np.linspace(0.1, 9.0, 12)
    clf = make_classifier(scoring="accuracy", max_iter=4)
    clf.fit(make("series"), Y, X_val=X_val, y_val=Y_VAL, sample_weight_val=weights)
    found = clf.score(X_val, Y_VAL, sample_weight=weights)
    assert clf.best_validation_score_ == pytest.approx(found, rel=1e-12)


def test_several_labels_with_a_scorer():
    several = np.c_[Y == "a", np.arange(N) % 2].astype(int)
    clf = make_classifier(scoring="f1_micro", early_stopping=True, validation_fraction=0.4)
    clf.fit(make("series"), several)
    assert len(clf.validation_scores_) == clf.n_iter_


# --------------------------------------------------------------------- metadata routing

TEXTS = [" ".join(words) for words in np.random.RandomState(0).choice(list("abcde"), (N, 4))]


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def test_a_pipeline_transforms_the_validation_set(routing):
    texts_val = ["a b z", "c"] * 6
    clf = make_classifier("tokens").set_fit_request(X_val=True, y_val=True)
    pipe = make_pipeline(SequenceVectorizer(), clf, transform_input=["X_val"])
    pipe.fit(TEXTS, Y, X_val=texts_val, y_val=Y_VAL)
    words = SequenceVectorizer()
    ids = words.fit_transform(TEXTS)
    by_hand = make_classifier("tokens").fit(ids, Y, X_val=words.transform(texts_val), y_val=Y_VAL)
    assert pipe[-1].validation_loss_curve_ == by_hand.validation_loss_curve_
    for name, W in by_hand.parameters_.items():
        np.testing.assert_array_equal(pipe[-1].parameters_[name], W, err_msg=name)


def test_weights_reach_the_classifier_in_a_search(routing):
    weights = np.linspace(0.1, 3.0, N)
    clf = make_classifier("tokens", max_iter=2).set_fit_request(sample_weight=True)
    clf.set_score_request(sample_weight=True)
    search = GridSearchCV(
        make_pipeline(SequenceVectorizer(), clf), {"recurrentclassifier__cell": ["rnn"]}, cv=2
    )
    search.fit(TEXTS, Y, sample_weight=weights)
    by_hand = make_classifier("tokens", max_iter=2).set_params(cell="rnn")
    by_hand.fit(SequenceVectorizer().fit_transform(TEXTS), Y, weights)
    for name, W in by_hand.parameters_.items():
        np.testing.assert_array_equal(search.best_estimator_[-1].parameters_[name], W, err_msg=name)


# --------------------------------------------------------------- set_output, HTML, names


def test_the_vectorizer_has_no_data_frame_to_give():
    for estimator in (SequenceVectorizer(), make_pipeline(SequenceVectorizer(), make_classifier())):
        with pytest.raises(ValueError, match="SequenceVectorizer has no 'pandas' output"):
            estimator.set_output(transform="pandas")


def test_html_links_to_the_documentation():
    pipe = make_pipeline(SequenceVectorizer(), SequenceScaler(), make_classifier())
    html = pipe._repr_html_()
    for name in ("SequenceVectorizer", "SequenceScaler", "RecurrentClassifier"):
        assert f"seqnets.readthedocs.io/en/stable/#{name}" in html
    assert "gru" in html


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
def test_names_of_columns(frame):
    data = {name: np.random.RandomState(0).normal(size=N) for name in ("mon", "tue", "wed")}
    fitted = make_classifier(max_iter=2).fit(frame(data), Y)
    parts = make_classifier().partial_fit(frame(data), Y, classes=["a", "b"])
    other = frame({name.upper(): column for name, column in data.items()})
    for clf in (fitted, parts):
        assert clf.feature_names_in_.tolist() == ["mon", "tue", "wed"]
        with pytest.raises(ValueError, match="feature names should match"):
            clf.predict(other)
    with pytest.raises(ValueError, match="feature names should match"):
        parts.partial_fit(other, Y)
