"""RecurrentClassifier inside scikit-learn's meta-estimators: each gives what is computed by hand.

X is 3-D or ragged wherever scikit-learn lets it through, else 2-D; the last tests name the
meta-estimators that refuse it, and why.
"""

import itertools

import numpy as np
import pytest
from helpers import object_array, take
from naive import CELLS
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import RFE, SequentialFeatureSelector
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, log_loss
from sklearn.model_selection import (
    HalvingGridSearchCV,
    StratifiedKFold,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_validate,
    learning_curve,
    permutation_test_score,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.utils import resample

from seqnets import RecurrentClassifier

# Only the arithmetic is compared: a few epochs are enough.
pytestmark = [
    pytest.mark.compiled,  # scikit-learn's part does not depend on it
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

THREE_CELLS = ["rnn", "lstm", "gru"]  # for a majority, and for a search that keeps one of three
N = 42

each_kind = pytest.mark.parametrize("kind", ["3d", "list", "object", "tokens"])

# -------------------------------------------------------------------------------- helpers


def make(kind, n_classes=2):
    """Sequences whose noisy first step tells the class, and labels in words."""
    random = np.random.RandomState(0)
    number = np.arange(N) % n_classes
    lengths = np.full(N, 3) if kind in ("2d", "3d") else random.randint(1, 4, N)
    X = [random.normal(size=(T, 2)) for T in lengths]
    for x, label in zip(X, number, strict=True):
        x[0, 0] += 3 * label
    if kind == "tokens":
        X = [np.digitize(x[:, 0], [-1, 1, 2, 4, 5]) + 2 for x in X]
    y = np.array(["high", "low", "middle"])[number]
    if kind == "3d":
        return np.array(X), y
    if kind == "2d":
        return np.array(X)[:, :, 0], y
    if kind == "object":
        return object_array(X), y
    return X, y


def make_classifier(kind, cell="rnn", **parameters):
    defaults = {"hidden_layer_sizes": 4, "max_iter": 4, "batch_size": 8, "n_jobs": 1}
    defaults |= {"learning_rate_init": 0.03, "random_state": 0}
    defaults["embedding_dim"] = 3 if kind == "tokens" else None
    return RecurrentClassifier(cell, **defaults | parameters)


def folds(n_splits, y):
    return list(StratifiedKFold(n_splits).split(np.zeros(N), y))


def fit_score(clf, X, y, train, test):
    """The accuracy on rows `test` after fitting on rows `train`."""
    clf = clone(clf).fit(take(X, train), y[train])
    return np.mean(clf.predict(take(X, test)) == y[test])


def held_out(clf, X, y, n_splits, method):
    """The output of `method` for each sequence, by a classifier fit on the other folds."""
    found = [None] * N
    for train, test in folds(n_splits, y):
        fitted = clone(clf).fit(take(X, train), y[train])
        for i, row in zip(test, getattr(fitted, method)(take(X, test)), strict=True):
            found[i] = row
    return np.array(found)


def assert_tells_apart(proba):
    """A comparison of constants would show nothing."""
    assert np.ptp(proba, axis=0).min() > 0.05


# ------------------------------------------------------------------------------- ensembles


@each_kind
def test_soft_voting_is_the_weighted_mean(kind):
    X, y = make(kind, 3)
    members = [(cell, make_classifier(kind, cell, max_iter=8)) for cell in CELLS]
    weights = 2 ** np.arange(len(CELLS))
    voting = VotingClassifier(members, voting="soft", weights=weights).fit(X, y)
    each = [clone(clf).fit(X, y).predict_proba(X) for _, clf in members]
    expected = np.average(each, axis=0, weights=weights)
    np.testing.assert_allclose(voting.predict_proba(X), expected, rtol=1e-14)
    assert voting.predict(X).tolist() == voting.classes_[expected.argmax(axis=1)].tolist()
    assert voting.score(X, y) > 0.5  # there are three classes


@each_kind
def test_hard_voting_is_the_majority(kind):
    X, y = make(kind)
    members = [(cell, make_classifier(kind, cell, max_iter=1)) for cell in THREE_CELLS]
    voting = VotingClassifier(members).fit(X, y)
    votes = np.sum([clone(clf).fit(X, y).predict(X) == "low" for _, clf in members], axis=0)
    assert voting.predict(X).tolist() == np.where(votes >= 2, "low", "high").tolist()
    assert set(votes) & {1, 2}  # opinions differ


@each_kind
def test_stacking_learns_from_held_out_probabilities(kind):
    X, y = make(kind)
    members = [(cell, make_classifier(kind, cell)) for cell in ("rnn", "gru")]
    stack = StackingClassifier(members, LogisticRegression(), cv=3).fit(X, y)
    learned = [held_out(clf, X, y, 3, "predict_proba")[:, 1] for _, clf in members]
    final = LogisticRegression().fit(np.transpose(learned), y)
    given = [clone(clf).fit(X, y).predict_proba(X)[:, 1] for _, clf in members]
    expected = final.predict_proba(np.transpose(given))
    np.testing.assert_allclose(stack.predict_proba(X), expected, rtol=1e-12)
    assert_tells_apart(expected)


@pytest.mark.parametrize("kind", ["2d", "3d"])
def test_boosting_weighs_what_was_wrong(kind):
    """SAMME (Zhu et al. 2009): each member is fit with the weights that those before it left."""
    X, y = make(kind, 3)
    weak = make_classifier(kind, max_iter=2, alpha=0)  # any other is too strong if weights sum to 1
    boost = AdaBoostClassifier(weak, n_estimators=3, random_state=0).fit(X, y)
    assert len(boost.estimators_) == 3
    weights, votes = np.full(N, 1 / N), np.zeros((N, 3))
    for member, found in zip(boost.estimators_, boost.estimator_weights_, strict=True):
        anew = clone(member).fit(X, y, sample_weight=weights)
        np.testing.assert_allclose(member.predict_proba(X), anew.predict_proba(X), rtol=1e-9)
        unweighted = clone(member).fit(X, y).predict_proba(X)
        assert np.allclose(anew.predict_proba(X), unweighted) == (np.ptp(weights) < 1e-9)
        predicted = anew.predict(X)
        error = weights[predicted != y].sum() / weights.sum()
        weight = np.log((1 - error) / error) + np.log(3 - 1)
        assert found == pytest.approx(weight, rel=1e-9)
        weights *= np.exp(weight * (predicted != y))
        weights /= weights.sum()
        votes += weight * (predicted[:, np.newaxis] == boost.classes_)
    assert boost.predict(X).tolist() == boost.classes_[votes.argmax(axis=1)].tolist()


@pytest.mark.parametrize("kind", ["2d", "padded tokens"])
def test_bagging_is_the_mean_over_its_samples(kind):
    """A row drawn twice weighs twice; in a single batch, that is the same as having it twice."""
    X, y = make("2d")
    if kind == "padded tokens":
        X, kind = np.array([[*x, 0, 0][:3] for x in make("tokens")[0]]), "tokens"
    clf = make_classifier(kind, max_iter=8, batch_size=N, dropout=0, dtype="float64")
    bag = BaggingClassifier(clf, n_estimators=3, random_state=0).fit(X, y)
    each = [
        clone(member).fit(X[rows], y[rows]).predict_proba(X)
        for member, rows in zip(bag.estimators_, bag.estimators_samples_, strict=True)
    ]
    np.testing.assert_allclose(bag.predict_proba(X), np.mean(each, axis=0), atol=1e-9)
    assert_tells_apart(np.mean(each, axis=0))
    assert not np.allclose(each[0], each[1], atol=0.01)


# ------------------------------------------------------------------- one classifier, wrapped


@each_kind
def test_one_vs_rest_is_the_binary_fits(kind):
    X, y = make(kind, 3)
    clf = make_classifier(kind)
    rest = OneVsRestClassifier(clf).fit(X, y)
    each = [clone(clf).fit(X, y == label).predict_proba(X)[:, 1] for label in rest.classes_]
    expected = np.transpose(each) / np.sum(each, axis=0)[:, np.newaxis]
    np.testing.assert_allclose(rest.predict_proba(X), expected, rtol=1e-14)
    assert rest.predict(X).tolist() == rest.classes_[expected.argmax(axis=1)].tolist()
    assert_tells_apart(expected)


@each_kind
def test_multi_output_is_a_fit_for_each_column(kind):
    X, y = make(kind, 3)
    Y = np.transpose([y, np.where(y == "high", "yes", "no")])
    clf = make_classifier(kind)
    both = MultiOutputClassifier(clf).fit(X, Y)
    for column, found in zip(Y.T, both.predict_proba(X), strict=True):
        expected = clone(clf).fit(X, column).predict_proba(X)
        np.testing.assert_array_equal(found, expected)
        assert_tells_apart(expected)


@each_kind
@pytest.mark.parametrize("ensemble", [True, False])
def test_calibration_is_isotonic_regression_on_held_out_decisions(kind, ensemble):
    X, y = make(kind)
    clf = make_classifier(kind)
    calibrated = CalibratedClassifierCV(clf, method="isotonic", cv=2, ensemble=ensemble).fit(X, y)
    isotonic = IsotonicRegression(out_of_bounds="clip")
    if ensemble:
        each = []
        for train, test in folds(2, y):
            fitted = clone(clf).fit(take(X, train), y[train])
            isotonic.fit(fitted.decision_function(take(X, test)), y[test] == "low")
            each.append(isotonic.predict(fitted.decision_function(X)))
        expected = np.mean(each, axis=0)
    else:
        isotonic.fit(held_out(clf, X, y, 2, "decision_function"), y == "low")
        expected = isotonic.predict(clone(clf).fit(X, y).decision_function(X))
    np.testing.assert_allclose(calibrated.predict_proba(X)[:, 1], expected, rtol=1e-14)
    assert len(set(expected)) > 2


@each_kind
def test_the_threshold_is_the_best_on_held_out_folds(kind):
    X, y = make(kind)
    y[::6] = "low"  # not balanced, so that 0.5 is not the best threshold
    clf = make_classifier(kind, hidden_layer_sizes=8, max_iter=12)
    thresholds = np.linspace(0.1, 0.9, 17)
    tuned = TunedThresholdClassifierCV(clf, thresholds=thresholds, cv=3, store_cv_results=True)
    tuned.fit(X, y)
    scores = np.zeros(17)
    for train, test in folds(3, y):
        fitted = clone(clf).fit(take(X, train), y[train])
        proba = fitted.predict_proba(take(X, test))[:, 1]
        for i, threshold in enumerate(thresholds):
            predicted = np.where(proba >= threshold, "low", "high")
            scores[i] += balanced_accuracy_score(y[test], predicted) / 3
    np.testing.assert_allclose(tuned.cv_results_["scores"], scores, rtol=1e-12)
    assert scores.max() > 0.65
    assert np.ptp(scores) > 0.05
    assert tuned.best_threshold_ == thresholds[tuned.cv_results_["scores"].argmax()]
    above = clone(clf).fit(X, y).predict_proba(X)[:, 1] >= tuned.best_threshold_
    assert tuned.predict(X).tolist() == np.where(above, "low", "high").tolist()


# ------------------------------------------------------------------ searches and validation


@each_kind
@pytest.mark.parametrize("resource", ["n_samples", "max_iter"])
def test_halving_search_gives_more_to_the_best(kind, resource):
    """The best of 3 cells goes on with 3 times the sequences or epochs."""
    X, y = make(kind)
    least, most = {"n_samples": (14, 42), "max_iter": (2, 6)}[resource]
    clf = make_classifier(kind, batch_size=4)
    search = HalvingGridSearchCV(
        clf, {"cell": THREE_CELLS}, resource=resource, min_resources=least, max_resources=most,
        cv=2, random_state=0,
    ).fit(X, y)  # fmt: skip
    results = search.cv_results_
    assert results["iter"].tolist() == [0, 0, 0, 1]
    assert results["n_resources"].tolist() == [least] * 3 + [most]
    for i, parameters in enumerate(results["params"]):
        candidate = clone(clf).set_params(**parameters)
        for number, parts in enumerate(folds(2, y)):
            if resource == "n_samples":
                share = results["n_resources"][i] / N
                parts = [
                    resample(part, replace=False, n_samples=int(share * len(part)), random_state=0)
                    for part in parts
                ]
            assert results[f"split{number}_test_score"][i] == fit_score(candidate, X, y, *parts)
    assert results["mean_test_score"][:3].max() > results["mean_test_score"][:3].min()
    assert search.best_params_ == results["params"][3]
    best = clone(clf).set_params(**search.best_params_).fit(X, y)
    np.testing.assert_array_equal(search.predict_proba(X), best.predict_proba(X))


@each_kind
def test_cross_validate_and_cross_val_predict(kind):
    X, y = make(kind, 3)
    clf = make_classifier(kind)
    found = cross_validate(
        clf, X, y, cv=3, scoring=["accuracy", "neg_log_loss"], return_train_score=True,
        return_estimator=True,
    )  # fmt: skip
    for i, parts in enumerate(folds(3, y)):
        fitted = clone(clf).fit(take(X, parts[0]), y[parts[0]])
        for name, rows in zip(("train", "test"), parts, strict=True):
            proba = fitted.predict_proba(take(X, rows))
            accuracy = np.mean(fitted.predict(take(X, rows)) == y[rows])
            assert found[f"{name}_accuracy"][i] == accuracy
            loss = log_loss(y[rows], proba, labels=fitted.classes_)
            assert found[f"{name}_neg_log_loss"][i] == pytest.approx(-loss, rel=1e-12)
            np.testing.assert_array_equal(found["estimator"][i].predict_proba(take(X, rows)), proba)
    for method in ("predict", "predict_proba", "decision_function"):
        np.testing.assert_array_equal(
            cross_val_predict(clf, X, y, cv=3, method=method), held_out(clf, X, y, 3, method)
        )


@each_kind
@pytest.mark.parametrize("incremental", [False, True])
def test_learning_curve(kind, incremental):
    """A fit for each size; or one partial_fit after the other, each on the new sequences."""
    X, y = make(kind)
    clf, sizes = make_classifier(kind, max_iter=3, batch_size=4), [10, 28]
    found_sizes, train_scores, test_scores = learning_curve(
        clf, X, y, cv=3, train_sizes=sizes, exploit_incremental_learning=incremental
    )
    assert found_sizes.tolist() == sizes
    for i, (train, test) in enumerate(folds(3, y)):
        growing = clone(clf)
        for j, (seen, size) in enumerate(zip([0, 10], sizes, strict=True)):
            new, rows = train[seen:size], train[:size]
            if incremental:
                growing.partial_fit(take(X, new), y[new], classes=np.unique(y))
                assert growing.t_ == size
            else:
                growing = clone(clf).fit(take(X, rows), y[rows])
            assert train_scores[j, i] == growing.score(take(X, rows), y[rows])
            assert test_scores[j, i] == growing.score(take(X, test), y[test])
    assert len(set(train_scores.ravel())) > 1


@each_kind
def test_labels_tell_more_than_their_permutations(kind):
    X, y = make(kind)
    clf = make_classifier(kind, hidden_layer_sizes=8, max_iter=12)
    score, permuted, p = permutation_test_score(clf, X, y, cv=2, n_permutations=4, random_state=0)
    assert score == np.mean([fit_score(clf, X, y, *parts) for parts in folds(2, y)])
    assert score > max(permuted)
    assert p == 1 / 5
    random = np.random.RandomState(0)
    for found in permuted[:2]:
        shuffled = y[random.permutation(N)]
        parts = folds(2, shuffled)
        assert found == np.mean([fit_score(clf, X, shuffled, *rows) for rows in parts])


# --------------------------------------------------------- those that want two dimensions


def test_one_vs_one_is_the_fits_of_pairs():
    X, y = make("2d", 3)
    clf = make_classifier("2d")
    found = OneVsOneClassifier(clf).fit(X, y)
    pairs = itertools.combinations(found.classes_, 2)
    for member, (first, second) in zip(found.estimators_, pairs, strict=True):
        rows = np.flatnonzero((y == first) | (y == second))
        by_hand = clone(clf).fit(X[rows], (y[rows] == second).astype(int))
        np.testing.assert_array_equal(member.predict_proba(X), by_hand.predict_proba(X))


def test_a_chain_s_second_link_reads_the_first_label():
    X, y = make("2d", 3)
    Y = np.transpose([y == "low", y == "high"]).astype(int)
    clf = make_classifier("2d")
    chain = ClassifierChain(clf).fit(X, Y)
    first = clone(clf).fit(X, Y[:, 0])
    second = clone(clf).fit(np.c_[X, Y[:, 0]], Y[:, 1])
    expected = second.predict_proba(np.c_[X, first.predict(X)])[:, 1]
    np.testing.assert_array_equal(chain.predict_proba(X)[:, 1], expected)
    assert_tells_apart(expected)


def test_self_training_learns_from_what_it_is_sure_of():
    X, y = make("2d")
    given = np.where(np.arange(N) % 3, (y == "low").astype(int), -1)
    clf = make_classifier("2d", max_iter=12)
    found = SelfTrainingClassifier(clf, threshold=0.9, max_iter=1).fit(X, given)
    known = given >= 0
    proba = clone(clf).fit(X[known], given[known]).predict_proba(X)
    labels = np.where(~known & (proba.max(axis=1) > 0.9), proba.argmax(axis=1), given)
    assert found.transduction_.tolist() == labels.tolist()
    assert set(labels[~known]) == {-1, 0, 1}
    by_hand = clone(clf).fit(X[labels >= 0], labels[labels >= 0])
    np.testing.assert_array_equal(found.predict_proba(X), by_hand.predict_proba(X))


def test_elimination_drops_the_column_that_matters_least():
    X, y = make("2d")
    clf = make_classifier("2d")

    def importances(fitted):
        given = X if fitted.n_features_in_ == 3 else X[:, [0, 1]]
        return permutation_importance(fitted, given, y, random_state=0).importances_mean

    found = RFE(clf, n_features_to_select=2, importance_getter=importances).fit(X, y)
    sizes = abs(importances(clone(clf).fit(X, y)))  # RFE squares them
    assert found.ranking_.argmax() == sizes.argmin()
    kept = X[:, found.support_]
    np.testing.assert_array_equal(
        found.predict_proba(X), clone(clf).fit(kept, y).predict_proba(kept)
    )


def test_selection_keeps_the_column_that_scores_best():
    X, y = make("2d")
    clf = make_classifier("2d")
    found = SequentialFeatureSelector(clf, n_features_to_select=1, cv=folds(2, y)).fit(X, y)
    scores = [
        np.mean([fit_score(clf, X[:, [column]], y, *parts) for parts in folds(2, y)])
        for column in range(3)
    ]
    assert found.get_support(indices=True).tolist() == [np.argmax(scores)]
    assert len(set(scores)) > 1


def test_partial_dependence_is_the_mean_of_predictions():
    X, y = make("2d")
    clf = make_classifier("2d").fit(X, y)
    found = partial_dependence(clf, X, [0], grid_resolution=4)
    for value, mean in zip(found["grid_values"][0], found["average"][0], strict=True):
        there = np.c_[np.full(N, value), X[:, 1:]]
        assert mean == pytest.approx(clf.predict_proba(there)[:, 1].mean(), rel=1e-12)
    assert np.ptp(found["average"]) > 0.01


# ------------------------------------------------------------------------- what is refused

# These check X themselves and want two dimensions, before any classifier sees it.
WANT_2D = {
    "RFE": lambda clf, X, y: RFE(clf).fit(X, y),
    "SequentialFeatureSelector": lambda clf, X, y: SequentialFeatureSelector(clf).fit(X, y),
    "BaggingClassifier": lambda clf, X, y: BaggingClassifier(clf, 2).fit(X, y),
    "OneVsOneClassifier": lambda clf, X, y: OneVsOneClassifier(clf).fit(X, y),
    "ClassifierChain": lambda clf, X, y: ClassifierChain(clf).fit(X, np.transpose([y, y])),
    "SelfTrainingClassifier": lambda clf, X, y: SelfTrainingClassifier(clf).fit(X, y),
    "permutation_importance": lambda clf, X, y: permutation_importance(clf.fit(X, y), X, y),
}


@pytest.mark.parametrize("name", WANT_2D)
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("3d", "Found array with dim 3"),
        ("list", "inhomogeneous shape"),
        ("object", "Expected 2D array|array element with a sequence"),
    ],
)
def test_these_want_two_dimensions(name, kind, message):
    X, y = make(kind)
    with pytest.raises(ValueError, match=message):
        WANT_2D[name](make_classifier(kind, max_iter=1), X, (y == "low").astype(int))


def test_a_pipeline_inside_can_restore_the_third_dimension():
    X, y = make("3d")
    clf, flat = make_classifier("3d"), X.reshape(N, -1)
    model = make_pipeline(FunctionTransformer(lambda X: X.reshape(len(X), -1, 2)), clf)
    known = np.arange(N) % 3 > 0
    given = np.where(known, y == "low", -1)
    found = SelfTrainingClassifier(model, threshold=0.99, max_iter=1).fit(flat, given)
    assert found.labeled_iter_.max() == 0  # nothing was learned but the known labels
    by_hand = clone(clf).fit(X[known], given[known])
    np.testing.assert_array_equal(found.predict_proba(flat), by_hand.predict_proba(X))
    assert_tells_apart(by_hand.predict_proba(X))


@pytest.mark.parametrize(
    ("kind", "message"), [("list", "inhomogeneous shape"), ("object", "Expected 2D array")]
)
def test_boosting_wants_one_array(kind, message):
    """It converts X to an array, which may have any number of dimensions but one."""
    X, y = make(kind)
    with pytest.raises(ValueError, match=message):
        AdaBoostClassifier(make_classifier(kind), n_estimators=2).fit(X, y)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("3d", "same number of dimensions"),
        ("list", "inhomogeneous shape"),
        ("object", "same number of dimensions"),
    ],
)
def test_stacking_can_not_pass_sequences_through(kind, message):
    """passthrough=True puts X beside the probabilities, as columns of one matrix."""
    X, y = make(kind)
    members = [("rnn", make_classifier(kind, max_iter=1))]
    with pytest.raises(ValueError, match=message):
        StackingClassifier(members, cv=2, passthrough=True).fit(X, y)
