"""A validation set of the user's own, the scores on it, and what scikit-learn brings along."""

import copy
import inspect
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from helpers import assert_as_before, assert_same_weights, object_array, small_model, snapshot
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, f1_score, get_scorer, log_loss, make_scorer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from seqnets import RecurrentClassifier, SequenceScaler, SequenceVectorizer, labels

# Most fits are too short to learn anything.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N, N_VAL = 30, 20
Y = np.array(["a", "b", "c"])[np.arange(N) % 3]
Y_VAL = np.array(["a", "b", "c"])[np.random.RandomState(2).randint(0, 3, N_VAL)]
WEIGHTS_VAL = np.linspace(0.0, 3.0, N_VAL)

each_kind = pytest.mark.parametrize("kind", ["series", "tokens"])


# -------------------------------------------------------------------------------- helpers


def make(kind, n=N, seed=0, largest_id=9):
    """Series of 2 features, or ids; some may be empty."""
    random = np.random.RandomState(seed)
    lengths = random.randint(0, 5, n)
    if kind == "tokens":
        return [random.randint(1, largest_id + 1, T) for T in lengths]
    return [random.normal(seed, 1 + seed, size=(T, 2)) for T in lengths]


def make_validation(kind):
    """Its mean and spread are not those of the training set; most token ids are unknown."""
    return make(kind, N_VAL, seed=1, largest_id=50)


def make_classifier(kind="series", **parameters):
    defaults = {"dtype": "float64", "validation_fraction": 0.3}
    return small_model(kind, **defaults | parameters)


def fit(kind="series", weights=None, **parameters):
    """A model of `Y`, judged on `Y_VAL`."""
    validation = {"X_val": make_validation(kind), "y_val": Y_VAL, "sample_weight_val": weights}
    return make_classifier(kind, **parameters).fit(make(kind), Y, **validation)


class Spy:
    """A scorer that keeps the models it judges and what else it is called with."""

    def __init__(self, scores):
        self.scores = scores  # a list, or a scorer
        self.models, self.calls = [], []

    def __call__(self, estimator, X, y, **metadata):
        self.models.append(copy.deepcopy(estimator))
        self.calls.append((X, y, metadata))
        if callable(self.scores):
            return self.scores(estimator, X, y, **metadata)
        return self.scores[len(self.calls) - 1]

    def __deepcopy__(self, memo):
        return self  # else each model would hold copies of all before


# --------------------------------------------------------------------------------- X_val


@each_kind
@pytest.mark.parametrize("weights", [None, WEIGHTS_VAL])
def test_the_epoch_of_the_lowest_log_loss_comes_back(kind, weights):
    """The training goes too far here, as the labels are random."""
    spy = Spy([0.0] * 20)
    parameters = {"max_iter": 20, "n_iter_no_change": 20, "learning_rate_init": 0.1}
    judged, clf = (fit(kind, weights, scoring=scoring, **parameters) for scoring in (spy, "loss"))
    X = make_validation(kind)
    losses = [log_loss(Y_VAL, m.predict_proba(X), sample_weight=weights) for m in spy.models]
    np.testing.assert_allclose(clf.validation_loss_curve_, losses, rtol=1e-12)
    assert judged.validation_loss_curve_ == clf.validation_loss_curve_
    assert clf.validation_scores_ == [-loss for loss in clf.validation_loss_curve_]
    assert clf.best_validation_score_ == max(clf.validation_scores_)
    assert_same_weights(clf, spy.models[np.argmin(losses)])
    assert losses[-1] > min(losses) + 1e-3


def test_class_weights_count_on_it_too():
    """They multiply the sample weights of the validation set."""
    of_class = {"a": 1.0, "b": 5.0, "c": 0.5}
    clf = fit(weights=WEIGHTS_VAL, class_weight=of_class)
    weights = WEIGHTS_VAL * [of_class[label] for label in Y_VAL]
    proba = clf.predict_proba(make_validation("series"))
    loss = log_loss(Y_VAL, proba, sample_weight=weights)
    assert loss == pytest.approx(min(clf.validation_loss_curve_), rel=1e-12)


def test_several_labels_are_judged_column_by_column():
    Y, Y_val = (np.random.RandomState(n).randint(0, 2, (n, 3)) for n in (N, N_VAL))
    X_val = make_validation("series")
    clf = make_classifier().fit(make("series"), Y, X_val=X_val, y_val=Y_val)
    losses = [log_loss(y, p) for y, p in zip(Y_val.T, clf.predict_proba(X_val).T, strict=True)]
    assert sum(losses) == pytest.approx(min(clf.validation_loss_curve_), rel=1e-12)


def test_it_turns_early_stopping_on():
    """ "auto" sets nothing aside if sequences are so few, nor does True if X_val is given."""
    assert make_classifier().fit(make("series"), Y).validation_scores_ is None
    auto, true = fit(early_stopping="auto"), fit(early_stopping=True)
    assert len(auto.validation_scores_) == 3
    assert auto.t_ == true.t_ == 3 * N
    assert_same_weights(auto, true)


@each_kind
def test_training_does_not_look_at_it(kind):
    """Its sequences, ids, scale and classes change nothing but which epoch is kept."""
    judged, alone = fit(kind), make_classifier(kind).fit(make(kind), Y)
    assert judged.loss_curve_ == alone.loss_curve_
    for name in ("classes_", "token_ids_", "input_mean_", "input_scale_", "n_features_in_"):
        assert hasattr(judged, name) == hasattr(alone, name)
        np.testing.assert_array_equal(getattr(judged, name, 0), getattr(alone, name, 0))
    one_class = {"X_val": make_validation(kind)[:2], "y_val": ["c", "c"]}
    clf = make_classifier(kind).fit(make(kind), Y, **one_class)
    assert clf.classes_.tolist() == ["a", "b", "c"]
    assert clf.loss_curve_ == alone.loss_curve_


# ---------------------------------------------------------------------- what is refused


def with_nan(X):
    X[3] = np.full((2, 2), np.nan)
    return X


SERIES = make_validation("series")


class Undecodable:
    """An array that is read from a file whose text can't be decoded."""

    def __array__(self, *args, **kwargs):
        return np.array([b"\xff".decode("utf-8")])


NOT_ALLOWED = {
    "without labels": ({"X_val": SERIES}, "X_val is given without y_val"),
    "labels alone": ({"y_val": Y_VAL}, "y_val is given without X_val"),
    "weights alone": ({"sample_weight_val": WEIGHTS_VAL}, "sample_weight_val is given without X_v"),
    "no labels but weights": (
        {"X_val": SERIES, "sample_weight_val": WEIGHTS_VAL},
        "X_val is given without y_val",
    ),
    "NaN": (
        {"X_val": with_nan(make_validation("series")), "y_val": Y_VAL},
        r"X_val: X\[3\] holds nan at step 0",
    ),
    "features": (
        {"X_val": [np.ones((2, 3))] * N_VAL, "y_val": Y_VAL},
        "X_val: X has 3 features, but RecurrentClassifier is expecting 2",
    ),
    "an error whose message is not all it is made from": (
        {"X_val": Undecodable(), "y_val": Y_VAL},
        "X_val: 'utf-8' codec can't decode",
    ),
    "unknown label": (
        {"X_val": SERIES, "y_val": ["d", *Y_VAL[1:]]},
        "y_val: y holds .*'d'.* not among the classes",
    ),
    "labels of another type": (
        {"X_val": SERIES, "y_val": np.arange(N_VAL) % 3},
        "y_val: y holds .*0.* not among the classes",
    ),
    "too few labels": ({"X_val": SERIES, "y_val": Y_VAL[1:]}, r"y_val.*\b19\b"),
    "several labels": (
        {"X_val": SERIES, "y_val": np.eye(3)[np.arange(N_VAL) % 3]},
        "y_val: y has ",
    ),
    "missing label": (
        {"X_val": SERIES, "y_val": np.where(Y_VAL == "a", np.nan, 1.0)},
        "y_val: .*contains NaN",
    ),
    "too few weights": (
        {"X_val": SERIES, "y_val": Y_VAL, "sample_weight_val": np.ones(3)},
        r"sample_weight_val.*\b3\b",
    ),
    "negative weights": (
        {"X_val": SERIES, "y_val": Y_VAL, "sample_weight_val": -WEIGHTS_VAL},
        "sample_weight_val|validation set",
    ),
    "no weight": (
        {"X_val": SERIES, "y_val": Y_VAL, "sample_weight_val": 0 * WEIGHTS_VAL},
        "sample_weight_val|validation set",
    ),
}


@pytest.mark.parametrize(("validation", "message"), NOT_ALLOWED.values(), ids=NOT_ALLOWED)
def test_validation_sets_that_are_refused(validation, message):
    """The error names the argument; what was fitted stays."""
    clf = make_classifier().fit(make("series"), Y)
    before = snapshot(clf)
    with pytest.raises(ValueError, match=message):
        clf.fit(make("series"), Y, **validation)
    assert_as_before(clf, before)


@pytest.mark.parametrize("early_stopping", [False, np.False_])
def test_no_early_stopping_and_a_validation_set_contradict_each_other(early_stopping):
    with pytest.raises(ValueError, match="X_val is given.*early_stopping=False"):
        fit(early_stopping=early_stopping)


def test_texts_as_validation_set():
    with pytest.raises(TypeError, match="X_val: X holds strings.*In a Pipeline, pass what"):
        make_classifier("tokens").fit(make("tokens"), Y, X_val=["a b"] * N_VAL, y_val=Y_VAL)


# --------------------------------------------------------------------------------- scores


SCORERS = {name: name for name in ("accuracy", "roc_auc", "neg_log_loss", "f1_macro")}
SCORERS |= {"make_scorer": make_scorer(accuracy_score), "plain": lambda clf, X, y: clf.score(X, y)}


@pytest.mark.parametrize("scoring", SCORERS.values(), ids=SCORERS)
@pytest.mark.parametrize("own", [True, False], ids=["X_val", "split"])
def test_scores_are_those_of_each_epoch(own, scoring):
    """Of the epochs with the best score, the one with the lowest loss comes back."""
    X, y = make("series"), np.where(Y == "a", "no", "yes")
    validation = {"X_val": make_validation("series"), "y_val": np.where(Y_VAL == "a", "no", "yes")}
    scorer = get_scorer(scoring)
    spy = Spy(scorer)
    clf, watched = (
        make_classifier(
            scoring=s, max_iter=8, n_iter_no_change=8, learning_rate_init=0.1, early_stopping=True
        ).fit(X, y, **validation if own else {})
        for s in (scoring, spy)
    )
    X_val, y_val, _ = spy.calls[0]
    expected = [scorer(model, X_val, y_val) for model in spy.models]
    assert clf.validation_scores_ == watched.validation_scores_ == expected
    assert len(set(expected)) > 1
    assert clf.best_validation_score_ == max(expected) == scorer(clf, X_val, y_val)
    pairs = list(zip(expected, -np.array(clf.validation_loss_curve_), strict=True))
    assert_same_weights(clf, spy.models[pairs.index(max(pairs))])


def test_no_scorer_is_the_estimator_s_own_score():
    clf, named = (
        make_classifier("series", scoring=scoring, early_stopping=True).fit(make("series"), Y)
        for scoring in (None, "accuracy")
    )
    assert clf.validation_scores_ == named.validation_scores_


def test_the_score_decides_and_not_the_loss():
    scores = [0.1, 0.5, 0.2, 0.5, 0.4, 0.3]
    spy = Spy(scores)
    clf = fit(scoring=spy, max_iter=9, n_iter_no_change=3)
    assert clf.validation_scores_ == scores  # ends after more than 3 that are no better
    assert clf.best_validation_score_ == 0.5
    of_the_best = [clf.validation_loss_curve_[epoch] for epoch in (1, 3)]
    assert min(clf.validation_loss_curve_) < min(of_the_best)
    assert_same_weights(clf, spy.models[(1, 3)[np.argmin(of_the_best)]])


FORMS = {
    "list": list,
    "object array": object_array,
    "2-D array": lambda X: np.array([x[:1, 0] for x in X]),
    "3-D array": np.array,
    "pandas": lambda X: pd.DataFrame({"a": [x[0, 0] for x in X], "b": 1.0}),
    "polars": lambda X: pl.DataFrame({"a": [x[0, 0] for x in X], "b": 1.0}),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("own", [True, False], ids=["X_val", "split"])
def test_a_scorer_gets_the_rows_as_they_were_given(own, form):
    """And their labels: here, the first number of a sequence tells its label."""
    numbers = np.random.RandomState(0).permutation(N) % 3
    X = FORMS[form]([np.full((2, 2), float(number)) for number in numbers])
    y = np.array(["a", "b", "c"])[numbers]
    spy = Spy([0.0] * 3)
    clf = make_classifier(scoring=spy, early_stopping=True)
    clf.fit(X, y, **{"X_val": X, "y_val": y} if own else {})
    X_val, y_val, metadata = spy.calls[-1]
    assert type(X_val) is type(X)
    assert getattr(X_val, "columns", None) is None or list(X_val.columns) == ["a", "b"]
    assert len(X_val) == len(y_val) == (N if own else 9)
    assert not metadata
    first = X_val["a"] if form in ("pandas", "polars") else [np.ravel(x)[0] for x in X_val]
    assert [["a", "b", "c"][int(number)] for number in first] == list(y_val)


@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss"])
def test_weights_reach_the_scorer(scoring):
    clf, unweighted = fit(weights=WEIGHTS_VAL, scoring=scoring), fit(scoring=scoring)
    score = get_scorer(scoring)(clf, make_validation("series"), Y_VAL, sample_weight=WEIGHTS_VAL)
    assert clf.best_validation_score_ == pytest.approx(score, rel=1e-12)
    assert clf.validation_scores_ != unweighted.validation_scores_


def test_weights_of_what_is_set_aside_reach_the_scorer():
    """Each stays with its sequence, and is multiplied by the weight of its class."""
    X, weights = [np.full((2, 2), float(i)) for i in range(N)], 1.0 + np.arange(N)
    spy = Spy([0.0] * 3)
    of_class = {"a": 1.0, "b": 2.0, "c": 3.0}
    clf = make_classifier(scoring=spy, early_stopping=True, class_weight=of_class)
    clf.fit(X, Y, sample_weight=weights)
    rows, y, metadata = spy.calls[0]
    expected = [weights[int(x[0, 0])] * of_class[label] for x, label in zip(rows, y, strict=True)]
    assert list(metadata) == ["sample_weight"]
    assert metadata["sample_weight"].tolist() == expected


@pytest.mark.parametrize("scoring", ["adjusted_rand_score", make_scorer(lambda y, found: 1.0)])
def test_weights_do_not_reach_a_metric_that_takes_none(scoring):
    assert len(fit(weights=WEIGHTS_VAL, scoring=scoring).validation_scores_) == 3


@pytest.mark.parametrize(
    ("score", "shown"), [(-np.inf, "-inf"), (np.nan, "nan"), (None, "None"), ("1", "'1'")]
)
def test_a_score_that_is_no_number(score, shown):
    with pytest.raises(ValueError, match=f"^scoring=<function .* gives {shown} on the validation"):
        fit(scoring=lambda clf, X, y: score)


def test_a_score_may_be_an_array_without_axes():
    assert fit(scoring=lambda clf, X, y: np.array(1)).validation_scores_ == [1.0] * 3


@each_kind
def test_what_weighs_nothing_is_not_there(kind):
    """A label of weight 0 may be unknown, and no scorer gets its sequence."""
    X_val, spy = make_validation(kind), Spy(get_scorer("accuracy"))
    y_val, weights = Y_VAL.astype("U3"), np.ones(N_VAL)
    y_val[3], weights[[3, 7]] = "new", 0.0
    kept = np.flatnonzero(weights)
    a, b = (
        make_classifier(kind, scoring=scoring).fit(make(kind), Y, **validation)
        for scoring, validation in [
            (spy, {"X_val": X_val, "y_val": y_val, "sample_weight_val": weights}),
            ("accuracy", {"X_val": [X_val[i] for i in kept], "y_val": Y_VAL[kept]}),
        ]
    )
    assert len(spy.calls[0][0]) == N_VAL - 2
    assert_same_weights(a, b)
    assert a.validation_loss_curve_ == b.validation_loss_curve_


def test_a_validation_set_that_the_pipeline_has_not_scaled():
    scaled = SequenceScaler().fit_transform([100 + x for x in make("series")])
    validation = {"y_val": Y_VAL, "X_val": [100 + x for x in make_validation("series")]}
    with pytest.warns(
        UserWarning, match=r"^X_val: the mean of feature .*transform_input"
    ) as caught:
        make_classifier().fit(scaled, Y, **validation)
    assert [w.filename for w in caught if w.category is UserWarning] == [__file__]


@pytest.mark.parametrize(
    ("of_two", "of_three"), [("f1", "f1_macro"), ("roc_auc", "roc_auc_ovr")], ids=str
)
def test_a_named_score_of_two_classes_has_one_of_three(of_two, of_three):
    with pytest.raises(ValueError, match=rf"scoring='{of_two}' can't judge the.*\"{of_three}\""):
        fit(scoring=of_two)
    clf = fit(scoring=of_three)
    score = get_scorer(of_three)(clf, make_validation("series"), Y_VAL)
    assert clf.best_validation_score_ == score


def test_a_named_score_of_several_labels_says_why_it_fails():
    y, y_val = Y > "a", Y_VAL > "a"
    clf, message = make_classifier(scoring="f1_samples"), r"multilabel classification\. Perhaps the"
    with pytest.raises(ValueError, match=message + r" set lacks a class\.$"):
        clf.fit(make("series"), y, X_val=make_validation("series"), y_val=y_val)


def test_a_named_score_asks_for_the_positive_one_of_two_words():
    validation = {"X_val": make_validation("series"), "y_val": np.where(Y_VAL > "a", "yes", "no")}
    y = np.where(Y > "a", "yes", "no")
    with pytest.raises(ValueError, match=r"scoring='f1' can't judge.*make_scorer\(f1_score, pos_"):
        make_classifier(scoring="f1").fit(make("series"), y, **validation)
    scorer = make_scorer(f1_score, pos_label="yes")
    clf = make_classifier(scoring=scorer).fit(make("series"), y, **validation)
    assert clf.best_validation_score_ == scorer(clf, validation["X_val"], validation["y_val"])


@pytest.mark.filterwarnings("always")
@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([0.25] * 9, "was 0.25 after every epoch"),
        ([0.0] * 9, "was 0 after every epoch"),
        ([1.0] * 9, None),
        ([-0.0] * 9, None),  # no error
        ([0.25, 0.5, *[0.25] * 7], None),
    ],
    ids=str,
)
def test_a_score_that_never_moves_is_told(scores, message, recwarn, monkeypatch):
    monkeypatch.setattr(labels, "cross_entropy", lambda *_: 9.0)
    fit(scoring=Spy(scores), max_iter=9, n_iter_no_change=4)
    found = [str(w.message) for w in recwarn if "after every epoch" in str(w.message)]
    assert len(found) == (message is not None)
    assert not found or message in found[0]


@pytest.mark.filterwarnings("always")
@pytest.mark.parametrize(("scores", "warns"), [([0.25] * 3, True), ([0.25, 0.5, 0.75], False)])
def test_scores_of_an_earlier_fit_are_none_of_this_one(scores, warns, recwarn, monkeypatch):
    monkeypatch.setattr(labels, "cross_entropy", lambda *_: 9.0)
    clf = fit(scoring=Spy([0.5, *scores]), max_iter=1, warm_start=True)
    recwarn.clear()
    clf.set_params(early_stopping=False).fit(make("series"), Y)
    assert not [w for w in recwarn if "after every epoch" in str(w.message)]
    clf.set_params(early_stopping="auto", max_iter=3)
    clf.fit(make("series"), Y, X_val=make_validation("series"), y_val=Y_VAL)
    assert bool([w for w in recwarn if "after every epoch" in str(w.message)]) == warns


@pytest.mark.filterwarnings("always")
def test_a_loss_that_never_moves_is_no_score(recwarn):
    fit(learning_rate_init=1e-9, max_iter=30, n_iter_no_change=2)
    assert not [w for w in recwarn if "after every epoch" in str(w.message)]


@pytest.mark.parametrize("weights", [None, np.r_[np.full(5, 1e-9), np.ones(15)]])
def test_what_lies_as_the_training_set_is_not_far(weights):
    """Nor are sequences with hardly any weight, nor a few series, which may be far by chance."""
    X = [np.full((3, 2), 1e4 if weights is not None and i < 5 else i % 3) for i in range(20)]
    clf = make_classifier(warm_start=True)
    validation = {"X_val": X, "y_val": Y[:20], "sample_weight_val": weights}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        for _ in range(2):
            clf.fit(X, Y[:20], weights, **validation)
        few = {"X_val": [x + 1e4 for x in X[:3]], "y_val": Y[:3]}
        clf.fit(X, Y[:20], weights, **few)


def test_a_scorers_error_is_its_own():
    error = UnicodeDecodeError("utf-8", b"", 0, 1, "a reason")

    def refuse(clf, X, y):
        raise error

    with pytest.raises(UnicodeDecodeError) as raised:
        fit(scoring=refuse)
    assert raised.value is error


def test_validation_weights_without_a_sum():
    with pytest.raises(ValueError, match="validation set: The weights.* sum to inf"):
        fit(weights=np.full(N_VAL, 1e308))


def test_a_warm_start_is_judged_on_what_it_was_not_trained_on():
    X, spy = [np.full((2, 2), float(i)) for i in range(N)], Spy([0.0] * 6)
    clf = make_classifier(scoring=spy, early_stopping=True, warm_start=True).fit(X, Y).fit(X, Y)
    before, after = ([int(x[0, 0]) for x in spy.calls[i][0]] for i in (0, -1))
    assert before == after
    assert len(clf.validation_scores_) == 6


def test_curves_keep_step_with_the_epochs():
    clf = make_classifier("series", warm_start=True, tol=0.0).fit(make("series"), Y)
    clf.fit(make("series"), Y, X_val=make_validation("series"), y_val=Y_VAL)
    for curve in (clf.validation_loss_curve_, clf.validation_scores_):
        assert np.isnan(curve).tolist() == [True] * 3 + [False] * 3
    assert clf.best_validation_score_ == np.nanmax(clf.validation_scores_)
    clf.partial_fit(make("series"), Y)
    assert (len(clf.loss_curve_), len(clf.validation_loss_curve_)) == (7, 6)


# ------------------------------------------------------------------------------- metadata


TEXTS = ["good film", "bad film here", "a good one", "so bad", "good good", "bad day"] * 3
TEXTS_VAL = ["good what", "what a bad day", "unheard of"]
VERDICTS, VERDICTS_VAL = ["yes", "no"] * 9, ["yes", "no", "no"]


@pytest.fixture
def routing():
    with config_context(enable_metadata_routing=True):
        yield


@pytest.mark.usefixtures("routing")
def test_raw_texts_as_validation_set_of_a_pipeline():
    """As if the user had vectorized both by hand."""
    clf = make_classifier("tokens").set_fit_request(X_val=True, y_val=True)
    pipe = make_pipeline(SequenceVectorizer(), clf, transform_input=["X_val"])
    pipe.fit(TEXTS, VERDICTS, X_val=TEXTS_VAL, y_val=VERDICTS_VAL)
    vectorizer = SequenceVectorizer().fit(TEXTS)
    X, X_val = vectorizer.transform(TEXTS), vectorizer.transform(TEXTS_VAL)
    by_hand = make_classifier("tokens").fit(X, VERDICTS, X_val=X_val, y_val=VERDICTS_VAL)
    assert pipe[-1].validation_loss_curve_ == by_hand.validation_loss_curve_
    assert_same_weights(pipe[-1], by_hand)
    np.testing.assert_array_equal(pipe.predict_proba(TEXTS_VAL), by_hand.predict_proba(X_val))


@pytest.mark.usefixtures("routing")
@pytest.mark.parametrize("scaled_by", [False, True], ids=["unweighted", "weighted"])
def test_weights_through_a_pipeline(scaled_by):
    X, weights = make("series"), np.linspace(0.0, 2.0, N)
    scaler = SequenceScaler().set_fit_request(sample_weight=scaled_by)
    clf = make_classifier().set_fit_request(sample_weight=True)
    pipe = make_pipeline(scaler, clf).fit(X, Y, sample_weight=weights)
    scaled = SequenceScaler().fit(X, sample_weight=weights if scaled_by else None).transform(X)
    by_hand = make_classifier().fit(scaled, Y, weights)
    assert_same_weights(pipe[-1], by_hand)
    assert by_hand.loss_curve_ != make_classifier().fit(X, Y).loss_curve_


@pytest.mark.usefixtures("routing")
def test_weights_through_a_search():
    X, weights = make("series"), np.linspace(0.0, 2.0, N)
    clf = make_classifier().set_fit_request(sample_weight=True)
    clf.set_score_request(sample_weight=True)
    folds = [(np.arange(20), np.arange(20, N)), (np.arange(10, N), np.arange(10))]
    search = GridSearchCV(clf, {"cell": ["rnn", "gru"]}, cv=folds)
    search.fit(X, Y, sample_weight=weights)
    for i, (training, test) in enumerate(folds):
        fold = clone(clf).fit([X[j] for j in training], Y[training], weights[training])
        score = fold.score([X[j] for j in test], Y[test], weights[test])
        assert search.cv_results_[f"split{i}_test_score"][0] == pytest.approx(score)
    by_hand = clone(clf).set_params(**search.best_params_).fit(X, Y, weights)
    assert_same_weights(search.best_estimator_, by_hand)


@pytest.mark.usefixtures("routing")
def test_every_argument_can_be_requested():
    for method in (RecurrentClassifier.fit, RecurrentClassifier.partial_fit):
        names = [*inspect.signature(method).parameters][3:]  # after self, X and y
        clf = make_classifier()
        getattr(clf, f"set_{method.__name__}_request")(**dict.fromkeys(names, True))
        requests = getattr(clf.get_metadata_routing(), method.__name__).requests
        assert requests == dict.fromkeys(names, True)


# ----------------------------------------------------------------------- frames and files


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_names_of_columns(frame, method):
    """The first call learns them; after it, other names are an error, and no names a warning."""
    columns = dict(zip("abc", np.random.RandomState(0).normal(size=(3, N)), strict=True))
    X, others = frame(columns), frame({"a" + name: column for name, column in columns.items()})
    swapped, plain = X[["b", "a", "c"]], np.stack(list(columns.values()), axis=1)
    clf = make_classifier(warm_start=True)
    train = getattr(clf, method)
    train(X, Y, **{} if method == "fit" else {"classes": ["a", "b", "c"]})
    train(X, Y)
    assert clf.feature_names_in_.tolist() == ["a", "b", "c"]
    assert clf.feature_names_in_.dtype == object
    assert clf.n_features_in_ == 3
    for call, y in [(train, [Y]), (clf.predict, []), (clf.predict_proba, [])]:
        with pytest.raises(ValueError, match="(?s)feature names.*unseen.*- aa"):
            call(others, *y)
        with pytest.raises(ValueError, match="must be in the same order"):
            call(swapped, *y)
        with pytest.warns(UserWarning, match="X does not have valid feature names"):
            call(plain, *y)
    with pytest.raises(ValueError, match="X_val: (?s:.)*must be in the same order"):
        clf.fit(X, Y, X_val=swapped, y_val=Y)
    named = make_classifier().fit(plain, Y)
    assert not hasattr(named, "feature_names_in_")
    with pytest.warns(UserWarning, match="X has feature names, but RecurrentClassifier was fitted"):
        named.predict(X)


class Lazy:
    """It becomes an array on demand, like data in a file, and can't be indexed."""

    def __init__(self, X):
        self._X = X

    def __array__(self, dtype=None, copy=None):
        return np.array(self._X, dtype)

    def __len__(self):
        return len(self._X)


def test_a_scorer_gets_sequences_of_what_is_an_array_only_on_demand():
    X = np.random.RandomState(0).normal(size=(N, 4))
    clfs = [
        make_classifier(early_stopping=True, scoring="accuracy").fit(given, Y)
        for given in (X, Lazy(X))
    ]
    assert clfs[0].validation_scores_ == clfs[1].validation_scores_


def test_rows_of_a_frame_that_are_steps():
    """This is the usual mistake with a table of steps; the error says what to do."""
    X = pd.DataFrame({"a": np.arange(N * 2.0), "b": 1.0})
    for y in (Y, Y.tolist(), pd.Series(Y)):
        with pytest.raises(ValueError, match=r"60 rows, .* y has 30 labels.*one step.*groupby"):
            make_classifier().fit(X, y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        make_classifier().fit(X.to_numpy(), Y)
    log = X.assign(event="open", time=pd.Timestamp("2020-01-01"))  # told before these columns are
    with pytest.raises(ValueError, match=r"60 rows, .* y has 30 labels.*numbers.*one event"):
        make_classifier().fit(log, Y)
    with pytest.raises(TypeError, match="collect"):
        make_classifier().fit(pl.LazyFrame({"a": np.zeros(2 * N)}), Y)


@pytest.mark.filterwarnings("ignore:y has two dimensions")
def test_sparse_labels_beside_a_frame():
    X, y = pd.DataFrame(np.random.RandomState(0).normal(size=(N, 4))), np.eye(3)[np.arange(N) % 3]
    clfs = [make_classifier().fit(X, labels) for labels in (y, sparse.csr_matrix(y))]
    np.testing.assert_array_equal(*(clf.predict_proba(X) for clf in clfs))


def test_rows_of_weight_0_do_not_shift_what_is_set_aside():
    X, weights = [np.full((2, 2), float(i)) for i in range(N)], np.ones(N)
    weights[::4] = 0
    y, spy = np.arange(N) % 2, Spy([0.0] * 3)
    make_classifier(scoring=spy, early_stopping=True).fit(X, y, sample_weight=weights)
    rows, labels, _ = spy.calls[0]
    numbers = [int(x[0, 0]) for x in rows]
    assert all(number % 4 for number in numbers)
    assert y[numbers].tolist() == labels.tolist()
